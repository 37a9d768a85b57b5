//! Memory in pages of a chosen size, and memory that code is written to and run from.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::ptr::NonNull;

use crate::{Error, Pages};

/// Bytes of the pages that [`Pages::Huge`] asks for, and the alignment of whatever is larger than one.
pub const HUGE_BYTES: usize = 2 << 20;

/// Bytes of one of the pages that [`Pages::Giant`] asks for.
pub const GIANT_BYTES: usize = 1 << 30;

/// No allocation is larger; sizes come from configurations, and sums of addresses must not overflow.
const LARGEST_BYTES: usize = isize::MAX as usize >> 4;

/// Zeroed bytes of their own, aligned to 64 bytes at least and to 2 MiB where there are so many.
///
/// Normal pages are only reserved: they become resident as they are written, on the NUMA node of the thread that
/// writes them. Huge and giant pages are resident from the start, on the node of the thread that allocates.
pub struct Memory {
    start: NonNull<u8>,
    bytes: usize,
    pages: Pages,
    /// Held for its `Drop`.
    _owner: system::Owner,
}

// SAFETY: plain memory that this value alone owns, bound to no thread. Shared it is only read.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Takes `bytes` bytes for `what`, a name for messages.
    ///
    /// # Errors
    /// [`Error::Memory`] when the system does not give such pages. Nothing is tried in their place; what comes
    /// after huge pages is the caller's to choose.
    pub fn allocate(bytes: usize, pages: Pages, what: &'static str) -> Result<Self, Error> {
        let error = Error::Memory { what, bytes, pages };
        if bytes == 0 || bytes > LARGEST_BYTES {
            return Err(error);
        }
        let pages = if pages == Pages::Giant && bytes < GIANT_BYTES { Pages::Huge } else { pages };
        let (start, owner) = system::allocate(bytes, pages).ok_or(error)?;
        Ok(Self { start, bytes, pages, _owner: owner })
    }

    /// Memory of `bytes` bytes, rounded up to whole pages, that outlives the process: it is that of a file on
    /// hugetlbfs (of its pages) or tmpfs. New memory is zeroed, else it holds what was written last, and whoever
    /// opens it must not trust that. While it is open, nobody else can open it so.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the file is in use, or not a regular file that is this user's alone, or there is
    /// not enough space. A link is not followed.
    pub fn keep(path: &Path, bytes: usize, what: &'static str) -> Result<Self, Error> {
        let error = |reason| Error::Unsupported { what, reason };
        if bytes == 0 || bytes > LARGEST_BYTES {
            return Err(error("its size is out of bounds"));
        }
        let (start, bytes, pages, owner) = system::keep(path, bytes).map_err(error)?;
        Ok(Self { start, bytes, pages, _owner: owner })
    }

    /// The pages that it is made of. Of [`Pages::Giant`] the end that fills no page of 1 GiB lies in smaller ones.
    pub fn pages(&self) -> Pages {
        self.pages
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` is good for `bytes` bytes as long as the owner lives; the system gave them zeroed, so
        // all are initialised. Whoever writes has `&mut self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes it the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("bytes", &self.bytes).field("pages", &self.pages).finish()
    }
}

/// How code gets to where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeMode {
    /// Pages that may be written and executed. The fastest; hardened systems forbid it.
    Open,
    /// The same memory twice: written at one address, executed at another, and never both at one.
    DualMapping,
}

impl CodeMode {
    /// The first that this system allows; it is tried on pages that are given back.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where code that was written at run time cannot run at all.
    pub fn detect() -> Result<Self, Error> {
        let allowed = |&mode: &Self| CodeMemory::allocate(1, Pages::Normal, mode).is_ok();
        [Self::Open, Self::DualMapping].into_iter().find(allowed).ok_or(Error::Unsupported {
            what: "code compiled at run time",
            reason: "the system gives no memory that can be executed",
        })
    }
}

impl fmt::Display for CodeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "writable code",
            Self::DualMapping => "code mapped twice",
        })
    }
}

