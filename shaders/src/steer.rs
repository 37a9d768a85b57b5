//! How long a slice should last, and how many hashes it takes for that.

use std::time::{Duration, Instant};

/// Longest slice. A dispatch cannot be recalled, and Windows resets a card that does not answer for two seconds.
pub(crate) const MAX_SLICE: Duration = Duration::from_millis(500);
/// Hashes of the first slice, before anything is known.
const FIRST: u64 = 1 << 16;
/// Most hashes of a slice.
const MOST: u64 = 1 << 31;
/// A slice may become this many times larger from one to the next.
const GROWTH: f64 = 4.0;
/// Weight of the newest measurement.
const WEIGHT: f64 = 0.3;

/// Where new work comes so often, [`Pace`] leaves slices as long as they were asked for.
const USUAL_GAP: Duration = Duration::from_secs(4);
/// Slices become so many times shorter or longer than asked for, not more.
const SHORTEST: f64 = 0.5;
const LONGEST: f64 = 5.0;

/// How long slices should last, by how often new work comes.
///
/// The shorter slices are, the more often is paid what each of them costs. The longer they are, the longer new work
/// waits for those in flight. The loss per second is `cost / slice + slice / gap`, and least at the square root of
/// `cost * gap`: so slices grow with the root of the gap.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// For work that comes at the usual gap.
    asked: Duration,
    /// Of the last kinds of work, the newest with most weight: slices compared with what was asked for.
    factor: f64,
    last: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(asked: Duration) -> Self {
        Self { asked, factor: 1.0, last: None }
    }

    /// Notes that new work came, of which nothing was known before.
    pub(crate) fn new_work(&mut self, now: Instant) {
        if let Some(last) = self.last {
            let gap = now.saturating_duration_since(last);
            let best = (gap.as_secs_f64() / USUAL_GAP.as_secs_f64()).sqrt().clamp(SHORTEST, LONGEST);
            self.factor += WEIGHT * (best - self.factor);
        }
        self.last = Some(now);
    }

    /// How long a slice should last.
    pub(crate) fn slice(&self) -> Duration {
        self.asked.mul_f64(self.factor)
    }
}

/// Turns seen durations into the next number of hashes.
#[derive(Debug, Clone)]
pub(crate) struct Steer {
    wanted: Duration,
    hashes: u64,
    /// Hashes in a second.
    rate: Option<f64>,
}

impl Steer {
    pub(crate) fn new(wanted: Duration) -> Self {
        Self { wanted: within_bounds(wanted), hashes: FIRST, rate: None }
    }

    /// Changes how long slices should last, from the next one on.
    pub(crate) fn want(&mut self, wanted: Duration) {
        self.wanted = within_bounds(wanted);
        self.aim();
    }

    /// Hashes of the next slice.
    pub(crate) fn hashes(&self) -> u64 {
        self.hashes
    }

    /// Notes what a slice took.
    pub(crate) fn note(&mut self, hashes: u64, took: Duration) {
        // Clocks of devices have steps; less than one of them says nothing.
        let seconds = took.as_secs_f64().max(1e-6);
        let seen = to_float(hashes) / seconds;
        let rate = match self.rate {
            // A slower pace is believed at once: slices that are too long keep new work waiting.
            // Of a faster one only a part: a host that is late for one slice finds the next one done already.
            Some(rate) if seen > rate / 2.0 => rate + WEIGHT * (seen.min(rate * 2.0) - rate),
            _ => seen,
        };
        self.rate = Some(rate);
        self.aim();
    }

    fn aim(&mut self) {
        if let Some(rate) = self.rate {
            let next = (rate * self.wanted.as_secs_f64()).min(to_float(self.hashes) * GROWTH);
            self.hashes = to_hashes(next);
        }
    }
}

fn within_bounds(wanted: Duration) -> Duration {
    wanted.clamp(Duration::from_millis(1), MAX_SLICE)
}

