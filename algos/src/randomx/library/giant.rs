//! A dataset's memory in pages of 1 GiB.
//!
//! The library knows one kind of huge page, the system's default. Its dataset is a standard-layout struct
//! whose first member is the pointer to the memory (the compiled programs of the library rely on that, and it
//! asserts it), so memory of another kind can stand in: the pointer is exchanged, which the library's own
//! getter must confirm, and put back before the library releases what it had.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;

use super::ffi;
use pages::{Mapping, map};

/// Memory that stands in for what the library allocated.
#[derive(Debug)]
pub(super) struct StandIn {
    original: *mut c_void,
    _giant: Mapping,
    _rest: Mapping,
}

impl StandIn {
    /// Puts memory of 1 GiB pages in place. `None`, with nothing changed, when they cannot be had.
    pub(super) fn install(raw: NonNull<ffi::RawDataset>) -> Option<Self> {
        let (giant, rest) = map()?;
        // SAFETY: `raw` is a live dataset; its first member is the pointer that the getter returns, which is
        // checked before the member is written, and after. Nobody else has seen this dataset yet.
        unsafe {
            let member = raw.as_ptr().cast::<*mut c_void>();
            let original = ffi::randomx_get_dataset_memory(raw.as_ptr());
            if member.read() != original {
                return None;
            }
            member.write(giant.start);
            if ffi::randomx_get_dataset_memory(raw.as_ptr()) != giant.start {
                member.write(original);
                return None;
            }
            Some(Self { original, _giant: giant, _rest: rest })
        }
    }

    /// Puts the library's own memory back, so that it can release it.
    pub(super) fn remove(self, raw: NonNull<ffi::RawDataset>) {
        // SAFETY: as in `install`; the caller is about to release the dataset, so nobody uses the memory.
        unsafe { raw.as_ptr().cast::<*mut c_void>().write(self.original) };
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod pages {
    use std::ffi::c_void;

    use crate::randomx::{DATASET_BYTES, GIANT_PAGES};

    pub(super) const GIANT_BYTES: usize = 1 << 30;

    /// Part of the address space that is ours.
    #[derive(Debug)]
    pub(super) struct Mapping {
        pub(super) start: *mut c_void,
        bytes: usize,
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: unmaps what this value mapped; whoever held pointers into it is gone (see `remove`).
            unsafe { libc::munmap(self.start, self.bytes) };
        }
    }

    /// Two giant pages, and right behind them the rest in smaller ones.
    pub(super) fn map() -> Option<(Mapping, Mapping)> {
        let giant_bytes = GIANT_PAGES * GIANT_BYTES;
        let rest_bytes = usize::try_from(DATASET_BYTES).ok()? - giant_bytes;
        let place = free_place(giant_bytes + rest_bytes)?;
        let giant = map_at(place, giant_bytes, libc::MAP_HUGETLB | libc::MAP_HUGE_1GB)?;
        let behind = place + giant_bytes;
        let rest = map_at(behind, rest_bytes, libc::MAP_HUGETLB | libc::MAP_HUGE_2MB)
            .or_else(|| map_at(behind, rest_bytes, 0))?;
        Some((giant, rest))
    }

    /// An address with so much unused space behind it, aligned to giant pages. It is free when this returns, not
    /// reserved: whoever maps there must take care not to replace what another thread mapped since.
    pub(super) fn free_place(bytes: usize) -> Option<usize> {
        let reserved = bytes + GIANT_BYTES;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping without access, at an address of the kernel's choice, unmapped at once.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), reserved, libc::PROT_NONE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: unmaps exactly that.
        unsafe { libc::munmap(start, reserved) };
        Some(start.addr().next_multiple_of(GIANT_BYTES))
    }

    /// Maps fresh memory at this address or not at all; never replaces anything.
    pub(super) fn map_at(address: usize, bytes: usize, pages: i32) -> Option<Mapping> {
        let flags =
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE | libc::MAP_POPULATE | pages;
        let wanted = std::ptr::without_provenance_mut::<c_void>(address);
        // SAFETY: NOREPLACE leaves existing mappings alone; the result is a new mapping that only we know.
        let start = unsafe { libc::mmap(wanted, bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let mapping = Mapping { start, bytes };
        // An old kernel takes the address as a hint; dropping the mapping undoes it.
        (start.addr() == address).then_some(mapping)
    }
}

/// Elsewhere there are no such pages.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod pages {
    #[derive(Debug)]
    pub(super) struct Mapping {
        pub(super) start: *mut std::ffi::c_void,
    }

    pub(super) fn map() -> Option<(Mapping, Mapping)> {
        None
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tests {
    use super::pages::{GIANT_BYTES, free_place, map_at};

    #[test]
    fn mappings_never_replace_others() {
        let place = free_place(1 << 21).unwrap();
        assert!(place.is_multiple_of(GIANT_BYTES));
        let first = map_at(place, 1 << 21, 0).unwrap();
        assert!(map_at(place, 1 << 21, 0).is_none(), "it is taken");
        drop(first);
        assert!(map_at(place, 1 << 21, 0).is_some(), "it is free again");
    }
}
