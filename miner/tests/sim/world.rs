//! The world of one run: the clock, the queue of what will happen, and the client in the middle of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use rminer_algos::registry::RANDOMX;
use rminer_stratum::bugs::Bugs;
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::dialect::monero::{Monero, MoneroConfig};
use rminer_stratum::pool::Endpoint;
use rminer_stratum::rng::Rng;
use rminer_stratum::supervisor::{ConnId, Event, NoSwitch, Output, PoolEvent, Supervisor};
use rminer_stratum::{NotSent, Share};

use crate::checks::Checks;
use crate::device::{Claim, Miner, Wish};
use crate::dice::Dice;
use crate::marks::{Mark, Marks};
use crate::network::Conn;
use crate::pool::{Pool, Request, Server};
use crate::rates::{ConnectFault, Rates, S, Us};
use crate::toy;
use crate::trace::Trace;

/// A sleep of the machine.
const SLEEP: Us = 600 * S;
/// Time that the shell gives a try to connect.
const CONNECT_TIME: Us = 5 * S;
/// Deadlines without time passing, after which the client is caught in a loop.
const MAX_IDLE_WAKES: u32 = 100;

/// What will happen.
#[derive(Debug)]
pub(crate) enum What {
    Connected(ConnId),
    ConnectFailed(ConnId, &'static str),
    ToClient(ConnId, Vec<u8>),
    ToPool(ConnId, Request),
    ClosedByPool(ConnId, &'static str),
    NetFault(ConnId),
    Mend(ConnId),
    Deed(ConnId),
    Answer(ConnId, u64, Result<(), &'static str>),
    FirstJob(ConnId),
    Babble(ConnId, Vec<u8>, u32),
    JobDue(usize, u64),
    PoolDown(usize),
    PoolUp(usize),
    Wake(u16, u64),
    Hit(Claim),
    Sleep,
    /// A person wants this pool mined.
    Switch(usize),
    FaultsEnd,
}

#[derive(Debug)]
struct Due {
    at: Us,
    number: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// What scenarios look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Story {
    Connect(usize),
    Down(usize),
    Job(usize),
    NoJob,
    Accepted(usize),
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: Us,
    slept: Us,
    began: Instant,
    queue: BinaryHeap<Reverse<Due>>,
    scheduled: u64,
    pub(crate) rng: Rng,
    pub(crate) rates: Rates,
    pub(crate) client: Supervisor,
    pub(crate) conns: BTreeMap<ConnId, Conn>,
    /// The connection of each session, by the session's number.
    pub(crate) sessions: Vec<ConnId>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) miner: Miner,
    pub(crate) checks: Checks,
    pub(crate) marks: Marks,
    pub(crate) trace: Trace,
    pub(crate) story: VecDeque<(Us, Story)>,
    /// No fault happens any more.
    pub(crate) healthy: bool,
    pub(crate) stopping: bool,
    /// Nothing more comes from the client.
    pub(crate) over: bool,
    pub(crate) job_numbers: Vec<u64>,
    /// The pool that was mined for last.
    pub(crate) last_active: Option<usize>,
    idle_wakes: u32,
}

impl World {
    /// A world with these rates, whose random numbers come from `rng`.
    pub(crate) fn new(rates: Rates, mut rng: Rng, bugs: Bugs) -> Self {
        let began = Instant::now();
        let total_hs = rates.devices.speed_hs * u64::from(rates.devices.workers);
        let difficulty = (total_hs * rates.share_every / S).max(1);
        let pools: Vec<Pool> = (0..)
            .zip(&rates.pools)
            .map(|(place, habits)| Pool::new(place, habits.clone(), difficulty, &mut rng))
            .collect();
        let endpoint = |pool: &Pool| {
            let config = MoneroConfig {
                login: "wallet".into(),
                pass: "x".into(),
                rig_id: None,
                agent: "sim".into(),
                algorithm: &RANDOMX,
                also: Vec::new(),
                nicehash: None,
                keepalive: true,
            };
            Endpoint {
                host: pool.host.clone(),
                port: 3333,
                verified: pool.habits.verified,
                redirect: pool.habits.redirect,
                dialect: Box::new(move |hints| {
                    let keepalive = hints.keepalive;
                    Box::new(Monero::new(MoneroConfig { keepalive, ..config.clone() }).seeded(bugs))
                }),
            }
        };
        let endpoints = pools.iter().map(endpoint).collect();
        let client = Supervisor::new(endpoints, rates.retries, rng.next_u64(), began).seeded(bugs);
        let mut world = Self {
            now: 0,
            slept: 0,
            began,
            queue: BinaryHeap::new(),
            scheduled: 0,
            client,
            conns: BTreeMap::new(),
            sessions: Vec::new(),
            miner: Miner::new(rates.devices.clone()),
            checks: Checks::new(pools.len()),
            marks: Marks::default(),
            trace: Trace::default(),
            story: VecDeque::new(),
            healthy: false,
            stopping: false,
            over: false,
            job_numbers: vec![0; pools.len()],
            last_active: None,
            idle_wakes: 0,
            pools,
            rates,
            rng,
        };
        for pool in 0..world.pools.len() {
            world.next_job(pool);
            if let Some((up, _)) = world.rates.down {
                let after = world.rng.wait(up);
                world.after(after, What::PoolDown(pool));
            }
        }
        world
    }

    /// The client's clock, which runs on while the machine sleeps.
    pub(crate) fn instant(&self) -> Instant {
        self.began + Duration::from_micros(self.client_time())
    }

    /// Time as the client has it.
    pub(crate) fn client_time(&self) -> Us {
        self.now + self.slept
    }

    /// Lets something happen after a while.
    pub(crate) fn after(&mut self, after: Us, what: What) {
        self.scheduled += 1;
        self.queue.push(Reverse(Due { at: self.now + after, number: self.scheduled, what }));
    }

    pub(crate) fn at(&mut self, at: Us, what: What) {
        self.after(at.saturating_sub(self.now), what);
    }

    /// Lets time pass until `end`, or until a check fails.
    pub(crate) fn run_until(&mut self, end: Us) {
        self.drain();
        while self.checks.failure.is_none() && self.step(end) {}
        if self.checks.failure.is_none() {
            self.now = self.now.max(end);
        }
    }

    /// The miner is stopped, and everything must come to its end.
    pub(crate) fn stop(&mut self) {
        if self.over || self.checks.failure.is_some() {
            return;
        }
        self.stopping = true;
        self.tell(|client, now| client.handle_stop(now));
        self.run_until(self.now + 2 * S);
        self.check_end();
    }

    /// One thing happens; false when nothing does until `end`.
    fn step(&mut self, end: Us) -> bool {
        let due = self.queue.peek().map(|Reverse(due)| due.at);
        let wake = self.client.poll_timeout().map(|at| {
            let at =
                u64::try_from(at.saturating_duration_since(self.began).as_nanos().div_ceil(1000)).unwrap();
            at.saturating_sub(self.slept).max(self.now)
        });
        let Some(next) = due.into_iter().chain(wake).min().filter(|next| *next <= end) else { return false };
        self.idle_wakes = if next > self.now { 0 } else { self.idle_wakes };
        self.now = next;
        if wake == Some(next) {
            self.idle_wakes += 1;
            if self.idle_wakes > MAX_IDLE_WAKES {
                self.checks.fail("the client asks to be woken again and again at one moment");
                return false;
            }
            self.trace.note(next, [1, 0, 0], || "deadline".into());
            self.tell(|client, now| client.handle_timeout(now));
        } else if let Some(Reverse(due)) = self.queue.pop() {
            self.happen(due.what);
        }
        self.check();
        true
    }

    /// Tells the client something and does what it wants done.
    pub(crate) fn tell(&mut self, what: impl FnOnce(&mut Supervisor, Instant)) {
        let now = self.instant();
        what(&mut self.client, now);
        self.checks.touched = true;
        self.drain();
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Connected(conn) => self.connected(conn),
            What::ConnectFailed(conn, why) => {
                if self.conns.remove(&conn).is_some() {
                    self.trace.note(self.now, [2, conn.0.into(), 0], || format!("{conn:?}: {why}"));
                    self.tell(|client, now| {
                        client.handle_closed(now, conn, CloseReason::Connect(why.into()));
                    });
                }
            }
            What::ToClient(conn, bytes) => self.deliver(conn, &bytes),
            What::ToPool(conn, request) => {
                if self.conns.get(&conn).is_some_and(|conn| conn.served) {
                    self.serve(conn, request);
                }
            }
            What::ClosedByPool(conn, why) => {
                if let Some(gone) = self.conns.remove(&conn) {
                    self.trace.note(self.now, [3, conn.0.into(), 0], || format!("{conn:?} ends: {why}"));
                    self.checks.ended(self.now, &gone, &mut self.pools);
                    self.checks.closing = true;
                    self.tell(|client, now| {
                        client.handle_closed(now, conn, CloseReason::Network(why.into()));
                    });
                    self.checks.closing = false;
                }
            }
            What::Wake(worker, number) => {
                self.miner.wake(self.now, worker, number, &mut self.rng, &mut self.marks);
                self.grant_wishes();
            }
            What::Hit(claim) => self.hit(&claim),
            What::Sleep => self.sleep(),
            What::Switch(pool) => self.switch(pool),
            What::FaultsEnd => self.end_faults(),
            other => self.peers(other),
        }
    }

    fn connected(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.open = true;
        conn.heard = self.now;
        let fault = conn.fault;
        self.sessions.push(id);
        self.trace.note(self.now, [4, id.0.into(), 0], || format!("{id:?} is up, fault {fault:?}"));
        self.tell(|client, now| client.handle_connected(now, id));
        match fault {
            Some(ConnectFault::CloseAtOnce) => self.close_by_pool(id, "closed at once"),
            Some(ConnectFault::SpeakTls) => {
                self.say(id, &[0x15, 3, 3, 0, 2, 2, 70]);
                self.close_by_pool(id, "closed behind an alert");
            }
            _ => {}
        }
        if !self.healthy {
            let (net, deed) = (self.rng.wait(self.rates.net_every), self.rng.wait(self.rates.deed_every));
            self.after(net, What::NetFault(id));
            self.after(deed, What::Deed(id));
        }
    }

    fn deliver(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.delivered += bytes.len() as u64;
        conn.heard = self.now;
        conn.unanswered = None;
        self.trace.bytes(self.now, id.0.into(), bytes);
        self.tell(|client, now| client.handle_bytes(now, id, bytes));
        self.check_newest(id);
    }

    fn hit(&mut self, claim: &Claim) {
        let share = Share {
            job: std::sync::Arc::clone(&claim.job),
            roll: 0,
            nonce: claim.nonce.into(),
            hash: claim.hash,
            device: claim.worker,
            found: self.instant(),
        };
        self.trace.note(self.now, [5, claim.nonce.into(), claim.key], || {
            format!("worker {} claims nonce {:08x} for {:?}", claim.worker, claim.nonce, claim.job.key)
        });
        self.checks.handed += 1;
        if toy::hash(claim.key, claim.nonce) != claim.hash.0 {
            self.marks.hit(Mark::MiscomputeStopped);
            return self.tell(|client, _| client.handle_not_sent(&share, NotSent::Miscompute));
        }
        self.expect_verdict(claim);
        self.tell(|client, now| client.handle_share(now, &share));
        self.check_verdict();
    }

    fn sleep(&mut self) {
        self.slept += SLEEP;
        self.marks.hit(Mark::Suspended);
        self.trace.note(self.now, [6, 0, 0], || "the machine slept".into());
        for conn in self.conns.values_mut() {
            conn.served = false;
        }
        self.tell(|client, now| client.handle_suspended(now));
    }

    /// A person wants another pool mined: what is mined for goes on until that one has a job.
    pub(crate) fn switch(&mut self, pool: usize) {
        let before = self.client.active_pool();
        let mut outcome = Err(NoSwitch::Ending);
        self.tell(|client, now| outcome = client.prefer(now, pool));
        self.trace.note(self.now, [14, pool as u64, 0], || format!("switch to pool {pool}: {outcome:?}"));
        match outcome {
            Ok(_) => {
                let is_preferred = self.client.preferred_pool() == pool;
                self.checks.demand(is_preferred, || "a switch that is none".into());
            }
            Err(_) => self.marks.hit(Mark::SwitchRefused),
        }
        let goes_on = before.is_none() || self.client.active_pool().is_some();
        self.checks.demand(goes_on, || format!("a switch to pool {pool} leaves nothing to mine"));
    }

    /// What the miner's part wished for.
    pub(crate) fn grant_wishes(&mut self) {
        for wish in std::mem::take(&mut self.miner.wishes) {
            match wish {
                Wish::Wake { worker, number, after } => self.after(after, What::Wake(worker, number)),
                Wish::Hit { claim, after } => self.after(after, What::Hit(claim)),
            }
        }
    }

    /// Does what the client wants done.
    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            if self.over && !matches!(output, Output::Event(Event::Settled(_))) {
                self.checks.fail(format!("{output:?} after the end"));
            }
            match output {
                Output::Connect { conn, pool, address } => self.connect(conn, pool, address),
                Output::Send { conn, bytes } => self.sent(conn, &bytes),
                Output::Http { .. } => self.checks.fail("an HTTP exchange with a stratum pool"),
                Output::Message { .. } | Output::HangUp { .. } => {
                    self.checks.fail("a stream of messages with a stratum pool");
                }
                Output::Close { conn } => {
                    self.trace.note(self.now, [7, conn.0.into(), 0], || format!("client closes {conn:?}"));
                    self.conns.remove(&conn);
                }
                Output::Event(event) => self.event(event),
            }
        }
    }

    fn connect(&mut self, id: ConnId, place: usize, address: Option<(String, u16)>) {
        self.trace
            .note(self.now, [8, id.0.into(), place as u64], || format!("{id:?} to pool {place} {address:?}"));
        self.tell_story(Story::Connect(place));
        let pool = &self.pools[place];
        self.checks.connect(self.client_time(), place, pool, address.as_ref());
        if address.is_some() {
            self.marks.hit(Mark::ReconnectFollowed);
        }
        let fault = if self.healthy { None } else { self.rates.connect.draw(&mut self.rng) };
        let fault = match (pool.up, pool.silent_when_down) {
            (true, _) => fault,
            (false, false) => Some(ConnectFault::Refuse),
            (false, true) => Some(ConnectFault::SilentDrop),
        };
        let server = Server::new(pool, &mut self.rng);
        self.conns.insert(id, Conn::new(place, fault, self.now, server));
        let round_trip = 2 * self.rates.latency + self.rng.below(self.rates.jitter);
        match fault {
            Some(ConnectFault::Refuse) => self.after(round_trip, What::ConnectFailed(id, "refused")),
            Some(ConnectFault::SilentDrop) => self.after(CONNECT_TIME, What::ConnectFailed(id, "timed out")),
            _ => self.after(round_trip, What::Connected(id)),
        }
    }

    fn sent(&mut self, id: ConnId, bytes: &[u8]) {
        self.trace.bytes(self.now, u64::from(id.0) << 32, bytes);
        let Some(conn) = self.conns.get_mut(&id) else {
            return self.checks.fail(format!("sends on {id:?}, which has ended"));
        };
        let pool = &mut self.pools[conn.pool];
        let request = match conn.server.judge(pool, self.now, conn.delivered, bytes) {
            Ok(request) => request,
            Err(why) => return self.checks.fail(format!("{why}: {}", String::from_utf8_lossy(bytes))),
        };
        match request {
            Request::Submit { .. } => {
                self.checks.sent = true;
                conn.unanswered.get_or_insert(self.now);
            }
            Request::Keepalive { .. } => self.marks.hit(Mark::Keepalive),
            Request::Login { .. } => {}
        }
        if let Some((at, request)) = conn.up.send(self.now, 0, request, &self.rates, &mut self.rng) {
            self.at(at, What::ToPool(id, request));
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Job(job) => {
                self.trace.note(self.now, [9, job.key.session.into(), job.key.seq], || {
                    format!("mine {:?}", job.key)
                });
                self.tell_story(Story::Job(job.pool));
                self.check_job(&job);
                self.miner.set_job(self.now, Some(job), &mut self.rng, &mut self.marks);
                self.grant_wishes();
            }
            Event::NoJob => {
                self.trace.note(self.now, [10, 0, 0], || "nothing to mine".into());
                self.tell_story(Story::NoJob);
                self.miner.set_job(self.now, None, &mut self.rng, &mut self.marks);
                self.grant_wishes();
            }
            Event::Settled(settled) => {
                self.trace.note(self.now, [11, settled.id.0, 0], || {
                    format!("{:?} {:?}", settled.id, settled.verdict)
                });
                if settled.verdict == rminer_stratum::Verdict::Accepted {
                    self.tell_story(Story::Accepted(settled.row.pool));
                }
                self.settled(&settled);
            }
            Event::Pool { pool, what } => {
                self.trace.note(self.now, [12, pool as u64, 0], || format!("pool {pool}: {what:?}"));
                if matches!(what, PoolEvent::Down { .. }) {
                    self.tell_story(Story::Down(pool));
                }
                self.pool_event(pool, &what);
                if what == PoolEvent::Active {
                    self.last_active = Some(pool);
                }
            }
            Event::GaveUp(why) => {
                self.trace.note(self.now, [13, 0, 0], || format!("gives up: {why:?}"));
                self.marks.hit(Mark::GaveUp);
                self.over = true;
                self.miner.set_job(self.now, None, &mut self.rng, &mut self.marks);
                self.miner.wishes.clear();
            }
            Event::Stopped => {
                self.marks.hit(Mark::Stopped);
                self.over = true;
            }
        }
    }

    fn tell_story(&mut self, story: Story) {
        self.story.push_back((self.now, story));
    }
}
