//! The engine of caps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Cap, CapChange, Decision, Reason, SafetySettings, WeekTime};
use crate::engine::Duty;
use crate::problem::Problem;
use crate::telemetry::{Readings, Watched};

/// Decides once a second what each device may do.
#[derive(Debug)]
pub struct Governor {
    settings: SafetySettings,
    devices: Vec<Watched>,
    /// Until when someone asked for a pause; none for until someone says otherwise.
    paused: Option<Option<Instant>>,
    duties: BTreeMap<String, Duty>,
    /// What someone allows while it runs, for devices that are not allowed everything.
    limits: BTreeMap<String, Duty>,
}

impl Governor {
    /// For these devices.
    pub fn new(settings: SafetySettings, devices: Vec<Watched>, _now: Instant) -> Self {
        Self { settings, devices, paused: None, duties: BTreeMap::new(), limits: BTreeMap::new() }
    }

    /// Without any limit.
    pub fn none() -> Self {
        Self::new(SafetySettings::default(), Vec::new(), Instant::now())
    }

    /// Someone asks for a pause.
    pub fn pause(&mut self, now: Instant, length: Option<Duration>) {
        self.paused = Some(length.map(|length| now + length));
    }

    /// Someone takes it back.
    pub fn resume(&mut self) {
        self.paused = None;
    }

    /// Someone holds a device back, or all of them without a name; without a duty no longer. Other caps stay what
    /// they are, so nothing hashes more than they allow.
    ///
    /// # Errors
    /// When there is no such device; then nothing has changed.
    pub fn limit(&mut self, device: Option<&str>, duty: Option<Duty>) -> Result<String, Problem> {
        let known = self.devices.iter().map(|device| device.id.as_str());
        let meant: Vec<String> =
            known.clone().filter(|id| device.is_none_or(|device| device == *id)).map(Into::into).collect();
        if meant.is_empty() {
            let known = known.collect::<Vec<_>>().join(", ");
            let summary = format!("there is no device {}", device.unwrap_or("at all"));
            return Err(Problem::error("no-such-device", summary).help(format!("name one of: {known}")));
        }
        let named = meant.join(", ");
        for id in meant {
            match duty.filter(|duty| *duty < Duty::FULL) {
                Some(duty) => self.limits.insert(id, duty),
                None => self.limits.remove(&id),
            };
        }
        Ok(match duty.filter(|duty| *duty < Duty::FULL) {
            Some(duty) => format!("{named} limited to {duty}"),
            None => format!("{named} without a limit of this kind"),
        })
    }

    /// Other limits from now on.
    pub fn reload(&mut self, settings: SafetySettings) {
        self.settings = settings;
    }

    /// What holds from now on.
    pub fn tick(&mut self, now: Instant, _clock: WeekTime, _readings: &Readings) -> Decision {
        if self.paused.flatten().is_some_and(|end| end <= now) {
            self.paused = None;
        }
        let mut decision = Decision::default();
        for device in &self.devices {
            let mut caps = Vec::new();
            if let Some(end) = self.paused {
                let detail = end.map_or_else(
                    || "until someone resumes".to_owned(),
                    |end| format!("for {} s", end.saturating_duration_since(now).as_secs()),
                );
                caps.push(Cap { reason: Reason::User, duty: Duty::PAUSE, detail });
            }
            if let Some(duty) = self.limits.get(&device.id) {
                let detail = "until someone takes it back".to_owned();
                caps.push(Cap { reason: Reason::Limit, duty: *duty, detail });
            }
            caps.sort_by_key(|cap| cap.duty);
            let (to, cause) = (caps.first().map_or(Duty::FULL, |cap| cap.duty), caps.first().cloned());
            let from = self.duties.insert(device.id.clone(), to).unwrap_or_default();
            if from != to {
                decision.changes.push(CapChange { device: device.id.clone(), from, to, cause });
            }
            decision.caps.insert(device.id.clone(), caps);
        }
        decision
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::DeviceKind;

    #[test]
    fn limits_hold_back_and_never_free_anything() {
        let device = |id: &str| Watched { id: id.into(), kind: DeviceKind::of(id), pci: None, package: None };
        let now = Instant::now();
        let mut governor =
            Governor::new(SafetySettings::default(), vec![device("cpu0"), device("gpu0")], now);
        let half = Duty::from_permille(500);
        let duties = |governor: &mut Governor| {
            let decision = governor.tick(now, WeekTime { weekday: 0, minute: 0 }, &Readings::default());
            (decision.duty("cpu0"), decision.duty("gpu0"))
        };
        assert!(
            governor
                .limit(Some("gpu7"), Some(half))
                .is_err_and(|problem| problem.to_string().contains("cpu0, gpu0"))
        );
        assert_eq!(duties(&mut governor), (Duty::FULL, Duty::FULL));
        assert!(
            governor
                .limit(Some("gpu0"), Some(half))
                .is_ok_and(|text| text.contains("gpu0 limited to 50.0 %"))
        );
        assert_eq!(duties(&mut governor), (Duty::FULL, half));
        governor.pause(now, None);
        assert!(governor.limit(None, Some(Duty::FULL)).is_ok());
        assert_eq!(duties(&mut governor), (Duty::PAUSE, Duty::PAUSE), "the pause stays");
        governor.resume();
        assert_eq!(duties(&mut governor), (Duty::FULL, Duty::FULL));
    }
}
