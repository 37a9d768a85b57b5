//! Templates: what a pool gives, which yields work after work as it is rolled.

use std::sync::Arc;

use crate::sha256d::sha256d;
use crate::{NonceField, Work, WorkError};

/// Bytes of a Bitcoin block header.
pub const HEADER_BYTES: usize = 80;
/// Longest coinbase transaction that is taken, without its extranonce: a pool pays hundreds of people in one.
pub const MAX_COINBASE_BYTES: usize = 512 * 1024;
/// Longest merkle branch: a block of 2^32 transactions.
pub const MAX_BRANCH: usize = 32;
/// Widest extranonce2 in bytes.
pub const MAX_EXTRANONCE2_BYTES: u8 = 16;

/// Place of the nonce in a Bitcoin header.
const NONCE: NonceField = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };

/// Yields work; a template with more freedom than the nonce yields another piece for each roll.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Template {
    /// The pool gave the whole blob; there is nothing to roll.
    Fixed(Arc<Work>),
    /// A Bitcoin header whose coinbase and time can be rolled.
    Header(Arc<HeaderTemplate>),
}

impl Template {
    /// The work of roll number `roll`, counted from 0; `None` when the template is exhausted.
    pub fn work(&self, roll: u64) -> Option<Arc<Work>> {
        match self {
            Self::Fixed(work) => (roll == 0).then(|| Arc::clone(work)),
            Self::Header(header) => header.work(roll).map(Arc::new),
        }
    }

    /// Identity of what is rolled: two templates with one key yield the same work for the same roll.
    pub fn key(&self) -> TemplateKey {
        match self {
            Self::Fixed(work) => TemplateKey(sha256d(work.key().bytes())),
            Self::Header(header) => header.key(),
        }
    }
}

/// Content of a template; equal keys yield equal work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateKey([u8; 32]);

/// Parts of a Bitcoin header, with all that may be rolled. Byte strings are in the order in which they are hashed.
///
/// One roll is one extranonce2; when all of them are through, the time moves on by a second where it may. Version
/// bits belong to the nonces of each roll ([`Work::with_version_mask`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderTemplate {
    /// Version of the block; bits inside `version_mask` are cleared.
    pub version: u32,
    /// Hash of the block before.
    pub previous: [u8; 32],
    /// Coinbase transaction up to the extranonce2, extranonce1 included.
    pub coinbase_prefix: Box<[u8]>,
    /// Coinbase transaction behind the extranonce2.
    pub coinbase_suffix: Box<[u8]>,
    /// Width of the extranonce2, 0 to 16 bytes.
    pub extranonce2_len: u8,
    /// Where the extranonce2 starts; it goes round from there.
    pub extranonce2_first: u64,
    /// Right-hand hashes from the coinbase up to the merkle root.
    pub branch: Box<[[u8; 32]]>,
    /// Time of the block, seconds since 1970.
    pub time: u32,
    /// Seconds that the time may be moved ahead.
    pub time_slack_s: u16,
    /// Compact target of the block.
    pub bits: u32,
    /// Version bits that may be rolled.
    pub version_mask: u32,
}

impl HeaderTemplate {
    /// The extranonce2 of a roll; `None` when the template is exhausted.
    pub fn extranonce2(&self, roll: u64) -> Option<Vec<u8>> {
        self.time(roll)?;
        let len = usize::from(self.extranonce2_len);
        // Wider ones than eight bytes count in the first eight only.
        let bytes = self.extranonce2_first.wrapping_add(roll).to_le_bytes();
        Some(bytes.into_iter().chain([0; 8]).take(len).collect())
    }

    /// The header's time of a roll; `None` when the template is exhausted.
    pub fn time(&self, roll: u64) -> Option<u32> {
        // A count of 2^64 never runs out.
        let seconds = match self.extranonce2_len {
            0..8 => roll >> (8 * u32::from(self.extranonce2_len)),
            _ => 0,
        };
        let seconds = u16::try_from(seconds).ok().filter(|seconds| *seconds <= self.time_slack_s)?;
        self.time.checked_add(u32::from(seconds))
    }

    /// The coinbase transaction with this extranonce2.
    pub fn coinbase(&self, extranonce2: &[u8]) -> Vec<u8> {
        [&self.coinbase_prefix, extranonce2, &self.coinbase_suffix].concat()
    }

    /// The merkle root above a coinbase transaction.
    pub fn merkle_root(&self, coinbase: &[u8]) -> [u8; 32] {
        let mut root = sha256d(coinbase);
        for right in &self.branch {
            root = sha256d(&[root, *right].concat());
        }
        root
    }

