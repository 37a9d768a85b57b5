//! One connection with one pool, from its first byte to its end. Pure: bytes and time in, bytes and events out.
//!
//! The session owns what all dialects share: lines, deadlines, the ring of jobs, duplicate detection, the limit on
//! submits, and the rows of its shares. The dialect owns what the protocol says.

mod fuzz;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::WorkKey;

use crate::bugs::{Bug, Bugs};
use crate::dialect::{
    CloseReason, Dialect, Event, HttpReply, HttpRequest, NewJob, Out, Outbox, ProtocolError, Provocation,
    Redirect,
};
use crate::job::{Job, JobKey, Share, Supersede};
use crate::ledger::{Ledger, NotSent, Row, Settled, ShareId, Verdict};
use crate::line::LineSplitter;

#[doc(hidden)]
pub use fuzz::fuzz_session;

/// A line must be whole this long after its first byte.
const LINE_TIME: Duration = Duration::from_secs(10);
/// Protocol errors within [`FAULT_WINDOW`] that end the session.
const MAX_FAULTS: usize = 3;
const FAULT_WINDOW: Duration = Duration::from_secs(60);
/// Shares that may be sent in a second, and at once.
const SUBMITS_PER_S: u32 = 20;
/// More input than this in each of [`FLOOD_SECONDS`] seconds in a row ends the session.
const FLOOD_BYTES_PER_S: usize = 2_000_000;
const FLOOD_SECONDS: u32 = 5;
/// Pieces of work whose sent nonces are remembered, and nonces of each.
const MAX_WORKS: usize = 32;
const MAX_NONCES: usize = 65_536;

/// What a session wants done, in order.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Make this HTTP exchange.
    Http(HttpRequest),
    /// Send this message on the stream of messages, opening one where there is none.
    Message(Vec<u8>),
    /// Drop the stream of messages.
    HangUp,
    /// The pool took the login.
    LoggedIn,
    /// The pool has nothing to mine yet.
    Waiting(String),
    /// A new job.
    Job(Arc<Job>),
    /// A row got its verdict.
    Settled(Settled),
    /// Something that people should read.
    Notice(String),
    /// The pool wants us elsewhere.
    Redirect(Redirect),
    /// The connection must end; nothing comes after.
    Close(CloseReason),
}

/// How much a session holds at one moment: every figure here has a bound.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Connections, those being made included.
    pub connections: usize,
    /// Bytes of an unfinished line.
    pub line_bytes: usize,
    /// Jobs that shares are still sent for.
    pub jobs: usize,
    /// Shares that wait for an answer.
    pub pending: usize,
    /// Pieces of work whose sent nonces are remembered.
    pub works: usize,
    /// The most nonces of one of them.
    pub nonces: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    LoggingIn { since: Instant },
    WaitingForJob { since: Instant, told: bool },
    Mining,
    Closed,
}

/// A session. Made when its connection is up.
pub struct Session {
    id: u32,
    pool: usize,
    dialect: Box<dyn Dialect>,
    splitter: LineSplitter,
    phase: Phase,
    heard: Instant,
    received_any: bool,
    line_began: Option<Instant>,
    faults: VecDeque<(Instant, String)>,
    /// Newest job last.
    ring: VecDeque<Arc<Job>>,
    sent: VecDeque<(WorkKey, BTreeSet<u64>)>,
    pending: BTreeMap<ShareId, Instant>,
    bucket: Bucket,
    flood: Flood,
    outbox: Outbox,
    outputs: VecDeque<Output>,
    bugs: Bugs,
}

impl Session {
    /// Starts the protocol on a connection that is up. `id` must be new in this process.
    pub fn start(
        id: u32,
        pool: usize,
        mut dialect: Box<dyn Dialect>,
        now: Instant,
        ledger: &mut Ledger,
    ) -> Self {
        let mut outbox = Outbox::default();
        dialect.start(now, &mut outbox);
        let mut session = Self {
            id,
            pool,
            splitter: LineSplitter::new(dialect.limits().line_cap_bytes),
            dialect,
            phase: Phase::LoggingIn { since: now },
            heard: now,
            received_any: false,
            line_began: None,
            faults: VecDeque::new(),
            ring: VecDeque::new(),
            sent: VecDeque::new(),
            pending: BTreeMap::new(),
            bucket: Bucket { tokens: f64::from(SUBMITS_PER_S), filled: now },
            flood: Flood { second_began: now, bytes: 0, seconds: 0 },
            outbox,
            outputs: VecDeque::new(),
            bugs: Bugs::default(),
        };
        session.drain(now, ledger);
        session
    }

