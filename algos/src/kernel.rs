//! CPU kernels: the fast ways to hash whole ranges.

use std::fmt;
use std::ops::Range;

use crate::{Target, Unavailable, Work};

/// Hashes ranges of counters on the thread that calls it.
///
/// A kernel is made once and then follows one piece of work after another; it starts no thread and does not block.
pub trait Kernel: Send {
    /// Takes up another piece of work.
    ///
    /// # Errors
    /// When the work is not of the kind that this algorithm hashes; the kernel must then not be asked to scan.
    fn load(&mut self, work: &Work, target: Target) -> Result<(), Unavailable>;

    /// Hashes every counter of `counters` and pushes the whole nonce ([`Work::nonce`]) of each whose hash meets the
    /// target, every one of them exactly checked, in no particular order. Start and end may lie anywhere; counters
    /// beyond [`Work::last_counter`] are left out.
    fn scan(&mut self, counters: Range<u64>, found: &mut Vec<u64>);

    /// Counters come cheapest in multiples of this number, from a multiple of it on.
    fn granule(&self) -> u64;
}

/// One way to compute an algorithm on CPUs, named by the instructions that it needs.
#[derive(Clone, Copy)]
pub struct Backend {
    /// Name for lists and settings, such as `avx512`.
    pub name: &'static str,
    /// Whether this machine has the instructions.
    pub is_available: fn() -> bool,
    /// Makes a kernel. Only where [`Backend::is_available`] says yes.
    pub make: fn() -> Box<dyn Kernel>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backend({})", self.name)
    }
}
