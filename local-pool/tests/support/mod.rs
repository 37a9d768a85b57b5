//! A pool core with a virtual clock and a miner that finds toy shares by hand.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use rminer_algos::{Hash, Target, decode_hex, decode_hex_array, encode_hex};
use rminer_pool::monero::Profile;
use rminer_pool::{
    DifficultyConfig, Fault, Payload, PoolConfig, PoolCore, SessionId, ToyReference, Verification, toy_hash,
};
use serde_json::{Value, json};

pub mod bitcoin;
pub mod kaspa;

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// The pool, its clock, and what each session has received and not yet looked at.
pub struct Rig {
    pub pool: PoolCore,
    pub now: Instant,
    received: BTreeMap<SessionId, Vec<u8>>,
    pub floods: BTreeMap<SessionId, u64>,
    pub writes: BTreeMap<SessionId, Vec<usize>>,
    pub closed: BTreeSet<SessionId>,
}

impl Rig {
    pub fn new(config: PoolConfig) -> Self {
        Self::with(config, Verification::Inline(Box::new(ToyReference)))
    }

    pub fn with(config: PoolConfig, verification: Verification) -> Self {
        let now = Instant::now();
        Self {
            pool: PoolCore::new(config, verification, now),
            now,
            received: BTreeMap::new(),
            floods: BTreeMap::new(),
            writes: BTreeMap::new(),
            closed: BTreeSet::new(),
        }
    }

    /// A pool of a named profile with shares that take about ten hashes.
    pub fn profile(name: &str) -> Self {
        Self::new(easy(Profile::by_name(name).unwrap()))
    }

    pub fn connect(&mut self) -> SessionId {
        let id = self.pool.connect(self.now);
        self.pump();
        id
    }

    pub fn raw(&mut self, id: SessionId, bytes: &[u8]) {
        self.pool.bytes(self.now, id, bytes);
        self.pump();
    }

    pub fn send(&mut self, id: SessionId, value: &Value) {
        self.raw(id, format!("{value}\n").as_bytes());
    }

    pub fn fault(&mut self, text: &str) {
        let fault: rminer_pool::ScheduledFault = text.parse().unwrap();
        self.pool.set_fault(self.now, fault);
        self.pump();
    }

    pub fn set(&mut self, fault: Fault) {
        self.pool.set_fault(self.now, fault);
        self.pump();
    }

