//! How much of its time a device may hash.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Share of the time that a device may hash, in thousandths: 0 is a pause, 1000 all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Duty(u16);

impl Duty {
    /// No hash at all.
    pub const PAUSE: Self = Self(0);
    /// All of the time.
    pub const FULL: Self = Self(1000);

    /// So many thousandths, at most all.
    pub fn from_permille(permille: u16) -> Self {
        Self(permille.min(1000))
    }

    /// From 0 to 1, rounded to thousandths.
    pub fn from_ratio(ratio: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
        Self((ratio * 1000.0).round().clamp(0.0, 1000.0) as u16)
    }

    /// In thousandths.
    pub fn permille(self) -> u16 {
        self.0
    }

    /// From 0 to 1.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl Default for Duty {
    fn default() -> Self {
        Self::FULL
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("paused"),
            permille => write!(f, "{}.{} %", permille / 10, permille % 10),
        }
    }
}

/// What the engine sets and the workers of a device obey.
#[derive(Debug, Clone)]
pub struct Throttle(Arc<AtomicU16>);

impl Default for Throttle {
    fn default() -> Self {
        Self(Arc::new(AtomicU16::new(Duty::FULL.0)))
    }
}

/// Longest rest after a slice; a device at one thousandth would never be heard of otherwise.
const LONGEST_REST: Duration = Duration::from_secs(20);

impl Throttle {
    /// Holds from the next slice on.
    pub fn set(&self, duty: Duty) {
        self.0.store(duty.0, Ordering::Relaxed);
    }

    /// What holds.
    pub fn duty(&self) -> Duty {
        Duty(self.0.load(Ordering::Relaxed))
    }

    /// Whether nothing may be hashed. Cheap enough for every hash.
    pub fn is_paused(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Duty::PAUSE.0
    }

    /// How long to rest after a slice that took so long.
    pub fn rest_after(&self, slice: Duration) -> Duration {
        match self.duty().0 {
            1000.. => Duration::ZERO,
            0 => LONGEST_REST,
            duty => (slice * u32::from(1000 - duty) / u32::from(duty)).min(LONGEST_REST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_make_the_duty() {
        let throttle = Throttle::default();
        let slice = Duration::from_millis(20);
        assert_eq!(throttle.rest_after(slice), Duration::ZERO);
        throttle.set(Duty::from_permille(250));
        assert_eq!(throttle.rest_after(slice), Duration::from_millis(60));
        throttle.set(Duty::from_permille(1));
        assert_eq!(throttle.rest_after(slice), Duration::from_millis(999 * 20));
        assert_eq!(throttle.rest_after(2 * slice), LONGEST_REST);
        assert!(!throttle.is_paused());
        throttle.set(Duty::PAUSE);
        assert!(throttle.is_paused());
        assert_eq!(Duty::from_permille(2000), Duty::FULL);
        assert_eq!(
            (Duty::from_permille(255).to_string(), Duty::PAUSE.to_string()),
            ("25.5 %".into(), "paused".into())
        );
    }
}
