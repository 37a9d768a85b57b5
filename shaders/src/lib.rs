//! Compute kernels for GPUs: their generator, and what runs them through wgpu.

pub mod abi;
pub mod generator;
pub mod kernels;

pub use kernels::{UnsuitableWork, Variant, variants};
