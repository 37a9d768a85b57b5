//! One memory for many workers: who fills it, who waits, and how it passes from one seed to the next.
//!
//! Two gigabytes cannot be had twice, so a new seed must take the memory of the old one, and that needs
//! every machine over it to be gone. Workers therefore keep their machine in a slot that the host can reach:
//! the first worker that needs a new seed leads, recalls all machines (also those of workers that are parked),
//! fills the memory in place and publishes it. The rest wait, and whoever finds its slot empty loads anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::Duration;

use crate::devices::{DeviceError, Interrupt};

/// Key of a RandomX dataset.
pub(crate) type Seed = [u8; 32];

/// How often waiting threads look at their interrupt.
const POLL: Duration = Duration::from_millis(10);

/// What makes and fills memory; the host only passes it around.
pub(crate) trait Engine: Send + Sync {
    /// Memory that is filled for a seed; clones share it.
    type Memory: Clone + Send;
    /// Memory that nobody uses, whatever it holds.
    type Parked: Send;
    /// What hashes over the memory.
    type Machine: Send;

    /// Takes the memory back, if nobody else holds it. `keep` says that what it holds is good. Nothing comes
    /// back where the memory is better taken anew.
    fn reclaim(&self, memory: Self::Memory, keep: bool) -> Result<Option<Self::Parked>, Self::Memory>;

    /// Fills memory for `seed`, in place where there is some. Ends soon after `stop` says so; what was done is
    /// in the parked memory that comes back with an error, so that another call can go on from there.
    fn build(
        &self,
        parked: Option<Self::Parked>,
        seed: &Seed,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self::Memory, (Option<Self::Parked>, DeviceError)>;

    /// Makes a machine.
    fn machine(&self, memory: &Self::Memory) -> Result<Self::Machine, DeviceError>;
}

/// The memory of one node, shared by its workers.
pub(crate) struct Host<E: Engine> {
    engine: E,
    state: Mutex<State<E>>,
    changed: Condvar,
}

struct State<E: Engine> {
    contents: Contents<E>,
    slots: Vec<Weak<Slot<E>>>,
}

enum Contents<E: Engine> {
    /// Nobody uses it, nobody fills it.
    Parked(Option<E::Parked>),
    /// A worker leads.
    Building,
    /// Filled for this seed; no seed when it was found to be corrupt.
    Ready { seed: Option<Seed>, memory: E::Memory },
}

/// Where a worker keeps its machine.
struct Slot<E: Engine> {
    machine: Mutex<Option<E::Machine>>,
    /// The machine is to go. A worker that hashes looks at this after each hash, because it could hold the
    /// lock nearly all the time otherwise.
    recalled: AtomicBool,
}

impl<E: Engine> Slot<E> {
    fn lock(&self) -> MutexGuard<'_, Option<E::Machine>> {
        // A machine whose user panicked starts each hash from its input, so it is as good as before.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties the slot, at once where nobody is at it.
    fn recall(&self) {
        self.recalled.store(true, Ordering::Relaxed);
        match self.machine.try_lock() {
            Ok(mut machine) => *machine = None,
            Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner() = None,
            Err(TryLockError::WouldBlock) => {}
        }
    }
}

impl<E: Engine> Host<E> {
    pub(crate) fn new(engine: E) -> Self {
        let contents = Contents::Parked(None);
        Self { engine, state: Mutex::new(State { contents, slots: Vec::new() }), changed: Condvar::new() }
    }

    /// Adds a worker.
    pub(crate) fn worker(self: &Arc<Self>) -> Worker<E> {
        let slot = Arc::new(Slot { machine: Mutex::new(None), recalled: AtomicBool::new(false) });
        let mut state = self.state();
        state.slots.retain(|slot| slot.strong_count() > 0);
        state.slots.push(Arc::downgrade(&slot));
        drop(state);
        Worker { host: Arc::clone(self), slot }
    }

    /// What makes the memory.
    pub(crate) fn engine(&self) -> &E {
        &self.engine
    }

    /// The memory, if it is filled for this seed. A new seed waits until the clone is dropped, so that should
    /// be soon.
    pub(crate) fn memory(&self, seed: &Seed) -> Option<E::Memory> {
        match &self.state().contents {
            Contents::Ready { seed: Some(ready), memory } if ready == seed => Some(memory.clone()),
            _ => None,
        }
    }

    /// Has the memory filled anew before the next hash, because it was found corrupt for this seed.
    pub(crate) fn discard(&self, seed: &Seed) {
        let mut state = self.state();
        match &mut state.contents {
            Contents::Ready { seed: ready, .. } if ready.as_ref() == Some(seed) => *ready = None,
            _ => return,
        }
        // Under the lock of the state: a machine that a worker gets after this is of other memory.
        recall_all(&state.slots);
    }

