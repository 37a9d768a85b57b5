//! The benchmark: the mining threads at full speed without a pool, on work that anyone can repeat.
//!
//! The work is that of xmrig's benchmark: 112 zero bytes, nonce at 39, a seed of zeros. For a given number of
//! hashes the sum over all of them is comparable with the sums that xmrig publishes, so a fast engine that
//! computes wrong hashes gives itself away.

mod chain;
mod measure;
mod memory;
mod statistics;
mod sums;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rminer_algos::registry;
use serde::Serialize;
use thiserror::Error;

use self::measure::measure;
pub use self::memory::{MemoryUse, memory_use, parse_memory};
pub use self::sums::published_sum;
use crate::config::CpuSettings;
use crate::devices::{DeviceError, Notice, NoticeSink, cpu::randomx};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchLength {
    /// Hash for this long, after the dataset is ready.
    Time(Duration),
    /// Compute the hashes of the nonces from 0 to this number less one, and their sum.
    Hashes(u64),
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchOptions {
    /// Threads, pages and so on, as for mining.
    pub cpu: CpuSettings,
    /// For how long.
    pub length: BenchLength,
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
    /// Mining threads.
    pub threads: usize,
    /// Machines that each thread interleaves.
    pub vms_per_thread: u32,
    /// Time to fill the dataset, Argon2 included, in milliseconds.
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
    /// The device cannot.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No thread could be started.
    #[error("no thread: {0}")]
    Thread(String),
}

/// Measures RandomX on the processor. Blocks until done; `stop` ends it within a fraction of a second.
///
/// # Errors
/// Every variant of [`BenchError`].
pub fn run(
    options: &BenchOptions,
    progress: &ProgressSink,
    stop: &AtomicBool,
) -> Result<BenchResult, BenchError> {
    let (shortest, most) = (Duration::from_millis(100), work::NONCES);
    match options.length {
        BenchLength::Time(time) if time < shortest => return Err(BenchError::Length),
        BenchLength::Hashes(hashes) if hashes == 0 || hashes > most => return Err(BenchError::Length),
        BenchLength::Time(_) | BenchLength::Hashes(_) => {}
    }
    let init_ms = Arc::new(AtomicU64::new(0));
    let setup = randomx::open(&options.cpu, &notices(progress, &init_ms))?;
    let measured = measure(&setup, options.length, progress, stop)?;
    let seconds = measured.time.as_secs_f64();
    let (hugepages_have, hugepages_want) = measured.huge_pages;
    let mut devices: Vec<_> = setup.sources.iter().map(|source| source.info().id.clone()).collect();
    devices.dedup();
    Ok(BenchResult {
        algo: registry::RANDOMX.name,
        device: if devices.len() == 1 { devices.remove(0) } else { "cpu".into() },
        threads: setup.sources.len(),
        vms_per_thread: 1,
        init_ms: init_ms.load(Ordering::Relaxed),
        first_hash_ms: measured.first_hash_ms,
        hashes: measured.hashes,
        seconds,
        cpu_seconds: measured.cpu_seconds,
        rate_hs: measured.hashes as f64 / seconds,
        spread_percent: measured.spread_percent,
        hugepages_have,
        hugepages_want,
        memory_kib: measured.memory_kib,
        engine: setup.engine,
        checksum: measured.sum.map(|sum| format!("{sum:016x}")),
    })
}

/// Passes the devices' notices on and keeps the time of the slowest dataset.
fn notices(progress: &ProgressSink, init_ms: &Arc<AtomicU64>) -> NoticeSink {
    let (progress, init_ms) = (Arc::clone(progress), Arc::clone(init_ms));
    Arc::new(move |notice| {
        if let Notice::DatasetReady(ready) = &notice {
            init_ms.fetch_max(ready.init_ms, Ordering::Relaxed);
        }
        progress(BenchProgress::Notice(notice));
    })
}

#[cfg(test)]
mod tests;
