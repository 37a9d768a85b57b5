//! What the runner costs beside the hashing, on a card or on software Vulkan:
//!
//! ```text
//! MESA_SHADER_CACHE_DISABLE=true cargo run --release -p rminer-shaders --example runner-costs -- [ALGORITHM] [PART]... [KERNEL]
//! ```
//!
//! Parts are `start`, `empty`, `cycles`, `kernels`, `steered`, `jobs` and `loss`; all of them when none is named. The
//! algorithm is `sha256d` when none is. Takes the first card, else the software adapter. CPU times are of the whole
//! process and read from Linux.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a measurement that fails should say where"
)]

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Target, Work, registry};
use rminer_shaders::choose::Picks;
use rminer_shaders::{Adapter, Histogram, Options, Runner, adapters, variants};

const PARTS: [&str; 7] = ["start", "empty", "cycles", "kernels", "steered", "jobs", "loss"];

/// What is measured.
struct Subject {
    adapter: Adapter,
    algorithm: &'static Algorithm,
    options: Options,
}

fn main() {
    let (parts, mut names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| PARTS.contains(&argument.as_str()));
    let named = names.first().and_then(|name| registry::find(name));
    names.drain(..usize::from(named.is_some()));
    let algorithm = named.unwrap_or(&registry::SHA256D);
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let adapter = adapters::list(true).usable.into_iter().next().unwrap();
    let picks = names.into_iter().next().map_or(Picks::Auto, Picks::Named);
    let patience = Duration::from_secs(120);
    let options = Options { picks, patience, ..Options::default() };
    println!("{} on {} ({})", algorithm.name, adapter.id.name, adapter.driver);
    let subject = Subject { adapter, algorithm, options };
    if wanted("start") {
        start(&subject);
    }
    if wanted("empty") {
        cycles(&subject, 1);
    }
    if wanted("cycles") {
        for hashes in [1 << 14, 1 << 16, 1 << 18, 1 << 20] {
            cycles(&subject, hashes);
        }
    }
    if wanted("kernels") {
        kernels(&subject);
    }
    if wanted("steered") {
        steered(&subject);
    }
    if wanted("jobs") {
        new_jobs(&subject);
    }
    if wanted("loss") {
        loss(&subject);
    }
}

impl Subject {
    fn open(&self) -> Runner {
        self.open_with(self.options.clone())
    }

    fn open_with(&self, options: Options) -> Runner {
        Runner::open(&self.adapter, self.algorithm, variants(self.algorithm.name), options).unwrap()
    }

    fn work(&self, number: u64) -> (Arc<Work>, Target) {
        let work = (self.algorithm.sample)(number).unwrap();
        let plain = Work::new(work.blob(), work.nonce_field(), None).unwrap();
        let mut target = [0; 32];
        target[26] = 1;
        (Arc::new(plain), Target::from_le_bytes(target).unwrap())
    }
}

/// From nothing to the first hash.
fn start(subject: &Subject) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let kernels = variants(subject.algorithm.name);
    println!("texts of {} kernels: {:.0} ms CPU", kernels.len(), (cpu_seconds() - cpu) * 1e3);
    let mut runner = subject.open();
    let (work, target) = subject.work(1);
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
fn cycles(subject: &Subject, hashes: u64) {
    let options = Options { fixed_hashes: Some(hashes), planted_every: 0, ..subject.options.clone() };
    let mut runner = subject.open_with(options);
    let Cycles { slices, cpu, wall } = Cycles::run(subject, &mut runner, hashes, 20, 2.0);
    println!(
        "{hashes:>8} hashes a slice: {:>7.0} us CPU, {:>7.0} us wall a slice, {:.2} MH per CPU second",
        cpu / slices * 1e6,
        wall / slices * 1e6,
        hashes as f64 * slices / cpu / 1e6
    );
}

/// Each kernel of one lane in turn, three times: what a software adapter takes without measuring should be the best.
fn kernels(subject: &Subject) {
    let hashes = 1 << 16;
    let mut rates: Vec<(String, Vec<f64>)> = Vec::new();
    for variant in variants(subject.algorithm.name).into_iter().filter(|variant| variant.lanes == 1) {
        let picks = Picks::Named(variant.name.clone());
        let options =
            Options { picks, fixed_hashes: Some(hashes), planted_every: 0, ..subject.options.clone() };
        let began = cpu_seconds();
        let mut runner = subject.open_with(options);
        let compile = cpu_seconds() - began;
        let mut rate = || {
            let Cycles { slices, cpu, .. } = Cycles::run(subject, &mut runner, hashes, 1, 0.7);
            hashes as f64 * slices / cpu / 1e6
        };
        let mut three = vec![rate(), rate(), rate()];
        three.sort_by(f64::total_cmp);
        println!("{:<12} {:.2} MH per CPU second ({:.1} s CPU to open)", variant.name, three[1], compile);
        rates.push((variant.name, three));
    }
    if let Some((_, readable)) = rates.iter().find(|(name, _)| name == "reference") {
        for (name, rate) in &rates {
            println!("{name:<12} {:.1} times the readable kernel", rate[1] / readable[1]);
        }
    }
}

/// Slices of one size, counted.
struct Cycles {
    slices: f64,
    cpu: f64,
    wall: f64,
}

impl Cycles {
    /// After `warm` slices as many as take so many seconds of CPU time, twenty at a time where they are short.
    fn run(subject: &Subject, runner: &mut Runner, hashes: u64, warm: u64, seconds: f64) -> Self {
        let (work, target) = subject.work(2);
        runner.load(&work, target).unwrap();
        let mut next = 0;
        let mut run = |slices: u64| {
            let end = next + hashes * slices;
            while next < end {
                next += runner.scan(next..end, &|| false, &mut Vec::new()).unwrap();
            }
        };
        run(warm);
        let (began, cpu) = (Instant::now(), cpu_seconds());
        let mut slices = 0;
        while cpu_seconds() - cpu < seconds {
            let some = if hashes < 1 << 16 { 20 } else { 1 };
            run(some);
            slices += some;
        }
        Self { slices: slices as f64, cpu: cpu_seconds() - cpu, wall: began.elapsed().as_secs_f64() }
    }
}

/// Slices as the runner itself sizes them.
fn steered(subject: &Subject) {
    let mut runner = subject.open();
    let (work, target) = subject.work(3);
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
fn new_jobs(subject: &Subject) {
    let mut runner = subject.open();
    let mut latency = Histogram::default();
    runner.load(&subject.work(4).0, subject.work(4).1).unwrap();
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
        runner.load(&subject.work(5 + job).0, subject.work(5 + job).1).unwrap();
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
fn loss(subject: &Subject) {
    let mut runner = subject.open();
    let (work, target) = subject.work(6);
    runner.load(&work, target).unwrap();
    let (saboteur, calls, destroyed) = (runner.saboteur(), Cell::new(0), Cell::new(None));
    let interrupt = || {
        calls.set(calls.get() + 1);
        if calls.get() == 6 {
            saboteur.destroy();
            destroyed.set(Some(Instant::now()));
        }
        false
    };
    let mut next = 0;
    while let Ok(done) = runner.scan(next..next + (1 << 22), &interrupt, &mut Vec::new()) {
        next += done;
    }
    drop(runner);
    let mut runner = subject.open();
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
