//! The dataset (specs 7): items that any number of threads fill together and all machines read.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod kept;
mod portable;

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(target_arch = "x86_64")]
use crate::CodeMode;
use kept::Kept;

use crate::cache::{ITEM_BYTES, ITEM_WORDS};
use crate::{Cache, Config, Error, Memory, Pages};

/// An item as its registers.
pub type Item = [u64; ITEM_WORDS];

/// Items that one step fills: some milliseconds of one core, so that an interrupt is seen soon.
const CHUNK_ITEMS: u64 = 8192;

/// Makes items that follow each other. It is made for the programs of one cache and shared by threads.
pub trait ItemKernel: fmt::Debug + Send + Sync {
    /// Fills `out` with the items from number `first_item` on. `cache` is the memory of the cache that the kernel
    /// was made for.
    fn fill(&self, cache: &[u8], first_item: u64, out: &mut [Item]);

    /// Makes the item of `indices[i]` in `out[i]`, as far as both reach: what machines without a dataset need.
    fn items(&self, cache: &[u8], indices: &[u64], out: &mut [Item]) {
        for (&index, item) in indices.iter().zip(out) {
            self.fill(cache, index, std::slice::from_mut(item));
        }
    }
}

/// How items are made. The result is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetKernel {
    /// For every processor.
    Portable,
    /// Four items in vectors of 256 bits, with some in integer registers beside them.
    Avx2,
    /// Eight items in a vector, by compiled code. It needs AVX-512F and AVX-512DQ.
    Avx512,
}

impl DatasetKernel {
    /// All that this processor has, the fastest last.
    pub fn available() -> Vec<Self> {
        let all = [Self::Portable, Self::Avx2, Self::Avx512];
        all.into_iter().filter(|kernel| kernel.is_available()).collect()
    }

    /// The fastest that this processor has.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Avx512 => avx512::Avx512::is_available(),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Self::Portable
    }

    /// Makes it for the programs of this cache.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the cache holds no key, [`Error::Unsupported`] when the processor lacks something and
    /// [`Error::Memory`] when the system gives no memory for code.
    pub fn compile(self, cache: &Cache) -> Result<Box<dyn ItemKernel>, Error> {
        cache.key().ok_or(Error::NoKey)?;
        if !self.is_available() {
            return Err(Error::Unsupported {
                what: "this way to make dataset items",
                reason: "the processor lacks instructions",
            });
        }
        Ok(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Box::new(avx2::Avx2::new(cache, avx2::Options::default())?),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                let cache_bytes = cache.memory().len();
                Box::new(avx512::Avx512::new(cache.programs(), cache_bytes, CodeMode::detect()?)?)
            }
            _ => Box::new(portable::Portable::new(cache.programs())),
        })
    }
}

impl fmt::Display for DatasetKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// A dataset: complete for one key, or not yet complete.
#[derive(Debug)]
pub struct Dataset {
    config: &'static Config,
    /// Its items, and behind them the label of a kept one.
    memory: Memory,
    contents: Option<Contents>,
    kept: Option<Kept>,
}

/// What the memory holds: items `0..filled` of this key.
#[derive(Debug)]
struct Contents {
    key: Box<[u8]>,
    filled: u64,
}

impl Dataset {
    /// Takes the memory. Normal pages are only reserved: they become resident as they are filled, on the NUMA
    /// node of the thread that fills them.
    ///
    /// # Errors
    /// [`Error::Memory`] when these pages cannot be had.
    pub fn allocate(config: &'static Config, pages: Pages) -> Result<Self, Error> {
        let what = "dataset";
        let bytes =
            usize::try_from(config.dataset_bytes()).map_err(|_| Error::Memory { what, bytes: 0, pages })?;
        Ok(Self { config, memory: Memory::allocate(bytes, pages, what)?, contents: None, kept: None })
    }

    /// The pages that the memory is made of.
    pub fn pages(&self) -> Pages {
        self.memory.pages()
    }

