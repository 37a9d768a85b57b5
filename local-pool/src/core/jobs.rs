//! Templates, and the jobs that sessions get from them.

use std::time::{Duration, Instant};

use rminer_algos::{WorkError, encode_hex};
use serde_json::{Value, json};

use super::session::SessionJob;
use super::{PoolCore, SessionId};
use crate::MalformedJob;
use crate::chain::NONCE_OFFSET;
use crate::difficulty::WireTarget;
use crate::time::later;
use crate::works::WorkId;

impl PoolCore {
    /// A new job for everybody: a fresh template, of the same block unless it is time for another.
    pub fn push_new_job(&mut self, now: Instant) {
        self.new_template(now);
        self.broadcast(now);
        self.release(now);
    }

    /// A new job for everybody around a given blob, in which the nonce lies at 39. The blob counts as a new
    /// block; it lives until the next job.
    ///
    /// # Errors
    /// When the blob is too short for the nonce or longer than any miner takes.
    pub fn push_blob(
        &mut self,
        now: Instant,
        blob: &[u8],
        seed: [u8; 32],
        height: u64,
    ) -> Result<(), WorkError> {
        let work = self.works.add(blob, seed)?;
        self.template = self.chain.given(blob.to_vec(), seed, height);
        self.replace_shared_work(Some(work));
        self.template_due = later(now, self.config.job_interval);
        self.broadcast(now);
        self.release(now);
        Ok(())
    }

