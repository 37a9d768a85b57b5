//! All workers: started, watched, started anew after a loss, and benched when that does not help.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::hashrate::Meter;
use super::histogram::Histogram;
use super::mailbox::{Letter, Mailbox};
use super::sabotage::Sabotage;
use super::snapshot::DeviceState;
use super::throttle::{Duty, Throttle};
use super::worker::{Doing, Joints, Report, Worker};
use crate::devices::{Check, DeviceError, DeviceSource};

/// Losses within [`LOSS_WINDOW`] after which a device is benched.
const MAX_LOSSES: usize = 3;
const LOSS_WINDOW: Duration = Duration::from_secs(3600);
/// Threads that hang for ever, after which only a new process helps.
const MAX_ABANDONED: u32 = 2;
/// Taking new work for longer than this is a start, such as another dataset.
const BETWEEN_JOBS: Duration = Duration::from_secs(2);
/// A device with a mismatch is checked before sending for this long.
const PROBATION: Duration = Duration::from_secs(24 * 3600);
/// Checked hits by which a device is judged.
const JUDGED_BY: usize = 100;
/// So many wrong ones among them are a loss; so are two in a row.
const MAX_WRONG: usize = 3;

/// How long things may take before the crew acts.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one slice of hashing. Slices last about a second at most; a machine under heavy load may stretch them.
    pub hashing: Duration,
    /// For opening a device and for new work, such as a RandomX dataset on one slow core.
    pub preparing: Duration,
    /// Wait before a lost device is opened again, after its first and second loss.
    pub rebirth: [Duration; MAX_LOSSES - 1],
    /// Rest of a device that was lost too often.
    pub bench: Duration,
    /// Makes the first worker hang twice on purpose; then no device may take longer than `hashing`.
    pub test: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hashing: Duration::from_secs(30),
            preparing: Duration::from_secs(900),
            rebirth: [Duration::from_secs(1), Duration::from_secs(5)],
            bench: Duration::from_secs(3600),
            test: false,
        }
    }
}

impl Patience {
    /// For `--watchdog-test`: little, so that people see the end of it.
    pub fn of_test() -> Self {
        Self { hashing: Duration::from_secs(10), test: true, ..Self::default() }
    }
}

/// What people should know about a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrewEvent {
    /// The device works.
    Ready(u16),
    /// Lost; it is started again after the wait.
    Lost(u16, DeviceError, Duration),
    /// Lost too often; it rests.
    Benched(u16, DeviceError),
    /// It can never do this work.
    Unusable(u16, DeviceError),
    /// It hangs; its thread was left behind. True where it was made to.
    Hung(u16, Duration, bool),
    /// It is made to hang from now on, for the so many-th time of `--watchdog-test`.
    Sabotaged(u16, usize),
}

/// The workers' slots.
pub struct Crew {
    slots: Vec<Slot>,
    /// For each device by its name.
    throttles: BTreeMap<String, Throttle>,
    mailbox: Arc<Mailbox>,
    reports: mpsc::Sender<Report>,
    patience: Patience,
    abandoned: u32,
    /// Of the first worker, and how often it was seen to strike.
    sabotage: Option<(Sabotage, usize)>,
}

/// What became of a worker so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Times that it was lost, for whatever reason.
    pub all: u64,
    /// Of these, times that it hung.
    pub hung: u64,
    /// Times that it was started again.
    pub restarts: u64,
    /// Times that it was lost too often and had to rest.
    pub benched: u64,
}

struct Slot {
    source: Arc<dyn DeviceSource>,
    meter: Meter,
    worker: Option<Worker>,
    life: u32,
    losses: VecDeque<Instant>,
    counts: Losses,
    benched: bool,
    rebirth: Option<Instant>,
    unusable: bool,
    mismatch: Option<Instant>,
    mismatches: u64,
    /// Whether each of the last checked hits was right.
    verdicts: VecDeque<bool>,
}

impl Crew {
    /// Slots for all sources; nothing runs yet.
    pub fn new(
        sources: Vec<Arc<dyn DeviceSource>>,
        mailbox: Arc<Mailbox>,
        reports: mpsc::Sender<Report>,
        patience: Patience,
    ) -> Self {
        let slot = |source| Slot {
            source,
            meter: Meter::default(),
            worker: None,
            life: 0,
            losses: VecDeque::new(),
            counts: Losses::default(),
            benched: false,
            rebirth: None,
            unusable: false,
            mismatch: None,
            mismatches: 0,
            verdicts: VecDeque::new(),
        };
        let slots: Vec<Slot> = sources.into_iter().map(slot).collect();
        let throttles =
            slots.iter().map(|slot| (slot.source.info().id.clone(), Throttle::default())).collect();
        let sabotage = patience.test.then(|| (Sabotage::default(), 0));
        Self { slots, throttles, mailbox, reports, patience, abandoned: 0, sabotage }
    }

