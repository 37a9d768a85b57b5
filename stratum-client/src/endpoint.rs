//! Where to mine and how to get there, as data: no name is looked up and no socket is opened here.
//!
//! [`PoolUrl`] is what a user writes behind `--pool`, [`PoolConfig`] adds all that the text of the address
//! leaves open. Secrets are [`SecretString`]s and never appear in `Debug`, `Display` or an error.

mod authority;
mod bitcoin;
mod proxy;
mod tls;
mod url;

use std::path::PathBuf;

use rminer_algos::{Algorithm, Family};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use crate::address::KaspaNetwork;

pub use authority::{Host, Login};
pub use bitcoin::{
    ApplyExtranonce, BitcoinOptions, DEFAULT_VERSION_MASK, RESERVED_VERSION_BITS, VersionBits,
};
pub use proxy::{Proxy, ProxyError};
pub use tls::{PinError, TlsPolicy};
pub use url::{PoolUrl, Protocol, Transport, UrlError, redact_url};

/// Longest user, rig included, as JSON: a share has up to 400 bytes beside it.
const MAX_USER_BYTES: usize = 600;
/// Longest user and password, as JSON.
const MAX_LOGIN_BYTES: usize = 950;

/// Who mines: sent in the login of a pool, or as the payout address of a solo block.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Wallet address or account name, with whatever suffix the pool reads from it.
    pub user: String,
    /// Pool password; most pools ignore it and take `x`.
    pub pass: SecretString,
    /// Name of this rig, where the pool has a field for it.
    pub rig_id: Option<String>,
}

impl Credentials {
    /// Whether a share or a login could be longer than 1 KiB.
    fn are_too_long(&self) -> bool {
        let json_len = |text: &str| serde_json::Value::from(text).to_string().len();
        let user = json_len(&self.user) + self.rig_id.as_deref().map_or(0, json_len);
        user > MAX_USER_BYTES || user + json_len(self.pass.expose_secret()) > MAX_LOGIN_BYTES
    }
}

/// A habit of a pool that is found out by itself unless the user knows better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Toggle {
    /// As the pool's messages tell.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Whose word to take when a pool asks to reconnect elsewhere (`client.reconnect`). Another port of the
/// configured host is always allowed; another host needs TLS with a verified identity as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedirectPolicy {
    /// The configured host only.
    #[default]
    SameHost,
    /// Hosts that share at least the last two labels with the configured one.
    SameDomain,
    /// Any host.
    Any,
}

/// One pool or node, complete: all that a session needs to know before it connects.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Address and protocol.
    pub url: PoolUrl,
    /// What to say at login. Solo: `user` is the payout address, and the login of the node is
    /// [`PoolUrl::login`].
    pub credentials: Credentials,
    /// File in which a Bitcoin node writes its login at each start, read again whenever the node asks for one.
    pub rpc_cookie: Option<PathBuf>,
    /// How the server proves who it is, where the transport is encrypted.
    pub tls: TlsPolicy,
    /// SOCKS5 proxy to go through; names are then resolved by the proxy.
    pub proxy: Option<Proxy>,
    /// Whether to send keepalive requests in silence.
    pub keepalive: Toggle,
    /// Whether a part of the nonce belongs to the pool.
    pub nicehash: Toggle,
    /// What only a Bitcoin pool is asked.
    pub bitcoin: BitcoinOptions,
    /// What to do when the pool sends us elsewhere.
    pub redirect: RedirectPolicy,
    /// What is mined there.
    pub algorithm: &'static Algorithm,
    /// What the same devices can mine besides; a pool is told, and its jobs may ask for it.
    pub also: Vec<&'static Algorithm>,
    /// Whether a Monero node's blocks are hashed by RandomX version 2 from the block version on that is to bring it.
    pub randomx_v2_by_block_version: bool,
}

