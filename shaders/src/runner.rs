//! Mining on one graphics card: slices in flight, sized by their time, checked by the reference.

pub(crate) mod engine;
mod trust;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Hash, Reference, Target, Work};

use self::engine::{Engine, Loaded};
use self::trust::Trust;
use crate::Variant;
use crate::adapters::Adapter;
use crate::card::Card;
use crate::choose::{self, Choice, Picks};
use crate::fault::{Fault, Watch};
use crate::part::{Part, is_candidate};
use crate::planted::{self, Case};
use crate::ring::{Flight, Span};
use crate::steer::Pace;

/// Slices in flight: one that runs and one that waits behind it. A third would only keep new work waiting.
const IN_FLIGHT: usize = 2;
/// Slices of one call of [`Runner::scan`]: the device idles for a moment between two calls.
const SLICES_A_SCAN: u64 = 8;

/// How a card is to be used.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a slice should take; new work waits for up to two of them. Half as long where work comes several
    /// times a second, up to five times as long where it is rare.
    pub slice: Duration,
    /// How long one may take before the device counts as hung.
    pub patience: Duration,
    /// The same for what runs while the device is opened: some drivers compile a kernel when it runs first.
    pub opening_patience: Duration,
    /// Hashes of each slice instead of what the time says, also beyond what its results have room for.
    pub fixed_hashes: Option<u64>,
    /// Whether slices are timed by the device's own clock, where it has one, or by the host's; `None` for the
    /// device's on hardware only. Software has no clock but the host's, and reading it as a device's costs software
    /// Vulkan as much again as an empty dispatch.
    pub device_clock: Option<bool>,
    /// A search with known outcome comes after so many slices; 0 for never.
    pub planted_every: u32,
    /// Which kernels.
    pub picks: Picks,
    /// Time to measure kernels, compilers included; what is not measured by then is not chosen.
    pub measuring: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slice: Duration::from_millis(20),
            patience: Duration::from_secs(10),
            opening_patience: Duration::from_secs(120),
            fixed_hashes: None,
            device_clock: None,
            planted_every: 4096,
            picks: Picks::Auto,
            measuring: Duration::from_secs(2),
        }
    }
}

/// A nonce that the device claims to meet the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The whole nonce.
    pub nonce: u64,
    /// Its hash, which meets the target; `None` when the device is wrong.
    pub hash: Option<Hash>,
}

/// What a runner did since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Slices that were done.
    pub slices: u64,
    /// Hashes in them, without those of planted searches.
    pub hashes: u64,
    /// Time that the device computed for them.
    pub busy: Duration,
    /// Time from the beginning of the first to the end of the last slice since [`Runner::restart_clock`].
    pub wall: Duration,
    /// Candidates that were none.
    pub miscomputes: u64,
    /// Dispatches that found more than there was room for and were searched again.
    pub overflows: u64,
    /// Searches with known outcome while mining.
    pub planted: u64,
}

impl Stats {
    /// Share of the time that the device had nothing to do, 0 to 1.
    pub fn idle_share(&self) -> f64 {
        if self.wall.is_zero() {
            0.0
        } else {
            (1.0 - self.busy.as_secs_f64() / self.wall.as_secs_f64()).max(0.0)
        }
    }
}

/// Breaks a device on purpose, as a driver would. For tests of what comes after.
#[derive(Debug, Clone)]
pub struct Saboteur {
    device: wgpu::Device,
    watch: Watch,
}

impl Saboteur {
    /// Destroys the device; what is in flight is lost.
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Tells the runner of a fault as wgpu would, from whichever thread.
    pub fn report(&self, fault: Fault) {
        self.watch.note(fault);
    }
}

/// One card with the kernels of one algorithm. Made, used and dropped on one thread.
pub struct Runner {
    // Dropped before the card, whose buffers these hold.
    engines: Vec<Engine>,
    card: Card,
    choice: Choice,
    options: Options,
    reference: Box<dyn Reference>,
    cases: Vec<Case>,
    next_case: usize,
    since_planted: u32,
    job: Option<Loaded>,
    fault: Option<Fault>,
    trust: Trust,
    pace: Pace,
    /// Whether newer work came while the last was hashed.
    outdated: bool,
    stats: Stats,
    clock: Clock,
    first_hash: Option<Instant>,
    words_made: u64,
}

