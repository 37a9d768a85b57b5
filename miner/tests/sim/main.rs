//! Deterministic simulation: the whole client and the scheduler with its leases, under a virtual clock, among
//! hostile pools, a hostile network and devices that lie. Everything is drawn from a seed, so a failure is
//! repeated by its number.
//!
//! `RMINER_SEED=n` runs one seed and tells its last events; `RMINER_SEEDS=n` runs so many.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test should say where")]
#![allow(clippy::cast_possible_truncation, reason = "virtual numbers are small")]

mod bugs;
mod checks;
mod device;
mod dice;
mod hostile;
mod marks;
mod network;
mod peers;
mod pool;
mod rates;
mod run;
mod scenarios;
mod toy;
mod trace;
mod world;

use run::{explain, marks, run, run_all, summary};

const SEEDS: u64 = 2000;
const REPLAYS: u64 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn seeds_pass_and_reach_everything() {
    if let Some(seed) = number("RMINER_SEED") {
        println!("{}", explain(seed));
        assert_eq!(run(seed, None, false).failure, None);
        return;
    }
    let count = number("RMINER_SEEDS").unwrap_or(SEEDS);
    let outcomes = run_all(0..count, None);
    println!("{}", summary(&outcomes));
    if let Some(failed) = outcomes.iter().find(|outcome| outcome.failure.is_some()) {
        panic!("{}", explain(failed.seed));
    }
    let missing = marks(&outcomes).missing();
    assert!(count < SEEDS || missing.is_empty(), "never reached: {missing:?}");
}

#[test]
fn a_seed_repeats_itself_exactly() {
    for seed in 0..REPLAYS {
        let (first, second) = (run(seed, None, false), run(seed, None, false));
        assert_eq!((first.fingerprint, first.events), (second.fingerprint, second.events), "seed {seed}");
    }
}

#[test]
fn seeds_that_failed_once_pass() {
    for line in include_str!("regression_seeds.txt").lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().unwrap().parse().expect("a seed");
        if run(seed, None, false).failure.is_some() {
            panic!("{}", explain(seed));
        }
    }
}
