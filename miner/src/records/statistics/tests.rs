use std::time::Instant;

use proptest::prelude::*;
use rminer_stratum::{JobKey, Ledger, ShareId};

use super::*;
use crate::engine::DeviceSnapshot;
use crate::records::causes::Causes;
use crate::records::samples::{settled, stale};

const DEVICES: [&str; 3] = ["cpu0", "gpu0", "gpu1"];

fn sum(statistics: &Statistics, wanted: impl Fn(&ShareKey) -> bool) -> u64 {
    statistics.count(wanted)
}

/// The ledger and what was counted from its happenings say the same, wherever both count.
fn assert_same(statistics: &Statistics, ledger: &Ledger) {
    let total = ledger.total();
    assert_eq!(sum(statistics, |_| true), total.closed());
    let of = |result: &str| sum(statistics, |key| key.result == result);
    assert_eq!(of("accepted"), total.accepted);
    assert_eq!(of("rejected") + of("stale"), total.rejected_total());
    assert_eq!(of("stale"), total.rejected.get(&Reject::Stale).copied().unwrap_or_default());
    assert_eq!((of("no-reply"), of("lost")), (total.no_reply, total.lost));
    for (why, count) in &total.not_sent {
        let reason = not_sent_name(*why);
        assert_eq!(sum(statistics, |key| (key.result, key.reason) == ("not-sent", reason)), *count);
    }
    for (kind, count) in total.rejected.iter().filter(|(kind, _)| **kind != Reject::Stale) {
        let reason = reject_name(*kind);
        assert_eq!(sum(statistics, |key| (key.result, key.reason) == ("rejected", reason)), *count);
    }
    for (number, device) in (0..).zip(DEVICES) {
        let closed = ledger.device(number).map_or(0, rminer_stratum::Counts::closed);
        assert_eq!(sum(statistics, |key| key.device == device), closed);
    }
    for pool in 0..3 {
        let closed = ledger.pool(pool).map_or(0, rminer_stratum::Counts::closed);
        assert_eq!(sum(statistics, |key| key.pool == pool), closed);
    }
    let credited: f64 = statistics.accepted_hashes.values().sum();
    assert!((credited - total.accepted_hashes).abs() <= credited * 1e-9);
    assert_eq!((statistics.best_difficulty, statistics.blocks), (total.best_difficulty, total.blocks));
    assert_eq!(statistics.best[0], total.best_difficulty);
    let stale = of("stale") + sum(statistics, |key| (key.result, key.reason) == ("not-sent", "stale"));
    assert_eq!(statistics.stale_causes.values().sum::<u64>(), stale);
}

#[derive(Debug, Clone)]
enum Step {
    Find { pool: usize, device: u16, block: bool },
    NotSent { pool: usize, device: u16, why: NotSent },
    Throttled { pool: usize, device: u16, hits: u64 },
    Settle { which: usize, verdict: Verdict },
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    let kinds = prop_oneof![
        Just(Reject::Stale),
        Just(Reject::Duplicate),
        Just(Reject::LowDifficulty),
        Just(Reject::BadHash),
        Just(Reject::Unauthorized),
        Just(Reject::Throttled),
        Just(Reject::Other),
    ];
    let rejected = (kinds, "[a-z]{0,3}").prop_map(|(kind, text)| Verdict::Rejected { kind, text });
    prop_oneof![Just(Verdict::Accepted), rejected, Just(Verdict::NoReply), Just(Verdict::Lost)]
}

fn steps() -> impl Strategy<Value = Step> {
    let reasons = prop_oneof![
        Just(NotSent::Miscompute),
        Just(NotSent::Stale),
        Just(NotSent::Duplicate),
        Just(NotSent::Throttled)
    ];
    let who = || (0usize..3, 0u16..3);
    prop_oneof![
        4 => (who(), any::<bool>()).prop_map(|((pool, device), block)| Step::Find { pool, device, block }),
        1 => (who(), reasons).prop_map(|((pool, device), why)| Step::NotSent { pool, device, why }),
        1 => (who(), 0u64..100).prop_map(|((pool, device), hits)| Step::Throttled { pool, device, hits }),
        // An open row, a late one, or one that has its verdict: the ledger tells them apart.
        8 => (any::<usize>(), verdicts()).prop_map(|(which, verdict)| Step::Settle { which, verdict }),
    ]
}

proptest! {
    #[test]
    fn every_history_balances(history in prop::collection::vec(steps(), 0..200)) {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        let mut statistics = Statistics::default();
        let mut causes = Causes::default();
        let row = |pool, device, block| Row {
            job: JobKey { session: 1, seq: 1 },
            pool,
            device,
            difficulty: 1000.0 + f64::from(device),
            hash_difficulty: 2000.0,
            block,
            found: start,
            sent: None,
        };
        let mut ids: Vec<ShareId> = Vec::new();
        for step in history {
            let settled = match step {
                Step::Find { pool, device, block } => {
                    if let Some(id) = ledger.open(row(pool, device, block)) {
                        ledger.sent(id, start);
                        ids.push(id);
                    }
                    None
                }
                Step::NotSent { pool, device, why } => Some(ledger.not_sent(row(pool, device, false), why)),
                Step::Throttled { pool, device, hits } => {
                    ledger.throttled(pool, device, hits);
                    statistics.excess(pool, DEVICES[usize::from(device)], hits);
                    None
                }
                Step::Settle { which, verdict } if !ids.is_empty() => {
                    ledger.settle(ids[which % ids.len()], verdict, start)
                }
                Step::Settle { .. } => None,
            };
            if let Some(settled) = settled {
                let stale = causes.settled(&settled);
                statistics.share(1.0, &settled, DEVICES[usize::from(settled.row.device)], stale);
            }
            assert_same(&statistics, &ledger);
        }
    }
}

