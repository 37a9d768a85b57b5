//! Shares that were taken, so that none is taken twice.

use std::collections::{BTreeSet, VecDeque};

/// Hashes of shares that are remembered, so that none is taken twice.
const MAX_SEEN: usize = 1 << 17;

/// Hashes of shares in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    hashes: BTreeSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    /// False when the hash was there before.
    pub(crate) fn enter(&mut self, hash: [u8; 32]) -> bool {
        if !self.hashes.insert(hash) {
            return false;
        }
        if self.order.len() == MAX_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
        self.order.push_back(hash);
        true
    }
}
