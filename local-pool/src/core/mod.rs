//! The pool without sockets, threads and clock.
//!
//! Time is whatever the caller says it is, randomness comes from [`PoolConfig::rng_seed`], and nothing depends
//! on the order of a hash map: a simulator that feeds the same input gets the same output, byte for byte.

mod faults;
mod jobs;
mod outbox;
mod requests;
mod session;
mod shares;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use rminer_algos::Reference;

pub use self::outbox::Payload;
pub use self::shares::VerifyRequest;

use self::faults::Modes;
use self::outbox::{Gather, Shaping};
use self::session::Session;
use self::shares::PendingShare;
use crate::chain::{Chain, Template};
use crate::line::Piece;
use crate::rng::Rng;
use crate::stats::MAX_CLOSED_SESSIONS;
use crate::time::later;
use crate::works::{WorkId, Works};
use crate::{PoolConfig, PoolStats, ScheduledFault, SessionStats};

/// Addresses that are remembered as banned.
const MAX_BANNED: usize = 1024;

/// Names a connection for the pool and its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Something that the caller is to do with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Which connection.
    pub session: SessionId,
    /// What to send.
    pub payload: Payload,
}

/// Who recomputes the shares.
pub enum Verification {
    /// The core itself, at once: for cheap hashes.
    Inline(Box<dyn Reference>),
    /// The caller, who takes [`PoolCore::poll_verify`] and answers by [`PoolCore::verified`] whenever he is
    /// done. Replies stay in the order of their requests.
    Deferred,
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "Inline",
            Self::Deferred => "Deferred",
        })
    }
}

/// The pool as a state machine.
///
/// After each call take all of [`PoolCore::poll_output`] (and [`PoolCore::poll_verify`] when verification is
/// deferred), and call [`PoolCore::tick`] when [`PoolCore::next_deadline`] has come.
///
/// ```
/// use std::time::Instant;
/// use rminer_pool::{Payload, PoolConfig, PoolCore, ToyReference, Verification};
///
/// let now = Instant::now();
/// let mut pool = PoolCore::new(PoolConfig::default(), Verification::Inline(Box::new(ToyReference)), now);
/// let session = pool.connect(now);
/// pool.bytes(now, session, b"{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"wallet\"}}\n");
/// let Some(Payload::Bytes(line)) = pool.poll_output().map(|output| output.payload) else { panic!() };
/// assert!(line.starts_with(b"{\"id\":1,") && line.ends_with(b"\n"));
/// ```
#[derive(Debug)]
pub struct PoolCore {
    config: PoolConfig,
    verification: Verification,
    rng: Rng,
    chain: Chain,
    template: Template,
    /// The one blob of everybody, where the profile or a test wants that.
    shared_work: Option<WorkId>,
    template_due: Instant,
    works: Works,
    sessions: BTreeMap<SessionId, Session>,
    closed: VecDeque<SessionStats>,
    next_session: u64,
    next_job: u64,
    next_ticket: u64,
    pending: BTreeMap<u64, PendingShare>,
    verify: VecDeque<VerifyRequest>,
    ready: VecDeque<Output>,
    banned: BTreeMap<IpAddr, Instant>,
    modes: Modes,
    schedule: Vec<ScheduledFault>,
    stats: PoolStats,
}

impl PoolCore {
    /// A pool with its first template.
    pub fn new(config: PoolConfig, verification: Verification, now: Instant) -> Self {
        let mut rng = Rng::new(config.rng_seed);
        let mut chain = Chain::new(
            Rng::new(rng.next_u64()),
            config.seed_hash,
            config.first_height,
            config.profile.seed_jobs,
            config.jobs_per_block,
            now,
        );
        let mut pool = Self {
            template: chain.next(now),
            chain,
            rng,
            verification,
            shared_work: None,
            template_due: later(now, config.job_interval),
            works: Works::default(),
            sessions: BTreeMap::new(),
            closed: VecDeque::new(),
            next_session: 1,
            next_job: 1,
            next_ticket: 0,
            pending: BTreeMap::new(),
            verify: VecDeque::new(),
            ready: VecDeque::new(),
            banned: BTreeMap::new(),
            modes: Modes::default(),
            schedule: Vec::new(),
            stats: PoolStats::default(),
            config,
        };
        pool.share_template();
        for fault in pool.config.faults.clone() {
            pool.set_fault(now, fault);
        }
        pool
    }