/// Ends of slices, by the host's clock and the device's.
#[derive(Debug, Default)]
struct Clock {
    began: Option<(Instant, Option<Span>)>,
    last: Option<(Instant, Option<Span>)>,
}

/// A slice in flight.
struct Slice {
    part: Part,
    flight: Flight,
    dispatches: Vec<crate::ring::Dispatch>,
    submitted: Instant,
}

impl Runner {
    /// Opens an adapter, chooses kernels among `variants` and proves on searches with known outcome that they
    /// compute rightly. Compiles each kernel that it uses once; no work later does.
    ///
    /// # Errors
    /// Every variant of [`Fault`].
    pub fn open(
        adapter: &Adapter,
        algorithm: &'static Algorithm,
        variants: Vec<Variant>,
        options: Options,
    ) -> Result<Self, Fault> {
        let reference = (algorithm.reference)().map_err(|error| Fault::Memory(error.0))?;
        let device_clock = options.device_clock.unwrap_or(!adapter.software);
        let card = Card::open(&adapter.id, options.opening_patience, device_clock)?;
        let variants: Vec<Arc<Variant>> = variants.into_iter().map(Arc::new).collect();
        let (engines, choice) = choose::engines(&card, adapter.software, algorithm, &variants, &options)?;
        let pace = Pace::new(options.slice);
        let mut runner = Self {
            engines,
            card,
            choice,
            options,
            reference,
            cases: Vec::new(),
            next_case: 0,
            since_planted: 0,
            job: None,
            fault: None,
            trust: Trust::default(),
            pace,
            outdated: false,
            stats: Stats::default(),
            clock: Clock::default(),
            first_hash: None,
            words_made: 0,
        };
        runner.cases = planted::cases(algorithm, &mut *runner.reference)?;
        for engine in 0..runner.engines.len() {
            for case in 0..runner.cases.len() {
                runner.run_case(engine, case)?;
            }
        }
        runner.card.set_patience(runner.options.patience);
        Ok(runner)
    }

    /// Takes new work. Nothing is compiled for it and nothing is waited for.
    ///
    /// # Errors
    /// [`Fault::Refused`] when the kernels do not fit the work.
    pub fn load(&mut self, work: &Arc<Work>, target: Target) -> Result<(), Fault> {
        let engine = self.engine_for(work)?;
        // Work that only continues the last one where its nonces ended is no news.
        if std::mem::take(&mut self.outdated) {
            self.pace.new_work(Instant::now());
        }
        self.engines[engine].steer.want(self.pace.slice());
        let mut job = Loaded::new(engine, Arc::clone(work), target);
        // The first slice needs these words anyway, and now there is somebody to tell that they cannot be made.
        self.engines[engine].job_words(&mut job, &mut self.words_made, 0)?;
        self.job = Some(job);
        self.first_hash = None;
        Ok(())
    }

