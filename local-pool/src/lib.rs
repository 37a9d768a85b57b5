//! A mining pool that checks every share, and breaks the rules on request.
//!
//! It speaks the Monero stratum dialect with a difficulty for each session, recomputes each share, and counts
//! what it saw in [`PoolStats`], which a test can hold against the miner's own figures. [`Profile`]s are the ways
//! in which real pools differ, [`Fault`]s what a broken or hostile one does. It works with any miner:
//!
//! ```no_run
//! # #[cfg(feature = "shell")] {
//! use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
//!
//! let pool = LocalPool::spawn_thread(PoolConfig {
//!     difficulty: DifficultyConfig::fixed(50),
//!     ..PoolConfig::default()
//! })?;
//! println!("point a RandomX miner at {}", pool.addr());
//! pool.set_fault("zero_target".parse::<rminer_pool::ScheduledFault>()?);
//! # std::thread::sleep(std::time::Duration::from_secs(60));
//! let shares = pool.stats().shares;
//! assert_eq!((shares.invalid(), shares.duplicates()), (0, 0));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to know | look at |
//! | --- | --- |
//! | which pools it can play | [`Profile::all`], by name in [`Profile::by_name`] |
//! | what it can do wrong | [`Fault`], each with its text form; when: [`ScheduledFault`] |
//! | in how many ways a job can be wrong | [`MalformedJob::ALL`] |
//! | what it says when it refuses | [`Reject`] |
//! | what a test can assert | [`PoolStats`], [`Verdicts`] |
//! | what it allows its own peers | [`Limits`] |
//!
//! [`PoolCore`] is the pool as a state machine, without socket, thread and clock, for simulators; with the
//! feature `shell` there are the server ([`LocalPool`]) and a TCP proxy that breaks connections
//! ([`fault_proxy`]). The feature `randomx` brings the engine that real shares are recomputed with.

mod chain;
mod config;
mod core;
mod difficulty;
mod fault;
#[cfg(feature = "shell")]
pub mod fault_proxy;
mod line;
mod malformed;
mod profile;
mod reject;
mod rng;
#[cfg(feature = "shell")]
mod server;
mod stats;
mod time;
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
#[cfg(feature = "shell")]
pub use self::server::{LocalPool, LocalPoolConfig, PoolHandle, StartError, Tls, Verifier};
pub use self::stats::{MAX_CLOSED_SESSIONS, PoolStats, SessionStats, Verdicts};
pub use self::toy::{ToyReference, toy_hash};
pub use self::wire::ErrorShape;
#[cfg(feature = "shell")]
pub use tokio_rustls::rustls;
