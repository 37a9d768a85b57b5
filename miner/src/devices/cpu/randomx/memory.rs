//! The memory of RandomX on one node: dataset where it can be had, cache alone where not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rminer_algos::Variant;
use rminer_algos::randomx::{
    CACHE_BYTES, Cache, DATASET_BYTES, Dataset, EngineError, Fill, GIANT_PAGES, Method, Pages, Vm,
};

use super::host::{Engine, Seed};
use super::huge_pages::{self, DATASET_PAGES, MACHINE_PAGES};
use super::tuning::{Slice, Tuning};
use crate::config::{HugePages, RandomxMode};
use crate::devices::topology::Topology;
use crate::devices::{DatasetReady, DeviceError, Notice, NoticeSink, RandomxMemory, os};
use crate::problem::Problem;

/// How often the leader looks at the interrupt and at the progress.
const POLL: Duration = Duration::from_millis(20);

/// Steps between two notices of progress.
const PROGRESS_STEP_PERCENT: u8 = 10;

/// Left to the rest of the program and the system when memory is counted before it is taken.
const SPARE_BYTES: u64 = 64 << 20;

/// What one node's memory is made for.
pub(crate) struct NodeMemory {
    /// The device, as people name it.
    pub(crate) device: String,
    pub(crate) topology: Arc<Topology>,
    /// Units that fill the dataset.
    pub(crate) pus: Vec<u32>,
    /// Mining threads that will share it.
    pub(crate) threads: usize,
    /// How hashes are computed.
    pub(crate) method: Method,
    pub(crate) huge_pages: HugePages,
    pub(crate) mode: RandomxMode,
    /// Which number of lanes is best.
    pub(crate) tuning: Arc<Tuning>,
    /// Lanes of the machines that are made now.
    pub(crate) lanes: AtomicUsize,
    pub(crate) notices: NoticeSink,
    pub(crate) seen: Seen,
}

/// What was warned of and counted so far.
#[derive(Default)]
pub(crate) struct Seen {
    no_huge_pages: AtomicBool,
    no_giant_pages: AtomicBool,
    light_mode: AtomicBool,
    /// Whether the memory at hand is a cache alone.
    is_light: AtomicBool,
    /// Huge pages of the dataset.
    dataset_pages: AtomicU32,
    /// Huge pages of the machines that exist.
    machine_pages: Arc<AtomicU32>,
}

/// A machine that is counted while it exists.
pub(crate) struct Machine {
    pub(crate) vm: Vm,
    /// Lanes that were asked for; `None` in light mode, which has one.
    pub(crate) asked_lanes: Option<usize>,
    counted: Option<(Arc<AtomicU32>, u32)>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some((count, pages)) = &self.counted {
            count.fetch_sub(*pages, Ordering::Relaxed);
        }
    }
}

/// Memory that is filled for a seed.
#[derive(Clone)]
pub(crate) enum Filled {
    Fast(Arc<Dataset>),
    Light(Arc<Cache>),
}

/// Memory that nobody uses.
pub(crate) enum Parked {
    Fast {
        dataset: Dataset,
        /// Kept while the dataset is half filled from it.
        cache: Option<Cache>,
        /// Time that went into it so far.
        spent: Duration,
    },
    Light(Cache),
}

impl Engine for NodeMemory {
    type Memory = Filled;
    type Parked = Parked;
    type Machine = Machine;

    fn reclaim(&self, memory: Filled, keep: bool) -> Result<Option<Parked>, Filled> {
        match memory {
            Filled::Fast(dataset) => {
                let mut dataset = Arc::try_unwrap(dataset).map_err(Filled::Fast)?;
                if !keep {
                    dataset.forget();
                }
                Ok(Some(Parked::Fast { dataset, cache: None, spent: Duration::ZERO }))
            }
            Filled::Light(cache) => {
                let cache = Arc::try_unwrap(cache).map_err(Filled::Light)?;
                Ok(keep.then_some(Parked::Light(cache)))
            }
        }
    }

