//! kHeavyHash: the readable kernel, and the generated ones in their shapes.
//!
//! A hash is one permutation, a product with the block's matrix, and another permutation. The device compares the top
//! 32 bits of the last lane with the target's: what they let through the host hashes again.

mod lanes;
mod permutation;
mod product;
mod text;

use std::sync::Arc;

use rminer_algos::kheavyhash::{BLOCK_BYTES, Matrix, NONCE, Sponge};
use rminer_algos::{Target, Work, registry};

use self::lanes::LaneWord;
pub use self::permutation::{Rounds, Theta};
pub use self::product::{Product, Rows};
use self::text::Kernel;
use super::{Fill, UnsuitableWork, Variant};
use crate::generator::{Frame, Language, OperationCounts, split};

/// Name of the readable kernel that all others must equal.
const REFERENCE: &str = "reference";
/// Invocations of a workgroup, if the shape does not say.
const WORKGROUP_SIZE: u32 = 128;

/// What a lane of 64 bits is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// One value. The device must have 64-bit integers.
    Wide,
    /// Two words.
    Pairs,
}

/// What makes one generated kernel differ from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How lanes are held.
    pub width: Width,
    /// How many rounds stand in the text.
    pub rounds: Rounds,
    /// How theta is spelled.
    pub theta: Theta,
    /// How the product is computed.
    pub product: Product,
    /// How much of the product stands in the text.
    pub rows: Rows,
    /// Invocations of a workgroup.
    pub workgroup_size: u32,
    /// Nonces that one invocation takes.
    pub nonces_per_invocation: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            width: Width::Wide,
            rounds: Rounds::Looped(4),
            theta: Theta::Three,
            product: Product::Dots,
            rows: Rows::Eight,
            workgroup_size: WORKGROUP_SIZE,
            nonces_per_invocation: 1,
        }
    }
}

pub(super) fn variants() -> Vec<Variant> {
    let shape = Shape::default();
    let pairs = Shape { width: Width::Pairs, ..shape };
    let shapes = [
        shape,
        pairs,
        Shape { theta: Theta::Two, ..pairs },
        Shape { product: Product::RowPairs, rows: Rows::Two, ..pairs },
        Shape { rounds: Rounds::Looped(1), ..pairs },
        Shape { rounds: Rounds::Unrolled, ..pairs },
        Shape { rounds: Rounds::Unrolled, ..shape },
        Shape { rounds: Rounds::Looped(1), rows: Rows::Two, ..pairs },
        Shape { product: Product::RowPairs, rows: Rows::Two, ..shape },
    ];
    shapes.into_iter().map(Shape::variant).chain([reference()]).collect()
}

impl Shape {
    /// Width and rounds of a turn, and all other parts that differ from the default, joined by hyphens: `p-r4-t2-rows2`
    /// has lanes of two words, four rounds at each turn of the loop, theta in two steps and two rows at each turn.
    pub fn name(&self) -> String {
        let mut name = match self.width {
            Width::Wide => "w".to_owned(),
            Width::Pairs => "p".to_owned(),
        };
        match self.rounds {
            Rounds::Unrolled => name += "-rall",
            Rounds::Looped(each) => name += &format!("-r{each}"),
        }
        if self.theta == Theta::Two {
            name += "-t2";
        }
        if self.product == Product::RowPairs {
            name += "-mul";
        }
        name += match self.rows {
            Rows::Two => "-rows2",
            Rows::Eight => "",
            Rows::All => "-rows64",
        };
        if self.workgroup_size != WORKGROUP_SIZE {
            name += &format!("-w{}", self.workgroup_size);
        }
        if self.nonces_per_invocation != 1 {
            name += &format!("-n{}", self.nonces_per_invocation);
        }
        name
    }

    /// The kernel in WGSL.
    pub fn variant(self) -> Variant {
        match self.width {
            Width::Wide => self.variant_of(self.kernel::<u64>()),
            Width::Pairs => self.variant_of(self.kernel::<u32>()),
        }
    }

    /// The same kernel in CUDA C; the job's words are the variant's.
    pub fn cuda(&self) -> String {
        match self.width {
            Width::Wide => self.kernel::<u64>().text(Language::Cuda, self.frame()),
            Width::Pairs => self.kernel::<u32>().text(Language::Cuda, self.frame()),
        }
    }

