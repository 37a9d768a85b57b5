//! Templates, and the jobs that sessions get from them.

use std::time::Instant;

use rminer_algos::registry::RANDOMX_V2;
use rminer_algos::{Variant, WorkError, encode_hex};
use serde_json::{Value, json};

use super::chain::{NONCE_OFFSET, Template};
use super::target::WireTarget;
use super::works::WorkId;
use super::{MAX_SPOILED, MalformedJob, Monero, Profile, Seat, SessionJob, notification};
use crate::SessionId;
use crate::core::{Desk, Dialect};

impl Monero {
    /// A new job for everybody around a given blob; it counts as a new block and lives until the next job.
    ///
    /// # Errors
    /// When the blob is too short for the nonce or longer than any miner takes.
    pub(crate) fn push_blob(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        blob: &[u8],
        seed: [u8; 32],
        height: u64,
    ) -> Result<(), WorkError> {
        let template = self.chain.given(blob.to_vec(), seed, height);
        let work = self.works.add(blob, seed, variant_of(self.profile.algorithm_of(&template)))?;
        self.template = template;
        self.replace_shared_work(Some(work));
        desk.template_made(now);
        self.broadcast(desk, now);
        Ok(())
    }

    /// Makes the one blob of everybody where the profile wants that.
    pub(super) fn share_template(&mut self) {
        let work = self.profile.shared_blob.then(|| {
            let root = self.chain.root();
            self.works.add(&self.template.blob(&root), self.template.seed, self.variant()).ok()
        });
        self.replace_shared_work(work.flatten());
    }

    fn replace_shared_work(&mut self, work: Option<WorkId>) {
        if let Some(old) = std::mem::replace(&mut self.shared_work, work) {
            self.works.release(old);
        }
    }

    /// A fixed blob of everybody would make "new" content the old one.
    pub(super) fn new_shared_content(&mut self, now: Instant) {
        if self.shared_work.is_some() {
            self.template = self.chain.next(now);
            self.share_template();
        }
    }

    pub(super) fn notify_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId, job: &Value) {
        desk.send(now, id, notification("job", job));
        desk.count_job(id);
    }

    /// Makes a job from the current template; its params.
    pub(super) fn issue(&mut self, desk: &Desk, id: SessionId) -> Option<Value> {
        let work = self.fresh_work()?;
        self.issue_work(desk, id, work, None)
    }

    /// A blob for one session, held once by the caller.
    pub(super) fn fresh_work(&mut self) -> Option<WorkId> {
        if let Some(work) = self.shared_work {
            self.works.share(work);
            return Some(work);
        }
        let root = self.chain.root();
        self.works.add(&self.template.blob(&root), self.template.seed, self.variant()).ok()
    }

    /// The version of RandomX that the current template is for.
    fn variant(&self) -> Variant {
        variant_of(self.profile.algorithm_of(&self.template))
    }

    /// Makes a job around a blob that the caller holds, under a new id or a given one.
    pub(super) fn issue_work(
        &mut self,
        desk: &Desk,
        id: SessionId,
        work: WorkId,
        job_id: Option<String>,
    ) -> Option<Value> {
        let number = self.next_job;
        let (Some(seat), Some(session)) = (self.seats.get_mut(&id), desk.sessions.get(&id)) else {
            self.works.release(work);
            return None;
        };
        let new_id = job_id.is_none();
        let job_id = job_id.unwrap_or_else(|| self.profile.job_id(number));
        if new_id {
            self.next_job += 1;
            seat.issue(number);
        }
        let difficulty = session.vardiff.difficulty();
        let target = WireTarget::new(difficulty, self.profile.target_width);
        let work_of = self.works.work(work)?;
        let algorithm = self.profile.algorithm_for(work_of.variant());
        let mut blob = work_of.blob().to_vec();
        if let (Some(byte), Some(place)) = (seat.nonce_byte, blob.get_mut(NONCE_OFFSET + 3)) {
            *place = byte;
        }
        let mut params = json!({
            "blob": encode_hex(&blob),
            "job_id": job_id,
            "target": target.hex,
            "algo": algorithm,
            "height": self.template.height,
            "seed_hash": encode_hex(&self.template.seed),
        });
        if self.profile.numeric_job_ids {
            params["job_id"] = number_or_text(&job_id);
        }
        if desk.modes.numbers_as_strings {
            params["height"] = self.template.height.to_string().into();
        }
        if let Some(next) = self.template.next_seed {
            params["next_seed_hash"] = encode_hex(&next).into();
        }
        seat.jobs.push_back(SessionJob {
            id: job_id,
            algorithm,
            work,
            difficulty,
            limit: target.limit,
            block: self.template.block,
            params: params.clone(),
        });
        while seat.jobs.len() > self.profile.keep_jobs.max(1) {
            if let Some(job) = seat.jobs.pop_front() {
                self.works.release(job.work);
            }
        }
        Some(params)
    }

    /// Sends the last blob again under another id, at the session's difficulty.
    pub(super) fn resend(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let last = self.seats.get(&id).and_then(|seat| seat.jobs.back()).map(|job| job.work);
        let Some(work) = last else { return };
        self.works.share(work);
        if let Some(job) = self.issue_work(desk, id, work, None) {
            self.notify_job(desk, now, id, &job);
        }
    }

    pub(super) fn send_spoiled(&mut self, desk: &mut Desk, now: Instant, id: SessionId, kind: MalformedJob) {
        if let Some(job) = self.issue(desk, id) {
            let spoiled = self.spoil(id, kind, job);
            self.notify_job(desk, now, id, &spoiled);
        }
    }

    /// Spoils the params of the newest job. A job that can still be mined stays; the other kinds are taken back,
    /// and shares for them count against the miner.
    pub(super) fn spoil(&mut self, id: SessionId, kind: MalformedJob, params: Value) -> Value {
        if let Some(seat) = self.seats.get_mut(&id).filter(|_| !kind.usable())
            && let Some(job) = seat.jobs.pop_back()
        {
            seat.spoil(&job.id);
            self.works.release(job.work);
        }
        kind.apply(params)
    }
}

impl Seat {
    /// Notes the number of a new job id.
    fn issue(&mut self, number: u64) {
        let first = self.issued.as_ref().map_or(number, |issued| *issued.start());
        self.issued = Some(first..=number);
    }

    fn spoil(&mut self, id: &str) {
        if self.spoiled.len() == MAX_SPOILED {
            self.spoiled.pop_front();
        }
        self.spoiled.push_back(id.to_owned());
    }

    pub(super) fn is_spoiled(&self, id: &str) -> bool {
        self.spoiled.iter().any(|spoiled| spoiled == id)
    }
}

/// The version of RandomX that a job of this name is judged by.
fn variant_of(name: &str) -> Variant {
    if RANDOMX_V2.is_called(name) { Variant::V2 } else { Variant::V1 }
}

impl Profile {
    /// What a template's jobs are for.
    fn algorithm_of(&self, template: &Template) -> &'static str {
        let second = self.alternate.filter(|_| template.number % 2 == 1);
        second.unwrap_or(self.algorithm)
    }

    /// The versions that its jobs are for.
    #[cfg(feature = "shell")]
    pub(crate) fn variants(&self) -> Vec<Variant> {
        self.algorithms().map(variant_of).collect()
    }

    /// The name of jobs whose blob is for this version.
    fn algorithm_for(&self, variant: Variant) -> &'static str {
        self.algorithms().find(|name| variant_of(name) == variant).unwrap_or(self.algorithm)
    }
}

fn number_or_text(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}