#[allow(clippy::cast_precision_loss, reason = "a count that was measured to a few digits")]
fn to_float(hashes: u64) -> f64 {
    hashes as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of the type"
)]
fn to_hashes(hashes: f64) -> u64 {
    hashes.clamp(1.0, to_float(MOST)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(steer: &mut Steer, rate: f64, slices: usize) -> Vec<f64> {
        (0..slices)
            .map(|_| {
                let seconds = to_float(steer.hashes()) / rate;
                steer.note(steer.hashes(), Duration::from_secs_f64(seconds));
                seconds
            })
            .collect()
    }

    #[test]
    fn slices_grow_to_the_wanted_time_and_stay_there() {
        for rate in [2e7, 8e9] {
            let mut steer = Steer::new(Duration::from_millis(20));
            let seconds = settle(&mut steer, rate, 40);
            assert!(seconds.iter().all(|seconds| *seconds < 0.021), "{seconds:?}");
            assert!(seconds[30] > 0.0195, "{seconds:?}");
        }
    }

    #[test]
    fn a_device_that_slows_down_gets_less_at_once() {
        let mut steer = Steer::new(Duration::from_millis(20));
        settle(&mut steer, 1e8, 40);
        let seconds = settle(&mut steer, 1e7, 2);
        assert!(seconds[0] > 0.15 && seconds[1] < 0.025, "{seconds:?}");
    }

    /// Slices after so many kinds of work, one every `gap`.
    fn slice_with(pace: &mut Pace, gap: Duration, works: u32) -> Duration {
        let start = pace.last.unwrap_or_else(Instant::now);
        (1..=works).for_each(|number| pace.new_work(start + gap * number));
        pace.slice()
    }

    #[test]
    fn slices_are_long_where_work_is_rare_and_short_where_it_is_not() {
        let asked = Duration::from_millis(20);
        for (gap_ms, slice_ms) in
            [(0, 10), (100, 10), (1_000, 10), (4_000, 20), (30_000, 55), (100_000, 100), (36_000_000, 100)]
        {
            let mut pace = Pace::new(asked);
            assert_eq!(pace.slice(), asked, "nothing is known yet");
            let slice = slice_with(&mut pace, Duration::from_millis(gap_ms), 40);
            assert_eq!((slice.as_secs_f64() * 1e3).round(), f64::from(slice_ms), "{gap_ms} ms");
        }
        let mut pace = Pace::new(asked);
        slice_with(&mut pace, Duration::from_millis(100), 40);
        let slice = slice_with(&mut pace, Duration::from_secs(3600), 1);
        assert!(slice < Duration::from_millis(40), "a night without work is one gap: {slice:?}");
        let slice = slice_with(&mut pace, Duration::from_millis(100), 20);
        assert!(slice < Duration::from_millis(11), "{slice:?}");
    }

    #[test]
    fn a_slice_that_seems_to_take_no_time_changes_little() {
        let mut steer = Steer::new(Duration::from_millis(20));
        settle(&mut steer, 1e8, 40);
        steer.note(steer.hashes(), Duration::ZERO);
        assert!(steer.hashes() < 2_700_000, "{}", steer.hashes());
    }

    #[test]
    fn another_wish_counts_at_once() {
        let mut steer = Steer::new(Duration::from_millis(20));
        steer.want(Duration::from_millis(10));
        assert_eq!(steer.hashes(), FIRST, "the rate is not known yet");
        settle(&mut steer, 1e8, 40);
        assert_eq!(steer.hashes(), 1_000_000);
        steer.want(Duration::from_millis(40));
        assert_eq!(steer.hashes(), 4_000_000);
        steer.want(Duration::from_millis(5));
        assert_eq!(steer.hashes(), 500_000);
    }

    #[test]
    fn nothing_leaves_the_bounds() {
        let mut steer = Steer::new(Duration::from_secs(100));
        assert_eq!(steer.wanted, MAX_SLICE);
        for _ in 0..100 {
            steer.note(steer.hashes(), Duration::ZERO);
        }
        assert_eq!(steer.hashes(), MOST);
        steer.note(1, Duration::from_secs(3600));
        assert_eq!(steer.hashes(), 1);
    }
}
