//! Small parts of the engine of caps: the way back after a pause, the battery, and when a change is told.

use std::time::{Duration, Instant};

use super::thermal::SHORTEST_PAUSE;
use super::{Cap, CapChange, Reason};
use crate::engine::Duty;
use crate::telemetry::HostReadings;

/// Steps of the way back, and the time of each: a minute in all.
const RAMP_STEPS: u16 = 10;
const RAMP_STEP: Duration = Duration::from_secs(6);
/// From here on the battery is too hot, and below the other it is not any more, in degrees Celsius.
const BATTERY_HOT_C: f64 = 40.0;
const BATTERY_COOL_C: f64 = 38.0;
/// Temperatures outside of these are no measurement.
const BELIEVED_C: std::ops::RangeInclusive<f64> = -40.0..=120.0;
/// Changes of a device are told at most once in this time, unless it is a pause or its end.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The way back of one device. A pause that only the user asked for ends at once.
#[derive(Debug, Default)]
pub(super) struct Ramp {
    owed: Option<Reason>,
    began: Option<(Instant, Reason)>,
}

impl Ramp {
    /// The cap of the way back, given the other caps.
    pub(super) fn tick(&mut self, now: Instant, caps: &[Cap]) -> Option<Cap> {
        let mut pauses = caps.iter().filter(|cap| cap.duty == Duty::PAUSE).map(|cap| cap.reason).peekable();
        if pauses.peek().is_some() {
            self.owed = pauses.find(|reason| !matches!(reason, Reason::User | Reason::Limit));
            self.began = None;
            return None;
        }
        if let Some(reason) = self.owed.take() {
            self.began = Some((now, reason));
        }
        let (began, after) = self.began?;
        let passed = now.saturating_duration_since(began);
        let step = u16::try_from(passed.as_secs() / RAMP_STEP.as_secs()).unwrap_or(RAMP_STEPS) + 1;
        if step >= RAMP_STEPS {
            self.began = None;
            return None;
        }
        let left = (RAMP_STEP * u32::from(RAMP_STEPS - 1)).saturating_sub(passed);
        let detail = format!("back after {}, all of it in {} s", after.name(), left.as_secs());
        Some(Cap { reason: Reason::RampUp, duty: Duty::from_permille(step * (1000 / RAMP_STEPS)), detail })
    }
}

/// Whether the battery asks for a pause.
#[derive(Debug, Default)]
pub(super) struct Battery {
    on_battery: bool,
    is_hot: bool,
    /// When the pause began.
    since: Option<Instant>,
    why: String,
}

impl Battery {
    pub(super) fn tick(&mut self, now: Instant, host: &HostReadings) -> Option<Cap> {
        // What is not known any more is as it was.
        self.on_battery = host.on_battery.unwrap_or(self.on_battery);
        if let Some(battery_c) = host.battery_c.filter(|c| BELIEVED_C.contains(c)) {
            self.is_hot = battery_c >= BATTERY_HOT_C || (self.is_hot && battery_c >= BATTERY_COOL_C);
            if self.is_hot {
                self.why = format!("the battery is at {battery_c:.1} C, limit {BATTERY_HOT_C} C");
            }
        }
        if self.on_battery {
            self.why = match host.battery_ratio.filter(|ratio| (0.0..=1.0).contains(ratio)) {
                Some(ratio) => format!("the machine runs on its battery ({:.0} %)", ratio * 100.0),
                None => "the machine runs on its battery".into(),
            };
        }
        let rests = self.since.is_some_and(|at| now.saturating_duration_since(at) < SHORTEST_PAUSE);
        if self.on_battery || self.is_hot || rests {
            self.since.get_or_insert(now);
            return Some(Cap { reason: Reason::Battery, duty: Duty::PAUSE, detail: self.why.clone() });
        }
        self.since = None;
        None
    }
}

/// What people were last told of a device.
#[derive(Debug)]
pub(super) struct Told {
    duty: Duty,
    at: Option<Instant>,
}

