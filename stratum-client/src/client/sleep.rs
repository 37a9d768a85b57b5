//! Notices that the machine slept: connections look alive then and are not.

use std::time::{Duration, Instant, SystemTime};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// The clock on the wall may run ahead of the machine's uptime by this much between two looks; beyond it the machine
/// slept. A clock that is set forward looks the same and costs a reconnect.
const TOLERANCE: Duration = Duration::from_secs(30);

/// Compares the clock on the wall, which goes on in sleep, with the one that does not.
pub(super) struct SleepWatch {
    wall: SystemTime,
    mono: Instant,
}

impl SleepWatch {
    pub(super) fn new(wall: SystemTime, mono: Instant) -> Self {
        Self { wall, mono }
    }

    /// When to look again.
    pub(super) fn next_look(&self) -> Instant {
        self.mono + EVERY
    }

    /// Whether the machine slept since the last look.
    pub(super) fn slept(&mut self, wall: SystemTime, mono: Instant) -> bool {
        let awake = mono.saturating_duration_since(self.mono);
        // A clock that was set back says nothing about sleep.
        let passed = wall.duration_since(self.wall).unwrap_or_default();
        (self.wall, self.mono) = (wall, mono);
        passed > awake + TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sleep_counts() {
        let (wall, mono) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000), Instant::now());
        let s = Duration::from_secs;
        let mut watch = SleepWatch::new(wall, mono);
        assert_eq!(watch.next_look(), mono + EVERY);
        assert!(!watch.slept(wall + s(5), mono + s(5)));
        assert!(!watch.slept(wall + s(65), mono + s(65)), "a busy machine looks late");
        assert!(!watch.slept(wall + s(99), mono + s(70)), "a clock that is corrected a little");
        assert!(watch.slept(wall + s(3700), mono + s(75)), "an hour of sleep");
        assert!(!watch.slept(wall + s(3705), mono + s(80)), "it is told once");
        assert!(!watch.slept(wall, mono + s(85)), "a clock that was set back");
        assert!(!watch.slept(wall + s(5), mono + s(90)));
    }
}
