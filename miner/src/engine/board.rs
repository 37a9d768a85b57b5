//! Where the engine puts its state for everybody who looks: the latest snapshot, and nothing to wait for.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::snapshot::Snapshot;

/// The latest snapshot. The engine writes it once a second; interfaces read it whenever they like.
#[derive(Debug)]
pub struct Board {
    latest: Mutex<Arc<Snapshot>>,
    number: watch::Sender<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self { latest: Mutex::default(), number: watch::Sender::new(0) }
    }
}

impl Board {
    /// Replaces the snapshot.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        self.number.send_modify(|number| *number += 1);
    }

    /// The latest one.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes with each new snapshot.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.number.subscribe()
    }
}
