//! Names to addresses, by the machine's own resolver.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Semaphore;

use super::NameReport;
use crate::rng::Rng;
use crate::text::clean;

/// How long an answer is awaited.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long addresses that were once right are tried when the resolver fails.
const MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Names that are remembered; more than any list of pools has.
const MAX_NAMES: usize = 64;
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// The system's resolver cannot be interrupted; this many calls may hang at once.
const MAX_LOOKUPS: usize = 8;

/// Finds the addresses of a name; may block.
pub type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The machine's own resolver.
///
/// # Errors
/// As `getaddrinfo` reports them.
pub fn system_lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The resolver says so.
    #[error("the name {0} does not exist")]
    NotFound(String),
    /// No server of the resolver answers: mostly this machine is offline.
    #[error("the name {0} cannot be looked up now: no DNS server answers; is this machine online?")]
    NoServer(String),
    /// The resolver takes too long.
    #[error("the name {0} could not be looked up within {limit} s: is this machine online?", limit = PATIENCE.as_secs())]
    TimedOut(String),
    /// Anything else, in the system's words.
    #[error("the name {0} cannot be looked up: {1}")]
    Other(String, String),
}

pub(super) struct Resolver {
    lookup: Arc<Lookup>,
    running: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    known: HashMap<String, Known>,
}

struct Known {
    addresses: Vec<IpAddr>,
    at: Instant,
}

impl Resolver {
    pub(super) fn new(lookup: Arc<Lookup>) -> Self {
        // Hash seeds are random; which address comes first needs no better source.
        let rng = Rng::new(RandomState::new().hash_one(0));
        Self {
            lookup,
            running: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            state: Mutex::new(State { rng, known: HashMap::new() }),
        }
    }

    /// The addresses of `name` in random order, so that a dead one is not always first.
    pub(super) async fn resolve(&self, name: &str) -> Result<NameReport, NameError> {
        let started = Instant::now();
        let looked_up = self.ask(name).await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { rng, known } = &mut *state;
        let (mut addresses, from_memory) = match looked_up {
            Ok(addresses) => {
                remember(known, name, addresses.clone(), started);
                (addresses, None)
            }
            Err(fault) => match known.get(name) {
                Some(good) if started.saturating_duration_since(good.at) < MEMORY => {
                    (good.addresses.clone(), Some(fault))
                }
                _ => return Err(fault),
            },
        };
        shuffle(&mut addresses, rng);
        Ok(NameReport { addresses, took: started.elapsed(), from_memory })
    }

    async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, NameError> {
        let timed_out = || NameError::TimedOut(name.to_owned());
        let running = Arc::clone(&self.running);
        let lookup = Arc::clone(&self.lookup);
        let asked = name.to_owned();
        let answer = async move {
            let permit = running.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                // Held until the system returns, also when nobody waits any more.
                let _permit = permit;
                lookup(&asked)
            })
            .await
        };
        let mut addresses = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(Ok(addresses))) => addresses,
            Ok(Ok(Err(fault))) => return Err(name_error(name, &fault)),
            Ok(Err(_)) => return Err(NameError::Other(name.to_owned(), "the resolver crashed".into())),
            Err(_) => return Err(timed_out()),
        };
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_ADDRESSES);
        if addresses.is_empty() {
            return Err(NameError::NotFound(name.to_owned()));
        }
        Ok(addresses)
    }
}

fn remember(known: &mut HashMap<String, Known>, name: &str, addresses: Vec<IpAddr>, at: Instant) {
    if known.len() >= MAX_NAMES
        && !known.contains_key(name)
        && let Some(oldest) = known.iter().min_by_key(|(_, entry)| entry.at).map(|(name, _)| name.clone())
    {
        known.remove(&oldest);
    }
    known.insert(name.to_owned(), Known { addresses, at });
}

fn shuffle(addresses: &mut [IpAddr], rng: &mut Rng) {
    for last in (1..addresses.len()).rev() {
        let other = usize::try_from(rng.below(last as u64 + 1)).unwrap_or(0);
        addresses.swap(last, other);
    }
}

