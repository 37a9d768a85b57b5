//! Every engine against the C library, over many keys, lengths of inputs and programs.
//!
//! The library is of version 1 as its crate builds it. Built with `RANDOMX_DIR` set to a source of version 2, it
//! checks that version too; without, those parts say that they are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod oracle;

use std::sync::Arc;

use oracle::{Oracle, V2};
use rminer_randomx::config::{RX_0, RX_2};
use rminer_randomx::dataset::Dataset;
use rminer_randomx::vm::{MAX_LANES, MAX_LIGHT_LANES};
use rminer_randomx::{Cache, Config, Engine, Options, Pages, Vm};

/// Bytes that look random, from a number.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(length).collect()
}

fn cache(key: &[u8]) -> Cache {
    let mut cache = Cache::allocate(&RX_0, Pages::Normal).unwrap();
    cache.init(key);
    cache
}

/// The versions that the library knows: an old one ignores the flag.
fn versions() -> Vec<(&'static Config, u32)> {
    let [first, second] = [0, V2].map(|flags| Oracle::light(b"which version", flags).hash(b""));
    if first != second {
        return vec![(&RX_0, 0), (&RX_2, V2)];
    }
    assert!(
        std::env::var_os("RANDOMX_DIR").is_none(),
        "RANDOMX_DIR is set, but the library has no version 2"
    );
    eprintln!("skipped: version 2, as the library was built without RANDOMX_DIR");
    vec![(&RX_0, 0)]
}

/// Inputs of a pipeline through all lanes of one machine.
fn check(vm: &mut Vm, oracle: &mut Oracle, inputs: &[Vec<u8>], what: &str) {
    let slices: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let mut chunks = slices.chunks(vm.lanes());
    let mut pending = chunks.next().unwrap();
    vm.first(pending);
    loop {
        let mut hashes = [[0; 32]; MAX_LIGHT_LANES];
        let next = chunks.next().unwrap_or(&[]);
        assert_eq!(vm.next(next, &mut hashes), pending.len());
        for (input, hash) in pending.iter().zip(hashes) {
            assert_eq!(hash, oracle.hash(input), "{what}: {input:02x?}");
        }
        if next.is_empty() {
            return;
        }
        pending = next;
    }
}

#[test]
fn every_engine_hashes_as_the_library_does() {
    let versions = versions();
    // An empty key, one of half the length and the longest; inputs around the blocks of Blake2b, and long ones.
    for (at, length) in [0, 32, 60].into_iter().enumerate() {
        let key = bytes(at as u64, length);
        let cache = Arc::new(cache(&key));
        for &(config, flags) in &versions {
            let mut oracle = Oracle::light(&key, flags);
            let lengths = [[0, 76, 127], [1, 128, 129], [63, 64, 1000]][at];
            let inputs = lengths.map(|length| bytes(length as u64 + 7, length));
            for engine in Engine::available() {
                let lanes = at + 1;
                let mut vm =
                    Vm::light(Options { engine, lanes, ..Options::detect(config) }, Arc::clone(&cache))
                        .unwrap();
                check(&mut vm, &mut oracle, &inputs, &format!("{} by {engine}", config.name));
            }
        }
    }
}

/// Lanes that share their items, more and fewer of them than a kernel makes together; the last chunk leaves some idle.
#[test]
fn many_light_lanes_hash_as_the_library_does() {
    let key = bytes(99, 32);
    let cache = Arc::new(cache(&key));
    for (config, flags) in versions() {
        let mut oracle = Oracle::light(&key, flags);
        for (lanes, count) in [(1, 2), (7, 9), (MAX_LIGHT_LANES, 20)] {
            let mut vm = Vm::light_many(Options::detect(config), Arc::clone(&cache), lanes).unwrap();
            let inputs: Vec<_> = (0..count).map(|at| bytes(at + 1000, 76)).collect();
            check(&mut vm, &mut oracle, &inputs, &format!("{} in {lanes} lanes", config.name));
        }
    }
    Vm::light_many(Options::detect(&RX_0), Arc::clone(&cache), 0).unwrap_err();
    Vm::light_many(Options::detect(&RX_0), Arc::clone(&cache), MAX_LIGHT_LANES + 1).unwrap_err();
    let mut vm = Vm::light_many(Options::detect(&RX_0), Arc::clone(&cache), MAX_LANES + 1).unwrap();
    vm.set_config(&RX_2).unwrap();
    assert_eq!(vm.lanes(), MAX_LANES + 1);
    let expected = Vm::light(Options::detect(&RX_2), cache).unwrap().hash(b"version 2");
    assert_eq!(vm.hash(b"version 2"), expected);
}

/// Fills a dataset on as many threads as there are processors.
fn dataset(key: &[u8]) -> Arc<Dataset> {
    let cache = cache(key);
    let mut dataset = Dataset::allocate(&RX_0, Pages::Normal).unwrap();
    let fill = dataset.fill(&cache).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| while fill.step() {});
        }
    });
    fill.finish().unwrap();
    Arc::new(dataset)
}

/// `RANDOMX_HASHES=100000 cargo test --release -p rminer-randomx --test library -- --ignored` takes two datasets of
/// 2 GiB and some minutes.
#[test]
#[ignore = "two datasets of 2 GiB and minutes"]
fn many_hashes_over_a_dataset_are_the_library_s() {
    let count = std::env::var("RANDOMX_HASHES").ok().map_or(100_000, |count| count.parse().unwrap());
    let versions = versions();
    let dataset = dataset(b"many hashes");
    let engine = Engine::available().last().unwrap();
    for (config, flags) in versions {
        let mut oracle = Oracle::fast(dataset.memory(), flags);
        for lanes in 1..=MAX_LANES {
            let options = Options { engine, lanes, ..Options::detect(config) };
            let mut vm = Vm::fast(options, Arc::clone(&dataset)).unwrap();
            let share = u64::try_from(lanes).unwrap() << 32;
            let numbers: Vec<u64> = (0..count / 3).collect();
            for block in numbers.chunks(300) {
                let inputs: Vec<_> = block.iter().map(|number| bytes(share | number, 76)).collect();
                check(&mut vm, &mut oracle, &inputs, &format!("{} by {engine}", config.name));
            }
            println!("{} by {engine} in {lanes} lanes: {} hashes equal", config.name, numbers.len());
        }
    }
}
