//! Sixteen nonces in the lanes of AVX-512 registers.
//!
//! Rounds and words of the schedule are written as instructions, because their order counts. Two units compute on
//! 512 bits on most processors, and only one of them shifts: three rotations in a row keep that one busy while the
//! other adds. From intrinsics the compiler makes another order, with one unit idle a tenth of the time.
//!
//! Zen 5 has four such units and needs two clocks for each instruction, so there the chain from one round's `e` to the
//! next is what takes the time: Σ1(e) is added last, to a sum that has `d` in it already. That is shorter by one
//! addition and costs another one beside it ([`Words`] with `SHORT`).
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::*;
use std::hint::black_box;

use super::lanes::Lanes;
use super::prehash::{Head, Tail};
use super::rounds::{SCHEDULED, last_word, schedule};
use super::search::{Candidate, Search};

pub(super) struct Avx512 {
    /// Whether the form with the shorter chain is the faster one.
    short: bool,
}

impl Avx512 {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
    }
}

impl Default for Avx512 {
    fn default() -> Self {
        Self { short: has_four_units() }
    }
}

impl Search for Avx512 {
    const WIDTH: u32 = 16;

    fn search(
        &self,
        tail: &Tail,
        heads: &[Head],
        top: u32,
        first: u32,
        batches: u32,
        hits: &mut Vec<Candidate>,
    ) {
        assert!(Self::is_available(), "asked for AVX-512 where there is none");
        let form = if self.short { search::<true> } else { search::<false> };
        // SAFETY: the instructions are there.
        unsafe { form(tail, heads, top, first, batches, hits) }
    }
}

/// Whether this is a Zen 5 or a later one: family 1Ah of AMD.
fn has_four_units() -> bool {
    let (vendor, version) = (__cpuid(0), __cpuid(1).eax);
    let family = (version >> 8 & 0xF) + (version >> 20 & 0xFF);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
        && family >= 0x1A
}

