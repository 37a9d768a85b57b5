//! The fields of `mining.notify`.

use rminer_algos::kheavyhash::BLOCK_BYTES;
use rminer_algos::{Algorithm, Work, decode_hex_array};
use serde_json::value::RawValue;

use super::extranonce::Prefix;
use crate::dialect::ProtocolError;
use crate::dialect::wire::{field, token};
use crate::envelope::{items, number, text};

const NAME: &str = "mining.notify";
const HASH_BYTES: usize = 32;
/// Hash and time: all that a job consists of.
pub(super) const CONTENT_BYTES: usize = HASH_BYTES + 8;
/// Bytes in each of the numbers that a hash may be written as.
const WORD_BYTES: usize = 8;
/// Hex digits of a hash in the jobs of other coins.
const HASH_DIGITS: usize = 64;
/// Items of a job of Bitcoin and its kin, the last of which may be missing.
const BITCOIN_ITEMS: usize = 8;

/// A job as the pool told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notify {
    /// As JSON text.
    pub(super) id: Box<str>,
    /// The id as a number: servers count their jobs.
    number: Option<u64>,
    /// Hash of the header without time and nonce, and the time in milliseconds, little-endian.
    pub(super) content: [u8; CONTENT_BYTES],
    time_ms: u64,
}

impl Notify {
    /// `[id, [four numbers], time]` or `[id, "80 hex digits"]`.
    pub(super) fn read(
        params: Option<&RawValue>,
        algorithm: &'static Algorithm,
    ) -> Result<Self, ProtocolError> {
        let params = params.and_then(items).ok_or_else(|| field(NAME, "params", "is no list"))?;
        if let Some(wanted) = another_proof_of_work(&params) {
            return Err(ProtocolError::Algorithm { wanted: wanted.into(), configured: algorithm.name });
        }
        let id = params.first().ok_or_else(|| field(NAME, "job_id", "is missing"))?;
        let number = number(id);
        let id = token(id).ok_or_else(|| field(NAME, "job_id", "is no short text or number"))?;
        let header = params.get(1).ok_or_else(|| field(NAME, "header", "is missing"))?;
        let content = if header.get().starts_with('[') {
            of_numbers(header, params.get(2).copied())?
        } else {
            of_hex(header)?
        };
        if content[..HASH_BYTES] == [0; HASH_BYTES] {
            return Err(field(NAME, "header", "is a hash of zeros, from which no matrix can be drawn"));
        }
        let mut time = [0; 8];
        time.copy_from_slice(&content[HASH_BYTES..]);
        Ok(Self { id, number, content, time_ms: u64::from_le_bytes(time) })
    }

    /// Whether both number and time are lower; one alone says nothing.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.number.zip(other.number).is_some_and(|(own, other)| own < other) && self.time_ms < other.time_ms
    }

    /// What is hashed for it.
    pub(super) fn work(&self, prefix: Prefix) -> Option<Work> {
        let mut blob = [0; BLOCK_BYTES];
        blob[..CONTENT_BYTES].copy_from_slice(&self.content);
        Work::new(&blob, prefix.nonce_field(), None).ok()
    }
}

/// Each number is eight bytes of the hash, little-endian. They exceed what a double holds exactly.
fn of_numbers(words: &RawValue, time: Option<&RawValue>) -> Result<[u8; CONTENT_BYTES], ProtocolError> {
    const HEADER: &str = "header";
    let words = items(words).ok_or_else(|| field(NAME, HEADER, "is no list"))?;
    if words.len() != HASH_BYTES / WORD_BYTES {
        return Err(field(NAME, HEADER, format!("has {} numbers; a hash has four", words.len())));
    }
    let mut content = [0; CONTENT_BYTES];
    for (bytes, word) in content.chunks_exact_mut(WORD_BYTES).zip(words) {
        let word = number(word).ok_or_else(|| field(NAME, HEADER, "holds what is no number of 64 bits"))?;
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let time = time.ok_or_else(|| field(NAME, "timestamp", "is missing"))?;
    let time = number(time).ok_or_else(|| field(NAME, "timestamp", "is no number of 64 bits"))?;
    content[HASH_BYTES..].copy_from_slice(&time.to_le_bytes());
    Ok(content)
}

/// The bytes in order.
fn of_hex(header: &RawValue) -> Result<[u8; CONTENT_BYTES], ProtocolError> {
    let digits = text(header).ok_or_else(|| field(NAME, "header", "is neither a list nor a text"))?;
    let digits = digits.strip_prefix("0x").unwrap_or(&digits);
    decode_hex_array(digits)
        .map_err(|error| field(NAME, "header", format!("is no {CONTENT_BYTES} bytes of hex: {error}")))
}

/// Other proofs of work have a message of the same name with other items.
fn another_proof_of_work(params: &[&RawValue]) -> Option<&'static str> {
    let is_hash = |at: usize| {
        params.get(at).and_then(|item| text(item)).is_some_and(|digits| digits.len() == HASH_DIGITS)
    };
    match (is_hash(1), is_hash(2)) {
        (true, true) => Some("Ethash or one of its kin"),
        (true, false) if params.len() >= BITCOIN_ITEMS => Some("SHA-256d or another of Bitcoin's kin"),
        _ => None,
    }
}
