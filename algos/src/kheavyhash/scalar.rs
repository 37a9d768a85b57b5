//! One nonce after the other, with the ordinary instructions of any machine.

use super::keccak::{digest, keccak_f1600};
use super::search::{Prepared, Search};

#[derive(Default)]
pub(super) struct Scalar;

impl Search for Scalar {
    const WIDTH: u64 = 1;

    fn search(&self, job: &Prepared, first: u64, batches: u64, hits: &mut Vec<u64>) {
        for nonce in first..first.saturating_add(batches) {
            let mut state = job.block;
            state[9] ^= nonce;
            keccak_f1600(&mut state);
            let mut state = job.heavy.load(&job.matrix.apply(&digest(&state)));
            keccak_f1600(&mut state);
            if state[3] <= job.top {
                hits.push(nonce);
            }
        }
    }
}
