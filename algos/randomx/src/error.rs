//! What can go wrong, and the pages that memory is made of.

use std::fmt;

use thiserror::Error;

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

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal pages",
            Self::Huge => "huge pages",
            Self::Giant => "pages of 1 GiB",
        })
    }
}

/// Why something could not be made or used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The system gave no memory.
    #[error("no memory for the RandomX {what} ({bytes} bytes in {pages})")]
    Memory {
        /// What it was for.
        what: &'static str,
        /// How much, in bytes.
        bytes: usize,
        /// Of which pages.
        pages: Pages,
    },
    /// The cache or dataset has not been filled.
    #[error("the RandomX memory holds no key yet")]
    NoKey,
    /// A machine and its memory are of configurations that do not go together.
    #[error("RandomX memory of {memory} does not serve {machine}")]
    Config {
        /// Name of the memory's configuration.
        memory: &'static str,
        /// Name of the machine's configuration.
        machine: &'static str,
    },
    /// This processor or this system cannot do what was asked for.
    #[error("{what} is not to be had here: {reason}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What is in its way.
        reason: &'static str,
    },
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
