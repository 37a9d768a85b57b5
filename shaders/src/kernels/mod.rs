//! The table of kernels: for each algorithm the variants among which a device chooses.
//!
//! A variant's text is a constant of the program. What a job changes goes into its words, which
//! [`Variant::job_words`] computes; no shader is ever compiled for a job.

pub mod kheavyhash;
pub mod sha256d;

use std::fmt;
use std::sync::Arc;

use rminer_algos::{Target, Work, registry};
use thiserror::Error;

/// A compute shader and how it is fed.
#[derive(Clone)]
pub struct Variant {
    /// Unique among the variants of one algorithm; what people choose it by and what is cached.
    pub name: String,
    /// Name of the algorithm in the registry.
    pub algorithm: &'static str,
    /// Headers that one invocation hashes with each nonce: 1, 2 or 4. They differ in the low bits of the version's
    /// number, so more than one needs work with as many [`Work::lane_bits`].
    pub lanes: u32,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// Nonces that one invocation takes, one after the other.
    pub nonces_per_invocation: u32,
    /// `vec4<u32>` elements of the job's uniform buffer.
    pub job_vec4s: u32,
    /// Straight from the generator, which the tests hold against the reference: such text needs no run-time checks.
    pub generated: bool,
    /// Whether the device must have 64-bit integers.
    pub needs_int64: bool,
    /// The WGSL module, with entry point [`ENTRY_POINT`](crate::abi::ENTRY_POINT).
    pub text: String,
    check: fn(&Work) -> Result<(), UnsuitableWork>,
    fill: Fill,
}

/// Computes the words of a job: of the work and the first lane's version number.
type Fill = Arc<dyn Fn(&Work, Target, u32) -> Result<Vec<u32>, UnsuitableWork> + Send + Sync>;

/// This variant cannot search that work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnsuitableWork {
    /// Blob or nonce lie differently than the kernel has them.
    #[error(
        "kernels for {algorithm} take {wanted}; this blob has {bytes} bytes and its nonce {nonce_bytes} at {offset}"
    )]
    Layout {
        /// The kernel's algorithm.
        algorithm: &'static str,
        /// What the kernel expects, in words.
        wanted: &'static str,
        /// Bytes of the blob.
        bytes: usize,
        /// Bytes of the nonce.
        nonce_bytes: u8,
        /// First byte of the nonce.
        offset: u16,
    },
    /// Fewer versions to roll than the kernel has lanes, or lanes that begin between two groups of them.
    #[error("{lanes} lanes from version number {first} on do not fit work that rolls {version_bits} bits")]
    Lanes {
        /// Lanes of the kernel.
        lanes: u32,
        /// Version number of the first lane.
        first: u32,
        /// Rolled bits of the work.
        version_bits: u32,
    },
    /// No block's hash is this.
    #[error("no matrix of full rank comes from the hash of this block")]
    NoMatrix,
}

impl Variant {
    /// The words of a job, `4 * job_vec4s` of them. `version` is the number of the first lane's version, a multiple
    /// of the lanes; 0 for work whose version is not rolled.
    ///
    /// # Errors
    /// When the work is of another shape than the kernel's, or has too few versions for its lanes.
    pub fn job_words(&self, work: &Work, target: Target, version: u32) -> Result<Vec<u32>, UnsuitableWork> {
        (self.check)(work)?;
        let version_bits = work.version_mask().count_ones();
        // The mask has at most 24 bits, so the shift is of a small number.
        if !version.is_multiple_of(self.lanes)
            || u64::from(version) + u64::from(self.lanes) > 1 << version_bits
        {
            return Err(UnsuitableWork::Lanes { lanes: self.lanes, first: version, version_bits });
        }
        let mut words = (self.fill)(work, target, version)?;
        words.resize(4 * self.job_vec4s as usize, 0);
        Ok(words)
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .field("lanes", &self.lanes)
            .field("workgroup_size", &self.workgroup_size)
            .field("nonces_per_invocation", &self.nonces_per_invocation)
            .field("job_vec4s", &self.job_vec4s)
            .finish_non_exhaustive()
    }
}

/// All variants for the algorithm of this name, the best guess for an unknown device first and the plain-loop
/// reference last; empty when no GPU can mine it.
pub fn variants(algorithm: &str) -> Vec<Variant> {
    match algorithm {
        name if name == registry::SHA256D.name => sha256d::variants(),
        name if name == registry::KHEAVYHASH.name => kheavyhash::variants(),
        _ => Vec::new(),
    }
}
