//! Deliberate mistakes: a simulation that misses one of these would miss its like by accident.

use rminer_stratum::bugs::{Bug, Bugs};

use crate::run::{Mistake, run};
use crate::scenarios::fails_over_and_returns;

/// Seeds within which each mistake must show; those that need rare company get more.
const SEEDS: u64 = 60;

/// The first seed that fails, and with what.
fn found(mistake: Mistake, seeds: u64) -> Option<(u64, String)> {
    (0..seeds).find_map(|seed| run(seed, Some(mistake), false).failure.map(|what| (seed, what)))
}

/// The mistake shows, and in the words of the check that is meant for it.
fn must_show(mistake: Mistake, seeds: u64, words: &str) {
    let (seed, what) = found(mistake, seeds).unwrap_or_else(|| panic!("{mistake:?} passes {seeds} seeds"));
    println!("{mistake:?}: seed {seed}, {what}");
    assert!(what.contains(words), "{mistake:?} was taken for something else: {what}");
}

macro_rules! mistakes {
    ($($name:ident: $bug:ident, $seeds:expr, $words:expr;)*) => {
        $(#[test] fn $name() { must_show(Mistake::Client(Bug::$bug), $seeds, $words); })*
    };
}

mistakes! {
    verdict_forgotten: VerdictForgotten, SEEDS, "rows are open";
    late_verdict_adds: LateVerdictAdds, SEEDS, "does not balance";
    no_line_cap: NoLineCap, SEEDS, "over a bound";
    zero_target_taken: ZeroTargetTaken, SEEDS, "is no job that the pool gave";
    nicehash_ignored: NiceHashIgnored, SEEDS, "NiceHash";
    unknown_reply_panics: UnknownReplyPanics, SEEDS, "panic";
    no_duplicate_check: NoDuplicateCheck, SEEDS, "a second time";
    no_target_check: NoTargetCheck, SEEDS, "does not meet";
    no_throttle: NoThrottle, SEEDS, "submits a second";
    ring_unbounded: RingUnbounded, SEEDS, "over a bound";
    wrong_session: WrongSession, SEEDS, "a wrong hash";
    no_job_untold: NoJobUntold, SEEDS, "is active";
    backoff_never_grows: BackoffNeverGrows, SEEDS, "connects to pool";
    redirect_anywhere: RedirectAnywhere, 4 * SEEDS, "is configured";
    no_keepalive: NoKeepalive, 4 * SEEDS, "no keepalive was sent";
}

#[test]
fn lease_restarts() {
    must_show(Mistake::LeaseRestarts, SEEDS, "a second time");
}

#[test]
fn never_returns() {
    let found = (0..10).find_map(|seed| fails_over_and_returns(seed, Bugs::one(Bug::NeverReturns)).err());
    assert_eq!(found.as_deref(), Some("the return: never"));
}
