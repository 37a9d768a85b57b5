//! How many hashes a thread computes at once: chosen by a measurement on the threads that mine, in their first seconds,
//! and remembered for this processor.
//!
//! All threads try the same number at the same time, because they share caches and memory. Nothing is lost by it: the
//! hashes of the trial are hashes of the work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rminer_algos::Variant;
use rminer_algos::randomx::MAX_LANES;
use rminer_algos::randomx::tuner::Tuner;

use super::remembered::{Entry, Rate, Remembered};

/// Time of hashing that each thread gives to one measurement.
const MEASURE: Duration = Duration::from_millis(800);

/// Slices that begin so soon after a change do not count: other threads may still be at what was tried before.
const SETTLE: Duration = Duration::from_millis(300);

/// Slices while something is tried, so that all threads change soon.
pub(super) const SLICE: Duration = Duration::from_millis(150);

/// The choice for all threads of this process.
pub(crate) struct Tuning {
    threads: u32,
    remembered: Remembered,
    /// One for each variant.
    choices: [Choice; 2],
}

/// The choice for one variant.
struct Choice {
    /// What machines should have now.
    lanes: AtomicUsize,
    /// None once it is decided, or where there is nothing to decide.
    trial: Mutex<Option<Trial>>,
}

struct Trial {
    tuner: Tuner<usize>,
    /// When the candidate at hand was taken; none before the first slice.
    since: Option<Instant>,
    hashes: u64,
    busy: Duration,
}

/// What a thread did in one slice.
pub(super) struct Slice {
    pub(super) variant: Variant,
    pub(super) lanes: usize,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) hashes: u64,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decided {
    pub(super) lanes: usize,
    /// Every number that was tried, and its rate.
    pub(super) rates: Vec<Rate>,
}

/// What may be chosen from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    /// What a machine has when nothing is known.
    pub(super) default: usize,
    /// The most that the engine can.
    pub(super) most: usize,
    /// What the user wants.
    pub(super) wanted: Option<usize>,
    /// Measure again, whatever is remembered.
    pub(super) anew: bool,
}

impl Tuning {
    pub(super) fn new(offer: Offer, threads: usize, remembered: Remembered) -> Self {
        let most = offer.most.clamp(1, MAX_LANES);
        let default = offer.default.clamp(1, most);
        let choice = |variant| {
            let known = || {
                remembered.recall(variant).map(|entry| entry.lanes).filter(|lanes| (1..=most).contains(lanes))
            };
            let settled = match offer.wanted {
                Some(lanes) => Some(lanes.clamp(1, most)),
                None if most == 1 => Some(1),
                None if offer.anew => None,
                None => known(),
            };
            let others: Vec<usize> = (1..=most).filter(|lanes| *lanes != default).collect();
            let trial = || Trial {
                tuner: Tuner::new(default, &others),
                since: None,
                hashes: 0,
                busy: Duration::ZERO,
            };
            Choice {
                lanes: AtomicUsize::new(settled.unwrap_or(default)),
                trial: Mutex::new(settled.is_none().then(trial)),
            }
        };
        let choices = [choice(Variant::V1), choice(Variant::V2)];
        Self { threads: u32::try_from(threads).unwrap_or(u32::MAX).max(1), remembered, choices }
    }

    /// Lanes that a machine for this variant should have now.
    pub(super) fn lanes(&self, variant: Variant) -> usize {
        self.of(variant).lanes.load(Ordering::Relaxed)
    }

