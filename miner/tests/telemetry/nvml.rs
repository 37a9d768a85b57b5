//! NVIDIA's cards through a stub of their library, which is built here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rminer::telemetry::{
    ASK_AGAIN, DeviceReadings, HostReadings, NvmlSource, Place, Readings, Roots, Source, Telemetry,
};
use tempfile::TempDir;

use crate::tree::{Tree, gpu};

const SECOND: Duration = Duration::from_secs(1);

/// The stub and what controls it.
struct Stub {
    folder: TempDir,
}

impl Stub {
    fn new(defines: &[&str], control: &str) -> Self {
        let stub = Self { folder: tempfile::tempdir().unwrap() };
        stub.control(control);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/telemetry/nvml_stub.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(stub.library())
            .arg(format!("-DCONTROL=\"{}\"", stub.file("control").display()))
            .args(defines)
            .arg(source)
            .output()
            .expect("a C compiler, which the RandomX library needs too");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        stub
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn library(&self) -> PathBuf {
        self.file("libnvidia-ml.so.1")
    }

    fn control(&self, text: &str) {
        fs::write(self.file("control"), text).unwrap();
    }

    /// Starts and look-ups so far that begin with this.
    fn count(&self, what: &str) -> usize {
        let log = fs::read_to_string(self.file("control.log")).unwrap_or_default();
        log.lines().filter(|line| line.starts_with(what)).count()
    }

    /// The source for cards at these addresses, on a machine that does not say whose they are.
    fn source(&self, addresses: &[&str]) -> NvmlSource {
        let watched: Vec<_> =
            addresses.iter().zip(0..).map(|(pci, number)| gpu(&format!("gpu{number}"), pci)).collect();
        NvmlSource::new(&watched, &self.roots(), Some(self.library())).unwrap()
    }

    fn roots(&self) -> Roots {
        Roots { sys: self.file("sys"), proc_: self.file("proc") }
    }
}

const BOTH: [&str; 2] = ["0000:0b:00.0", "0000:0c:00.0"];

#[test]
fn a_healthy_card_tells_all() {
    let stub = Stub::new(&[], "energy 5000000");
    let mut source = stub.source(&BOTH);
    let start = Instant::now();
    let readings = source.read_at(start);
    let card = &readings.devices["gpu0"];
    let degrees: Vec<_> = card.temperatures.iter().map(|t| (t.place, t.now_c, t.limit_c)).collect();
    assert_eq!(degrees, [(Place::Core, 64.0, Some(93.0)), (Place::Memory, 82.0, Some(105.0))]);
    assert_eq!((card.power_w, card.energy_j, card.power_source), (Some(143.21), Some(0.0), Some("nvml")));
    assert_eq!(card.fan_ratios, [0.52, 0.48]);
    assert_eq!((card.clocks_hz["core"], card.clocks_hz["memory"]), (1.905e9, 9.501e9));
    // It idles too, which slows nothing down.
    assert_eq!(card.throttled, ["power-cap", "thermal"]);
    // Energy is counted since the start of the miner, not of the machine.
    stub.control("energy 5286000");
    let readings = source.read_at(start + 2 * SECOND);
    assert_eq!(readings.devices["gpu0"].energy_j, Some(286.0));
    // The other card neither counts energy nor measures its memory: what it uses is summed up.
    let other = &readings.devices["gpu1"];
    assert_eq!(other.temperatures.len(), 1);
    assert!((other.energy_j.unwrap() - 286.42).abs() < 1e-9, "{other:?}");
    assert!(other.fan_ratios.is_empty());
    assert_eq!(source.notes()[0].text, "NVML");
    assert_eq!(stub.count("start"), 1);
}

#[test]
fn no_card_has_the_readings_of_another() {
    let stub = Stub::new(&[], "");
    // Both spellings of an address, one that the library takes for another card, one that is not there, and none.
    let mut source = stub.source(&["00000000:0B:00.0", "0000:0d:00.0", "0000:0e:00.0"]);
    let readings = source.read_at(Instant::now());
    assert_eq!(readings.devices.keys().collect::<Vec<_>>(), ["gpu0"]);
    assert!(source.notes()[1].text.contains("does not tell of this card"));
    let watched = [gpu("gpu0", "somewhere")];
    assert!(NvmlSource::new(&watched, &stub.roots(), None).is_none());
    // A Radeon is not asked for.
    let tree = Tree::of("ryzen-radeon");
    assert!(NvmlSource::new(&[gpu("gpu0", "0000:0b:00.0")], &tree.roots(), None).is_none());
}

#[test]
fn without_the_library_nothing_is_known() {
    let stub = Stub::new(&[], "");
    fs::rename(stub.library(), stub.file("away")).unwrap();
    let mut source = stub.source(&BOTH);
    let start = Instant::now();
    assert_eq!(source.read_at(start), Readings::default());
    let note = &source.notes()[0];
    assert!(note.text.starts_with("NVML cannot be used"), "{note:?}");
    assert!(note.help.as_ref().unwrap().contains("libnvidia-ml.so.1"));
    // It is there after all, and is looked for again in time.
    fs::rename(stub.file("away"), stub.library()).unwrap();
    assert_eq!(source.read_at(start + ASK_AGAIN - SECOND), Readings::default());
    assert_eq!(source.read_at(start + ASK_AGAIN).devices.len(), 2);
    // A file that is no library, and a library that does not start.
    let stub = Stub::new(&[], "refuse 9");
    assert_eq!(stub.source(&BOTH).read_at(start), Readings::default());
    assert_eq!(stub.count("start"), 1);
    fs::write(stub.library(), "not a library").unwrap();
    assert_eq!(stub.source(&BOTH).read_at(start), Readings::default());
}

#[test]
fn functions_that_are_missing_are_readings_that_are_missing() {
    let stub = Stub::new(&["-DMINIMAL"], "");
    let mut source = stub.source(&BOTH);
    let readings = source.read_at(Instant::now());
    assert_eq!(readings.devices["gpu0"], DeviceReadings::default());
    assert_eq!(readings.devices.len(), 2);
    drop(source);
    // Every call that fails is a reading that is missing, too.
    let stub = Stub::new(&[], "broken 1");
    let readings = stub.source(&BOTH).read_at(Instant::now());
    assert_eq!(readings.devices["gpu0"], DeviceReadings::default());
}

#[test]
fn absurd_values_are_not_known() {
    let stub = Stub::new(&[], "absurd 1");
    let mut source = stub.source(&BOTH);
    let start = Instant::now();
    source.read_at(start);
    let readings = source.read_at(start + 2 * SECOND);
    let card = &readings.devices["gpu0"];
    assert!(
        card.temperatures.is_empty() && card.fan_ratios.is_empty() && card.clocks_hz.is_empty(),
        "{card:?}"
    );
    assert_eq!((card.power_w, card.energy_j, card.power_source), (None, None, None));
}

#[test]
fn a_card_that_is_lost_is_asked_again_after_a_minute() {
    let stub = Stub::new(&[], "");
    let mut source = stub.source(&BOTH);
    let start = Instant::now();
    assert_eq!(source.read_at(start).devices.len(), 2);
    // In the middle of its readings.
    stub.control("lost 3");
    let readings = source.read_at(start + 2 * SECOND);
    assert_eq!(readings.devices.keys().collect::<Vec<_>>(), ["gpu1"]);
    let asked = stub.count("card 00000000:0B");
    for second in [4, 10, 30, 61] {
        let readings = source.read_at(start + second * SECOND);
        assert_eq!(readings.devices.keys().collect::<Vec<_>>(), ["gpu1"]);
    }
    assert_eq!(stub.count("card 00000000:0B"), asked);
    assert!(source.notes()[0].text.contains("fell off the bus"), "{:?}", source.notes());
    // It is still lost, and then it is not.
    stub.control("lost 0");
    assert_eq!(source.read_at(start + 62 * SECOND).devices.len(), 1);
    assert_eq!(stub.count("card 00000000:0B"), asked + 1);
    stub.control("");
    assert_eq!(source.read_at(start + 100 * SECOND).devices.len(), 1);
    assert_eq!(source.read_at(start + 122 * SECOND).devices.len(), 2);
    assert_eq!(source.read_at(start + 124 * SECOND).devices.len(), 2);
    assert_eq!((stub.count("start"), stub.count("end")), (3, 2));
}

#[test]
fn a_driver_that_is_loaded_anew_is_met_by_a_library_that_is() {
    let stub = Stub::new(&[], "energy 7000000");
    let mut source = stub.source(&BOTH);
    let start = Instant::now();
    source.read_at(start);
    stub.control("energy 7300000");
    assert_eq!(source.read_at(start + 2 * SECOND).devices["gpu0"].energy_j, Some(300.0));
    stub.control("stale 1\nenergy 50000");
    // Its counter begins anew, and the sum goes on: nobody saw what was used between.
    let readings = source.read_at(start + 4 * SECOND);
    assert_eq!(readings.devices.len(), 2);
    let sum = readings.devices["gpu0"].energy_j.unwrap();
    assert!((sum - 586.42).abs() < 1e-9, "{sum}");
    assert_eq!((stub.count("start"), stub.count("end")), (2, 1));
    stub.control("stale 1\nenergy 150000");
    let sum = source.read_at(start + 6 * SECOND).devices["gpu0"].energy_j.unwrap();
    assert!((sum - 686.42).abs() < 1e-9, "{sum}");
}

#[test]
fn a_call_that_blocks_costs_its_own_readings_only() {
    struct Good;
    impl Source for Good {
        fn name(&self) -> &'static str {
            "good"
        }
        fn read(&mut self) -> Readings {
            let host = HostReadings { battery_c: Some(30.0), ..HostReadings::default() };
            Readings { host, ..Readings::default() }
        }
    }
    let stub = Stub::new(&[], "");
    fs::write(stub.file("control.block"), "").unwrap();
    let sources: Vec<Box<dyn Source>> = vec![Box::new(stub.source(&BOTH)), Box::new(Good)];
    let telemetry = Telemetry::start(sources, Duration::from_millis(5)).unwrap();
    let wait = |until: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(20);
        while !until() {
            assert!(Instant::now() < end, "nothing came of it");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    wait(&|| stub.count("card") > 0 && telemetry.latest(Instant::now()).host.battery_c.is_some());
    let now = Instant::now();
    assert_eq!(telemetry.silent(now), ["nvml"]);
    assert!(telemetry.latest(now).devices.is_empty());
    fs::remove_file(stub.file("control.block")).unwrap();
    wait(&|| telemetry.silent(Instant::now()).is_empty());
    assert_eq!(telemetry.latest(Instant::now()).devices.len(), 2);
}
