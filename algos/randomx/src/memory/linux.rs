//! Memory from the Linux kernel.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::NonNull;

use super::{CodeMode, GIANT_BYTES, HUGE_BYTES};
use crate::Pages;

/// Smallest page of all processors that this runs on, larger on some.
const GUARD_BYTES: usize = 64 << 10;

const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const NO_FILE: Option<&OwnedFd> = None;

/// What to unmap in the end.
#[derive(Debug)]
pub(super) struct Owner {
    _parts: [Option<Mapping>; 2],
    /// A file that is locked as long as it is open.
    _file: Option<File>,
}

impl Owner {
    fn one(mapping: Mapping) -> Self {
        Self { _parts: [Some(mapping), None], _file: None }
    }

    fn two(first: Mapping, second: Mapping) -> Self {
        Self { _parts: [Some(first), Some(second)], _file: None }
    }
}

/// Part of the address space that is ours.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: unmaps what this value mapped; whoever held references into it borrowed its owner.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

impl Mapping {
    /// Maps fresh memory, at the address or not at all if there is one; never replaces anything.
    fn new(
        address: Option<usize>,
        bytes: usize,
        protection: i32,
        flags: i32,
        file: Option<&impl AsRawFd>,
    ) -> Option<Self> {
        let wanted = std::ptr::without_provenance_mut::<c_void>(address.unwrap_or(0));
        let flags = if address.is_some() { flags | libc::MAP_FIXED_NOREPLACE } else { flags };
        let file = file.map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: without MAP_FIXED existing mappings are left alone; the result is new and only we know it.
        let start = unsafe { libc::mmap(wanted, bytes, protection, flags, file, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let mapping = Self { start: NonNull::new(start.cast())?, bytes };
        // An old kernel takes the address as a hint; dropping the mapping undoes it.
        address.is_none_or(|address| start.addr() == address).then_some(mapping)
    }

    /// Makes all of it resident, so that pages that are not there are an error now and not a signal later.
    fn populate(self) -> Option<Self> {
        // SAFETY: writes nothing, only makes pages of our own mapping present.
        let done =
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_POPULATE_WRITE) };
        // Kernels before 5.14 do not know it; there the pages are reserved and come with the first write.
        let unknown = || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
        (done == 0 || unknown()).then_some(self)
    }

    /// Sets how the first `bytes` bytes may be used.
    fn protect(&self, bytes: usize, protection: i32) -> bool {
        // SAFETY: `bytes` is not more than there is; it is our own mapping, which nobody refers to yet.
        unsafe { libc::mprotect(self.start.as_ptr().cast(), bytes.min(self.bytes), protection) == 0 }
    }

    /// Asks for transparent huge pages. The system may well refuse, which costs speed only.
    fn advise_huge(&self) {
        // SAFETY: advice on our own mapping changes no contents.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_HUGEPAGE) };
    }
}

pub(super) fn allocate(bytes: usize, pages: Pages) -> Option<(NonNull<u8>, Owner)> {
    match pages {
        Pages::Normal if bytes < HUGE_BYTES => {
            let mapping = Mapping::new(None, bytes, READ_WRITE, ANONYMOUS, NO_FILE)?;
            Some((mapping.start, Owner::one(mapping)))
        }
        Pages::Normal => {
            let place = free_place(bytes, HUGE_BYTES)?;
            let mapping = Mapping::new(Some(place), bytes, READ_WRITE, ANONYMOUS, NO_FILE)?;
            mapping.advise_huge();
            Some((mapping.start, Owner::one(mapping)))
        }
        Pages::Huge => {
            let mapping = huge(None, bytes)?;
            Some((mapping.start, Owner::one(mapping)))
        }
        Pages::Giant => giant(bytes),
    }
}

/// Pages of 2 MiB. The size is named, as the system's default can be another.
fn huge(address: Option<usize>, bytes: usize) -> Option<Mapping> {
    let flags = ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_HUGE_2MB;
    Mapping::new(address, bytes.next_multiple_of(HUGE_BYTES), READ_WRITE, flags, NO_FILE)?.populate()
}

