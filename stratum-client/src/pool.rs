//! What is known of one configured pool over all connections to it: how often it failed, when it may be tried
//! again, and how far its wish to send us elsewhere is followed. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::bugs::{Bug, Bugs};
use crate::dialect::{CloseReason, Dialect, Provocation, Redirect};
use crate::endpoint::RedirectPolicy;
use crate::rng::Rng;

/// A session with a job that lasts this long makes earlier failures forgotten; so does an accepted share.
pub const USEFUL_AFTER: Duration = Duration::from_secs(60);
/// Rest after the pool said that we are banned, or that it does not serve our algorithm.
const BAN_REST: Duration = Duration::from_secs(600);
/// Rest after the first refused login; doubles up to [`BAN_REST`].
const LOGIN_REST: Duration = Duration::from_secs(30);
/// Refused logins in a row after which a pool is not tried again.
const MAX_LOGIN_REFUSALS: u32 = 3;
/// Redirects that are followed within [`REDIRECT_WINDOW`].
const MAX_REDIRECTS: usize = 3;
const REDIRECT_WINDOW: Duration = Duration::from_secs(600);
/// Longest wait that a redirect may ask for.
const MAX_REDIRECT_WAIT_S: u64 = 60;
/// A close this soon after a keepalive is blamed on it; twice in a row ends keepalives with this pool.
const KEEPALIVE_BLAME: Duration = Duration::from_secs(5);
/// A close this soon after a login with extensions, without a word, twice in a row ends them with this pool.
const EXTENSIONS_BLAME: Duration = Duration::from_secs(5);
/// A close this soon after asking for extranonce changes ends that with this pool at once.
const EXTRANONCE_BLAME: Duration = Duration::from_secs(2);

/// Makes the dialect for a new connection.
pub type MakeDialect = Box<dyn Fn(Hints) -> Box<dyn Dialect> + Send>;

/// What earlier connections taught.
#[derive(Debug, Clone, Copy)]
pub struct Hints {
    /// False when this pool closes on keepalives.
    pub keepalive: bool,
    /// False when this pool closes on the wish to be told of extranonce changes.
    pub extranonce_subscribe: bool,
    /// False when this pool closes on a login with extensions.
    pub extensions: bool,
}

impl Default for Hints {
    fn default() -> Self {
        Self { keepalive: true, extranonce_subscribe: true, extensions: true }
    }
}

/// A pool as the supervisor needs it.
pub struct Endpoint {
    /// Configured host.
    pub host: String,
    /// Configured port.
    pub port: u16,
    /// Whether the peer's identity is verified (TLS with a checked certificate or a pin).
    pub verified: bool,
    /// How far redirects are followed.
    pub redirect: RedirectPolicy,
    /// The protocol.
    pub dialect: MakeDialect,
}

/// What to do about a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirected {
    /// Reconnect after `wait`, to the address that [`Pool::take_address`] gives.
    Reconnect {
        /// How long to wait before.
        wait: Duration,
        /// For people: why not where the pool wanted, when so.
        refused: Option<String>,
    },
    /// Stay.
    Ignore(String),
}

/// Health of one pool.
pub struct Pool {
    /// How to reach and speak with it.
    pub endpoint: Endpoint,
    backoff: Backoff,
    next_try: Instant,
    login_refusals: u32,
    refused: bool,
    redirects: VecDeque<Instant>,
    address: Option<(String, u16)>,
    keepalive_closes: u32,
    extranonce_closes: bool,
    extension_closes: u32,
    pub(crate) bugs: Bugs,
}

impl Pool {
    /// A pool that was never tried.
    pub fn new(endpoint: Endpoint, now: Instant) -> Self {
        Self {
            endpoint,
            backoff: Backoff::default(),
            next_try: now,
            login_refusals: 0,
            refused: false,
            redirects: VecDeque::new(),
            address: None,
            keepalive_closes: 0,
            extranonce_closes: false,
            extension_closes: 0,
            bugs: Bugs::default(),
        }
    }

