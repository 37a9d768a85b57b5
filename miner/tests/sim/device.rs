//! The miner between client and devices: the real scheduler and leases, and workers as the mining loop has them,
//! on devices that lie, hang and die.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rminer::engine::{Assignment, Cursors, KEPT, Scheduler};
use rminer_algos::Hash;
use rminer_stratum::Job;
use rminer_stratum::rng::Rng;

use crate::dice::Dice;
use crate::marks::{Mark, Marks};
use crate::rates::{DeviceRates, MS, S, Us};
use crate::toy;

/// Hits that a device reports of one slice.
const HITS_A_SLICE: usize = 64;

/// What a device claims to have found.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) worker: u16,
    pub(crate) job: Arc<Job>,
    pub(crate) key: u64,
    pub(crate) nonce: u32,
    pub(crate) hash: Hash,
}

/// What the miner wants from the world: to be woken, or to hand in a hit after a while.
#[derive(Debug)]
pub(crate) enum Wish {
    Wake { worker: u16, number: u64, after: Us },
    Hit { claim: Claim, after: Us },
}

#[derive(Debug)]
enum Doing {
    Idle,
    Loading,
    Hashing { assignment: Arc<Assignment>, range: Range<u64>, began: Us },
    Hung,
    Lost,
}

#[derive(Debug)]
struct Worker {
    doing: Doing,
    /// Wakes with an older number are void.
    number: u64,
    seed: Option<[u8; 32]>,
}

/// Scheduler and workers.
pub(crate) struct Miner {
    pub(crate) rates: DeviceRates,
    scheduler: Scheduler,
    assignment: Option<Arc<Assignment>>,
    workers: Vec<Worker>,
    pub(crate) wishes: Vec<Wish>,
    /// Works, the one used last at the end: as many as leases are remembered for.
    recent: VecDeque<u64>,
    /// Times that a lease was found empty.
    pub(crate) exhausted: u64,
    /// The mistake of starting again at the first nonce with each job.
    pub(crate) restarts_leases: bool,
}

impl Miner {
    pub(crate) fn new(rates: DeviceRates) -> Self {
        let worker = |_| Worker { doing: Doing::Idle, number: 0, seed: None };
        Self {
            workers: (0..rates.workers).map(worker).collect(),
            rates,
            scheduler: Scheduler::default(),
            assignment: None,
            wishes: Vec::new(),
            recent: VecDeque::new(),
            exhausted: 0,
            restarts_leases: false,
        }
    }

    /// The job that the client last said to mine.
    pub(crate) fn job(&self) -> Option<&Arc<Job>> {
        self.scheduler.newest()
    }

    /// The client says what to mine.
    pub(crate) fn set_job(&mut self, now: Us, job: Option<Arc<Job>>, rng: &mut Rng, marks: &mut Marks) {
        self.assignment = match job {
            Some(job) => self.scheduler.job(job),
            None => {
                self.scheduler.no_job();
                None
            }
        };
        if let Some(assignment) = self.assignment.as_mut().filter(|_| self.restarts_leases) {
            let lease = Cursors::default().lease(&assignment.work);
            *assignment = Arc::new(Assignment { lease, ..Assignment::clone(assignment) });
        }
        for worker in 0..self.rates.workers {
            self.interrupt(now, worker, rng, marks);
        }
    }

    /// Notes that this work is mined from now on; false when it may have been mined too long ago to know.
    pub(crate) fn remembers(&mut self, key: u64) -> bool {
        let known = self.recent.iter().position(|recent| *recent == key);
        known.and_then(|place| self.recent.remove(place));
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(key);
        known.is_some()
    }

    /// A wake that was wished for.
    pub(crate) fn wake(&mut self, now: Us, worker: u16, number: u64, rng: &mut Rng, marks: &mut Marks) {
        if self.workers[usize::from(worker)].number == number {
            self.finish(worker, u64::MAX, rng, marks);
            self.begin(now, worker, rng, marks);
        }
    }

    /// No device fails from now on, and all that failed come back.
    pub(crate) fn heal(&mut self, now: Us, rng: &mut Rng, marks: &mut Marks) {
        let rates = &mut self.rates;
        (rates.wrong_permille, rates.above_permille, rates.twice_permille, rates.late_permille) =
            (0, 0, 0, 0);
        (rates.hang_per_million, rates.lose_per_million) = (0, 0);
        rates.load = rates.load.min(3 * S);
        for worker in 0..self.rates.workers {
            if matches!(self.workers[usize::from(worker)].doing, Doing::Hung | Doing::Lost | Doing::Loading) {
                self.begin(now, worker, rng, marks);
            }
        }
    }

