//! Devices: what hashes. Each lives on an OS thread of its own and may block there for one slice.

pub mod affinity;
pub mod cpu;
pub mod gpu;
pub mod heat;
mod open;
pub(crate) mod os;
pub mod planted;
pub mod sim;
pub mod topology;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rminer_algos::{Hash, Reference, Target, Unavailable, Work};
use thiserror::Error;

pub use self::open::{Chosen, LeftOut, Setup, also, chooses_a_cpu, kinds, open};
pub use self::os::host_name;
use crate::engine::Throttle;
use crate::problem::Problem;

/// Why a device stopped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// Newer work waits or the miner stops; nothing is wrong.
    #[error("interrupted")]
    Interrupted,
    /// The device is gone or broke; it may work again after it was opened anew.
    #[error("device lost: {0}")]
    Lost(String),
    /// Memory that cannot be had, with the fix in the text.
    #[error("{0}")]
    Memory(String),
    /// It computes wrong results, as hits show that were known beforehand. It rests at once.
    #[error("it computes wrong results: {0}")]
    Wrong(String),
    /// This device can never do this work.
    #[error("{0}")]
    Unsupported(String),
}

/// Counts up whenever running devices should look at their mailbox.
#[derive(Debug, Clone)]
pub struct Generation {
    number: Arc<AtomicU64>,
    began: Arc<Mutex<Instant>>,
}

impl Default for Generation {
    fn default() -> Self {
        Self { number: Arc::default(), began: Arc::new(Mutex::new(Instant::now())) }
    }
}

impl Generation {
    /// Interrupts every device that took its [`Interrupt`] before this call.
    pub fn advance(&self) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.number.fetch_add(1, Ordering::Release);
    }

    /// An interrupt that is set by the next [`Generation::advance`].
    pub fn interrupt(&self) -> Interrupt {
        Interrupt {
            seen: self.number.load(Ordering::Acquire),
            began: *self.began.lock().unwrap_or_else(PoisonError::into_inner),
            generation: Arc::clone(&self.number),
            throttle: None,
        }
    }
}

/// Told to a device with each piece of work: once set, finish the slice soon and return what was done.
#[derive(Debug, Clone)]
pub struct Interrupt {
    generation: Arc<AtomicU64>,
    seen: u64,
    began: Instant,
    /// A pause interrupts as well.
    throttle: Option<Throttle>,
}

impl Interrupt {
    /// The same, set by a pause of the device as well.
    pub fn or_paused(self, throttle: &Throttle) -> Self {
        Self { throttle: Some(throttle.clone()), ..self }
    }

    /// Whether newer work waits, or the device is to pause; cheap enough for every RandomX hash.
    pub fn is_set(&self) -> bool {
        self.generation.load(Ordering::Relaxed) != self.seen
            || self.throttle.as_ref().is_some_and(Throttle::is_paused)
    }

    /// When the work that it comes with was there: the time of the [`Generation::advance`] before it was taken.
    pub fn began(&self) -> Instant {
        self.began
    }
}

/// A nonce whose hash meets the target, as a device claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The whole nonce, fixed bits included.
    pub nonce: u64,
    /// The hash, where the device computes all of it; what meets the target is the work's
    /// [proof](Work::proof) of it.
    pub hash: Option<Hash>,
}

/// Something that hashes. Made, used and dropped on one thread.
pub trait Device {
    /// Takes new work. May block for long (a RandomX dataset) but returns
    /// [`DeviceError::Interrupted`] soon after `interrupt` is set.
    ///
    /// # Errors
    /// Any [`DeviceError`]; after one other than `Interrupted` the device is dropped.
    fn load(&mut self, work: &Arc<Work>, target: Target, interrupt: &Interrupt) -> Result<(), DeviceError>;

    /// Hashes the counters of `range` (see [`Work::nonce`]) in order, for one time slice: stops
    /// early when `interrupt` is set or when a slice's time has passed. Returns how many counters, from the
    /// start of the range, are done; each of them was hashed exactly once. Nothing is in flight when it returns: the
    /// hits of all that is done are in `found`, so that a device may rest or pause after any call.
    ///
    /// # Errors
    /// Any [`DeviceError`] but `Interrupted`; after one the device is dropped.
    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError>;

    /// Counters that one slice of [`Device::scan`] should be offered, by the speed seen so far.
    fn batch(&self) -> u64;

    /// When the first hash of the work that was loaded last began, where that is later than the end of
    /// [`Device::load`] and known: a graphics card first ends what it was given before.
    fn first_hash(&self) -> Option<Instant> {
        None
    }
}

