//! A small partial evaluator that writes kernels.
//!
//! An algorithm is written once, as Rust code that calls an [`Evaluator`] of 32-bit or of 64-bit values. They are of
//! three kinds: *literals* of the algorithm, *job* values that are fixed while one job lasts, and *dynamic* ones that
//! depend on the nonce. What can be computed from the first two is computed on the host; only the rest becomes code.
//! A [`Program`] keeps what the results need, gives each job value that is left a slot in a uniform buffer, and is
//! printed as straight-line WGSL or CUDA C. For a new job the same evaluation runs again without writing code and
//! yields the words of those slots ([`Program::job_words`]).
//!
//! ```text
//!   algorithm ──Evaluator::for_program──▶ Program ──▶ WGSL, CUDA C (straight.rs, or an algorithm's own frame),
//!       │                                             counts of operations
//!       └───────Evaluator::for_job──────▶ values of the job ──Program::job_words──▶ words of the uniform buffer
//! ```
//!
//! A kernel is one program, or several that an algorithm puts together with loops and buffers of its own: then the
//! inputs of each are what the text around it calls them.

mod cuda;
mod evaluator;
mod expression;
mod language;
mod program;
mod straight;
mod wgsl;
mod word;

pub use self::evaluator::{Evaluator, Value};
pub(crate) use self::expression::Printer;
pub use self::expression::{Rotate, Style, Sums};
pub use self::language::Language;
pub use self::program::{OperationCounts, Program};
pub use self::straight::straight_text;
pub use self::word::Word;
pub(crate) use self::word::split;

/// How the invocations of a kernel share the work; the program itself is the same for all frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Invocations of a workgroup (a block, in CUDA's words).
    pub workgroup_size: u32,
    /// Nonces that one invocation takes, one after the other.
    pub nonces_per_invocation: u32,
}

impl Frame {
    /// What stands before each line of what is done with a nonce.
    pub(crate) fn indent(&self) -> &'static str {
        if self.nonces_per_invocation == 1 { "    " } else { "        " }
    }
}

/// A whole kernel: `before` stands once in each invocation, `body` once for each nonce, behind the declaration of the
/// nonce's low word `nonce` and of its number in the dispatch, `index`.
pub(crate) fn module(language: Language, frame: Frame, job_words: usize, before: &str, body: &str) -> String {
    match language {
        Language::Wgsl => wgsl::module(frame, job_words, before, body),
        Language::Cuda => cuda::module(frame, job_words, before, body),
    }
}
