//! What a pool is told at its start.

use std::time::Duration;

use crate::{DifficultyConfig, Profile, ScheduledFault};

/// Everything about the pool that is not sockets. The default is an ordinary pool of difficulty 1,000 with a
/// new job every 30 s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// The kind of pool.
    pub profile: Profile,
    /// Difficulty of shares.
    pub difficulty: DifficultyConfig,
    /// A share of this difficulty is a block: the height rises and everybody gets a new job.
    pub block_difficulty: u128,
    /// Time between jobs when nobody finds a block.
    pub job_interval: Duration,
    /// Somebody else's block comes after this many jobs on one.
    pub jobs_per_block: u32,
    /// Everything random is drawn from here: pools with one seed and one input say the same.
    pub rng_seed: u64,
    /// RandomX key of the first jobs; drawn from `rng_seed` when absent.
    pub seed_hash: Option<[u8; 32]>,
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
            profile: Profile::default(),
            difficulty: DifficultyConfig::default(),
            block_difficulty: u128::MAX,
            job_interval: Duration::from_secs(30),
            jobs_per_block: 4,
            rng_seed: 0,
            seed_hash: None,
            first_height: 3_000_000,
            limits: Limits::default(),
            faults: Vec::new(),
        }
    }
}

impl PoolConfig {
    /// The default with another profile.
    pub fn with_profile(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
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
