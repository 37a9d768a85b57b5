//! The engine's decisions, without sockets: events of pools and reports of workers in, letters to workers and
//! shares to pools out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::Hash;
use rminer_stratum::connect::Path;
use rminer_stratum::supervisor::{Event, GaveUp, PoolEvent};
use rminer_stratum::{Job, JobKey, Ledger, NotSent, Reject, Settled, Share, Verdict};
use tokio::sync::mpsc;

use super::crew::{Crew, CrewEvent, Patience};
use super::hashrate::Windows;
use super::histogram::Histogram;
use super::mailbox::{Letter, Mailbox};
use super::order::Obeyed;
use super::scheduler::{Assignment, Scheduler};
use super::snapshot::{DeviceSnapshot, DeviceState, PoolSnapshot, Snapshot, State, WorkerSnapshot};
use super::throttle::Duty;
use super::verify::{Checked, Purpose, Verifier};
use super::worker::{Excess, Hit, Report};
use crate::devices::{Check, DatasetReady, DeviceSource, Health, Notice};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::safety::{CapChange, Decision};
use crate::telemetry::Readings;
use crate::ui::duration;

/// Hits that are kept in case a pool says that their hash is wrong.
const MAX_SENT: usize = 64;
/// Stands for a hash that is not known; it meets no target but the easiest one.
const NO_HASH: Hash = Hash([0xFF; 32]);
/// Shares that are expected less often than this are worth a word.
const RARE: Duration = Duration::from_secs(600);

/// What people are told, in order.
#[derive(Debug, Clone)]
pub enum Happening {
    /// Something happened with a pool.
    Pool(usize, PoolEvent),
    /// How the connection with a pool came about: address, TLS, time.
    Path(usize, String),
    /// A new job is mined.
    Job(Arc<Job>),
    /// There is nothing to mine.
    NoJob,
    /// A share got its verdict; with the device that found it.
    Share(Settled, String),
    /// Hits that were only counted, all since the last word: more than any pool is sent. With pool and device.
    Excess(usize, String, u64),
    /// A worker came, went, or failed; with its device and number.
    Crew(CrewEvent, String, u16),
    /// A device has something to say.
    Device(Notice),
    /// What a device may do has changed.
    Cap(CapChange),
    /// Someone asked for something.
    Order(Obeyed),
    /// Something else that people should know.
    Warning(Problem),
    /// A hit was wrong, in words.
    Mismatch(String),
    /// The work is used up before a new job came.
    Exhausted,
    /// Shares of this job will be rare on these devices.
    RareShares(RareShares),
}

/// How rare shares are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RareShares {
    /// Mean time from one to the next; more than [`Duration`] holds is its maximum.
    pub expected: Duration,
    /// Expected hashes for one.
    pub difficulty: f64,
    /// Best rate of all devices together.
    pub rate_hs: f64,
    /// Whether nothing less than a block is taken.
    pub solo: bool,
}

/// Takes hits on their way to the pool.
pub trait Submit {
    /// Send this.
    fn share(&mut self, share: &Share);
    /// Only record this.
    fn not_sent(&mut self, share: &Share, why: NotSent);
    /// Only count so many hits of this worker, for this pool: far more than can be sent.
    fn throttled(&mut self, pool: usize, worker: u16, hits: u64);
}

/// The engine.
pub struct Core {
    scheduler: Scheduler,
    crew: Crew,
    verifier: Verifier,
    mailbox: Arc<Mailbox>,
    device_windows: BTreeMap<String, Windows>,
    /// By the number of the worker.
    worker_windows: Vec<Windows>,
    /// RandomX datasets that are ready, by device.
    datasets: BTreeMap<String, DatasetReady>,
    total_window: Windows,
    started: Instant,
    active_pool: Option<usize>,
    pools: Vec<PoolSnapshot>,
    readings: Readings,
    decision: Decision,
    /// The job whose nonces are used up.
    exhausted: Option<JobKey>,
    /// Hits that were sent lately, in case a pool complains.
    sent: VecDeque<Hit>,
    /// Hits that were only counted and not yet told, by pool and device.
    excess: BTreeMap<(usize, String), u64>,
    told_of_rare_shares: bool,
    /// Times from a hit to the end of its check.
    check: Histogram,
    happenings: Vec<Happening>,
    exit: Option<Exit>,
}