    /// Hashes the counters of `range` in slices until all are done or `interrupted` says so; what is in flight then
    /// is still waited for. Returns how many counters from the start of the range are done. The claims of these,
    /// and of no others, are added to `claims`.
    ///
    /// # Errors
    /// The fault that ended the call before this one; that call returned what was done until then. After a fault
    /// the runner does not work any more.
    pub fn scan(
        &mut self,
        range: Range<u64>,
        interrupted: &dyn Fn() -> bool,
        claims: &mut Vec<Claim>,
    ) -> Result<u64, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut next = range.clone();
        if let Err(fault) = self.scan_until(&mut next, interrupted, claims) {
            self.fault = Some(fault);
        }
        self.outdated = interrupted();
        Ok(next.start - range.start)
    }

    /// Counters that one call of [`Runner::scan`] should be offered.
    pub fn batch(&self) -> u64 {
        self.slice_hashes().saturating_mul(SLICES_A_SCAN)
    }

    /// How long a slice of the work that was loaded last should take, by how often new work comes.
    pub fn wanted_slice(&self) -> Duration {
        self.pace.slice()
    }

    /// When the first hash of the work that was loaded last was done, once its first slice is done: the beginning
    /// of that slice.
    pub fn first_hash(&self) -> Option<Instant> {
        self.first_hash
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Begins to count busy time and wall time anew.
    pub fn restart_clock(&mut self) {
        self.clock = Clock::default();
        (self.stats.busy, self.stats.wall) = (Duration::ZERO, Duration::ZERO);
    }

    /// Which kernels were chosen, and what is known of the others.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Pipelines that were made since the card was opened.
    pub fn pipelines_created(&self) -> u32 {
        self.card.pipelines()
    }

    /// Whether the device tells times of its own.
    pub fn has_timestamps(&self) -> bool {
        self.card.tick_ns().is_some()
    }

    /// What breaks this device on purpose.
    pub fn saboteur(&self) -> Saboteur {
        Saboteur { device: self.card.device().clone(), watch: self.card.watch().clone() }
    }

    /// Runs the self-test again, all cases on all kernels in use.
    ///
    /// # Errors
    /// [`Fault::Wrong`] when the device misses a winner or claims one that is none.
    pub fn self_test(&mut self) -> Result<(), Fault> {
        for engine in 0..self.engines.len() {
            for case in 0..self.cases.len() {
                self.run_case(engine, case)?;
            }
        }
        Ok(())
    }

    fn engine_for(&self, work: &Work) -> Result<usize, Fault> {
        // The kernel with most lanes that the work has versions for stands last.
        let fits = |engine: &Engine| Part::passes(work, engine.lanes()).is_some();
        let found = self.engines.iter().rposition(fits);
        found.ok_or_else(|| Fault::Refused("no kernel in use takes this work".into()))
    }

    fn slice_hashes(&self) -> u64 {
        if let Some(fixed) = self.options.fixed_hashes {
            return fixed.max(1);
        }
        let Some(job) = &self.job else { return 1 << 16 };
        self.engines.get(job.engine()).map_or(1 << 16, |engine| engine.slice_hashes(job))
    }

    /// Moves the start of `next` behind what is done.
    fn scan_until(
        &mut self,
        next: &mut Range<u64>,
        interrupted: &dyn Fn() -> bool,
        claims: &mut Vec<Claim>,
    ) -> Result<(), Fault> {
        let Some(mut job) = self.job.take() else { return Err(Fault::Lost("no work was loaded".into())) };
        let outcome = self.planted_if_due(job.engine());
        let outcome = outcome.and_then(|()| self.slices(&mut job, next, interrupted, claims));
        self.job = Some(job);
        outcome
    }

    fn slices(
        &mut self,
        job: &mut Loaded,
        next: &mut Range<u64>,
        interrupted: &dyn Fn() -> bool,
        claims: &mut Vec<Claim>,
    ) -> Result<(), Fault> {
        let mut queued = next.clone();
        let mut flying: VecDeque<Slice> = VecDeque::with_capacity(IN_FLIGHT);
        loop {
            let mut broken = None;
            while flying.len() < IN_FLIGHT && !queued.is_empty() && broken.is_none() && !interrupted() {
                match self.submit(job, &queued) {
                    Ok(slice) => {
                        queued.start = slice.part.counters.end;
                        flying.push_back(slice);
                    }
                    Err(fault) => broken = Some(fault),
                }
            }
            // What is done already is worth reading even when no more can be queued.
            let Some(slice) = flying.pop_front() else { return broken.map_or(Ok(()), Err) };
            let end = slice.part.counters.end;
            let hits = self.land(job, slice)?;
            let trusted = self.confirm(job, &hits, claims)?;
            next.start = end;
            if let Some(fault) = trusted.err().or(broken) {
                return Err(fault);
            }
        }
    }

    fn submit(&mut self, job: &mut Loaded, range: &Range<u64>) -> Result<Slice, Fault> {
        let hashes =
            self.options.fixed_hashes.unwrap_or_else(|| self.engines[job.engine()].slice_hashes(job));
        let engine = &mut self.engines[job.engine()];
        let part = Part::first(job.work(), range, hashes);
        let dispatches = engine.dispatches(job, &mut self.words_made, &part)?;
        let submitted = Instant::now();
        let flight = engine.ring.submit(&self.card, &dispatches)?;
        Ok(Slice { part, flight, dispatches, submitted })
    }

    /// Waits for a slice; counters of its candidates.
    fn land(&mut self, job: &Loaded, slice: Slice) -> Result<Vec<u64>, Fault> {
        let engine = &mut self.engines[job.engine()];
        let landed = engine.ring.land(&self.card, slice.flight)?;
        let now = Instant::now();
        let (hits, overflows) =
            engine.hits(&self.card, job.target(), &slice.part, &slice.dispatches, &landed.results)?;
        self.stats.overflows += overflows;
        let hashes = slice.part.counters.end - slice.part.counters.start;
        let took = self.clock.note(slice.submitted, now, landed.span);
        engine.steer.note(u64::from(slice.part.nonces) << job.work().lane_bits(), took);
        self.first_hash.get_or_insert_with(|| now.checked_sub(took).unwrap_or(now).max(slice.submitted));
        self.stats.slices += 1;
        self.stats.hashes += hashes;
        self.stats.busy += took;
        self.stats.wall = self.clock.wall();
        self.since_planted = self.since_planted.saturating_add(1);
        Ok(hits)
    }

    /// Hashes candidates again. The inner result says whether the device may go on.
    fn confirm(
        &mut self,
        job: &Loaded,
        hits: &[u64],
        claims: &mut Vec<Claim>,
    ) -> Result<Result<(), Fault>, Fault> {
        let mut confirmed = Vec::with_capacity(hits.len());
        let mut trust = Ok(());
        for &counter in hits {
            let nonce = job.work().nonce(counter);
            let hash = self.reference.hash(job.work(), nonce).map_err(|error| Fault::Memory(error.0))?;
            let right = is_candidate(&hash, job.target());
            self.stats.miscomputes += u64::from(!right);
            trust = trust.and(self.trust.note(right));
            if !right {
                confirmed.push(Claim { nonce, hash: None });
            } else if job.target().is_met_by(&hash) {
                confirmed.push(Claim { nonce, hash: Some(hash) });
            }
        }
        claims.append(&mut confirmed);
        Ok(trust)
    }

    fn planted_if_due(&mut self, engine: usize) -> Result<(), Fault> {
        if self.options.planted_every == 0 || self.since_planted < self.options.planted_every {
            return Ok(());
        }
        self.since_planted = 0;
        let fits = |case: &Case| Part::passes(&case.work, self.engines[engine].lanes()).is_some();
        let after = (self.next_case..self.cases.len()).chain(0..self.next_case);
        let Some(case) = after.into_iter().find(|&case| fits(&self.cases[case])) else { return Ok(()) };
        self.next_case = (case + 1) % self.cases.len();
        self.stats.planted += 1;
        self.run_case(engine, case)
    }

    /// Runs a search with known outcome, where the kernel fits it.
    fn run_case(&mut self, engine: usize, case: usize) -> Result<(), Fault> {
        let (engine, case) = (&mut self.engines[engine], &self.cases[case]);
        if Part::passes(&case.work, engine.lanes()).is_none() {
            return Ok(());
        }
        let mut job = Loaded::new(0, Arc::clone(&case.work), case.target);
        let (mut range, mut hits) = (case.counters.clone(), Vec::new());
        while !range.is_empty() {
            let part = Part::first(&case.work, &range, range.end - range.start);
            let dispatches = engine.dispatches(&mut job, &mut self.words_made, &part)?;
            let flight = engine.ring.submit(&self.card, &dispatches)?;
            let landed = engine.ring.land(&self.card, flight)?;
            hits.extend(engine.hits(&self.card, case.target, &part, &dispatches, &landed.results)?.0);
            range.start = part.counters.end;
        }
        case.judge(&mut *self.reference, &hits).map_err(|fault| match fault {
            Fault::Wrong(text) => Fault::Wrong(format!("kernel {}: {text}", engine.variant.name)),
            other => other,
        })
    }
}

impl Clock {
    /// Notes that a slice is done; the time that the device spent on it alone.
    fn note(&mut self, submitted: Instant, now: Instant, span: Option<Span>) -> Duration {
        let free_since = self.last.map_or(submitted, |(last, _)| last.max(submitted));
        let by_host = now.saturating_duration_since(free_since);
        let earlier = self.last.and_then(|(_, span)| span);
        let by_device = span.map(|span| span.beyond(earlier)).filter(|took| !took.is_zero());
        self.began.get_or_insert((submitted, span));
        self.last = Some((now, span));
        by_device.unwrap_or(by_host)
    }

    fn wall(&self) -> Duration {
        match (self.began, self.last) {
            (Some((_, Some(first))), Some((_, Some(last)))) => {
                Duration::from_secs_f64((last.end_ns - first.start_ns).max(0.0) / 1e9)
            }
            (Some((began, _)), Some((last, _))) => last.saturating_duration_since(began),
            _ => Duration::ZERO,
        }
    }
}
