//! The host with memory that is counted instead of filled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::*;
use crate::devices::Generation;

#[derive(Default)]
struct Counts {
    allocated: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    built: AtomicUsize,
    machines: AtomicUsize,
}

/// A block that knows how many of its kind live.
struct Block {
    counts: Arc<Counts>,
    seed: Option<Seed>,
    steps: usize,
}

impl Block {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.allocated.fetch_add(1, Ordering::SeqCst);
        let alive = 1 + counts.alive.fetch_add(1, Ordering::SeqCst);
        counts.most_alive.fetch_max(alive, Ordering::SeqCst);
        Self { counts: Arc::clone(counts), seed: None, steps: 0 }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Machine {
    block: Arc<Block>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.block.counts.machines.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Fills a block in `steps`, 1 ms each; seed 0xEE fails, seed 0xDD panics.
struct Counted {
    counts: Arc<Counts>,
    steps: usize,
}

const FAILS: Seed = [0xEE; 32];
const PANICS: Seed = [0xDD; 32];

impl Engine for Counted {
    type Memory = Arc<Block>;
    type Parked = Block;
    type Machine = Machine;

    fn reclaim(&self, memory: Arc<Block>, keep: bool) -> Result<Option<Block>, Arc<Block>> {
        let mut block = Arc::try_unwrap(memory)?;
        if !keep {
            block.seed = None;
        }
        Ok(Some(block))
    }

    fn build(
        &self,
        parked: Option<Block>,
        seed: &Seed,
        stop: &dyn Fn() -> bool,
    ) -> Result<Arc<Block>, (Option<Block>, DeviceError)> {
        assert_ne!(*seed, PANICS, "as the test wants it");
        let mut block = parked.unwrap_or_else(|| Block::new(&self.counts));
        if *seed == FAILS {
            return Err((Some(block), DeviceError::Memory("as the test wants it".into())));
        }
        if block.seed != Some(*seed) {
            block.steps = 0;
            block.seed = Some(*seed);
        }
        while block.steps < self.steps {
            if stop() {
                return Err((Some(block), DeviceError::Interrupted));
            }
            thread::sleep(Duration::from_millis(1));
            block.steps += 1;
        }
        self.counts.built.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(block))
    }

    fn machine(&self, memory: &Arc<Block>) -> Result<Machine, DeviceError> {
        self.counts.machines.fetch_add(1, Ordering::SeqCst);
        Ok(Machine { block: Arc::clone(memory) })
    }
}

fn host(steps: usize) -> (Arc<Host<Counted>>, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    (Arc::new(Host::new(Counted { counts: Arc::clone(&counts), steps })), counts)
}

fn count(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[test]
fn twenty_seeds_take_one_memory() {
    const WORKERS: usize = 4;
    let (host, counts) = host(2);
    let generation = Generation::default();
    for seed in 0..20u8 {
        let interrupt = generation.interrupt();
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    let worker = host.worker();
                    worker.load(&[seed; 32], &interrupt).unwrap();
                    let machine = worker.machine();
                    assert_eq!(machine.as_ref().unwrap().block.seed, Some([seed; 32]));
                });
            }
        });
        assert_eq!(count(&counts.built), 1 + usize::from(seed), "filled once for each seed");
        assert_eq!(count(&counts.machines), 0, "workers that are gone leave no machine");
    }
    assert_eq!((count(&counts.allocated), count(&counts.most_alive)), (1, 1));
    drop(host);
    assert_eq!(count(&counts.alive), 0);
}

/// A worker that is parked never calls again, and does not hold up the others.
#[test]
fn parked_workers_are_emptied() {
    let (host, counts) = host(1);
    let interrupt = Generation::default().interrupt();
    let (parked, busy) = (host.worker(), host.worker());
    parked.load(&[1; 32], &interrupt).unwrap();
    busy.load(&[1; 32], &interrupt).unwrap();
    busy.load(&[2; 32], &interrupt).unwrap();
    assert!(parked.machine().is_none());
    assert_eq!(count(&counts.allocated), 1);
    parked.load(&[2; 32], &interrupt).unwrap();
    assert!(parked.machine().is_some());
    assert_eq!(count(&counts.built), 2);
}

/// New jobs of the same seed interrupt a build again and again; it gets done all the same.
#[test]
fn interrupted_builds_are_taken_up() {
    let (host, counts) = host(60);
    let generation = Generation::default();
    let worker = host.worker();
    let mut interrupted = 0;
    loop {
        let interrupt = generation.interrupt();
        let result = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(15));
                generation.advance();
            });
            worker.load(&[1; 32], &interrupt)
        });
        match result {
            Ok(()) => break,
            Err(fault) => assert_eq!(fault, DeviceError::Interrupted),
        }
        interrupted += 1;
        assert!(interrupted < 60, "the build starts anew each time");
    }
    assert!(interrupted > 0, "the test never interrupted");
    assert_eq!((count(&counts.allocated), count(&counts.built)), (1, 1));
}

