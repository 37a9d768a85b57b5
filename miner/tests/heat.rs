//! Ten minutes of the engine with a device that gets warm by hashing, at the pool of the tests, in real time: the set
//! point is held, the limit is not passed, and each change is in the log with its cause.
//!
//! `cargo test -p rminer --test heat -- --ignored --nocapture`; `RMINER_HEAT_SECONDS` for another length, and
//! `RMINER_HEAT_LOG` for the file that gets a line a second.
#![allow(clippy::unwrap_used)] // a failure here is a failed test

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rminer::devices::DeviceSource;
use rminer::devices::heat::{Plant, SimHeat};
use rminer::devices::sim::{SimOptions, SimSource};
use rminer::engine::{Board, Duty, Happening, Patience, RunOptions, Snapshot, Surroundings, run};
use rminer::exit::Exit;
use rminer::safety::{CapChange, Governor, Reason, SafetySettings};
use rminer::telemetry::{DeviceKind, PERIOD, Place, Telemetry, Watched};
use rminer::ui::{Screen, Viewer};
use rminer_algos::registry::RANDOMX;
use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, Profile, Verifier, monero};
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::{Credentials, PoolConfig as ClientPool};
use tokio::sync::mpsc;

const SET_C: f64 = 80.0;
const PAUSE_C: f64 = 87.0;
/// The set point is held from here on.
const SETTLED_S: u64 = 240;

/// Keeps the changes, with their time.
#[derive(Clone)]
struct Changes(Arc<Mutex<Vec<(Duration, CapChange)>>>, Instant);

impl Screen for Changes {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        if let Happening::Cap(change) = happening {
            self.0.lock().unwrap().push((self.1.elapsed(), change.clone()));
        }
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }
}

/// One second of the run.
#[derive(Debug, Clone)]
struct Second {
    at: Duration,
    now_c: f64,
    duty: Duty,
    hashes: u64,
}

