//! All pools, the connections with them, and the ledger: the whole client without sockets and clock.
//!
//! One connection is *active*: its newest job is what is mined. While a fall-back pool is active the primary (the
//! first pool, or the one that a person chose) is probed with whole handshakes, and taken back once it has had a job
//! for half a minute. When the active one ends
//! its jobs end with it: nobody would credit them.

mod prefer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bugs::{Bug, Bugs};
use crate::dialect::{CloseReason, HttpReply, HttpRequest};
use crate::job::{Job, Share};
use crate::ledger::{Ledger, NotSent, Settled, Verdict};
use crate::pool::{Endpoint, Pool, Redirected, USEFUL_AFTER};
use crate::rng::Rng;
use crate::session::{self, Held, Session, row};

use prefer::Preference;
pub use prefer::{NoSwitch, Switch};

/// Failures of a pool, or time without a job, after which the next pool is tried as well.
const SWITCH_AFTER_FAILURES: u32 = 3;
const SWITCH_AFTER: Duration = Duration::from_secs(10);
/// How often the primary is tried while a fall-back is active.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// How long the primary must have had a job before it is taken back.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// How long a connection that is no longer active waits for its last answers, at least: a block that was found is
/// worth the time that its dialect gives it.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a stop waits for the last answers.
const STOP_DRAIN: Duration = Duration::from_secs(1);

/// Our name of a connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u32);

/// What the shell must do, in order.
#[derive(Debug)]
pub enum Output {
    /// Connect to a pool; answer with `handle_connected` or `handle_closed`.
    Connect {
        /// Name of the new connection.
        conn: ConnId,
        /// Index of the pool.
        pool: usize,
        /// Host and port instead of the configured ones, after a redirect.
        address: Option<(String, u16)>,
    },
    /// Send bytes.
    Send {
        /// On this connection.
        conn: ConnId,
        /// All of them, in one write.
        bytes: Vec<u8>,
    },
    /// Make an HTTP exchange; answer with `handle_http`.
    Http {
        /// With this connection's node.
        conn: ConnId,
        /// What to ask.
        request: HttpRequest,
    },
    /// Send a message on the connection's stream of messages, opening one where there is none; answer with
    /// `handle_message` and, once it has ended, `handle_stream_ended`.
    Message {
        /// On this connection.
        conn: ConnId,
        /// The whole message.
        message: Vec<u8>,
    },
    /// Drop the stream of messages; nothing about it needs to be reported any more.
    HangUp {
        /// Of this connection.
        conn: ConnId,
    },
    /// Close; nothing about this connection needs to be reported any more.
    Close {
        /// This one.
        conn: ConnId,
    },
    /// Tell the miner.
    Event(Event),
}

/// What the miner is told.
#[derive(Debug)]
pub enum Event {
    /// Mine this from now on.
    Job(Arc<Job>),
    /// There is nothing to mine any more: stop hashing.
    NoJob,
    /// A row got its verdict, or a better one.
    Settled(Settled),
    /// Something happened with a pool.
    Pool {
        /// Index of the pool.
        pool: usize,
        /// What.
        what: PoolEvent,
    },
    /// There is no point in going on.
    GaveUp(GaveUp),
    /// Every connection is closed after [`Supervisor::handle_stop`].
    Stopped,
}

/// What happened with a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolEvent {
    /// A connection is tried.
    Connecting,
    /// The connection is up.
    Connected,
    /// The pool took the login.
    LoggedIn,
    /// It is up but has nothing to mine yet, in its words.
    Waiting(String),
    /// Its jobs are mined from now on.
    Active,
    /// Words of the pool or about it, safe to show.
    Notice(String),
    /// The connection or the try for it ended.
    Down {
        /// Why.
        reason: CloseReason,
        /// When it is tried again; none for never.
        retry_in: Option<Duration>,
    },
}

/// Why the client gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GaveUp {
    /// As many failed rounds through all pools as the user allowed.
    NoPool,
    /// Every pool refused the login.
    AllRefused,
}

