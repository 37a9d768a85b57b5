//! A device without hardware: hashes the pool's toy function at a set rate and fails on request. For tests of
//! everything around devices; it can mine for a pool that uses the toy function only.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rminer_algos::{Hash, Reference, Target, Unavailable, Work};
use rminer_pool::{ToyReference, toy_hash};

use super::heat::SimHeat;
use super::{Check, Device, DeviceError, DeviceInfo, DeviceSource, Found, Interrupt};

/// Length of a slice.
const SLICE: Duration = Duration::from_millis(20);

/// How a simulated device behaves.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// Hashes a second.
    pub rate_hs: u64,
    /// When its hits are checked.
    pub check: Check,
    /// Reports a wrong hash for one in this many hits.
    pub wrong_one_in: Option<u32>,
    /// Reports each hit twice.
    pub doubled: bool,
    /// Fails so in this many first lives of the device, then works.
    pub failure: Option<(SimFailure, u32)>,
    /// Time that new work takes.
    pub load_time: Duration,
    /// What gets warm by it.
    pub heat: Option<SimHeat>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            rate_hs: 10_000,
            check: Check::Behind,
            wrong_one_in: None,
            doubled: false,
            failure: None,
            load_time: Duration::ZERO,
            heat: None,
        }
    }
}

/// Ways to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimFailure {
    /// The device cannot be opened.
    Open,
    /// There is no memory for new work.
    Load,
    /// Panics when given work.
    PanicInLoad,
    /// Panics while hashing.
    PanicInScan,
    /// Never comes back from a slice.
    Hang,
    /// Is lost in the middle of a slice, when it has found hits already.
    LostInScan,
    /// Notices by itself that it computes wrong results.
    Wrong,
    /// Answers each slice, and has done no hash in it.
    Barren,
}

/// Opens simulated devices.
pub struct SimSource {
    info: DeviceInfo,
    options: SimOptions,
    lives: AtomicU32,
}

impl SimSource {
    /// Worker number `worker` of the simulated device `sim0`.
    pub fn new(worker: u16, options: SimOptions) -> Self {
        let info = DeviceInfo { id: "sim0".into(), worker, name: "simulated device".into(), pinned_to: None };
        Self { info, options, lives: AtomicU32::new(0) }
    }
}

impl DeviceSource for SimSource {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let failure = self.options.failure.filter(|(_, lives)| life < *lives).map(|(failure, _)| failure);
        if failure == Some(SimFailure::Open) {
            return Err(DeviceError::Lost("does not open".into()));
        }
        Ok(Box::new(Sim { options: self.options.clone(), failure, work: None, hits: 0, lost: false }))
    }

    fn check(&self) -> Check {
        self.options.check
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        Ok(Box::new(ToyReference))
    }
}

struct Sim {
    options: SimOptions,
    failure: Option<SimFailure>,
    work: Option<(Arc<Work>, Target)>,
    hits: u32,
    lost: bool,
}

impl Device for Sim {
    fn load(&mut self, work: &Arc<Work>, target: Target, interrupt: &Interrupt) -> Result<(), DeviceError> {
        match self.failure {
            Some(SimFailure::PanicInLoad) => panic!("simulated panic while taking work"),
            Some(SimFailure::Load) => return Err(DeviceError::Memory("no memory, simulated".into())),
            _ => {}
        }
        let ready = Instant::now() + self.options.load_time;
        while Instant::now() < ready {
            if interrupt.is_set() {
                return Err(DeviceError::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.work = Some((Arc::clone(work), target));
        Ok(())
    }

    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError> {
        match self.failure {
            Some(SimFailure::PanicInScan) => panic!("simulated panic while hashing"),
            Some(SimFailure::Hang) => loop {
                std::thread::sleep(Duration::from_millis(100));
            },
            Some(SimFailure::Barren) => {
                std::thread::sleep(SLICE);
                return Ok(0);
            }
            Some(SimFailure::Wrong) => return Err(DeviceError::Wrong("simulated".into())),
            // The first half is done and comes back; the loss itself is the next answer.
            Some(SimFailure::LostInScan) if self.lost => {
                return Err(DeviceError::Lost("in the middle of a slice, simulated".into()));
            }
            _ => {}
        }
        let Some((work, target)) = &self.work else {
            return Err(DeviceError::Lost("no work was loaded".into()));
        };
        let began = Instant::now();
        let mut count = (range.end - range.start).min(self.batch());
        if self.failure == Some(SimFailure::LostInScan) {
            count /= 2;
            self.lost = true;
        }
        let seed = work.seed().map_or(&[][..], |seed| &seed[..]);
        let mut blob = work.blob().to_vec();
        for counter in range.start..range.start + count {
            let nonce = work.nonce(counter);
            work.write_nonce(&mut blob, nonce);
            let mut hash = toy_hash(seed, &blob);
            if !target.is_met_by(&work.proof(nonce, &hash)) {
                continue;
            }
            self.hits += 1;
            if self.options.wrong_one_in.is_some_and(|n| self.hits.is_multiple_of(n)) {
                hash = Hash([0; 32]);
            }
            let hit = Found { nonce, hash: Some(hash) };
            found.push(hit);
            found.extend(self.options.doubled.then_some(hit));
        }
        while began.elapsed() < SLICE && !interrupt.is_set() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(heat) = &self.options.heat {
            heat.hashed(began.elapsed());
        }
        Ok(count)
    }

    fn batch(&self) -> u64 {
        (self.options.rate_hs / 50).max(1)
    }
}
