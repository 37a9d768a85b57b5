//! A word about clocks that disagree. Jobs are mined with the pool's time in any case, and no clock is ever set by it.

use std::time::Duration;

use rminer_algos::Template;
use rminer_stratum::Job;

use super::duration;
use crate::clock::unix_seconds;
use crate::problem::Problem;

/// Nodes refuse blocks from further ahead than this.
const BEARABLE_S: f64 = 7200.0;

/// Tells once of a job whose time is hours from this machine's.
#[derive(Debug, Default)]
pub(super) struct OtherTime {
    told: bool,
}

impl OtherTime {
    /// What to say about this job, if anything.
    pub(super) fn of(&mut self, job: &Job) -> Option<Problem> {
        let Template::Header(header) = &job.template else { return None };
        let problem = compare(f64::from(header.time), unix_seconds()).filter(|_| !self.told)?;
        self.told = true;
        Some(problem.fact(format!("pool {}; its jobs are mined with its time", job.pool + 1)))
    }
}

fn compare(theirs_s: f64, ours_s: f64) -> Option<Problem> {
    let ahead_s = theirs_s - ours_s;
    if ahead_s.abs() <= BEARABLE_S {
        return None;
    }
    let apart = duration(Duration::from_secs_f64(ahead_s.abs()));
    let way = if ahead_s > 0.0 { "ahead of" } else { "behind" };
    let summary = format!("the pool's time is {apart} {way} this machine's");
    Some(Problem::warning("pool-time", summary).help(
        "look at the clock of this machine; if it is right, blocks of this pool may be refused by the network",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hours_are_borne() {
        let now_s = 1.8e9;
        assert!(compare(now_s + 7200.0, now_s).is_none() && compare(now_s - 7200.0, now_s).is_none());
        let ahead = compare(now_s + 7201.0, now_s).unwrap();
        assert_eq!(ahead.summary, "the pool's time is 2 h 0 min ahead of this machine's");
        let behind = compare(0.0, now_s).unwrap();
        assert!(behind.summary.ends_with("years behind this machine's"), "{}", behind.summary);
    }
}
