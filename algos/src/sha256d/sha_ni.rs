//! The SHA instructions of x86: several nonces at a time, since each instruction waits for the one before.
//!
//! The instructions keep the state in two registers, `(f, e, b, a)` and `(h, g, d, c)` from the lowest word up, and
//! make two rounds at once.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::prehash::{DIGEST_BITS, END, HEADER_BITS, Head, Tail, sigma0};
use super::reference::{INITIAL, ROUND};
use super::search::{Candidate, Search};

#[derive(Default)]
pub(super) struct ShaNi;

/// Nonces that are hashed side by side.
const STREAMS: usize = 2;
/// Groups of four words in the schedule from word 16 on.
const GROUPS: usize = 12;

/// One register of each stream.
type Streams = [__m128i; STREAMS];

impl ShaNi {
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx")
    }
}

impl Search for ShaNi {
    const WIDTH: u32 = 2;

    fn search(
        &self,
        tail: &Tail,
        heads: &[Head],
        top: u32,
        first: u32,
        batches: u32,
        hits: &mut Vec<Candidate>,
    ) {
        assert!(Self::is_available(), "asked for the SHA instructions where there are none");
        // SAFETY: the instructions are there.
        unsafe { search(tail, heads, top, first, batches, hits) }
    }
}

#[target_feature(enable = "sha,avx")]
fn search(tail: &Tail, heads: &[Head], top: u32, first: u32, batches: u32, hits: &mut Vec<Candidate>) {
    let Some((first_head, others)) = heads.split_first() else { return };
    let mut sums = [[_mm_setzero_si128(); STREAMS]; GROUPS];
    for batch in 0..batches {
        let mut nonces = [first.wrapping_add(batch * ShaNi::WIDTH); STREAMS];
        for (nonce, ahead) in nonces.iter_mut().zip(0..) {
            *nonce = nonce.wrapping_add(ahead);
        }
        let words = nonces.map(u32::swap_bytes);
        let mut keep = |lane, last: [u32; STREAMS]| {
            for (nonce, last) in nonces.into_iter().zip(last) {
                if last.swap_bytes() <= top {
                    hits.push(Candidate { nonce, lane });
                }
            }
        };
        keep(0, second(first_of_versions(first_head, tail, words, &mut sums)));
        for (lane, head) in others.iter().enumerate() {
            keep(lane + 1, second(other_version(head, words, &sums)));
        }
    }
}

/// The header's hash, as eight words in two registers for each stream. The schedule from word 16 on, with the rounds'
/// constants, is left in `sums` for the other versions.
#[inline]
#[target_feature(enable = "sha,avx")]
fn first_of_versions(
    head: &Head,
    tail: &Tail,
    nonces: [u32; STREAMS],
    sums: &mut [Streams; GROUPS],
) -> [Streams; 2] {
    let [word16, word17] = tail.words;
    let [word18, word19] = tail.nonce_free;
    let mut state = State::before_words(head, nonces);
    let mut w = [[_mm_setzero_si128(); STREAMS]; GROUPS];
    // Words 4 to 15 are the padding, all zero but the first and the last: most terms vanish.
    w[0] = nonces.map(|n| vector([word16, word17, word18.wrapping_add(sigma0(n)), word19.wrapping_add(n)]));
    let mut take = |state: &mut State, group: usize, w: Streams| {
        sums[group] = w.map(|w| _mm_add_epi32(w, constants(4 + group)));
        state.rounds(sums[group]);
    };
    take(&mut state, 0, w[0]);
    w[1] = w[0].map(|w0| _mm_sha256msg2_epu32(vector([END, 0, HEADER_BITS, word16]), w0));
    take(&mut state, 1, w[1]);
    // Words 17 to 20, then 21 to 24 are what the others add.
    w[2] = each(|s| _mm_sha256msg2_epu32(_mm_alignr_epi8::<4>(w[1][s], w[0][s]), w[1][s]));
    take(&mut state, 2, w[2]);
    let padding = vector([0, 0, sigma0(HEADER_BITS), sigma0(word16).wrapping_add(HEADER_BITS)]);
    w[3] = each(|s| {
        _mm_sha256msg2_epu32(_mm_add_epi32(_mm_alignr_epi8::<4>(w[2][s], w[1][s]), padding), w[2][s])
    });
    take(&mut state, 3, w[3]);
    for group in 4..GROUPS {
        w[group] = next_words(w[group - 4], w[group - 3], w[group - 2], w[group - 1]);
        take(&mut state, group, w[group]);
    }
    state.digest(head)
}

