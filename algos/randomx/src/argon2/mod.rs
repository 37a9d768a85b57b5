//! Fills a cache with Argon2d (specs 7.1): its memory is the result, nothing is drawn from it in the end.
//!
//! Blocks follow each other in one chain, so the time goes into the latency of one block: reading the block that
//! the first word of the one before points to, and computing. A kernel therefore computes the first word as early
//! as it can, and fetches what it points to while it computes the rest.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::fmt;

use blake2b_simd::{Params, State};

use crate::Config;

/// Bytes of a block.
const BLOCK_BYTES: usize = 1024;

/// A block as it lies in the memory: 128 little-endian words.
type Block = [u8; BLOCK_BYTES];

/// Every pass goes over the memory in so many slices.
const SLICES: usize = 4;

/// How blocks are computed. The result is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// For every processor.
    Portable,
    /// Four words at once.
    Avx2,
    /// Eight words at once.
    Avx512,
}

impl Kernel {
    /// All that this processor has, the fastest last.
    pub fn available() -> Vec<Self> {
        let all = [Self::Portable, Self::Avx2, Self::Avx512];
        all.into_iter().filter(|kernel| kernel.is_available()).collect()
    }

    /// The fastest that this processor has.
    pub fn best() -> Self {
        let fastest = [Self::Avx512, Self::Avx2].into_iter().find(|kernel| kernel.is_available());
        fastest.unwrap_or(Self::Portable)
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Self::Portable
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// Fills the memory of a cache for this key. A kernel that the processor does not have is replaced by the portable
/// one.
///
/// # Panics
/// When `memory` is not [`Config::cache_bytes`] long.
pub fn fill(config: &Config, key: &[u8], memory: &mut [u8], kernel: Kernel) {
    assert_eq!(memory.len(), config.cache_bytes(), "a cache of another size");
    let (blocks, _) = memory.as_chunks_mut::<BLOCK_BYTES>();
    let shape = Shape::new(blocks.len(), config.argon2_lanes as usize);
    let seed = seed(config, key);
    for lane in 0..shape.lanes {
        for index in 0..2 {
            let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
            let input = [&seed[..], &number(index), &number(lane)].concat();
            long_hash(&input, &mut blocks[lane * shape.lane_blocks + index]);
        }
    }
    let kernel = if kernel.is_available() { kernel } else { Kernel::Portable };
    for pass in 0..config.argon2_passes {
        for slice in 0..SLICES {
            for lane in 0..shape.lanes {
                let segment = Segment { shape, first_pass: pass == 0, slice, lane };
                match kernel {
                    Kernel::Portable => segment.fill(blocks, portable::compress),
                    #[cfg(target_arch = "x86_64")]
                    Kernel::Avx2 => segment.fill(blocks, avx2::compress),
                    #[cfg(target_arch = "x86_64")]
                    Kernel::Avx512 => segment.fill(blocks, avx512::compress),
                    #[cfg(not(target_arch = "x86_64"))]
                    _ => segment.fill(blocks, portable::compress),
                }
            }
        }
    }
}

/// What everything begins with: a hash of all parameters, with no output, secret and associated data.
fn seed(config: &Config, key: &[u8]) -> [u8; 64] {
    const VERSION: u32 = 0x13;
    const ARGON2D: u32 = 0;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let numbers = [config.argon2_lanes, 0, config.argon2_memory_kib, config.argon2_passes, VERSION, ARGON2D];
    let mut state = State::new();
    for number in numbers {
        state.update(&number.to_le_bytes());
    }
    for bytes in [key, config.argon2_salt, &[], &[]] {
        state.update(&length(bytes).to_le_bytes()).update(bytes);
    }
    *state.finalize().as_array()
}

/// Argon2's hash of variable length, for a block: half of each hash of 64 bytes, and all of the last.
fn long_hash(input: &[u8], out: &mut Block) {
    const LENGTH: u32 = 1024;
    let mut hash =
        *Params::new().to_state().update(&LENGTH.to_le_bytes()).update(input).finalize().as_array();
    let (body, last) = out.split_at_mut(BLOCK_BYTES - 64);
    for half in body.as_chunks_mut::<32>().0 {
        half.copy_from_slice(&hash[..32]);
        hash = *blake2b_simd::blake2b(&hash).as_array();
    }
    last.copy_from_slice(&hash);
}

/// How the memory is divided.
#[derive(Debug, Clone, Copy)]
struct Shape {
    lanes: usize,
    lane_blocks: usize,
    segment_blocks: usize,
}

impl Shape {
    fn new(blocks: usize, lanes: usize) -> Self {
        let segment_blocks = blocks / (SLICES * lanes);
        Self { lanes, lane_blocks: SLICES * segment_blocks, segment_blocks }
    }
}

/// Part of one lane that is filled in one go.
#[derive(Debug, Clone, Copy)]
struct Segment {
    shape: Shape,
    first_pass: bool,
    slice: usize,
    lane: usize,
}

/// One block to be computed.
struct Step<'a> {
    blocks: &'a mut [Block],
    /// Number of the block before this one.
    previous: usize,
    /// Number of the block that the one before points to.
    reference: usize,
    /// Number of this block.
    current: usize,
    /// Whether what the block held is added to the result, as it is in every pass but the first.
    adds: bool,
    /// The segment and, inside it, the number of the next block, to find out early what this block points to.
    next: (Segment, usize),
}

impl Segment {
    fn fill(&self, blocks: &mut [Block], compress: impl Fn(Step<'_>) -> usize) {
        let shape = &self.shape;
        let start = self.lane * shape.lane_blocks + self.slice * shape.segment_blocks;
        // The first two blocks of a lane are given.
        let first = if self.first_pass && self.slice == 0 { 2 } else { 0 };
        let before = |current| {
            if current == self.lane * shape.lane_blocks {
                current + shape.lane_blocks - 1
            } else {
                current - 1
            }
        };
        let mut previous = before(start + first);
        let mut reference = self.reference(first, first_word(&blocks[previous]));
        for index in first..shape.segment_blocks {
            let current = start + index;
            let next = (*self, index + 1);
            reference = compress(Step { blocks, previous, reference, current, adds: !self.first_pass, next });
            previous = current;
        }
    }

    /// Number of the block that the first word of the block before the `index`th of this segment points to. Behind
    /// the end of the segment it is some block.
    #[inline(always)]
    fn reference(&self, index: usize, word: u64) -> usize {
        let shape = &self.shape;
        let first_slice = self.first_pass && self.slice == 0;
        // One lane is so much the usual case that its division is spared.
        let lane =
            if first_slice || shape.lanes == 1 { self.lane } else { (word >> 32) as usize % shape.lanes };
        // Whole slices to choose from, and where they begin.
        let (slices, begin) = if self.first_pass {
            (self.slice, 0)
        } else {
            (SLICES - 1, (self.slice + 1) % SLICES * shape.segment_blocks)
        };
        let whole = slices * shape.segment_blocks;
        let area = if lane == self.lane { whole + index - 1 } else { whole - usize::from(index == 0) };
        let low = word & 0xffff_ffff;
        let area = area as u64;
        let back = (area * ((low * low) >> 32)) >> 32;
        // Not more than `area`, which is a number of blocks.
        #[allow(clippy::cast_possible_truncation)]
        let position = begin + (area - 1 - back) as usize;
        let wrapped = if position >= shape.lane_blocks { position - shape.lane_blocks } else { position };
        lane * shape.lane_blocks + wrapped
    }
}

impl Step<'_> {
    /// Number of the block that `word`, the first of this block, points to.
    #[inline(always)]
    fn points_to(&self, word: u64) -> usize {
        self.next.0.reference(self.next.1, word)
    }
}

fn first_word(block: &Block) -> u64 {
    block.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
