//! Times that no configuration can overflow.

use std::time::{Duration, Instant};

/// Longer waits are taken as this long: a century. It keeps `Duration::MAX`, the natural way to say "never",
/// from overflowing the clock.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `wait` after `now`.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now + wait.min(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_far_away() {
        let now = Instant::now();
        assert_eq!(later(now, Duration::from_secs(1)) - now, Duration::from_secs(1));
        assert_eq!(later(now, Duration::MAX) - now, NEVER);
    }
}
