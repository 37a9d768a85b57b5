//! Submits: what is checked before a hash is computed, the hash, and what follows from it.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::{Hash, Target, Unavailable, Work, decode_hex_array};

use super::session::{SessionJob, Slot};
use super::{PoolCore, SessionId, Verification};
use crate::Reject;
use crate::wire::{Reply, Request, SubmitParams};
use crate::works::{Entered, WorkId};

/// Bad shares after which a strict pool bans.
const STRICT_BAD_SHARES: u32 = 3;

/// A share to be recomputed: the answer is [`PoolCore::verified`] with its ticket.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// Names the share in the answer.
    pub ticket: u64,
    /// What was hashed.
    pub work: Arc<Work>,
    /// The whole nonce.
    pub nonce: u64,
}

/// What must still be true once the hash is known.
#[derive(Debug, Clone)]
struct Candidate {
    work: WorkId,
    difficulty: u64,
    limit: u64,
}

/// A share with the verifier.
#[derive(Debug)]
pub(super) struct PendingShare {
    session: SessionId,
    request_id: String,
    nonce: u32,
    result: [u8; 32],
    /// Blobs that the share can be for, the likeliest last. More than one only where a fault gave one job id to
    /// two of them: the pool must not blame the miner for that.
    candidates: Vec<Candidate>,
}

impl PoolCore {
    /// The next share for the verifier. Only with [`Verification::Deferred`].
    pub fn poll_verify(&mut self) -> Option<VerifyRequest> {
        self.verify.pop_front()
    }

    /// The hash of a share, or why there is none. Unknown tickets are ignored.
    pub fn verified(&mut self, now: Instant, ticket: u64, hash: Result<Hash, Unavailable>) {
        self.settle(now, ticket, &hash);
        self.release(now);
    }

