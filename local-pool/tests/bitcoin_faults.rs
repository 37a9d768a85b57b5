//! Faults at a Bitcoin pool: those of its own, and that the common ones work there.

#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use rminer_pool::bitcoin::{MalformedNotify, Profile};
use rminer_pool::{ErrorShape, Fault, MAX_LINE_BYTES, Reject};
use serde_json::json;
use support::bitcoin::*;
use support::{MS, Rig};

fn rig_and_peer() -> (Rig, Peer) {
    let mut rig = Rig::bitcoin_named("default");
    let peer = rig.mining_peer();
    (rig, peer)
}

#[test]
fn set_extranonce_counts_from_the_next_job_even_under_the_same_id() {
    let (mut rig, mut peer) = rig_and_peer();
    let first = peer.job.clone();
    let old = peer.params(&peer.find(0));
    let before = peer.extranonce1.clone();
    rig.fault("set_extranonce");
    let lines = rig.listen(&mut peer);
    assert_eq!(
        (&lines[0]["method"], &lines[1]["method"]),
        (&json!("mining.set_extranonce"), &json!("mining.notify"))
    );
    assert_eq!(peer.job[0], first[0], "the same id");
    assert_ne!(peer.extranonce1, before);
    let id = rig.call(&mut peer, "mining.submit", old);
    assert!(is_true(&peer.reply(id)), "what was on its way counts");
    assert!(is_true(&rig.dig(&mut peer, 0)), "another extranonce, another header");
    rig.fault("set_extranonce(16, 1)");
    rig.listen(&mut peer);
    assert_eq!((peer.extranonce1.len(), peer.extranonce2_bytes), (16, 1));
    assert!(is_true(&rig.dig(&mut peer, 0)));
    rig.fault("new_job");
    rig.listen(&mut peer);
    assert!(is_true(&rig.dig(&mut peer, 0)));
    assert_eq!(rig.pool.stats().shares.rejected_total(), 0);
}

#[test]
fn absurd_sizes_change_nothing() {
    let (mut rig, mut peer) = rig_and_peer();
    let before = peer.extranonce1.clone();
    rig.fault("absurd_sizes");
    let id = peer.id;
    let lines = rig.take(id);
    assert_eq!((&lines[0]["params"][1], &lines[1]["params"][1]), (&json!(4_294_967_295u32), &json!(4)));
    assert_eq!(lines[1]["params"][0].as_str().unwrap().len(), 10_000);
    assert_eq!(peer.extranonce1, before);
    assert!(is_true(&rig.dig(&mut peer, 0)));
}

#[test]
fn a_version_mask_counts_at_once() {
    let (mut rig, mut peer) = rig_and_peer();
    let wide = peer.find_with(Share { version_bits: Some(0x1000_0000), ..peer.find(0) }, true);
    rig.fault("set_version_mask(0000e000)");
    rig.listen(&mut peer);
    assert_eq!(peer.mask, 0xE000);
    assert!(is_true(&rig.offer(&mut peer, &wide)), "the job was sent with the wide mask");
    rig.fault("new_job");
    rig.listen(&mut peer);
    let wide = peer.find_with(Share { version_bits: Some(0x1000_0000), ..peer.find(0) }, true);
    assert_eq!(rig.offer(&mut peer, &wide)["error"][1], "Invalid version bits");
    let narrow = peer.find_with(Share { version_bits: Some(0x4000), ..wide }, true);
    assert!(is_true(&rig.offer(&mut peer, &narrow)));
}

