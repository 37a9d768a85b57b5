//! The cache: 256 MiB that Argon2 fills from the key, and the programs that make dataset items from it.

use std::sync::Arc;

use super::{EngineError, Method, Pages, library, native};
use crate::Variant;

/// A cache that holds one key, or none yet.
#[derive(Debug)]
pub struct Cache(pub(super) Of);

/// By engine.
#[derive(Debug)]
pub(super) enum Of {
    /// Shared with machines, each of which holds the whole [`Cache`] as well: so whoever has that alone has both alone.
    Native(Arc<rminer_randomx::Cache>),
    Library(library::Cache),
}

impl Cache {
    /// Takes the memory; it holds no key yet.
    ///
    /// # Errors
    /// [`EngineError::Cache`] when these pages cannot be had.
    pub fn allocate(method: Method, pages: Pages) -> Result<Self, EngineError> {
        Ok(Self(match method {
            Method::Native(_) => {
                let cache = rminer_randomx::Cache::allocate(native::config(Variant::V1), pages);
                Of::Native(Arc::new(cache.map_err(|fault| native::error(fault, EngineError::Cache))?))
            }
            Method::Library(flags) => Of::Library(library::Cache::allocate(flags, pages)?),
        }))
    }

    /// Fills the cache from `key`, in place. Takes 0.3 to 0.7 s of one core, nothing when the key is the same.
    pub fn init(&mut self, key: &[u8]) {
        match &mut self.0 {
            Of::Native(cache) => {
                if let Some(cache) = Arc::get_mut(cache) {
                    cache.init(key);
                }
            }
            Of::Library(cache) => cache.init(key),
        }
    }

    /// The key that the cache holds.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.0 {
            Of::Native(cache) => cache.key(),
            Of::Library(cache) => cache.key(),
        }
    }
}
