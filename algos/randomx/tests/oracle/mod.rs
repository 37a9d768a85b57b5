//! The C library as an oracle: hashes in light mode, and single dataset items.
#![allow(unsafe_code, dead_code)]

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
    fn randomx_init_dataset(dataset: *mut c_void, cache: *mut c_void, start: c_ulong, count: c_ulong);
    fn randomx_get_dataset_memory(dataset: *mut c_void) -> *mut c_void;
    fn randomx_release_dataset(dataset: *mut c_void);
    fn randomx_create_vm(flags: c_uint, cache: *mut c_void, dataset: *mut c_void) -> *mut c_void;
    fn randomx_destroy_vm(vm: *mut c_void);
    fn randomx_calculate_hash(vm: *mut c_void, input: *const c_void, input_size: usize, output: *mut c_void);
}

/// A cache of the C library with a machine and a place for items.
pub(crate) struct Oracle {
    cache: *mut c_void,
    vm: *mut c_void,
    items: *mut c_void,
}

impl Oracle {
    /// For a key. `more` are flags of the machine, [`V2`] or none.
    pub(crate) fn new(key: &[u8], more: c_uint) -> Self {
        // SAFETY: as the interface asks: the key is read within the call, and all are released in `drop`.
        unsafe {
            let flags = randomx_get_flags() & !V2 | JIT;
            let cache = randomx_alloc_cache(flags);
            assert!(!cache.is_null(), "no cache of the C library");
            randomx_init_cache(cache, key.as_ptr().cast(), key.len());
            let vm = randomx_create_vm(flags & !FULL_MEMORY | more, cache, null_mut());
            assert!(!vm.is_null(), "no machine of the C library");
            let items = randomx_alloc_dataset(flags);
            assert!(!items.is_null(), "no dataset of the C library");
            Self { cache, vm, items }
        }
    }

    /// A hash in light mode.
    pub(crate) fn hash(&self, input: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        // SAFETY: the machine and its cache live; input and output are as long as the interface has them.
        unsafe {
            randomx_calculate_hash(self.vm, input.as_ptr().cast(), input.len(), hash.as_mut_ptr().cast());
        }
        hash
    }

    /// One item of the dataset, made here and now. Of the dataset's pages only those touched are resident.
    pub(crate) fn item(&self, number: u64) -> [u64; 8] {
        assert!(number < 34_078_719);
        // SAFETY: the number is one of the dataset's, whose memory has 64 bytes for each. `Oracle` is not `Sync`,
        // so no two calls write at once.
        unsafe {
            randomx_init_dataset(self.items, self.cache, number, 1);
            randomx_get_dataset_memory(self.items)
                .cast::<[u64; 8]>()
                .add(usize::try_from(number).unwrap())
                .read()
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // SAFETY: made in `new`, released once.
        unsafe {
            randomx_destroy_vm(self.vm);
            randomx_release_dataset(self.items);
            randomx_release_cache(self.cache);
        }
    }
}
