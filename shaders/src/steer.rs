//! How many hashes a slice takes, so that it lasts as long as wanted.

use std::time::Duration;

/// Longest slice. A dispatch cannot be recalled, and Windows resets a card that does not answer for two seconds.
pub(crate) const MAX_SLICE: Duration = Duration::from_millis(500);
/// Hashes of the first slice, before anything is known.
const FIRST: u64 = 1 << 16;
/// Most hashes of a slice.
const MOST: u64 = 1 << 31;
/// A slice may become this many times larger from one to the next.
const GROWTH: f64 = 4.0;
/// Weight of the newest measurement.
const WEIGHT: f64 = 0.3;

/// Turns seen durations into the next number of hashes.
#[derive(Debug, Clone)]
pub(crate) struct Steer {
    wanted: Duration,
    hashes: u64,
    /// Hashes in a second.
    rate: Option<f64>,
}

impl Steer {
    pub(crate) fn new(wanted: Duration) -> Self {
        Self { wanted: wanted.clamp(Duration::from_millis(1), MAX_SLICE), hashes: FIRST, rate: None }
    }

    /// Hashes of the next slice.
    pub(crate) fn hashes(&self) -> u64 {
        self.hashes
    }

    /// Notes what a slice took.
    pub(crate) fn note(&mut self, hashes: u64, took: Duration) {
        // Clocks of devices have steps; less than one of them says nothing.
        let seconds = took.as_secs_f64().max(1e-6);
        let seen = to_float(hashes) / seconds;
        let rate = match self.rate {
            // A slower pace is believed at once: slices that are too long keep new work waiting.
            Some(rate) if seen > rate / 2.0 => rate + WEIGHT * (seen - rate),
            _ => seen,
        };
        self.rate = Some(rate);
        let next = (rate * self.wanted.as_secs_f64()).min(to_float(self.hashes) * GROWTH);
        self.hashes = to_hashes(next);
    }
}

#[allow(clippy::cast_precision_loss, reason = "a count that was measured to a few digits")]
fn to_float(hashes: u64) -> f64 {
    hashes as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type"
)]
fn to_hashes(hashes: f64) -> u64 {
    hashes.clamp(1.0, to_float(MOST)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(steer: &mut Steer, rate: f64, slices: usize) -> Vec<f64> {
        (0..slices)
            .map(|_| {
                let seconds = to_float(steer.hashes()) / rate;
                steer.note(steer.hashes(), Duration::from_secs_f64(seconds));
                seconds
            })
            .collect()
    }

    #[test]
    fn slices_grow_to_the_wanted_time_and_stay_there() {
        for rate in [2e7, 8e9] {
            let mut steer = Steer::new(Duration::from_millis(20));
            let seconds = settle(&mut steer, rate, 40);
            assert!(seconds.iter().all(|seconds| *seconds < 0.021), "{seconds:?}");
            assert!(seconds[30] > 0.0195, "{seconds:?}");
        }
    }

    #[test]
    fn a_device_that_slows_down_gets_less_at_once() {
        let mut steer = Steer::new(Duration::from_millis(20));
        settle(&mut steer, 1e8, 40);
        let seconds = settle(&mut steer, 1e7, 2);
        assert!(seconds[0] > 0.15 && seconds[1] < 0.025, "{seconds:?}");
    }

    #[test]
    fn nothing_leaves_the_bounds() {
        let mut steer = Steer::new(Duration::from_secs(100));
        assert_eq!(steer.wanted, MAX_SLICE);
        for _ in 0..100 {
            steer.note(steer.hashes(), Duration::ZERO);
        }
        assert_eq!(steer.hashes(), MOST);
        steer.note(1, Duration::from_secs(3600));
        assert_eq!(steer.hashes(), 1);
    }
}
