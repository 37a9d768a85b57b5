//! Measures how long it takes to fill a cache, by each kernel and by the reference library, in CPU time.
//!
//! `cargo run --release -p rminer-randomx --example cache [ROUNDS]`
#![allow(unsafe_code)]

use randomx_rs::{RandomXCache, RandomXFlag};
use rminer_randomx::argon2::{self, Kernel};
use rminer_randomx::config::RX_0;
use rminer_randomx::{Memory, Pages};

/// CPU time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time to `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(5);
    let bytes = RX_0.cache_bytes();
    let memory = [Pages::Huge, Pages::Normal]
        .into_iter()
        .find_map(|pages| Memory::allocate(bytes, pages, "cache").ok());
    let Some(mut memory) = memory else { return eprintln!("no memory") };
    println!("{}", memory.pages());
    memory.fill(1);
    // Programs are generated in the same call, which takes a few milliseconds.
    let flags = RandomXFlag::get_recommended_flags();
    let reference = RandomXCache::new(flags, b"warm");
    for round in 0..rounds {
        let key = format!("key {round}");
        for kernel in Kernel::available() {
            let start = cpu_ms();
            argon2::fill(&RX_0, key.as_bytes(), &mut memory, kernel);
            println!("{kernel} {:.1} ms", cpu_ms() - start);
        }
        let start = cpu_ms();
        let cache = RandomXCache::new(flags, key.as_bytes());
        println!("reference library, with allocation, {flags:?}: {:.1} ms", cpu_ms() - start);
        drop(cache);
    }
    drop(reference);
}
