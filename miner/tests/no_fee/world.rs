//! A client with three pools in virtual time. Each pool is the embedded one, and goes through a life of faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::registry::{Algorithm, KHEAVYHASH, RANDOMX, Reference, SHA256D};
use rminer_pool::{
    DifficultyConfig, Fault, Payload, PoolConfig, PoolCore, Profile, Reject, SessionId, ToyReference,
    Verification,
};
use rminer_stratum::RedirectPolicy;
use rminer_stratum::bugs::Bugs;
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::dialect::bitcoin::{Bitcoin, BitcoinConfig};
use rminer_stratum::dialect::kaspa::{Kaspa, KaspaConfig};
use rminer_stratum::dialect::monero::{Monero, MoneroConfig};
use rminer_stratum::endpoint::BitcoinOptions;
use rminer_stratum::job::{Job, Share};
use rminer_stratum::pool::{Endpoint, MakeDialect};
use rminer_stratum::rng::Rng;
use rminer_stratum::supervisor::{ConnId, Event, Output, Supervisor};

use crate::books::{Account, Books};

const POOLS: usize = 3;
/// Hashes for a share, on average, and those that are tried at once.
const DIFFICULTY: u64 = 20;
const MOST_HASHES: u64 = 200;
/// Mean times between jobs, finds and deeds of each pool.
const JOB_EVERY: Duration = Duration::from_secs(60);
const FIND_EVERY_S: u64 = 60;
const DEED_EVERY_S: u64 = 600;
/// One way.
const LATENCY: Duration = Duration::from_millis(40);
/// Where pools would like the miner to go: the same place, a host of the same domain, and others.
const ELSEWHERE: [&str; 4] = ["eu.pool1.example", "fee.example", "192.0.2.1", "pool1.example.fee.example"];

/// What is mined.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coin {
    Monero,
    Bitcoin,
    Kaspa,
}

impl Coin {
    pub(crate) const ALL: [Self; 3] = [Self::Monero, Self::Bitcoin, Self::Kaspa];

    /// An account at each pool, with all that people write there.
    pub(crate) fn accounts(self, rng: &mut Rng) -> Vec<Account> {
        let base = match self {
            Self::Monero => "47Noq88fPGkJ5TGejJ92ZtbZx9LGPSe4NPk236AFKc1cC9dgXDA8ikJgQRShxpLfHtMav6w1",
            Self::Bitcoin => "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            Self::Kaspa => "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j",
        };
        let account = |pool| {
            let number = rng.below(1 << 48);
            Account {
                user: format!("{base}.r\u{ef}g \"{number}\"+20"),
                pass: format!("p\u{e4}ss\\{pool}{number:x}"),
            }
        };
        (0..POOLS).map(account).collect()
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Monero => &RANDOMX,
            Self::Bitcoin => &SHA256D,
            Self::Kaspa => &KHEAVYHASH,
        }
    }

    fn profile(self) -> Profile {
        match self {
            Self::Monero => rminer_pool::monero::Profile::default().into(),
            Self::Bitcoin => rminer_pool::bitcoin::Profile::default().into(),
            Self::Kaspa => rminer_pool::kaspa::Profile::default().into(),
        }
    }

    fn dialect(self, account: Account, seed: u64) -> MakeDialect {
        let Account { user, pass } = account;
        let (agent, algorithm) = ("rminer/sim".to_owned(), self.algorithm());
        match self {
            Self::Monero => {
                let config = MoneroConfig {
                    login: user,
                    pass: pass.into(),
                    rig_id: None,
                    agent,
                    algorithm,
                    also: Vec::new(),
                    nicehash: None,
                    keepalive: true,
                };
                Box::new(move |hints| {
                    let keepalive = hints.keepalive;
                    Box::new(Monero::new(MoneroConfig { keepalive, ..config.clone() }))
                })
            }
            Self::Bitcoin => {
                let config = BitcoinConfig {
                    user,
                    pass: pass.into(),
                    agent,
                    algorithm,
                    options: BitcoinOptions::default(),
                    extranonce_subscribe: true,
                    plain: false,
                    seed,
                };
                Box::new(move |hints| {
                    let (extranonce_subscribe, plain) = (hints.extranonce_subscribe, !hints.extensions);
                    Box::new(Bitcoin::new(BitcoinConfig { extranonce_subscribe, plain, ..config.clone() }))
                })
            }
            Self::Kaspa => {
                let config = KaspaConfig { user, pass: pass.into(), agent, algorithm, patience: 1 };
                Box::new(move |_| Box::new(Kaspa::new(config.clone())))
            }
        }
    }
}

