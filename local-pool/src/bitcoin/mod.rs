//! Bitcoin stratum, version 1: headers that the miner puts together, hashed with SHA-256 twice.
//!
//! Nothing of the miner's own hashing, targets or templates is used here.

mod chain;
mod handshake;
mod header;
mod jobs;
mod malformed;
mod profile;
mod submit;
mod target;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rminer_algos::encode_hex;
use serde_json::{Value, json};

pub use self::chain::GivenJob;
pub use self::malformed::MalformedNotify;
pub use self::profile::{
    FirstJob, GENERAL_PURPOSE_BITS, Profile, Reaction, Retarget, Subscriptions, VersionFormula,
};
pub use self::target::hashes;
pub use crate::decimal::Spelling;
pub use crate::job_ids::JobIds;

use self::chain::{Chain, Content};
use self::target::Stamp;
use crate::core::{Desk, Dialect};
use crate::rng::Rng;
use crate::seen::Seen;
use crate::wire::Request;
use crate::{Fault, PoolConfig, SessionId};

/// Sessions that have ended and can be resumed.
const MAX_LEFT: usize = 64;
/// Malformed jobs whose ids are remembered for one session.
const MAX_SPOILED: usize = 64;
/// Questions that wait for an answer.
const MAX_QUESTIONS: usize = 64;
/// Extranonces narrower than this cannot tell sessions apart for long.
const TELLING_BYTES: usize = 4;

/// The dialect with its chain and its judgement.
#[derive(Debug)]
pub(crate) struct Bitcoin {
    profile: Profile,
    chain: Chain,
    template: Arc<Content>,
    seats: BTreeMap<SessionId, Seat>,
    /// What ended sessions had, by the id that they were told.
    left: VecDeque<(String, Seat)>,
    next_extranonce1: u64,
    next_notification: u64,
    /// Version bits that the pool leaves to miners now.
    version_mask: u32,
    seen: Seen,
}

/// What one session has.
#[derive(Debug)]
struct Seat {
    /// Its own mark in coinbases, where extranonce1 cannot tell it apart.
    tag: u64,
    /// Its id in the reply to subscribe.
    session_id: String,
    subscribed: bool,
    /// Names that were authorized.
    workers: Vec<String>,
    extranonce1: Vec<u8>,
    extranonce2_bytes: usize,
    /// The miner wants to be told about another extranonce.
    subscribed_extranonce: bool,
    /// Version bits that the miner asked for.
    asked_mask: Option<u32>,
    /// The difficulty that was told last.
    told: Option<u64>,
    /// Newest last.
    jobs: VecDeque<SeatJob>,
    /// Jobs since the extranonce changed.
    jobs_on_extranonce: u32,
    /// Numbers of the first and last job.
    issued: Option<(u64, u64)>,
    /// The first job is to be wrong in this way.
    spoiler: Option<MalformedNotify>,
    spoiled: VecDeque<String>,
    /// Ids of the pool's own questions, as JSON.
    questions: VecDeque<String>,
}

/// A job as one session has it.
#[derive(Debug, Clone)]
struct SeatJob {
    /// As the miner writes it back.
    id: String,
    content: Arc<Content>,
    coinbase1: Arc<[u8]>,
    extranonce1: Vec<u8>,
    extranonce2_bytes: usize,
    stamp: Stamp,
    /// Version bits that the miner could roll when it was sent.
    mask: u32,
    params: Value,
}

impl Bitcoin {
    pub(crate) fn new(profile: Profile, config: &PoolConfig, mut rng: Rng, now: Instant) -> Self {
        let next_extranonce1 = profile.first_extranonce1.unwrap_or_else(|| rng.next_u64());
        let mut chain = Chain::new(rng, &profile, config, now);
        Self {
            template: chain.next(now),
            chain,
            seats: BTreeMap::new(),
            left: VecDeque::new(),
            next_extranonce1,
            next_notification: 1,
            version_mask: profile.version_mask,
            seen: Seen::default(),
            profile,
        }
    }

    /// A new job for everybody with parts from outside.
    pub(crate) fn push_given(&mut self, desk: &mut Desk, now: Instant, job: GivenJob) {
        self.template = self.chain.given(job);
        desk.template_made(now);
        self.broadcast(desk, now);
    }

    /// An extranonce1 that no other session has, as far as its width allows.
    fn new_extranonce1(&mut self, bytes: usize) -> Vec<u8> {
        let number = self.next_extranonce1.to_be_bytes();
        if !self.profile.one_extranonce1 {
            self.next_extranonce1 = self.next_extranonce1.wrapping_add(1);
        }
        let low = &number[number.len().saturating_sub(bytes)..];
        let mut extranonce = vec![0xA5; bytes.saturating_sub(number.len())];
        extranonce.extend_from_slice(low);
        extranonce
    }
}

impl Dialect for Bitcoin {
    fn opened(&mut self, desk: &mut Desk, _now: Instant, id: SessionId) {
        let extranonce1 = self.new_extranonce1(self.profile.extranonce1_bytes);
        let seat = Seat {
            tag: id.number(),
            session_id: encode_hex(&desk.rng.next_u64().to_le_bytes()[..4]),
            subscribed: false,
            workers: Vec::new(),
            extranonce1,
            extranonce2_bytes: self.profile.extranonce2_bytes,
            subscribed_extranonce: false,
            asked_mask: None,
            told: None,
            jobs: VecDeque::new(),
            jobs_on_extranonce: 0,
            issued: None,
            spoiler: None,
            spoiled: VecDeque::new(),
            questions: VecDeque::new(),
        };
        self.seats.insert(id, seat);
    }

