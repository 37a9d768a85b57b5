//! Rates of whole seconds and how far they lie apart.

use std::time::{Duration, Instant};

const SLICE: Duration = Duration::from_secs(1);

/// Slices that are kept; a bench that takes longer is judged by its first day.
const MAX_SLICES: usize = 86_400;

/// Fewer slices say nothing about a spread.
const MIN_SLICES: usize = 5;

/// Counts that are looked at now and then, turned into one rate for each second.
pub(super) struct Slices {
    since: Instant,
    hashes: u64,
    rates_hs: Vec<f64>,
}

impl Slices {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, hashes: 0, rates_hs: Vec::new() }
    }

    /// Goes on with another run, which counts its hashes from 0.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.since, self.hashes) = (now, 0);
    }

    /// Takes the number of all hashes so far; gives the rate when a slice is over.
    pub(super) fn add(&mut self, now: Instant, hashes: u64) -> Option<f64> {
        let time = now.duration_since(self.since);
        if time < SLICE {
            return None;
        }
        let rate_hs = (hashes - self.hashes) as f64 / time.as_secs_f64();
        (self.since, self.hashes) = (now, hashes);
        if self.rates_hs.len() < MAX_SLICES {
            self.rates_hs.push(rate_hs);
        }
        Some(rate_hs)
    }

    /// Half the distance between the tenth percentiles at both ends, in percent of the median.
    pub(super) fn spread_percent(&self) -> Option<f64> {
        let mut rates = self.rates_hs.clone();
        if rates.len() < MIN_SLICES {
            return None;
        }
        rates.sort_by(f64::total_cmp);
        let at = |tenths: usize| rates.get((rates.len() - 1) * tenths / 10).copied().unwrap_or(0.0);
        let median = at(5);
        (median > 0.0).then(|| (at(9) - at(1)) / 2.0 / median * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_whole_seconds() {
        let start = Instant::now();
        let mut slices = Slices::new(start);
        assert_eq!(slices.add(start + Duration::from_millis(999), 50), None);
        assert_eq!(slices.add(start + Duration::from_secs(2), 100), Some(50.0));
        assert_eq!(slices.add(start + Duration::from_secs(3), 160), Some(60.0));
        assert_eq!(slices.spread_percent(), None, "two slices are no spread");
    }

    #[test]
    fn the_spread_leaves_out_the_ends() {
        let start = Instant::now();
        let mut slices = Slices::new(start);
        let mut hashes = 0;
        for (second, rate) in [90, 100, 100, 100, 100, 100, 100, 100, 100, 110, 5000].into_iter().enumerate()
        {
            hashes += rate;
            slices.add(start + Duration::from_secs(1 + second as u64), hashes);
        }
        assert_eq!(slices.spread_percent(), Some(5.0));
        assert_eq!(Slices { rates_hs: vec![0.0; 9], ..slices }.spread_percent(), None);
    }
}
