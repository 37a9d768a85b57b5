//! The dataset: 2080 MiB of items that any number of threads fill together and all machines read.

use std::ops::Range;
use std::sync::Arc;

use super::{Cache, EngineError, ITEM_BYTES, Method, Pages, cache, library, native};
use crate::Variant;

/// Number of items of a dataset.
pub fn item_count() -> u64 {
    library::item_count()
}

/// A dataset: complete for one key, or not yet complete.
#[derive(Debug)]
pub struct Dataset(pub(super) Of);

/// By engine.
#[derive(Debug)]
pub(super) enum Of {
    /// Shared with machines, each of which holds the whole [`Dataset`] as well: so whoever has that alone has both
    /// alone.
    Native(Arc<rminer_randomx::Dataset>),
    Library(library::Dataset),
}

impl Dataset {
    /// Takes the memory. Normal pages are only reserved: they become resident as they are filled, on the NUMA
    /// node of the thread that fills them.
    ///
    /// # Errors
    /// [`EngineError::Dataset`] when these pages cannot be had.
    pub fn allocate(method: Method, pages: Pages) -> Result<Self, EngineError> {
        Ok(Self(match method {
            Method::Native(_) => {
                let dataset = rminer_randomx::Dataset::allocate(native::config(Variant::V1), pages);
                Of::Native(Arc::new(dataset.map_err(error)?))
            }
            Method::Library(_) => Of::Library(library::Dataset::allocate(pages)?),
        }))
    }

    /// The pages that the memory is made of.
    pub fn pages(&self) -> Pages {
        match &self.0 {
            Of::Native(dataset) => dataset.pages(),
            Of::Library(dataset) => dataset.pages(),
        }
    }

    /// Key that the whole dataset belongs to; none while it is incomplete.
    pub fn key(&self) -> Option<&[u8]> {
        match &self.0 {
            Of::Native(dataset) => dataset.key(),
            Of::Library(dataset) => dataset.key(),
        }
    }

    /// Forgets what the memory holds, so that the next fill does all of it: for a dataset found corrupt.
    pub fn forget(&mut self) {
        match &mut self.0 {
            Of::Native(dataset) => {
                if let Some(dataset) = Arc::get_mut(dataset) {
                    dataset.forget();
                }
            }
            Of::Library(dataset) => dataset.forget(),
        }
    }

    /// Flips a bit of each of these items, and says nothing of it.
    ///
    /// # Errors
    /// [`EngineError::Range`] when there are no such items.
    #[cfg(feature = "fault-injection")]
    pub fn inject_fault(&mut self, items: Range<u64>) -> Result<(), EngineError> {
        match &mut self.0 {
            Of::Native(dataset) => alone(dataset)?.inject_fault(items).map_err(error),
            Of::Library(dataset) => dataset.inject_fault(items),
        }
    }

    /// Starts to fill the whole dataset, in place, for the key of `cache`. Threads share the result. A fill
    /// of the same key that ended early is taken up where it ended.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the cache holds no key, [`EngineError::Mixed`] when it is the other engine's.
    pub fn fill<'a>(&'a mut self, cache: &'a Cache) -> Result<Fill<'a>, EngineError> {
        Ok(Fill(match (&mut self.0, &cache.0) {
            (Of::Native(dataset), cache::Of::Native(cache)) => {
                FillOf::Native(alone(dataset)?.fill(cache).map_err(error)?)
            }
            (Of::Library(dataset), cache::Of::Library(cache)) => FillOf::Library(dataset.fill(cache)?),
            _ => return Err(EngineError::Mixed),
        }))
    }

    /// As [`Dataset::fill`] for some of the items, `chunk_items` at a time; the dataset then has no key.
    /// For tests and for samples that are compared with a suspect dataset.
    ///
    /// # Errors
    /// [`EngineError::NoKey`] when the cache holds no key, [`EngineError::Range`] when there are no such items.
    pub fn fill_part<'a>(
        &'a mut self,
        cache: &'a Cache,
        items: Range<u64>,
        chunk_items: u64,
    ) -> Result<Fill<'a>, EngineError> {
        Ok(Fill(match (&mut self.0, &cache.0) {
            (Of::Library(dataset), cache::Of::Library(cache)) => {
                FillOf::Library(dataset.fill_part(cache, items, chunk_items)?)
            }
            (Of::Native(dataset), cache::Of::Native(cache)) => {
                FillOf::Native(alone(dataset)?.fill_part(cache, items, chunk_items).map_err(error)?)
            }
            _ => return Err(EngineError::Mixed),
        }))
    }

    /// Bytes of one item; zeros where it has never been filled. `None` behind the last one.
    pub fn item(&self, index: u64) -> Option<&[u8; ITEM_BYTES]> {
        match &self.0 {
            Of::Native(dataset) => dataset.item(index),
            Of::Library(dataset) => dataset.item(index),
        }
    }
}

fn alone(dataset: &mut Arc<rminer_randomx::Dataset>) -> Result<&mut rminer_randomx::Dataset, EngineError> {
    Arc::get_mut(dataset).ok_or(EngineError::InUse)
}

fn error(fault: rminer_randomx::Error) -> EngineError {
    native::error(fault, EngineError::Dataset)
}

/// A dataset that is being filled. Threads share it and call [`Fill::step`] until it returns `false`.
///
/// Each chunk of items is handed out exactly once, so no two threads ever write the same memory.
#[derive(Debug)]
pub struct Fill<'a>(FillOf<'a>);

#[derive(Debug)]
enum FillOf<'a> {
    Native(rminer_randomx::Fill<'a>),
    Library(library::Fill<'a>),
}

impl Fill<'_> {
    /// Fills the next chunk. `false` when no chunk is left to take; other threads may still be at theirs.
    pub fn step(&self) -> bool {
        match &self.0 {
            FillOf::Native(fill) => fill.step(),
            FillOf::Library(fill) => fill.step(),
        }
    }

    /// Items filled so far.
    pub fn done_items(&self) -> u64 {
        match &self.0 {
            FillOf::Native(fill) => fill.done_items(),
            FillOf::Library(fill) => fill.done_items(),
        }
    }

    /// Items that this fill has to do in all.
    pub fn total_items(&self) -> u64 {
        match &self.0 {
            FillOf::Native(fill) => fill.total_items(),
            FillOf::Library(fill) => fill.total_items(),
        }
    }

    /// Ends the filling, early or not. Once every item is filled the dataset belongs to the key of the cache.
    ///
    /// # Errors
    /// [`EngineError::Unfilled`] when chunks are missing; the next [`Dataset::fill`] goes on from there.
    pub fn finish(self) -> Result<(), EngineError> {
        match self.0 {
            FillOf::Native(fill) => fill.finish().map_err(error),
            FillOf::Library(fill) => fill.finish(),
        }
    }
}
