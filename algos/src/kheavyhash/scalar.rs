//! One nonce after the other, with the ordinary instructions of any machine.

use super::lanes::Lanes;
use super::matrix::{Matrix, SIDE};
use super::rounds::{first, second};
use super::search::{Prepared, Search};

/// The matrix column by column, so that a half byte meets 64 neighbours: every compiler makes vectors of that.
pub(super) struct Scalar {
    columns: [[u16; SIDE]; SIDE],
}

impl Default for Scalar {
    fn default() -> Self {
        Self { columns: [[0; SIDE]; SIDE] }
    }
}

impl Search for Scalar {
    const WIDTH: u64 = 1;

    fn load(&mut self, matrix: &Matrix) {
        for (row, numbers) in matrix.rows().iter().enumerate() {
            for (column, number) in self.columns.iter_mut().zip(numbers) {
                column[row] = u16::from(*number);
            }
        }
    }

    fn search(&self, job: &Prepared, first_nonce: u64, batches: u64, hits: &mut Vec<u64>) {
        for batch in 0..batches {
            let nonce = first_nonce.wrapping_add(batch);
            if second(&job.start, self.mix(first(&job.start, nonce))) <= job.top {
                hits.push(nonce);
            }
        }
    }
}

impl Scalar {
    /// The hash with its product laid over it.
    fn mix(&self, hash: [u64; 4]) -> [u64; 4] {
        let mut sums = [0u16; SIDE];
        for (pair, byte) in self.columns.chunks_exact(2).zip(hash.map(u64::to_le_bytes).as_flattened()) {
            let (high, low) = (u16::from(byte >> 4), u16::from(byte & 0x0f));
            for ((sum, a), b) in sums.iter_mut().zip(&pair[0]).zip(&pair[1]) {
                *sum += a * high + b * low;
            }
        }
        let mut mixed = hash;
        for (lane, sums) in mixed.iter_mut().zip(sums.chunks_exact(16)) {
            // Byte by byte from the top, of each the high half first.
            let product = sums.chunks_exact(2).rev().fold(0, |product, pair| {
                product << 8 | u64::from(pair[0] >> 10) << 4 | u64::from(pair[1] >> 10)
            });
            *lane ^= product;
        }
        mixed
    }
}

impl Lanes for u64 {
    type Change = Self;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        word
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        self ^ (!b & c)
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32>(self) -> Self {
        u64::rotate_left(self, BITS.unsigned_abs())
    }

    #[inline(always)]
    fn change(left: Self, right: Self) -> Self::Change {
        left.xor(right)
    }

    #[inline(always)]
    fn theta(self, change: Self::Change) -> Self {
        self.xor(change)
    }
}
