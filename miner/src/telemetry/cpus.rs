//! Processors as devices and as packages (sockets). Sensors know packages; a device may be one of them, a part of one
//! (a memory node), or all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::roots::{Roots, entries, name_of, value};
use super::{DeviceKind, Watched};

/// The processors that are watched, and the packages of this machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Cpus {
    devices: Vec<(String, Option<u32>)>,
    packages: BTreeSet<u32>,
}

/// What is known of the power of one package.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct PackagePower {
    pub(super) power_w: Option<f64>,
    pub(super) energy_j: Option<f64>,
}

impl Cpus {
    pub(super) fn new(watched: &[Watched], roots: &Roots) -> Self {
        let cpus = watched.iter().filter(|device| device.kind == DeviceKind::Cpu);
        let devices: Vec<_> = cpus.map(|device| (device.id.clone(), device.package)).collect();
        let packages = if devices.is_empty() { BTreeSet::new() } else { packages(roots) };
        Self { devices, packages }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Names of the devices.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|(id, _)| id.as_str())
    }

    /// Packages in ascending order; one where the kernel does not tell.
    pub(super) fn packages(&self) -> Vec<u32> {
        if self.packages.is_empty() { vec![0] } else { self.packages.iter().copied().collect() }
    }

    /// The devices that have a part of a package. A sensor that does not know its package is about all.
    pub(super) fn of_package(&self, package: Option<u32>) -> impl Iterator<Item = &str> {
        let is_part = move |own: Option<u32>| own.is_none() || package.is_none() || own == package;
        self.devices.iter().filter(move |(_, own)| is_part(*own)).map(|(id, _)| id.as_str())
    }

    /// What each device uses: the sum over its packages, each divided evenly among the devices that share it, so that the
    /// devices together use what the packages do. Not known where one of its packages is not.
    pub(super) fn share(&self, of_packages: &BTreeMap<u32, PackagePower>) -> BTreeMap<String, PackagePower> {
        let mut shares = BTreeMap::new();
        for (id, own) in &self.devices {
            let mut sum = PackagePower { power_w: Some(0.0), energy_j: Some(0.0) };
            for package in own.map_or_else(|| self.packages(), |package| vec![package]) {
                let known = of_packages.get(&package).copied().unwrap_or_default();
                let sharers = self.of_package(Some(package)).count().max(1) as f64;
                let add = |sum: Option<f64>, part: Option<f64>| Some(sum? + part? / sharers);
                sum = PackagePower {
                    power_w: add(sum.power_w, known.power_w),
                    energy_j: add(sum.energy_j, known.energy_j),
                };
            }
            if sum != PackagePower::default() {
                shares.insert(id.clone(), sum);
            }
        }
        shares
    }
}

/// The package of a processing unit by its operating-system index.
pub(super) fn package_of(roots: &Roots, unit: u32) -> Option<u32> {
    value(&roots.sys.join(format!("devices/system/cpu/cpu{unit}/topology/physical_package_id")))
}

fn packages(roots: &Roots) -> BTreeSet<u32> {
    let units = entries(&roots.sys.join("devices/system/cpu"));
    let number = |path: &std::path::PathBuf| name_of(path).strip_prefix("cpu")?.parse().ok();
    units.iter().filter_map(number).filter_map(|unit| package_of(roots, unit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(devices: &[(&str, Option<u32>)], packages: &[u32]) -> Cpus {
        Cpus {
            devices: devices.iter().map(|(id, package)| ((*id).to_owned(), *package)).collect(),
            packages: packages.iter().copied().collect(),
        }
    }

    fn known(power_w: f64) -> PackagePower {
        PackagePower { power_w: Some(power_w), energy_j: Some(power_w * 10.0) }
    }

    #[test]
    fn devices_together_use_what_the_packages_do() {
        let of_packages = BTreeMap::from([(0, known(100.0)), (1, known(60.0))]);
        let one = cpus(&[("cpu0", None)], &[0, 1]).share(&of_packages);
        assert_eq!(one["cpu0"], known(160.0));
        let each = cpus(&[("cpu0", Some(0)), ("cpu1", Some(1))], &[0, 1]).share(&of_packages);
        assert_eq!((each["cpu0"], each["cpu1"]), (known(100.0), known(60.0)));
        let nodes = cpus(&[("cpu0", Some(0)), ("cpu1", Some(0)), ("cpu2", Some(1))], &[0, 1]);
        let nodes = nodes.share(&of_packages);
        assert_eq!((nodes["cpu0"], nodes["cpu1"], nodes["cpu2"]), (known(50.0), known(50.0), known(60.0)));
    }

    #[test]
    fn a_part_of_the_power_is_not_told_as_all_of_it() {
        let of_packages = BTreeMap::from([(0, known(100.0))]);
        assert!(cpus(&[("cpu0", None)], &[0, 1]).share(&of_packages).is_empty());
        let each = cpus(&[("cpu0", Some(0)), ("cpu1", Some(1))], &[0, 1]).share(&of_packages);
        assert_eq!(each.keys().collect::<Vec<_>>(), ["cpu0"]);
        // A kernel that does not tell packages has one.
        assert_eq!(cpus(&[("cpu0", None)], &[]).share(&of_packages)["cpu0"], known(100.0));
        assert!(cpus(&[], &[0]).share(&of_packages).is_empty());
    }

    #[test]
    fn sensors_without_a_package_are_about_all() {
        let cpus = cpus(&[("cpu0", Some(0)), ("cpu1", Some(1))], &[0, 1]);
        assert_eq!(cpus.of_package(None).count(), 2);
        assert_eq!(cpus.of_package(Some(1)).collect::<Vec<_>>(), ["cpu1"]);
    }
}
