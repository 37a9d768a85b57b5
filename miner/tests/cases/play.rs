//! What a row of the table says, played: the real binary at the embedded Bitcoin pool.

use std::net::SocketAddr;
use std::time::Duration;

use rminer_pool::bitcoin::{Profile, hashes};
use rminer_pool::fault_proxy::FaultProxy;
use rminer_pool::{DifficultyConfig, Fault, LocalPool, PoolConfig, PoolStats, Reject, ScheduledFault};
use serde_json::Value;

use crate::support::{Miner, assert_sums};

pub(crate) const USER: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig0";
/// Difficulty of shares: several a second with good instructions, one every few seconds without.
pub(crate) const DIFFICULTY: f64 = 0.0005;
/// A share must come within this time, on a machine that is busy with other tests.
pub(crate) const PATIENCE_S: u64 = 90;
/// No job of the pool's own accord: longer than any test.
const NEVER_S: u64 = 3600;

/// Whose pools and dialect a scene is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coin {
    Bitcoin,
}

impl Coin {
    fn algorithm(self) -> &'static str {
        match self {
            Self::Bitcoin => "sha256d",
        }
    }

    fn user(self) -> &'static str {
        match self {
            Self::Bitcoin => USER,
        }
    }

    /// Usual difficulty in expected hashes: several shares a second, or one every few seconds.
    fn share_hashes(self) -> u64 {
        match self {
            Self::Bitcoin => hashes(DIFFICULTY),
        }
    }

    /// A pool of that kind, which gives the first job, and further ones only when it is told to.
    pub(crate) fn pool(self, profile: &str) -> PoolConfig {
        let kind = match self {
            Self::Bitcoin => Profile::by_name(profile).unwrap_or_else(|| panic!("no profile {profile}")),
        };
        PoolConfig {
            difficulty: DifficultyConfig { start: self.share_hashes(), ..DifficultyConfig::default() },
            job_interval: Duration::from_secs(NEVER_S),
            ..PoolConfig::with_profile(kind)
        }
    }
}

/// A pool, a miner, and what happens between them.
pub(crate) struct Scene {
    pub(crate) coin: Coin,
    /// The pool's kind.
    pub(crate) profile: &'static str,
    /// Seconds between jobs.
    pub(crate) job_interval_s: u64,
    /// What the pool thinks the time is, in seconds since 1970; the machine's when absent.
    pub(crate) first_time_s: Option<u64>,
    /// Faults in force from the start.
    pub(crate) faults: &'static [&'static str],
    pub(crate) arguments: &'static [&'static str],
    pub(crate) threads: &'static str,
    pub(crate) story: &'static [Step],
    /// Refusals that may happen, beside those of what the pool changed while a share was on its way.
    pub(crate) refusals: &'static [Reject],
    /// What else must be seen at the end.
    pub(crate) check: fn(&Seen),
}

impl Scene {
    /// A pool of that kind with a new job every two seconds.
    pub(crate) const fn at(profile: &'static str) -> Self {
        Self {
            coin: Coin::Bitcoin,
            profile,
            job_interval_s: 2,
            first_time_s: None,
            faults: &[],
            arguments: &[],
            threads: "1",
            story: &[],
            refusals: &[],
            check: |_| {},
        }
    }

    /// A pool of that kind which gives the first job, and further ones only when it is told to.
    pub(crate) const fn calm(profile: &'static str) -> Self {
        Self { job_interval_s: NEVER_S, ..Self::at(profile) }
    }
}

