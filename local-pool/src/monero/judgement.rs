//! Whether a share claims what its hash says. The arithmetic is the pool's own: an ordinary Blake2b, and nothing of the
//! miner's.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use rminer_algos::{Hash, Variant, Work};

/// What a share says of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The field `result`.
    pub(super) result: [u8; 32],
    /// The field `commitment`, which holds the hash where `result` holds the commitment to it.
    pub(super) commitment: Option<[u8; 32]>,
}

impl Claim {
    /// What is compared with a target, when `hash` of `work` with `nonce` is what the share claims; `None` otherwise.
    pub(super) fn proof(&self, work: &Work, nonce: u64, hash: &Hash) -> Option<Hash> {
        let (proof, named) = match work.variant() {
            Variant::V1 => (*hash, true),
            Variant::V2 => (commitment(&work.blob_with(nonce), hash), self.commitment == Some(hash.0)),
        };
        (named && proof.0 == self.result).then_some(proof)
    }
}

/// Blake2b-256(input, hash).
fn commitment(input: &[u8], hash: &Hash) -> Hash {
    Hash(Blake2b::<U32>::new().chain_update(input).chain_update(hash.0).finalize().into())
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry::RANDOMX_V2;
    use rminer_algos::{NonceField, decode_hex, decode_hex_array};

    use super::*;

    /// Input, hash and commitment of the reference implementation's tests, in the vectors' first row.
    #[test]
    fn commitments_are_the_published_ones() {
        let file: serde_json::Value = serde_json::from_str(RANDOMX_V2.vectors).unwrap();
        let rows = file["hashes"].as_array().unwrap();
        assert!(rows.len() >= 7);
        for row in rows {
            let text = |name: &str| row[name].as_str().unwrap();
            let hash = Hash(decode_hex_array(text("hash")).unwrap());
            let wanted = decode_hex_array(text("commitment")).unwrap();
            assert_eq!(commitment(&decode_hex(text("input")).unwrap(), &hash).0, wanted);
        }
    }

    #[test]
    fn only_the_right_pair_counts() {
        let (input, nonce) = ([7; 76], 0x0706_0707);
        let field = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
        let first = Work::new(&input, field, Some([1; 32])).unwrap();
        let second = first.clone().with_variant(Variant::V2);
        let hash = Hash([9; 32]);
        let committed = commitment(&second.blob_with(nonce), &hash);
        let claim = |result: Hash, commitment: Option<Hash>| Claim {
            result: result.0,
            commitment: commitment.map(|hash| hash.0),
        };
        let proof = |work, claim: Claim| claim.proof(work, nonce, &hash);
        assert_eq!(proof(&first, claim(hash, None)), Some(hash));
        assert_eq!(proof(&first, claim(committed, Some(hash))), None, "another version's claim");
        assert_eq!(proof(&second, claim(committed, Some(hash))), Some(committed));
        assert_eq!(proof(&second, claim(hash, Some(committed))), None, "the wrong way round");
        assert_eq!(proof(&second, claim(hash, None)), None, "the hash as the result");
        assert_eq!(proof(&second, claim(committed, None)), None, "no commitment");
        assert_eq!(proof(&second, claim(committed, Some(committed))), None, "twice the commitment");
        assert_eq!(claim(committed, Some(hash)).proof(&second, nonce + 1, &hash), None, "another nonce");
    }
}
