//! One mining thread: a kernel over slices that are short enough to hear of newer work.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Backend, Kernel, Reference, Target, Unavailable, Work};

use super::super::{not_pinned, place};
use super::test;
use crate::devices::planted::{PLANTED_ONE_IN, plant};
use crate::devices::topology::Topology;
use crate::devices::{
    Check, Device, DeviceError, DeviceInfo, DeviceSource, Found, Interrupt, Notice, NoticeSink,
};

/// Time between two looks at the interrupt: what new work waits for. A look costs nanoseconds.
const STEP: Duration = Duration::from_millis(2);

/// A slice of scanning ends after this.
const SLICE: Duration = Duration::from_millis(20);

/// Counters of the first step, before the speed is known.
const FIRST_STEP: u64 = 4096;

/// Hits of one step that are expected at most. A pool may set a target that nearly every hash meets.
const MAX_HITS: u64 = 64;

/// A mining thread runs behind everything else; a machine that is busy for so long is no fault of the thread's.
const STARVED: Duration = Duration::from_secs(600);

/// Opens the device of one mining thread.
pub(super) struct KernelSource {
    pub(super) info: DeviceInfo,
    pub(super) algorithm: &'static Algorithm,
    pub(super) backend: &'static Backend,
    pub(super) topology: Arc<Topology>,
    pub(super) notices: NoticeSink,
}

impl DeviceSource for KernelSource {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        if let Some(pu) = self.info.pinned_to
            && let Err(reason) = place(&self.topology, pu)
        {
            (self.notices)(Notice::Warning(not_pinned(&self.info, pu, &reason)));
        }
        // On this thread's own unit: of many cores one may be broken.
        test(self.algorithm, self.backend).map_err(DeviceError::Wrong)?;
        let reference = (self.algorithm.reference)().map_err(|Unavailable(r)| DeviceError::Unsupported(r))?;
        Ok(Box::new(KernelDevice::new((self.backend.make)(), reference, u64::from(self.info.worker))))
    }

    fn check(&self) -> Check {
        Check::First
    }

    fn slowest_slice(&self) -> Duration {
        STARVED
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        (self.algorithm.reference)()
    }
}

pub(super) struct KernelDevice {
    kernel: Box<dyn Kernel>,
    reference: Box<dyn Reference>,
    loaded: Option<Loaded>,
    pace: Pace,
    /// Steps so far, from a different start for each worker, so that not all are probed at once.
    steps: u64,
    hits: Vec<u64>,
}

/// The work at hand.
struct Loaded {
    work: Arc<Work>,
    target: Target,
    /// Counters of a step at most, so that its hits are few.
    longest_step: u64,
}

impl KernelDevice {
    pub(super) fn new(kernel: Box<dyn Kernel>, reference: Box<dyn Reference>, first_step: u64) -> Self {
        let pace = Pace::new(kernel.granule());
        Self { kernel, reference, loaded: None, pace, steps: first_step, hits: Vec::new() }
    }

    /// Searches counters for a winner that is known beforehand as well as for real ones.
    fn probe(&mut self, loaded: &Loaded, counters: Range<u64>) -> Result<(), DeviceError> {
        let planted = plant(&mut *self.reference, &loaded.work, counters.clone()).map_err(lost)?;
        let Some(planted) = planted else { return Ok(()) };
        self.kernel.load(&loaded.work, planted.target(loaded.target)).map_err(lost)?;
        self.kernel.scan(counters, &mut self.hits);
        self.kernel.load(&loaded.work, loaded.target).map_err(lost)?;
        if !self.hits.contains(&planted.nonce) {
            return Err(DeviceError::Wrong(format!(
                "a hit that was known beforehand (nonce {:#x}) was not found",
                planted.nonce
            )));
        }
        // What meets only the planted target is no hit.
        let mut fault = None;
        self.hits.retain(|nonce| match self.reference.hash(&loaded.work, *nonce) {
            Ok(hash) => loaded.target.is_met_by(&hash),
            Err(unavailable) => {
                fault = Some(unavailable);
                false
            }
        });
        fault.map_or(Ok(()), |fault| Err(lost(fault)))
    }
}

impl Device for KernelDevice {
    fn load(&mut self, work: &Arc<Work>, target: Target, _: &Interrupt) -> Result<(), DeviceError> {
        self.loaded = None;
        self.kernel.load(work, target).map_err(|Unavailable(reason)| DeviceError::Unsupported(reason))?;
        self.loaded = Some(Loaded { work: Arc::clone(work), target, longest_step: longest_step(target) });
        Ok(())
    }

    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError> {
        let loaded =
            self.loaded.take().ok_or_else(|| DeviceError::Lost("asked to hash before any work".into()))?;
        let end = range.end.min(loaded.work.last_counter().saturating_add(1));
        let begun = Instant::now();
        let mut next = range.start;
        while next < end && !interrupt.is_set() && (next == range.start || begun.elapsed() < SLICE) {
            let step = self.pace.step().min(loaded.longest_step).min(end - next);
            let counters = next..next + step;
            let step_begun = Instant::now();
            self.steps = self.steps.wrapping_add(1);
            if self.steps.is_multiple_of(PLANTED_ONE_IN) {
                self.probe(&loaded, counters)?;
            } else {
                self.kernel.scan(counters, &mut self.hits);
                self.pace.add(step, step_begun.elapsed());
            }
            next += step;
            if !self.hits.is_empty() {
                // A share must not wait for the end of the slice.
                found.extend(self.hits.drain(..).map(|nonce| Found { nonce, hash: None }));
                break;
            }
        }
        self.loaded = Some(loaded);
        Ok(next - range.start)
    }

    fn batch(&self) -> u64 {
        self.pace.batch()
    }
}

fn lost(Unavailable(reason): Unavailable) -> DeviceError {
    DeviceError::Lost(reason)
}

/// Counters among which about [`MAX_HITS`] hits are expected.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn longest_step(target: Target) -> u64 {
    (target.difficulty() * MAX_HITS as f64) as u64
}

/// How fast the kernel hashes, and how many counters a step and a slice have by that.
struct Pace {
    granule: u64,
    /// Hashes in [`STEP`].
    step: Option<u64>,
}

impl Pace {
    fn new(granule: u64) -> Self {
        Self { granule: granule.max(1), step: None }
    }

    fn add(&mut self, hashes: u64, time: Duration) {
        let scaled = u128::from(hashes) * STEP.as_nanos();
        let Some(seen) = scaled.checked_div(time.as_nanos()) else { return };
        let seen = u64::try_from(seen).unwrap_or(u64::MAX);
        // A step in which the thread was put aside says little, so the old value weighs more.
        self.step = Some(self.step.map_or(seen, |old| old - old / 4 + seen / 4));
    }

    /// Whole granules, at least one.
    fn step(&self) -> u64 {
        // A second's worth of the fastest processor there is; what is more was measured wrongly.
        const MAX_STEP: u64 = 1 << 32;
        let step = self.step.unwrap_or(FIRST_STEP).min(MAX_STEP);
        step.next_multiple_of(self.granule)
    }

    fn batch(&self) -> u64 {
        let steps = SLICE.as_nanos() / STEP.as_nanos();
        self.step().saturating_mul(u64::try_from(steps).unwrap_or(1))
    }
}
