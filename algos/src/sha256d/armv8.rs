//! The SHA-2 instructions of ARMv8: two nonces at a time, since each instruction waits for the one before.
//!
//! The instructions keep the state in two registers, `(a, b, c, d)` and `(e, f, g, h)` from the lowest word up, and
//! make four rounds at once.
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::prehash::{DIGEST_BITS, END, HEADER_BITS, Head, Tail, sigma0};
use super::reference::{INITIAL, ROUND};
use super::search::{Candidate, Search};

#[derive(Default)]
pub(super) struct Armv8;

/// Nonces that are hashed side by side.
const STREAMS: usize = 2;
/// Groups of four words in the schedule from word 16 on.
const GROUPS: usize = 12;

/// One register of each stream.
type Streams = [uint32x4_t; STREAMS];

impl Armv8 {
    pub(super) fn is_available() -> bool {
        is_aarch64_feature_detected!("sha2")
    }
}

impl Search for Armv8 {
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
        assert!(Self::is_available(), "asked for the SHA-2 instructions where there are none");
        // SAFETY: the instructions are there.
        unsafe { search(tail, heads, top, first, batches, hits) }
    }
}

#[target_feature(enable = "sha2")]
fn search(tail: &Tail, heads: &[Head], top: u32, first: u32, batches: u32, hits: &mut Vec<Candidate>) {
    let Some((first_head, others)) = heads.split_first() else { return };
    let mut sums = [[vdupq_n_u32(0); STREAMS]; GROUPS];
    for batch in 0..batches {
        let mut nonces = [first.wrapping_add(batch * Armv8::WIDTH); STREAMS];
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
#[target_feature(enable = "sha2")]
fn first_of_versions(
    head: &Head,
    tail: &Tail,
    nonces: [u32; STREAMS],
    sums: &mut [Streams; GROUPS],
) -> [Streams; 2] {
    let [word16, word17] = tail.words;
    let [word18, word19] = tail.nonce_free;
    let mut state = State::before_words(head, nonces);
    let mut w = [[vdupq_n_u32(0); STREAMS]; GROUPS];
    // Words 4 to 15 are the padding, all zero but the first and the last: most terms vanish.
    w[0] = nonces.map(|n| vector([word16, word17, word18.wrapping_add(sigma0(n)), word19.wrapping_add(n)]));
    let ending = vector([0, 0, 0, HEADER_BITS]);
    w[1] = each(|s| vsha256su1q_u32(vector([END, 0, 0, 0]), ending, w[0][s]));
    w[2] = each(|s| vsha256su1q_u32(vdupq_n_u32(0), w[0][s], w[1][s]));
    let padding = vector([0, 0, sigma0(HEADER_BITS), sigma0(word16).wrapping_add(HEADER_BITS)]);
    w[3] = each(|s| vsha256su1q_u32(padding, w[1][s], w[2][s]));
    for group in 0..GROUPS {
        if group >= 4 {
            w[group] = next_words(w[group - 4], w[group - 3], w[group - 2], w[group - 1]);
        }
        sums[group] = w[group].map(|w| vaddq_u32(w, constants(4 + group)));
        state.rounds(sums[group]);
    }
    state.digest(head)
}

/// The header's hash as [`first_of_versions`] makes it, for another version of the same header.
#[inline]
#[target_feature(enable = "sha2")]
fn other_version(head: &Head, nonces: [u32; STREAMS], sums: &[Streams; GROUPS]) -> [Streams; 2] {
    let mut state = State::before_words(head, nonces);
    for sums in sums {
        state.rounds(*sums);
    }
    state.digest(head)
}

/// The state in the order of the instructions.
struct State {
    abcd: Streams,
    efgh: Streams,
}

impl State {
    #[inline]
    #[target_feature(enable = "sha2")]
    fn new([a, b, c, d, e, f, g, h]: [u32; 8]) -> Self {
        Self { abcd: [vector([a, b, c, d]); STREAMS], efgh: [vector([e, f, g, h]); STREAMS] }
    }

    /// The state of the second block before round 16.
    #[inline]
    #[target_feature(enable = "sha2")]
    fn before_words(head: &Head, nonces: [u32; STREAMS]) -> Self {
        let mut state = Self::new(head.state);
        let nonces = nonces.map(|n| vector([n, 0, 0, 0]));
        state.abcd = each(|s| vaddq_u32(state.abcd[s], nonces[s]));
        state.efgh = each(|s| vaddq_u32(state.efgh[s], nonces[s]));
        state.rounds([vaddq_u32(constants(1), vector([END, 0, 0, 0])); STREAMS]);
        state.rounds([constants(2); STREAMS]);
        state.rounds([vaddq_u32(constants(3), vector([0, 0, 0, HEADER_BITS])); STREAMS]);
        state
    }

    /// Four rounds.
    #[inline]
    #[target_feature(enable = "sha2")]
    fn rounds(&mut self, sums: Streams) {
        let abcd = self.abcd;
        self.abcd = each(|s| vsha256hq_u32(abcd[s], self.efgh[s], sums[s]));
        self.efgh = each(|s| vsha256h2q_u32(self.efgh[s], abcd[s], sums[s]));
    }

    /// Words 0 to 3 and 4 to 7 of the header's hash.
    #[inline]
    #[target_feature(enable = "sha2")]
    fn digest(&self, head: &Head) -> [Streams; 2] {
        let start = Self::new(head.midstate);
        [each(|s| vaddq_u32(self.abcd[s], start.abcd[s])), each(|s| vaddq_u32(self.efgh[s], start.efgh[s]))]
    }
}

/// The last word of the hash of a digest.
#[inline]
#[target_feature(enable = "sha2")]
fn second([word0, word4]: [Streams; 2]) -> [u32; STREAMS] {
    let mut state = State::new(INITIAL);
    let mut w = [[vdupq_n_u32(0); STREAMS]; 16];
    w[0] = word0;
    w[1] = word4;
    w[2] = [vector([END, 0, 0, 0]); STREAMS];
    w[3] = [vector([0, 0, 0, DIGEST_BITS]); STREAMS];
    for group in 0..16 {
        if group >= 4 {
            w[group] = next_words(w[group - 4], w[group - 3], w[group - 2], w[group - 1]);
        }
        state.rounds(w[group].map(|w| vaddq_u32(w, constants(group))));
    }
    state.efgh.map(|efgh| vgetq_lane_u32::<3>(efgh).wrapping_add(INITIAL[7]))
}

/// The next four words of a schedule after these sixteen.
#[inline]
#[target_feature(enable = "sha2")]
fn next_words(w0: Streams, w1: Streams, w2: Streams, w3: Streams) -> Streams {
    each(|s| vsha256su1q_u32(vsha256su0q_u32(w0[s], w1[s]), w2[s], w3[s]))
}

#[inline(always)]
fn each<T>(value: impl Fn(usize) -> T) -> [T; STREAMS] {
    std::array::from_fn(value)
}

/// Constants of the four rounds of a group.
#[inline]
#[target_feature(enable = "sha2")]
fn constants(group: usize) -> uint32x4_t {
    vector([ROUND[4 * group], ROUND[4 * group + 1], ROUND[4 * group + 2], ROUND[4 * group + 3]])
}

#[inline]
#[target_feature(enable = "sha2")]
fn vector(words: [u32; 4]) -> uint32x4_t {
    // SAFETY: reads the four words that are passed.
    unsafe { vld1q_u32(words.as_ptr()) }
}
