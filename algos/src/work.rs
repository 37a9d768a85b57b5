//! Work: a blob with the place of its nonce.

use std::fmt;

use thiserror::Error;

use crate::{Hash, encode_hex};

/// Blobs longer than this are refused: the longest known one (RandomX with many transactions' count) is far
/// shorter, and a size that a pool names must never become an unbounded allocation.
pub const MAX_BLOB_BYTES: usize = 512;

/// Why bytes do not make work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WorkError {
    /// The blob is longer than [`MAX_BLOB_BYTES`].
    #[error("blob of {0} bytes; at most {MAX_BLOB_BYTES} are taken")]
    TooLong(usize),
    /// The nonce does not lie inside the blob, is empty or wider than eight bytes.
    #[error("a nonce of {len} bytes at {offset} does not fit a blob of {blob} bytes")]
    NonceOutside {
        /// First byte of the nonce.
        offset: u16,
        /// Bytes of the nonce.
        len: u8,
        /// Bytes of the blob.
        blob: usize,
    },
    /// More free bits than the field has, none at all, or fixed bits where free ones are.
    #[error("{free_bits} free bits do not fit a nonce of {len} bytes with fixed part {fixed:#x}")]
    FreeBits {
        /// Low bits that the miner may choose.
        free_bits: u8,
        /// Bytes of the nonce.
        len: u8,
        /// Value of the fixed bits.
        fixed: u64,
    },
    /// Version rolling where it cannot be.
    #[error("the version bits {0:#010x} cannot be rolled in this blob")]
    VersionMask(u32),
}

/// Where the nonce lies in a blob and which part of it the miner may choose.
///
/// The nonce is little-endian. Its low `free_bits` bits are the miner's; the others are `fixed`
/// (NiceHash-style pools keep the top byte for themselves).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NonceField {
    /// First byte in the blob.
    pub offset: u16,
    /// Width in bytes, 1 to 8.
    pub len: u8,
    /// Bits that the pool has fixed, in place; zero in the free bits.
    pub fixed: u64,
    /// Low bits that the miner chooses, 1 to `8 * len`.
    pub free_bits: u8,
}

impl NonceField {
    /// The last counter value that the free bits can hold; the space has one more value than that.
    pub fn last_counter(&self) -> u64 {
        u64::MAX >> (64 - u32::from(self.free_bits))
    }

    /// The whole nonce for a counter in `0 ..= last_counter()`.
    pub fn nonce(&self, counter: u64) -> u64 {
        self.fixed | (counter & self.last_counter())
    }

    fn check(&self, blob: usize) -> Result<(), WorkError> {
        let Self { offset, len, fixed, free_bits } = *self;
        if len == 0 || len > 8 || usize::from(offset) + usize::from(len) > blob {
            return Err(WorkError::NonceOutside { offset, len, blob });
        }
        let wide = free_bits > 8 * len || free_bits == 0;
        if wide || fixed & self.last_counter() != 0 || (len < 8 && fixed >> (8 * len) != 0) {
            return Err(WorkError::FreeBits { free_bits, len, fixed });
        }
        Ok(())
    }
}

/// Most version bits that are rolled: BIP 323 leaves 24 to miners.
pub const MAX_VERSION_BITS: u32 = 24;
/// Versions that neighbouring counters cover, as a power of two: kernels that hash four headers with one message
/// schedule want the same nonce of four versions at once.
const MAX_LANE_BITS: u32 = 2;

/// Which version of its algorithm a piece of work asks for, where there are several over the same memory: RandomX has
/// two. A device may get one after the other at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Variant {
    /// The first, and all that most algorithms have: `rx/0`.
    #[default]
    V1,
    /// The second: `rx/2`. What meets the target is a commitment to the hash, not the hash itself.
    V2,
}

/// What a device hashes: a blob with a hole for the nonce, and for RandomX the seed of the dataset.
///
/// A Bitcoin header may leave some bits of its version to the miner as well ([`Work::with_version_mask`]). The
/// *whole nonce* of such work has the header's nonce in its low bits and above them the number of the version, as
/// [`Work::nonce`] puts them together. Counters run through versions and nonces in an order of their own:
///
/// ```text
/// counter = | high bits of the version's number | nonce | lane: its low bits, at most two |
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Work {
    blob: Box<[u8]>,
    nonce: NonceField,
    seed: Option<[u8; 32]>,
    version_mask: u32,
    variant: Variant,
}

