//! What holds devices back, and why: heat, power, the battery, the clock, the user. One engine of caps: each reason has
//! its own, the lowest wins, and every change is told with its reason. Pure: readings and times in, duties out.

mod caps;
mod governor;
mod limits;
mod power;
mod schedule;
mod thermal;

use std::time::Duration;

use serde::Serialize;

use crate::engine::Duty;
use crate::problem::Problem;
use crate::telemetry::Place;

pub use governor::Governor;
pub use limits::{DeviceScope, LimitSource, Limits, MAX_LIMIT_C, MIN_LIMIT_C, Scope, TemperatureRules, Wish};
pub use schedule::Schedule;

/// Limits, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SafetySettings {
    /// For sensors of heat.
    pub temperatures: TemperatureRules,
    /// Watts that all devices together may draw.
    pub power_cap_w: Option<f64>,
    /// Whether nothing is hashed while the machine runs on its battery, or while that is hot.
    pub pause_on_battery: bool,
    /// Hours in which may be hashed.
    pub schedule: Option<Schedule>,
    /// Share of the time that devices hash in the quiet profile, which is an order, in percent.
    pub quiet_percent: u8,
}

impl Default for SafetySettings {
    fn default() -> Self {
        Self {
            temperatures: TemperatureRules::default(),
            power_cap_w: None,
            pause_on_battery: true,
            schedule: None,
            quiet_percent: 40,
        }
    }
}

/// Why something is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Someone asked for a pause.
    User,
    /// Someone set a limit while it runs.
    Limit,
    /// Too hot, or on the way there.
    Heat,
    /// A temperature that was known is not known any more.
    SensorLost,
    /// The rig draws more than its cap.
    PowerCap,
    /// The machine runs on its battery, or the battery is too hot.
    Battery,
    /// Outside the hours.
    Schedule,
    /// It comes back slowly, so that a room of rigs does not trip a breaker.
    RampUp,
}

impl Reason {
    /// Its name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Limit => "limit",
            Self::Heat => "heat",
            Self::SensorLost => "sensor-lost",
            Self::PowerCap => "power-cap",
            Self::Battery => "battery",
            Self::Schedule => "schedule",
            Self::RampUp => "ramp-up",
        }
    }

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::User,
        Self::Limit,
        Self::Heat,
        Self::SensorLost,
        Self::PowerCap,
        Self::Battery,
        Self::Schedule,
        Self::RampUp,
    ];
}

/// One reason's limit on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cap {
    /// Why.
    pub reason: Reason,
    /// How much it leaves.
    pub duty: Duty,
    /// The facts, for people: `memory 96 C, set point 94 C`.
    pub detail: String,
}

/// The duty of a device changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapChange {
    /// Which device.
    pub device: String,
    /// What it was.
    pub from: Duty,
    /// What it is.
    pub to: Duty,
    /// The cap that decides; `None` when there is none any more.
    pub cause: Option<Cap>,
}

/// What holds from now on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// For each device its caps, the lowest first; a device without any is not held back.
    pub caps: std::collections::BTreeMap<String, Vec<Cap>>,
    /// Changes that people should hear of.
    pub changes: Vec<CapChange>,
    /// What people should read, each said once.
    pub warnings: Vec<Problem>,
    /// How long the pause was that someone asked for, when it has just ended by itself.
    pub pause_over: Option<Duration>,
    /// The limits in force.
    pub shown: SafetySnapshot,
    /// Why the miner must end for a person to look, if it must.
    pub stop: Option<String>,
}

impl Decision {
    /// What a device may do.
    pub fn duty(&self, device: &str) -> Duty {
        let caps = self.caps.get(device).into_iter().flatten();
        caps.map(|cap| cap.duty).min().unwrap_or_default()
    }
}

/// The limits in force, for interfaces.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SafetySnapshot {
    /// Of each sensor that there is.
    pub limits: Vec<LimitShown>,
    /// Watts that all devices together may draw.
    pub power_cap_w: Option<f64>,
    /// Hours in which may be hashed, as they were written.
    pub schedule: Option<String>,
    /// Whether nothing is hashed on the battery.
    pub pause_on_battery: bool,
    /// Percent of the quiet profile; `None` before the first second.
    pub quiet_percent: Option<u8>,
    /// Seconds until a pause begins or ends that is known beforehand.
    pub next_change_s: Option<u64>,
    /// Seconds until the hours end, when they have begun.
    pub next_pause_s: Option<u64>,
}

/// The limits of one sensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitShown {
    /// Which device.
    pub device: String,
    /// Where it is measured.
    pub place: Place,
    /// Its temperatures and whose they are.
    #[serde(flatten)]
    pub limits: Limits,
}

/// Local time as schedules need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekTime {
    /// From 0, Monday, to 6.
    pub weekday: u8,
    /// Since midnight.
    pub minute: u16,
}
