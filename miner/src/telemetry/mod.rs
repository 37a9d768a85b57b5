//! What sensors say of the devices and of the machine. Every sensor is optional: what is not there is `None`, never an
//! error, and a source that is slow or gone costs its own readings and nothing else.

mod battery;
mod cpus;
mod energy;
mod glance;
mod host;
mod hwmon;
mod merge;
mod nvml;
mod pci;
mod plausible;
pub(crate) mod processes;
mod rapl;
pub(crate) mod roots;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::devices::{Chosen, DeviceSource, Setup};

pub use battery::BatterySource;
pub use glance::{Glance, glance, glance_holding};
pub use host::HostSource;
pub(crate) use host::{Ticks, kib_line};
pub use hwmon::HwmonSource;
pub use nvml::{ASK_AGAIN, NvmlSource};
pub use processes::{MAX_BUSIEST, ProgramUse};
pub use rapl::RaplSource;
pub use roots::Roots;
pub use watch::{PERIOD, STALE_AFTER, Telemetry};

/// Everything that is known at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Readings {
    /// By the names of the devices: `cpu0`, `gpu0`, …
    pub devices: BTreeMap<String, DeviceReadings>,
    /// Of the machine as a whole.
    pub host: HostReadings,
}

/// What is known of one device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeviceReadings {
    /// Temperatures, one for each place.
    pub temperatures: Vec<Temperature>,
    /// Power drawn now, in watts.
    pub power_w: Option<f64>,
    /// Energy used since rminer started, in joules: from a counter where there is one, else summed up from the power.
    pub energy_j: Option<f64>,
    /// Where power and energy come from: `nvml`, `rapl`, `hwmon`.
    pub power_source: Option<&'static str>,
    /// Speed of each fan from 0 to 1, in the order of the driver.
    pub fan_ratios: Vec<f64>,
    /// Clocks in hertz by domain: `core`, `memory`.
    pub clocks_hz: BTreeMap<&'static str, f64>,
    /// Why the hardware is slower than it could be, in the driver's terms: `power-cap`, `thermal`, …
    pub throttled: Vec<&'static str>,
}

/// One temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Temperature {
    /// Where it is measured.
    pub place: Place,
    /// In degrees Celsius.
    pub now_c: f64,
    /// Where the vendor says that the hardware slows itself down, if the driver tells.
    pub limit_c: Option<f64>,
    /// When it was measured.
    #[serde(skip)]
    pub at: Instant,
}

/// Where a temperature is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A processor's package.
    Package,
    /// A graphics card's core.
    Core,
    /// A graphics card's hottest spot.
    Hotspot,
    /// A graphics card's memory.
    Memory,
}

impl Place {
    /// Its name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Core => "core",
            Self::Hotspot => "hotspot",
            Self::Memory => "memory",
        }
    }
}

/// What is known of the machine as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostReadings {
    /// Whether it runs on its battery; `None` where there is no battery.
    pub on_battery: Option<bool>,
    /// Charge of the battery from 0 to 1.
    pub battery_ratio: Option<f64>,
    /// Temperature of the battery, in degrees Celsius.
    pub battery_c: Option<f64>,
    /// Processing units' worth of time that other programs use.
    pub cpu_others: Option<f64>,
    /// The programs that use most of that, [`MAX_BUSIEST`] at most; none where the system hides them.
    pub busiest: Vec<ProgramUse>,
    /// Memory that a new program could have, in bytes.
    pub memory_available_bytes: Option<u64>,
    /// All memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// This process: memory that is resident and in huge pages, in bytes.
    pub process_bytes: Option<u64>,
    /// Pools of huge pages.
    pub huge_pages: Vec<HugePagePool>,
}

/// Huge pages of one size that the kernel has set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HugePagePool {
    /// Size of a page, in bytes.
    pub page_bytes: u64,
    /// Pages set aside.
    pub total: u64,
    /// Pages that nobody uses.
    pub free: u64,
}

/// A device that sensors are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// `cpu0`, `gpu0`, …
    pub id: String,
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// PCI address of a graphics card, as in `0000:0b:00.0`.
    pub pci: Option<String>,
    /// Package (socket) of a processor, as the kernel numbers them; `None` for a device on all of them.
    pub package: Option<u32>,
}

