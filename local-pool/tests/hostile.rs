//! The pool's own peers may be hostile; and equal input gives equal output.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use rminer_pool::monero::{MalformedJob, Profile};
use rminer_pool::{
    DifficultyConfig, Fault, Payload, PoolConfig, PoolCore, Reject, SessionId, ToyReference, Verification,
};
use serde_json::json;
use support::*;

#[test]
fn silence_and_long_lines_end_a_session() {
    let mut rig = Rig::profile("default");
    let silent = rig.connect();
    let dripping = rig.connect();
    for _ in 0..9 {
        rig.wait(SECOND);
        rig.raw(dripping, b"{");
    }
    assert!(rig.closed.is_empty());
    rig.wait(SECOND);
    assert!(rig.closed.contains(&silent) && rig.closed.contains(&dripping), "no login within 10 s");

    let endless = rig.connect();
    rig.raw(endless, &vec![b'x'; 64 * 1024]);
    assert!(!rig.closed.contains(&endless));
    rig.raw(endless, b"x");
    assert!(rig.closed.contains(&endless));

    let idle = rig.login();
    rig.wait(599 * SECOND);
    assert!(!rig.closed.contains(&idle.id));
    rig.wait(SECOND);
    assert!(rig.closed.contains(&idle.id));
    assert_eq!(rig.pool.stats().protocol_errors, 1);
}

#[test]
fn never_is_a_time() {
    let mut profile = Profile::by_name("p2pool").unwrap();
    profile.strict_ban = Some(Duration::MAX);
    profile.late_result = Some(Duration::MAX);
    let mut config = easy(profile);
    config.job_interval = Duration::MAX;
    config.difficulty.share_interval = Some(Duration::MAX);
    config.limits = rminer_pool::Limits { login: Duration::MAX, idle: Duration::MAX, ..config.limits };
    let mut rig = Rig::new(config);
    let mut miner = rig.login();
    let job = miner.job.clone();
    rig.submit(&mut miner, &job, 0);
    rig.wait(1_000_000 * SECOND);
    assert!(rig.take(miner.id).is_empty() && rig.closed.is_empty());
    rig.fault("split(1, 18446744073709551615)");
    rig.fault("delay(18446744073709551615)");
    rig.fault("new_job");
    rig.raw(miner.id, b"no json\n");
    rig.wait(1_000_000 * SECOND);
    let again = rig.connect();
    assert!(rig.closed.contains(&again), "banned for ever");
}

#[test]
fn sessions_are_bounded() {
    let mut rig = Rig::profile("default");
    let ids: Vec<SessionId> = (0..300).map(|_| rig.connect()).collect();
    assert_eq!(rig.closed.iter().collect::<Vec<_>>(), ids[256..].iter().collect::<Vec<_>>());
    let stats = rig.pool.stats();
    assert_eq!((stats.open_sessions, stats.connects, stats.refused_connects), (256, 256, 44));
    ids.iter().for_each(|id| rig.pool.closed(rig.now, *id));
    let stats = rig.pool.stats();
    assert_eq!((stats.open_sessions, stats.sessions.len()), (0, rminer_pool::MAX_CLOSED_SESSIONS));
}

#[test]
fn shares_in_check_and_replies_behind_them_are_bounded() {
    let mut config = easy(Profile::default());
    config.limits.shares_in_check = 8;
    config.limits.submits_per_s = 1000;
    let mut rig = Rig::with(config, Verification::Deferred);
    let mut miner = rig.login();
    let job = miner.job.clone();
    for round in 0..20 {
        rig.submit(&mut miner, &job, round * 500);
    }
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.in_check, shares.rejects(Reject::Throttled)), (8, 12));
    for _ in 0..1100 {
        rig.send(miner.id, &json!({"id": 1, "method": "keepalived", "params": {"id": miner.token}}));
    }
    assert!(rig.closed.contains(&miner.id), "a peer cannot pile up replies");
}

#[test]
fn a_peer_that_does_not_read_is_dropped() {
    let mut rig = Rig::profile("default");
    let miner = rig.login();
    rig.fault("delay(600000)");
    for _ in 0..3 {
        rig.fault("job_storm(20000)");
    }
    assert!(rig.closed.contains(&miner.id));
}