    /// Lets a test break the memory. No machine is left to use it meanwhile.
    #[cfg(test)]
    pub(crate) fn with_memory_mut(&self, change: impl FnOnce(&mut E::Memory)) {
        let mut state = self.state();
        recall_all(&state.slots);
        if let Contents::Ready { memory, .. } = &mut state.contents {
            change(memory);
        }
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        // A worker that panicked left nothing half done: contents are replaced as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets the memory out of use and fills it. The state says `Building` meanwhile.
    fn lead(&self, contents: Contents<E>, seed: &Seed, interrupt: &Interrupt) -> Result<(), DeviceError> {
        let mut lead = Lead { host: self, contents: Some(Contents::Parked(None)) };
        let parked = match contents {
            Contents::Parked(parked) => parked,
            Contents::Building => None,
            Contents::Ready { seed: old, memory } => match self.wait_unused(memory, old.is_some(), interrupt)
            {
                Ok(parked) => parked,
                Err(memory) => {
                    lead.contents = Some(Contents::Ready { seed: old, memory });
                    return Err(DeviceError::Interrupted);
                }
            },
        };
        match self.engine.build(parked, seed, &|| interrupt.is_set()) {
            Ok(memory) => {
                lead.contents = Some(Contents::Ready { seed: Some(*seed), memory });
                Ok(())
            }
            Err((parked, fault)) => {
                lead.contents = Some(Contents::Parked(parked));
                Err(fault)
            }
        }
    }

    /// Empties the slots, and waits until slices and checks that still use the memory are over.
    fn wait_unused(
        &self,
        mut memory: E::Memory,
        keep: bool,
        interrupt: &Interrupt,
    ) -> Result<Option<E::Parked>, E::Memory> {
        loop {
            recall_all(&self.state().slots);
            memory = match self.engine.reclaim(memory, keep) {
                Ok(parked) => return Ok(parked),
                Err(still_used) => still_used,
            };
            if interrupt.is_set() {
                return Err(memory);
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Publishes what a leader leaves behind, also when it panics: then the memory is gone, and the next one
/// starts from nothing.
struct Lead<'a, E: Engine> {
    host: &'a Host<E>,
    contents: Option<Contents<E>>,
}

impl<E: Engine> Drop for Lead<'_, E> {
    fn drop(&mut self) {
        self.host.state().contents = self.contents.take().unwrap_or(Contents::Parked(None));
        self.host.changed.notify_all();
    }
}

/// One worker's share of a host.
pub(crate) struct Worker<E: Engine> {
    host: Arc<Host<E>>,
    slot: Arc<Slot<E>>,
}

impl<E: Engine> Worker<E> {
    /// What makes memory and machines.
    pub(crate) fn engine(&self) -> &E {
        self.host.engine()
    }

    /// Has a machine for `seed` ready in [`Worker::machine`]. Leads or waits, in either case until the
    /// interrupt is set at most.
    pub(crate) fn load(&self, seed: &Seed, interrupt: &Interrupt) -> Result<(), DeviceError> {
        // Let go first: whoever leads waits for this.
        *self.slot.lock() = None;
        let mut state = self.host.state();
        loop {
            match &state.contents {
                Contents::Ready { seed: Some(ready), memory } if ready == seed => {
                    // Still under the lock of the state, so that no new leader has been round the slots.
                    let machine = self.host.engine.machine(memory)?;
                    *self.slot.lock() = Some(machine);
                    self.slot.recalled.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                _ if interrupt.is_set() => return Err(DeviceError::Interrupted),
                Contents::Building => {
                    let waited = self.host.changed.wait_timeout(state, POLL);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Contents::Parked(_) | Contents::Ready { .. } => {
                    let contents = std::mem::replace(&mut state.contents, Contents::Building);
                    drop(state);
                    self.host.lead(contents, seed, interrupt)?;
                    state = self.host.state();
                }
            }
        }
    }

    /// The machine; none before [`Worker::load`] and after somebody led to another seed. Hold it for one
    /// slice only.
    pub(crate) fn machine(&self) -> MutexGuard<'_, Option<E::Machine>> {
        let mut machine = self.slot.lock();
        if self.is_recalled() {
            *machine = None;
        }
        machine
    }

    /// Whether somebody wants the machine gone: end the slice, and [`Worker::load`] again. Cheap enough for
    /// every hash.
    pub(crate) fn is_recalled(&self) -> bool {
        self.slot.recalled.load(Ordering::Relaxed)
    }
}

fn recall_all<E: Engine>(slots: &[Weak<Slot<E>>]) {
    for slot in slots.iter().filter_map(Weak::upgrade) {
        slot.recall();
    }
}

#[cfg(test)]
mod tests;
