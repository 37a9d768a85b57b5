//! A block to mine, as the node sent it.
//!
//! Its bytes stay as they are: only the nonce is put in, and fields that this program has never heard of reach the
//! node as they came. The header alone is read, since its hash is what is mined.

use std::sync::Arc;

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput as _, KeyInit as _, Update as _};
use rminer_algos::kheavyhash::{BLOCK_BYTES, NONCE};
use rminer_algos::{Target, Work, decode_hex_array};

use super::protobuf::{self, fault, fields, put_bytes, put_number};
use crate::dialect::ProtocolError;

/// Key of the hash of a header.
const HASH_KEY: &[u8] = b"BlockHash";
/// Levels of parents: as many as a hash has bits below the easiest target, counted in a byte.
const MAX_LEVELS: usize = 256;
/// Bytes of the total work of the blue blocks, a number of 192 bits.
const BLUE_WORK_BYTES: usize = 24;

const BLOCK: &str = "block template";
const HEADER: &str = "block header";

/// The field of a block that holds its header.
const BLOCK_HEADER: u32 = 1;
/// The field of a header that holds its nonce.
const HEADER_NONCE: u32 = 8;

/// A block whose nonce is missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BlockTemplate {
    pub(super) work: Arc<Work>,
    pub(super) target: Target,
    /// Count of blocks that the difficulty is made of; what Kaspa has for a height.
    pub(super) daa_score: u64,
    /// All fields of the header but the nonce.
    header: Box<[u8]>,
    /// All fields of the block before and after its header.
    before: Box<[u8]>,
    after: Box<[u8]>,
}

impl BlockTemplate {
    /// Reads a block.
    ///
    /// # Errors
    /// [`ProtocolError::Field`] when it cannot be mined.
    pub(super) fn read(block: &[u8]) -> Result<Self, ProtocolError> {
        let (mut before, mut after, mut header) = (Vec::new(), Vec::new(), None);
        for field in fields(BLOCK, block) {
            let field = field?;
            match (field.number, &header) {
                (BLOCK_HEADER, None) => header = Some(field.bytes_of(BLOCK, "header")?),
                (BLOCK_HEADER, Some(_)) => return Err(fault(BLOCK, "header", "is there twice")),
                (_, None) => before.extend_from_slice(field.raw),
                (_, Some(_)) => after.extend_from_slice(field.raw),
            }
        }
        let header = header.ok_or_else(|| fault(BLOCK, "header", "is absent"))?;
        let mut kept = Vec::with_capacity(header.len());
        for field in fields(HEADER, header) {
            let field = field?;
            if field.number != HEADER_NONCE {
                kept.extend_from_slice(field.raw);
            }
        }
        let read = Header::read(&kept)?;
        let target = Target::from_compact(read.bits)
            .ok_or_else(|| fault(HEADER, "bits", "are no target that a hash can meet"))?;
        let mut blob = [0; BLOCK_BYTES];
        // Time and nonce are hashed with the work, so the hash that stands for the rest has zeros for them.
        blob[..32].copy_from_slice(&read.hash(0, 0));
        blob[32..40].copy_from_slice(&read.timestamp.to_le_bytes());
        let work =
            Work::new(&blob, NONCE, None).map_err(|error| fault(HEADER, "hash", &error.to_string()))?;
        Ok(Self {
            work: Arc::new(work),
            target,
            daa_score: read.daa_score,
            header: kept.into(),
            before: before.into(),
            after: after.into(),
        })
    }

    /// The block with its nonce, as the node takes it.
    pub(super) fn block_with(&self, nonce: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(self.header.len() + 16);
        header.extend_from_slice(&self.header);
        put_number(&mut header, HEADER_NONCE, nonce);
        let mut block = Vec::with_capacity(self.size() + 32);
        block.extend_from_slice(&self.before);
        put_bytes(&mut block, BLOCK_HEADER, &header);
        block.extend_from_slice(&self.after);
        block
    }

    /// Name of the block with its nonce, in the order in which it is written.
    pub(super) fn hash_with(&self, nonce: u64) -> Option<[u8; 32]> {
        let header = Header::read(&self.header).ok()?;
        Some(header.hash(header.timestamp, nonce))
    }

    /// Bytes that are held.
    pub(super) fn size(&self) -> usize {
        self.header.len() + self.before.len() + self.after.len()
    }
}

/// What is hashed of a header.
struct Header<'a> {
    version: u16,
    /// A message for each level, the lowest first; none is left out, however equal they are.
    parents: Vec<&'a [u8]>,
    merkle_root: [u8; 32],
    accepted_root: [u8; 32],
    utxo_commitment: [u8; 32],
    timestamp: u64,
    bits: u32,
    daa_score: u64,
    blue_score: u64,
    /// Big-endian, without leading zeros.
    blue_work: Vec<u8>,
    pruning_point: [u8; 32],
}

