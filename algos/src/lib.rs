//! What work is, and how each proof of work is computed.
//!
//! Every proof of work here is *bytes with a hole*: a blob, the place of the nonce in it, and for RandomX a
//! seed. [`Work`] is that, [`Target`] is what a hash must not exceed, and [`registry`] names the algorithms.
//! This crate has no network, no GPU, no clock and starts no thread: callers bring threads, ranges and memory.

mod hex;
mod kernel;
pub mod kheavyhash;
#[cfg(feature = "randomx")]
pub mod randomx;
pub mod registry;
mod sample;
pub mod sha256d;
mod target;
mod template;
mod work;

pub use hex::{HexError, decode_hex, decode_hex_array, encode_hex};
pub use kernel::{Backend, Kernel};
pub use registry::{Algorithm, Family, Reference, Unavailable};
#[doc(hidden)]
pub use target::fuzz_target;
pub use target::{Hash, Target, TargetError};
pub use template::{
    HEADER_BYTES, HeaderTemplate, MAX_BRANCH, MAX_COINBASE_BYTES, MAX_EXTRANONCE2_BYTES, Template,
    TemplateKey,
};
pub use work::{MAX_BLOB_BYTES, MAX_VERSION_BITS, NonceField, Variant, Work, WorkError, WorkKey};
