//! The library's virtual machine.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use super::float::FloatGuard;
use super::shell::Shell;
use super::{Flags, ffi, flag};
use crate::Hash;
use crate::randomx::{Cache, Dataset, EngineError, Pages, cache, dataset};

/// What a machine reads its dataset items from; kept so that it lives.
#[derive(Debug)]
enum Memory {
    Fast { _dataset: Arc<Dataset> },
    Light { _cache: Arc<Cache> },
}

/// A machine for one key: fast over a dataset, or light over a cache.
#[derive(Debug)]
pub(crate) struct Vm {
    raw: NonNull<ffi::RawVm>,
    _memory: Memory,
    _shell: Option<Shell>,
    /// Whether an input was taken whose hash has not been given out.
    begun: bool,
}

// SAFETY: scratchpad and code pages are the machine's own and bound to no thread; what it shares (dataset or
// cache) is only read and kept alive by `_memory`. Every method takes `&mut self`, so it is used by one thread
// at a time.
unsafe impl Send for Vm {}

impl Vm {
    /// A machine over a complete dataset.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the dataset is not complete, [`EngineError::Vm`] when scratchpad or code
    /// pages cannot be had, [`EngineError::Mixed`] when the library cannot be given this memory.
    pub(crate) fn fast(flags: Flags, pages: Pages, dataset: Arc<Dataset>) -> Result<Self, EngineError> {
        dataset.key().ok_or(EngineError::NoKey)?;
        let bits = flags.for_vm() | ffi::FULL_MEM | flag(pages);
        let (raw_dataset, shell) = match &dataset.0 {
            dataset::Of::Library(library) => (library.raw(), None),
            dataset::Of::Native(native) => {
                let mut shell = Shell::over(native.memory()).ok_or(EngineError::Mixed)?;
                (shell.raw(), Some(shell))
            }
        };
        // SAFETY: the dataset is live and kept so by `_memory`, or its shell by `_shell`; a cache is not needed with
        // FULL_MEM.
        let raw = unsafe { ffi::randomx_create_vm(bits, std::ptr::null_mut(), raw_dataset) };
        let raw = NonNull::new(raw).ok_or(EngineError::Vm(pages))?;
        Ok(Self { raw, _memory: Memory::Fast { _dataset: dataset }, _shell: shell, begun: false })
    }

    /// A machine that makes each dataset item as it needs it.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the cache holds no key, [`EngineError::Vm`] when scratchpad or code pages
    /// cannot be had.
    pub(crate) fn light(flags: Flags, pages: Pages, cache: Arc<Cache>) -> Result<Self, EngineError> {
        cache.key().ok_or(EngineError::NoKey)?;
        let bits = flags.for_vm() | flag(pages);
        let cache::Of::Library(library) = &cache.0 else { return Err(EngineError::Mixed) };
        // SAFETY: the cache is live, initialised and kept so by `_memory`: `Cache::init` needs `&mut`.
        let raw = unsafe { ffi::randomx_create_vm(bits, library.raw(), std::ptr::null_mut()) };
        let raw = NonNull::new(raw).ok_or(EngineError::Vm(pages))?;
        Ok(Self { raw, _memory: Memory::Light { _cache: cache }, _shell: None, begun: false })
    }

    /// Hash of one input. Forgets an input given to [`Vm::first`].
    pub(crate) fn hash(&mut self, input: &[u8]) -> Hash {
        self.begun = false;
        let mut hash = Hash([0; 32]);
        // SAFETY: the machine is live, the input is read and 32 bytes are written during the call. This
        // function of the library restores the floating-point environment by itself.
        unsafe {
            ffi::randomx_calculate_hash(
                self.raw.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                hash.0.as_mut_ptr().cast(),
            );
        }
        hash
    }

    /// Begins the hash of `input`; [`Vm::next`] or [`Vm::last`] gives it out.
    pub(crate) fn first(&mut self, input: &[u8]) {
        let _guard = FloatGuard::new();
        // SAFETY: the machine is live and the input is read during the call.
        unsafe {
            ffi::randomx_calculate_hash_first(self.raw.as_ptr(), input.as_ptr().cast(), input.len());
        }
        self.begun = true;
    }

    /// Hash of the input begun before, while `next` is begun: one pass over the scratchpad serves both.
    /// `None` when nothing was begun; then `next` is not begun either.
    pub(crate) fn next(&mut self, next: &[u8]) -> Option<Hash> {
        if !self.begun {
            return None;
        }
        let _guard = FloatGuard::new();
        let mut hash = Hash([0; 32]);
        // SAFETY: the machine is live and an input was begun; `next` is read and 32 bytes are written during
        // the call.
        unsafe {
            ffi::randomx_calculate_hash_next(
                self.raw.as_ptr(),
                next.as_ptr().cast(),
                next.len(),
                hash.0.as_mut_ptr().cast(),
            );
        }
        Some(hash)
    }

    /// Forgets what was begun.
    pub(crate) fn forget(&mut self) {
        self.begun = false;
    }

    /// Hash of the input begun before; `None` when there is none.
    pub(crate) fn last(&mut self) -> Option<Hash> {
        if !self.begun {
            return None;
        }
        self.begun = false;
        let _guard = FloatGuard::new();
        let mut hash = Hash([0; 32]);
        // SAFETY: the machine is live, an input was begun, 32 bytes are written during the call.
        unsafe { ffi::randomx_calculate_hash_last(self.raw.as_ptr(), hash.0.as_mut_ptr().cast()) };
        Some(hash)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // SAFETY: `raw` came from the library and is destroyed once, before `_memory` is let go.
        unsafe { ffi::randomx_destroy_vm(self.raw.as_ptr()) };
    }
}
