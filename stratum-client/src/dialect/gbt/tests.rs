//! The dialect against a node that is a pure function, and its parts against what real nodes said.

use std::collections::VecDeque;

use rminer_algos::sha256d::sha256d;
use rminer_algos::{Hash, decode_hex, encode_hex, registry};

use super::template::Fault;
use super::*;
use crate::dialect::{HttpFailure, NewJob, Out};
use crate::job::Supersede;
use crate::ledger::Reject;

mod templates;
mod transcripts;

/// Pays the hash of seven times twenty, as on regtest.
const ADDRESS: &str = "mgA7SfyBBrVGVSpQ7oqGHPhxpp2gUZWtfc";

fn config() -> GbtConfig {
    GbtConfig {
        payout: Payout::parse(ADDRESS).unwrap(),
        extranonce1: [0x11, 0x22, 0x33, 0x44],
        version_mask: 0x1fff_e000,
        algorithm: &registry::SHA256D,
    }
}

/// What a node said: `bcoin` with witnesses, `bsv` without.
fn recorded(node: &str) -> Value {
    let file: Value = serde_json::from_str(include_str!("../../../vectors/gbt.json")).unwrap();
    file[node].clone()
}

fn read_with(result: &Value, config: &GbtConfig) -> Result<BlockTemplate, Fault> {
    let raw = serde_json::value::to_raw_value(result).unwrap();
    BlockTemplate::read(&raw, config)
}

fn read(result: &Value) -> Result<BlockTemplate, Fault> {
    read_with(result, &config())
}

/// A nonce that solves the block, from `first` on: every second does at the easiest target.
fn solution(template: &BlockTemplate, first: u64) -> u64 {
    (first..).find(|nonce| template.is_solved_by(&template.header_with(0, *nonce).unwrap())).unwrap()
}

/// A hash as nodes write it.
fn display(hash: &[u8; 32]) -> String {
    let mut hash = *hash;
    hash.reverse();
    encode_hex(&hash)
}
