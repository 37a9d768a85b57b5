//! What of that which happens is a warning, in the same words for every screen and interface.

use rminer_algos::registry::Family;
use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::{NotSent, Reject, Settled, Verdict};

use super::units::{count, duration, hashrate};
use crate::devices::DeviceError;
use crate::engine::{CrewEvent, RareShares};
use crate::problem::Problem;

/// A pool was left, or could not be had. Told once until it works: the same failure again is no news.
#[derive(Debug, Default)]
pub(super) struct Downs {
    /// What was last said of each pool; the settings bound their number.
    last: Vec<Option<String>>,
}

impl Downs {
    pub(super) fn new(pools: usize) -> Self {
        Self { last: vec![None; pools] }
    }

    /// What to say, and whether it was said before.
    pub(super) fn of(&mut self, pool: usize, name: &str, what: &PoolEvent) -> Option<(Problem, bool)> {
        let last = self.last.get_mut(pool);
        match what {
            PoolEvent::Active => {
                if let Some(last) = last {
                    *last = None;
                }
                None
            }
            PoolEvent::Down { reason, retry_in } => {
                let text = reason.to_string();
                let again = last.as_deref().is_some_and(|last| last.as_deref() == Some(&text));
                let summary = format!("pool {} {name}: {text}", pool + 1);
                let retry = match retry_in {
                    None => "it is not tried again".to_owned(),
                    Some(wait) if wait.as_secs() == 0 => "trying again at once".to_owned(),
                    Some(wait) => format!("trying again in {}", duration(*wait)),
                };
                if let Some(last) = last {
                    *last = Some(text);
                }
                let problem = Problem::warning("pool-down", summary);
                Some((problem.fact(format!("{retry}; told once until it works")), again))
            }
            PoolEvent::Connecting
            | PoolEvent::Connected
            | PoolEvent::LoggedIn
            | PoolEvent::Waiting(_)
            | PoolEvent::Notice(_) => None,
        }
    }
}

/// A worker failed.
pub(crate) fn crew(event: &CrewEvent, device: &str, worker: u16) -> Option<Problem> {
    let what = match event {
        CrewEvent::Ready(_) => return None,
        CrewEvent::Lost(_, error, wait) => {
            format!(": {error}; starting it again in {}", duration(*wait))
        }
        CrewEvent::Benched(_, error @ DeviceError::Wrong(_)) => format!(": {error}; it rests for an hour"),
        CrewEvent::Benched(_, error) => format!(": {error}; lost three times, it rests for an hour"),
        CrewEvent::Unusable(_, error) => format!(" cannot mine: {error}"),
        CrewEvent::Hung(_, silent, on_purpose) => {
            let why = if *on_purpose { " (on purpose: --watchdog-test)" } else { "" };
            format!(" has not hashed for {}; its thread is left behind{why}", duration(*silent))
        }
        CrewEvent::Sabotaged(_, time) => {
            let time = if *time == 1 { "the first time" } else { "once more" };
            format!(" hangs from now on, {time} (on purpose: --watchdog-test)")
        }
    };
    Some(Problem::warning("device", format!("{device} worker {worker}{what}")))
}

/// A share was refused, or a hit was wrong. That some are stale is in the nature of the thing.
pub(super) fn share(family: Family, settled: &Settled, device: &str) -> Option<Problem> {
    match &settled.verdict {
        Verdict::Rejected { kind: Reject::Stale, .. } => None,
        Verdict::Rejected { kind, text } => {
            let row = &settled.row;
            let difficulty = |hashes| count(family.pool_difficulty(hashes));
            let answer = settled.answer.map(|answer| format!("  {}", duration(answer))).unwrap_or_default();
            let summary = format!("pool {} refused a share of {device}: {kind}: \"{text}\"", row.pool + 1);
            let (hash, wanted) = (difficulty(row.hash_difficulty), difficulty(row.difficulty));
            let found = format!("found {hash} of {wanted}{answer}");
            Some(Problem::warning("share-rejected", summary).fact(found))
        }
        Verdict::NotSent(NotSent::Miscompute) => {
            let summary = format!("{device} found a hash that is wrong; it was not sent");
            Some(Problem::warning("miscompute", summary))
        }
        Verdict::Accepted | Verdict::NoReply | Verdict::Lost | Verdict::NotSent(_) => None,
    }
}

/// Nobody should wait for what cannot come.
pub(super) fn rare_shares(family: Family, rare: &RareShares) -> Problem {
    let (what, help) = if rare.solo {
        ("block", "a pool pays for far easier shares")
    } else {
        (
            "share",
            "lower what the pool asks for (--suggest-difficulty, or its words for --pass), or choose one for small miners",
        )
    };
    Problem::warning("rare-shares", format!("a {what} is expected every {}", duration(rare.expected)))
        .fact(format!(
            "difficulty {} at {}",
            count(family.pool_difficulty(rare.difficulty)),
            hashrate(Some(rare.rate_hs))
        ))
        .help(help)
}
