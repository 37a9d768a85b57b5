//! From the name of a server to a stream of bytes: DNS, TCP, proxy, TLS, in that order.
//!
//! The user's setting is the only place where a destination comes from: no proxy is taken from the environment,
//! nothing is resolved here that goes through a proxy, and nothing falls back from TLS to plain.

mod resolve;
mod tcp;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::endpoint::{Host, PoolConfig, Protocol, Proxy, TlsPolicy};
use crate::proxy::{self, SocksError};
use crate::tls::{NoPins, PinStore, Proof, Tls, TlsError, TlsReport, Trust};

pub use resolve::{Lookup, NameError, system_lookup};
pub(crate) use tcp::system_words;
pub use tcp::{TcpError, TcpFault};

use resolve::Resolver;

/// Everything behind a proxy may take this many times longer: Tor is slow.
pub const PROXY_PATIENCE: u32 = 3;

/// What a connection needs: bytes both ways, movable between threads.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection of whatever kind.
pub type BoxedStream = Box<dyn Stream>;

/// How to find names and whom to trust. [`DialOptions::default`] is the machine's own resolver and trust store.
pub struct DialOptions {
    /// Finds the addresses of a name; may block.
    pub lookup: Arc<Lookup>,
    /// Who may vouch for a certificate.
    pub trust: Trust,
    /// Certificates that were trusted on first use.
    pub pins: Arc<dyn PinStore>,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self { lookup: Arc::new(system_lookup), trust: Trust::system(), pins: Arc::new(NoPins) }
    }
}

/// Makes connections. One for the whole program: it remembers addresses and TLS sessions.
pub struct Dialer {
    resolver: Resolver,
    tls: Tls,
}

/// Where a connection goes and how.
#[derive(Debug, Clone)]
pub struct Route {
    /// The server.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// How it must prove itself; none for a plain connection.
    pub tls: Option<TlsPolicy>,
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// What will be spoken, for advice in errors.
    pub protocol: Protocol,
}

/// What was learnt on the way to a server, as far as it went.
#[derive(Debug, Clone, Default)]
pub struct Path {
    /// Addresses of the name that was looked up here: the server's, or the proxy's.
    pub name: Option<NameReport>,
    /// The TCP connection from this machine: to the server, or to the proxy.
    pub tcp: Option<TcpReport>,
    /// How long the proxy took to reach the server.
    pub proxy: Option<Duration>,
    /// The TLS session.
    pub tls: Option<TlsReport>,
}

/// A name that was looked up.
#[derive(Debug, Clone)]
pub struct NameReport {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// How long it took.
    pub took: Duration,
    /// Why these are older addresses instead of fresh ones.
    pub from_memory: Option<NameError>,
}

/// A TCP connection that stands.
#[derive(Debug, Clone, Copy)]
pub struct TcpReport {
    /// The other end.
    pub address: SocketAddr,
    /// How long the connection took.
    pub took: Duration,
}

/// Why no connection could be made, in words for people.
#[derive(Debug, Error)]
pub enum DialError {
    /// The name of the server has no address.
    #[error("{0}")]
    Name(NameError),
    /// No address answered.
    #[error("{0}")]
    Tcp(TcpError),
    /// The proxy itself cannot be reached.
    #[error("the proxy {proxy} cannot be reached: {fault}")]
    ProxyUnreachable {
        /// The proxy, redacted.
        proxy: String,
        /// What went wrong.
        fault: Box<DialError>,
    },
    /// The proxy did not connect us.
    #[error("the proxy {proxy} {fault}")]
    Proxy {
        /// The proxy, redacted.
        proxy: String,
        /// What went wrong.
        fault: SocksError,
    },
    /// The server does not prove itself, or cannot speak TLS.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

impl Path {
    /// What people should know although the connection stands.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if let Some(fault) = self.name.as_ref().and_then(|name| name.from_memory.as_ref()) {
            notices.push(format!("{fault}. Using the addresses that it had before"));
        }
        if let Some(tls) = &self.tls
            && tls.proof == Proof::FirstUse
        {
            notices.push(format!(
                "the certificate is not known to anybody this machine trusts; trusted from now on since this is \
                 the first time. To be sure compare it with the pool's website: {}",
                tls.pin
            ));
        }
        notices
    }
}

/// "192.0.2.10 port 443, TLS 1.3, certificate ok, 45 ms"
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut took = Duration::ZERO;
        if let Some(TcpReport { address, took: tcp }) = &self.tcp {
            let proxy = if self.proxy.is_some() { "through the proxy " } else { "" };
            write!(f, "{proxy}{} port {}, ", address.ip(), address.port())?;
            took += *tcp;
        }
        took += self.proxy.unwrap_or_default();
        if let Some(tls) = &self.tls {
            write!(f, "TLS {}, certificate {}, ", tls.version, tls.proof)?;
            took += tls.took;
        }
        write!(f, "{} ms", took.as_millis())
    }
}

impl Route {
    /// The way to a pool as configured.
    pub fn to_pool(pool: &PoolConfig) -> Self {
        Self {
            host: pool.url.host().clone(),
            port: pool.url.port(),
            tls: pool.url.transport().is_encrypted().then_some(pool.tls),
            proxy: pool.proxy.clone(),
            protocol: pool.url.protocol(),
        }
    }

    /// How much longer than usual things may take on this way.
    pub fn patience(&self) -> u32 {
        if self.proxy.is_some() { PROXY_PATIENCE } else { 1 }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Dialer {
    /// A dialer that remembers nothing yet.
    pub fn new(options: DialOptions) -> Self {
        Self { resolver: Resolver::new(options.lookup), tls: Tls::new(options.trust, options.pins) }
    }

    /// Connects; `path` tells how far it came, also when it fails.
    ///
    /// # Errors
    /// [`DialError`] names the step and the fault.
    pub async fn dial(&self, route: &Route, path: &mut Path) -> Result<BoxedStream, DialError> {
        let stream = match &route.proxy {
            None => self.tcp(&route.host, route.port, path).await?,
            Some(proxy) => self.through(proxy, route, path).await?,
        };
        match route.tls {
            None => Ok(stream),
            Some(policy) => {
                let (stream, report) = self.tls.handshake(stream, route, policy).await?;
                path.tls = Some(report);
                Ok(stream)
            }
        }
    }

    async fn through(&self, proxy: &Proxy, route: &Route, path: &mut Path) -> Result<BoxedStream, DialError> {
        let stream = self.tcp(proxy.host(), proxy.port(), path).await.map_err(|fault| {
            DialError::ProxyUnreachable { proxy: proxy.to_string(), fault: Box::new(fault) }
        })?;
        let started = Instant::now();
        let stream = proxy::connect(stream, proxy, &route.host, route.port)
            .await
            .map_err(|fault| DialError::Proxy { proxy: proxy.to_string(), fault })?;
        path.proxy = Some(started.elapsed());
        Ok(stream)
    }

    async fn tcp(&self, host: &Host, port: u16, path: &mut Path) -> Result<BoxedStream, DialError> {
        let addresses = match host {
            Host::Ip(address) => vec![*address],
            Host::Name(name) => {
                let report = self.resolver.resolve(name).await.map_err(DialError::Name)?;
                let addresses = report.addresses.clone();
                path.name = Some(report);
                addresses
            }
        };
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        let (stream, report) = tcp::connect(addresses).await.map_err(DialError::Tcp)?;
        path.tcp = Some(report);
        Ok(Box::new(stream))
    }
}
