//! Eight nonces in the lanes of AVX2 registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::prehash::{Head, Tail};
use super::rounds::{SCHEDULED, last_word, schedule};
use super::search::{Candidate, Search};

#[derive(Default)]
pub(super) struct Avx2;

impl Avx2 {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx2")
    }
}

impl Search for Avx2 {
    const WIDTH: u32 = 8;

    fn search(
        &self,
        tail: &Tail,
        heads: &[Head],
        top: u32,
        first: u32,
        batches: u32,
        hits: &mut Vec<Candidate>,
    ) {
        assert!(Self::is_available(), "asked for AVX2 where there is none");
        // SAFETY: the instructions are there.
        unsafe { search(tail, heads, top, first, batches, hits) }
    }
}

#[target_feature(enable = "avx2")]
fn search(tail: &Tail, heads: &[Head], top: u32, first: u32, batches: u32, hits: &mut Vec<Candidate>) {
    let top = _mm256_set1_epi32(top.cast_signed());
    let mut nonces =
        _mm256_add_epi32(_mm256_set1_epi32(first.cast_signed()), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    let mut sums = [Words(_mm256_setzero_si256()); SCHEDULED];
    for batch in 0..batches {
        let word = Words(swap_bytes(nonces));
        schedule(tail, word, &mut sums);
        for (lane, head) in heads.iter().enumerate() {
            let last = swap_bytes(last_word(head, tail, word, &sums).0);
            // Words compare as signed ones only; what does not exceed `top` is its own minimum with it.
            let below = _mm256_cmpeq_epi32(_mm256_min_epu32(last, top), last);
            let mut found = _mm256_movemask_ps(_mm256_castsi256_ps(below)).cast_unsigned();
            while found != 0 {
                let nonce = first.wrapping_add(batch * Avx2::WIDTH + found.trailing_zeros());
                hits.push(Candidate { nonce, lane });
                found &= found - 1;
            }
        }
        nonces = _mm256_add_epi32(nonces, _mm256_set1_epi32(8));
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn swap_bytes(words: __m256i) -> __m256i {
    let order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(order))
}

/// Eight words. Made nowhere but in [`search`], where the instructions are known to be there.
#[derive(Clone, Copy)]
struct Words(__m256i);

impl Words {
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see `Words`; so for every operation below.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_and_si256(self.0, other.0) })
    }
}

impl Lanes for Words {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_add_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self.xor(b).xor(c)
    }

    #[inline(always)]
    fn choose(self, b: Self, c: Self) -> Self {
        c.xor(self.and(b.xor(c)))
    }

    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        // `b ^ c` was `self ^ b` one round ago.
        b.xor(self.xor(b).and(b.xor(c)))
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        let low = unsafe { _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(BITS)) };
        // SAFETY: as above.
        let high = unsafe { _mm256_sll_epi32(self.0, _mm_cvtsi32_si128(32 - BITS)) };
        Self(low).xor(Self(high))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(BITS)) })
    }
}
