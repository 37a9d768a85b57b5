//! Why a share came too late. Known are the times at which jobs arrived, when the share was sent and when the pool
//! answered; the pool tells no more than "stale".

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rminer_stratum::{Job, JobKey, NotSent, Reject, Settled, ShareId, Supersede, Verdict};
use serde::Serialize;

use crate::engine::{BOUNDS_S, Histogram};

/// Jobs of a pool whose arrival is remembered: 25 seconds at ten a second, longer than a pool has to answer.
pub const MAX_JOBS: usize = 256;
/// Stale shares that wait for a job which explains them.
pub const MAX_UNDECIDED: usize = 64;
/// Answers before it is known what is slow for a pool.
const ENOUGH_ANSWERS: u64 = 20;
/// A job that arrives so long after a verdict explains it, where the pool's usual time is not known.
const SHORT_AFTER: Duration = Duration::from_millis(200);

/// Why a share was stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaleCause {
    /// A newer job had arrived before the share was sent: this machine was slow, or the share was found in the
    /// moment of the change.
    Replaced,
    /// The newer job and the share passed each other on the way.
    InFlight,
    /// The pool took longer for its answer than for 95 of 100 others.
    PoolSlow,
    /// No newer job explains it.
    Unknown,
}

impl StaleCause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Replaced, Self::InFlight, Self::PoolSlow, Self::Unknown];

    /// Its name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::InFlight => "in-flight",
            Self::PoolSlow => "pool-slow",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of a stale share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stale {
    /// Why.
    pub cause: StaleCause,
    /// From the arrival of the newer job to the sending of the share, in milliseconds; negative when the job came
    /// after. `None` when no newer job is known.
    pub replaced_ms: Option<f64>,
}

impl Stale {
    /// For people: `job was replaced 61 ms before the submit`.
    pub fn text(&self) -> String {
        let what = match self.replaced_ms {
            Some(ms) if ms >= 0.0 => format!("job was replaced {ms:.0} ms before the submit"),
            Some(ms) => format!("job was replaced {:.0} ms after the submit", -ms),
            None => "no newer job is known".to_owned(),
        };
        match self.cause {
            StaleCause::PoolSlow => format!("{what}; the pool answered later than usual"),
            StaleCause::Replaced | StaleCause::InFlight | StaleCause::Unknown => what,
        }
    }
}

/// Finds the causes of stale shares.
#[derive(Debug, Default)]
pub struct Causes {
    /// By the pool's index; the settings bound their number.
    pools: BTreeMap<usize, Known>,
}

#[derive(Debug, Default)]
struct Known {
    jobs: VecDeque<(JobKey, Instant, Supersede)>,
    answers: Histogram,
    undecided: VecDeque<Undecided>,
}

#[derive(Debug)]
struct Undecided {
    id: ShareId,
    job: JobKey,
    sent: Instant,
    settled: Instant,
}

impl Causes {
    /// A job has arrived; shares whose cause is known now.
    pub fn job(&mut self, job: &Job) -> Vec<(ShareId, Stale)> {
        let known = self.pools.entry(job.pool).or_default();
        if known.jobs.len() == MAX_JOBS {
            known.jobs.pop_front();
        }
        known.jobs.push_back((job.key, job.received, job.supersede));
        let patience = known.usual().unwrap_or(SHORT_AFTER).max(SHORT_AFTER);
        let mut explained = Vec::new();
        known.undecided.retain(|share| {
            let after = job.received.saturating_duration_since(share.settled);
            let is_newer = job.key.session == share.job.session && job.key.seq > share.job.seq;
            if after <= patience && is_newer {
                let replaced_ms = Some(signed_ms(job.received, share.sent));
                explained.push((share.id, Stale { cause: StaleCause::InFlight, replaced_ms }));
            }
            after <= patience && !is_newer
        });
        explained
    }

