//! The miner's own runner on the card: how long it idles, and how soon it works on a new job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rminer_algos::{Algorithm, Target, Work};
use rminer_shaders::{Histogram, Options, Runner, adapters, variants};
use serde::Serialize;

/// A new job comes this often.
const JOB: Duration = Duration::from_millis(100);

/// What the runner does with a new job every 100 ms.
#[derive(Debug, Serialize)]
pub(crate) struct Product {
    /// Kernels in use.
    pub(crate) kernels: Vec<String>,
    pub(crate) rate_hs: f64,
    /// Part of the time that the device has nothing to do, 0 to 1; `None` where it tells no times.
    pub(crate) idle_share: Option<f64>,
    pub(crate) jobs: u64,
    /// From a new job to its first hash.
    pub(crate) job_p50_ms: Option<f64>,
    pub(crate) job_p99_ms: Option<f64>,
    pub(crate) pipelines: u32,
}

/// Runs for about so long on the adapter of this name.
pub(crate) fn run(
    name: &str,
    algorithm: &'static Algorithm,
    works: impl Fn(u32) -> Result<Work>,
    time: Duration,
) -> Result<Product> {
    let listing = adapters::list(true);
    let adapter = listing.usable.iter().find(|adapter| adapter.id.name == name);
    let adapter = adapter.with_context(|| format!("the runner does not see {name}"))?;
    let fault = |fault| anyhow!("runner: {fault}");
    let mut runner =
        Runner::open(adapter, algorithm, variants(algorithm.name), Options::default()).map_err(fault)?;
    // So hard that there is nothing to report.
    let target = Target::from_difficulty(u128::MAX)?;
    let mut latencies = Histogram::default();
    let (mut claims, mut hashes, mut number) = (Vec::new(), 0u64, 0u32);
    // The first jobs find the size of a slice.
    let mut warm = 10;
    let mut began = Instant::now();
    // When the job at hand came: while the one before was still in flight.
    let mut arrived = Instant::now();
    while warm > 0 || began.elapsed() < time {
        let work = Arc::new(works(number)?);
        number += 1;
        runner.load(&work, target).map_err(fault)?;
        let until = Instant::now() + JOB;
        let (mut next, last) = (0u64, work.last_counter());
        while Instant::now() < until && next < last {
            let range = next..last.min(next.saturating_add(runner.batch()));
            next += runner.scan(range, &|| Instant::now() >= until, &mut claims).map_err(fault)?;
        }
        if let Some(first) = runner.first_hash()
            && warm == 0
        {
            latencies.note(first.saturating_duration_since(arrived));
        }
        arrived = until;
        if warm > 0 {
            warm -= 1;
            if warm == 0 {
                runner.restart_clock();
                began = Instant::now();
            }
            continue;
        }
        hashes += next;
    }
    let wall = began.elapsed();
    let milliseconds = |percent| latencies.percentile(percent).map(|time| time.as_secs_f64() * 1e3);
    let choice = runner.choice();
    Ok(Product {
        kernels: std::iter::once(choice.single.clone()).chain(choice.several.clone()).collect(),
        rate_hs: hashes as f64 / wall.as_secs_f64(),
        idle_share: runner.has_timestamps().then(|| runner.stats().idle_share()),
        jobs: latencies.count(),
        job_p50_ms: milliseconds(50),
        job_p99_ms: milliseconds(99),
        pipelines: runner.pipelines_created(),
    })
}
