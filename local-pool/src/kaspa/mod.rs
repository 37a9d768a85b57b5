//! Kaspa stratum: headers that the pool hashes beforehand, finished by the miner with kHeavyHash.
//!
//! Nothing of the miner's own hashing and targets is used here.

mod address;
mod chain;
mod handshake;
mod jobs;
mod malformed;
mod pow;
mod profile;
mod profiles;
mod submit;
mod target;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rminer_algos::encode_hex;
use serde_json::Value;

pub use self::chain::Template;
pub use self::malformed::MalformedTemplate;
pub use self::pow::Matrix;
pub use self::profile::{
    BadAddress, Enforce, ExtranonceParams, ExtranonceTime, JobForm, Keep, NonceReading, NotificationIds,
    Profile, Retarget, SubscribeReply,
};
pub use self::target::Convention;
pub use crate::bitcoin::{Reaction, hashes};
pub use crate::decimal::Spelling;
pub use crate::job_ids::JobIds;

use self::chain::{Chain, Content};
use self::target::Stamp;
use crate::core::{Desk, Dialect};
use crate::rng::Rng;
use crate::seen::Seen;
use crate::wire::Request;
use crate::{Fault, PoolConfig, SessionId};

/// Malformed jobs whose ids are remembered for one session.
const MAX_SPOILED: usize = 64;
/// Bytes of a nonce, which is the widest extranonce.
const NONCE_BYTES: usize = 8;

/// The dialect with its chain and its judgement.
#[derive(Debug)]
pub(crate) struct Kaspa {
    profile: Profile,
    chain: Chain,
    current: Arc<Content>,
    seats: BTreeMap<SessionId, Seat>,
    next_extranonce: u64,
    seen: Seen,
}

/// What one session has.
#[derive(Debug)]
struct Seat {
    subscribed: bool,
    /// How it wants to be spoken to.
    manner: Manner,
    /// Names that were authorized.
    workers: Vec<String>,
    extranonce: Vec<u8>,
    /// Difficulties in expected hashes that were told last, and before that.
    told: Option<u64>,
    told_before: Option<u64>,
    /// Newest last.
    jobs: VecDeque<SeatJob>,
    next_number: u64,
    /// Jobs since the extranonce changed.
    jobs_on_extranonce: u32,
    /// When the last job was sent in the ordinary course.
    last_job: Option<Instant>,
    /// The first job is to be wrong in this way.
    spoiler: Option<MalformedTemplate>,
    spoiled: VecDeque<String>,
}

/// How pools speak to miners of some names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As the profile has it.
    Usual,
    /// Jobs as one text.
    HexJobs,
    /// The same, and neither id nor version in what answers nothing.
    Bare,
    /// No extranonce.
    Whole,
}

/// A job as one session has it.
#[derive(Debug, Clone)]
struct SeatJob {
    /// As the miner writes it back.
    id: String,
    number: u64,
    content: Arc<Content>,
    extranonce: Vec<u8>,
    stamp: Stamp,
    /// The params as they were sent.
    params: String,
}

impl Kaspa {
    pub(crate) fn new(profile: Profile, config: &PoolConfig, mut rng: Rng, now: Instant) -> Self {
        let next_extranonce = profile.first_extranonce.unwrap_or_else(|| rng.next_u64());
        let mut chain = Chain::new(rng, config, now);
        Self {
            current: chain.next(now),
            chain,
            seats: BTreeMap::new(),
            next_extranonce,
            seen: Seen::default(),
            profile,
        }
    }

    /// A new job for everybody from outside.
    pub(crate) fn push_given(&mut self, desk: &mut Desk, now: Instant, template: Template) {
        self.current = self.chain.given(template);
        desk.template_made(now);
        for id in desk.mining_sessions() {
            self.send_job(desk, now, id);
        }
    }

    /// An extranonce that no other session has, as far as its width allows.
    fn new_extranonce(&mut self, bytes: usize) -> Vec<u8> {
        let number = self.next_extranonce.to_be_bytes();
        self.next_extranonce = self.next_extranonce.wrapping_add(1);
        number[number.len().saturating_sub(bytes)..].to_vec()
    }
}

