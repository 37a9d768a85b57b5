//! A pool that keeps its own books: what it gave to whom, and what came back. It judges every message that the
//! client sends by these, and shares no code with the client.

use std::collections::{BTreeSet, VecDeque};

use rminer_stratum::rng::Rng;
use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::hostile::{Spoiled, spoil};
use crate::rates::{Habits, Keepalive, NiceHash, S, TargetText, Us};
use crate::toy;

/// Submits that a second allows, and that a burst may have.
const SUBMITS_PER_S: f64 = 20.0;

/// Place in the stream of what does not get through.
const NEVER: u64 = u64::MAX - 1;

/// A blob to hash, and its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    bytes: Vec<u8>,
    seed: [u8; 32],
}

/// A job as it was given.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: Value,
    blob: Blob,
    pub(crate) key: u64,
    /// The top eight bytes of a share are below this.
    pub(crate) limit: u64,
    /// The top byte of the nonce, where it is the pool's.
    fixed: Option<u8>,
    /// Whether anybody could mine it.
    pub(crate) usable: bool,
    named: bool,
    params: String,
    /// Place behind it in the stream to the client, once it is on its way.
    end: u64,
}

/// What a job is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobKind {
    Fresh,
    /// The newest blob under a new id.
    SameBlob,
    /// The newest id for a new blob.
    SameId,
    /// A blob from before the newest.
    OldBlob,
    /// With a fault in it.
    Spoiled,
}

/// What the client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    Login { id: u64 },
    Keepalive { id: u64 },
    Submit { id: u64, record: usize },
}

/// One pool, over all sessions with it.
pub(crate) struct Pool {
    pub(crate) host: String,
    pub(crate) habits: Habits,
    pub(crate) up: bool,
    /// While down: whether tries to connect vanish in place of being refused.
    pub(crate) silent_when_down: bool,
    pub(crate) difficulty: u64,
    /// Whether it ever said what a client stays away for: a minute, or ten.
    pub(crate) sent_away: bool,
    /// Whether it closed on a keepalive or refused one, which may end keepalives for good.
    pub(crate) broke_keepalive: bool,
    /// Shares that it accepted in an answer that went out.
    pub(crate) accepted: u64,
    seed: [u8; 32],
    shared: Option<Blob>,
    last_id: u64,
    /// Every share sent to it over all sessions, but for work that the miner may have forgotten.
    sent: BTreeSet<(u64, u32)>,
}

impl Pool {
    pub(crate) fn new(place: usize, habits: Habits, difficulty: u64, rng: &mut Rng) -> Self {
        let mut pool = Self {
            host: format!("pool{place}.example"),
            habits,
            up: true,
            silent_when_down: false,
            difficulty,
            sent_away: false,
            broke_keepalive: false,
            accepted: 0,
            seed: rng.bytes(),
            shared: None,
            last_id: rng.below(1 << 16),
            sent: BTreeSet::new(),
        };
        pool.new_template(rng);
        pool
    }

    /// The chain moved on.
    pub(crate) fn new_template(&mut self, rng: &mut Rng) {
        self.shared = self.habits.shared_blob.then(|| fresh_blob(self.seed, rng));
    }

    /// The miner does not know any more how far it was with this work.
    pub(crate) fn forgive(&mut self, key: u64) {
        self.sent.retain(|(work, _)| *work != key);
    }

    /// The seed changes.
    pub(crate) fn new_seed(&mut self, rng: &mut Rng) {
        self.seed = rng.bytes();
        self.new_template(rng);
    }
}

/// The pool's side of one connection.
pub(crate) struct Server {
    token: Value,
    /// Top byte of this session's nonces in NiceHash mode.
    byte: u8,
    pub(crate) difficulty: u64,
    pub(crate) records: Vec<Record>,
    /// Place behind the answer that took the login, once that is on its way.
    login_end: Option<u64>,
    pub(crate) logged_in: bool,
    /// Every share of this session.
    sent: BTreeSet<(u64, u32)>,
    last_request: u64,
    /// Level of the bucket of submits, and when.
    bucket: (f64, Us),
    pub(crate) keepalive_at: Option<Us>,
    pub(crate) submits: VecDeque<(u64, Us)>,
    pub(crate) answered: BTreeSet<u64>,
    pub(crate) said: bool,
}