    /// Whether something is still tried for this variant.
    pub(crate) fn is_trying(&self, variant: Variant) -> bool {
        self.of(variant).trial.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What is remembered of an earlier measurement.
    pub(super) fn remembered(&self, variant: Variant) -> Option<Entry> {
        self.remembered.recall(variant)
    }

    /// Takes what a thread did; what was decided, when this decided it.
    pub(super) fn add(&self, slice: &Slice) -> Option<Decided> {
        let choice = self.of(slice.variant);
        let mut guard = choice.trial.lock().unwrap_or_else(PoisonError::into_inner);
        let trial = guard.as_mut()?;
        let since = *trial.since.get_or_insert(slice.begun);
        if trial.tuner.next() != Some(slice.lanes) || slice.begun < since + SETTLE {
            return None;
        }
        trial.hashes += slice.hashes;
        trial.busy += slice.ended.saturating_duration_since(slice.begun);
        if trial.busy < MEASURE * self.threads {
            return None;
        }
        let rate_hs = trial.hashes as f64 / trial.busy.as_secs_f64() * f64::from(self.threads);
        trial.tuner.add(rate_hs);
        (trial.since, trial.hashes, trial.busy) = (Some(slice.ended), 0, Duration::ZERO);
        if let Some(lanes) = trial.tuner.next() {
            choice.lanes.store(lanes, Ordering::Relaxed);
            return None;
        }
        let lanes = trial.tuner.best();
        choice.lanes.store(lanes, Ordering::Relaxed);
        let rates =
            trial.tuner.measured().filter_map(|(lanes, rate_hs)| Some(Rate { lanes, rate_hs: rate_hs? }));
        let decided = Decided { lanes, rates: rates.collect() };
        *guard = None;
        self.remembered.remember(slice.variant, &decided);
        Some(decided)
    }

    fn of(&self, variant: Variant) -> &Choice {
        match variant {
            Variant::V1 => &self.choices[0],
            Variant::V2 => &self.choices[1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: Offer = Offer { default: 1, most: 3, wanted: None, anew: false };

    /// Two threads that hash at `rate` hashes per second and lanes each, on a clock that is counted. What was decided, and
    /// after how long.
    fn run(tuning: &Tuning, rate: impl Fn(usize) -> f64) -> Option<(Decided, Duration)> {
        let start = Instant::now();
        let mut now = start;
        for _ in 0..1000 {
            for _thread in 0..2 {
                let lanes = tuning.lanes(Variant::V1);
                #[allow(clippy::cast_possible_truncation, reason = "some hundreds")]
                let hashes = (rate(lanes) * SLICE.as_secs_f64()).round() as u64;
                let slice = Slice { variant: Variant::V1, lanes, begun: now, ended: now + SLICE, hashes };
                if let Some(decided) = tuning.add(&slice) {
                    return Some((decided, now + SLICE - start));
                }
            }
            now += SLICE;
        }
        None
    }

    #[test]
    fn the_fastest_is_chosen_and_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let memory = |threads| Remembered::new(Some(folder.path()), "Model", "native", threads);
        let tuning = Tuning::new(OFFER, 2, memory(2));
        assert!(tuning.is_trying(Variant::V1));
        let (decided, took) = run(&tuning, |lanes| [0.0, 3000.0, 4000.0, 3500.0][lanes]).unwrap();
        assert_eq!((decided.lanes, tuning.lanes(Variant::V1)), (2, 2));
        assert_eq!(decided.rates.iter().map(|rate| rate.lanes).collect::<Vec<_>>(), [1, 2, 3]);
        assert!((decided.rates[1].rate_hs / 8000.0 - 1.0).abs() < 0.01, "of both threads: {decided:?}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(!tuning.is_trying(Variant::V1));
        assert!(run(&tuning, |_| 1.0).is_none(), "it is decided once");

        let next = Tuning::new(OFFER, 2, memory(2));
        assert_eq!((next.lanes(Variant::V1), next.is_trying(Variant::V1)), (2, false));
        assert!(next.is_trying(Variant::V2), "the other version is another matter");
        assert!(Tuning::new(OFFER, 3, memory(3)).is_trying(Variant::V1), "and so are more threads");
        assert!(Tuning::new(Offer { anew: true, ..OFFER }, 2, memory(2)).is_trying(Variant::V1));
        let older = Tuning::new(Offer { most: 1, ..OFFER }, 2, memory(2));
        assert_eq!(older.lanes(Variant::V1), 1, "never more than there are");
    }

    #[test]
    fn what_the_user_wants_is_not_tried() {
        for (wanted, most, lanes) in [(1, 3, 1), (3, 3, 3), (3, 1, 1), (0, 3, 1), (9, 3, 3)] {
            let offer = Offer { wanted: Some(wanted), most, ..OFFER };
            let tuning = Tuning::new(offer, 2, Remembered::new(None, "", "", 2));
            assert_eq!((tuning.lanes(Variant::V1), tuning.is_trying(Variant::V1)), (lanes, false));
        }
        let nothing = Tuning::new(Offer { most: 1, ..OFFER }, 2, Remembered::new(None, "", "", 2));
        assert!(!nothing.is_trying(Variant::V1), "one is no choice");
    }

    #[test]
    fn slices_of_what_was_tried_before_do_not_count() {
        let tuning = Tuning::new(OFFER, 1, Remembered::new(None, "", "", 1));
        let begun = Instant::now();
        for number in 0..100u32 {
            // A thread that never changes over: as fast as it is, it decides nothing.
            let begun = begun + SETTLE + SLICE * number;
            let slice =
                Slice { variant: Variant::V1, lanes: 3, begun, ended: begun + SLICE, hashes: 1 << 30 };
            assert_eq!(tuning.add(&slice), None);
        }
        assert_eq!((tuning.lanes(Variant::V1), tuning.is_trying(Variant::V1)), (1, true));
    }
}
