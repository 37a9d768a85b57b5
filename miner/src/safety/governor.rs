//! The engine of caps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Cap, CapChange, Decision, Reason, SafetySettings, WeekTime};
use crate::engine::Duty;
use crate::telemetry::{Readings, Watched};

/// Decides once a second what each device may do.
#[derive(Debug)]
pub struct Governor {
    settings: SafetySettings,
    devices: Vec<Watched>,
    /// Until when someone asked for a pause; none for until someone says otherwise.
    paused: Option<Option<Instant>>,
    duties: BTreeMap<String, Duty>,
}

impl Governor {
    /// For these devices.
    pub fn new(settings: SafetySettings, devices: Vec<Watched>, _now: Instant) -> Self {
        Self { settings, devices, paused: None, duties: BTreeMap::new() }
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
