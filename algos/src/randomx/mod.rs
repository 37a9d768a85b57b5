//! RandomX on the C library, behind owner types that cannot be misused.
//!
//! A [`Cache`] is filled from a key, a [`Dataset`] is filled from a cache by as many threads as the caller
//! brings, and a [`Vm`] hashes over either. Whoever reads memory holds it shared, whoever fills it holds it
//! alone, so the borrow checker sees what the library only documents. Every allocation can fail and says so.

mod cache;
mod dataset;
mod ffi;
mod flags;
mod float;
mod giant;
pub mod presets;
mod reference;
mod vm;

use std::ffi::c_uint;
use std::fmt;

use thiserror::Error;

pub use cache::{CACHE_BYTES, Cache};
pub use dataset::{DATASET_BYTES, Dataset, Fill, GIANT_PAGES, ITEM_BYTES, item_count};
pub use flags::Flags;
pub use reference::LightReference;
pub use vm::{SCRATCHPAD_BYTES, Vm};

/// Pages that memory is made of. Huge pages spare most of the address translation of random reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pages {
    /// What the system gives by default.
    Normal,
    /// The system's default huge pages, 2 MiB each on x86-64.
    Huge,
    /// Pages of 1 GiB where the system has them, for a dataset; anything smaller gets what `Huge` gives.
    Giant,
}

impl Pages {
    fn flag(self) -> c_uint {
        match self {
            Self::Normal => 0,
            Self::Huge | Self::Giant => ffi::LARGE_PAGES,
        }
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal pages",
            Self::Huge => "huge pages",
            Self::Giant => "pages of 1 GiB",
        })
    }
}

/// Why an engine could not be made or used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// No memory for a cache.
    #[error("no memory for the RandomX cache (256 MiB in {0})")]
    Cache(Pages),
    /// No memory for a dataset.
    #[error("no memory for the RandomX dataset (2080 MiB in {0})")]
    Dataset(Pages),
    /// No memory for a machine.
    #[error("no memory for a RandomX machine (2 MiB in {0} and its code)")]
    Vm(Pages),
    /// The cache or dataset has not been filled.
    #[error("the RandomX memory holds no key yet")]
    NoKey,
    /// Filling a dataset ended early.
    #[error("{done} of {total} dataset items are filled")]
    Unfilled {
        /// Items that are filled.
        done: u64,
        /// Items that were to be filled.
        total: u64,
    },
    /// Items that a dataset does not have.
    #[error("a dataset has no items {start}..{end}")]
    Range {
        /// First item asked for.
        start: u64,
        /// Behind the last item asked for.
        end: u64,
    },
}