    /// When it may be tried next; none when it refused the login too often.
    pub fn next_try(&self) -> Option<Instant> {
        (!self.is_given_up()).then_some(self.next_try)
    }

    /// Whether it will not be tried again.
    pub fn is_given_up(&self) -> bool {
        self.login_refusals >= MAX_LOGIN_REFUSALS
    }

    /// Whether its last word was that it does not want us.
    pub fn is_refusing(&self) -> bool {
        self.refused
    }

    /// Failures since it was last useful.
    pub fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// What earlier connections taught.
    pub fn hints(&self) -> Hints {
        Hints {
            keepalive: self.keepalive_closes < 2,
            extranonce_subscribe: !self.extranonce_closes,
            extensions: self.extension_closes < 2,
        }
    }

    /// A session has been useful: earlier failures do not matter any more.
    pub fn useful(&mut self) {
        self.backoff.reset();
        self.login_refusals = 0;
        self.refused = false;
    }

    /// The login was taken.
    pub fn logged_in(&mut self) {
        self.login_refusals = 0;
        self.refused = false;
    }

    /// A connection or a try for one failed. Returns how long this pool rests.
    pub fn failed(
        &mut self,
        now: Instant,
        reason: &CloseReason,
        provocation: Option<(Provocation, Instant)>,
        rng: &mut Rng,
    ) -> Duration {
        let is_blamed = |what, within| {
            provocation.is_some_and(|(sent, at)| sent == what && now.saturating_duration_since(at) < within)
        };
        self.extranonce_closes |= matches!(reason, CloseReason::Network(_))
            && is_blamed(Provocation::ExtranonceSubscribe, EXTRANONCE_BLAME);
        let in_a_row = |closes: u32, blamed| match (closes < 2, blamed) {
            (false, _) => closes,
            (true, true) => closes + 1,
            (true, false) => 0,
        };
        let blamed = is_blamed(Provocation::Keepalive, KEEPALIVE_BLAME);
        self.keepalive_closes = in_a_row(self.keepalive_closes, blamed);
        let blamed = is_blamed(Provocation::Extensions, EXTENSIONS_BLAME);
        let closed = matches!(reason, CloseReason::Network(_));
        self.extension_closes = in_a_row(self.extension_closes, blamed && closed);
        if self.bugs.has(Bug::BackoffNeverGrows) {
            self.backoff.reset();
        }
        let wait = self.backoff.next_wait(rng);
        self.refused = matches!(
            reason,
            CloseReason::LoginRefused(_) | CloseReason::Banned(_) | CloseReason::Algorithm(_)
        );
        let rest = match reason {
            CloseReason::Banned(_) | CloseReason::Algorithm(_) => BAN_REST,
            CloseReason::LoginRefused(_) => {
                self.login_refusals += 1;
                (LOGIN_REST * (1 << (self.login_refusals - 1).min(5))).min(BAN_REST)
            }
            _ => wait,
        };
        self.next_try = now + rest;
        rest
    }

    /// Not to be tried for `wait`, for no fault of the pool.
    pub fn rest(&mut self, now: Instant, wait: Duration) {
        self.next_try = now + wait;
    }

    /// The address to connect to instead of the configured one, for one try.
    pub fn take_address(&mut self) -> Option<(String, u16)> {
        self.address.take()
    }

    /// Decides about `client.reconnect`. On a plain connection anybody on the path can send it, so another host
    /// is followed only where the peer is verified and the user allowed it; never for good, never more than
    /// three times in ten minutes.
    pub fn redirected(&mut self, now: Instant, redirect: &Redirect, rng: &mut Rng) -> Redirected {
        self.redirects.retain(|at| now.saturating_duration_since(*at) < REDIRECT_WINDOW);
        if self.redirects.len() >= MAX_REDIRECTS {
            return Redirected::Ignore("asked to reconnect too often".into());
        }
        self.redirects.push_back(now);
        let wait = Duration::from_secs(redirect.wait_s.min(MAX_REDIRECT_WAIT_S))
            + Duration::from_millis(rng.below(2000));
        let port = redirect.port.filter(|port| *port != 0).unwrap_or(self.endpoint.port);
        let host = redirect.host.as_deref().unwrap_or(&self.endpoint.host);
        let refused = self.refuses_host(host);
        if refused.is_none() {
            self.address = Some((host.to_owned(), port));
        }
        Redirected::Reconnect { wait, refused }
    }

