//! Times by rank.

use std::time::Duration;

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
    }
}
