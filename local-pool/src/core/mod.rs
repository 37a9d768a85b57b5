//! The pool without sockets, threads and clock.
//!
//! Time is whatever the caller says it is, randomness comes from [`PoolConfig::rng_seed`], and nothing depends
//! on the order of a hash map: a simulator that feeds the same input gets the same output, byte for byte.

mod desk;
mod dialect;
mod faults;
mod outbox;
mod replies;
mod session;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use rminer_algos::{Hash, Reference, Unavailable, WorkError};

pub(crate) use self::desk::Desk;
pub(crate) use self::dialect::Dialect;
pub(crate) use self::faults::{after_login, review_difficulty};
pub use self::outbox::Payload;
pub(crate) use self::session::Slot;

use crate::bitcoin::{Bitcoin, GivenJob};
use crate::kaspa::{Kaspa, Template};
use crate::line::Piece;
use crate::monero::{Monero, VerifyRequest};
use crate::rng::Rng;
use crate::wire::{Reply, Request};
use crate::{PoolConfig, PoolStats, Profile, Reject, SessionStats};

/// Time between pieces when only their size was given.
const SPLIT_GAP: Duration = Duration::from_millis(2);

/// Names a connection for the pool and its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// Counts from 1 over the life of the pool.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

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

/// Who recomputes RandomX shares. Other pools hash by themselves and do not ask.
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
    desk: Desk,
    side: Side,
}

/// The protocol that the pool speaks.
#[derive(Debug)]
enum Side {
    Monero(Box<Monero>),
    Bitcoin(Box<Bitcoin>),
    Kaspa(Box<Kaspa>),
}

impl Side {
    fn dialect(&mut self) -> &mut dyn Dialect {
        match self {
            Self::Monero(monero) => monero.as_mut(),
            Self::Bitcoin(bitcoin) => bitcoin.as_mut(),
            Self::Kaspa(kaspa) => kaspa.as_mut(),
        }
    }

    fn dialect_ref(&self) -> &dyn Dialect {
        match self {
            Self::Monero(monero) => monero.as_ref(),
            Self::Bitcoin(bitcoin) => bitcoin.as_ref(),
            Self::Kaspa(kaspa) => kaspa.as_ref(),
        }
    }
}

impl PoolCore {
    /// A pool with its first template.
    pub fn new(mut config: PoolConfig, verification: Verification, now: Instant) -> Self {
        let mut rng = Rng::new(config.rng_seed);
        let chain_rng = Rng::new(rng.next_u64());
        let (side, style) = match &config.profile {
            Profile::Monero(profile) => {
                let monero = Monero::new(profile.clone(), &config, verification, chain_rng, now);
                (Side::Monero(Box::new(monero)), profile.style())
            }
            Profile::Bitcoin(profile) => {
                let bitcoin = Bitcoin::new(profile.clone(), &config, chain_rng, now);
                (Side::Bitcoin(Box::new(bitcoin)), profile.style())
            }
            Profile::Kaspa(profile) => {
                let kaspa = Kaspa::new(profile.clone(), &config, chain_rng, now);
                let style = profile.style();
                config.limits.login = profile.login_limit.unwrap_or(config.limits.login);
                (Side::Kaspa(Box::new(kaspa)), style)
            }
        };
        let faults = config.faults.clone();
        let mut pool = Self { desk: Desk::new(config, style, rng, now), side };
        for fault in faults {
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
        let (id, taken) = self.desk.connect(now, peer);
        if taken {
            self.side.dialect().opened(&mut self.desk, now, id);
            self.release(now);
        }
        id
    }

    /// Bytes from the miner, cut in any way.
    pub fn bytes(&mut self, now: Instant, id: SessionId, bytes: &[u8]) {
        let limit = self.desk.style.max_line_bytes;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let sessions = &mut self.desk.sessions;
            let Some(session) = sessions.get_mut(&id).filter(|session| !session.out.is_closing()) else {
                break;
            };
            match session.lines.push(piece, limit) {
                Piece::Partial => {}
                Piece::Line(line) => self.line(now, id, &line),
                Piece::TooLong => self.desk.protocol_error(now, id),
            }
        }
        self.release(now);
    }

