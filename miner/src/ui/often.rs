//! What happens many times a second is told once in a while, with how often it happened.

use std::time::{Duration, Instant};

use rminer_stratum::Job;

/// One kind of thing that may happen often.
#[derive(Debug)]
pub(super) struct Often {
    every: Duration,
    at_once: u32,
    /// How many more may be told, and since when the next allowance grows.
    allowed: u32,
    since: Option<Instant>,
    untold: u64,
}

impl Often {
    /// Tells it once in `every` on average, up to `at_once` times in a row.
    pub(super) fn new(every: Duration, at_once: u32) -> Self {
        Self { every, at_once, allowed: at_once, since: None, untold: 0 }
    }

    /// It happened at `now`. When it is to be told: how many times it happened since it was told last, this time
    /// included. What is `news` is always told.
    pub(super) fn happened(&mut self, now: Instant, news: bool) -> Option<u64> {
        self.untold += 1;
        let mut since = *self.since.get_or_insert(now);
        while self.allowed < self.at_once && now.saturating_duration_since(since) >= self.every {
            self.allowed += 1;
            since += self.every;
        }
        // A full allowance does not grow.
        self.since = Some(if self.allowed == self.at_once { now } else { since });
        if self.allowed == 0 && !news {
            return None;
        }
        self.allowed = self.allowed.saturating_sub(1);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The job that was shown last.
#[derive(Debug, Default)]
pub(super) struct LastJob(Option<(usize, Option<u64>, u64)>);

impl LastJob {
    /// Whether pool, height or difficulty are others than before. A refreshed template is no news.
    pub(super) fn is_news(&mut self, job: &Job) -> bool {
        let news = (job.pool, job.height, job.target.difficulty().to_bits());
        self.0.replace(news) != Some(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_are_told_once_a_second() {
        let start = Instant::now();
        let mut often = Often::new(Duration::from_secs(1), 1);
        let told: Vec<u64> = (0..40)
            .filter_map(|tenth| often.happened(start + Duration::from_millis(100) * tenth, tenth == 25))
            .collect();
        assert_eq!(told, [1, 10, 10, 5, 5], "at 0, 1 s, 2 s, with the news at 2.5 s, and 3 s");
    }

    #[test]
    fn a_few_in_a_row_are_told_at_once() {
        let start = Instant::now();
        let mut often = Often::new(Duration::from_secs(1), 3);
        let mut told = |ms| often.happened(start + Duration::from_millis(ms), false);
        assert_eq!([told(0), told(1), told(2), told(3)], [Some(1), Some(1), Some(1), None]);
        assert_eq!([told(1000), told(1001)], [Some(2), None]);
        // A long silence allows no more than at the start.
        assert_eq!(
            [told(90_000), told(90_000), told(90_001), told(90_002)],
            [Some(2), Some(1), Some(1), None]
        );
    }
}