    /// There is another letter: a worker that hashes looks up at once, one that loads for the same seed goes on,
    /// one that hangs does not notice.
    fn interrupt(&mut self, now: Us, worker: u16, rng: &mut Rng, marks: &mut Marks) {
        let state = &self.workers[usize::from(worker)];
        match state.doing {
            Doing::Hung | Doing::Lost => {}
            Doing::Loading if self.seed() == state.seed => {}
            Doing::Idle | Doing::Loading => self.begin(now, worker, rng, marks),
            Doing::Hashing { began, .. } => {
                let done = (now - began) * self.rates.speed_hs / S;
                self.finish(worker, done, rng, marks);
                self.begin(now, worker, rng, marks);
            }
        }
    }

    fn seed(&self) -> Option<[u8; 32]> {
        self.assignment.as_ref().and_then(|assignment| assignment.work.seed().copied())
    }

    fn begin(&mut self, now: Us, worker: u16, rng: &mut Rng, marks: &mut Marks) {
        let place = usize::from(worker);
        self.workers[place].number += 1;
        let number = self.workers[place].number;
        let (doing, after) = self.next(now, place, rng, marks);
        self.workers[place].doing = doing;
        if let Some(after) = after {
            self.wishes.push(Wish::Wake { worker, number, after });
        }
    }

    fn next(&mut self, now: Us, place: usize, rng: &mut Rng, marks: &mut Marks) -> (Doing, Option<Us>) {
        if rng.below(1_000_000) < self.rates.hang_per_million {
            marks.hit(Mark::WorkerHung);
            // Until the watchdog sees it.
            return (Doing::Hung, Some(30 * S));
        }
        if rng.below(1_000_000) < self.rates.lose_per_million {
            marks.hit(Mark::WorkerLost);
            self.workers[place].seed = None;
            return (Doing::Lost, Some(rng.pick(&[S, 5 * S])));
        }
        let Some(mut assignment) = self.assignment.clone() else { return (Doing::Idle, None) };
        let seed = self.seed();
        let worker = &mut self.workers[place];
        if worker.seed != seed {
            worker.seed = seed;
            if self.rates.load >= 5 * S {
                marks.hit(Mark::SlowLoad);
            }
            return (Doing::Loading, Some(self.rates.load));
        }
        let batch = (self.rates.speed_hs * self.rates.slice / S).max(1);
        loop {
            if let Some(range) = assignment.lease.take(batch) {
                let after = (range.end - range.start) * S / self.rates.speed_hs;
                return (Doing::Hashing { assignment, range, began: now }, Some(after));
            }
            self.exhausted += 1;
            self.assignment = self.scheduler.exhausted(&assignment);
            match self.assignment.clone() {
                Some(next) if !Arc::ptr_eq(&next, &assignment) => assignment = next,
                _ => return (Doing::Idle, None),
            }
        }
    }

    /// A slice ends after `done` of its counters.
    fn finish(&mut self, worker: u16, done: u64, rng: &mut Rng, marks: &mut Marks) {
        let state = &mut self.workers[usize::from(worker)];
        let Doing::Hashing { assignment, range, .. } = std::mem::replace(&mut state.doing, Doing::Idle)
        else {
            return;
        };
        let end = range.start.saturating_add(done).min(range.end);
        let field = assignment.work.nonce_field();
        let key = toy::key(assignment.work.blob(), assignment.work.seed().unwrap());
        let target = assignment.job.target.to_le_bytes();
        let most = u64::from_le_bytes(target[24..].try_into().unwrap());
        let nonces = (range.start..end).map(|counter| u32::try_from(field.nonce(counter)).unwrap());
        let hits: Vec<u32> =
            nonces.filter(|nonce| toy::top(key, *nonce) <= most).take(HITS_A_SLICE).collect();
        let claim = |nonce| Claim {
            worker,
            job: Arc::clone(&assignment.job),
            key,
            nonce,
            hash: Hash(toy::hash(key, nonce)),
        };
        for nonce in hits {
            self.report(claim(nonce), rng, marks);
        }
        if end > range.start && rng.chance(self.rates.above_permille) {
            // Most nonces miss the target; the device says that this one does not.
            let nonce = u32::try_from(field.nonce(range.start)).unwrap();
            self.wishes.push(Wish::Hit { claim: claim(nonce), after: 0 });
        }
    }

    fn report(&mut self, mut claim: Claim, rng: &mut Rng, marks: &mut Marks) {
        let mut after = rng.below(MS);
        if rng.chance(self.rates.late_permille) {
            marks.hit(Mark::LateHit);
            after = rng.below(10 * S);
        }
        if rng.chance(self.rates.twice_permille) {
            let again = after + rng.pick(&[0, MS, 2 * S]);
            self.wishes.push(Wish::Hit { claim: claim.clone(), after: again });
        }
        if rng.chance(self.rates.wrong_permille) {
            match rng.below(2) {
                0 => claim.nonce ^= 1 << rng.below(24),
                _ => claim.hash.0[usize::try_from(rng.below(24)).unwrap()] ^= 1 << rng.below(8),
            }
        }
        self.wishes.push(Wish::Hit { claim, after });
    }
}