impl Core {
    /// An engine with these devices; workers start at the first [`Core::tick`].
    ///
    /// # Errors
    /// When the system gives no thread for the verifier.
    pub fn new(
        sources: Vec<Arc<dyn DeviceSource>>,
        reports: mpsc::Sender<Report>,
        checked: mpsc::Sender<Checked>,
        patience: Patience,
        now: Instant,
    ) -> std::io::Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        Ok(Self {
            scheduler: Scheduler::default(),
            crew: Crew::new(sources, Arc::clone(&mailbox), reports, patience),
            verifier: Verifier::start(checked)?,
            mailbox,
            device_windows: BTreeMap::new(),
            worker_windows: Vec::new(),
            datasets: BTreeMap::new(),
            total_window: Windows::default(),
            started: now,
            active_pool: None,
            pools: Vec::new(),
            readings: Readings::default(),
            decision: Decision::default(),
            exhausted: None,
            sent: VecDeque::new(),
            excess: BTreeMap::new(),
            told_of_rare_shares: false,
            check: Histogram::default(),
            happenings: Vec::new(),
            exit: None,
        })
    }

    /// Something from the pools.
    pub fn on_pool(&mut self, event: Event) {
        match event {
            Event::Job(job) => {
                let assignment = self.scheduler.job(Arc::clone(&job));
                self.post(assignment);
                // What waits for the node is the job before, and nothing that people could mine.
                if !job.is_held() {
                    self.happenings.push(Happening::Job(job));
                }
            }
            Event::NoJob => {
                self.scheduler.no_job();
                self.post(None);
                self.active_pool = None;
                // While stopping or paused nobody is surprised.
                if self.scheduler.pauses().next().is_none() {
                    self.happenings.push(Happening::NoJob);
                }
            }
            Event::Settled(settled) => {
                if matches!(settled.verdict, Verdict::Rejected { kind: Reject::BadHash, .. }) {
                    self.on_complaint(&settled);
                }
                let device = self.device_of(settled.row.device);
                self.happenings.push(Happening::Share(settled, device));
            }
            Event::Pool { pool, what } => {
                self.note_pool(pool, &what);
                self.happenings.push(Happening::Pool(pool, what));
            }
            Event::GaveUp(GaveUp::NoPool) => self.exit = Some(Exit::NoPool),
            Event::GaveUp(GaveUp::AllRefused) => self.exit = Some(Exit::LoginRefused),
            Event::Stopped => self.exit = self.exit.or(Some(Exit::Done)),
        }
    }

    /// How the connection with a pool came about, told when the login was taken.
    pub fn on_path(&mut self, pool: usize, path: Option<&Path>) {
        let snapshot = self.pool(pool);
        snapshot.link = path.map(Into::into);
        snapshot.path = path.map(ToString::to_string);
        self.happenings.extend(path.map(|path| Happening::Path(pool, path.to_string())));
    }

    /// Something from a worker.
    pub fn on_report(&mut self, now: Instant, report: Report, pool: &mut dyn Submit) {
        match report {
            Report::Ready { worker } => self.crew_event(CrewEvent::Ready(worker)),
            Report::Ended { worker, life, error } => {
                if let Some(event) = self.crew.ended(now, worker, life, error) {
                    self.crew_event(event);
                }
            }
            Report::Exhausted(assignment) => {
                // Every worker says so; the first one is enough.
                if self.exhausted == Some(assignment.job.key) {
                    return;
                }
                match self.scheduler.exhausted(&assignment) {
                    Some(next) if Arc::ptr_eq(&next, &assignment) => {}
                    Some(next) => self.post(Some(next)),
                    None => {
                        self.exhausted = Some(assignment.job.key);
                        self.post(None);
                        self.happenings.push(Happening::Exhausted);
                    }
                }
            }
            Report::Hit(hit) => self.on_hit(now, hit, pool),
            Report::Excess(Excess { worker, assignment, count }) => {
                pool.throttled(assignment.job.pool, worker, count);
                *self.excess.entry((assignment.job.pool, self.device_of(worker))).or_default() += count;
            }
        }
    }

    /// A hit was hashed again.
    pub fn on_checked(&mut self, now: Instant, checked: Checked, pool: &mut dyn Submit) {
        let right = checked.is_right();
        let complaint = checked.purpose == Purpose::Complaint;
        // A complaint comes long after the hit.
        if !complaint {
            self.check.observe(now.saturating_duration_since(checked.hit.found));
        }
        let device = self.device_of(checked.hit.worker);
        if let Err(unavailable) = &checked.outcome {
            self.happenings
                .push(Happening::Mismatch(format!("a hit of {device} was not checked: {unavailable}")));
        }
        if !right || complaint {
            self.happenings.push(Happening::Mismatch(explain(&checked, &device)));
        }
        // Without an engine to ask there is nothing to judge by.
        if checked.outcome.is_ok() {
            let blameless = is_confirmed(&checked) || (right && !complaint);
            if let Some(event) = self.crew.judged(now, checked.hit.worker, blameless) {
                self.crew_event(event);
            }
        }
        if checked.purpose == Purpose::BeforeSending {
            let hash = checked.outcome.ok().or(checked.hit.hash).unwrap_or(NO_HASH);
            let share = share(&checked.hit, hash);
            if right {
                self.send(&checked.hit, share, pool);
            } else {
                pool.not_sent(&share, NotSent::Miscompute);
            }
        }
    }

    /// A device said something.
    pub fn on_notice(&mut self, notice: Notice) {
        if let Notice::DatasetReady(ready) = &notice {
            self.datasets.insert(ready.device.clone(), ready.clone());
        }
        self.happenings.push(Happening::Device(notice));
    }

    /// Something was asked, or what was asked came to its end.
    pub fn on_order(&mut self, obeyed: Obeyed) {
        self.happenings.push(Happening::Order(obeyed));
    }

    /// Something that people should know.
    pub fn on_warning(&mut self, warning: Problem) {
        self.happenings.push(Happening::Warning(warning));
    }

    /// Once a second: hash rates, lost and hung workers.
    pub fn tick(&mut self, now: Instant) {
        for event in self.crew.tick(now) {
            self.crew_event(event);
        }
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        let total = self.crew.each().map(|(_, hashes, _)| hashes).sum();
        if total == 0 {
            let windows = self.worker_windows.iter_mut().chain(self.device_windows.values_mut());
            windows.for_each(Windows::begin);
            self.total_window.begin();
        }
        for (worker, (source, hashes, _)) in self.crew.each().enumerate() {
            *totals.entry(&source.info().id).or_default() += hashes;
            if self.worker_windows.len() == worker {
                self.worker_windows.push(Windows::default());
            }
            self.worker_windows[worker].sample(now, hashes);
        }
        for (id, hashes) in &totals {
            // The name is copied once, when the device is first seen.
            match self.device_windows.get_mut(*id) {
                Some(windows) => windows.sample(now, *hashes),
                None => self.device_windows.entry((*id).to_owned()).or_default().sample(now, *hashes),
            }
        }
        self.total_window.sample(now, total);
        self.tell_of_rare_shares();
        self.tell_excess();
        if self.crew.is_hopeless() {
            self.exit = self.exit.or(Some(Exit::NoDevice));
        } else if self.crew.needs_restart() {
            self.exit = self.exit.or(Some(Exit::DeviceHung));
        }
    }

    /// One word for all hits of a device that were only counted since the last one.
    pub fn tell_excess(&mut self) {
        let excess = std::mem::take(&mut self.excess).into_iter();
        self.happenings.extend(excess.map(|((pool, device), count)| Happening::Excess(pool, device, count)));
    }

    /// What devices may do from now on, and what sensors say.
    pub fn decided(&mut self, decision: Decision, readings: Readings) {
        for device in decision.caps.keys() {
            self.crew.set_duty(device, decision.duty(device));
        }
        self.happenings.extend(decision.pause_over.map(|length| {
            let outcome = Ok(format!("the pause of {} is over", duration(length)));
            Happening::Order(Obeyed { what: "resume", outcome })
        }));
        self.happenings.extend(decision.changes.iter().cloned().map(Happening::Cap));
        self.happenings.extend(decision.warnings.iter().cloned().map(Happening::Warning));
        if let Some(reason) = &decision.stop {
            let problem = Problem::error("safety-stop", reason.clone())
                .help("look after fans, dust and the air around it before you start again");
            self.happenings.push(Happening::Warning(problem));
            self.exit = self.exit.or(Some(Exit::SafetyStop));
        }
        (self.decision, self.readings) = (decision, readings);
    }

    /// Stops hashing; the pool may still answer.
    pub fn pause(&mut self, reason: &'static str) {
        self.scheduler.pause(reason);
        self.post(None);
    }

    /// Takes one reason to pause away.
    pub fn resume(&mut self, reason: &'static str) {
        let assignment = self.scheduler.resume(reason);
        self.post(assignment);
    }

    /// Why the miner must end, once it must.
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// What people should be told since the last call.
    pub fn take_happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// The state of everything, for screens and interfaces.
    pub fn snapshot(&self, now: Instant, ledger: &Ledger) -> Snapshot {
        let mut devices: BTreeMap<&str, DeviceSnapshot> = BTreeMap::new();
        for (worker, (source, hashes, mismatches)) in (0u16..).zip(self.crew.each()) {
            let info = source.info();
            let device = devices.entry(&info.id).or_insert_with(|| DeviceSnapshot {
                id: info.id.clone(),
                name: info.name.clone(),
                rates: self.device_windows.get(&info.id).map(Windows::rates).unwrap_or_default(),
                state: self.device_state(&info.id),
                duty: self.crew.duty(&info.id),
                caps: self.decision.caps.get(&info.id).cloned().unwrap_or_default(),
                readings: self.readings.devices.get(&info.id).cloned().unwrap_or_default(),
                dataset: self.datasets.get(&info.id).cloned(),
                ..DeviceSnapshot::default()
            });
            device.workers += 1;
            device.each_worker.push(WorkerSnapshot {
                rates: self.worker_windows.get(usize::from(worker)).map(Windows::rates).unwrap_or_default(),
                pinned_to: info.pinned_to,
            });
            device.hashes += hashes;
            device.mismatches += mismatches;
            let losses = self.crew.losses(worker);
            device.losses += losses.all;
            device.hung += losses.hung;
            device.restarts += losses.restarts;
            device.benched += losses.benched;
            device.new_work.merge(&self.crew.new_work(worker));
            if let Some(counts) = ledger.device(worker) {
                device.accepted += counts.accepted;
                device.rejected += counts.rejected_total();
                device.not_sent += counts.not_sent_total();
            }
        }
        let devices: Vec<DeviceSnapshot> = devices.into_values().collect();
        Snapshot {
            uptime: now.saturating_duration_since(self.started),
            hashes: devices.iter().map(|device| device.hashes).sum(),
            state: self.state(&devices),
            devices,
            pools: self.pool_snapshots(ledger),
            host: self.readings.host.clone(),
            safety: self.decision.shown.clone(),
            rates: self.total_window.rates(),
            shares: ledger.total().clone(),
            pending: ledger.pending(),
            pool: self.active_pool,
            difficulty: self
                .scheduler
                .newest()
                .filter(|job| !job.is_held())
                .map(|job| job.target.difficulty()),
            height: self.scheduler.newest().and_then(|job| job.height),
            pauses: self.scheduler.pauses().collect(),
            algorithm: self.scheduler.newest().map(|job| job.algorithm.name),
            check: self.check,
        }
    }

    /// Stops all workers; returns how many did not end in time.
    pub fn stop(self, patience: Duration) -> usize {
        self.verifier.stop();
        self.crew.stop(Instant::now() + patience)
    }

    fn pool(&mut self, pool: usize) -> &mut PoolSnapshot {
        // Indices come from the settings, which bound their number.
        if self.pools.len() <= pool {
            self.pools.resize_with(pool + 1, PoolSnapshot::default);
        }
        &mut self.pools[pool]
    }

    fn note_pool(&mut self, pool: usize, what: &PoolEvent) {
        if *what == PoolEvent::Active {
            self.active_pool = Some(pool);
        }
        let snapshot = self.pool(pool);
        let is_up = match what {
            PoolEvent::LoggedIn | PoolEvent::Active => true,
            PoolEvent::Down { reason, .. } => {
                *snapshot.downs.entry(reason.kind()).or_default() += 1;
                false
            }
            PoolEvent::Connecting | PoolEvent::Connected | PoolEvent::Waiting(_) | PoolEvent::Notice(_) => {
                return;
            }
        };
        if snapshot.is_up != is_up || snapshot.since.is_none() {
            (snapshot.is_up, snapshot.since) = (is_up, Some(Instant::now()));
        }
    }

    fn pool_snapshots(&self, ledger: &Ledger) -> Vec<PoolSnapshot> {
        let shares = |pool| ledger.pool(pool).cloned().unwrap_or_default();
        let pools = self.pools.iter().enumerate();
        pools.map(|(pool, snapshot)| PoolSnapshot { shares: shares(pool), ..snapshot.clone() }).collect()
    }

    fn device_state(&self, device: &str) -> DeviceState {
        match self.crew.state(device) {
            DeviceState::Starting | DeviceState::Mining if self.crew.duty(device) == Duty::PAUSE => {
                DeviceState::Paused
            }
            DeviceState::Starting | DeviceState::Mining if self.scheduler.current().is_none() => {
                DeviceState::Idle
            }
            state => state,
        }
    }

    fn state(&self, devices: &[DeviceSnapshot]) -> State {
        if self.scheduler.pauses().next().is_some() {
            State::Stopping
        } else if !devices.is_empty() && devices.iter().all(|device| device.duty == Duty::PAUSE) {
            State::Paused
        } else if self.scheduler.newest().is_none_or(|job| job.is_held()) {
            State::Waiting
        } else if devices.iter().any(|device| device.state == DeviceState::Mining) {
            State::Mining
        } else {
            State::Starting
        }
    }

    fn on_hit(&mut self, now: Instant, hit: Hit, pool: &mut dyn Submit) {
        let Some(source) = self.crew.source(hit.worker).map(Arc::clone) else { return };
        let first = self.crew.check(now, hit.worker) == Check::First;
        let purpose = match hit.hash.filter(|_| !first) {
            Some(hash) => {
                self.send(&hit, share(&hit, hash), pool);
                Purpose::Behind
            }
            None => Purpose::BeforeSending,
        };
        if let Err(hit) = self.verifier.check(hit, purpose, source) {
            // More hits than can be checked. One that was sent stays unchecked; sending one that must be
            // checked first would be worse than losing it.
            if purpose == Purpose::BeforeSending {
                pool.not_sent(&share(&hit, hit.hash.unwrap_or(NO_HASH)), NotSent::Throttled);
            }
        }
    }

    fn send(&mut self, hit: &Hit, share: Share, pool: &mut dyn Submit) {
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(hit.clone());
        pool.share(&share);
    }

    /// A pool said that a hash is wrong: an engine of another kind decides who is right.
    fn on_complaint(&mut self, settled: &Settled) {
        let row = &settled.row;
        let meant = |hit: &&Hit| {
            hit.assignment.job.key == row.job && hit.worker == row.device && hit.found == row.found
        };
        let Some(hit) = self.sent.iter().find(meant).cloned() else { return };
        if let Some(source) = self.crew.source(hit.worker).map(Arc::clone) {
            // With a full queue others are being examined; one more complaint adds nothing.
            let _full = self.verifier.check(hit, Purpose::Complaint, source);
        }
    }

    /// Once a start, when the rate is known.
    fn tell_of_rare_shares(&mut self) {
        let (Some(rate_hs), Some(job)) = (self.total_window.rates().best_hs, self.scheduler.newest()) else {
            return;
        };
        let difficulty = job.target.difficulty();
        if self.told_of_rare_shares || job.is_held() || difficulty <= rate_hs * RARE.as_secs_f64() {
            return;
        }
        self.told_of_rare_shares = true;
        let rare = RareShares {
            expected: Duration::try_from_secs_f64(difficulty / rate_hs).unwrap_or(Duration::MAX),
            difficulty,
            rate_hs,
            solo: job.block_target == Some(job.target),
        };
        self.happenings.push(Happening::RareShares(rare));
    }

    fn crew_event(&mut self, event: CrewEvent) {
        let worker = match &event {
            CrewEvent::Ready(worker)
            | CrewEvent::Lost(worker, ..)
            | CrewEvent::Benched(worker, _)
            | CrewEvent::Unusable(worker, _)
            | CrewEvent::Hung(worker, ..)
            | CrewEvent::Sabotaged(worker, _) => *worker,
        };
        let number = self.crew.source(worker).map_or(0, |source| source.info().worker);
        self.happenings.push(Happening::Crew(event, self.device_of(worker), number));
    }

    fn device_of(&self, worker: u16) -> String {
        self.crew.source(worker).map_or_else(String::new, |source| source.info().id.clone())
    }

    fn post(&self, assignment: Option<Arc<Assignment>>) {
        self.mailbox.post(assignment.map_or(Letter::Idle, Letter::Mine));
    }
}