    /// Lets time pass, tick by tick.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = Some(self.pool.next_deadline()).filter(|deadline| *deadline <= end) {
            assert!(
                deadline >= self.now || self.now == end || deadline + SECOND > self.now,
                "time runs backwards"
            );
            self.now = self.now.max(deadline);
            self.pool.tick(self.now);
            self.pump();
        }
        self.now = end;
        self.pool.tick(end);
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(output) = self.pool.poll_output() {
            assert!(!self.closed.contains(&output.session), "output after the end");
            match output.payload {
                Payload::Bytes(bytes) => {
                    self.writes.entry(output.session).or_default().push(bytes.len());
                    self.received.entry(output.session).or_default().extend(bytes);
                }
                Payload::Flood { count, .. } => *self.floods.entry(output.session).or_default() += count,
                Payload::Close => {
                    self.closed.insert(output.session);
                }
            }
        }
    }

    /// Everything received and not yet taken.
    pub fn take_raw(&mut self, id: SessionId) -> Vec<u8> {
        self.received.remove(&id).unwrap_or_default()
    }

    /// Whether the last thing received is the beginning of a line.
    pub fn is_mid_line(&self, id: SessionId) -> bool {
        self.received.get(&id).is_some_and(|bytes| !bytes.ends_with(b"\n"))
    }

    /// The received lines as JSON.
    pub fn take(&mut self, id: SessionId) -> Vec<Value> {
        let raw = self.take_raw(id);
        let text = std::str::from_utf8(&raw).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text:?}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only line received.
    pub fn one(&mut self, id: SessionId) -> Value {
        let mut lines = self.take(id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    /// Connects and logs in; the session, its wire id and its job.
    pub fn login(&mut self) -> Miner {
        let id = self.connect();
        self.send(id, &login(1));
        let reply = self.one(id);
        Miner {
            id,
            token: reply["result"]["id"].as_str().unwrap().to_owned(),
            job: reply["result"]["job"].clone(),
            next_request: 2,
        }
    }

    /// Submits a good share for `job` and returns the request's id.
    pub fn submit(&mut self, miner: &mut Miner, job: &Value, nonce: u32) -> u64 {
        let share = share(job, nonce);
        self.submit_share(miner, job, &share)
    }

    pub fn submit_share(&mut self, miner: &mut Miner, job: &Value, share: &Share) -> u64 {
        let request = miner.next_request;
        miner.next_request += 1;
        let mut submit = json!({"id": request, "jsonrpc": "2.0", "method": "submit", "params": {
            "id": miner.token, "job_id": job["job_id"], "nonce": share.nonce, "result": share.result,
        }});
        if let Some(commitment) = &share.commitment {
            submit["params"]["commitment"] = commitment.as_str().into();
            submit["params"]["algo"] = "rx/2".into();
        }
        self.send(miner.id, &submit);
        request
    }

    /// Submits a good share for the miner's job from `nonce` on; the reply.
    pub fn mine(&mut self, miner: &mut Miner, nonce: u32) -> Value {
        let job = miner.job.clone();
        self.submit(miner, &job, nonce);
        self.one(miner.id)
    }

    /// The newest job among what was received, which is taken.
    pub fn job(&mut self, id: SessionId) -> Value {
        let lines = self.take(id);
        let job = lines.iter().rev().find(|line| line["method"] == "job");
        job.unwrap_or_else(|| panic!("no job in {lines:?}"))["params"].clone()
    }
}

pub struct Miner {
    pub id: SessionId,
    pub token: String,
    pub job: Value,
    pub next_request: u64,
}

pub struct Share {
    pub nonce: String,
    pub result: String,
    pub commitment: Option<String>,
}

pub fn easy(profile: Profile) -> PoolConfig {
    PoolConfig { difficulty: DifficultyConfig::fixed(10), ..PoolConfig::with_profile(profile) }
}

pub fn login(id: u64) -> Value {
    json!({"id": id, "jsonrpc": "2.0", "method": "login", "params": {
        "login": "WALLET", "pass": "x", "agent": "test/1", "rigid": "rig0", "algo": ["rx/0", "rx/2"],
    }})
}

/// The first nonce from `nonce` on whose toy hash meets the job's target; a fixed top byte is kept.
pub fn share(job: &Value, nonce: u32) -> Share {
    let target = Target::from_monero_hex(job["target"].as_str().unwrap()).unwrap();
    find(job, nonce, |hash| target.is_met_by(hash))
}

/// As [`share`], and the hash misses the target.
pub fn weak_share(job: &Value, nonce: u32) -> Share {
    let target = Target::from_monero_hex(job["target"].as_str().unwrap()).unwrap();
    find(job, nonce, |hash| !target.is_met_by(hash))
}

fn find(job: &Value, nonce: u32, wanted: impl Fn(&Hash) -> bool) -> Share {
    let mut blob = decode_hex(job["blob"].as_str().unwrap()).unwrap();
    let seed: [u8; 32] = decode_hex_array(job["seed_hash"].as_str().unwrap()).unwrap();
    let fixed = u32::from(blob[42]) << 24;
    for counter in nonce..nonce + 100_000 {
        let nonce = (counter | fixed).to_le_bytes();
        blob[39..43].copy_from_slice(&nonce);
        let hash = toy_hash(&seed, &blob);
        let second = job["algo"] == "rx/2";
        let commitment = || Blake2b::<U32>::new().chain_update(&blob).chain_update(hash.0).finalize().into();
        let proof = if second { Hash(commitment()) } else { hash };
        if wanted(&proof) {
            let commitment = second.then(|| encode_hex(&hash.0));
            return Share { nonce: encode_hex(&nonce), result: encode_hex(&proof.0), commitment };
        }
    }
    panic!("no share in 100,000 nonces");
}

pub fn is_ok(reply: &Value) -> bool {
    reply["error"].is_null() && reply["result"]["status"] == "OK"
}

pub fn error_text(reply: &Value) -> &str {
    reply["error"]["message"].as_str().unwrap_or_default()
}
