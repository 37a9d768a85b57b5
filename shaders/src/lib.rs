//! Compute kernels for GPUs: their generator, and what runs them through wgpu.

pub mod abi;
pub mod adapters;
mod card;
pub mod choose;
pub mod fault;
pub mod generator;
pub mod kernels;
pub mod latency;
mod part;
mod planted;
mod ring;
pub mod runner;
mod steer;

pub use adapters::{Adapter, LeftOut};
pub use fault::Fault;
pub use kernels::{UnsuitableWork, Variant, variants};
pub use latency::Histogram;
pub use runner::{Claim, Options, Runner};
