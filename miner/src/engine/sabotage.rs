//! A worker that hangs on purpose, so that people can see what the watchdog does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long after its first hash a worker hangs: in its first life, and in the next.
const WAITS: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(3)];

/// Shared by the lives of one worker.
#[derive(Debug, Clone, Default)]
pub struct Sabotage(Arc<AtomicUsize>);

impl Sabotage {
    /// Hangs for ever if it is time, given the time since the first hash of this life.
    pub(super) fn strike(&self, hashing: Duration) {
        let struck = self.struck();
        if WAITS.get(struck).is_none_or(|wait| hashing < *wait) {
            return;
        }
        self.0.store(struck + 1, Ordering::Relaxed);
        // A thread that hangs does not hear that it should end either; the process takes it along.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// How often it has hung.
    pub(super) fn struck(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_and_ends_after_two() {
        let sabotage = Sabotage::default();
        sabotage.strike(WAITS[0] - Duration::from_secs(1));
        assert_eq!(sabotage.struck(), 0);
        sabotage.0.store(WAITS.len(), Ordering::Relaxed);
        sabotage.strike(Duration::from_secs(3600));
        assert_eq!(sabotage.struck(), WAITS.len(), "no third time");
    }
}
