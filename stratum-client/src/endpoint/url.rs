//! Pool addresses as users write them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::authority::{Authority, BARE_IPV6, Host, Login};

/// Longest address that is looked at, in bytes; the longest sensible one has a third of it.
const MAX_URL_BYTES: usize = 1024;
/// What people append to an address to ask for extranonce changes.
const EXTRANONCE_MARK: &str = "#xnsub";
/// The gRPC port of a Kaspa node on mainnet.
const DEFAULT_KASPAD_PORT: u16 = 16110;

/// What is spoken once the transport stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Lines of JSON: stratum. Which dialect of it is a matter of the algorithm's family.
    Stratum,
    /// JSON-RPC of a Monero node: solo mining.
    Monerod,
    /// `getblocktemplate` of a Bitcoin node: solo mining.
    Gbt,
    /// gRPC of a Kaspa node: solo mining.
    Kaspad,
}

/// How bytes reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A plain TCP connection; anybody on the way can read and change it.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// HTTP requests in the clear.
    Http,
    /// HTTP requests over TLS.
    Https,
}

impl Transport {
    /// Whether [`super::TlsPolicy`] applies.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

/// Address of a pool or node. `Display` gives its canonical form with a login redacted.
#[derive(Debug, Clone)]
pub struct PoolUrl {
    protocol: Protocol,
    transport: Transport,
    host: Host,
    port: u16,
    port_given: bool,
    path: String,
    login: Option<Login>,
    scheme_given: bool,
    wants_extranonce: bool,
}

/// Why a text is not the address of a pool. `Display` names fault and facts; [`UrlError::help`] the fix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Nothing but spaces.
    #[error("the address is empty")]
    Empty,
    /// Longer than any address.
    #[error("the address is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// A space or control character inside.
    #[error("there is a space or control character in the address")]
    Space,
    /// The text before `://` means nothing to us.
    #[error("`{scheme}://` is not a kind of pool that rminer knows")]
    UnknownScheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// A protocol that is known by name but not spoken yet.
    #[error("`{scheme}://` ({what}) is not in this version of rminer")]
    NotInThisVersion {
        /// What stood before `://`.
        scheme: String,
        /// What it is.
        what: &'static str,
    },
    /// A proxy where a pool should stand.
    #[error("`{scheme}://` is a proxy, not a pool")]
    IsProxy {
        /// What stood before `://`.
        scheme: String,
    },
    /// Nothing before the port.
    #[error("the host is missing")]
    MissingHost,
    /// A host that neither DNS nor IP allows.
    #[error("`{host}` is not a host: {reason}")]
    BadHost {
        /// The host as written.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no default port, since pools agree on none.
    #[error("the port is missing behind `{host}`")]
    MissingPort {
        /// The host as written.
        host: String,
    },
    /// Not 1 to 65535.
    #[error("`{port}` is not a port: ports are numbers from 1 to 65535")]
    BadPort {
        /// The port as written.
        port: String,
    },
    /// A stratum address ends behind the port.
    #[error("`{path}` behind the port means nothing to a pool")]
    Path {
        /// What stood there.
        path: String,
    },
    /// User and password are percent-encoded, and these are not.
    #[error("the user or password in the address has a broken %XX code")]
    Login,
}

impl UrlError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::MissingPort { host } => {
                format!("the pool's website names its ports; write {host}:PORT, such as {host}:3333")
            }
            Self::BadHost { reason, .. } if *reason == BARE_IPV6 => {
                "write [ADDRESS]:PORT, such as [2001:db8::1]:3333".into()
            }
            Self::IsProxy { .. } => "give it as --proxy, and the pool as --pool HOST:PORT".into(),
            Self::Login => {
                "write a percent sign as %25 and an @ as %40, or use --user and --pass-file".into()
            }
            _ => {
                "write stratum+tcp://HOST:PORT, stratum+tls://HOST:PORT (encrypted), daemon+http://HOST:PORT \
                  (your own Monero node), gbt+http://HOST:PORT (your own Bitcoin node) or kaspad://HOST (your own \
                  Kaspa node)"
                    .into()
            }
        }
    }
}