struct Peer {
    core: PoolCore,
    host: String,
    policy: RedirectPolicy,
    verified: bool,
    up_again: Option<Instant>,
    deed_at: Instant,
}

enum Parcel {
    ToPool(ConnId, Vec<u8>),
    ToClient(ConnId, Vec<u8>),
    ClosedByPool(ConnId),
}

/// Everything.
pub(crate) struct World {
    now: Instant,
    rng: Rng,
    client: Supervisor,
    accounts: Vec<Account>,
    peers: Vec<Peer>,
    sessions: BTreeMap<ConnId, (usize, SessionId)>,
    /// The pool of every connection that there ever was.
    pools: BTreeMap<ConnId, usize>,
    wire: VecDeque<(Instant, Parcel)>,
    job: Option<Arc<Job>>,
    tried: u64,
    find_at: Instant,
    hand_at: Instant,
    reference: Box<dyn Reference>,
    books: Books,
}

impl World {
    pub(crate) fn new(coin: Coin, seed: u64, bugs: Bugs) -> Self {
        let (now, mut rng) = (Instant::now(), Rng::new(seed));
        let accounts = coin.accounts(&mut rng);
        let policies = [RedirectPolicy::SameHost, RedirectPolicy::SameDomain, RedirectPolicy::Any];
        let peer = |pool: usize| {
            let config = PoolConfig {
                difficulty: DifficultyConfig { start: DIFFICULTY, ..DifficultyConfig::fixed(DIFFICULTY) },
                job_interval: JOB_EVERY,
                rng_seed: rng.next_u64(),
                ..PoolConfig::with_profile(coin.profile())
            };
            Peer {
                core: PoolCore::new(config, Verification::Inline(Box::new(ToyReference)), now),
                host: format!("pool{pool}.example"),
                // Each policy with each trust comes up among the seeds.
                policy: policies[(pool + usize::try_from(seed).unwrap()) % 3],
                verified: (seed + u64::from(pool == 1)).is_multiple_of(2),
                up_again: None,
                deed_at: now + Duration::from_secs(rng.below(DEED_EVERY_S)),
            }
        };
        let peers: Vec<Peer> = (0..POOLS).map(peer).collect();
        let reference: Box<dyn Reference> = match coin {
            Coin::Monero => Box::new(ToyReference),
            _ => (coin.algorithm().reference)().unwrap(),
        };
        let client = Self::start(coin, &peers, &accounts, rng.next_u64(), bugs, now);
        let second = now + Duration::from_secs(1);
        Self {
            now,
            rng,
            client,
            accounts,
            peers,
            sessions: BTreeMap::new(),
            pools: BTreeMap::new(),
            wire: VecDeque::new(),
            job: None,
            tried: 0,
            find_at: second,
            hand_at: second,
            reference,
            books: Books::default(),
        }
    }

    fn start(
        coin: Coin,
        peers: &[Peer],
        accounts: &[Account],
        seed: u64,
        bugs: Bugs,
        now: Instant,
    ) -> Supervisor {
        let endpoint = |(peer, account): (&Peer, &Account)| Endpoint {
            host: peer.host.clone(),
            port: 3333,
            verified: peer.verified,
            redirect: peer.policy,
            dialect: coin.dialect(account.clone(), seed),
        };
        let endpoints = peers.iter().zip(accounts).map(endpoint).collect();
        Supervisor::new(endpoints, None, seed, now).seeded(bugs)
    }

    /// Lets so many hours pass, or ends at the first thing that is wrong.
    pub(crate) fn live(&mut self, hours: u64) {
        let end = self.now + Duration::from_secs(hours * 3600);
        self.settle();
        while self.books.failure.is_none() && self.step(end) {
            self.settle();
        }
    }