/// Whether an engine that shares nothing with the device finds its hit good.
fn is_confirmed(checked: &Checked) -> bool {
    // A device that gives no hash has no memory of its own either; what computed the hash again is the reference.
    checked.health == Some(Health::Healthy) || (checked.hit.hash.is_none() && checked.is_right())
}

fn explain(checked: &Checked, device: &str) -> String {
    let who = match checked.purpose {
        Purpose::Complaint => "the pool says that a hash is wrong",
        Purpose::BeforeSending | Purpose::Behind => "the second engine does not find a hash",
    };
    let why = match checked.health {
        _ if is_confirmed(checked) => {
            "an engine of another kind confirms the hash, so this machine is not at fault"
        }
        Some(Health::MemoryCorrupt) => {
            "memory had flipped; it is filled again. Check the memory's clock and health"
        }
        Some(Health::DeviceFault) => "the device miscomputes. Lower its clock or raise its voltage",
        Some(Health::Unknown | Health::Healthy) | None => "the cause is not known",
    };
    format!("{device} worker {}: {who}: {why}", checked.hit.worker)
}

fn share(hit: &Hit, hash: Hash) -> Share {
    Share {
        job: Arc::clone(&hit.assignment.job),
        roll: hit.assignment.roll,
        nonce: hit.nonce,
        hash,
        device: hit.worker,
        found: hit.found,
    }
}

#[cfg(test)]
mod tests;
