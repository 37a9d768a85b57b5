//! What the runner costs beside the hashing, on a card or on software Vulkan:
//!
//! ```text
//! MESA_SHADER_CACHE_DISABLE=true cargo run --release -p rminer-shaders --example runner-costs -- [PART]... [KERNEL]
//! ```
//!
//! Parts are `start`, `empty`, `cycles`, `steered`, `jobs` and `loss`; all of them when none is named. Takes the first card, else the software adapter. CPU times are of the whole process and read from Linux.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement that fails should say where"
)]

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::registry::SHA256D;
use rminer_algos::{Target, Work};
use rminer_shaders::choose::Picks;
use rminer_shaders::{Adapter, Histogram, Options, Runner, adapters, variants};

const PARTS: [&str; 6] = ["start", "empty", "cycles", "steered", "jobs", "loss"];

fn main() {
    let (parts, kernel): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| PARTS.contains(&argument.as_str()));
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let adapter = adapters::list(true).usable.into_iter().next().unwrap();
    let picks = kernel.into_iter().next().map_or(Picks::Auto, Picks::Named);
    let patience = Duration::from_secs(120);
    let options = Options { picks, patience, ..Options::default() };
    println!("{} ({})", adapter.id.name, adapter.driver);
    if wanted("start") {
        start(&adapter, &options);
    }
    if wanted("empty") {
        cycles(&adapter, &options, 1);
    }
    if wanted("cycles") {
        for hashes in [1 << 14, 1 << 16, 1 << 18, 1 << 20] {
            cycles(&adapter, &options, hashes);
        }
    }
    if wanted("steered") {
        steered(&adapter, &options);
    }
    if wanted("jobs") {
        new_jobs(&adapter, &options);
    }
    if wanted("loss") {
        loss(&adapter, &options);
    }
}

fn open(adapter: &Adapter, options: &Options) -> Runner {
    Runner::open(adapter, &SHA256D, variants("sha256d"), options.clone()).unwrap()
}

fn work(number: u64) -> (Arc<Work>, Target) {
    let work = (SHA256D.sample)(number).unwrap();
    let plain = Work::new(work.blob(), work.nonce_field(), None).unwrap();
    let mut target = [0; 32];
    target[26] = 1;
    (Arc::new(plain), Target::from_le_bytes(target).unwrap())
}

/// From nothing to the first hash.
fn start(adapter: &Adapter, options: &Options) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let kernels = variants("sha256d");
    println!("texts of {} kernels: {:.0} ms CPU", kernels.len(), (cpu_seconds() - cpu) * 1e3);
    let mut runner = open(adapter, options);
    let (work, target) = work(1);
    runner.load(&work, target).unwrap();
    runner.scan(0..1 << 12, &|| false, &mut Vec::new()).unwrap();
    println!(
        "start to first hash, self-test included: {:.0} ms CPU, {:.0} ms wall (compiled in {:.0} ms), kernel {:?}",
        (cpu_seconds() - cpu) * 1e3,
        wall.elapsed().as_secs_f64() * 1e3,
        runner.choice().compile.as_secs_f64() * 1e3,
        runner.choice().single
    );
    for row in &runner.choice().measured {
        println!("  {row:?}");
    }
}

/// Slices of one size.
fn cycles(adapter: &Adapter, options: &Options, hashes: u64) {
    let options = Options { fixed_hashes: Some(hashes), planted_every: 0, ..options.clone() };
    let mut runner = open(adapter, &options);
    let (work, target) = work(2);
    runner.load(&work, target).unwrap();
    let mut next = 0;
    let mut run = |runner: &mut Runner, slices: u64| {
        let end = next + hashes * slices;
        while next < end {
            next += runner.scan(next..end, &|| false, &mut Vec::new()).unwrap();
        }
    };
    run(&mut runner, 20);
    let slices = ((1 << 25) / hashes).min(3000);
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    run(&mut runner, slices);
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    println!(
        "{hashes:>8} hashes a slice: {:>7.0} us CPU, {:>7.0} us wall a slice, {:.2} MH per CPU second",
        cpu / slices as f64 * 1e6,
        wall / slices as f64 * 1e6,
        (hashes * slices) as f64 / cpu / 1e6
    );
}