    /// The same with a deliberate mistake.
    pub(crate) fn seeded(mut self, bugs: Bugs) -> Self {
        self.bugs = bugs;
        if bugs.has(Bug::NoLineCap) {
            self.splitter = LineSplitter::new(usize::MAX);
        }
        self
    }

    /// Bytes from the pool.
    pub fn bytes(&mut self, now: Instant, mut bytes: &[u8], ledger: &mut Ledger) {
        if !self.received_any && !bytes.is_empty() {
            self.received_any = true;
            if let Some(reason) = CloseReason::of_first_bytes(bytes) {
                return self.close(reason);
            }
        }
        if self.flood.passed(now, bytes.len()) {
            return self.close(CloseReason::Flood);
        }
        while self.phase != Phase::Closed {
            match self.splitter.next_line(&mut bytes) {
                Ok(Some(line)) => self.line(now, &line, ledger),
                Ok(None) => break,
                Err(too_long) => return self.close(CloseReason::LongLine(too_long.cap)),
            }
        }
        self.line_began = match self.splitter.pending() {
            0 => None,
            _ => self.line_began.or(Some(now)),
        };
    }

    /// The end of an HTTP exchange.
    pub fn http(&mut self, now: Instant, reply: HttpReply<'_>, ledger: &mut Ledger) {
        if self.phase == Phase::Closed {
            return;
        }
        if reply.outcome.is_ok() {
            self.heard = now;
        }
        let result = self.dialect.http(now, reply, &mut self.outbox);
        self.after(now, result, ledger);
    }

    /// A message on the stream of messages.
    pub fn message(&mut self, now: Instant, message: &[u8], ledger: &mut Ledger) {
        if self.phase == Phase::Closed {
            return;
        }
        let result = self.dialect.message(now, message, &mut self.outbox);
        if result.is_ok() {
            self.heard = now;
        }
        self.after(now, result, ledger);
    }

    /// The end of the stream of messages.
    pub fn stream_ended(&mut self, now: Instant, reason: CloseReason, ledger: &mut Ledger) {
        if self.phase != Phase::Closed {
            self.dialect.stream_ended(now, reason, &mut self.outbox);
            self.drain(now, ledger);
        }
    }

    /// A hit. It gets its row here, and at once its verdict when it is not sent.
    pub fn share(&mut self, now: Instant, share: &Share, ledger: &mut Ledger) {
        let row = row(share);
        let refused = self.refuse(now, share);
        let id = match refused {
            Some(why) => return self.outputs.push_back(Output::Settled(ledger.not_sent(row, why))),
            None => ledger.open(row.clone()),
        };
        let Some(id) = id else {
            return self.outputs.push_back(Output::Settled(ledger.not_sent(row, NotSent::Throttled)));
        };
        // Before the write: on loopback the answer may come while we are still writing.
        ledger.sent(id, now);
        self.pending.insert(id, now);
        self.dialect.submit(now, id, share, &mut self.outbox);
        self.drain(now, ledger);
    }

    /// The connection is gone: what was sent and not answered is lost.
    pub fn end(&mut self, now: Instant, ledger: &mut Ledger) {
        if let Some(line) = self.splitter.finish().filter(|_| self.phase != Phase::Closed) {
            self.line(now, &line, ledger);
        }
        self.phase = Phase::Closed;
        if self.bugs.has(Bug::VerdictForgotten) {
            self.pending.clear();
        }
        for (id, _) in std::mem::take(&mut self.pending) {
            self.outputs.extend(ledger.settle(id, Verdict::Lost, now).map(Output::Settled));
        }
    }