    /// Gives every session another difficulty.
    pub fn set_difficulty(&mut self, now: Instant, difficulty: u64) {
        for id in self.mining_sessions() {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.vardiff.set(difficulty, now);
            }
            self.resend(now, id);
        }
        self.release(now);
    }

    /// Somebody found a block.
    pub(super) fn new_block(&mut self, now: Instant) {
        self.chain.block_found();
        self.new_template(now);
        self.broadcast(now);
    }

    pub(super) fn change_seed(&mut self, now: Instant) {
        self.chain.rotate_seed();
        self.new_template(now);
        self.broadcast(now);
    }

    pub(super) fn new_template(&mut self, now: Instant) {
        self.template = self.chain.next(now);
        // At least a moment, so that an interval of zero cannot keep the caller busy for ever.
        self.template_due = later(now, self.config.job_interval.max(Duration::from_millis(1)));
        self.share_template();
    }

    /// Makes the one blob of everybody where the profile wants that.
    pub(super) fn share_template(&mut self) {
        let work = self.config.profile.shared_blob.then(|| {
            let root = self.chain.root();
            self.works.add(&self.template.blob(&root), self.template.seed).ok()
        });
        self.replace_shared_work(work.flatten());
    }

    fn replace_shared_work(&mut self, work: Option<WorkId>) {
        if let Some(old) = std::mem::replace(&mut self.shared_work, work) {
            self.works.release(old);
        }
    }

    pub(super) fn broadcast(&mut self, now: Instant) {
        for id in self.mining_sessions() {
            self.push_job(now, id);
        }
    }

    pub(super) fn mining_sessions(&self) -> Vec<SessionId> {
        self.sessions.iter().filter(|(_, session)| session.is_mining()).map(|(id, _)| *id).collect()
    }

    /// Sends the first job to a session that had to wait for it.
    pub(super) fn first_job(&mut self, now: Instant, id: SessionId) {
        let account = self.sessions.get_mut(&id).and_then(|session| session.account.as_mut());
        if account.is_some_and(|account| account.job_due.take_if(|due| *due <= now).is_some()) {
            self.push_job(now, id);
        }
    }

    /// Makes a job from the current template and sends it.
    pub(super) fn push_job(&mut self, now: Instant, id: SessionId) {
        if let Some(job) = self.issue(id) {
            self.notify_job(now, id, job);
        }
    }

    pub(super) fn notify_job(&mut self, now: Instant, id: SessionId, job: Value) {
        self.notify(now, id, "job", &job);
        self.count_job(id);
    }

    pub(super) fn count_job(&mut self, id: SessionId) {
        self.stats.jobs += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.jobs += 1;
        }
    }

    /// Makes a job from the current template; its params.
    pub(super) fn issue(&mut self, id: SessionId) -> Option<Value> {
        let work = self.fresh_work()?;
        self.issue_work(id, work, None)
    }

    /// A blob for one session, held once by the caller.
    pub(super) fn fresh_work(&mut self) -> Option<WorkId> {
        if let Some(work) = self.shared_work {
            self.works.share(work);
            return Some(work);
        }
        let root = self.chain.root();
        self.works.add(&self.template.blob(&root), self.template.seed).ok()
    }

    /// Makes a job around a blob that the caller holds, under a new id or a given one.
    pub(super) fn issue_work(
        &mut self,
        id: SessionId,
        work: WorkId,
        job_id: Option<String>,
    ) -> Option<Value> {
        let number = self.next_job;
        let Some(session) = self.sessions.get_mut(&id) else {
            self.works.release(work);
            return None;
        };
        let new_id = job_id.is_none();
        let job_id = job_id.unwrap_or_else(|| self.config.profile.job_id(number));
        if new_id {
            self.next_job += 1;
            session.issue(number);
        }
        let difficulty = session.vardiff.difficulty();
        let target = WireTarget::new(difficulty, self.config.profile.target_width);
        let mut blob = self.works.work(work)?.blob().to_vec();
        if let (Some(byte), Some(place)) =
            (session.account.as_ref().and_then(|account| account.nonce_byte), blob.get_mut(NONCE_OFFSET + 3))
        {
            *place = byte;
        }
        let mut params = json!({
            "blob": encode_hex(&blob),
            "job_id": job_id,
            "target": target.hex,
            "algo": self.config.profile.algorithm,
            "height": self.template.height,
            "seed_hash": encode_hex(&self.template.seed),
        });
        if self.config.profile.numeric_job_ids {
            params["job_id"] = number_or_text(&job_id);
        }
        if self.modes.numbers_as_strings {
            params["height"] = self.template.height.to_string().into();
        }
        if let Some(next) = self.template.next_seed {
            params["next_seed_hash"] = encode_hex(&next).into();
        }
        session.jobs.push_back(SessionJob {
            id: job_id,
            work,
            difficulty,
            limit: target.limit,
            block: self.template.block,
            params: params.clone(),
        });
        let keep = self.config.profile.keep_jobs.max(1);
        while session.jobs.len() > keep {
            if let Some(job) = session.jobs.pop_front() {
                self.works.release(job.work);
            }
        }
        Some(params)
    }

    /// Sends the last blob again under another id, at the session's difficulty.
    pub(super) fn resend(&mut self, now: Instant, id: SessionId) {
        let last = self.sessions.get(&id).and_then(|session| session.jobs.back()).map(|job| job.work);
        let Some(work) = last else { return };
        self.works.share(work);
        if let Some(job) = self.issue_work(id, work, None) {
            self.notify_job(now, id, job);
        }
    }

    /// Lets vardiff have its say.
    pub(super) fn review_difficulty(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| session.is_mining()) else { return };
        if session.vardiff.review(now).is_some() && self.config.profile.resend_on_retarget {
            self.resend(now, id);
        }
    }

    /// Spoils the params of the newest job. A job that can still be mined stays; the other kinds are taken back,
    /// and shares for them count against the miner.
    pub(super) fn spoil(&mut self, id: SessionId, kind: MalformedJob, params: Value) -> Value {
        if let Some(session) = self.sessions.get_mut(&id).filter(|_| !kind.usable())
            && let Some(job) = session.jobs.pop_back()
        {
            session.spoil(&job.id);
            self.works.release(job.work);
        }
        kind.apply(params)
    }
}

fn number_or_text(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}
