//! The functions of the C library's `randomx.h` that are used here, declared by hand.
//!
//! The `randomx-rs` crate builds and links that library; its own safe API is not used, because it splits no
//! dataset over threads, is not `Send` and does not check for a null machine.
#![allow(unsafe_code)]

use std::ffi::{c_uint, c_ulong, c_void};
use std::marker::PhantomData;

// Keeps the crate in the link, and with it the C library.
use randomx_rs as _;

/// Bits of `randomx_flags`.
pub(super) const LARGE_PAGES: c_uint = 1;
pub(super) const HARD_AES: c_uint = 2;
pub(super) const FULL_MEM: c_uint = 4;
pub(super) const JIT: c_uint = 8;
pub(super) const SECURE: c_uint = 16;
pub(super) const ARGON2_SSSE3: c_uint = 32;
pub(super) const ARGON2_AVX2: c_uint = 64;

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub(super) struct $name {
            _bytes: [u8; 0],
            _not_send: PhantomData<*mut u8>,
        }
    )*};
}

opaque! {
    /// `struct randomx_cache`
    RawCache,
    /// `struct randomx_dataset`
    RawDataset,
    /// `struct randomx_vm`
    RawVm
}

unsafe extern "C" {
    pub(super) fn randomx_get_flags() -> c_uint;
    pub(super) fn randomx_alloc_cache(flags: c_uint) -> *mut RawCache;
    pub(super) fn randomx_init_cache(cache: *mut RawCache, key: *const c_void, key_size: usize);
    pub(super) fn randomx_release_cache(cache: *mut RawCache);
    pub(super) fn randomx_alloc_dataset(flags: c_uint) -> *mut RawDataset;
    pub(super) fn randomx_dataset_item_count() -> c_ulong;
    pub(super) fn randomx_init_dataset(
        dataset: *mut RawDataset,
        cache: *mut RawCache,
        start_item: c_ulong,
        item_count: c_ulong,
    );
    pub(super) fn randomx_get_dataset_memory(dataset: *mut RawDataset) -> *mut c_void;
    pub(super) fn randomx_release_dataset(dataset: *mut RawDataset);
    pub(super) fn randomx_create_vm(
        flags: c_uint,
        cache: *mut RawCache,
        dataset: *mut RawDataset,
    ) -> *mut RawVm;
    pub(super) fn randomx_destroy_vm(vm: *mut RawVm);
    pub(super) fn randomx_calculate_hash(
        vm: *mut RawVm,
        input: *const c_void,
        input_size: usize,
        output: *mut c_void,
    );
    pub(super) fn randomx_calculate_hash_first(vm: *mut RawVm, input: *const c_void, input_size: usize);
    pub(super) fn randomx_calculate_hash_next(
        vm: *mut RawVm,
        next_input: *const c_void,
        next_input_size: usize,
        output: *mut c_void,
    );
    pub(super) fn randomx_calculate_hash_last(vm: *mut RawVm, output: *mut c_void);
}
