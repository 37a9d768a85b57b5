//! Submits: what is checked before a hash is computed, the hash, and what follows from it.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::{Hash, Target, Unavailable, Variant, Work, decode_hex_array};
use serde_json::json;

use super::judgement::Claim;
use super::params::SubmitParams;
use super::works::{Entered, WorkId};
use super::{Monero, SessionJob};
use crate::core::{Desk, Dialect, Slot, review_difficulty};
use crate::wire::{Reply, Request};
use crate::{Reject, SessionId, Verification};

/// Bad shares after which a strict pool bans.
const STRICT_BAD_SHARES: u32 = 3;

/// A share to be recomputed: the answer is [`PoolCore::verified`](crate::PoolCore::verified) with its ticket.
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
    claim: Claim,
    /// Blobs that the share can be for, the likeliest last. More than one only where a fault gave one job id to
    /// two of them: the pool must not blame the miner for that.
    candidates: Vec<Candidate>,
}

impl Monero {
    /// The next share for the verifier.
    pub(crate) fn poll_verify(&mut self) -> Option<VerifyRequest> {
        self.verify.pop_front()
    }

    pub(super) fn submit(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        desk.count_submitted(id);
        match self.examine(desk, now, id, request) {
            Ok(share) => {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                desk.count_in_check(id, true);
                if let Some(session) = desk.sessions.get_mut(&id) {
                    session.slots.push_back(Slot::Waiting(ticket));
                }
                for candidate in &share.candidates {
                    self.works.share(candidate.work);
                }
                self.pending.insert(ticket, share);
                self.request_hash(desk, now, ticket);
            }
            Err(reject) => {
                desk.count_reject(id, reject);
                let strict = self.profile.strict_ban.is_some();
                if strict && matches!(reject, Reject::InvalidParams | Reject::MalformedNonce) {
                    return desk.ban(now, id);
                }
                let close = reject == Reject::NiceHashByte && self.profile.close_on_bad_line;
                desk.reply(now, id, Reply::refuse(&request.id, reject).for_share().then_close(close));
            }
        }
    }

