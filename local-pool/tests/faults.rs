//! Each fault does what its name says, and the pool's own books stay right.

#![allow(clippy::unwrap_used)]

mod support;

use rminer_pool::monero::{MalformedJob, Profile};
use rminer_pool::{Fault, MAX_LINE_BYTES, Reject, ScheduledFault, Trigger};
use serde_json::{Value, json};
use support::*;

fn rig_and_miner() -> (Rig, Miner) {
    let mut rig = Rig::profile("default");
    let miner = rig.login();
    (rig, miner)
}

fn mines(rig: &mut Rig, miner: &mut Miner, nonce: u32) -> bool {
    is_ok(&rig.mine(miner, nonce))
}

#[test]
fn delay_and_none() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("delay(14000)");
    let job = miner.job.clone();
    rig.submit(&mut miner, &job, 0);
    rig.wait(13_999 * MS);
    assert!(rig.take(miner.id).is_empty());
    rig.wait(MS);
    assert!(is_ok(&rig.one(miner.id)));
    rig.fault("none");
    assert!(mines(&mut rig, &mut miner, 1000));
}

#[test]
fn split_and_drip() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("split(1, 1000)");
    let job = miner.job.clone();
    rig.writes.clear();
    rig.submit(&mut miner, &job, 0);
    rig.wait(10 * SECOND);
    assert_eq!(rig.take_raw(miner.id).len(), 11);
    assert!(rig.writes[&miner.id].iter().all(|write| *write == 1));
}

#[test]
fn glue_and_join() {
    for (fault, lines) in [("glue", 2), ("join", 1)] {
        let (mut rig, mut miner) = rig_and_miner();
        rig.fault(fault);
        let job = miner.job.clone();
        rig.writes.clear();
        rig.submit(&mut miner, &job, 0);
        rig.submit(&mut miner, &job, 1000);
        assert!(rig.take_raw(miner.id).is_empty());
        rig.wait(20 * MS);
        let raw = rig.take_raw(miner.id);
        assert_eq!(rig.writes[&miner.id], [raw.len()]);
        assert_eq!(raw.iter().filter(|byte| **byte == b'\n').count(), lines);
        let replies: Vec<Value> =
            serde_json::Deserializer::from_slice(&raw).into_iter().collect::<Result<_, _>>().unwrap();
        assert!(replies.len() == 2 && replies.iter().all(is_ok));
    }
}

#[test]
fn drop_reply() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("drop_reply(2)");
    let job = miner.job.clone();
    let ids: Vec<u64> = (0..3).map(|round| rig.submit(&mut miner, &job, round * 1000)).collect();
    assert_eq!(rig.one(miner.id)["id"], json!(ids[2]));
    let stats = rig.pool.stats();
    assert_eq!((stats.dropped_replies, stats.shares.accepted), (2, 3));
}

#[test]
fn ids_in_other_clothes() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("wrong_id");
    assert_eq!(rig.mine(&mut miner, 0)["id"], 100_002);
    rig.fault("none");
    rig.fault("string_ids");
    assert_eq!(rig.mine(&mut miner, 1000)["id"], "3");
    rig.fault("none");
    rig.fault("float_ids");
    assert_eq!(rig.mine(&mut miner, 2000)["id"].to_string(), "4.0");
    rig.fault("null_ids");
    assert_eq!(rig.mine(&mut miner, 3000)["id"], Value::Null);
    rig.fault("none");
    rig.fault("string_ids");
    let id = rig.connect();
    rig.send(id, &login(1));
    assert_eq!(rig.one(id)["id"], "1");
}

#[test]
fn numbers_as_strings() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("numbers_as_strings");
    rig.fault("new_job");
    assert_eq!(rig.job(miner.id)["height"], "3000000");
    let job = miner.job.clone();
    let share = weak_share(&job, 0);
    rig.submit_share(&mut miner, &job, &share);
    assert_eq!(rig.one(miner.id)["error"]["code"], "-1");
}

#[test]
fn error_shapes() {
    let (mut rig, mut miner) = rig_and_miner();
    let job = miner.job.clone();
    let share = share(&job, 0);
    assert!(mines(&mut rig, &mut miner, 0));
    for (shape, want) in [
        ("object", json!({"code": -1, "message": "Duplicate share"})),
        ("no_code", json!({"message": "Duplicate share"})),
        ("text", json!("Duplicate share")),
        ("array", json!([-1, "Duplicate share", null])),
        ("nested", json!({"code": "-1", "message": {"message": "Duplicate share"}})),
        ("number", json!(-1)),
    ] {
        rig.fault(&format!("error_shape({shape})"));
        rig.submit_share(&mut miner, &job, &share);
        assert_eq!(rig.one(miner.id)["error"], want);
    }
}