/// As many giant pages as are filled, and right behind them the rest in huge ones, or else in normal ones.
fn giant(bytes: usize) -> Option<(NonNull<u8>, Owner)> {
    let giant_bytes = bytes / GIANT_BYTES * GIANT_BYTES;
    let rest_bytes = (bytes - giant_bytes).next_multiple_of(HUGE_BYTES);
    let flags = ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_HUGE_1GB;
    let place = free_place(giant_bytes + rest_bytes, GIANT_BYTES)?;
    let first = Mapping::new(Some(place), giant_bytes, READ_WRITE, flags, NO_FILE)?.populate()?;
    let start = first.start;
    if rest_bytes == 0 {
        return Some((start, Owner::one(first)));
    }
    let behind = Some(place + giant_bytes);
    let rest = huge(behind, rest_bytes).or_else(|| {
        let rest = Mapping::new(behind, rest_bytes, READ_WRITE, ANONYMOUS, NO_FILE)?;
        rest.advise_huge();
        Some(rest)
    })?;
    Some((start, Owner::two(first, rest)))
}

/// An aligned address with so much unused space behind it. It is free when this returns, not reserved: whoever maps
/// there must take care not to replace what another thread mapped since.
fn free_place(bytes: usize, alignment: usize) -> Option<usize> {
    let flags = ANONYMOUS | libc::MAP_NORESERVE;
    let reserved = Mapping::new(None, bytes + alignment, libc::PROT_NONE, flags, NO_FILE)?;
    Some(reserved.start.addr().get().next_multiple_of(alignment))
}

/// Memory for code, see [`super::CodeMemory`].
pub(super) struct Code {
    pub(super) write: NonNull<u8>,
    pub(super) entry: *const u8,
    pub(super) bytes: usize,
    pub(super) owner: Owner,
}

pub(super) fn allocate_code(bytes: usize, pages: Pages, mode: CodeMode) -> Option<Code> {
    let (unit, hugetlb) = match pages {
        Pages::Normal => (GUARD_BYTES, 0),
        Pages::Huge | Pages::Giant => (HUGE_BYTES, libc::MAP_HUGETLB | libc::MAP_HUGE_2MB),
    };
    let bytes = bytes.next_multiple_of(unit);
    match mode {
        CodeMode::Open => {
            let everything = READ_WRITE | libc::PROT_EXEC;
            let mapping = if pages == Pages::Normal {
                // The guard is what keeps the protection that the whole begins with.
                let whole = Mapping::new(None, bytes + GUARD_BYTES, libc::PROT_NONE, ANONYMOUS, NO_FILE)?;
                whole.protect(bytes, everything).then_some(whole)?
            } else {
                Mapping::new(None, bytes, everything, ANONYMOUS | hugetlb, NO_FILE)?.populate()?
            };
            let write = mapping.start;
            Some(Code { write, entry: write.as_ptr(), bytes, owner: Owner::one(mapping) })
        }
        CodeMode::DualMapping => {
            let file = memory_file(bytes, pages)?;
            // A mapping longer than its file has a guard: what lies behind the end cannot be reached.
            let mapped = if pages == Pages::Normal { bytes + GUARD_BYTES } else { bytes };
            let write = Mapping::new(None, mapped, READ_WRITE, libc::MAP_SHARED, Some(&file))?;
            let write = if pages == Pages::Normal { write } else { write.populate()? };
            let execute = libc::PROT_READ | libc::PROT_EXEC;
            let entry = Mapping::new(None, mapped, execute, libc::MAP_SHARED, Some(&file))?;
            let (start, code) = (write.start, entry.start.as_ptr());
            Some(Code { write: start, entry: code, bytes, owner: Owner::two(write, entry) })
        }
    }
}

