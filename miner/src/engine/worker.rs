//! The one mining loop. It runs on the device's own thread and is the only one that touches the device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rminer_algos::Hash;
use tokio::sync::mpsc;

use super::hashrate::Meter;
use super::mailbox::{Letter, Mailbox};
use super::sabotage::Sabotage;
use super::scheduler::Assignment;
use super::throttle::Throttle;
use crate::devices::{Device, DeviceError, DeviceSource, Found, Interrupt};

/// An idle worker looks up this often, so that it notices when it was retired.
const PATIENCE: Duration = Duration::from_secs(1);
/// A paused worker looks up this often.
const PAUSED: Duration = Duration::from_millis(200);
/// Rests of a held-back worker are put together until they are as long as this.
const SHORTEST_REST: Duration = Duration::from_millis(5);
/// Rests that a busy machine made too long are made up for, by this much at most.
const MOST_OVERSLEPT: Duration = Duration::from_secs(1);
/// Hits of one worker that are reported one by one in a [`WINDOW`]; more are counted. A pool gets twenty shares a
/// second at most, so that no hit is kept back that could be sent.
const MAX_HITS: u32 = 32;
const WINDOW: Duration = Duration::from_secs(1);

/// What a worker tells the engine.
#[derive(Debug)]
pub enum Report {
    /// The device is open.
    Ready {
        /// Which worker.
        worker: u16,
    },
    /// A hit, as the device claims.
    Hit(Hit),
    /// More hits than anybody can take, counted only.
    Excess(Excess),
    /// The lease of this assignment is empty.
    Exhausted(Arc<Assignment>),
    /// The thread ends. Without an error it was told to.
    Ended {
        /// Which worker.
        worker: u16,
        /// Which of its lives.
        life: u32,
        /// What happened.
        error: Option<DeviceError>,
    },
}

/// A nonce that a device claims to meet the target.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Which worker.
    pub worker: u16,
    /// For what.
    pub assignment: Arc<Assignment>,
    /// The whole nonce.
    pub nonce: u64,
    /// The hash, where the device gives it.
    pub hash: Option<Hash>,
    /// When it was found.
    pub found: Instant,
}

/// Hits that were not reported one by one: about one of these in a second.
#[derive(Debug, Clone)]
pub struct Excess {
    /// Which worker.
    pub worker: u16,
    /// For what.
    pub assignment: Arc<Assignment>,
    /// How many.
    pub count: u64,
}

/// What a worker is doing, for the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Opening the device or taking new work: may take long.
    Preparing,
    /// Hashing; since the last slice that got anywhere.
    Hashing,
    /// Waiting for work, paused, or at rest between two slices.
    Idle,
    /// The thread has ended.
    Ended,
}

/// A worker's sign of life.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Mutex<(Doing, Instant)>>);

