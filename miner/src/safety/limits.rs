//! Which temperatures hold for which sensor: what the user says, else what the driver says, else what is usual.

use serde::Serialize;

use crate::telemetry::{DeviceKind, Place};

/// Limits that a user may set, in degrees Celsius.
pub const MIN_LIMIT_C: f64 = 30.0;
/// See [`MIN_LIMIT_C`].
pub const MAX_LIMIT_C: f64 = 110.0;
/// Set point below a user's limit.
const USER_SET_BELOW_C: f64 = 5.0;
/// Resume below a user's limit, unless the user says otherwise.
const USER_RESUME_BELOW_C: f64 = 10.0;
/// Set point, pause and resume below a limit that the driver tells.
const VENDOR_BELOW_C: [f64; 3] = [8.0, 3.0, 15.0];
/// A driver's limit outside of these is none.
const BELIEVED_C: std::ops::RangeInclusive<f64> = 60.0..=125.0;

/// Temperatures of one sensor, in degrees Celsius: `resume_c` is below `pause_c`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Held by hashing less.
    pub set_c: f64,
    /// From here on nothing is hashed.
    pub pause_c: f64,
    /// Below this it is hashed again after a pause.
    pub resume_c: f64,
    /// Whose they are.
    pub source: LimitSource,
}

/// Whose a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitSource {
    /// The user's.
    User,
    /// Made of what the driver says of the hardware.
    Vendor,
    /// Usual for this kind of sensor.
    Default,
}

/// What a rule holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Which devices.
    pub device: DeviceScope,
    /// Where it is measured; without one the processor's package or the card's core, which is what people mean.
    pub place: Option<Place>,
}

/// Which devices a rule holds for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceScope {
    /// All.
    Any,
    /// All of a kind.
    Kind(DeviceKind),
    /// One, by its name.
    Id(String),
}

/// What a user wants of a sensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wish {
    /// No limit at all.
    Off,
    /// A pause at `pause_c`, and the resume if it was written beside it.
    At {
        /// In degrees Celsius.
        pause_c: f64,
        /// In degrees Celsius.
        resume_c: Option<f64>,
    },
}

/// All that a user wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemperatureRules {
    /// Limits; the most special one holds, of two equal ones the later.
    pub limits: Vec<(Scope, Wish)>,
    /// Where it is hashed again, in degrees Celsius.
    pub resumes: Vec<(Scope, f64)>,
}

impl Scope {
    /// Everything.
    pub const ANY: Self = Self { device: DeviceScope::Any, place: None };

    /// One sensor of a device.
    pub fn sensor(device: &str, place: Place) -> Self {
        Self { device: DeviceScope::Id(device.to_owned()), place: Some(place) }
    }

    fn covers(&self, other: &Self, all_places: bool) -> bool {
        let device = match (&self.device, &other.device) {
            (DeviceScope::Any, _) => true,
            (DeviceScope::Kind(kind), DeviceScope::Id(id)) => *kind == DeviceKind::of(id),
            (one, another) => one == another,
        };
        let place = match (self.place, other.place) {
            (None, None | Some(Place::Package | Place::Core)) => true,
            (None, Some(_)) => all_places,
            (one, another) => one == another,
        };
        device && place
    }

    fn rank(&self) -> u8 {
        let device = match self.device {
            DeviceScope::Any => 0,
            DeviceScope::Kind(_) => 1,
            DeviceScope::Id(_) => 2,
        };
        // A place is more than any device: `memory=95` is not meant by `gpu0=80`.
        device + if self.place.is_some() { 3 } else { 0 }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let device = match &self.device {
            DeviceScope::Any => None,
            DeviceScope::Kind(DeviceKind::Cpu) => Some("cpu"),
            DeviceScope::Kind(DeviceKind::Gpu) => Some("gpu"),
            DeviceScope::Kind(DeviceKind::Simulated) => Some("sim"),
            DeviceScope::Id(id) => Some(id.as_str()),
        };
        match (device, self.place) {
            (None, None) => f.write_str("all devices"),
            (Some(device), None) => f.write_str(device),
            (None, Some(place)) => f.write_str(place.name()),
            (Some(device), Some(place)) => write!(f, "{device}.{}", place.name()),
        }
    }
}

impl TemperatureRules {
    /// What the user wants of these sensors: the limit, and the resume where one was given apart or beside it.
    pub fn wish(&self, of: &Scope) -> (Option<Wish>, Option<f64>) {
        let covered = |(rule, wish): &&(Scope, Wish)| rule.covers(of, *wish == Wish::Off);
        let limit = self.limits.iter().filter(covered).max_by_key(|(rule, _)| rule.rank());
        let resume = self
            .resumes
            .iter()
            .filter(|(rule, _)| rule.covers(of, false))
            .max_by_key(|(rule, _)| rule.rank());
        let beside = match limit {
            Some((rule, Wish::At { resume_c: Some(resume_c), .. })) => Some((rule.rank(), *resume_c)),
            _ => None,
        };
        let apart = resume.map(|(rule, resume_c)| (rule.rank(), *resume_c));
        // Of the two the more special one; of equals the pair.
        let resume_c = match (beside, apart) {
            (Some(beside), Some(apart)) if apart.0 > beside.0 => Some(apart.1),
            (Some(beside), _) => Some(beside.1),
            (None, apart) => apart.map(|(_, resume_c)| resume_c),
        };
        (limit.map(|(_, wish)| *wish), resume_c)
    }

