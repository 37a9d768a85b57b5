//! Pool addresses as users write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use secrecy::SecretString;
use thiserror::Error;

/// Longest address that is looked at, in bytes; the longest sensible one has a third of it.
const MAX_URL_BYTES: usize = 1024;
/// Longest DNS name, in bytes.
const MAX_NAME_BYTES: usize = 253;
/// Longest part of a DNS name between two dots, in bytes.
const MAX_LABEL_BYTES: usize = 63;

/// What is spoken once the transport stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Lines of JSON, as Monero pools speak them.
    Monero,
    /// JSON-RPC of a Monero node: solo mining.
    Monerod,
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

/// A DNS name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, lower case, without the final dot.
    Name(String),
    /// A literal address.
    Ip(IpAddr),
}

impl Host {
    /// Whether this is a Tor name, which must never reach a DNS resolver.
    pub fn is_onion(&self) -> bool {
        matches!(self, Self::Name(name) if name == "onion" || name.ends_with(".onion"))
    }

    /// Whether it is this machine itself: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Ip(address) => address.is_loopback(),
        }
    }
}

/// As in a URL: an IPv6 address stands in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// User and password that stood inside a URL.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password, if there was a colon.
    pub pass: Option<SecretString>,
}

/// Address of a pool or node. `Display` gives its canonical form with a login redacted.
#[derive(Debug, Clone)]
pub struct PoolUrl {
    protocol: Protocol,
    transport: Transport,
    host: Host,
    port: u16,
    path: String,
    login: Option<Login>,
    scheme_given: bool,
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
            _ => "write stratum+tcp://HOST:PORT, stratum+tls://HOST:PORT (encrypted) or \
                  daemon+http://HOST:PORT (your own node)"
                .into(),
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

    /// Path before `/json_rpc` of a node behind a reverse proxy; mostly empty, else `/like/this`.
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

    /// The same server over TLS, as `--tls` asks for.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.transport = match self.transport {
            Transport::Tcp | Transport::Tls => Transport::Tls,
            Transport::Http | Transport::Https => Transport::Https,
        };
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
            None => (Protocol::Monero, Transport::Tcp),
            Some(scheme) => scheme_meaning(scheme)?,
        };
        // A password may hold a slash, a path never holds an @.
        let place = rest.rfind('@').map_or(0, |at| at + 1);
        let end = rest[place..].find(['/', '?', '#']).map_or(rest.len(), |at| place + at);
        let (authority, path) = rest.split_at(end);
        let authority = Authority::parse(authority)?;
        let path = match protocol {
            Protocol::Monero => stratum_path(path)?,
            Protocol::Monerod => rpc_path(path)?,
        };
        Ok(Self {
            protocol,
            transport,
            host: authority.host,
            port: authority.port,
            path,
            login: authority.login,
            scheme_given: scheme.is_some(),
        })
    }
}

impl fmt::Display for PoolUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Tcp => "stratum+tcp",
            Transport::Tls => "stratum+tls",
            Transport::Http => "daemon+http",
            Transport::Https => "daemon+https",
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

/// What stands between `://` and the path.
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) login: Option<Login>,
}

impl Authority {
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        let (login, place) = match text.rsplit_once('@') {
            Some((login, place)) => (Some(parse_login(login)?), place),
            None => (None, text),
        };
        let (host, port) = split_port(place)?;
        Ok(Self { host, port, login })
    }
}

const BARE_IPV6: &str = "an IPv6 address stands in brackets";

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
        "stratum+tcp" | "stratum" | "tcp" | "stratum1+tcp" => Ok((Protocol::Monero, Transport::Tcp)),
        "stratum+ssl" | "stratum+tls" | "ssl" | "tls" | "stratums" | "stratum1+ssl" | "stratum1+tls" => {
            Ok((Protocol::Monero, Transport::Tls))
        }
        "daemon+http" | "http" => Ok((Protocol::Monerod, Transport::Http)),
        "daemon+https" | "https" => Ok((Protocol::Monerod, Transport::Https)),
        "gbt+http" | "gbt+https" => later("solo mining with a Bitcoin node"),
        "kaspad" | "grpc" => later("solo mining with a Kaspa node"),
        "stratum2+tcp" | "stratum2" | "sv2" => later("Stratum V2"),
        "ws" | "wss" | "stratum+ws" | "stratum+wss" => later("a pool over WebSocket"),
        "socks5" | "socks5h" | "socks4" | "socks" => Err(UrlError::IsProxy { scheme: scheme.to_owned() }),
        _ => Err(UrlError::UnknownScheme { scheme: scheme.to_owned() }),
    }
}

