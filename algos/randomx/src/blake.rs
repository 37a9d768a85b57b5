//! What the crate makes of Blake2b (specs 3.5), and the commitment to a hash (`doc/design_v2.md`).

use blake2b_simd::{Params, blake2b};

/// Bytes of a seed that count; the rest of the state is zeros.
const SEED_BYTES: usize = 60;

/// Random numbers out of Blake2b (specs 3.5), as superscalar programs are made from.
#[derive(Debug, Clone)]
pub struct Blake2Generator {
    state: [u8; 64],
    used: usize,
}

impl Blake2Generator {
    /// From a key. What of it is behind the first 60 bytes is ignored, as the reference implementation does.
    pub fn new(key: &[u8]) -> Self {
        let mut state = [0; 64];
        let length = key.len().min(SEED_BYTES);
        state[..length].copy_from_slice(&key[..length]);
        // The first number asked for finds nothing left, so it hashes the seed.
        Self { state, used: 64 }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    /// The next four bytes as a number.
    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// Bytes that are too few for what is asked for are thrown away.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > self.state.len() {
            self.state = *blake2b(&self.state).as_array();
            self.used = 0;
        }
        let bytes = std::array::from_fn(|at| self.state[self.used + at]);
        self.used += N;
        bytes
    }
}

/// What version 2 compares with the target: Blake2b of 32 bytes over a hash and what it is the hash of.
pub fn commitment(input: &[u8], hash: &[u8; 32]) -> [u8; 32] {
    let digest = Params::new().hash_length(32).to_state().update(input).update(hash).finalize();
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_not_straddle_two_states() {
        let mut bytes = Blake2Generator::new(b"key");
        let all: Vec<u8> = (0..128).map(|_| bytes.byte()).collect();
        let mut seed = [0; 64];
        seed[..3].copy_from_slice(b"key");
        assert_eq!(all[..64], *blake2b(&seed).as_bytes());
        assert_eq!(all[64..], *blake2b(&all[..64]).as_bytes());

        let mut mixed = Blake2Generator::new(b"key");
        assert_eq!(mixed.byte(), all[0]);
        for at in 0..15 {
            let word = u32::from_le_bytes(all[1 + 4 * at..5 + 4 * at].try_into().unwrap());
            assert_eq!(mixed.word(), word);
        }
        // Three bytes are left, which are too few.
        assert_eq!(mixed.word(), u32::from_le_bytes(all[64..68].try_into().unwrap()));
    }

    #[test]
    fn only_the_first_sixty_bytes_of_a_key_count() {
        let (long, other) = ([7; 61], [7; 80]);
        let first = |key: &[u8]| Blake2Generator::new(key).word();
        assert_eq!(first(&long), first(&other));
        assert_ne!(first(&long), first(&long[..59]));
    }
}