    /// Starts every worker that is due, and looks for hung ones.
    pub fn tick(&mut self, now: Instant) -> Vec<CrewEvent> {
        let mut events = Vec::new();
        if let Some((sabotage, seen)) = &mut self.sabotage
            && sabotage.struck() > *seen
        {
            *seen = sabotage.struck();
            events.push(CrewEvent::Sabotaged(0, *seen));
        }
        for index in 0..self.slots.len() {
            if let Some(event) = self.check_pulse(now, index) {
                events.push(event);
            }
            let slot = &self.slots[index];
            let due = slot.rebirth.is_none_or(|at| at <= now);
            if slot.worker.is_none() && !slot.unusable && due {
                events.extend(self.start(now, index));
            }
        }
        events
    }

    /// A worker's thread has ended.
    pub fn ended(
        &mut self,
        now: Instant,
        worker: u16,
        life: u32,
        error: Option<DeviceError>,
    ) -> Option<CrewEvent> {
        let slot = self.slots.get_mut(usize::from(worker))?;
        if slot.worker.as_ref().is_none_or(|running| running.life != life) {
            return None;
        }
        slot.worker = None;
        Some(slot.lost(now, worker, error?, &self.patience))
    }

    /// When hits of this worker are checked.
    pub fn check(&self, now: Instant, worker: u16) -> Check {
        let Some(slot) = self.slots.get(usize::from(worker)) else { return Check::First };
        let on_probation = slot.mismatch.is_some_and(|at| now.saturating_duration_since(at) < PROBATION);
        if on_probation { Check::First } else { slot.source.check() }
    }

    /// A hit of this worker was checked. After a wrong one its hits are checked before they are sent until
    /// tomorrow; after two in a row, or three among the last hundred, the device is opened anew, as after any loss.
    pub fn judged(&mut self, now: Instant, worker: u16, right: bool) -> Option<CrewEvent> {
        let slot = self.slots.get_mut(usize::from(worker))?;
        if !right {
            slot.mismatch = Some(now);
            slot.mismatches += 1;
        }
        // Hits of a life that was ended for the ones before them say nothing new.
        slot.worker.as_ref()?;
        let wrong_again = !right && slot.verdicts.back() == Some(&false);
        if slot.verdicts.len() == JUDGED_BY {
            slot.verdicts.pop_front();
        }
        slot.verdicts.push_back(right);
        let wrong = slot.verdicts.iter().filter(|right| !**right).count();
        if !wrong_again && wrong < MAX_WRONG {
            return None;
        }
        slot.verdicts.clear();
        slot.worker.take()?.abandon();
        let error = DeviceError::Lost(format!("{wrong} of its last hits were wrong"));
        Some(slot.lost(now, worker, error, &self.patience))
    }

    /// The source of a worker's device.
    pub fn source(&self, worker: u16) -> Option<&Arc<dyn DeviceSource>> {
        self.slots.get(usize::from(worker)).map(|slot| &slot.source)
    }

    /// Each worker's source, hashes and wrong hits.
    pub fn each(&self) -> impl Iterator<Item = (&Arc<dyn DeviceSource>, u64, u64)> {
        self.slots.iter().map(|slot| (&slot.source, slot.meter.total(), slot.mismatches))
    }

    /// What became of a worker so far.
    pub fn losses(&self, worker: u16) -> Losses {
        self.slots.get(usize::from(worker)).map_or_else(Losses::default, |slot| slot.counts)
    }

    /// Times from a job's arrival to the first hash of it by this worker.
    pub fn new_work(&self, worker: u16) -> Histogram {
        self.slots.get(usize::from(worker)).map_or_else(Histogram::default, |slot| slot.meter.new_work())
    }

