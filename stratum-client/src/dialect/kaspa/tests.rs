//! What real and odd servers say, and what comes of it.

mod handshake;
mod jobs;
mod shares;

use rminer_algos::registry::KHEAVYHASH;
use rminer_algos::{Target, decode_hex, encode_hex};

use super::*;
use crate::dialect::peer::{self, only_job};
use crate::dialect::{Out, Redirect};
use crate::job::{Job, Supersede};

/// What the bridge of rusty-kaspa said behind the answers to the login, with its own job and the share that it took.
const BRIDGE: [&str; 3] = [
    r#"{"jsonrpc":"2.0","method":"mining.set_extranonce","params":["0000"]}"#,
    r#"{"jsonrpc":"2.0","method":"mining.set_difficulty","params":[0.000019073486328125]}"#,
    r#"{"id":7,"jsonrpc":"2.0","method":"mining.notify","params":["7",[15432435810008592154,14432733158550291179,3582156063517299342,11052906397465043211],1787225603300]}"#,
];
const BRIDGE_HASH: &str = "1a6f94ca9a062bd6eb4264fd565e4bc88ed2f5eff55fb6310be18bc4cecf6399";
const BRIDGE_TIME_MS: u64 = 1_787_225_603_300;
/// Nonce of that share, and its hash as the bytes of the proof of work.
const BRIDGE_NONCE: u64 = 0x0cad;
const BRIDGE_POW: &str = "f310a8f1e3338071bf9bd0ed898f21b59f6440d29d6ae51af492fd3962c20000";

const SUBSCRIBED: &str = r#"{"id":1,"result":[true,"EthereumStratum/1.0.0"]}"#;
const AUTHORIZED: &str = r#"{"id":2,"result":true}"#;

fn config() -> KaspaConfig {
    KaspaConfig {
        user: "kaspa:qqexample.rig0".into(),
        pass: "x".into(),
        agent: "rminer/0.1.0".into(),
        algorithm: &KHEAVYHASH,
        patience: 1,
    }
}

type Peer = peer::Peer<Kaspa>;

impl Peer {
    fn new() -> Self {
        Self::connect(Kaspa::new(config())).0
    }

    fn logged_in() -> Self {
        let mut peer = Self::new();
        peer.silent(SUBSCRIBED);
        let out = peer.says(AUTHORIZED).unwrap();
        assert!(matches!(out[..], [Out::Event(Event::LoggedIn)]), "{out:?}");
        peer
    }

    /// With the job of the real bridge.
    fn mining() -> (Self, Job) {
        let mut peer = Self::logged_in();
        peer.silent(BRIDGE[0]);
        peer.silent(BRIDGE[1]);
        let job = peer.job(BRIDGE[2]);
        (peer, job)
    }
}

/// A job whose hash is made of one digit.
fn notify(id: &str, digit: u8, time_ms: u64) -> String {
    let hash = [digit; 32];
    let header = encode_hex(&[&hash[..], &time_ms.to_le_bytes()].concat());
    format!(r#"{{"method":"mining.notify","params":["{id}","{header}"]}}"#)
}

fn difficulty(text: &str) -> String {
    format!(r#"{{"method":"mining.set_difficulty","params":[{text}]}}"#)
}

fn extranonce(params: &str) -> String {
    format!(r#"{{"method":"mining.set_extranonce","params":[{params}]}}"#)
}

fn blob(job: &Job, nonce: u64) -> Box<[u8]> {
    job.template.work(0).unwrap().blob_with(nonce)
}

fn fixed_and_free(job: &Job) -> (u64, u8) {
    let field = job.template.work(0).unwrap().nonce_field();
    assert_eq!((field.offset, field.len), (72, 8));
    (field.fixed, field.free_bits)
}

fn hash(digits: &str) -> [u8; 32] {
    decode_hex(digits).unwrap().try_into().unwrap()
}
