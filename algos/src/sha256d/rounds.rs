//! Both hashes of a header written out round by round, for any number of lanes.
//!
//! Everything here is inlined into one long function without a loop, so that all state stays in registers and
//! the constants fold. The order of additions is meant: what is ready early is added early, and Σ1(e), which the
//! longest chain of the algorithm runs through, comes last.

use super::lanes::{Lanes, big_sigma1, sigma0, sigma1};
use super::prehash::{self, DIGEST_BITS, END, HEADER_BITS, Head, SECOND, Tail};
use super::reference::{INITIAL, ROUND};

/// The block once for each number, as straight-line code.
macro_rules! each {
    ($t:ident in [$($number:literal)*] $body:block) => { $({ const $t: usize = $number; $body })* };
}

/// Words of the schedule that the nonce enters: 18 to 63.
pub(super) const SCHEDULED: usize = 46;

/// Words 18 to 63 of the second block's schedule, each with its round's constant. They depend on no version.
#[inline(always)]
pub(super) fn schedule<L: Lanes>(tail: &Tail, nonce: L, sums: &mut [L; SCHEDULED]) {
    let [word16, word17] = tail.words;
    let zero = L::splat(0);
    let mut w = [zero; 64];
    // Words 4 to 15 are the padding, all zero but the first and the last: most terms vanish.
    w[18] = sigma0(nonce).plus(tail.nonce_free[0]);
    w[19] = nonce.plus(tail.nonce_free[1]);
    w[20] = sigma1(w[18]).plus(END);
    w[21] = sigma1(w[19]);
    w[22] = sigma1(w[20]).plus(HEADER_BITS);
    w[23] = sigma1(w[21]).plus(word16);
    w[24] = sigma1(w[22]).plus(word17);
    w[25] = sigma1(w[23]).add(w[18]);
    w[26] = sigma1(w[24]).add(w[19]);
    w[27] = sigma1(w[25]).add(w[20]);
    w[28] = sigma1(w[26]).add(w[21]);
    w[29] = sigma1(w[27]).add(w[22]);
    w[30] = w[23].plus(prehash::sigma0(HEADER_BITS)).add(sigma1(w[28]));
    w[31] = w[24].plus(HEADER_BITS.wrapping_add(prehash::sigma0(word16))).add(sigma1(w[29]));
    w[32] = w[25].plus(word16.wrapping_add(prehash::sigma0(word17))).add(sigma1(w[30]));
    w[33] = sigma0(w[18]).plus(word17).add(w[26]).add(sigma1(w[31]));
    each!(T in [34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63] {
        w[T] = L::word(w[T - 2], w[T - 7], w[T - 15], w[T - 16]);
    });
    each!(T in [18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49
                50 51 52 53 54 55 56 57 58 59 60 61 62 63] {
        sums[T - 18] = w[T].plus(ROUND[T]);
    });
}

/// The last word of the header's hash, before its bytes are swapped: the top of the number that a target bounds.
#[inline(always)]
pub(super) fn last_word<L: Lanes>(head: &Head, tail: &Tail, nonce: L, sums: &[L; SCHEDULED]) -> L {
    let mut s = first_rounds(head, nonce);
    each!(T in [8 9 10 11 12 13 14] {
        s = const_round(s, ROUND[T]);
    });
    s = const_round(s, ROUND[15].wrapping_add(HEADER_BITS));
    s = const_round(s, ROUND[16].wrapping_add(tail.words[0]));
    s = const_round(s, ROUND[17].wrapping_add(tail.words[1]));
    each!(T in [18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49
                50 51 52 53 54 55 56 57 58 59 60 61 62 63] {
        s = round(s, sums[T - 18]);
    });
    let mut digest = s;
    each!(I in [0 1 2 3 4 5 6 7] {
        digest[I] = s[I].plus(head.midstate[I]);
    });
    second(digest)
}

/// Rounds 3 to 7 of the second block: the nonce has not reached every part of the state yet.
#[inline(always)]
fn first_rounds<L: Lanes>(head: &Head, nonce: L) -> [L; 8] {
    let [a, b, c, d, e, f, g, h] = head.state;
    let s = [nonce.plus(a), L::splat(b), L::splat(c), L::splat(d)];
    let s = [s[0], s[1], s[2], s[3], nonce.plus(e), L::splat(f), L::splat(g), L::splat(h)];
    let s = early_round(s, h.wrapping_add(ROUND[4]).wrapping_add(END));
    let s = early_round(s, g.wrapping_add(ROUND[5]));
    let s = early_round(s, f.wrapping_add(ROUND[6]));
    const_round(s, ROUND[7])
}

