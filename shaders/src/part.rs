//! Which nonces and versions the counters of a slice are, and back. Pure arithmetic; see [`Work`] for the order in
//! which counters run.

use std::ops::Range;

use rminer_algos::{Hash, Target, Work};

use crate::abi;

/// Candidates that a dispatch should find at most on average: far below the room for them, so that searching twice
/// stays rare.
const MAX_EXPECTED: u64 = 16;

/// A slice: counters whose nonces follow each other, under one group of neighbouring versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// What it covers. Its first and last nonces may be hashed under versions outside of it.
    pub(crate) counters: Range<u64>,
    /// Counter of nonce 0 and lane 0 of this group of versions.
    base: u64,
    /// First nonce, without fixed bits.
    start: u64,
    /// Number of nonces.
    pub(crate) nonces: u32,
    /// Number of the first lane's version.
    version: u32,
    lane_bits: u32,
    first_nonce: u64,
}

impl Part {
    /// The first part of `range`, of about `hashes` hashes.
    pub(crate) fn first(work: &Work, range: &Range<u64>, hashes: u64) -> Self {
        let lane_bits = work.lane_bits();
        let group_bits = u32::from(work.nonce_field().free_bits) + lane_bits;
        let base = range.start.checked_shr(group_bits).unwrap_or(0).checked_shl(group_bits).unwrap_or(0);
        let group_end =
            1u64.checked_shl(group_bits).and_then(|size| base.checked_add(size)).unwrap_or(u64::MAX);
        let start = (range.start - base) >> lane_bits;
        let most = (hashes >> lane_bits).clamp(1, u64::from(abi::MAX_NONCES));
        let aligned_end = base.saturating_add(start.saturating_add(most) << lane_bits);
        let end = range.end.min(group_end).min(aligned_end).max(range.start);
        let nonces = ((end - base).div_ceil(1 << lane_bits)).saturating_sub(start);
        // The version's number of whole nonce and counter agree in all bits above the lanes.
        let version = work.version_number(work.nonce(base));
        Self {
            counters: range.start..end,
            base,
            start,
            nonces: u32::try_from(nonces).unwrap_or(abi::MAX_NONCES),
            version,
            lane_bits,
            first_nonce: work.nonce_field().nonce(start),
        }
    }

    /// Dispatches that a kernel of so many lanes needs, or none when it has more lanes than the work has versions.
    pub(crate) fn passes(work: &Work, lanes: u32) -> Option<u32> {
        let versions = 1u32 << work.lane_bits();
        (lanes.is_power_of_two() && lanes <= versions).then(|| versions / lanes)
    }

    /// Number of the version that a pass begins with.
    pub(crate) fn version(&self, pass: u32, lanes: u32) -> u32 {
        self.version + pass * lanes
    }

    /// Nonce that the dispatches begin with, fixed bits included.
    pub(crate) fn first_nonce(&self) -> u64 {
        self.first_nonce
    }

    /// The counter of a candidate: `offset` is what the kernel reports, `nonce_index * lanes + lane`. `None` for
    /// one that the dispatch did not have, `Some(None)` for one that belongs to a neighbouring part.
    pub(crate) fn counter(&self, offset: u32, pass: u32, lanes: u32) -> Option<Option<u64>> {
        let (index, lane) = (offset / lanes, offset % lanes);
        if index >= self.nonces {
            return None;
        }
        let nonce = self.start + u64::from(index);
        let counter = self.base + (nonce << self.lane_bits) + u64::from(pass * lanes + lane);
        Some(self.counters.contains(&counter).then_some(counter))
    }
}

/// The test that a kernel does with the top of a hash: as many leading zeros as the target has. Hashes just above
/// the target pass it too.
pub(crate) fn is_candidate(hash: &Hash, target: Target) -> bool {
    top(&hash.0).leading_zeros() >= top(&target.to_le_bytes()).leading_zeros()
}

/// Hashes for which about [`MAX_EXPECTED`] candidates come.
pub(crate) fn room(target: Target) -> u64 {
    MAX_EXPECTED << top(&target.to_le_bytes()).leading_zeros()
}