    /// Operations of both permutations for one nonce.
    pub fn operation_counts(&self) -> OperationCounts {
        fn both<W: LaneWord>(kernel: &Kernel<W>) -> OperationCounts {
            kernel.first.operation_counts() + kernel.second.operation_counts()
        }
        match self.width {
            Width::Wide => both(&self.kernel::<u64>()),
            Width::Pairs => both(&self.kernel::<u32>()),
        }
    }

    fn variant_of<W: LaneWord>(self, kernel: Kernel<W>) -> Variant {
        let text = kernel.text(Language::Wgsl, self.frame());
        // Groups are some hundreds: the matrix and a few more.
        let job_vec4s = u32::try_from(kernel.job_vec4s()).unwrap_or(u32::MAX);
        let fill = move |work: &Work, target: Target| {
            let matrix = self.product.words(&matrix(work)?);
            let evaluator = permutation::first_job::<W>(&start(work), self.theta);
            Ok(kernel.job_words(kernel.first.head.job_words(&evaluator), target_top(target), matrix))
        };
        Variant {
            name: self.name(),
            algorithm: registry::KHEAVYHASH.name,
            lanes: 1,
            workgroup_size: self.workgroup_size,
            nonces_per_invocation: self.nonces_per_invocation,
            job_vec4s,
            generated: true,
            needs_int64: self.width == Width::Wide,
            text,
            check,
            fill: without_versions(fill),
        }
    }

    fn kernel<W: LaneWord>(&self) -> Kernel<W> {
        // The first program's form is that of any block.
        let first =
            permutation::first(&Sponge::proof_of_work().load(&[0; BLOCK_BYTES]), self.rounds, self.theta);
        let second = permutation::second(&Sponge::heavy().load(&[0; 32]), self.rounds, self.theta);
        Kernel { first, second, product: self.product, rows: self.rows }
    }

    fn frame(&self) -> Frame {
        Frame { workgroup_size: self.workgroup_size, nonces_per_invocation: self.nonces_per_invocation }
    }
}

/// Blocks of 80 bytes whose last eight are the nonce.
fn check(work: &Work) -> Result<(), UnsuitableWork> {
    let (bytes, nonce) = (work.blob().len(), work.nonce_field());
    if bytes == BLOCK_BYTES && (nonce.offset, nonce.len) == (NONCE.offset, NONCE.len) {
        return Ok(());
    }
    Err(UnsuitableWork::Layout {
        algorithm: registry::KHEAVYHASH.name,
        wanted: "80 bytes with a nonce of 8 at 72",
        bytes,
        nonce_bytes: nonce.len,
        offset: nonce.offset,
    })
}

fn reference() -> Variant {
    let fill = |work: &Work, target: Target| {
        let mut words = Vec::with_capacity(4 * 283);
        for state in [start(work), Sponge::heavy().load(&[0; 32])] {
            words.extend(state.iter().flat_map(|lane| split(*lane)).chain([0, 0]));
        }
        words.extend([target_top(target), 0, 0, 0]);
        for row in matrix(work)?.rows() {
            words.extend(
                row.chunks_exact(4)
                    .map(|row| row.iter().rev().fold(0, |word, number| word << 8 | u32::from(*number))),
            );
        }
        Ok(words)
    };
    Variant {
        name: REFERENCE.to_owned(),
        algorithm: registry::KHEAVYHASH.name,
        lanes: 1,
        workgroup_size: 64,
        nonces_per_invocation: 1,
        job_vec4s: 13 + 13 + 1 + 256,
        generated: false,
        needs_int64: false,
        text: include_str!("../../../wgsl/kheavyhash.wgsl").to_owned(),
        check,
        fill: without_versions(fill),
    }
}

/// Versions are rolled in no work of this algorithm, so there is one lane and its number is 0.
fn without_versions(
    fill: impl Fn(&Work, Target) -> Result<Vec<u32>, UnsuitableWork> + Send + Sync + 'static,
) -> Fill {
    Arc::new(move |work, target, _version| fill(work, target))
}

/// State before the first permutation with a nonce of zero; [`check`] saw that the blob is one block.
fn start(work: &Work) -> [u64; permutation::LANES] {
    Sponge::proof_of_work().load(work.blob())
}

fn matrix(work: &Work) -> Result<Matrix, UnsuitableWork> {
    let hash = work.blob().first_chunk::<32>();
    hash.and_then(Matrix::new).ok_or(UnsuitableWork::NoMatrix)
}

/// The top 32 bits of the target: no hash that meets it has more there.
fn target_top(target: Target) -> u32 {
    let bytes = target.to_le_bytes();
    u32::from_le_bytes([bytes[28], bytes[29], bytes[30], bytes[31]])
}
