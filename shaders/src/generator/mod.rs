//! A small partial evaluator that writes kernels.
//!
//! An algorithm is written once, as Rust code that calls an [`Evaluator`]. Its values are of three kinds: *literals*
//! of the algorithm, *job* values that are fixed while one job lasts, and *dynamic* ones that depend on the nonce.
//! What can be computed from the first two is computed on the host; only the rest becomes code. A [`Program`] keeps
//! what the results need, gives each job value that is left a slot in a uniform buffer, and is printed as
//! straight-line WGSL or CUDA C. For a new job the same evaluation runs again without writing code and yields the
//! words of those slots ([`Program::job_words`]).
//!
//! ```text
//!   algorithm ──Evaluator::for_program──▶ Program ──▶ WGSL (wgsl.rs), CUDA C (cuda.rs), counts of operations
//!       └───────Evaluator::for_job──────▶ values of the job ──Program::job_words──▶ words of the uniform buffer
//! ```

mod cuda;
mod evaluator;
mod expression;
mod program;
mod wgsl;

pub use self::cuda::cuda_text;
pub use self::evaluator::{Evaluator, Value};
pub use self::expression::{Rotate, Style, Sums};
pub use self::program::{OperationCounts, Program};
pub use self::wgsl::wgsl_text;

/// How the invocations of a kernel share the work; the program itself is the same for all frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Invocations of a workgroup (a block, in CUDA's words).
    pub workgroup_size: u32,
    /// Nonces that one invocation takes, one after the other.
    pub nonces_per_invocation: u32,
}
