//! The client and the embedded Bitcoin pool in virtual time: every kind of pool, and hundreds of schedules of what a
//! pool may do in the middle of a session. The pool rebuilds and hashes every share by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::registry::SHA256D;
use rminer_algos::sha256d::sha256d;
use rminer_algos::{Hash, TemplateKey};
use rminer_pool::bitcoin::{MalformedNotify, Profile, Reaction, VersionFormula};
use rminer_pool::{
    DifficultyConfig, Fault, Payload, PoolConfig, PoolCore, PoolStats, Reject, SessionId, ToyReference,
    Verification,
};
use rminer_stratum::RedirectPolicy;
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::dialect::bitcoin::{Bitcoin, BitcoinConfig};
use rminer_stratum::endpoint::BitcoinOptions;
use rminer_stratum::job::{Job, Share};
use rminer_stratum::ledger::Counts;
use rminer_stratum::pool::Endpoint;
use rminer_stratum::rng::Rng;
use rminer_stratum::supervisor::{ConnId, Event, Output, Supervisor};

/// Hashes for a share, on average.
const DIFFICULTY: u64 = 60;
/// Hashes that the miner tries before it gives up for this time.
const MOST_HASHES: u64 = 4000;
/// Counters of one roll that are tried: far apart, so that nonces and versions all differ.
const COUNTERS: u64 = 1024;
/// Jobs that late finds are for.
const OLD_JOBS: usize = 4;

/// On its way.
enum Parcel {
    ToPool(ConnId, Vec<u8>),
    ToClient(ConnId, Vec<u8>),
    ClosedByPool(ConnId),
    ClosedByClient(ConnId),
}

struct World {
    now: Instant,
    rng: Rng,
    latency: Duration,
    client: Supervisor,
    pool: PoolCore,
    sessions: BTreeMap<ConnId, SessionId>,
    wire: VecDeque<(Instant, Parcel)>,
    jobs: VecDeque<Arc<Job>>,
    mining: bool,
    stopped: bool,
    tried: BTreeMap<TemplateKey, u64>,
    mine_at: Instant,
    notices: BTreeSet<String>,
}

impl World {
    fn new(profile: Profile, seed: u64, vardiff: bool) -> Self {
        let (now, mut rng) = (Instant::now(), Rng::new(seed));
        let share_interval = vardiff.then_some(Duration::from_secs(2));
        let config = PoolConfig {
            difficulty: DifficultyConfig { start: DIFFICULTY, min: 8, max: 1000, share_interval },
            block_difficulty: 20 * u128::from(DIFFICULTY),
            job_interval: Duration::from_secs(10),
            rng_seed: rng.next_u64(),
            ..PoolConfig::with_profile(profile)
        };
        let seeds = rng.next_u64();
        let endpoint = Endpoint {
            host: "pool.example".into(),
            port: 3333,
            verified: false,
            redirect: RedirectPolicy::SameHost,
            dialect: Box::new(move |hints| {
                Box::new(Bitcoin::new(BitcoinConfig {
                    user: "account.rig".into(),
                    pass: "x".into(),
                    agent: "sim".into(),
                    algorithm: &SHA256D,
                    options: BitcoinOptions::default(),
                    extranonce_subscribe: hints.extranonce_subscribe,
                    plain: !hints.extensions,
                    seed: seeds,
                }))
            }),
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
            notices: BTreeSet::new(),
            rng,
        }
    }

    /// Lets time pass.
    fn run(&mut self, time: Duration) {
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
                self.mine_at = self.now + Duration::from_millis(self.rng.below(2000));
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
            Output::Event(Event::Job(job)) => {
                if self.jobs.len() == OLD_JOBS {
                    self.jobs.pop_front();
                }
                self.jobs.push_back(job);
                self.mining = true;
            }
            Output::Event(Event::NoJob) => self.mining = false,
            Output::Event(Event::Settled(_)) => {}
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
            let hash = Hash(sha256d(&work.blob_with(nonce)));
            if job.target.is_met_by(&hash) {
                let share = Share { job, roll, nonce, hash, device: 0, found: self.now };
                return self.client.handle_share(self.now, &share);
            }
        }
    }

    /// Stops, and gives both sides' books.
    fn close(mut self) -> (Counts, PoolStats) {
        self.stopped = true;
        // What is on the way arrives.
        self.run(Duration::from_secs(40));
        assert!(self.client.ledger().balances());
        (self.client.ledger().total().clone(), self.pool.stats())
    }

    fn fault(&mut self, fault: Fault) {
        self.pool.set_fault(self.now, fault);
    }
}

/// Refusals that cannot be told from here whose fault they are.
fn excused(profile: &Profile, reject: Reject) -> bool {
    // Two shares show that the server reads version bits in its own way.
    profile.version_formula == VersionFormula::Xor && reject == Reject::LowDifficulty
        // A share that was on its way when the difficulty rose.
        || profile.enforce_at_once && matches!(reject, Reject::LowDifficulty | Reject::Retargeted)
}