#[test]
fn replies_twice_and_swapped() {
    let (mut rig, mut miner) = rig_and_miner();
    let job = miner.job.clone();
    rig.fault("reply_twice");
    let id = rig.submit(&mut miner, &job, 0);
    let lines = rig.take(miner.id);
    assert!(lines.len() == 2 && lines.iter().all(|line| line["id"] == id && is_ok(line)));
    rig.fault("none");
    rig.fault("reply_reorder");
    let ids: Vec<u64> = (1..4).map(|round| rig.submit(&mut miner, &job, round * 1000)).collect();
    let order = |lines: Vec<Value>| lines.iter().map(|line| line["id"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(order(rig.take(miner.id)), [ids[1], ids[0]]);
    rig.wait(SECOND);
    assert_eq!(order(rig.take(miner.id)), [ids[2]], "a single one is not lost");
}

#[test]
fn close_after() {
    let mut rig = Rig::profile("default");
    rig.fault("close_after(0)");
    let id = rig.connect();
    assert!(rig.closed.contains(&id));
    rig.fault("close_after(1)");
    let id = rig.connect();
    rig.send(id, &login(1));
    assert!(rig.one(id)["result"]["job"].is_object());
    assert!(rig.closed.contains(&id), "closed after the login's reply");
    rig.fault("none");
    let mut miner = rig.login();
    rig.fault("close_after(2)");
    assert!(mines(&mut rig, &mut miner, 0));
    assert!(!rig.closed.contains(&miner.id));
    assert!(mines(&mut rig, &mut miner, 1000));
    assert!(rig.closed.contains(&miner.id));
    assert_eq!(rig.pool.stats().closed_by_pool, 3);
}

#[test]
fn close_after_waits_for_the_verdict() {
    let mut rig = Rig::with(easy(Profile::default()), rminer_pool::Verification::Deferred);
    let mut miner = rig.login();
    rig.fault("close_after(1)");
    let job = miner.job.clone();
    rig.submit(&mut miner, &job, 0);
    assert!(!rig.closed.contains(&miner.id));
    let request = rig.pool.poll_verify().unwrap();
    let hash = rminer_algos::Reference::hash(&mut rminer_pool::ToyReference, &request.work, request.nonce);
    rig.pool.verified(rig.now, request.ticket, hash);
    rig.wait(MS);
    assert!(is_ok(&rig.one(miner.id)) && rig.closed.contains(&miner.id));
}

#[test]
fn silent() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("silent");
    let job = miner.job.clone();
    rig.submit(&mut miner, &job, 0);
    let id = rig.connect();
    rig.send(id, &login(1));
    rig.wait(60 * SECOND);
    assert!(rig.take(miner.id).is_empty() && rig.take(id).is_empty());
    assert!(!rig.closed.contains(&miner.id) && !rig.closed.contains(&id));
    assert_eq!(rig.pool.stats().shares.accepted, 1);
}

#[test]
fn ban_text() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("ban_text");
    assert_eq!(error_text(&rig.mine(&mut miner, 0)), "Your IP is banned");
    assert!(rig.closed.contains(&miner.id));
    let id = rig.connect();
    rig.send(id, &login(1));
    assert_eq!(error_text(&rig.one(id)), "Your IP is banned");
}

#[test]
fn reject_all_keeps_the_books_honest() {
    let (mut rig, mut miner) = rig_and_miner();
    for (round, reject) in (0..).zip(Reject::ALL) {
        rig.fault(&format!("reject_all({reject})"));
        assert_eq!(error_text(&rig.mine(&mut miner, round * 1000)), reject.text());
    }
    let stats = rig.pool.stats();
    let all = u64::try_from(Reject::ALL.len()).unwrap();
    assert_eq!((stats.shares.accepted, stats.forced_rejects), (all, all));
    assert_eq!((stats.shares.invalid(), stats.shares.rejected_total()), (0, 0));
}

