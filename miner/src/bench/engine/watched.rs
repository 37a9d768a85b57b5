//! Devices that tell when they take new work and when they have hashed for it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rminer_algos::{Hash, Reference, Target, Unavailable, Work};

use crate::bench::latency::Times;
use crate::devices::{Check, Device, DeviceError, DeviceInfo, DeviceSource, Found, Health, Interrupt};

/// Times from new jobs on.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Until a worker hashes for it.
    pub(super) hashing: Times,
    /// Until a worker has done its first slice.
    pub(super) slice: Times,
}

/// What watched devices tell, and to whom.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The newest work and when it was handed to the engine.
    newest: Mutex<Option<(Arc<Work>, Instant)>>,
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

    /// This work is handed out now.
    pub(super) fn post(&self, work: &Arc<Work>) {
        *lock(&self.newest) = Some((Arc::clone(work), Instant::now()));
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

    fn posted(&self, work: &Arc<Work>) -> Option<Instant> {
        lock(&self.newest).as_ref().filter(|(newest, _)| Arc::ptr_eq(newest, work)).map(|(_, at)| *at)
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
        Ok(Box::new(WatchedDevice { inner, log: Arc::clone(&self.log), posted: None, started: false }))
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
    /// When the work was posted for which no slice is done yet.
    posted: Option<Instant>,
    started: bool,
}

impl Device for WatchedDevice {
    fn load(&mut self, work: &Arc<Work>, target: Target, interrupt: &Interrupt) -> Result<(), DeviceError> {
        self.inner.load(work, target, interrupt)?;
        // The first work waits for the device to open, which is another matter.
        self.posted = self.log.posted(work).filter(|_| self.started);
        if let Some(posted) = self.posted {
            lock(&self.log.watch).hashing.add(posted.elapsed());
        }
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
            if let Some(posted) = self.posted.take() {
                lock(&self.log.watch).slice.add(posted.elapsed());
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
}