/// When a hit is hashed again on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Before it is sent: cheap algorithms, GPUs, devices on probation.
    First,
    /// Sent at once and checked behind: RandomX on a CPU thread that has never been wrong.
    Behind,
}

/// What the engine and the screens know of a device before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// `cpu0`, `gpu0`, …: the device that people name. Several workers (CPU threads) may share one.
    pub id: String,
    /// Which worker of that device, from 0.
    pub worker: u16,
    /// Model name for people.
    pub name: String,
    /// Processing unit (operating-system index) that the worker is pinned to, if it is.
    pub pinned_to: Option<u32>,
}

/// Opens a device, again after each loss. One for each worker thread.
pub trait DeviceSource: Send + Sync {
    /// What it is.
    fn info(&self) -> &DeviceInfo;

    /// Opens the device. Called on the thread that will own it, so it pins that thread.
    ///
    /// # Errors
    /// Any [`DeviceError`] but `Interrupted`.
    fn open(&self) -> Result<Box<dyn Device>, DeviceError>;

    /// When this device's hits are checked while it has never been wrong.
    fn check(&self) -> Check;

    /// How long a slice may take without the device being hung, beyond what the crew allows every device: a
    /// processor's thread of low priority may wait long for its turn on a busy machine.
    fn slowest_slice(&self) -> Duration {
        Duration::ZERO
    }

    /// An engine independent of the device's own path that hashes again what it found.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no memory for one.
    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable>;

    /// Finds out whose fault a wrong hash is, after a check or a pool said that `hash` is not that of `work`
    /// with `nonce`. Takes seconds and memory. What is found broken is rebuilt without further ado.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no memory to compare with.
    fn examine(&self, work: &Work, nonce: u64, hash: &Hash) -> Result<Health, Unavailable> {
        let _ = (work, nonce, hash);
        Ok(Health::Unknown)
    }
}

/// What [`DeviceSource::examine`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The hash is right and so is the device's memory: whoever complained is wrong.
    Healthy,
    /// Memory that workers share had flipped; it will be filled again before the next hash.
    MemoryCorrupt,
    /// The memory is right and the hash is wrong: this device miscomputes.
    DeviceFault,
    /// This kind of device cannot tell.
    Unknown,
}

/// What a device tells while it gets ready.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A RandomX dataset is being filled.
    DatasetProgress {
        /// The device, as in [`DeviceInfo::id`].
        device: String,
        /// From 0 to 100.
        done_percent: u8,
    },
    /// A RandomX dataset or cache is ready to hash with.
    DatasetReady(DatasetReady),
    /// It was measured how many RandomX hashes each thread should compute at once.
    LanesChosen {
        /// The device, as in [`DeviceInfo::id`].
        device: String,
        /// What was chosen.
        lanes: usize,
        /// What it was chosen from: each number, and the hash rate of all threads with it.
        rates: Vec<(usize, f64)>,
    },
    /// It goes on, but the user should know.
    Warning(Problem),
}

/// Facts of a RandomX dataset or cache that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetReady {
    /// The device, as in [`DeviceInfo::id`].
    pub device: String,
    /// Time that it took, Argon2 and waiting for memory included, in milliseconds.
    pub init_ms: u64,
    /// What is in memory.
    pub mode: RandomxMemory,
    /// Huge pages of dataset and machines, counted in pages of 2 MiB.
    pub huge_pages_have: u32,
    /// Huge pages that would hold all of them; 0 when none were asked for.
    pub huge_pages_want: u32,
    /// Mining threads that share it.
    pub threads: usize,
}

/// What RandomX has in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RandomxMemory {
    /// The whole dataset, 2080 MiB.
    Fast,
    /// The cache only, 256 MiB: many times slower.
    Light,
}

/// Where notices go. Called from device threads; must not block.
pub type NoticeSink = Arc<dyn Fn(Notice) + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Duty;

    #[test]
    fn interrupt_is_set_by_the_next_advance_only() {
        let generation = Generation::default();
        let first = generation.interrupt();
        assert!(!first.is_set());
        generation.advance();
        assert!(first.is_set());
        assert!(!generation.interrupt().is_set());
    }

    #[test]
    fn a_pause_interrupts_until_it_is_over() {
        let throttle = Throttle::default();
        let interrupt = Generation::default().interrupt().or_paused(&throttle);
        assert!(!interrupt.is_set());
        throttle.set(Duty::PAUSE);
        assert!(interrupt.is_set());
        throttle.set(Duty::from_permille(1));
        assert!(!interrupt.is_set());
    }
}
