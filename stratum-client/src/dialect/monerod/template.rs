//! A node's answer to `get_block_template`, read and checked.

use std::sync::Arc;

use rminer_algos::{Algorithm, MAX_BLOB_BYTES, Target, Work, decode_hex, decode_hex_array};

use super::MonerodConfig;
use super::block::{self, Header, LAST_KNOWN_MAJOR, NONCE, NONCE_OFFSET};
use crate::dialect::ProtocolError;
use crate::envelope::Fields;
use crate::text::clean;

const MESSAGE: &str = "get_block_template";
/// A block of more bytes is refused; this holds the hashes of some 32,000 transactions.
const MAX_BLOCK_BYTES: usize = 1 << 20;
/// Header, root of the transactions, their number.
const MIN_HASHING_BYTES: usize = Header::LEN + 32 + 1;
/// Since this version blocks are proved with RandomX.
const FIRST_RANDOMX_MAJOR: u64 = 12;

/// A block that lacks nothing but its nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockTemplate {
    /// The block as it is submitted, with zeros for the nonce.
    block: Vec<u8>,
    /// What is hashed.
    pub(super) work: Arc<Work>,
    /// A hash that meets this makes it a block of the chain.
    pub(super) target: Target,
    /// Height that the block will have.
    pub(super) height: u64,
    /// Id of the block before.
    pub(super) parent: [u8; 32],
    /// The seed that comes next, when there is one.
    pub(super) next_seed: Option<[u8; 32]>,
    /// How it is hashed.
    pub(super) algorithm: &'static Algorithm,
    pub(super) major: u64,
}

impl BlockTemplate {
    /// Reads the answer's result and checks that its two blobs are one block, that we know the layout of it, and
    /// that it carries our `extra_nonce`.
    pub(super) fn read(result: &Fields<'_>, config: &MonerodConfig) -> Result<Self, ProtocolError> {
        let mut block = blob(result, "blocktemplate_blob", MAX_BLOCK_BYTES)?;
        let hashing = blob(result, "blockhashing_blob", MAX_BLOB_BYTES)?;
        let header = Header::read(&block).map_err(|why| fault("blocktemplate_blob", why))?;
        if header.major < FIRST_RANDOMX_MAJOR {
            let wanted = format!("a block of version {}, older than RandomX", header.major);
            return Err(ProtocolError::Algorithm { wanted, configured: config.algorithm.name });
        }
        if hashing.len() < MIN_HASHING_BYTES {
            return Err(fault("blockhashing_blob", format!("is too short ({} bytes)", hashing.len())));
        }
        let height = result.number("height").ok_or_else(|| fault("height", "is absent or no number"))?;
        same_block(&block, &hashing, header.major, height)?;
        carries(result, &block, &config.extra_nonce)?;

        let seed = seed(result)?;
        let work = Work::new(&hashing, NONCE, Some(seed)).map_err(|why| fault("blockhashing_blob", why))?;
        block[NONCE_OFFSET..Header::LEN].fill(0);
        let later = config.later.filter(|later| header.major >= later.major);
        let algorithm = later.map_or(config.algorithm, |later| later.algorithm);
        Ok(Self {
            block,
            work: Arc::new(work.with_variant(algorithm.variant)),
            target: target(result)?,
            height,
            parent: header.parent,
            // A hint only: what cannot be read is not there.
            next_seed: result
                .text("next_seed_hash")
                .and_then(|text| decode_hex_array(&text).ok())
                .filter(|next| *next != seed),
            algorithm,
            major: header.major,
        })
    }

    /// The block with `nonce` in place, as it is submitted.
    pub(super) fn block_with(&self, nonce: u64) -> Vec<u8> {
        let mut block = self.block.clone();
        self.work.write_nonce(&mut block, nonce);
        block
    }

    /// The id that the block has with `nonce`; none where the rule for it is unknown.
    pub(super) fn id_with(&self, nonce: u64) -> Option<[u8; 32]> {
        (self.major <= LAST_KNOWN_MAJOR).then(|| block::block_id(&self.work.blob_with(nonce)))
    }
}

/// The header that is hashed must be the block's, and so must the transactions: otherwise we would look for a
/// proof that the node cannot use, or that pays somebody else.
fn same_block(block: &[u8], hashing: &[u8], major: u64, height: u64) -> Result<(), ProtocolError> {
    if hashing.get(..Header::LEN) != block.get(..Header::LEN) {
        return Err(fault("blockhashing_blob", "has another header than blocktemplate_blob"));
    }
    if major > LAST_KNOWN_MAJOR {
        return Ok(());
    }
    let derived = block::derive(block).map_err(|why| fault("blocktemplate_blob", why))?;
    if derived.hashing_blob != hashing {
        return Err(fault("blockhashing_blob", "does not follow from blocktemplate_blob"));
    }
    if derived.height != height {
        let text = format!("is {height}, but blocktemplate_blob is for {}", derived.height);
        return Err(fault("height", text));
    }
    Ok(())
}

/// Without our own bytes in it, two machines on one node would search the same space.
fn carries(result: &Fields<'_>, block: &[u8], extra_nonce: &[u8]) -> Result<(), ProtocolError> {
    let start = result.number("reserved_offset").and_then(|offset| usize::try_from(offset).ok());
    let place = start.and_then(|start| block.get(start..)?.get(..extra_nonce.len()));
    if place == Some(extra_nonce) {
        return Ok(());
    }
    Err(fault("reserved_offset", "does not point at the extra nonce that we asked for"))
}

fn seed(result: &Fields<'_>) -> Result<[u8; 32], ProtocolError> {
    let text = result.text("seed_hash").ok_or_else(|| fault("seed_hash", "is absent"))?;
    decode_hex_array(&text).map_err(|why| fault("seed_hash", why))
}

/// `wide_difficulty` is the whole number in hexadecimal; older nodes give it as two numbers of 64 bits.
fn target(result: &Fields<'_>) -> Result<Target, ProtocolError> {
    let difficulty = if let Some(wide) = result.text("wide_difficulty") {
        u128::from_str_radix(wide.trim_start_matches("0x"), 16).map_err(|_| {
            fault("wide_difficulty", format!("is no number of 128 bits: \"{}\"", clean(&wide)))
        })?
    } else {
        let low = result.number("difficulty").ok_or_else(|| fault("difficulty", "is absent or no number"))?;
        let high = result.number("difficulty_top64").unwrap_or(0);
        u128::from(high) << 64 | u128::from(low)
    };
    Target::from_difficulty(difficulty).map_err(|why| fault("difficulty", why))
}

fn blob(result: &Fields<'_>, field: &'static str, most: usize) -> Result<Vec<u8>, ProtocolError> {
    let text = result.text(field).ok_or_else(|| fault(field, "is absent"))?;
    if text.len() > 2 * most {
        return Err(fault(field, format!("is too long ({} hex digits; {} are taken)", text.len(), 2 * most)));
    }
    decode_hex(&text).map_err(|why| fault(field, why))
}

fn fault(field: &'static str, fault: impl ToString) -> ProtocolError {
    ProtocolError::Field { message: MESSAGE, field, fault: fault.to_string() }
}
