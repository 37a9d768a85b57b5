//! What the program was told to do, checked and complete. The engine sees this and nothing earlier.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rminer_algos::Algorithm;
use rminer_stratum::PoolConfig;
use serde::Serialize;

use crate::alerts::AlertSettings;
use crate::api::ApiSettings;
use crate::problem::Problem;
use crate::safety::SafetySettings;
use crate::service::Environment;

/// Most pools that one miner is given.
pub const MAX_POOLS: usize = 32;

/// All settings of one run. Every field has been checked; nothing here needs a further parse.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to mine.
    pub algorithm: &'static Algorithm,
    /// Where, in order of preference: the first is returned to. At most [`MAX_POOLS`], at least one for
    /// commands that need a pool, no server twice for the same user.
    pub pools: Vec<PoolConfig>,
    /// With which devices.
    pub devices: DeviceSelection,
    /// How to use the processor.
    pub cpu: CpuSettings,
    /// How to use graphics cards.
    pub gpu: GpuSettings,
    /// What is shown while mining.
    pub ui: UiKind,
    /// Whether to colour what is shown.
    pub color: When,
    /// Time between hashrate lines; `None` shows none.
    pub stats_interval: Option<Duration>,
    /// Give up after this many failed rounds through all pools; `None` tries for ever.
    pub retries: Option<NonZeroU32>,
    /// Stop after this long.
    pub time_limit: Option<Duration>,
    /// Check all that can be checked without mining, then stop.
    pub dry_run: bool,
    /// Make a worker hang on purpose, to see what becomes of it.
    pub watchdog_test: bool,
    /// Where and how to log.
    pub log: LogSettings,
    /// The interface of the running miner.
    pub api: ApiSettings,
    /// What holds devices back.
    pub safety: SafetySettings,
    /// Who is told of what goes wrong.
    pub alerts: AlertSettings,
    /// Folder for what the program learns, such as certificates that are trusted on first use; it need not
    /// exist. `None` where the system has no place for it.
    pub state_folder: Option<PathBuf>,
    /// The configuration file that was read.
    pub config_file: Option<PathBuf>,
    /// What a service manager says, if one has started this process.
    pub service: Environment,
    /// The same for people: every setting as it was written, with its place, secrets replaced.
    pub effective: Vec<EffectiveSetting>,
    /// What the user should read before anything starts, in order.
    pub warnings: Vec<Problem>,
}

/// A setting, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// Its name in the file; its flag where a file may not set it.
    pub key: &'static str,
    /// The pool that it is of, from 1 as messages count; `None` for those that hold in general.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<usize>,
    /// Its value as written or by default, secrets replaced.
    pub value: String,
    /// Where it was written, or `default`.
    pub origin: String,
}

/// How to use the processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSettings {
    /// Number of mining threads; `None` leaves it to the topology.
    pub threads: Option<NonZeroU32>,
    /// Processing units (operating-system numbers) to pin threads to, in order, each once. With `threads`
    /// as well, the first so many of them are used; there are never fewer of them than threads.
    pub affinity: Option<Vec<u32>>,
    /// Share of the automatic number of threads to use, in tenths: 1 to 10.
    pub intensity: u8,
    /// Which pages to ask for.
    pub huge_pages: HugePages,
    /// Whether RandomX has its dataset in memory.
    pub randomx_mode: RandomxMode,
    /// Who computes RandomX hashes.
    pub randomx_engine: RandomxEngine,
    /// RandomX hashes that a thread computes at once, 1 to 3; `None` measures what is fastest.
    pub randomx_lanes: Option<u8>,
    /// Whether that is measured again though a measurement is remembered.
    pub randomx_retune: bool,
    /// Kernel for the algorithms that have several; `None` takes the best that works.
    pub kernel: Option<&'static str>,
    /// Where measurements are remembered; `None` where there is no place for it.
    pub state_folder: Option<PathBuf>,
}

impl Default for CpuSettings {
    fn default() -> Self {
        Self {
            threads: None,
            affinity: None,
            intensity: 10,
            huge_pages: HugePages::Auto,
            randomx_mode: RandomxMode::Auto,
            randomx_engine: RandomxEngine::default(),
            randomx_lanes: None,
            randomx_retune: false,
            kernel: None,
            state_folder: None,
        }
    }
}