    /// The books, with what the pools themselves have counted.
    pub(crate) fn finish(mut self) -> Books {
        let (mut logins, mut accepted) = (0, 0);
        for peer in &self.peers {
            let stats = peer.core.stats();
            (logins, accepted) = (logins + stats.logins, accepted + stats.shares.accepted);
        }
        self.books.accepted = accepted;
        if logins > self.books.logins {
            self.books.fail(format!("the pools have seen {logins} logins, the wire {}", self.books.logins));
        }
        if !self.client.ledger().balances() {
            self.books.fail("the ledger does not balance");
        }
        self.books
    }

    fn step(&mut self, end: Instant) -> bool {
        let wire = self.wire.front().map(|(at, _)| *at);
        let pools = self.peers.iter().flat_map(|peer| {
            [Some(peer.core.next_deadline()), Some(peer.deed_at), peer.up_again].into_iter().flatten()
        });
        let own = [Some(self.find_at), Some(self.hand_at), self.client.poll_timeout(), wire];
        let Some(next) = pools.chain(own.into_iter().flatten()).min() else { return false };
        let next = next.max(self.now);
        if next > end {
            return false;
        }
        self.now = next;
        if wire.is_some_and(|at| at <= next) {
            if let Some((_, parcel)) = self.wire.pop_front() {
                self.deliver(parcel);
            }
        } else if self.client.poll_timeout().is_some_and(|at| at <= next) {
            self.client.handle_timeout(next);
        } else if self.find_at <= next {
            self.find_at = next + self.some_time(FIND_EVERY_S);
            self.find();
        } else if self.hand_at <= next {
            self.hand_at = next + self.some_time(4 * 3600);
            self.hand();
        } else {
            for pool in 0..POOLS {
                self.peers[pool].core.tick(next);
                self.peers[pool].up_again = self.peers[pool].up_again.filter(|at| *at > next);
                if self.peers[pool].deed_at <= next {
                    self.peers[pool].deed_at = next + self.some_time(DEED_EVERY_S);
                    self.deed(pool);
                }
            }
        }
        true
    }

    fn some_time(&mut self, mean_s: u64) -> Duration {
        Duration::from_millis(1 + self.rng.below(2000 * mean_s))
    }

    /// People switch, settings are read again, the machine sleeps.
    fn hand(&mut self) {
        match self.rng.below(4) {
            0 => self.client.prefer_first(self.now),
            1 => {
                self.now += Duration::from_secs(600);
                self.client.handle_suspended(self.now);
            }
            _ => {
                let pool = usize::try_from(self.rng.below(POOLS as u64 + 1)).unwrap();
                self.books.switches += 1;
                if self.client.prefer(self.now, pool).is_ok() && pool >= POOLS {
                    self.books.fail(format!("a switch to pool {pool}, which is not configured"));
                }
            }
        }
    }

    /// What a pool does of its own accord.
    fn deed(&mut self, pool: usize) {
        let deed = match self.rng.below(20) {
            0..=3 => {
                let rest = self.some_time(1800);
                self.peers[pool].up_again = Some(self.now + rest);
                Fault::Close
            }
            4..=6 => {
                let host = match self.rng.below(6) {
                    0 => self.peers[pool].host.clone(),
                    1 => format!("eu.{}", self.peers[pool].host),
                    other => ELSEWHERE[usize::try_from(other - 2).unwrap()].to_owned(),
                };
                self.books.redirects_wanted += 1;
                Fault::Redirect(Some((host, "4444".into())))
            }
            7 => {
                self.books.redirects_wanted += 1;
                Fault::Redirect(None)
            }
            8 => Fault::BanText,
            9 => Fault::RejectAll(Reject::Unauthenticated),
            10 => Fault::RejectAll(Reject::StaleJob),
            11 => Fault::GarbageLine,
            12 => Fault::JobStorm(20),
            13 => Fault::Silent,
            14 => Fault::UnknownReplies,
            15 => Fault::EscapeText,
            16 => Fault::DropReply(3),
            17 => Fault::NewBlock,
            _ => Fault::None,
        };
        self.peers[pool].core.set_fault(self.now, deed);
        // Most of what lasts is over at the next deed.
        if self.rng.one_in(2) {
            self.peers[pool].core.set_fault(self.now, Fault::None);
        }
    }

