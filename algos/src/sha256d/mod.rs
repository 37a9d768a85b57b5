//! SHA-256d, Bitcoin's proof of work: SHA-256 of the SHA-256 of an 80-byte header.

#[cfg(target_arch = "aarch64")]
mod armv8;
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

use self::search::{Search, Searcher};
use crate::kernel::Backend;

pub(crate) use self::reference::ScalarReference;
pub use self::reference::{INITIAL, ROUND, compress, sha256, sha256d};

/// The kernels of this architecture, best first.
pub(crate) const KERNELS: &[Backend] = &[
    #[cfg(target_arch = "x86_64")]
    backend::<avx512::Avx512>("avx512", avx512::Avx512::is_available),
    #[cfg(target_arch = "x86_64")]
    backend::<sha_ni::ShaNi>("sha-ni", sha_ni::ShaNi::is_available),
    #[cfg(target_arch = "x86_64")]
    backend::<avx2::Avx2>("avx2", avx2::Avx2::is_available),
    #[cfg(target_arch = "aarch64")]
    backend::<armv8::Armv8>("armv8-sha2", armv8::Armv8::is_available),
    backend::<scalar::Scalar>("scalar", || true),
];

const fn backend<S: Search>(name: &'static str, is_available: fn() -> bool) -> Backend {
    Backend { name, is_available, make: || Box::<Searcher<S>>::default() }
}