    /// A share was settled; when it was stale, why, as far as is known now.
    pub fn settled(&mut self, settled: &Settled) -> Option<Stale> {
        let row = &settled.row;
        let known = self.pools.entry(row.pool).or_default();
        let usual = known.usual();
        if let Some(answer) = settled.answer {
            known.answers.observe(answer);
        }
        if !is_stale(&settled.verdict) {
            return None;
        }
        let sent = row.sent.unwrap_or(row.found);
        let newer = known.replacement(row.job);
        let replaced_ms = newer.map(|newer| signed_ms(newer, sent));
        let answer = settled.answer.unwrap_or_default();
        let is_slow = usual.is_some_and(|usual| answer > usual);
        let cause = match newer {
            Some(newer) if newer <= sent => StaleCause::Replaced,
            // It would have been in time with a usual answer.
            Some(newer) if is_slow && usual.is_some_and(|usual| newer > sent + usual) => StaleCause::PoolSlow,
            Some(newer) if newer <= sent + answer => StaleCause::InFlight,
            _ if matches!(settled.verdict, Verdict::NotSent(_)) => StaleCause::Unknown,
            _ if is_slow => StaleCause::PoolSlow,
            // The pool may know of a job that is still on its way to us.
            _ => {
                if known.undecided.len() == MAX_UNDECIDED {
                    known.undecided.pop_front();
                }
                let undecided = Undecided { id: settled.id, job: row.job, sent, settled: sent + answer };
                known.undecided.push_back(undecided);
                StaleCause::Unknown
            }
        };
        Some(Stale { cause, replaced_ms })
    }
}

impl Known {
    /// Time within which 95 of 100 answers come, up to the bound of its step: a pool that always takes as long as
    /// the others of the step is not slow.
    fn usual(&self) -> Option<Duration> {
        let enough = self.answers.count() >= ENOUGH_ANSWERS;
        let p95_s = self.answers.quantile_s(0.95).filter(|_| enough)?;
        BOUNDS_S.into_iter().find(|bound_s| *bound_s >= p95_s).map(Duration::from_secs_f64)
    }

    /// When the job that took this one's place arrived: the first that made it worthless, else the first after it.
    fn replacement(&self, job: JobKey) -> Option<Instant> {
        let newer = || self.jobs.iter().filter(|(key, ..)| key.session == job.session && key.seq > job.seq);
        let discards = newer().find(|(.., supersede)| *supersede == Supersede::Discard);
        discards.or_else(|| newer().next()).map(|(_, received, _)| *received)
    }
}

/// Refused as stale by the pool, or not sent since its job was gone.
fn is_stale(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Rejected { kind: Reject::Stale, .. } | Verdict::NotSent(NotSent::Stale))
}