/// What is done, or waited for.
#[derive(Debug)]
pub(crate) enum Step {
    /// The pool commits this fault.
    Fault(&'static str),
    /// The wire between them, which a proxy is, does this.
    Link(&'static str),
    /// The pool wants so much of the usual difficulty, in percent.
    Difficulty(u64),
    /// A new job.
    Job,
    /// So many further shares are accepted, as the miner tells.
    Accepted(usize),
    /// The miner has told these words of the pool, or of anything.
    Says(&'static str),
    /// The pool has seen this.
    Pool(&'static str, fn(&PoolStats) -> bool),
    /// The miner has come so far.
    Miner(&'static str, fn(&Miner) -> bool),
    /// The miner ends by itself with this code.
    Exits(i32),
}

/// Both sides at the end.
pub(crate) struct Seen {
    pub(crate) stats: PoolStats,
    pub(crate) events: Vec<Value>,
    pub(crate) summary: Value,
    pub(crate) said: String,
}

impl Seen {
    /// Events of one name.
    pub(crate) fn named(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == name).collect()
    }

    /// Place of the first event that is like this.
    pub(crate) fn place(&self, what: impl Fn(&Value) -> bool) -> Option<usize> {
        self.events.iter().position(what)
    }

    /// Refused shares of this class, as the miner counts.
    pub(crate) fn refused(&self, class: &str) -> u64 {
        self.summary["shares"]["rejected"][class].as_u64().unwrap_or(0)
    }
}

/// Everything that a miner said up to now.
pub(crate) fn said(miner: &Miner) -> String {
    let texts = miner.events().into_iter().filter_map(|event| event["text"].as_str().map(str::to_owned));
    texts.chain([miner.errors()]).collect::<Vec<_>>().join("\n")
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("stratum+tcp://{address}")
}

/// Stops the miner and returns what both sides saw, after it was held against each other.
pub(crate) fn settle(name: &str, pool: &LocalPool, miner: Miner, refusals: &[Reject]) -> Seen {
    let (events, said) = (miner.events(), said(&miner));
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0), "{name}");
    let seen = Seen { stats: pool.stats(), events, summary, said };
    hold(name, &seen, refusals);
    seen
}

/// The sums of both sides, and no share that a correct miner does not send.
fn hold(name: &str, seen: &Seen, refusals: &[Reject]) {
    let stats = &seen.stats;
    assert_sums(&seen.summary);
    assert!(stats.shares.add_up(), "{name}: {stats:?}");
    assert_eq!(stats.shares_for_malformed_jobs, 0, "{name}");
    // What the pool changed while shares were on their way is no fault of the miner.
    let crossed = [Reject::StaleJob, Reject::BlockExpired, Reject::Retargeted];
    let faults: Vec<_> = stats
        .shares
        .rejected
        .iter()
        .filter(|(reject, _)| !crossed.contains(reject) && !refusals.contains(reject))
        .collect();
    assert!(faults.is_empty(), "{name}: {stats:?}");
}

/// Plays one scene.
pub(crate) fn play(name: &str, scene: &Scene) {
    let pool = LocalPool::spawn_thread(PoolConfig {
        job_interval: Duration::from_secs(scene.job_interval_s),
        first_time_s: scene.first_time_s,
        ..scene.coin.pool(scene.profile)
    })
    .unwrap();
    for fault in scene.faults {
        pool.set_fault(fault.parse::<ScheduledFault>().unwrap());
    }
    let proxied = scene.story.iter().any(|step| matches!(step, Step::Link(_)));
    let proxy = proxied.then(|| FaultProxy::spawn_thread(pool.addr()).unwrap());
    let address = proxy.as_ref().map_or(pool.addr(), FaultProxy::addr);
    let base = ["--devices", "cpu", "--threads", scene.threads];
    let mut miner = Miner::start_at(
        scene.coin.algorithm(),
        &base,
        &[&["--pool", &url(address), "--user", scene.coin.user()], scene.arguments].concat(),
    );
    for step in scene.story {
        let what = format!("{name}: {step:?}");
        match step {
            Step::Fault(fault) => pool.set_fault(fault.parse::<Fault>().unwrap()),
            Step::Link(command) => {
                let proxy = proxy.as_ref().expect("a story with a link has a proxy");
                proxy.command(command.parse().unwrap());
            }
            Step::Difficulty(percent) => pool.set_difficulty(scene.coin.share_hashes() * percent / 100),
            Step::Job => pool.push_job(),
            Step::Accepted(count) => {
                let wanted = miner.accepted() + count;
                miner.wait(&what, PATIENCE_S, |miner| miner.accepted() >= wanted);
            }
            Step::Says(words) => miner.wait(&what, PATIENCE_S, |miner| said(miner).contains(words)),
            Step::Pool(what, holds) => {
                miner.wait(&format!("{name}: {what}"), PATIENCE_S, |_| holds(&pool.stats()));
            }
            Step::Miner(what, holds) => miner.wait(&format!("{name}: {what}"), PATIENCE_S, holds),
            Step::Exits(code) => {
                assert_eq!(miner.wait_exit(PATIENCE_S), Some(*code), "{what}: {}", said(&miner));
                let (events, said) = (miner.events(), said(&miner));
                let summary = miner.named("summary").pop().unwrap_or(Value::Null);
                return (scene.check)(&Seen { stats: pool.stats(), events, summary, said });
            }
        }
    }
    (scene.check)(&settle(name, &pool, miner, scene.refusals));
}