#[test]
fn escapes_reach_the_miner_as_json() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("escape_text");
    let line = rig.one(miner.id);
    assert_eq!(line["method"], "client.show_message");
    assert!(line["params"][0].as_str().unwrap().contains('\u{1b}'));
    rig.fault("reject_all(low_difficulty)");
    let reply = rig.mine(&mut miner, 0);
    assert!(error_text(&reply).starts_with("Low difficulty share") && error_text(&reply).contains('\u{7}'));
}

#[test]
fn half_a_line_then_silence() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("half_line");
    let half = rig.take_raw(miner.id);
    assert!(half.starts_with(b"{\"jsonrpc\"") && !half.contains(&b'\n'));
    let job = miner.job.clone();
    rig.submit(&mut miner, &job, 0);
    rig.wait(SECOND);
    assert!(rig.take_raw(miner.id).is_empty());
}

#[test]
fn lines_that_are_no_messages() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("garbage_line");
    let raw = rig.take_raw(miner.id);
    let lines: Vec<&[u8]> = raw.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| serde_json::from_slice::<Value>(line).is_err()));

    rig.fault("huge_line(300000000)");
    assert_eq!(rig.floods[&miner.id], 300_000_000);
    assert_eq!(rig.take_raw(miner.id), b"\n");

    rig.fault("json_bomb");
    let raw = rig.take_raw(miner.id);
    let lines: Vec<&[u8]> = raw.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line.len() <= MAX_LINE_BYTES), "a bomb is not merely a long line");
    assert!(lines.iter().filter(|line| line.len() > 20_000).count() >= 4);

    rig.fault("unknown_replies");
    let replies = rig.take(miner.id);
    assert!(replies.len() == 9 && replies.iter().all(|reply| reply.get("method").is_none()));
    assert!(mines(&mut rig, &mut miner, 0), "the session goes on");
}

#[test]
fn dup_job() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("dup_job");
    assert_eq!(rig.job(miner.id), miner.job);
    assert!(mines(&mut rig, &mut miner, 0));
}

#[test]
fn same_id_new_content_credits_both() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("same_id_new_content");
    let changed = rig.job(miner.id);
    assert_eq!(changed["job_id"], miner.job["job_id"]);
    assert_ne!(changed["blob"], miner.job["blob"]);
    let (old, new) = (share(&miner.job, 0), share(&changed, 0));
    for (share, verdict) in [(&old, "OK"), (&new, "OK"), (&old, "Duplicate share"), (&new, "Duplicate share")]
    {
        rig.submit_share(&mut miner, &changed, share);
        let reply = rig.one(miner.id);
        assert_eq!(if is_ok(&reply) { "OK" } else { error_text(&reply) }, verdict);
    }
    let lie = Share { nonce: "ffffffff".into(), result: "00".repeat(32), commitment: None };
    rig.submit_share(&mut miner, &changed, &lie);
    assert_eq!(error_text(&rig.one(miner.id)), "Bad hash");
    assert_eq!(rig.pool.stats().shares.submitted, 5);
}

#[test]
fn retarget_same_job() {
    let (mut rig, mut miner) = rig_and_miner();
    let first = share(&miner.job, 0);
    assert!(mines(&mut rig, &mut miner, 0));
    rig.fault("retarget_same_job");
    let job = rig.job(miner.id);
    assert_eq!(job["blob"], miner.job["blob"]);
    assert_ne!((&job["job_id"], &job["target"]), (&miner.job["job_id"], &miner.job["target"]));
    rig.submit_share(&mut miner, &job, &first);
    assert_eq!(error_text(&rig.one(miner.id)), "Duplicate share", "one blob, one set of nonces");
}

#[test]
fn malformed_jobs() {
    for kind in MalformedJob::ALL {
        let (mut rig, mut miner) = rig_and_miner();
        rig.set(Fault::MalformedJob(*kind));
        let lines = rig.take(miner.id);
        assert_eq!(lines.len(), 1, "{kind}");
        let job = lines[0]["params"].clone();
        if kind.usable() {
            let mut whole = job.clone();
            for (name, text) in whole.as_object_mut().unwrap() {
                if name != "job_id" {
                    *text = text.as_str().map_or(text.clone(), |text| text.to_lowercase().into());
                }
            }
            rig.submit(&mut miner, &whole, 0);
            assert!(is_ok(&rig.one(miner.id)), "{kind}");
        } else if job["job_id"].is_string() {
            let any = Share { nonce: "00000000".into(), result: "00".repeat(32), commitment: None };
            rig.submit_share(&mut miner, &job, &any);
            assert_eq!(error_text(&rig.one(miner.id)), "Invalid job id", "{kind}");
            // Only a job whose own id was spoiled cannot be told from one that never was.
            let told = !matches!(kind, MalformedJob::IdEmpty | MalformedJob::IdHuge);
            assert_eq!(rig.pool.stats().shares_for_malformed_jobs, u64::from(told), "{kind}");
        }
        assert!(mines(&mut rig, &mut miner, 3000), "{kind}: the job before stands");
    }
}

