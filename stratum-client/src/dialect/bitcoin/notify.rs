//! The fields of `mining.notify`.

use rminer_algos::{
    Algorithm, HeaderTemplate, MAX_BRANCH, MAX_COINBASE_BYTES, Target, decode_hex, decode_hex_array,
};
use serde_json::value::RawValue;

use super::extranonce::Extranonce;
use super::height::height;
use crate::dialect::ProtocolError;
use crate::dialect::wire::{field, token};
use crate::envelope::{items, text, truth};

const NAME: &str = "mining.notify";
/// Up to the time; what comes behind may be missing.
const MIN_ITEMS: usize = 8;
/// Place of `clean_jobs`.
const CLEAN: usize = 8;
/// Hex digits of a hash.
const HASH_DIGITS: usize = 64;
/// Seconds that the header's time may run ahead where there is little else to roll, by the width of the miner's part
/// of the extranonce in bytes. It moves only when all else is exhausted, which takes longer than a second unless there
/// is no such part.
const TIME_SLACK_S: [u16; 3] = [600, 60, 60];

/// A job as the pool told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notify {
    /// As JSON text.
    pub(super) id: Box<str>,
    /// Hash of the block before, in the order in which it is hashed.
    pub(super) previous: [u8; 32],
    coinbase_1: Box<[u8]>,
    coinbase_2: Box<[u8]>,
    branch: Box<[[u8; 32]]>,
    pub(super) version: u32,
    bits: u32,
    time: u32,
    /// Whether older jobs are worthless by it.
    pub(super) clean: bool,
}

impl Notify {
    pub(super) fn read(
        params: Option<&RawValue>,
        algorithm: &'static Algorithm,
    ) -> Result<Self, ProtocolError> {
        let params = params.and_then(items).ok_or_else(|| field(NAME, "params", "is no list"))?;
        if let Some(wanted) = another_proof_of_work(&params) {
            return Err(ProtocolError::Algorithm { wanted: wanted.into(), configured: algorithm.name });
        }
        if params.len() < MIN_ITEMS {
            return Err(field(NAME, "params", format!("has {} items; a job has nine", params.len())));
        }
        let [id, previous, coinbase_1, coinbase_2, branch, version, bits, time] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|at| params[at]);
        let id = token(id).ok_or_else(|| field(NAME, "job_id", "is no short text or number"))?;
        let previous = hash("prevhash", previous)?;
        let (coinbase_1, coinbase_2) = (bytes("coinb1", coinbase_1)?, bytes("coinb2", coinbase_2)?);
        if coinbase_1.len() + coinbase_2.len() > MAX_COINBASE_BYTES {
            let fault = format!("makes a coinbase of more than {MAX_COINBASE_BYTES} bytes");
            return Err(field(NAME, "coinb2", fault));
        }
        let branch = items(branch).ok_or_else(|| field(NAME, "merkle_branch", "is no list"))?;
        if branch.len() > MAX_BRANCH {
            let fault = format!("has {} hashes; at most {MAX_BRANCH} are taken", branch.len());
            return Err(field(NAME, "merkle_branch", fault));
        }
        let branch = branch.into_iter().map(|item| hash("merkle_branch", item)).collect::<Result<_, _>>()?;
        Ok(Self {
            id,
            previous: swap_words(previous),
            coinbase_1,
            coinbase_2,
            branch,
            version: hex_number(NAME, "version", version)?,
            bits: hex_number(NAME, "nbits", bits)?,
            time: hex_number(NAME, "ntime", time)?,
            // Some pools have further items behind it, some before.
            clean: params
                .get(CLEAN)
                .and_then(|item| truth(item))
                .or_else(|| params[MIN_ITEMS..].last().and_then(|item| truth(item)))
                .unwrap_or(false),
        })
    }

    /// What is hashed for it.
    pub(super) fn template(
        &self,
        extranonce: &Extranonce,
        version_mask: u32,
        extranonce2_first: u64,
    ) -> HeaderTemplate {
        let slack = TIME_SLACK_S.get(usize::from(extranonce.second_len));
        HeaderTemplate {
            version: self.version,
            previous: self.previous,
            coinbase_prefix: [&*self.coinbase_1, &extranonce.first].concat().into(),
            coinbase_suffix: self.coinbase_2.clone(),
            extranonce2_len: extranonce.second_len,
            extranonce2_first,
            branch: self.branch.clone(),
            time: self.time,
            time_slack_s: slack.copied().unwrap_or(0),
            bits: self.bits,
            version_mask,
        }
    }

    /// A hash that meets this is a block; none where the bits make no sense.
    pub(super) fn block_target(&self) -> Option<Target> {
        Target::from_compact(self.bits)
    }

    /// Height of the block, for people.
    pub(super) fn height(&self) -> Option<u64> {
        // A version 1 block has anything there.
        (self.version > 1).then(|| height(&self.coinbase_1)).flatten()
    }
}

/// A 32-bit number: hexadecimal as text, with any number of digits and perhaps `0x`, or a plain JSON number.
pub(super) fn hex_number(
    message: &'static str,
    name: &'static str,
    raw: &RawValue,
) -> Result<u32, ProtocolError> {
    let written = text(raw).unwrap_or_default();
    let number = if raw.get().starts_with('"') {
        let written = written.trim();
        let digits = written.strip_prefix("0x").unwrap_or(written);
        // The parser would take a sign.
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    } else {
        written.parse().ok()
    };
    number.ok_or_else(|| field(message, name, "is no number of 32 bits"))
}

/// Other proofs of work have a message of the same name with other items.
fn another_proof_of_work(params: &[&RawValue]) -> Option<&'static str> {
    let is_hash = |at: usize| {
        params.get(at).and_then(|item| text(item)).is_some_and(|digits| digits.len() == HASH_DIGITS)
    };
    let is_bool = |at: usize| params.get(at).is_some_and(|item| matches!(item.get(), "true" | "false"));
    match params {
        [_, second, ..] if second.get().starts_with('[') => Some("kHeavyHash"),
        // A coinbase has more than 32 bytes before its extranonce, so a hash here is something else.
        _ if is_hash(2) && is_bool(4) => Some("KawPow"),
        _ if is_hash(2) && is_hash(3) => Some("Equihash"),
        _ if is_hash(2) && is_bool(3) => Some("Ethash"),
        _ if is_hash(2) => Some("another proof of work"),
        _ => None,
    }
}

fn bytes(name: &'static str, raw: &RawValue) -> Result<Box<[u8]>, ProtocolError> {
    let digits = text(raw).ok_or_else(|| field(NAME, name, "is no text"))?;
    let bytes = decode_hex(&digits).map_err(|error| field(NAME, name, format!("is no hex: {error}")))?;
    Ok(bytes.into())
}

fn hash(name: &'static str, raw: &RawValue) -> Result<[u8; 32], ProtocolError> {
    let digits = text(raw).ok_or_else(|| field(NAME, name, "is no text"))?;
    decode_hex_array(&digits).map_err(|error| field(NAME, name, format!("is no 32 bytes of hex: {error}")))
}

/// From the order of the message, where each word of four bytes is turned, to the order of the header.
fn swap_words(mut hash: [u8; 32]) -> [u8; 32] {
    for word in hash.chunks_exact_mut(4) {
        word.reverse();
    }
    hash
}