impl PoolUrl {
    /// What is spoken there.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How bytes get there.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Name or address of the server.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` for logs and resolvers, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Path of a node behind a reverse proxy (a Monero node's without `/json_rpc`); mostly empty, else
    /// `/like/this`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// User and password inside the URL: for a node its digest login, for a pool what is sent when the user
    /// names no other.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Whether the user wrote a scheme. Without one the connection is plain, which deserves a warning.
    pub fn scheme_given(&self) -> bool {
        self.scheme_given
    }

    /// Whether the address ends in `#xnsub`, an old way to ask for extranonce changes.
    pub fn wants_extranonce(&self) -> bool {
        self.wants_extranonce
    }

    /// The same server over TLS, as `--tls` asks for.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.transport = match self.transport {
            Transport::Tcp | Transport::Tls => Transport::Tls,
            Transport::Http | Transport::Https => Transport::Https,
        };
        self
    }

    /// The same server on another port, where the address names none.
    #[must_use]
    pub fn with_default_port(mut self, port: u16) -> Self {
        if !self.port_given {
            self.port = port;
        }
        self
    }

    /// Whether both mean one server: the same host, port and path.
    pub fn is_same_server(&self, other: &Self) -> bool {
        (&self.host, self.port, &self.path) == (&other.host, other.port, &other.path)
    }
}

impl FromStr for PoolUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong);
        }
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(UrlError::Space);
        }
        let (scheme, rest) = split_scheme(text);
        let (protocol, transport) = match scheme {
            None => (Protocol::Stratum, Transport::Tcp),
            Some(scheme) => scheme_meaning(scheme)?,
        };
        // A password may hold a slash, a path never holds an @.
        let place = rest.rfind('@').map_or(0, |at| at + 1);
        let end = rest[place..].find(['/', '?', '#']).map_or(rest.len(), |at| place + at);
        let (authority, path) = rest.split_at(end);
        // Whose network it is on is not known here; pools agree on no port.
        let default_port = (protocol == Protocol::Kaspad).then_some(DEFAULT_KASPAD_PORT);
        let authority = Authority::parse(authority, default_port)?;
        let wants_extranonce = path.ends_with(EXTRANONCE_MARK);
        let path = match protocol {
            Protocol::Stratum => stratum_path(path)?,
            Protocol::Monerod => before_json_rpc(&rpc_path(path)?),
            Protocol::Gbt => rpc_path(path)?,
            Protocol::Kaspad => stratum_path(path)?,
        };
        Ok(Self {
            protocol,
            transport,
            host: authority.host,
            port: authority.port,
            port_given: authority.port_given,
            path,
            login: authority.login,
            scheme_given: scheme.is_some(),
            wants_extranonce,
        })
    }
}

impl fmt::Display for PoolUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.transport, self.protocol) {
            (Transport::Tcp, Protocol::Kaspad) => "kaspad",
            (Transport::Tcp, _) => "stratum+tcp",
            (Transport::Tls, _) => "stratum+tls",
            (Transport::Http, Protocol::Gbt) => "gbt+http",
            (Transport::Https, Protocol::Gbt) => "gbt+https",
            (Transport::Http, _) => "daemon+http",
            (Transport::Https, _) => "daemon+https",
        };
        let login = if self.login.is_some() { "***@" } else { "" };
        write!(f, "{scheme}://{login}{}:{}{}", self.host, self.port, self.path)
    }
}

/// The text with everything between scheme and `@` replaced: for messages about addresses that cannot be read.
pub fn redact_url(text: &str) -> String {
    let (_, rest) = split_scheme(text);
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{}***@{place}", &text[..text.len() - rest.len()]),
        None => text.to_owned(),
    }
}

/// A scheme has letters, digits, `+`, `-` and `.`; anything else before `://` is part of a password.
fn split_scheme(text: &str) -> (Option<&str>, &str) {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) => {
            (Some(scheme), rest)
        }
        _ => (None, text),
    }
}