    pub(super) fn submit(&mut self, now: Instant, id: SessionId, request: &Request<'_>) {
        self.stats.shares.submitted += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.shares.submitted += 1;
        }
        match self.examine(now, id, request) {
            Ok(share) => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.count_in_check(id, true);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.slots.push_back(Slot::Waiting(ticket));
                }
                for candidate in &share.candidates {
                    self.works.share(candidate.work);
                }
                self.pending.insert(ticket, share);
                self.request_hash(now, ticket);
            }
            Err(reject) => {
                self.count_reject(id, reject);
                let strict = self.config.profile.strict_ban.is_some();
                if strict && matches!(reject, Reject::InvalidParams | Reject::MalformedNonce) {
                    return self.ban(now, id);
                }
                let close = reject == Reject::NiceHashByte && self.config.profile.close_on_bad_line;
                self.reply(now, id, Reply::refuse(&request.id, reject).for_share().then_close(close));
            }
        }
    }

    /// Everything that can be said without a hash.
    fn examine(
        &mut self,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
    ) -> Result<PendingShare, Reject> {
        let params: SubmitParams = request.params().ok_or(Reject::InvalidParams)?;
        let session = self.sessions.get_mut(&id).ok_or(Reject::Unauthenticated)?;
        let account = session.account.as_ref().filter(|account| account.token == params.id);
        let nonce_byte = account.ok_or(Reject::Unauthenticated)?.nonce_byte;
        if !session.may_submit(now, self.config.limits.submits_per_s)
            || self.pending.len() >= self.config.limits.shares_in_check
        {
            return Err(Reject::Throttled);
        }
        if params.algo.is_some_and(|algo| algo != self.config.profile.algorithm) {
            return Err(Reject::IncorrectAlgorithm);
        }
        let jobs: Vec<&SessionJob> = session.jobs.iter().filter(|job| job.id == params.job_id).collect();
        if jobs.is_empty() {
            if session.is_spoiled(&params.job_id) {
                self.stats.shares_for_malformed_jobs += 1;
                return Err(Reject::InvalidJobId);
            }
            let number = self.config.profile.job_number(&params.job_id);
            let issued =
                session.issued.as_ref().zip(number).is_some_and(|(issued, number)| issued.contains(&number));
            return Err(if issued { Reject::StaleJob } else { Reject::InvalidJobId });
        }
        let nonce = nonce_bytes(&params.nonce).ok_or(Reject::MalformedNonce)?;
        let result = decode_hex_array(&params.result).map_err(|_| Reject::MalformedResult)?;
        if nonce_byte.is_some_and(|byte| byte != nonce[3]) {
            return Err(Reject::NiceHashByte);
        }
        let nonce = u32::from_le_bytes(nonce);
        if self.config.profile.expire_blocks && jobs.iter().all(|job| job.block != self.template.block) {
            return Err(Reject::BlockExpired);
        }
        let mut candidates = Vec::with_capacity(jobs.len());
        for job in jobs {
            if !self.works.has(job.work, nonce) {
                let (difficulty, limit) = (job.difficulty, job.limit);
                candidates.push(Candidate { work: job.work, difficulty, limit });
            }
        }
        if candidates.is_empty() {
            return Err(Reject::Duplicate);
        }
        Ok(PendingShare { session: id, request_id: request.id.clone(), nonce, result, candidates })
    }

    /// Has the likeliest candidate of a pending share hashed.
    fn request_hash(&mut self, now: Instant, ticket: u64) {
        let Some(share) = self.pending.get(&ticket) else { return };
        let nonce = u64::from(share.nonce);
        let work = share.candidates.last().and_then(|candidate| self.works.work(candidate.work));
        let hash = match (work, &mut self.verification) {
            (Some(work), Verification::Deferred) => {
                return self.verify.push_back(VerifyRequest { ticket, work, nonce });
            }
            (Some(work), Verification::Inline(reference)) => reference.hash(&work, nonce),
            (None, _) => Err(Unavailable("the blob is gone".into())),
        };
        self.settle(now, ticket, &hash);
    }

    fn settle(&mut self, now: Instant, ticket: u64, hash: &Result<Hash, Unavailable>) {
        let Some(share) = self.pending.get_mut(&ticket) else { return };
        if share.candidates.len() > 1 && hash.as_ref().is_ok_and(|hash| hash.0 != share.result) {
            if let Some(Candidate { work, .. }) = share.candidates.pop() {
                self.works.release(work);
            }
            return self.request_hash(now, ticket);
        }
        let Some(share) = self.pending.remove(&ticket) else { return };
        let id = share.session;
        let verdict = self.judge(&share, hash);
        for candidate in &share.candidates {
            self.works.release(candidate.work);
        }
        self.count_in_check(id, false);
        let reply = match verdict {
            Ok(difficulty) => {
                self.count_accepted(id, difficulty);
                match self.modes.reject_all {
                    None => Reply::status(&share.request_id, "OK"),
                    Some(reject) => {
                        self.stats.forced_rejects += 1;
                        Reply::refuse(&share.request_id, reject)
                    }
                }
            }
            Err(reject) => {
                self.count_reject(id, reject);
                Reply::refuse(&share.request_id, reject)
            }
        };
        self.fill_slot(now, id, ticket, reply.for_share());
        if let Err(Reject::BadHash | Reject::LowDifficulty) = verdict
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.bad_shares += 1;
            if self.config.profile.strict_ban.is_some() && session.bad_shares >= STRICT_BAD_SHARES {
                self.ban(now, id);
            }
        }
        let solves = |hash: &Hash| {
            Target::from_difficulty(self.config.block_difficulty).is_ok_and(|target| target.is_met_by(hash))
        };
        if verdict.is_ok() && hash.as_ref().is_ok_and(solves) {
            self.stats.blocks += 1;
            self.new_block(now);
        }
        self.review_difficulty(now, id);
    }

    /// The verdict when the hash is known: the credited difficulty or the reason.
    fn judge(&mut self, share: &PendingShare, hash: &Result<Hash, Unavailable>) -> Result<u64, Reject> {
        let hash = hash.as_ref().map_err(|_| Reject::Unverified)?;
        let candidate = share.candidates.last().ok_or(Reject::Unverified)?;
        if hash.0 != share.result {
            return Err(Reject::BadHash);
        }
        match self.works.enter(candidate.work, share.nonce) {
            Entered::New => {}
            Entered::Duplicate => return Err(Reject::Duplicate),
            Entered::Full => return Err(Reject::Throttled),
        }
        let [.., a, b, c, d, e, f, g, h] = hash.0;
        if u64::from_le_bytes([a, b, c, d, e, f, g, h]) < candidate.limit {
            Ok(candidate.difficulty)
        } else {
            Err(Reject::LowDifficulty)
        }
    }

    fn count_accepted(&mut self, id: SessionId, difficulty: u64) {
        self.stats.shares.accept(difficulty);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.shares.accept(difficulty);
            session.vardiff.accepted(difficulty);
        }
    }

    fn count_reject(&mut self, id: SessionId, reject: Reject) {
        self.stats.shares.reject(reject);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.shares.reject(reject);
        }
    }

    fn count_in_check(&mut self, id: SessionId, begins: bool) {
        let session = self.sessions.get_mut(&id).map(|session| &mut session.stats.shares);
        for verdicts in [Some(&mut self.stats.shares), session].into_iter().flatten() {
            if begins {
                verdicts.in_check += 1;
            } else {
                verdicts.in_check = verdicts.in_check.saturating_sub(1);
            }
        }
    }
}

/// Four bytes as they stand in the blob: eight digits, lower case.
fn nonce_bytes(text: &str) -> Option<[u8; 4]> {
    let lower = text.len() == 8 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| decode_hex_array(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_eight_lower_case_digits() {
        assert_eq!(nonce_bytes("12000000"), Some([0x12, 0, 0, 0]));
        for bad in ["", "1200000", "120000000", "1200000A", "0x120000", "1200000é"] {
            assert_eq!(nonce_bytes(bad), None, "{bad}");
        }
    }
}
