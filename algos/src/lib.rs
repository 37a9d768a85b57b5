//! What work is, and how each proof of work is computed.
//!
//! Every proof of work here is *bytes with a hole*: a blob, the place of the nonce in it, and for RandomX a
//! seed. [`Work`] is that, [`Target`] is what a hash must not exceed, and [`registry`] names the algorithms.
//! This crate has no network, no GPU, no clock and starts no thread: callers bring threads, ranges and memory.

mod hex;
#[cfg(feature = "randomx")]
pub mod randomx;
pub mod registry;
mod target;
mod work;

pub use hex::{HexError, decode_hex, decode_hex_array, encode_hex};
pub use registry::{Algorithm, Reference, Unavailable};
#[doc(hidden)]
pub use target::fuzz_target;
pub use target::{Hash, Target, TargetError};
pub use work::{MAX_BLOB_BYTES, NonceField, Template, Work, WorkError, WorkKey};