#[test]
#[ignore = "ten minutes"]
fn ten_minutes_at_the_set_point() {
    let seconds = std::env::var("RMINER_HEAT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let pool = PoolConfig {
        difficulty: DifficultyConfig { start: 1000, min: 1, ..DifficultyConfig::default() },
        ..PoolConfig::with_profile(Profile::from(monero::Profile::default()))
    };
    let pool =
        LocalPool::spawn_thread(LocalPoolConfig { verifier: Verifier::Toy, ..LocalPoolConfig::from(pool) })
            .unwrap();
    // 25 C over the set point, if it were let.
    let heat = SimHeat::new(Plant::cold(25.0, 80.0, Duration::from_secs(40)), 1, 200.0);
    let options = SimOptions { heat: Some(heat.clone()), ..SimOptions::default() };
    let sources: Vec<Arc<dyn DeviceSource>> = vec![Arc::new(SimSource::new(0, options))];
    let credentials = Credentials { user: "user".into(), pass: "x".into(), rig_id: None };
    let url = format!("stratum+tcp://{}", pool.addr()).parse().unwrap();
    let client =
        Client::new(vec![ClientPool::new(url, credentials, &RANDOMX)], ClientOptions::default()).unwrap();
    let watched = Watched { id: "sim0".into(), kind: DeviceKind::Simulated, pci: None, package: None };
    let started = Instant::now();
    let changes = Changes(Arc::default(), started);
    let board = Arc::new(Board::default());
    let (_notices, waiting) = mpsc::channel(1);
    let around = Surroundings {
        governor: Governor::new(SafetySettings::default(), vec![watched], started),
        telemetry: Telemetry::start(vec![heat.sensor("sim0", Place::Core)], PERIOD).unwrap(),
        board: Arc::clone(&board),
        ..Surroundings::bare(waiting)
    };
    let watcher = watch(heat, board, started, seconds);
    let screen = changes.clone();
    let mut viewer = Viewer::start(move || vec![Box::new(screen)]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = RunOptions {
        time_limit: Some(Duration::from_secs(seconds)),
        stats_interval: None,
        patience: Patience::default(),
    };
    let (exit, snapshot) =
        runtime.block_on(run(client, sources, around, options, std::future::pending, &mut viewer)).unwrap();
    viewer.finish(snapshot.clone(), Duration::from_secs(5));
    let log = watcher.join().unwrap();
    assert_eq!(exit, Exit::Done);
    assert!(snapshot.shares.accepted > 0, "{:?}", snapshot.shares);
    let changes = changes.0.lock().unwrap().clone();
    report(&log, &changes);
    check(&log, &changes);
}

/// Looks once a second, and writes a line each time.
fn watch(
    heat: SimHeat,
    board: Arc<Board>,
    started: Instant,
    seconds: u64,
) -> std::thread::JoinHandle<Vec<Second>> {
    let path = std::env::var("RMINER_HEAT_LOG").ok();
    std::thread::spawn(move || {
        let (mut log, mut text) =
            (Vec::new(), String::from("second\ttemperature_c\tduty_permille\thashes\n"));
        while started.elapsed() < Duration::from_secs(seconds.saturating_sub(1)) {
            std::thread::sleep(Duration::from_secs(1));
            let snapshot = board.snapshot();
            let Some(device) = snapshot.devices.first() else { continue };
            let (at, (now_c, _)) = (started.elapsed(), heat.look());
            let second = Second { at, now_c, duty: device.duty, hashes: device.hashes };
            let (at_s, duty) = (at.as_secs_f64(), second.duty.permille());
            writeln!(text, "{at_s:.1}\t{now_c:.2}\t{duty}\t{}", second.hashes).unwrap();
            log.push(second);
            if let Some(path) = &path {
                std::fs::write(path, &text).unwrap();
            }
        }
        log
    })
}

fn settled(log: &[Second]) -> impl Iterator<Item = &Second> {
    log.iter().filter(|second| second.at.as_secs() >= SETTLED_S)
}

#[allow(clippy::cast_precision_loss, reason = "a few hundred seconds")]
fn report(log: &[Second], changes: &[(Duration, CapChange)]) {
    let (count, sum) = settled(log).fold((0u64, 0.0), |(count, sum), second| (count + 1, sum + second.now_c));
    let mean = sum / count as f64;
    let bounds = |log: &mut dyn Iterator<Item = &Second>| {
        log.fold((f64::MAX, f64::MIN), |(low, high), second| (low.min(second.now_c), high.max(second.now_c)))
    };
    let (low, high) = bounds(&mut settled(log));
    let variance = settled(log).map(|second| (second.now_c - mean).powi(2)).sum::<f64>() / count as f64;
    println!(
        "{} s: highest of all {:.2} C; after {SETTLED_S} s mean {mean:.2} C, from {low:.2} to {high:.2} C, standard \
         deviation {:.2} C; {} changes, {} of them after it",
        log.len(),
        bounds(&mut log.iter()).1,
        variance.sqrt(),
        changes.len(),
        changes.iter().filter(|(at, _)| at.as_secs() >= SETTLED_S).count()
    );
    for (at, change) in changes {
        let cause = change.cause.as_ref();
        let cause =
            cause.map_or_else(String::new, |cause| format!("{}: {}", cause.reason.name(), cause.detail));
        println!(
            "{:6.1} s  {} from {} to {}  {cause}",
            at.as_secs_f64(),
            change.device,
            change.from,
            change.to
        );
    }
}

fn check(log: &[Second], changes: &[(Duration, CapChange)]) {
    for second in settled(log) {
        assert!((second.now_c - SET_C).abs() <= 2.0, "{second:?}");
    }
    assert!(settled(log).count() > 0, "too short to have settled");
    assert!(log.iter().all(|second| second.now_c < PAUSE_C), "the limit was passed");
    // Each change says what it came from, and with which facts.
    for (at, change) in changes {
        let cause = change.cause.as_ref();
        assert!(
            change.to == Duty::FULL || cause.is_some_and(|cause| cause.reason == Reason::Heat),
            "{at:?} {change:?}"
        );
        assert!(cause.is_none_or(|cause| cause.detail.contains("set point 80 C")), "{at:?} {change:?}");
    }
    // And each duty that was seen is one that was told.
    let mut told = vec![Duty::FULL];
    told.extend(changes.iter().map(|(_, change)| change.to));
    for second in log {
        assert!(told.contains(&second.duty), "{second:?} was never told");
    }
    for pair in changes.windows(2) {
        assert_eq!(pair[0].1.to, pair[1].1.from);
    }
}
