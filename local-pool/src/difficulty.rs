//! From a difficulty to the target on the wire, and the share rate back to a difficulty.

use std::time::{Duration, Instant};

use rminer_algos::encode_hex;

use crate::time::later;

/// Shares after which the difficulty is reviewed at once instead of at the end of the window.
const REVIEW_SHARES: u32 = 6;
/// Windows are this many times the wanted time between shares.
const WINDOW_INTERVALS: u32 = 4;

/// Width of the `target` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetWidth {
    /// 8 hex digits for difficulties up to `four_up_to`, 16 above.
    Auto {
        /// The highest difficulty that is sent in the compact form.
        four_up_to: u64,
    },
    /// Always 16 hex digits.
    Eight,
}

impl TargetWidth {
    /// The compact form wherever it can carry the difficulty at all: it is zero from 2^32 on.
    pub const FOUR: Self = Self::Auto { four_up_to: u32::MAX as u64 };
}

/// What a share must be below, as a number and as it is written in a job.
///
/// The two are made together because the compact form rounds: the pool must measure with what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireTarget {
    /// The top eight bytes of the hash, read little-endian, must be *less* than this.
    pub(crate) limit: u64,
    pub(crate) hex: String,
}

impl WireTarget {
    /// A difficulty of zero is taken as one.
    pub(crate) fn new(difficulty: u64, width: TargetWidth) -> Self {
        let difficulty = difficulty.max(1);
        let compact = match width {
            TargetWidth::Auto { four_up_to } if difficulty <= four_up_to => {
                u32::try_from(difficulty).ok().map(|difficulty| u32::MAX / difficulty)
            }
            _ => None,
        };
        match compact {
            // `compact` is at least one, since the difficulty fits 32 bits.
            Some(compact) => Self {
                limit: u64::MAX / u64::from(u32::MAX / compact),
                hex: encode_hex(&compact.to_le_bytes()),
            },
            None => {
                let limit = u64::MAX / difficulty;
                Self { limit, hex: encode_hex(&limit.to_le_bytes()) }
            }
        }
    }
}

/// The difficulty of a session at its start and how it may move.
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
    use rminer_algos::Target;

    /// Difficulty, compact form, 64-bit form: vectors recomputed by an independent script.
    #[test]
    fn wire_vectors() {
        for (difficulty, compact, wide) in [
            (200, "14ae4701", "ae47e17a14ae4701"),
            (1000, "37894100", "efa7c64b37894100"),
            (50_000, "8b4f0100", "8f368e588b4f0100"),
            (480_045, "f3220000", "780d7f02f3220000"),
        ] {
            assert_eq!(WireTarget::new(difficulty, TargetWidth::FOUR).hex, compact);
            assert_eq!(WireTarget::new(difficulty, TargetWidth::Eight).hex, wide);
        }
        // The compact form of five billion would be zero.
        assert_eq!(WireTarget::new(5_000_000_000, TargetWidth::FOUR).hex, "cefee6db00000000");
        let p2pool = TargetWidth::Auto { four_up_to: 4_000_000 };
        assert_eq!(WireTarget::new(4_000_000, p2pool).hex.len(), 8);
        assert_eq!(WireTarget::new(4_000_001, p2pool).hex.len(), 16);
        assert_eq!(WireTarget::new(0, TargetWidth::FOUR).hex, "ffffffff");
    }

    proptest! {
        /// The miner's reading of the text is the limit that the pool measures with.
        #[test]
        fn text_and_limit_agree(difficulty in any::<u64>(), four_up_to in any::<u64>()) {
            let target = WireTarget::new(difficulty, TargetWidth::Auto { four_up_to });
            let read = Target::from_monero_hex(&target.hex).unwrap();
            prop_assert_eq!(read, Target::from_monero_u64(target.limit).unwrap());
        }

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
