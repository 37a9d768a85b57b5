//! How long hashes without a dataset take on one core: one at a time, and many whose items are made together.
//! `cargo run --release -p rminer-randomx --example light [HASHES]`
#![allow(clippy::unwrap_used, unsafe_code)]

use std::sync::Arc;

use rminer_randomx::config::RX_0;
use rminer_randomx::{Cache, Options, Pages, Vm};

/// Time of this thread in seconds.
#[cfg(unix)]
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and the place is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(not(unix))]
fn thread_seconds() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64()
}

fn print(what: &str, hashes: usize, seconds: f64) {
    println!("{what}: {:.2} ms for each hash", seconds / hashes as f64 * 1e3);
}

fn main() {
    let hashes: usize = std::env::args().nth(1).map_or(64, |text| text.parse().unwrap());
    let mut cache =
        Cache::allocate(&RX_0, Pages::Huge).or_else(|_| Cache::allocate(&RX_0, Pages::Normal)).unwrap();
    cache.init(b"light");
    println!("cache in {}", cache.pages());
    let cache = Arc::new(cache);
    let inputs: Vec<_> = (0..hashes).map(|at| at.to_le_bytes()).collect();

    use randomx_rs::{RandomXCache, RandomXFlag, RandomXVM};
    let flags = RandomXFlag::get_recommended_flags();
    let library = RandomXCache::new(flags, b"light").unwrap();
    let library = RandomXVM::new(flags, Some(library), None).unwrap();
    let before = thread_seconds();
    for input in &inputs {
        library.calculate_hash(input).unwrap();
    }
    print("the C library", hashes, thread_seconds() - before);

    let mut vm = Vm::light(Options::detect(&RX_0), Arc::clone(&cache)).unwrap();
    let before = thread_seconds();
    for input in &inputs {
        vm.hash(input);
    }
    print("one at a time", hashes, thread_seconds() - before);

    for lanes in [1, 8, 16, 24, 32, 48, 64] {
        let mut vm = Vm::light_many(Options::detect(&RX_0), Arc::clone(&cache), lanes).unwrap();
        let mut out = vec![[0; 32]; lanes];
        let before = thread_seconds();
        for inputs in inputs.chunks(lanes) {
            let inputs: Vec<&[u8]> = inputs.iter().map(<[u8; 8]>::as_slice).collect();
            vm.first(&inputs);
            vm.last(&mut out);
        }
        print(&format!("{lanes} lanes"), hashes, thread_seconds() - before);
    }
}
