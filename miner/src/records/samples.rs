//! Happenings for tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::registry::KHEAVYHASH;
use rminer_algos::{Target, Template};
use rminer_stratum::ledger::Row;
use rminer_stratum::{Job, JobKey, Reject, Settled, ShareId, Supersede, Verdict};

fn key(seq: u64) -> JobKey {
    JobKey { session: 1, seq }
}

pub(crate) fn job(seq: u64, received: Instant, supersede: Supersede) -> Job {
    Job {
        key: key(seq),
        pool: 0,
        algorithm: &KHEAVYHASH,
        template: Template::Fixed(Arc::new((KHEAVYHASH.sample)(1).unwrap())),
        target: Target::from_bitcoin_difficulty("4096").unwrap(),
        block_target: None,
        supersede,
        height: None,
        next_seed: None,
        received,
    }
}

/// A share of job `seq` that worker 0 found 2 ms before it was sent.
pub(crate) fn settled(id: u64, seq: u64, verdict: Verdict, sent: Instant, answer: Duration) -> Settled {
    let row = Row {
        job: key(seq),
        pool: 0,
        device: 0,
        difficulty: 1000.0,
        hash_difficulty: 1500.0,
        block: false,
        found: sent.checked_sub(Duration::from_millis(2)).unwrap(),
        sent: Some(sent),
    };
    Settled { id: ShareId(id), row, verdict, corrects: None, answer: Some(answer) }
}

pub(crate) fn stale(seq: u64, sent: Instant, answer: Duration) -> Settled {
    let verdict = Verdict::Rejected { kind: Reject::Stale, text: "job not found".into() };
    settled(900, seq, verdict, sent, answer)
}
