//! Four nonces in the lanes of AVX2 registers.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::matrix::{Matrix, grouped_column};
use super::rounds::{first, second};
use super::search::{Prepared, Search};

/// Groups of four columns.
const GROUPS: usize = 16;
/// Groups of eight rows.
const SETS: usize = 8;

/// The matrix as it is multiplied: registers of 8 rows and 4 columns, so that the four bytes beside each other belong
/// to one sum.
///
/// Row `8 * l + s` is in lane `l` of set `s`: the eight lanes of the same number give four neighbouring bytes of the
/// product. For the columns see [`grouped_column`].
#[repr(align(32))]
pub(super) struct Avx2 {
    matrix: [[[[[u8; 4]; 8]; SETS / 2]; GROUPS]; 2],
}

impl Avx2 {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx2")
    }
}

impl Default for Avx2 {
    fn default() -> Self {
        Self { matrix: [[[[[0; 4]; 8]; SETS / 2]; GROUPS]; 2] }
    }
}

impl Search for Avx2 {
    const WIDTH: u64 = 4;

    fn load(&mut self, matrix: &Matrix) {
        for (half, groups) in self.matrix.iter_mut().enumerate() {
            for (group, sets) in groups.iter_mut().enumerate() {
                for (set, lanes) in sets.iter_mut().enumerate() {
                    for (numbers, rows) in lanes.iter_mut().zip(matrix.rows().chunks_exact(SETS)) {
                        for (byte, number) in numbers.iter_mut().enumerate() {
                            *number = rows[SETS / 2 * half + set][grouped_column(group, byte)];
                        }
                    }
                }
            }
        }
    }

    fn search(&self, job: &Prepared, first: u64, batches: u64, hits: &mut Vec<u64>) {
        assert!(Self::is_available(), "asked for AVX2 where there is none");
        // SAFETY: the instructions are there.
        unsafe { search(self, job, first, batches, hits) }
    }
}

#[target_feature(enable = "avx2")]
fn search(kernel: &Avx2, job: &Prepared, first_nonce: u64, batches: u64, hits: &mut Vec<u64>) {
    // Lanes compare as signed ones only: without their top bit's meaning both orders are the same.
    let flip = _mm256_set1_epi64x(i64::MIN);
    let top = _mm256_xor_si256(_mm256_set1_epi64x(job.top.cast_signed()), flip);
    let mut nonces =
        _mm256_add_epi64(_mm256_set1_epi64x(first_nonce.cast_signed()), _mm256_setr_epi64x(0, 1, 2, 3));
    for batch in 0..batches {
        let hash = first(&job.start, Words(nonces));
        let last = second(&job.start, mix(kernel, hash)).0;
        let above = _mm256_cmpgt_epi64(_mm256_xor_si256(last, flip), top);
        let mut found = !_mm256_movemask_pd(_mm256_castsi256_pd(above)).cast_unsigned() & 0xf;
        while found != 0 {
            let lane = u64::from(found.trailing_zeros());
            hits.push(first_nonce.wrapping_add(batch * Avx2::WIDTH + lane));
            found &= found - 1;
        }
        nonces = _mm256_add_epi64(nonces, _mm256_set1_epi64x(4));
    }
}

/// The half bytes of four hashes, high and low ones of each lane in registers of their own.
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles(hash: [Words; 4]) -> [[[i32; 2]; 4]; 8] {
    let half = _mm256_set1_epi8(0x0f);
    let mut registers = [[[0; 2]; 4]; 8];
    for (pair, lane) in registers.chunks_exact_mut(2).zip(hash) {
        let lane = lane.0;
        let halves = [_mm256_and_si256(_mm256_srli_epi64::<4>(lane), half), _mm256_and_si256(lane, half)];
        for (register, halves) in pair.iter_mut().zip(halves) {
            // SAFETY: both are 32 bytes, and the place need not be aligned.
            unsafe { _mm256_storeu_si256(register.as_mut_ptr().cast(), halves) };
        }
    }
    registers
}

