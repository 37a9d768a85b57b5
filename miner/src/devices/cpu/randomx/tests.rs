//! The real engine: light mode in full, and once over a whole dataset.

use std::num::NonZeroU32;
use std::sync::Mutex;

use rminer_algos::{Hash, NonceField, Target, Work, decode_hex, decode_hex_array, registry};

use super::memory::Filled;
use super::*;

#[cfg(target_os = "linux")]
mod fallback;

use crate::config::{HugePages, RandomxMode};
use crate::devices::{Check, Device, Found, Generation, Health, RandomxMemory};

/// The block of the vector file: its work, and its hash with nonce 18.
fn block() -> (Arc<Work>, Hash) {
    let file: serde_json::Value = serde_json::from_str(registry::RANDOMX.vectors).unwrap();
    let row = file["hashes"].as_array().unwrap().last().unwrap().clone();
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    let field = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
    let seed = decode_hex_array(&text("key")).unwrap();
    let work = Work::new(&decode_hex(&text("input")).unwrap(), field, Some(seed)).unwrap();
    (Arc::new(work), Hash(decode_hex_array(&text("hash")).unwrap()))
}

const BLOCK_NONCE: u64 = 18;

fn settings(threads: u32, mode: RandomxMode) -> CpuSettings {
    CpuSettings {
        threads: NonZeroU32::new(threads),
        huge_pages: HugePages::Off,
        randomx_mode: mode,
        ..CpuSettings::default()
    }
}

/// A sink that remembers.
fn listen() -> (NoticeSink, Arc<Mutex<Vec<Notice>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    (Arc::new(move |notice| sink.lock().unwrap().push(notice)), heard)
}

/// Scans until `end`, as a worker of the engine does.
fn scan_all(device: &mut dyn Device, end: u64) -> Vec<Found> {
    let interrupt = Generation::default().interrupt();
    let (mut next, mut found) = (0, Vec::new());
    while next < end {
        let done = device.scan(next..end.min(next + device.batch()), &interrupt, &mut found).unwrap();
        assert!(done > 0, "nobody interrupts, so each slice gets on");
        next += done;
    }
    assert_eq!(next, end);
    found
}

#[test]
fn light_device_hashes_checks_and_examines() {
    let (sink, heard) = listen();
    let setup = open(&settings(1, RandomxMode::Light), Variant::V1, &sink).unwrap();
    assert_eq!((setup.sources.len(), setup.hosts.len(), setup.huge_pages()), (1, 1, (0, 0)));
    let source = &setup.sources[0];
    assert_eq!((source.info().id.as_str(), source.info().worker, source.check()), ("cpu0", 0, Check::Behind));
    let (work, hash) = block();
    let mut device = source.open().unwrap();
    let interrupt = Generation::default().interrupt();
    device.load(&work, Target::MAX, &interrupt).unwrap();
    let found = scan_all(&mut *device, 20);
    assert!(found.iter().map(|found| found.nonce).eq(0..20), "each nonce once, in order: {found:?}");
    assert_eq!(found[18].hash, Some(hash));

    // Only what meets the target is reported, and it alone is missing when the target is one less.
    device.load(&work, Target::from_le_bytes(hash.0).unwrap(), &interrupt).unwrap();
    let met: Vec<_> = scan_all(&mut *device, 20).iter().map(|found| found.nonce).collect();
    assert!(met.contains(&BLOCK_NONCE), "the target is inclusive");
    let mut below = hash.0;
    below[0] -= 1;
    device.load(&work, Target::from_le_bytes(below).unwrap(), &interrupt).unwrap();
    let met_below: Vec<_> = scan_all(&mut *device, 20).iter().map(|found| found.nonce).collect();
    assert_eq!(met_below, met.into_iter().filter(|nonce| *nonce != BLOCK_NONCE).collect::<Vec<_>>());

    let mut checker = source.checker().unwrap();
    assert_eq!(checker.hash(&work, BLOCK_NONCE), Ok(hash));
    let other_seed = Work::new(work.blob(), work.nonce_field(), Some([7; 32])).unwrap();
    let other = checker.hash(&other_seed, BLOCK_NONCE).unwrap();
    assert_ne!(other, hash, "a check of a seed that is not loaded takes memory of its own");
    assert_eq!(source.examine(&work, BLOCK_NONCE, &hash), Ok(Health::Healthy));
    assert_eq!(source.examine(&work, BLOCK_NONCE, &other), Ok(Health::DeviceFault));
    assert_eq!(source.examine(&other_seed, BLOCK_NONCE, &other), Ok(Health::Healthy));

    let heard = heard.lock().unwrap();
    let ready: Vec<_> = heard
        .iter()
        .filter_map(|n| if let Notice::DatasetReady(ready) = n { Some(ready) } else { None })
        .collect();
    assert_eq!(ready.len(), 1, "{heard:?}");
    assert_eq!((ready[0].mode, ready[0].threads, ready[0].huge_pages_want), (RandomxMemory::Light, 1, 0));
    assert!(!heard.iter().any(|notice| matches!(notice, Notice::Warning(_))), "{heard:?}");
}

