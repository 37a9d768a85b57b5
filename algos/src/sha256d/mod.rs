//! SHA-256d, Bitcoin's proof of work: SHA-256 of the SHA-256 of an 80-byte header.

mod lanes;
mod prehash;
mod reference;
mod rounds;
mod scalar;
mod search;

use self::search::Searcher;
use crate::kernel::Backend;

pub(crate) use self::reference::ScalarReference;
pub use self::reference::{INITIAL, ROUND, compress, sha256, sha256d};

/// The kernels of this architecture, best first.
pub(crate) const KERNELS: &[Backend] = &[SCALAR];

const SCALAR: Backend =
    Backend { name: "scalar", is_available: || true, make: || Box::new(Searcher::<scalar::Scalar>::new()) };
