//! From the share rate to a difficulty.

use std::time::{Duration, Instant};

use crate::time::later;

/// Shares after which the difficulty is reviewed at once instead of at the end of the window.
const REVIEW_SHARES: u32 = 6;
/// Windows are this many times the wanted time between shares.
const WINDOW_INTERVALS: u32 = 4;

/// The difficulty of a session at its start and how it may move, in expected hashes for a share. A Bitcoin pool
/// says 1 for 2^32 of them ([`bitcoin::hashes`](crate::bitcoin::hashes)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DifficultyConfig {
    /// Where a session starts, unless the login text asks for another (`wallet+DIFF`).
    pub start: u64,
    /// The lowest that vardiff or a login may reach.
    pub min: u64,
    /// The highest that vardiff or a login may reach.
    pub max: u64,
    /// Wanted time between two shares of a session; `None` leaves the difficulty alone.
    pub share_interval: Option<Duration>,
}

impl Default for DifficultyConfig {
    fn default() -> Self {
        Self { start: 1000, min: 1, max: u64::MAX, share_interval: None }
    }
}

impl DifficultyConfig {
    /// A difficulty that never moves.
    pub fn fixed(difficulty: u64) -> Self {
        Self { start: difficulty, min: difficulty, max: difficulty, share_interval: None }
    }

    pub(crate) fn clamp(&self, difficulty: u64) -> u64 {
        difficulty.clamp(self.min.max(1), self.max.max(self.min).max(1))
    }
}

/// The moving difficulty of one session.
#[derive(Debug, Clone)]
pub(crate) struct Vardiff {
    config: DifficultyConfig,
    difficulty: u64,
    /// The login asked for this difficulty; it stays.
    pinned: bool,
    window_start: Instant,
    /// Sum of the difficulties of the shares in the window.
    hashes: u128,
    shares: u32,
}

impl Vardiff {
    pub(crate) fn new(config: DifficultyConfig, asked: Option<u64>, now: Instant) -> Self {
        Self {
            config,
            difficulty: config.clamp(asked.unwrap_or(config.start)),
            pinned: asked.is_some(),
            window_start: now,
            hashes: 0,
            shares: 0,
        }
    }

    pub(crate) fn difficulty(&self) -> u64 {
        self.difficulty
    }

    pub(crate) fn accepted(&mut self, difficulty: u64) {
        self.hashes = self.hashes.saturating_add(u128::from(difficulty));
        self.shares += 1;
    }

    /// Sets a difficulty from outside; the window starts anew.
    pub(crate) fn set(&mut self, difficulty: u64, now: Instant) {
        self.difficulty = difficulty.max(1);
        self.restart(now);
    }

    /// When [`Vardiff::review`] should be called at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let interval = self.config.share_interval.filter(|_| !self.pinned)?;
        Some(later(self.window_start, interval.saturating_mul(WINDOW_INTERVALS)))
    }

    /// The new difficulty, if the session should get another one.
    pub(crate) fn review(&mut self, now: Instant) -> Option<u64> {
        let interval = self.config.share_interval.filter(|_| !self.pinned)?;
        let elapsed = now.saturating_duration_since(self.window_start);
        if self.shares < REVIEW_SHARES && elapsed < interval.saturating_mul(WINDOW_INTERVALS) {
            return None;
        }
        // One step moves by a factor of four at most, so that luck cannot throw the difficulty far off.
        let wanted = self.hashes.saturating_mul(interval.as_millis().max(1)) / elapsed.as_millis().max(1);
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        let wanted = wanted.clamp((self.difficulty / 4).max(1), self.difficulty.saturating_mul(4));
        let wanted = self.config.clamp(wanted);
        self.restart(now);
        if wanted.abs_diff(self.difficulty) <= self.difficulty / 4 {
            return None;
        }
        self.difficulty = wanted;
        Some(wanted)
    }

    fn restart(&mut self, now: Instant) {
        self.window_start = now;
        self.hashes = 0;
        self.shares = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes, the difficulty stays within its bounds and moves by at most four times.
        #[test]
        fn vardiff_is_bounded(
            steps in proptest::collection::vec((0u64..100_000, 0u32..20), 0..50),
            min in 1u64..1000,
            span in 1u64..1_000_000,
        ) {
            let config = DifficultyConfig {
                start: min + span / 2,
                min,
                max: min + span,
                share_interval: Some(Duration::from_secs(5)),
            };
            let mut now = Instant::now();
            let mut vardiff = Vardiff::new(config, None, now);
            for (millis, shares) in steps {
                let before = vardiff.difficulty();
                (0..shares).for_each(|_| vardiff.accepted(before));
                now += Duration::from_millis(millis);
                let changed = vardiff.review(now);
                let after = vardiff.difficulty();
                prop_assert_eq!(changed.unwrap_or(before), after);
                prop_assert!((config.min..=config.max).contains(&after));
                prop_assert!(after <= before.saturating_mul(4) && after >= before / 4);
            }
        }
    }

    #[test]
    fn vardiff_finds_the_rate() {
        let config = DifficultyConfig {
            start: 1000,
            min: 1,
            max: u64::MAX,
            share_interval: Some(Duration::from_secs(5)),
        };
        let mut now = Instant::now();
        let mut vardiff = Vardiff::new(config, None, now);
        // A miner of 10,000 hashes a second without luck: one share in difficulty / 10 milliseconds.
        for _ in 0..200 {
            now += Duration::from_millis(vardiff.difficulty() / 10);
            vardiff.accepted(vardiff.difficulty());
            vardiff.review(now);
        }
        assert!((37_500..=62_500).contains(&vardiff.difficulty()), "{}", vardiff.difficulty());
        // The same miner disappears: the difficulty falls to the bottom, not below.
        for _ in 0..100 {
            now = vardiff.deadline().unwrap();
            vardiff.review(now);
        }
        assert_eq!(vardiff.difficulty(), 1);
    }

    #[test]
    fn asked_difficulty_stays() {
        let now = Instant::now();
        let config =
            DifficultyConfig { share_interval: Some(Duration::from_secs(1)), ..DifficultyConfig::default() };
        let mut vardiff = Vardiff::new(config, Some(77), now);
        (0..100).for_each(|_| vardiff.accepted(77));
        assert_eq!(vardiff.review(now + Duration::from_secs(100)), None);
        assert_eq!((vardiff.difficulty(), vardiff.deadline()), (77, None));
    }
}