    fn forgotten(&mut self, id: SessionId) {
        if let Some(seat) = self.seats.remove(&id).filter(|seat| self.profile.resume && seat.subscribed) {
            if self.left.len() == MAX_LEFT {
                self.left.pop_front();
            }
            self.left.push_back((seat.session_id.clone(), seat));
        }
    }

    fn request(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        self.dispatch(desk, now, id, request);
    }

    fn answer(&mut self, desk: &mut Desk, id: SessionId, line: &str) -> bool {
        let Ok(reply) = serde_json::from_str::<Value>(line) else { return false };
        if reply.get("result").is_none() && reply.get("error").is_none() {
            return false;
        }
        let Some(seat) = self.seats.get_mut(&id) else { return false };
        let asked = reply.get("id").map(Value::to_string).unwrap_or_default();
        if let Some(index) = seat.questions.iter().position(|question| *question == asked) {
            seat.questions.remove(index);
            desk.stats.answers += 1;
        }
        true
    }

    fn new_template(&mut self, desk: &mut Desk, now: Instant) {
        self.template = self.chain.next(now);
        desk.template_made(now);
    }

    fn grow(&mut self) {
        self.chain.block_found();
    }

    fn push_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        self.send_job(desk, now, id);
    }

    fn retarget(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        self.tell_difficulty(desk, now, id);
        match self.profile.retarget {
            Retarget::NextJob => {}
            Retarget::SameJob => self.send_content(desk, now, id, Arc::clone(&self.template), None),
            Retarget::NewJob => {
                let content = self.chain.sibling(now);
                self.send_content(desk, now, id, content, None);
            }
        }
    }

    fn notify(&mut self, desk: &mut Desk, now: Instant, id: SessionId, method: &str, params: &Value) {
        self.message(desk, now, id, method, &params.to_string());
    }

    fn job_line(&mut self, _desk: &mut Desk, id: SessionId) -> Option<String> {
        let params = self.issue(id, Arc::clone(&self.template), None)?;
        Some(self.line(self.job_method(), &Value::from(params).to_string()))
    }

    fn job_method(&self) -> &'static str {
        "mining.notify"
    }

    fn commit(&mut self, desk: &mut Desk, now: Instant, id: SessionId, fault: &Fault) {
        match fault {
            Fault::DupJob => {
                let last = self.seats.get(&id).and_then(|seat| seat.jobs.back());
                if let Some(params) = last.map(|job| job.params.clone()) {
                    self.notify_job(desk, now, id, &params);
                }
            }
            Fault::SameIdNewContent => {
                let last = self.seats.get(&id).and_then(|seat| seat.jobs.back());
                let Some(job_id) = last.map(|job| job.id.clone()) else { return };
                let content = self.chain.sibling(now);
                self.send_content(desk, now, id, content, Some(job_id));
            }
            Fault::RetargetSameJob => {
                if let Some(session) = desk.sessions.get_mut(&id) {
                    let doubled = session.vardiff.difficulty().saturating_mul(2);
                    session.vardiff.set(doubled, now);
                }
                self.send_content(desk, now, id, Arc::clone(&self.template), None);
            }
            Fault::ZeroTarget => {
                for params in ["[0]", "[0.0]", "[-1]", "[null]", "[\"easy\"]", "[]", "[{}]", "null"] {
                    self.message(desk, now, id, "mining.set_difficulty", params);
                }
            }
            Fault::MalformedNotify(kind) => self.send_spoiled(desk, now, id, *kind),
            Fault::SetExtranonce(sizes) => {
                let (first, second) =
                    sizes.unwrap_or((self.profile.extranonce1_bytes, self.profile.extranonce2_bytes));
                self.change_extranonce(desk, now, id, first, second);
                self.send_content(desk, now, id, Arc::clone(&self.template), None);
            }
            Fault::AbsurdSizes => {
                for params in [json!(["", u32::MAX]), json!(["aa".repeat(5000), 4])] {
                    self.message(desk, now, id, "mining.set_extranonce", &params.to_string());
                }
            }
            Fault::SetVersionMask(mask) => {
                self.version_mask = *mask;
                self.message(
                    desk,
                    now,
                    id,
                    "mining.set_version_mask",
                    &json!([format!("{mask:08x}")]).to_string(),
                );
            }
            Fault::Questions => self.ask(desk, now, id),
            _ => {}
        }
    }

    fn height(&self) -> u64 {
        self.template.height
    }
}

impl Bitcoin {
    /// A message that answers nothing, with params as JSON.
    fn message(&mut self, desk: &mut Desk, now: Instant, id: SessionId, method: &str, params: &str) {
        let line = self.line(method, params);
        desk.send(now, id, line);
    }

    fn line(&mut self, method: &str, params: &str) -> String {
        let id = if self.profile.notification_ids {
            let number = self.next_notification;
            self.next_notification += 1;
            number.to_string()
        } else {
            "null".to_owned()
        };
        format!("{{\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n")
    }

    /// Real questions, with ids of every kind.
    fn ask(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let base = 1_000_000 + self.next_notification;
        self.next_notification += 3;
        for (method, question) in [
            ("client.get_version", base.to_string()),
            ("mining.ping", format!("\"q{base}\"")),
            ("client.ping", (base + 1).to_string()),
        ] {
            let Some(seat) = self.seats.get_mut(&id) else { return };
            if seat.questions.len() == MAX_QUESTIONS {
                seat.questions.pop_front();
            }
            seat.questions.push_back(question.clone());
            desk.send(now, id, format!("{{\"id\":{question},\"method\":\"{method}\",\"params\":[]}}\n"));
        }
    }
}
