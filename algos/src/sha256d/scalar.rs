//! One nonce after the other, with the ordinary instructions of any machine.

use super::lanes::Lanes;
use super::prehash::{Head, Tail};
use super::rounds::{SCHEDULED, last_word, schedule};
use super::search::{Candidate, Search};

#[derive(Default)]
pub(super) struct Scalar;

impl Search for Scalar {
    const WIDTH: u32 = 1;

    fn search(
        &self,
        tail: &Tail,
        heads: &[Head],
        top: u32,
        first: u32,
        batches: u32,
        hits: &mut Vec<Candidate>,
    ) {
        for batch in 0..batches {
            let nonce = first.wrapping_add(batch);
            let word = nonce.swap_bytes();
            let mut sums = [0; SCHEDULED];
            schedule(tail, word, &mut sums);
            for (lane, head) in heads.iter().enumerate() {
                if last_word(head, tail, word, &sums).swap_bytes() <= top {
                    hits.push(Candidate { nonce, lane });
                }
            }
        }
    }
}

impl Lanes for u32 {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        word
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self ^ b ^ c
    }

    #[inline(always)]
    fn choose(self, b: Self, c: Self) -> Self {
        c ^ (self & (b ^ c))
    }

    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        b ^ ((self ^ b) & (b ^ c))
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32>(self) -> Self {
        u32::rotate_right(self, BITS.unsigned_abs())
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        self >> BITS
    }
}