impl Server {
    pub(crate) fn new(pool: &Pool, rng: &mut Rng) -> Self {
        let number = rng.below(1 << 32);
        let floor = u64::from(pool.habits.nicehash == NiceHash::InBlob);
        Self {
            token: if pool.habits.numeric_ids { json!(number) } else { json!(format!("{number:08x}")) },
            byte: u8::try_from(rng.between(floor, 255)).unwrap(),
            difficulty: pool.difficulty,
            records: Vec::new(),
            login_end: None,
            logged_in: false,
            sent: BTreeSet::new(),
            last_request: 0,
            bucket: (0.0, 0),
            keepalive_at: None,
            submits: VecDeque::new(),
            answered: BTreeSet::new(),
            said: false,
        }
    }

    /// Everything made so far is on its way and ends at this place of the stream.
    pub(crate) fn on_its_way(&mut self, end: u64) {
        for record in self.records.iter_mut().rev().take_while(|record| record.end == u64::MAX) {
            record.end = end;
        }
        if let Some(login) = self.login_end.as_mut().filter(|login| **login == u64::MAX) {
            *login = end;
        }
    }

    /// What was made last does not get through.
    pub(crate) fn lost(&mut self) {
        self.on_its_way(NEVER);
    }

    /// Whether the client has the answer that took its login.
    pub(crate) fn client_is_in(&self, delivered: u64) -> bool {
        self.login_end.is_some_and(|end| end <= delivered)
    }

    /// The newest job that the client has all of and can mine.
    pub(crate) fn newest_delivered(&self, delivered: u64) -> Option<&Record> {
        self.records.iter().rev().find(|record| record.usable && record.end <= delivered)
    }

    /// Makes a job and remembers it; returns its parameters as JSON.
    pub(crate) fn job(&mut self, pool: &mut Pool, rng: &mut Rng, kind: JobKind) -> String {
        let newest = self.records.iter().rev().find(|record| record.usable);
        let blob = match kind {
            JobKind::SameBlob => newest.map(|record| record.blob.clone()),
            JobKind::OldBlob => {
                let back = usize::try_from(rng.between(1, 3)).unwrap();
                self.records.iter().rev().filter(|record| record.usable).nth(back).map(|old| old.blob.clone())
            }
            _ => None,
        };
        let same_id = newest.filter(|_| kind == JobKind::SameId).map(|record| record.id.clone());
        let mut blob = blob.or_else(|| pool.shared.clone()).unwrap_or_else(|| fresh_blob(pool.seed, rng));
        let shared = pool.habits.nicehash;
        if shared == NiceHash::InBlob && self.byte == 0 || shared == NiceHash::Announced && !self.said {
            self.byte = self.byte.max(1);
        }
        let byte = if shared == NiceHash::No { 0 } else { self.byte };
        blob.bytes[toy::NONCE.end - 1] = byte;
        pool.last_id += 1;
        let id = same_id.unwrap_or_else(|| match pool.habits.numeric_ids {
            true => json!(pool.last_id),
            false => json!(format!("{:x}", pool.last_id)),
        });
        let target = target_text(pool.habits.target, self.difficulty);
        let mut fields = Map::new();
        fields.insert("blob".into(), hex(&blob.bytes).into());
        fields.insert("job_id".into(), id.clone());
        fields.insert("target".into(), target.clone().into());
        if pool.habits.names_algorithm {
            fields.insert("algo".into(), "rx/0".into());
        }
        fields.insert("height".into(), json!(3_000_000 + pool.last_id));
        fields.insert("seed_hash".into(), hex(&blob.seed).into());
        let mut record = Record {
            id,
            key: toy::key(&blob.bytes, &blob.seed),
            blob,
            limit: limit(&target).unwrap(),
            fixed: (shared != NiceHash::No).then_some(byte),
            usable: true,
            named: pool.habits.names_algorithm,
            params: String::new(),
            end: u64::MAX,
        };
        let params = match kind {
            JobKind::Spoiled => {
                let Spoiled { params, usable, target, id } = spoil(rng, fields);
                record.usable = usable;
                record.limit = target.and_then(|target| limit(&target)).unwrap_or(record.limit);
                record.id = id.unwrap_or(record.id);
                params
            }
            _ => Value::Object(fields).to_string(),
        };
        record.params.clone_from(&params);
        self.records.push(record);
        params
    }

