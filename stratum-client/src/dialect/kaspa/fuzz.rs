//! What a hostile pool can say to the dialect.

use rminer_algos::registry;

use super::{JOB_RING, Kaspa, KaspaConfig};
use crate::dialect::fuzz::fuzz;
use crate::dialect::wire::{MAX_PENDING, MAX_SHOWN};

/// Fuzz entry: as for the dialect of Monero.
#[doc(hidden)]
pub fn fuzz_kaspa(data: &[u8]) {
    let dialect = Kaspa::new(KaspaConfig {
        user: "w".into(),
        pass: "x".into(),
        agent: "a".into(),
        algorithm: &registry::KHEAVYHASH,
        patience: 1,
    });
    fuzz(dialect, data, |dialect| {
        assert!(dialect.requests.len() <= MAX_PENDING && dialect.jobs.len() <= JOB_RING);
        assert!(dialect.shown.len() <= MAX_SHOWN);
    });
}
