//! From counters to batches of nonces, and from candidates to nonces that count.

use std::ops::Range;

use super::matrix::Matrix;
use super::reference::{self, Sponges};
use super::rounds::Start;
use crate::{Kernel, Target, Unavailable, Work};

/// Nonces that are given to a search at once: bounds the list of candidates where nearly every hash is one.
const MAX_PIECE: u64 = 1 << 14;

/// What is the same for all nonces of a job.
pub(super) struct Prepared {
    pub(super) start: Start,
    /// The top 64 bits of the target.
    pub(super) top: u64,
}

/// Hashes consecutive nonces with one set of instructions.
pub(super) trait Search: Default + Send + 'static {
    /// Nonces in one batch.
    const WIDTH: u64;

    /// Takes up the matrix of another job.
    fn load(&mut self, matrix: &Matrix);

    /// Hashes `batches * WIDTH` nonces from `first` on, by the matrix that was loaded, and pushes those whose hash has
    /// top 64 bits of at most [`Prepared::top`]. What comes after the last nonce is nonce 0.
    fn search(&self, job: &Prepared, first: u64, batches: u64, hits: &mut Vec<u64>);
}

/// A kernel around a search.
pub(super) struct Searcher<S> {
    search: S,
    sponges: Sponges,
    job: Option<Job>,
    hits: Vec<u64>,
}

struct Job {
    work: Work,
    target: Target,
    block: [u8; reference::BLOCK_BYTES],
    matrix: Matrix,
    prepared: Prepared,
}

impl<S: Search> Default for Searcher<S> {
    fn default() -> Self {
        Self { search: S::default(), sponges: Sponges::default(), job: None, hits: Vec::new() }
    }
}

impl<S: Search> Kernel for Searcher<S> {
    fn load(&mut self, work: &Work, target: Target) -> Result<(), Unavailable> {
        self.job = None;
        let block = reference::block(work)?;
        let [.., a, b, c, d, e, f, g, h] = target.to_le_bytes();
        let Sponges { first, second } = self.sponges;
        let prepared = Prepared {
            start: Start::new(first.load(&block), second.load(&[0; 32])),
            top: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        };
        let matrix = reference::matrix(&block)?;
        self.search.load(&matrix);
        self.job = Some(Job { work: work.clone(), target, block, matrix, prepared });
        Ok(())
    }

    fn scan(&mut self, counters: Range<u64>, found: &mut Vec<u64>) {
        let Some(job) = &mut self.job else { return };
        let end = counters.end.min(job.work.last_counter().saturating_add(1));
        let mut start = counters.start;
        while start < end {
            let nonces = (end - start).min(MAX_PIECE);
            let first = job.work.nonce(start);
            self.search.search(&job.prepared, first, nonces.div_ceil(S::WIDTH), &mut self.hits);
            // The last batch may reach beyond the piece.
            let in_piece = self.hits.drain(..).filter(|nonce| nonce.wrapping_sub(first) < nonces);
            found.extend(in_piece.filter(|nonce| job.counts(&self.sponges, *nonce)));
            start += nonces;
        }
    }

    fn granule(&self) -> u64 {
        S::WIDTH
    }
}

impl Job {
    fn counts(&self, sponges: &Sponges, nonce: u64) -> bool {
        let mut block = self.block;
        block[72..].copy_from_slice(&nonce.to_le_bytes());
        self.target.is_met_by(&sponges.kheavyhash(&self.matrix, &block))
    }
}