/// The client.
pub struct Supervisor {
    pools: Vec<Pool>,
    conns: Vec<Conn>,
    active: Option<ConnId>,
    preference: Preference,
    /// Pool that is tried while nothing is active.
    current: usize,
    /// Since when that pool is the one to try, without success, and how often that failed.
    trying_since: Instant,
    failed_tries: u32,
    next_probe: Instant,
    ledger: Ledger,
    rng: Rng,
    retries: Option<u32>,
    last_conn: u32,
    last_session: u32,
    mining: bool,
    stopping: Option<Instant>,
    over: bool,
    outputs: VecDeque<Output>,
    bugs: Bugs,
}

struct Conn {
    id: ConnId,
    pool: usize,
    /// None while the connection is being made.
    session: Option<Session>,
    first_job: Option<Instant>,
    useful: bool,
    draining: Option<Instant>,
}

impl Supervisor {
    /// A client for `endpoints`, the first of which is preferred. It gives up after `retries` failed rounds
    /// through all of them, if given. `seed` decides all jitter.
    pub fn new(endpoints: Vec<Endpoint>, retries: Option<u32>, seed: u64, now: Instant) -> Self {
        let mut supervisor = Self {
            pools: endpoints.into_iter().map(|endpoint| Pool::new(endpoint, now)).collect(),
            conns: Vec::new(),
            active: None,
            preference: Preference::default(),
            current: 0,
            trying_since: now,
            failed_tries: 0,
            next_probe: now,
            ledger: Ledger::default(),
            rng: Rng::new(seed),
            retries,
            last_conn: 0,
            last_session: 0,
            mining: false,
            stopping: None,
            over: false,
            outputs: VecDeque::new(),
            bugs: Bugs::default(),
        };
        supervisor.advance(now);
        supervisor
    }

    /// The same with a deliberate mistake.
    #[doc(hidden)]
    pub fn seeded(mut self, bugs: Bugs) -> Self {
        self.bugs = bugs;
        self.ledger.bugs = bugs;
        self.pools.iter_mut().for_each(|pool| pool.bugs = bugs);
        self
    }

