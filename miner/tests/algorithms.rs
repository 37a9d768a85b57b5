//! Whoever adds an algorithm adds all of it: vectors, devices, a benchmark and a row in the README.
#![allow(clippy::unwrap_used)] // a failure here is a failed test

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rminer::bench::{self, BenchLength, BenchOptions};
use rminer::config::{
    CpuSettings, DevicePattern, DeviceSelection, Globals, HugePages, Layers, Pools, RandomxMode, Settings,
    resolve,
};
use rminer::devices;
use rminer_algos::Algorithm;
use rminer_algos::registry::ALGORITHMS;
use serde_json::Value;

/// Light on memory and on one thread, so that every algorithm starts at once.
fn settings(algorithm: &'static Algorithm) -> Settings {
    let defaults = resolve(&Layers::default(), Pools::Ignored, Globals::default()).unwrap().settings;
    let cpu = CpuSettings {
        threads: NonZeroU32::new(1),
        huge_pages: HugePages::Off,
        randomx_mode: RandomxMode::Light,
        ..CpuSettings::default()
    };
    let devices = DeviceSelection::Only(vec![DevicePattern::Cpus]);
    Settings { algorithm, cpu, devices, ..defaults }
}

#[test]
fn every_algorithm_has_vectors() {
    for algorithm in ALGORITHMS {
        let vectors: Value = serde_json::from_str(algorithm.vectors).unwrap();
        let tables = vectors.as_object().unwrap().iter().filter(|(name, _)| *name != "_comment");
        let rows: usize = tables.filter_map(|(_, rows)| rows.as_array().map(Vec::len)).sum();
        assert!(rows > 0, "{} has no vectors", algorithm.name);
        assert!(
            vectors["_comment"].is_string(),
            "the vectors of {} do not explain themselves",
            algorithm.name
        );
    }
}

#[test]
fn every_algorithm_has_a_device() {
    for algorithm in ALGORITHMS {
        assert!(!devices::kinds(algorithm).is_empty(), "{}", algorithm.name);
        let setup = devices::open(&settings(algorithm), &(Arc::new(|_| {}) as _)).unwrap();
        let [chosen] = &setup.chosen[..] else { panic!("{}: {:?}", algorithm.name, setup.chosen) };
        assert!(chosen.id == "cpu0" && chosen.workers == 1 && !chosen.engine.is_empty(), "{chosen:?}");
        setup.sources[0].open().unwrap();
    }
}

#[test]
fn every_algorithm_has_a_benchmark() {
    let length = BenchLength::Time(Duration::from_millis(400));
    let options = BenchOptions { length, new_job_every: Duration::from_millis(20) };
    for algorithm in ALGORITHMS {
        let progress = Arc::new(|_| {}) as _;
        let results = bench::run(&settings(algorithm), options, &progress, &AtomicBool::new(false)).unwrap();
        let [result] = &results[..] else { panic!("{results:?}") };
        assert!(result.algo == algorithm.name && result.hashes > 0 && result.rate_hs > 0.0, "{result:?}");
    }
}

#[test]
fn every_algorithm_has_a_row_in_the_readme() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    for algorithm in ALGORITHMS {
        let row = format!("| `{}` |", algorithm.name);
        let row = readme.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("no {row}"));
        for kind in devices::kinds(algorithm) {
            assert!(row.contains(&kind.to_uppercase()), "{kind} is missing in: {row}");
        }
    }
}