impl Default for Told {
    fn default() -> Self {
        Self { duty: Duty::FULL, at: None }
    }
}

impl Told {
    /// The change since people were told last, if it is time to tell.
    pub(super) fn change(
        &mut self,
        now: Instant,
        device: &str,
        to: Duty,
        cause: Option<&Cap>,
    ) -> Option<CapChange> {
        let from = self.duty;
        let is_switch = (from == Duty::PAUSE) != (to == Duty::PAUSE);
        let is_due = self.at.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        if from == to || !(is_switch || is_due) {
            return None;
        }
        (self.duty, self.at) = (to, Some(now));
        Some(CapChange { device: device.to_owned(), from, to, cause: cause.cloned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cap(reason: Reason) -> Vec<Cap> {
        vec![Cap { reason, duty: Duty::PAUSE, detail: String::new() }]
    }

    #[test]
    fn the_way_back_takes_a_minute_in_steps() {
        let (mut ramp, start) = (Ramp::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(ramp.tick(at(0), &[]), None, "not at the start");
        assert_eq!(ramp.tick(at(1), &cap(Reason::Schedule)), None);
        let permille: Vec<u16> = (2..70)
            .map(|second| ramp.tick(at(second), &[]).map_or(1000, |cap| cap.duty.permille()))
            .collect();
        assert_eq!(
            (permille[0], permille[5], permille[6], permille[53], permille[54]),
            (100, 100, 200, 900, 1000)
        );
        assert!(permille.is_sorted());
        // Another pause on the way begins it anew; the user's own pause has none.
        ramp.tick(at(100), &cap(Reason::Heat));
        ramp.tick(at(101), &[]);
        ramp.tick(at(102), &cap(Reason::Heat));
        assert_eq!(ramp.tick(at(120), &[]).unwrap().duty.permille(), 100);
        ramp.tick(at(121), &cap(Reason::User));
        assert_eq!(ramp.tick(at(122), &[]), None);
    }

    #[test]
    fn the_battery_pauses_when_used_and_when_hot() {
        let (mut battery, start) = (Battery::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let host = |on_battery, battery_c| HostReadings { on_battery, battery_c, ..HostReadings::default() };
        assert_eq!(battery.tick(at(0), &host(None, None)), None);
        assert!(battery.tick(at(1), &host(Some(true), None)).is_some());
        assert!(battery.tick(at(2), &host(Some(false), None)).is_some(), "not shorter than 30 s");
        assert!(battery.tick(at(20), &host(Some(true), None)).is_some());
        assert!(battery.tick(at(60), &host(None, None)).is_some(), "what is not known any more is as it was");
        assert_eq!(battery.tick(at(61), &host(Some(false), None)), None);
        assert!(battery.tick(at(70), &host(Some(false), Some(40.0))).unwrap().detail.contains("40.0 C"));
        assert!(battery.tick(at(110), &host(Some(false), Some(39.0))).is_some());
        assert_eq!(battery.tick(at(111), &host(Some(false), Some(37.9))), None);
        assert_eq!(battery.tick(at(112), &host(Some(false), Some(f64::NAN))), None);
    }

    #[test]
    fn changes_are_told_with_measure() {
        let (mut told, start) = (Told::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let duty = Duty::from_permille;
        let mut change =
            |second, to| told.change(at(second), "gpu0", to, None).map(|change| (change.from, change.to));
        assert_eq!(change(0, Duty::FULL), None);
        assert_eq!(change(1, duty(900)), Some((Duty::FULL, duty(900))));
        assert_eq!(change(3, duty(800)), None);
        assert_eq!(change(4, Duty::PAUSE), Some((duty(900), Duty::PAUSE)));
        assert_eq!(change(5, duty(700)), Some((Duty::PAUSE, duty(700))));
        assert_eq!(change(6, duty(600)), None);
        assert_eq!(change(10, duty(600)), Some((duty(700), duty(600))));
    }
}
