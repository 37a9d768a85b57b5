//! What can be hashed before the nonce is known.
//!
//! The first 64 bytes of a header give the *midstate*. Of the second block only word 3, the nonce, is open: the
//! three rounds before it, the sums of round 3 and many words of the message schedule are the same for all nonces.
//! Rolling version bits changes the midstate and leaves the second block as it is, so what follows from the block
//! ([`Tail`]) is kept apart from what follows from the midstate ([`Head`]): one schedule serves several versions.

use super::reference::{INITIAL, ROUND, compress};

/// Word 4 of the second block, and word 8 of the block of the second hash: the bit that ends a message.
pub(super) const END: u32 = 0x8000_0000;
/// Bits of a header: word 15 of its second block.
pub(super) const HEADER_BITS: u32 = 640;
/// Bits of a digest: word 15 of the block of the second hash.
pub(super) const DIGEST_BITS: u32 = 256;

/// Schedule of the second block as far as the nonce does not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// Words 16 and 17.
    pub(super) words: [u32; 2],
    /// Words 18 and 19 without what the nonce adds.
    pub(super) nonce_free: [u32; 2],
}

impl Tail {
    /// From the three words before the nonce: end of the merkle root, time and bits.
    pub(super) fn new([w0, w1, w2]: [u32; 3]) -> Self {
        let word16 = sigma0(w1).wrapping_add(w0);
        let word17 = sigma1(HEADER_BITS).wrapping_add(sigma0(w2)).wrapping_add(w1);
        let word18 = sigma1(word16).wrapping_add(w2);
        let word19 = sigma1(word17).wrapping_add(sigma0(END));
        Self { words: [word16, word17], nonce_free: [word18, word19] }
    }
}

/// State of the first hash as far as the nonce does not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// State after the first block.
    pub(super) midstate: [u32; 8],
    /// State after round 3, `a` to `h`; the nonce's word is yet to be added to `a` and `e`.
    pub(super) state: [u32; 8],
}

impl Head {
    /// From the first 64 bytes and the three words before the nonce.
    pub(super) fn new(first: &[u8; 64], before_nonce: [u32; 3]) -> Self {
        let mut midstate = INITIAL;
        compress(&mut midstate, first);
        let mut state = midstate;
        for (t, word) in before_nonce.into_iter().chain([0]).enumerate() {
            state = round(state, ROUND[t].wrapping_add(word));
        }
        Self { midstate, state }
    }
}

/// The second hash after round 0, as [`Head::state`]: the first word of the digest is yet to be added.
pub(super) const SECOND: [u32; 8] = round(INITIAL, ROUND[0]);

/// One round; `word` is the schedule's word with the round's constant.
pub(super) const fn round(state: [u32; 8], word: u32) -> [u32; 8] {
    let [a, b, c, d, e, f, g, h] = state;
    let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choice = (e & f) ^ (!e & g);
    let first = h.wrapping_add(big1).wrapping_add(choice).wrapping_add(word);
    let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let majority = (a & b) ^ (a & c) ^ (b & c);
    [first.wrapping_add(big0).wrapping_add(majority), a, b, c, d.wrapping_add(first), e, f, g]
}

/// σ0 of FIPS 180-4.
pub(super) const fn sigma0(word: u32) -> u32 {
    word.rotate_right(7) ^ word.rotate_right(18) ^ word >> 3
}

/// σ1 of FIPS 180-4.
pub(super) const fn sigma1(word: u32) -> u32 {
    word.rotate_right(17) ^ word.rotate_right(19) ^ word >> 10
}
