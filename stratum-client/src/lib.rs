//! Pool and node protocols: a pure core (no socket, no clock, no thread) and a tokio shell around it.
//!
//! The core is [`supervisor::Supervisor`]: it holds the list of pools, the sessions with them, and the ledger of
//! shares. Bytes, time and closed connections go in; bytes to send, connections to make and events come out.

pub mod address;
pub mod backoff;
#[doc(hidden)]
pub mod bugs;
#[cfg(feature = "shell")]
pub mod client;
#[cfg(feature = "shell")]
pub mod connect;
pub mod dialect;
pub mod endpoint;
pub mod envelope;
#[cfg(feature = "kaspad")]
mod grpc;
#[cfg(feature = "shell")]
pub mod http;
pub mod job;
pub mod ledger;
pub mod line;
pub mod pool;
#[cfg(feature = "shell")]
pub mod probe;
#[cfg(feature = "shell")]
mod proxy;
pub mod rng;
pub mod session;
pub mod supervisor;
pub mod text;
#[cfg(feature = "shell")]
pub mod tls;

pub use endpoint::{
    Credentials, Host, Login, PoolConfig, PoolConfigError, PoolUrl, Protocol, Proxy, RedirectPolicy,
    TlsPolicy, Toggle, Transport,
};
pub use job::{Job, JobKey, Share, Supersede};
pub use ledger::{Counts, Ledger, NotSent, Reject, Settled, ShareId, Verdict};