    /// What the workers of a device do, whatever they were told.
    pub fn state(&self, device: &str) -> DeviceState {
        let slots = || self.slots.iter().filter(|slot| slot.source.info().id == device);
        // Between two jobs a device takes new work: that is no start.
        let takes_work = |slot: &Slot| {
            let pulse = slot.worker.as_ref().map(|worker| worker.pulse.read());
            slot.meter.total() > 0
                && pulse
                    .is_some_and(|(doing, since)| doing == Doing::Preparing && since.elapsed() < BETWEEN_JOBS)
        };
        let doing = |wanted: &[Doing]| {
            slots()
                .filter_map(|slot| slot.worker.as_ref())
                .any(|worker| wanted.contains(&worker.pulse.read().0))
        };
        if slots().all(|slot| slot.unusable) {
            DeviceState::Unusable
        } else if doing(&[Doing::Hashing])
            || (doing(&[Doing::Idle]) && slots().any(|slot| slot.meter.total() > 0))
            || slots().any(takes_work)
        {
            DeviceState::Mining
        } else if doing(&[Doing::Preparing, Doing::Idle]) || slots().all(|slot| slot.life == 0) {
            DeviceState::Starting
        } else if slots().any(|slot| slot.benched) {
            DeviceState::Benched
        } else {
            DeviceState::Lost
        }
    }

    /// Workers whose thread runs.
    pub fn running(&self) -> usize {
        self.slots.iter().filter(|slot| slot.worker.is_some()).count()
    }

    /// Whether no device is left that could ever work.
    pub fn is_hopeless(&self) -> bool {
        self.slots.iter().all(|slot| slot.unusable)
    }

    /// Whether so many threads hang that only a new process helps.
    pub fn needs_restart(&self) -> bool {
        self.abandoned >= MAX_ABANDONED
    }

    /// What a device may do from now on.
    pub fn set_duty(&self, device: &str, duty: Duty) {
        if let Some(throttle) = self.throttles.get(device) {
            throttle.set(duty);
        }
    }

    /// What a device may do.
    pub fn duty(&self, device: &str) -> Duty {
        self.throttles.get(device).map(Throttle::duty).unwrap_or_default()
    }

    /// Tells all workers to stop and waits for them until `deadline`; returns how many did not end.
    pub fn stop(self, deadline: Instant) -> usize {
        self.mailbox.post(Letter::Stop);
        let workers = self.slots.into_iter().filter_map(|slot| slot.worker);
        workers.map(|worker| worker.join_until(deadline)).filter(|ended| !ended).count()
    }

    fn start(&mut self, now: Instant, index: usize) -> Option<CrewEvent> {
        let number = u16::try_from(index).ok()?;
        let slot = &mut self.slots[index];
        slot.life += 1;
        slot.counts.restarts += u64::from(slot.life > 1);
        slot.rebirth = None;
        slot.benched = false;
        let joints = Joints {
            mailbox: Arc::clone(&self.mailbox),
            meter: slot.meter.clone(),
            throttle: self.throttles.get(&slot.source.info().id).cloned().unwrap_or_default(),
            reports: self.reports.clone(),
            sabotage: self.sabotage.as_ref().filter(|_| index == 0).map(|(sabotage, _)| sabotage.clone()),
        };
        let started = Worker::start(number, slot.life, Arc::clone(&slot.source), joints);
        match started {
            Ok(worker) => {
                slot.worker = Some(worker);
                None
            }
            Err(error) => {
                Some(slot.lost(now, number, DeviceError::Lost(format!("no thread: {error}")), &self.patience))
            }
        }
    }

    fn check_pulse(&mut self, now: Instant, index: usize) -> Option<CrewEvent> {
        let slot = &mut self.slots[index];
        let (doing, since) = slot.worker.as_ref()?.pulse.read();
        let silent = now.saturating_duration_since(since);
        let limit = match doing {
            Doing::Hashing if self.patience.test => self.patience.hashing,
            Doing::Hashing => self.patience.hashing.max(slot.source.slowest_slice()),
            Doing::Preparing => self.patience.preparing,
            Doing::Idle | Doing::Ended => return None,
        };
        if silent < limit {
            return None;
        }
        slot.worker.take()?.abandon();
        slot.counts.hung += 1;
        self.abandoned += 1;
        let on_purpose = index == 0 && self.sabotage.is_some();
        let number = u16::try_from(index).ok()?;
        slot.lost(now, number, DeviceError::Lost("hung".into()), &self.patience);
        Some(CrewEvent::Hung(number, silent, on_purpose))
    }
}

impl Slot {
    fn lost(&mut self, now: Instant, worker: u16, error: DeviceError, patience: &Patience) -> CrewEvent {
        if matches!(error, DeviceError::Unsupported(_)) {
            self.unusable = true;
            return CrewEvent::Unusable(worker, error);
        }
        self.losses.retain(|at| now.saturating_duration_since(*at) < LOSS_WINDOW);
        self.losses.push_back(now);
        self.counts.all += 1;
        let tries = if matches!(error, DeviceError::Wrong(_)) { MAX_LOSSES } else { self.losses.len() };
        let Some(wait) = patience.rebirth.get(tries - 1) else {
            self.rebirth = Some(now + patience.bench);
            self.losses.clear();
            self.benched = true;
            self.counts.benched += 1;
            return CrewEvent::Benched(worker, error);
        };
        self.rebirth = Some(now + *wait);
        CrewEvent::Lost(worker, error, *wait)
    }
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry::RANDOMX;
    use rminer_algos::{NonceField, Target, Template, Work};
    use rminer_stratum::{Job, JobKey, Supersede};

