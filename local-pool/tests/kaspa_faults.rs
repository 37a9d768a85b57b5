//! Faults at a Kaspa pool: those of its own, and that the common ones work there.

#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use rminer_pool::kaspa::{MalformedTemplate, Profile};
use rminer_pool::{Fault, MAX_LINE_BYTES};
use serde_json::json;
use support::kaspa::*;
use support::{MS, Rig};

fn rig_and_peer() -> (Rig, Peer) {
    let mut rig = Rig::kaspa_named("default");
    let peer = rig.kaspa_miner();
    (rig, peer)
}

#[test]
fn an_extranonce_counts_from_the_next_job_even_under_the_same_id() {
    let (mut rig, mut peer) = rig_and_peer();
    let (name, before) = (peer.job[0].clone(), peer.extranonce.clone());
    let old = peer.submit(peer.good(0));
    rig.fault("set_extranonce");
    let lines = rig.hear(&mut peer);
    assert_eq!(
        (&lines[0]["method"], &lines[1]["method"]),
        (&json!("mining.set_extranonce"), &json!("mining.notify"))
    );
    assert_eq!((&peer.job[0], peer.extranonce == before), (&name, false));
    assert!(is_true(&rig.try_params(&mut peer, old).unwrap()), "what was on its way counts");
    assert!(is_true(&rig.find_share(&mut peer)), "another extranonce, other nonces");
    rig.fault("new_job");
    rig.hear(&mut peer);
    let before = peer.extranonce.clone();
    rig.fault("set_extranonce");
    let earlier = std::mem::replace(&mut peer.job, json!(null));
    rig.hear(&mut peer);
    assert_ne!(peer.extranonce, before);
    peer.job = earlier;
    assert!(is_true(&rig.find_share(&mut peer)), "the new one is good for the job that was out");
    for bytes in [0, 1, 4, 7] {
        rig.fault(&format!("set_extranonce({bytes}, {})", 8 - bytes));
        rig.hear(&mut peer);
        assert_eq!(peer.extranonce.len(), bytes);
        if bytes < 7 {
            assert!(is_true(&rig.find_share(&mut peer)), "{bytes}");
        }
    }
    rig.fault("set_extranonce(20, 0)");
    rig.hear(&mut peer);
    assert_eq!(peer.extranonce.len(), 8, "no wider than a nonce");
    assert_eq!(rig.pool.stats().shares.rejected_total(), 0);
}

#[test]
fn an_old_job_once_more() {
    let (mut rig, mut peer) = rig_and_peer();
    let first = peer.job.clone();
    rig.fault("new_job");
    rig.hear(&mut peer);
    let second = peer.job.clone();
    rig.fault("dup_job");
    rig.hear(&mut peer);
    assert_eq!(peer.job, second);
    rig.fault("old_job");
    rig.hear(&mut peer);
    assert_eq!(peer.job, first);
    assert!(is_true(&rig.find_share(&mut peer)), "old is not stale");
}

#[test]
fn the_same_name_for_another_job() {
    let (mut rig, mut peer) = rig_and_peer();
    let first = peer.job.clone();
    let old = peer.submit(peer.good(0));
    rig.fault("same_id_new_content");
    rig.hear(&mut peer);
    assert_eq!(peer.job[0], first[0]);
    assert_ne!(peer.job[1], first[1]);
    assert!(is_true(&rig.try_params(&mut peer, old).unwrap()));
    assert!(is_true(&rig.find_share(&mut peer)));
    let before = peer.hashes;
    rig.fault("retarget_same_job");
    rig.hear(&mut peer);
    assert_eq!((&peer.job[0], peer.hashes), (&first[0], 2 * before));
}

#[test]
fn difficulties_that_are_none() {
    let (mut rig, mut peer) = rig_and_peer();
    rig.fault("zero_target");
    let raw = String::from_utf8(rig.take_raw(peer.id)).unwrap();
    assert_eq!(raw.lines().filter(|line| line.contains("mining.set_difficulty")).count(), 8);
    assert!(is_true(&rig.find_share(&mut peer)), "the old one is in force");
}

#[test]
fn malformed_jobs() {
    for kind in MalformedTemplate::ALL {
        let (mut rig, mut peer) = rig_and_peer();
        let good = peer.job.clone();
        rig.set(Fault::MalformedTemplate(*kind));
        assert_eq!(rig.hear(&mut peer).len(), 1, "{kind}");
        let job = std::mem::replace(&mut peer.job, good);
        if kind.usable() {
            let before = std::mem::replace(&mut peer.job, job);
            assert!(is_true(&rig.find_share(&mut peer)), "{kind}");
            peer.job = before;
        } else {
            let reply = rig.try_params(&mut peer, json!([USER, "2", "0000000000000000"])).unwrap();
            assert_eq!(reply["error"][0], 21, "{kind}");
            assert_eq!(rig.pool.stats().shares_for_malformed_jobs, 1, "{kind}");
        }
        let nonce = peer.good(3000);
        assert!(is_true(&rig.offer_nonce(&mut peer, nonce)), "{kind}: the job before stands");
    }
}