impl Dialect for Kaspa {
    fn opened(&mut self, _desk: &mut Desk, _now: Instant, id: SessionId) {
        let extranonce = self.new_extranonce(self.profile.extranonce_bytes);
        let seat = Seat {
            subscribed: false,
            manner: Manner::Usual,
            workers: Vec::new(),
            extranonce,
            told: None,
            told_before: None,
            jobs: VecDeque::new(),
            next_number: self.profile.first_job_number,
            jobs_on_extranonce: 0,
            last_job: None,
            spoiler: None,
            spoiled: VecDeque::new(),
        };
        self.seats.insert(id, seat);
    }

    fn forgotten(&mut self, id: SessionId) {
        self.seats.remove(&id);
    }

    fn request(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        self.dispatch(desk, now, id, request);
    }

    fn nonsense(&mut self, desk: &mut Desk, now: Instant, id: SessionId, line: &str) {
        if self.profile.bridge_lines && looks_like_http(line) {
            desk.close(now, id);
        }
    }

    fn new_template(&mut self, desk: &mut Desk, now: Instant) {
        self.current = self.chain.next(now);
        desk.template_made(now);
    }

    fn grow(&mut self) {}

    fn push_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let gap = self.profile.job_gap;
        if seat.last_job.is_some_and(|last| now.saturating_duration_since(last) < gap) {
            return;
        }
        seat.last_job = Some(now);
        self.send_job(desk, now, id);
    }

    fn retarget(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        match self.profile.retarget {
            Retarget::WithNextJob => {}
            Retarget::AtOnce => self.tell_difficulty(desk, now, id),
            Retarget::SameJob => self.send_last_again(desk, now, id),
            Retarget::NewJob => {
                let content = self.chain.next(now);
                self.send_content(desk, now, id, content, None);
            }
        }
    }

    fn notify(&mut self, desk: &mut Desk, now: Instant, id: SessionId, method: &str, params: &Value) {
        let line = format!("{{\"id\":null,\"method\":\"{method}\",\"params\":{params}}}\n");
        desk.send(now, id, line);
    }

    fn job_line(&mut self, _desk: &mut Desk, id: SessionId) -> Option<String> {
        let seat = self.seats.get(&id)?;
        let job = seat.jobs.back()?;
        Some(self.notification(seat, jobs::Kind::Job(job.number), &job.params))
    }

    fn job_method(&self) -> &'static str {
        "mining.notify"
    }

    fn commit(&mut self, desk: &mut Desk, now: Instant, id: SessionId, fault: &Fault) {
        match fault {
            Fault::DupJob => self.repeat_job(desk, now, id, 0),
            Fault::OldJob => self.repeat_job(desk, now, id, 1),
            Fault::SameIdNewContent => {
                let last = self.seats.get(&id).and_then(|seat| seat.jobs.back());
                let Some(name) = last.map(|job| (job.id.clone(), job.number)) else { return };
                let content = self.chain.next(now);
                self.send_content(desk, now, id, content, Some(name));
            }
            Fault::RetargetSameJob => {
                if let Some(session) = desk.sessions.get_mut(&id) {
                    let doubled = session.vardiff.difficulty().saturating_mul(2);
                    session.vardiff.set(doubled, now);
                }
                self.send_last_again(desk, now, id);
            }
            Fault::ZeroTarget => {
                for params in ["[0]", "[0.0]", "[-1]", "[null]", "[\"easy\"]", "[]", "[{}]", "null"] {
                    self.message(desk, now, id, jobs::Kind::Difficulty, params);
                }
            }
            Fault::MalformedTemplate(kind) => self.send_spoiled(desk, now, id, *kind),
            Fault::SetExtranonce(sizes) => {
                let bytes = sizes.map_or(self.profile.extranonce_bytes, |(first, _)| first);
                self.change_extranonce(desk, now, id, bytes);
                self.send_last_again(desk, now, id);
            }
            _ => {}
        }
    }

    fn height(&self) -> u64 {
        self.chain.daa_score
    }
}

/// The start of a request or of an answer.
fn looks_like_http(line: &str) -> bool {
    let first = line.split(' ').next().unwrap_or_default();
    matches!(first, "GET" | "POST" | "PUT" | "HEAD" | "DELETE" | "OPTIONS" | "PATCH" | "CONNECT" | "TRACE")
        || line.starts_with("HTTP/")
        || line.starts_with("PRI * HTTP/2")
}

/// Hex digits of an extranonce, which is what messages tell.
fn extranonce_text(extranonce: &[u8]) -> String {
    encode_hex(extranonce)
}
