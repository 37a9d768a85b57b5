//! A device without the miner around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rminer_algos::{Target, Work};

use super::{BenchError, Measuring, Phase, Slices, Stopwatch};
use crate::bench::power::PowerMeter;
use crate::devices::{DeviceError, DeviceSource, Generation, Interrupt, os};

/// How often the measuring thread looks around.
const POLL: Duration = Duration::from_millis(5);

/// What came out.
pub(super) struct Alone {
    pub(super) phase: Phase,
    /// Until every worker had opened its device and taken the work.
    pub(super) ready: Duration,
    /// Age of the process at the first hash.
    pub(super) age_at_first_hash: Duration,
}

struct Shared {
    work: Arc<Work>,
    target: Target,
    interrupt: Interrupt,
    next: AtomicU64,
    ready: AtomicUsize,
    open: AtomicBool,
    hashes: AtomicU64,
    fault: Mutex<Option<DeviceError>>,
}

impl Measuring<'_> {
    pub(super) fn alone(
        &self,
        time: Duration,
        slices: &mut Slices,
        meter: &PowerMeter,
    ) -> Result<Alone, BenchError> {
        let begun = Instant::now();
        let generation = Generation::default();
        let work = (self.algorithm.sample)(0).map_err(|fault| DeviceError::Unsupported(fault.to_string()))?;
        let shared = Shared {
            work: Arc::new(work),
            // Next to nothing meets it, so reports cost nothing.
            target: Target::from_difficulty(1 << 64).unwrap_or(Target::MAX),
            interrupt: generation.interrupt(),
            next: AtomicU64::new(0),
            ready: AtomicUsize::new(0),
            open: AtomicBool::new(false),
            hashes: AtomicU64::new(0),
            fault: Mutex::default(),
        };
        thread::scope(|scope| {
            let _ends = EndOnDrop(&generation);
            for source in self.sources {
                let shared = &shared;
                let builder = thread::Builder::new().name(format!("bench-{}", source.info().worker));
                let body = move || {
                    if let Err(fault) = shared.hash(&**source) {
                        *shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
                    }
                };
                builder.spawn_scoped(scope, body).map_err(|fault| BenchError::Thread(fault.to_string()))?;
            }
            while shared.ready.load(Ordering::Acquire) < self.sources.len() {
                self.look(&shared)?;
            }
            let ready = begun.elapsed();
            let age_at_first_hash = os::process_age().unwrap_or(ready);
            let watch = Stopwatch::start();
            slices.restart(watch.0);
            shared.open.store(true, Ordering::Release);
            meter.open();
            while watch.0.elapsed() < time {
                self.look(&shared)?;
                let hashes = shared.hashes.load(Ordering::Relaxed);
                if let Some(rate_hs) = slices.add(Instant::now(), hashes) {
                    self.tell(hashes, watch.0, rate_hs);
                }
            }
            meter.close();
            let phase = watch.stop(shared.hashes.load(Ordering::Relaxed));
            Ok(Alone { phase, ready, age_at_first_hash })
        })
    }

    fn look(&self, shared: &Shared) -> Result<(), BenchError> {
        thread::sleep(POLL);
        if let Some(fault) = shared.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fault.into());
        }
        if self.stop.load(Ordering::Relaxed) { Err(BenchError::Stopped) } else { Ok(()) }
    }
}

impl Shared {
    fn hash(&self, source: &dyn DeviceSource) -> Result<(), DeviceError> {
        let mut device = source.open()?;
        device.load(&self.work, self.target, &self.interrupt)?;
        self.ready.fetch_add(1, Ordering::AcqRel);
        while !self.open.load(Ordering::Acquire) && !self.interrupt.is_set() {
            thread::sleep(Duration::from_millis(1));
        }
        let mut found = Vec::new();
        while !self.interrupt.is_set() {
            let batch = device.batch().max(1);
            let start = self.next.fetch_add(batch, Ordering::Relaxed);
            let mut left = start..start.saturating_add(batch);
            while !left.is_empty() && !self.interrupt.is_set() {
                let done = device.scan(left.clone(), &self.interrupt, &mut found)?;
                self.hashes.fetch_add(done, Ordering::Relaxed);
                left.start += done;
            }
            found.clear();
        }
        Ok(())
    }
}

/// Interrupts the threads when it goes, whatever the reason.
struct EndOnDrop<'a>(&'a Generation);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.advance();
    }
}
