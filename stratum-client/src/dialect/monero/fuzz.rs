//! What a hostile pool can say to the dialect.

use rminer_algos::registry;

use super::{JOB_RING, Monero, MoneroConfig};
use crate::dialect::fuzz::fuzz;
use crate::dialect::wire::MAX_PENDING;

/// Fuzz entry: lines of a pool and what happens between them; the corpus shows their form. The dialect stays within
/// its bounds, its messages are JSON lines, and each share gets at most one verdict.
#[doc(hidden)]
pub fn fuzz_monero(data: &[u8]) {
    let dialect = Monero::new(MoneroConfig {
        login: "w".into(),
        pass: "x".into(),
        rig_id: None,
        agent: "a".into(),
        algorithm: &registry::RANDOMX,
        also: vec![&registry::RANDOMX_V2],
        nicehash: None,
        keepalive: true,
    });
    fuzz(dialect, data, |dialect| {
        assert!(dialect.requests.len() <= MAX_PENDING && dialect.jobs.len() <= JOB_RING);
    });
}