fn scheme_meaning(scheme: &str) -> Result<(Protocol, Transport), UrlError> {
    let later = |what| Err(UrlError::NotInThisVersion { scheme: scheme.to_owned(), what });
    match scheme.to_ascii_lowercase().as_str() {
        "stratum+tcp" | "stratum" | "tcp" | "stratum1+tcp" => Ok((Protocol::Stratum, Transport::Tcp)),
        "stratum+ssl" | "stratum+tls" | "ssl" | "tls" | "stratums" | "stratum1+ssl" | "stratum1+tls" => {
            Ok((Protocol::Stratum, Transport::Tls))
        }
        "daemon+http" | "http" => Ok((Protocol::Monerod, Transport::Http)),
        "daemon+https" | "https" => Ok((Protocol::Monerod, Transport::Https)),
        "gbt+http" => Ok((Protocol::Gbt, Transport::Http)),
        "gbt+https" => Ok((Protocol::Gbt, Transport::Https)),
        "kaspad" | "grpc" => Ok((Protocol::Kaspad, Transport::Tcp)),
        "stratum2+tcp" | "stratum2" | "sv2" => later("Stratum V2"),
        "ws" | "wss" | "stratum+ws" | "stratum+wss" => later("a pool over WebSocket"),
        "socks5" | "socks5h" | "socks4" | "socks" => Err(UrlError::IsProxy { scheme: scheme.to_owned() }),
        _ => Err(UrlError::UnknownScheme { scheme: scheme.to_owned() }),
    }
}

/// A pool has no paths, but its address may end in a mark that asks for an extension.
fn stratum_path(path: &str) -> Result<String, UrlError> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" | EXTRANONCE_MARK => Ok(String::new()),
        _ => Err(UrlError::Path { path: path.to_owned() }),
    }
}

fn rpc_path(path: &str) -> Result<String, UrlError> {
    if path.contains(['?', '#']) {
        return Err(UrlError::Path { path: path.to_owned() });
    }
    Ok(path.trim_end_matches('/').to_owned())
}

