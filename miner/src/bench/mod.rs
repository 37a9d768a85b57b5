//! The benchmark: devices at full speed without a pool, on work that anyone can repeat.
//!
//! RandomX is measured on the work of xmrig's benchmark, whose sums anyone can compare ([`randomx`]). Every other
//! algorithm is measured twice over, the device alone and in the whole miner with new jobs ([`engine`]).

mod engine;
mod latency;
mod memory;
mod power;
pub mod randomx;
mod saved;
mod statistics;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rminer_algos::registry;
use serde::Serialize;
use thiserror::Error;

pub use self::engine::{JobPath, NewJobs, Stage};
pub use self::latency::Bucket;
pub use self::memory::{MemoryUse, memory_use, parse_memory};
pub use self::saved::{expected, save};
use crate::config::Settings;
use crate::devices::{DeviceError, Notice, NoticeSink};
use crate::exit::Exit;
use crate::problem::Problem;

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchLength {
    /// Hash for this long, after the dataset is ready.
    Time(Duration),
    /// Compute the hashes of the nonces from 0 to this number less one, and their sum.
    Hashes(u64),
}

/// What a benchmark tells while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum BenchProgress {
    /// From the devices: dataset progress, warnings.
    Notice(Notice),
    /// Once a second.
    Hashing {
        /// Hashes so far.
        hashes: u64,
        /// Hashes to do, if their number was given.
        of: Option<u64>,
        /// Time of hashing so far, in seconds.
        seconds: f64,
        /// Rate of the last second, in hashes per second.
        rate_hs: f64,
    },
}

/// Where progress goes. Called from several threads; must not block.
pub type ProgressSink = Arc<dyn Fn(BenchProgress) + Send + Sync>;

/// One measurement. Its JSON is one object with these names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchResult {
    /// Our name of the algorithm.
    pub algo: &'static str,
    /// The device, `cpu0`, or `cpu` where it took several.
    pub device: String,
    /// Model name.
    pub name: String,
    /// Mining threads.
    pub threads: usize,
    /// Machines that each thread interleaves.
    pub vms_per_thread: u32,
    /// Time to fill the dataset, Argon2 included, or until a device had opened and taken its first work, in
    /// milliseconds.
    pub init_ms: u64,
    /// Time from the start of the process to the first finished hash, in milliseconds.
    pub first_hash_ms: u64,
    /// Hashes computed.
    pub hashes: u64,
    /// Wall-clock time of hashing.
    pub seconds: f64,
    /// Processor time of the process while hashing.
    pub cpu_seconds: f64,
    /// Hashes per second.
    pub rate_hs: f64,
    /// Mean power of the device while it hashed alone, in watts; `null` where no sensor tells.
    pub power_w: Option<f64>,
    /// Energy of one hash, in joules.
    pub joules_per_hash: Option<f64>,
    /// Half the distance between the slow and the fast tenth of all seconds, in percent of the median.
    pub spread_percent: Option<f64>,
    /// Huge pages of dataset and machines, in pages of 2 MiB.
    pub hugepages_have: u32,
    /// Huge pages that would hold all of them.
    pub hugepages_want: u32,
    /// Resident memory and huge pages of the process at the end, in KiB.
    pub memory_kib: Option<u64>,
    /// How the hashes were computed.
    pub engine: String,
    /// The whole miner with new jobs; `null` where only hashing was measured.
    pub new_jobs: Option<NewJobs>,
    /// For a number of hashes: the sum that xmrig prints for it, in hexadecimal.
    pub checksum: Option<String>,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BenchError {
    /// Stopped from outside.
    #[error("stopped before there was a result")]
    Stopped,
    /// Nothing to do, or more nonces than there are.
    #[error("a benchmark takes 1 to 4294967296 hashes or at least a tenth of a second")]
    Length,
    /// A number of hashes, where nobody knows what their sum should be.
    #[error("--hashes is for randomx, whose sums are published; {0} is measured by time")]
    NoSums(&'static str),
    /// There is none to measure.
    #[error("{}", .0.summary)]
    NoDevice(Box<Problem>, Exit),
    /// The device cannot.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The pool in this process does not work.
    #[error("the pool of the benchmark: {0}")]
    Pool(String),
    /// No thread could be started.
    #[error("no thread: {0}")]
    Thread(String),
}

/// What and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BenchOptions {
    /// For each device and algorithm.
    pub length: BenchLength,
    /// Time from one job to the next where the whole miner is measured.
    pub new_job_every: Duration,
}

/// Measures every device that the settings choose on their algorithm, one after the other. Blocks until done; `stop`
/// ends it within a fraction of a second.
///
/// # Errors
/// Every variant of [`BenchError`].
pub fn run(
    settings: &Settings,
    options: BenchOptions,
    progress: &ProgressSink,
    stop: &AtomicBool,
) -> Result<Vec<BenchResult>, BenchError> {
    if settings.algorithm.engine == registry::RANDOMX.engine
        && crate::devices::chooses_a_cpu(&settings.devices)
    {
        let result = randomx::run(&settings.cpu, settings.algorithm.variant, options.length, progress, stop)?;
        return Ok(vec![result]);
    }
    engine::run(settings, options, progress, stop)
}

/// Measures the way of new jobs from a pool in this process to every device that the settings choose, one after the
/// other. Blocks until done; `stop` ends it within a fraction of a second.
///
/// # Errors
/// Every variant of [`BenchError`].
pub fn job_paths(
    settings: &Settings,
    options: BenchOptions,
    progress: &ProgressSink,
    stop: &AtomicBool,
) -> Result<Vec<JobPath>, BenchError> {
    engine::paths(settings, options, progress, stop)
}

/// Passes the devices' notices on.
fn notices(progress: &ProgressSink) -> NoticeSink {
    let progress = Arc::clone(progress);
    Arc::new(move |notice| progress(BenchProgress::Notice(notice)))
}

#[cfg(test)]
mod tests;
