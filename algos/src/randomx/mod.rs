//! RandomX by two engines behind one set of owner types that cannot be misused.
//!
//! A [`Cache`] is filled from a key, a [`Dataset`] is filled from a cache by as many threads as the caller
//! brings, and a [`Vm`] hashes over either. Whoever reads memory holds it shared, whoever fills it holds it
//! alone. A [`Method`] says which engine does it, and how; every one gives the same hashes. Every allocation can
//! fail and says so.

mod cache;
mod dataset;
mod library;
mod method;
mod native;
pub mod presets;
mod reference;
mod vm;

use thiserror::Error;

pub use self::cache::Cache;
pub use self::dataset::{Dataset, Fill, item_count};
pub use self::library::Flags;
pub use self::method::{Engine, Method};
pub use self::native::Native;
pub use self::reference::LightReference;
pub use self::vm::{Hashes, Vm};
pub use rminer_randomx::{Pages, tuner};

/// Memory of a cache in bytes.
pub const CACHE_BYTES: u64 = 256 << 20;

/// Memory of a dataset in bytes.
pub const DATASET_BYTES: u64 = 2080 << 20;

/// Pages of 1 GiB that a dataset takes; the 32 MiB that are left lie in smaller ones.
pub const GIANT_PAGES: usize = 2;

/// Bytes of one dataset item.
pub const ITEM_BYTES: usize = 64;

/// Bytes of the scratchpad of each lane of a machine.
pub const SCRATCHPAD_BYTES: u64 = 2 << 20;

/// Inputs that a machine hashes at once, at most.
pub const MAX_LANES: usize = rminer_randomx::vm::MAX_LANES;

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
    /// The engine does not know this version of RandomX.
    #[error("{0} does not compute this version of RandomX")]
    Variant(&'static str),
    /// Memory that is to be filled is still read by machines.
    #[error("the RandomX memory is in use")]
    InUse,
    /// Machine and memory are of different engines.
    #[error("a RandomX machine of one engine cannot use the memory of the other")]
    Mixed,
    /// Something that only our own engine can say.
    #[error(transparent)]
    Native(rminer_randomx::Error),
    /// Items that a dataset does not have.
    #[error("a dataset has no items {start}..{end}")]
    Range {
        /// First item asked for.
        start: u64,
        /// Behind the last item asked for.
        end: u64,
    },
}
