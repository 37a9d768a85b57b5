//! From counters to batches of nonces, and from candidates to nonces that count.

use std::ops::Range;

use super::prehash::{Head, Tail};
use super::reference::sha256d;
use crate::template::HEADER_BYTES;
use crate::{Hash, Kernel, NonceField, Target, Unavailable, Work};

/// Rows that are given to a search at once: bounds the list of candidates where nearly every hash is one.
const MAX_ROWS: u64 = 1 << 16;

/// A nonce whose hash may meet the target: its top 32 bits do not exceed those of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The header's nonce.
    pub(super) nonce: u32,
    /// Index of the version's head.
    pub(super) lane: usize,
}

/// Hashes consecutive nonces of several versions with one set of instructions.
pub(super) trait Search: Default + Send + 'static {
    /// Nonces in one batch.
    const WIDTH: u32;

    /// Hashes `batches * WIDTH` nonces from `first` on with each of the heads, and pushes those whose hash has top
    /// 32 bits of at most `top`.
    fn search(
        &self,
        tail: &Tail,
        heads: &[Head],
        top: u32,
        first: u32,
        batches: u32,
        hits: &mut Vec<Candidate>,
    );
}

/// A kernel around a search.
#[derive(Default)]
pub(super) struct Searcher<S> {
    search: S,
    job: Option<Job>,
    hits: Vec<Candidate>,
}

struct Job {
    work: Work,
    target: Target,
    tail: Tail,
    /// Heads of the neighbouring versions that share the upper bits of their number, and those bits.
    heads: Vec<Head>,
    heads_of: u64,
}

/// A piece of a range: consecutive rows of some lanes, under the same upper version bits. A row is all lanes of one
/// nonce.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    first_row: u64,
    rows: u64,
    lanes: Range<usize>,
}

impl<S: Search> Kernel for Searcher<S> {
    fn load(&mut self, work: &Work, target: Target) -> Result<(), Unavailable> {
        self.job = None;
        let field = work.nonce_field();
        if work.blob().len() != HEADER_BYTES || (field.offset, field.len) != (76, 4) {
            let (bytes, NonceField { offset, len, .. }) = (work.blob().len(), field);
            return Err(Unavailable(format!(
                "a blob of {bytes} bytes with {len} bytes of nonce at {offset} is no Bitcoin header"
            )));
        }
        let tail = Tail::new(words_before_nonce(work.blob()));
        let mut job = Job { work: work.clone(), target, tail, heads: Vec::new(), heads_of: 0 };
        job.prepare(0);
        self.job = Some(job);
        Ok(())
    }

    fn scan(&mut self, counters: Range<u64>, found: &mut Vec<u64>) {
        let Some(job) = &mut self.job else { return };
        let end = counters.end.min(job.work.last_counter() + 1);
        let mut start = counters.start;
        while start < end {
            let piece = job.piece(start..end);
            start += job.search(&self.search, &piece, &mut self.hits);
            found.extend(self.hits.drain(..).filter_map(|hit| job.check(hit)));
        }
    }

    fn granule(&self) -> u64 {
        u64::from(S::WIDTH) << self.job.as_ref().map_or(0, |job| job.work.lane_bits())
    }
}

impl Job {
    /// The largest piece at the start of a range that is not empty.
    fn piece(&self, range: Range<u64>) -> Piece {
        let (lane_bits, free_bits) = (self.work.lane_bits(), u32::from(self.work.nonce_field().free_bits));
        let lanes = 1u64 << lane_bits;
        let first_row = range.start >> lane_bits;
        let first_lane = range.start % lanes;
        let whole_rows = (range.end - range.start) / lanes;
        if first_lane == 0 && whole_rows > 0 {
            let same_versions = (1 << free_bits) - first_row % (1 << free_bits);
            let rows = whole_rows.min(same_versions).min(MAX_ROWS);
            return Piece { first_row, rows, lanes: 0..1 << lane_bits };
        }
        let end_lane = lanes.min(first_lane + (range.end - range.start));
        // At most four.
        let [first_lane, end_lane] = [first_lane, end_lane].map(|lane| usize::try_from(lane).unwrap_or(0));
        Piece { first_row, rows: 1, lanes: first_lane..end_lane }
    }

    /// Collects the candidates of a piece; the number of its counters.
    fn search<S: Search>(&mut self, search: &S, piece: &Piece, hits: &mut Vec<Candidate>) -> u64 {
        let field = self.work.nonce_field();
        self.prepare(piece.first_row >> field.free_bits);
        let first = low_half(field.nonce(piece.first_row));
        // No more than MAX_ROWS.
        let rows = low_half(piece.rows);
        let heads = self.heads.get(piece.lanes.clone()).unwrap_or_default();
        search.search(&self.tail, heads, self.top(), first, rows.div_ceil(S::WIDTH), hits);
        // The last batch may reach beyond the piece.
        hits.retain(|hit| hit.nonce.wrapping_sub(first) < rows);
        for hit in hits {
            hit.lane += piece.lanes.start;
        }
        piece.rows * piece.lanes.len() as u64
    }

    /// Has the heads of all lanes under these upper version bits ready.
    fn prepare(&mut self, high: u64) {
        if self.heads_of == high && !self.heads.is_empty() {
            return;
        }
        self.heads_of = high;
        self.heads.clear();
        for lane in 0..1 << self.work.lane_bits() {
            let blob = self.work.blob_with(self.whole_nonce(0, lane));
            let mut first = [0; 64];
            first.copy_from_slice(&blob[..64]);
            self.heads.push(Head::new(&first, words_before_nonce(&blob)));
        }
    }

    /// The whole nonce of a candidate, if its hash does meet the target.
    fn check(&self, hit: Candidate) -> Option<u64> {
        let nonce = self.whole_nonce(hit.nonce, hit.lane);
        let hash = Hash(sha256d(&self.work.blob_with(nonce)));
        self.target.is_met_by(&hash).then_some(nonce)
    }

    fn whole_nonce(&self, nonce: u32, lane: usize) -> u64 {
        (self.heads_of << self.work.lane_bits() | lane as u64) << 32 | u64::from(nonce)
    }

    fn top(&self) -> u32 {
        let [.., a, b, c, d] = self.target.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// Words 16 to 18 of a header: end of the merkle root, time and bits.
fn words_before_nonce(header: &[u8]) -> [u32; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(header[64..76].chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    words
}

fn low_half(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
