//! Who may ask what, decided from a request's head, before anything else looks at it. Pure: the time comes in, a
//! verdict goes out.
//!
//! A request passes when its `Host` is a name of this machine (a page that makes its own name point here does not
//! know any), its `Origin` is listed, our own or missing (pages of other sites always have one), and it has a token if
//! it needs one. Whatever is not a `GET` or a `HEAD` needs one, but for what pairs a device: that needs a code.
//! Reading needs one wherever others can reach it: on any address but loopback, and under any name of `--api-allow-host`,
//! since a reverse proxy before loopback asks by that for whoever reaches it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Version};

use super::error::ApiError;
use super::pairing::{Pairing, Scope};
use super::token::Token;

/// Longest body of a request, in bytes.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024;
/// Wrong tokens that one address may send in [`MEMORY`].
pub(super) const MAX_FAILURES: usize = 5;
/// Addresses whose wrong tokens are remembered.
pub(super) const MAX_STRANGERS: usize = 256;
/// Orders in [`MEMORY`], from everybody together.
pub(super) const MAX_WRITES: usize = 30;
/// Codes in [`MEMORY`] that devices may try, from everybody together.
pub(super) const MAX_CODES: usize = 10;
/// How long wrong tokens and orders count.
pub(super) const MEMORY: Duration = Duration::from_secs(60);

/// What every request is measured by.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where the interface listens.
    pub bind: SocketAddr,
    /// The owner's token; without one, nothing that needs a token is done.
    pub token: Option<Token>,
    /// Tokens of other devices.
    pub pairing: Arc<Pairing>,
    /// Origins whose pages may ask.
    pub origins: Vec<String>,
    /// Names that this machine may be asked by, beside those of loopback. Who asks by one may come from anywhere.
    pub hosts: Vec<String>,
}

impl Access {
    /// Whether reading needs the token as well, whatever name is asked for.
    pub fn is_closed(&self) -> bool {
        !self.bind.ip().is_loopback()
    }
}

/// How a name in a request came to be one of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    /// It is loopback's, or the address that was asked.
    Local,
    /// Only `--api-allow-host` has it: a proxy may stand before.
    Allowed,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Who asks.
    pub remote: SocketAddr,
    /// The address that was asked.
    pub local: SocketAddr,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// The origin whose page may read the answer.
    pub(super) origin: Option<HeaderValue>,
    /// What whoever asks may do; `None` for a stranger.
    pub(super) scope: Option<Scope>,
    /// The decision itself.
    pub(super) outcome: Outcome,
}

/// The decision on a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// It is carried out.
    Pass,
    /// A browser asks whether a page may ask; it may.
    Preflight,
    /// It is not carried out.
    Refuse(ApiError),
}

/// Decides on requests, and remembers what it must for that.
#[derive(Debug)]
pub(super) struct Guard {
    access: Access,
    strangers: VecDeque<Stranger>,
    writes: VecDeque<Instant>,
    codes: VecDeque<Instant>,
}

/// An address that sent wrong tokens, and when: at most [`MAX_FAILURES`] times.
#[derive(Debug)]
struct Stranger {
    address: IpAddr,
    failures: VecDeque<Instant>,
}

impl Guard {
    /// One that has seen nothing yet.
    pub(super) fn new(access: Access) -> Self {
        Self { access, strangers: VecDeque::new(), writes: VecDeque::new(), codes: VecDeque::new() }
    }

    /// Decides on a request.
    pub(super) fn judge(&mut self, request: &Parts, peer: Peer, now: Instant) -> Verdict {
        let mut verdict = Verdict { origin: None, scope: None, outcome: Outcome::Pass };
        let outcome = self.check_host(request, peer).and_then(|named| {
            verdict.origin = self.check_origin(request, named)?;
            if is_preflight(request) && verdict.origin.is_some() {
                return Ok(Outcome::Preflight);
            }
            verdict.scope = self.check_rest(request, named, peer, now)?;
            Ok(Outcome::Pass)
        });
        verdict.outcome = outcome.unwrap_or_else(Outcome::Refuse);
        verdict
    }

    fn check_host(&self, request: &Parts, peer: Peer) -> Result<Named, ApiError> {
        let mut hosts = request.headers.get_all(HOST).iter();
        let bad = |message: &str| {
            let help = "send exactly one header Host with the name or address of this machine";
            ApiError::new(StatusCode::BAD_REQUEST, "bad-host", message, help)
        };
        let named = match (hosts.next(), hosts.next()) {
            (None, _) if request.version >= Version::HTTP_11 => return Err(bad("there is no header Host")),
            (_, Some(_)) => return Err(bad("there are several headers Host")),
            (None, None) => Named::Local,
            (Some(host), None) => self.check_name(&String::from_utf8_lossy(host.as_bytes()), peer)?,
        };
        match request.uri.authority() {
            Some(authority) => Ok(named.max(self.check_name(authority.as_str(), peer)?)),
            None => Ok(named),
        }
    }

