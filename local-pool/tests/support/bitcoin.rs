//! A Bitcoin miner that puts headers together and finds shares by hand, one hash after the other.

use std::time::Duration;

use rminer_algos::{decode_hex, decode_hex_array, encode_hex};
use rminer_pool::bitcoin::{Profile, VersionFormula};
use rminer_pool::{DifficultyConfig, PoolConfig, SessionId, Verification};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{MS, Rig};

/// Expected hashes of a share in these tests.
pub const HASHES: u64 = 16;

pub fn easy(profile: Profile) -> PoolConfig {
    PoolConfig {
        difficulty: DifficultyConfig::fixed(HASHES),
        job_interval: Duration::from_secs(3600),
        ..PoolConfig::with_profile(profile)
    }
}

/// A connected miner and what it was told.
pub struct Peer {
    pub id: SessionId,
    pub next_request: u64,
    pub extranonce1: Vec<u8>,
    pub extranonce2_bytes: usize,
    pub mask: u32,
    pub formula: VersionFormula,
    /// What the next job will be worth.
    pub difficulty: f64,
    /// Params of the last notify.
    pub job: Value,
    /// Every line since the connection began, in order.
    pub lines: Vec<Value>,
}

/// What a submit carries besides names.
#[derive(Debug, Clone)]
pub struct Share {
    pub extranonce2: Vec<u8>,
    pub time: String,
    pub nonce: u32,
    pub version_bits: Option<u32>,
}

impl Rig {
    pub fn bitcoin(profile: Profile) -> Self {
        Self::with(easy(profile), Verification::Deferred)
    }

    pub fn bitcoin_named(name: &str) -> Self {
        Self::bitcoin(Profile::by_name(name).unwrap())
    }

    /// Connects, without a word.
    pub fn peer(&mut self) -> Peer {
        Peer {
            id: self.connect(),
            next_request: 1,
            extranonce1: Vec::new(),
            extranonce2_bytes: 0,
            mask: 0,
            formula: VersionFormula::Bip310,
            difficulty: 1.0,
            job: Value::Null,
            lines: Vec::new(),
        }
    }

    /// Connects and does all that a miner does to get a job.
    pub fn mining_peer(&mut self) -> Peer {
        let mut peer = self.peer();
        self.call(&mut peer, "mining.configure", json!([["version-rolling"], {"version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": 2}]));
        self.call(&mut peer, "mining.subscribe", json!(["test/1"]));
        self.call(&mut peer, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
        peer
    }

    /// Sends a request and takes in what comes back; its id.
    pub fn call(&mut self, peer: &mut Peer, method: &str, params: Value) -> u64 {
        let request = peer.next_request;
        peer.next_request += 1;
        self.send(peer.id, &json!({"id": request, "method": method, "params": params}));
        self.listen(peer);
        request
    }

    /// Takes in what has come; the new lines.
    pub fn listen(&mut self, peer: &mut Peer) -> Vec<Value> {
        while self.is_mid_line(peer.id) {
            self.wait(MS);
        }
        let lines = self.take(peer.id);
        lines.iter().for_each(|line| peer.hear(line));
        peer.lines.extend(lines.clone());
        lines
    }

    /// Sends a share for the last job; the reply.
    pub fn offer(&mut self, peer: &mut Peer, share: &Share) -> Value {
        let id = self.post(peer, share);
        peer.reply(id)
    }

    /// Sends a share for the last job; the request's id.
    pub fn post(&mut self, peer: &mut Peer, share: &Share) -> u64 {
        let params = peer.params(share);
        self.call(peer, "mining.submit", params)
    }

    /// Finds a share of the last job from `nonce` on and sends it; the reply.
    pub fn dig(&mut self, peer: &mut Peer, nonce: u32) -> Value {
        let share = peer.find(nonce);
        self.offer(peer, &share)
    }
}

impl Peer {
    fn hear(&mut self, line: &Value) {
        let params = &line["params"];
        match line["method"].as_str() {
            Some("mining.set_difficulty") => {
                let told = &params[0];
                let told = told.as_f64().or_else(|| told.as_str().and_then(|text| text.parse().ok()));
                self.difficulty = told.filter(|told| *told > 0.0).unwrap_or(self.difficulty);
            }
            Some("mining.notify") => self.job = params.clone(),
            Some("mining.set_extranonce") => self.set_extranonce(&params[0], &params[1]),
            Some("mining.set_version_mask") if self.mask != 0 => self.mask = number(&params[0]),
            _ => {
                if line["result"]["version-rolling"] == true {
                    self.mask = number(&line["result"]["version-rolling.mask"]);
                } else if line["result"].is_array() && line["result"][1].is_string() {
                    self.set_extranonce(&line["result"][1], &line["result"][2]);
                }
            }
        }
    }

