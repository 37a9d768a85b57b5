//! The reference: a light machine that follows the seeds of the work it is asked about.

use std::sync::Arc;

use super::{Cache, Engine, EngineError, Method, Pages, Vm};
use crate::{Hash, Reference, Unavailable, Work};

/// Hashes with any key in 256 MiB, about a hundred times slower than a machine over a dataset.
///
/// Nothing is allocated before the first hash. The cache of the last key is kept; another key refills the
/// same memory.
#[derive(Debug, Default)]
pub struct LightReference {
    method: Option<Method>,
    cache: Option<Arc<Cache>>,
    vm: Option<Vm>,
}

impl LightReference {
    /// With this method instead of the best of the C library.
    pub fn with_method(method: Method) -> Self {
        Self { method: Some(method), ..Self::default() }
    }

    /// Hash of `input` under `key`.
    ///
    /// # Errors
    /// [`EngineError::Cache`] or [`EngineError::Vm`] when memory is missing.
    pub fn hash_with_key(&mut self, key: &[u8], input: &[u8]) -> Result<Hash, EngineError> {
        if self.vm.as_ref().and_then(Vm::key) != Some(key) {
            self.vm = Some(self.machine(key)?);
        }
        match &mut self.vm {
            Some(vm) => Ok(vm.hash(input)),
            None => Err(EngineError::NoKey),
        }
    }

    fn machine(&mut self, key: &[u8]) -> Result<Vm, EngineError> {
        let method = self.method.unwrap_or_else(|| Method::detect(Engine::Reference));
        // The old machine holds the cache; without it the cache can be refilled in place.
        self.vm = None;
        let mut cache = match self.cache.take().and_then(Arc::into_inner) {
            Some(cache) => cache,
            None => Cache::allocate(method, Pages::Normal)?,
        };
        cache.init(key);
        let cache = Arc::new(cache);
        self.cache = Some(Arc::clone(&cache));
        // Code pages are scarcer than plain ones; the interpreter does without.
        Vm::light(method, Pages::Normal, Arc::clone(&cache))
            .or_else(|_| Vm::light(method.interpreted(), Pages::Normal, cache))
    }
}

impl Reference for LightReference {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        let seed = work.seed().ok_or_else(|| Unavailable("RandomX work without a seed".into()))?;
        self.hash_with_key(seed, &work.blob_with(nonce)).map_err(|fault| Unavailable(fault.to_string()))
    }
}
