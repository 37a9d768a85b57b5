//! Hashing threads, the gate that starts them together, and the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rminer_algos::{Target, Variant, Work};

use super::{BenchError, BenchLength, BenchProgress, MemoryUse, ProgressSink, chain, memory_use, work};
use crate::bench::power::PowerMeter;
use crate::bench::statistics::Slices;
use crate::devices::cpu::randomx::RandomxSetup;
use crate::devices::{DeviceError, DeviceSource, Found, Generation, Interrupt, os};

/// How often the measuring thread looks at the stop flag, and waiting threads at the gate.
const POLL: Duration = Duration::from_millis(10);

/// Hashes that a thread takes at a time: some tens of milliseconds, so that the last thread ends with the
/// others and the rates of seconds are fine.
const LEASE_PART: u64 = 10;

/// A choice of lanes that takes longer than this is waited for no more.
const MOST_TUNING: Duration = Duration::from_secs(60);

/// What was measured.
pub(super) struct Measured {
    pub(super) hashes: u64,
    pub(super) lanes: u32,
    pub(super) time: Duration,
    pub(super) cpu_seconds: f64,
    pub(super) spread_percent: Option<f64>,
    pub(super) first_hash_ms: u64,
    pub(super) huge_pages: (u32, u32),
    pub(super) memory_kib: Option<u64>,
    pub(super) sum: Option<u64>,
}

/// What the measuring thread and the hashing threads share.
pub(super) struct Shared {
    work: Arc<Work>,
    /// Nonces that are hashed: those below this number.
    end: u64,
    /// First nonce that no thread has taken.
    next: AtomicU64,
    /// Whether all are ready.
    open: AtomicBool,
    interrupt: Interrupt,
    hashes: AtomicU64,
    sum: AtomicU64,
    /// Age of the process at the first finished hash, in milliseconds.
    first_hash_ms: AtomicU64,
    created: Instant,
}

