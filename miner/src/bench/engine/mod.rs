//! Any device twice over: alone on one piece of work, and in the whole miner with new jobs from a source in this
//! process. Both in turn, so that a machine that does other things as well slows both alike.

mod alone;
mod path;
mod watched;
mod whole;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rminer_algos::Algorithm;
use serde::Serialize;

pub use self::path::{JobPath, Stage};
use self::watched::Watch;
use super::latency::Bucket;
use super::power::{PowerMeter, joules_per_hash};
use super::statistics::Slices;
use super::{
    BenchError, BenchLength, BenchOptions, BenchProgress, BenchResult, MemoryUse, ProgressSink, memory_use,
    notices,
};
use crate::config::Settings;
use crate::devices::{self, Chosen, DeviceSource, os};
use crate::telemetry::Watched;

/// Pairs of measurements.
const ROUNDS: u32 = 3;
/// Shorter measurements say nothing.
const SHORTEST: Duration = Duration::from_millis(100);

/// The whole miner (scheduler, leases, workers, verifier) fed with new jobs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewJobs {
    /// Time from one job to the next, in milliseconds.
    pub every_ms: u64,
    /// New jobs that a worker took, all workers counted.
    pub taken: usize,
    /// From a new job until a worker hashes for it, in milliseconds: half of all times are not longer.
    pub hashing_p50_ms: Option<f64>,
    /// The same for 99 of 100 times.
    pub hashing_p99_ms: Option<f64>,
    /// The longest of them.
    pub hashing_max_ms: Option<f64>,
    /// All of them.
    pub hashing: Vec<Bucket>,
    /// From a new job until its first slice is done, in milliseconds.
    pub slice_p50_ms: Option<f64>,
    /// The same for 99 of 100 times.
    pub slice_p99_ms: Option<f64>,
    /// Hashes per second of the whole miner.
    pub rate_hs: f64,
    /// Its rate as a share of the device's alone: median of the pairs.
    pub of_alone: f64,
    /// The same by processor time, which a busy machine disturbs less.
    pub of_alone_cpu: f64,
}

/// Hashes, and the time and processor time that they took.
#[derive(Debug, Clone, Copy, Default)]
struct Phase {
    hashes: u64,
    seconds: f64,
    cpu_seconds: f64,
}

impl Phase {
    fn rate_hs(self) -> f64 {
        self.hashes as f64 / self.seconds
    }

    /// Hashes per second of processor time; GPUs need little of that.
    fn cpu_rate_hs(self) -> f64 {
        self.hashes as f64 / self.cpu_seconds
    }
}

/// What one device is measured with.
struct Measuring<'a> {
    algorithm: &'static Algorithm,
    sources: &'a [Arc<dyn DeviceSource>],
    new_job_every: Duration,
    progress: &'a ProgressSink,
    stop: &'a AtomicBool,
}

/// Measures each device that the settings choose.
pub(super) fn run(
    settings: &Settings,
    options: BenchOptions,
    progress: &ProgressSink,
    stop: &AtomicBool,
) -> Result<Vec<BenchResult>, BenchError> {
    each(settings, options, progress, stop, |measuring, chosen, time| measuring.measure(chosen, time))
}

/// Measures the way of jobs to each device that the settings choose.
pub(super) fn paths(
    settings: &Settings,
    options: BenchOptions,
    progress: &ProgressSink,
    stop: &AtomicBool,
) -> Result<Vec<JobPath>, BenchError> {
    each(settings, options, progress, stop, |measuring, chosen, time| measuring.path(chosen, time))
}

