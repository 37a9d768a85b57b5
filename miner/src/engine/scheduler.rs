//! What the workers mine now. Pure: jobs, pauses and reports in, assignments out.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rminer_algos::{TemplateKey, Work};
use rminer_stratum::Job;

use super::cursor::{Cursors, KEPT, Lease};

/// A piece of work as workers get it.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The job that it belongs to.
    pub job: Arc<Job>,
    /// Roll of the job's template.
    pub roll: u64,
    /// What is hashed.
    pub work: Arc<Work>,
    /// Where the counters come from.
    pub lease: Arc<Lease>,
}

/// Decides what is mined: the latest job, unless something pauses the miner.
#[derive(Debug, Default)]
pub struct Scheduler {
    cursors: Cursors,
    job: Option<Arc<Job>>,
    roll: u64,
    /// How far templates of late were rolled, by their content; most recent last. A pool that repeats a job
    /// must not have it mined from its first roll again.
    rolls: VecDeque<(TemplateKey, u64)>,
    current: Option<Arc<Assignment>>,
    pauses: BTreeSet<&'static str>,
}

impl Scheduler {
    /// A new job replaces the old one at once.
    pub fn job(&mut self, job: Arc<Job>) -> Option<Arc<Assignment>> {
        self.keep_roll();
        let key = job.template.key();
        let known = self.rolls.iter().find(|(known, _)| *known == key);
        self.roll = known.map_or(0, |(_, roll)| *roll);
        self.job = Some(job);
        self.assign()
    }

    /// There is nothing to mine any more.
    pub fn no_job(&mut self) {
        self.keep_roll();
        self.job = None;
        self.current = None;
    }

    /// A worker found the lease of `assignment` empty. Gives the next roll of the same job, or `None` when the
    /// template has no more: then workers idle until a new job rather than repeat a nonce. A report about
    /// anything but the current assignment changes nothing.
    pub fn exhausted(&mut self, assignment: &Arc<Assignment>) -> Option<Arc<Assignment>> {
        let current = self.current.as_ref()?;
        if !Arc::ptr_eq(current, assignment) || !current.lease.is_exhausted() {
            return self.current.clone();
        }
        self.roll += 1;
        let next = self.assign();
        if next.is_none() {
            // The last roll stays the position, whose empty lease says so again should the job be repeated.
            self.roll -= 1;
        }
        next
    }

    /// Stops mining for `reason` until [`Scheduler::resume`] with the same reason.
    pub fn pause(&mut self, reason: &'static str) {
        self.pauses.insert(reason);
        self.current = None;
    }

    /// Takes one reason to pause away; mining goes on when none is left.
    pub fn resume(&mut self, reason: &'static str) -> Option<Arc<Assignment>> {
        self.pauses.remove(reason);
        self.assign()
    }

    /// Why nothing is mined although there may be a job.
    pub fn pauses(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.pauses.iter().copied()
    }

    /// What is mined now.
    pub fn current(&self) -> Option<&Arc<Assignment>> {
        self.current.as_ref()
    }

    /// The newest job, mined or not.
    pub fn newest(&self) -> Option<&Arc<Job>> {
        self.job.as_ref()
    }

    fn keep_roll(&mut self) {
        let Some(job) = self.job.as_ref().filter(|_| self.roll > 0) else { return };
        let key = job.template.key();
        self.rolls.retain(|(known, _)| *known != key);
        if self.rolls.len() == KEPT {
            self.rolls.pop_front();
        }
        self.rolls.push_back((key, self.roll));
    }

