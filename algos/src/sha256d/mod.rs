//! SHA-256d, Bitcoin's proof of work: SHA-256 of the SHA-256 of an 80-byte header.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
mod prehash;
mod reference;
mod rounds;
mod scalar;
mod search;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use self::search::Searcher;
use crate::kernel::Backend;

pub(crate) use self::reference::ScalarReference;
pub use self::reference::{INITIAL, ROUND, compress, sha256, sha256d};

/// The kernels of this architecture, best first.
pub(crate) const KERNELS: &[Backend] = &[
    #[cfg(target_arch = "x86_64")]
    Backend {
        name: "avx512",
        is_available: avx512::Avx512::is_available,
        make: || Box::new(Searcher::<avx512::Avx512>::new()),
    },
    #[cfg(target_arch = "x86_64")]
    Backend {
        name: "sha-ni",
        is_available: sha_ni::ShaNi::is_available,
        make: || Box::new(Searcher::<sha_ni::ShaNi>::new()),
    },
    #[cfg(target_arch = "x86_64")]
    Backend {
        name: "avx2",
        is_available: avx2::Avx2::is_available,
        make: || Box::new(Searcher::<avx2::Avx2>::new()),
    },
    Backend { name: "scalar", is_available: || true, make: || Box::new(Searcher::<scalar::Scalar>::new()) },
];