impl Pulse {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((Doing::Preparing, Instant::now()))))
    }

    fn beat(&self, doing: Doing) {
        self.beat_since(doing, Instant::now());
    }

    fn beat_since(&self, doing: Doing, since: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (doing, since);
    }

    /// What the worker does and since when.
    pub fn read(&self) -> (Doing, Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running worker thread.
#[derive(Debug)]
pub struct Worker {
    /// Its sign of life.
    pub pulse: Pulse,
    /// Which life of its slot this is.
    pub life: u32,
    retired: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What a worker is joined with.
#[derive(Debug, Clone)]
pub struct Joints {
    /// Tells it what to mine.
    pub mailbox: Arc<Mailbox>,
    /// Counts its hashes.
    pub meter: Meter,
    /// What its device may do.
    pub throttle: Throttle,
    /// Takes what it has to say.
    pub reports: mpsc::Sender<Report>,
    /// Makes it hang on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Worker {
    /// Starts a thread for the device of `source`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        worker: u16,
        life: u32,
        source: Arc<dyn DeviceSource>,
        joints: Joints,
    ) -> std::io::Result<Self> {
        let pulse = Pulse::new();
        let retired = Arc::new(AtomicBool::new(false));
        let Joints { mailbox, meter, throttle, reports, sabotage } = joints;
        let body = Body {
            worker,
            source,
            mailbox,
            meter,
            throttle,
            pulse: pulse.clone(),
            retired: Arc::clone(&retired),
            reports,
            sabotage,
        };
        let name = format!("{}-{}", body.source.info().id, body.source.info().worker);
        let thread = std::thread::Builder::new().name(name).spawn(move || body.live(life))?;
        Ok(Self { pulse, life, retired, thread })
    }

    /// Tells a thread that does not answer or is not trusted to end whenever it can, and forgets it.
    pub fn abandon(self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Waits for the thread, which was told to stop, until `deadline`; false when it has not ended by then.
    pub fn join_until(self, deadline: Instant) -> bool {
        while !self.thread.is_finished() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.thread.join().is_ok()
    }
}

struct Body {
    worker: u16,
    source: Arc<dyn DeviceSource>,
    mailbox: Arc<Mailbox>,
    meter: Meter,
    throttle: Throttle,
    pulse: Pulse,
    retired: Arc<AtomicBool>,
    reports: mpsc::Sender<Report>,
    sabotage: Option<Sabotage>,
}

/// What a worker carries from one piece of work to the next.
struct Carried {
    flood: Flood,
    /// Time hashed that no rest was taken for yet: new work does not forgive it.
    unrested: Duration,
    /// What rests were longer than they should have been.
    overslept: Duration,
    /// Time spent on slices that did no hash, since the last one that did.
    fruitless: Duration,
    first_hash: Option<Instant>,
}

impl Body {
    fn live(&self, life: u32) {
        let mut carried = Carried {
            flood: Flood::new(Instant::now()),
            unrested: Duration::ZERO,
            overslept: Duration::ZERO,
            fruitless: Duration::ZERO,
            first_hash: None,
        };
        let ended = catch_unwind(AssertUnwindSafe(|| self.mine(&mut carried)));
        self.tell_excess(&mut carried.flood);
        self.pulse.beat(Doing::Ended);
        let error = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(panic) => Some(DeviceError::Lost(format!("panic: {}", panic_text(&*panic)))),
        };
        // The engine may be gone already; then nobody needs to know.
        let _gone = self.reports.blocking_send(Report::Ended { worker: self.worker, life, error });
    }

    fn mine(&self, carried: &mut Carried) -> Result<(), DeviceError> {
        let mut device = self.source.open()?;
        self.report(Report::Ready { worker: self.worker });
        let mut exhausted = None;
        // The job that was worked on until now; none after a pause, which is no slowness.
        let mut worked_on = None;
        loop {
            let (number, letter, interrupt) = self.mailbox.read();
            if self.retired.load(Ordering::Relaxed) {
                return Ok(());
            }
            match letter {
                Letter::Stop => return Ok(()),
                _ if self.throttle.is_paused() => {
                    // Memory stays as it is; new work is loaded, and a dataset built for it, when the pause is over.
                    (carried.unrested, carried.fruitless) = (Duration::ZERO, Duration::ZERO);
                    self.pulse.beat(Doing::Idle);
                    worked_on = None;
                    self.mailbox.wait(number, PAUSED);
                }
                Letter::Mine(assignment) if exhausted != Some(number) => {
                    let interrupt = interrupt.or_paused(&self.throttle);
                    self.pulse.beat(Doing::Preparing);
                    match device.load(&assignment.work, assignment.job.target, &interrupt) {
                        Ok(()) => {}
                        Err(DeviceError::Interrupted) => continue,
                        Err(error) => return Err(error),
                    }
                    let job = &assignment.job;
                    if worked_on.replace(job.key).is_some_and(|before| before != job.key) {
                        self.meter.begins_job(job.received.elapsed());
                    }
                    let is_exhausted = self.work_on(&mut *device, &assignment, &interrupt, carried)?;
                    self.tell_excess(&mut carried.flood);
                    if is_exhausted {
                        exhausted = Some(number);
                        self.report(Report::Exhausted(assignment));
                    }
                }
                Letter::Idle | Letter::Mine(_) => {
                    carried.fruitless = Duration::ZERO;
                    self.pulse.beat(Doing::Idle);
                    self.mailbox.wait(number, PATIENCE);
                }
            }
        }
    }

    /// Hashes until there is newer work or a pause; true when the lease is empty.
    fn work_on(
        &self,
        device: &mut dyn Device,
        assignment: &Arc<Assignment>,
        interrupt: &Interrupt,
        carried: &mut Carried,
    ) -> Result<bool, DeviceError> {
        let mut found: Vec<Found> = Vec::new();
        let mut left = 0..0;
        while !interrupt.is_set() && !self.retired.load(Ordering::Relaxed) {
            if left.is_empty() {
                let Some(range) = assignment.lease.take(device.batch().max(1)) else { return Ok(true) };
                left = range;
            }
            let began = Instant::now();
            // A device that answers and does not hash hangs as well.
            self.pulse.beat_since(Doing::Hashing, began.checked_sub(carried.fruitless).unwrap_or(began));
            let done = match device.scan(left.clone(), interrupt, &mut found) {
                Ok(done) => done,
                Err(error) => {
                    // Another worker, or this one when it is open again, does what was not done.
                    assignment.lease.give_back(left);
                    return Err(error);
                }
            };
            self.meter.add(done);
            left.start = left.start.saturating_add(done).min(left.end);
            let now = Instant::now();
            let took = now.saturating_duration_since(began);
            if done == 0 {
                carried.fruitless += took;
            } else {
                carried.fruitless = Duration::ZERO;
                let first_hash = *carried.first_hash.get_or_insert(now);
                if let Some(sabotage) = &self.sabotage {
                    sabotage.strike(now.saturating_duration_since(first_hash));
                }
            }
            if carried.flood.turn(now) {
                self.tell_excess(&mut carried.flood);
            }
            for Found { nonce, hash } in found.drain(..) {
                if !carried.flood.passes(assignment) {
                    continue;
                }
                let hit =
                    Hit { worker: self.worker, assignment: Arc::clone(assignment), nonce, hash, found: now };
                self.report(Report::Hit(hit));
            }
            carried.unrested += took;
            self.rest(carried);
        }
        // It comes back to this work after a pause, and so may the pool.
        assignment.lease.give_back(left);
        Ok(false)
    }

    /// Rests as long as the duty asks for after what was hashed, if that is long enough to be worth it. A duty that
    /// changes meanwhile counts at once; newer work waits like any other.
    fn rest(&self, carried: &mut Carried) {
        let asked = |carried: &Carried| self.throttle.rest_after(carried.unrested);
        if asked(carried).is_zero() {
            (carried.unrested, carried.overslept) = (Duration::ZERO, Duration::ZERO);
        }
        if asked(carried).saturating_sub(carried.overslept) < SHORTEST_REST {
            return;
        }
        let began = Instant::now();
        // Of a device that does no hash people should hear in any case.
        if carried.fruitless.is_zero() {
            self.pulse.beat(Doing::Idle);
        }
        loop {
            let left = asked(carried).saturating_sub(carried.overslept + began.elapsed());
            let (number, letter, _) = self.mailbox.read();
            let is_over = left.is_zero() || self.throttle.is_paused() || matches!(letter, Letter::Stop);
            if is_over || self.retired.load(Ordering::Relaxed) {
                break;
            }
            self.mailbox.wait(number, left.min(PAUSED));
        }
        let rested = carried.overslept + began.elapsed();
        carried.overslept = rested.saturating_sub(asked(carried)).min(MOST_OVERSLEPT);
        carried.unrested = Duration::ZERO;
    }

    fn tell_excess(&self, flood: &mut Flood) {
        if let Some((assignment, count)) = flood.excess.take() {
            self.report(Report::Excess(Excess { worker: self.worker, assignment, count }));
        }
    }

    /// Waits when the engine's queue is full: no hit is dropped while it runs.
    fn report(&self, report: Report) {
        let _gone = self.reports.blocking_send(report);
    }
}

/// Bounds the hits that one worker reports, whatever the target. The bound holds across changes of the work; what is
/// counted belongs to one assignment and is told before the next.
struct Flood {
    window: Instant,
    passed: u32,
    excess: Option<(Arc<Assignment>, u64)>,
}

impl Flood {
    fn new(now: Instant) -> Self {
        Self { window: now, passed: 0, excess: None }
    }

    /// Begins a new window when the old one is over; then what was counted is due.
    fn turn(&mut self, now: Instant) -> bool {
        let over = now.saturating_duration_since(self.window) >= WINDOW;
        if over {
            (self.window, self.passed) = (now, 0);
        }
        over
    }

    /// Whether a hit is reported; otherwise it was counted.
    fn passes(&mut self, assignment: &Arc<Assignment>) -> bool {
        if self.passed < MAX_HITS {
            self.passed += 1;
            return true;
        }
        self.excess.get_or_insert_with(|| (Arc::clone(assignment), 0)).1 += 1;
        false
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry::RANDOMX;
    use rminer_algos::{NonceField, Target, Template, Work};
    use rminer_stratum::{Job, JobKey, Supersede};

    use super::*;
    use crate::devices::sim::{SimFailure, SimOptions, SimSource};
    use crate::engine::{Duty, Scheduler};

    fn assignment(free_bits: u8) -> Arc<Assignment> {
        let nonce = NonceField { offset: 39, len: 4, fixed: 0, free_bits };
        let job = Job {
            key: JobKey { session: 1, seq: 1 },
            pool: 0,
            algorithm: &RANDOMX,
            template: Template::Fixed(Arc::new(Work::new(&[7; 76], nonce, None).unwrap())),
            target: Target::MAX,
            block_target: None,
            supersede: Supersede::Prefer,
            height: None,
            next_seed: None,
            received: Instant::now(),
        };
        Scheduler::default().job(Arc::new(job)).unwrap()
    }

    fn joints(
        mailbox: &Arc<Mailbox>,
        meter: &Meter,
        throttle: &Throttle,
        reports: mpsc::Sender<Report>,
    ) -> Joints {
        let (mailbox, meter, throttle) = (Arc::clone(mailbox), meter.clone(), throttle.clone());
        Joints { mailbox, meter, throttle, reports, sabotage: None }
    }

    #[test]
    fn hits_beyond_the_bound_are_counted() {
        let (start, work) = (Instant::now(), assignment(32));
        let mut flood = Flood::new(start);
        let passed = |flood: &mut Flood| (0..1000).filter(|_| flood.passes(&work)).count();
        assert_eq!(passed(&mut flood), 32);
        assert!(!flood.turn(start + WINDOW / 2));
        assert_eq!(passed(&mut flood), 0);
        assert!(flood.turn(start + WINDOW));
        assert_eq!(flood.excess.take().unwrap().1, 1968);
        assert_eq!(passed(&mut flood), 32);
    }

    /// Every nonce of a small space is a hit: each is told or counted before the worker says that all are done.
    #[test]
    fn no_hit_is_lost_at_the_end_of_the_work() {
        let (sender, mut reports) = mpsc::channel(64);
        let mailbox = Arc::new(Mailbox::default());
        mailbox.post(Letter::Mine(assignment(12)));
        let source = Arc::new(SimSource::new(0, SimOptions { rate_hs: 100_000, ..SimOptions::default() }));
        let meter = Meter::default();
        let worker =
            Worker::start(0, 1, source, joints(&mailbox, &meter, &Throttle::default(), sender)).unwrap();
        let (mut single, mut counted) = (0u64, 0);
        loop {
            match reports.blocking_recv().unwrap() {
                Report::Hit(_) => single += 1,
                Report::Excess(excess) => counted += excess.count,
                Report::Exhausted(_) => break,
                Report::Ready { .. } => {}
                Report::Ended { error, .. } => panic!("{error:?}"),
            }
        }
        assert_eq!((single + counted, meter.total()), (4096, 4096));
        assert!(single >= 32 && counted > 0, "{single} {counted}");
        mailbox.post(Letter::Stop);
        assert!(worker.join_until(Instant::now() + Duration::from_secs(10)));
    }

    /// A worker with its reports.
    struct Bench {
        mailbox: Arc<Mailbox>,
        meter: Meter,
        throttle: Throttle,
        reports: mpsc::Receiver<Report>,
        worker: Worker,
    }

    impl Bench {
        fn new(assignment: Arc<Assignment>, options: SimOptions, duty: Duty) -> Self {
            let (sender, reports) = mpsc::channel(1024);
            let (mailbox, meter) = (Arc::new(Mailbox::default()), Meter::default());
            let throttle = Throttle::default();
            throttle.set(duty);
            mailbox.post(Letter::Mine(assignment));
            let source = Arc::new(SimSource::new(0, options));
            let worker = Worker::start(0, 1, source, joints(&mailbox, &meter, &throttle, sender)).unwrap();
            Self { mailbox, meter, throttle, reports, worker }
        }

        fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
            let end = Instant::now() + Duration::from_secs(30);
            while !done(self) {
                assert!(Instant::now() < end, "{what}: {:?} after {}", self.worker.pulse, self.meter.total());
                std::thread::sleep(Duration::from_millis(2));
            }
        }

        fn is_idle(&self) -> bool {
            self.worker.pulse.read().0 == Doing::Idle
        }

        fn stop(self) {
            self.mailbox.post(Letter::Stop);
            assert!(self.worker.join_until(Instant::now() + Duration::from_secs(10)));
        }
    }

    /// Time hashed is what the duty says of it, on a machine that is busy as well, and although new work comes all the
    /// time: a rest is measured by the slice that it follows.
    #[test]
    fn a_quarter_of_the_time_is_hashed_at_a_quarter() {
        let options = SimOptions { rate_hs: 50_000, ..SimOptions::default() };
        let bench = Bench::new(assignment(32), options, Duty::from_permille(250));
        let began = Instant::now();
        for _ in 0..30 {
            std::thread::sleep(Duration::from_millis(50));
            bench.mailbox.post(Letter::Mine(assignment(32)));
        }
        let slices = bench.meter.total() / 1000;
        let most = began.elapsed().as_millis() / 20;
        assert!(slices > 0 && u128::from(slices) <= most / 2, "{slices} slices, {most} without any rest");
        bench.stop();
    }

    /// Nothing is hashed in a pause, nothing is hashed twice, and nothing is left out.
    #[test]
    fn after_a_pause_the_same_work_goes_on() {
        let options = SimOptions { rate_hs: 20_000, ..SimOptions::default() };
        let work = assignment(13);
        let mut bench = Bench::new(Arc::clone(&work), options, Duty::FULL);
        let (mut single, mut counted) = (std::collections::BTreeSet::new(), 0);
        for round in 1..=5 {
            bench.wait("hashes", |bench| bench.meter.total() >= round * 400);
            bench.throttle.set(Duty::PAUSE);
            bench.wait("a pause", Bench::is_idle);
            let total = bench.meter.total();
            std::thread::sleep(Duration::from_millis(60));
            assert_eq!(bench.meter.total(), total, "hashed in a pause");
            // Other work and back again: it is not loaded, and the lease is the same.
            bench.mailbox.post(Letter::Idle);
            bench.mailbox.post(Letter::Mine(Arc::clone(&work)));
            bench.throttle.set(Duty::FULL);
        }
        loop {
            match bench.reports.blocking_recv().unwrap() {
                Report::Hit(hit) => assert!(single.insert(hit.nonce), "{} twice", hit.nonce),
                Report::Excess(excess) => counted += excess.count,
                Report::Exhausted(_) => break,
                Report::Ready { .. } => {}
                Report::Ended { error, .. } => panic!("{error:?}"),
            }
        }
        assert_eq!((u64::try_from(single.len()).unwrap() + counted, bench.meter.total()), (8192, 8192));
        bench.stop();
    }

    /// A pause interrupts the work that a device does to get ready, and a paused device does none.
    #[test]
    fn a_paused_device_gets_nothing_ready() {
        let options = SimOptions { load_time: Duration::from_secs(3600), ..SimOptions::default() };
        let bench = Bench::new(assignment(32), options, Duty::FULL);
        bench.wait("a load", |bench| bench.worker.pulse.read().0 == Doing::Preparing);
        bench.throttle.set(Duty::PAUSE);
        bench.wait("a pause", Bench::is_idle);
        bench.mailbox.post(Letter::Mine(assignment(31)));
        std::thread::sleep(Duration::from_millis(300));
        assert!(bench.is_idle());
        bench.stop();
    }

    /// A device that answers each slice without a hash looks as old as its last one; one at rest does not.
    #[test]
    fn slices_without_a_hash_are_no_sign_of_life() {
        let barren = SimOptions { failure: Some((SimFailure::Barren, 1)), ..SimOptions::default() };
        let bench = Bench::new(assignment(32), barren, Duty::from_permille(500));
        let silent = |bench: &Bench| {
            let (doing, since) = bench.worker.pulse.read();
            doing == Doing::Hashing && since.elapsed() >= Duration::from_millis(300)
        };
        bench.wait("silence", silent);
        assert_eq!(bench.meter.total(), 0);
        bench.throttle.set(Duty::PAUSE);
        bench.wait("a pause", Bench::is_idle);
        bench.stop();
    }
}