#[test]
fn a_late_answer_moves_the_share() {
    let start = Instant::now();
    let mut statistics = Statistics::default();
    let mut given_up = settled(7, 1, Verdict::NoReply, start, Duration::ZERO);
    given_up.answer = None;
    statistics.share(1.0, &given_up, "cpu0", None);
    assert_eq!(sum(&statistics, |key| key.result == "no-reply"), 1);
    let mut late = settled(7, 1, Verdict::Accepted, start, Duration::from_secs(40));
    late.corrects = Some(Verdict::NoReply);
    statistics.share(2.0, &late, "cpu0", None);
    assert_eq!(sum(&statistics, |key| key.result == "no-reply"), 0);
    assert_eq!(sum(&statistics, |key| key.result == "accepted"), 1);
    assert_eq!(statistics.last_accepted_s[&0], 2.0);
    assert_eq!((statistics.answer[&0].count(), statistics.found_to_sent.count()), (1, 1));
}

#[test]
fn causes_that_become_known_later_move_the_share() {
    let mut statistics = Statistics::default();
    let unknown = Stale { cause: StaleCause::Unknown, replaced_ms: None };
    let late = stale(1, Instant::now(), Duration::from_millis(5));
    statistics.share(1.0, &late, "cpu0", Some(unknown));
    statistics.explained(0, "cpu0", StaleCause::Unknown, StaleCause::InFlight);
    // Told twice, or of a share that is not counted: nothing more moves.
    statistics.explained(0, "cpu0", StaleCause::Unknown, StaleCause::InFlight);
    statistics.explained(1, "gpu9", StaleCause::Unknown, StaleCause::InFlight);
    let stale = |reason: &str| sum(&statistics, |key| (key.result, key.reason) == ("stale", reason));
    assert_eq!((stale("unknown"), stale("in-flight")), (0, 1));
    assert_eq!(statistics.stale_causes[&StaleCause::InFlight], 1);
    assert_eq!(statistics.stale_cost_ratio(), Some(1.0));
}

#[test]
fn only_time_with_something_to_mine_counts() {
    let start = Instant::now();
    let mut statistics = Statistics::default();
    let states =
        [State::Starting, State::Mining, State::Mining, State::Waiting, State::Paused, State::Mining];
    for (second, state) in (1..).zip(states) {
        let uptime = Duration::from_secs(second);
        let snapshot = Snapshot { uptime, state, pool: Some(1), hashes: 6000, ..Snapshot::default() };
        #[allow(clippy::cast_precision_loss)]
        statistics.second(1000.0 + second as f64, &snapshot);
    }
    assert_eq!((statistics.mined_s, statistics.since_s), (3.0, 1001.0));
    assert_eq!((statistics.raw_hs, statistics.luck_ratio), (Some(2000.0), None));
    for id in 0..4 {
        let mut share = settled(id, 1, Verdict::Accepted, start, Duration::from_millis(20));
        share.row.pool = 1;
        statistics.share(1.0, &share, "cpu0", None);
    }
    let effective = statistics.effective;
    assert_eq!((effective.hs, effective.shares, effective.chance_ratio), (Some(4000.0 / 3.0), 4, Some(0.98)));
    assert_eq!(statistics.effective_of(1), effective);
    assert_eq!(statistics.effective_of(0), Effective::default());
    assert_eq!(statistics.luck_ratio, Some(4000.0 / 6000.0));
}

#[test]
fn new_work_is_what_devices_last_told() {
    let mut statistics = Statistics::default();
    let mut new_work = Histogram::default();
    for second in 1..4u64 {
        new_work.observe(Duration::from_millis(second));
        let device = DeviceSnapshot { id: "gpu0".into(), new_work, ..DeviceSnapshot::default() };
        statistics.second(0.0, &Snapshot { devices: vec![device], ..Snapshot::default() });
    }
    assert_eq!(statistics.new_work["gpu0"].count(), 3);
}

#[test]
fn words_of_refusal_are_bounded() {
    let mut statistics = Statistics::default();
    for number in 0..1000 {
        statistics.reject_text(1, "other", &format!("error {number} {}", "x".repeat(500)));
    }
    statistics.reject_text(1, "other", "error 1 ");
    let texts = &statistics.reject_texts;
    assert_eq!(texts.len(), MAX_REJECT_TEXTS);
    assert!(texts.iter().all(|text| text.text.chars().count() <= MAX_WORDS));
    assert_eq!(texts.iter().map(|text| text.count).sum::<u64>(), 1001, "all are counted");
    assert_eq!(texts.last().map(|text| text.text.as_str()), Some(OTHER_WORDS));
}

#[test]
fn the_best_hashes_are_in_order() {
    let mut statistics = Statistics::default();
    let start = Instant::now();
    for number in 0..25u32 {
        let mut share = settled(number.into(), 1, Verdict::Accepted, start, Duration::ZERO);
        // 0, 7, 14, 21, 3, … so that some come before and some after what is there.
        share.row.hash_difficulty = f64::from(number * 7 % 25);
        statistics.share(1.0, &share, "cpu0", None);
    }
    let mut refused = stale(1, start, Duration::ZERO);
    refused.row.hash_difficulty = 1e9;
    statistics.share(1.0, &refused, "cpu0", None);
    assert_eq!(statistics.best, [24.0, 23.0, 22.0, 21.0, 20.0, 19.0, 18.0, 17.0, 16.0, 15.0]);
}
