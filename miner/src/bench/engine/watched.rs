//! Devices that tell when they take new work and when they have hashed for it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rminer_algos::{Hash, Reference, Target, Unavailable, Work};

use crate::bench::latency::Times;
use crate::devices::{Check, Device, DeviceError, DeviceInfo, DeviceSource, Found, Health, Interrupt};

/// Times of new jobs on their way, for each worker that took one.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// From the read of the last byte until the engine has the job.
    pub(super) read: Times,
    /// From there until it is posted to the workers.
    pub(super) posted: Times,
    /// From there until a worker lays down what it does.
    pub(super) taken: Times,
    /// Preparing: midstate, matrix.
    pub(super) prepared: Times,
    /// From the beginning until a worker hashes for it.
    pub(super) hashing: Times,
    /// From the beginning until a worker has done its first slice.
    pub(super) slice: Times,
}

/// A job that was handed to the engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handed {
    /// When its last byte was read.
    pub(super) received: Instant,
    /// When the engine got it.
    pub(super) at: Instant,
}

/// A job that a worker took.
#[derive(Debug, Clone, Copy)]
struct Taken {
    handed: Handed,
    posted: Instant,
    taken: Instant,
    prepared: Instant,
}

/// What watched devices tell, and to whom.
#[derive(Debug, Default)]
pub(super) struct Log {
    newest: Mutex<Option<Handed>>,
    watch: Mutex<Watch>,
    hashes: AtomicU64,
    /// Workers that have hashed.
    started: AtomicUsize,
}

impl Log {
    /// Goes on with the times of earlier phases.
    pub(super) fn with(watch: Watch) -> Self {
        Self { watch: Mutex::new(watch), ..Self::default() }
    }

    /// A job is handed to the engine now.
    pub(super) fn hand(&self, received: Instant) {
        *lock(&self.newest) = Some(Handed { received, at: Instant::now() });
    }

    pub(super) fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    pub(super) fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self) -> Watch {
        std::mem::take(&mut *lock(&self.watch))
    }

    /// The newest job, if what was posted at this time can be it.
    fn posted(&self, at: Instant) -> Option<Handed> {
        lock(&self.newest).filter(|newest| newest.at <= at)
    }
}

impl Watch {
    fn add(&mut self, job: &Taken, hashing: Instant, done: Instant) {
        let Handed { received, at } = job.handed;
        for (times, from, to) in [
            (&mut self.read, received, at),
            (&mut self.posted, at, job.posted),
            (&mut self.taken, job.posted, job.taken),
            (&mut self.prepared, job.taken, job.prepared),
            (&mut self.hashing, received, hashing),
            (&mut self.slice, received, done),
        ] {
            times.add(to.saturating_duration_since(from));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A source whose devices are watched.
pub(super) struct WatchedSource {
    pub(super) inner: Arc<dyn DeviceSource>,
    pub(super) log: Arc<Log>,
}

impl DeviceSource for WatchedSource {
    fn info(&self) -> &DeviceInfo {
        self.inner.info()
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        let inner = self.inner.open()?;
        Ok(Box::new(WatchedDevice {
            inner,
            log: Arc::clone(&self.log),
            last: None,
            taken: None,
            started: false,
        }))
    }

    fn check(&self) -> Check {
        self.inner.check()
    }

    fn slowest_slice(&self) -> Duration {
        self.inner.slowest_slice()
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        self.inner.checker()
    }

    fn examine(&self, work: &Work, nonce: u64, hash: &Hash) -> Result<Health, Unavailable> {
        self.inner.examine(work, nonce, hash)
    }
}

struct WatchedDevice {
    inner: Box<dyn Device>,
    log: Arc<Log>,
    /// When the last job that was taken was handed out; each counts once, however often its template is rolled.
    last: Option<Instant>,
    /// The job for which no slice is done yet.
    taken: Option<Taken>,
    started: bool,
}

impl Device for WatchedDevice {
    fn load(&mut self, work: &Arc<Work>, target: Target, interrupt: &Interrupt) -> Result<(), DeviceError> {
        let taken = Instant::now();
        self.inner.load(work, target, interrupt)?;
        let (posted, prepared) = (interrupt.began(), Instant::now());
        let new = self.log.posted(posted).filter(|handed| self.last.replace(handed.at) != Some(handed.at));
        // The first work waits for the device to open, which is another matter.
        let new = new.filter(|_| self.started);
        self.taken = new.map(|handed| Taken { handed, posted, taken, prepared });
        Ok(())
    }

    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError> {
        let done = self.inner.scan(range, interrupt, found)?;
        self.log.hashes.fetch_add(done, Ordering::Relaxed);
        if done > 0 {
            if let Some(taken) = self.taken.take() {
                let hashing = self.inner.first_hash().unwrap_or(taken.prepared);
                lock(&self.log.watch).add(&taken, hashing, Instant::now());
            }
            if !std::mem::replace(&mut self.started, true) {
                self.log.started.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(done)
    }

    fn batch(&self) -> u64 {
        self.inner.batch()
    }

    fn first_hash(&self) -> Option<Instant> {
        self.inner.first_hash()
    }
}