impl Work {
    /// Checks the nonce field against the blob and clears the nonce bytes.
    ///
    /// # Errors
    /// Every variant of [`WorkError`].
    pub fn new(blob: &[u8], nonce: NonceField, seed: Option<[u8; 32]>) -> Result<Self, WorkError> {
        if blob.len() > MAX_BLOB_BYTES {
            return Err(WorkError::TooLong(blob.len()));
        }
        nonce.check(blob.len())?;
        let mut work = Self { blob: blob.into(), nonce, seed, version_mask: 0, variant: Variant::V1 };
        let start = usize::from(nonce.offset);
        work.blob[start..start + usize::from(nonce.len)].fill(0);
        Ok(work)
    }

    /// The same bytes to be hashed by this version of the algorithm.
    #[must_use]
    pub fn with_variant(self, variant: Variant) -> Self {
        Self { variant, ..self }
    }

    /// The same work with the version bits of `mask` left to the miner, as BIP 310 and BIP 320 have it. The
    /// version is the blob's first four bytes, little-endian; its bits inside the mask are cleared.
    ///
    /// # Errors
    /// [`WorkError::VersionMask`] when the nonce begins inside the version or is wider than four bytes, or when
    /// more than 24 bits are to be rolled.
    pub fn with_version_mask(mut self, mask: u32) -> Result<Self, WorkError> {
        if self.nonce.offset < 4 || self.nonce.len > 4 || mask.count_ones() > MAX_VERSION_BITS {
            return Err(WorkError::VersionMask(mask));
        }
        for (byte, mask) in self.blob.iter_mut().zip(mask.to_le_bytes()) {
            *byte &= !mask;
        }
        self.version_mask = mask;
        Ok(self)
    }

    /// The blob with zeros in place of the nonce.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Place and freedom of the nonce.
    pub fn nonce_field(&self) -> NonceField {
        self.nonce
    }

    /// Bits of the version that are rolled; 0 for none.
    pub fn version_mask(&self) -> u32 {
        self.version_mask
    }

    /// Low bits of a counter that choose among neighbouring versions: 0 to 2.
    pub fn lane_bits(&self) -> u32 {
        self.version_mask.count_ones().min(MAX_LANE_BITS)
    }

    /// The last counter; the space has one more value than that.
    pub fn last_counter(&self) -> u64 {
        let bits = u32::from(self.nonce.free_bits) + self.version_mask.count_ones();
        u64::MAX >> (64 - bits)
    }

    /// The whole nonce of a counter in `0 ..= last_counter()`.
    pub fn nonce(&self, counter: u64) -> u64 {
        if self.version_mask == 0 {
            return self.nonce.nonce(counter);
        }
        let (lane_bits, free_bits) = (self.lane_bits(), u32::from(self.nonce.free_bits));
        let lane = counter & ((1 << lane_bits) - 1);
        let number = (counter >> (lane_bits + free_bits)) << lane_bits | lane;
        self.nonce.nonce(counter >> lane_bits) | number << self.version_shift()
    }

    /// Number of the version in a whole nonce; 0 where versions are not rolled.
    pub fn version_number(&self, nonce: u64) -> u32 {
        if self.version_mask == 0 {
            return 0;
        }
        u32::try_from(nonce >> self.version_shift()).unwrap_or(u32::MAX)
    }

    /// The rolled bits, in place, of the version of this number.
    pub fn version_bits(&self, number: u32) -> u32 {
        let (mut mask, mut number, mut bits) = (self.version_mask, number, 0);
        while mask != 0 {
            let lowest = mask & mask.wrapping_neg();
            if number & 1 == 1 {
                bits |= lowest;
            }
            mask ^= lowest;
            number >>= 1;
        }
        bits
    }

    fn version_shift(&self) -> u32 {
        8 * u32::from(self.nonce.len)
    }

    /// Key of the RandomX dataset; none for other algorithms.
    pub fn seed(&self) -> Option<&[u8; 32]> {
        self.seed.as_ref()
    }

    /// The version of the algorithm that hashes it.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// What is compared with a target and what pools call the result, for `hash` of this work with `nonce` (whole): the
    /// hash itself, or for [`Variant::V2`] the commitment Blake2b-256(input ‖ hash).
    pub fn proof(&self, nonce: u64, hash: &Hash) -> Hash {
        match self.variant {
            Variant::V1 => *hash,
            Variant::V2 => {
                let mut input = [0; MAX_BLOB_BYTES];
                let input = &mut input[..self.blob.len()];
                input.copy_from_slice(&self.blob);
                self.write_nonce(input, nonce);
                commitment(input, hash)
            }
        }
    }

