//! Shares: hashed and judged from what the miner sent.
//!
//! Some pools say one thing and should say another: a bridge accepts a share a second time. The pool's own counts are
//! of what the share was worth, whatever the reply says.

use std::time::Instant;

use serde_json::value::RawValue;

use super::profile::{Enforce, Keep, NonceReading};
use super::target::Stamp;
use super::{JobIds, Kaspa, Seat, SeatJob};
use crate::core::{Desk, Dialect, review_difficulty};
use crate::wire::{Reply, Request, text};
use crate::{Reject, SessionId};

/// Hex digits of a nonce.
const NONCE_DIGITS: usize = 16;
/// Shares for older jobs are counted by age up to here.
const MAX_AGE: u64 = 1000;

/// A share that counts.
struct Credit {
    hashes: u64,
    is_block: bool,
}

/// What the miner is told.
enum Answer {
    Accepted,
    Refused(Reject),
    None,
}

/// What a share was worth, and what is said about it.
struct Verdict {
    worth: Result<Credit, Reject>,
    answer: Answer,
}

impl Verdict {
    fn refused(reject: Reject) -> Self {
        Self { worth: Err(reject), answer: Answer::Refused(reject) }
    }
}

impl Kaspa {
    pub(super) fn submit(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        desk.count_submitted(id);
        let Verdict { worth, answer } = self.judge(desk, now, id, params);
        let is_block = worth.as_ref().is_ok_and(|credit| credit.is_block);
        match worth {
            Ok(credit) => desk.count_accepted(id, credit.hashes),
            Err(reject) => desk.count_reject(id, reject),
        }
        match answer {
            Answer::Accepted => {
                let reply = desk.accepted_reply(&request.id, true.into());
                desk.reply(now, id, reply);
            }
            Answer::Refused(reject) => {
                let excused = matches!(reject, Reject::StaleJob | Reject::Throttled | Reject::Retargeted);
                let reply = Reply::refuse(&request.id, reject).for_share();
                desk.reply(now, id, reply.then_close(self.profile.strict && !excused));
            }
            Answer::None => {}
        }
        if is_block {
            desk.stats.blocks += 1;
            self.new_block(desk, now);
        }
        review_difficulty(self, desk, now, id);
    }

    fn judge(&mut self, desk: &mut Desk, now: Instant, id: SessionId, params: &[&RawValue]) -> Verdict {
        let (seat, session) = match (self.seats.get(&id), desk.sessions.get_mut(&id)) {
            (Some(seat), Some(session)) if !seat.workers.is_empty() => (seat, session),
            _ => return Verdict::refused(Reject::Unauthenticated),
        };
        if !session.may_submit(now, desk.config.limits.submits_per_s) {
            return Verdict::refused(Reject::Throttled);
        }
        let claim = match self.read(seat, params) {
            Ok(claim) => claim,
            Err(reject) => return self.unreadable(reject),
        };
        let jobs = self.jobs_named(seat, &claim);
        let last = seat.jobs.back().map_or(0, |job| job.number);
        let is_known = !jobs.is_empty() || !seat.spoiled.contains(&claim.job);
        if let Some(number) = claim.number.filter(|number| is_known && *number <= last) {
            *desk.stats.shares_by_job_age.entry((last - number).min(MAX_AGE)).or_default() += 1;
        }
        let Some(newest) = jobs.first() else {
            if !is_known {
                desk.stats.shares_for_malformed_jobs += 1;
                return self.unreadable(Reject::InvalidJobId);
            }
            let issued = self.profile.first_job_number..=last;
            let was_issued = claim.number.is_some_and(|number| issued.contains(&number));
            return self.unreadable(if was_issued { Reject::StaleJob } else { Reject::InvalidJobId });
        };
        // Where slots have no names, another job may be looked at than the one that was meant.
        let misnamed = match claim.number {
            Some(number) if number < newest.number => Some(Reject::StaleJob),
            Some(number) if number > newest.number => Some(Reject::InvalidJobId),
            _ => None,
        };
        // One id may have had several contents; the miner is right when it is right about one of them. Otherwise
        // the newest says what is wrong.
        let mut trials = jobs.iter().map(|job| self.try_job(seat, job, &claim));
        let first = trials.next().unwrap_or(Err(Reject::InvalidJobId));
        let best = if first.is_ok() { first } else { trials.find(Result::is_ok).unwrap_or(first) };
        let Trial { hash, hashes, flaw } = match best {
            Ok(trial) => trial,
            Err(reject) => {
                return Verdict { worth: Err(misnamed.unwrap_or(reject)), answer: Answer::Refused(reject) };
            }
        };
        if !self.seen.enter(hash) {
            let refused = Answer::Refused(Reject::Duplicate);
            let answer = if self.profile.repeats_verdicts { Answer::Accepted } else { refused };
            return Verdict { worth: Err(Reject::Duplicate), answer };
        }
        let worth = match misnamed.or(flaw) {
            None => Ok(Credit { hashes, is_block: self.chain.is_block(&hash) }),
            Some(reject) => Err(reject),
        };
        Verdict { worth, answer: Answer::Accepted }
    }