    fn build(
        &self,
        parked: Option<Parked>,
        seed: &Seed,
        stop: &dyn Fn() -> bool,
    ) -> Result<Filled, (Option<Parked>, DeviceError)> {
        let begun = Instant::now();
        let parked = match self.take(parked) {
            Ok(parked) => parked,
            Err(fault) => return Err((None, fault)),
        };
        self.seen.dataset_pages.store(0, Ordering::Relaxed);
        match parked {
            Parked::Light(mut cache) => {
                self.seen.is_light.store(true, Ordering::Relaxed);
                cache.init(seed);
                self.tell_ready(begun.elapsed(), RandomxMemory::Light);
                Ok(Filled::Light(Arc::new(cache)))
            }
            Parked::Fast { mut dataset, cache, spent } => {
                self.seen.is_light.store(false, Ordering::Relaxed);
                let mut cache = match cache.map_or_else(|| self.cache(), Ok) {
                    Ok(cache) => cache,
                    Err(fault) => return Err((Some(Parked::Fast { dataset, cache: None, spent }), fault)),
                };
                cache.init(seed);
                match self.fill(&mut dataset, &cache, stop) {
                    Ok(()) => {
                        // The cache has done its work: 256 MiB back to the system.
                        drop(cache);
                        if dataset.pages() != Pages::Normal {
                            self.seen.dataset_pages.store(DATASET_PAGES, Ordering::Relaxed);
                        }
                        self.tell_ready(spent + begun.elapsed(), RandomxMemory::Fast);
                        Ok(Filled::Fast(Arc::new(dataset)))
                    }
                    Err(fault) => {
                        let spent = spent + begun.elapsed();
                        Err((Some(Parked::Fast { dataset, cache: Some(cache), spent }), fault))
                    }
                }
            }
        }
    }

    fn machine(&self, memory: &Filled) -> Result<Machine, DeviceError> {
        let lanes = self.lanes.load(Ordering::Relaxed);
        let make = |pages, lanes| match memory {
            Filled::Fast(dataset) => Vm::fast(self.method.with_lanes(lanes), pages, Arc::clone(dataset)),
            Filled::Light(cache) => Vm::light(self.method.with_lanes(1), pages, Arc::clone(cache)),
        };
        let asked_lanes = matches!(memory, Filled::Fast(_)).then_some(lanes);
        if self.wants_huge_pages()
            && let Ok(vm) = make(Pages::Huge, lanes)
        {
            let count = Arc::clone(&self.seen.machine_pages);
            let pages = MACHINE_PAGES.saturating_mul(u32::try_from(vm.lanes()).unwrap_or(1));
            count.fetch_add(pages, Ordering::Relaxed);
            return Ok(Machine { vm, asked_lanes, counted: Some((count, pages)) });
        }
        // Where memory is short, one lane is better than none.
        let vm = make(Pages::Normal, lanes)
            .or_else(|_| make(Pages::Normal, 1))
            .map_err(|fault| memory_error(&fault))?;
        Ok(Machine { vm, asked_lanes, counted: None })
    }
}

impl NodeMemory {
    /// Takes the best memory that can be had, or goes on with what there is.
    fn take(&self, parked: Option<Parked>) -> Result<Parked, DeviceError> {
        match parked {
            Some(Parked::Fast { dataset, .. }) if self.could_be_better(&dataset) => drop(dataset),
            Some(fast @ Parked::Fast { .. }) => return Ok(fast),
            Some(Parked::Light(cache)) if self.mode == RandomxMode::Light => return Ok(Parked::Light(cache)),
            // A new seed is a new chance to have the dataset.
            Some(Parked::Light(_)) | None => {}
        }
        if self.mode == RandomxMode::Light {
            return Ok(Parked::Light(self.cache()?));
        }
        match self.dataset() {
            Ok(dataset) => Ok(Parked::Fast { dataset, cache: None, spent: Duration::ZERO }),
            Err(fault) if self.mode == RandomxMode::Fast || self.huge_pages == HugePages::On => Err(fault),
            Err(_) => {
                self.warn_once(&self.seen.light_mode, too_little_memory);
                Ok(Parked::Light(self.cache()?))
            }
        }
    }

