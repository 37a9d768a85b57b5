//! A proof of work that costs nothing, shared by the pools and the devices of the simulation.

use rminer_stratum::rng::Rng;

/// Where the nonce lies in every blob here, as in Monero's.
pub(crate) const NONCE: std::ops::Range<usize> = 39..43;

fn mix(state: u64) -> u64 {
    Rng::new(state).next_u64()
}

/// What the hash depends on beside the nonce: the blob without it, and the seed.
pub(crate) fn key(blob: &[u8], seed: &[u8; 32]) -> u64 {
    let parts = [&blob[..NONCE.start], &blob[NONCE.end..], seed];
    parts.iter().flat_map(|part| part.chunks(8)).fold(0, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state ^ u64::from_le_bytes(word))
    })
}

/// The number that a target is held against: the top eight bytes of the hash.
pub(crate) fn top(key: u64, nonce: u32) -> u64 {
    mix(key ^ (u64::from(nonce) << 20))
}

/// The whole hash.
pub(crate) fn hash(key: u64, nonce: u32) -> [u8; 32] {
    let top = top(key, nonce);
    let words = [mix(top ^ 1), mix(top ^ 2), mix(top ^ 3), top];
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
