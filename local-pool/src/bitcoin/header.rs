//! From the parts of a share to the hash of its header, without the miner's own code.

use sha2::{Digest, Sha256};

/// Bytes of a header.
const HEADER_BYTES: usize = 80;

/// SHA-256 twice over the parts, one behind the other.
pub(super) fn sha256d(parts: &[&[u8]]) -> [u8; 32] {
    let mut first = Sha256::new();
    parts.iter().for_each(|part| first.update(part));
    Sha256::digest(first.finalize()).into()
}

/// The merkle root above a coinbase that is the leftmost leaf.
pub(super) fn merkle_root(coinbase: [u8; 32], branch: &[[u8; 32]]) -> [u8; 32] {
    branch.iter().fold(coinbase, |left, right| sha256d(&[&left, right]))
}

/// The fields of a header; hashes are in the order in which they are hashed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) previous: [u8; 32],
    pub(super) root: [u8; 32],
    pub(super) time: u32,
    pub(super) bits: u32,
    pub(super) nonce: u32,
}

impl Header {
    fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let number = |number: u32| number.to_le_bytes();
        bytes[..4].copy_from_slice(&number(self.version));
        bytes[4..36].copy_from_slice(&self.previous);
        bytes[36..68].copy_from_slice(&self.root);
        bytes[68..72].copy_from_slice(&number(self.time));
        bytes[72..76].copy_from_slice(&number(self.bits));
        bytes[76..].copy_from_slice(&number(self.nonce));
        bytes
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        sha256d(&[&self.bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rminer_algos::{decode_hex, decode_hex_array, encode_hex};

    /// Block 170 of the main chain, the first with a payment.
    #[test]
    fn a_real_block() {
        let coinbase = decode_hex(concat!(
            "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704",
            "ffff001d0102",
            "ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052d64ac6",
            "25da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000"
        ))
        .unwrap();
        let payment = "169e1e83e930853391bc6f35f605c6754cfead57cf8387639d3b4096c54f18f4";
        let root = merkle_root(sha256d(&[&coinbase]), &[decode_hex_array(payment).unwrap()]);
        let header = Header {
            version: 1,
            previous: decode_hex_array("55bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000")
                .unwrap(),
            root,
            time: 0x496a_b951,
            bits: 0x1d00_ffff,
            nonce: 0x709e_3e28,
        };
        let mut hash = header.hash();
        hash.reverse();
        assert_eq!(encode_hex(&hash), "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee");
    }
}