    /// The work of a roll; `None` when the template is exhausted or its parts are out of bounds.
    pub fn work(&self, roll: u64) -> Option<Work> {
        let coinbase = self.coinbase(&self.extranonce2(roll)?);
        self.header(self.merkle_root(&coinbase), self.time(roll)?).ok()
    }

    fn header(&self, root: [u8; 32], time: u32) -> Result<Work, WorkError> {
        let mut blob = Vec::with_capacity(HEADER_BYTES);
        blob.extend_from_slice(&self.version.to_le_bytes());
        blob.extend_from_slice(&self.previous);
        blob.extend_from_slice(&root);
        blob.extend_from_slice(&time.to_le_bytes());
        blob.extend_from_slice(&self.bits.to_le_bytes());
        blob.extend_from_slice(&[0; 4]);
        Work::new(&blob, NONCE, None)?.with_version_mask(self.version_mask)
    }

    fn key(&self) -> TemplateKey {
        let mut bytes = Vec::with_capacity(self.coinbase_prefix.len() + self.coinbase_suffix.len() + 1200);
        for part in [&self.coinbase_prefix, &self.coinbase_suffix] {
            bytes.extend_from_slice(&part.len().to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&self.branch.len().to_le_bytes());
        bytes.extend(self.branch.iter().flatten());
        bytes.extend_from_slice(&self.previous);
        for number in [self.version, self.time, self.bits, self.version_mask, self.time_slack_s.into()] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(self.extranonce2_len);
        bytes.extend_from_slice(&self.extranonce2_first.to_le_bytes());
        TemplateKey(sha256d(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode_hex, decode_hex_array, encode_hex};

    /// Block 170 of Bitcoin: the first with a payment, hence with a merkle branch.
    fn block_170() -> HeaderTemplate {
        let prefix =
            "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704ffff001d";
        let suffix = "ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052\
                      d64ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000";
        HeaderTemplate {
            version: 1,
            previous: decode_hex_array("55bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000")
                .unwrap(),
            coinbase_prefix: decode_hex(prefix).unwrap().into(),
            coinbase_suffix: decode_hex(suffix).unwrap().into(),
            extranonce2_len: 2,
            extranonce2_first: 0x0201,
            branch: [
                decode_hex_array("169e1e83e930853391bc6f35f605c6754cfead57cf8387639d3b4096c54f18f4").unwrap()
            ]
            .into(),
            time: 0x496a_b951,
            time_slack_s: 0,
            bits: 0x1d00_ffff,
            version_mask: 0,
        }
    }

    #[test]
    fn a_real_block_comes_out() {
        let template = block_170();
        assert_eq!(template.extranonce2(0).unwrap(), [1, 2]);
        let work = template.work(0).unwrap();
        let mut hash = sha256d(&work.blob_with(0x709e_3e28));
        hash.reverse();
        assert_eq!(encode_hex(&hash), "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee");
    }

    #[test]
    fn rolls_end_where_the_freedom_ends() {
        let mut template = block_170();
        template.extranonce2_len = 1;
        template.time_slack_s = 2;
        template.extranonce2_first = 255;
        let rolls: Vec<_> = (0..)
            .map_while(|roll| Some((template.time(roll)? - template.time, template.extranonce2(roll)?)))
            .collect();
        assert_eq!(rolls.len(), 3 * 256);
        assert_eq!((&rolls[0], &rolls[1], &rolls[256]), (&(0, vec![255]), &(0, vec![0]), &(1, vec![255])));
        let unique: std::collections::BTreeSet<_> = rolls.iter().collect();
        assert_eq!(unique.len(), rolls.len());
        assert!(template.work(3 * 256).is_none());
        template.extranonce2_len = 0;
        assert!(template.work(2).is_some() && template.work(3).is_none());
        template.extranonce2_len = 16;
        assert_eq!(template.extranonce2(u64::MAX).unwrap().len(), 16);
    }

    #[test]
    fn every_part_counts_in_the_key() {
        let template = block_170();
        let key = Template::Header(Arc::new(template.clone())).key();
        let changed: [fn(&mut HeaderTemplate); 6] = [
            |t| t.version = 2,
            |t| t.previous[0] ^= 1,
            |t| t.coinbase_prefix[0] ^= 1,
            |t| t.branch = [].into(),
            |t| t.time += 1,
            |t| t.version_mask = 0x1fff_e000,
        ];
        for change in changed {
            let mut other = template.clone();
            change(&mut other);
            assert_ne!(Template::Header(Arc::new(other)).key(), key);
        }
        assert_eq!(Template::Header(Arc::new(template)).key(), key);
    }
}
