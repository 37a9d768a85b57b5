//! A Kaspa miner that understands every form of everything and finds shares by hand.

use std::time::Duration;

use rminer_algos::{decode_hex, encode_hex};
use rminer_pool::kaspa::{Matrix, Profile, hashes};
use rminer_pool::{DifficultyConfig, PoolConfig, SessionId, Verification};
use serde_json::{Value, json};

use super::{MS, Rig};

/// An address of nobody, with a right checksum.
pub const USER: &str = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j.rig0";
/// Expected hashes of a share in these tests: a power of two.
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
    pub extranonce: Vec<u8>,
    /// What the next job will be worth, in expected hashes.
    pub hashes: u64,
    /// Params of the last job, and what it is worth.
    pub job: Value,
    pub job_hashes: u64,
    /// Every line since the connection began, in order, and as it was written.
    pub lines: Vec<Value>,
    pub raw: Vec<String>,
}

impl Rig {
    pub fn kaspa(profile: Profile) -> Self {
        Self::with(easy(profile), Verification::Deferred)
    }

    pub fn kaspa_named(name: &str) -> Self {
        Self::kaspa(Profile::by_name(name).unwrap())
    }

    /// Connects, without a word.
    pub fn kaspa_peer(&mut self) -> Peer {
        Peer {
            id: self.connect(),
            next_request: 1,
            extranonce: Vec::new(),
            hashes: 1 << 32,
            job: Value::Null,
            job_hashes: 0,
            lines: Vec::new(),
            raw: Vec::new(),
        }
    }

    /// Connects and does all that a miner does to get a job.
    pub fn kaspa_miner(&mut self) -> Peer {
        self.kaspa_agent("test/1")
    }

    /// The same under another name.
    pub fn kaspa_agent(&mut self, agent: &str) -> Peer {
        let mut peer = self.kaspa_peer();
        self.ask(&mut peer, "mining.subscribe", json!([agent, "EthereumStratum/1.0.0"]));
        self.ask(&mut peer, "mining.authorize", json!([USER, "x"]));
        self.wait(100 * MS);
        self.hear(&mut peer);
        peer
    }

    /// Sends a request and takes in what comes back; its id.
    pub fn ask(&mut self, peer: &mut Peer, method: &str, params: Value) -> u64 {
        let request = peer.next_request;
        peer.next_request += 1;
        self.send(peer.id, &json!({"id": request, "method": method, "params": params}));
        self.hear(peer);
        request
    }

    /// Takes in what has come; the new lines.
    pub fn hear(&mut self, peer: &mut Peer) -> Vec<Value> {
        while self.is_mid_line(peer.id) {
            self.wait(MS);
        }
        let text = String::from_utf8(self.take_raw(peer.id)).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter().for_each(|line| peer.hear(line));
        peer.lines.extend(lines.clone());
        peer.raw.extend(text.lines().map(str::to_owned));
        lines
    }

    /// Submits these params; the reply, if there is one.
    pub fn try_params(&mut self, peer: &mut Peer, params: Value) -> Option<Value> {
        let id = self.ask(peer, "mining.submit", params);
        peer.reply(id)
    }

    /// Submits a nonce for the last job; the reply.
    pub fn offer_nonce(&mut self, peer: &mut Peer, nonce: u64) -> Value {
        let params = peer.submit(nonce);
        self.try_params(peer, params).unwrap_or_else(|| panic!("no reply: {:?}", peer.raw))
    }

    /// Finds a share of the last job and sends it; the reply.
    pub fn find_share(&mut self, peer: &mut Peer) -> Value {
        let nonce = peer.good(0);
        self.offer_nonce(peer, nonce)
    }
}

impl Peer {
    fn hear(&mut self, line: &Value) {
        let params = &line["params"];
        match line["method"].as_str() {
            Some("mining.set_difficulty") => {
                let told = &params[0];
                let told = told.as_f64().or_else(|| told.as_str().and_then(|text| text.parse().ok()));
                self.hashes = told.filter(|told| *told > 0.0).map_or(self.hashes, hashes);
            }
            Some("mining.notify") => {
                self.job = params.clone();
                self.job_hashes = self.hashes;
            }
            Some("mining.set_extranonce" | "set_extranonce") => self.take_extranonce(&params[0]),
            _ if line["result"][1].is_string() && line["result"][2].is_u64() => {
                self.take_extranonce(&line["result"][1]);
            }
            _ => {}
        }
    }

    fn take_extranonce(&mut self, text: &Value) {
        self.extranonce = decode_hex(text.as_str().unwrap()).unwrap();
    }

    /// The reply to a request.
    pub fn reply(&self, id: u64) -> Option<Value> {
        self.lines.iter().rev().find(|line| line.get("method").is_none() && line["id"] == id).cloned()
    }

    pub fn methods(&self) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line["method"].as_str()).collect()
    }

    /// The params of a submit for the last job.
    pub fn submit(&self, nonce: u64) -> Value {
        json!([USER, self.job[0], format!("{nonce:016x}")])
    }

    /// Hash and time of the last job.
    pub fn template(&self) -> ([u8; 32], u64) {
        let number =
            |value: &Value| value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
        let bytes = match &self.job[1] {
            Value::Array(words) => {
                let mut bytes: Vec<u8> = words.iter().flat_map(|word| number(word).to_le_bytes()).collect();
                bytes.extend(number(&self.job[2]).to_le_bytes());
                bytes
            }
            text => decode_hex(text.as_str().unwrap()).unwrap(),
        };
        (bytes[..32].try_into().unwrap(), u64::from_le_bytes(bytes[32..].try_into().unwrap()))
    }

    /// The first nonce from a place on whose value is good enough for the last job.
    pub fn good(&self, place: u64) -> u64 {
        self.walk(place, true)
    }

    /// The first one that is not.
    pub fn bad(&self, place: u64) -> u64 {
        self.walk(place, false)
    }

    fn walk(&self, place: u64, good: bool) -> u64 {
        let (hash, timestamp) = self.template();
        let matrix = Matrix::new(&hash);
        #[allow(clippy::cast_precision_loss)]
        let limit = 2f64.powi(256) / self.job_hashes as f64;
        let mut prefix = [0; 8];
        prefix[..self.extranonce.len()].copy_from_slice(&self.extranonce);
        let free = 64 - 8 * self.extranonce.len();
        for counter in place..place + 1_000_000 {
            let counter = if free == 64 { counter } else { counter & ((1 << free) - 1) };
            let nonce = u64::from_be_bytes(prefix) | counter;
            let value = matrix
                .pow(&hash, timestamp, nonce)
                .iter()
                .rev()
                .fold(0.0f64, |value, byte| value.mul_add(256.0, f64::from(*byte)));
            // Not near the border, which this arithmetic does not know exactly.
            if good && value < limit * 0.98 || !good && value > limit * 1.05 {
                return nonce;
            }
        }
        panic!("no share in a million nonces of {}", encode_hex(&self.extranonce));
    }
}

pub fn is_true(reply: &Value) -> bool {
    reply["error"].is_null() && reply["result"] == true
}