    /// The parameters of the newest job that is on its way, once more and exactly.
    pub(crate) fn repeated(&self) -> Option<String> {
        self.records.iter().rev().find(|record| record.end < NEVER).map(|record| record.params.clone())
    }

    /// The result of a login that is taken.
    pub(crate) fn login_result(&mut self, pool: &Pool, job: Option<&str>) -> String {
        self.logged_in = true;
        self.said = true;
        self.login_end.get_or_insert(u64::MAX);
        let mut extensions = vec!["algo", "keepalive"];
        if pool.habits.nicehash == NiceHash::Announced {
            extensions.push("nicehash");
        }
        let job = job.map(|job| format!(",\"job\":{job}")).unwrap_or_default();
        format!("{{\"id\":{}{job},\"extensions\":{},\"status\":\"OK\"}}", self.token, Value::from(extensions))
    }

    /// Whether a share for this job is late for an honest pool.
    pub(crate) fn is_stale(&self, pool: &Pool, record: usize) -> bool {
        record + pool.habits.keep_jobs < self.records.len()
    }

    /// Judges a message that the client sends now, whether it will arrive or not.
    pub(crate) fn judge(
        &mut self,
        pool: &mut Pool,
        now: Us,
        delivered: u64,
        message: &[u8],
    ) -> Result<Request, String> {
        let text = std::str::from_utf8(message).map_err(|error| error.to_string())?;
        let line = text.strip_suffix('\n').filter(|line| !line.contains('\n')).ok_or("not one line")?;
        let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = value["id"].as_u64().ok_or("an id that is no number")?;
        if id <= self.last_request {
            return Err(format!("id {id} after {}", self.last_request));
        }
        self.last_request = id;
        let params = value["params"].as_object().ok_or("params that are no object")?;
        match value["method"].as_str() {
            Some("login") => {
                if self.client_is_in(delivered) {
                    return Err("a second login".into());
                }
                if params.get("login") != Some(&json!("wallet"))
                    || params.get("algo") != Some(&json!(["rx/0"]))
                {
                    return Err(format!("a login with {params:?}"));
                }
                Ok(Request::Login { id })
            }
            _ if !self.client_is_in(delivered) => Err("a request before the login was taken".into()),
            _ if params.get("id") != Some(&self.token) => Err("another session's token".into()),
            Some("keepalived") => {
                self.keepalive_at = Some(now);
                Ok(Request::Keepalive { id })
            }
            Some("submit") => {
                let (record, share) = self.judge_share(delivered, params)?;
                // One after the other, so that both remember it.
                let (new_here, new) = (self.sent.insert(share), pool.sent.insert(share));
                if !new_here || !new {
                    return Err(format!("nonce {:08x} of job {record} a second time", share.1));
                }
                self.count_submit(now)?;
                self.submits.push_back((id, now));
                Ok(Request::Submit { id, record })
            }
            method => Err(format!("method {method:?}")),
        }
    }

    fn judge_share(
        &self,
        delivered: u64,
        params: &Map<String, Value>,
    ) -> Result<(usize, (u64, u32)), String> {
        let text = |name: &str, digits: usize| {
            let text = params.get(name).and_then(Value::as_str).ok_or(format!("no {name}"))?;
            let lower = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            if text.len() == digits && lower { Ok(text) } else { Err(format!("{name} {text}")) }
        };
        let nonce = u32::from_str_radix(text("nonce", 8)?, 16).map_err(|error| error.to_string())?;
        let nonce = nonce.swap_bytes();
        let result = text("result", 64)?;
        let id = params.get("job_id").ok_or("no job id")?;
        let named = self.records.iter().enumerate().filter(|(_, record)| record.id == *id);
        let named: Vec<(usize, &Record)> = named.filter(|(_, record)| record.end <= delivered).collect();
        if named.is_empty() {
            return Err(format!("job {id} was never given in this session"));
        }
        let usable: Vec<_> = named.into_iter().filter(|(_, record)| record.usable).collect();
        if usable.is_empty() {
            return Err(format!("a share for job {id}, which nobody can mine"));
        }
        let right = usable.iter().filter(|(_, record)| hex(&toy::hash(record.key, nonce)) == result);
        let right: Vec<_> = right.copied().collect();
        let Some((_, record)) = right.last() else { return Err("a wrong hash".into()) };
        if record.fixed.is_some_and(|byte| u32::from(byte) != nonce >> 24) {
            return Err(format!("nonce {nonce:08x} of another NiceHash client than {:?}", record.fixed));
        }
        if params.contains_key("algo") != record.named {
            return Err("algo is sent where the job has none, or the other way round".into());
        }
        let top = toy::top(record.key, nonce);
        let Some((place, _)) = right.iter().rev().find(|(_, record)| top < record.limit) else {
            return Err(format!("{top:016x} does not meet {:016x}", record.limit));
        };
        Ok((*place, (record.key, nonce)))
    }