    fn refuses_host(&self, host: &str) -> Option<String> {
        let own = &self.endpoint.host;
        if host.eq_ignore_ascii_case(own) || self.bugs.has(Bug::RedirectAnywhere) {
            return None;
        }
        let why = match self.endpoint.redirect {
            RedirectPolicy::SameHost => "redirects to other hosts are not allowed (redirect = \"same-host\")",
            _ if !self.endpoint.verified => {
                "the connection is not verified TLS, so anybody could have sent this"
            }
            RedirectPolicy::SameDomain if !same_domain(own, host) => "the host is of another domain",
            RedirectPolicy::SameDomain | RedirectPolicy::Any => return None,
        };
        Some(why.into())
    }
}

/// At least the last two labels are equal, and neither is a numeric address.
fn same_domain(own: &str, other: &str) -> bool {
    let numeric =
        |host: &str| host.contains(':') || host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let tail = |host: &str| {
        let labels: Vec<String> =
            host.trim_end_matches('.').split('.').map(str::to_ascii_lowercase).collect();
        (labels.len() >= 2).then(|| labels[labels.len() - 2..].join("."))
    };
    !numeric(own) && !numeric(other) && tail(own).is_some() && tail(own) == tail(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::monero::{Monero, MoneroConfig};
    use rminer_algos::registry::RANDOMX;

    fn pool(redirect: RedirectPolicy, verified: bool) -> Pool {
        let config = MoneroConfig {
            login: "w".into(),
            pass: "x".into(),
            rig_id: None,
            agent: "a".into(),
            algorithm: &RANDOMX,
            also: Vec::new(),
            nicehash: None,
            keepalive: true,
        };
        let endpoint = Endpoint {
            host: "eu.pool.example".into(),
            port: 3333,
            verified,
            redirect,
            dialect: Box::new(move |_| Box::new(Monero::new(config.clone()))),
        };
        Pool::new(endpoint, Instant::now())
    }

    fn to(host: Option<&str>, port: Option<u16>, wait_s: u64) -> Redirect {
        Redirect { host: host.map(Into::into), port, wait_s }
    }

    #[test]
    fn redirects() {
        use RedirectPolicy::*;
        let cases = [
            (SameHost, false, to(None, None, 0), Some(("eu.pool.example", 3333))),
            (SameHost, false, to(Some("EU.pool.example"), Some(4444), 0), Some(("EU.pool.example", 4444))),
            (SameHost, true, to(Some("us.pool.example"), Some(4444), 0), None),
            (SameDomain, false, to(Some("us.pool.example"), None, 0), None),
            (SameDomain, true, to(Some("us.pool.example"), None, 0), Some(("us.pool.example", 3333))),
            (SameDomain, true, to(Some("pool.example.evil.test"), None, 0), None),
            (SameDomain, true, to(Some("10.0.0.1"), None, 0), None),
            (Any, true, to(Some("other.test"), Some(1), 0), Some(("other.test", 1))),
            (Any, false, to(Some("other.test"), Some(1), 0), None),
        ];
        for (policy, verified, redirect, want) in cases {
            let mut pool = pool(policy, verified);
            let decided = pool.redirected(Instant::now(), &redirect, &mut Rng::new(1));
            let Redirected::Reconnect { wait, refused } = decided else { panic!("{redirect:?}") };
            assert!(wait < Duration::from_secs(2));
            assert_eq!(refused.is_none(), want.is_some(), "{policy:?} {verified} {redirect:?}: {refused:?}");
            assert_eq!(pool.take_address(), want.map(|(host, port)| (host.to_owned(), port)));
            assert_eq!(pool.take_address(), None, "never for good");
        }
    }

    #[test]
    fn redirects_are_few_and_soon() {
        let now = Instant::now();
        let mut pool = pool(RedirectPolicy::SameHost, false);
        let mut rng = Rng::new(1);
        for _ in 0..3 {
            let decided = pool.redirected(now, &to(None, None, u64::MAX), &mut rng);
            assert!(matches!(decided, Redirected::Reconnect { wait, .. } if wait <= Duration::from_secs(62)));
        }
        for _ in 0..100 {
            assert!(matches!(pool.redirected(now, &to(None, None, 0), &mut rng), Redirected::Ignore(_)));
        }
        let later = now + REDIRECT_WINDOW;
        assert!(matches!(pool.redirected(later, &to(None, None, 0), &mut rng), Redirected::Reconnect { .. }));
    }

    #[test]
    fn refused_logins_rest_longer_and_end() {
        let now = Instant::now();
        let mut pool = pool(RedirectPolicy::SameHost, false);
        let mut rng = Rng::new(1);
        let refused = CloseReason::LoginRefused("no".into());
        assert_eq!(pool.failed(now, &refused, None, &mut rng).as_secs(), 30);
        assert_eq!(pool.failed(now, &refused, None, &mut rng).as_secs(), 60);
        assert!(pool.next_try().is_some() && pool.is_refusing());
        pool.failed(now, &refused, None, &mut rng);
        assert!(pool.is_given_up() && pool.next_try().is_none());
        assert_eq!(pool.failed(now, &CloseReason::Banned("b".into()), None, &mut rng), BAN_REST);
    }

    #[test]
    fn keepalive_is_blamed_twice_in_a_row_only() {
        let now = Instant::now();
        let mut pool = pool(RedirectPolicy::SameHost, false);
        let mut rng = Rng::new(1);
        let gone = CloseReason::Network("closed".into());
        let keepalive = Some((Provocation::Keepalive, now));
        pool.failed(now, &gone, keepalive, &mut rng);
        pool.failed(now, &gone, None, &mut rng);
        pool.failed(now, &gone, keepalive, &mut rng);
        assert!(pool.hints().keepalive);
        pool.failed(now, &gone, keepalive, &mut rng);
        assert!(!pool.hints().keepalive);
        pool.failed(now, &gone, None, &mut rng);
        assert!(!pool.hints().keepalive, "for this pool, for good");
    }

    #[test]
    fn the_wish_for_extranonce_changes_is_blamed_at_once_and_alone() {
        let now = Instant::now();
        let mut pool = pool(RedirectPolicy::SameHost, false);
        let mut rng = Rng::new(1);
        let gone = CloseReason::Network("closed".into());
        let sent = |at| Some((Provocation::ExtranonceSubscribe, at));
        pool.failed(now + EXTRANONCE_BLAME, &gone, sent(now), &mut rng);
        assert!(pool.hints().extranonce_subscribe, "long after is for another reason");
        pool.failed(now, &gone, sent(now), &mut rng);
        assert!(!pool.hints().extranonce_subscribe && pool.hints().keepalive);
    }

    #[test]
    fn extensions_are_blamed_twice_in_a_row_and_only_for_a_close() {
        let now = Instant::now();
        let mut pool = pool(RedirectPolicy::SameHost, false);
        let mut rng = Rng::new(1);
        let gone = CloseReason::Network("closed".into());
        let sent = Some((Provocation::Extensions, now));
        for (reason, provocation) in [
            (&gone, sent),
            (&CloseReason::LoginTimeout(EXTENSIONS_BLAME), sent),
            (&gone, sent),
            (&CloseReason::Connect("refused".into()), None),
            (&gone, sent),
        ] {
            pool.failed(now, reason, provocation, &mut rng);
            assert!(pool.hints().extensions, "{reason:?}");
        }
        pool.failed(now, &gone, sent, &mut rng);
        assert!(!pool.hints().extensions);
    }
}
