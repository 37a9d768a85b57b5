//! The second opinion: an interpreter over the same memory, and the whole truth from the seed.

use std::sync::Arc;

use rminer_algos::randomx::{
    Cache, Dataset, Engine, EngineError, LightReference, Method, Pages, Vm, item_count,
};
use rminer_algos::{Hash, Reference, Unavailable, Variant, Work};

use super::host::{Host, Seed};
use super::memory::{Filled, NodeMemory};
use crate::devices::Health;

/// Runs of dataset items that are compared, and items of a run.
const SAMPLE_RUNS: u64 = 32;
const SAMPLE_ITEMS: u64 = 64;

/// Hashes again what a thread found, without its compiler and its scratchpad.
///
/// The machine is made for each check, so that an idle checker never holds up a new seed.
pub(super) struct Checker {
    host: Arc<Host<NodeMemory>>,
}

impl Checker {
    pub(super) fn new(host: Arc<Host<NodeMemory>>) -> Self {
        Self { host }
    }
}

impl Reference for Checker {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        match self.host.memory(seed_of(work)?) {
            Some(memory) => hash_over(&memory, work, nonce).map_err(unavailable),
            // The memory went on to another seed: this check takes a cache of its own, and gives it back.
            None => LightReference::with_method(independent()).hash(work, nonce),
        }
    }
}

/// See [`DeviceSource::examine`](crate::devices::DeviceSource::examine).
pub(super) fn examine(
    host: &Host<NodeMemory>,
    work: &Work,
    nonce: u64,
    hash: &Hash,
) -> Result<Health, Unavailable> {
    let seed = seed_of(work)?;
    let truth = Truth::of(seed, work.variant()).map_err(unavailable)?;
    let right = truth.hash(work, nonce).map_err(unavailable)?;
    let sound = match host.memory(seed) {
        Some(memory) => {
            let over_memory = hash_over(&memory, work, nonce).map_err(unavailable)?;
            over_memory == right && truth.agrees_with(&memory, hash)
        }
        // The memory is another seed's by now; only the hash can be judged.
        None => true,
    };
    if !sound {
        host.discard(seed);
        return Ok(Health::MemoryCorrupt);
    }
    Ok(if *hash == right { Health::Healthy } else { Health::DeviceFault })
}

/// A cache of its own, filled from the seed.
struct Truth {
    cache: Arc<Cache>,
    method: Method,
}

impl Truth {
    fn of(seed: &Seed, variant: Variant) -> Result<Self, EngineError> {
        let method = match variant {
            Variant::V1 => independent(),
            Variant::V2 => native(),
        };
        let mut cache = Cache::allocate(method, Pages::Normal)?;
        cache.init(seed);
        Ok(Self { cache: Arc::new(cache), method })
    }

    fn hash(&self, work: &Work, nonce: u64) -> Result<Hash, EngineError> {
        hash_with(Vm::light(self.method, Pages::Normal, Arc::clone(&self.cache))?, work, nonce)
    }

    /// Compares samples of a dataset; which ones depends on `salt`, so that repeated examinations see more.
    fn agrees_with(&self, memory: &Filled, salt: &Hash) -> bool {
        let Filled::Fast(dataset) = memory else { return true };
        // Only the pages of the samples become resident. Where even the reservation is refused, the hash
        // over the dataset has to do.
        let Ok(mut samples) = Dataset::allocate(self.method, Pages::Normal) else { return true };
        let runs = item_count() / SAMPLE_ITEMS;
        let mut random = u64::from_le_bytes(salt.0[..8].try_into().unwrap_or_default());
        (0..SAMPLE_RUNS).all(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let start = (random >> 16) % runs * SAMPLE_ITEMS;
            let items = start..start + SAMPLE_ITEMS;
            let Ok(fill) = samples.fill_part(&self.cache, items.clone(), SAMPLE_ITEMS) else { return true };
            while fill.step() {}
            if fill.finish().is_err() {
                return true;
            }
            items.into_iter().all(|index| samples.item(index) == dataset.item(index))
        })
    }
}

/// A hash over this memory, by an interpreter: the C library's over any dataset and over its own cache, as far as it knows
/// the version.
fn hash_over(memory: &Filled, work: &Work, nonce: u64) -> Result<Hash, EngineError> {
    let make = |method| match memory {
        Filled::Fast(dataset) => Vm::fast(method, Pages::Normal, Arc::clone(dataset)),
        Filled::Light(cache) => Vm::light(method, Pages::Normal, Arc::clone(cache)),
    };
    let vm = match work.variant() {
        Variant::V1 => match make(independent()) {
            Err(EngineError::Mixed) => make(native()),
            made => made,
        },
        Variant::V2 => make(native()),
    };
    hash_with(vm?, work, nonce)
}

fn hash_with(mut vm: Vm, work: &Work, nonce: u64) -> Result<Hash, EngineError> {
    vm.set_variant(work.variant())?;
    Ok(vm.hash(&work.blob_with(nonce)))
}

/// The interpreter of our own engine, which shares no code with its compiler.
fn native() -> Method {
    Method::detect(Engine::Native).interpreted()
}

/// The interpreter of the C library: our own engine shares no code with it.
fn independent() -> Method {
    Method::detect(Engine::Reference).interpreted()
}

fn seed_of(work: &Work) -> Result<&Seed, Unavailable> {
    work.seed().ok_or_else(|| Unavailable("RandomX work without a seed".into()))
}

fn unavailable(fault: EngineError) -> Unavailable {
    Unavailable(fault.to_string())
}
