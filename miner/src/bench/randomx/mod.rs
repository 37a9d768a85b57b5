//! RandomX on the work of xmrig's benchmark.
//!
//! That work is 112 zero bytes, nonce at 39, a seed of zeros. For a given number of hashes the sum over all of them is
//! comparable with the sums that xmrig publishes, so a fast engine that computes wrong hashes gives itself away.

mod chain;
mod measure;
mod sums;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rminer_algos::{Variant, registry};

use self::measure::measure;
pub use self::sums::published_sum;
use super::power::{PowerMeter, joules_per_hash};
use super::{BenchError, BenchLength, BenchProgress, BenchResult, MemoryUse, ProgressSink, memory_use};
use crate::config::CpuSettings;
use crate::devices::cpu::randomx as device;
use crate::devices::{Notice, NoticeSink};
use crate::telemetry::Watched;

/// Measures RandomX on the processor. Blocks until done; `stop` ends it within a fraction of a second.
///
/// # Errors
/// Every variant of [`BenchError`].
pub fn run(
    cpu: &CpuSettings,
    variant: Variant,
    length: BenchLength,
    progress: &ProgressSink,
    stop: &AtomicBool,
) -> Result<BenchResult, BenchError> {
    let (shortest, most) = (Duration::from_millis(100), work::NONCES);
    match length {
        BenchLength::Time(time) if time < shortest => return Err(BenchError::Length),
        BenchLength::Hashes(hashes) if hashes == 0 || hashes > most => return Err(BenchError::Length),
        BenchLength::Time(_) | BenchLength::Hashes(_) => {}
    }
    let algorithm = registry::randomx(variant);
    let init_ms = Arc::new(AtomicU64::new(0));
    let setup = device::open(cpu, variant, &notices(progress, &init_ms))?;
    let meter = PowerMeter::start(&Watched::cpus(&setup.sources));
    let measured = measure(&setup, variant, length, progress, stop, &meter)?;
    let power_w = meter.watts();
    let seconds = measured.time.as_secs_f64();
    let (hugepages_have, hugepages_want) = measured.huge_pages;
    let mut devices: Vec<_> = setup.sources.iter().map(|source| source.info().id.clone()).collect();
    devices.dedup();
    Ok(BenchResult {
        algo: algorithm.name,
        device: if devices.len() == 1 { devices.remove(0) } else { "cpu".into() },
        name: setup.topology.model.clone(),
        threads: setup.sources.len(),
        vms_per_thread: measured.lanes,
        init_ms: init_ms.load(Ordering::Relaxed),
        first_hash_ms: measured.first_hash_ms,
        hashes: measured.hashes,
        seconds,
        cpu_seconds: measured.cpu_seconds,
        rate_hs: measured.hashes as f64 / seconds,
        power_w,
        joules_per_hash: joules_per_hash(power_w, measured.hashes as f64 / seconds),
        spread_percent: measured.spread_percent,
        hugepages_have,
        hugepages_want,
        memory_kib: measured.memory_kib,
        engine: setup.engine,
        new_jobs: None,
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