fn top(bytes: &[u8; 32]) -> u32 {
    u32::from_le_bytes([bytes[28], bytes[29], bytes[30], bytes[31]])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rminer_algos::NonceField;

    use super::*;

    fn work(free_bits: u8, mask: u32) -> Work {
        let fixed = if free_bits < 32 { 0xAB00_0000 } else { 0 };
        let nonce = NonceField { offset: 76, len: 4, fixed, free_bits };
        Work::new(&[7; 80], nonce, None).unwrap().with_version_mask(mask).unwrap()
    }

    /// The whole nonces that the parts of a range hash, with those that fall outside of it marked.
    fn hashed(work: &Work, mut range: Range<u64>, hashes: u64, lanes: u32) -> Vec<(u64, Option<u64>)> {
        let mut all = Vec::new();
        while !range.is_empty() {
            let part = Part::first(work, &range, hashes);
            assert!(part.counters.start == range.start && part.counters.end > range.start);
            for pass in 0..Part::passes(work, lanes).unwrap() {
                for offset in 0..part.nonces * lanes {
                    let version = part.version(pass, lanes) + offset % lanes;
                    let nonce = part.first_nonce() + u64::from(offset / lanes);
                    let whole =
                        if work.version_mask() == 0 { nonce } else { nonce | u64::from(version) << 32 };
                    all.push((whole, part.counter(offset, pass, lanes).unwrap()));
                }
                assert_eq!(part.counter(part.nonces * lanes, pass, lanes), None);
            }
            range.start = part.counters.end;
        }
        all
    }

    proptest! {
        /// Every counter of a range is hashed once, as the work says, whatever the lanes and the slices.
        #[test]
        fn parts_cover_a_range_once(
            free_bits in 3..7u8,
            mask in prop::sample::select(vec![0u32, 0x100, 0x300, 0x1F00]),
            lane_bits in 0..3u32,
            from in 0..600u64,
            count in 1..200u64,
            hashes in 1..70u64,
        ) {
            let work = work(free_bits, mask);
            let lanes = 1 << lane_bits.min(work.lane_bits());
            let end = work.last_counter() + 1;
            let range = from % end..(from % end + count).min(end);
            let mut seen = BTreeSet::new();
            for (whole, counter) in hashed(&work, range.clone(), hashes, lanes) {
                if let Some(counter) = counter {
                    prop_assert_eq!(whole, work.nonce(counter));
                    prop_assert!(seen.insert(counter), "{} twice", counter);
                }
            }
            prop_assert!(seen.into_iter().eq(range));
        }
    }

    #[test]
    fn parts_end_at_the_end_of_nonces_and_of_dispatches() {
        let rolled = work(32, 0x1FFF_E000);
        let block = 1u64 << 34;
        let part = Part::first(&rolled, &(block - 5..block + 9), 1 << 20);
        assert_eq!((part.counters.clone(), part.nonces), (block - 5..block, 2));
        assert_eq!((part.first_nonce(), part.version(1, 2)), (u64::from(u32::MAX - 1), 2));
        let part = Part::first(&rolled, &(block..block + 9), 1 << 20);
        assert_eq!((part.first_nonce(), part.version(0, 4), part.nonces), (0, 4, 3));
        let part = Part::first(&rolled, &(0..1 << 40), u64::MAX);
        assert_eq!(part.nonces, abi::MAX_NONCES);
        let plain = work(32, 0);
        let part = Part::first(&plain, &((1 << 32) - 3..1 << 32), 1 << 20);
        assert_eq!((part.first_nonce(), part.nonces), (u64::from(u32::MAX - 2), 3));
        assert_eq!((Part::passes(&plain, 1), Part::passes(&plain, 2)), (Some(1), None));
        assert_eq!((Part::passes(&rolled, 1), Part::passes(&rolled, 4)), (Some(4), Some(1)));
    }

    /// Nonces of 64 bits, all free or some of them a pool's, run on across the step from one high word to the next.
    #[test]
    fn wide_nonces_step_over_the_low_word() {
        for (fixed, free_bits) in [(0, 64u8), (0xA5C3 << 48, 48)] {
            let field = NonceField { offset: 72, len: 8, fixed, free_bits };
            let work = Work::new(&[7; 80], field, None).unwrap();
            let first = (5 << 32) - 3;
            let part = Part::first(&work, &(first..first + 10), 1 << 20);
            assert_eq!((part.counters.clone(), part.nonces), (first..first + 10, 10));
            assert_eq!((part.first_nonce(), Part::passes(&work, 1)), (fixed | first, Some(1)));
            assert_eq!(part.counter(9, 0, 1), Some(Some(first + 9)));
            assert_eq!(work.nonce(first + 9), part.first_nonce() + 9);
            let last = work.last_counter();
            let part = Part::first(&work, &(last - 2..last), 1 << 20);
            assert_eq!(
                (part.counters, part.nonces, part.first_nonce),
                (last - 2..last, 2, fixed | (last - 2))
            );
        }
    }

    #[test]
    fn candidates_have_the_zeros_of_the_target() {
        let target = |top: u32| {
            let mut bytes = [0xFF; 32];
            bytes[28..].copy_from_slice(&top.to_le_bytes());
            Target::from_le_bytes(bytes).unwrap()
        };
        let hash = |top: u32| Hash(target(top).to_le_bytes());
        assert!(is_candidate(&hash(0x00FF_FFFF), target(0x0080_0000)), "near, and the host looks again");
        assert!(!is_candidate(&hash(0x0100_0000), target(0x00FF_FFFF)));
        assert_eq!((room(target(u32::MAX)), room(target(0))), (16, 16 << 32));
    }
}