/// SHA-256 of a digest, as far as its last word needs: 61 rounds.
#[inline(always)]
fn second<L: Lanes>(digest: [L; 8]) -> L {
    let zero = L::splat(0);
    let mut w = [zero; 61];
    w[..8].copy_from_slice(&digest);
    let mut s = INITIAL.map(L::splat);
    s = [w[0].plus(SECOND[0]), s[0], s[1], s[2], w[0].plus(SECOND[4]), s[4], s[5], s[6]];
    each!(T in [1 2 3] {
        s = sum_round(s, w[T].plus(INITIAL[7 - T].wrapping_add(ROUND[T])));
    });
    each!(T in [4 5 6 7] {
        s = round(s, w[T].plus(ROUND[T]));
    });
    s = const_round(s, ROUND[8].wrapping_add(END));
    each!(T in [9 10 11 12 13 14] {
        s = const_round(s, ROUND[T]);
    });
    s = const_round(s, ROUND[15].wrapping_add(DIGEST_BITS));
    // Words 8 to 15 are the padding.
    w[16] = sigma0(w[1]).add(w[0]);
    w[17] = sigma0(w[2]).plus(prehash::sigma1(DIGEST_BITS)).add(w[1]);
    w[18] = sigma0(w[3]).add(w[2]).add(sigma1(w[16]));
    w[19] = sigma0(w[4]).add(w[3]).add(sigma1(w[17]));
    w[20] = sigma0(w[5]).add(w[4]).add(sigma1(w[18]));
    w[21] = sigma0(w[6]).add(w[5]).add(sigma1(w[19]));
    w[22] = sigma0(w[7]).plus(DIGEST_BITS).add(w[6]).add(sigma1(w[20]));
    w[23] = w[7].plus(prehash::sigma0(END)).add(w[16]).add(sigma1(w[21]));
    w[24] = w[17].plus(END).add(sigma1(w[22]));
    w[25] = w[18].add(sigma1(w[23]));
    w[26] = w[19].add(sigma1(w[24]));
    w[27] = w[20].add(sigma1(w[25]));
    w[28] = w[21].add(sigma1(w[26]));
    w[29] = w[22].add(sigma1(w[27]));
    w[30] = w[23].plus(prehash::sigma0(DIGEST_BITS)).add(sigma1(w[28]));
    w[31] = sigma0(w[16]).plus(DIGEST_BITS).add(w[24]).add(sigma1(w[29]));
    each!(T in [16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31] {
        s = round(s, w[T].plus(ROUND[T]));
    });
    each!(T in [32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56] {
        w[T] = L::word(w[T - 2], w[T - 7], w[T - 15], w[T - 16]);
        s = round(s, w[T].plus(ROUND[T]));
    });
    each!(T in [57 58 59 60] {
        w[T] = L::word(w[T - 2], w[T - 7], w[T - 15], w[T - 16]);
        s = end_round(s, w[T].plus(ROUND[T]));
    });
    // What is `e` after round 60 is `h` after round 63.
    s[4].plus(INITIAL[7])
}

/// A round; `word` is the schedule's word with the round's constant.
#[inline(always)]
fn round<L: Lanes>(s: [L; 8], word: L) -> [L; 8] {
    sum_round(s, s[7].add(word))
}

/// A round whose word is the same for all nonces.
#[inline(always)]
fn const_round<L: Lanes>(s: [L; 8], word: u32) -> [L; 8] {
    sum_round(s, s[7].plus(word))
}

/// One of the last rounds, whose `a` nobody asks for any more.
#[inline(always)]
fn end_round<L: Lanes>(s: [L; 8], word: L) -> [L; 8] {
    let [a, b, c, d, e, f, g, h] = s;
    let first = h.add(word).add(e.choose(f, g)).add(big_sigma1(e));
    [a, a, b, c, d.add(first), e, f, g]
}

/// A round while `h` is still the same for all nonces; `sum` is `h` with the schedule's word and the constant.
#[inline(always)]
fn early_round<L: Lanes>(s: [L; 8], sum: u32) -> [L; 8] {
    sum_round(s, L::splat(sum))
}

/// A round whose `h` is in the sum already.
#[inline(always)]
fn sum_round<L: Lanes>(s: [L; 8], sum: L) -> [L; 8] {
    let [a, b, c, d, e, f, g, _] = s;
    L::round([a, b, c, d, e, f, g, sum])
}
