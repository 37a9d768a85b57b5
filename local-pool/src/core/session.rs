//! One connection to a miner, as far as every protocol has it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::outbox::Outbox;
use crate::PoolConfig;
use crate::difficulty::Vardiff;
use crate::line::LineBuffer;
use crate::stats::SessionStats;
use crate::time::later;
use crate::wire::Reply;

/// A reply that waits for its turn.
#[derive(Debug)]
pub(crate) enum Slot {
    Ready(Reply),
    /// The verifier is at work on this share.
    Waiting(u64),
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) peer: IpAddr,
    pub(crate) connected: Instant,
    /// Time of the last whole line.
    pub(crate) heard: Instant,
    pub(crate) lines: LineBuffer,
    /// The pool knows who this is.
    pub(crate) logged_in: bool,
    /// Jobs are sent.
    pub(crate) wants_jobs: bool,
    pub(crate) vardiff: Vardiff,
    /// Replies in the order of their requests.
    pub(crate) slots: VecDeque<Slot>,
    /// A verdict that waits for the next one to be swapped with.
    pub(crate) swapped: Option<(Instant, Reply)>,
    /// Requests since the connection began or a fault asked for counting.
    pub(crate) requests: u32,
    /// A fault wants the session to end once every request has its reply.
    pub(crate) close_when_answered: bool,
    pub(crate) protocol_errors: u32,
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
            logged_in: false,
            wants_jobs: false,
            vardiff: Vardiff::new(config.difficulty, None, now),
            slots: VecDeque::new(),
            swapped: None,
            requests: 0,
            close_when_answered: false,
            protocol_errors: 0,
            second: (now, 0),
            out: Outbox::default(),
            stats: SessionStats { session: number, open: true, ..SessionStats::default() },
        }
    }

    /// Whether jobs can be sent now.
    pub(crate) fn is_mining(&self) -> bool {
        !self.out.is_closing() && self.wants_jobs
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

    /// When the session has to do something of itself.
    pub(crate) fn deadline(&self, config: &PoolConfig) -> Option<Instant> {
        if self.out.is_closing() {
            return self.out.next_due();
        }
        let silence = self.silence_deadline(config);
        let swapped = self.swapped.as_ref().map(|(due, _)| *due);
        let vardiff = if self.is_mining() { self.vardiff.deadline() } else { None };
        [Some(silence), swapped, vardiff, self.out.next_due()].into_iter().flatten().min()
    }

    /// When a peer that says nothing more is closed.
    pub(crate) fn silence_deadline(&self, config: &PoolConfig) -> Instant {
        if self.logged_in {
            later(self.heard, config.limits.idle)
        } else {
            later(self.connected, config.limits.login)
        }
    }
}
