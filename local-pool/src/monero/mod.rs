//! Monero stratum: blobs with the nonce in them, RandomX or any other [`Reference`](rminer_algos::Reference).

mod chain;
mod jobs;
mod judgement;
mod login;
mod malformed;
mod params;
#[cfg(feature = "randomx")]
mod portable;
mod profile;
mod shares;
mod target;
mod toy;
mod works;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Instant;

use serde_json::Value;

pub use self::malformed::MalformedJob;
#[cfg(feature = "randomx")]
pub use self::portable::{BothReferences, PortableReference};
pub use self::profile::{Keepalive, NiceHash, Profile};
pub use self::shares::VerifyRequest;
pub use self::target::TargetWidth;
pub use self::toy::{ToyReference, toy_hash};

use self::chain::{Chain, Template};
use self::shares::PendingShare;
use self::works::{WorkId, Works};
use crate::core::{Desk, Dialect};
use crate::rng::Rng;
use crate::wire::Request;
use crate::{Fault, PoolConfig, SessionId, Verification};

/// Malformed jobs whose ids are remembered for one session.
const MAX_SPOILED: usize = 64;

/// The dialect with its chain and the blobs that it gave out.
#[derive(Debug)]
pub(crate) struct Monero {
    profile: Profile,
    verification: Verification,
    chain: Chain,
    template: Template,
    /// The one blob of everybody, where the profile or a test wants that.
    shared_work: Option<WorkId>,
    works: Works,
    seats: BTreeMap<SessionId, Seat>,
    next_job: u64,
    next_ticket: u64,
    pending: BTreeMap<u64, PendingShare>,
    verify: VecDeque<VerifyRequest>,
}

/// What a session that is logged in has.
#[derive(Debug)]
struct Seat {
    /// The session's id on the wire.
    token: String,
    /// The pool's byte of the nonce, in NiceHash mode.
    nonce_byte: Option<u8>,
    /// The first job is still to come.
    job_due: Option<Instant>,
    /// Newest last.
    jobs: VecDeque<SessionJob>,
    /// Numbers of the first and last job ids.
    issued: Option<RangeInclusive<u64>>,
    /// Ids of jobs that were malformed on purpose.
    spoiled: VecDeque<String>,
    bad_shares: u32,
}

/// A job as one session has it.
#[derive(Debug, Clone)]
struct SessionJob {
    /// As the miner writes it back.
    id: String,
    /// What it was said to be for.
    algorithm: &'static str,
    work: WorkId,
    difficulty: u64,
    /// The share test's right side, exactly as the target text says.
    limit: u64,
    /// Block that the job is for.
    block: u64,
    /// What was sent.
    params: Value,
}

impl Monero {
    pub(crate) fn new(
        profile: Profile,
        config: &PoolConfig,
        verification: Verification,
        rng: Rng,
        now: Instant,
    ) -> Self {
        let mut chain = Chain::new(rng, config, profile.seed_jobs, now);
        let mut monero = Self {
            template: chain.next(now),
            chain,
            profile,
            verification,
            shared_work: None,
            works: Works::default(),
            seats: BTreeMap::new(),
            next_job: 1,
            next_ticket: 0,
            pending: BTreeMap::new(),
            verify: VecDeque::new(),
        };
        monero.share_template();
        monero
    }

    /// RandomX key of the current jobs.
    pub(crate) fn seed_hash(&self) -> [u8; 32] {
        self.template.seed
    }

    #[cfg(test)]
    pub(crate) fn blobs(&self) -> usize {
        self.works.len()
    }
}

impl Dialect for Monero {
    fn forgotten(&mut self, id: SessionId) {
        for job in self.seats.remove(&id).into_iter().flat_map(|seat| seat.jobs) {
            self.works.release(job.work);
        }
    }

    fn request(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        self.dispatch(desk, now, id, request);
    }

    fn tick(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let due = self.seats.get_mut(&id).and_then(|seat| seat.job_due.take_if(|due| *due <= now));
        if due.is_some() {
            if let Some(session) = desk.sessions.get_mut(&id) {
                session.wants_jobs = true;
            }
            self.push_job(desk, now, id);
        }
    }

    fn deadline(&self, id: SessionId) -> Option<Instant> {
        self.seats.get(&id)?.job_due
    }

    fn new_template(&mut self, desk: &mut Desk, now: Instant) {
        self.template = self.chain.next(now);
        desk.template_made(now);
        self.share_template();
    }

    fn grow(&mut self) {
        self.chain.block_found();
    }

    fn rotate(&mut self) {
        self.chain.rotate_seed();
    }

    fn push_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        if let Some(job) = self.issue(desk, id) {
            self.notify_job(desk, now, id, &job);
        }
    }

    fn retarget(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        if self.profile.resend_on_retarget {
            self.resend(desk, now, id);
        }
    }

    fn notify(&mut self, desk: &mut Desk, now: Instant, id: SessionId, method: &str, params: &Value) {
        desk.send(now, id, notification(method, params));
    }

    fn job_line(&mut self, desk: &mut Desk, id: SessionId) -> Option<String> {
        self.issue(desk, id).map(|job| notification(self.job_method(), &job))
    }

    fn job_method(&self) -> &'static str {
        "job"
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
                self.new_shared_content(desk.template_due);
                if let Some(work) = self.fresh_work()
                    && let Some(job) = self.issue_work(desk, id, work, Some(job_id))
                {
                    self.notify_job(desk, now, id, &job);
                }
            }
            Fault::RetargetSameJob => {
                if let Some(session) = desk.sessions.get_mut(&id) {
                    let doubled = session.vardiff.difficulty().saturating_mul(2);
                    session.vardiff.set(doubled, now);
                }
                self.resend(desk, now, id);
            }
            Fault::ZeroTarget => self.send_spoiled(desk, now, id, MalformedJob::TargetZero4),
            Fault::MalformedJob(kind) => self.send_spoiled(desk, now, id, *kind),
            _ => {}
        }
    }

    fn height(&self) -> u64 {
        self.template.height
    }
}

/// A line that answers nothing.
fn notification(method: &str, params: &Value) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":{params}}}\n", Value::from(method))
}
