//! Two ways to hash RandomX in one process, over one dataset, in short slices by turns.
//!
//! Runs that follow each other differ by more than engines do on a machine that others use as well; slices of a fraction
//! of a second see the same load, and the median of many pairs' ratios is good to some percent. A way is `library`, or
//! `native` with a number of lanes: `native:2`.

use std::process::ExitCode;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use rminer::devices::affinity::parse_affinity;
use rminer::devices::topology::Topology;
use rminer_algos::Variant;
use rminer_algos::randomx::{Cache, Dataset, Engine, Method, Pages, Vm};
use rminer_benches::{median, thread_cpu_seconds};

#[derive(Parser)]
#[command(about = "Two ways to hash RandomX, by turns in one process")]
struct Arguments {
    /// The way that is measured
    #[arg(long, default_value = "native:1", value_parser = parse_way)]
    a: Method,
    /// The way that it is measured against
    #[arg(long, default_value = "library", value_parser = parse_way)]
    b: Method,
    /// Version of RandomX; the library has the first only
    #[arg(long, default_value = "rx/0", value_parser = ["rx/0", "rx/2"])]
    algo: String,
    /// Processing units to pin a thread to each
    #[arg(long, default_value = "0,1")]
    affinity: String,
    /// Pairs of slices
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    rounds: u16,
    /// Time of a slice in milliseconds
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u16).range(10..=10_000))]
    slice_ms: u16,
}

