//! The files of a kernel whose machine does as it is told: eight processing units, a battery, and programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rminer::telemetry::Roots;
use tempfile::TempDir;

const UNITS: f64 = 8.0;
/// Ticks of a unit in a second.
const TICKS: f64 = 100.0;
/// Number of the one program.
const PROGRAM: u32 = 4_000_000_000;

struct Program {
    name: String,
    units: f64,
}

/// A machine whose counts go on as real ones do.
pub struct Machine {
    folder: TempDir,
    program: Arc<Mutex<Program>>,
    stop: Arc<AtomicBool>,
    clock: Option<JoinHandle<()>>,
}

impl Machine {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        for place in ["proc/self", "sys/class/power_supply/BAT0", "sys/class/power_supply/AC"] {
            fs::create_dir_all(path.join(place)).unwrap();
        }
        fs::create_dir_all(path.join(format!("proc/{PROGRAM}"))).unwrap();
        put(&path.join("proc/meminfo"), "MemTotal: 16000000 kB\nMemAvailable: 9000000 kB\n");
        let battery = path.join("sys/class/power_supply/BAT0");
        for (file, text) in [
            ("type", "Battery"),
            ("scope", "System"),
            ("present", "1"),
            ("status", "Full"),
            ("capacity", "100"),
        ] {
            put(&battery.join(file), text);
        }
        put(&path.join("sys/class/power_supply/AC/type"), "Mains");
        put(&path.join("sys/class/power_supply/AC/online"), "1");
        let program = Arc::new(Mutex::new(Program { name: "idle".into(), units: 0.0 }));
        let stop = Arc::new(AtomicBool::new(false));
        tick(&path, 0.0, 0.0, "idle");
        let clock = {
            let (program, stop) = (Arc::clone(&program), Arc::clone(&stop));
            std::thread::spawn(move || run(&path, &program, &stop))
        };
        Self { folder, program, stop, clock: Some(clock) }
    }

    pub fn roots(&self) -> Roots {
        Roots { sys: self.folder.path().join("sys"), proc_: self.folder.path().join("proc") }
    }

    /// A program uses so many units from now on.
    pub fn run_program(&self, name: &str, units: f64) {
        *self.program.lock().unwrap() = Program { name: name.into(), units };
    }

    /// The machine runs on its battery, with so much of its charge left.
    pub fn unplug(&self, charge: f64) {
        let supplies = self.folder.path().join("sys/class/power_supply");
        put(&supplies.join("BAT0/capacity"), &format!("{:.0}", charge * 100.0));
        put(&supplies.join("BAT0/status"), "Discharging");
        put(&supplies.join("AC/online"), "0");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(clock) = self.clock.take() {
            let _ended = clock.join();
        }
    }
}

fn run(path: &Path, program: &Mutex<Program>, stop: &AtomicBool) {
    let started = Instant::now();
    let (mut until, mut used) = (Duration::ZERO, 0.0);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let now = started.elapsed();
        let name = {
            let program = program.lock().unwrap();
            used += program.units * (now - until).as_secs_f64() * TICKS;
            program.name.clone()
        };
        until = now;
        tick(path, now.as_secs_f64() * TICKS, used, &name);
    }
}

/// The counts after so many ticks, of which the program used some.
fn tick(path: &Path, ticks: f64, used: f64, name: &str) {
    // The miner itself uses one unit.
    let (busy, idle) = (ticks + used, ticks * (UNITS - 1.0) - used);
    let units: String = (0..8).map(|unit| format!("cpu{unit} 1\n")).collect();
    let all = format!("cpu  {busy:.0} 0 0 {idle:.0} 0 0 0 0 0 0\n{units}intr 1\n");
    let process = |id: u32, name: &str, ticks: f64| {
        format!("{id} ({name}) R 1 1 1 0 -1 0 0 0 0 0 {ticks:.0} 0 0 0 20 0 1 0 1 1 1\n")
    };
    put(&path.join("proc/self/stat"), &process(1, "rminer", ticks));
    put(&path.join("proc/stat"), &all);
    put(&path.join(format!("proc/{PROGRAM}/stat")), &process(PROGRAM, name, used));
}

/// As the kernel's files are: whole at any time.
fn put(path: &PathBuf, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}