    /// Huge pages may have come free since a dataset had to do without.
    fn could_be_better(&self, dataset: &Dataset) -> bool {
        self.wants_huge_pages()
            && dataset.pages() == Pages::Normal
            && (huge_pages::pool_2_mib().free >= DATASET_PAGES || self.giant_pages_are_free())
    }

    fn giant_pages_are_free(&self) -> bool {
        huge_pages::pool_1_gib().free as usize >= GIANT_PAGES
    }

    fn dataset(&self) -> Result<Dataset, DeviceError> {
        if self.wants_huge_pages() {
            if self.giant_pages_are_free()
                && let Ok(dataset) = Dataset::allocate(self.method, Pages::Giant)
            {
                return Ok(dataset);
            }
            if self.huge_pages == HugePages::OneGib {
                let pool = huge_pages::pool_1_gib();
                self.warn_once(&self.seen.no_giant_pages, || huge_pages::missing_giant(pool));
            }
            let pool = huge_pages::pool_2_mib();
            if let Ok(dataset) = Dataset::allocate(self.method, Pages::Huge) {
                return Ok(dataset);
            }
            let warning = huge_pages::missing(pool, self.threads);
            if self.huge_pages == HugePages::On {
                return Err(DeviceError::Memory(warning.to_string()));
            }
            self.warn_once(&self.seen.no_huge_pages, || warning);
        }
        // Normal pages are handed out on credit: what is not there ends the process when it is touched.
        let need = DATASET_BYTES + CACHE_BYTES + SPARE_BYTES;
        if huge_pages::available_bytes().is_some_and(|available| available < need) {
            return Err(DeviceError::Memory(too_little_memory().to_string()));
        }
        Dataset::allocate(self.method, Pages::Normal).map_err(|fault| memory_error(&fault))
    }

    fn cache(&self) -> Result<Cache, DeviceError> {
        if self.wants_huge_pages()
            && let Ok(cache) = Cache::allocate(self.method, Pages::Huge)
        {
            return Ok(cache);
        }
        Cache::allocate(self.method, Pages::Normal).map_err(|fault| memory_error(&fault))
    }

    /// Fills with one thread on each unit, until done or told to stop.
    fn fill(&self, dataset: &mut Dataset, cache: &Cache, stop: &dyn Fn() -> bool) -> Result<(), DeviceError> {
        let fill = dataset.fill(cache).map_err(|fault| memory_error(&fault))?;
        let stopped = AtomicBool::new(false);
        let step = || !stopped.load(Ordering::Relaxed) && fill.step();
        thread::scope(|scope| {
            let helper = |pu: u32| {
                let body = move || {
                    // Without the right place it is slower, not wrong.
                    let _ = self.topology.pin(pu);
                    os::lower_priority();
                    while step() {}
                };
                thread::Builder::new().name(format!("dataset-{pu}")).spawn_scoped(scope, body)
            };
            let helpers: Vec<_> = self.pus.iter().map_while(|pu| helper(*pu).ok()).collect();
            let mut progress = Progress { told_percent: 0, memory: self };
            while helpers.iter().any(|helper| !helper.is_finished()) {
                stopped.fetch_or(stop(), Ordering::Relaxed);
                progress.tell(&fill);
                thread::sleep(POLL);
            }
            // Only where no thread at all could be had.
            while helpers.is_empty() && step() {
                stopped.fetch_or(stop(), Ordering::Relaxed);
                progress.tell(&fill);
            }
        });
        fill.finish().map_err(|_| DeviceError::Interrupted)
    }

    fn wants_huge_pages(&self) -> bool {
        self.huge_pages != HugePages::Off
    }