    use super::*;
    use crate::devices::sim::{SimFailure, SimOptions, SimSource};
    use crate::engine::Scheduler;

    struct Bench {
        crew: Crew,
        mailbox: Arc<Mailbox>,
        reports: mpsc::Receiver<Report>,
        events: Vec<CrewEvent>,
        hits: usize,
    }

    fn job() -> Arc<Job> {
        let nonce = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
        Arc::new(Job {
            key: JobKey { session: 1, seq: 1 },
            pool: 0,
            algorithm: &RANDOMX,
            template: Template::Fixed(Arc::new(Work::new(&[7; 76], nonce, None).unwrap())),
            target: Target::from_monero_u64(u64::MAX / 100).unwrap(),
            block_target: None,
            supersede: Supersede::Prefer,
            height: None,
            next_seed: None,
            received: Instant::now(),
        })
    }

    impl Bench {
        fn new(failures: &[Option<(SimFailure, u32)>]) -> Self {
            let sources = failures.iter().zip(0..).map(|(failure, worker)| {
                let options = SimOptions { failure: *failure, ..SimOptions::default() };
                Arc::new(SimSource::new(worker, options)) as Arc<dyn DeviceSource>
            });
            let mailbox = Arc::new(Mailbox::default());
            let (sender, reports) = mpsc::channel(64);
            let hangs = failures.iter().flatten().any(|(failure, _)| *failure == SimFailure::Hang);
            let patience = Patience {
                hashing: Duration::from_secs(if hangs { 1 } else { 60 }),
                preparing: Duration::from_secs(60),
                rebirth: [Duration::from_millis(20); 2],
                bench: Duration::from_millis(500),
                test: false,
            };
            let crew = Crew::new(sources.collect(), Arc::clone(&mailbox), sender, patience);
            let assignment = Scheduler::default().job(job()).unwrap();
            mailbox.post(Letter::Mine(assignment));
            Self { crew, mailbox, reports, events: Vec::new(), hits: 0 }
        }

