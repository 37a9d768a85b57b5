//! What the pool has seen: the independent side of every count that a miner shows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Reject;

/// Sessions that have ended and are still listed.
pub const MAX_CLOSED_SESSIONS: usize = 64;

/// Verdicts by kind. Their sum and `in_check` is the number of submits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Shares that a submit named, whatever became of them.
    pub submitted: u64,
    /// Right hash, target met, never seen before.
    pub accepted: u64,
    /// Refused, by reason. Reasons that never occurred are absent.
    pub rejected: BTreeMap<Reject, u64>,
    /// With the verifier at this moment.
    pub in_check: u64,
    /// Expected hashes behind the accepted shares: the sum of their jobs' difficulties.
    pub credited_hashes: u64,
}

impl Verdicts {
    /// Refusals of one kind.
    pub fn rejects(&self, reject: Reject) -> u64 {
        self.rejected.get(&reject).copied().unwrap_or(0)
    }

    /// Refusals of every kind.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Shares that no correct miner sends: a wrong hash, a target not met, a malformed field, a wrong
    /// NiceHash byte, algorithm, time or version, a job that never was.
    pub fn invalid(&self) -> u64 {
        [
            Reject::BadHash,
            Reject::LowDifficulty,
            Reject::MalformedNonce,
            Reject::MalformedResult,
            Reject::MalformedCommitment,
            Reject::NiceHashByte,
            Reject::IncorrectAlgorithm,
            Reject::InvalidJobId,
            Reject::InvalidParams,
            Reject::TimeOutOfRange,
            Reject::ExtranonceSize,
            Reject::VersionBits,
        ]
        .into_iter()
        .map(|reject| self.rejects(reject))
        .sum()
    }

    /// Nonces sent more than once for one blob, or one header more than once.
    pub fn duplicates(&self) -> u64 {
        self.rejects(Reject::Duplicate)
    }

    /// Shares for jobs that are no longer kept or of an earlier block.
    pub fn stale(&self) -> u64 {
        self.rejects(Reject::StaleJob) + self.rejects(Reject::BlockExpired)
    }

    /// Whether every submit is in exactly one place.
    pub fn add_up(&self) -> bool {
        self.submitted == self.accepted + self.rejected_total() + self.in_check
    }

    pub(crate) fn accept(&mut self, difficulty: u64) {
        self.accepted += 1;
        self.credited_hashes = self.credited_hashes.saturating_add(difficulty);
    }

    pub(crate) fn reject(&mut self, reject: Reject) {
        *self.rejected.entry(reject).or_default() += 1;
    }
}

/// One session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SessionStats {
    /// Counts from 1 over the life of the pool.
    pub session: u64,
    /// The login text without a difficulty suffix; `None` before the login.
    pub login: Option<String>,
    /// How the miner calls itself.
    pub agent: Option<String>,
    /// Still connected.
    pub open: bool,
    /// Difficulty at the moment, or at the end, in expected hashes.
    pub difficulty: u64,
    /// Jobs sent, malformed ones included.
    pub jobs: u64,
    /// Its shares.
    pub shares: Verdicts,
}

/// Everything since the pool was started.
///
/// The verdicts are the pool's true judgement: a share that a fault script made it refuse is counted as what
/// it was, and in `forced_rejects` besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PoolStats {
    /// All shares of all sessions.
    pub shares: Verdicts,
    /// Shares that a fault script refused although they were good.
    pub forced_rejects: u64,
    /// Shares for jobs that were malformed on purpose; they also count as `invalid_job_id`.
    pub shares_for_malformed_jobs: u64,
    /// Accepted shares that were hard enough for a block.
    pub blocks: u64,
    /// Shares by how many newer jobs the session had then, whatever became of them, up to 1,000 and more. Only a Kaspa
    /// pool counts them, where older jobs are worth as much as new ones.
    pub shares_by_job_age: BTreeMap<u64, u64>,
    /// Accepted shares whose version is not that of the job.
    pub rolled_versions: u64,
    /// Accepted shares whose time is not that of the job.
    pub rolled_times: u64,
    /// Replies of miners to the pool's own questions.
    pub answers: u64,
    /// Connections taken.
    pub connects: u64,
    /// Connections refused: banned, or too many at once.
    pub refused_connects: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Connections open now.
    pub open_sessions: u64,
    /// Keepalives received.
    pub keepalives: u64,
    /// Lines that were no request, too long, or not allowed in the session's state.
    pub protocol_errors: u64,
    /// Addresses banned so far.
    pub bans: u64,
    /// Jobs sent to all sessions.
    pub jobs: u64,
    /// Connections that the pool ended.
    pub closed_by_pool: u64,
    /// Replies that a fault script swallowed.
    pub dropped_replies: u64,
    /// Height of the current template.
    pub height: u64,
    /// Open sessions, and the last [`MAX_CLOSED_SESSIONS`] that have ended.
    pub sessions: Vec<SessionStats>,
}
