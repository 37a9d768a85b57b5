//! The client and the embedded pool in virtual time, for pools of Bitcoin and Kaspa. The pool puts together and hashes
//! every share by itself.
#![allow(dead_code, unreachable_pub)] // each test target uses a part of it

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::TemplateKey;
use rminer_algos::registry::{Algorithm, KHEAVYHASH, Reference, SHA256D};
use rminer_pool::{
    DifficultyConfig, Fault, Payload, PoolConfig, PoolCore, PoolStats, Profile, SessionId, ToyReference,
    Verification,
};
use rminer_stratum::RedirectPolicy;
use rminer_stratum::dialect::bitcoin::{Bitcoin, BitcoinConfig};
use rminer_stratum::dialect::kaspa::{Kaspa, KaspaConfig};
use rminer_stratum::dialect::{CloseReason, Dialect};
use rminer_stratum::endpoint::BitcoinOptions;
use rminer_stratum::job::{Job, Share};
use rminer_stratum::ledger::Counts;
use rminer_stratum::pool::{Endpoint, Hints, MakeDialect};
use rminer_stratum::rng::Rng;
use rminer_stratum::supervisor::{ConnId, Event, Output, PoolEvent, Supervisor};

/// Hashes for a share, on average.
pub const DIFFICULTY: u64 = 60;
/// Hashes that the miner tries before it gives up for this time.
const MOST_HASHES: u64 = 4000;
/// Counters of one roll that are tried: far apart, so that nonces and versions all differ.
const COUNTERS: u64 = 1024;
/// Jobs that late finds are for.
const OLD_JOBS: usize = 4;

/// An address of nobody, with a right checksum.
const KASPA_USER: &str = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j.rig0";

/// On its way.
enum Parcel {
    ToPool(ConnId, Vec<u8>),
    ToClient(ConnId, Vec<u8>),
    ClosedByPool(ConnId),
    ClosedByClient(ConnId),
}

/// One client, one pool, and the wire between them.
pub struct World {
    now: Instant,
    rng: Rng,
    latency: Duration,
    client: Supervisor,
    pub pool: PoolCore,
    sessions: BTreeMap<ConnId, SessionId>,
    wire: VecDeque<(Instant, Parcel)>,
    /// The newest jobs, the last one last.
    pub jobs: VecDeque<Arc<Job>>,
    mining: bool,
    /// Nothing is looked for any more.
    pub stopped: bool,
    tried: BTreeMap<TemplateKey, u64>,
    mine_at: Instant,
    /// The longest time between two looks.
    mine_within: Duration,
    reference: Box<dyn Reference>,
    /// What people would be told of the pool, each thing once.
    pub notices: BTreeSet<String>,
}

impl World {
    /// A pool whose shares are easy: at a Bitcoin pool with a job every ten seconds, otherwise ten a second.
    pub fn new(profile: impl Into<Profile>, seed: u64, vardiff: bool) -> Self {
        let share_interval = vardiff.then_some(Duration::from_secs(2));
        let config = PoolConfig::with_profile(profile);
        let job_interval = config.job_interval.min(Duration::from_secs(10));
        let config = PoolConfig {
            difficulty: DifficultyConfig { start: DIFFICULTY, min: 8, max: 1000, share_interval },
            block_difficulty: 20 * u128::from(DIFFICULTY),
            job_interval,
            ..config
        };
        Self::with(config, seed)
    }

