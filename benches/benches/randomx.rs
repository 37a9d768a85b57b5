//! Parts of the RandomX engine that can be measured without a dataset.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rminer_algos::randomx::{Cache, Dataset, Engine, EngineError, Method, Pages, Vm};

const ITEMS: u64 = 1024;

fn randomx(criterion: &mut Criterion) {
    if let Err(fault) = measure(criterion) {
        eprintln!("not measured: {fault}");
    }
}

fn measure(criterion: &mut Criterion) -> Result<(), EngineError> {
    let method = Method::detect(Engine::Reference);
    let mut group = criterion.benchmark_group("randomx");
    group.sample_size(10);

    let mut cache = Cache::allocate(method, Pages::Normal)?;
    let mut key = 0u32;
    group.bench_function("cache from a key", |bencher| {
        bencher.iter(|| {
            key += 1;
            cache.init(&key.to_le_bytes());
        });
    });

    let mut dataset = Dataset::allocate(method, Pages::Normal)?;
    group.throughput(Throughput::Elements(ITEMS));
    group.bench_function("dataset items", |bencher| {
        bencher.iter(|| {
            let fill = dataset.fill_part(&cache, 0..ITEMS, ITEMS)?;
            while fill.step() {}
            fill.finish()
        });
    });
    drop(dataset);

    let cache = Arc::new(cache);
    group.throughput(Throughput::Elements(1));
    for (name, method) in [("light hash", method), ("light hash, interpreted", method.interpreted())] {
        let mut vm = Vm::light(method, Pages::Normal, Arc::clone(&cache))?;
        let mut nonce = 0u32;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                nonce += 1;
                vm.hash(&nonce.to_le_bytes())
            });
        });
    }
    group.finish();
    Ok(())
}

criterion_group!(benches, randomx);
criterion_main!(benches);