    fn deliver(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToPool(conn, bytes) => {
                if let Some((pool, session)) = self.sessions.get(&conn) {
                    self.peers[*pool].core.bytes(self.now, *session, &bytes);
                }
            }
            Parcel::ToClient(conn, bytes) => self.client.handle_bytes(self.now, conn, &bytes),
            Parcel::ClosedByPool(conn) => {
                self.client.handle_closed(self.now, conn, CloseReason::Network("closed".into()));
            }
        }
    }

    /// Carries out what all want.
    fn settle(&mut self) {
        loop {
            let from_pool = self
                .peers
                .iter_mut()
                .enumerate()
                .find_map(|(pool, peer)| Some((pool, peer.core.poll_output()?)));
            if let Some((pool, output)) = from_pool {
                let of = (pool, output.session);
                let Some(conn) = self.sessions.iter().find(|(_, at)| **at == of).map(|(conn, _)| *conn)
                else {
                    continue;
                };
                let arrives = self.now + LATENCY;
                match output.payload {
                    Payload::Bytes(bytes) => self.wire.push_back((arrives, Parcel::ToClient(conn, bytes))),
                    Payload::Flood { .. } => {}
                    Payload::Close => {
                        self.sessions.remove(&conn);
                        self.wire.push_back((arrives, Parcel::ClosedByPool(conn)));
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
            Output::Connect { conn, pool, address } => self.connect(conn, pool, address),
            Output::Send { conn, bytes } => {
                match self.pools.get(&conn) {
                    Some(pool) => self.books.sent(&self.accounts, *pool, &bytes),
                    None => self.books.fail("bytes on a connection that never was"),
                }
                self.wire.push_back((self.now + LATENCY, Parcel::ToPool(conn, bytes)));
            }
            Output::Close { conn } => {
                if let Some((pool, session)) = self.sessions.remove(&conn) {
                    self.peers[pool].core.closed(self.now, session);
                }
            }
            Output::Http { .. } | Output::Message { .. } | Output::HangUp { .. } => {
                self.books.fail("another protocol than the configured one");
            }
            Output::Event(Event::Job(job)) => {
                if job.pool >= POOLS {
                    self.books.fail(format!("a job of pool {}, which is not configured", job.pool));
                }
                self.job = Some(job);
            }
            Output::Event(Event::NoJob) => self.job = None,
            Output::Event(Event::GaveUp(_) | Event::Stopped) => self.books.fail("gives up"),
            Output::Event(Event::Settled(_) | Event::Pool { .. }) => {}
        }
    }

    fn connect(&mut self, conn: ConnId, pool: usize, address: Option<(String, u16)>) {
        self.books.connects += 1;
        let Some(peer) = self.peers.get_mut(pool) else {
            return self.books.fail(format!("a connection with pool {pool}, which is not configured"));
        };
        if let Some((host, port)) = address {
            self.books.redirects_followed += 1;
            let own = &peer.host;
            let is_allowed = host == *own
                || peer.verified
                    && match peer.policy {
                        RedirectPolicy::SameHost => false,
                        RedirectPolicy::SameDomain => host.ends_with(&format!(".{own}")),
                        RedirectPolicy::Any => true,
                    };
            if !is_allowed {
                return self.books.fail(format!("goes elsewhere: {host}:{port} where {own} is configured"));
            }
        }
        if peer.up_again.is_some() {
            self.books.failed_connects += 1;
            return self.client.handle_closed(self.now, conn, CloseReason::Connect("refused".into()));
        }
        let session = peer.core.connect(self.now);
        self.pools.insert(conn, pool);
        self.sessions.insert(conn, (pool, session));
        self.client.handle_connected(self.now, conn);
    }

    /// A find for the newest job. Nothing is hashed twice.
    fn find(&mut self) {
        let Some(job) = self.job.clone() else { return };
        for _ in 0..MOST_HASHES {
            self.tried += 1;
            let Some(work) = job.template.work(0) else { return };
            let nonce = work.nonce(self.tried.min(work.last_counter()));
            let Ok(hash) = self.reference.hash(&work, nonce) else { return };
            if job.target.is_met_by(&hash) {
                let share = Share { job, roll: 0, nonce, hash, device: 0, found: self.now };
                return self.client.handle_share(self.now, &share);
            }
        }
    }
}
