//! Work of nobody's: for benchmarks, self-tests and checks of backends. Any number gives another piece, always the
//! same one.

use crate::kheavyhash::{BLOCK_BYTES, NONCE};
use crate::sha256d::sha256d;
use crate::template::HEADER_BYTES;
use crate::{NonceField, Variant, Work, WorkError};

/// Version bits that BIP 320 leaves to miners.
const GENERAL_PURPOSE_BITS: u32 = 0x1fff_e000;

/// A Bitcoin header whose version may be rolled.
pub(crate) fn header(number: u64) -> Result<Work, WorkError> {
    let mut blob = [0; HEADER_BYTES];
    blob[..4].copy_from_slice(&0x2000_0000_u32.to_le_bytes());
    let previous = sha256d(&number.to_le_bytes());
    blob[4..36].copy_from_slice(&previous);
    blob[36..68].copy_from_slice(&sha256d(&previous));
    blob[68..72].copy_from_slice(&0x6000_0000_u32.to_le_bytes());
    blob[72..76].copy_from_slice(&0x1d00_ffff_u32.to_le_bytes());
    let nonce = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    Work::new(&blob, nonce, None)?.with_version_mask(GENERAL_PURPOSE_BITS)
}

/// A block of Kaspa at a pool that keeps two bytes of the nonce for itself.
pub(crate) fn kaspa_block(number: u64) -> Result<Work, WorkError> {
    let mut blob = [0; BLOCK_BYTES];
    blob[..32].copy_from_slice(&sha256d(&number.to_le_bytes()));
    blob[32..40].copy_from_slice(&1_787_225_603_300_u64.to_le_bytes());
    Work::new(&blob, NonceField { fixed: 0xa5c3 << 48, free_bits: 48, ..NONCE }, None)
}

/// The blob and seed of xmrig's benchmark, with a number in its first bytes.
pub(crate) fn randomx(number: u64) -> Result<Work, WorkError> {
    let mut blob = [0; 112];
    blob[..8].copy_from_slice(&number.to_le_bytes());
    Work::new(&blob, NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 }, Some([0; 32]))
}

/// The same for the second version.
pub(crate) fn randomx_v2(number: u64) -> Result<Work, WorkError> {
    Ok(randomx(number)?.with_variant(Variant::V2))
}

#[cfg(test)]
mod tests {
    use crate::registry::ALGORITHMS;

    #[test]
    fn every_algorithm_has_samples_that_differ() {
        for algorithm in ALGORITHMS {
            let sample = |number| (algorithm.sample)(number).unwrap();
            assert_eq!(sample(7).key(), sample(7).key());
            assert_ne!(sample(7).key(), sample(8).key());
            assert_ne!(sample(0).key(), sample(u64::MAX).key());
        }
    }
}