impl<'a> Header<'a> {
    fn read(message: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut header = Self {
            version: 0,
            parents: Vec::new(),
            merkle_root: [0; 32],
            accepted_root: [0; 32],
            utxo_commitment: [0; 32],
            timestamp: 0,
            bits: 0,
            daa_score: 0,
            blue_score: 0,
            blue_work: Vec::new(),
            pruning_point: [0; 32],
        };
        // Hashes have no default that could be left out.
        let mut hashes = 0;
        for field in fields(HEADER, message) {
            let field = field?;
            let number = |name| field.number_of(HEADER, name);
            let mut hash = |name| {
                hashes += 1;
                read_hash(field.text_of(HEADER, name)?).ok_or_else(|| fault(HEADER, name, "is no hash"))
            };
            match field.number {
                1 => {
                    let version = u16::try_from(number("version")?);
                    header.version = version.map_err(|_| fault(HEADER, "version", "does not fit 16 bits"))?;
                }
                12 if header.parents.len() == MAX_LEVELS => {
                    return Err(fault(HEADER, "parents", "have too many levels"));
                }
                12 => {
                    let level = field.bytes_of(HEADER, "parents")?;
                    // What is wrong with them is found here and not when the hash is made.
                    for parent in parents(level) {
                        parent?;
                    }
                    header.parents.push(level);
                }
                3 => header.merkle_root = hash("hashMerkleRoot")?,
                4 => header.accepted_root = hash("acceptedIdMerkleRoot")?,
                5 => header.utxo_commitment = hash("utxoCommitment")?,
                6 => header.timestamp = number("timestamp")?,
                7 => {
                    let bits = u32::try_from(number("bits")?);
                    header.bits = bits.map_err(|_| fault(HEADER, "bits", "do not fit 32 bits"))?;
                }
                9 => header.daa_score = number("daaScore")?,
                10 => {
                    let work = blue_work(field.text_of(HEADER, "blueWork")?);
                    header.blue_work =
                        work.ok_or_else(|| fault(HEADER, "blueWork", "is no number of 192 bits"))?;
                }
                13 => header.blue_score = number("blueScore")?,
                14 => header.pruning_point = hash("pruningPoint")?,
                _ => {}
            }
        }
        if hashes < 4 {
            return Err(fault(HEADER, "hashMerkleRoot", "or another of its four hashes is absent"));
        }
        Ok(header)
    }

    fn hash(&self, timestamp: u64, nonce: u64) -> [u8; 32] {
        let Ok(mut hash) = Blake2bMac::<U32>::new_from_slice(HASH_KEY) else { return [0; 32] };
        hash.update(&self.version.to_le_bytes());
        hash.update(&(self.parents.len() as u64).to_le_bytes());
        for level in &self.parents {
            hash.update(&(parents(level).count() as u64).to_le_bytes());
            for parent in parents(level).filter_map(Result::ok) {
                hash.update(&parent);
            }
        }
        hash.update(&self.merkle_root);
        hash.update(&self.accepted_root);
        hash.update(&self.utxo_commitment);
        hash.update(&timestamp.to_le_bytes());
        hash.update(&self.bits.to_le_bytes());
        hash.update(&nonce.to_le_bytes());
        hash.update(&self.daa_score.to_le_bytes());
        hash.update(&self.blue_score.to_le_bytes());
        hash.update(&(self.blue_work.len() as u64).to_le_bytes());
        hash.update(&self.blue_work);
        hash.update(&self.pruning_point);
        hash.finalize_fixed().into()
    }
}

/// The parents of one level.
fn parents(level: &[u8]) -> impl Iterator<Item = Result<[u8; 32], ProtocolError>> {
    let ours =
        |field: &Result<protobuf::Field<'_>, _>| field.as_ref().map_or(true, |field| field.number == 1);
    fields(HEADER, level).filter(ours).map(|field| {
        let text = field?.text_of(HEADER, "parentHashes")?;
        read_hash(text).ok_or_else(|| fault(HEADER, "parentHashes", "hold something that is no hash"))
    })
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    decode_hex_array(text).ok()
}

/// Hexadecimal digits, as few as the number has, so that their count may be odd.
fn blue_work(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_start_matches('0');
    if digits.len() > 2 * BLUE_WORK_BYTES {
        return None;
    }
    let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    rminer_algos::decode_hex(&even).ok()
}
