//! The virtual machine: what hashes. One for each thread.

use std::ops::Deref;
use std::sync::Arc;

use super::{Cache, Dataset, EngineError, MAX_LANES, Method, Pages, cache, dataset, library, native};
use crate::{Hash, Variant};

/// What a machine reads its dataset items from.
#[derive(Debug)]
enum Memory {
    Fast(Arc<Dataset>),
    Light(Arc<Cache>),
}

/// A machine for one key: fast over a dataset, or light over a cache.
///
/// It hashes as many inputs at once as it has lanes, and takes them one step ahead: [`Vm::first`], then
/// [`Vm::next`] again and again, then [`Vm::last`].
#[derive(Debug)]
pub struct Vm {
    engine: Of,
    memory: Memory,
    pages: Pages,
}

/// By engine.
#[derive(Debug)]
enum Of {
    Native { vm: Box<rminer_randomx::Vm>, variant: Variant },
    Library(library::Vm),
}

impl Vm {
    /// A machine over a complete dataset.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the dataset is not complete, [`EngineError::Vm`] when scratchpad or code
    /// pages cannot be had.
    pub fn fast(method: Method, pages: Pages, dataset: Arc<Dataset>) -> Result<Self, EngineError> {
        let engine = match method {
            Method::Native(native) => {
                let dataset::Of::Native(memory) = &dataset.0 else { return Err(EngineError::Mixed) };
                native_vm(rminer_randomx::Vm::fast(native.options(pages), Arc::clone(memory)))?
            }
            Method::Library(flags) => Of::Library(library::Vm::fast(flags, pages, Arc::clone(&dataset))?),
        };
        Ok(Self { engine, memory: Memory::Fast(dataset), pages })
    }

    /// A machine that makes each dataset item as it needs it: 256 MiB instead of 2 GiB, many times slower.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the cache holds no key, [`EngineError::Vm`] when scratchpad or code pages
    /// cannot be had.
    pub fn light(method: Method, pages: Pages, cache: Arc<Cache>) -> Result<Self, EngineError> {
        let engine = match method {
            Method::Native(native) => {
                let cache::Of::Native(memory) = &cache.0 else { return Err(EngineError::Mixed) };
                native_vm(rminer_randomx::Vm::light(native.options(pages), Arc::clone(memory)))?
            }
            Method::Library(flags) => Of::Library(library::Vm::light(flags, pages, Arc::clone(&cache))?),
        };
        Ok(Self { engine, memory: Memory::Light(cache), pages })
    }

    /// The key whose hashes this machine computes.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.memory {
            Memory::Fast(dataset) => dataset.key(),
            Memory::Light(cache) => cache.key(),
        }
    }

    /// The pages that the scratchpad is made of.
    pub fn pages(&self) -> Pages {
        self.pages
    }

    /// Inputs that it hashes at once, from 1 to [`MAX_LANES`].
    pub fn lanes(&self) -> usize {
        match &self.engine {
            Of::Native { vm, .. } => vm.lanes(),
            Of::Library(_) => 1,
        }
    }

    /// Computes hashes of this version from now on; the memory serves all of them. A change forgets
    /// what was begun.
    ///
    /// # Errors
    /// [`EngineError::Variant`] when the engine does not know it, [`EngineError::Vm`] when memory is missing; then
    /// everything is as before.
    pub fn set_variant(&mut self, variant: Variant) -> Result<(), EngineError> {
        match &mut self.engine {
            Of::Native { variant: known, .. } if *known == variant => Ok(()),
            Of::Native { vm, variant: known } => {
                vm.set_config(native::config(variant)).map_err(error)?;
                *known = variant;
                Ok(())
            }
            Of::Library(_) if variant != Variant::V1 => Err(EngineError::Variant("the C library")),
            Of::Library(_) => Ok(()),
        }
    }

    /// Hash of one input. Forgets inputs given to [`Vm::first`].
    pub fn hash(&mut self, input: &[u8]) -> Hash {
        match &mut self.engine {
            Of::Native { vm, .. } => Hash(vm.hash(input)),
            Of::Library(vm) => vm.hash(input),
        }
    }

    /// Begins the hashes of the first of `inputs`, one for each lane at most, and says of how many. Lanes that
    /// get none are idle for this step. [`Vm::next`] or [`Vm::last`] gives the hashes out. Forgets what was begun
    /// before.
    pub fn first(&mut self, inputs: &[&[u8]]) -> usize {
        match (&mut self.engine, inputs.first()) {
            (Of::Native { vm, .. }, _) => vm.first(inputs),
            (Of::Library(vm), Some(first)) => {
                vm.first(first);
                1
            }
            (Of::Library(vm), None) => {
                vm.forget();
                0
            }
        }
    }

    /// Hashes of the inputs begun before, in their order, while the first of `next` are begun, as by
    /// [`Vm::first`]: one pass over a scratchpad serves both. When nothing was begun nothing comes out, and then `next`
    /// may not be begun either. Without a next one it is as [`Vm::last`].
    pub fn next(&mut self, next: &[&[u8]]) -> Hashes {
        match (&mut self.engine, next.first()) {
            (Of::Native { vm, .. }, _) => {
                let mut hashes = [[0; 32]; MAX_LANES];
                let count = vm.next(next, &mut hashes);
                Hashes { hashes: hashes.map(Hash), count }
            }
            (Of::Library(vm), Some(first)) => vm.next(first).into(),
            (Of::Library(vm), None) => vm.last().into(),
        }
    }

    /// Hashes of the inputs begun before; none when there are none.
    pub fn last(&mut self) -> Hashes {
        self.next(&[])
    }
}

fn native_vm(vm: Result<rminer_randomx::Vm, rminer_randomx::Error>) -> Result<Of, EngineError> {
    Ok(Of::Native { vm: Box::new(vm.map_err(error)?), variant: Variant::V1 })
}

fn error(fault: rminer_randomx::Error) -> EngineError {
    native::error(fault, EngineError::Vm)
}

/// What one step of a machine gives out: up to [`MAX_LANES`] hashes, in the order of their inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    hashes: [Hash; MAX_LANES],
    count: usize,
}

impl Deref for Hashes {
    type Target = [Hash];

    fn deref(&self) -> &[Hash] {
        self.hashes.get(..self.count).unwrap_or(&self.hashes)
    }
}

impl From<Option<Hash>> for Hashes {
    fn from(hash: Option<Hash>) -> Self {
        let mut hashes = [Hash([0; 32]); MAX_LANES];
        if let (Some(hash), Some(place)) = (hash, hashes.first_mut()) {
            *place = hash;
        }
        Self { hashes, count: usize::from(hash.is_some()) }
    }
}
