//! Keccak-f\[1600\] (FIPS 202, section 3) and the two customised sponges (cSHAKE256, NIST SP 800-185) around it.

/// Round constants (FIPS 202, 3.2.5).
#[rustfmt::skip]
pub const ROUND: [u64; 24] = [
    0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000,
    0x0000_0000_0000_808b, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
    0x0000_0000_0000_008a, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000a,
    0x0000_0000_8000_808b, 0x8000_0000_0000_008b, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
    0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800a, 0x8000_0000_8000_000a,
    0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
];

/// Rotation of each lane to the left, lane (x, y) at `x + 5 * y` (FIPS 202, table 2).
pub const ROTATION: [u32; 25] =
    [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14];

/// Bytes of the state that a block of input goes into.
const RATE_BYTES: usize = 136;

/// The permutation: 24 rounds over 25 lanes, lane (x, y) at `x + 5 * y`.
pub fn keccak_f1600(state: &mut [u64; 25]) {
    for constant in ROUND {
        round(state, constant);
    }
}

fn round(state: &mut [u64; 25], constant: u64) {
    // Theta.
    let column = |x: usize| (0..5).fold(0, |sum, y| sum ^ state[x + 5 * y]);
    let columns = [column(0), column(1), column(2), column(3), column(4)];
    for x in 0..5 {
        for y in 0..5 {
            state[x + 5 * y] ^= columns[(x + 4) % 5] ^ columns[(x + 1) % 5].rotate_left(1);
        }
    }
    // Rho and pi: the lane (x, y) moves to (y, 2x + 3y).
    let mut moved = [0; 25];
    for x in 0..5 {
        for y in 0..5 {
            let lane = x + 5 * y;
            moved[y + 5 * ((2 * x + 3 * y) % 5)] = state[lane].rotate_left(ROTATION[lane]);
        }
    }
    // Chi.
    for y in 0..5 {
        for x in 0..5 {
            let lane = |x: usize| moved[x % 5 + 5 * y];
            state[x + 5 * y] = lane(x) ^ (!lane(x + 1) & lane(x + 2));
        }
    }
    // Iota.
    state[0] ^= constant;
}

/// cSHAKE256 without a function name, for messages and digests of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sponge {
    /// State behind the customisation string, before the message.
    pub start: [u64; 25],
}

impl Sponge {
    /// The sponge that hashes a block of Kaspa.
    pub fn proof_of_work() -> Self {
        Self::new(b"ProofOfWorkHash")
    }

    /// The sponge behind the matrix.
    pub fn heavy() -> Self {
        Self::new(b"HeavyHash")
    }

    /// The customisation string fills the first block: `bytepad(encode_string("") || encode_string(S), 136)`.
    fn new(customisation: &[u8]) -> Self {
        let mut block = vec![1, 136, 1, 0, 1];
        block.extend(u8::try_from(8 * customisation.len()));
        block.extend_from_slice(customisation);
        let mut start = [0; 25];
        absorb(&mut start, &block);
        keccak_f1600(&mut start);
        Self { start }
    }

    /// State of 25 lanes before the last permutation: a message of whole lanes, fewer than 17, and the padding.
    pub fn load(&self, message: &[u8]) -> [u64; 25] {
        let mut state = self.start;
        absorb(&mut state, message);
        // The suffix of cSHAKE and the first bit of the padding, and its last bit.
        state[message.len() / 8] ^= 0x04;
        state[RATE_BYTES / 8 - 1] ^= 0x80 << 56;
        state
    }

    /// The first 32 bytes of the output.
    pub fn hash(&self, message: &[u8]) -> [u8; 32] {
        let mut state = self.load(message);
        keccak_f1600(&mut state);
        digest(&state)
    }
}

/// The first four lanes as bytes.
pub(super) fn digest(state: &[u64; 25]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}

fn absorb(state: &mut [u64; 25], block: &[u8]) {
    for (index, byte) in block.iter().take(RATE_BYTES).enumerate() {
        state[index / 8] ^= u64::from(*byte) << (8 * (index % 8));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha3::digest::{ExtendableOutput, Update, XofReader};
    use sha3::{CShake256, CShake256Core};

    use super::*;

    fn oracle(customisation: &[u8], message: &[u8]) -> [u8; 32] {
        let mut hasher = CShake256::from_core(CShake256Core::new(customisation));
        hasher.update(message);
        let mut digest = [0; 32];
        hasher.finalize_xof().read(&mut digest);
        digest
    }

    proptest! {
        /// Whole lanes, as many as the two sponges are given, against another implementation.
        #[test]
        fn sponges_equal_the_sha3_crate(message in proptest::collection::vec(any::<u8>(), 80)) {
            let whole = &message[..];
            prop_assert_eq!(Sponge::proof_of_work().hash(whole), oracle(b"ProofOfWorkHash", whole));
            prop_assert_eq!(Sponge::heavy().hash(&message[..32]), oracle(b"HeavyHash", &message[..32]));
        }
    }
}
