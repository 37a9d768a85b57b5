//! The dialect against a node that is a pure function, and its parts against what real nodes said.

use std::collections::VecDeque;

use rminer_algos::{Hash, decode_hex, encode_hex, registry};
use serde_json::Value;

use super::protobuf::{fields, put_bytes, put_number};
use super::*;
use crate::dialect::Out;
use crate::job::Job;
use crate::ledger::Reject;

mod templates;
mod transcripts;

/// What real nodes said.
fn recorded(part: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../../vectors/kaspad.json")).unwrap();
    file[part].as_array().unwrap().clone()
}

fn message(field: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, field, payload);
    out
}

fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, field, value);
    out
}

/// A header that any hash of two meets.
fn header(timestamp: u64) -> Vec<u8> {
    let hash = "5c".repeat(32);
    let mut header = [number(1, 2), message(12, &message(1, hash.as_bytes()))].concat();
    for field in [3, 4, 5, 14] {
        put_bytes(&mut header, field, hash.as_bytes());
    }
    [header, number(6, timestamp), number(7, 0x207f_ffff), number(9, timestamp % 1000), message(10, b"1e2")]
        .concat()
}