    fn set_extranonce(&mut self, first: &Value, size: &Value) {
        self.extranonce1 = decode_hex(first.as_str().unwrap()).unwrap();
        self.extranonce2_bytes = usize::try_from(size.as_u64().unwrap()).unwrap();
    }

    /// The reply to a request.
    pub fn reply(&self, id: u64) -> Value {
        let reply = self.lines.iter().rev().find(|line| line.get("method").is_none() && line["id"] == id);
        reply.unwrap_or_else(|| panic!("no reply to {id} in {:?}", self.lines)).clone()
    }

    pub fn methods(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line["method"].as_str()).collect()
    }

    pub fn params(&self, share: &Share) -> Value {
        let mut params = json!([
            "bc1qexample.rig0",
            self.job[0],
            encode_hex(&share.extranonce2),
            share.time,
            format!("{:08x}", share.nonce)
        ]);
        if let (Some(bits), Some(params)) = (share.version_bits, params.as_array_mut()) {
            params.push(format!("{bits:08x}").into());
        }
        params
    }

    /// The first nonce from `nonce` on whose hash is good enough.
    pub fn find(&self, nonce: u32) -> Share {
        let extranonce2 = nonce.to_le_bytes().into_iter().cycle().take(self.extranonce2_bytes).collect();
        let share = Share {
            extranonce2,
            time: format!("{:08x}", number(&self.job[7])),
            nonce,
            version_bits: (self.mask != 0).then_some(0),
        };
        self.find_with(share, true)
    }

    /// Walks nonces from that of `share` on until the hash is good enough, or not.
    pub fn find_with(&self, mut share: Share, good: bool) -> Share {
        let limit = 65535.0 * 2f64.powi(208) / self.difficulty;
        let root = self.root(&share);
        for _ in 0..1_000_000 {
            let value = self
                .hash(&share, root)
                .iter()
                .rev()
                .fold(0.0f64, |value, byte| value.mul_add(256.0, f64::from(*byte)));
            // Not near the border, which this arithmetic does not know exactly.
            if good && value < limit * 0.98 || !good && value > limit * 1.05 {
                return share;
            }
            share.nonce = share.nonce.wrapping_add(1);
        }
        panic!("no share in a million nonces");
    }

    /// The header's version that a share says.
    pub fn version(&self, share: &Share) -> u32 {
        let job = number(&self.job[5]);
        match (share.version_bits, self.formula) {
            (None, _) => job,
            (Some(bits), VersionFormula::Bip310) => job & !self.mask | bits,
            (Some(bits), VersionFormula::Xor) => job ^ bits,
        }
    }

    fn root(&self, share: &Share) -> [u8; 32] {
        let coinbase =
            [self.hex(2), self.extranonce1.clone(), share.extranonce2.clone(), self.hex(3)].concat();
        let mut root = sha256d(&coinbase);
        for right in self.job[4].as_array().unwrap() {
            let right: [u8; 32] = decode_hex_array(right.as_str().unwrap()).unwrap();
            root = sha256d(&[root, right].concat());
        }
        root
    }

    fn hex(&self, index: usize) -> Vec<u8> {
        decode_hex(self.job[index].as_str().unwrap()).unwrap()
    }

    fn hash(&self, share: &Share, root: [u8; 32]) -> [u8; 32] {
        let mut header = self.version(share).to_le_bytes().to_vec();
        for group in self.hex(1).chunks(4) {
            header.extend(group.iter().rev());
        }
        header.extend(root);
        header.extend(u32::from_str_radix(&share.time, 16).unwrap().to_le_bytes());
        header.extend(number(&self.job[6]).to_le_bytes());
        header.extend(share.nonce.to_le_bytes());
        assert_eq!(header.len(), 80);
        sha256d(&header)
    }
}

pub fn number(value: &Value) -> u32 {
    u32::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

pub fn is_true(reply: &Value) -> bool {
    reply["error"].is_null() && reply["result"] == true
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}
