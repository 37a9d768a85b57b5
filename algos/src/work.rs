//! Work: a blob with the place of its nonce.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::encode_hex;

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

/// What a device hashes: a blob with a hole for the nonce, and for RandomX the seed of the dataset.
#[derive(Clone, PartialEq, Eq)]
pub struct Work {
    blob: Box<[u8]>,
    nonce: NonceField,
    seed: Option<[u8; 32]>,
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
        let mut work = Self { blob: blob.into(), nonce, seed };
        let start = usize::from(nonce.offset);
        work.blob[start..start + usize::from(nonce.len)].fill(0);
        Ok(work)
    }

    /// The blob with zeros in place of the nonce.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Place and freedom of the nonce.
    pub fn nonce_field(&self) -> NonceField {
        self.nonce
    }

    /// Key of the RandomX dataset; none for other algorithms.
    pub fn seed(&self) -> Option<&[u8; 32]> {
        self.seed.as_ref()
    }

    /// Writes `nonce` (whole, fixed bits included) into `blob`, a copy of [`Work::blob`].
    ///
    /// # Panics
    /// When `blob` is shorter than this work's blob.
    pub fn write_nonce(&self, blob: &mut [u8], nonce: u64) {
        let start = usize::from(self.nonce.offset);
        let len = usize::from(self.nonce.len);
        blob[start..start + len].copy_from_slice(&nonce.to_le_bytes()[..len]);
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
        bytes.extend_from_slice(&[self.nonce.len, self.nonce.free_bits]);
        bytes.extend_from_slice(&self.nonce.fixed.to_le_bytes());
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
            .finish()
    }
}

/// Content of a piece of work without its nonce; equal keys share one nonce space.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkKey(Box<[u8]>);

impl fmt::Debug for WorkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkKey({}..)", encode_hex(&self.0[..self.0.len().min(8)]))
    }
}

/// Yields work; a template with more freedom than the nonce yields another piece for each roll.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Template {
    /// The pool gave the whole blob; there is nothing to roll.
    Fixed(Arc<Work>),
}

impl Template {
    /// The work of roll number `roll`, counted from 0; `None` when the template is exhausted.
    pub fn work(&self, roll: u64) -> Option<Arc<Work>> {
        match self {
            Self::Fixed(work) => (roll == 0).then(|| Arc::clone(work)),
        }
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
        blob[0] = 1;
        assert_ne!(Work::new(&blob, field(39, 4, 0, 32), Some([1; 32])).unwrap().key(), work.key());
    }
}