    /// Any pool; everything random comes from `seed`.
    pub fn with(config: PoolConfig, seed: u64) -> Self {
        let (now, mut rng) = (Instant::now(), Rng::new(seed));
        let config = PoolConfig { rng_seed: rng.next_u64(), ..config };
        let seeds = rng.next_u64();
        let (algorithm, dialect, mine_within): (&Algorithm, MakeDialect, _) = match config.profile {
            Profile::Bitcoin(_) => (&SHA256D, bitcoin(seeds), Duration::from_secs(2)),
            Profile::Kaspa(_) => (&KHEAVYHASH, kaspa(), Duration::from_millis(600)),
            Profile::Monero(_) => panic!("pools of Monero have a world of their own"),
        };
        let endpoint = Endpoint {
            host: "pool.example".into(),
            port: 3333,
            verified: false,
            redirect: RedirectPolicy::SameHost,
            dialect,
        };
        Self {
            now,
            latency: Duration::from_millis(rng.below(200)),
            client: Supervisor::new(vec![endpoint], None, rng.next_u64(), now),
            pool: PoolCore::new(config, Verification::Inline(Box::new(ToyReference)), now),
            sessions: BTreeMap::new(),
            wire: VecDeque::new(),
            jobs: VecDeque::new(),
            mining: false,
            stopped: false,
            tried: BTreeMap::new(),
            mine_at: now,
            mine_within,
            reference: (algorithm.reference)().unwrap(),
            notices: BTreeSet::new(),
            rng,
        }
    }

