//! The C library as an oracle: its hashes, in light mode or over a dataset that it is given.
#![allow(unsafe_code)]

use std::ffi::{c_uint, c_ulong, c_void};
use std::ptr::null_mut;

// For the library that its build script makes.
use randomx_rs as _;

/// Flags of the C interface.
pub(crate) const V2: c_uint = 128;
const FULL_MEMORY: c_uint = 4;
const JIT: c_uint = 8;

unsafe extern "C" {
    fn randomx_get_flags() -> c_uint;
    fn randomx_alloc_cache(flags: c_uint) -> *mut c_void;
    fn randomx_init_cache(cache: *mut c_void, key: *const c_void, key_size: usize);
    fn randomx_release_cache(cache: *mut c_void);
    fn randomx_alloc_dataset(flags: c_uint) -> *mut c_void;
    fn randomx_dataset_item_count() -> c_ulong;
    fn randomx_get_dataset_memory(dataset: *mut c_void) -> *mut c_void;
    fn randomx_release_dataset(dataset: *mut c_void);
    fn randomx_create_vm(flags: c_uint, cache: *mut c_void, dataset: *mut c_void) -> *mut c_void;
    fn randomx_destroy_vm(vm: *mut c_void);
    fn randomx_calculate_hash(vm: *mut c_void, input: *const c_void, input_size: usize, output: *mut c_void);
}

/// A machine of the C library.
pub(crate) struct Oracle {
    cache: *mut c_void,
    dataset: *mut c_void,
    vm: *mut c_void,
}

// SAFETY: nothing of the library is bound to a thread, and what it holds is its own.
unsafe impl Send for Oracle {}

impl Oracle {
    /// In light mode, for a key. `more` are flags of the machine, [`V2`] or none.
    pub(crate) fn light(key: &[u8], more: c_uint) -> Self {
        // SAFETY: as the interface asks: the key is read within the call, and all are released in `drop`.
        unsafe {
            let flags = flags();
            let cache = randomx_alloc_cache(flags);
            assert!(!cache.is_null(), "no cache of the C library");
            randomx_init_cache(cache, key.as_ptr().cast(), key.len());
            let vm = randomx_create_vm(flags | more, cache, null_mut());
            assert!(!vm.is_null(), "no machine of the C library");
            Self { cache, dataset: null_mut(), vm }
        }
    }

    /// Over a copy of these items.
    pub(crate) fn fast(items: &[u8], more: c_uint) -> Self {
        // SAFETY: as the interface asks. Its dataset has as many bytes as it has items of 64 bytes.
        unsafe {
            assert_eq!(items.len(), 64 * usize::try_from(randomx_dataset_item_count()).unwrap());
            let dataset = randomx_alloc_dataset(flags());
            assert!(!dataset.is_null(), "no dataset of the C library");
            let memory = randomx_get_dataset_memory(dataset).cast::<u8>();
            memory.copy_from_nonoverlapping(items.as_ptr(), items.len());
            let vm = randomx_create_vm(flags() | FULL_MEMORY | more, null_mut(), dataset);
            assert!(!vm.is_null(), "no machine of the C library");
            Self { cache: null_mut(), dataset, vm }
        }
    }

    /// The hash of an input.
    pub(crate) fn hash(&mut self, input: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        // SAFETY: the machine and its memory live; input and output are as long as the interface has them.
        unsafe {
            randomx_calculate_hash(self.vm, input.as_ptr().cast(), input.len(), hash.as_mut_ptr().cast());
        }
        hash
    }
}

/// What suits the processor, for version 1.
fn flags() -> c_uint {
    // SAFETY: it only asks the processor.
    unsafe { randomx_get_flags() & !V2 & !FULL_MEMORY | JIT }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // SAFETY: made in `light` or `fast`, released once.
        unsafe {
            randomx_destroy_vm(self.vm);
            if !self.cache.is_null() {
                randomx_release_cache(self.cache);
            }
            if !self.dataset.is_null() {
                randomx_release_dataset(self.dataset);
            }
        }
    }
}
