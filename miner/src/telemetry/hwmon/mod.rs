//! The kernel's hardware monitors: temperatures of processors and graphics cards, and the power, fans and clocks of
//! cards whose driver tells them there.

mod cpu;
mod gpu;

use std::path::{Path, PathBuf};
use std::time::Instant;

use self::cpu::{CpuChip, CpuChips};
use self::gpu::GpuChip;
use super::cpus::Cpus;
use super::plausible::plausible_celsius;
use super::roots::{Found, Roots, entries, name_of, scaled, word};
use super::{DeviceKind, Note, Readings, Source, Watched};
use crate::telemetry::pci::PciAddress;

/// A monitor has no more channels of a kind than this.
const MAX_CHANNELS: u32 = 32;
/// Temperatures are in thousandths of a degree.
const MILLI: f64 = 1e-3;
/// Power is in millionths of a watt, energy in millionths of a joule.
const MICRO: f64 = 1e-6;

/// Reads the monitors of the devices that are watched.
pub struct HwmonSource {
    roots: Roots,
    cpus: Cpus,
    /// Graphics cards and their addresses.
    gpus: Vec<(String, PciAddress)>,
    found: Found<Chips>,
}

/// Monitors of this machine that matter.
#[derive(Debug, Default)]
struct Chips {
    cpus: CpuChips,
    gpus: Vec<GpuChip>,
}

/// One monitor.
#[derive(Debug, Clone)]
struct Chip {
    folder: PathBuf,
    /// The driver's name for it: `k10temp`, `amdgpu`, …
    name: String,
    /// Name of the device that it belongs to: a PCI address, `coretemp.0`, `nvme0`, …
    device: String,
}

impl HwmonSource {
    /// For these devices; `None` when none of them can have a monitor.
    pub fn new(watched: &[Watched], roots: Roots) -> Option<Self> {
        let cards = watched.iter().filter(|device| device.kind == DeviceKind::Gpu);
        let gpus: Vec<_> = cards
            .filter_map(|card| Some((card.id.clone(), PciAddress::parse(card.pci.as_ref()?)?)))
            .collect();
        let cpus = Cpus::new(watched, &roots);
        let is_any = !gpus.is_empty() || !cpus.is_empty();
        is_any.then(|| Self { roots, cpus, gpus, found: Found::default() })
    }

    /// What the monitors say at this time.
    pub fn read_at(&mut self, now: Instant) -> Readings {
        let (roots, cpus, gpus) = (&self.roots, &self.cpus, &self.gpus);
        let chips = self.found.at(now, |chips| chips.look(roots, cpus, gpus));
        let mut readings = Readings::default();
        let mut all_read = chips.cpus.read(now, cpus, &mut readings);
        for chip in &mut chips.gpus {
            let (device, is_whole) = chip.read(now);
            all_read &= is_whole;
            readings.devices.insert(chip.id.clone(), device);
        }
        if !all_read {
            self.found.failed();
        }
        readings
    }
}

impl Source for HwmonSource {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn read(&mut self) -> Readings {
        self.read_at(Instant::now())
    }

    fn notes(&self) -> Vec<Note> {
        let chips = self.found.known();
        let mut notes = chips.cpus.notes(&self.cpus);
        for (id, address) in &self.gpus {
            notes.extend(match chips.gpus.iter().find(|chip| chip.id == *id) {
                Some(chip) => Some(Note::new(id, chip.words())),
                // Its driver has its own ways, which another source knows.
                None if is_of_nvidia(&self.roots, *address) => None,
                None => Some(Note::new(id, format!("no hardware monitor at {address}"))),
            });
        }
        notes
    }
}

impl Chips {
    /// Looks for monitors. What cards used so far stays, also when they are away for a while.
    fn look(&mut self, roots: &Roots, cpus: &Cpus, gpus: &[(String, PciAddress)]) {
        let chips: Vec<_> = entries(&roots.class("hwmon")).into_iter().map(Chip::at).collect();
        self.cpus.replace(CpuChip::all(&chips, cpus));
        for (id, address) in gpus {
            let of_card = chips.iter().find(|chip| PciAddress::parse(&chip.device) == Some(*address));
            let Some(chip) = of_card else { continue };
            match self.gpus.iter_mut().find(|known| known.id == *id) {
                Some(known) => known.move_to(chip),
                None => self.gpus.push(GpuChip::new(id, chip)),
            }
        }
    }
}

impl Chip {
    fn at(folder: PathBuf) -> Self {
        let device = std::fs::canonicalize(folder.join("device")).unwrap_or_default();
        Self { name: word(&folder.join("name")), device: name_of(&device).to_owned(), folder }
    }

    /// Channels of a kind that have an input, with their labels: `temp` gives those with `temp1_input`, and so on.
    fn channels(&self, kind: &str) -> Vec<(u32, String)> {
        let has_input = |number: &u32| {
            let file = |part: &str| self.folder.join(format!("{kind}{number}_{part}"));
            file("input").exists() || file("average").exists()
        };
        let numbers = (0..MAX_CHANNELS).filter(has_input);
        numbers.map(|number| (number, word(&self.folder.join(format!("{kind}{number}_label"))))).collect()
    }

    fn file(&self, kind: &str, number: u32, part: &str) -> PathBuf {
        self.folder.join(format!("{kind}{number}_{part}"))
    }
}

/// A temperature and where the vendor draws the line.
#[derive(Debug, Clone)]
struct Thermometer {
    input: PathBuf,
    limit_c: Option<f64>,
}

impl Thermometer {
    fn new(chip: &Chip, number: u32) -> Self {
        let limit_c = scaled(&chip.file("temp", number, "crit"), MILLI).and_then(plausible_celsius);
        Self { input: chip.file("temp", number, "input"), limit_c }
    }

    fn read(&self) -> Option<f64> {
        scaled(&self.input, MILLI).and_then(plausible_celsius)
    }
}

/// Whether a card is one of NVIDIA's; also when nobody knows whose it is.
pub(super) fn is_of_nvidia(roots: &Roots, address: PciAddress) -> bool {
    let vendor = word(&folder_of(roots, address).join("vendor"));
    vendor.is_empty() || vendor == "0x10de"
}

fn folder_of(roots: &Roots, address: PciAddress) -> PathBuf {
    roots.sys.join("bus/pci/devices").join(address.to_string())
}

/// The driver's own name for a monitor and where it is, for people.
fn words(chip: &str, folder: &Path) -> String {
    format!("{chip} ({})", name_of(folder))
}