/// A buffer for machine code, zeroed at first. In normal pages what lies behind it cannot be reached, so code
/// that runs or is written beyond the end ends the program and harms nothing else.
pub struct CodeMemory {
    write: NonNull<u8>,
    entry: *const u8,
    bytes: usize,
    pages: Pages,
    mode: CodeMode,
    /// Held for its `Drop`.
    _owner: system::Owner,
}

// SAFETY: memory that this value alone owns. It is written through `&mut self` only.
unsafe impl Send for CodeMemory {}
// SAFETY: as above.
unsafe impl Sync for CodeMemory {}

impl CodeMemory {
    /// Takes `bytes` bytes, rounded up to whole pages. [`Pages::Giant`] gives what [`Pages::Huge`] gives.
    ///
    /// # Errors
    /// [`Error::Memory`] when the system does not give such pages or forbids to execute them.
    pub fn allocate(bytes: usize, pages: Pages, mode: CodeMode) -> Result<Self, Error> {
        let what = "program code";
        let error = Error::Memory { what, bytes, pages };
        if bytes == 0 || bytes > LARGEST_BYTES {
            return Err(error);
        }
        let pages = if pages == Pages::Normal { pages } else { Pages::Huge };
        let code = system::allocate_code(bytes, pages, mode).ok_or(error)?;
        let system::Code { write, entry, bytes, owner } = code;
        Ok(Self { write, entry, bytes, pages, mode, _owner: owner })
    }

    /// Bytes that there are.
    pub fn capacity(&self) -> usize {
        self.bytes
    }

    /// The pages that it is made of.
    pub fn pages(&self) -> Pages {
        self.pages
    }

    /// How it is written and executed.
    pub fn mode(&self) -> CodeMode {
        self.mode
    }

    /// All of the code, to be written. The caller takes care that no thread runs what it writes over.
    pub fn write_view(&mut self) -> &mut [u8] {
        // SAFETY: `write` is good for `bytes` bytes as long as the owner lives, zeroed by the system. Through
        // `&mut self` there is no other reference; the other mapping is only read by the processor as code.
        unsafe { std::slice::from_raw_parts_mut(self.write.as_ptr(), self.bytes) }
    }

    /// Address of the first byte as code. It stays the same for the life of this value.
    pub fn entry(&self) -> *const u8 {
        self.entry
    }
}

impl fmt::Debug for CodeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("CodeMemory");
        fields.field("bytes", &self.bytes).field("pages", &self.pages).field("mode", &self.mode).finish()
    }
}

#[cfg(target_os = "linux")]
#[path = "memory/linux.rs"]
mod system;

