//! Times by rank.

use std::time::Duration;

use serde::Serialize;

/// Times that are kept; a longer bench is judged by the first of them.
const MAX_TIMES: usize = 1 << 20;

/// Times of one kind of event.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        if self.0.len() < MAX_TIMES {
            self.0.push(time);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// In milliseconds, the time that this share of all times (from 0 to 100 percent) does not exceed.
    pub(super) fn percentile_ms(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).map(|time| time.as_secs_f64() * 1000.0)
    }

    /// Steps of which each goes twice as far as the one before, without the empty ones at both ends.
    pub(super) fn histogram(&self) -> Vec<Bucket> {
        const FIRST_MS: f64 = 0.125;
        const STEPS: i32 = 24;
        let buckets = (0..STEPS).scan(0.0, |from_ms, step| {
            let up_to_ms = FIRST_MS * 2f64.powi(step);
            let inside = |time: &&Duration| {
                let ms = time.as_secs_f64() * 1000.0;
                (*from_ms < ms || step == 0) && (ms <= up_to_ms || step == STEPS - 1)
            };
            let bucket = Bucket { up_to_ms, times: self.0.iter().filter(inside).count() };
            *from_ms = up_to_ms;
            Some(bucket)
        });
        let mut buckets: Vec<_> = buckets.skip_while(|bucket| bucket.times == 0).collect();
        while buckets.pop_if(|bucket| bucket.times == 0).is_some() {}
        buckets
    }
}

/// One step of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Longest time that belongs to it, in milliseconds; those of the step before do not.
    pub up_to_ms: f64,
    /// How many there were.
    pub times: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let mut times = Times::default();
        assert_eq!(times.percentile_ms(50), None);
        (1..=200).rev().for_each(|ms| times.add(Duration::from_millis(ms)));
        assert_eq!(times.percentile_ms(0), Some(1.0));
        assert_eq!(times.percentile_ms(50), Some(100.0));
        assert_eq!(times.percentile_ms(99), Some(198.0));
        assert_eq!(times.percentile_ms(100), Some(200.0));
        assert_eq!(times.len(), 200);
        let steps: Vec<_> = times.histogram().iter().map(|step| (step.up_to_ms, step.times)).collect();
        assert_eq!(
            steps,
            [
                (1.0, 1),
                (2.0, 1),
                (4.0, 2),
                (8.0, 4),
                (16.0, 8),
                (32.0, 16),
                (64.0, 32),
                (128.0, 64),
                (256.0, 72)
            ]
        );
        times.add(Duration::ZERO);
        times.add(Duration::from_secs(1_000_000));
        assert_eq!(times.histogram().iter().map(|step| step.times).sum::<usize>(), 202);
        assert_eq!(Times::default().histogram(), []);
    }
}