#[test]
fn questions_and_their_answers() {
    let (mut rig, mut peer) = rig_and_peer();
    rig.fault("questions");
    let questions = rig.listen(&mut peer);
    let methods: Vec<_> = questions.iter().map(|line| line["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["client.get_version", "mining.ping", "client.ping"]);
    for question in &questions {
        rig.send(peer.id, &json!({"id": question["id"], "result": "pong", "error": null}));
    }
    rig.send(peer.id, &json!({"id": 77, "result": null, "error": null}));
    assert_eq!(rig.pool.stats().answers, 3);
    assert!(is_true(&rig.dig(&mut peer, 0)));
    rig.send(peer.id, &json!({"id": 78}));
    assert!(rig.closed.contains(&peer.id), "neither a request nor a reply");
}

#[test]
fn same_id_new_content_credits_both() {
    let (mut rig, mut peer) = rig_and_peer();
    let first = peer.job.clone();
    let old = peer.find(0);
    rig.fault("same_id_new_content");
    rig.listen(&mut peer);
    assert_eq!(peer.job[0], first[0]);
    assert_ne!(peer.job[4], first[4]);
    let new = peer.find(0);
    for (share, code) in [(&old, None), (&new, None), (&old, Some(22)), (&new, Some(22))] {
        let reply = rig.offer(&mut peer, share);
        assert_eq!(reply["error"][0].as_i64(), code, "{reply}");
    }
}

#[test]
fn the_same_job_again() {
    let (mut rig, mut peer) = rig_and_peer();
    assert!(is_true(&rig.dig(&mut peer, 0)));
    let old = peer.find(0);
    let first = peer.job.clone();
    rig.fault("dup_job");
    assert_eq!(rig.listen(&mut peer).len(), 1);
    assert_eq!(peer.job, first);
    rig.fault("retarget_same_job");
    let lines = rig.listen(&mut peer);
    assert_eq!(lines[0]["params"][0], json!(2.0 * 16.0 / 4_294_967_296.0));
    assert_eq!((&peer.job[0], &peer.job[8]), (&first[0], &json!(false)));
    assert_eq!(rig.offer(&mut peer, &old)["error"][0], 22);
    assert!(is_true(&rig.dig(&mut peer, 90_000)));
}

#[test]
fn difficulties_that_are_none() {
    let (mut rig, mut peer) = rig_and_peer();
    rig.fault("zero_target");
    let raw = String::from_utf8(rig.take_raw(peer.id)).unwrap();
    assert_eq!(raw.lines().filter(|line| line.contains("mining.set_difficulty")).count(), 8);
    assert!(is_true(&rig.dig(&mut peer, 0)), "the old one is in force");
}

#[test]
fn malformed_jobs() {
    for kind in MalformedNotify::ALL {
        let (mut rig, mut peer) = rig_and_peer();
        let good = peer.job.clone();
        rig.set(Fault::MalformedNotify(*kind));
        let lines = rig.listen(&mut peer);
        assert_eq!(lines.len(), 1, "{kind}");
        let job = std::mem::replace(&mut peer.job, good);
        if kind.usable() {
            let before = std::mem::replace(&mut peer.job, job);
            assert!(is_true(&rig.dig(&mut peer, 0)), "{kind}");
            peer.job = before;
        } else if job[0].is_string() {
            let id = rig.call(
                &mut peer,
                "mining.submit",
                json!(["bc1qexample.rig0", job[0], "0000000000000000", "00000000", "00000000"]),
            );
            assert_eq!(peer.reply(id)["error"][0], 21, "{kind}");
            let told = *kind != MalformedNotify::IdHuge;
            assert_eq!(rig.pool.stats().shares_for_malformed_jobs, u64::from(told), "{kind}");
        }
        assert!(is_true(&rig.dig(&mut peer, 3000)), "{kind}: the job before stands");
    }
}

#[test]
fn a_first_job_can_be_wrong() {
    let mut rig = Rig::bitcoin_named("default");
    rig.fault("malformed_notify(coinbase2_odd)@login");
    rig.fault("questions@login");
    let mut peer = rig.mining_peer();
    assert_eq!(peer.job[3].as_str().unwrap().len() % 2, 1);
    assert_eq!(peer.methods().len(), 5, "what waits for a login follows it");
    rig.fault("new_job");
    rig.listen(&mut peer);
    assert!(is_true(&rig.dig(&mut peer, 0)));
}

#[test]
fn refusals_have_codes_in_every_shape() {
    let (mut rig, mut peer) = rig_and_peer();
    assert!(is_true(&rig.dig(&mut peer, 0)));
    let share = peer.find(0);
    for (name, shape) in ErrorShape::ALL {
        rig.set(Fault::ErrorShape(shape));
        let reply = rig.offer(&mut peer, &share);
        match shape {
            ErrorShape::Object => assert_eq!(reply["error"]["code"], 22),
            ErrorShape::Array => assert_eq!(reply["error"][0], 22),
            ErrorShape::Number => assert_eq!(reply["error"], 22),
            ErrorShape::Bare | ErrorShape::RejectReason => assert_eq!(reply["result"], false, "{name}"),
            _ => assert!(!reply["error"].is_null(), "{name}"),
        }
    }
    for (round, reject) in (0..).zip(Reject::ALL) {
        rig.set(Fault::None);
        rig.fault(&format!("reject_all({reject})"));
        let reply = rig.dig(&mut peer, 1_000_000 + round * 1000);
        assert!(reply["error"][0].is_i64(), "{reply}");
    }
    let shares = rig.pool.stats().shares;
    assert_eq!(shares.accepted, 1 + u64::try_from(Reject::ALL.len()).unwrap());
}

#[test]
fn common_faults_work_here_too() {
    let (mut rig, mut peer) = rig_and_peer();
    rig.fault("json_bomb");
    let raw = rig.take_raw(peer.id);
    let text = String::from_utf8(raw).unwrap();
    assert!(text.lines().all(|line| line.len() <= MAX_LINE_BYTES));
    assert_eq!(text.lines().filter(|line| line.contains("mining.notify")).count(), 4);
    rig.fault("redirect(evil.example, 3333)");
    assert_eq!(rig.listen(&mut peer)[0]["params"], json!(["evil.example", "3333"]));
    rig.fault("escape_text");
    assert_eq!(rig.listen(&mut peer)[0]["method"], "client.show_message");
    rig.set(Fault::None);
    rig.fault("drop_reply(1)");
    let share = peer.find(0);
    rig.post(&mut peer, &share);
    assert_eq!(rig.pool.stats().dropped_replies, 1);
    rig.fault("numbers_as_strings");
    rig.pool.set_difficulty(rig.now, 32);
    rig.wait(MS);
    assert!(rig.listen(&mut peer)[0]["params"][0].is_string());
    rig.fault("job_storm(100)");
    assert_eq!(rig.listen(&mut peer).len(), 100);
    rig.fault("half_line");
    assert!(rig.take_raw(peer.id).starts_with(b"{\"id\":null,\"method\":\"mining.notify\""));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No input and no fault makes the pool panic or lose count; and it says the same again.
    #[test]
    fn anything_goes_and_replays(
        profile in 0..Profile::all().len(),
        steps in proptest::collection::vec(prop_oneof![
            3 => r#"\{"id":[0-9]{1,3},"method":"mining\.(configure|subscribe|authorize|submit|suggest_difficulty|extranonce\.subscribe|x)","params":(\[\]|null|\{\}|\["a","x"\]|\["a","[0-9a-f]","","00000000","00000000"\]|\[\["version-rolling"\],\{\}\]|\[1e-9\]|\[\["minimum-difficulty"\],\{"minimum-difficulty.value":1e300\}\])\}"#
                .prop_map(Step::Line),
            2 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Step::Line(String::from_utf8_lossy(&bytes).into_owned())),
            1 => proptest::sample::select(Fault::examples()).prop_map(Step::Fault),
            1 => proptest::sample::select(MalformedNotify::ALL).prop_map(|kind| Step::Fault(Fault::MalformedNotify(kind))),
            2 => Just(Step::Mine),
            1 => Just(Step::Connect),
            1 => (0u32..40_000).prop_map(Step::Time),
        ], 0..40),
    ) {
        let run = || {
            let mut rig = Rig::bitcoin(Profile::all()[profile].clone());
            let mut trace = Vec::new();
            let mut peer = rig.mining_peer_lossy();
            for step in &steps {
                match step {
                    Step::Connect => peer = rig.mining_peer_lossy(),
                    Step::Line(line) => rig.raw(peer.id, format!("{line}\n").as_bytes()),
                    Step::Fault(Fault::HugeLine(_)) => {}
                    Step::Fault(fault) => rig.set(fault.clone()),
                    Step::Mine => {
                        let params = json!(["bc1qexample.rig0", peer.job[0], "00".repeat(peer.extranonce2_bytes), peer.job[7], "00000000"]);
                        rig.send(peer.id, &json!({"id": 9, "method": "mining.submit", "params": params}));
                    }
                    Step::Time(millis) => rig.wait(*millis * MS),
                }
                trace.push(rig.take_raw(peer.id));
                let stats = rig.pool.stats();
                assert!(stats.shares.add_up(), "{stats:?}");
            }
            let stats = serde_json::to_string(&rig.pool.stats()).unwrap();
            (trace, stats)
        };
        prop_assert_eq!(run(), run());
    }
}

#[derive(Debug, Clone)]
enum Step {
    Connect,
    Line(String),
    Fault(Fault),
    Mine,
    Time(u32),
}

impl Rig {
    /// A peer that says what a miner says and understands nothing of what comes back.
    fn mining_peer_lossy(&mut self) -> Peer {
        let mut peer = self.peer();
        peer.job = json!(["1", "", "", "", [], "", "", "00000000", true]);
        for (id, method, params) in [
            (1, "mining.configure", json!([["version-rolling"], {}])),
            (2, "mining.subscribe", json!(["test/1"])),
            (3, "mining.authorize", json!(["bc1qexample.rig0", "x"])),
        ] {
            self.send(peer.id, &json!({"id": id, "method": method, "params": params}));
        }
        peer
    }
}
