//! Shares: put together, hashed and judged from what the miner sent.

use std::time::Instant;

use rminer_algos::decode_hex;
use serde_json::value::RawValue;

use super::header::{Header, merkle_root, sha256d};
use super::target::Stamp;
use super::{Bitcoin, SeatJob, VersionFormula};
use crate::core::{Desk, Dialect, review_difficulty};
use crate::decimal::meets;
use crate::wire::{Reply, Request, text};
use crate::{Reject, SessionId};

/// What a submit says.
struct Claim {
    job: String,
    extranonce2: Vec<u8>,
    time: u32,
    nonce: u32,
    /// Absent when the miner did not send any.
    version_bits: Option<u32>,
}

/// A share that counts.
struct Credit {
    hashes: u64,
    is_block: bool,
    rolled_version: bool,
    rolled_time: bool,
}

impl Bitcoin {
    pub(super) fn submit(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        desk.count_submitted(id);
        match self.judge(desk, now, id, params) {
            Ok(credit) => {
                desk.count_accepted(id, credit.hashes);
                desk.stats.rolled_versions += u64::from(credit.rolled_version);
                desk.stats.rolled_times += u64::from(credit.rolled_time);
                let reply = desk.accepted_reply(&request.id, true.into());
                desk.reply(now, id, reply);
                if credit.is_block {
                    desk.stats.blocks += 1;
                    self.new_block(desk, now);
                }
                review_difficulty(self, desk, now, id);
            }
            Err(reject) => {
                desk.count_reject(id, reject);
                let early = matches!(reject, Reject::NotSubscribed | Reject::Unauthenticated);
                let reply = Reply::refuse(&request.id, reject).for_share();
                desk.reply(now, id, reply.then_close(early && self.profile.strict));
            }
        }
    }

    fn judge(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        params: &[&RawValue],
    ) -> Result<Credit, Reject> {
        let (seat, session) = match (self.seats.get(&id), desk.sessions.get_mut(&id)) {
            (Some(seat), Some(session)) if seat.subscribed => (seat, session),
            _ => return Err(Reject::NotSubscribed),
        };
        if !session.may_submit(now, desk.config.limits.submits_per_s) {
            return Err(Reject::Throttled);
        }
        let worker = params.first().and_then(|worker| text(worker)).ok_or(Reject::InvalidParams)?;
        if !seat.workers.contains(&worker) {
            return Err(Reject::Unauthenticated);
        }
        let claim = Claim::read(params)?;
        let jobs: Vec<&SeatJob> = seat.jobs.iter().rev().filter(|job| job.id == claim.job).collect();
        if jobs.is_empty() {
            if seat.spoiled.contains(&claim.job) {
                desk.stats.shares_for_malformed_jobs += 1;
                return Err(Reject::InvalidJobId);
            }
            let number = self.profile.job_ids.number(&claim.job);
            let issued = seat
                .issued
                .zip(number)
                .is_some_and(|((first, last), number)| (first..=last).contains(&number));
            return Err(if issued { Reject::StaleJob } else { Reject::InvalidJobId });
        }
        // One id may have had several contents; the miner is right when it is right about one of them. Otherwise
        // the newest says what is wrong.
        let asked_mask = seat.asked_mask;
        let mut first_reject = None;
        let mut found = None;
        for job in jobs {
            match self.try_job(now, job, &claim, asked_mask) {
                Ok((hash, version)) => {
                    found = Some((job.clone(), hash, version));
                    break;
                }
                Err(reject) => {
                    first_reject.get_or_insert(reject);
                }
            }
        }
        let Some((job, hash, version)) = found else {
            return Err(first_reject.unwrap_or(Reject::InvalidJobId));
        };
        if self.profile.enforce_at_once {
            let current = Stamp::new(session.vardiff.difficulty(), self.profile.spelling);
            if !meets(&hash, &self.lenient(&current)) {
                return Err(Reject::Retargeted);
            }
        }
        if !self.seen.enter(hash) {
            return Err(Reject::Duplicate);
        }
        let content = &job.content;
        Ok(Credit {
            hashes: job.stamp.hashes,
            is_block: meets(&hash, &content.network_target),
            rolled_version: version != content.job.version,
            rolled_time: claim.time != content.job.time,
        })
    }

