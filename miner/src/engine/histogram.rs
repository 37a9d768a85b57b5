//! How long things took, in fixed steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Upper bounds of the steps, inclusive, in seconds; the last step has none.
pub const BOUNDS_S: [f64; 14] =
    [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
/// Steps of a histogram.
pub const STEPS: usize = BOUNDS_S.len() + 1;

/// Durations by steps. What it counts of each step is in that step only; who wants them summed up, as Prometheus does,
/// takes [`Histogram::cumulative`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// How many fell into each step, the one without an upper bound last.
    pub counts: [u64; STEPS],
    /// All of them together, in seconds.
    pub sum_s: f64,
}

impl Histogram {
    /// Adds one.
    pub fn observe(&mut self, took: Duration) {
        self.counts[step(took)] += 1;
        self.sum_s += took.as_secs_f64();
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum_s += other.sum_s;
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Upper bounds in seconds with how many are not above; `+Inf` is left out, it is [`Histogram::count`].
    pub fn cumulative(&self) -> [(f64, u64); BOUNDS_S.len()] {
        let mut sum = 0;
        std::array::from_fn(|step| {
            sum += self.counts[step];
            (BOUNDS_S[step], sum)
        })
    }

    /// The time, in seconds, that this share of them (0 to 1) did not exceed; within a step as if they were spread
    /// evenly. `None` when there are none. Beyond the last bound it is that bound.
    pub fn quantile_s(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[allow(clippy::cast_precision_loss)]
        let rank = share.clamp(0.0, 1.0) * count as f64;
        let mut below = 0.0;
        for (step, number) in self.counts.iter().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let number = *number as f64;
            if number > 0.0 && below + number >= rank {
                let from_s = if step == 0 { 0.0 } else { BOUNDS_S[step - 1] };
                let Some(to_s) = BOUNDS_S.get(step) else { return Some(from_s) };
                return Some(from_s + (to_s - from_s) * ((rank - below) / number).clamp(0.0, 1.0));
            }
            below += number;
        }
        BOUNDS_S.last().copied()
    }
}

/// A histogram that one thread adds to while others read.
#[derive(Debug, Clone, Default)]
pub struct SharedHistogram(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    counts: [AtomicU64; STEPS],
    sum_ns: AtomicU64,
}

impl SharedHistogram {
    /// Adds one.
    pub fn observe(&self, took: Duration) {
        self.0.counts[step(took)].fetch_add(1, Ordering::Relaxed);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.sum_ns.fetch_add(took_ns, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn read(&self) -> Histogram {
        #[allow(clippy::cast_precision_loss)]
        let sum_s = self.0.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
        Histogram { counts: std::array::from_fn(|step| self.0.counts[step].load(Ordering::Relaxed)), sum_s }
    }
}

fn step(took: Duration) -> usize {
    let took_s = took.as_secs_f64();
    BOUNDS_S.partition_point(|bound_s| *bound_s < took_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(times_ms: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        times_ms.iter().for_each(|time_ms| histogram.observe(Duration::from_millis(*time_ms)));
        histogram
    }

    #[test]
    fn bounds_are_inclusive_as_those_of_prometheus() {
        let histogram = histogram(&[0, 1, 2, 3, 20_000, 20_001, 900_000]);
        assert_eq!(histogram.counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
        let cumulative = histogram.cumulative();
        assert_eq!((cumulative[0], cumulative[1], cumulative[13]), ((0.001, 2), (0.002, 3), (20.0, 5)));
        assert_eq!(histogram.count(), 7);
        assert!((histogram.sum_s - 940.007).abs() < 1e-9, "{}", histogram.sum_s);
    }

    #[test]
    fn quantiles_are_within_their_step() {
        assert_eq!(Histogram::default().quantile_s(0.5), None);
        let even = histogram(&[11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
        assert_eq!(even.quantile_s(0.5), Some(0.015));
        assert_eq!(even.quantile_s(1.0), Some(0.02));
        assert_eq!(even.quantile_s(0.0), Some(0.01));
        assert_eq!(histogram(&[60_000]).quantile_s(0.5), Some(20.0), "no more is known");
    }

    #[test]
    fn shared_and_merged_ones_hold_the_same() {
        let shared = SharedHistogram::default();
        for time_ms in [1, 40, 700] {
            shared.observe(Duration::from_millis(time_ms));
        }
        let mut merged = histogram(&[1]);
        merged.merge(&histogram(&[40, 700]));
        assert_eq!(shared.read().counts, merged.counts);
        assert!((shared.read().sum_s - merged.sum_s).abs() < 1e-9);
        // The sum of this one does not wrap around or panic.
        shared.observe(Duration::MAX);
        assert_eq!(shared.read().count(), 4);
    }
}