/// From one time to the other, in milliseconds.
fn signed_ms(from: Instant, to: Instant) -> f64 {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    if to >= from { ms(to - from) } else { -ms(from - to) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::samples::{job, settled, stale};

    const fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// A share of job 1 that is sent after a second and answered `answer_ms` later.
    fn late_share(start: Instant, answer_ms: u64) -> Settled {
        stale(1, start + ms(1000), ms(answer_ms))
    }

    /// Jobs 1, 2, … that arrive at these times.
    fn known(start: Instant, arrivals_ms: &[u64]) -> Causes {
        let mut causes = Causes::default();
        for (seq, arrival_ms) in (1..).zip(arrivals_ms) {
            assert_eq!(causes.job(&job(seq, start + ms(*arrival_ms), Supersede::Discard)), []);
        }
        causes
    }

    fn cause(causes: &mut Causes, settled: &Settled) -> (StaleCause, Option<i64>) {
        let stale = causes.settled(settled).unwrap();
        #[allow(clippy::cast_possible_truncation)]
        (stale.cause, stale.replaced_ms.map(|ms| ms.round() as i64))
    }

    #[test]
    fn the_time_of_the_newer_job_decides() {
        let start = Instant::now();
        let of = |arrivals_ms: &[u64]| cause(&mut known(start, arrivals_ms), &late_share(start, 40));
        assert_eq!(of(&[0, 939]), (StaleCause::Replaced, Some(61)));
        assert_eq!(of(&[0, 1000]), (StaleCause::Replaced, Some(0)));
        assert_eq!(of(&[0, 1020]), (StaleCause::InFlight, Some(-20)));
        assert_eq!(of(&[0]), (StaleCause::Unknown, None));
        assert_eq!(of(&[]), (StaleCause::Unknown, None));
        let accepted = settled(1, 1, Verdict::Accepted, start, ms(40));
        assert_eq!(known(start, &[0, 5]).settled(&accepted), None);
    }

    #[test]
    fn slow_pools_are_named_when_enough_is_known_of_them() {
        let start = Instant::now();
        let mut causes = known(start, &[0]);
        assert_eq!(cause(&mut causes, &late_share(start, 900)).0, StaleCause::Unknown);
        for id in 0..40 {
            causes.settled(&settled(id, 1, Verdict::Accepted, start, ms(30)));
        }
        assert_eq!(cause(&mut causes, &late_share(start, 900)), (StaleCause::PoolSlow, None));
        causes.job(&job(2, start + ms(1800), Supersede::Discard));
        let slow = causes.settled(&late_share(start, 900)).unwrap();
        assert_eq!(slow.cause, StaleCause::PoolSlow);
        assert_eq!(
            slow.text(),
            "job was replaced 800 ms after the submit; the pool answered later than usual"
        );
        // A job that came soon after the submit would have made it stale with any answer.
        let mut causes = known(start, &[0, 1010]);
        for id in 0..40 {
            causes.settled(&settled(id, 1, Verdict::Accepted, start, ms(30)));
        }
        assert_eq!(cause(&mut causes, &late_share(start, 900)).0, StaleCause::InFlight);
    }

    #[test]
    fn a_job_soon_after_the_verdict_explains_it() {
        let start = Instant::now();
        let mut causes = known(start, &[0]);
        let first = late_share(start, 40);
        assert_eq!(cause(&mut causes, &first).0, StaleCause::Unknown);
        let explained = causes.job(&job(2, start + ms(1050), Supersede::Discard));
        assert_eq!(explained.len(), 1);
        assert_eq!((explained[0].0, explained[0].1.cause), (first.id, StaleCause::InFlight));
        assert_eq!(explained[0].1.text(), "job was replaced 50 ms after the submit");
        // One that comes long after does not.
        let mut causes = known(start, &[0]);
        causes.settled(&first);
        assert_eq!(causes.job(&job(2, start + ms(3000), Supersede::Discard)), []);
        assert!(causes.pools[&0].undecided.is_empty());
    }

    #[test]
    fn what_only_improves_a_job_does_not_replace_it() {
        let start = Instant::now();
        let mut causes = known(start, &[0]);
        causes.job(&job(2, start + ms(500), Supersede::Prefer));
        causes.job(&job(3, start + ms(900), Supersede::Discard));
        assert_eq!(cause(&mut causes, &late_share(start, 40)), (StaleCause::Replaced, Some(100)));
        // Where no job ever discards, the next one counts.
        let mut causes = known(start, &[0]);
        causes.job(&job(2, start + ms(500), Supersede::Prefer));
        assert_eq!(cause(&mut causes, &late_share(start, 40)), (StaleCause::Replaced, Some(500)));
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut causes = Causes::default();
        for seq in 1..=MAX_JOBS as u64 + 50 {
            causes.job(&job(seq, start, Supersede::Prefer));
        }
        for id in 0..MAX_UNDECIDED as u64 + 9 {
            let mut late = stale(10_000, start, ms(1));
            late.id = ShareId(id);
            causes.settled(&late);
        }
        let known = &causes.pools[&0];
        assert_eq!((known.jobs.len(), known.undecided.len()), (MAX_JOBS, MAX_UNDECIDED));
    }
}