#[target_feature(enable = "avx512f,avx512bw")]
fn search<const SHORT: bool>(
    tail: &Tail,
    heads: &[Head],
    top: u32,
    first: u32,
    batches: u32,
    hits: &mut Vec<Candidate>,
) {
    let top = _mm512_set1_epi32(top.cast_signed());
    let mut nonces = _mm512_add_epi32(
        _mm512_set1_epi32(first.cast_signed()),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    );
    let mut sums = [Words::<SHORT>(_mm512_setzero_si512()); SCHEDULED];
    for batch in 0..batches {
        let word = Words(swap_bytes(nonces));
        schedule(tail, word, &mut sums);
        // The compiler would keep the sums as spilled registers, which it does not align.
        let sums = black_box(&sums);
        for (lane, head) in heads.iter().enumerate() {
            let last = swap_bytes(last_word(head, tail, word, sums).0);
            let mut found = _mm512_cmple_epu32_mask(last, top);
            while found != 0 {
                let nonce = first.wrapping_add(batch * Avx512::WIDTH + found.trailing_zeros());
                hits.push(Candidate { nonce, lane });
                found &= found - 1;
            }
        }
        nonces = _mm512_add_epi32(nonces, _mm512_set1_epi32(16));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_bytes(words: __m512i) -> __m512i {
    let order = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(order))
}

/// Sixteen words. Made nowhere but in [`search`], where the instructions are known to be there.
#[derive(Clone, Copy)]
struct Words<const SHORT: bool>(__m512i);

impl<const SHORT: bool> Lanes for Words<SHORT> {
    #[inline(always)]
    fn splat(word: u32) -> Self {
        // SAFETY: see `Words`; so for every operation below.
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { add_here(self.0, other.0) })
    }

    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0x96>(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn choose(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0xCA>(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn majority(self, b: Self, c: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ternarylogic_epi32::<0xE8>(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn rotate_right<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_ror_epi32::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_srl_epi32(self.0, _mm_cvtsi32_si128(BITS)) })
    }

    #[inline(always)]
    fn plus(self, word: u32) -> Self {
        // SAFETY: as above.
        Self(unsafe { _mm512_add_epi32(self.0, _mm512_set1_epi32(word.cast_signed())) })
    }

    #[inline(always)]
    fn round(state: [Self; 8]) -> [Self; 8] {
        // SAFETY: as above.
        unsafe { if SHORT { short_round(state) } else { round(state) } }
    }

    #[inline(always)]
    fn word(before2: Self, before7: Self, before15: Self, before16: Self) -> Self {
        // SAFETY: as above.
        unsafe { word(before2, before7, before15, before16) }
    }
}

/// [`Lanes::word`].
#[inline]
#[target_feature(enable = "avx512f")]
fn word<const SHORT: bool>(
    before2: Words<SHORT>,
    before7: Words<SHORT>,
    before15: Words<SHORT>,
    Words(mut before16): Words<SHORT>,
) -> Words<SHORT> {
    // SAFETY: the instructions only compute.
    unsafe {
        asm!(
            "vprord {t0}, {b15}, 7",
            "vprord {t1}, {b15}, 18",
            "vpsrld {t2}, {b15}, 3",
            "vpaddd {b16}, {b16}, {b7}",
            "vpternlogd {t0}, {t1}, {t2}, 0x96",
            "vprord {t1}, {b2}, 17",
            "vprord {t2}, {b2}, 19",
            "vpsrld {t3}, {b2}, 10",
            "vpaddd {b16}, {b16}, {t0}",
            "vpternlogd {t1}, {t2}, {t3}, 0x96",
            "vpaddd {b16}, {b16}, {t1}",
            b2 = in(zmm_reg) before2.0,
            b7 = in(zmm_reg) before7.0,
            b15 = in(zmm_reg) before15.0,
            b16 = inout(zmm_reg) before16,
            t0 = out(zmm_reg) _,
            t1 = out(zmm_reg) _,
            t2 = out(zmm_reg) _,
            t3 = out(zmm_reg) _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    Words(before16)
}

/// [`Lanes::round`].
#[inline]
#[target_feature(enable = "avx512f")]
fn round<const SHORT: bool>(state: [Words<SHORT>; 8]) -> [Words<SHORT>; 8] {
    let [a, b, c, Words(mut d), e, f, g, Words(mut sum)] = state;
    // SAFETY: the instructions only compute.
    unsafe {
        asm!(
            "vprord {t0}, {e}, 6",
            "vprord {t1}, {e}, 11",
            "vprord {t2}, {e}, 25",
            "vmovdqa64 {t3}, {e}",
            "vpternlogd {t3}, {f}, {g}, 0xCA",
            "vpternlogd {t0}, {t1}, {t2}, 0x96",
            "vpaddd {sum}, {sum}, {t3}",
            "vpaddd {sum}, {sum}, {t0}",
            "vpaddd {d}, {d}, {sum}",
            "vprord {t4}, {a}, 2",
            "vprord {t1}, {a}, 13",
            "vprord {t2}, {a}, 22",
            "vmovdqa64 {t3}, {a}",
            "vpternlogd {t3}, {b}, {c}, 0xE8",
            "vpternlogd {t4}, {t1}, {t2}, 0x96",
            "vpaddd {sum}, {sum}, {t3}",
            "vpaddd {sum}, {sum}, {t4}",
            a = in(zmm_reg) a.0,
            b = in(zmm_reg) b.0,
            c = in(zmm_reg) c.0,
            d = inout(zmm_reg) d,
            e = in(zmm_reg) e.0,
            f = in(zmm_reg) f.0,
            g = in(zmm_reg) g.0,
            sum = inout(zmm_reg) sum,
            t0 = out(zmm_reg) _,
            t1 = out(zmm_reg) _,
            t2 = out(zmm_reg) _,
            t3 = out(zmm_reg) _,
            t4 = out(zmm_reg) _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [Words(sum), a, b, c, Words(d), e, f, g]
}

/// [`Lanes::round`] with the shorter chain.
#[inline]
#[target_feature(enable = "avx512f")]
fn short_round<const SHORT: bool>(state: [Words<SHORT>; 8]) -> [Words<SHORT>; 8] {
    let [a, b, c, Words(mut d), e, f, g, Words(mut sum)] = state;
    // SAFETY: the instructions only compute.
    unsafe {
        asm!(
            "vprord {t0}, {e}, 6",
            "vprord {t1}, {e}, 11",
            "vprord {t2}, {e}, 25",
            "vmovdqa64 {t3}, {e}",
            "vpternlogd {t3}, {f}, {g}, 0xCA",
            "vpternlogd {t0}, {t1}, {t2}, 0x96",
            "vpaddd {sum}, {sum}, {t3}",
            "vpaddd {d}, {d}, {sum}",
            "vpaddd {d}, {d}, {t0}",
            "vpaddd {sum}, {sum}, {t0}",
            "vprord {t4}, {a}, 2",
            "vprord {t1}, {a}, 13",
            "vprord {t2}, {a}, 22",
            "vmovdqa64 {t3}, {a}",
            "vpternlogd {t3}, {b}, {c}, 0xE8",
            "vpternlogd {t4}, {t1}, {t2}, 0x96",
            "vpaddd {sum}, {sum}, {t3}",
            "vpaddd {sum}, {sum}, {t4}",
            a = in(zmm_reg) a.0,
            b = in(zmm_reg) b.0,
            c = in(zmm_reg) c.0,
            d = inout(zmm_reg) d,
            e = in(zmm_reg) e.0,
            f = in(zmm_reg) f.0,
            g = in(zmm_reg) g.0,
            sum = inout(zmm_reg) sum,
            t0 = out(zmm_reg) _,
            t1 = out(zmm_reg) _,
            t2 = out(zmm_reg) _,
            t3 = out(zmm_reg) _,
            t4 = out(zmm_reg) _,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [Words(sum), a, b, c, Words(d), e, f, g]
}

/// A sum that is computed where it stands; the compiler is free to reorder additions of [`_mm512_add_epi32`].
#[inline]
#[target_feature(enable = "avx512f")]
fn add_here(a: __m512i, b: __m512i) -> __m512i {
    let sum;
    // SAFETY: the instruction only computes.
    unsafe {
        asm!("vpaddd {}, {}, {}", lateout(zmm_reg) sum, in(zmm_reg) a, in(zmm_reg) b,
             options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sha256d::scalar::Scalar;

    /// A machine runs one of the forms, so the tests of whole kernels see only that one.
    #[test]
    fn both_forms_find_what_the_scalar_one_finds() {
        if !Avx512::is_available() {
            return;
        }
        let tail = Tail::new([1, 2, 3]);
        let heads = [Head::new(&[4; 64], [1, 2, 3]), Head::new(&[5; 64], [1, 2, 3])];
        let sorted = |mut hits: Vec<Candidate>| {
            hits.sort_by_key(|hit| (hit.nonce, hit.lane));
            hits
        };
        let mut expected = Vec::new();
        Scalar.search(&tail, &heads, u32::MAX >> 4, u32::MAX - 1000, 256 * 16, &mut expected);
        assert!(expected.len() > 100);
        for form in [search::<false>, search::<true>] {
            let mut hits = Vec::new();
            // SAFETY: the instructions are there.
            unsafe { form(&tail, &heads, u32::MAX >> 4, u32::MAX - 1000, 256, &mut hits) };
            assert_eq!(sorted(hits), sorted(expected.clone()));
        }
    }
}
