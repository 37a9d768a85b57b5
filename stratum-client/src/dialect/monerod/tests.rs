//! The dialect against a node that is a pure function, and its parts against what a real node said.

use std::collections::VecDeque;

use proptest::prelude::*;
use rminer_algos::{Hash, Target, decode_hex, registry};
use serde_json::{Value, json};

use super::block::{self, Header, LayoutError, derive};
use super::*;
use crate::dialect::candidates::MAX_WAITING;
use crate::dialect::{Event, HttpFailure, NewJob, Out};
use crate::envelope::Fields;
use crate::job::Supersede;
use crate::ledger::Reject;

const EXTRA_NONCE: [u8; 8] = [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
const CALL: &str = "/json_rpc";

mod layout;
mod transcripts;

/// The recorded answers, by number of transactions.
fn recorded() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../../vectors/monerod.json")).unwrap();
    file["templates"].as_array().unwrap().iter().map(|template| template["result"].clone()).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    decode_hex(value.as_str().unwrap()).unwrap()
}

fn config() -> MonerodConfig {
    MonerodConfig {
        wallet: "4\"quoted\"".into(),
        extra_nonce: EXTRA_NONCE,
        algorithm: &registry::RANDOMX,
        later: None,
    }
}

fn read(result: &Value) -> Result<BlockTemplate, ProtocolError> {
    read_with(result, &config())
}

fn read_with(result: &Value, config: &MonerodConfig) -> Result<BlockTemplate, ProtocolError> {
    let raw = serde_json::value::to_raw_value(result).unwrap();
    BlockTemplate::read(&Fields::read(&raw).unwrap(), config)
}