    /// What a submit says.
    fn read(&self, seat: &Seat, params: &[&RawValue]) -> Result<Claim, Reject> {
        let bridge = self.profile.nonces == NonceReading::Bridge;
        let nonce_place = if bridge && params.len() >= 5 { 4 } else { 2 };
        let item = |place: usize| params.get(place).copied().ok_or(Reject::InvalidParams);
        let words = |place: usize| item(place).and_then(|raw| text(raw).ok_or(Reject::InvalidParams));
        let (worker, job, nonce) = (words(0)?, words(1)?, words(nonce_place)?);
        let quoted = item(1)?.get().starts_with('"');
        let of_its_type = quoted == (self.profile.job_ids != JobIds::Number);
        if self.profile.strict && (params.len() != 3 || !of_its_type) {
            return Err(Reject::InvalidParams);
        }
        if !bridge && !seat.workers.contains(&worker) {
            return Err(Reject::Unauthenticated);
        }
        let nonce = if bridge { nonce.strip_prefix("0x").unwrap_or(&nonce) } else { &nonce };
        let is_digit = |digit: u8| digit.is_ascii_hexdigit() && (bridge || !digit.is_ascii_uppercase());
        let fits =
            if bridge { (1..=NONCE_DIGITS).contains(&nonce.len()) } else { nonce.len() == NONCE_DIGITS };
        let number = u64::from_str_radix(nonce, 16).ok().filter(|_| fits && nonce.bytes().all(is_digit));
        Ok(Claim {
            number: self.profile.job_ids.number(&job),
            job,
            nonce: number.ok_or(Reject::MalformedNonce)?,
            digits: nonce.len(),
        })
    }

    /// The jobs that a submit may mean, newest first.
    fn jobs_named<'a>(&self, seat: &'a Seat, claim: &Claim) -> Vec<&'a SeatJob> {
        let is_meant = |job: &SeatJob| match (self.profile.keep, claim.number) {
            (Keep::Last(_), _) => job.id == claim.job,
            (Keep::Slots(slots), Some(number)) => {
                let slots = u64::try_from(slots).unwrap_or(u64::MAX).max(1);
                job.number % slots == number % slots
            }
            (Keep::Slots(_), None) => false,
        };
        seat.jobs.iter().rev().filter(|job| is_meant(job)).collect()
    }

    /// Judges a share as one for this job.
    fn try_job(&self, seat: &Seat, job: &SeatJob, claim: &Claim) -> Result<Trial, Reject> {
        // The extranonce is the session's, so a new one is good for older jobs, too. What was on its way with the old
        // one counts as well.
        let nonce = claim.nonce_with(&seat.extranonce);
        let begins_with = |extranonce: &[u8]| nonce.to_be_bytes().starts_with(extranonce);
        let is_ours = begins_with(&job.extranonce) || begins_with(&seat.extranonce);
        if !is_ours && self.profile.nonces == NonceReading::Exact {
            return Err(Reject::NiceHashByte);
        }
        let hash = job.content.pow(nonce);
        let stamps = match self.profile.enforce {
            Enforce::WithJob => vec![job.stamp.clone()],
            Enforce::AtOnce => seat.told.map(|told| self.stamp(told)).into_iter().collect(),
            Enforce::LastTwo => {
                seat.told.into_iter().chain(seat.told_before).map(|told| self.stamp(told)).collect()
            }
        };
        match stamps.iter().find(|stamp| self.lenient(stamp).is_met_by(&hash)) {
            Some(stamp) => {
                let flaw = (!is_ours).then_some(Reject::NiceHashByte);
                Ok(Trial { hash, hashes: stamp.hashes, flaw })
            }
            None if job.stamp.is_met_by(&hash) => Err(Reject::Retargeted),
            None => Err(Reject::LowDifficulty),
        }
    }

    /// What a share has to meet where that of a difficulty is wanted.
    fn lenient(&self, stamp: &Stamp) -> Stamp {
        match self.profile.lenient_percent {
            100.. => stamp.clone(),
            percent => self.stamp(stamp.hashes / 100 * percent),
        }
    }

    /// A share that the pool cannot do anything with.
    fn unreadable(&self, reject: Reject) -> Verdict {
        if self.profile.silent_refusals {
            Verdict { worth: Err(reject), answer: Answer::None }
        } else {
            Verdict::refused(reject)
        }
    }
}

/// What a submit says.
struct Claim {
    job: String,
    /// The job's number, if it can be one of ours.
    number: Option<u64>,
    nonce: u64,
    /// Hex digits in which it was written.
    digits: usize,
}

impl Claim {
    /// The whole nonce: when the digits leave room for the extranonce, it is put in front.
    fn nonce_with(&self, extranonce: &[u8]) -> u64 {
        if extranonce.is_empty() || self.digits + 2 * extranonce.len() > NONCE_DIGITS {
            return self.nonce;
        }
        let mut bytes = self.nonce.to_be_bytes();
        for (byte, own) in bytes.iter_mut().zip(extranonce) {
            *byte = *own;
        }
        u64::from_be_bytes(bytes)
    }
}

/// A share that the pool takes for a job.
struct Trial {
    hash: [u8; 32],
    hashes: u64,
    /// Something that the pool does not look at.
    flaw: Option<Reject>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extranonce_is_put_where_there_is_room() {
        let claim = |nonce, digits| Claim { job: "1".into(), number: Some(1), nonce, digits };
        assert_eq!(claim(0xcad, 12).nonce_with(&[0xAB, 0xCD]), 0xABCD_0000_0000_0CAD);
        assert_eq!(claim(0xcad, 3).nonce_with(&[0xAB, 0xCD]), 0xABCD_0000_0000_0CAD);
        assert_eq!(claim(0xcad, 13).nonce_with(&[0xAB, 0xCD]), 0xCAD);
        assert_eq!(claim(0xcad, 16).nonce_with(&[0xAB, 0xCD]), 0xCAD);
        assert_eq!(claim(0xcad, 3).nonce_with(&[]), 0xCAD);
        assert_eq!(claim(0, 1).nonce_with(&[1; 8]), 0, "a nonce of fifteen digits at most");
    }
}
