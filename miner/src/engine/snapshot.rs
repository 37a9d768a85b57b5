//! The state of a running miner as screens and interfaces see it.

use std::time::Duration;

use rminer_stratum::Counts;

use super::hashrate::Rates;

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Since the start of the engine.
    pub uptime: Duration,
    /// All devices, in order of their names.
    pub devices: Vec<DeviceSnapshot>,
    /// Hash rates over all devices.
    pub rates: Rates,
    /// Hashes done by all devices.
    pub hashes: u64,
    /// Shares by verdict.
    pub shares: Counts,
    /// Shares that wait for an answer.
    pub pending: usize,
    /// Index of the pool that is mined for.
    pub pool: Option<usize>,
    /// Expected hashes for a share of the newest job.
    pub difficulty: Option<f64>,
    /// Height of the newest job.
    pub height: Option<u64>,
    /// Why the miner is paused, if it is.
    pub pauses: Vec<&'static str>,
}

/// One device with all its workers.
#[derive(Debug, Clone, Default)]
pub struct DeviceSnapshot {
    /// `cpu0`, …
    pub id: String,
    /// Model name.
    pub name: String,
    /// Worker threads.
    pub workers: u32,
    /// Hash rates.
    pub rates: Rates,
    /// Hashes done.
    pub hashes: u64,
    /// Shares that pools took.
    pub accepted: u64,
    /// Shares that pools refused.
    pub rejected: u64,
    /// Hits that were not sent.
    pub not_sent: u64,
    /// Hits that a second engine found wrong.
    pub mismatches: u64,
}

impl Snapshot {
    /// What the pools credit, in hashes per second: difficulty of accepted shares over time.
    pub fn effective_hs(&self) -> Option<f64> {
        let seconds = self.uptime.as_secs_f64();
        (self.shares.accepted > 0 && seconds > 0.0).then(|| self.shares.accepted_hashes / seconds)
    }

    /// How far chance alone may move [`Snapshot::effective_hs`], as a share of it: `1.96 / sqrt(n)` holds 19 of
    /// 20 times for `n` shares.
    pub fn effective_chance(&self) -> Option<f64> {
        #[allow(clippy::cast_precision_loss)]
        (self.shares.accepted > 0).then(|| 1.96 / (self.shares.accepted as f64).sqrt())
    }
}