#[test]
fn small_nonce_spaces_end() {
    let (work, _) = block();
    let field = NonceField { offset: 39, len: 4, fixed: 0xAB00_0000, free_bits: 2 };
    let work = Arc::new(Work::new(work.blob(), field, work.seed().copied()).unwrap());
    let setup = open(&settings(1, RandomxMode::Light), Variant::V1, &listen().0).unwrap();
    let mut device = setup.sources[0].open().unwrap();
    let interrupt = Generation::default().interrupt();
    device.load(&work, Target::MAX, &interrupt).unwrap();
    let mut found = Vec::new();
    let mut next = 2;
    loop {
        // A slice may end after one hash already, where the machine is busy.
        match device.scan(next..100, &interrupt, &mut found).unwrap() {
            0 => break,
            done => next += done,
        }
    }
    assert_eq!(next, 4, "counters 2 and 3, then the space ends");
    assert_eq!(device.scan(0..1, &interrupt, &mut found), Ok(1));
    let nonces: Vec<_> = found.iter().map(|found| found.nonce).collect();
    assert_eq!(nonces, [0xAB00_0002, 0xAB00_0003, 0xAB00_0000]);
    let mut checker = setup.sources[0].checker().unwrap();
    for found in found {
        assert_eq!(checker.hash(&work, found.nonce).ok(), found.hash, "nonce {:#x}", found.nonce);
    }
}

#[test]
fn interrupts_and_faults_are_told_apart() {
    let (work, _) = block();
    let setup = open(&settings(1, RandomxMode::Light), Variant::V1, &listen().0).unwrap();
    let mut device = setup.sources[0].open().unwrap();
    let generation = Generation::default();
    let old = generation.interrupt();
    generation.advance();
    assert_eq!(device.load(&work, Target::MAX, &old), Err(DeviceError::Interrupted));
    assert!(matches!(device.scan(0..1, &old, &mut Vec::new()), Err(DeviceError::Lost(_))));
    device.load(&work, Target::MAX, &generation.interrupt()).unwrap();
    assert_eq!(device.scan(0..9, &old, &mut Vec::new()), Ok(0));
    let seedless = Arc::new(Work::new(work.blob(), work.nonce_field(), None).unwrap());
    let fault = device.load(&seedless, Target::MAX, &generation.interrupt());
    assert!(matches!(fault, Err(DeviceError::Unsupported(_))));
}

#[test]
fn impossible_settings_are_refused() {
    let mut wrong = settings(1, RandomxMode::Auto);
    wrong.affinity = Some(vec![4000]);
    let fault = open(&wrong, Variant::V1, &listen().0).err().unwrap();
    assert!(matches!(&fault, DeviceError::Unsupported(text) if text.contains("4000")), "{fault}");
}

/// The turn of a test that needs a whole dataset: 2.4 GiB, so one at a time. `None` where the memory is
/// missing.
pub(crate) fn dataset_turn() -> Option<std::fs::File> {
    let lock = std::fs::File::create(std::env::temp_dir().join("rminer-dataset-tests.lock")).unwrap();
    lock.lock().unwrap();
    let need = DATASET_BYTES + CACHE_BYTES + (512 << 20);
    if huge_pages::available_bytes().is_some_and(|available| available < need) {
        eprintln!("SKIPPED: {} MiB of memory are needed", need >> 20);
        return None;
    }
    Some(lock)
}

/// 2.3 GiB and half a minute of two cores, so all that needs a dataset is in this one test.
#[test]
fn fast_device_over_a_whole_dataset() {
    let Some(_turn) = dataset_turn() else { return };
    let (sink, heard) = listen();
    let setup = open(&settings(1, RandomxMode::Fast), Variant::V1, &sink).unwrap();
    let (work, hash) = block();
    let source = &setup.sources[0];
    let mut device = source.open().unwrap();
    device.load(&work, Target::MAX, &Generation::default().interrupt()).unwrap();
    let found = scan_all(&mut *device, 200);
    assert!(found.iter().map(|found| found.nonce).eq(0..200));
    assert_eq!(found[18].hash, Some(hash));
    assert_eq!(source.checker().unwrap().hash(&work, BLOCK_NONCE), Ok(hash));
    assert_eq!(source.examine(&work, BLOCK_NONCE, &hash), Ok(Health::Healthy));
    {
        let heard = heard.lock().unwrap();
        assert!(heard.iter().any(|n| matches!(n, Notice::DatasetReady(r) if r.mode == RandomxMemory::Fast)));
        let steps = heard.iter().filter(|n| matches!(n, Notice::DatasetProgress { .. })).count();
        assert!((5..=10).contains(&steps), "progress in steps of ten percent: {heard:?}");
    }

    // Bits that flip in a part of the dataset: the hash over it goes wrong, and nobody else is to blame.
    let host = &setup.hosts[0];
    host.with_memory_mut(|memory| {
        let Filled::Fast(dataset) = memory else { panic!("a dataset was asked for") };
        Arc::get_mut(dataset).unwrap().inject_fault(1_000_000..5_000_000).unwrap();
    });
    assert_ne!(source.checker().unwrap().hash(&work, BLOCK_NONCE), Ok(hash));
    assert_eq!(source.examine(&work, BLOCK_NONCE, &hash), Ok(Health::MemoryCorrupt));
    let seed = work.seed().unwrap();
    assert!(host.memory(seed).is_none(), "it is filled again before the next hash");

    // The device fills it again on its own, from the start, and stops at once when it is told to.
    let generation = Generation::default();
    let interrupt = generation.interrupt();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(1500));
            generation.advance();
        });
        assert_eq!(device.scan(0..9, &interrupt, &mut Vec::new()), Ok(0));
    });
    assert!(host.memory(seed).is_none());
}
