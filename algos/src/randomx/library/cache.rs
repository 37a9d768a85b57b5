//! The cache: 256 MiB that Argon2 fills from the key, and the programs that make dataset items from it.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::{Flags, ffi, flag};
use crate::randomx::{EngineError, Pages};

/// A cache that holds one key, or none yet.
#[derive(Debug)]
pub(crate) struct Cache {
    raw: NonNull<ffi::RawCache>,
    key: Option<Box<[u8]>>,
}

// SAFETY: the cache is plain memory of its own, bound to no thread. `init` needs `&mut`; everything that
// takes `&Cache` (filling a dataset, light machines) only reads it.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

impl Cache {
    /// Takes the memory; it holds no key yet.
    ///
    /// # Errors
    /// [`EngineError::Cache`] when these pages cannot be had.
    pub(crate) fn allocate(flags: Flags, pages: Pages) -> Result<Self, EngineError> {
        // SAFETY: any combination of flag bits is allowed; failure is a null pointer.
        let raw = unsafe { ffi::randomx_alloc_cache(flags.for_cache() | flag(pages)) };
        let raw = NonNull::new(raw).ok_or(EngineError::Cache(pages))?;
        Ok(Self { raw, key: None })
    }

    /// Fills the cache from `key`, in place. Takes 0.3 to 0.7 s of one core, nothing when the key is the same.
    pub(crate) fn init(&mut self, key: &[u8]) {
        if self.key.as_deref() == Some(key) {
            return;
        }
        self.key = None;
        // SAFETY: `raw` is live and, by `&mut self`, nobody reads the cache meanwhile; the key's bytes are
        // read during the call only.
        unsafe { ffi::randomx_init_cache(self.raw.as_ptr(), key.as_ptr().cast(), key.len()) };
        self.key = Some(key.into());
    }

    /// The key that the cache holds.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// For calls that read the cache while `self` is borrowed or shared.
    pub(super) fn raw(&self) -> *mut ffi::RawCache {
        self.raw.as_ptr()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: `raw` came from the allocator of the library and is released once; machines and fills
        // hold the `Cache` alive as long as they use it.
        unsafe { ffi::randomx_release_cache(self.raw.as_ptr()) };
    }
}
