//! What is known of the machine and of the settings, as plain data.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::devices::LeftOut;
use crate::problem::Problem;
use crate::safety::TemperatureRules;
use crate::setup::hugepages::{Need, Pages};
use crate::setup::msr;

/// What the caller knows already.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// What RandomX needs; `None` where it is not mined.
    pub need: Option<Need>,
    /// Whether processors mine.
    pub mines_on_cpus: bool,
    /// Devices that are here and cannot mine, and why.
    pub left_out: Vec<LeftOut>,
    /// Where the program keeps what it learns.
    pub state_folder: Option<PathBuf>,
    /// The configuration file.
    pub config_file: Option<PathBuf>,
    /// What is known of the settings.
    pub settings: SettingsFacts,
}

/// What is known of the settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsFacts {
    /// Faults and warnings of all sources.
    pub problems: Vec<Problem>,
    /// Where the interface listens.
    pub api_bind: Option<SocketAddr>,
    /// The file with its token.
    pub api_token_file: Option<PathBuf>,
    /// The hours of mining, as written.
    pub schedule: Option<String>,
    /// Which temperatures hold for which sensor.
    pub temperatures: TemperatureRules,
}

/// Everything that is judged.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What RandomX needs; `None` where it is not mined.
    pub need: Option<Need>,
    /// Whether processors mine.
    pub mines_on_cpus: bool,
    /// Huge pages and memory.
    pub pages: Pages,
    /// All memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Swap in use, in bytes.
    pub swap_used_bytes: u64,
    /// The processor and the way to its registers.
    pub msr: msr::Facts,
    /// What limits the processor's clock.
    pub speed: SpeedFacts,
    /// Who else computes.
    pub load: LoadFacts,
    /// Temperatures near or above what they should be.
    pub hot: Vec<Hot>,
    /// Devices that their hardware slows down, and why.
    pub throttled: Vec<(String, String)>,
    /// Devices whose power is not known, why, and what would help.
    pub power_unknown: Vec<(String, String, Option<String>)>,
    /// Sensors that did not answer.
    pub silent: Vec<&'static str>,
    /// Whether the machine runs on its battery; `None` without one.
    pub on_battery: Option<bool>,
    /// Its charge from 0 to 1.
    pub battery_ratio: Option<f64>,
    /// Graphics cards that cannot be used.
    pub left_out: Vec<LeftOut>,
    /// Device files of cards that this user may not open.
    pub locked_nodes: Vec<PathBuf>,
    /// The clock.
    pub clock: ClockFacts,
    /// Where the history is kept.
    pub storage: Option<StorageFacts>,
    /// Whether this process is root's.
    pub is_root: bool,
    /// Files that others could change: the configuration and its folder.
    pub writable_by_others: Vec<PathBuf>,
    /// Files with secrets that others can read.
    pub readable_by_others: Vec<PathBuf>,
    /// What is known of the settings.
    pub settings: SettingsFacts,
}

/// What limits the processor's clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpeedFacts {
    /// The kernel's policy: `performance`, `schedutil`, `powersave`, …; empty where there is none.
    pub governor: String,
    /// Who drives the clock: `acpi-cpufreq`, `intel_pstate`, …
    pub driver: String,
    /// The highest clock of the hardware, in kHz.
    pub hardware_khz: Option<u64>,
    /// The highest that is allowed now, in kHz.
    pub allowed_khz: Option<u64>,
    /// Whether clocks above the nominal one are turned off.
    pub boost_off: bool,
    /// Times that the hardware slowed itself down for heat while it was looked at.
    pub throttle_events: u64,
}

/// Who else computes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadFacts {
    /// Processing units of the machine.
    pub units: f64,
    /// Units' worth of time that other programs take; `None` where nobody knows.
    pub others_units: Option<f64>,
    /// Who takes most of it, and how many units' worth.
    pub top: Option<(String, f64)>,
    /// Part of the time that the host of a virtual machine gave to others, from 0 to 1.
    pub stolen_ratio: Option<f64>,
}

/// A temperature that is near its limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hot {
    /// Device.
    pub device: String,
    /// Where on it.
    pub place: &'static str,
    /// In degrees Celsius.
    pub now_c: f64,
    /// Where it should be paused.
    pub limit_c: f64,
}

/// The clock.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClockFacts {
    /// What it says, in seconds since 1970.
    pub now_s: f64,
    /// Whether the kernel takes it for right; `None` where it does not say.
    pub is_synchronised: Option<bool>,
    /// The newest of the program's own files, in seconds since 1970.
    pub newest_file_s: Option<f64>,
}

/// Where the history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFacts {
    /// The folder.
    pub folder: PathBuf,
    /// Bytes that are free for this user.
    pub free_bytes: Option<u64>,
    /// Why nothing can be written there; `None` where it can.
    pub fault: Option<String>,
}