/// Parts of a [`PoolConfig`] that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PoolConfigError {
    /// A pin or trust on first use where there is no TLS to apply it to.
    #[error("a TLS setting is given, but {url} is not encrypted")]
    TlsSettingWithoutTls {
        /// The pool, redacted.
        url: String,
    },
    /// Names under `.onion` exist inside Tor only.
    #[error("{host} is a Tor name, which only a SOCKS5 proxy of Tor can reach")]
    OnionWithoutProxy {
        /// The host.
        host: String,
    },
    /// Servers of Bitcoin's stratum and its kin read lines of 1 KiB, and a share carries the user.
    #[error("user and password are too long together for this kind of pool")]
    LoginTooLong,
    /// The login of a Bitcoin node for something else.
    #[error("a node's cookie file is given, but {url} is no Bitcoin node")]
    CookieWithoutNode {
        /// The pool, redacted.
        url: String,
    },
    /// Two logins for one node.
    #[error("{url} holds a login, and a cookie file is given, too")]
    TwoLogins {
        /// The node, redacted.
        url: String,
    },
    /// A node of one family of coins and an algorithm of another.
    #[error("{url} is {node}, and {algorithm} is not mined there")]
    NodeOfAnotherFamily {
        /// The node, redacted.
        url: String,
        /// What it is.
        node: &'static str,
        /// What is to be mined.
        algorithm: &'static str,
        /// What to write instead.
        help: &'static str,
    },
    /// TLS with a node that has none.
    #[error("{url} is a Kaspa node, whose gRPC port is not encrypted")]
    NodeWithoutTls {
        /// The node, redacted.
        url: String,
    },
    /// A login for a node that has none.
    #[error("{url} holds a login, and a Kaspa node asks for none")]
    NodeWithoutLogin {
        /// The node, redacted.
        url: String,
    },
}

impl PoolConfigError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NodeOfAnotherFamily { help, .. } => help,
            Self::NodeWithoutTls { .. } => {
                "leave --tls out, and reach a node elsewhere by a tunnel such as ssh -L 16110:127.0.0.1:16110 HOST"
            }
            Self::NodeWithoutLogin { .. } => {
                "write kaspad://HOST:PORT, and the address that blocks pay as --user"
            }
            Self::LoginTooLong => "shorten them; a wallet address has at most a hundred letters",
            Self::TlsSettingWithoutTls { .. } => {
                "write the pool as stratum+tls://HOST:PORT, or leave the TLS settings out"
            }
            Self::CookieWithoutNode { .. } => {
                "write the node as gbt+http://HOST:PORT, or leave the cookie file out"
            }
            Self::TwoLogins { .. } => "remove one of the two",
            Self::OnionWithoutProxy { .. } => "add a proxy such as socks5://127.0.0.1:9050",
        }
    }
}

impl PoolConfig {
    /// A pool with every setting but these at its default.
    pub fn new(url: PoolUrl, credentials: Credentials, algorithm: &'static Algorithm) -> Self {
        let prefix = credentials.user.split(':').next().unwrap_or_default();
        // A node of each of Kaspa's networks listens on a port of its own.
        let url = match url.protocol() {
            Protocol::Kaspad => {
                let network = KaspaNetwork::of_prefix(prefix).unwrap_or(KaspaNetwork::Mainnet);
                url.with_default_port(network.grpc_port())
            }
            _ => url,
        };
        Self {
            url,
            credentials,
            rpc_cookie: None,
            tls: TlsPolicy::Verify,
            proxy: None,
            keepalive: Toggle::Auto,
            nicehash: Toggle::Auto,
            bitcoin: BitcoinOptions::default(),
            redirect: RedirectPolicy::SameHost,
            algorithm,
            also: algorithm.siblings(),
            randomx_v2_by_block_version: false,
        }
    }

    /// All contradictions between the parts; empty when the pool can be tried.
    pub fn contradictions(&self) -> Vec<PoolConfigError> {
        let mut found = Vec::new();
        if self.url.protocol() == Protocol::Kaspad {
            let url = self.url.to_string();
            if self.url.transport().is_encrypted() || self.tls != TlsPolicy::Verify {
                found.push(PoolConfigError::NodeWithoutTls { url: url.clone() });
            }
            if self.url.login().is_some() {
                found.push(PoolConfigError::NodeWithoutLogin { url });
            }
        } else if self.tls != TlsPolicy::Verify && !self.url.transport().is_encrypted() {
            found.push(PoolConfigError::TlsSettingWithoutTls { url: self.url.to_string() });
        }
        if self.proxy.is_none() && self.url.host().is_onion() {
            found.push(PoolConfigError::OnionWithoutProxy { host: self.url.host().to_string() });
        }
        match &self.rpc_cookie {
            Some(_) if self.url.protocol() != Protocol::Gbt => {
                found.push(PoolConfigError::CookieWithoutNode { url: self.url.to_string() });
            }
            Some(_) if self.url.login().is_some() => {
                found.push(PoolConfigError::TwoLogins { url: self.url.to_string() });
            }
            _ => {}
        }
        found.extend(self.wrong_node());
        let positional = matches!(self.algorithm.family, Family::Bitcoin | Family::Kaspa);
        if positional && self.url.protocol() == Protocol::Stratum {
            found.extend(self.credentials.are_too_long().then_some(PoolConfigError::LoginTooLong));
        }
        found
    }

