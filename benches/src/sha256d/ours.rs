//! Our inner loop, on this thread.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rminer_algos::{Backend, NonceField, Target, Work};
use rminer_benches::thread_cpu_seconds;

/// Two version bits: four versions share each nonce.
pub(crate) const FOUR_VERSIONS: u32 = 0x6000;

/// Hashes of one scan: about 50 ms with the best kernel.
const SCAN: u64 = 1 << 21;

/// Hashes per second of processor time, over about this time of the clock.
pub(crate) fn rate_hs(backend: &Backend, version_mask: u32, time: Duration) -> Result<f64> {
    let field = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    let work = Work::new(&[7; 80], field, None)?.with_version_mask(version_mask)?;
    // One hash in 2^37, so that what is found costs nothing.
    let mut target = [0xFF; 32];
    target[27..].copy_from_slice(&[0x07, 0, 0, 0, 0]);
    let target = Target::from_le_bytes(target).context("the target is not zero")?;
    let mut kernel = (backend.make)();
    kernel.load(&work, target).map_err(|fault| anyhow!("{}: {fault}", backend.name))?;
    let mut found = Vec::new();
    // The first scan is for the clock and the caches alone.
    kernel.scan(0..SCAN / 8, &mut found);
    let (started, cpu_before) = (Instant::now(), thread_cpu_seconds()?);
    let mut hashes = 0;
    while started.elapsed() < time {
        let start = hashes % (work.last_counter() + 1 - SCAN);
        kernel.scan(start..start + SCAN, &mut found);
        hashes += SCAN;
        found.clear();
    }
    Ok(hashes as f64 / (thread_cpu_seconds()? - cpu_before))
}
