//! A hash that costs nothing, for simulators and fast tests.

use rminer_algos::{Hash, Reference, Unavailable, Work};

use crate::rng::mix;

/// A keyed toy hash in place of RandomX: well mixed, so that shares come at the rate that the difficulty says,
/// and worthless as a proof of work. A miner under test and the pool must both use it.
///
/// Like RandomX it depends on the blob, the nonce and the seed; unlike it, work without a seed is hashed too.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToyReference;

impl Reference for ToyReference {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        let seed = work.seed().map_or(&[][..], |seed| &seed[..]);
        Ok(toy_hash(seed, &work.blob_with(nonce)))
    }
}

/// The toy hash of `input` under `key`.
pub fn toy_hash(key: &[u8], input: &[u8]) -> Hash {
    let mut state = 0x7265_6D69_6E72_746F_u64;
    for part in [key, input] {
        state = mix(state ^ u64::try_from(part.len()).unwrap_or(u64::MAX));
        for chunk in part.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            state = mix(state.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ u64::from_le_bytes(word));
        }
    }
    let mut bytes = [0; 32];
    for (lane, chunk) in (1u64..).zip(bytes.chunks_exact_mut(8)) {
        chunk.copy_from_slice(&mix(state ^ lane.wrapping_mul(0xA076_1D64_78BD_642F)).to_le_bytes());
    }
    Hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_counts_and_shares_come_at_the_expected_rate() {
        assert_ne!(toy_hash(b"a", b"x"), toy_hash(b"b", b"x"));
        assert_ne!(toy_hash(b"", b"ax"), toy_hash(b"a", b"x"));
        assert_ne!(toy_hash(b"a", b"x\0"), toy_hash(b"a", b"x"));
        let hits = (0..100_000u32)
            .filter(|nonce| {
                let hash = toy_hash(b"key", &nonce.to_le_bytes());
                u64::from_le_bytes(hash.0[24..].try_into().unwrap()) < u64::MAX / 100
            })
            .count();
        // 1,000 expected with a standard deviation of 31; the input is fixed, so this cannot flicker.
        assert!((850..1150).contains(&hits), "{hits}");
    }
}