/// The standard library passes on the C library's words, and each C library has its own.
fn name_error(name: &str, fault: &io::Error) -> NameError {
    let name = name.to_owned();
    let words = fault.to_string();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    if says(&["Temporary failure", "Try again", "os error 11002"]) {
        NameError::NoServer(name)
    } else if says(&[
        "Name or service not known",
        "No address associated",
        "Name does not resolve",
        "nodename nor servname",
        "os error 11001",
        "os error 11004",
    ]) {
        NameError::NotFound(name)
    } else {
        NameError::Other(name, clean(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn addresses(last: std::ops::Range<u8>) -> Vec<IpAddr> {
        last.map(|last| IpAddr::from([192, 0, 2, last])).collect()
    }

    #[tokio::test]
    async fn good_addresses_outlive_the_resolver() {
        let calls = AtomicUsize::new(0);
        let resolver = Resolver::new(Arc::new(move |_: &str| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(addresses(1..4)),
            _ => Err(io::Error::other("failed to lookup address information: Temporary failure")),
        }));
        let fresh = resolver.resolve("pool.example").await.unwrap();
        assert_eq!((fresh.addresses.len(), fresh.from_memory), (3, None));
        let old = resolver.resolve("pool.example").await.unwrap();
        assert_eq!(old.addresses.len(), 3);
        assert_eq!(old.from_memory, Some(NameError::NoServer("pool.example".into())));
        let other = resolver.resolve("other.example").await.unwrap_err();
        assert_eq!(other, NameError::NoServer("other.example".into()));

        let Some(then) = Instant::now().checked_sub(MEMORY) else { return };
        resolver.state.lock().unwrap().known.get_mut("pool.example").unwrap().at = then;
        assert!(resolver.resolve("pool.example").await.is_err(), "a day later they are forgotten");
    }

    #[tokio::test]
    async fn every_address_comes_first_at_times() {
        let resolver = Resolver::new(Arc::new(|_: &str| Ok([addresses(1..4), addresses(1..4)].concat())));
        let mut first = std::collections::HashSet::new();
        for _ in 0..200 {
            let report = resolver.resolve("pool.example").await.unwrap();
            assert_eq!(report.addresses.len(), 3, "repeated addresses count once");
            first.insert(report.addresses[0]);
        }
        assert_eq!(first.len(), 3);
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let resolver = Resolver::new(Arc::new(|_: &str| Ok(addresses(0..100))));
        for number in 0..MAX_NAMES + 10 {
            let report = resolver.resolve(&format!("pool{number}.example")).await.unwrap();
            assert_eq!(report.addresses.len(), MAX_ADDRESSES);
        }
        assert_eq!(resolver.state.lock().unwrap().known.len(), MAX_NAMES);
    }

    #[tokio::test]
    async fn faults_are_told_apart() {
        for (words, expected) in [
            (
                "failed to lookup address information: Name or service not known",
                NameError::NotFound("x".into()),
            ),
            ("Name does not resolve", NameError::NotFound("x".into())),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                NameError::NoServer("x".into()),
            ),
            ("odd\x1b", NameError::Other("x".into(), "odd\\u{1b}".into())),
        ] {
            assert_eq!(name_error("x", &io::Error::other(words)), expected);
        }
        let nothing = Resolver::new(Arc::new(|_: &str| Ok(Vec::new())));
        assert_eq!(nothing.resolve("x").await.unwrap_err(), NameError::NotFound("x".into()));
    }

    #[tokio::test]
    async fn a_hung_resolver_is_given_up_and_not_piled_upon() {
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let hold = Mutex::new(hold);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let resolver = Resolver::new(Arc::new(move |_: &str| {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = hold.lock().unwrap().recv();
            Ok(Vec::new())
        }));
        let resolver = Arc::new(resolver);
        tokio::time::pause();
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..2 * MAX_LOOKUPS {
            let resolver = Arc::clone(&resolver);
            asked.spawn(async move { resolver.resolve("x").await.map(|_| ()) });
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(PATIENCE + Duration::from_secs(1)).await;
        while let Some(ended) = asked.join_next().await {
            assert_eq!(ended.unwrap(), Err(NameError::TimedOut("x".into())));
        }
        assert!(calls.load(Ordering::Relaxed) <= MAX_LOOKUPS);
        drop(release);
    }
}
