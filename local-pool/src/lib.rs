//! A mining pool that checks every share, and breaks the rules on request.
//!
//! [`PoolCore`] is the pool as a state machine: no socket, no thread, no clock. With the feature `shell` there
//! is a server around it on loopback.
//! It speaks the Monero stratum dialect with per-session difficulty, recomputes each share, and counts what it
//! saw in [`PoolStats`], which a test can hold against the miner's own figures. [`Profile`] are the ways in which real pools
//! differ, [`Fault`] what a broken or hostile one does.

mod chain;
mod config;
mod core;
mod difficulty;
mod fault;
mod line;
mod malformed;
mod profile;
mod reject;
mod rng;
mod stats;
mod toy;
mod wire;
mod works;

pub use self::config::{Limits, PoolConfig};
pub use self::core::{Output, Payload, PoolCore, SessionId, Verification, VerifyRequest};
pub use self::difficulty::{DifficultyConfig, TargetWidth};
pub use self::fault::{Fault, FaultError, MAX_STORM_JOBS, ScheduledFault, Trigger};
pub use self::line::MAX_LINE_BYTES;
pub use self::malformed::MalformedJob;
pub use self::profile::{Keepalive, NiceHash, Profile};
pub use self::reject::Reject;
pub use self::stats::{MAX_CLOSED_SESSIONS, PoolStats, SessionStats, Verdicts};
pub use self::toy::{ToyReference, toy_hash};
pub use self::wire::ErrorShape;
