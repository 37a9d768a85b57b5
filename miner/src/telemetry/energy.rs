//! Energy since the start, from counters or summed up from power. Pure: readings and times in.

use std::time::{Duration, Instant};

use super::plausible::{plausible_counter, plausible_joules, plausible_watts};

/// Power that was measured longer ago than this says nothing about the time since.
const LONGEST_STEP: Duration = Duration::from_secs(10);
/// Two looks at a counter that are closer give no power: its ticks are too coarse.
const SHORTEST_STEP: Duration = Duration::from_millis(50);

/// What was read at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    /// A counter that only goes up, in joules.
    pub(super) counter_j: Option<f64>,
    /// Where the counter starts again at zero, in joules; `None` where it never does.
    pub(super) range_j: Option<f64>,
    /// Power as the driver tells it, in watts.
    pub(super) power_w: Option<f64>,
}

/// Sums up what one device uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Energy {
    total_j: f64,
    /// The counter, and when it was read.
    counter: Option<(Instant, f64)>,
    /// The power, and when it was read.
    power: Option<(Instant, f64)>,
}

impl Energy {
    /// Power in watts and energy since the first look in joules, as far as they are known.
    pub(super) fn update(&mut self, now: Instant, sample: Sample) -> (Option<f64>, Option<f64>) {
        let sample = Sample { counter_j: sample.counter_j.and_then(plausible_counter), ..sample };
        let told_w = sample.power_w.and_then(plausible_watts);
        let (mut added_j, mut derived_w) = (None, None);
        if let Some(counter_j) = sample.counter_j {
            if let Some((at, before_j)) = self.counter {
                let seconds = now.saturating_duration_since(at).as_secs_f64();
                added_j = step(before_j, counter_j, sample.range_j)
                    .and_then(|joules| plausible_joules(joules, seconds));
                if seconds >= SHORTEST_STEP.as_secs_f64() {
                    derived_w = added_j.and_then(|joules| plausible_watts(joules / seconds));
                }
            }
            self.counter = Some((now, counter_j));
        }
        if added_j.is_none()
            && let (Some((at, before_w)), Some(watts)) = (self.power, told_w)
        {
            let time = now.saturating_duration_since(at);
            if time <= LONGEST_STEP {
                added_j = Some((before_w + watts) / 2.0 * time.as_secs_f64());
                if sample.counter_j.is_none() {
                    // The counter's next step would count this time twice.
                    self.counter = None;
                }
            }
        }
        self.power = told_w.map(|watts| (now, watts));
        self.total_j += added_j.unwrap_or(0.0);
        let is_known = sample.counter_j.is_some() || told_w.is_some();
        (told_w.or(derived_w), is_known.then_some(self.total_j))
    }
}