/// The header's hash as [`first_of_versions`] makes it, for another version of the same header.
#[inline]
#[target_feature(enable = "sha,avx")]
fn other_version(head: &Head, nonces: [u32; STREAMS], sums: &[Streams; GROUPS]) -> [Streams; 2] {
    let mut state = State::before_words(head, nonces);
    for sums in sums {
        state.rounds(*sums);
    }
    state.digest(head)
}

/// The state in the order of the instructions.
struct State {
    abef: Streams,
    cdgh: Streams,
}

impl State {
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn new([a, b, c, d, e, f, g, h]: [u32; 8]) -> Self {
        Self { abef: [vector([f, e, b, a]); STREAMS], cdgh: [vector([h, g, d, c]); STREAMS] }
    }

    /// The state of the second block before round 16.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn before_words(head: &Head, nonces: [u32; STREAMS]) -> Self {
        let mut state = Self::new(head.state);
        for (abef, n) in state.abef.iter_mut().zip(nonces) {
            *abef = _mm_add_epi32(*abef, vector([0, n, 0, n]));
        }
        state.rounds([_mm_add_epi32(constants(1), vector([END, 0, 0, 0])); STREAMS]);
        state.rounds([constants(2); STREAMS]);
        state.rounds([_mm_add_epi32(constants(3), vector([0, 0, 0, HEADER_BITS])); STREAMS]);
        state
    }

    /// Four rounds.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn rounds(&mut self, sums: Streams) {
        self.cdgh = each(|s| _mm_sha256rnds2_epu32(self.cdgh[s], self.abef[s], sums[s]));
        let upper = sums.map(|sums| _mm_shuffle_epi32::<0b11_10>(sums));
        self.abef = each(|s| _mm_sha256rnds2_epu32(self.abef[s], self.cdgh[s], upper[s]));
    }

    /// Words 0 to 3 and 4 to 7 of the header's hash.
    #[inline]
    #[target_feature(enable = "sha,avx")]
    fn digest(&self, head: &Head) -> [Streams; 2] {
        let start = Self::new(head.midstate);
        let abef: [_; STREAMS] = each(|s| _mm_castsi128_ps(_mm_add_epi32(self.abef[s], start.abef[s])));
        let cdgh: [_; STREAMS] = each(|s| _mm_castsi128_ps(_mm_add_epi32(self.cdgh[s], start.cdgh[s])));
        [
            each(|s| _mm_castps_si128(_mm_shuffle_ps::<0b10_11_10_11>(abef[s], cdgh[s]))),
            each(|s| _mm_castps_si128(_mm_shuffle_ps::<0b00_01_00_01>(abef[s], cdgh[s]))),
        ]
    }
}

/// The last word of the hash of a digest.
#[inline]
#[target_feature(enable = "sha,avx")]
fn second([word0, word4]: [Streams; 2]) -> [u32; STREAMS] {
    let mut state = State::new(INITIAL);
    let mut w = [[_mm_setzero_si128(); STREAMS]; 16];
    w[0] = word0;
    w[1] = word4;
    w[2] = [vector([END, 0, 0, 0]); STREAMS];
    w[3] = [vector([0, 0, 0, DIGEST_BITS]); STREAMS];
    for group in 0..15 {
        if group >= 4 {
            w[group] = next_words(w[group - 4], w[group - 3], w[group - 2], w[group - 1]);
        }
        state.rounds(w[group].map(|w| _mm_add_epi32(w, constants(group))));
    }
    let w = next_words(w[11], w[12], w[13], w[14]);
    // Rounds 60 and 61; what is `f` then is `h` after round 63.
    each(|s| {
        let abef = _mm_sha256rnds2_epu32(state.cdgh[s], state.abef[s], _mm_add_epi32(w[s], constants(15)));
        _mm_cvtsi128_si32(abef).cast_unsigned().wrapping_add(INITIAL[7])
    })
}

/// The next four words of a schedule after these sixteen.
#[inline]
#[target_feature(enable = "sha,avx")]
fn next_words(w0: Streams, w1: Streams, w2: Streams, w3: Streams) -> Streams {
    each(|s| {
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0[s], w1[s]), _mm_alignr_epi8::<4>(w3[s], w2[s]));
        _mm_sha256msg2_epu32(sum, w3[s])
    })
}

#[inline(always)]
fn each<T>(value: impl Fn(usize) -> T) -> [T; STREAMS] {
    std::array::from_fn(value)
}

/// Constants of the four rounds of a group.
#[inline]
#[target_feature(enable = "sha,avx")]
fn constants(group: usize) -> __m128i {
    vector([ROUND[4 * group], ROUND[4 * group + 1], ROUND[4 * group + 2], ROUND[4 * group + 3]])
}

#[inline]
#[target_feature(enable = "sha,avx")]
fn vector(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(u32::cast_signed);
    _mm_setr_epi32(a, b, c, d)
}
