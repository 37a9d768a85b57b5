//! Blocks with AVX2.
//!
//! A register holds four words of a row of 16; two rows, or two columns (two words wide each), are computed at a
//! time. In the columns a register holds two words of either.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BLOCK_BYTES, Block, Step};

/// Two matrices of four by four words, in registers that only the mixing in columns treats alike: `[a, b, c, d]`,
/// two registers each.
type Pair = [[__m256i; 2]; 4];

/// Computes a block, and tells the number of the block that it points to.
pub(super) fn compress(step: Step<'_>) -> usize {
    // SAFETY: this kernel is chosen only where the processor has AVX2.
    unsafe { compress_inner(step) }
}

#[target_feature(enable = "avx2")]
fn compress_inner(step: Step<'_>) -> usize {
    let mut mixed = [_mm256_setzero_si256(); 32];
    let mut before = mixed;
    for (at, (word, before)) in mixed.iter_mut().zip(&mut before).enumerate() {
        let [previous, reference] =
            [step.previous, step.reference].map(|block| load(&step.blocks[block], at));
        *word = _mm256_xor_si256(previous, reference);
        *before =
            if step.adds { _mm256_xor_si256(*word, load(&step.blocks[step.current], at)) } else { *word };
    }
    for row in (0..8).step_by(2) {
        let mut pair: Pair = std::array::from_fn(|at| [mixed[4 * row + at], mixed[4 * row + 4 + at]]);
        permute_rows(&mut pair);
        for (at, [first, second]) in pair.into_iter().enumerate() {
            mixed[4 * row + at] = first;
            mixed[4 * row + 4 + at] = second;
        }
    }
    let mut next = 0;
    for column in 0..4 {
        let mut pair: Pair = std::array::from_fn(|at| [mixed[8 * at + column], mixed[8 * at + 4 + column]]);
        permute_columns(&mut pair);
        for (place, value) in (column..32).step_by(4).zip(pair.into_iter().flatten()) {
            let value = _mm256_xor_si256(value, before[place]);
            store(&mut step.blocks[step.current], place, value);
            if place == 0 {
                // The first words are known, and with them the block that comes next.
                let word = _mm_cvtsi128_si64(_mm256_castsi256_si128(value)).cast_unsigned();
                next = step.points_to(word);
                prefetch(&step.blocks[next]);
            }
        }
    }
    next
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &Block, at: usize) -> __m256i {
    let (vectors, _) = block.as_chunks::<32>();
    // SAFETY: 32 bytes that the reference is good for; an unaligned load.
    unsafe { _mm256_loadu_si256(vectors[at].as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(block: &mut Block, at: usize, words: __m256i) {
    let (vectors, _) = block.as_chunks_mut::<32>();
    // SAFETY: 32 bytes that the reference is good for; an unaligned store.
    unsafe { _mm256_storeu_si256(vectors[at].as_mut_ptr().cast(), words) };
}

#[inline]
#[target_feature(enable = "avx2")]
fn prefetch(block: &Block) {
    for line in (0..BLOCK_BYTES).step_by(64) {
        _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(line).cast());
    }
}

/// Each register holds four words of one matrix.
#[inline]
#[target_feature(enable = "avx2")]
fn permute_rows(pair: &mut Pair) {
    mix(pair);
    let [_, b, c, d] = pair;
    for at in 0..2 {
        b[at] = _mm256_permute4x64_epi64::<0b00_11_10_01>(b[at]);
        c[at] = _mm256_permute4x64_epi64::<0b01_00_11_10>(c[at]);
        d[at] = _mm256_permute4x64_epi64::<0b10_01_00_11>(d[at]);
    }
    mix(pair);
    let [_, b, c, d] = pair;
    for at in 0..2 {
        b[at] = _mm256_permute4x64_epi64::<0b10_01_00_11>(b[at]);
        c[at] = _mm256_permute4x64_epi64::<0b01_00_11_10>(c[at]);
        d[at] = _mm256_permute4x64_epi64::<0b00_11_10_01>(d[at]);
    }
}

/// Each register holds two words of one matrix, and beside them two of the other.
#[inline]
#[target_feature(enable = "avx2")]
fn permute_columns(pair: &mut Pair) {
    mix(pair);
    let [a, b, c, d] = *pair;
    let forth =
        |[low, high]: [__m256i; 2]| [_mm256_alignr_epi8::<8>(high, low), _mm256_alignr_epi8::<8>(low, high)];
    let back =
        |[low, high]: [__m256i; 2]| [_mm256_alignr_epi8::<8>(low, high), _mm256_alignr_epi8::<8>(high, low)];
    *pair = [a, forth(b), [c[1], c[0]], back(d)];
    mix(pair);
    let [a, b, c, d] = *pair;
    *pair = [a, back(b), [c[1], c[0]], forth(d)];
}

/// The mixing of columns of four words, in all places of the registers.
#[inline]
#[target_feature(enable = "avx2")]
fn mix(pair: &mut Pair) {
    let [a, b, c, d] = pair;
    for at in 0..2 {
        a[at] = add(a[at], b[at]);
        d[at] = _mm256_shuffle_epi32::<0b10_11_00_01>(_mm256_xor_si256(d[at], a[at]));
    }
    for at in 0..2 {
        c[at] = add(c[at], d[at]);
        b[at] = rotate_bytes::<3>(_mm256_xor_si256(b[at], c[at]));
    }
    for at in 0..2 {
        a[at] = add(a[at], b[at]);
        d[at] = rotate_bytes::<2>(_mm256_xor_si256(d[at], a[at]));
    }
    for at in 0..2 {
        c[at] = add(c[at], d[at]);
        let word = _mm256_xor_si256(b[at], c[at]);
        b[at] = _mm256_xor_si256(_mm256_add_epi64(word, word), _mm256_srli_epi64::<63>(word));
    }
}

/// Rotates words to the right by whole bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_bytes<const BYTES: i8>(words: __m256i) -> __m256i {
    let from = |at: i8| at / 8 * 8 + (at + BYTES) % 8;
    let places = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        from(0),
        from(1),
        from(2),
        from(3),
        from(4),
        from(5),
        from(6),
        from(7),
        from(8),
        from(9),
        from(10),
        from(11),
        from(12),
        from(13),
        from(14),
        from(15),
    ));
    _mm256_shuffle_epi8(words, places)
}

/// The sum of both, and twice the product of their low halves.
#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(x, y);
    _mm256_add_epi64(_mm256_add_epi64(x, y), _mm256_add_epi64(product, product))
}
