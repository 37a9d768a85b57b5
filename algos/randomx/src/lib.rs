//! RandomX, written from its public specification (`doc/specs.md` and `doc/design_v2.md` of tevador/RandomX).
//!
//! Sections are quoted as "specs 4.5". The crate knows no network and no clock, and makes no threads: its caller
//! brings them, and places them.

pub mod aes;
pub mod argon2;
pub mod blake;
pub mod cache;
pub mod config;
pub mod dataset;
mod error;
pub mod float;
pub mod instruction;
pub mod interpreter;
pub mod memory;
pub mod program;
pub mod reciprocal;
pub mod registers;
pub mod superscalar;
pub mod tuner;
pub mod vm;
#[cfg(target_arch = "x86_64")]
pub mod x86;

pub use cache::Cache;
pub use config::Config;
pub use dataset::{Dataset, DatasetKernel, Fill};
pub use error::{Error, Pages};
pub use memory::{CodeMemory, CodeMode, Memory};
pub use vm::{Engine, Options, Vm};

/// The low 32 bits, which is what the machine means by many of its addresses.
#[allow(clippy::cast_possible_truncation)]
pub(crate) const fn low_word(value: u64) -> u32 {
    value as u32
}

/// The examples of the crate's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