#[test]
fn a_first_job_can_be_wrong() {
    let mut rig = Rig::kaspa_named("default");
    rig.fault("malformed_template(words_three)@login");
    rig.fault("dup_job@login");
    let mut peer = rig.kaspa_miner();
    assert_eq!(peer.job[1].as_array().unwrap().len(), 3);
    rig.fault("new_job");
    rig.hear(&mut peer);
    assert!(is_true(&rig.find_share(&mut peer)));
}

/// A storm of 10,000 jobs leaves no more behind than a pool keeps, and every line of it is a job.
#[test]
fn a_storm() {
    let (mut rig, mut peer) = rig_and_peer();
    rig.fault("job_storm(10000)");
    let lines = rig.hear(&mut peer);
    assert_eq!(lines.len(), 10_000);
    assert_eq!(peer.job[0], "10001");
    assert!(is_true(&rig.find_share(&mut peer)));
    assert_eq!(rig.pool.stats().jobs, 10_001);
}

#[test]
fn common_faults_work_here_too() {
    let (mut rig, mut peer) = rig_and_peer();
    rig.fault("json_bomb");
    let text = String::from_utf8(rig.take_raw(peer.id)).unwrap();
    assert!(text.lines().all(|line| line.len() <= MAX_LINE_BYTES));
    rig.fault("redirect(evil.example, 3333)");
    assert_eq!(rig.hear(&mut peer)[0]["params"], json!(["evil.example", "3333"]));
    rig.fault("drop_reply(1)");
    let params = peer.submit(peer.good(0));
    assert_eq!(rig.try_params(&mut peer, params), None);
    rig.fault("numbers_as_strings");
    rig.pool.set_difficulty(rig.now, 32);
    rig.fault("new_job");
    let lines = rig.hear(&mut peer);
    assert!(lines[0]["params"][0].is_string(), "{lines:?}");
    assert!(peer.job[1][0].is_string() && peer.job[2].is_string());
    rig.set(Fault::None);
    rig.fault("reject_all(stale_job)");
    let nonce = peer.good(9000);
    assert_eq!(rig.offer_nonce(&mut peer, nonce)["error"][0], 21);
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
            3 => r#"\{"id":[0-9]{1,3},"method":"mining\.(subscribe|authorize|submit|extranonce\.subscribe|x)","params":(\[\]|null|\{\}|\["a","x"\]|\["a","[0-9]{1,4}","[0-9a-fx]{0,20}"\]|\["a",[0-9]{1,3},"0x0","0","cad"\])\}"#
                .prop_map(Step::Line),
            2 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Step::Line(String::from_utf8_lossy(&bytes).into_owned())),
            1 => proptest::sample::select(Fault::examples()).prop_map(Step::Fault),
            1 => proptest::sample::select(MalformedTemplate::ALL).prop_map(|kind| Step::Fault(Fault::MalformedTemplate(kind))),
            2 => (0u64..400, any::<u64>()).prop_map(|(job, nonce)| Step::Submit(job, nonce)),
            1 => Just(Step::Connect),
            1 => (0u32..40_000).prop_map(Step::Time),
        ], 0..40),
    ) {
        let run = || {
            let mut rig = Rig::kaspa(Profile::all()[profile].clone());
            let mut trace = Vec::new();
            let mut id = rig.lossy_miner();
            for step in &steps {
                match step {
                    Step::Connect => id = rig.lossy_miner(),
                    Step::Line(line) => rig.raw(id, format!("{line}\n").as_bytes()),
                    Step::Fault(Fault::HugeLine(_)) => {}
                    Step::Fault(fault) => rig.set(fault.clone()),
                    Step::Submit(job, nonce) => {
                        let params = json!([USER, job.to_string(), format!("{nonce:016x}")]);
                        rig.send(id, &json!({"id": 9, "method": "mining.submit", "params": params}));
                    }
                    Step::Time(millis) => rig.wait(*millis * MS),
                }
                trace.push(rig.take_raw(id));
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
    Submit(u64, u64),
    Time(u32),
}

impl Rig {
    /// A session that says what a miner says and understands nothing of what comes back.
    fn lossy_miner(&mut self) -> rminer_pool::SessionId {
        let id = self.connect();
        self.send(id, &json!({"id": 1, "method": "mining.subscribe", "params": ["test/1"]}));
        self.send(id, &json!({"id": 2, "method": "mining.authorize", "params": [USER, "x"]}));
        id
    }
}
