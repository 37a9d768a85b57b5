//! Pool and node protocols.

pub mod endpoint;

pub use endpoint::{
    Credentials, Host, Login, PoolConfig, PoolConfigError, PoolUrl, Protocol, Proxy, RedirectPolicy,
    TlsPolicy, Toggle, Transport,
};
