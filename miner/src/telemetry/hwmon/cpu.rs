//! Monitors of processors. The drivers differ in what they call the package's temperature.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::{Chip, MICRO, Thermometer, words};
use crate::telemetry::cpus::{Cpus, PackagePower};
use crate::telemetry::energy::{Energy, Sample};
use crate::telemetry::pci::PciAddress;
use crate::telemetry::roots::scaled;
use crate::telemetry::{Note, Place, Readings, Temperature};

/// All monitors of processors, and what the packages used.
#[derive(Debug, Default)]
pub(super) struct CpuChips {
    chips: Vec<CpuChip>,
    used: BTreeMap<u32, Energy>,
}

/// A processor's monitor.
#[derive(Debug)]
pub(super) struct CpuChip {
    /// `k10temp (hwmon2)`, for people.
    words: String,
    /// Package that it is about; `None` when it does not tell.
    package: Option<u32>,
    /// The hottest of them is the package's temperature.
    thermometers: Vec<Thermometer>,
    /// Their sum is the package's power.
    powers: Vec<PathBuf>,
}

impl CpuChip {
    /// Those among all monitors that are a processor's.
    pub(super) fn all(chips: &[Chip], cpus: &Cpus) -> Vec<Self> {
        if cpus.is_empty() {
            return Vec::new();
        }
        let mut amd: Vec<_> = chips.iter().filter(|chip| is_amd(chip)).collect();
        amd.sort_by_key(|chip| PciAddress::parse(&chip.device));
        let packages = cpus.packages();
        let amd_count = amd.len();
        let of_amd = amd.into_iter().enumerate().map(|(number, chip)| {
            // One monitor for each die, in the order of their addresses, as many on each package.
            let dies = amd_count / packages.len();
            let is_even = dies > 0 && amd_count == dies * packages.len();
            let package = if is_even { packages.get(number / dies).copied() } else { None };
            Self::of_amd(chip, package)
        });
        let others = chips.iter().filter_map(|chip| match chip.name.as_str() {
            "coretemp" => Some(Self::of_intel(chip)),
            "cpu_thermal" | "soc_thermal" => {
                let all = chip.channels("temp").into_iter().map(|(number, _)| number).collect();
                Some(Self::new(chip, None, all))
            }
            _ => None,
        });
        of_amd.chain(others).filter(|chip| !chip.thermometers.is_empty()).collect()
    }

    fn new(chip: &Chip, package: Option<u32>, numbers: Vec<u32>) -> Self {
        Self {
            words: words(&chip.name, &chip.folder),
            package,
            thermometers: numbers.into_iter().map(|number| Thermometer::new(chip, number)).collect(),
            powers: Vec::new(),
        }
    }

    /// `Tctl` has an offset on some models, which `Tdie` has not.
    fn of_amd(chip: &Chip, package: Option<u32>) -> Self {
        let channels = chip.channels("temp");
        let labelled = |wanted: &str| -> Vec<u32> {
            let of_label = channels.iter().filter(|(_, label)| label.starts_with(wanted));
            of_label.map(|(number, _)| *number).collect()
        };
        // Old kernels have no labels.
        let unlabelled = channels.iter().filter(|(_, label)| label.is_empty()).map(|(number, _)| *number);
        let choices = [labelled("Tdie"), labelled("Tctl"), labelled("Tccd"), unlabelled.take(1).collect()];
        let numbers = choices.into_iter().find(|numbers| !numbers.is_empty()).unwrap_or_default();
        let powers = chip.channels("power").into_iter().filter(|(_, label)| label.starts_with("SVI2_P_"));
        let powers = powers.map(|(number, _)| chip.file("power", number, "input")).collect();
        Self { powers, ..Self::new(chip, package, numbers) }
    }

    fn of_intel(chip: &Chip) -> Self {
        let channels = chip.channels("temp");
        let package = channels.iter().find_map(|(number, label)| {
            let id = label.strip_prefix("Package id ")?.parse().ok()?;
            Some((*number, id))
        });
        match package {
            Some((number, id)) => Self::new(chip, Some(id), vec![number]),
            // Old processors tell of their cores alone.
            None => {
                let cores = channels.into_iter().filter(|(_, label)| label.starts_with("Core "));
                let id = chip.device.strip_prefix("coretemp.").and_then(|id| id.parse().ok());
                Self::new(chip, id, cores.map(|(number, _)| number).collect())
            }
        }
    }

    fn hottest(&self) -> (Option<(f64, Option<f64>)>, bool) {
        let read: Vec<_> = self.thermometers.iter().map(|one| Some((one.read()?, one.limit_c))).collect();
        let is_whole = read.iter().all(Option::is_some);
        (read.into_iter().flatten().max_by(|a, b| a.0.total_cmp(&b.0)), is_whole)
    }
}

fn is_amd(chip: &Chip) -> bool {
    matches!(chip.name.as_str(), "k10temp" | "zenpower")
}

impl CpuChips {
    /// What was found on a new look; what was used so far stays.
    pub(super) fn replace(&mut self, chips: Vec<CpuChip>) {
        self.chips = chips;
    }

    /// Adds what they say now. `false` when one of them could not be read.
    pub(super) fn read(&mut self, now: Instant, cpus: &Cpus, readings: &mut Readings) -> bool {
        let mut all_read = true;
        let mut of_packages = BTreeMap::new();
        for chip in &self.chips {
            let (hottest, is_whole) = chip.hottest();
            all_read &= is_whole;
            if let Some((now_c, limit_c)) = hottest {
                for id in cpus.of_package(chip.package) {
                    let temperature = Temperature { place: Place::Package, now_c, limit_c, at: now };
                    let known = &mut readings.devices.entry(id.to_owned()).or_default().temperatures;
                    match known.first_mut() {
                        Some(known) if known.now_c < now_c => *known = temperature,
                        Some(_) => {}
                        None => known.push(temperature),
                    }
                }
            }
            if let (Some(package), false) = (chip.package, chip.powers.is_empty()) {
                let power_w: Option<f64> = chip.powers.iter().map(|path| scaled(path, MICRO)).sum();
                all_read &= power_w.is_some();
                let sum: &mut Option<f64> = of_packages.entry(package).or_insert(Some(0.0));
                *sum = sum.zip(power_w).map(|(sum, power_w)| sum + power_w);
            }
        }
        let mut known = BTreeMap::new();
        for (package, power_w) in of_packages {
            let used = self.used.entry(package).or_default();
            let (power_w, energy_j) = used.update(now, Sample { power_w, ..Sample::default() });
            known.insert(package, PackagePower { power_w, energy_j });
        }
        for (id, share) in cpus.share(&known) {
            let device = readings.devices.entry(id).or_default();
            (device.power_w, device.energy_j) = (share.power_w, share.energy_j);
            device.power_source = Some("hwmon");
        }
        all_read
    }

    /// Which were found for each processor.
    pub(super) fn notes(&self, cpus: &Cpus) -> Vec<Note> {
        let mut notes = Vec::new();
        for id in cpus.ids() {
            let of_it = self.chips.iter().filter(|chip| cpus.of_package(chip.package).any(|own| own == id));
            let found: Vec<_> = of_it.map(|chip| chip.words.as_str()).collect();
            notes.push(if found.is_empty() {
                let help = "load the driver of its monitor: `sudo modprobe k10temp` for AMD, `sudo modprobe \
                            coretemp` for Intel; virtual machines have none";
                Note::new(id, "no hardware monitor of a processor, so no temperature").help(help)
            } else {
                Note::new(id, found.join(", "))
            });
        }
        notes
    }
}