    fn wrong_node(&self) -> Option<PoolConfigError> {
        let (node, help) = match (self.url.protocol(), self.algorithm.family) {
            (Protocol::Stratum, _)
            | (Protocol::Monerod, Family::Monero)
            | (Protocol::Gbt, Family::Bitcoin)
            | (Protocol::Kaspad, Family::Kaspa) => return None,
            (Protocol::Monerod, family) => ("a Monero node", other_node(family)),
            (Protocol::Gbt, family) => ("a Bitcoin node", other_node(family)),
            (Protocol::Kaspad, family) => ("a Kaspa node", other_node(family)),
        };
        let (url, algorithm) = (self.url.to_string(), self.algorithm.name);
        Some(PoolConfigError::NodeOfAnotherFamily { url, node, algorithm, help })
    }
}

/// What to write instead of a node of another family.
fn other_node(family: Family) -> &'static str {
    match family {
        Family::Bitcoin => {
            "write a Bitcoin node as gbt+http://HOST:PORT, or choose another algorithm with --algo"
        }
        Family::Kaspa => "write a Kaspa node as kaspad://HOST:PORT, or choose another algorithm with --algo",
        Family::Monero => {
            "write a Monero node as daemon+http://HOST:PORT, or choose another algorithm with --algo"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rminer_algos::registry::{RANDOMX, SHA256D};

    fn pool(url: &str) -> PoolConfig {
        let credentials =
            Credentials { user: "wallet".into(), pass: SecretString::from("hunter2"), rig_id: None };
        PoolConfig::new(url.parse().unwrap(), credentials, &RANDOMX)
    }

    #[test]
    fn contradictions_are_named() {
        assert_eq!(pool("pool.example:3333").contradictions(), []);
        let mut pinned = pool("pool.example:3333");
        pinned.tls = TlsPolicy::Pin([7; 32]);
        assert!(matches!(pinned.contradictions()[..], [PoolConfigError::TlsSettingWithoutTls { .. }]));
        pinned.url = "stratum+tls://pool.example:443".parse().unwrap();
        assert_eq!(pinned.contradictions(), []);

        let mut onion = pool("stratum+tcp://p2pool.Onion:3333");
        assert!(matches!(onion.contradictions()[..], [PoolConfigError::OnionWithoutProxy { .. }]));
        onion.proxy = Some("socks5://127.0.0.1:9050".parse().unwrap());
        assert_eq!(onion.contradictions(), []);

        let mut long = pool("pool.example:3333");
        long.credentials.user = "\"".repeat(299);
        assert_eq!(long.contradictions(), []);
        long.algorithm = &SHA256D;
        assert_eq!(long.contradictions(), [], "as JSON it has 600 bytes");
        long.credentials.rig_id = Some("r".into());
        assert_eq!(long.contradictions(), [PoolConfigError::LoginTooLong]);
        (long.credentials.rig_id, long.credentials.pass) = (None, SecretString::from("p".repeat(349)));
        assert_eq!(long.contradictions(), [PoolConfigError::LoginTooLong]);

        let mut node = pool("daemon+http://127.0.0.1:18081");
        assert_eq!(node.contradictions(), []);
        node.algorithm = &SHA256D;
        assert!(matches!(&node.contradictions()[..], [fault] if fault.help().contains("gbt+http://")));
        node.url = "gbt+http://127.0.0.1:8332".parse().unwrap();
        assert_eq!(node.contradictions(), []);
        node.algorithm = &RANDOMX;
        assert!(matches!(&node.contradictions()[..], [fault] if fault.help().contains("daemon+http://")));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let mut pool = pool("stratum+tcp://account:hunter2@pool.example:3333");
        pool.proxy = Some("socks5://me:hunter2@127.0.0.1:9050".parse().unwrap());
        let shown = format!("{pool:?} {} {}", pool.url, pool.proxy.as_ref().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
