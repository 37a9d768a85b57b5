//! A kernel in use: its slots, its pace, and the words of its jobs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rminer_algos::{Target, Work};

use super::IN_FLIGHT;
use crate::Variant;
use crate::abi::{self, Results};
use crate::card::{Card, Program};
use crate::fault::Fault;
use crate::part::{Part, room};
use crate::ring::{Dispatch, JobWords, Ring};
use crate::steer::Steer;

/// Lanes at most, so passes at most.
const MAX_PASSES: usize = 4;
/// Half of the candidates that there is room for.
const HALF_FULL: u32 = 31;
/// Versions whose words are kept: those of the passes of two slices.
const MAX_WORDS: usize = 2 * MAX_PASSES;

pub(crate) struct Engine {
    pub(crate) variant: Arc<Variant>,
    pub(crate) ring: Ring,
    pub(crate) steer: Steer,
}

/// Work in a form that slices are made of.
pub(crate) struct Loaded {
    engine: usize,
    work: Arc<Work>,
    target: Target,
    words: VecDeque<(u32, Arc<JobWords>)>,
}

impl Loaded {
    pub(crate) fn new(engine: usize, work: Arc<Work>, target: Target) -> Self {
        Self { engine, work, target, words: VecDeque::with_capacity(MAX_WORDS) }
    }

    /// Number of the engine that it is for.
    pub(crate) fn engine(&self) -> usize {
        self.engine
    }

    pub(crate) fn work(&self) -> &Arc<Work> {
        &self.work
    }

    pub(crate) fn target(&self) -> Target {
        self.target
    }
}

impl Engine {
    pub(crate) fn new(
        card: &Card,
        variant: Arc<Variant>,
        program: Program,
        slice: Duration,
    ) -> Result<Self, Fault> {
        let passes = MAX_PASSES / variant.lanes.clamp(1, 4) as usize;
        // One more for searching again what found too much.
        let ring = Ring::new(card, program, passes * IN_FLIGHT + 1)?;
        Ok(Self { variant, ring, steer: Steer::new(slice) })
    }

    pub(crate) fn lanes(&self) -> u32 {
        self.variant.lanes
    }

    /// Hashes that the next slice of a job should have: what its time allows, what its results have room for, and
    /// no invocation idle.
    pub(crate) fn slice_hashes(&self, job: &Loaded) -> u64 {
        let lane_bits = job.work.lane_bits();
        let versions_a_dispatch = self.lanes().trailing_zeros();
        let by_room = room(job.target) >> versions_a_dispatch << lane_bits;
        let hashes = self.steer.hashes().min(by_room).max(1);
        let whole = u64::from(self.ring.group()) << lane_bits;
        if hashes >= whole { hashes - hashes % whole } else { hashes }
    }

    /// The dispatches of a part, one for each group of lanes.
    pub(crate) fn dispatches(
        &self,
        job: &mut Loaded,
        made: &mut u64,
        part: &Part,
    ) -> Result<Vec<Dispatch>, Fault> {
        let passes = Part::passes(&job.work, self.lanes());
        let passes = passes.ok_or_else(|| Fault::Refused("a kernel with more lanes than versions".into()))?;
        (0..passes)
            .map(|pass| {
                let words = self.job_words(job, made, part.version(pass, self.lanes()))?;
                Ok(Dispatch { first_nonce: part.first_nonce(), nonces: part.nonces, job: words })
            })
            .collect()
    }

    /// The words of a version, from before where possible. `made` numbers them.
    pub(crate) fn job_words(
        &self,
        job: &mut Loaded,
        made: &mut u64,
        version: u32,
    ) -> Result<Arc<JobWords>, Fault> {
        if let Some((_, words)) = job.words.iter().find(|(known, _)| *known == version) {
            return Ok(Arc::clone(words));
        }
        let words = self.variant.job_words(&job.work, job.target, version);
        let words = words.map_err(|error| Fault::Refused(error.to_string()))?;
        *made += 1;
        let words = Arc::new(JobWords { number: *made, words });
        if job.words.len() == MAX_WORDS {
            job.words.pop_front();
        }
        job.words.push_back((version, Arc::clone(&words)));
        Ok(words)
    }