        /// Runs until `done`, for ten real seconds at most.
        fn run(&mut self, done: impl Fn(&Self) -> bool) {
            let end = Instant::now() + Duration::from_secs(10);
            while !done(self) {
                assert!(Instant::now() < end, "{:?}", self.events);
                let now = Instant::now();
                let events = self.crew.tick(now);
                self.events.extend(events);
                while let Ok(report) = self.reports.try_recv() {
                    match report {
                        Report::Ended { worker, life, error } => {
                            let event = self.crew.ended(now, worker, life, error);
                            self.events.extend(event);
                        }
                        Report::Ready { worker } => self.events.push(CrewEvent::Ready(worker)),
                        Report::Hit(_) => self.hits += 1,
                        Report::Excess(_) | Report::Exhausted(_) => {}
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }

        fn count(&self, wanted: impl Fn(&CrewEvent) -> bool) -> usize {
            self.events.iter().filter(|event| wanted(event)).count()
        }

        fn stop(mut self) {
            let end = Instant::now() + Duration::from_secs(10);
            self.reports.close();
            assert_eq!(self.crew.stop(end), 0);
            assert!(matches!(self.mailbox.read().1, Letter::Stop));
        }
    }

    #[test]
    fn a_panic_is_contained_and_the_device_comes_back() {
        for failure in [SimFailure::PanicInLoad, SimFailure::PanicInScan, SimFailure::Load, SimFailure::Open]
        {
            let mut bench = Bench::new(&[Some((failure, 1)), None]);
            bench.run(|bench| bench.count(|event| matches!(event, CrewEvent::Lost(0, ..))) == 1);
            bench.run(|bench| bench.hits > 3);
            bench.run(|bench| bench.crew.running() == 2 && bench.crew.slots[0].meter.total() > 0);
            bench.stop();
        }
    }

    #[test]
    fn three_losses_bench_a_device_for_a_while() {
        let mut bench = Bench::new(&[Some((SimFailure::PanicInScan, 3)), None]);
        for losses in 1..MAX_LOSSES {
            bench.run(|bench| bench.count(|event| matches!(event, CrewEvent::Lost(0, ..))) == losses);
        }
        bench.run(|bench| bench.count(|event| matches!(event, CrewEvent::Benched(0, _))) == 1);
        bench.run(|bench| bench.crew.slots[0].meter.total() > 0);
        assert_eq!(bench.crew.losses(0), Losses { all: 3, hung: 0, restarts: 3, benched: 1 });
        bench.stop();
    }

    /// A device that answers and does no hash hangs as well; one that is paused or rests does not.
    #[test]
    fn hashes_are_the_sign_of_life() {
        let mut bench = Bench::new(&[Some((SimFailure::Barren, 1)), None]);
        bench.crew.patience.hashing = Duration::from_secs(1);
        bench.run(|bench| bench.count(|event| matches!(event, CrewEvent::Hung(0, ..))) == 1);
        bench.run(|bench| bench.crew.slots[0].meter.total() > 0);
        bench.crew.set_duty("sim0", Duty::PAUSE);
        let end = Instant::now() + Duration::from_millis(1500);
        bench.run(|_| Instant::now() >= end);
        bench.crew.set_duty("sim0", Duty::from_permille(10));
        let end = Instant::now() + Duration::from_millis(2500);
        bench.run(|_| Instant::now() >= end);
        assert_eq!(bench.crew.losses(0), Losses { all: 1, hung: 1, restarts: 1, benched: 0 });
        assert_eq!(bench.crew.losses(1), Losses::default());
        bench.crew.set_duty("sim0", Duty::FULL);
        bench.stop();
    }

    #[test]
    fn known_to_be_wrong_is_benched_at_once() {
        let mut bench = Bench::new(&[Some((SimFailure::Wrong, 1)), None]);
        bench.run(|bench| {
            bench.count(|event| matches!(event, CrewEvent::Benched(0, DeviceError::Wrong(_)))) == 1
        });
        assert_eq!(bench.count(|event| matches!(event, CrewEvent::Lost(..))), 0);
        bench.run(|bench| bench.crew.slots[0].meter.total() > 0);
        bench.stop();
    }

    #[test]
    fn wrong_hits_cost_a_device_its_life() {
        let mut bench = Bench::new(&[None]);
        let start = Instant::now();
        let mut judge = |verdicts: &[bool], at: Instant| {
            bench.run(|bench| bench.crew.running() == 1);
            verdicts.iter().filter_map(|right| bench.crew.judged(at, 0, *right)).collect::<Vec<_>>()
        };
        let many_right = [true; JUDGED_BY];
        assert_eq!(judge(&[false, true, true, false], start), []);
        assert_eq!(judge(&many_right, start), []);
        assert_eq!(judge(&[false, true, false, true], start), [], "the two before are forgotten");
        // Three in a hundred, and the rest of that batch is not held against the next life.
        let lost = judge(&[false, false, false, false], start);
        assert!(matches!(lost[..], [CrewEvent::Lost(0, DeviceError::Lost(_), _)]), "{lost:?}");
        let lost = judge(&[false, false], start);
        assert!(matches!(lost[..], [CrewEvent::Lost(..)]), "two in a row: {lost:?}");
        let benched = judge(&[false, false], start);
        assert!(matches!(benched[..], [CrewEvent::Benched(..)]), "{benched:?}");
        bench.stop();
    }

    #[test]
    fn hung_threads_are_left_behind() {
        let mut bench = Bench::new(&[Some((SimFailure::Hang, 2)), None]);
        bench.run(|bench| bench.count(|event| matches!(event, CrewEvent::Hung(0, ..))) == 1);
        assert!(!bench.crew.needs_restart());
        bench.run(|bench| bench.count(|event| matches!(event, CrewEvent::Hung(0, ..))) == 2);
        assert!(bench.crew.needs_restart());
        let hits = bench.hits;
        bench.run(|bench| bench.hits > hits);
        bench.stop();
    }

    #[test]
    fn a_mismatch_puts_a_device_on_probation() {
        let mut bench = Bench::new(&[None]);
        let now = Instant::now();
        assert_eq!(bench.crew.check(now, 0), Check::Behind);
        assert_eq!(bench.crew.judged(now, 0, false), None);
        assert_eq!(bench.crew.check(now, 0), Check::First);
        assert_eq!(bench.crew.check(now + PROBATION, 0), Check::Behind);
        assert_eq!(bench.crew.check(now, 77), Check::First, "an unknown device is not trusted");
        bench.run(|bench| bench.hits > 0);
        bench.stop();
    }
}
