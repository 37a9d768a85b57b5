//! Our inner loop, on this thread.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rminer_algos::registry::KHEAVYHASH;
use rminer_algos::{Backend, Target};
use rminer_benches::thread_cpu_seconds;

/// Hashes of one scan: some 10 ms with the best kernel.
const SCAN: u64 = 1 << 17;
/// Jobs that are loaded for the time of one.
const LOADS: u64 = 500;

/// Hashes per second of processor time, over about this time of the clock.
pub(crate) fn rate_hs(backend: &Backend, time: Duration) -> Result<f64> {
    let work = (KHEAVYHASH.sample)(1)?;
    let mut kernel = (backend.make)();
    kernel.load(&work, target()?).map_err(|fault| anyhow!("{}: {fault}", backend.name))?;
    let mut found = Vec::new();
    // The first scan is for the clock and the caches alone.
    kernel.scan(0..SCAN / 8, &mut found);
    let (started, cpu_before) = (Instant::now(), thread_cpu_seconds()?);
    let mut hashes = 0;
    while started.elapsed() < time {
        kernel.scan(hashes..hashes + SCAN, &mut found);
        hashes += SCAN;
        found.clear();
    }
    Ok(hashes as f64 / (thread_cpu_seconds()? - cpu_before))
}

/// Microseconds of processor time to take up a job, its matrix included.
pub(crate) fn load_us(backend: &Backend) -> Result<f64> {
    let works = (0..LOADS).map(|number| (KHEAVYHASH.sample)(number)).collect::<Result<Vec<_>, _>>()?;
    let (mut kernel, target) = ((backend.make)(), target()?);
    let before = thread_cpu_seconds()?;
    for work in &works {
        kernel.load(work, target).map_err(|fault| anyhow!("{}: {fault}", backend.name))?;
    }
    Ok((thread_cpu_seconds()? - before) * 1e6 / LOADS as f64)
}

/// One hash in 2^37, so that what is found costs nothing.
fn target() -> Result<Target> {
    let mut target = [0xFF; 32];
    target[27..].copy_from_slice(&[0x07, 0, 0, 0, 0]);
    Target::from_le_bytes(target).context("the target is not zero")
}