    /// Deadlines that have passed.
    pub fn tick(&mut self, now: Instant, ledger: &mut Ledger) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.dialect.deadline().is_some_and(|deadline| deadline <= now) {
            self.dialect.tick(now, &mut self.outbox);
            self.drain(now, ledger);
        }
        self.time_out_shares(now, ledger);
        if let Some((_, reason)) = self.deadlines().into_iter().find(|(deadline, _)| *deadline <= now) {
            self.close(reason);
        }
    }

    /// When [`Session::tick`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Closed {
            return None;
        }
        let limits = self.dialect.limits();
        let share = self.pending.values().min().map(|sent| *sent + limits.share_reply);
        let own = self.deadlines().into_iter().map(|(deadline, _)| deadline);
        own.chain(share).chain(self.dialect.deadline()).min()
    }

    /// The next thing to do, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// This session's number.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The newest job.
    pub fn job(&self) -> Option<&Arc<Job>> {
        self.ring.back()
    }

    /// Shares that wait for an answer.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// How long a share waits for its answer.
    pub fn share_reply(&self) -> Duration {
        self.dialect.limits().share_reply
    }

    /// How much it holds at this moment.
    #[doc(hidden)]
    pub fn held(&self) -> Held {
        Held {
            connections: 1,
            line_bytes: self.splitter.pending(),
            jobs: self.ring.len(),
            pending: self.pending.len(),
            works: self.sent.len(),
            nonces: self.sent.iter().map(|(_, nonces)| nonces.len()).max().unwrap_or(0),
        }
    }

    /// What went out that has seen nothing since and that some pools close for.
    pub fn provocation(&self) -> Option<(Provocation, Instant)> {
        self.dialect.provocation()
    }

    fn line(&mut self, now: Instant, line: &[u8], ledger: &mut Ledger) {
        let result = self.dialect.line(now, line, &mut self.outbox);
        if result.is_ok() {
            self.heard = now;
        }
        self.after(now, result, ledger);
    }

    fn after(&mut self, now: Instant, result: Result<(), ProtocolError>, ledger: &mut Ledger) {
        self.drain(now, ledger);
        // One line may both end the session and break off behind that.
        let Err(fault) = result else { return };
        if self.phase == Phase::Closed {
            return;
        }
        if let ProtocolError::Algorithm { .. } = fault {
            return self.close(CloseReason::Algorithm(fault.to_string()));
        }
        self.faults.retain(|(at, _)| now.saturating_duration_since(*at) < FAULT_WINDOW);
        self.faults.push_back((now, fault.to_string()));
        if self.faults.len() >= MAX_FAULTS {
            // The first one tells most: the status line of an HTTP server, say, and not its headers.
            let first = self.faults.pop_front().map(|(_, text)| text);
            self.close(CloseReason::Protocol(first.unwrap_or_default()));
        } else {
            self.outputs.push_back(Output::Notice(format!("ignored a broken message: {fault}")));
        }
    }

    fn drain(&mut self, now: Instant, ledger: &mut Ledger) {
        for out in self.outbox.take() {
            if self.phase == Phase::Closed {
                // The dialect closed; verdicts of what came before still count.
                if let Out::Event(Event::Verdict(id, verdict)) = out {
                    self.settle(now, id, verdict, ledger);
                }
                continue;
            }
            match out {
                Out::Line(mut line) => {
                    line.push('\n');
                    self.outputs.push_back(Output::Send(line.into_bytes()));
                }
                Out::Http(request) => self.outputs.push_back(Output::Http(request)),
                Out::Message(message) => self.outputs.push_back(Output::Message(message)),
                Out::HangUp => self.outputs.push_back(Output::HangUp),
                Out::Close(reason) => self.close(reason),
                Out::Event(Event::LoggedIn) => {
                    self.phase = Phase::WaitingForJob { since: now, told: false };
                    self.outputs.push_back(Output::LoggedIn);
                }
                Out::Event(Event::Waiting(text)) => {
                    self.phase = Phase::WaitingForJob { since: self.phase_began(now), told: true };
                    self.outputs.push_back(Output::Waiting(text));
                }
                Out::Event(Event::Job(new)) => self.job_came(now, new),
                Out::Event(Event::Verdict(id, verdict)) => self.settle(now, id, verdict, ledger),
                Out::Event(Event::Notice(text)) => self.outputs.push_back(Output::Notice(text)),
                Out::Event(Event::Redirect(redirect)) => self.outputs.push_back(Output::Redirect(redirect)),
            }
        }
    }

    fn phase_began(&self, now: Instant) -> Instant {
        match self.phase {
            Phase::LoggingIn { since } | Phase::WaitingForJob { since, .. } => since,
            Phase::Mining | Phase::Closed => now,
        }
    }

    fn job_came(&mut self, now: Instant, new: NewJob) {
        self.phase = Phase::Mining;
        let job = Arc::new(new.into_job(self.id, self.pool, now));
        if job.supersede == Supersede::Discard {
            self.ring.clear();
        }
        if self.ring.len() >= self.dialect.limits().job_ring && !self.bugs.has(Bug::RingUnbounded) {
            self.ring.pop_front();
        }
        self.ring.push_back(Arc::clone(&job));
        self.outputs.push_back(Output::Job(job));
    }

    fn settle(&mut self, now: Instant, id: ShareId, verdict: Verdict, ledger: &mut Ledger) {
        self.pending.remove(&id);
        self.outputs.extend(ledger.settle(id, verdict, now).map(Output::Settled));
    }

    /// Why a share is not sent, if it is not. Remembers its nonce otherwise.
    fn refuse(&mut self, now: Instant, share: &Share) -> Option<NotSent> {
        let wanted = share.job.key;
        let any_session = self.bugs.has(Bug::WrongSession);
        let is_it = |key: JobKey| key == wanted || any_session && key.seq == wanted.seq;
        let in_ring = self.ring.iter().any(|job| is_it(job.key));
        if self.phase != Phase::Mining || !in_ring {
            return Some(NotSent::Stale);
        }
        let Some(work) = share.job.template.work(share.roll) else { return Some(NotSent::Miscompute) };
        let is_met = share.job.target.is_met_by(&work.proof(share.nonce, &share.hash));
        if !is_met && !self.bugs.has(Bug::NoTargetCheck) {
            return Some(NotSent::Miscompute);
        }
        let key = work.key();
        let known = self.sent.iter().any(|(work, nonces)| *work == key && nonces.contains(&share.nonce));
        if known && !self.bugs.has(Bug::NoDuplicateCheck) {
            return Some(NotSent::Duplicate);
        }
        if !self.bucket.take(now) && !self.bugs.has(Bug::NoThrottle) {
            return Some(NotSent::Throttled);
        }
        self.remember(key, share.nonce)
    }

    fn remember(&mut self, key: WorkKey, nonce: u64) -> Option<NotSent> {
        let place = self.sent.iter().position(|(work, _)| *work == key);
        if place.is_none() {
            if self.sent.len() == MAX_WORKS {
                self.sent.pop_front();
            }
            self.sent.push_back((key, BTreeSet::new()));
        }
        let place = place.unwrap_or(self.sent.len() - 1);
        let (_, nonces) = self.sent.get_mut(place)?;
        if nonces.len() >= MAX_NONCES {
            return Some(NotSent::Throttled);
        }
        nonces.insert(nonce);
        None
    }

    fn time_out_shares(&mut self, now: Instant, ledger: &mut Ledger) {
        let limit = self.dialect.limits().share_reply;
        let late: Vec<(ShareId, Instant)> = self
            .pending
            .iter()
            .filter(|(_, sent)| now.saturating_duration_since(**sent) >= limit)
            .map(|(id, sent)| (*id, *sent))
            .collect();
        for (id, sent) in late {
            self.pending.remove(&id);
            self.dialect.timed_out(id, &mut self.outbox);
            self.outputs.extend(ledger.settle(id, Verdict::NoReply, now).map(Output::Settled));
            // A pool that says other things is only slow; one that says nothing at all is gone.
            if self.heard <= sent {
                self.close(CloseReason::ShareTimeout(limit));
            }
            self.drain(now, ledger);
        }
    }

    fn deadlines(&self) -> Vec<(Instant, CloseReason)> {
        let limits = self.dialect.limits();
        let mut deadlines = vec![(self.heard + limits.idle, CloseReason::Idle(limits.idle))];
        match self.phase {
            Phase::LoggingIn { since } => {
                deadlines.push((since + limits.login, CloseReason::LoginTimeout(limits.login)));
            }
            Phase::WaitingForJob { since, told: false } => {
                deadlines.push((since + limits.first_job, CloseReason::NoJob(limits.first_job)));
            }
            Phase::WaitingForJob { since, told: true } => {
                let limit = limits.first_job_waiting;
                deadlines.push((since + limit, CloseReason::NothingToMine(limit)));
            }
            Phase::Mining | Phase::Closed => {}
        }
        if let Some(began) = self.line_began {
            deadlines.push((began + LINE_TIME, CloseReason::SlowLine(LINE_TIME)));
        }
        deadlines
    }

    fn close(&mut self, reason: CloseReason) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            self.outputs.push_back(Output::Close(reason));
        }
    }
}

/// The ledger's row of a hit.
pub fn row(share: &Share) -> Row {
    let proof = share.proof().unwrap_or(share.hash);
    let block = share.job.block_target.is_some_and(|target| target.is_met_by(&proof));
    Row {
        job: share.job.key,
        pool: share.job.pool,
        device: share.device,
        difficulty: share.job.target.difficulty(),
        hash_difficulty: proof.difficulty(),
        block,
        found: share.found,
        sent: None,
    }
}

/// Token bucket of submits.
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let full = f64::from(SUBMITS_PER_S);
        let passed_s = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed_s * full).min(full);
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// Seconds in a row with too much input.
struct Flood {
    second_began: Instant,
    bytes: usize,
    seconds: u32,
}

impl Flood {
    fn passed(&mut self, now: Instant, bytes: usize) -> bool {
        let passed = now.saturating_duration_since(self.second_began);
        if passed >= Duration::from_secs(1) {
            let flooded = self.bytes > FLOOD_BYTES_PER_S && passed < Duration::from_secs(2);
            self.seconds = if flooded { self.seconds + 1 } else { 0 };
            self.second_began = now;
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.seconds >= FLOOD_SECONDS
    }
}

#[cfg(test)]
mod tests;