    /// The miner has ended the connection, or the caller has.
    pub fn closed(&mut self, now: Instant, id: SessionId) {
        self.desk.forget(id);
        self.side.dialect().forgotten(id);
        self.release(now);
    }

    /// Does whatever is due at `now`.
    pub fn tick(&mut self, now: Instant) {
        if self.desk.template_due <= now {
            self.side.dialect().new_template(&mut self.desk, now);
            self.side.dialect().broadcast(&mut self.desk, now);
        }
        let ids: Vec<SessionId> = self.desk.sessions.keys().copied().collect();
        for id in ids {
            self.tick_session(now, id);
        }
        self.release(now);
    }

    /// The next thing to be sent.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.desk.ready.pop_front()
    }

    /// When [`PoolCore::tick`] has something to do at the latest.
    pub fn next_deadline(&self) -> Instant {
        let dialect = self.side.dialect_ref();
        let sessions = self.desk.sessions.iter().filter_map(|(id, session)| {
            let own = if session.out.is_closing() { None } else { dialect.deadline(*id) };
            session.deadline(&self.desk.config).into_iter().chain(own).min()
        });
        sessions.fold(self.desk.template_due, Instant::min)
    }

    /// The next share for the verifier. Only with [`Verification::Deferred`].
    pub fn poll_verify(&mut self) -> Option<VerifyRequest> {
        match &mut self.side {
            Side::Monero(monero) => monero.poll_verify(),
            Side::Bitcoin(_) | Side::Kaspa(_) => None,
        }
    }

    /// The hash of a share, or why there is none. Unknown tickets are ignored.
    pub fn verified(&mut self, now: Instant, ticket: u64, hash: Result<Hash, Unavailable>) {
        if let Side::Monero(monero) = &mut self.side {
            monero.settle(&mut self.desk, now, ticket, &hash);
        }
        self.release(now);
    }

    /// A new job for everybody: a fresh template, of the same block unless it is time for another.
    pub fn push_new_job(&mut self, now: Instant) {
        self.side.dialect().new_template(&mut self.desk, now);
        self.side.dialect().broadcast(&mut self.desk, now);
        self.release(now);
    }

    /// A new job for everybody around a given blob, in which the nonce lies at 39. The blob counts as a new
    /// block; it lives until the next job. Only a Monero pool has blobs; others do nothing.
    ///
    /// # Errors
    /// When the blob is too short for the nonce or longer than any miner takes.
    pub fn push_blob(
        &mut self,
        now: Instant,
        blob: &[u8],
        seed: [u8; 32],
        height: u64,
    ) -> Result<(), WorkError> {
        if let Side::Monero(monero) = &mut self.side {
            monero.push_blob(&mut self.desk, now, blob, seed, height)?;
        }
        self.release(now);
        Ok(())
    }

    /// A new job for everybody with a given header and coinbase. It counts as a new block and lives until the
    /// next job. Only a Bitcoin pool has such jobs; others do nothing.
    pub fn push_header(&mut self, now: Instant, job: GivenJob) {
        if let Side::Bitcoin(bitcoin) = &mut self.side {
            bitcoin.push_given(&mut self.desk, now, job);
        }
        self.release(now);
    }

    /// A new job for everybody with a given header. Only a Kaspa pool has such jobs; others do nothing.
    pub fn push_template(&mut self, now: Instant, template: Template) {
        if let Side::Kaspa(kaspa) = &mut self.side {
            kaspa.push_given(&mut self.desk, now, template);
        }
        self.release(now);
    }

    /// Gives every session another difficulty, in expected hashes.
    pub fn set_difficulty(&mut self, now: Instant, difficulty: u64) {
        for id in self.desk.mining_sessions() {
            if let Some(session) = self.desk.sessions.get_mut(&id) {
                session.vardiff.set(difficulty, now);
            }
            self.side.dialect().retarget(&mut self.desk, now, id);
        }
        self.release(now);
    }

    /// RandomX key of the current jobs; `None` at pools of other algorithms.
    pub fn seed_hash(&self) -> Option<[u8; 32]> {
        match &self.side {
            Side::Monero(monero) => Some(monero.seed_hash()),
            Side::Bitcoin(_) | Side::Kaspa(_) => None,
        }
    }

    /// What happened so far.
    pub fn stats(&self) -> PoolStats {
        let open = self.desk.sessions.values().map(|session| SessionStats {
            difficulty: session.vardiff.difficulty(),
            ..session.stats.clone()
        });
        PoolStats {
            open_sessions: u64::try_from(self.desk.sessions.len()).unwrap_or(u64::MAX),
            height: self.side.dialect_ref().height(),
            sessions: open.chain(self.desk.closed.iter().cloned()).collect(),
            ..self.desk.stats.clone()
        }
    }

    fn line(&mut self, now: Instant, id: SessionId, line: &[u8]) {
        let desk = &mut self.desk;
        let Some(session) = desk.sessions.get_mut(&id) else { return };
        session.heard = now;
        if line.is_empty() {
            return;
        }
        let mut text = String::from_utf8_lossy(line);
        if desk.style.cleans_lines {
            text = text.replace('\0', "").replace(char::is_control, " ").into();
        }
        if line.len() < desk.style.min_line_bytes {
            return desk.protocol_error(now, id);
        }
        let Some(request) = Request::read(&text) else {
            if !self.side.dialect().answer(desk, id, &text) {
                desk.protocol_error(now, id);
                self.side.dialect().nonsense(desk, now, id, &text);
            }
            return;
        };
        if desk.style.strict_ban.is_some() && !request.id_is_unsigned() {
            return desk.ban(now, id);
        }
        session.requests = session.requests.saturating_add(1);
        let requests = session.requests;
        if desk.modes.ban_text {
            desk.reply(now, id, Reply::refuse(&request.id, Reject::Banned).then_close(true));
        } else {
            self.side.dialect().request(desk, now, id, &request);
        }
        if desk.modes.close_after.is_some_and(|limit| requests >= limit)
            && let Some(session) = desk.sessions.get_mut(&id)
        {
            session.close_when_answered = true;
        }
        desk.close_if_answered(now, id);
        self.count_request(now);
    }

    fn tick_session(&mut self, now: Instant, id: SessionId) {
        let desk = &mut self.desk;
        let Some(session) = desk.sessions.get_mut(&id).filter(|session| !session.out.is_closing()) else {
            return;
        };
        if session.silence_deadline(&desk.config) <= now {
            return desk.close(now, id);
        }
        if let Some((_, reply)) = session.swapped.take_if(|(due, _)| *due <= now) {
            desk.send_reply(now, id, &reply);
        }
        self.side.dialect().tick(desk, now, id);
        review_difficulty(self.side.dialect(), desk, now, id);
    }

    fn release(&mut self, now: Instant) {
        for id in self.desk.release(now) {
            self.side.dialect().forgotten(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monero::{MalformedJob, Profile};
    use crate::{Fault, ToyReference};

    const LOGIN: &[u8] = b"{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"w\"}}\n";

    fn blobs(pool: &PoolCore) -> usize {
        let Side::Monero(monero) = &pool.side else { panic!("a Monero pool") };
        monero.blobs()
    }

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
                assert!(blobs(&pool) <= 5 * keep + 1, "{name}: {}", blobs(&pool));
                for id in ids {
                    pool.closed(now, id);
                }
                pool.push_new_job(now);
                assert_eq!(blobs(&pool), shared, "{name}");
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
        assert_eq!(blobs(&pool), 0);
    }
}
