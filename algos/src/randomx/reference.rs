//! The reference: a light machine that follows the seeds of the work it is asked about.

use std::sync::Arc;

use super::{Cache, Engine, EngineError, Method, Pages, Vm};
use crate::{Hash, Reference, Unavailable, Variant, Work};

/// Hashes with any key in 256 MiB, about a hundred times slower than a machine over a dataset.
///
/// Nothing is allocated before the first hash. The cache of the last key is kept; another key refills the
/// same memory.
#[derive(Debug, Default)]
pub struct LightReference {
    method: Option<Method>,
    cache: Option<Arc<Cache>>,
    vm: Option<Vm>,
    /// For version 2, where this one does not know it.
    second: Option<Box<Self>>,
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
        Ok(self.vm_for(key)?.hash(input))
    }

    fn method(&self) -> Method {
        self.method.unwrap_or_else(|| Method::detect(Engine::Reference))
    }

    fn vm_for(&mut self, key: &[u8]) -> Result<&mut Vm, EngineError> {
        if self.vm.as_ref().and_then(Vm::key) != Some(key) {
            self.vm = Some(self.machine(key)?);
        }
        self.vm.as_mut().ok_or(EngineError::NoKey)
    }

    fn machine(&mut self, key: &[u8]) -> Result<Vm, EngineError> {
        let method = self.method();
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
        let of_version = |method: Method| method.engine() == Engine::Native || work.variant() == Variant::V1;
        if !of_version(self.method()) {
            // The C library knows the first version only.
            let native = || Box::new(Self::with_method(Method::detect(Engine::Native).interpreted()));
            return self.second.get_or_insert_with(native).hash(work, nonce);
        }
        let unavailable = |fault: EngineError| Unavailable(fault.to_string());
        let vm = self.vm_for(seed).map_err(unavailable)?;
        vm.set_variant(work.variant()).map_err(unavailable)?;
        Ok(vm.hash(&work.blob_with(nonce)))
    }
}