    fn assign(&mut self) -> Option<Arc<Assignment>> {
        self.current = None;
        if !self.pauses.is_empty() {
            return None;
        }
        let job = Arc::clone(self.job.as_ref()?);
        let work = job.template.work(self.roll)?;
        let lease = self.cursors.lease(&work);
        self.current = Some(Arc::new(Assignment { job, roll: self.roll, work, lease }));
        self.current.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rminer_algos::registry::{RANDOMX, SHA256D};
    use rminer_algos::{HeaderTemplate, NonceField, Target, Template};
    use rminer_stratum::{JobKey, Supersede};

    use super::*;

    fn job(seq: u64, tag: u8, free_bits: u8) -> Arc<Job> {
        let mut blob = [7; 76];
        blob[0] = tag;
        let nonce = NonceField { offset: 39, len: 4, fixed: 0, free_bits };
        let work = Work::new(&blob, nonce, None).unwrap();
        Arc::new(Job {
            key: JobKey { session: 1, seq },
            pool: 0,
            algorithm: &RANDOMX,
            template: Template::Fixed(Arc::new(work)),
            target: Target::MAX,
            block_target: None,
            supersede: Supersede::Prefer,
            height: None,
            next_seed: None,
            received: Instant::now(),
        })
    }

    #[test]
    fn retarget_of_the_same_work_goes_on() {
        let mut scheduler = Scheduler::default();
        let first = scheduler.job(job(1, 0, 32)).unwrap();
        assert_eq!(first.lease.take(50), Some(0..50));
        let second = scheduler.job(job(2, 0, 32)).unwrap();
        assert_eq!(second.job.key.seq, 2);
        assert_eq!(second.lease.take(50), Some(50..100));
    }

    #[test]
    fn exhausted_work_idles_and_old_reports_do_nothing() {
        let mut scheduler = Scheduler::default();
        let first = scheduler.job(job(1, 0, 4)).unwrap();
        assert!(Arc::ptr_eq(&scheduler.exhausted(&first).unwrap(), &first), "not exhausted at all");
        assert_eq!(first.lease.take(100), Some(0..16));
        assert!(scheduler.exhausted(&first).is_none());
        let second = scheduler.job(job(2, 1, 4)).unwrap();
        assert!(Arc::ptr_eq(&scheduler.exhausted(&first).unwrap(), &second));
        // Back to the exhausted content: nothing is hashed twice.
        let third = scheduler.job(job(3, 0, 4)).unwrap();
        assert_eq!(third.lease.take(1), None);
        assert!(scheduler.exhausted(&third).is_none());
    }

    #[test]
    fn a_repeated_template_is_rolled_on() {
        let header = |seq: u64, time: u32| {
            let template = HeaderTemplate {
                version: 0,
                previous: [0; 32],
                coinbase_prefix: [].into(),
                coinbase_suffix: [].into(),
                extranonce2_len: 1,
                extranonce2_first: 0,
                branch: [].into(),
                time,
                time_slack_s: 0,
                bits: 0,
                version_mask: 0,
            };
            let template = Template::Header(Arc::new(template));
            Arc::new(Job { template, algorithm: &SHA256D, ..(*job(seq, 0, 32)).clone() })
        };
        let mut scheduler = Scheduler::default();
        let mut assignment = scheduler.job(header(1, 7)).unwrap();
        for roll in 1..=3 {
            assignment.lease.take(1 << 32).unwrap();
            assignment = scheduler.exhausted(&assignment).unwrap();
            assert_eq!(assignment.roll, roll);
        }
        assert_eq!(scheduler.job(header(2, 8)).unwrap().roll, 0, "another time is other work");
        assert_eq!(scheduler.job(header(3, 7)).unwrap().roll, 3);
        scheduler.no_job();
        assert_eq!(scheduler.job(header(4, 7)).unwrap().roll, 3);
    }

    #[test]
    fn pauses_add_up() {
        let mut scheduler = Scheduler::default();
        scheduler.pause("battery");
        scheduler.pause("user");
        assert!(scheduler.job(job(1, 0, 32)).is_none());
        assert!(scheduler.resume("battery").is_none());
        assert_eq!(scheduler.pauses().collect::<Vec<_>>(), ["user"]);
        assert_eq!(scheduler.resume("user").unwrap().job.key.seq, 1);
        scheduler.no_job();
        assert!(scheduler.resume("user").is_none());
        assert!(scheduler.newest().is_none());
    }
}
