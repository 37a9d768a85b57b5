//! Published hashes, through every engine and every way to compute AES that this processor has.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rminer_randomx::aes::Aes;
use rminer_randomx::config;
use rminer_randomx::{Cache, Engine, Options, Pages, Vm, blake};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    hashes: Vec<Vector>,
    #[serde(default)]
    commitments: Vec<Commitment>,
}

#[derive(Deserialize)]
struct Vector {
    algo: String,
    key: Hex,
    input: Hex,
    hash: Hex,
}

#[derive(Deserialize)]
struct Commitment {
    algo: String,
    key: Hex,
    input: Hex,
    commitment: Hex,
}

#[derive(Deserialize)]
struct Benchmark {
    key: Hex,
    blob: Hex,
    nonce_offset: usize,
    nonces: u32,
    sums: Vec<Sum>,
}

#[derive(Deserialize)]
struct Sum {
    algo: String,
    sum: Hex,
}

/// Bytes in hexadecimal.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(try_from = "String")]
struct Hex(Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or("not hexadecimal");
        let byte = |&[high, low]: &[u8; 2]| Ok(u8::try_from(digit(high)? << 4 | digit(low)?).unwrap());
        if !rest.is_empty() {
            return Err("half a byte".into());
        }
        pairs.iter().map(byte).collect::<Result<_, &str>>().map(Self).map_err(Into::into)
    }
}

fn vectors() -> [Vectors; 2] {
    [include_str!("../vectors/reference.json"), include_str!("../vectors/kins.json")]
        .map(|text| serde_json::from_str(text).unwrap())
}

/// One cache after the other, each filled once.
fn with_cache(vectors: &[Vector], mut check: impl FnMut(&Arc<Cache>, &Vector)) {
    let mut cache: Option<Arc<Cache>> = None;
    for vector in vectors {
        let config = config::by_name(&vector.algo).unwrap();
        let filled = cache
            .take()
            .filter(|cache| cache.key() == Some(&vector.key.0) && cache.config().shares_dataset_with(config));
        let filled = filled.unwrap_or_else(|| {
            let mut cache = Cache::allocate(config, Pages::Normal).unwrap();
            cache.init(&vector.key.0);
            Arc::new(cache)
        });
        check(&filled, vector);
        cache = Some(filled);
    }
}

#[test]
fn every_engine_gives_the_published_hashes() {
    for set in vectors() {
        let mut hashes = set.hashes;
        let mut seen = HashSet::new();
        hashes.sort_by_key(|vector| (vector.key.0.clone(), vector.algo.clone()));
        with_cache(&hashes, |cache, vector| {
            let detected = Options::detect(config::by_name(&vector.algo).unwrap());
            // The slow ways to compute AES once for each algorithm, the best one always.
            let every = seen.insert(vector.algo.clone());
            for engine in Engine::available() {
                for aes in Aes::available().filter(|&aes| every || aes == detected.aes) {
                    let options = Options { engine, aes, ..detected };
                    let mut vm = Vm::light(options, Arc::clone(cache)).unwrap();
                    let hash = vm.hash(&vector.input.0);
                    assert_eq!(Hex(hash.to_vec()), vector.hash, "{} by {engine}, {aes}", vector.algo);
                }
            }
        });
    }
}

/// Several inputs at once, each one step ahead of its hash, in every engine and with every number of lanes.
#[test]
fn pipelines_give_the_published_hashes() {
    let [set, _] = vectors();
    let key = &set.hashes[0].key;
    let mut cache = Cache::allocate(&config::RX_0, Pages::Normal).unwrap();
    cache.init(&key.0);
    let cache = Arc::new(cache);
    for algo in ["rx/0", "rx/2"] {
        let config = config::by_name(algo).unwrap();
        let these = set.hashes.iter().filter(|vector| vector.algo == algo && vector.key == *key);
        let (inputs, expected): (Vec<&[u8]>, Vec<_>) =
            these.map(|vector| (&vector.input.0[..], vector.hash.0.clone())).unzip();
        for engine in Engine::available() {
            for lanes in 1..=rminer_randomx::vm::MAX_LANES {
                let options = Options { engine, lanes, ..Options::detect(config) };
                let mut vm = Vm::light(options, Arc::clone(&cache)).unwrap();
                let (mut out, mut given) = (vec![[0; 32]; inputs.len()], 0);
                let mut chunks = inputs.chunks(lanes);
                let first = chunks.next().unwrap();
                assert_eq!(vm.first(first), first.len());
                for chunk in chunks {
                    given += vm.next(chunk, &mut out[given..]);
                }
                given += vm.last(&mut out[given..]);
                assert_eq!((given, vm.last(&mut out)), (inputs.len(), 0));
                assert_eq!(
                    out.iter().map(|hash| hash.to_vec()).collect::<Vec<_>>(),
                    expected,
                    "{algo} by {engine} in {lanes} lanes"
                );
            }
        }
    }
}

#[test]
fn commitments_are_those_published() {
    let [set, _] = vectors();
    for vector in &set.commitments {
        let hash = set
            .hashes
            .iter()
            .find(|hash| (&hash.algo, &hash.key, &hash.input) == (&vector.algo, &vector.key, &vector.input));
        let hash: &[u8; 32] = hash.unwrap().hash.0.as_slice().try_into().unwrap();
        assert_eq!(blake::commitment(&vector.input.0, hash)[..], vector.commitment.0);
    }
}

/// `cargo test --release -p rminer-randomx --test vectors -- --ignored` takes the processor's best engine, and with
/// `RANDOMX_ENGINE=interpreter` the other, over a minute of many threads.
#[test]
#[ignore = "2000 hashes in light mode"]
fn the_check_values_of_the_reference_s_benchmark_come_out() {
    let benchmark: Benchmark = serde_json::from_str(include_str!("../vectors/benchmark.json")).unwrap();
    let mut cache = Cache::allocate(&config::RX_0, Pages::Normal).unwrap();
    cache.init(&benchmark.key.0);
    let cache = Arc::new(cache);
    let interpreted = std::env::var("RANDOMX_ENGINE").is_ok_and(|engine| engine == "interpreter");
    for Sum { algo, sum } in &benchmark.sums {
        let mut options = Options::detect(config::by_name(algo).unwrap());
        if interpreted {
            options.engine = Engine::Interpreter;
        }
        let next = AtomicU32::new(0);
        let of_thread = || {
            let mut vm = Vm::light(options, Arc::clone(&cache)).unwrap();
            let (mut blob, mut sum) = (benchmark.blob.0.clone(), [0; 32]);
            loop {
                let nonce = next.fetch_add(1, Ordering::Relaxed);
                if nonce >= benchmark.nonces {
                    return sum;
                }
                blob[benchmark.nonce_offset..][..4].copy_from_slice(&nonce.to_le_bytes());
                sum.iter_mut().zip(vm.hash(&blob)).for_each(|(sum, byte)| *sum ^= byte);
            }
        };
        let mut total = [0; 32];
        std::thread::scope(|scope| {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(of_thread)).collect();
            for thread in threads {
                total.iter_mut().zip(thread.join().unwrap()).for_each(|(total, byte)| *total ^= byte);
            }
        });
        assert_eq!(Hex(total.to_vec()), *sum, "{algo} by {}", options.engine);
        println!("{algo} by {}: the check value of {} nonces", options.engine, benchmark.nonces);
    }
}