/// What a simulated peer, network or test does.
#[derive(Debug, Clone)]
enum Step {
    Connect,
    Bytes(Vec<u8>),
    Login,
    Submit(u32, bool),
    Keepalive,
    Fault(Fault),
    Closed,
    Time(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop_oneof![
        3 => proptest::sample::select(Fault::examples()),
        1 => proptest::sample::select(MalformedJob::ALL).prop_map(Fault::MalformedJob),
    ];
    let step = prop_oneof![
        2 => Just(Step::Connect),
        3 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Step::Bytes),
        2 => "[{}\\[\\]\":,a-z0-9\n]{0,80}".prop_map(|text| Step::Bytes(text.into_bytes())),
        2 => r#"\{"id":[0-9]{1,3},"method":"(login|submit|keepalived|getjob|x)","params":(\{\}|null|\[\]|\{"login":"w\+[0-9]{1,20}"\}|\{"id":"x","job_id":[0-9],"nonce":"z","result":""\})\}"#
            .prop_map(|text| Step::Bytes((text + "\n").into_bytes())),
        4 => Just(Step::Login),
        6 => (0u32..50, any::<bool>()).prop_map(|(nonce, good)| Step::Submit(nonce, good)),
        1 => Just(Step::Keepalive),
        2 => fault.prop_map(Step::Fault),
        1 => Just(Step::Closed),
        3 => (0u64..40_000).prop_map(Step::Time),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Everything that came out, and the statistics at the end.
fn run(profile: &str, steps: &[Step], start: Instant) -> (Vec<String>, String) {
    let mut config = PoolConfig::with_profile(Profile::by_name(profile).unwrap());
    config.difficulty = DifficultyConfig { start: 4, min: 2, max: 64, share_interval: Some(SECOND) };
    config.block_difficulty = 50;
    config.limits.sessions = 4;
    let mut now = start;
    let mut pool = PoolCore::new(config, Verification::Inline(Box::new(ToyReference)), now);
    let mut trace = Vec::new();
    let mut open: Vec<SessionId> = Vec::new();
    let mut heard = std::collections::BTreeMap::<SessionId, (String, serde_json::Value)>::new();
    for step in steps {
        let current = open.last().copied();
        match (step, current) {
            (Step::Connect, _) => open.push(pool.connect(now)),
            (Step::Bytes(bytes), Some(id)) => pool.bytes(now, id, bytes),
            (Step::Login, Some(id)) => pool.bytes(now, id, format!("{}\n", login(1)).as_bytes()),
            (Step::Submit(nonce, good), Some(id)) => {
                if let Some((token, job)) = heard.get(&id).filter(|(_, job)| job["blob"].is_string()) {
                    let usable = rminer_algos::Target::from_monero_hex(job["target"].as_str().unwrap_or(""))
                        .is_ok()
                        && job["blob"].as_str().is_some_and(|blob| blob.len() == 152 && blob.is_ascii())
                        && rminer_algos::decode_hex(job["blob"].as_str().unwrap()).is_ok()
                        && job["seed_hash"]
                            .as_str()
                            .is_some_and(|seed| rminer_algos::decode_hex_array::<32>(seed).is_ok());
                    if usable {
                        let found = if *good { share(job, nonce * 10) } else { weak_share(job, *nonce) };
                        let submit = json!({"id": 5, "method": "submit", "params": {
                            "id": token, "job_id": job["job_id"], "nonce": found.nonce, "result": found.result}});
                        pool.bytes(now, id, format!("{submit}\n").as_bytes());
                    }
                }
            }
            (Step::Keepalive, Some(id)) => {
                let token = heard.get(&id).map_or("", |(token, _)| token.as_str());
                let line = json!({"id": 6, "method": "keepalived", "params": {"id": token}});
                pool.bytes(now, id, format!("{line}\n").as_bytes());
            }
            (Step::Fault(fault), _) => pool.set_fault(now, fault.clone()),
            (Step::Closed, Some(id)) => {
                pool.closed(now, id);
                open.pop();
            }
            (Step::Time(millis), _) => {
                let end = now + Duration::from_millis(*millis);
                for _ in 0..200 {
                    let deadline = pool.next_deadline().max(now);
                    if deadline > end {
                        break;
                    }
                    now = deadline;
                    pool.tick(now);
                }
                now = end;
                pool.tick(now);
            }
            _ => {}
        }
        while let Some(output) = pool.poll_output() {
            match &output.payload {
                Payload::Bytes(bytes) => {
                    for line in bytes.split(|byte| *byte == b'\n') {
                        let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
                        let entry = heard.entry(output.session).or_default();
                        if let Some(token) = value["result"]["id"].as_str() {
                            *entry = (token.to_owned(), value["result"]["job"].clone());
                        } else if value["method"] == "job" {
                            entry.1 = value["params"].clone();
                        }
                    }
                    trace.push(format!(
                        "{} {:?} {}",
                        output.session,
                        now - start,
                        String::from_utf8_lossy(bytes)
                    ));
                }
                Payload::Flood { count, .. } => trace.push(format!("{} flood {count}", output.session)),
                Payload::Close => {
                    open.retain(|id| *id != output.session);
                    trace.push(format!("{} close", output.session));
                }
            }
        }
        let stats = pool.stats();
        assert!(stats.shares.add_up(), "{stats:?}");
        assert!(stats.open_sessions <= 4);
        let sum: u64 = stats.sessions.iter().map(|session| session.shares.submitted).sum();
        assert_eq!(sum, stats.shares.submitted);
    }
    (trace, serde_json::to_string(&pool.stats()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// No input and no fault makes the pool panic, lose count or grow; and it does the same again.
    #[test]
    fn anything_goes_and_replays(steps in steps(), profile in 0..Profile::all().len()) {
        let name = Profile::all()[profile].name;
        let start = Instant::now();
        let first = run(name, &steps, start);
        let second = run(name, &steps, start);
        prop_assert_eq!(first, second);
    }

    /// Cutting the input differently does not change the output.
    #[test]
    fn cuts_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..20) {
        let mut input = format!("{}\n", login(1)).into_bytes();
        input.extend(&bytes);
        input.extend(b"\n{\"id\":3,\"method\":\"x\"}\n");
        let (mut whole, mut cut_up) = (Rig::profile("default"), Rig::profile("default"));
        let (a, b) = (whole.connect(), cut_up.connect());
        whole.raw(a, &input);
        input.chunks(cut).for_each(|chunk| cut_up.raw(b, chunk));
        prop_assert_eq!(whole.take_raw(a), cut_up.take_raw(b));
        prop_assert_eq!(whole.closed, cut_up.closed);
    }
}
