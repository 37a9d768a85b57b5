//! What every protocol needs besides itself: sessions, their output, the books, and the faults in force.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::faults::Modes;
use super::outbox::{Gather, Shaping};
use super::session::Session;
use super::{Output, Payload, SPLIT_GAP, SessionId};
use crate::bitcoin::Reaction;
use crate::rng::Rng;
use crate::stats::MAX_CLOSED_SESSIONS;
use crate::time::later;
use crate::wire::{Reply, Request, Style};
use crate::{PoolConfig, PoolStats, Reject, ScheduledFault, SessionStats};

/// Addresses that are remembered as banned.
const MAX_BANNED: usize = 1024;
/// Bad lines that a patient pool takes from one session.
const MAX_PROTOCOL_ERRORS: u32 = 16;

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) config: PoolConfig,
    pub(crate) style: Style,
    pub(crate) rng: Rng,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) stats: PoolStats,
    pub(crate) modes: Modes,
    pub(crate) schedule: Vec<ScheduledFault>,
    /// When the next template is made without any other reason.
    pub(crate) template_due: Instant,
    pub(super) closed: VecDeque<SessionStats>,
    pub(super) ready: VecDeque<Output>,
    next_session: u64,
    banned: BTreeMap<IpAddr, Instant>,
}

impl Desk {
    pub(super) fn new(config: PoolConfig, style: Style, rng: Rng, now: Instant) -> Self {
        Self {
            template_due: later(now, config.job_interval),
            config,
            style,
            rng,
            sessions: BTreeMap::new(),
            stats: PoolStats::default(),
            modes: Modes::default(),
            schedule: Vec::new(),
            closed: VecDeque::new(),
            ready: VecDeque::new(),
            next_session: 1,
            banned: BTreeMap::new(),
        }
    }

    /// Takes a connection, or ends it at once; false when it was refused.
    pub(super) fn connect(&mut self, now: Instant, peer: IpAddr) -> (SessionId, bool) {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.banned.retain(|_, until| *until > now);
        if self.banned.contains_key(&peer) || self.sessions.len() >= self.config.limits.sessions {
            self.stats.refused_connects += 1;
            self.ready.push_back(Output { session: id, payload: Payload::Close });
            return (id, false);
        }
        self.stats.connects += 1;
        self.sessions.insert(id, Session::new(id.0, peer, &self.config, now));
        if self.modes.close_after == Some(0) {
            self.close(now, id);
        }
        (id, true)
    }

    /// Sessions that get jobs now.
    pub(crate) fn mining_sessions(&self) -> Vec<SessionId> {
        self.sessions.iter().filter(|(_, session)| session.is_mining()).map(|(id, _)| *id).collect()
    }

    /// The next template is due an interval from now.
    pub(crate) fn template_made(&mut self, now: Instant) {
        // At least a moment, so that an interval of zero cannot keep the caller busy for ever.
        self.template_due = later(now, self.config.job_interval.max(Duration::from_millis(1)));
    }

    /// Something that is no request.
    pub(crate) fn protocol_error(&mut self, now: Instant, id: SessionId) {
        self.stats.protocol_errors += 1;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.protocol_errors += 1;
        if self.style.strict_ban.is_some() {
            self.ban(now, id);
        } else if self.style.close_on_bad_line || session.protocol_errors >= MAX_PROTOCOL_ERRORS {
            self.close(now, id);
        }
    }

    /// Ends a session behind what it still has to be sent.
    pub(crate) fn close(&mut self, now: Instant, id: SessionId) {
        let shaping = self.shaping();
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.out.is_closing()) {
            session.out.close(now, &shaping);
            self.stats.closed_by_pool += 1;
        }
    }

    /// Ends a session, and keeps its address out for a while where pools do that.
    pub(crate) fn ban(&mut self, now: Instant, id: SessionId) {
        match self.style.strict_ban {
            Some(duration) => self.keep_out(now, id, duration),
            None => self.close(now, id),
        }
    }

    /// Ends a session, and keeps its address out for so long.
    pub(crate) fn keep_out(&mut self, now: Instant, id: SessionId, duration: Duration) {
        let Some(session) = self.sessions.get(&id) else { return };
        self.stats.bans += 1;
        if self.banned.len() < MAX_BANNED {
            self.banned.insert(session.peer, later(now, duration));
        }
        self.close(now, id);
    }

    /// What a pool does about a request that needs nothing but an answer.
    pub(crate) fn react(&mut self, now: Instant, id: SessionId, request: &Request<'_>, reaction: Reaction) {
        match reaction {
            Reaction::Grant => self.reply(now, id, Reply::ok(&request.id, true.into())),
            Reaction::Refuse => self.reply(now, id, Reply::refuse(&request.id, Reject::UnknownMethod)),
            Reaction::Silence => {}
            Reaction::Close => self.close(now, id),
        }
    }

    /// Queues one line that comes later than what is sent meanwhile.
    pub(crate) fn send_late(&mut self, now: Instant, id: SessionId, line: String, delay: Duration) {
        if let Some(session) = self.sessions.get_mut(&id).filter(|_| !self.modes.silent) {
            session.out.push_late(later(now, delay), line.into_bytes());
        }
    }

    /// Queues one line for one session.
    pub(crate) fn send(&mut self, now: Instant, id: SessionId, line: String) {
        if self.modes.silent {
            return;
        }
        let shaping = self.shaping();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.out.push(now, line.into_bytes(), &shaping);
        }
    }

    pub(super) fn shaping(&self) -> Shaping {
        let split = self.modes.split.or(self.style.split_bytes.map(|bytes| (bytes, SPLIT_GAP)));
        Shaping {
            delay: self.modes.delay,
            split,
            gather: self.modes.gather.or(self.style.glue.then_some(Gather::Glue)),
        }
    }

    /// Moves what may go now to the caller's queue; sessions that have ended.
    pub(super) fn release(&mut self, now: Instant) -> Vec<SessionId> {
        let shaping = self.shaping();
        let mut ended = Vec::new();
        for (id, session) in &mut self.sessions {
            if session.out.is_overfull() {
                // Nobody reads so much; what waits is dropped with the session.
                self.stats.closed_by_pool += 1;
                self.ready.push_back(Output { session: *id, payload: Payload::Close });
                ended.push(*id);
                continue;
            }
            while let Some(payload) = session.out.release(now, &shaping) {
                if payload == Payload::Close {
                    ended.push(*id);
                }
                self.ready.push_back(Output { session: *id, payload });
            }
        }
        ended.iter().for_each(|id| self.forget(*id));
        ended
    }

    pub(super) fn forget(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if self.closed.len() == MAX_CLOSED_SESSIONS {
            self.closed.pop_front();
        }
        let difficulty = session.vardiff.difficulty();
        self.closed.push_back(SessionStats { open: false, difficulty, ..session.stats });
    }

    /// One job more was sent.
    pub(crate) fn count_job(&mut self, id: SessionId) {
        self.stats.jobs += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.jobs += 1;
        }
    }

    pub(crate) fn count_submitted(&mut self, id: SessionId) {
        self.stats.shares.submitted += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.shares.submitted += 1;
        }
    }

    pub(crate) fn count_accepted(&mut self, id: SessionId, difficulty: u64) {
        self.stats.shares.accept(difficulty);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.shares.accept(difficulty);
            session.vardiff.accepted(difficulty);
        }
    }

    pub(crate) fn count_reject(&mut self, id: SessionId, reject: Reject) {
        self.stats.shares.reject(reject);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.stats.shares.reject(reject);
        }
    }

    pub(crate) fn count_in_check(&mut self, id: SessionId, begins: bool) {
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
