//! RandomX in light mode: every engine against the vector file, and memory that cannot be had.
#![cfg(feature = "randomx")]
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

mod limit;
#[path = "../support/vectors.rs"]
mod vectors;

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use rminer_algos::randomx::{
    Cache, Dataset, Engine, EngineError, LightReference, MAX_LANES, Method, Pages, Vm, item_count,
};
use rminer_algos::{NonceField, Reference, Variant, Work};
use vectors::{conforms, items, vectors};

fn method() -> Method {
    Method::detect(Engine::Reference)
}

/// Every way to hash that this machine has.
fn methods() -> Vec<Method> {
    let engines = [Engine::Reference, Engine::Native].map(Method::detect);
    let mut methods = Vec::new();
    for method in engines.into_iter().flat_map(|method| [method, method.interpreted()]) {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

#[test]
fn every_light_engine_conforms() {
    for method in methods() {
        let mut engine = LightReference::with_method(method);
        conforms(&method.to_string(), |key, input| engine.hash_with_key(key, input).unwrap());
    }
}

/// The second version has another hash, by whichever engine is asked.
#[test]
fn the_second_version_is_hashed_too() {
    let block = vectors().pop().unwrap();
    let field = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
    let seed = block.key.as_slice().try_into().unwrap();
    let first = Work::new(&block.input, field, Some(seed)).unwrap();
    let second = first.clone().with_variant(Variant::V2);
    let mut native = LightReference::with_method(Method::detect(Engine::Native));
    let mut either = LightReference::default();
    let hash = native.hash(&second, 18).unwrap();
    assert_ne!(hash, block.hash);
    for engine in [&mut native, &mut either] {
        assert_eq!(engine.hash(&second, 18), Ok(hash));
        assert_eq!(engine.hash(&first, 18), Ok(block.hash), "and the first again");
    }
    let mut cache = Cache::allocate(method(), Pages::Normal).unwrap();
    cache.init(b"key");
    let mut vm = Vm::light(method(), Pages::Normal, Arc::new(cache)).unwrap();
    assert!(matches!(vm.set_variant(Variant::V2), Err(EngineError::Variant(_))));
    assert_eq!(vm.set_variant(Variant::V1), Ok(()));
}

#[test]
fn memory_of_one_engine_does_not_serve_the_other() {
    let native = Method::detect(Engine::Native);
    let caches = [method(), native].map(|method| {
        let mut cache = Cache::allocate(method, Pages::Normal).unwrap();
        cache.init(b"key");
        cache
    });
    let mut dataset = Dataset::allocate(native, Pages::Normal).unwrap();
    assert!(matches!(dataset.fill(&caches[0]), Err(EngineError::Mixed)));
    assert!(matches!(dataset.fill_part(&caches[0], 0..1, 1), Err(EngineError::Mixed)));
    for (cache, other) in caches.into_iter().zip([native, method()]) {
        let vm = Vm::light(other, Pages::Normal, Arc::new(cache));
        assert!(matches!(vm, Err(EngineError::Mixed)), "{vm:?}");
    }
}

/// The last vector is a block: its nonce lies at offset 39, so it goes through `Work` as a share does.
#[test]
fn a_block_hashes_through_work() {
    let block = vectors().pop().unwrap();
    let field = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
    let seed = block.key.as_slice().try_into().unwrap();
    let work = Work::new(&block.input, field, Some(seed)).unwrap();
    let mut engine = LightReference::default();
    assert_eq!(engine.hash(&work, 18).unwrap(), block.hash);
    assert_ne!(engine.hash(&work, 19).unwrap(), block.hash);
    let seedless = Work::new(&block.input, field, None).unwrap();
    assert!(engine.hash(&seedless, 18).is_err());
}

/// Hashes of one machine fed one input ahead are those of single calls, and nothing comes out unasked.
#[test]
fn pipelined_hashes_are_the_same() {
    for method in methods() {
        pipelined(method);
        if method.most_lanes() > 1 {
            pipelined(method.with_lanes(MAX_LANES));
        }
    }
}

fn pipelined(method: Method) {
    let mut cache = Cache::allocate(method, Pages::Normal).unwrap();
    let key = &vectors()[0].key;
    cache.init(key);
    let rows: Vec<_> = vectors().into_iter().filter(|vector| vector.key == *key).collect();
    let mut vm = Vm::light(method, Pages::Normal, Arc::new(cache)).unwrap();
    assert_eq!(vm.key(), Some(key.as_slice()));
    let inputs: Vec<_> = rows.iter().map(|row| row.input.as_slice()).collect();
    let hashes: Vec<_> = rows.iter().map(|row| row.hash).collect();
    let lanes = vm.lanes();
    assert!((1..=MAX_LANES).contains(&lanes));
    assert!(vm.last().is_empty() && vm.next(&[b"x"]).is_empty(), "nothing was begun");
    assert_eq!(vm.first(&[]), 0);
    // Fed one at a time, whatever the lanes.
    assert_eq!(vm.first(&inputs[..1]), 1);
    assert_eq!(*vm.next(&inputs[1..2]), hashes[..1]);
    assert_eq!(*vm.next(&inputs[2..3]), hashes[1..2]);
    assert_eq!(*vm.last(), hashes[2..3]);
    assert!(vm.last().is_empty());
    // All that there are, as many at once as there are lanes; the last step may have fewer.
    let mut begun = vm.first(&inputs);
    let mut out = Vec::new();
    while begun < inputs.len() {
        out.extend_from_slice(&vm.next(&inputs[begun..]));
        begun += lanes.min(inputs.len() - begun);
    }
    out.extend_from_slice(&vm.next(&[]));
    assert_eq!(out, hashes);
    vm.first(&inputs);
    assert_eq!(vm.hash(&rows[1].input), rows[1].hash);
    assert!(vm.last().is_empty(), "a single hash forgets what was begun");
}

#[test]
fn memory_without_a_key_hashes_nothing() {
    for method in methods() {
        without_a_key(method);
    }
}

fn without_a_key(method: Method) {
    let cache = Cache::allocate(method, Pages::Normal).unwrap();
    let mut dataset = Dataset::allocate(method, Pages::Normal).unwrap();
    assert!(matches!(dataset.fill(&cache), Err(EngineError::NoKey)));
    assert!(matches!(Vm::light(method, Pages::Normal, Arc::new(cache)), Err(EngineError::NoKey)));
    assert!(matches!(Vm::fast(method, Pages::Normal, Arc::new(dataset)), Err(EngineError::NoKey)));
}

/// Items that several threads fill in chunks equal those that one thread fills in one call.
#[test]
fn parallel_items_equal_sequential_ones() {
    for engine in [Engine::Reference, Engine::Native] {
        parallel_items(Method::detect(engine));
    }
}

fn parallel_items(method: Method) {
    let mut cache = Cache::allocate(method, Pages::Normal).unwrap();
    cache.init(b"test key 000");
    let last = item_count();
    let mut parallel = Dataset::allocate(method, Pages::Normal).unwrap();
    let mut single = Dataset::allocate(method, Pages::Normal).unwrap();
    let parts: [(Range<u64>, u64); 4] =
        [(0..1000, 7), (1_000_000..1_000_513, 64), (last - 1001..last, 100), (5..5, 1)];
    for (items, chunk) in parts {
        let fill = parallel.fill_part(&cache, items.clone(), chunk).unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| while fill.step() {});
            }
        });
        assert_eq!(fill.done_items(), items.end - items.start);
        fill.finish().unwrap();
        let fill = single.fill_part(&cache, items.clone(), last).unwrap();
        while fill.step() {}
        fill.finish().unwrap();
        for index in items {
            assert_eq!(parallel.item(index), single.item(index), "item {index}");
            assert_ne!(parallel.item(index), Some(&[0; 64]), "item {index} was never filled");
        }
    }
    assert_eq!(parallel.item(last), None);
    assert_eq!(parallel.key(), None, "some items are not a dataset");
    for (items, chunk) in [(0..last + 1, 1), (last + 1..last, 1), (0..1, 0), (0..1, u64::MAX)] {
        assert!(matches!(parallel.fill_part(&cache, items, chunk), Err(EngineError::Range { .. })));
    }
}

#[test]
fn items_conform() {
    for engine in [Engine::Reference, Engine::Native] {
        items_of(Method::detect(engine));
    }
}

fn items_of(method: Method) {
    let mut cache = Cache::allocate(method, Pages::Normal).unwrap();
    let mut dataset = Dataset::allocate(method, Pages::Normal).unwrap();
    for vector in items() {
        cache.init(&vector.key);
        let fill = dataset.fill_part(&cache, vector.index..vector.index + 1, 1).unwrap();
        while fill.step() {}
        fill.finish().unwrap();
        let item = dataset.item(vector.index).unwrap();
        assert_eq!(u64::from_le_bytes(item[..8].try_into().unwrap()), vector.start, "item {}", vector.index);
    }
}