fn split_port(place: &str) -> Result<(Host, u16), UrlError> {
    let (host, port) = if let Some(bracketed) = place.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or_else(|| UrlError::BadHost {
            host: place.to_owned(),
            reason: "the closing bracket is missing",
        })?;
        let address: Ipv6Addr = host.parse().map_err(|_| UrlError::BadHost {
            host: place.to_owned(),
            reason: "there is no IPv6 address between the brackets",
        })?;
        (Host::Ip(address.into()), rest.strip_prefix(':').unwrap_or(rest))
    } else {
        if place.parse::<Ipv6Addr>().is_ok() || place.matches(':').count() > 1 {
            return Err(UrlError::BadHost { host: place.to_owned(), reason: BARE_IPV6 });
        }
        let (host, port) = place.split_once(':').unwrap_or((place, ""));
        if host.is_empty() {
            return Err(UrlError::MissingHost);
        }
        (parse_host(host)?, port)
    };
    if port.is_empty() {
        return Err(UrlError::MissingPort { host: host.to_string() });
    }
    match port.parse::<u16>() {
        Ok(number) if number != 0 && port.bytes().all(|digit| digit.is_ascii_digit()) => Ok((host, number)),
        _ => Err(UrlError::BadPort { port: port.to_owned() }),
    }
}

fn parse_host(text: &str) -> Result<Host, UrlError> {
    let bad = |reason| Err(UrlError::BadHost { host: text.to_owned(), reason });
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Ip(address));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if !name.is_ascii() {
        return bad("a name with other than English letters is written in its xn-- form");
    }
    if name.len() > MAX_NAME_BYTES {
        return bad("it is longer than any name");
    }
    for label in name.split('.') {
        if label.is_empty() || label.len() > MAX_LABEL_BYTES {
            return bad("between two dots stand 1 to 63 characters");
        }
        // Underscores are not in the standard, yet container networks have them.
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return bad("a name has letters, digits, dots and hyphens");
        }
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return bad("an IPv4 address has four numbers from 0 to 255");
    }
    Ok(Host::Name(name))
}

fn parse_login(text: &str) -> Result<Login, UrlError> {
    let (user, pass) = match text.split_once(':') {
        Some((user, pass)) => (user, Some(pass)),
        None => (text, None),
    };
    let pass = pass.map(percent_decoded).transpose()?.map(SecretString::from);
    Ok(Login { user: percent_decoded(user)?, pass })
}

fn percent_decoded(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let code = part.get(..2).and_then(|digits| rminer_algos::decode_hex(digits).ok());
        bytes.extend(code.ok_or(UrlError::Login)?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Login)
}

/// A pool has no paths. Markers such as `/#xnsub` ask for an extension by the address; they are harmless.
fn stratum_path(path: &str) -> Result<String, UrlError> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" | "#xnsub" => Ok(String::new()),
        _ => Err(UrlError::Path { path: path.to_owned() }),
    }
}

fn rpc_path(path: &str) -> Result<String, UrlError> {
    if path.contains(['?', '#']) {
        return Err(UrlError::Path { path: path.to_owned() });
    }
    let path = path.trim_end_matches('/');
    Ok(path.strip_suffix("/json_rpc").unwrap_or(path).trim_end_matches('/').to_owned())
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
            ("my_node:3333", "stratum+tcp://my_node:3333"),
        ] {
            assert_eq!(url(text).to_string(), canonical, "{text}");
            assert_eq!(url(text).scheme_given(), text.contains("://"));
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
        for scheme in ["gbt+http", "kaspad", "grpc", "stratum2+tcp", "wss"] {
            assert!(
                matches!(fault(&format!("{scheme}://h:1")), UrlError::NotInThisVersion { .. }),
                "{scheme}"
            );
        }
    }

    proptest! {
        /// Any text is either an address whose canonical form reads back as itself, or an error with advice.
        #[test]
        fn any_text_is_judged(text in "((stratum\\+tcp|https?|tls|x)://)?\\PC{0,40}(:[0-9]{0,6})?\\PC{0,4}") {
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
