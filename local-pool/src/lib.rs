//! A mining pool that checks every share, and breaks the rules on request.
//!
//! It speaks Monero stratum ([`monero`]), Bitcoin stratum ([`bitcoin`]) or Kaspa stratum ([`kaspa`]) with a difficulty for each session,
//! recomputes each share, and counts what it saw in [`PoolStats`], which a test can hold against the miner's own
//! figures. [`Profile`]s are the ways in which real pools differ, [`Fault`]s what a broken or hostile one does. It
//! works with any miner:
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
//! | which pools it can play | [`monero::Profile::all`], [`bitcoin::Profile::all`] and [`kaspa::Profile::all`], each with `by_name` |
//! | what it can do wrong | [`Fault`], each with its text form; when: [`ScheduledFault`] |
//! | in how many ways a job can be wrong | [`monero::MalformedJob::ALL`], [`bitcoin::MalformedNotify::ALL`], [`kaspa::MalformedTemplate::ALL`] |
//! | what it says when it refuses | [`Reject`] |
//! | what a test can assert | [`PoolStats`], [`Verdicts`] |
//! | what it allows its own peers | [`Limits`] |
//!
//! [`PoolCore`] is the pool as a state machine, without socket, thread and clock, for simulators; with the
//! feature `shell` there are the server ([`LocalPool`]) and a TCP proxy that breaks connections
//! ([`fault_proxy`]). The feature `randomx` brings the engine that real shares are recomputed with.

pub mod bitcoin;
mod config;
mod core;
mod decimal;
mod difficulty;
mod fault;
#[cfg(feature = "shell")]
pub mod fault_proxy;
mod job_ids;
pub mod kaspa;
mod line;
mod malformed;
pub mod monero;
mod reject;
mod rng;
mod seen;
#[cfg(feature = "shell")]
mod server;
mod stats;
mod time;
mod wire;

pub use self::config::{Limits, PoolConfig, Profile};
pub use self::core::{Output, Payload, PoolCore, SessionId, Verification};
pub use self::difficulty::DifficultyConfig;
pub use self::fault::{Fault, FaultError, MAX_STORM_JOBS, ScheduledFault, Trigger};
pub use self::line::MAX_LINE_BYTES;
pub use self::monero::{ToyReference, VerifyRequest, toy_hash};
pub use self::reject::Reject;
#[cfg(feature = "shell")]
pub use self::server::{LocalPool, LocalPoolConfig, PoolHandle, StartError, Tls, Verifier};
pub use self::stats::{MAX_CLOSED_SESSIONS, PoolStats, SessionStats, Verdicts};
pub use self::wire::ErrorShape;
#[cfg(feature = "shell")]
pub use tokio_rustls::rustls;
