//! kHeavyHash, Kaspa's proof of work: a sponge, a product with a matrix of the block's own, and a sponge again.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod keccak;
mod lanes;
mod matrix;
mod reference;
mod rounds;
mod scalar;
mod search;

use self::search::{Search, Searcher};
use crate::kernel::Backend;

pub use self::keccak::{ROTATION, ROUND, Sponge, keccak_f1600};
pub use self::matrix::{Matrix, SIDE};
pub(crate) use self::reference::CachedReference;
pub use self::reference::{BLOCK_BYTES, NONCE, Sponges};

/// The kernels of this architecture, best first.
pub(crate) const KERNELS: &[Backend] = &[
    #[cfg(target_arch = "x86_64")]
    backend::<avx512::Avx512>("avx512", avx512::Avx512::is_available),
    #[cfg(target_arch = "x86_64")]
    backend::<avx2::Avx2>("avx2", avx2::Avx2::is_available),
    backend::<scalar::Scalar>("scalar", || true),
];

const fn backend<S: Search>(name: &'static str, is_available: fn() -> bool) -> Backend {
    Backend { name, is_available, make: || Box::<Searcher<S>>::default() }
}
