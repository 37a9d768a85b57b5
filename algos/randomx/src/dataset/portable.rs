//! Items on any processor.

use super::{Item, ItemKernel};
use crate::cache::items;
use crate::superscalar::Program;

/// Items that are made together.
const LANES: usize = 16;

/// Interprets the programs, some items at once.
#[derive(Debug)]
pub(super) struct Portable {
    programs: Box<[Program]>,
}

impl Portable {
    pub(super) fn new(programs: &[Program]) -> Self {
        Self { programs: programs.into() }
    }
}

impl ItemKernel for Portable {
    fn fill(&self, cache: &[u8], first_item: u64, out: &mut [Item]) {
        for (first, out) in (first_item..).step_by(LANES).zip(out.chunks_mut(LANES)) {
            let indices: [u64; LANES] = std::array::from_fn(|lane| first.wrapping_add(lane as u64));
            items(&self.programs, cache, indices, out);
        }
    }

    fn items(&self, cache: &[u8], indices: &[u64], out: &mut [Item]) {
        for (some, out) in indices.chunks(LANES).zip(out.chunks_mut(LANES)) {
            let indices: [u64; LANES] = std::array::from_fn(|lane| some.get(lane).copied().unwrap_or(0));
            let reached = out.len().min(some.len());
            items(&self.programs, cache, indices, &mut out[..reached]);
        }
    }
}