fn each<T>(
    settings: &Settings,
    options: BenchOptions,
    progress: &ProgressSink,
    stop: &AtomicBool,
    what: impl Fn(&Measuring<'_>, &Chosen, Duration) -> Result<T, BenchError>,
) -> Result<Vec<T>, BenchError> {
    let BenchLength::Time(time) = options.length else {
        return Err(BenchError::NoSums(settings.algorithm.name));
    };
    if time < SHORTEST || options.new_job_every.is_zero() {
        return Err(BenchError::Length);
    }
    let setup = devices::open(settings, &notices(progress))
        .map_err(|(problem, exit)| BenchError::NoDevice(Box::new(problem), exit))?;
    let measure = |chosen: &Chosen| {
        let of_this = setup.sources.iter().filter(|source| source.info().id == chosen.id);
        let sources: Vec<_> = of_this.map(Arc::clone).collect();
        let measuring = Measuring {
            algorithm: settings.algorithm,
            sources: &sources,
            new_job_every: options.new_job_every,
            progress,
            stop,
        };
        what(&measuring, chosen, time)
    };
    setup.chosen.iter().map(measure).collect()
}

impl Measuring<'_> {
    fn measure(&self, chosen: &Chosen, time: Duration) -> Result<BenchResult, BenchError> {
        let each = (time / (2 * ROUNDS)).max(SHORTEST / (2 * ROUNDS));
        let mut slices = Slices::new(Instant::now());
        let mut watch = Watch::default();
        let meter = PowerMeter::start(&[Watched::of(chosen, self.sources)]);
        let (mut alones, mut wholes) = (Vec::new(), Vec::new());
        let (mut init_ms, mut first_hash_ms) = (0, 0);
        for round in 0..ROUNDS {
            let alone = self.alone(each, &mut slices, &meter)?;
            if round == 0 {
                (init_ms, first_hash_ms) = (whole_ms(alone.ready), whole_ms(alone.age_at_first_hash));
            }
            wholes.push(self.whole(each, alone.phase.rate_hs(), &mut watch)?);
            alones.push(alone.phase);
        }
        let pairs = || alones.iter().zip(&wholes);
        let of_alone = median(pairs().map(|(alone, whole)| whole.rate_hs() / alone.rate_hs()).collect());
        let of_alone_cpu =
            median(pairs().map(|(alone, whole)| whole.cpu_rate_hs() / alone.cpu_rate_hs()).collect());
        let sum = |phases: &[Phase], part: fn(&Phase) -> f64| phases.iter().map(part).sum::<f64>();
        let rate_hs = median(alones.iter().map(|phase| phase.rate_hs()).collect());
        let power_w = meter.watts();
        Ok(BenchResult {
            algo: self.algorithm.name,
            device: chosen.id.clone(),
            name: chosen.name.clone(),
            threads: chosen.workers,
            vms_per_thread: 1,
            init_ms,
            first_hash_ms,
            hashes: alones.iter().map(|phase| phase.hashes).sum(),
            seconds: sum(&alones, |phase| phase.seconds),
            cpu_seconds: sum(&alones, |phase| phase.cpu_seconds),
            rate_hs,
            power_w,
            joules_per_hash: joules_per_hash(power_w, rate_hs),
            spread_percent: slices.spread_percent(),
            hugepages_have: 0,
            hugepages_want: 0,
            memory_kib: memory_use().map(MemoryUse::total_kib),
            engine: chosen.engine.clone(),
            new_jobs: Some(NewJobs {
                every_ms: whole_ms(self.new_job_every),
                taken: watch.hashing.len(),
                hashing_p50_ms: watch.hashing.percentile_ms(50),
                hashing_p99_ms: watch.hashing.percentile_ms(99),
                hashing_max_ms: watch.hashing.percentile_ms(100),
                hashing: watch.hashing.histogram(),
                slice_p50_ms: watch.slice.percentile_ms(50),
                slice_p99_ms: watch.slice.percentile_ms(99),
                rate_hs: median(wholes.iter().map(|phase| phase.rate_hs()).collect()),
                of_alone,
                of_alone_cpu,
            }),
            checksum: None,
        })
    }

    fn tell(&self, hashes: u64, began: Instant, rate_hs: f64) {
        let seconds = began.elapsed().as_secs_f64();
        (self.progress)(BenchProgress::Hashing { hashes, of: None, seconds, rate_hs });
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that also counts processor time.
struct Stopwatch(Instant, f64);

impl Stopwatch {
    fn start() -> Self {
        Self(Instant::now(), os::process_cpu_seconds())
    }

    fn stop(&self, hashes: u64) -> Phase {
        let seconds = self.0.elapsed().as_secs_f64();
        Phase { hashes, seconds, cpu_seconds: os::process_cpu_seconds() - self.1 }
    }
}
