//! Any device, alone and in the whole miner.

use std::sync::atomic::Ordering;
use std::time::Instant;

use rminer_algos::registry::SHA256D;

use super::*;
use crate::config::{CpuSettings, DevicePattern, DeviceSelection, Globals, Layers, Pools, resolve};

fn settings(kernel: Option<&'static str>) -> Settings {
    let settings = resolve(&Layers::default(), Pools::Ignored, Globals::default()).unwrap().settings;
    let cpu = CpuSettings { kernel, ..CpuSettings::default() };
    let devices = DeviceSelection::Only(vec![DevicePattern::Cpus]);
    Settings { algorithm: &SHA256D, cpu, devices, ..settings }
}

fn options(ms: u64) -> BenchOptions {
    let length = BenchLength::Time(Duration::from_millis(ms));
    BenchOptions { length, new_job_every: Duration::from_millis(20) }
}

fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

#[test]
fn a_processor_is_measured_alone_and_with_new_jobs() {
    let results = run(&settings(None), options(1200), &silent(), &AtomicBool::new(false)).unwrap();
    let [result] = &results[..] else { panic!("one device: {results:?}") };
    assert_eq!((result.algo, result.device.as_str()), ("sha256d", "cpu0"));
    assert!(result.rate_hs > 0.0 && result.hashes > 0 && result.first_hash_ms > 0, "{result:?}");
    let jobs = result.new_jobs.as_ref().unwrap();
    // 600 ms in all, a job every 20 ms.
    assert!(jobs.every_ms == 20 && jobs.taken > 3 && jobs.rate_hs > 0.0 && jobs.of_alone > 0.0, "{jobs:?}");
    assert!(jobs.hashing_p50_ms <= jobs.hashing_p99_ms && jobs.hashing_p99_ms <= jobs.hashing_max_ms);
    assert!(jobs.hashing_p50_ms <= jobs.slice_p50_ms);
    assert!(serde_json::to_value(result).unwrap()["new_jobs"]["hashing_p99_ms"].is_number());
}

#[test]
fn the_way_of_a_job_is_measured_stage_by_stage() {
    let paths = job_paths(&settings(None), options(1000), &silent(), &AtomicBool::new(false)).unwrap();
    let [path] = &paths[..] else { panic!("one device: {paths:?}") };
    assert!(path.device == "cpu0" && path.every_ms == 20 && path.taken > 3 && path.rate_hs > 0.0, "{path:?}");
    let names: Vec<_> = path.stages.iter().map(|stage| stage.stage).collect();
    let [.., whole, slice] = &path.stages[..] else { panic!("{names:?}") };
    assert_eq!(
        (names.len(), whole.stage, slice.stage),
        (6, "read to first hash", "read to first slice done")
    );
    for stage in &path.stages {
        assert!(
            stage.p50_ms.is_some() && stage.p50_ms <= stage.p99_ms && stage.p99_ms <= stage.max_ms,
            "{stage:?}"
        );
        assert!(stage.max_ms <= slice.max_ms, "{stage:?}");
    }
    assert!(serde_json::to_value(path).unwrap()["stages"][0]["p99_ms"].is_number());
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let run_with = |options| run(&settings(None), options, &silent(), &AtomicBool::new(false));
    let hashes = BenchOptions { length: BenchLength::Hashes(9), ..options(1) };
    assert_eq!(run_with(hashes), Err(BenchError::NoSums("sha256d")));
    assert_eq!(run_with(options(50)), Err(BenchError::Length));
    let fault = run(&settings(Some("abacus")), options(200), &silent(), &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(fault, BenchError::NoDevice(_, Exit::Usage)), "{fault}");
}

#[test]
fn stop_ends_any_phase() {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
        });
        run(&settings(None), options(3_600_000), &silent(), &stop)
    });
    assert_eq!(result, Err(BenchError::Stopped));
    assert!(begun.elapsed() < Duration::from_secs(600), "it ran on for its hour");
}
