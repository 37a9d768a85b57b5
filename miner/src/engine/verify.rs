//! Hits are hashed again by an engine that is independent of the device's own path.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rminer_algos::{Hash, Reference, Unavailable};
use tokio::sync::mpsc;

use super::worker::Hit;
use crate::devices::DeviceSource;

/// Hits that may wait for their check. A RandomX check takes a tenth of a second; shares are far rarer.
const MAX_WAITING: usize = 256;

/// A hit that was hashed again.
#[derive(Debug)]
pub struct Checked {
    /// The hit.
    pub hit: Hit,
    /// Whether it waits to be sent.
    pub before_sending: bool,
    /// What the independent engine says, or why there is none.
    pub outcome: Result<Hash, Unavailable>,
}

/// A thread that checks.
#[derive(Debug)]
pub struct Verifier {
    requests: SyncSender<Request>,
    thread: JoinHandle<()>,
}

struct Request {
    hit: Hit,
    before_sending: bool,
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
    pub fn check(
        &self,
        hit: Hit,
        before_sending: bool,
        source: Arc<dyn DeviceSource>,
    ) -> Result<(), Box<Hit>> {
        match self.requests.try_send(Request { hit, before_sending, source }) {
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
    while let Ok(Request { hit, before_sending, source }) = waiting.recv() {
        let outcome =
            engine(&mut engines, &source).and_then(|engine| engine.hash(&hit.assignment.work, hit.nonce));
        if results.blocking_send(Checked { hit, before_sending, outcome }).is_err() {
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
