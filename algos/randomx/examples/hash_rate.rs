//! Hash rates of machines of one, two and three lanes by turns, over one dataset, one thread:
//! `cargo run --release -p rminer-randomx --example hash_rate [rounds]`.
//!
//! Other load moves all of them alike, so look at the ratios; rates are by the thread's own time.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rminer_randomx::config::{RX_0, RX_2};
use rminer_randomx::vm::MAX_LANES;
use rminer_randomx::{Cache, Dataset, Options, Pages, Vm};

/// What is measured in one go.
const SLICE: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = std::env::args().nth(1).map_or(Ok(12), |text| text.parse())?;
    let (dataset, pages) = dataset()?;
    println!("dataset in {}, machines in {pages}", dataset.pages());
    for config in [&RX_0, &RX_2] {
        let mut machines = Vec::new();
        for lanes in 1..=MAX_LANES {
            let options = Options { lanes, pages, ..Options::detect(config) };
            machines.push(Vm::fast(options, Arc::clone(&dataset))?);
        }
        let mut rates = vec![Vec::new(); machines.len()];
        let mut nonce = 0;
        for round in 0..rounds {
            for turn in 0..machines.len() {
                let at = if round % 2 == 0 { turn } else { machines.len() - 1 - turn };
                rates[at].push(rate_hs(&mut machines[at], &mut nonce));
            }
        }
        println!("{} by {}", config.name, machines[0].options().engine);
        for (lanes, own) in (1..).zip(&rates) {
            let mut ratios: Vec<f64> = own.iter().zip(&rates[0]).map(|(own, one)| own / one).collect();
            let (low, middle, high) = quartiles(&mut ratios);
            let (_, rate, _) = quartiles(&mut own.clone());
            println!(
                "  {lanes} lanes {rate:8.1} H/s of one thread, {middle:.3} ({low:.3} to {high:.3}) of one lane"
            );
        }
    }
    Ok(())
}

/// A filled dataset, and the pages that machines can have.
fn dataset() -> Result<(Arc<Dataset>, Pages), Box<dyn std::error::Error>> {
    let mut cache = Cache::allocate(&RX_0, Pages::Normal)?;
    cache.init(b"hash rate");
    let mut dataset =
        Dataset::allocate(&RX_0, Pages::Huge).or_else(|_| Dataset::allocate(&RX_0, Pages::Normal))?;
    let begun = Instant::now();
    let fill = dataset.fill(&cache)?;
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| while fill.step() {});
        }
    });
    fill.finish()?;
    println!("filled in {:.1} s", begun.elapsed().as_secs_f64());
    let pages = dataset.pages();
    Ok((Arc::new(dataset), pages))
}

/// Hashes for a slice of time.
fn rate_hs(vm: &mut Vm, nonce: &mut u64) -> f64 {
    let mut out = [[0; 32]; MAX_LANES];
    let mut step = |vm: &mut Vm, begin: bool| {
        let inputs: [[u8; 8]; MAX_LANES] = std::array::from_fn(|lane| (*nonce + lane as u64).to_le_bytes());
        *nonce += vm.lanes() as u64;
        let inputs = inputs.each_ref().map(|input| &input[..]);
        let inputs = &inputs[..vm.lanes()];
        if begin { vm.first(inputs) } else { vm.next(inputs, &mut out) }
    };
    step(vm, true);
    let (begun, cpu_begun, mut hashes) = (Instant::now(), cpu_time(), 0);
    while begun.elapsed() < SLICE {
        hashes += step(vm, false);
    }
    hashes as f64 / (cpu_time() - cpu_begun).as_secs_f64()
}

/// Time that this thread has run.
#[allow(unsafe_code)]
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a variable of the type that it expects.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn quartiles(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    (at(1), at(2), at(3))
}
