//! Watts over the rig: what all devices draw together is kept under a cap by hashing less.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::thermal::STEP_EVERY;
use crate::engine::Duty;
use crate::problem::Problem;
use crate::telemetry::{Readings, Watched};

/// Sensors may take so long to say something before they count as not there.
pub(super) const SENSORS_COME: Duration = Duration::from_secs(20);
/// Draws from here to the cap are left as they are; below there is room for more.
const CLOSE: f64 = 0.96;
/// What a step aims at, as a share of the cap.
const AIM: f64 = 0.98;
/// Largest step up, as a factor.
const MAX_UP: f64 = 1.15;
/// Below this level the devices rest, and try again after [`RETRY`].
const LEAST: f64 = 0.02;
const RETRY: Duration = Duration::from_secs(60);

/// The controller of one rig.
#[derive(Debug)]
pub(super) struct Power {
    /// From 0 to 1, for every device whose power is known.
    level: f64,
    stepped: Option<Instant>,
    started: Instant,
    /// Devices whose power was ever known.
    known: BTreeSet<String>,
    told: bool,
}

/// What the cap comes to.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What devices may do whose power is known, and the facts.
    pub(super) cap: Option<(Duty, String)>,
    /// What people should hear once.
    pub(super) warning: Option<Problem>,
}

impl Power {
    pub(super) fn new(now: Instant) -> Self {
        Self { level: 1.0, stepped: None, started: now, known: BTreeSet::new(), told: false }
    }

    /// Whether the cap holds for this device.
    pub(super) fn knows(&self, device: &str) -> bool {
        self.known.contains(device)
    }