/// The path in front of the one that every request to a Monero node has.
fn before_json_rpc(path: &str) -> String {
    path.strip_suffix("/json_rpc").unwrap_or(path).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    fn url(text: &str) -> PoolUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn fault(text: &str) -> UrlError {
        text.parse::<PoolUrl>().expect_err(text)
    }

    #[test]
    fn every_form_has_one_canonical_form() {
        for (text, canonical) in [
            ("pool.example:3333", "stratum+tcp://pool.example:3333"),
            ("stratum+tcp://pool.example:3333", "stratum+tcp://pool.example:3333"),
            ("stratum://Pool.Example.:3333/", "stratum+tcp://pool.example:3333"),
            ("tcp://pool.example:3333/#xnsub", "stratum+tcp://pool.example:3333"),
            ("stratum1+tcp://192.0.2.1:1", "stratum+tcp://192.0.2.1:1"),
            (" STRATUM+SSL://pool.example:443 ", "stratum+tls://pool.example:443"),
            ("stratum+tls://pool.example:443", "stratum+tls://pool.example:443"),
            ("ssl://pool.example:443", "stratum+tls://pool.example:443"),
            ("tls://pool.example:443", "stratum+tls://pool.example:443"),
            ("stratums://pool.example:443", "stratum+tls://pool.example:443"),
            ("stratum+tcp://[2001:DB8::1]:65535", "stratum+tcp://[2001:db8::1]:65535"),
            ("[::1]:3333", "stratum+tcp://[::1]:3333"),
            ("daemon+http://127.0.0.1:18081", "daemon+http://127.0.0.1:18081"),
            ("http://localhost:18081/json_rpc", "daemon+http://localhost:18081"),
            ("https://node.example:443/monero/json_rpc/", "daemon+https://node.example:443/monero"),
            ("daemon+https://me:secret@node.example:443", "daemon+https://***@node.example:443"),
            ("gbt+http://127.0.0.1:8332", "gbt+http://127.0.0.1:8332"),
            ("GBT+HTTPS://me:secret@node.example:443/rpc/", "gbt+https://***@node.example:443/rpc"),
            ("my_node:3333", "stratum+tcp://my_node:3333"),
        ] {
            assert_eq!(url(text).to_string(), canonical, "{text}");
            assert_eq!(url(text).scheme_given(), text.contains("://"));
            assert_eq!(url(text).wants_extranonce(), text.contains("#xnsub"));
        }
        assert_eq!(url("pool.example:1").with_tls().to_string(), "stratum+tls://pool.example:1");
        assert_eq!(url("http://node.example:1").with_tls().to_string(), "daemon+https://node.example:1");
    }

    #[test]
    fn a_login_is_decoded_and_redacted() {
        let pool = url("stratum+tcp://wallet.rig:p%40ss:w%c3%b6rd@pool.example:3333");
        let login = pool.login().unwrap();
        assert_eq!(login.user, "wallet.rig");
        assert_eq!(login.pass.as_ref().unwrap().expose_secret(), "p@ss:wörd");
        assert!(!format!("{pool} {pool:?}").contains("ss:w"));
        assert!(url("me@pool.example:1").login().unwrap().pass.is_none());
        assert_eq!(redact_url("tcp://me:secret@pool"), "tcp://***@pool");
        assert_eq!(redact_url("me:secret@pool"), "***@pool");
        assert_eq!(redact_url("pool:1"), "pool:1");
    }

    #[test]
    fn faults_name_what_is_wrong() {
        assert_eq!(fault("  "), UrlError::Empty);
        assert_eq!(fault(&"a".repeat(2000)), UrlError::TooLong);
        assert_eq!(fault("pool.example:33 33"), UrlError::Space);
        assert_eq!(fault("pool.example"), UrlError::MissingPort { host: "pool.example".into() });
        assert_eq!(fault("pool.example:"), UrlError::MissingPort { host: "pool.example".into() });
        assert_eq!(fault("tcp://[::1]"), UrlError::MissingPort { host: "[::1]".into() });
        assert_eq!(fault(":3333"), UrlError::MissingHost);
        for port in ["0", "65536", "abc", "-1", "+1", "33x"] {
            let text = format!("stratum+tcp://pool.example:{port}");
            assert_eq!(fault(&text), UrlError::BadPort { port: port.into() });
        }
        for host in ["a..b", "pöl.example", "192.0.2.256", "-x!", &"a".repeat(64)] {
            assert!(matches!(fault(&format!("tcp://{host}:1")), UrlError::BadHost { .. }), "{host}");
        }
        assert!(fault("2001:db8::1:3333").help().contains("[ADDRESS]:PORT"));
        assert!(matches!(fault("tcp://[::1:3333"), UrlError::BadHost { .. }));
        assert!(matches!(fault("tcp://[pool]:3333"), UrlError::BadHost { .. }));
        assert_eq!(fault("tcp://pool.example:1/path"), UrlError::Path { path: "/path".into() });
        assert_eq!(fault("tcp://a%2:b@pool.example:1"), UrlError::Login);
        assert!(fault("socks5://127.0.0.1:9050").help().contains("--proxy"));
        assert_eq!(fault("ftp://pool.example:1"), UrlError::UnknownScheme { scheme: "ftp".into() });
        for scheme in ["stratum2+tcp", "wss"] {
            assert!(
                matches!(fault(&format!("{scheme}://h:1")), UrlError::NotInThisVersion { .. }),
                "{scheme}"
            );
        }
    }

    proptest! {
        /// Any text is either an address whose canonical form reads back as itself, or an error with advice.
        #[test]
        fn any_text_is_judged(text in "((stratum\\+tcp|https?|gbt\\+http|tls|x)://)?\\PC{0,40}(:[0-9]{0,6})?\\PC{0,4}") {
            match text.parse::<PoolUrl>() {
                Ok(pool) => {
                    let shown = pool.to_string().replace("***@", "");
                    prop_assert_eq!(&url(&shown).to_string(), &shown);
                    prop_assert!(url(&shown).is_same_server(&pool));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty() && !error.help().is_empty()),
            }
        }

        #[test]
        fn no_error_shows_a_password(
            user in "[a-z]{0,4}",
            glue in "[:/%@?#]{0,3}",
            rest in "[a-z0-9:.\\[\\]]{0,12}",
        ) {
            let text = format!("tcp://{user}:{glue}HUNTER2@{rest}");
            let shown = match text.parse::<PoolUrl>() {
                Ok(pool) => format!("{pool} {pool:?}"),
                Err(error) => format!("{error} {error:?} {}", error.help()),
            };
            prop_assert!(!shown.contains("HUNTER2"), "{}", shown);
            prop_assert!(!redact_url(&text).contains("HUNTER2"));
        }
    }
}
