//! One connection to a miner.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::outbox::Outbox;
use crate::PoolConfig;
use crate::difficulty::Vardiff;
use crate::line::LineBuffer;
use crate::stats::SessionStats;
use crate::time::later;
use crate::wire::Reply;
use crate::works::WorkId;

/// Malformed jobs whose ids are remembered for one session.
const MAX_SPOILED: usize = 64;

/// A job as one session has it.
#[derive(Debug, Clone)]
pub(crate) struct SessionJob {
    /// As the miner writes it back.
    pub(crate) id: String,
    pub(crate) work: WorkId,
    pub(crate) difficulty: u64,
    /// The share test's right side, exactly as the target text says.
    pub(crate) limit: u64,
    /// Block that the job is for.
    pub(crate) block: u64,
    /// What was sent.
    pub(crate) params: Value,
}

/// A reply that waits for its turn.
#[derive(Debug)]
pub(crate) enum Slot {
    Ready(Reply),
    /// The verifier is at work on this share.
    Waiting(u64),
}

/// After the login.
#[derive(Debug)]
pub(crate) struct Account {
    /// The session's id on the wire.
    pub(crate) token: String,
    /// The pool's byte of the nonce, in NiceHash mode.
    pub(crate) nonce_byte: Option<u8>,
    /// The first job is still to come.
    pub(crate) job_due: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) peer: IpAddr,
    pub(crate) connected: Instant,
    /// Time of the last whole line.
    pub(crate) heard: Instant,
    pub(crate) lines: LineBuffer,
    pub(crate) account: Option<Account>,
    pub(crate) vardiff: Vardiff,
    /// Newest last.
    pub(crate) jobs: VecDeque<SessionJob>,
    /// Numbers of the first and last job ids.
    pub(crate) issued: Option<RangeInclusive<u64>>,
    /// Ids of jobs that were malformed on purpose.
    spoiled: VecDeque<String>,
    /// Replies in the order of their requests.
    pub(crate) slots: VecDeque<Slot>,
    /// A verdict that waits for the next one to be swapped with.
    pub(crate) swapped: Option<(Instant, Reply)>,
    /// Requests since the connection began or a fault asked for counting.
    pub(crate) requests: u32,
    /// A fault wants the session to end once every request has its reply.
    pub(crate) close_when_answered: bool,
    pub(crate) protocol_errors: u32,
    pub(crate) bad_shares: u32,
    /// Start of the running second and the submits in it.
    second: (Instant, u32),
    pub(crate) out: Outbox,
    pub(crate) stats: SessionStats,
}

impl Session {
    pub(crate) fn new(number: u64, peer: IpAddr, config: &PoolConfig, now: Instant) -> Self {
        Self {
            peer,
            connected: now,
            heard: now,
            lines: LineBuffer::default(),
            account: None,
            vardiff: Vardiff::new(config.difficulty, None, now),
            jobs: VecDeque::new(),
            issued: None,
            spoiled: VecDeque::new(),
            slots: VecDeque::new(),
            swapped: None,
            requests: 0,
            close_when_answered: false,
            protocol_errors: 0,
            bad_shares: 0,
            second: (now, 0),
            out: Outbox::default(),
            stats: SessionStats { session: number, open: true, ..SessionStats::default() },
        }
    }

    /// Whether jobs can be sent now.
    pub(crate) fn is_mining(&self) -> bool {
        !self.out.is_closing() && self.account.as_ref().is_some_and(|account| account.job_due.is_none())
    }

    pub(crate) fn has_token(&self, token: &str) -> bool {
        self.account.as_ref().is_some_and(|account| account.token == token)
    }

    /// Counts a submit; false when it is one too many in this second.
    pub(crate) fn may_submit(&mut self, now: Instant, per_s: u32) -> bool {
        let (start, count) = &mut self.second;
        if now.saturating_duration_since(*start) >= Duration::from_secs(1) {
            (*start, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= per_s
    }

    /// Notes the number of a new job id.
    pub(crate) fn issue(&mut self, number: u64) {
        let first = self.issued.as_ref().map_or(number, |issued| *issued.start());
        self.issued = Some(first..=number);
    }

    pub(crate) fn spoil(&mut self, id: &str) {
        if self.spoiled.len() == MAX_SPOILED {
            self.spoiled.pop_front();
        }
        self.spoiled.push_back(id.to_owned());
    }

    pub(crate) fn is_spoiled(&self, id: &str) -> bool {
        self.spoiled.iter().any(|spoiled| spoiled == id)
    }

    /// When the session has to do something of itself.
    pub(crate) fn deadline(&self, config: &PoolConfig) -> Option<Instant> {
        if self.out.is_closing() {
            return self.out.next_due();
        }
        let silence = self.silence_deadline(config);
        let swapped = self.swapped.as_ref().map(|(due, _)| *due);
        let first_job = self.account.as_ref().and_then(|account| account.job_due);
        let vardiff = if self.is_mining() { self.vardiff.deadline() } else { None };
        [Some(silence), swapped, first_job, vardiff, self.out.next_due()].into_iter().flatten().min()
    }

    /// When a peer that says nothing more is closed.
    pub(crate) fn silence_deadline(&self, config: &PoolConfig) -> Instant {
        match self.account {
            Some(_) => later(self.heard, config.limits.idle),
            None => later(self.connected, config.limits.login),
        }
    }
}
