//! Goes to a pool step by step, as a session would, and tells how each step went: what `rminer pool test` shows.

mod lines;
#[cfg(feature = "kaspad")]
mod messages;
mod node;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::error::Elapsed;

use crate::client::endpoint::dialect;
use crate::connect::{BoxedStream, DialError, Dialer, NameReport, Path, Route};
use crate::dialect::{Event, NewJob};
use crate::endpoint::{PoolConfig, Protocol};
use crate::pool::Hints;
use crate::text::clean;
use crate::tls::{Proof, TlsReport};

/// Addresses of a name that are shown.
const MAX_SHOWN: usize = 4;

/// The steps to a pool, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The name has addresses.
    Name,
    /// One of them takes a TCP connection.
    Connect,
    /// The proxy reaches the server.
    Proxy,
    /// The server proves who it is.
    Tls,
    /// The pool takes the login, or the node answers.
    Login,
    /// There is something to mine.
    Job,
    /// A small request and its answer: what a share takes, too.
    Keepalive,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// Which step.
    pub step: Step,
    /// Whether the next one can follow.
    pub ok: bool,
    /// What was found, or what is wrong; safe to show.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

/// Tries `pool` and hands each step to `tell` as soon as it is known; the first that fails is the last. True when
/// the pool can be mined at.
pub async fn probe(dialer: Arc<Dialer>, pool: &PoolConfig, mut tell: impl FnMut(StepReport)) -> bool {
    let route = Route::to_pool(pool);
    let Some(stream) = way(&dialer, &route, &mut tell).await else { return false };
    let hints = Hints::default();
    let dialect = match dialect(pool) {
        Ok(make) => make(hints),
        Err(error) => {
            tell(StepReport::failed(Step::Login, error.to_string(), Instant::now()));
            return false;
        }
    };
    match pool.url.protocol() {
        Protocol::Stratum => lines::talk(stream, dialect, pool, &mut tell).await,
        Protocol::Monerod | Protocol::Gbt => {
            drop(stream);
            node::talk(dialer, dialect, pool, &mut tell).await
        }
        #[cfg(feature = "kaspad")]
        Protocol::Kaspad => messages::talk(stream, dialect, pool, &mut tell).await,
        // There is no dialect for it, which was told.
        #[cfg(not(feature = "kaspad"))]
        Protocol::Kaspad => false,
    }
}

/// Everything up to the stream of bytes.
async fn way(dialer: &Dialer, route: &Route, tell: &mut impl FnMut(StepReport)) -> Option<BoxedStream> {
    let started = Instant::now();
    let mut path = Path::default();
    let dialed = dialer.dial(route, &mut path).await;
    if let Some(name) = &path.name {
        tell(StepReport { step: Step::Name, ok: true, text: addresses(name), took: name.took });
    }
    if let Some(tcp) = path.tcp {
        let text = format!("{} port {}", tcp.address.ip(), tcp.address.port());
        tell(StepReport { step: Step::Connect, ok: true, text, took: tcp.took });
    }
    if let (Some(took), Some(proxy)) = (path.proxy, &route.proxy) {
        tell(StepReport { step: Step::Proxy, ok: true, text: format!("{route} through {proxy}"), took });
    }
    if let Some(tls) = &path.tls {
        let text = certificate(tls);
        tell(StepReport { step: Step::Tls, ok: true, text, took: tls.took });
    }
    match dialed {
        Ok(stream) => Some(stream),
        Err(error) => {
            let passed = path.name.as_ref().map_or(Duration::ZERO, |name| name.took)
                + path.tcp.map_or(Duration::ZERO, |tcp| tcp.took)
                + path.proxy.unwrap_or_default();
            let took = started.elapsed().saturating_sub(passed);
            tell(StepReport { step: failed_step(&error), ok: false, text: error.to_string(), took });
            None
        }
    }
}

fn failed_step(error: &DialError) -> Step {
    match error {
        DialError::Name(_) => Step::Name,
        DialError::Tcp(_) => Step::Connect,
        DialError::ProxyUnreachable { fault, .. } => failed_step(fault),
        DialError::Proxy { .. } => Step::Proxy,
        DialError::Tls(_) => Step::Tls,
    }
}

fn addresses(name: &NameReport) -> String {
    let mut shown: Vec<String> = name.addresses.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
    if name.addresses.len() > MAX_SHOWN {
        shown.push(format!("{} more", name.addresses.len() - MAX_SHOWN));
    }
    shown.join(", ")
}