    /// Counters of the candidates of a part, and how many dispatches had found too many for their results and
    /// were searched again.
    pub(crate) fn hits(
        &mut self,
        card: &Card,
        target: Target,
        part: &Part,
        dispatches: &[Dispatch],
        results: &[Results],
    ) -> Result<(Vec<u64>, u64), Fault> {
        let (mut counters, mut overflows) = (Vec::new(), 0);
        for ((pass, dispatch), results) in (0..).zip(dispatches).zip(results) {
            let offsets = if results.overflowed() {
                overflows += 1;
                self.search_again(card, target, dispatch, results)?
            } else {
                results.hits().to_vec()
            };
            for offset in offsets {
                let counter = part.counter(offset, pass, self.lanes());
                let counter = counter.ok_or_else(|| self.wrong("claims a nonce that it was not given"))?;
                counters.extend(counter);
            }
        }
        Ok((counters, overflows))
    }

    /// Searches a dispatch in pieces that have room for what they find.
    fn search_again(
        &mut self,
        card: &Card,
        target: Target,
        dispatch: &Dispatch,
        results: &Results,
    ) -> Result<Vec<u32>, Fault> {
        self.check_count(target, dispatch, results)?;
        let lanes = self.lanes();
        let mut offsets = Vec::new();
        // Pieces as (nonces before it, its nonces); each is halved or done, so their number is bounded.
        let mut waiting = halves(0, dispatch.nonces, results.count());
        while let Some((before, nonces)) = waiting.pop() {
            let first_nonce = dispatch.first_nonce.wrapping_add(u64::from(before));
            let piece = Dispatch { first_nonce, nonces, job: Arc::clone(&dispatch.job) };
            let flight = self.ring.submit(card, std::slice::from_ref(&piece))?;
            let landed = self.ring.land(card, flight)?;
            let Some(found) = landed.results.first() else { continue };
            if !found.overflowed() {
                offsets.extend(found.hits().iter().map(|offset| offset.wrapping_add(before * lanes)));
                continue;
            }
            self.check_count(target, &piece, found)?;
            if nonces < 2 {
                return Err(self.wrong("claims more winners than it was given nonces"));
            }
            waiting.extend(halves(before, nonces, found.count()));
        }
        Ok(offsets)
    }

    /// A device that claims far more than is likely would be asked again and again for nothing.
    fn check_count(&self, target: Target, dispatch: &Dispatch, results: &Results) -> Result<(), Fault> {
        let hashes = u64::from(dispatch.nonces) * u64::from(self.lanes());
        // `room` hashes give 16 candidates.
        let expected = hashes.saturating_mul(16) / room(target).max(1);
        let most = expected.saturating_mul(2).saturating_add(abi::MAX_HITS as u64 + 64).min(hashes);
        if u64::from(results.count()) > most {
            let count = results.count();
            return Err(self.wrong(&format!("claims {count} winners where {expected} are likely")));
        }
        Ok(())
    }

    fn wrong(&self, text: &str) -> Fault {
        Fault::Wrong(format!("kernel {} {text}", self.variant.name))
    }
}

/// Pieces that find about half of what there is room for, when the whole found `count`.
fn halves(before: u32, nonces: u32, count: u32) -> Vec<(u32, u32)> {
    let pieces = (count / HALF_FULL).clamp(2, 1 << 16);
    let size = nonces.div_ceil(pieces).max(1);
    (0..nonces.div_ceil(size)).map(|piece| (before + piece * size, size.min(nonces - piece * size))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_whole_and_are_smaller() {
        for (nonces, count) in [(1 << 18, 64), (1 << 18, 1 << 12), (100, 400), (2, 64), (65_537, u32::MAX)] {
            let pieces = halves(10, nonces, count);
            let mut next = 10;
            for (before, size) in pieces {
                assert_eq!(before, next);
                assert!(size > 0 && size < nonces);
                next += size;
            }
            assert_eq!(next, 10 + nonces);
        }
    }
}