#[test]
fn zero_target_at_login() {
    let mut rig = Rig::profile("default");
    rig.fault("zero_target@login");
    let mut miner = rig.login();
    assert_eq!(miner.job["target"], "00000000");
    rig.fault("zero_target");
    assert_eq!(rig.job(miner.id)["target"], "00000000");
    rig.fault("new_job");
    miner.job = rig.job(miner.id);
    assert!(mines(&mut rig, &mut miner, 0));
    assert_ne!(rig.login().job["target"], "00000000", "only the next login");
}

#[test]
fn redirect() {
    let (mut rig, miner) = rig_and_miner();
    rig.fault("redirect(evil.example, 3333)");
    let line = rig.one(miner.id);
    assert_eq!(
        (&line["method"], &line["params"]),
        (&json!("client.reconnect"), &json!(["evil.example", "3333"]))
    );
    rig.fault("redirect()");
    assert_eq!(rig.one(miner.id)["params"], json!([]));
}

#[test]
fn job_storm_ends_on_a_good_job() {
    let (mut rig, mut miner) = rig_and_miner();
    rig.fault("job_storm(10000)");
    let lines = rig.take(miner.id);
    assert_eq!(lines.len(), 10_000);
    miner.job = lines[9_999]["params"].clone();
    assert!(mines(&mut rig, &mut miner, 0));
    assert_eq!(rig.pool.stats().height, 3_000_000 + 10_000 / 4);
}

#[test]
fn new_block_seed_change_and_close() {
    let (mut rig, miner) = rig_and_miner();
    rig.fault("new_block");
    assert_eq!(rig.job(miner.id)["height"], 3_000_001);
    rig.fault("seed_change");
    let job = rig.job(miner.id);
    assert_eq!(job["height"], 3_000_002);
    assert_ne!(job["seed_hash"], miner.job["seed_hash"]);
    rig.fault("close");
    assert!(rig.closed.contains(&miner.id));
}

#[test]
fn scheduled_faults() {
    let mut rig = Rig::profile("default");
    // The login and two submits; with the third request the mode begins.
    rig.fault("reject_all(throttled)@3");
    rig.fault("new_block@2");
    rig.fault("redirect(a, 1)@login");
    rig.fault("string_ids@login");
    let id = rig.connect();
    rig.send(id, &login(1));
    let lines = rig.take(id);
    assert_eq!((&lines[0]["id"], &lines[1]["method"]), (&json!("1"), &json!("client.reconnect")));
    let (token, job) =
        (lines[0]["result"]["id"].as_str().unwrap().to_owned(), lines[0]["result"]["job"].clone());
    let mut miner = Miner { id, token, job: job.clone(), next_request: 2 };
    rig.submit(&mut miner, &job, 0);
    let lines = rig.take(id);
    assert!(is_ok(&lines[0]) && lines[1]["method"] == "job");
    assert!(mines(&mut rig, &mut miner, 1000));
    assert_eq!(error_text(&rig.mine(&mut miner, 2000)), Reject::Throttled.text());

    // `none` takes back what still waits.
    rig.set(Fault::None);
    rig.pool.set_fault(rig.now, ScheduledFault { fault: Fault::Silent, trigger: Trigger::AfterRequests(1) });
    rig.set(Fault::None);
    assert!(mines(&mut rig, &mut miner, 3000));
    assert!(mines(&mut rig, &mut miner, 4000));
}

#[test]
fn faults_from_the_start() {
    let mut config = easy(Profile::default());
    config.faults = vec!["string_ids".parse().unwrap()];
    let mut rig = Rig::new(config);
    let id = rig.connect();
    rig.send(id, &login(1));
    assert_eq!(rig.one(id)["id"], "1");
}
