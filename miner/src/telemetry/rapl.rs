//! RAPL: what the processor's packages used, as they count it themselves. Intel's and AMD's are in the same place.
//! Since Linux 5.10 only root may read the counters, because they tell more than power (CVE-2020-8694).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

use super::cpus::{Cpus, PackagePower};
use super::energy::{Energy, Sample};
use super::roots::{self, Found, Roots, entries, name_of, scaled, word};
use super::{Note, Readings, Source, Watched};

/// Counters are in millionths of a joule.
const MICRO: f64 = 1e-6;

/// Reads the counters of the packages.
pub struct RaplSource {
    roots: Roots,
    cpus: Cpus,
    found: Found<Zones>,
}

#[derive(Debug, Default)]
struct Zones {
    zones: Vec<Zone>,
    /// Why the last look at a counter was in vain.
    fault: Option<ErrorKind>,
}

/// A package, or a die of one.
#[derive(Debug)]
struct Zone {
    package: u32,
    counter: PathBuf,
    range_j: Option<f64>,
    used: Energy,
}

impl RaplSource {
    /// For these devices; `None` when there is no processor among them.
    pub fn new(watched: &[Watched], roots: Roots) -> Option<Self> {
        let cpus = Cpus::new(watched, &roots);
        (!cpus.is_empty()).then(|| Self { roots, cpus, found: Found::default() })
    }

    /// What the counters say at this time. Power is the mean since the last look.
    pub fn read_at(&mut self, now: Instant) -> Readings {
        let roots = &self.roots;
        let found = self.found.at(now, |zones| zones.look(roots));
        let mut fault = None;
        let mut of_packages: BTreeMap<u32, Option<PackagePower>> = BTreeMap::new();
        for zone in &mut found.zones {
            let counter_j = match roots::read(&zone.counter) {
                Ok(text) => text.trim().parse::<f64>().ok().map(|raw| raw * MICRO),
                Err(kind) => {
                    fault = Some(kind);
                    None
                }
            };
            let sample = Sample { counter_j, range_j: zone.range_j, power_w: None };
            let (power_w, energy_j) = zone.used.update(now, sample);
            let sum = of_packages
                .entry(zone.package)
                .or_insert(Some(PackagePower { power_w: Some(0.0), energy_j: Some(0.0) }));
            let add = |sum: Option<f64>, part: Option<f64>| Some(sum? + part?);
            *sum = sum.map(|sum| PackagePower {
                power_w: add(sum.power_w, power_w),
                energy_j: add(sum.energy_j, energy_j),
            });
        }
        found.fault = fault;
        let known = of_packages.into_iter().filter_map(|(package, power)| Some((package, power?)));
        let mut readings = Readings::default();
        for (id, share) in self.cpus.share(&known.collect()) {
            let device = readings.devices.entry(id).or_default();
            (device.power_w, device.energy_j) = (share.power_w, share.energy_j);
            device.power_source = Some("rapl");
        }
        // A counter that may not be read is still there on the next look.
        if fault.is_some_and(|kind| kind != ErrorKind::PermissionDenied) {
            self.found.failed();
        }
        readings
    }
}

impl Source for RaplSource {
    fn name(&self) -> &'static str {
        "rapl"
    }

    fn read(&mut self) -> Readings {
        self.read_at(Instant::now())
    }

    fn notes(&self) -> Vec<Note> {
        let found = self.found.known();
        let note = |id| match (found.zones.first(), found.fault) {
            (None, _) => Note::new(id, "no RAPL counters of a package")
                .help("`sudo modprobe intel_rapl_msr` loads them, for AMD too; virtual machines have none"),
            (Some(_), None) => Note::new(id, "RAPL"),
            (Some(zone), Some(fault)) => unreadable(id, zone, fault),
        };
        self.cpus.ids().map(note).collect()
    }
}

fn unreadable(id: &str, zone: &Zone, fault: ErrorKind) -> Note {
    let path = zone.counter.display();
    match fault {
        ErrorKind::PermissionDenied => Note::new(id, format!("RAPL is readable by root only: {path}")).help(
            "`sudo chmod o+r /sys/class/powercap/intel-rapl:*/energy_uj` lets all programs read it until the \
                 next start; it was closed because it tells more than power (CVE-2020-8694)",
        ),
        _ => Note::new(id, format!("RAPL cannot be read: {path}: {fault}")),
    }
}

impl Zones {
    /// Looks for packages. What one used so far stays.
    fn look(&mut self, roots: &Roots) {
        let mut known = std::mem::take(&mut self.zones);
        for folder in entries(&roots.class("powercap")) {
            // `intel-rapl:0`. The same package is also listed as `intel-rapl-mmio:0`, its parts as `intel-rapl:0:0`.
            let is_top = name_of(&folder)
                .strip_prefix("intel-rapl:")
                .is_some_and(|number| number.bytes().all(|letter| letter.is_ascii_digit()));
            // `package-0`, or `package-0-die-1`; `psys` is more than the processor.
            let name = word(&folder.join("name"));
            let package = name.strip_prefix("package-").and_then(|rest| rest.split('-').next()?.parse().ok());
            let (true, Some(package)) = (is_top, package) else { continue };
            let counter = folder.join("energy_uj");
            let used = known
                .iter()
                .position(|zone| zone.counter == counter && zone.package == package)
                .map_or_else(Energy::default, |place| known.swap_remove(place).used);
            let range_j = scaled(&folder.join("max_energy_range_uj"), MICRO).filter(|range| *range > 0.0);
            self.zones.push(Zone { package, counter, range_j, used });
        }
        // Zones that are away for a while keep what they used; they are read in vain until then.
        if self.zones.is_empty() {
            self.zones = known;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_is_told_what_to_do() {
        let zone = Zone {
            package: 0,
            counter: "/sys/class/powercap/intel-rapl:0/energy_uj".into(),
            range_j: None,
            used: Energy::default(),
        };
        let note = unreadable("cpu0", &zone, ErrorKind::PermissionDenied);
        assert!(note.text.starts_with("RAPL is readable by root only: /sys/class/powercap"), "{note:?}");
        assert!(note.help.is_some_and(|help| help.contains("chmod")));
        assert!(unreadable("cpu0", &zone, ErrorKind::Other).help.is_none());
    }
}
