//! A Monero block as bytes, and how its hashing blob follows from it.
//!
//! A block is its header (two version numbers and a timestamp as varints, the parent's id, four bytes of nonce),
//! the miner transaction, the number of other transactions and their hashes. What RandomX hashes is the header,
//! the root of a Keccak tree over all transactions, and their number.

use rminer_algos::NonceField;
use thiserror::Error;
use tiny_keccak::{Hasher, Keccak};

/// Where the nonce stands with today's one-byte versions and five-byte timestamp.
pub(super) const NONCE_OFFSET: usize = 39;
/// The nonce in a block and in its hashing blob alike; all of it is ours.
pub(super) const NONCE: NonceField = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
/// The last version whose transactions and tree are laid out as here.
pub(super) const LAST_KNOWN_MAJOR: u64 = 16;

/// Why bytes are no block that we know how to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum LayoutError {
    #[error("ends within {0}")]
    Short(&'static str),
    #[error("has a number over 64 bits in {0}")]
    Varint(&'static str),
    #[error("has its nonce at byte {0} instead of {NONCE_OFFSET}: another coin's block?")]
    Nonce(usize),
    #[error("has a miner transaction with {what} {value}, which is unknown")]
    MinerTransaction { what: &'static str, value: u64 },
    #[error("goes on for {0} bytes after its last transaction")]
    Trailing(usize),
}

/// The part of a header that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Version that decides the rules.
    pub(super) major: u64,
    /// Id of the block before.
    pub(super) parent: [u8; 32],
}

impl Header {
    /// Bytes of the header, the nonce included.
    pub(super) const LEN: usize = NONCE_OFFSET + 4;

    /// Reads the header at the start of a block or of a hashing blob.
    pub(super) fn read(blob: &[u8]) -> Result<Self, LayoutError> {
        let mut reader = Reader { rest: blob };
        let major = reader.varint("the header")?;
        reader.varint("the header")?;
        reader.varint("the header")?;
        let parent = reader.array("the header")?;
        let offset = blob.len() - reader.rest.len();
        if offset != NONCE_OFFSET {
            return Err(LayoutError::Nonce(offset));
        }
        reader.take(Header::LEN - NONCE_OFFSET, "the header")?;
        Ok(Self { major, parent })
    }
}

/// What follows from a whole block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Derived {
    /// The bytes that are hashed.
    pub(super) hashing_blob: Vec<u8>,
    /// Height that the miner transaction claims.
    pub(super) height: u64,
}

/// Derives the hashing blob of a block of a version up to [`LAST_KNOWN_MAJOR`].
pub(super) fn derive(block: &[u8]) -> Result<Derived, LayoutError> {
    let mut reader = Reader { rest: block };
    let header = reader.take(Header::LEN, "the header")?;
    let (height, miner_transaction) = miner_transaction(&mut reader)?;
    let others = reader.varint("the number of transactions")?;
    let mut leaves = vec![miner_transaction];
    while !reader.rest.is_empty() && leaves.len() as u64 <= others {
        leaves.push(reader.array("a transaction's hash")?);
    }
    // Compared only after the bytes ran out: a number from the wire never sizes anything.
    if others != leaves.len() as u64 - 1 {
        return Err(LayoutError::Short("the transactions' hashes"));
    }
    if !reader.rest.is_empty() {
        return Err(LayoutError::Trailing(reader.rest.len()));
    }
    let mut hashing_blob = header.to_vec();
    hashing_blob.extend_from_slice(&tree_root(leaves));
    write_varint(&mut hashing_blob, others + 1);
    Ok(Derived { hashing_blob, height })
}

/// Id of the block that was hashed as `hashing_blob`.
pub(super) fn block_id(hashing_blob: &[u8]) -> [u8; 32] {
    let mut sized = Vec::with_capacity(hashing_blob.len() + 2);
    write_varint(&mut sized, hashing_blob.len() as u64);
    sized.extend_from_slice(hashing_blob);
    keccak(&sized)
}

/// Height and hash of the transaction that pays the miner.
fn miner_transaction(reader: &mut Reader<'_>) -> Result<(u64, [u8; 32]), LayoutError> {
    const PLACE: &str = "the miner transaction";
    let start = reader.rest;
    let known = |what, value, wanted: u64| {
        if value == wanted { Ok(()) } else { Err(LayoutError::MinerTransaction { what, value }) }
    };
    known("version", reader.varint(PLACE)?, 2)?;
    reader.varint(PLACE)?;
    known("number of inputs", reader.varint(PLACE)?, 1)?;
    known("input type", u64::from(reader.byte(PLACE)?), 0xFF)?;
    let height = reader.varint(PLACE)?;
    let outputs = reader.varint(PLACE)?;
    if outputs == 0 {
        return Err(LayoutError::MinerTransaction { what: "number of outputs", value: outputs });
    }
    // Each turn takes bytes or fails, so the block's length bounds this whatever number stands there.
    for _ in 0..outputs {
        reader.varint(PLACE)?;
        match reader.byte(PLACE)? {
            2 => reader.take(32, PLACE)?,
            // With a view tag behind the key.
            3 => reader.take(33, PLACE)?,
            other => {
                return Err(LayoutError::MinerTransaction { what: "output type", value: u64::from(other) });
            }
        };
    }
    let extra = reader.varint(PLACE)?;
    reader.take(usize::try_from(extra).unwrap_or(usize::MAX), PLACE)?;
    let prefix = &start[..start.len() - reader.rest.len()];
    known("ring signature type", u64::from(reader.byte(PLACE)?), 0)?;
    // A transaction's hash is that of its three parts' hashes; the last part, absent here, counts as zeros.
    let mut parts = [0; 96];
    parts[..32].copy_from_slice(&keccak(prefix));
    parts[32..64].copy_from_slice(&keccak(&[0]));
    Ok((height, keccak(&parts)))
}

/// Root of CryptoNote's tree: the last leaves are paired so that a power of two is left, then all in pairs.
fn tree_root(mut nodes: Vec<[u8; 32]>) -> [u8; 32] {
    if nodes.len() > 2 {
        let full = nodes.len().next_power_of_two() / 2;
        let untouched = 2 * full - nodes.len();
        let paired = pairs(&nodes[untouched..]);
        nodes.truncate(untouched);
        nodes.extend(paired);
    }
    while nodes.len() > 1 {
        nodes = pairs(&nodes);
    }
    nodes.first().copied().unwrap_or_default()
}

/// Parents of nodes, whose number is even.
fn pairs(nodes: &[[u8; 32]]) -> Vec<[u8; 32]> {
    nodes.chunks(2).map(|pair| keccak(pair.as_flattened())).collect()
}

fn keccak(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Keccak::v256();
    hasher.update(bytes);
    let mut hash = [0; 32];
    hasher.finalize(&mut hash);
    hash
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Takes bytes from the front and never reads past the end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, place: &'static str) -> Result<&'a [u8], LayoutError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(LayoutError::Short(place))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self, place: &'static str) -> Result<u8, LayoutError> {
        Ok(self.array::<1>(place)?[0])
    }

    fn array<const N: usize>(&mut self, place: &'static str) -> Result<[u8; N], LayoutError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(LayoutError::Short(place))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self, place: &'static str) -> Result<u64, LayoutError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(place)?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return Err(LayoutError::Varint(place));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(LayoutError::Varint(place))
    }
}