    /// The limits of a sensor, given what the driver says of the hardware; `None` where the user wants none.
    pub fn limits(&self, device: &str, place: Place, vendor_c: Option<f64>) -> Option<Limits> {
        let (wish, resume_c) = self.wish(&Scope::sensor(device, place));
        let limits = match wish {
            Some(Wish::Off) => return None,
            Some(Wish::At { pause_c, .. }) => Limits {
                set_c: pause_c - USER_SET_BELOW_C,
                pause_c,
                resume_c: resume_c.unwrap_or(pause_c - USER_RESUME_BELOW_C),
                source: LimitSource::User,
            },
            None => {
                let usual = usual(place, vendor_c);
                // A resume alone is a wish to wait longer; it cannot lift the usual limits.
                Limits { resume_c: resume_c.map_or(usual.resume_c, |c| c.min(usual.set_c)), ..usual }
            }
        };
        Some(limits)
    }

    /// Contradictions, in words.
    pub fn contradictions(&self) -> Vec<String> {
        let scopes =
            self.limits.iter().map(|(scope, _)| scope).chain(self.resumes.iter().map(|(scope, _)| scope));
        let mut found = Vec::new();
        for scope in scopes {
            let (Some(Wish::At { pause_c, .. }), Some(resume_c)) = self.wish(scope) else { continue };
            let words = format!("{scope} would pause at {pause_c} C and resume below {resume_c} C");
            if resume_c >= pause_c && !found.contains(&words) {
                found.push(words);
            }
        }
        found
    }
}

/// By the driver's word, else by the place.
fn usual(place: Place, vendor_c: Option<f64>) -> Limits {
    if let Some(vendor_c) = vendor_c.filter(|c| BELIEVED_C.contains(c)) {
        let [set_c, pause_c, resume_c] = VENDOR_BELOW_C.map(|below_c| vendor_c - below_c);
        return Limits { set_c, pause_c, resume_c, source: LimitSource::Vendor };
    }
    let [set_c, pause_c, resume_c] = match place {
        Place::Package => [90.0, 96.0, 82.0],
        Place::Core => [80.0, 87.0, 72.0],
        // The hottest spot stands about as far above the core as the memory does.
        Place::Memory | Place::Hotspot => [95.0, 102.0, 88.0],
    };
    Limits { set_c, pause_c, resume_c, source: LimitSource::Default }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(limits: Option<Limits>) -> Option<[f64; 3]> {
        limits.map(|limits| [limits.set_c, limits.pause_c, limits.resume_c])
    }

    fn rule(device: DeviceScope, place: Option<Place>, pause_c: f64) -> (Scope, Wish) {
        (Scope { device, place }, Wish::At { pause_c, resume_c: None })
    }

    #[test]
    fn usual_limits_are_those_of_the_design() {
        let none = TemperatureRules::default();
        for (place, wanted) in [
            (Place::Core, [80.0, 87.0, 72.0]),
            (Place::Memory, [95.0, 102.0, 88.0]),
            (Place::Package, [90.0, 96.0, 82.0]),
        ] {
            assert_eq!(three(none.limits("gpu0", place, None)), Some(wanted));
        }
        assert_eq!(three(none.limits("gpu0", Place::Core, Some(93.0))), Some([85.0, 90.0, 78.0]));
        for absurd in [0.0, 255.0, f64::NAN, -1.0] {
            assert_eq!(three(none.limits("gpu0", Place::Core, Some(absurd))), Some([80.0, 87.0, 72.0]));
        }
    }

    #[test]
    fn the_most_special_rule_holds() {
        let rules = TemperatureRules {
            limits: vec![
                rule(DeviceScope::Id("gpu1".into()), None, 70.0),
                rule(DeviceScope::Any, None, 85.0),
                rule(DeviceScope::Kind(DeviceKind::Gpu), None, 75.0),
                rule(DeviceScope::Any, Some(Place::Memory), 90.0),
                (Scope { device: DeviceScope::Id("gpu2".into()), place: None }, Wish::Off),
            ],
            resumes: vec![(Scope { device: DeviceScope::Kind(DeviceKind::Gpu), place: None }, 60.0)],
        };
        let limits = |id: &str, place| three(rules.limits(id, place, Some(100.0)));
        assert_eq!(limits("gpu1", Place::Core), Some([65.0, 70.0, 60.0]));
        assert_eq!(limits("gpu0", Place::Core), Some([70.0, 75.0, 60.0]));
        assert_eq!(limits("cpu0", Place::Package), Some([80.0, 85.0, 75.0]));
        assert_eq!(limits("gpu0", Place::Memory), Some([85.0, 90.0, 80.0]));
        assert_eq!(
            limits("gpu0", Place::Hotspot),
            Some([92.0, 97.0, 85.0]),
            "a core's limit is not the hot spot's"
        );
        assert_eq!(limits("gpu2", Place::Core), None);
        assert_eq!(limits("gpu2", Place::Hotspot), None, "off is meant for the whole device");
        assert!(rules.contradictions().is_empty());
    }

    #[test]
    fn contradictions_are_seen_across_options() {
        let rules = TemperatureRules {
            limits: vec![
                rule(DeviceScope::Any, None, 80.0),
                rule(DeviceScope::Id("gpu0".into()), None, 70.0),
            ],
            resumes: vec![(Scope::ANY, 75.0)],
        };
        assert_eq!(rules.contradictions(), ["gpu0 would pause at 70 C and resume below 75 C"]);
    }

    #[test]
    fn a_resume_alone_lifts_no_limit() {
        let rules = TemperatureRules { limits: Vec::new(), resumes: vec![(Scope::ANY, 100.0)] };
        assert_eq!(three(rules.limits("gpu0", Place::Core, None)), Some([80.0, 87.0, 80.0]));
    }
}
