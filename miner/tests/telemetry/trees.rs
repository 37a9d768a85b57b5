//! What the sources read in recorded trees.

use std::fs;
use std::time::{Duration, Instant};

use rminer::telemetry::{
    BatterySource, DeviceReadings, HostReadings, HostSource, HugePagePool, HwmonSource, Place, RaplSource,
    Source, Watched,
};

use crate::tree::{Tree, cpu, gpu};

/// Place, degrees, limit.
type Degrees = (Place, f64, Option<f64>);

fn degrees(device: &DeviceReadings) -> Vec<Degrees> {
    device.temperatures.iter().map(|t| (t.place, t.now_c, t.limit_c)).collect()
}

fn hwmon(tree: &Tree, watched: &[Watched]) -> HwmonSource {
    HwmonSource::new(watched, tree.roots()).unwrap()
}

fn rapl(tree: &Tree, watched: &[Watched]) -> RaplSource {
    RaplSource::new(watched, tree.roots()).unwrap()
}

fn host(tree: &Tree) -> HostReadings {
    BatterySource::new(tree.roots()).read_at(Instant::now()).host
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_desktop_with_a_radeon() {
    let tree = Tree::of("ryzen-radeon");
    let watched = [cpu("cpu0", Some(0)), gpu("gpu0", "0000:0b:00.0")];
    let mut source = hwmon(&tree, &watched);
    let start = Instant::now();
    let readings = source.read_at(start);
    assert_eq!(readings.devices.len(), 2);
    // Neither the disk, nor the board, nor the graphics in the processor.
    assert_eq!(degrees(&readings.devices["cpu0"]), [(Place::Package, 61.25, None)]);
    let card = &readings.devices["gpu0"];
    assert_eq!(
        degrees(card),
        [
            (Place::Core, 52.0, Some(100.0)),
            (Place::Hotspot, 61.0, Some(110.0)),
            (Place::Memory, 78.0, Some(105.0)),
        ]
    );
    assert_eq!((card.power_w, card.energy_j, card.power_source), (Some(143.0), Some(0.0), Some("hwmon")));
    assert_eq!(card.fan_ratios, [0.5]);
    assert_eq!(card.clocks_hz.get("core"), Some(&2.105e9));
    assert_eq!(card.clocks_hz.get("memory"), Some(&1e9));
    let later = source.read_at(start + 2 * SECOND);
    assert_eq!(later.devices["gpu0"].energy_j, Some(286.0));
    let notes: Vec<_> = source.notes().into_iter().map(|note| (note.device, note.text)).collect();
    assert_eq!(
        notes,
        [("cpu0".into(), "k10temp (hwmon2)".into()), ("gpu0".into(), "amdgpu (hwmon4)".to_owned())]
    );
}

#[test]
fn a_desktop_has_no_battery_whatever_its_mouse_has() {
    assert_eq!(host(&Tree::of("ryzen-radeon")), HostReadings::default());
    assert_eq!(host(&Tree::of("two-xeons")), HostReadings::default());
}

#[test]
fn the_counter_of_a_package_wraps_around() {
    let tree = Tree::of("ryzen-radeon");
    let mut source = rapl(&tree, &[cpu("cpu0", None)]);
    let start = Instant::now();
    let first = &source.read_at(start).devices["cpu0"];
    assert_eq!((first.power_w, first.energy_j, first.power_source), (None, Some(0.0), Some("rapl")));
    let counter = "sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj";
    tree.write(counter, "189389013\n");
    let second = &source.read_at(start + 2 * SECOND).devices["cpu0"];
    let (power_w, energy_j) = (second.power_w.unwrap(), second.energy_j.unwrap());
    assert!((power_w - 95.0).abs() < 1e-6 && (energy_j - 190.0).abs() < 1e-6, "{power_w} W, {energy_j} J");
    assert_eq!(source.notes()[0].text, "RAPL");
}

#[test]
fn each_package_has_its_own_readings() {
    let tree = Tree::of("two-xeons");
    let watched = [cpu("cpu0", Some(0)), cpu("cpu1", Some(1))];
    let readings = hwmon(&tree, &watched).read_at(Instant::now());
    assert_eq!(degrees(&readings.devices["cpu0"]), [(Place::Package, 64.0, Some(92.0))]);
    assert_eq!(degrees(&readings.devices["cpu1"]), [(Place::Package, 71.0, Some(92.0))]);
    // One device on both packages is as hot as the hotter one, and uses what both do.
    let readings = hwmon(&tree, &[cpu("cpu0", None)]).read_at(Instant::now());
    assert_eq!(degrees(&readings.devices["cpu0"]), [(Place::Package, 71.0, Some(92.0))]);
    let power = |watched: &[Watched]| {
        let mut source = rapl(&tree, watched);
        let start = Instant::now();
        tree.write("sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj", "1000000000");
        tree.write("sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj", "2000000000");
        source.read_at(start);
        tree.write("sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj", "1300000000");
        tree.write("sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj", "2200000000");
        let devices = source.read_at(start + 2 * SECOND).devices;
        devices.into_values().map(|device| device.power_w.unwrap().round()).collect::<Vec<_>>()
    };
    assert_eq!(power(&watched), [150.0, 100.0]);
    assert_eq!(power(&[cpu("cpu0", None)]), [250.0]);
}

#[test]
fn devices_know_the_package_of_their_units() {
    let roots = Tree::of("two-xeons");
    let package = |units: &[u32]| Watched::cpu("cpu0", units.iter().copied(), &roots.roots()).package;
    assert_eq!(
        [package(&[0]), package(&[1, 1]), package(&[0, 1]), package(&[9]), package(&[])],
        [Some(0), Some(1), None, None, None]
    );
}

#[test]
fn a_laptop_on_its_battery() {
    let tree = Tree::of("laptop");
    let state = host(&tree);
    assert_eq!((state.on_battery, state.battery_ratio), (Some(true), Some(0.62)));
    assert!((state.battery_c.unwrap() - 31.2).abs() < 1e-9);
    tree.write("sys/class/power_supply/BAT0/status", "Charging\n");
    tree.write("sys/class/power_supply/AC/online", "1\n");
    assert_eq!(host(&tree).on_battery, Some(false));
    tree.write("sys/class/power_supply/BAT0/temp", "-2732\n");
    assert_eq!(host(&tree).battery_c, None);
}

#[test]
fn counters_that_may_not_be_read_are_not_known() {
    let tree = Tree::of("laptop");
    let mut source = rapl(&tree, &[cpu("cpu0", None)]);
    let start = Instant::now();
    assert!(source.read_at(start).devices.is_empty());
    assert!(source.read_at(start + 2 * SECOND).devices.is_empty());
    let note = &source.notes()[0];
    assert!(note.device == "cpu0" && note.text.starts_with("RAPL cannot be read"), "{note:?}");
}

#[test]
fn a_card_that_counts_its_energy_has_power_too() {
    let tree = Tree::of("laptop");
    let mut source = hwmon(&tree, &[cpu("cpu0", None), gpu("gpu0", "0000:03:00.0")]);
    let start = Instant::now();
    let readings = source.read_at(start);
    // Processors without a sensor of the package are as hot as their hottest core.
    assert_eq!(degrees(&readings.devices["cpu0"]), [(Place::Package, 59.0, Some(105.0))]);
    tree.write("sys/devices/pci0000:00/0000:00:01.0/0000:03:00.0/hwmon/hwmon5/energy1_input", "165000000");
    let card = &source.read_at(start + 2 * SECOND).devices["gpu0"];
    assert_eq!((card.power_w, card.energy_j), (Some(80.0), Some(160.0)));
    // Revolutions say nothing without the full speed.
    assert!(card.fan_ratios.is_empty() && card.temperatures.is_empty());
}

#[test]
fn zenpower_tells_of_dies() {
    let tree = Tree::of("zenpower");
    let mut source = hwmon(&tree, &[cpu("cpu0", Some(0)), cpu("cpu1", Some(0))]);
    let start = Instant::now();
    source.read_at(start);
    let readings = source.read_at(start + 2 * SECOND);
    for device in readings.devices.values() {
        // `Tctl` is 27 degrees too high by design. The package has 100 W, its two nodes 50 each.
        assert_eq!(degrees(device), [(Place::Package, 58.25, None)]);
        assert_eq!((device.power_w, device.energy_j), (Some(50.0), Some(100.0)));
    }
    assert_eq!(readings.devices.len(), 2);
}

#[test]
fn cards_of_other_drivers() {
    let tree = Tree::of("other-cards");
    let cards = [gpu("gpu0", "0000:04:00.0"), gpu("gpu1", "00000000:01:00.0"), gpu("gpu2", "0000:66:00.0")];
    let mut source = hwmon(&tree, &[&cards[..], &[cpu("cpu0", None)]].concat());
    let start = Instant::now();
    source.read_at(start);
    let path = "sys/devices/pci0000:00/0000:04:00.0/hwmon/hwmon1/energy1_input";
    tree.write(path, "390000000\n");
    let readings = source.read_at(start + 2 * SECOND);
    let arc = &readings.devices["gpu0"];
    assert_eq!(degrees(arc), [(Place::Core, 63.0, Some(105.0)), (Place::Memory, 70.0, None)]);
    assert_eq!(arc.power_w, Some(150.0));
    let geforce = &readings.devices["gpu1"];
    assert_eq!(degrees(geforce), [(Place::Core, 44.0, Some(95.0))]);
    assert_eq!((geforce.power_w, &geforce.fan_ratios[..]), (None, &[0.35][..]));
    assert_eq!(degrees(&readings.devices["cpu0"]), [(Place::Package, 55.017, None)]);
    // No other card's readings are taken for those of a card that is not there.
    assert!(!readings.devices.contains_key("gpu2"));
    let notes: Vec<_> = source.notes().into_iter().map(|note| note.text).collect();
    assert!(notes.contains(&"nouveau (hwmon2), without power".to_owned()), "{notes:?}");
}

#[test]
fn absurd_values_are_not_known() {
    let tree = Tree::of("other-cards");
    let card = hwmon(&tree, &[gpu("gpu0", "0000:05:00.0")]).read_at(Instant::now()).devices["gpu0"].clone();
    assert!(card.temperatures.is_empty() && card.fan_ratios.is_empty(), "{card:?}");
    assert_eq!((card.power_w, card.energy_j, card.power_source), (None, None, None));
    assert_eq!(card.clocks_hz.get("core"), Some(&0.0));
}

#[test]
fn what_vanishes_is_none_and_comes_back() {
    let tree = Tree::of("ryzen-radeon");
    let watched = [cpu("cpu0", Some(0)), gpu("gpu0", "0000:0b:00.0")];
    let (mut monitors, mut counters) = (hwmon(&tree, &watched), rapl(&tree, &watched));
    let (mut battery, mut machine) = (BatterySource::new(tree.roots()), HostSource::new(tree.roots()));
    let start = Instant::now();
    let mut read = |after: Duration| {
        let now = start + after;
        let mut readings = monitors.read_at(now);
        for other in [counters.read_at(now), battery.read_at(now), machine.read_at(now)] {
            readings.merge(other);
        }
        readings
    };
    let before = read(Duration::ZERO);
    assert!(before.devices.len() == 2 && before.host.memory_total_bytes.is_some());
    assert_eq!(before.host.huge_pages.len(), 2);
    for root in ["sys", "proc"] {
        tree.rename(root, &format!("{root}-away"));
    }
    let away = read(2 * SECOND);
    assert!(away.devices.values().all(|device| *device == DeviceReadings::default()), "{away:?}");
    assert_eq!(away.host, HostReadings::default());
    let still_away = read(10 * SECOND);
    assert!(still_away.devices.values().all(|device| *device == DeviceReadings::default()), "{still_away:?}");
    for root in ["sys", "proc"] {
        tree.rename(&format!("{root}-away"), root);
    }
    let back = read(80 * SECOND);
    assert_eq!(degrees(&back.devices["gpu0"]), degrees(&before.devices["gpu0"]));
    assert_eq!(degrees(&back.devices["cpu0"]), degrees(&before.devices["cpu0"]));
    assert_eq!(back.host.huge_pages, before.host.huge_pages);
    // What was used while nobody could see it is not made up, and the sum goes on.
    let later = read(82 * SECOND);
    assert_eq!(later.devices["gpu0"].energy_j, Some(286.0));
}

#[test]
fn a_driver_that_is_loaded_anew_has_another_number() {
    let tree = Tree::of("ryzen-radeon");
    let mut source = hwmon(&tree, &[gpu("gpu0", "0000:0b:00.0")]);
    let start = Instant::now();
    let before = source.read_at(start).devices["gpu0"].clone();
    let device = "sys/devices/pci0000:00/0000:00:03.1/0000:09:00.0/0000:0a:00.0/0000:0b:00.0/hwmon";
    tree.rename(&format!("{device}/hwmon4"), &format!("{device}/hwmon7"));
    fs::remove_file(tree.roots().sys.join("class/hwmon/hwmon4")).unwrap();
    let target = format!("../../{}/hwmon7", device.strip_prefix("sys/").unwrap());
    std::os::unix::fs::symlink(target, tree.roots().sys.join("class/hwmon/hwmon7")).unwrap();
    assert!(fs::exists(tree.roots().sys.join("class/hwmon/hwmon7/name")).unwrap());
    assert_eq!(source.read_at(start + 2 * SECOND).devices["gpu0"], DeviceReadings::default());
    let after = source.read_at(start + 8 * SECOND).devices["gpu0"].clone();
    assert_eq!(degrees(&after), degrees(&before));
    assert_eq!(source.notes()[0].text, "amdgpu (hwmon7)");
}

#[test]
fn the_machine_itself() {
    let tree = Tree::of("ryzen-radeon");
    let mut source = HostSource::new(tree.roots());
    let now = Instant::now();
    let host = source.read_at(now).host;
    assert_eq!(host.memory_total_bytes, Some(32_791_672 * 1024));
    assert_eq!(host.memory_available_bytes, Some(21_000_000 * 1024));
    assert_eq!(host.load, Some([2.53, 1.6, 0.75]));
    assert_eq!(host.process_bytes, Some((51_200 + 2_134_016) * 1024));
    assert_eq!(
        host.huge_pages,
        [
            HugePagePool { page_bytes: 2 << 20, total: 1280, free: 240 },
            HugePagePool { page_bytes: 1 << 30, total: 0, free: 0 },
        ]
    );
    assert_eq!(host.cpu_others, None);
    // Two seconds of two units: 300 ticks busy, 220 of them ours.
    tree.write("proc/stat", "cpu  1020 460 320 9090 60 10 20 0 0 0\ncpu0 1\ncpu1 1\nintr 9\n");
    tree.write("proc/self/stat", "4242 (rminer (x)) S 1 1 1 0 -1 0 0 0 0 0 360 40 0 0 39 19 8 0 777 0 0\n");
    let others = source.read_at(now + 2 * SECOND).host.cpu_others.unwrap();
    assert!((others - 2.0 * 80.0 / 400.0).abs() < 1e-9, "{others}");
}

#[test]
fn a_machine_without_sensors_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let roots =
        rminer::telemetry::Roots { sys: folder.path().join("sys"), proc_: folder.path().join("proc") };
    let watched = [cpu("cpu0", None), gpu("gpu0", "0000:0b:00.0")];
    let now = Instant::now();
    let mut monitors = HwmonSource::new(&watched, roots.clone()).unwrap();
    let mut counters = RaplSource::new(&watched, roots.clone()).unwrap();
    let mut readings = monitors.read_at(now);
    for other in [
        counters.read_at(now),
        BatterySource::new(roots.clone()).read_at(now),
        HostSource::new(roots.clone()).read_at(now),
    ] {
        readings.merge(other);
    }
    assert_eq!(readings, rminer::telemetry::Readings::default());
    assert!(counters.notes()[0].help.is_some() && monitors.notes()[0].help.is_some());
    assert!(HwmonSource::new(&[], roots.clone()).is_none() && RaplSource::new(&[], roots).is_none());
}
