//! The cache: 256 MiB that Argon2 fills from the key, and the programs that make dataset items from it.

use super::{EngineError, Method, Pages, library};

/// A cache that holds one key, or none yet.
#[derive(Debug)]
pub struct Cache(pub(super) Of);

/// By engine.
#[derive(Debug)]
pub(super) enum Of {
    Library(library::Cache),
}

impl Cache {
    /// Takes the memory; it holds no key yet.
    ///
    /// # Errors
    /// [`EngineError::Cache`] when these pages cannot be had.
    pub fn allocate(method: Method, pages: Pages) -> Result<Self, EngineError> {
        Ok(Self(match method {
            Method::Library(flags) => Of::Library(library::Cache::allocate(flags, pages)?),
        }))
    }

    /// Fills the cache from `key`, in place. Takes 0.3 to 0.7 s of one core, nothing when the key is the same.
    pub fn init(&mut self, key: &[u8]) {
        match &mut self.0 {
            Of::Library(cache) => cache.init(key),
        }
    }

    /// The key that the cache holds.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.0 {
            Of::Library(cache) => cache.key(),
        }
    }
}