    /// Everything that can be said without a hash.
    fn examine(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
    ) -> Result<PendingShare, Reject> {
        let params: SubmitParams = request.params().ok_or(Reject::InvalidParams)?;
        let session = desk.sessions.get_mut(&id).ok_or(Reject::Unauthenticated)?;
        let seat = self.seats.get(&id).filter(|seat| seat.token == params.id);
        let seat = seat.ok_or(Reject::Unauthenticated)?;
        let nonce_byte = seat.nonce_byte;
        if !session.may_submit(now, desk.config.limits.submits_per_s)
            || self.pending.len() >= desk.config.limits.shares_in_check
        {
            return Err(Reject::Throttled);
        }
        if params.algo.as_ref().is_some_and(|algo| self.profile.algorithms().all(|served| served != algo)) {
            return Err(Reject::IncorrectAlgorithm);
        }
        let jobs: Vec<&SessionJob> = seat.jobs.iter().filter(|job| job.id == params.job_id).collect();
        if jobs.is_empty() {
            if seat.is_spoiled(&params.job_id) {
                desk.stats.shares_for_malformed_jobs += 1;
                return Err(Reject::InvalidJobId);
            }
            let number = self.profile.job_number(&params.job_id);
            let issued =
                seat.issued.as_ref().zip(number).is_some_and(|(issued, number)| issued.contains(&number));
            return Err(if issued { Reject::StaleJob } else { Reject::InvalidJobId });
        }
        if params.algo.is_some_and(|algo| jobs.iter().all(|job| job.algorithm != algo)) {
            return Err(Reject::IncorrectAlgorithm);
        }
        let nonce = nonce_bytes(&params.nonce).ok_or(Reject::MalformedNonce)?;
        let result = decode_hex_array(&params.result).map_err(|_| Reject::MalformedResult)?;
        let of_v2 =
            |job: &SessionJob| self.works.work(job.work).is_some_and(|work| work.variant() == Variant::V2);
        let commitment = match &params.commitment {
            Some(text) => Some(decode_hex_array(text).map_err(|_| Reject::MalformedCommitment)?),
            None if jobs.iter().all(|job| of_v2(job)) => return Err(Reject::MalformedCommitment),
            None => None,
        };
        let claim = Claim { result, commitment };
        if nonce_byte.is_some_and(|byte| byte != nonce[3]) {
            return Err(Reject::NiceHashByte);
        }
        let nonce = u32::from_le_bytes(nonce);
        if self.profile.expire_blocks && jobs.iter().all(|job| job.block != self.template.block) {
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
        Ok(PendingShare { session: id, request_id: request.id.clone(), nonce, claim, candidates })
    }

    /// Has the likeliest candidate of a pending share hashed.
    fn request_hash(&mut self, desk: &mut Desk, now: Instant, ticket: u64) {
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
        self.settle(desk, now, ticket, &hash);
    }

    /// The hash of a share is known, or that there is none.
    pub(crate) fn settle(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        ticket: u64,
        hash: &Result<Hash, Unavailable>,
    ) {
        let Some(share) = self.pending.get_mut(&ticket) else { return };
        let work = share.candidates.last().and_then(|candidate| self.works.work(candidate.work));
        let nonce = share.nonce.into();
        // What is compared with targets, where the share claims the same.
        let proof = match (hash, work) {
            (Ok(hash), Some(work)) => Ok(share.claim.proof(&work, nonce, hash)),
            _ => Err(Reject::Unverified),
        };
        if share.candidates.len() > 1 && proof == Ok(None) {
            if let Some(Candidate { work, .. }) = share.candidates.pop() {
                self.works.release(work);
            }
            return self.request_hash(desk, now, ticket);
        }
        let Some(share) = self.pending.remove(&ticket) else { return };
        let id = share.session;
        let verdict = self.judge(&share, proof);
        for candidate in &share.candidates {
            self.works.release(candidate.work);
        }
        desk.count_in_check(id, false);
        let reply = match verdict {
            Ok(difficulty) => {
                desk.count_accepted(id, difficulty);
                desk.accepted_reply(&share.request_id, json!({"status": "OK"}))
            }
            Err(reject) => {
                desk.count_reject(id, reject);
                Reply::refuse(&share.request_id, reject)
            }
        };
        desk.fill_slot(now, id, ticket, reply.for_share());
        if let Err(Reject::BadHash | Reject::LowDifficulty) = verdict
            && let Some(seat) = self.seats.get_mut(&id)
        {
            seat.bad_shares += 1;
            if self.profile.strict_ban.is_some() && seat.bad_shares >= STRICT_BAD_SHARES {
                desk.ban(now, id);
            }
        }
        let solves = |hash: &Hash| {
            Target::from_difficulty(desk.config.block_difficulty).is_ok_and(|target| target.is_met_by(hash))
        };
        if verdict.is_ok() && proof.is_ok_and(|proof| proof.as_ref().is_some_and(solves)) {
            desk.stats.blocks += 1;
            self.new_block(desk, now);
        }
        review_difficulty(self, desk, now, id);
    }

    /// The verdict when the hash is known: the credited difficulty or the reason.
    fn judge(&mut self, share: &PendingShare, proof: Result<Option<Hash>, Reject>) -> Result<u64, Reject> {
        let proof = proof?.ok_or(Reject::BadHash)?;
        let candidate = share.candidates.last().ok_or(Reject::Unverified)?;
        match self.works.enter(candidate.work, share.nonce) {
            Entered::New => {}
            Entered::Duplicate => return Err(Reject::Duplicate),
            Entered::Full => return Err(Reject::Throttled),
        }
        let [.., a, b, c, d, e, f, g, h] = proof.0;
        if u64::from_le_bytes([a, b, c, d, e, f, g, h]) < candidate.limit {
            Ok(candidate.difficulty)
        } else {
            Err(Reject::LowDifficulty)
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