    /// A connection is up.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId) {
        let Some(place) = self.place(conn) else { return };
        let pool = self.conns[place].pool;
        self.last_session += 1;
        let dialect = (self.pools[pool].endpoint.dialect)(self.pools[pool].hints());
        let session = Session::start(self.last_session, pool, dialect, now, &mut self.ledger);
        self.conns[place].session = Some(session.seeded(self.bugs));
        self.pool_event(pool, PoolEvent::Connected);
        self.pump(now, conn);
        self.advance(now);
    }

    /// Bytes came in.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
            session.bytes(now, bytes, &mut self.ledger);
        }
        self.pump(now, conn);
        self.advance(now);
    }

    /// An HTTP exchange ended.
    pub fn handle_http(&mut self, now: Instant, conn: ConnId, reply: HttpReply<'_>) {
        if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
            session.http(now, reply, &mut self.ledger);
        }
        self.pump(now, conn);
        self.advance(now);
    }

    /// A message came in on the stream of messages.
    pub fn handle_message(&mut self, now: Instant, conn: ConnId, message: &[u8]) {
        if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
            session.message(now, message, &mut self.ledger);
        }
        self.pump(now, conn);
        self.advance(now);
    }

    /// The stream of messages ended, or could not be opened. The connection stands as long as its dialect wants.
    pub fn handle_stream_ended(&mut self, now: Instant, conn: ConnId, reason: CloseReason) {
        if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
            session.stream_ended(now, reason, &mut self.ledger);
        }
        self.pump(now, conn);
        self.advance(now);
    }

    /// A connection ended, or could not be made.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId, reason: CloseReason) {
        if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
            session.end(now, &mut self.ledger);
        }
        // A last line without a newline may have given a better reason.
        self.pump(now, conn);
        self.remove(now, conn, &reason);
        self.advance(now);
    }

    /// A hit that the miner wants sent.
    pub fn handle_share(&mut self, now: Instant, share: &Share) {
        let session = share.job.key.session;
        let mut place =
            self.conns.iter().position(|conn| conn.session.as_ref().is_some_and(|s| s.id() == session));
        if self.bugs.has(Bug::WrongSession) {
            place = self.active.and_then(|active| self.place(active));
        }
        let Some(place) = place else { return self.handle_not_sent(share, NotSent::Stale) };
        let conn = self.conns[place].id;
        if let Some(session) = &mut self.conns[place].session {
            session.share(now, share, &mut self.ledger);
        }
        self.pump(now, conn);
        self.advance(now);
    }

    /// A hit that the miner does not want sent.
    pub fn handle_not_sent(&mut self, share: &Share, why: NotSent) {
        let settled = self.ledger.not_sent(row(share), why);
        self.event(Event::Settled(settled));
    }

    /// Hits that the miner only counted, far more than can be sent. There is no event: who counted them knows.
    pub fn handle_throttled(&mut self, pool: usize, device: u16, hits: u64) {
        self.ledger.throttled(pool, device, hits);
    }

    /// The machine slept: nothing on any connection can be trusted.
    pub fn handle_suspended(&mut self, now: Instant) {
        let conns: Vec<ConnId> = self.conns.iter().map(|conn| conn.id).collect();
        for conn in conns {
            self.close(now, conn, &CloseReason::Suspended);
        }
        self.advance(now);
    }

    /// Waits a moment for the last answers, then closes everything; [`Event::Stopped`] comes at the end.
    pub fn handle_stop(&mut self, now: Instant) {
        if self.stopping.is_none() {
            self.stopping = Some(now + STOP_DRAIN);
            self.no_job();
        }
        self.advance(now);
    }

    /// A deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let conns: Vec<ConnId> = self.conns.iter().map(|conn| conn.id).collect();
        for conn in conns {
            if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
                session.tick(now, &mut self.ledger);
            }
            self.pump(now, conn);
        }
        self.advance(now);
    }

    /// When to call [`Supervisor::handle_timeout`]; none for never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let sessions = self.conns.iter().filter_map(|conn| conn.session.as_ref()?.deadline());
        let draining = self.conns.iter().filter_map(|conn| conn.draining);
        let useful = self
            .conns
            .iter()
            .filter(|conn| !conn.useful)
            .filter_map(|conn| Some(conn.first_job? + USEFUL_AFTER));
        let active = self.active_pool();
        let better = self.conns.iter().filter(|conn| self.is_better(conn, active) && conn.draining.is_none());
        let stable = better.filter_map(|conn| Some(conn.first_job? + self.preference.stable_after()));
        let tries = self.next_attempt();
        sessions.chain(draining).chain(useful).chain(stable).chain(tries).chain(self.stopping).min()
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// All shares of this process.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Index of the pool that is mined for.
    pub fn active_pool(&self) -> Option<usize> {
        let active = self.active?;
        self.conns.iter().find(|conn| conn.id == active).map(|conn| conn.pool)
    }

    /// How much is held at this moment: the sums over all sessions, and the longest unfinished line.
    #[doc(hidden)]
    pub fn held(&self) -> Held {
        let mut held = Held { connections: self.conns.len(), ..Held::default() };
        for session in self.conns.iter().filter_map(|conn| conn.session.as_ref()) {
            let one = session.held();
            held.line_bytes = held.line_bytes.max(one.line_bytes);
            held.jobs = held.jobs.max(one.jobs);
            held.works = held.works.max(one.works);
            held.nonces = held.nonces.max(one.nonces);
            held.pending += one.pending;
        }
        held
    }

    fn place(&self, conn: ConnId) -> Option<usize> {
        self.conns.iter().position(|candidate| candidate.id == conn)
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn pool_event(&mut self, pool: usize, what: PoolEvent) {
        self.event(Event::Pool { pool, what });
    }

    fn no_job(&mut self) {
        if std::mem::take(&mut self.mining) && !self.bugs.has(Bug::NoJobUntold) {
            self.event(Event::NoJob);
        }
    }

    /// Carries out what a session wants.
    fn pump(&mut self, now: Instant, conn: ConnId) {
        while let Some(place) = self.place(conn) {
            let pool = self.conns[place].pool;
            let Some(output) = self.conns[place].session.as_mut().and_then(Session::poll) else { break };
            match output {
                session::Output::Send(bytes) => self.outputs.push_back(Output::Send { conn, bytes }),
                session::Output::Http(request) => self.outputs.push_back(Output::Http { conn, request }),
                session::Output::Message(message) => {
                    self.outputs.push_back(Output::Message { conn, message });
                }
                session::Output::HangUp => self.outputs.push_back(Output::HangUp { conn }),
                session::Output::LoggedIn => {
                    self.pools[pool].logged_in();
                    self.pool_event(pool, PoolEvent::LoggedIn);
                }
                session::Output::Waiting(text) => {
                    self.pool_event(pool, PoolEvent::Waiting(text));
                    self.out_of_work(now, place);
                }
                session::Output::Notice(text) => self.pool_event(pool, PoolEvent::Notice(text)),
                session::Output::Settled(settled) => {
                    if settled.verdict == Verdict::Accepted {
                        self.note_useful_conn(place);
                    }
                    self.event(Event::Settled(settled));
                }
                session::Output::Job(job) => {
                    self.conns[place].first_job.get_or_insert(now);
                    if self.active == Some(conn) && self.stopping.is_none() {
                        self.mining = true;
                        self.event(Event::Job(job));
                    }
                }
                session::Output::Redirect(redirect) => {
                    match self.pools[pool].redirected(now, &redirect, &mut self.rng) {
                        Redirected::Ignore(why) => self.pool_event(pool, PoolEvent::Notice(why)),
                        Redirected::Reconnect { wait, refused } => {
                            let note =
                                refused.map(|why| format!("wants us at another host; not followed: {why}"));
                            if let Some(note) = note {
                                self.pool_event(pool, PoolEvent::Notice(note));
                            }
                            self.pools[pool].rest(now, wait);
                            self.close(now, conn, &CloseReason::Redirected);
                        }
                    }
                }
                session::Output::Close(reason) => self.close(now, conn, &reason),
            }
        }
    }

    /// A connection is as good as one that never had a job, until it has one again.
    fn out_of_work(&mut self, now: Instant, place: usize) {
        self.conns[place].first_job = None;
        if self.active == Some(self.conns[place].id) {
            self.active = None;
            self.no_job();
            self.try_pool(now, self.conns[place].pool);
        }
    }

    /// Closes a connection from our side.
    fn close(&mut self, now: Instant, conn: ConnId, reason: &CloseReason) {
        if let Some(session) = self.place(conn).and_then(|place| self.conns[place].session.as_mut()) {
            session.end(now, &mut self.ledger);
            while let Some(output) = session.poll() {
                if let session::Output::Settled(settled) = output {
                    self.outputs.push_back(Output::Event(Event::Settled(settled)));
                }
            }
        }
        if self.place(conn).is_some() {
            self.outputs.push_back(Output::Close { conn });
        }
        self.remove(now, conn, reason);
    }

    /// Forgets a connection that has ended and lets its pool learn from it.
    fn remove(&mut self, now: Instant, conn: ConnId, reason: &CloseReason) {
        let Some(place) = self.place(conn) else { return };
        let gone = self.conns.remove(place);
        let health = &mut self.pools[gone.pool];
        match reason {
            CloseReason::Ours => return,
            CloseReason::Redirected => {}
            CloseReason::Suspended => health.rest(now, Duration::ZERO),
            _ if gone.draining.is_some() => return,
            // The connection stood for half a minute or longer, so trying again at once makes no hot loop.
            CloseReason::NothingToMine(_) => health.rest(now, Duration::ZERO),
            _ => {
                let provocation = gone.session.as_ref().and_then(Session::provocation);
                health.failed(now, reason, provocation, &mut self.rng);
            }
        }
        let retry_in = health.next_try().map(|at| at.saturating_duration_since(now));
        self.pool_event(gone.pool, PoolEvent::Down { reason: reason.clone(), retry_in });
        self.preference.settled(gone.pool);
        if self.active == Some(conn) {
            self.active = None;
            self.no_job();
            self.try_pool(now, gone.pool);
        } else if gone.pool == self.current {
            self.failed_tries += 1;
        }
    }

    fn try_pool(&mut self, now: Instant, pool: usize) {
        self.current = pool;
        self.trying_since = now;
        self.failed_tries = 0;
    }

    /// Applies the policy: which connection is active, which pools are tried.
    fn advance(&mut self, now: Instant) {
        if self.over {
            return;
        }
        if let Some(deadline) = self.stopping {
            return self.advance_stop(now, deadline);
        }
        self.note_useful(now);
        self.end_drained(now);
        if self.active.is_none() {
            self.promote(now);
        }
        match self.active_pool() {
            Some(active) if active == self.preference.first() => self.drop_others(now),
            Some(active) => self.advance_on_fallback(now, active),
            None => self.advance_without(now),
        }
    }

    fn advance_stop(&mut self, now: Instant, deadline: Instant) {
        let waiting = self.conns.iter().any(|conn| conn.session.as_ref().is_some_and(|s| s.pending() > 0));
        if waiting && now < deadline {
            return;
        }
        let conns: Vec<ConnId> = self.conns.iter().map(|conn| conn.id).collect();
        for conn in conns {
            self.close(now, conn, &CloseReason::Ours);
        }
        self.over = true;
        self.event(Event::Stopped);
    }

    fn note_useful(&mut self, now: Instant) {
        for place in 0..self.conns.len() {
            let first_job = self.conns[place].first_job;
            if first_job.is_some_and(|at| now.saturating_duration_since(at) >= USEFUL_AFTER) {
                self.note_useful_conn(place);
            }
        }
    }

    /// An accepted share or a minute with work: this pool earns something, whatever it did before.
    fn note_useful_conn(&mut self, place: usize) {
        let conn = &mut self.conns[place];
        if !std::mem::replace(&mut conn.useful, true) {
            self.pools[conn.pool].useful();
        }
    }

    fn end_drained(&mut self, now: Instant) {
        let done = |conn: &Conn| {
            let pending = conn.session.as_ref().map_or(0, Session::pending);
            conn.draining.is_some_and(|until| until <= now || pending == 0)
        };
        let done: Vec<ConnId> = self.conns.iter().filter(|conn| done(conn)).map(|conn| conn.id).collect();
        for conn in done {
            self.close(now, conn, &CloseReason::Ours);
        }
    }

    /// Makes the best connection with a job the active one.
    fn promote(&mut self, now: Instant) {
        let best = self.conns.iter().filter(|conn| conn.first_job.is_some() && conn.draining.is_none());
        if let Some(id) = best.min_by_key(|conn| self.preference.rank(conn.pool)).map(|conn| conn.id) {
            self.activate(now, id);
        }
    }

    fn activate(&mut self, now: Instant, conn: ConnId) {
        if let Some(place) = self.active.and_then(|old| self.place(old)) {
            let answers = self.conns[place].session.as_ref().map_or(DRAIN, Session::share_reply);
            self.conns[place].draining = Some(now + DRAIN.max(answers));
        }
        let Some(place) = self.place(conn) else { return };
        self.active = Some(conn);
        self.next_probe = now + PROBE_EVERY;
        let pool = self.conns[place].pool;
        self.preference.settled(pool);
        let job = self.conns[place].session.as_ref().and_then(Session::job).map(Arc::clone);
        self.pool_event(pool, PoolEvent::Active);
        if let Some(job) = job {
            self.mining = true;
            self.event(Event::Job(job));
        }
    }

    /// The primary is active: tries for others are pointless.
    fn drop_others(&mut self, now: Instant) {
        let others = self.conns.iter().filter(|conn| Some(conn.id) != self.active && conn.draining.is_none());
        let others: Vec<ConnId> = others.map(|conn| conn.id).collect();
        for conn in others {
            self.close(now, conn, &CloseReason::Ours);
        }
    }

    fn advance_on_fallback(&mut self, now: Instant, active: usize) {
        let rank = |pool| self.preference.rank(pool);
        let is_worse = |conn: &&Conn| rank(conn.pool) > rank(active) && conn.draining.is_none();
        let worse: Vec<ConnId> = self.conns.iter().filter(is_worse).map(|conn| conn.id).collect();
        for conn in worse {
            self.close(now, conn, &CloseReason::Ours);
        }
        let stable = |conn: &&Conn| {
            let since = conn.first_job.map(|at| now.saturating_duration_since(at));
            let is_stable = since.is_some_and(|since| since >= self.preference.stable_after());
            self.is_better(conn, Some(active)) && conn.draining.is_none() && is_stable
        };
        if let Some(better) = self.conns.iter().find(stable).map(|conn| conn.id) {
            self.activate(now, better);
            self.end_drained(now);
            return;
        }
        let first = self.preference.first();
        let may_try = self.pools[first].next_try().is_some_and(|at| at <= now);
        if now >= self.next_probe && may_try && !self.has_conn(first) {
            self.next_probe = now + PROBE_EVERY;
            if !self.bugs.has(Bug::NeverReturns) {
                self.connect(first);
            }
        }
    }

    /// Whether a connection is with a pool that goes before the active one.
    fn is_better(&self, conn: &Conn, active: Option<usize>) -> bool {
        active.is_some_and(|active| self.preference.rank(conn.pool) < self.preference.rank(active))
    }

    fn advance_without(&mut self, now: Instant) {
        if self.pools.iter().all(Pool::is_given_up) {
            return self.give_up(now, GaveUp::AllRefused);
        }
        let rounds = self.pools.iter().map(Pool::failures).min().unwrap_or(0);
        if self.retries.is_some_and(|retries| rounds >= retries.max(1)) {
            let refused = self.pools.iter().all(Pool::is_refusing);
            return self.give_up(now, if refused { GaveUp::AllRefused } else { GaveUp::NoPool });
        }
        if self.wants_next(now) {
            self.try_pool(now, self.preference.after(self.current, self.pools.len()));
        }
        let due = self.pools[self.current].next_try().is_some_and(|at| at <= now);
        if due && !self.has_conn(self.current) {
            self.connect(self.current);
        }
    }

    /// Whether the pool that is tried has had its chance for now.
    fn wants_next(&self, now: Instant) -> bool {
        if self.pools.len() < 2 {
            return false;
        }
        let pool = &self.pools[self.current];
        let resting = pool.next_try().is_none_or(|at| at > now + SWITCH_AFTER);
        let waited = now.saturating_duration_since(self.trying_since) >= SWITCH_AFTER;
        self.failed_tries >= SWITCH_AFTER_FAILURES || resting || waited
    }

    fn give_up(&mut self, now: Instant, why: GaveUp) {
        let conns: Vec<ConnId> = self.conns.iter().map(|conn| conn.id).collect();
        for conn in conns {
            self.close(now, conn, &CloseReason::Ours);
        }
        self.over = true;
        self.event(Event::GaveUp(why));
    }

    fn has_conn(&self, pool: usize) -> bool {
        self.conns.iter().any(|conn| conn.pool == pool && conn.draining.is_none())
    }

    fn connect(&mut self, pool: usize) {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let address = self.pools[pool].take_address();
        self.conns.push(Conn {
            id: conn,
            pool,
            session: None,
            first_job: None,
            useful: false,
            draining: None,
        });
        self.pool_event(pool, PoolEvent::Connecting);
        self.outputs.push_back(Output::Connect { conn, pool, address });
    }

    /// When policy may want to try a pool.
    fn next_attempt(&self) -> Option<Instant> {
        if self.stopping.is_some() {
            return None;
        }
        let first = self.preference.first();
        match self.active_pool() {
            Some(active) if active == first => None,
            Some(_) if self.has_conn(first) => None,
            Some(_) => self.pools[first].next_try().map(|at| at.max(self.next_probe)),
            None => {
                let own = self.pools[self.current].next_try().filter(|_| !self.has_conn(self.current));
                let next = (self.pools.len() > 1).then(|| self.trying_since + SWITCH_AFTER);
                own.into_iter().chain(next).min()
            }
        }
    }
}

#[cfg(test)]
mod tests;
