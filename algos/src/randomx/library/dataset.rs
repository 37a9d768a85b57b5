//! The dataset: 2080 MiB of items that any number of threads fill together and all machines read.
#![allow(unsafe_code)]

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::giant::StandIn;
use super::{Cache, ffi, flag};
use crate::randomx::{DATASET_BYTES, EngineError, ITEM_BYTES, Pages};

/// Number of items of a dataset.
pub(crate) fn item_count() -> u64 {
    // SAFETY: takes nothing, returns a constant of the library.
    unsafe { ffi::randomx_dataset_item_count() as u64 }
}

/// A dataset: complete for one key, or not yet complete.
#[derive(Debug)]
pub(crate) struct Dataset {
    raw: NonNull<ffi::RawDataset>,
    pages: Pages,
    contents: Option<Contents>,
    stand_in: Option<StandIn>,
}

/// What the memory holds: items `0..filled` of this key.
#[derive(Debug)]
struct Contents {
    key: Box<[u8]>,
    filled: u64,
}

// SAFETY: plain memory of its own (the library's or a stand-in), bound to no thread. It is written only
// through a `Fill`, which borrows the dataset mutably; machines hold it shared and only read.
unsafe impl Send for Dataset {}
// SAFETY: as above.
unsafe impl Sync for Dataset {}

impl Dataset {
    /// Takes the memory. Normal pages are only reserved: they become resident as they are filled, on the NUMA
    /// node of the thread that fills them.
    ///
    /// # Errors
    /// [`EngineError::Dataset`] when these pages cannot be had.
    pub(crate) fn allocate(pages: Pages) -> Result<Self, EngineError> {
        if pages == Pages::Giant {
            return Self::allocate_giant();
        }
        // SAFETY: failure is a null pointer.
        let raw = unsafe { ffi::randomx_alloc_dataset(flag(pages)) };
        let raw = NonNull::new(raw).ok_or(EngineError::Dataset(pages))?;
        if pages == Pages::Normal {
            advise_huge(raw);
        }
        Ok(Self { raw, pages, contents: None, stand_in: None })
    }

    fn allocate_giant() -> Result<Self, EngineError> {
        // What the library allocates is never touched, so it takes address space only.
        let mut dataset = Self::allocate(Pages::Normal).map_err(|_| EngineError::Dataset(Pages::Giant))?;
        dataset.stand_in = Some(StandIn::install(dataset.raw).ok_or(EngineError::Dataset(Pages::Giant))?);
        dataset.pages = Pages::Giant;
        Ok(dataset)
    }

    /// The pages that the memory is made of.
    pub(crate) fn pages(&self) -> Pages {
        self.pages
    }

    /// Key that the whole dataset belongs to; none while it is incomplete.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.contents
            .as_ref()
            .filter(|contents| contents.filled == item_count())
            .map(|contents| &*contents.key)
    }

    /// Forgets what the memory holds, so that the next fill does all of it: for a dataset found corrupt.
    pub(crate) fn forget(&mut self) {
        self.contents = None;
    }

    /// Flips a bit of each of these items, and says nothing of it.
    ///
    /// # Errors
    /// [`EngineError::Range`] when there are no such items.
    #[cfg(feature = "fault-injection")]
    pub(crate) fn inject_fault(&mut self, items: Range<u64>) -> Result<(), EngineError> {
        let range = EngineError::Range { start: items.start, end: items.end };
        if items.end > item_count() {
            return Err(range);
        }
        for index in items {
            let index = usize::try_from(index).map_err(|_| range.clone())?;
            // SAFETY: the index is inside the memory, and by `&mut self` nobody else reads or writes it.
            unsafe {
                let memory = ffi::randomx_get_dataset_memory(self.raw.as_ptr()).cast::<[u8; ITEM_BYTES]>();
                (*memory.add(index))[0] ^= 1;
            }
        }
        Ok(())
    }

    /// Starts to fill the whole dataset, in place, for the key of `cache`. Threads share the result. A fill
    /// of the same key that ended early is taken up where it ended.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the cache holds no key.
    pub(crate) fn fill<'a>(&'a mut self, cache: &'a Cache) -> Result<Fill<'a>, EngineError> {
        let key = cache.key().ok_or(EngineError::NoKey)?;
        let filled = match &self.contents {
            Some(contents) if *contents.key == *key => contents.filled,
            _ => 0,
        };
        self.contents = Some(Contents { key: key.into(), filled });
        Fill::new(self, cache, filled..item_count(), CHUNK_ITEMS)
    }

    /// As [`Dataset::fill`] for some of the items, `chunk_items` at a time; the dataset then has no key.
    /// For tests and for samples that are compared with a suspect dataset.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the cache holds no key, [`EngineError::Range`] when there are no such items.
    pub(crate) fn fill_part<'a>(
        &'a mut self,
        cache: &'a Cache,
        items: Range<u64>,
        chunk_items: u64,
    ) -> Result<Fill<'a>, EngineError> {
        cache.key().ok_or(EngineError::NoKey)?;
        self.contents = None;
        Fill::new(self, cache, items, chunk_items)
    }

    /// Bytes of one item; zeros where it has never been filled. `None` behind the last one.
    pub(crate) fn item(&self, index: u64) -> Option<&[u8; ITEM_BYTES]> {
        let index = usize::try_from(index).ok().filter(|_| index < item_count())?;
        // SAFETY: the memory is `item_count() * ITEM_BYTES` bytes, the index is checked; fresh pages are
        // zeros by the operating system, so every byte is initialised. A `Fill` would need `&mut self`.
        unsafe {
            let memory = ffi::randomx_get_dataset_memory(self.raw.as_ptr()).cast::<[u8; ITEM_BYTES]>();
            Some(&*memory.add(index))
        }
    }

    pub(super) fn raw(&self) -> *mut ffi::RawDataset {
        self.raw.as_ptr()
    }
}

