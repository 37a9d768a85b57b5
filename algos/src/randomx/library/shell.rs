//! A dataset of the library's around memory that is not the library's.
//!
//! Its dataset is a standard-layout struct whose first member is the pointer to the memory (the compiled programs of the
//! library rely on that, and it asserts it); a machine reads nothing else of it. So a struct of our own with the pointer in
//! the same place serves a machine, and the library can check hashes over the dataset that another engine filled.
#![allow(unsafe_code)]

use std::ffi::c_void;

use super::ffi;
use crate::randomx::DATASET_BYTES;

/// More than the library's struct has, so that nothing is read behind it; zeros but for the first.
const WORDS: usize = 8;

/// What the library takes for a dataset. It is never released by it.
#[derive(Debug)]
pub(super) struct Shell(Box<[*mut c_void; WORDS]>);

impl Shell {
    /// Around the memory of a whole dataset, which must outlive every machine that is given the shell. `None` when the
    /// memory is too small or the library does not find it there.
    pub(super) fn over(memory: &[u8]) -> Option<Self> {
        // The items end 64 bytes before the memory that the library reserves for them.
        if u64::try_from(memory.len()).ok()? + 64 < DATASET_BYTES {
            return None;
        }
        let start: *const u8 = memory.as_ptr();
        let mut shell = Self(Box::new([std::ptr::null_mut(); WORDS]));
        shell.0[0] = start.cast_mut().cast();
        // SAFETY: the getter reads the first member of the struct, which is ours and live.
        let found = unsafe { ffi::randomx_get_dataset_memory(shell.raw()) };
        (found == shell.0[0]).then_some(shell)
    }

    /// For a machine, which only reads the memory.
    pub(super) fn raw(&mut self) -> *mut ffi::RawDataset {
        self.0.as_mut_ptr().cast()
    }
}