    fn check_name(&self, authority: &str, peer: Peer) -> Result<Named, ApiError> {
        let name = without_port(authority).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let ours = |address: IpAddr| {
            let address = address.to_canonical();
            address.is_loopback()
                || address == peer.local.ip().to_canonical()
                || address == self.access.bind.ip()
        };
        if name == "localhost" || name.parse().is_ok_and(ours) {
            return Ok(Named::Local);
        }
        if self.access.hosts.iter().any(|known| known == name) {
            return Ok(Named::Allowed);
        }
        Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "unknown-host",
            "the name in the header Host is none of this machine",
            "ask for 127.0.0.1 or localhost, or start rminer with --api-allow-host NAME",
        ))
    }

    fn check_origin(&self, request: &Parts, named: Named) -> Result<Option<HeaderValue>, ApiError> {
        let mut origins = request.headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(None) };
        let listed = self.access.origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes());
        if origins.next().is_none() {
            if listed {
                return Ok(Some(origin.clone()));
            }
            // Our own page: a browser names it with its orders. The name has been checked by now.
            if is_own(origin, request.headers.get(HOST), named) {
                return Ok(None);
            }
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "origin-not-allowed",
            "pages of this origin may not use the interface",
            "start rminer with --api-allow-origin ORIGIN if you trust that site",
        ))
    }

    /// What whoever asks may do, where that is enough for what is asked.
    fn check_rest(
        &mut self,
        request: &Parts,
        named: Named,
        peer: Peer,
        now: Instant,
    ) -> Result<Option<Scope>, ApiError> {
        let path = request.uri.path();
        match request.method {
            Method::GET | Method::HEAD => {}
            Method::POST if takes_orders(path) || path == PAIR_PATH => {}
            _ => return Err(ApiError::method(methods_of(path))),
        }
        let length =
            request.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > MAX_BODY_BYTES as u64) {
            return Err(too_long());
        }
        let is_open = !self.access.is_closed() && named == Named::Local;
        let open = is_open.then_some(Scope::Read);
        if request.method != Method::POST {
            // The page is for strangers too: they see how to become none.
            let shows_token = path == PAGE_PATH && request.headers.contains_key(AUTHORIZATION);
            if shows_token || (open.is_none() && !is_always_open(path)) {
                return self.check_token(request, peer.remote.ip(), now).map(Some);
            }
            return Ok(open);
        }
        let scope = if path == PAIR_PATH {
            open
        } else {
            let scope = self.check_token(request, peer.remote.ip(), now)?;
            suffices(scope, scope_for(path))?;
            Some(scope)
        };
        if !is_json(request.headers.get(CONTENT_TYPE)) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "the body must be JSON",
                "send the header Content-Type: application/json",
            ));
        }
        // Strangers that try codes take no orders away from those who may give some.
        if path == PAIR_PATH {
            count(&mut self.codes, MAX_CODES, now).map_err(too_many_codes)?;
        } else {
            count(&mut self.writes, MAX_WRITES, now).map_err(too_many_orders)?;
        }
        Ok(scope)
    }

    fn check_token(&mut self, request: &Parts, address: IpAddr, now: Instant) -> Result<Scope, ApiError> {
        let Some(token) = &self.access.token else {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "no-token",
                "there is no token, so nothing that needs one is done",
                "a warning at the start of rminer says why there is none",
            ));
        };
        let address = network_of(address);
        self.strangers.retain_mut(|stranger| {
            stranger.failures.retain(|at| now.saturating_duration_since(*at) < MEMORY);
            !stranger.failures.is_empty()
        });
        let known = self.strangers.iter().position(|stranger| stranger.address == address);
        if let Some(failures) = known.map(|index| &self.strangers[index].failures)
            && failures.len() >= MAX_FAILURES
        {
            let wait =
                failures.front().map_or(MEMORY, |oldest| MEMORY - now.saturating_duration_since(*oldest));
            // Nothing is compared any more: otherwise one could go on guessing.
            return Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-wrong-tokens",
                "too many wrong tokens came from this address",
                "wait, and look the token up: rminer says at its start where it is",
            )
            .retry_after(wait.as_secs() + 1));
        }
        let Some(given) = request.headers.get(AUTHORIZATION) else {
            return Err(unauthorized("the token is missing"));
        };
        let given = bearer(given).unwrap_or_default();
        if token.matches(given) {
            return Ok(Scope::Owner);
        }
        if let Some(scope) = self.access.pairing.scope_of(given) {
            return Ok(scope);
        }
        match known {
            Some(index) => self.strangers[index].failures.push_back(now),
            None => {
                if self.strangers.len() >= MAX_STRANGERS {
                    self.strangers.pop_front();
                }
                self.strangers.push_back(Stranger { address, failures: VecDeque::from([now]) });
            }
        }
        Err(unauthorized("the token is wrong"))
    }
}

