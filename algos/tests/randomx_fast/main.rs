//! RandomX over a whole dataset: 2.3 GiB and about 25 s of two cores, so one test does all of it once.
#![cfg(feature = "randomx")]
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

#[path = "../support/limits.rs"]
#[cfg(target_os = "linux")]
mod limits;
#[path = "../support/vectors.rs"]
mod vectors;

use std::sync::Arc;
use std::thread;

use rminer_algos::Hash;
use rminer_algos::randomx::{
    CACHE_BYTES, Cache, DATASET_BYTES, Dataset, Engine, EngineError, Method, Pages, Vm, item_count,
};
use vectors::vectors;

const KEY: &[u8] = b"test key 000";
const INPUTS: u32 = 1000;

#[test]
fn fast_machines_agree_with_light_ones() {
    let need_bytes = CACHE_BYTES + DATASET_BYTES + (128 << 20);
    if available_bytes() < need_bytes {
        eprintln!("SKIPPED: {} MiB of memory are needed", need_bytes >> 20);
        return;
    }
    let method = Method::fastest();
    let mut cache = Cache::allocate(method, Pages::Normal).unwrap();
    cache.init(KEY);
    // Where the machine has pages of 1 GiB to spare they are tried too.
    let mut dataset = Dataset::allocate(method, Pages::Giant)
        .or_else(|_| Dataset::allocate(method, Pages::Normal))
        .unwrap();
    eprintln!("dataset in {}", dataset.pages());
    fill(&mut dataset, &cache);
    assert_eq!(dataset.key(), Some(KEY));
    let (cache, dataset) = (Arc::new(cache), Arc::new(dataset));

    fast_engines_conform(method, &dataset);
    let light = hash_in_two_threads(|| Vm::light(method, Pages::Normal, Arc::clone(&cache)).unwrap());
    let fast = hash_in_two_threads(|| Vm::fast(method, Pages::Normal, Arc::clone(&dataset)).unwrap());
    for (input, (light, fast)) in light.iter().zip(&fast).enumerate() {
        assert_eq!(light, fast, "input {input}");
    }
    #[cfg(target_os = "linux")]
    machines_without_memory_are_an_error(method, &dataset);

    // A corrupt dataset is forgotten and starts from its first item.
    let mut dataset = Arc::into_inner(dataset).unwrap();
    dataset.forget();
    assert_eq!(dataset.key(), None);
    assert_eq!(dataset.fill(&cache).unwrap().total_items(), item_count());

    // Another key takes the same memory; until it is complete there is no key at all.
    let mut cache = Arc::into_inner(cache).unwrap();
    cache.init(b"test key 001");
    let refill = dataset.fill(&cache).unwrap();
    assert!(refill.step());
    assert!(matches!(refill.finish(), Err(EngineError::Unfilled { .. })));
    assert_eq!(dataset.key(), None);
}

/// Fills with two threads, ended early once and taken up again.
fn fill(dataset: &mut Dataset, cache: &Cache) {
    let begin = dataset.fill(cache).unwrap();
    assert!(begin.step() && begin.step());
    let done = begin.done_items();
    assert_eq!(begin.finish(), Err(EngineError::Unfilled { done, total: item_count() }));
    assert_eq!(dataset.key(), None, "an incomplete dataset has no key");
    let rest = dataset.fill(cache).unwrap();
    assert_eq!(rest.total_items(), item_count() - done);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| while rest.step() {});
        }
    });
    rest.finish().unwrap();
    // A complete dataset of this key has nothing left to do.
    let nothing = dataset.fill(cache).unwrap();
    assert!(!nothing.step());
    nothing.finish().unwrap();
    assert!(dataset.key().is_some());
}

/// The vectors of the dataset's key on every fast engine, in single calls and pipelined.
fn fast_engines_conform(method: Method, dataset: &Arc<Dataset>) {
    let rows: Vec<_> = vectors().into_iter().filter(|vector| vector.key == KEY).collect();
    assert!(rows.len() >= 3);
    let library = Method::detect(Engine::Reference);
    // The library's machines run over the dataset of our own engine as well.
    for method in [
        method,
        method.interpreted(),
        method.with_lanes(2),
        method.with_lanes(3),
        library,
        library.interpreted(),
    ] {
        let mut vm = Vm::fast(method, Pages::Normal, Arc::clone(dataset)).unwrap();
        for row in &rows {
            assert_eq!(vm.hash(&row.input), row.hash, "{method}");
        }
        let inputs: Vec<_> = rows.iter().map(|row| row.input.as_slice()).collect();
        let hashes: Vec<_> = rows.iter().map(|row| row.hash).collect();
        assert_eq!(pipelined(&mut vm, &inputs), hashes, "{method}");
    }
}

/// Pipelined hashes of the inputs `0..INPUTS`, even ones in one thread and odd ones in another.
fn hash_in_two_threads(machine: impl Fn() -> Vm + Sync) -> Vec<Hash> {
    let half = |parity: u32| {
        let inputs: Vec<_> = (parity..INPUTS).step_by(2).map(u32::to_le_bytes).collect();
        let inputs: Vec<_> = inputs.iter().map(<[u8; 4]>::as_slice).collect();
        pipelined(&mut machine(), &inputs)
    };
    let (even, odd) = thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        (half(0), odd.join().unwrap())
    });
    even.into_iter().zip(odd).flat_map(|(even, odd)| [even, odd]).collect()
}

/// Hashes of these inputs in their order, as many at once as the machine has lanes.
fn pipelined(vm: &mut Vm, inputs: &[&[u8]]) -> Vec<Hash> {
    let mut begun = vm.first(inputs);
    let mut hashes = Vec::new();
    while begun < inputs.len() {
        hashes.extend_from_slice(&vm.next(&inputs[begun..]));
        begun += vm.lanes().min(inputs.len() - begun);
    }
    hashes.extend_from_slice(&vm.last());
    hashes
}

#[cfg(target_os = "linux")]
fn machines_without_memory_are_an_error(method: Method, dataset: &Arc<Dataset>) {
    for pages in [Pages::Normal, Pages::Huge] {
        let vm = limits::without_memory(|| Vm::fast(method, pages, Arc::clone(dataset)));
        assert!(matches!(vm, Err(EngineError::Vm(failed)) if failed == pages), "{vm:?}");
    }
}

fn available_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    // Where the system does not say, the test is not skipped.
    kib.map_or(u64::MAX, |kib| kib * 1024)
}