    /// The hash of a share for this job and its version, when it meets the job's target.
    fn try_job(
        &self,
        now: Instant,
        job: &SeatJob,
        claim: &Claim,
        asked_mask: Option<u32>,
    ) -> Result<([u8; 32], u32), Reject> {
        let content = &job.content;
        if content.block != self.template.block {
            return Err(Reject::BlockExpired);
        }
        let mut extranonce2 = claim.extranonce2.clone();
        if extranonce2.len() != job.extranonce2_bytes {
            if !self.profile.bends_extranonce2 {
                return Err(Reject::ExtranonceSize);
            }
            extranonce2.resize(job.extranonce2_bytes, 0);
        }
        let pool_time = if self.profile.time_by_clock { self.chain.time_s(now) } else { content.job.time };
        let latest = pool_time.max(content.job.time).saturating_add(self.profile.time_slack_s);
        if !(content.job.time..=latest).contains(&claim.time) {
            return Err(Reject::TimeOutOfRange);
        }
        let root = merkle_root(
            sha256d(&[&job.coinbase1, &job.extranonce1, &extranonce2, &content.job.coinbase2]),
            &content.job.branch,
        );
        let target = self.lenient(&job.stamp);
        let mut reject = Reject::VersionBits;
        // A mask is in force as soon as it is told; a share may have been on its way then.
        for mask in [asked_mask.unwrap_or(0) & self.version_mask, job.mask] {
            let Some(version) = self.version(content.job.version, claim.version_bits, mask, asked_mask)
            else {
                continue;
            };
            let header = Header {
                version,
                previous: content.job.previous,
                root,
                time: claim.time,
                bits: content.job.bits,
                nonce: claim.nonce,
            };
            let hash = header.hash();
            if meets(&hash, &target) {
                return Ok((hash, version));
            }
            reject = Reject::LowDifficulty;
        }
        Err(reject)
    }

    /// The header's version; `None` when bits were sent that must not be.
    fn version(&self, job: u32, bits: Option<u32>, mask: u32, asked_mask: Option<u32>) -> Option<u32> {
        match (bits, self.profile.version_formula) {
            (None, _) => Some(job),
            (Some(_), _) if asked_mask.is_none() => None,
            (Some(bits), _) if bits & !mask != 0 => None,
            (Some(bits), VersionFormula::Bip310) => Some(job & !mask | bits),
            (Some(bits), VersionFormula::Xor) => Some(job ^ bits),
        }
    }

    /// The target that a share must meet: that of the difficulty, or somewhat more.
    fn lenient(&self, stamp: &Stamp) -> [u8; 32] {
        match self.profile.lenient_percent {
            100.. => stamp.target,
            percent => Stamp::new(stamp.hashes / 100 * percent, self.profile.spelling).target,
        }
    }
}

impl Claim {
    fn read(params: &[&RawValue]) -> Result<Self, Reject> {
        let (5 | 6) = params.len() else { return Err(Reject::InvalidParams) };
        let item =
            |index: usize| params.get(index).and_then(|value| text(value)).ok_or(Reject::InvalidParams);
        let version_bits =
            if params.len() == 6 { Some(number(&item(5)?).ok_or(Reject::InvalidParams)?) } else { None };
        Ok(Self {
            job: item(1)?,
            extranonce2: decode_hex(&item(2)?).map_err(|_| Reject::ExtranonceSize)?,
            time: number(&item(3)?).ok_or(Reject::InvalidParams)?,
            nonce: number(&item(4)?).ok_or(Reject::MalformedNonce)?,
            version_bits,
        })
    }
}

/// Exactly eight digits, lower case.
fn number(text: &str) -> Option<u32> {
    let lower = text.len() == 8 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    lower.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_eight_lower_case_digits() {
        assert_eq!(number("9962e301"), Some(0x9962_e301));
        for bad in ["", "962e301", "09962e301", "9962E301", "0x62e301", "+962e301"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
