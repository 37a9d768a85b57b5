//! What a pool is told at its start.

use std::time::Duration;

use crate::{DifficultyConfig, ScheduledFault, bitcoin, kaspa, monero};

/// Time between jobs, and between those of a chain with ten blocks a second.
const JOB_INTERVAL: Duration = Duration::from_secs(30);
const KASPA_JOB_INTERVAL: Duration = Duration::from_millis(100);

/// When jobs start whose pool was told no time: 9 October 2025.
const FIRST_TIME_S: u64 = 1_760_000_000;

/// The kind of pool: a protocol with its switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Monero stratum with RandomX.
    Monero(monero::Profile),
    /// Bitcoin stratum, version 1, with SHA-256d.
    Bitcoin(bitcoin::Profile),
    /// Kaspa stratum with kHeavyHash.
    Kaspa(kaspa::Profile),
}

impl From<monero::Profile> for Profile {
    fn from(profile: monero::Profile) -> Self {
        Self::Monero(profile)
    }
}

impl From<bitcoin::Profile> for Profile {
    fn from(profile: bitcoin::Profile) -> Self {
        Self::Bitcoin(profile)
    }
}

impl From<kaspa::Profile> for Profile {
    fn from(profile: kaspa::Profile) -> Self {
        Self::Kaspa(profile)
    }
}

impl Profile {
    /// Its name among the profiles of its protocol.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Monero(profile) => profile.name,
            Self::Bitcoin(profile) => profile.name,
            Self::Kaspa(profile) => profile.name,
        }
    }
}

/// Everything about the pool that is not sockets. The default is an ordinary Monero pool of difficulty
/// 1,000 with a new job every 30 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The kind of pool.
    pub profile: Profile,
    /// Difficulty of shares.
    pub difficulty: DifficultyConfig,
    /// A share that takes this many hashes is a block: the height rises and everybody gets a new job.
    pub block_difficulty: u128,
    /// Time between jobs when nobody finds a block.
    pub job_interval: Duration,
    /// Somebody else's block comes after this many jobs on one.
    pub jobs_per_block: u32,
    /// Everything random is drawn from here: pools with one seed and one input say the same.
    pub rng_seed: u64,
    /// RandomX key of the first jobs; drawn from `rng_seed` when absent, and nothing to other algorithms.
    pub seed_hash: Option<[u8; 32]>,
    /// Time of the first jobs in seconds since 1970. The pool on a socket takes the clock's when this is absent.
    pub first_time_s: Option<u64>,
    /// Height of the first jobs.
    pub first_height: u64,
    /// Bounds on what peers may do.
    pub limits: Limits,
    /// Faults from the start on.
    pub faults: Vec<ScheduledFault>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            profile: Profile::Monero(monero::Profile::default()),
            difficulty: DifficultyConfig::default(),
            block_difficulty: u128::MAX,
            job_interval: JOB_INTERVAL,
            jobs_per_block: 4,
            rng_seed: 0,
            seed_hash: None,
            first_time_s: None,
            first_height: 3_000_000,
            limits: Limits::default(),
            faults: Vec::new(),
        }
    }
}

impl PoolConfig {
    /// The default with another profile, and ten jobs a second where that is what the chain does.
    pub fn with_profile(profile: impl Into<Profile>) -> Self {
        let profile = profile.into();
        let fast = matches!(profile, Profile::Kaspa(_));
        let job_interval = if fast { KASPA_JOB_INTERVAL } else { JOB_INTERVAL };
        Self { profile, job_interval, ..Self::default() }
    }

    pub(crate) fn time_s(&self) -> u64 {
        self.first_time_s.unwrap_or(FIRST_TIME_S)
    }
}

/// Bounds on what peers may do to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub sessions: usize,
    /// Time from connect to a login.
    pub login: Duration,
    /// Time without a whole line after which a session is closed.
    pub idle: Duration,
    /// Submits of one session in one second; more are throttled.
    pub submits_per_s: u32,
    /// Shares of all sessions that wait for the verifier; more are refused.
    pub shares_in_check: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 256,
            login: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            submits_per_s: 200,
            shares_in_check: 1024,
        }
    }
}
