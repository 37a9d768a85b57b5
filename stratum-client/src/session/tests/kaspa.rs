//! Sessions at a Kaspa pool: jobs that come fast, shares for older ones, and silence.

use rminer_algos::registry::KHEAVYHASH;

use super::*;
use crate::dialect::kaspa::{Kaspa, KaspaConfig};

const AUTHORIZED: &str = r#"{"id":2,"result":true}"#;

fn bench() -> Bench {
    Bench::of(Box::new(Kaspa::new(KaspaConfig {
        user: "w".into(),
        pass: "x".into(),
        agent: "a".into(),
        algorithm: &KHEAVYHASH,
        patience: 1,
    })))
}

fn notify(id: u64, digit: u64) -> String {
    format!(r#"{{"method":"mining.notify","params":["{id}",[{digit},2,3,4],{}]}}"#, 1_787_225_600_000 + id)
}

fn mining() -> Bench {
    let mut bench = bench();
    bench.says(r#"{"id":1,"result":[true,"EthereumStratum/1.0.0"]}"#);
    bench.says(AUTHORIZED);
    bench.says(&notify(1, 1));
    bench
}

#[test]
fn shares_for_recent_jobs_are_sent_and_for_old_ones_not() {
    let mut bench = mining();
    let first = Arc::clone(bench.job.as_ref().unwrap());
    let ring = u64::try_from(bench.session.dialect.limits().job_ring).unwrap();
    for id in 2..=ring {
        bench.says(&notify(id, id));
    }
    bench.finds_for(Arc::clone(&first), 5);
    assert_eq!(bench.ledger.pending(), 1);
    assert!(bench.sent.last().unwrap().contains(r#"["w","1","0000000000000005"]"#), "{:?}", bench.sent);
    bench.says(r#"{"id":3,"result":true}"#);
    assert_eq!(*bench.last(), Verdict::Accepted);
    bench.finds_for(Arc::clone(&first), 5);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Duplicate));
    // The same work under another name has the same nonces.
    let renamed = notify(1, 1).replacen("\"1\"", "\"999\"", 1);
    bench.says(&renamed);
    bench.finds(5);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Duplicate));
    bench.finds_for(first, 6);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Stale));
    assert_eq!(bench.session.held().jobs, usize::try_from(ring).unwrap());
}

#[test]
fn what_was_found_with_another_extranonce_is_not_sent() {
    let mut bench = mining();
    let before = Arc::clone(bench.job.as_ref().unwrap());
    bench.says(r#"{"method":"mining.set_extranonce","params":["00ab"]}"#);
    bench.finds_for(before, 5);
    assert_eq!(*bench.last(), Verdict::NotSent(NotSent::Stale));
    bench.finds(0x00ab_0000_0000_0005);
    assert_eq!(bench.ledger.pending(), 1);
    assert_eq!(bench.session.held().jobs, 1);
}

#[test]
fn silence_ends_it_after_fifteen_seconds() {
    for (seconds, closes) in [(14, false), (15, true)] {
        let mut bench = mining();
        bench.after(seconds);
        assert_eq!(bench.closed.is_some(), closes, "{seconds}");
    }
    let mut bench = bench();
    bench.after(5);
    assert_eq!(bench.closed, Some(CloseReason::LoginIgnored(Duration::from_secs(5))));
}

#[test]
fn shares_without_an_answer_are_counted_and_end_it_when_they_are_many() {
    let mut bench = mining();
    for share in 0..11 {
        assert_eq!(bench.closed, None, "{share}");
        bench.finds(share);
        bench.after(5);
        bench.says(&notify(10 + share, 1));
        bench.after(5);
        assert_eq!(*bench.last(), Verdict::NoReply);
    }
    assert_eq!(bench.closed, Some(CloseReason::SharesUnanswered { shares: 11, of: 50 }));
    assert_eq!(bench.ledger.total().no_reply, 11);
}

#[test]
fn long_lines_end_it() {
    let mut bench = mining();
    bench.bytes(&vec![b' '; 64 * 1024]);
    assert_eq!(bench.closed, None);
    bench.bytes(b" ");
    assert_eq!(bench.closed, Some(CloseReason::LongLine(64 * 1024)));
}

#[test]
fn a_storm_of_jobs_is_taken() {
    let mut bench = mining();
    for id in 2..10_000 {
        bench.says(&notify(id, id));
    }
    assert_eq!(bench.closed, None);
    bench.finds(7);
    assert!(bench.sent.last().unwrap().contains("\"9999\""), "{:?}", bench.sent.last());
    let held = bench.session.held();
    assert_eq!(held.jobs, bench.session.dialect.limits().job_ring);
}