/// How to use graphics cards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuSettings {
    /// Kernel by name; `None` takes the fastest.
    pub kernel: Option<String>,
}

/// Which memory pages RandomX asks for. Only [`HugePages::On`] refuses to do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HugePages {
    /// 1 GiB pages where there are some, else 2 MiB, else normal ones with a warning.
    #[default]
    Auto,
    /// 2 MiB or larger, or do not mine.
    On,
    /// Normal pages, without a warning.
    Off,
    /// As `Auto`, but a warning when there are no 1 GiB pages.
    OneGib,
}

/// Whether RandomX has its 2080 MiB dataset in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RandomxMode {
    /// Fast where the memory allows it.
    #[default]
    Auto,
    /// With the dataset, or do not mine.
    Fast,
    /// With the 256 MiB cache only, several times slower.
    Light,
}

/// Who computes RandomX hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RandomxEngine {
    /// Our own engine where it compiles programs for this processor, else the C library.
    #[default]
    Auto,
    /// Our own engine.
    Native,
    /// The C library of RandomX's author; version 1 only.
    Reference,
}

/// Devices to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceSelection {
    /// Every device that is good for the algorithm.
    #[default]
    Auto,
    /// Devices that one of these patterns names.
    Only(Vec<DevicePattern>),
}

/// A device or a kind of devices, as in `--devices cpu,gpu1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevicePattern {
    /// Whatever can hash at all and is no [`DevicePattern::Software`].
    All,
    /// All processors.
    Cpus,
    /// All GPUs.
    Gpus,
    /// `cpu0`, …
    Cpu(u16),
    /// `gpu0`, …
    Gpu(u16),
    /// Vulkan drivers that compute on the processor.
    Software,
}

impl DeviceSelection {
    /// Whether the processor of this number (`cpu0` is 0) is to be used.
    pub fn includes_cpu(&self, number: u16) -> bool {
        use DevicePattern::{All, Cpu, Cpus};
        match self {
            Self::Auto => true,
            Self::Only(patterns) => {
                patterns.iter().any(|pattern| matches!(pattern, All | Cpus) || *pattern == Cpu(number))
            }
        }
    }

    /// Whether adapters that compute on the processor are to be used.
    pub fn includes_software(&self) -> bool {
        matches!(self, Self::Only(patterns) if patterns.contains(&DevicePattern::Software))
    }

    /// Whether the GPU of this number (`gpu0` is 0) is to be used.
    pub fn includes_gpu(&self, number: u16) -> bool {
        use DevicePattern::{All, Gpu, Gpus};
        match self {
            Self::Auto => true,
            Self::Only(patterns) => {
                patterns.iter().any(|pattern| matches!(pattern, All | Gpus) || *pattern == Gpu(number))
            }
        }
    }
}

/// What is shown while mining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UiKind {
    /// One line for each event.
    #[default]
    Lines,
    /// A screen of its own.
    Full,
    /// One JSON object for each event.
    Json,
    /// The start banner, warnings and errors.
    Quiet,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where and how to log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// File to append to as well.
    pub file: Option<PathBuf>,
    /// Form of the log lines.
    pub format: LogFormat,
    /// How often `-v` was given: 0 events, 1 decisions, 2 and more traffic with secrets hidden.
    pub verbosity: u8,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_include_what_they_name() {
        let selection = DeviceSelection::Only(vec![DevicePattern::Cpu(1), DevicePattern::Gpus]);
        assert!(!selection.includes_cpu(0) && selection.includes_cpu(1) && selection.includes_gpu(7));
        assert!(DeviceSelection::Auto.includes_cpu(3) && DeviceSelection::Auto.includes_gpu(0));
        let all = DeviceSelection::Only(vec![DevicePattern::All]);
        assert!(all.includes_cpu(0) && all.includes_gpu(0));
        assert!(!DeviceSelection::Only(vec![DevicePattern::Cpus]).includes_gpu(0));
        assert!(!all.includes_software() && !DeviceSelection::Auto.includes_software());
        assert!(DeviceSelection::Only(vec![DevicePattern::Software]).includes_software());
    }
}