    /// Writes `nonce` (whole: fixed bits and the version's number included) into `blob`, a copy of [`Work::blob`].
    ///
    /// # Panics
    /// When `blob` is shorter than this work's blob.
    pub fn write_nonce(&self, blob: &mut [u8], nonce: u64) {
        let start = usize::from(self.nonce.offset);
        let len = usize::from(self.nonce.len);
        blob[start..start + len].copy_from_slice(&nonce.to_le_bytes()[..len]);
        if self.version_mask != 0 {
            let bits = self.version_bits(self.version_number(nonce)).to_le_bytes();
            for ((byte, base), bits) in blob.iter_mut().zip(&self.blob).zip(bits) {
                *byte = base | bits;
            }
        }
    }

    /// The blob with `nonce` in place: what is hashed.
    pub fn blob_with(&self, nonce: u64) -> Box<[u8]> {
        let mut blob = self.blob.clone();
        self.write_nonce(&mut blob, nonce);
        blob
    }

    /// The nonce's bytes as they stand in the blob.
    pub fn nonce_bytes(&self, nonce: u64) -> Vec<u8> {
        nonce.to_le_bytes()[..usize::from(self.nonce.len)].to_vec()
    }

    /// Identity of the nonce space: two pieces of work with one key would repeat each other's hashes.
    pub fn key(&self) -> WorkKey {
        let mut bytes = Vec::with_capacity(self.blob.len() + 48);
        bytes.extend_from_slice(&self.blob);
        bytes.extend_from_slice(&self.nonce.offset.to_le_bytes());
        bytes.extend_from_slice(&[self.nonce.len, self.nonce.free_bits, self.variant as u8]);
        bytes.extend_from_slice(&self.nonce.fixed.to_le_bytes());
        bytes.extend_from_slice(&self.version_mask.to_le_bytes());
        bytes.extend_from_slice(self.seed.as_ref().map_or(&[][..], |seed| &seed[..]));
        WorkKey(bytes.into())
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("blob", &encode_hex(&self.blob))
            .field("nonce", &self.nonce)
            .field("seed", &self.seed.as_ref().map(|seed| encode_hex(seed)))
            .field("version_mask", &format_args!("{:#010x}", self.version_mask))
            .field("variant", &self.variant)
            .finish()
    }
}

/// Blake2b-256(input ‖ hash): what RandomX version 2 compares with the target (tevador/RandomX, `design_v2.md`). Whoever
/// knows it and the input can refuse a wrong hash without the dataset.
fn commitment(input: &[u8], hash: &Hash) -> Hash {
    let mut state = blake2b_simd::Params::new().hash_length(32).to_state();
    let mut commitment = Hash([0; 32]);
    commitment.0.copy_from_slice(state.update(input).update(&hash.0).finalize().as_bytes());
    commitment
}

/// Content of a piece of work without its nonce; equal keys share one nonce space.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkKey(Box<[u8]>);

