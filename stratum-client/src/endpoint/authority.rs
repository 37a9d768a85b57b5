//! The part of a URL between `://` and the path: login, host and port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use secrecy::SecretString;

use super::url::UrlError;

/// Longest DNS name, in bytes.
const MAX_NAME_BYTES: usize = 253;
/// Longest part of a DNS name between two dots, in bytes.
const MAX_LABEL_BYTES: usize = 63;

/// Why a host with many colons is refused; its advice differs from that for other hosts.
pub(super) const BARE_IPV6: &str = "an IPv6 address stands in brackets";

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

    /// This machine, or an address that only a home or office network has.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Name(_) => self.is_loopback(),
            Self::Ip(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
            Self::Ip(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
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

/// What stands between `://` and the path.
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: u16,
    /// Whether it stood there.
    pub(super) port_given: bool,
    pub(super) login: Option<Login>,
}

impl Authority {
    /// Reads all of `text`, in which the port may be missing if there is a default.
    pub(super) fn parse(text: &str, default_port: Option<u16>) -> Result<Self, UrlError> {
        let (login, place) = match text.rsplit_once('@') {
            Some((login, place)) => (Some(parse_login(login)?), place),
            None => (None, text),
        };
        let (host, port) = split_port(place)?;
        let given = port;
        let port = given.or(default_port).ok_or_else(|| UrlError::MissingPort { host: host.to_string() })?;
        Ok(Self { host, port, port_given: given.is_some(), login })
    }
}

fn split_port(place: &str) -> Result<(Host, Option<u16>), UrlError> {
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
        return Ok((host, None));
    }
    match port.parse::<u16>() {
        Ok(number) if number != 0 && port.bytes().all(|digit| digit.is_ascii_digit()) => {
            Ok((host, Some(number)))
        }
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
