//! Hash rates from real hash counts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::histogram::{Histogram, SharedHistogram};

/// Longest window; samples older than this are forgotten.
const LONGEST: Duration = Duration::from_secs(900);
/// Samples that are kept: one a second over the longest window and a few to spare.
const MAX_SAMPLES: usize = 910;

/// What a worker has done since it started. The worker adds, others read.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    hashes: Arc<AtomicU64>,
    new_work: SharedHistogram,
}

impl Meter {
    /// Counts hashes that are done.
    pub fn add(&self, hashes: u64) {
        self.hashes.fetch_add(hashes, Ordering::Relaxed);
    }

    /// All hashes so far.
    pub fn total(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    /// The first hash of a new job begins, this long after the job was received.
    pub fn begins_job(&self, since_received: Duration) {
        self.new_work.observe(since_received);
    }

    /// Times from a job's arrival to its first hash.
    pub fn new_work(&self) -> Histogram {
        self.new_work.read()
    }
}

/// Rates in hashes per second; `None` until a window has seen anything.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Over the last 10 seconds.
    pub s10_hs: Option<f64>,
    /// Over the last 60 seconds.
    pub s60_hs: Option<f64>,
    /// Over the last 15 minutes.
    pub m15_hs: Option<f64>,
    /// Best 10-second rate.
    pub best_hs: Option<f64>,
}

/// Turns totals, sampled about once a second, into rates.
#[derive(Debug, Default)]
pub struct Windows {
    samples: VecDeque<(Instant, u64)>,
    best_hs: Option<f64>,
}

impl Windows {
    /// Notes the total at a time; times must not go back.
    pub fn sample(&mut self, now: Instant, total: u64) {
        let old = |at: Instant| now.saturating_duration_since(at) > LONGEST;
        // One sample beyond the window stays, as its left edge.
        while self.samples.len() >= MAX_SAMPLES || self.samples.get(1).is_some_and(|(at, _)| old(*at)) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, total));
        let full = self
            .samples
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= Duration::from_secs(10));
        if let Some(rate_hs) = self.rate(Duration::from_secs(10)).filter(|_| full) {
            self.best_hs = Some(self.best_hs.map_or(rate_hs, |best_hs| best_hs.max(rate_hs)));
        }
    }

    /// Forgets all samples. Getting ready for the first hash, such as a dataset, is not slow hashing: as long as nothing
    /// has hashed, all windows of an engine begin anew together, so that rates of its workers add up.
    pub fn begin(&mut self) {
        self.samples.clear();
    }

    /// Rates up to the newest sample. A window that is not full yet is taken as long as it is.
    pub fn rates(&self) -> Rates {
        Rates {
            s10_hs: self.rate(Duration::from_secs(10)),
            s60_hs: self.rate(Duration::from_secs(60)),
            m15_hs: self.rate(LONGEST),
            best_hs: self.best_hs,
        }
    }

    fn rate(&self, window: Duration) -> Option<f64> {
        let (now, total) = self.samples.back()?;
        let inside = self.samples.partition_point(|(at, _)| now.saturating_duration_since(*at) > window);
        let (since, before) = self.samples.get(inside)?;
        let seconds = now.saturating_duration_since(*since).as_secs_f64();
        #[allow(clippy::cast_precision_loss)]
        (seconds > 0.0).then(|| total.saturating_sub(*before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_a_change_of_speed() {
        let start = Instant::now();
        let mut windows = Windows::default();
        let mut total = 0;
        for second in 0..=1000u64 {
            windows.sample(start + Duration::from_secs(second), total);
            total += if second < 990 { 100 } else { 200 };
        }
        let rates = windows.rates();
        assert_eq!(rates.s10_hs, Some(200.0));
        assert_eq!(rates.s60_hs, Some((50.0 * 100.0 + 10.0 * 200.0) / 60.0));
        assert_eq!(rates.m15_hs, Some((890.0 * 100.0 + 10.0 * 200.0) / 900.0));
        assert_eq!(rates.best_hs, Some(200.0));
        assert!(windows.samples.len() <= MAX_SAMPLES);
    }

    #[test]
    fn young_windows_are_as_long_as_they_are() {
        let start = Instant::now();
        let mut windows = Windows::default();
        assert_eq!(windows.rates(), Rates::default());
        windows.sample(start, 0);
        assert_eq!(windows.rates(), Rates::default());
        windows.sample(start + Duration::from_secs(2), 100);
        assert_eq!(windows.rates().m15_hs, Some(50.0));
        assert_eq!(windows.rates().best_hs, None, "two seconds say little about the best");
    }

    #[test]
    fn the_time_before_the_first_hash_does_not_count() {
        let start = Instant::now();
        let mut windows = Windows::default();
        for second in 0..30u64 {
            windows.begin();
            windows.sample(start + Duration::from_secs(second), 0);
            assert_eq!(windows.rates(), Rates::default());
        }
        for second in 30..39u64 {
            windows.sample(start + Duration::from_secs(second), (second - 29) * 100);
        }
        assert_eq!((windows.rates().m15_hs, windows.rates().best_hs), (Some(100.0), None));
        windows.sample(start + Duration::from_secs(39), 1000);
        assert_eq!(windows.rates().best_hs, Some(100.0));
    }

    #[test]
    fn crowded_samples_stay_bounded() {
        let start = Instant::now();
        let mut windows = Windows::default();
        for step in 0..5000u64 {
            windows.sample(start + Duration::from_millis(step), step);
        }
        assert_eq!(windows.samples.len(), MAX_SAMPLES);
    }
}