/// A check that holds the memory is waited for, but not beyond the interrupt; the old seed then still works.
#[test]
fn checks_are_waited_for() {
    let (host, counts) = host(1);
    let generation = Generation::default();
    let worker = host.worker();
    worker.load(&[1; 32], &generation.interrupt()).unwrap();
    let held = host.memory(&[1; 32]).unwrap();
    assert!(host.memory(&[2; 32]).is_none());
    let interrupt = generation.interrupt();
    let result = thread::scope(|scope| {
        let load = scope.spawn(|| worker.load(&[2; 32], &interrupt));
        thread::sleep(Duration::from_millis(50));
        assert!(!load.is_finished());
        generation.advance();
        load.join().unwrap()
    });
    assert_eq!(result, Err(DeviceError::Interrupted));
    worker.load(&[1; 32], &generation.interrupt()).unwrap();
    assert_eq!(count(&counts.built), 1, "what was there is still good");
    drop(held);
    worker.load(&[2; 32], &generation.interrupt()).unwrap();
    assert_eq!(count(&counts.allocated), 1);
}

/// The interrupt ends the wait of those that do not lead, too.
#[test]
fn waiting_ends_with_the_interrupt() {
    let (host, _) = host(5000);
    let generation = Generation::default();
    let interrupt = generation.interrupt();
    let begun = Instant::now();
    thread::scope(|scope| {
        let loads: Vec<_> =
            (0..3).map(|_| scope.spawn(|| host.worker().load(&[1; 32], &interrupt))).collect();
        thread::sleep(Duration::from_millis(30));
        generation.advance();
        for load in loads {
            assert_eq!(load.join().unwrap(), Err(DeviceError::Interrupted));
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(4), "the build took 5 s, the interrupt came at once");
}

#[test]
fn failures_reach_every_worker_and_leave_the_memory() {
    let (host, counts) = host(1);
    let interrupt = Generation::default().interrupt();
    for _ in 0..3 {
        let fault = host.worker().load(&FAILS, &interrupt).unwrap_err();
        assert!(matches!(fault, DeviceError::Memory(_)));
    }
    host.worker().load(&[1; 32], &interrupt).unwrap();
    assert_eq!(count(&counts.allocated), 1);
}

#[test]
fn a_leader_that_panics_does_not_lock_the_others_out() {
    let (host, counts) = host(1);
    let interrupt = Generation::default().interrupt();
    let panicked = thread::scope(|scope| scope.spawn(|| host.worker().load(&PANICS, &interrupt)).join());
    assert!(panicked.is_err());
    host.worker().load(&[1; 32], &interrupt).unwrap();
    assert_eq!(count(&counts.built), 1);
}

#[test]
fn discarded_memory_is_filled_again_in_place() {
    let (host, counts) = host(1);
    let interrupt = Generation::default().interrupt();
    let worker = host.worker();
    worker.load(&[1; 32], &interrupt).unwrap();
    host.discard(&[2; 32]);
    assert!(worker.machine().is_some(), "another seed is not meant");
    host.discard(&[1; 32]);
    assert!(worker.machine().is_none());
    assert!(host.memory(&[1; 32]).is_none());
    worker.load(&[1; 32], &interrupt).unwrap();
    assert_eq!((count(&counts.allocated), count(&counts.built)), (1, 2));
}

/// A worker that is always at its machine, on an old seed, gives it up all the same.
#[test]
fn busy_workers_are_recalled() {
    let (host, counts) = host(1);
    let generation = Generation::default();
    let interrupt = generation.interrupt();
    let (busy, leader) = (host.worker(), host.worker());
    busy.load(&[1; 32], &interrupt).unwrap();
    let slices = AtomicUsize::new(0);
    thread::scope(|scope| {
        let hashing = scope.spawn(|| {
            loop {
                let machine = busy.machine();
                if machine.is_none() {
                    break;
                }
                // A slice that ends only when it is told to, and the next one begins at once.
                while !busy.is_recalled() {
                    thread::yield_now();
                }
                slices.fetch_add(1, Ordering::SeqCst);
            }
        });
        thread::sleep(Duration::from_millis(20));
        leader.load(&[2; 32], &interrupt).unwrap();
        hashing.join().unwrap();
    });
    assert_eq!((count(&slices), count(&counts.allocated), count(&counts.built)), (1, 1, 2));
    busy.load(&[2; 32], &interrupt).unwrap();
    assert!(busy.machine().is_some() && !busy.is_recalled());
}