impl Shared {
    /// Waits at the gate. `false` when it never opens.
    pub(super) fn wait_for_start(&self) -> bool {
        while !self.open.load(Ordering::Acquire) {
            if self.interrupt.is_set() {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// Counts finished hashes and what they add to the sum.
    pub(super) fn count(&self, hashes: u64, sum: u64) {
        self.sum.fetch_xor(sum, Ordering::Relaxed);
        if hashes > 0 && self.hashes.fetch_add(hashes, Ordering::Relaxed) == 0 {
            let age = os::process_age().unwrap_or_else(|| self.created.elapsed());
            self.first_hash_ms.store(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    pub(super) fn work(&self) -> &Arc<Work> {
        &self.work
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }
}

/// What a hashing thread tells.
pub(super) enum Told {
    /// Its dataset is there; it waits at the gate.
    Ready,
    /// It is through, or cannot go on.
    Done(Result<(), DeviceError>),
}

pub(super) fn measure(
    setup: &RandomxSetup,
    variant: Variant,
    length: BenchLength,
    progress: &ProgressSink,
    stop: &AtomicBool,
    meter: &PowerMeter,
) -> Result<Measured, BenchError> {
    let generation = Generation::default();
    let work = work::work(variant).map_err(|fault| DeviceError::Unsupported(fault.to_string()))?;
    let shared = Shared {
        work: Arc::new(work),
        end: if let BenchLength::Hashes(hashes) = length { hashes } else { work::NONCES },
        next: AtomicU64::new(0),
        open: AtomicBool::new(false),
        interrupt: generation.interrupt(),
        hashes: AtomicU64::new(0),
        sum: AtomicU64::new(0),
        first_hash_ms: AtomicU64::new(0),
        created: Instant::now(),
    };
    thread::scope(|scope| {
        // Whatever goes wrong below, the threads must end, or the scope never would.
        let _ends = EndOnDrop(&generation);
        let (tell, told) = channel();
        for source in &setup.sources {
            let (tell, shared) = (tell.clone(), &shared);
            // One thread for a number of hashes is xmrig's verification run, whose inputs are chained. That of the
            // second version is not done here.
            let counted = matches!(length, BenchLength::Hashes(_)) && variant == Variant::V1;
            let chained = counted && setup.sources.len() == 1;
            let body = move || {
                let result =
                    if chained { chain::hash(setup, shared, &tell) } else { hash(&**source, shared, &tell) };
                // Nobody listens any more when another thread failed.
                let _ = tell.send(Told::Done(result));
            };
            let builder = thread::Builder::new().name(format!("bench-{}", source.info().worker));
            builder.spawn_scoped(scope, body).map_err(|fault| BenchError::Thread(fault.to_string()))?;
        }
        drop(tell);
        let mut watch = Watch { told, running: setup.sources.len(), ready: 0, stop };
        while watch.ready < setup.sources.len() {
            watch.look()?;
        }
        time(setup, length, progress, &shared, &generation, watch, meter)
    })
}

/// Opens the gate and measures until all threads are done.
fn time(
    setup: &RandomxSetup,
    length: BenchLength,
    progress: &ProgressSink,
    shared: &Shared,
    generation: &Generation,
    mut watch: Watch<'_>,
    meter: &PowerMeter,
) -> Result<Measured, BenchError> {
    let (mut memory_kib, mut huge_pages) = (None, setup.huge_pages());
    shared.open.store(true, Ordering::Release);
    // What is hashed while threads still try what is fastest says nothing about the time after it. A number of hashes
    // has a sum, which all of them belong to.
    let patience = Instant::now();
    while matches!(length, BenchLength::Time(_)) && setup.is_tuning() && patience.elapsed() < MOST_TUNING {
        watch.look()?;
    }
    let hashes_before = shared.hashes.load(Ordering::Relaxed);
    let cpu_before = os::process_cpu_seconds();
    let start = Instant::now();
    let mut slices = Slices::new(start);
    meter.open();
    while watch.running > 0 {
        watch.look()?;
        let (now, hashes) = (Instant::now(), shared.hashes.load(Ordering::Relaxed) - hashes_before);
        let time = now - start;
        if let Some(rate_hs) = slices.add(now, hashes) {
            let of = if let BenchLength::Hashes(of) = length { Some(of) } else { None };
            progress(BenchProgress::Hashing { hashes, of, seconds: time.as_secs_f64(), rate_hs });
            // The machines still exist here; after the last thread they do not.
            huge_pages = setup.huge_pages().max(huge_pages);
            memory_kib = memory_kib.max(memory_use().map(MemoryUse::total_kib));
        }
        if matches!(length, BenchLength::Time(wanted) if time >= wanted) {
            generation.advance();
        }
    }
    meter.close();
    Ok(Measured {
        hashes: shared.hashes.load(Ordering::Relaxed) - hashes_before,
        lanes: setup.lanes(),
        time: start.elapsed(),
        cpu_seconds: os::process_cpu_seconds() - cpu_before,
        spread_percent: slices.spread_percent(),
        first_hash_ms: shared.first_hash_ms.load(Ordering::Relaxed),
        huge_pages,
        memory_kib: memory_kib.or_else(|| memory_use().map(MemoryUse::total_kib)),
        sum: matches!(length, BenchLength::Hashes(_)).then(|| shared.sum.load(Ordering::Relaxed)),
    })
}

/// Hashes on a device, as the engine's workers do.
fn hash(source: &dyn DeviceSource, shared: &Shared, tell: &Sender<Told>) -> Result<(), DeviceError> {
    let mut device = source.open()?;
    device.load(&shared.work, Target::MAX, &shared.interrupt)?;
    let _ = tell.send(Told::Ready);
    if !shared.wait_for_start() {
        return Ok(());
    }
    let mut found: Vec<Found> = Vec::new();
    while !shared.interrupt.is_set() {
        let lease = (device.batch() / LEASE_PART).max(1);
        let mut first = shared.next.fetch_add(lease, Ordering::Relaxed);
        let end = shared.end.min(first.saturating_add(lease));
        if first >= end {
            break;
        }
        while first < end && !shared.interrupt.is_set() {
            // Every hash meets this target, so every hash comes back.
            let done = device.scan(first..end, &shared.interrupt, &mut found)?;
            let work = &shared.work;
            let proofs = found.drain(..).filter_map(|found| Some(work.proof(found.nonce, &found.hash?)));
            shared.count(done, proofs.fold(0, |sum, proof| sum ^ work::value(&proof)));
            first += done;
        }
    }
    Ok(())
}

/// The measuring thread's view of the others.
struct Watch<'a> {
    told: Receiver<Told>,
    running: usize,
    ready: usize,
    stop: &'a AtomicBool,
}

impl Watch<'_> {
    /// Takes what a thread tells, for [`POLL`] at most.
    fn look(&mut self) -> Result<(), BenchError> {
        match self.told.recv_timeout(POLL) {
            Ok(Told::Ready) => self.ready += 1,
            Ok(Told::Done(result)) => {
                self.running -= 1;
                result?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // All are gone without a word: they panicked.
            Err(RecvTimeoutError::Disconnected) => {
                return Err(DeviceError::Lost("a hashing thread broke off".into()).into());
            }
        }
        if self.stop.load(Ordering::Relaxed) { Err(BenchError::Stopped) } else { Ok(()) }
    }
}

/// Interrupts the threads when it goes.
struct EndOnDrop<'a>(&'a Generation);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.advance();
    }
}