/// The four hashes with their products laid over them.
#[inline]
#[target_feature(enable = "avx2")]
fn mix(kernel: &Avx2, hash: [Words; 4]) -> [Words; 4] {
    let nibbles = nibbles(hash);
    let [a, b] = products(kernel, &nibbles, 0);
    let [c, d] = products(kernel, &nibbles, 2);
    // Nonces 0 to 3 as columns, four words each, become four registers of four.
    let (low, high) = (_mm256_unpacklo_epi64(a, b), _mm256_unpacklo_epi64(c, d));
    let (word0, word2) =
        (_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high));
    let (low, high) = (_mm256_unpackhi_epi64(a, b), _mm256_unpackhi_epi64(c, d));
    let (word1, word3) =
        (_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high));
    [
        hash[0].xor(Words(word0)),
        hash[1].xor(Words(word1)),
        hash[2].xor(Words(word2)),
        hash[3].xor(Words(word3)),
    ]
}

/// The products of this nonce and the next, 32 bytes each.
#[inline]
#[target_feature(enable = "avx2")]
fn products(kernel: &Avx2, nibbles: &[[[i32; 2]; 4]; 8], nonce: usize) -> [__m256i; 2] {
    let mut halves = [[_mm256_setzero_si256(); 2]; 2];
    for (half, groups) in kernel.matrix.iter().enumerate() {
        let mut sums = [[_mm256_setzero_si256(); SETS / 2]; 2];
        for (group, sets) in groups.iter().enumerate() {
            let four = |n: usize| _mm256_set1_epi32(nibbles[group / 2][nonce + n][group % 2]);
            let fours = [four(0), four(1)];
            for (set, numbers) in sets.iter().enumerate() {
                // SAFETY: 32 bytes are read from a place that has them.
                let numbers = unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) };
                for (sums, four) in sums.iter_mut().zip(fours) {
                    sums[set] = _mm256_add_epi16(sums[set], _mm256_maddubs_epi16(numbers, four));
                }
            }
        }
        for (halves, sums) in halves.iter_mut().zip(sums) {
            halves[half] = bits(sums);
        }
    }
    let [first, second] = halves;
    [join(first), join(second)]
}

/// Bits 10 to 13 of four sums as bits 10 to 25: the half bytes of two bytes, of each the high one first.
#[inline]
#[target_feature(enable = "avx2")]
fn bits([high0, low0, high1, low1]: [__m256i; SETS / 2]) -> __m256i {
    // The two halves of each sum are added, and moved up.
    let place = |sum, up: i16| {
        let moved = _mm256_madd_epi16(sum, _mm256_set1_epi16(1 << up));
        _mm256_and_si256(moved, _mm256_set1_epi32(0xf << (10 + up)))
    };
    _mm256_or_si256(
        _mm256_or_si256(place(low0, 0), place(high0, 4)),
        _mm256_or_si256(place(low1, 8), place(high1, 12)),
    )
}

/// Two bytes and two more.
#[inline]
#[target_feature(enable = "avx2")]
fn join([low, high]: [__m256i; 2]) -> __m256i {
    _mm256_or_si256(_mm256_srli_epi32::<10>(low), _mm256_slli_epi32::<6>(high))
}

/// A lane of four states. Made nowhere but in [`search`], where the instructions are known to be there.
#[derive(Clone, Copy)]
struct Words(__m256i);

impl Lanes for Words {
    type Change = Self;

    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: see `Words`; so for every operation below.
        Self(unsafe { _mm256_set1_epi64x(word.cast_signed()) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        self.xor(Self(unsafe { _mm256_andnot_si256(b.0, c.0) }))
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        unsafe { rotate_left::<BITS>(self) }
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

/// [`Lanes::rotate_left`].
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_left<const BITS: i32>(Words(lane): Words) -> Words {
    // Whole bytes are moved by one instruction.
    if BITS == 8 {
        let order = _mm_setr_epi8(7, 0, 1, 2, 3, 4, 5, 6, 15, 8, 9, 10, 11, 12, 13, 14);
        return Words(_mm256_shuffle_epi8(lane, _mm256_broadcastsi128_si256(order)));
    }
    if BITS == 56 {
        let order = _mm_setr_epi8(1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8);
        return Words(_mm256_shuffle_epi8(lane, _mm256_broadcastsi128_si256(order)));
    }
    let up = _mm256_sll_epi64(lane, _mm_cvtsi32_si128(BITS));
    let down = _mm256_srl_epi64(lane, _mm_cvtsi32_si128(64 - BITS));
    Words(_mm256_or_si256(up, down))
}
