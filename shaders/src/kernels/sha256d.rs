//! SHA-256d: the reference kernel, and what its job words are.

use rminer_algos::{HEADER_BYTES, Target, Work, registry, sha256d};

use super::{UnsuitableWork, Variant};

/// Name of the readable kernel that all others must equal.
const REFERENCE: &str = "reference";

pub(super) fn variants() -> Vec<Variant> {
    vec![reference()]
}

/// Headers of 80 bytes whose last four are the nonce.
pub(super) fn check(work: &Work) -> Result<(), UnsuitableWork> {
    let (bytes, nonce) = (work.blob().len(), work.nonce_field());
    if bytes == HEADER_BYTES && nonce.offset == 76 && nonce.len == 4 {
        return Ok(());
    }
    Err(UnsuitableWork::Layout {
        algorithm: registry::SHA256D.name,
        wanted: "80 bytes with a nonce of 4 at 76",
        bytes,
        nonce_bytes: nonce.len,
        offset: nonce.offset,
    })
}

fn reference() -> Variant {
    Variant {
        name: REFERENCE.to_owned(),
        algorithm: registry::SHA256D.name,
        lanes: 1,
        workgroup_size: 256,
        nonces_per_invocation: 1,
        job_vec4s: 3,
        generated: false,
        text: include_str!("../../wgsl/sha256d.wgsl").to_owned(),
        fill: Box::new(|work, target, version| {
            let header = header_words(work, version);
            let mut block = [0; 64];
            for (bytes, word) in block.chunks_exact_mut(4).zip(header) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            let mut midstate = sha256d::INITIAL;
            sha256d::compress(&mut midstate, &block);
            let mut words = midstate.to_vec();
            words.extend(&header[16..19]);
            words.push(last_word_mask(target));
            words
        }),
    }
}

/// The header under the version of this number, nonce zero, as SHA-256 reads it.
fn header_words(work: &Work, version: u32) -> [u32; 20] {
    // The whole nonce of version-rolled work has the version's number above the nonce's 32 bits.
    let blob = work.blob_with(u64::from(version) << 32);
    let mut words = [0; 20];
    for (word, bytes) in words.iter_mut().zip(blob.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

/// Bits of the hash's last word that are zero in every hash that meets the target. The hash is a little-endian
/// number and SHA-256 writes big-endian words, so the number's top bits are in the word's last byte.
fn last_word_mask(target: Target) -> u32 {
    let bytes = target.to_le_bytes();
    let top = u32::from_le_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]);
    let may_be_set = u32::MAX.checked_shr(top.leading_zeros()).unwrap_or(0);
    (!may_be_set).swap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_never_excludes_what_meets_the_target() {
        for (top, mask) in [
            (u32::MAX, 0),
            (0x7FFF_FFFF, 0x0000_0080),
            (0x00FF_0000, 0x0000_00FF),
            (0x0100_0000, 0x0000_00FE),
            (1, 0xFEFF_FFFF),
            (0, u32::MAX),
        ] {
            let mut bytes = [0xFF; 32];
            bytes[28..].copy_from_slice(&u32::to_le_bytes(top));
            let target = Target::from_le_bytes(bytes).unwrap();
            assert_eq!(last_word_mask(target), mask, "{top:#x}");
            assert_eq!(top.swap_bytes() & mask, 0);
        }
    }
}
