//! The CPU kernels of SHA-256d, by the clock.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rminer_algos::{NonceField, Target, Work, registry::SHA256D};

const COUNTERS: u64 = 1 << 18;

fn kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sha256d");
    group.sample_size(10);
    group.throughput(Throughput::Elements(COUNTERS));
    let field = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    // One hash in 2^32 is looked at twice.
    let target =
        Target::from_le_bytes(std::array::from_fn(|byte| u8::from(byte < 28))).unwrap_or(Target::MAX);
    for backend in SHA256D.kernels.iter().filter(|backend| (backend.is_available)()) {
        for (versions, mask) in [("one version", 0), ("four versions", 0x6000)] {
            let work = Work::new(&[7; 80], field, None).and_then(|work| work.with_version_mask(mask));
            let mut kernel = (backend.make)();
            let Ok(work) = work else { continue };
            if let Err(fault) = kernel.load(&work, target) {
                eprintln!("not measured: {fault}");
                continue;
            }
            let mut found = Vec::new();
            group.bench_function(format!("{}, {versions}", backend.name), |bencher| {
                bencher.iter(|| {
                    found.clear();
                    kernel.scan(0..COUNTERS, &mut found);
                    found.len()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
