//! The benchmark's work and sum, as xmrig defines them.

use rminer_algos::{Hash, NonceField, Variant, Work, WorkError};

/// Bytes of the blob.
pub(super) const BLOB_BYTES: usize = 112;

/// Key of the dataset.
pub(super) const SEED: [u8; 32] = [0; 32];

/// Nonces that there are.
pub(super) const NONCES: u64 = 1 << 32;

const NONCE: NonceField = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };

/// Zeros with a nonce at offset 39.
pub(super) fn work(variant: Variant) -> Result<Work, WorkError> {
    Ok(Work::new(&[0; BLOB_BYTES], NONCE, Some(SEED))?.with_variant(variant))
}

/// What a hash adds to the sum (of version 2 the commitment to it): its last eight bytes, little-endian.
pub(super) fn value(hash: &Hash) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = hash.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