#[cfg(not(target_os = "linux"))]
#[path = "memory/portable.rs"]
mod system;

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: &str = "test";

    #[test]
    fn normal_memory_is_zeroed_aligned_and_writable() {
        for bytes in [1, 4096, HUGE_BYTES - 1, HUGE_BYTES, 3 * HUGE_BYTES + 64] {
            let mut memory = Memory::allocate(bytes, Pages::Normal, WHAT).unwrap();
            assert_eq!((memory.len(), memory.pages()), (bytes, Pages::Normal));
            assert!(memory.iter().all(|&byte| byte == 0));
            let alignment = if bytes < HUGE_BYTES { 64 } else { HUGE_BYTES };
            assert!(memory.as_ptr().addr().is_multiple_of(alignment), "{bytes}");
            memory.fill(7);
            assert_eq!(memory[bytes - 1], 7);
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_errors() {
        for bytes in [0, LARGEST_BYTES, LARGEST_BYTES + 1, usize::MAX] {
            for pages in [Pages::Normal, Pages::Huge, Pages::Giant] {
                let error = Memory::allocate(bytes, pages, WHAT).unwrap_err();
                assert_eq!(error, Error::Memory { what: WHAT, bytes, pages });
                CodeMemory::allocate(bytes, pages, CodeMode::Open).unwrap_err();
                CodeMemory::allocate(bytes, pages, CodeMode::DualMapping).unwrap_err();
            }
        }
    }

    #[test]
    fn huge_pages_are_given_or_refused() {
        for pages in [Pages::Huge, Pages::Giant] {
            match Memory::allocate(HUGE_BYTES + 1, pages, WHAT) {
                Ok(mut memory) => {
                    assert_eq!(memory.pages(), Pages::Huge, "too small for a giant page");
                    assert!(memory.as_ptr().addr().is_multiple_of(HUGE_BYTES));
                    memory[HUGE_BYTES] = 1;
                }
                Err(error) => {
                    assert_eq!(error, Error::Memory { what: WHAT, bytes: HUGE_BYTES + 1, pages });
                }
            }
        }
    }

    /// More giant pages than anyone has: the way there must end in an error and leave nothing behind.
    #[test]
    fn too_many_giant_pages_are_refused() {
        let bytes = (1 << 14) * GIANT_BYTES + 5;
        Memory::allocate(bytes, Pages::Giant, WHAT).unwrap_err();
    }

    /// `mov eax, imm32; ret`
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn returns(value: u32) -> [u8; 6] {
        let [a, b, c, d] = value.to_le_bytes();
        [0xb8, a, b, c, d, 0xc3]
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn code_runs_where_it_was_written() {
        for (mode, pages) in [
            (CodeMode::Open, Pages::Normal),
            (CodeMode::DualMapping, Pages::Normal),
            (CodeMode::Open, Pages::Huge),
            (CodeMode::DualMapping, Pages::Huge),
        ] {
            let mut code = match CodeMemory::allocate(5000, pages, mode) {
                Ok(code) => code,
                Err(error) => {
                    assert!(pages == Pages::Huge, "{error}");
                    continue;
                }
            };
            assert_eq!((code.mode(), code.pages()), (mode, pages));
            let capacity = code.capacity();
            assert!(capacity >= 5000 && code.write_view().len() == capacity);
            // SAFETY: the address holds a complete function of this signature whenever it is called below.
            let function: extern "C" fn() -> u32 = unsafe { std::mem::transmute(code.entry()) };
            for value in [1, 0x1234_5678] {
                code.write_view()[..6].copy_from_slice(&returns(value));
                assert_eq!(function(), value);
            }
            let same = code.write_view().as_ptr() == code.entry();
            assert_eq!(same, mode == CodeMode::Open);
        }
        CodeMode::detect().unwrap();
    }

    /// The protections, as the kernel tells them.
    #[cfg(target_os = "linux")]
    #[test]
    fn no_mapping_is_both_writable_and_executable() {
        let mut code = CodeMemory::allocate(5000, Pages::Normal, CodeMode::DualMapping).unwrap();
        let protection = |address: usize| {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let line = maps.lines().find(|line| {
                let (start, rest) = line.split_once('-').unwrap();
                let end = rest.split_once(' ').unwrap().0;
                let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).unwrap());
                (start..end).contains(&address)
            });
            line.map(|line| line.split(' ').nth(1).unwrap().to_owned())
        };
        assert_eq!(protection(code.entry().addr()).as_deref(), Some("r-xs"));
        assert_eq!(protection(code.write_view().as_ptr().addr()).as_deref(), Some("rw-s"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn behind_open_code_nothing_can_be_reached() {
        let code = CodeMemory::allocate(4096, Pages::Normal, CodeMode::Open).unwrap();
        let behind = code.entry().wrapping_add(code.capacity());
        let mut resident = 0u8;
        let (mut local, mut remote) = (
            libc::iovec { iov_base: (&raw mut resident).cast(), iov_len: 1 },
            libc::iovec { iov_base: behind.cast_mut().cast(), iov_len: 1 },
        );
        // SAFETY: the kernel reads one byte of this process, if it can, into `resident`, which outlives the call.
        let read =
            unsafe { libc::process_vm_readv(libc::getpid(), &raw mut local, 1, &raw mut remote, 1, 0) };
        assert_eq!(read, -1, "the page behind the code is readable");
    }
}