/// A file without a name that exists as long as it is mapped, `bytes` long.
fn memory_file(bytes: usize, pages: Pages) -> Option<OwnedFd> {
    let flags =
        libc::MFD_CLOEXEC | if pages == Pages::Normal { 0 } else { libc::MFD_HUGETLB | libc::MFD_HUGE_2MB };
    // Newer kernels warn of, or forbid, files that do not say whether they will be executed; older ones do not know
    // the flag.
    const MFD_EXEC: u32 = 0x10;
    let create = |flags| {
        // SAFETY: the name is a C string; the result is a new descriptor or -1.
        let file = unsafe { libc::memfd_create(c"randomx code".as_ptr(), flags) };
        // SAFETY: the descriptor is open, and nobody else knows it.
        (file >= 0).then(|| unsafe { OwnedFd::from_raw_fd(file) })
    };
    let file = create(flags | MFD_EXEC).or_else(|| create(flags))?;
    let length = libc::off_t::try_from(bytes).ok()?;
    // SAFETY: sets the length of our own file.
    let done = unsafe { libc::ftruncate(file.as_raw_fd(), length) };
    (done == 0).then_some(file)
}

/// Memory of a file with a name, which is made if it is not there, see [`super::Memory::keep`].
pub(super) fn keep(path: &Path, bytes: usize) -> Result<(NonNull<u8>, usize, Pages, Owner), &'static str> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(path).map_err(|_| "its file cannot be opened")?;
    let metadata = file.metadata().map_err(|_| "its file cannot be looked at")?;
    // SAFETY: asks for a number.
    let user = unsafe { libc::geteuid() };
    if !metadata.is_file() || metadata.uid() != user || metadata.mode() & 0o077 != 0 || metadata.nlink() != 1
    {
        return Err("its file is not this user's alone");
    }
    file.try_lock().map_err(|_| "its file is in use")?;
    let page_bytes = page_bytes(&file).ok_or("its file system is not in memory")?;
    let pages = match page_bytes {
        0..HUGE_BYTES => Pages::Normal,
        HUGE_BYTES..GIANT_BYTES => Pages::Huge,
        _ => Pages::Giant,
    };
    let bytes = bytes.next_multiple_of(page_bytes);
    if metadata.len() != 0 && metadata.len() != bytes as u64 {
        return Err("its file holds something else");
    }
    let length = libc::off_t::try_from(bytes).map_err(|_| "it is too large")?;
    file.set_len(bytes as u64).map_err(|_| "its file cannot be made so large")?;
    // What is not there when it is written to would end the program.
    // SAFETY: reserves the space of an open file.
    if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) } != 0 {
        return Err("its file system has not enough space");
    }
    let mapping = if pages == Pages::Normal {
        let place = free_place(bytes, HUGE_BYTES);
        let mapping =
            place.and_then(|at| Mapping::new(Some(at), bytes, READ_WRITE, libc::MAP_SHARED, Some(&file)));
        mapping.inspect(Mapping::advise_huge)
    } else {
        Mapping::new(None, bytes, READ_WRITE, libc::MAP_SHARED, Some(&file)).and_then(Mapping::populate)
    };
    let mapping = mapping.ok_or("its file cannot be mapped")?;
    let start = mapping.start;
    Ok((start, bytes, pages, Owner { _parts: [Some(mapping), None], _file: Some(file) }))
}

/// Bytes of the pages of the file system that a file lies on, if it is one in memory. On others a crash of the system
/// could leave some of what was written and not the rest.
fn page_bytes(file: &File) -> Option<usize> {
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: writes the answer, if it returns zero.
    let done = unsafe { libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) };
    // SAFETY: it is written.
    let answer = (done == 0).then(|| unsafe { answer.assume_init() })?;
    let in_memory = [libc::TMPFS_MAGIC, libc::HUGETLBFS_MAGIC].contains(&answer.f_type);
    usize::try_from(answer.f_bsize.max(4096)).ok().filter(|bytes| in_memory && bytes.is_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_never_replace_others() {
        let map = |place| Mapping::new(Some(place), HUGE_BYTES, READ_WRITE, ANONYMOUS, NO_FILE);
        let place = free_place(HUGE_BYTES, GIANT_BYTES).unwrap();
        assert!(place.is_multiple_of(GIANT_BYTES));
        let first = map(place).unwrap();
        assert!(map(place).is_none(), "it is taken");
        drop(first);
        assert!(map(place).is_some(), "it is free again");
    }
}