    /// A connection from loopback.
    pub fn connect(&mut self, now: Instant) -> SessionId {
        self.connect_from(now, IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// A connection from `peer`, who may be banned: then the next output ends it.
    pub fn connect_from(&mut self, now: Instant, peer: IpAddr) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.banned.retain(|_, until| *until > now);
        if self.banned.contains_key(&peer) || self.sessions.len() >= self.config.limits.sessions {
            self.stats.refused_connects += 1;
            self.ready.push_back(Output { session: id, payload: Payload::Close });
            return id;
        }
        self.stats.connects += 1;
        self.sessions.insert(id, Session::new(id.0, peer, &self.config, now));
        if self.modes.close_after == Some(0) {
            self.close(now, id);
        }
        self.release(now);
        id
    }

    /// Bytes from the miner, cut in any way.
    pub fn bytes(&mut self, now: Instant, id: SessionId, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.out.is_closing()) else {
                break;
            };
            match session.lines.push(piece) {
                Piece::Partial => {}
                Piece::Line(line) => self.line(now, id, &line),
                Piece::TooLong => self.protocol_error(now, id),
            }
        }
        self.release(now);
    }

    /// The miner has ended the connection, or the caller has.
    pub fn closed(&mut self, now: Instant, id: SessionId) {
        self.forget(id);
        self.release(now);
    }

    /// Does whatever is due at `now`.
    pub fn tick(&mut self, now: Instant) {
        if self.template_due <= now {
            self.new_template(now);
            self.broadcast(now);
        }
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.tick_session(now, id);
        }
        self.release(now);
    }

    /// The next thing to be sent.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// When [`PoolCore::tick`] has something to do at the latest.
    pub fn next_deadline(&self) -> Instant {
        let sessions = self.sessions.values().filter_map(|session| session.deadline(&self.config));
        sessions.fold(self.template_due, Instant::min)
    }

    /// RandomX key of the current jobs.
    pub fn seed_hash(&self) -> [u8; 32] {
        self.template.seed
    }

    /// What happened so far.
    pub fn stats(&self) -> PoolStats {
        let open = self.sessions.values().map(|session| SessionStats {
            difficulty: session.vardiff.difficulty(),
            ..session.stats.clone()
        });
        PoolStats {
            open_sessions: u64::try_from(self.sessions.len()).unwrap_or(u64::MAX),
            height: self.template.height,
            sessions: open.chain(self.closed.iter().cloned()).collect(),
            ..self.stats.clone()
        }
    }

    fn tick_session(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.out.is_closing()) else {
            return;
        };
        if session.silence_deadline(&self.config) <= now {
            return self.close(now, id);
        }
        if let Some((_, reply)) = session.swapped.take_if(|(due, _)| *due <= now) {
            self.send_reply(now, id, &reply);
        }
        self.first_job(now, id);
        self.review_difficulty(now, id);
    }

    /// Ends a session behind what it still has to be sent.
    fn close(&mut self, now: Instant, id: SessionId) {
        let shaping = self.shaping();
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.out.is_closing()) {
            session.out.close(now, &shaping);
            self.stats.closed_by_pool += 1;
        }
    }

    fn ban(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if let Some(duration) = self.config.profile.strict_ban {
            self.stats.bans += 1;
            if self.banned.len() < MAX_BANNED {
                self.banned.insert(session.peer, later(now, duration));
            }
        }
        self.close(now, id);
    }

    /// Queues one line for one session.
    fn send(&mut self, now: Instant, id: SessionId, line: String) {
        if self.modes.silent {
            return;
        }
        let shaping = self.shaping();
        if let Some(session) = self.sessions.get_mut(&id) {
            session.out.push(now, line.into_bytes(), &shaping);
        }
    }

    fn shaping(&self) -> Shaping {
        let profile = &self.config.profile;
        let split = self.modes.split.or(profile.split_bytes.map(|bytes| (bytes, faults::SPLIT_GAP)));
        Shaping {
            delay: self.modes.delay,
            split,
            gather: self.modes.gather.or(profile.glue.then_some(Gather::Glue)),
        }
    }

    /// Moves what may go now to the caller's queue.
    fn release(&mut self, now: Instant) {
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
        for id in ended {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: SessionId) {
        let Some(session) = self.sessions.remove(&id) else { return };
        for job in &session.jobs {
            self.works.release(job.work);
        }
        if self.closed.len() == MAX_CLOSED_SESSIONS {
            self.closed.pop_front();
        }
        let difficulty = session.vardiff.difficulty();
        self.closed.push_back(SessionStats { open: false, difficulty, ..session.stats });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, MalformedJob, Profile, ToyReference};

    const LOGIN: &[u8] = b"{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"w\"}}\n";

    /// Every blob is given back: nothing is left behind by sessions that came, got jobs of all kinds, and went.
    #[test]
    fn blobs_do_not_pile_up() {
        for profile in Profile::all() {
            let (name, keep) = (profile.name, profile.keep_jobs);
            let shared = usize::from(profile.shared_blob);
            let now = Instant::now();
            let mut pool = PoolCore::new(
                PoolConfig::with_profile(profile),
                Verification::Inline(Box::new(ToyReference)),
                now,
            );
            for _ in 0..3 {
                let ids: Vec<SessionId> = (0..5).map(|_| pool.connect(now)).collect();
                for id in &ids {
                    pool.bytes(now, *id, LOGIN);
                }
                for kind in MalformedJob::ALL {
                    pool.set_fault(now, Fault::MalformedJob(*kind));
                    pool.set_fault(now, Fault::SameIdNewContent);
                    pool.set_fault(now, Fault::RetargetSameJob);
                    pool.set_fault(now, Fault::HalfLine);
                    pool.set_fault(now, Fault::None);
                    pool.push_new_job(now);
                }
                pool.push_blob(now, &[7; 76], [1; 32], 5).unwrap();
                assert!(pool.works.len() <= 5 * keep + 1, "{name}: {}", pool.works.len());
                for id in ids {
                    pool.closed(now, id);
                }
                pool.push_new_job(now);
                assert_eq!(pool.works.len(), shared, "{name}");
                while pool.poll_output().is_some() {}
            }
        }
    }

    #[test]
    fn a_blob_without_room_for_the_nonce_is_refused() {
        let now = Instant::now();
        let mut pool = PoolCore::new(PoolConfig::default(), Verification::Deferred, now);
        assert!(pool.push_blob(now, &[7; 42], [1; 32], 5).is_err());
        assert!(pool.push_blob(now, &[7; 513], [1; 32], 5).is_err());
        assert_eq!(pool.works.len(), 0);
    }
}
