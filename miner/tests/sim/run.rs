//! One seed, and many.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rminer_stratum::bugs::{Bug, Bugs};
use rminer_stratum::rng::Rng;

use crate::dice::Dice;
use crate::marks::{Mark, Marks};
use crate::rates::{Rates, S, Us};
use crate::world::{What, World};

/// Virtual time of a run; the faults end half way.
const RUN: Us = 240 * S;
const FAULTS_END: Us = RUN / 2;
/// After the faults, a share is accepted within this time.
const RECOVERY: Us = 60 * S;

/// A mistake that a run makes on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    Client(Bug),
    /// Each job starts at the first nonce again.
    LeaseRestarts,
}

/// How a run went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) fingerprint: u64,
    pub(crate) events: u64,
    pub(crate) found: u64,
    pub(crate) connects: u64,
    pub(crate) marks: Marks,
    pub(crate) failure: Option<String>,
    /// The last events in words, where they were asked for.
    pub(crate) words: Vec<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, mistake: Option<Mistake>, in_words: bool) -> Outcome {
    let mut rng = Rng::new(seed);
    let rates = Rates::drawn(&mut rng);
    let bugs = match mistake {
        Some(Mistake::Client(bug)) => Bugs::one(bug),
        _ => Bugs::default(),
    };
    let mut world = World::new(rates, rng, bugs);
    world.miner.restarts_leases = mistake == Some(Mistake::LeaseRestarts);
    world.trace.words = in_words.then(Default::default);
    if in_words {
        eprintln!("{:#?}", world.rates);
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| whole_run(seed, &mut world))).err();
    let panicked = panicked.map(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        format!("panic: {}", text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
    });
    let at = world.now as f64 / S as f64;
    Outcome {
        seed,
        fingerprint: world.trace.fingerprint(),
        events: world.trace.events,
        found: world.checks.handed,
        connects: world.sessions.len() as u64,
        failure: world.checks.failure.clone().or(panicked).map(|what| format!("at {at:.6} s: {what}")),
        words: world.trace.words.take().map(Vec::from).unwrap_or_default(),
        marks: std::mem::take(&mut world.marks),
    }
}

fn whole_run(seed: u64, world: &mut World) {
    world.after(FAULTS_END, What::FaultsEnd);
    if world.rates.sleep {
        let at = world.rng.below(FAULTS_END);
        world.after(at, What::Sleep);
    }
    // Numbers of their own, so that worlds without a switch stay what they were; of another seed, or they would go
    // with the number of pools.
    let mut hands = Rng::new(!seed);
    if hands.one_in(4) {
        for _ in 0..hands.between(1, 6) {
            // Now and then a pool that does not exist.
            let unknown = u64::from(hands.one_in(8));
            let pool = hands.below(world.pools.len() as u64 + unknown);
            world.after(hands.below(RUN), What::Switch(usize::try_from(pool).unwrap_or(0)));
        }
    }
    world.run_until(FAULTS_END + RECOVERY);
    // A pool that has sent us away is left alone for longer than this run lasts; and a user who limits the retries
    // wants no more.
    let may_mine = world.pools.iter().any(|pool| !pool.sent_away) && world.rates.retries.is_none();
    if may_mine && world.checks.first_accepted.is_none() {
        world.checks.fail(format!("no share is accepted within {} s after the faults", RECOVERY / S));
    }
    world.run_until(RUN);
    world.stop();
}

/// Runs many seeds on all cores. Stops at the first failure.
pub(crate) fn run_all(seeds: Range<u64>, mistake: Option<Mistake>) -> Vec<Outcome> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let outcome = run(seed, mistake, false);
                    if outcome.failure.is_some() {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|outcome| outcome.seed);
    outcomes
}

/// Says what a failed seed did at the end, and how to run it again.
pub(crate) fn explain(seed: u64) -> String {
    let outcome = run(seed, None, true);
    let failure = outcome.failure.unwrap_or_else(|| "passes this time".into());
    format!("\n{}\n\n{failure}\nRMINER_SEED={seed}", outcome.words.join("\n"))
}

/// The marks of all runs together.
pub(crate) fn marks(outcomes: &[Outcome]) -> Marks {
    outcomes.iter().fold(Marks::default(), |mut all, outcome| {
        all.add(&outcome.marks);
        all
    })
}

/// What all runs together have seen.
pub(crate) fn summary(outcomes: &[Outcome]) -> String {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let marks = marks(outcomes);
    let counts: Vec<String> =
        Mark::ALL.iter().map(|mark| format!("{mark:?} {}", marks.count(*mark))).collect();
    format!(
        "{} seeds, {} events, {} hits, {} connections; {}",
        outcomes.len(),
        sum(|outcome| outcome.events),
        sum(|outcome| outcome.found),
        sum(|outcome| outcome.connects),
        counts.join(", ")
    )
}
