//! Batteries, and whether the machine lives on them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::plausible::plausible_celsius;
use super::roots::{Found, Roots, entries, scaled, value, word};
use super::{HostReadings, Readings, Source};

/// Batteries tell tenths of a degree.
const TENTH: f64 = 0.1;

/// Reads the power supplies.
pub struct BatterySource {
    roots: Roots,
    found: Found<Supplies>,
}

#[derive(Debug, Default)]
struct Supplies {
    /// Those that power the machine, and not a mouse.
    batteries: Vec<PathBuf>,
    mains: Vec<PathBuf>,
    usb: Vec<PathBuf>,
}

impl BatterySource {
    /// Of this machine.
    pub fn new(roots: Roots) -> Self {
        Self { roots, found: Found::default() }
    }

    /// What the supplies say at this time.
    pub fn read_at(&mut self, now: Instant) -> Readings {
        let roots = &self.roots;
        let supplies = self.found.at(now, |supplies| *supplies = Supplies::look(roots));
        let batteries: Vec<_> = supplies.batteries.iter().filter_map(|path| Battery::read(path)).collect();
        let is_whole = batteries.len() == supplies.batteries.len();
        let mains = online(&supplies.mains);
        let usb = online(&supplies.usb);
        if !is_whole || mains.len() < supplies.mains.len() {
            self.found.failed();
        }
        let host = HostReadings {
            on_battery: on_battery(&batteries, &mains, &usb),
            battery_ratio: mean(batteries.iter().filter_map(|battery| battery.ratio)),
            battery_c: batteries.iter().filter_map(|battery| battery.celsius).max_by(f64::total_cmp),
            ..HostReadings::default()
        };
        Readings { host, ..Readings::default() }
    }
}

impl Source for BatterySource {
    fn name(&self) -> &'static str {
        "battery"
    }

    fn read(&mut self) -> Readings {
        self.read_at(Instant::now())
    }
}

impl Supplies {
    fn look(roots: &Roots) -> Self {
        let mut supplies = Self::default();
        for folder in entries(&roots.class("power_supply")) {
            let of = |name: &str| word(&folder.join(name));
            if of("scope") == "Device" {
                continue;
            }
            match of("type").as_str() {
                // A bay may be empty.
                "Battery" if of("present") != "0" => supplies.batteries.push(folder),
                "Mains" => supplies.mains.push(folder),
                kind if kind.starts_with("USB") => supplies.usb.push(folder),
                _ => {}
            }
        }
        supplies
    }
}

/// What a battery says.
#[derive(Debug, Clone, PartialEq)]
struct Battery {
    status: String,
    ratio: Option<f64>,
    celsius: Option<f64>,
}

impl Battery {
    fn read(folder: &Path) -> Option<Self> {
        let status = Some(word(&folder.join("status"))).filter(|status| !status.is_empty())?;
        let ratio = scaled(&folder.join("capacity"), 0.01).filter(|ratio| (0.0..=1.1).contains(ratio));
        let celsius = scaled(&folder.join("temp"), TENTH).and_then(plausible_celsius);
        Some(Self { status, ratio: ratio.map(|ratio| ratio.min(1.0)), celsius })
    }
}

/// Whether each supply gives power, those left out that do not say.
fn online(supplies: &[PathBuf]) -> Vec<bool> {
    supplies
        .iter()
        .filter_map(|folder| value::<u8>(&folder.join("online")))
        .map(|online| online != 0)
        .collect()
}

/// A battery that discharges says it all, also with a charger that is too weak. Without one that does, a machine is on its
/// battery when it has mains and none of them gives power; a battery that charges has power from somewhere.
fn on_battery(batteries: &[Battery], mains: &[bool], usb: &[bool]) -> Option<bool> {
    if batteries.is_empty() {
        return None;
    }
    let any = |status: &str| batteries.iter().any(|battery| battery.status == status);
    let unplugged = !mains.is_empty() && mains.iter().chain(usb).all(|online| !online);
    Some(any("Discharging") || unplugged && !any("Charging"))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_machine_lives_on_its_battery() {
        let battery = |status: &str| Battery { status: status.to_owned(), ratio: None, celsius: None };
        type Case<'a> = (&'a [&'a str], &'a [bool], &'a [bool], Option<bool>);
        let cases: [Case<'_>; 11] = [
            (&[], &[true], &[], None),
            (&[], &[false], &[], None),
            (&["Discharging"], &[false], &[], Some(true)),
            (&["Discharging"], &[true], &[], Some(true)), // a charger that is too weak
            (&["Charging"], &[true], &[], Some(false)),
            (&["Full"], &[true], &[false], Some(false)),
            (&["Not charging"], &[false], &[true], Some(false)), // it is charged over USB
            (&["Unknown"], &[false], &[false], Some(true)),
            (&["Charging"], &[false], &[], Some(false)), // from a supply that is not listed
            (&["Full"], &[], &[false], Some(false)),     // no mains to be without
            (&["Full", "Discharging"], &[true], &[], Some(true)),
        ];
        for (statuses, mains, usb, expected) in cases {
            let batteries: Vec<_> = statuses.iter().map(|status| battery(status)).collect();
            assert_eq!(on_battery(&batteries, mains, usb), expected, "{statuses:?} {mains:?} {usb:?}");
        }
    }
}
