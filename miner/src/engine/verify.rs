//! Hits are hashed again by an engine that is independent of the device's own path.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rminer_algos::{Hash, Reference, Unavailable};
use tokio::sync::mpsc;

use super::worker::Hit;
use crate::devices::{DeviceSource, Health};

/// Hits that may wait for their check. A RandomX check takes a tenth of a second; shares are far rarer.
const MAX_WAITING: usize = 256;

/// Why a hit is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It waits for this to be sent.
    BeforeSending,
    /// It was sent already.
    Behind,
    /// A pool said that its hash is wrong.
    Complaint,
}

/// A hit that was hashed again.
#[derive(Debug)]
pub struct Checked {
    /// The hit.
    pub hit: Hit,
    /// Why it was checked.
    pub purpose: Purpose,
    /// What the independent engine says, or why there is none.
    pub outcome: Result<Hash, Unavailable>,
    /// Whose fault it is, where the hashes differ or a pool complained.
    pub health: Option<Health>,
}

impl Checked {
    /// Whether the second engine agrees that this is a share. Without a second engine the device's word stands.
    pub fn is_right(&self) -> bool {
        let Hit { assignment, nonce, .. } = &self.hit;
        let meets = |hash| assignment.job.target.is_met_by(&assignment.work.proof(*nonce, hash));
        match (&self.outcome, self.hit.hash) {
            (Ok(hash), Some(claimed)) => *hash == claimed && meets(hash),
            (Ok(hash), None) => meets(hash),
            (Err(_), claimed) => claimed.is_some(),
        }
    }
}

/// A thread that checks.
#[derive(Debug)]
pub struct Verifier {
    requests: SyncSender<Request>,
    thread: JoinHandle<()>,
}

struct Request {
    hit: Hit,
    purpose: Purpose,
    source: Arc<dyn DeviceSource>,
}

impl Verifier {
    /// Starts the thread; results go to `results`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(results: mpsc::Sender<Checked>) -> std::io::Result<Self> {
        let (requests, waiting) = sync_channel(MAX_WAITING);
        let thread =
            std::thread::Builder::new().name("verify".into()).spawn(move || check_all(&waiting, &results))?;
        Ok(Self { requests, thread })
    }

    /// Asks for a check; gives the hit back when too many wait already.
    ///
    /// # Errors
    /// The hit, unchecked.
    pub fn check(&self, hit: Hit, purpose: Purpose, source: Arc<dyn DeviceSource>) -> Result<(), Box<Hit>> {
        match self.requests.try_send(Request { hit, purpose, source }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(request) | TrySendError::Disconnected(request)) => {
                Err(Box::new(request.hit))
            }
        }
    }

    /// Lets the thread end after the check that it is at.
    pub fn stop(self) {
        drop(self.requests);
        drop(self.thread);
    }
}

fn check_all(waiting: &Receiver<Request>, results: &mpsc::Sender<Checked>) {
    // One engine for each device, made when its first hit comes.
    let mut engines: Vec<(String, Box<dyn Reference>)> = Vec::new();
    while let Ok(Request { hit, purpose, source }) = waiting.recv() {
        let (work, nonce) = (&hit.assignment.work, hit.nonce);
        let outcome = engine(&mut engines, &source).and_then(|engine| engine.hash(work, nonce));
        let mut checked = Checked { hit, purpose, outcome, health: None };
        if let (true, Some(claimed)) =
            (purpose == Purpose::Complaint || !checked.is_right(), checked.hit.hash)
        {
            let work = &checked.hit.assignment.work;
            checked.health = source.examine(work, checked.hit.nonce, &claimed).ok();
        }
        if results.blocking_send(checked).is_err() {
            return;
        }
    }
}

fn engine<'a>(
    engines: &'a mut Vec<(String, Box<dyn Reference>)>,
    source: &Arc<dyn DeviceSource>,
) -> Result<&'a mut Box<dyn Reference>, Unavailable> {
    let id = &source.info().id;
    let place = match engines.iter().position(|(known, _)| known == id) {
        Some(place) => place,
        None => {
            engines.push((id.clone(), source.checker()?));
            engines.len() - 1
        }
    };
    let (_, engine) = engines.get_mut(place).ok_or_else(|| Unavailable("no engine".into()))?;
    Ok(engine)
}