    /// What holds from now on. `applied` is what the devices have had, the highest of those that are known.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        cap_w: f64,
        devices: &[Watched],
        readings: &Readings,
        applied: Duty,
    ) -> Held {
        let (mut sum_w, mut all_there) = (0.0, true);
        for device in devices {
            let power_w = readings.devices.get(&device.id).and_then(|readings| readings.power_w);
            match power_w.filter(|power_w| (0.0..1e5).contains(power_w)) {
                Some(power_w) => {
                    sum_w += power_w;
                    if !self.knows(&device.id) {
                        self.known.insert(device.id.clone());
                    }
                }
                // What was known and is silent may draw any power.
                None => all_there &= !self.knows(&device.id),
            }
        }
        let warning = self.unknown(now, devices);
        if self.known.is_empty() {
            return Held { cap: None, warning };
        }
        if self.stepped.is_none_or(|at| now.saturating_duration_since(at) >= STEP_EVERY) {
            self.step(now, sum_w / cap_w, all_there, applied.ratio());
        }
        let detail = || format!("the devices draw {sum_w:.0} W, cap {cap_w} W");
        let cap = (self.level < 1.0).then(|| (Duty::from_ratio(self.level), detail()));
        Held { cap, warning }
    }

    /// One step, given the draw as a share of the cap.
    fn step(&mut self, now: Instant, draw: f64, all_there: bool, applied: f64) {
        if self.level == 0.0 {
            if self.stepped.is_some_and(|at| now.saturating_duration_since(at) < RETRY) || draw > 1.0 {
                return;
            }
            (self.level, self.stepped) = (LEAST, Some(now));
        } else if draw > 1.0 {
            let level = self.level.min(applied.max(LEAST)) * (AIM / draw);
            self.level = if level < LEAST { 0.0 } else { level };
            self.stepped = Some(now);
        } else if draw < CLOSE && self.level < 1.0 && all_there && applied >= self.level - 0.005 {
            // Where something else holds the devices back, room in the cap says nothing.
            let factor = if draw > 0.0 { (AIM / draw).min(MAX_UP) } else { MAX_UP };
            self.level = (self.level * factor).min(1.0);
            self.stepped = Some(now);
        }
    }

    fn unknown(&mut self, now: Instant, devices: &[Watched]) -> Option<Problem> {
        if self.told || now.saturating_duration_since(self.started) < SENSORS_COME {
            return None;
        }
        self.told = true;
        let unknown: Vec<&str> =
            devices.iter().map(|device| device.id.as_str()).filter(|id| !self.knows(id)).collect();
        if unknown.is_empty() {
            return None;
        }
        let summary =
            format!("the power of {} is not known, so the power cap does not count it", unknown.join(", "));
        let problem = Problem::warning("power-unknown", summary);
        Some(problem.help("`rminer devices -v` lists sensors; a meter at the plug sees all of it"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::{DeviceKind, DeviceReadings};

    fn watched(id: &str) -> Watched {
        Watched { id: id.into(), kind: DeviceKind::of(id), pci: None, package: None }
    }

    fn readings(powers_w: &[(&str, Option<f64>)]) -> Readings {
        let device = |(id, power_w): &(&str, Option<f64>)| {
            ((*id).to_owned(), DeviceReadings { power_w: *power_w, ..DeviceReadings::default() })
        };
        Readings { devices: powers_w.iter().map(device).collect(), ..Readings::default() }
    }

    proptest! {
        /// Devices that draw more with each share of the time, and something when idle.
        #[test]
        fn the_cap_is_held(idle_w in 0.0f64..100.0, full_w in 50.0f64..1000.0, share in 0.2f64..1.5) {
            let cap_w = idle_w + full_w * share;
            let (start, devices) = (Instant::now(), [watched("gpu0")]);
            let (mut power, mut applied) = (Power::new(start), Duty::FULL);
            for second in 0..600 {
                let draw_w = idle_w + full_w * applied.ratio();
                let now = start + Duration::from_secs(second);
                let held = power.tick(now, cap_w, &devices, &readings(&[("gpu0", Some(draw_w))]), applied);
                applied = held.cap.map_or(Duty::FULL, |(duty, _)| duty);
                prop_assert!(held.warning.is_none());
                if second > 300 {
                    prop_assert!(draw_w <= cap_w * 1.001, "{draw_w} over {cap_w}");
                    prop_assert!(draw_w >= cap_w * 0.94 || applied == Duty::FULL, "{draw_w} far below {cap_w}");
                }
            }
        }
    }

    #[test]
    fn a_cap_below_what_idling_takes_is_a_rest() {
        let (start, devices) = (Instant::now(), [watched("gpu0")]);
        let (mut power, mut applied) = (Power::new(start), Duty::FULL);
        for second in 0..200 {
            let now = start + Duration::from_secs(second);
            let draw_w = 60.0 + 200.0 * applied.ratio();
            applied = power
                .tick(now, 50.0, &devices, &readings(&[("gpu0", Some(draw_w))]), applied)
                .cap
                .map_or(Duty::FULL, |(duty, _)| duty);
        }
        assert_eq!(applied, Duty::PAUSE);
    }

    #[test]
    fn what_is_not_known_is_said_once_and_not_held() {
        let (start, devices) = (Instant::now(), [watched("cpu0"), watched("gpu0")]);
        let mut power = Power::new(start);
        let mut warnings = Vec::new();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            let held = power.tick(now, 100.0, &devices, &readings(&[("gpu0", Some(50.0))]), Duty::FULL);
            assert!(held.cap.is_none());
            warnings.extend(held.warning);
        }
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].summary.contains("cpu0") && !warnings[0].summary.contains("gpu0"),
            "{warnings:?}"
        );
        assert!(power.knows("gpu0") && !power.knows("cpu0"));
    }

    #[test]
    fn silence_is_no_room() {
        let (start, devices) = (Instant::now(), [watched("gpu0"), watched("gpu1")]);
        let mut power = Power::new(start);
        let mut level = |second, powers_w: &[(&str, Option<f64>)], applied| {
            let now = start + Duration::from_secs(second);
            let held = power.tick(now, 200.0, &devices, &readings(powers_w), applied);
            held.cap.map_or(Duty::FULL, |(duty, _)| duty)
        };
        let low = level(0, &[("gpu0", Some(200.0)), ("gpu1", Some(200.0))], Duty::FULL);
        assert!(low < Duty::from_permille(500));
        for second in 1..100 {
            assert_eq!(level(second, &[("gpu0", Some(90.0)), ("gpu1", None)], low), low, "a silent device");
        }
        assert!(level(200, &[("gpu0", Some(60.0)), ("gpu1", Some(60.0))], low) > low);
    }
}
