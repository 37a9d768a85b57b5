//! How long to wait before the next try.

use std::time::Duration;

use crate::rng::Rng;

/// The first retry after a session that worked, at most.
const FIRST: Duration = Duration::from_millis(500);
/// No wait is longer than this, rests after a ban or a refused login apart.
const LONGEST: Duration = Duration::from_secs(30);

/// Above this ceiling waits are drawn from the upper half only: with the lower half too, a dead pool would see
/// some 47 connects in its first ten minutes, and 40 are the most that a polite client makes.
const FULL_JITTER: Duration = Duration::from_secs(4);

/// Exponential back-off with jitter: each wait is drawn up to a ceiling that doubles from 0.5 s to 30 s.
/// [`Backoff::reset`] only after a session was useful, so a server that accepts and closes never makes a hot
/// loop.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try; counts one failure.
    pub fn next_wait(&mut self, rng: &mut Rng) -> Duration {
        // First and second retry both stay within 0.5 s, then 1, 2, 4 … 30 s.
        let doublings = self.failures.saturating_sub(1).min(6);
        self.failures = self.failures.saturating_add(1);
        let ceiling = (FIRST * (1 << doublings)).min(LONGEST);
        let ceiling_ms = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        let floor_ms = if ceiling > FULL_JITTER { ceiling_ms / 2 } else { 0 };
        Duration::from_millis(floor_ms + rng.below(ceiling_ms - floor_ms + 1))
    }

    /// Failures since the last reset.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_to_the_longest() {
        let ceilings = [500, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
        let mut seen_max = vec![0; ceilings.len()];
        for seed in 0..2000 {
            let mut rng = Rng::new(seed);
            let mut backoff = Backoff::default();
            for (seen, ceiling) in seen_max.iter_mut().zip(ceilings) {
                let wait_ms = backoff.next_wait(&mut rng).as_millis();
                assert!(wait_ms <= ceiling, "{wait_ms} > {ceiling}");
                *seen = wait_ms.max(*seen);
            }
        }
        for (seen, ceiling) in seen_max.iter().zip(ceilings) {
            assert!(*seen * 10 > ceiling * 9, "full jitter reaches up to {ceiling}, saw {seen}");
        }
    }

    #[test]
    fn a_dead_pool_is_not_hammered() {
        // Connects that fail at once are the worst case.
        for seed in 0..500 {
            let mut rng = Rng::new(seed);
            let mut backoff = Backoff::default();
            let mut time = Duration::ZERO;
            let mut connects = 0;
            while time < Duration::from_secs(600) {
                connects += 1;
                time += backoff.next_wait(&mut rng);
            }
            assert!(connects <= 40, "{connects}");
        }
    }

    #[test]
    fn reset_starts_anew() {
        let mut rng = Rng::new(1);
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            backoff.next_wait(&mut rng);
        }
        assert_eq!(backoff.failures(), 100);
        backoff.reset();
        assert!(backoff.next_wait(&mut rng) <= FIRST);
    }
}
