//! How many dataset items each kernel makes in a second of one core: medians of short runs in turn, by the time that
//! the thread itself had. `cargo run --release -p rminer-randomx --example dataset_kernels [ITEMS [ROUNDS]]`
#![allow(clippy::unwrap_used, unsafe_code)]

use rminer_randomx::config::RX_0;
use rminer_randomx::dataset::{DatasetKernel, ItemKernel};
use rminer_randomx::{Cache, Memory, Pages};

/// Time of this thread in seconds.
#[cfg(unix)]
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and the place is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn variants(cache: &Cache) -> Vec<(String, Box<dyn ItemKernel>)> {
    let kernels = DatasetKernel::available();
    #[allow(unused_mut)]
    let mut variants: Vec<_> =
        kernels.iter().map(|kernel| (kernel.to_string(), kernel.compile(cache).unwrap())).collect();
    #[cfg(target_arch = "x86_64")]
    for text in std::env::args().skip(3) {
        use rminer_randomx::dataset::avx2::{Avx2, Options};
        let numbers: Vec<usize> = text.split(',').map(|number| number.parse().unwrap()).collect();
        let [scalars, groups, per_cycle] = numbers[..] else { panic!("three numbers each") };
        let per_cycle = u32::try_from(per_cycle).unwrap();
        let start = thread_seconds();
        let kernel = Avx2::new(cache, Options { scalars, groups, per_cycle }).unwrap();
        println!("{text}: compiled in {} us", ((thread_seconds() - start) * 1e6) as u64);
        variants.push((text, Box::new(kernel)));
    }
    variants
}

fn main() {
    let number =
        |at: usize, default: usize| std::env::args().nth(at).map_or(default, |text| text.parse().unwrap());
    let (items, rounds) = (number(1, 100_000), number(2, 5));
    let mut cache =
        Cache::allocate(&RX_0, Pages::Huge).or_else(|_| Cache::allocate(&RX_0, Pages::Normal)).unwrap();
    cache.init(b"dataset kernels");
    println!("cache in {}", cache.pages());
    let mut memory = Memory::allocate(items * 64, Pages::Normal, "items").unwrap();
    memory.fill(1);
    let mut out = vec![[0u64; 8]; items];
    let variants = variants(&cache);
    let mut times = vec![Vec::new(); variants.len()];
    for round in 0..rounds {
        for ((name, kernel), times) in variants.iter().zip(&mut times) {
            let count = if name == "portable" { items / 8 } else { items };
            let before = thread_seconds();
            kernel.fill(cache.memory(), (round * items) as u64, &mut out[..count]);
            times.push((thread_seconds() - before) / count as f64 * 1e9);
        }
    }
    for ((name, _), times) in variants.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        println!("{name:>16}: {median:7.1} ns/item (best {:7.1}), {:9.0} items/s", times[0], 1e9 / median);
    }
}
