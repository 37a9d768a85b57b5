//! What a hostile pool can say to the dialect.

use rminer_algos::registry;

use super::{Bitcoin, BitcoinConfig, JOB_RING, MAX_ANSWERED};
use crate::dialect::fuzz::fuzz;
use crate::dialect::wire::{MAX_PENDING, MAX_SHOWN};
use crate::endpoint::BitcoinOptions;

/// Fuzz entry: as for the dialect of Monero. A first line that is `!p` alone turns the pipeline of the login off.
#[doc(hidden)]
pub fn fuzz_bitcoin(data: &[u8]) {
    let (pipeline, data) = data.strip_prefix(b"!p\n").map_or((true, data), |rest| (false, rest));
    let dialect = Bitcoin::new(BitcoinConfig {
        user: "w".into(),
        pass: "x".into(),
        agent: "a".into(),
        algorithm: &registry::SHA256D,
        options: BitcoinOptions {
            pipeline,
            suggest_difficulty: Some("1".into()),
            ..BitcoinOptions::default()
        },
        extranonce_subscribe: true,
        plain: false,
        seed: 1,
    });
    fuzz(dialect, data, |dialect| {
        assert!(dialect.requests.len() <= MAX_PENDING && dialect.jobs.len() <= JOB_RING);
        assert!(dialect.shown.len() <= MAX_SHOWN && dialect.answered.len() <= MAX_ANSWERED);
    });
}