    fn count_submit(&mut self, now: Us) -> Result<(), String> {
        let (level, at) = self.bucket;
        let level = (level - (now - at) as f64 / S as f64 * SUBMITS_PER_S).max(0.0) + 1.0;
        self.bucket = (level, now);
        // Half a share for rounding.
        if level > SUBMITS_PER_S + 0.5 { Err("more than 20 submits a second".into()) } else { Ok(()) }
    }

    /// Whether the client could not send another share now without breaking the limit, as far as is known here.
    pub(crate) fn is_throttled(&self, now: Us) -> bool {
        let (level, at) = self.bucket;
        level - (now - at) as f64 / S as f64 * SUBMITS_PER_S > SUBMITS_PER_S - 1.5
    }
}

/// The answer to a request, as a line.
pub(crate) fn answer(habits: &Habits, id: u64, outcome: Result<&str, &str>) -> String {
    let id = if habits.string_ids { format!("\"{id}\"") } else { id.to_string() };
    match outcome {
        Ok(result) => format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{result}}}\n"),
        Err(text) => {
            let text = Value::from(text);
            let error = match habits.error_shape {
                0 => format!("\"error\":{{\"code\":-1,\"message\":{text}}}"),
                1 => format!("\"error\":{{\"message\":{text}}}"),
                2 => format!("\"error\":[-1,{text},null]"),
                3 => format!("\"error\":{text}"),
                _ => format!("\"result\":false,\"error\":null,\"reject-reason\":{text}"),
            };
            format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",{error}}}\n")
        }
    }
}

/// A job as a notification.
pub(crate) fn notification(params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"job\",\"params\":{params}}}\n")
}

/// The answer to a keepalive, when there is one.
pub(crate) fn keepalive_answer(habits: &Habits, id: u64) -> Option<String> {
    match habits.keepalive {
        Keepalive::Answer => Some(answer(habits, id, Ok("{\"status\":\"KEEPALIVED\"}"))),
        Keepalive::Error => Some(answer(habits, id, Err("Unknown method"))),
        Keepalive::Silent | Keepalive::Close => None,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| DIGITS[usize::from(digit)] as char)
        .collect()
}

/// Two versions, a time of five bytes, the block before, the nonce, the root, the count of transactions.
fn fresh_blob(seed: [u8; 32], rng: &mut Rng) -> Blob {
    let mut bytes = vec![16, 16, 0xD8, 0xF5, 0x8A, 0xD8, 0x06];
    bytes.extend(rng.bytes::<32>());
    bytes.extend([0; 4]);
    bytes.extend(rng.bytes::<32>());
    bytes.push(u8::try_from(rng.between(1, 127)).unwrap());
    if rng.one_in(16) {
        bytes.extend(rng.bytes::<40>());
    }
    Blob { bytes, seed }
}

fn target_text(form: TargetText, difficulty: u64) -> String {
    let limit = u64::MAX / difficulty;
    match form {
        TargetText::FourBytes => hex(&u32::try_from(u64::from(u32::MAX) / difficulty).unwrap().to_le_bytes()),
        TargetText::EightBytes => hex(&limit.to_le_bytes()),
        TargetText::WholeHash => format!("{}{}", "f".repeat(48), hex(&limit.to_le_bytes())),
    }
}

/// What a target says: the top eight bytes of a share's hash must be below this.
fn limit(text: &str) -> Option<u64> {
    let digits = match text.len() {
        64 => &text[48..],
        2..=8 => &format!("{text:0<8}"),
        10..=16 => &format!("{text:0<16}"),
        _ => return None,
    };
    let number = u64::from_str_radix(digits, 16).ok()?;
    match digits.len() {
        8 => Some(u64::MAX / u64::from(u32::MAX / u32::try_from(number).ok()?.swap_bytes())),
        _ => Some(number.swap_bytes()),
    }
}
