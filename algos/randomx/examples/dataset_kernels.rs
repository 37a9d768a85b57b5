//! How many dataset items each kernel makes in a second of one core: medians of short runs in turn, by the time that
//! the thread itself had. Arguments: items in a run, rounds, and any number of settings of the AVX2 kernel, which are
//! scalar items in a group, groups, and vector instructions in a cycle, as in `2,12,4`.
//! `cargo run --release -p rminer-randomx --example dataset_kernels 100000 9`
#![allow(clippy::unwrap_used, unsafe_code)]

use std::ffi::{c_ulong, c_void};

use rminer_randomx::config::RX_0;
use rminer_randomx::dataset::{DatasetKernel, ItemKernel};
use rminer_randomx::{Cache, Memory, Pages};

const KEY: &[u8] = b"dataset kernels";

/// Time of this thread in seconds.
#[cfg(unix)]
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and the place is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

// Keeps the crate in the link, and with it the C library.
use randomx_rs as _;

unsafe extern "C" {
    fn randomx_alloc_cache(flags: u32) -> *mut c_void;
    fn randomx_init_cache(cache: *mut c_void, key: *const u8, bytes: usize);
    fn randomx_alloc_dataset(flags: u32) -> *mut c_void;
    fn randomx_init_dataset(dataset: *mut c_void, cache: *mut c_void, start: c_ulong, count: c_ulong);
}

/// The C library with its compiler, and a dataset of its own that it fills. It lives as long as the program.
#[derive(Debug)]
struct Library {
    cache: *mut c_void,
    dataset: *mut c_void,
}

// SAFETY: one thread uses it.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    fn new(key: &[u8]) -> Self {
        // Bit 0: huge pages; bit 3: compiled programs.
        // SAFETY: fresh objects of the library, checked for null; the key is read during the call only.
        unsafe {
            let mut cache = randomx_alloc_cache(9);
            if cache.is_null() {
                cache = randomx_alloc_cache(8);
            }
            let dataset = randomx_alloc_dataset(0);
            assert!(!cache.is_null() && !dataset.is_null());
            randomx_init_cache(cache, key.as_ptr(), key.len());
            Self { cache, dataset }
        }
    }
}

impl ItemKernel for Library {
    fn fill(&self, _: &[u8], first_item: u64, out: &mut [[u64; 8]]) {
        // SAFETY: the first items of the dataset, which has more of them than anybody asks for here.
        unsafe { randomx_init_dataset(self.dataset, self.cache, first_item, out.len() as c_ulong) };
    }
}

fn variants(cache: &Cache) -> Vec<(String, Box<dyn ItemKernel>)> {
    let kernels = DatasetKernel::available();
    let mut variants: Vec<_> =
        kernels.iter().map(|kernel| (kernel.to_string(), kernel.compile(cache).unwrap())).collect();
    variants.push(("c library".to_owned(), Box::new(Library::new(KEY))));
    #[cfg(target_arch = "x86_64")]
    for text in std::env::args().skip(3) {
        use rminer_randomx::dataset::avx2::{Avx2, Options};
        let numbers: Vec<usize> = text.split(',').map(|number| number.parse().unwrap()).collect();
        let [scalars, groups, per_cycle] = numbers[..] else { panic!("three numbers each") };
        let per_cycle = u32::try_from(per_cycle).unwrap();
        let start = thread_seconds();
        let kernel = Avx2::new(cache, Options { scalars, groups, per_cycle }).unwrap();
        println!("{text}: compiled in {:.0} us", (thread_seconds() - start) * 1e6);
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
    cache.init(KEY);
    println!("cache in {}", cache.pages());
    let mut memory = Memory::allocate(items * 64, Pages::Normal, "items").unwrap();
    memory.fill(1);
    let mut out = vec![[0u64; 8]; items];
    let variants = variants(&cache);
    let mut times = vec![Vec::new(); variants.len()];
    for round in 0..rounds {
        for ((name, kernel), times) in variants.iter().zip(&mut times) {
            let count = if name == "portable" || name == "c library" { items / 8 } else { items };
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