impl Watched {
    /// A processor that works on these processing units, by their operating-system indices.
    pub fn cpu(id: &str, units: impl IntoIterator<Item = u32>, roots: &Roots) -> Self {
        let mut packages: Vec<_> = units.into_iter().map(|unit| cpus::package_of(roots, unit)).collect();
        packages.sort_unstable();
        packages.dedup();
        let package = if let [package] = packages[..] { package } else { None };
        Self { id: id.to_owned(), kind: DeviceKind::Cpu, pci: None, package }
    }

    /// The devices of a set-up.
    pub fn all(setup: &Setup) -> Vec<Self> {
        setup.chosen.iter().map(|chosen| Self::of(chosen, &setup.sources)).collect()
    }

    /// A device with its workers, which may be among those of others.
    pub fn of(chosen: &Chosen, workers: &[Arc<dyn DeviceSource>]) -> Self {
        let kind = DeviceKind::of(&chosen.id);
        if kind != DeviceKind::Cpu {
            return Self { id: chosen.id.clone(), kind, pci: chosen.pci.clone(), package: None };
        }
        Self::cpu(&chosen.id, units(&chosen.id, workers), &Roots::of_this_machine())
    }

    /// The processors of these workers.
    pub fn cpus(workers: &[Arc<dyn DeviceSource>]) -> Vec<Self> {
        let mut ids: Vec<_> = workers.iter().map(|worker| worker.info().id.as_str()).collect();
        ids.dedup();
        let roots = Roots::of_this_machine();
        ids.into_iter().map(|id| Self::cpu(id, units(id, workers), &roots)).collect()
    }
}

/// The processing units that a device's workers are pinned to.
fn units<'a>(id: &'a str, workers: &'a [Arc<dyn DeviceSource>]) -> impl Iterator<Item = u32> + 'a {
    workers
        .iter()
        .map(|worker| worker.info())
        .filter(move |info| info.id == id)
        .filter_map(|info| info.pinned_to)
}

/// Kinds of devices, for limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A processor.
    Cpu,
    /// A graphics card.
    Gpu,
    /// A device of the tests.
    Simulated,
}

impl DeviceKind {
    /// By the name of a device.
    pub fn of(id: &str) -> Self {
        match id.trim_end_matches(|letter: char| letter.is_ascii_digit()) {
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            _ => Self::Simulated,
        }
    }
}

/// What a source found for a device, or why it found nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The device.
    #[serde(skip)]
    pub device: String,
    /// For people.
    pub text: String,
    /// What would make more known, if anything does.
    pub help: Option<String>,
}

impl Note {
    fn new(device: &str, text: impl Into<String>) -> Self {
        Self { device: device.to_owned(), text: text.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Something with sensors. Lives on a thread of its own, so that it may block.
pub trait Source: Send {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// What its sensors say now. Called every [`PERIOD`]; what is left out is not known.
    fn read(&mut self) -> Readings;

    /// What was found for each device, or why nothing was, as of the latest [`Source::read`].
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }
}

/// The sources of this machine for these devices, the best first: what the first one knows of a device's power counts.
/// NVIDIA's library is that of the loader's usual name and places; nothing in the environment names another.
pub fn sources(devices: &[Watched]) -> Vec<Box<dyn Source>> {
    let roots = Roots::of_this_machine();
    let mut sources = device_sources(devices, &roots);
    sources.push(Box::new(BatterySource::new(roots.clone())));
    sources.push(Box::new(HostSource::new(roots)));
    sources
}

/// Those that tell of devices.
pub fn device_sources(devices: &[Watched], roots: &Roots) -> Vec<Box<dyn Source>> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    if let Some(nvml) = NvmlSource::new(devices, roots, None) {
        sources.push(Box::new(nvml));
    }
    if let Some(rapl) = RaplSource::new(devices, roots.clone()) {
        sources.push(Box::new(rapl));
    }
    if let Some(hwmon) = HwmonSource::new(devices, roots.clone()) {
        sources.push(Box::new(hwmon));
    }
    sources
}

/// Readings that are older than this count as not there.
fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= STALE_AFTER
}