fn parse_way(text: &str) -> Result<Method, String> {
    let native = || Method::detect(Engine::Native);
    match text.split_once(':') {
        None if text == "library" => Ok(Method::detect(Engine::Reference)),
        None if text == "native" => Ok(native()),
        Some(("native", lanes)) => {
            let lanes = lanes.parse().map_err(|_| "lanes are a number".to_owned())?;
            let method = native().with_lanes(lanes);
            if method.lanes() == lanes {
                Ok(method)
            } else {
                Err(format!("this machine does {}", method.lanes()))
            }
        }
        _ => Err("`library`, `native` or `native:LANES`".into()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

/// Hashes of all threads in one slice, and seconds that they took.
#[derive(Debug, Clone, Copy, Default)]
struct Slice {
    hashes: u64,
    wall_s: f64,
    cpu_s: f64,
}

fn run(arguments: &Arguments) -> Result<()> {
    let variant = if arguments.algo == "rx/2" { Variant::V2 } else { Variant::V1 };
    let pus = parse_affinity(&arguments.affinity).context("--affinity")?;
    let topology = Topology::detect();
    let ways = [arguments.a, arguments.b];
    let memory = ways.into_iter().find(|way| way.engine() == Engine::Native).unwrap_or(arguments.b);
    let dataset = Arc::new(dataset(memory, &pus, &topology)?);
    let rounds = usize::from(arguments.rounds);
    // For each round what A did and what B did.
    let slices = Mutex::new(vec![[Slice::default(); 2]; rounds]);
    let barrier = Barrier::new(pus.len());
    let time = Duration::from_millis(arguments.slice_ms.into());
    let body = |number: usize, pu: u32| -> Result<()> {
        // Without its place the figures are noisier, not wrong.
        let _ = topology.pin(pu);
        let machines = ways.map(|way| machine(way, variant, &dataset));
        // Whoever fails must not leave the others at the barrier, so all look at the result together.
        let ok = machines.iter().all(Result::is_ok);
        barrier.wait();
        let mut machines = machines.into_iter().collect::<Result<Vec<_>>>()?;
        if !ok {
            bail!("no machine");
        }
        for round in 0..rounds {
            for turn in 0..2 {
                let which = (round + turn) % 2;
                barrier.wait();
                let first = (round as u64) << 40 | (number as u64) << 32;
                let slice = hash(&mut machines[which], first, time)?;
                let mut slices = slices.lock().unwrap_or_else(PoisonError::into_inner);
                let sum = &mut slices[round][which];
                sum.hashes += slice.hashes;
                sum.wall_s = sum.wall_s.max(slice.wall_s);
                sum.cpu_s += slice.cpu_s;
            }
        }
        Ok(())
    };
    thread::scope(|scope| -> Result<()> {
        let body = &body;
        let threads: Vec<_> =
            pus.iter().enumerate().map(|(number, pu)| scope.spawn(move || body(number, *pu))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread broke off")))
    })?;
    let slices = slices.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(arguments, &topology.model, &slices);
    Ok(())
}

fn dataset(method: Method, pus: &[u32], topology: &Topology) -> Result<Dataset> {
    let begun = Instant::now();
    let mut cache =
        Cache::allocate(method, Pages::Huge).or_else(|_| Cache::allocate(method, Pages::Normal))?;
    cache.init(&[0; 32]);
    let mut dataset =
        Dataset::allocate(method, Pages::Huge).or_else(|_| Dataset::allocate(method, Pages::Normal))?;
    let fill = dataset.fill(&cache)?;
    thread::scope(|scope| {
        for pu in pus {
            let fill = &fill;
            scope.spawn(move || {
                let _ = topology.pin(*pu);
                while fill.step() {}
            });
        }
    });
    fill.finish()?;
    eprintln!("dataset in {:.1} s, {}", begun.elapsed().as_secs_f64(), dataset.pages());
    Ok(dataset)
}

fn machine(method: Method, variant: Variant, dataset: &Arc<Dataset>) -> Result<Vm> {
    let make = |pages| Vm::fast(method, pages, Arc::clone(dataset));
    let mut vm = make(Pages::Huge).or_else(|_| make(Pages::Normal))?;
    vm.set_variant(variant)?;
    Ok(vm)
}

/// Hashes inputs from this number on for about this long.
fn hash(vm: &mut Vm, first: u64, time: Duration) -> Result<Slice> {
    let lanes = vm.lanes() as u64;
    let mut inputs = [[0u8; 76]; rminer_algos::randomx::MAX_LANES];
    let mut number = first;
    let mut next = |inputs: &mut [[u8; 76]]| {
        for input in inputs.iter_mut() {
            input[39..47].copy_from_slice(&number.to_le_bytes());
            number += 1;
        }
    };
    let count = usize::try_from(lanes)?;
    let (begun, cpu) = (Instant::now(), thread_cpu_seconds()?);
    next(&mut inputs);
    vm.first(&inputs.each_ref().map(<[u8; 76]>::as_slice)[..count]);
    let mut hashes = 0;
    while begun.elapsed() < time {
        next(&mut inputs);
        hashes += vm.next(&inputs.each_ref().map(<[u8; 76]>::as_slice)[..count]).len() as u64;
    }
    Ok(Slice { hashes, wall_s: begun.elapsed().as_secs_f64(), cpu_s: thread_cpu_seconds()? - cpu })
}

fn report(arguments: &Arguments, model: &str, slices: &[[Slice; 2]]) {
    let ratios = |rate: fn(&Slice) -> f64| {
        let mut ratios: Vec<f64> = slices.iter().map(|[a, b]| rate(a) / rate(b)).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
        let (p25, p75) = (at(1), at(3));
        format!("{:.3} ({p25:.3} to {p75:.3})", median(ratios))
    };
    let rate = |which: usize| {
        median(slices.iter().map(|pair| pair[which].hashes as f64 / pair[which].wall_s).collect())
    };
    println!("{model}\n{}: {} slices of {} ms each", arguments.algo, slices.len(), arguments.slice_ms);
    println!("A {}, {} at once: {:.1} H/s", arguments.a, arguments.a.lanes(), rate(0));
    println!("B {}, {} at once: {:.1} H/s", arguments.b, arguments.b.lanes(), rate(1));
    println!("A / B by the clock:          {}", ratios(|slice| slice.hashes as f64 / slice.wall_s));
    println!("A / B by processor time:     {}", ratios(|slice| slice.hashes as f64 / slice.cpu_s));
}
