//! What real and odd servers say, and what comes of it. The pool's side of a share is computed here from the texts of
//! both messages, as a server would.

mod handshake;
mod jobs;
mod shares;
mod transcripts;

use rminer_algos::registry::SHA256D;
use rminer_algos::sha256d::sha256d;
use rminer_algos::{Hash, Target, decode_hex, decode_hex_array};
use serde_json::{Value, json as value};

use super::*;
use crate::dialect::peer::{self, lines, only_job};
use crate::dialect::{Out, Redirect};
use crate::job::{Job, Supersede};

const EXTRANONCE1: &str = "ffff001d";
const MASK: u32 = 0x1FFF_E000;
/// Block 1 of the main chain.
const BLOCK_1: [&str; 4] = [
    "0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000",
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704",
    "ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000",
    "4966bc61",
];

fn config() -> BitcoinConfig {
    BitcoinConfig {
        user: "bc1qexample.rig0".into(),
        pass: "x".into(),
        agent: "rminer/0.1.0".into(),
        algorithm: &SHA256D,
        options: BitcoinOptions::default(),
        extranonce_subscribe: false,
        plain: false,
        seed: 7,
    }
}

fn unpipelined() -> BitcoinConfig {
    let mut config = config();
    config.options.pipeline = false;
    config
}

/// Parameters of a job like block 1.
fn params(id: &str, version: &str, clean: bool) -> Value {
    let [previous, coinbase_1, coinbase_2, time] = BLOCK_1;
    value!([id, previous, coinbase_1, coinbase_2, [], version, "1d00ffff", time, clean])
}

fn notify_of(params: &Value) -> String {
    value!({"id": null, "method": "mining.notify", "params": params}).to_string()
}

fn notify(id: &str, clean: bool) -> String {
    notify_of(&params(id, "20000000", clean))
}

fn subscribed(extranonce1: &str, size: u64) -> String {
    format!(
        r#"{{"id":2,"result":[[["mining.set_difficulty","a1"],["mining.notify","a1"]],"{extranonce1}",{size}],"error":null}}"#
    )
}

fn difficulty(text: &str) -> String {
    format!(r#"{{"id":null,"method":"mining.set_difficulty","params":[{text}]}}"#)
}

const CONFIGURED: &str =
    r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#;
const AUTHORIZED: &str = r#"{"id":3,"result":true,"error":null}"#;

type Peer = peer::Peer<Bitcoin>;

impl Peer {
    /// Connects, and gives what is sent at once.
    fn new(config: BitcoinConfig) -> (Self, Vec<String>) {
        Self::connect(Bitcoin::new(config))
    }

    /// Behind the whole login, with rolling agreed on.
    fn logged_in() -> Self {
        Self::with(config(), 4)
    }

    fn with(config: BitcoinConfig, size: u64) -> Self {
        let (mut peer, _) = Self::new(config);
        peer.says(CONFIGURED).unwrap();
        assert!(peer.says(&subscribed(EXTRANONCE1, size)).unwrap().is_empty());
        let out = peer.says(AUTHORIZED).unwrap();
        assert!(matches!(out[0], Out::Event(Event::LoggedIn)), "{out:?}");
        peer
    }
}

/// The header that a server rebuilds from its own job and the texts of a share. `bits` says how it reads the sixth.
fn server_header(job: &Value, extranonce1: &str, submit: &Value, bits: impl Fn(u32, u32) -> u32) -> Vec<u8> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let number = |value: &Value| u32::from_str_radix(value.as_str().unwrap(), 16).unwrap();
    let sent = &submit["params"];
    let coinbase = format!("{}{extranonce1}{}{}", text(&job[2]), text(&sent[2]), text(&job[3]));
    let mut root = sha256d(&decode_hex(&coinbase).unwrap());
    for right in job[4].as_array().unwrap() {
        let right: [u8; 32] = decode_hex_array(&text(right)).unwrap();
        root = sha256d(&[root, right].concat());
    }
    let version = number(&job[5]);
    let version = if sent[5].is_null() { version } else { bits(version, number(&sent[5])) };
    let mut header = version.to_le_bytes().to_vec();
    for word in decode_hex(&text(&job[1])).unwrap().chunks(4) {
        header.extend(word.iter().rev());
    }
    header.extend(root);
    for number in [number(&sent[3]), number(&job[6]), number(&sent[4])] {
        header.extend(number.to_le_bytes());
    }
    header
}

fn by_bip310(version: u32, bits: u32) -> u32 {
    assert_eq!(bits & !MASK, 0, "bits outside of the mask");
    version & !MASK | bits
}
