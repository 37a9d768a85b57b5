//! Sums of short runs in light mode, against sums that are computed here the slow way.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Instant;

use rminer_algos::randomx::LightReference;
use rminer_algos::{Hash, Reference};

use super::*;
use crate::config::{HugePages, RandomxEngine, RandomxMode};
use crate::devices::DeviceError;
use crate::devices::cpu::randomx::RandomxSetup;
use crate::devices::cpu::randomx::tests::dataset_turn;

fn settings(threads: u32) -> CpuSettings {
    CpuSettings {
        threads: NonZeroU32::new(threads),
        huge_pages: HugePages::Off,
        randomx_mode: RandomxMode::Light,
        ..CpuSettings::default()
    }
}

fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

fn run_now(threads: u32, length: BenchLength) -> Result<BenchResult, BenchError> {
    run(&settings(threads), Variant::V1, length, &silent(), &AtomicBool::new(false))
}

fn last_eight(hash: Hash) -> u64 {
    u64::from_le_bytes(hash.0[24..].try_into().unwrap())
}

const HASHES: u32 = 40;

/// The definition, word by word, on the reference engine.
fn chained_sum() -> u64 {
    let mut engine = LightReference::default();
    let mut prefixes: Vec<u64> = Vec::new();
    let mut sums: Vec<u64> = Vec::new();
    for nonce in 0..HASHES {
        let (index, mut blob) = (nonce as usize, [0; 112]);
        let prefix = if nonce < 2 { 0 } else { prefixes[index - 1] ^ sums[index - 2] };
        blob[..8].copy_from_slice(&prefix.to_le_bytes());
        blob[39..43].copy_from_slice(&nonce.to_le_bytes());
        let value = last_eight(engine.hash_with_key(&[0; 32], &blob).unwrap());
        sums.push(sums.last().copied().unwrap_or(0) ^ value);
        prefixes.push(prefix);
    }
    *sums.last().unwrap()
}

fn plain_sum() -> u64 {
    let mut engine = LightReference::default();
    (0..HASHES).fold(0, |sum, nonce| {
        let mut blob = [0; 112];
        blob[39..43].copy_from_slice(&nonce.to_le_bytes());
        sum ^ last_eight(engine.hash_with_key(&[0; 32], &blob).unwrap())
    })
}

#[test]
fn one_thread_chains_its_inputs() {
    let result = run_now(1, BenchLength::Hashes(HASHES.into())).unwrap();
    assert_eq!((result.hashes, result.threads, result.vms_per_thread), (HASHES.into(), 1, 1));
    assert_eq!(result.checksum, Some(format!("{:016x}", chained_sum())));
    assert!(result.first_hash_ms > 0 && result.seconds > 0.0 && result.rate_hs > 0.0);
    assert_eq!((result.hugepages_have, result.hugepages_want), (0, 0));
}

#[test]
fn several_threads_sum_all_nonces_once() {
    let threads = std::thread::available_parallelism().unwrap().get();
    if threads < 2 {
        eprintln!("SKIPPED: two processing units are needed");
        return;
    }
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let progress: ProgressSink = Arc::new(move |told| sink.lock().unwrap().push(told));
    let length = BenchLength::Hashes(HASHES.into());
    let result = run(&settings(2), Variant::V1, length, &progress, &AtomicBool::new(false)).unwrap();
    assert_eq!((result.hashes, result.threads), (HASHES.into(), 2));
    assert_eq!(result.checksum, Some(format!("{:016x}", plain_sum())));
    let heard = heard.lock().unwrap();
    let ready = |told: &&BenchProgress| matches!(told, BenchProgress::Notice(Notice::DatasetReady(_)));
    assert_eq!(heard.iter().filter(ready).count(), 1, "both threads share one memory");
}

/// What the second version sums are its commitments.
#[test]
fn the_second_version_is_summed_by_its_commitments() {
    const FEW: u64 = 3;
    let work = work::work(Variant::V2).unwrap();
    let mut engine = LightReference::default();
    let proof = |nonce| work.proof(nonce, &engine.hash(&work, nonce).unwrap());
    let sum = (0..FEW).map(proof).fold(0, |sum, proof| sum ^ last_eight(proof));
    let mut cpu = settings(2);
    if std::thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let length = BenchLength::Hashes(FEW);
    let result = run(&cpu, Variant::V2, length, &silent(), &AtomicBool::new(false)).unwrap();
    assert_eq!((result.algo, result.checksum), ("randomx-v2", Some(format!("{sum:016x}"))));
    cpu.randomx_engine = RandomxEngine::Reference;
    let refused = run(&cpu, Variant::V2, length, &silent(), &AtomicBool::new(false));
    assert!(matches!(refused, Err(BenchError::Device(DeviceError::Unsupported(_)))), "{refused:?}");
}

#[test]
fn time_ends_a_run() {
    let result = run_now(1, BenchLength::Time(Duration::from_millis(300))).unwrap();
    assert!(result.hashes > 0 && result.checksum.is_none());
    assert!(result.seconds >= 0.3, "{result:?}");
    let json = serde_json::to_value(&result).unwrap();
    let names = [
        "algo",
        "device",
        "threads",
        "vms_per_thread",
        "init_ms",
        "first_hash_ms",
        "hashes",
        "seconds",
        "cpu_seconds",
        "hugepages_have",
        "hugepages_want",
        "engine",
    ];
    for name in names {
        assert!(!json[name].is_null(), "{name} is missing in {json}");
    }
}

#[test]
fn stop_ends_a_run() {
    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(200));
            stop.store(true, Ordering::Relaxed);
        });
        run(&settings(1), Variant::V1, BenchLength::Time(Duration::from_secs(3600)), &silent(), &stop)
    });
    assert_eq!(result, Err(BenchError::Stopped));
    assert!(begun.elapsed() < Duration::from_secs(600), "it ran on for its hour");
}

#[test]
fn impossible_lengths_are_refused() {
    for length in [BenchLength::Hashes(0), BenchLength::Hashes(1 << 33), BenchLength::Time(Duration::ZERO)] {
        assert_eq!(run_now(1, length), Err(BenchError::Length));
    }
    let run = run_now(4000, BenchLength::Hashes(1));
    assert!(matches!(run, Err(BenchError::Device(DeviceError::Unsupported(_)))));
}

/// The sums that xmrig knows for its shortest runs, over one dataset.
#[test]
fn sums_are_those_that_xmrig_publishes() {
    const SHORTEST: u64 = 10_000;
    let Some(_turn) = dataset_turn() else { return };
    let mut cpu = settings(1);
    cpu.randomx_mode = RandomxMode::Fast;
    cpu.threads = None;
    let mut setup = crate::devices::cpu::randomx::open(&cpu, Variant::V1, &(Arc::new(|_| {}) as _)).unwrap();
    let sum = |setup: &RandomxSetup| {
        let length = BenchLength::Hashes(SHORTEST);
        let measured =
            measure(setup, Variant::V1, length, &silent(), &AtomicBool::new(false), &PowerMeter::start(&[]))
                .unwrap();
        assert_eq!(measured.hashes, SHORTEST);
        format!("{:016x}", measured.sum.unwrap())
    };
    if setup.sources.len() > 1 {
        assert_eq!(Some(sum(&setup).as_str()), published_sum(Variant::V1, SHORTEST, 2));
    }
    setup.sources.truncate(1);
    assert_eq!(Some(sum(&setup).as_str()), published_sum(Variant::V1, SHORTEST, 1));
    assert_eq!(published_sum(Variant::V1, SHORTEST + 1, 1), None);
}
