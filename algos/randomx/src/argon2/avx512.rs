//! Blocks with AVX-512F.
//!
//! A register holds four words of each of two rows (of 16 words), so that a row's four by four words are four
//! registers beside those of the row below it. Columns are two words wide: the same registers, taken across the row
//! pairs, hold two columns each, with their words as `0 1 | 0 1 | 2 3 | 2 3`.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BLOCK_BYTES, Block, Step};

/// Four registers: the rows of two matrices of four by four words.
type Pair = [__m512i; 4];

/// Computes a block, and tells the number of the block that it points to.
pub(super) fn compress(step: Step<'_>) -> usize {
    // SAFETY: this kernel is chosen only where the processor has AVX-512F.
    unsafe { compress_inner(step) }
}

#[target_feature(enable = "avx512f")]
fn compress_inner(step: Step<'_>) -> usize {
    let mut before = load(&step.blocks[step.previous]);
    let reference = load(&step.blocks[step.reference]);
    for (word, other) in before.iter_mut().zip(reference) {
        *word = _mm512_xor_si512(*word, other);
    }
    // Rows two by two: their words 0..4, 4..8, 8..12, 12..16.
    let mut pairs: [Pair; 4] = [[_mm512_setzero_si512(); 4]; 4];
    for (pair, rows) in pairs.iter_mut().zip(before.as_chunks::<4>().0) {
        let [low, high, next_low, next_high] = *rows;
        *pair = [
            _mm512_shuffle_i64x2::<0x44>(low, next_low),
            _mm512_shuffle_i64x2::<0xee>(low, next_low),
            _mm512_shuffle_i64x2::<0x44>(high, next_high),
            _mm512_shuffle_i64x2::<0xee>(high, next_high),
        ];
    }
    for half in pairs.as_chunks_mut::<2>().0 {
        permute_rows(half);
    }
    // The columns, two by two: what is at one place of all pairs of rows.
    let mut columns: [Pair; 4] = std::array::from_fn(|at| std::array::from_fn(|pair| pairs[pair][at]));
    if step.adds {
        let old = load(&step.blocks[step.current]);
        for (word, other) in before.iter_mut().zip(old) {
            *word = _mm512_xor_si512(*word, other);
        }
    }
    let [first, second] = columns.as_chunks_mut::<2>().0 else { return 0 };
    permute_columns(first);
    // The first words are known by now, and with them the block that comes next.
    let word = _mm512_xor_si512(first[0][0], before[0]);
    let word = _mm_cvtsi128_si64(_mm512_castsi512_si128(word)).cast_unsigned();
    let next = step.points_to(word);
    prefetch(&step.blocks[next]);
    permute_columns(second);

    let mut rows = [_mm512_setzero_si512(); 16];
    for (pair, rows) in rows.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let [a, b, c, d] = columns.map(|column| column[pair]);
        *rows = [
            _mm512_shuffle_i64x2::<0x44>(a, b),
            _mm512_shuffle_i64x2::<0x44>(c, d),
            _mm512_shuffle_i64x2::<0xee>(a, b),
            _mm512_shuffle_i64x2::<0xee>(c, d),
        ];
    }
    for (word, other) in rows.iter_mut().zip(before) {
        *word = _mm512_xor_si512(*word, other);
    }
    store(&mut step.blocks[step.current], rows);
    next
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(block: &Block) -> [__m512i; 16] {
    // SAFETY: sixteen vectors are one block; unaligned loads.
    std::array::from_fn(|at| unsafe { _mm512_loadu_si512(block.as_ptr().add(64 * at).cast()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(block: &mut Block, words: [__m512i; 16]) {
    for (at, word) in words.into_iter().enumerate() {
        // SAFETY: sixteen vectors are one block; unaligned stores.
        unsafe { _mm512_storeu_si512(block.as_mut_ptr().add(64 * at).cast(), word) };
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch(block: &Block) {
    for line in (0..BLOCK_BYTES).step_by(64) {
        _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(line).cast());
    }
}

/// Both matrices of each pair beside each other, as in rows.
#[inline]
#[target_feature(enable = "avx512f")]
fn permute_rows(pairs: &mut [Pair; 2]) {
    mix(pairs);
    for [_, b, c, d] in pairs.iter_mut() {
        *b = _mm512_permutex_epi64::<0b00_11_10_01>(*b);
        *c = _mm512_permutex_epi64::<0b01_00_11_10>(*c);
        *d = _mm512_permutex_epi64::<0b10_01_00_11>(*d);
    }
    mix(pairs);
    for [_, b, c, d] in pairs.iter_mut() {
        *b = _mm512_permutex_epi64::<0b10_01_00_11>(*b);
        *c = _mm512_permutex_epi64::<0b01_00_11_10>(*c);
        *d = _mm512_permutex_epi64::<0b00_11_10_01>(*d);
    }
}

/// The same with the words of the two matrices as `0 1 | 0 1 | 2 3 | 2 3`.
#[inline]
#[target_feature(enable = "avx512f")]
fn permute_columns(pairs: &mut [Pair; 2]) {
    let by_one = _mm512_setr_epi64(1, 4, 3, 6, 5, 0, 7, 2);
    let by_three = _mm512_setr_epi64(5, 0, 7, 2, 1, 4, 3, 6);
    mix(pairs);
    for [_, b, c, d] in pairs.iter_mut() {
        *b = _mm512_permutexvar_epi64(by_one, *b);
        *c = _mm512_shuffle_i64x2::<0x4e>(*c, *c);
        *d = _mm512_permutexvar_epi64(by_three, *d);
    }
    mix(pairs);
    for [_, b, c, d] in pairs.iter_mut() {
        *b = _mm512_permutexvar_epi64(by_three, *b);
        *c = _mm512_shuffle_i64x2::<0x4e>(*c, *c);
        *d = _mm512_permutexvar_epi64(by_one, *d);
    }
}

/// The mixing of columns of four words, in all places of the registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn mix(pairs: &mut [Pair; 2]) {
    half_mix::<32, 24>(pairs);
    half_mix::<16, 63>(pairs);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn half_mix<const FIRST: i32, const SECOND: i32>(pairs: &mut [Pair; 2]) {
    for [a, b, _, d] in pairs.iter_mut() {
        *a = add(*a, *b);
        *d = _mm512_ror_epi64::<FIRST>(_mm512_xor_si512(*d, *a));
    }
    for [_, b, c, d] in pairs.iter_mut() {
        *c = add(*c, *d);
        *b = _mm512_ror_epi64::<SECOND>(_mm512_xor_si512(*b, *c));
    }
}

/// The sum of both, and twice the product of their low halves.
#[inline]
#[target_feature(enable = "avx512f")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    let product = _mm512_mul_epu32(x, y);
    _mm512_add_epi64(_mm512_add_epi64(x, y), _mm512_add_epi64(product, product))
}
