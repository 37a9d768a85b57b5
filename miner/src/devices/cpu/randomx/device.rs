//! One mining thread: a machine over the shared memory, fed one input ahead.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::randomx::Vm;
use rminer_algos::{Hash, Reference, Target, Unavailable, Work};

use super::check::{self, Checker};
use super::host::{Host, Worker};
use super::memory::NodeMemory;
use crate::devices::cpu::{not_pinned, place};
use crate::devices::topology::Topology;
use crate::devices::{
    Check, Device, DeviceError, DeviceInfo, DeviceSource, Found, Health, Interrupt, Notice,
};

/// A slice of scanning ends after this.
const SLICE: Duration = Duration::from_millis(500);

/// A mining thread runs behind everything else; a machine that is busy for so long is no fault of the thread's.
const STARVED: Duration = Duration::from_secs(600);

/// Hashes that are offered for a slice before the speed is known.
const FIRST_BATCH: u64 = 16;

/// Hashes that are offered for a slice at most.
const MAX_BATCH: u64 = 65536;

/// Opens the device of one mining thread.
pub(super) struct RandomXSource {
    pub(super) info: DeviceInfo,
    pub(super) topology: Arc<Topology>,
    pub(super) host: Arc<Host<NodeMemory>>,
}

impl DeviceSource for RandomXSource {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        if let Some(pu) = self.info.pinned_to
            && let Err(reason) = place(&self.topology, pu)
        {
            self.host.engine().tell(Notice::Warning(not_pinned(&self.info, pu, &reason)));
        }
        Ok(Box::new(RandomXDevice::new(self.host.worker())))
    }

    fn check(&self) -> Check {
        Check::Behind
    }

    fn slowest_slice(&self) -> Duration {
        STARVED
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        Ok(Box::new(Checker::new(Arc::clone(&self.host))))
    }

    fn examine(&self, work: &Work, nonce: u64, hash: &Hash) -> Result<Health, Unavailable> {
        check::examine(&self.host, work, nonce, hash)
    }
}

struct RandomXDevice {
    worker: Worker<NodeMemory>,
    loaded: Option<Loaded>,
    pace: Pace,
}

/// The work at hand.
struct Loaded {
    work: Arc<Work>,
    target: Target,
    /// The work's blob, with the nonce that was written last.
    blob: Box<[u8]>,
    /// Nonce that the machine has begun.
    begun: Option<u64>,
}

impl RandomXDevice {
    fn new(worker: Worker<NodeMemory>) -> Self {
        Self { worker, loaded: None, pace: Pace::default() }
    }
}

impl Device for RandomXDevice {
    fn load(&mut self, work: &Arc<Work>, target: Target, interrupt: &Interrupt) -> Result<(), DeviceError> {
        let seed = seed_of(work)?;
        let has_machine = self.worker.machine().is_some();
        let same_seed = self.loaded.as_ref().is_some_and(|loaded| loaded.work.seed() == Some(seed));
        if !(has_machine && same_seed) {
            self.loaded = None;
            self.worker.load(seed, interrupt)?;
        }
        let blob = work.blob().into();
        self.loaded = Some(Loaded { work: Arc::clone(work), target, blob, begun: None });
        Ok(())
    }

    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError> {
        let loaded =
            self.loaded.as_mut().ok_or_else(|| DeviceError::Lost("asked to hash before any work".into()))?;
        if self.worker.machine().is_none() {
            // Another seed took the memory, or it was found corrupt.
            match self.worker.load(seed_of(&loaded.work)?, interrupt) {
                Err(DeviceError::Interrupted) => return Ok(0),
                result => result?,
            }
        }
        let begun = Instant::now();
        let mut machine = self.worker.machine();
        let Some(machine) = machine.as_mut() else { return Ok(0) };
        let mut done = 0;
        for counter in range {
            if interrupt.is_set() || self.worker.is_recalled() || (done > 0 && begun.elapsed() >= SLICE) {
                break;
            }
            let Some(hit) = loaded.hash(&mut machine.vm, counter) else { break };
            done += 1;
            if let Some(hit) = hit {
                // A share must not wait for the end of the slice; what is begun goes on in the next one.
                found.push(hit);
                break;
            }
        }
        self.pace.add(done, begun.elapsed());
        Ok(done)
    }

    fn batch(&self) -> u64 {
        self.pace.batch()
    }
}

impl Loaded {
    /// Hashes one counter and begins the next; `None` behind the last counter of the work.
    fn hash(&mut self, vm: &mut Vm, counter: u64) -> Option<Option<Found>> {
        let field = self.work.nonce_field();
        let last = field.last_counter();
        if counter > last {
            return None;
        }
        let nonce = field.nonce(counter);
        let next = (counter < last).then(|| field.nonce(counter + 1));
        if self.begun != Some(nonce) {
            self.begin(vm, nonce);
        }
        let hash = match self.finish(vm, next) {
            Some(hash) => hash,
            None => {
                // A machine that was made anew has nothing begun.
                self.begin(vm, nonce);
                self.finish(vm, next)?
            }
        };
        Some(self.target.is_met_by(&hash).then_some(Found { nonce, hash: Some(hash) }))
    }

    fn begin(&mut self, vm: &mut Vm, nonce: u64) {
        self.work.write_nonce(&mut self.blob, nonce);
        vm.hash_first(&self.blob);
    }

    fn finish(&mut self, vm: &mut Vm, next: Option<u64>) -> Option<Hash> {
        self.begun = next;
        match next {
            Some(next) => {
                self.work.write_nonce(&mut self.blob, next);
                vm.hash_next(&self.blob)
            }
            None => vm.hash_last(),
        }
    }
}

fn seed_of(work: &Work) -> Result<&[u8; 32], DeviceError> {
    work.seed().ok_or_else(|| DeviceError::Unsupported("RandomX work without a seed".into()))
}

/// How fast a thread hashes, so that it is offered about a slice of work.
#[derive(Default)]
struct Pace {
    hash_ns: Option<u64>,
}

impl Pace {
    fn add(&mut self, hashes: u64, time: Duration) {
        let Some(seen_ns) = whole_ns(time).checked_div(hashes) else { return };
        self.hash_ns =
            Some(self.hash_ns.map_or(seen_ns, |old_ns| (old_ns / 4).saturating_mul(3) + seen_ns / 4));
    }

    fn batch(&self) -> u64 {
        // A slice's worth, within what any processor does.
        let known = self.hash_ns.and_then(|hash_ns| whole_ns(SLICE).checked_div(hash_ns));
        known.map_or(FIRST_BATCH, |hashes| hashes.clamp(1, MAX_BATCH))
    }
}

fn whole_ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_follow_the_speed() {
        let mut pace = Pace::default();
        assert_eq!(pace.batch(), FIRST_BATCH);
        pace.add(0, Duration::from_secs(9));
        assert_eq!(pace.batch(), FIRST_BATCH);
        pace.add(100, Duration::from_millis(500));
        assert_eq!(pace.batch(), 100);
        for _ in 0..50 {
            pace.add(1, Duration::from_secs(60));
        }
        assert_eq!(pace.batch(), 1);
        pace.add(u64::MAX, Duration::MAX);
        assert_eq!(Pace { hash_ns: Some(1) }.batch(), MAX_BATCH);
        assert_eq!(Pace { hash_ns: Some(0) }.batch(), FIRST_BATCH);
    }
}