    /// What it was allocated for.
    pub fn config(&self) -> &'static Config {
        self.config
    }

    /// All of its memory.
    pub fn memory(&self) -> &[u8] {
        let (lines, _) = self.lines();
        lines.as_flattened()
    }

    /// Its items as bytes, and what lies behind them.
    fn lines(&self) -> (&[[u8; ITEM_BYTES]], &[[u8; ITEM_BYTES]]) {
        let (lines, _) = self.memory.as_chunks();
        lines.split_at(self.item_memory())
    }

    /// The same to be written.
    fn lines_mut(&mut self) -> (&mut [[u8; ITEM_BYTES]], &mut [[u8; ITEM_BYTES]]) {
        let items = self.item_memory();
        let (lines, _) = self.memory.as_chunks_mut();
        lines.split_at_mut(items)
    }

    /// Number of items. The memory of so many was allocated, so it fits.
    #[allow(clippy::cast_possible_truncation)]
    fn item_memory(&self) -> usize {
        self.item_count() as usize
    }

    /// Number of its items, filled or not.
    pub fn item_count(&self) -> u64 {
        self.config.dataset_items()
    }

    /// Key that the whole dataset belongs to; none while it is incomplete.
    pub fn key(&self) -> Option<&[u8]> {
        let complete = self.contents.as_ref().filter(|contents| contents.filled == self.item_count());
        complete.map(|contents| &*contents.key)
    }

    /// Forgets what the memory holds, so that the next fill does all of it: for a dataset found corrupt.
    pub fn forget(&mut self) {
        self.contents = None;
        self.kept_nothing();
    }

    /// Flips a bit of each of these items, and says nothing of it.
    ///
    /// # Errors
    /// [`Error::Range`] when there are no such items.
    #[cfg(feature = "fault-injection")]
    pub fn inject_fault(&mut self, items: Range<u64>) -> Result<(), Error> {
        let range = Error::Range { start: items.start, end: items.end };
        let bounds = usize::try_from(items.start).ok().zip(usize::try_from(items.end).ok());
        let (lines, _) = self.lines_mut();
        let lines = bounds.and_then(|(start, end)| lines.get_mut(start..end)).ok_or(range)?;
        for line in lines {
            line[0] ^= 1;
        }
        Ok(())
    }

    /// Starts to fill the whole dataset, in place, for the key of `cache`. Threads share the result. A fill
    /// of the same key that ended early is taken up where it ended.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the cache holds no key, [`Error::Config`] when it is of another kin.
    pub fn fill<'a>(&'a mut self, cache: &'a Cache) -> Result<Fill<'a>, Error> {
        let kernel = fastest(cache)?;
        self.fill_whole(cache, kernel)
    }

    /// As [`Dataset::fill`] with a chosen kernel.
    ///
    /// # Errors
    /// Those of [`Dataset::fill`] and [`DatasetKernel::compile`].
    pub fn fill_with<'a>(&'a mut self, cache: &'a Cache, kernel: DatasetKernel) -> Result<Fill<'a>, Error> {
        let kernel = kernel.compile(cache)?;
        self.fill_whole(cache, kernel)
    }

    fn fill_whole<'a>(
        &'a mut self,
        cache: &'a Cache,
        kernel: Box<dyn ItemKernel>,
    ) -> Result<Fill<'a>, Error> {
        let key = self.key_of(cache)?;
        if self.contents.is_none() {
            self.take_up(cache, &*kernel);
        }
        let filled = match &self.contents {
            Some(contents) if *contents.key == *key => contents.filled,
            _ => 0,
        };
        self.contents = Some(Contents { key: key.into(), filled });
        let items = filled..self.item_count();
        Fill::new(self, cache, kernel, items, CHUNK_ITEMS)
    }

    /// As [`Dataset::fill`] for some of the items, `chunk_items` at a time; the dataset then has no key.
    /// For tests and for samples that are compared with a suspect dataset.
    ///
    /// # Errors
    /// Those of [`Dataset::fill`], and [`Error::Range`] when there are no such items.
    pub fn fill_part<'a>(
        &'a mut self,
        cache: &'a Cache,
        items: Range<u64>,
        chunk_items: u64,
    ) -> Result<Fill<'a>, Error> {
        self.key_of(cache)?;
        self.contents = None;
        self.kept_nothing();
        Fill::new(self, cache, fastest(cache)?, items, chunk_items)
    }

    /// The key of a cache that this dataset can be made of.
    fn key_of<'a>(&self, cache: &'a Cache) -> Result<&'a [u8], Error> {
        if !self.config.shares_dataset_with(cache.config()) {
            return Err(Error::Config { memory: cache.config().name, machine: self.config.name });
        }
        cache.key().ok_or(Error::NoKey)
    }

    /// Bytes of one item; zeros where it has never been filled. `None` behind the last one.
    pub fn item(&self, index: u64) -> Option<&[u8; ITEM_BYTES]> {
        let (lines, _) = self.lines();
        lines.get(usize::try_from(index).ok()?)
    }
}

