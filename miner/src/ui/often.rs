//! What happens many times a second is told once in a while, with how often it happened.

use std::time::{Duration, Instant};

use rminer_stratum::Job;

/// One kind of thing that may happen often.
#[derive(Debug)]
pub(super) struct Often {
    every: Duration,
    told: Option<Instant>,
    untold: u64,
}

impl Often {
    /// Tells it at most once in `every`.
    pub(super) fn new(every: Duration) -> Self {
        Self { every, told: None, untold: 0 }
    }

    /// It happened at `now`. When it is to be told: how many times it happened since it was told last, this time
    /// included. What is `news` is always told.
    pub(super) fn happened(&mut self, now: Instant, news: bool) -> Option<u64> {
        self.untold += 1;
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= self.every);
        if !due && !news {
            return None;
        }
        self.told = Some(now);
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
        let mut often = Often::new(Duration::from_secs(1));
        let told: Vec<u64> = (0..40)
            .filter_map(|tenth| often.happened(start + Duration::from_millis(100) * tenth, tenth == 25))
            .collect();
        assert_eq!(told, [1, 10, 10, 5, 10], "at 0, 1 s, 2 s, with the news at 2.5 s, and 3.5 s");
    }
}