/// Counts what may come only so often; the seconds to wait when there is too much of it.
fn count(times: &mut VecDeque<Instant>, most: usize, now: Instant) -> Result<(), u64> {
    times.retain(|at| now.saturating_duration_since(*at) < MEMORY);
    if times.len() < most {
        times.push_back(now);
        return Ok(());
    }
    let wait = times.front().map_or(MEMORY, |oldest| MEMORY - now.saturating_duration_since(*oldest));
    Err(wait.as_secs() + 1)
}

fn too_many_orders(wait_s: u64) -> ApiError {
    let message = format!("more than {MAX_WRITES} orders came within a minute");
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-many-orders", message, "wait a little")
        .retry_after(wait_s)
}

fn too_many_codes(wait_s: u64) -> ApiError {
    let message = format!("more than {MAX_CODES} codes came within a minute");
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-many-codes", message, "wait a little")
        .retry_after(wait_s)
}

/// Says nothing but that the process is there, and that an open port says as well.
const ALWAYS_OPEN: &str = "/healthz";
/// The page. To a stranger it says how to pair, and nothing else.
pub(super) const PAGE_PATH: &str = "/";
/// Where the page's style and script are; they are in the public source.
pub(super) const ASSETS_PATH: &str = "/assets/";
/// Where a device shows its code.
pub(super) const PAIR_PATH: &str = "/api/v1/pair";
/// Orders that let others in and out.
const OWNERS_PATHS: [&str; 2] = ["/api/v1/control/pair", "/api/v1/control/unpair"];

fn is_always_open(path: &str) -> bool {
    path == ALWAYS_OPEN || path == PAGE_PATH || path.starts_with(ASSETS_PATH)
}

/// What an order takes.
fn scope_for(path: &str) -> Scope {
    if OWNERS_PATHS.contains(&path) { Scope::Owner } else { Scope::Control }
}

fn suffices(scope: Scope, needed: Scope) -> Result<(), ApiError> {
    if scope >= needed {
        return Ok(());
    }
    Err(match needed {
        Scope::Owner => ApiError::new(
            StatusCode::FORBIDDEN,
            "owner-only",
            "a paired device cannot pair others",
            "type on the rig: rminer ctl pair",
        ),
        _ => ApiError::new(
            StatusCode::FORBIDDEN,
            "read-only",
            "this device was paired to look, not to give orders",
            "pair it anew; type on the rig: rminer ctl pair",
        ),
    })
}

fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether an origin is this interface itself, as it was asked. Only a proxy encrypts, and it asks by an allowed name.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>, named: Named) -> bool {
    let schemes: &[&str] = match named {
        Named::Local => &["http://"],
        Named::Allowed => &["http://", "https://"],
    };
    let Some(host) = host.map(HeaderValue::as_bytes).filter(|host| !host.is_empty()) else { return false };
    let mut own = schemes.iter().filter_map(|scheme| origin.as_bytes().strip_prefix(scheme.as_bytes()));
    own.any(|own| own.eq_ignore_ascii_case(host))
}

/// Headers that pages may send.
pub(super) const ALLOWED_HEADERS: &str = "authorization, content-type, last-event-id";
/// Methods that pages may use.
pub(super) const ALLOWED_METHODS: &str = "GET, HEAD, POST";
/// A browser's question whether a page from the internet may reach into this network.
pub(super) const PRIVATE_NETWORK_ASKED: HeaderName =
    HeaderName::from_static("access-control-request-private-network");

/// Whether orders are taken at a path; nowhere else is anything but reading.
fn takes_orders(path: &str) -> bool {
    path.starts_with("/api/v1/control/") || path == "/json_rpc"
}

/// Methods of a path, as `Allow` names them.
fn methods_of(path: &str) -> &'static str {
    if takes_orders(path) || path == PAIR_PATH { "POST" } else { "GET, HEAD" }
}

/// The body has more than [`MAX_BODY_BYTES`].
pub(super) fn too_long() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-long",
        format!("the body has more than {MAX_BODY_BYTES} bytes"),
        "no order needs as many",
    )
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        message,
        "send the header Authorization: Bearer TOKEN; rminer says at its start where the token is",
    )
}

/// What stands behind `Bearer`.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

fn is_json(value: Option<&HeaderValue>) -> bool {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// `name:port` and `[address]:port` without the port.
fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// Whoever has one IPv6 address has the whole network of 64 bits.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6([a, b, c, d, 0, 0, 0, 0].into())
        }
        address => address,
    }
}

#[cfg(test)]
mod tests;