impl WorkKey {
    /// The content as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WorkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkKey({}..)", encode_hex(&self.0[..self.0.len().min(8)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(offset: u16, len: u8, fixed: u64, free_bits: u8) -> NonceField {
        NonceField { offset, len, fixed, free_bits }
    }

    #[test]
    fn nonce_must_fit() {
        let blob = [7u8; 76];
        assert!(Work::new(&blob, field(39, 4, 0, 32), None).is_ok());
        assert!(Work::new(&blob, field(72, 4, 0, 32), None).is_ok());
        for bad in [field(73, 4, 0, 32), field(39, 0, 0, 1), field(39, 9, 0, 64)] {
            assert!(matches!(Work::new(&blob, bad, None), Err(WorkError::NonceOutside { .. })), "{bad:?}");
        }
        for bad in [field(39, 4, 0, 33), field(39, 4, 0, 0), field(39, 4, 1, 24), field(39, 4, 1 << 32, 24)] {
            assert!(matches!(Work::new(&blob, bad, None), Err(WorkError::FreeBits { .. })), "{bad:?}");
        }
        assert_eq!(Work::new(&[0; 513], field(39, 4, 0, 32), None), Err(WorkError::TooLong(513)));
    }

    #[test]
    fn fixed_bits_stay() {
        let work = Work::new(&[7u8; 76], field(39, 4, 0xAB00_0000, 24), None).unwrap();
        let nonce = work.nonce_field().nonce(0x0100_0012);
        assert_eq!(nonce, 0xAB00_0012, "the counter is cut to the free bits");
        assert_eq!(&work.blob_with(nonce)[38..44], [7, 0x12, 0, 0, 0xAB, 7]);
        assert_eq!(work.nonce_bytes(nonce), [0x12, 0, 0, 0xAB]);
        assert_eq!(work.nonce_field().last_counter(), 0xFF_FFFF);
        assert_eq!(field(0, 8, 0, 64).last_counter(), u64::MAX);
    }

    #[test]
    fn key_ignores_the_nonce_only() {
        let mut blob = [7u8; 76];
        let work = Work::new(&blob, field(39, 4, 0, 32), Some([1; 32])).unwrap();
        blob[40] = 1;
        assert_eq!(Work::new(&blob, field(39, 4, 0, 32), Some([1; 32])).unwrap().key(), work.key());
        assert_ne!(Work::new(&blob, field(39, 4, 0, 32), Some([2; 32])).unwrap().key(), work.key());
        assert_ne!(Work::new(&blob, field(39, 4, 1 << 24, 24), Some([1; 32])).unwrap().key(), work.key());
        assert_ne!(work.clone().with_variant(Variant::V2).key(), work.key());
        blob[0] = 1;
        assert_ne!(Work::new(&blob, field(39, 4, 0, 32), Some([1; 32])).unwrap().key(), work.key());
    }

    /// The hash and its commitment are the reference implementation's own (tevador/RandomX, `src/tests/tests.cpp`).
    #[test]
    fn the_second_version_is_judged_by_its_commitment() {
        let work = Work::new(b"This is a tes.", field(13, 1, 0, 8), Some([1; 32])).unwrap();
        let hash = Hash(
            crate::decode_hex_array("22ec6b861b3eb23686b2efbad69513c967ecfce80983df66c9c5b4fbfb4cdb6f")
                .unwrap(),
        );
        let nonce = u64::from(b't');
        assert_eq!(work.proof(nonce, &hash), hash);
        let second = work.with_variant(Variant::V2);
        let expected = "133be717399046b03ae82ce8ddd9d1ee4d3ea7fca03a50dec09b6848cbb98e18";
        assert_eq!(encode_hex(&second.proof(nonce, &hash).0), expected);
        assert_ne!(
            second.proof(nonce + 1, &hash),
            second.proof(nonce, &hash),
            "the nonce is part of the input"
        );
    }

    #[test]
    fn rolled_versions_and_nonces_are_covered_once() {
        let mut blob = [0xFF; 80];
        let mask = 0b1101_0000_0000;
        let field = NonceField { offset: 76, len: 4, fixed: 0xAA00_0000, free_bits: 4 };
        let work = Work::new(&blob, field, None).unwrap().with_version_mask(mask).unwrap();
        assert_eq!((work.lane_bits(), work.last_counter()), (2, 127));
        let mut seen = std::collections::BTreeSet::new();
        for counter in 0..=work.last_counter() {
            let nonce = work.nonce(counter);
            work.write_nonce(&mut blob, nonce);
            assert_eq!(blob[..], work.blob_with(nonce)[..], "an earlier version leaves nothing behind");
            let version = u32::from_le_bytes([blob[0], blob[1], blob[2], blob[3]]);
            assert_eq!(version | mask, u32::MAX);
            assert_eq!(version & mask, work.version_bits(work.version_number(nonce)));
            assert_eq!(&blob[77..], [0, 0, 0xAA]);
            seen.insert((version, blob[76]));
        }
        assert_eq!(seen.len(), 128);
        // Four neighbours share their nonce.
        assert_eq!(work.nonce(5) & 0xFF, 1);
        assert_eq!(
            (4..8).map(|counter| work.version_number(work.nonce(counter))).collect::<Vec<_>>(),
            [0, 1, 2, 3]
        );
        assert_ne!(work.key(), Work::new(&work.blob, field, None).unwrap().key());
        assert!(Work::new(&blob, field, None).unwrap().with_version_mask(u32::MAX).is_err());
        assert!(
            Work::new(&blob, super::tests::field(2, 4, 0, 32), None).unwrap().with_version_mask(1).is_err()
        );
    }
}