/// The best kernel that can be made here: code may be forbidden by the system.
fn fastest(cache: &Cache) -> Result<Box<dyn ItemKernel>, Error> {
    DatasetKernel::best().compile(cache).or_else(|error| match error {
        Error::NoKey => Err(error),
        _ => DatasetKernel::Portable.compile(cache),
    })
}

/// A dataset that is being filled. Threads share it and call [`Fill::step`] until it returns `false`.
///
/// Each chunk of items is handed out exactly once, so no two threads ever write the same memory.
#[derive(Debug)]
pub struct Fill<'a> {
    start: NonNull<Item>,
    contents: &'a mut Option<Contents>,
    config: &'static Config,
    /// Where a kept dataset says what it holds.
    label: Option<&'a mut [u8]>,
    cache: &'a Cache,
    kernel: Box<dyn ItemKernel>,
    items: Range<u64>,
    chunk_items: u64,
    next: AtomicU64,
    done: AtomicU64,
}

// SAFETY: the dataset is borrowed mutably, so only steps of this fill touch its memory; `next` gives each
// chunk to one step only, and cache and kernel are only read.
unsafe impl Send for Fill<'_> {}
// SAFETY: as above.
unsafe impl Sync for Fill<'_> {}

impl<'a> Fill<'a> {
    fn new(
        dataset: &'a mut Dataset,
        cache: &'a Cache,
        kernel: Box<dyn ItemKernel>,
        items: Range<u64>,
        chunk_items: u64,
    ) -> Result<Self, Error> {
        let count = dataset.item_count();
        let chunks_fit = (1..=count).contains(&chunk_items);
        if items.start > items.end || items.end > count || !chunks_fit {
            return Err(Error::Range { start: items.start, end: items.end });
        }
        if items.start == 0 {
            dataset.kept_nothing();
        }
        let config = dataset.config;
        let kept = dataset.kept.is_some();
        let count = dataset.item_memory();
        let (lines, _) = dataset.memory.as_chunks_mut::<ITEM_BYTES>();
        let (lines, rest) = lines.split_at_mut(count);
        let label = kept.then_some(rest.as_flattened_mut());
        let start = NonNull::from(lines).cast();
        let next = AtomicU64::new(items.start);
        let contents = &mut dataset.contents;
        Ok(Self {
            start,
            contents,
            config,
            label,
            cache,
            kernel,
            items,
            chunk_items,
            next,
            done: AtomicU64::new(0),
        })
    }

    /// Fills the next chunk. `false` when no chunk is left to take; other threads may still be at theirs.
    pub fn step(&self) -> bool {
        let start = self.next.fetch_add(self.chunk_items, Ordering::Relaxed);
        if start >= self.items.end {
            // So that threads that keep asking can never wrap the counter.
            self.next.fetch_sub(self.chunk_items, Ordering::Relaxed);
            return false;
        }
        let count = self.chunk_items.min(self.items.end - start);
        // The memory of that many items was allocated, so their number fits.
        #[allow(clippy::cast_possible_truncation)]
        let (offset, length) = (start as usize, count as usize);
        // SAFETY: `start..start + count` lies inside the dataset (`new` checked the end) and was handed to this
        // step alone, so nothing else refers to it. The memory is aligned to 64 bytes and zeroed at first; any
        // bytes are an item.
        let out = unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(offset), length) };
        self.kernel.fill(self.cache.memory(), start, out);
        self.done.fetch_add(count, Ordering::Release);
        true
    }

    /// Items filled so far.
    pub fn done_items(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Items that this fill has to do in all.
    pub fn total_items(&self) -> u64 {
        self.items.end - self.items.start
    }

    /// Ends the filling, early or not. Once every item is filled the dataset belongs to the key of the cache.
    ///
    /// # Errors
    /// [`Error::Unfilled`] when chunks are missing; the next [`Dataset::fill`] goes on from there.
    pub fn finish(self) -> Result<(), Error> {
        // Taking `self` ends every borrow of it: each step has returned, so all chunks handed out are filled,
        // without a gap, and visible to this thread.
        let (done, total) = (self.done_items(), self.total_items());
        if let Some(contents) = self.contents {
            contents.filled = self.items.start + done;
            if let Some(label) = self.label.filter(|_| contents.filled == self.config.dataset_items()) {
                kept::write(label, self.config, &contents.key);
            }
        }
        if done == total { Ok(()) } else { Err(Error::Unfilled { done, total }) }
    }
}

#[cfg(test)]
mod tests;