/// How far a counter went. A counter without a known range that goes back was started anew, and nobody knows from where.
fn step(before_j: f64, now_j: f64, range_j: Option<f64>) -> Option<f64> {
    if now_j >= before_j {
        return Some(now_j - before_j);
    }
    range_j.filter(|range| before_j <= *range).map(|range| range - before_j + now_j)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RANGE_J: f64 = 262_143.328_850;

    fn counter(counter_j: f64) -> Sample {
        Sample { counter_j: Some(counter_j), range_j: Some(RANGE_J), power_w: None }
    }

    fn power(power_w: f64) -> Sample {
        Sample { power_w: Some(power_w), ..Sample::default() }
    }

    proptest! {
        /// Whatever a machine draws and wherever its counter began: the sum is what was used, to the counter's tick.
        #[test]
        fn a_counter_that_wraps_around_loses_nothing(
            start in 0.0..RANGE_J,
            steps in prop::collection::vec((0.0f64..2900.0, 60u64..60_000), 1..60),
        ) {
            let mut energy = Energy::default();
            let (mut now, mut used) = (Instant::now(), 0.0);
            energy.update(now, counter(start));
            for (watts, ms) in steps {
                let time = Duration::from_millis(ms);
                now += time;
                used += watts * time.as_secs_f64();
                let (power_w, energy_j) = energy.update(now, counter((start + used) % RANGE_J));
                prop_assert!((power_w.unwrap() - watts).abs() < 0.01, "{power_w:?} and not {watts}");
                prop_assert!((energy_j.unwrap() - used).abs() < 1e-3, "{energy_j:?} and not {used}");
            }
        }

        /// The sum of any power never shrinks, and lies between what the least and the most of it would use.
        #[test]
        fn the_sum_of_power_is_within_what_its_extremes_would_use(
            steps in prop::collection::vec((0.0f64..3000.0, 1u64..10_000), 2..60),
        ) {
            let mut energy = Energy::default();
            let (mut now, mut last) = (Instant::now(), 0.0);
            let (mut least, mut most, mut before): (f64, f64, Option<f64>) = (0.0, 0.0, None);
            for (watts, ms) in steps {
                let time = Duration::from_millis(ms);
                now += time;
                let (power_w, energy_j) = energy.update(now, power(watts));
                prop_assert_eq!(power_w, Some(watts));
                if let Some(before) = before {
                    least += before.min(watts) * time.as_secs_f64();
                    most += before.max(watts) * time.as_secs_f64();
                }
                before = Some(watts);
                let sum = energy_j.unwrap();
                prop_assert!(sum >= last && sum >= least - 1e-6 && sum <= most + 1e-6);
                last = sum;
            }
        }
    }

    #[test]
    fn a_counter_that_starts_anew_or_leaps_adds_nothing() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut energy = Energy::default();
        let sample = |counter_j| Sample { counter_j: Some(counter_j), ..Sample::default() };
        assert_eq!(energy.update(start, sample(5000.0)), (None, Some(0.0)));
        assert_eq!(energy.update(at(2), sample(5200.0)), (Some(100.0), Some(200.0)));
        // The driver was loaded anew.
        assert_eq!(energy.update(at(4), sample(3.0)), (None, Some(200.0)));
        assert_eq!(energy.update(at(6), sample(103.0)), (Some(50.0), Some(300.0)));
        assert_eq!(energy.update(at(8), sample(9e9)), (None, Some(300.0)));
        assert_eq!(energy.update(at(10), sample(9e9 + 20.0)), (Some(10.0), Some(320.0)));
        // Two looks within one tick of the counter give no power, and no energy is lost.
        let soon = at(10) + Duration::from_millis(1);
        assert_eq!(energy.update(soon, sample(9e9 + 21.0)), (None, Some(321.0)));
    }

    #[test]
    fn a_counter_and_power_that_take_turns_count_no_time_twice() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let both = |counter_j, watts| Sample { power_w: Some(watts), ..counter(counter_j) };
        let mut energy = Energy::default();
        energy.update(start, both(0.0, 100.0));
        assert_eq!(energy.update(at(2), both(190.0, 100.0)), (Some(100.0), Some(190.0)));
        assert_eq!(energy.update(at(4), power(100.0)), (Some(100.0), Some(390.0)));
        // Its counter is back; its step from 190 would count two seconds again.
        assert_eq!(energy.update(at(6), both(600.0, 100.0)), (Some(100.0), Some(590.0)));
        assert_eq!(energy.update(at(8), both(810.0, 100.0)), (Some(100.0), Some(800.0)));
        // A counter that was silent tells of the whole time, also when nothing else was known.
        assert_eq!(energy.update(at(9), Sample::default()), (None, None));
        assert_eq!(energy.update(at(10), counter(1010.0)), (Some(100.0), Some(1000.0)));
    }

    #[test]
    fn power_from_before_a_long_silence_is_not_stretched_over_it() {
        let start = Instant::now();
        let mut energy = Energy::default();
        assert_eq!(energy.update(start, power(100.0)), (Some(100.0), Some(0.0)));
        let later = start + LONGEST_STEP + Duration::from_millis(1);
        assert_eq!(energy.update(later, power(100.0)), (Some(100.0), Some(0.0)));
        assert_eq!(energy.update(later + Duration::from_secs(1), power(4000.0)), (None, None));
        assert_eq!(Energy::default().update(start, Sample::default()), (None, None));
    }
}