fn faults_of_ours(profile: &Profile, stats: &PoolStats) -> Vec<(Reject, u64)> {
    let stale = [Reject::StaleJob, Reject::BlockExpired];
    let rejected = stats.shares.rejected.iter().map(|(reject, count)| (*reject, *count));
    rejected.filter(|(reject, _)| !stale.contains(reject) && !excused(profile, *reject)).collect()
}

#[test]
fn every_kind_of_pool_takes_every_share() {
    for (number, profile) in (1..).zip(Profile::all()) {
        for vardiff in [false, true] {
            let mut world = World::new(profile.clone(), number, vardiff);
            world.run(Duration::from_secs(300));
            let notices = std::mem::take(&mut world.notices);
            let (counts, stats) = world.close();
            let about = format!("{} vardiff {vardiff}: {counts:?}\n{stats:?}\n{notices:#?}", profile.name);
            if profile.authorize == Reaction::Refuse {
                assert_eq!((counts.found, stats.shares.submitted), (0, 0), "{about}");
                continue;
            }
            assert!(stats.shares.accepted >= 100, "{about}");
            assert_eq!(faults_of_ours(&profile, &stats), [], "{about}");
            assert!(stats.shares.rejects(Reject::LowDifficulty) <= 20, "{about}");
            assert_eq!(stats.shares.submitted, stats.shares.accepted + stats.shares.rejected_total());
            assert_eq!(counts.accepted, stats.shares.accepted, "{about}");
            let grants = profile.configure == Reaction::Grant && profile.version_mask & !profile.version != 0;
            assert_eq!(stats.rolled_versions > 0, grants, "{about}");
        }
    }
}

/// Deeds of a pool after which every share is still as good as before.
fn deeds() -> Vec<Fault> {
    let mut deeds = vec![
        Fault::DupJob,
        Fault::RetargetSameJob,
        Fault::ZeroTarget,
        Fault::SetExtranonce(None),
        Fault::SetExtranonce(Some((8, 4))),
        Fault::SetExtranonce(Some((0, 16))),
        Fault::SetVersionMask(0x1FFF_E000),
        Fault::Questions,
        Fault::JobStorm(50),
        Fault::NewJob,
        Fault::NewBlock,
        Fault::UnknownReplies,
        Fault::EscapeText,
        Fault::GarbageLine,
        Fault::Close,
        Fault::None,
        Fault::StringIds,
        Fault::FloatIds,
        Fault::ReplyTwice,
        Fault::ReplyReorder,
        Fault::Split { bytes: 7, gap: Duration::from_millis(2) },
        Fault::Join,
        Fault::RejectAll(Reject::StaleJob),
        Fault::RejectAll(Reject::Unauthenticated),
    ];
    deeds.extend(MalformedNotify::ALL.iter().copied().map(Fault::MalformedNotify));
    deeds
}

#[test]
fn whatever_a_pool_does_no_share_is_wrong_or_sent_twice() {
    let profiles: Vec<Profile> = Profile::all()
        .into_iter()
        .filter(|profile| profile.authorize != Reaction::Refuse && profile.late_result.is_none())
        .collect();
    let deeds = deeds();
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut pick = |count: usize| usize::try_from(rng.below(count.try_into().unwrap())).unwrap();
        let profile = profiles[pick(profiles.len())].clone();
        let mut world = World::new(profile.clone(), seed, pick(2) == 0);
        let mut story = Vec::new();
        for _ in 0..20 {
            world.run(Duration::from_millis(u64::try_from(pick(20_000)).unwrap()));
            let deed = deeds[pick(deeds.len())].clone();
            story.push(format!("{deed:?}"));
            world.fault(deed);
        }
        // All is well again, and mining goes on.
        world.fault(Fault::None);
        world.run(Duration::from_secs(700));
        let before = world.pool.stats().shares.accepted;
        world.run(Duration::from_secs(120));
        let recovered = world.pool.stats().shares.accepted > before + 5;
        let (counts, stats) = world.close();
        let about = format!("seed {seed}, {}: {story:?}\n{counts:?}\n{stats:?}", profile.name);
        assert!(recovered, "{about}");
        assert_eq!(stats.shares_for_malformed_jobs, 0, "{about}");
        // A share may be on its way while the name of its job gets another meaning.
        let renamed = story.iter().filter(|deed| deed.starts_with("SetExtranonce")).count() as u64;
        let mut faults = faults_of_ours(&profile, &stats);
        faults.retain(|(reject, count)| *reject != Reject::LowDifficulty || *count > 2 * renamed);
        assert_eq!(faults, [], "{about}");
    }
}