    /// Twenty deeds of the pool at random times, at most `pause` apart; then all is well again, and mining goes on.
    /// What was done, and whether more than five shares are accepted in the last stretch of time.
    pub fn live_through(
        &mut self,
        deeds: &[Fault],
        rng: &mut Rng,
        pause: Duration,
        last: Duration,
    ) -> (Vec<String>, bool) {
        let mut pick = |count: usize| usize::try_from(rng.below(count.try_into().unwrap())).unwrap();
        let most_ms = usize::try_from(pause.as_millis()).unwrap();
        let mut story = Vec::new();
        for _ in 0..20 {
            self.run(Duration::from_millis(u64::try_from(pick(most_ms)).unwrap()));
            let deed = deeds[pick(deeds.len())].clone();
            story.push(format!("{deed:?}"));
            self.fault(deed);
        }
        self.fault(Fault::None);
        self.run(Duration::from_secs(700));
        let before = self.pool.stats().shares.accepted;
        self.run(last);
        (story, self.pool.stats().shares.accepted > before + 5)
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let wire = self.wire.front().map(|(at, _)| *at);
            let others = [Some(self.pool.next_deadline()), self.client.poll_timeout(), Some(self.mine_at)];
            let next = others.into_iter().chain([wire]).flatten().min().unwrap().max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if wire.is_some_and(|at| at <= next) {
                let (_, parcel) = self.wire.pop_front().unwrap();
                self.deliver(parcel);
            } else if self.mine_at <= next {
                self.mine();
                let most_ms = self.mine_within.as_millis().try_into().unwrap();
                self.mine_at = self.now + Duration::from_millis(self.rng.below(most_ms));
            } else if self.client.poll_timeout().is_some_and(|at| at <= next) {
                self.client.handle_timeout(self.now);
            } else {
                self.pool.tick(self.now);
            }
            self.settle();
        }
    }

    /// One latency for all, so parcels arrive in the order in which they were sent.
    fn post(&mut self, parcel: Parcel) {
        self.wire.push_back((self.now + self.latency, parcel));
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToPool(conn, bytes) => {
                if let Some(session) = self.sessions.get(&conn) {
                    self.pool.bytes(self.now, *session, &bytes);
                }
            }
            Parcel::ToClient(conn, bytes) => self.client.handle_bytes(self.now, conn, &bytes),
            Parcel::ClosedByPool(conn) => {
                self.client.handle_closed(self.now, conn, CloseReason::Network("closed".into()));
            }
            Parcel::ClosedByClient(conn) => {
                if let Some(session) = self.sessions.remove(&conn) {
                    self.pool.closed(self.now, session);
                }
            }
        }
    }

    /// Carries out what both sides want.
    fn settle(&mut self) {
        loop {
            if let Some(output) = self.pool.poll_output() {
                let conn = self.sessions.iter().find(|(_, session)| **session == output.session);
                let Some(conn) = conn.map(|(conn, _)| *conn) else { continue };
                match output.payload {
                    Payload::Bytes(bytes) => self.post(Parcel::ToClient(conn, bytes)),
                    Payload::Flood { .. } => {}
                    Payload::Close => {
                        self.sessions.remove(&conn);
                        self.post(Parcel::ClosedByPool(conn));
                    }
                }
            } else if let Some(output) = self.client.poll_output() {
                self.wanted(output);
            } else {
                return;
            }
        }
    }

    fn wanted(&mut self, output: Output) {
        match output {
            Output::Connect { conn, .. } => {
                let session = self.pool.connect(self.now);
                self.sessions.insert(conn, session);
                self.client.handle_connected(self.now, conn);
            }
            Output::Send { conn, bytes } => {
                assert!(bytes.len() <= 1024, "{} bytes", bytes.len());
                self.post(Parcel::ToPool(conn, bytes));
            }
            Output::Close { conn } => self.post(Parcel::ClosedByClient(conn)),
            Output::Http { .. } => panic!("HTTP with a pool"),
            Output::Message { .. } | Output::HangUp { .. } => panic!("a stream of messages with a pool"),
            Output::Event(Event::Job(job)) => {
                if self.jobs.len() == OLD_JOBS {
                    self.jobs.pop_front();
                }
                self.jobs.push_back(job);
                self.mining = true;
            }
            Output::Event(Event::NoJob) => self.mining = false,
            Output::Event(Event::Settled(_)) => {}
            Output::Event(Event::Pool { what: PoolEvent::Down { reason, .. }, .. }) => {
                self.notices.insert(reason.to_string());
            }
            Output::Event(event) => {
                self.notices.insert(format!("{event:?}"));
            }
        }
    }

    /// A find for the newest job, or now and then for an older one. Nothing is hashed twice.
    fn mine(&mut self) {
        let late = self.rng.one_in(8) && self.jobs.len() > 1;
        let place = self.jobs.len().saturating_sub(if late { 2 } else { 1 });
        let Some(job) = self.jobs.get(place).filter(|_| self.mining && !self.stopped).cloned() else {
            return;
        };
        let tried = self.tried.entry(job.template.key()).or_default();
        // Made once for a roll: a coinbase may have hundreds of kilobytes.
        let mut rolled = None;
        for _ in 0..MOST_HASHES {
            let (roll, step) = (*tried / COUNTERS, *tried % COUNTERS);
            let (_, work) = match rolled.take().filter(|(of, _)| *of == roll) {
                Some(current) => rolled.insert(current),
                None => {
                    let Some(work) = job.template.work(roll) else { return };
                    rolled.insert((roll, work))
                }
            };
            *tried += 1;
            let nonce = work.nonce(work.last_counter() / COUNTERS * step + step % 4);
            let hash = self.reference.hash(work, nonce).unwrap();
            if job.target.is_met_by(&hash) {
                let share = Share { job, roll, nonce, hash, device: 0, found: self.now };
                return self.client.handle_share(self.now, &share);
            }
        }
    }

    /// Stops, and gives both sides' books.
    pub fn close(mut self) -> (Counts, PoolStats) {
        self.stopped = true;
        // What is on the way arrives.
        self.run(Duration::from_secs(40));
        assert!(self.client.ledger().balances());
        (self.client.ledger().total().clone(), self.pool.stats())
    }

    /// The pool does this now.
    pub fn fault(&mut self, fault: Fault) {
        self.pool.set_fault(self.now, fault);
    }
}

fn bitcoin(seed: u64) -> MakeDialect {
    Box::new(move |hints: Hints| -> Box<dyn Dialect> {
        Box::new(Bitcoin::new(BitcoinConfig {
            user: "account.rig".into(),
            pass: "x".into(),
            agent: "sim".into(),
            algorithm: &SHA256D,
            options: BitcoinOptions::default(),
            extranonce_subscribe: hints.extranonce_subscribe,
            plain: !hints.extensions,
            seed,
        }))
    })
}

fn kaspa() -> MakeDialect {
    Box::new(|_| -> Box<dyn Dialect> {
        Box::new(Kaspa::new(KaspaConfig {
            user: KASPA_USER.into(),
            pass: "x".into(),
            agent: "sim".into(),
            algorithm: &KHEAVYHASH,
            patience: 1,
        }))
    })
}
