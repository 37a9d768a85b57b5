//! One mining thread: a machine over the shared memory, fed one step ahead. A step hashes as many nonces as the
//! machine has lanes.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::randomx::{Hashes, MAX_LANES, Vm};
use rminer_algos::{Hash, Reference, Target, Unavailable, Work};

use super::check::{self, Checker};
use super::host::{Host, Worker};
use super::memory::{Machine, NodeMemory};
use super::tuning;
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
    /// Counters that one step of the machine hashes.
    lanes: u64,
}

/// The work at hand.
struct Loaded {
    work: Arc<Work>,
    target: Target,
    /// The work's blob for each lane, with the nonce that was written last.
    blobs: [Box<[u8]>; MAX_LANES],
    /// Counters that the machine has begun.
    begun: Range<u64>,
}

impl RandomXDevice {
    fn new(worker: Worker<NodeMemory>) -> Self {
        Self { worker, loaded: None, pace: Pace::default(), lanes: 1 }
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
        let blobs = std::array::from_fn(|_| work.blob().into());
        self.loaded = Some(Loaded { work: Arc::clone(work), target, blobs, begun: 0..0 });
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
        let (engine, variant) = (self.worker.engine(), loaded.work.variant());
        let asked_lanes = engine.ask_lanes(variant);
        let is_right = |machine: &Machine| machine.asked_lanes.is_none_or(|lanes| lanes == asked_lanes);
        if !self.worker.machine().as_ref().is_some_and(is_right) {
            // Another seed took the memory, or it was found corrupt, or another number of lanes is to be tried.
            match self.worker.load(seed_of(&loaded.work)?, interrupt) {
                Err(DeviceError::Interrupted) => return Ok(0),
                result => result?,
            }
        }
        let mut machine = self.worker.machine();
        let Some(machine) = machine.as_mut() else { return Ok(0) };
        machine.vm.set_variant(variant).map_err(|fault| DeviceError::Unsupported(fault.to_string()))?;
        self.lanes = machine.vm.lanes() as u64;
        let is_tried = machine.asked_lanes.is_some() && engine.tuning.is_trying(variant);
        let slice = if is_tried { tuning::SLICE } else { SLICE };
        let begun = Instant::now();
        let (mut left, hits) = (range.clone(), found.len());
        // A share must not wait for the end of the slice; what is begun goes on in the next one.
        while !left.is_empty() && found.len() == hits {
            let over = left.start > range.start && begun.elapsed() >= slice;
            if over || interrupt.is_set() || self.worker.is_recalled() {
                break;
            }
            match loaded.step(&mut machine.vm, left.clone(), found) {
                0 => break,
                done => left.start += done,
            }
        }
        let done = left.start - range.start;
        let ended = Instant::now();
        self.pace.add(done, ended - begun);
        if let Some(lanes) = machine.asked_lanes {
            engine.add(&tuning::Slice { variant, lanes, begun, ended, hashes: done });
        }
        Ok(done)
    }

    fn batch(&self) -> u64 {
        // In whole steps.
        self.pace.batch().next_multiple_of(self.lanes)
    }
}

impl Loaded {
    /// Hashes the first of these counters, one in each lane, and begins the next. How many were hashed: none
    /// behind the last counter of the work.
    fn step(&mut self, vm: &mut Vm, left: Range<u64>, found: &mut Vec<Found>) -> u64 {
        let (lanes, field) = (vm.lanes() as u64, self.work.nonce_field());
        let end = field.last_counter().saturating_add(1);
        let group = |start: u64, end: u64| start..end.min(start.saturating_add(lanes));
        let now = group(left.start, left.end.min(end));
        if now.is_empty() {
            return 0;
        }
        // Behind the lease somebody else may be at it, or this thread again: begun in vain it costs little.
        let next = group(now.end, if now.end < left.end { left.end.min(end) } else { end });
        if self.begun != now {
            self.begin(vm, now.clone());
        }
        let mut hashes = self.finish(vm, next.clone());
        if hashes.is_empty() {
            // A machine that was made anew has nothing begun.
            self.begin(vm, now.clone());
            hashes = self.finish(vm, next);
        }
        let of_nonces = now.map(|counter| field.nonce(counter)).zip(hashes.iter());
        let met = of_nonces.filter(|(nonce, hash)| self.target.is_met_by(&self.work.proof(*nonce, hash)));
        found.extend(met.map(|(nonce, hash)| Found { nonce, hash: Some(*hash) }));
        hashes.len() as u64
    }

    fn begin(&mut self, vm: &mut Vm, counters: Range<u64>) {
        let count = self.write(counters);
        vm.first(&self.inputs()[..count]);
    }

    fn finish(&mut self, vm: &mut Vm, next: Range<u64>) -> Hashes {
        self.begun = next.clone();
        let count = self.write(next);
        vm.next(&self.inputs()[..count])
    }

    /// Writes these counters' nonces, one into each blob, and says how many they are.
    fn write(&mut self, counters: Range<u64>) -> usize {
        let mut count = 0;
        for (counter, blob) in counters.zip(&mut self.blobs) {
            self.work.write_nonce(blob, self.work.nonce_field().nonce(counter));
            count += 1;
        }
        count
    }

    fn inputs(&self) -> [&[u8]; MAX_LANES] {
        self.blobs.each_ref().map(|blob| &**blob)
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