/// "TLS 1.3, CN pool.example, 61 days left, chain and name match"
fn certificate(tls: &TlsReport) -> String {
    let mut text = format!("TLS {}, ", tls.version);
    if let Some(certificate) = &tls.certificate {
        let days = certificate.days_left(SystemTime::now());
        text += &format!("CN {}, {days} days left, ", certificate.subject);
    }
    text + match tls.proof {
        Proof::Chain => "chain and name match",
        Proof::Pinned => "it is the pinned one",
        Proof::FirstUse => "unknown; remembered from now on",
        Proof::Remembered => "it is the remembered one",
    }
}

impl StepReport {
    fn done(step: Step, text: String, since: Instant) -> Self {
        Self { step, ok: true, text, took: since.elapsed() }
    }

    fn failed(step: Step, text: String, since: Instant) -> Self {
        Self { step, ok: false, text, took: since.elapsed() }
    }
}

/// The way from the first message to a job, whatever carries the messages.
struct Progress<'a, T> {
    step: Step,
    /// Who logs in, in words.
    account: String,
    /// What the other side is: a pool or a node.
    peer: &'static str,
    since: Instant,
    tell: &'a mut T,
}

impl<'a, T: FnMut(StepReport)> Progress<'a, T> {
    fn new(peer: &'static str, account: String, tell: &'a mut T) -> Self {
        Self { step: Step::Login, account, peer, since: Instant::now(), tell }
    }

    /// What the dialect says; `Some` at the end of the way.
    fn event(&mut self, event: Event) -> Option<Result<(), String>> {
        match event {
            Event::LoggedIn => {
                (self.tell)(StepReport::done(Step::Login, self.account.clone(), self.since));
                self.step = Step::Job;
                None
            }
            Event::Job(new) => {
                (self.tell)(StepReport::done(Step::Job, job(&new), self.since));
                Some(Ok(()))
            }
            Event::Waiting(words) => {
                self.step = Step::Job;
                Some(Err(format!("the {} has nothing to mine yet: \"{words}\"", self.peer)))
            }
            Event::Redirect(to) => {
                let host = clean(to.host.as_deref().unwrap_or("the same host"));
                let port = to.port.map_or(String::new(), |port| format!(" port {port}"));
                Some(Err(format!("the {} wants us to reconnect to {host}{port}", self.peer)))
            }
            Event::Verdict(..) | Event::Notice(_) => None,
        }
    }

    /// Tells what is wrong when the way has not led to a job within `limit`; whether it has.
    fn arrived(&mut self, ended: Result<Result<(), String>, Elapsed>, limit: Duration) -> bool {
        let fault = match ended {
            Ok(Ok(())) => return true,
            Ok(Err(fault)) => fault,
            Err(_) => format!("no answer within {} s", limit.as_secs()),
        };
        (self.tell)(StepReport::failed(self.step, fault, self.since));
        false
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Login => "login",
            Self::Job => "job",
            Self::Keepalive => "keepalive",
        })
    }
}

/// "height 3200001, difficulty 128.0k, randomx"
fn job(job: &NewJob) -> String {
    let height = job.height.map_or(String::new(), |height| format!("height {height}, "));
    // What the pool asks for; for a node that is the whole block.
    let difficulty = job.algorithm.family.pool_difficulty(job.target.difficulty());
    format!("{height}difficulty {}, {}", count(difficulty), job.algorithm.name)
}

/// A number with at most three digits before the point.
fn count(value: f64) -> String {
    // Fractions have three digits: processors get such difficulties from Bitcoin pools.
    let (mut digits, mut whole) = (0, value);
    while whole < 99.95 && digits < 8 && value.fract() != 0.0 {
        (digits, whole) = (digits + 1, whole * 10.0);
    }
    if digits > 0 {
        return format!("{value:.digits$}");
    }
    let mut scaled = value;
    for unit in ["", "k", "M", "G", "T", "P"] {
        if scaled < 999.95 {
            return if unit.is_empty() { format!("{scaled:.0}") } else { format!("{scaled:.1}{unit}") };
        }
        scaled /= 1000.0;
    }
    format!("{scaled:.1}E")
}

/// The first and last letters of a wallet, which is all that people compare.
fn short(user: &str) -> String {
    let letters: Vec<char> = user.chars().collect();
    match letters.len() {
        0..=16 => user.to_owned(),
        all => letters[..4].iter().chain(&['…']).chain(&letters[all - 4..]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_short() {
        for (value, shown) in [
            (1.0, "1"),
            (0.5, "0.500"),
            (0.020_954_4, "0.0210"),
            (1.5, "1.50"),
            (999.0, "999"),
            (1000.0, "1.0k"),
            (128_000.0, "128.0k"),
            (4.1e11, "410.0G"),
        ] {
            assert_eq!(count(value), shown);
        }
        assert_eq!(short("account.rig01"), "account.rig01");
        assert_eq!(short(&format!("4EXA{}b7Qk", "x".repeat(87))), "4EXA…b7Qk");
    }
}
