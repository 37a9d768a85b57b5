//! Eight nonces in the lanes of AVX-512 registers, the matrix by the dot products of VNNI.
//!
//! A round is 90 instructions for eight states, and the matrix 64 dot products for each nonce. That is 300 clocks for a
//! nonce where two units compute on 512 bits, as on Intel's processors; 306 are reached.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::matrix::{Matrix, grouped_column};
use super::rounds::{first, second};
use super::search::{Prepared, Search};

/// Registers of eight states that go through each step one after the other. What a step waits for was begun before the
/// step of the other one, so that the units are not idle at its end.
const STREAMS: usize = 2;
/// Groups of four columns.
const GROUPS: usize = 16;
/// Groups of sixteen rows.
const SETS: usize = 4;

/// The matrix as it is multiplied: registers of 16 rows and 4 columns, so that the four bytes beside each other belong
/// to one sum, and no sum is spread over a register.
///
/// Row `4 * l + s` is in lane `l` of set `s`: the four lanes of the same number give two neighbouring bytes of the
/// product. Rows of high halves are there sixteen times as large. For the columns see [`grouped_column`].
#[repr(align(64))]
pub(super) struct Avx512 {
    matrix: [[[[u8; 4]; 16]; SETS]; GROUPS],
}

impl Avx512 {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
    }
}

impl Default for Avx512 {
    fn default() -> Self {
        Self { matrix: [[[[0; 4]; 16]; SETS]; GROUPS] }
    }
}

impl Search for Avx512 {
    const WIDTH: u64 = 8 * STREAMS as u64;

    fn load(&mut self, matrix: &Matrix) {
        for (group, sets) in self.matrix.iter_mut().enumerate() {
            for (set, lanes) in sets.iter_mut().enumerate() {
                let scale = if set % 2 == 0 { 16 } else { 1 };
                for (numbers, rows) in lanes.iter_mut().zip(matrix.rows().chunks_exact(SETS)) {
                    for (byte, number) in numbers.iter_mut().enumerate() {
                        *number = scale * rows[set][grouped_column(group, byte)];
                    }
                }
            }
        }
    }

