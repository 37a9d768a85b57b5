//! How long things took, kept small: a histogram whose steps are an eighth of an octave.

use std::time::Duration;

const STEPS_PER_OCTAVE: f64 = 8.0;
/// Up to 2^32 microseconds, more than an hour.
const STEPS: usize = 256;

/// Durations from a microsecond up, to within a tenth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS], longest: Duration::ZERO }
    }
}

impl Histogram {
    /// Adds one.
    pub fn note(&mut self, duration: Duration) {
        if let Some(count) = self.counts.get_mut(step(duration)) {
            *count += 1;
        }
        self.longest = self.longest.max(duration);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest, exactly.
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// At most this long were `percent` of all; up to a tenth above the truth. `None` without any.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let wanted = (self.count() * u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(upper(step).min(self.longest))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the number of steps")]
fn step(duration: Duration) -> usize {
    let microseconds = (duration.as_secs_f64() * 1e6).max(1.0);
    ((microseconds.log2() * STEPS_PER_OCTAVE) as usize).min(STEPS - 1)
}

#[allow(clippy::cast_precision_loss, reason = "there are few steps")]
fn upper(step: usize) -> Duration {
    Duration::from_secs_f64(((step + 1) as f64 / STEPS_PER_OCTAVE).exp2() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_and_never_below() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for milliseconds in 1..=1000 {
            histogram.note(Duration::from_millis(milliseconds));
        }
        for (percent, truth) in [(1, 10), (50, 500), (99, 990), (100, 1000)] {
            let found = histogram.percentile(percent).unwrap().as_secs_f64() * 1e3;
            assert!(found >= f64::from(truth) && found < f64::from(truth) * 1.1, "{percent}: {found}");
        }
        histogram.note(Duration::from_secs(100_000));
        histogram.note(Duration::ZERO);
        assert_eq!((histogram.count(), histogram.longest()), (1002, Duration::from_secs(100_000)));
    }
}