    /// Huge pages that hold dataset and machines, and how many would hold all of them; in pages of 2 MiB.
    pub(crate) fn huge_pages(&self) -> (u32, u32) {
        if !self.wants_huge_pages() {
            return (0, 0);
        }
        let seen = &self.seen;
        let have = seen.dataset_pages.load(Ordering::Relaxed) + seen.machine_pages.load(Ordering::Relaxed);
        let dataset = if self.mode == RandomxMode::Light { 0 } else { DATASET_PAGES };
        (have, dataset.saturating_add(self.wanted_machine_pages()))
    }

    /// Whether machines hash without a dataset, which one lane is for.
    pub(super) fn is_light(&self) -> bool {
        self.seen.is_light.load(Ordering::Relaxed)
    }

    /// Lanes that a machine for this variant should have; those that are made from now on have them.
    pub(crate) fn ask_lanes(&self, variant: Variant) -> usize {
        let lanes = self.tuning.lanes(variant);
        self.lanes.store(lanes, Ordering::Relaxed);
        lanes
    }

    /// Takes what a thread did in a slice, for the choice of lanes.
    pub(super) fn add(&self, slice: &Slice) {
        if let Some(decided) = self.tuning.add(slice) {
            let device = self.device.clone();
            let rates = decided.rates.iter().map(|rate| (rate.lanes, rate.rate_hs)).collect();
            self.tell(Notice::LanesChosen { device, lanes: decided.lanes, rates });
        }
    }

    /// Passes a notice on.
    pub(crate) fn tell(&self, notice: Notice) {
        (self.notices)(notice);
    }

    fn wanted_machine_pages(&self) -> u32 {
        let lanes = if self.mode == RandomxMode::Light { 1 } else { self.lanes.load(Ordering::Relaxed) };
        u32::try_from(self.threads.saturating_mul(lanes)).unwrap_or(u32::MAX).saturating_mul(MACHINE_PAGES)
    }

    fn tell_ready(&self, init: Duration, mode: RandomxMemory) {
        let (have, want) = self.huge_pages();
        // No machine exists yet; each takes a huge page if one is left.
        let machines = self.wanted_machine_pages().min(huge_pages::pool_2_mib().free);
        self.tell(Notice::DatasetReady(DatasetReady {
            device: self.device.clone(),
            init_ms: u64::try_from(init.as_millis()).unwrap_or(u64::MAX),
            mode,
            huge_pages_have: (have + machines).min(want),
            huge_pages_want: want,
            threads: self.threads,
        }));
    }

    fn warn_once(&self, told: &AtomicBool, warning: impl FnOnce() -> Problem) {
        if !told.swap(true, Ordering::Relaxed) {
            self.tell(Notice::Warning(warning()));
        }
    }
}

/// Tells how far a fill is, in few words.
struct Progress<'a> {
    told_percent: u8,
    memory: &'a NodeMemory,
}

impl Progress<'_> {
    fn tell(&mut self, fill: &Fill<'_>) {
        let done = fill.done_items() * 100 / fill.total_items().max(1);
        let done_percent = u8::try_from(done).unwrap_or(100);
        if done_percent >= self.told_percent + PROGRESS_STEP_PERCENT {
            self.told_percent = done_percent - done_percent % PROGRESS_STEP_PERCENT;
            let device = self.memory.device.clone();
            self.memory.tell(Notice::DatasetProgress { device, done_percent: self.told_percent });
        }
    }
}

fn too_little_memory() -> Problem {
    let need_mib = (DATASET_BYTES + CACHE_BYTES + SPARE_BYTES) >> 20;
    let have = huge_pages::available_bytes();
    let have = have.map_or("unknown".into(), |bytes| format!("{} MiB", bytes >> 20));
    Problem::warning(
        "light-mode",
        "the RandomX dataset does not fit into memory; light mode is many times slower",
    )
    .fact(format!("need {need_mib} MiB; available {have}"))
    .help("end other programs, add memory, or raise the limit of this container")
}

fn memory_error(fault: &EngineError) -> DeviceError {
    DeviceError::Memory(fault.to_string())
}