    fn search(&self, job: &Prepared, first: u64, batches: u64, hits: &mut Vec<u64>) {
        assert!(Self::is_available(), "asked for AVX-512 where there is none");
        // SAFETY: the instructions are there.
        unsafe { search(self, job, first, batches, hits) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn search(kernel: &Avx512, job: &Prepared, first_nonce: u64, batches: u64, hits: &mut Vec<u64>) {
    let top = _mm512_set1_epi64(job.top.cast_signed());
    let eight = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    let mut hashes = [[Words(eight); 4]; STREAMS];
    for batch in 0..batches {
        let first_nonce = first_nonce.wrapping_add(batch * Avx512::WIDTH);
        for (stream, hash) in hashes.iter_mut().enumerate() {
            let start = first_nonce.wrapping_add(8 * stream as u64);
            *hash = first(&job.start, Words(_mm512_add_epi64(_mm512_set1_epi64(start.cast_signed()), eight)));
        }
        for hash in &mut hashes {
            *hash = mix(kernel, *hash);
        }
        for (stream, hash) in hashes.iter().enumerate() {
            let mut found = _mm512_cmple_epu64_mask(second(&job.start, *hash).0, top);
            while found != 0 {
                let lane = 8 * stream as u64 + u64::from(found.trailing_zeros());
                hits.push(first_nonce.wrapping_add(lane));
                found &= found - 1;
            }
        }
    }
}

/// The half bytes of eight hashes, high and low ones of each lane in registers of their own.
#[inline]
#[target_feature(enable = "avx512f")]
fn nibbles(hash: [Words; 4]) -> [[[i32; 2]; 8]; 8] {
    let half = _mm512_set1_epi8(0x0f);
    let mut registers = [[[0; 2]; 8]; 8];
    for (pair, lane) in registers.chunks_exact_mut(2).zip(hash) {
        let lane = lane.0;
        let halves = [_mm512_and_si512(_mm512_srli_epi64::<4>(lane), half), _mm512_and_si512(lane, half)];
        for (register, halves) in pair.iter_mut().zip(halves) {
            // SAFETY: both are 64 bytes, and the place need not be aligned.
            unsafe { _mm512_storeu_si512(register.as_mut_ptr().cast(), halves) };
        }
    }
    registers
}

/// The eight hashes with their products laid over them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn mix(kernel: &Avx512, hash: [Words; 4]) -> [Words; 4] {
    let nibbles = nibbles(hash);
    let [a, b, c, d] = products(kernel, &nibbles, 0);
    let [e, f, g, h] = products(kernel, &nibbles, 4);
    // Nonces 0 to 7 as columns, four words each, become four registers of eight.
    let pair = |low, high| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
    let (ae, bf, cg, dh) = (pair(a, e), pair(b, f), pair(c, g), pair(d, h));
    let (even, odd) =
        (_mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15));
    let (low, high) = (_mm512_unpacklo_epi64(ae, bf), _mm512_unpacklo_epi64(cg, dh));
    let (word0, word2) =
        (_mm512_permutex2var_epi64(low, even, high), _mm512_permutex2var_epi64(low, odd, high));
    let (low, high) = (_mm512_unpackhi_epi64(ae, bf), _mm512_unpackhi_epi64(cg, dh));
    let (word1, word3) =
        (_mm512_permutex2var_epi64(low, even, high), _mm512_permutex2var_epi64(low, odd, high));
    [
        hash[0].xor(Words(word0)),
        hash[1].xor(Words(word1)),
        hash[2].xor(Words(word2)),
        hash[3].xor(Words(word3)),
    ]
}

/// The products of four nonces, from this one on, 32 bytes each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn products(kernel: &Avx512, nibbles: &[[[i32; 2]; 8]; 8], nonce: usize) -> [__m256i; 4] {
    let mut sums = [[_mm512_setzero_si512(); SETS]; 4];
    for (group, sets) in kernel.matrix.iter().enumerate() {
        let four = |n: usize| _mm512_set1_epi32(nibbles[group / 2][nonce + n][group % 2]);
        let fours = [four(0), four(1), four(2), four(3)];
        for (set, numbers) in sets.iter().enumerate() {
            // SAFETY: 64 bytes are read from a place that has them.
            let numbers = unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) };
            for (sums, four) in sums.iter_mut().zip(fours) {
                sums[set] = _mm512_dpbusd_epi32(sums[set], numbers, four);
            }
        }
    }
    let [a, b, c, d] = sums;
    [bytes(a), bytes(b), bytes(c), bytes(d)]
}

/// Bits 10 to 13 of each sum, put together: those of high halves were moved up by four.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes([high0, low0, high1, low1]: [__m512i; SETS]) -> __m256i {
    /// Bits of the second where the first is set, of the third elsewhere.
    const CHOOSE: i32 = 0xCA;
    let upper = _mm512_set1_epi32(0xf << 14);
    let even = _mm512_srli_epi32::<10>(_mm512_ternarylogic_epi32::<CHOOSE>(upper, high0, low0));
    let odd = _mm512_srli_epi32::<2>(_mm512_ternarylogic_epi32::<CHOOSE>(upper, high1, low1));
    let words = _mm512_ternarylogic_epi32::<CHOOSE>(_mm512_set1_epi32(0xff), even, odd);
    _mm512_cvtepi32_epi16(words)
}

/// A lane of eight states. Made nowhere but in [`search`], where the instructions are known to be there.
#[derive(Clone, Copy)]
struct Words(__m512i);

impl Lanes for Words {
    type Change = (Self, Self);

    #[inline(always)]
    fn splat(word: u64) -> Self {
        // SAFETY: see `Words`; so for every operation below.
        Self(unsafe { _mm512_set1_epi64(word.cast_signed()) })
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn chi(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi64::<0xD2>(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn rotate_left<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_rol_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi64::<0x96>(self.0, b.0, c.0) })
    }

    // One instruction for each lane as with a sum that is made before, which would be one more.
    #[inline(always)]
    fn change(left: Self, right: Self) -> Self::Change {
        (left, right)
    }

    #[inline(always)]
    fn theta(self, (left, right): Self::Change) -> Self {
        self.xor3(left, right)
    }
}