/// Slices as the runner itself sizes them.
fn steered(adapter: &Adapter, options: &Options) {
    let mut runner = open(adapter, options);
    let (work, target) = work(3);
    runner.load(&work, target).unwrap();
    let mut next = 0;
    let mut run = |runner: &mut Runner, seconds: u64| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            next += runner.scan(next..next + runner.batch(), &|| false, &mut Vec::new()).unwrap();
        }
    };
    run(&mut runner, 1);
    runner.restart_clock();
    let (before, wall, cpu) = (runner.stats(), Instant::now(), cpu_seconds());
    run(&mut runner, 5);
    let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    let stats = runner.stats();
    let (hashes, slices) = ((stats.hashes - before.hashes) as f64, (stats.slices - before.slices) as f64);
    println!(
        "steered: {:.1} ms a slice, {:.2} MH/s wall, {:.2} MH per CPU second, idle share {:.2} % (timestamps: {})",
        stats.busy.as_secs_f64() / slices * 1e3,
        hashes / wall / 1e6,
        hashes / cpu / 1e6,
        stats.idle_share() * 100.0,
        runner.has_timestamps()
    );
}

/// A new job every 100 ms for ten seconds.
fn new_jobs(adapter: &Adapter, options: &Options) {
    let mut runner = open(adapter, options);
    let mut latency = Histogram::default();
    runner.load(&work(4).0, work(4).1).unwrap();
    let mut next = 0;
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_secs(1) {
        next += runner.scan(next..next + runner.batch(), &|| false, &mut Vec::new()).unwrap();
    }
    runner.restart_clock();
    let mut due = Instant::now() + Duration::from_millis(100);
    for job in 0..100 {
        let mut next = 0;
        while Instant::now() < due {
            let interrupted = || Instant::now() >= due;
            next += runner.scan(next..next + runner.batch(), &interrupted, &mut Vec::new()).unwrap();
            if let Some(first) = runner.first_hash()
                && job > 0
                && next > 0
                && latency.count() < job
            {
                latency.note(first.saturating_duration_since(due - Duration::from_millis(100)));
            }
        }
        runner.load(&work(5 + job).0, work(5 + job).1).unwrap();
        due += Duration::from_millis(100);
    }
    println!(
        "new job to first hash, {} jobs: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; slices of {:.1} ms; \
         idle share {:.2} %; {} pipelines",
        latency.count(),
        latency.percentile(50).unwrap().as_secs_f64() * 1e3,
        latency.percentile(99).unwrap().as_secs_f64() * 1e3,
        latency.longest().as_secs_f64() * 1e3,
        runner.wanted_slice().as_secs_f64() * 1e3,
        runner.stats().idle_share() * 100.0,
        runner.pipelines_created()
    );
}

/// The device is destroyed in mid-run.
fn loss(adapter: &Adapter, options: &Options) {
    let mut runner = open(adapter, options);
    let (work, target) = work(6);
    runner.load(&work, target).unwrap();
    let (destroyer, calls, destroyed) = (runner.destroyer(), Cell::new(0), Cell::new(None));
    let interrupt = || {
        calls.set(calls.get() + 1);
        if calls.get() == 6 {
            destroyer.destroy();
            destroyed.set(Some(Instant::now()));
        }
        false
    };
    let mut next = 0;
    while let Ok(done) = runner.scan(next..next + (1 << 22), &interrupt, &mut Vec::new()) {
        next += done;
    }
    drop(runner);
    let mut runner = open(adapter, options);
    runner.load(&work, target).unwrap();
    runner.scan(next..next + 1024, &|| false, &mut Vec::new()).unwrap();
    println!(
        "lost device to first hash of the next one: {:.0} ms wall",
        destroyed.get().unwrap().elapsed().as_secs_f64() * 1e3
    );
}

/// Processor time of this process in seconds, in steps of 10 ms.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields are counted behind the name, which stands in parentheses: user and system time are the 12th and 13th.
    let fields: Vec<&str> =
        text.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