impl Drop for Dataset {
    fn drop(&mut self) {
        if let Some(stand_in) = self.stand_in.take() {
            stand_in.remove(self.raw);
        }
        // SAFETY: `raw` came from the allocator of the library and is released once; machines hold the
        // `Dataset` alive as long as they use it.
        unsafe { ffi::randomx_release_dataset(self.raw.as_ptr()) };
    }
}

/// Asks for transparent huge pages. A kernel that has none refuses, which changes nothing.
fn advise_huge(raw: NonNull<ffi::RawDataset>) {
    #[cfg(target_os = "linux")]
    // SAFETY: advice about the mapping that the dataset owns; it changes no content and no address.
    unsafe {
        let memory = ffi::randomx_get_dataset_memory(raw.as_ptr());
        libc::madvise(memory, usize::try_from(DATASET_BYTES).unwrap_or(0), libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = raw;
}

/// Items that one step fills: about 10 ms of one core, so that an interrupt is seen soon.
const CHUNK_ITEMS: u64 = 8192;

/// A dataset that is being filled. Threads share it and call [`Fill::step`] until it returns `false`.
///
/// Each chunk of items is handed out exactly once, so no two threads ever write the same memory.
#[derive(Debug)]
pub(crate) struct Fill<'a> {
    raw: NonNull<ffi::RawDataset>,
    contents: &'a mut Option<Contents>,
    cache: &'a Cache,
    items: Range<u64>,
    chunk_items: u64,
    next: AtomicU64,
    done: AtomicU64,
}

// SAFETY: the dataset is borrowed mutably, so only steps of this fill touch its memory; `next` gives each
// chunk to one step only, and the cache is only read.
unsafe impl Send for Fill<'_> {}
// SAFETY: as above.
unsafe impl Sync for Fill<'_> {}

impl<'a> Fill<'a> {
    fn new(
        dataset: &'a mut Dataset,
        cache: &'a Cache,
        items: Range<u64>,
        chunk_items: u64,
    ) -> Result<Self, EngineError> {
        let chunks_fit = (1..=item_count()).contains(&chunk_items);
        if items.start > items.end || items.end > item_count() || !chunks_fit {
            return Err(EngineError::Range { start: items.start, end: items.end });
        }
        let next = AtomicU64::new(items.start);
        Ok(Self {
            raw: dataset.raw,
            contents: &mut dataset.contents,
            cache,
            items,
            chunk_items,
            next,
            done: AtomicU64::new(0),
        })
    }

    /// Fills the next chunk. `false` when no chunk is left to take; other threads may still be at theirs.
    pub(crate) fn step(&self) -> bool {
        let start = self.next.fetch_add(self.chunk_items, Ordering::Relaxed);
        if start >= self.items.end {
            // So that threads that keep asking can never wrap the counter.
            self.next.fetch_sub(self.chunk_items, Ordering::Relaxed);
            return false;
        }
        let count = self.chunk_items.min(self.items.end - start);
        // SAFETY: `start..start + count` lies inside the dataset (`new` checked the end) and was handed to this
        // step alone; the cache holds a key and, being borrowed, does not change. The numbers fit a C
        // `unsigned long` because the item count itself is one.
        unsafe {
            ffi::randomx_init_dataset(
                self.raw.as_ptr(),
                self.cache.raw(),
                start as std::ffi::c_ulong,
                count as std::ffi::c_ulong,
            );
        }
        self.done.fetch_add(count, Ordering::Release);
        true
    }

    /// Items filled so far.
    pub(crate) fn done_items(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Items that this fill has to do in all.
    pub(crate) fn total_items(&self) -> u64 {
        self.items.end - self.items.start
    }

    /// Ends the filling, early or not. Once every item is filled the dataset belongs to the key of the cache.
    ///
    /// # Errors
    /// [`EngineError::Unfilled`] when chunks are missing; the next [`Dataset::fill`] goes on from there.
    pub(crate) fn finish(self) -> Result<(), EngineError> {
        // Taking `self` ends every borrow of it: each step has returned, so all chunks handed out are filled,
        // without a gap, and visible to this thread.
        let (done, total) = (self.done_items(), self.total_items());
        if let Some(contents) = self.contents {
            contents.filled = self.items.start + done;
        }
        if done == total { Ok(()) } else { Err(EngineError::Unfilled { done, total }) }
    }
}
