//! Memory where the kernel is not Linux: normal pages from the allocator, and no code.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::path::Path;
use std::ptr::NonNull;

use super::{CodeMode, HUGE_BYTES};
use crate::Pages;

/// What to give back in the end.
#[derive(Debug)]
pub(super) struct Owner {
    start: NonNull<u8>,
    layout: Layout,
}

impl Drop for Owner {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; whoever held references into it borrowed its owner.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

pub(super) fn allocate(bytes: usize, pages: Pages) -> Option<(NonNull<u8>, Owner)> {
    if pages != Pages::Normal {
        return None;
    }
    let alignment = if bytes < HUGE_BYTES { 64 } else { HUGE_BYTES };
    let layout = Layout::from_size_align(bytes, alignment).ok()?;
    // SAFETY: the caller asks for one byte at least.
    let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    Some((start, Owner { start, layout }))
}

/// Memory of a file with a name, see [`super::Memory::keep`].
pub(super) fn keep(_: &Path, _: usize) -> Result<(NonNull<u8>, usize, Pages, Owner), &'static str> {
    Err("memory is kept on Linux only")
}

/// Memory for code, see [`super::CodeMemory`].
pub(super) struct Code {
    pub(super) write: NonNull<u8>,
    pub(super) entry: *const u8,
    pub(super) bytes: usize,
    pub(super) owner: Owner,
}

pub(super) fn allocate_code(_: usize, _: Pages, _: CodeMode) -> Option<Code> {
    None
}
