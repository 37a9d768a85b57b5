//! Each profile does what it is for; and an ordinary miner can mine at all those that allow it.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rminer_pool::monero::Profile;
use rminer_pool::{DifficultyConfig, PoolConfig, Reject};
use serde_json::{Value, json};
use support::*;

/// Profiles at which nobody can mine.
const CLOSED_DOORS: [&str; 3] = ["ban-text", "login-refused", "no-compatible-algo"];

fn keepalive(miner: &Miner) -> Value {
    json!({"id": 70, "method": "keepalived", "params": {"id": miner.token}})
}

#[test]
fn a_correct_miner_mines_at_every_open_pool() {
    for profile in Profile::all() {
        if CLOSED_DOORS.contains(&profile.name) {
            continue;
        }
        let name = profile.name;
        let mut rig = Rig::new(easy(profile));
        let id = rig.connect();
        rig.send(id, &login(1));
        rig.wait(4 * SECOND);
        let lines = rig.take(id);
        let token = lines[0]["result"]["id"].as_str().unwrap().to_owned();
        let login_job = lines[0]["result"].get("job").cloned();
        let newest =
            lines.iter().rev().find(|line| line["method"] == "job").map(|line| line["params"].clone());
        let job = newest.or(login_job).unwrap();
        let mut miner = Miner { id, token, job: job.clone(), next_request: 2 };
        for nonce in [0, 1000, 2000] {
            rig.submit(&mut miner, &job, nonce);
        }
        rig.wait(28 * SECOND);
        let replies: Vec<Value> = rig.take(id).into_iter().filter(|line| line.get("id").is_some()).collect();
        assert!(replies.len() == 3 && replies.iter().all(is_ok), "{name}: {replies:?}");
        let stats = rig.pool.stats();
        assert_eq!((stats.shares.accepted, stats.shares.rejected_total()), (3, 0), "{name}");
        assert_eq!((stats.protocol_errors, stats.bans), (0, 0), "{name}");
        assert!(!rig.closed.contains(&id), "{name}");
    }
}

/// Shares of the second version are wrong in ways of their own, and the right one is taken after all of them.
#[test]
fn the_second_version_wants_its_commitment() {
    let mut rig = Rig::profile("rx2");
    let mut miner = rig.login();
    let job = miner.job.clone();
    assert_eq!(job["algo"], "rx/2");
    let good = share(&job, 0);
    let hash = good.commitment.clone().unwrap();
    let wrong = |result: &str, commitment: Option<&str>| Share {
        nonce: good.nonce.clone(),
        result: result.to_owned(),
        commitment: commitment.map(str::to_owned),
    };
    for (claim, reject) in [
        (wrong(&good.result, None), Reject::MalformedCommitment),
        (wrong(&hash, None), Reject::MalformedCommitment),
        (wrong(&good.result, Some("12")), Reject::MalformedCommitment),
        (wrong(&good.result, Some("")), Reject::MalformedCommitment),
        (wrong(&hash, Some(&hash)), Reject::BadHash),
        (wrong(&hash, Some(&good.result)), Reject::BadHash),
        (wrong(&good.result, Some(&good.result)), Reject::BadHash),
        (wrong(&good.result, Some(&"00".repeat(32))), Reject::BadHash),
        (weak_share(&job, 0), Reject::LowDifficulty),
    ] {
        let before = rig.pool.stats().shares.rejects(reject);
        rig.submit_share(&mut miner, &job, &claim);
        assert_eq!(
            error_text(&rig.one(miner.id)),
            reject.text(),
            "{:?} {:?}",
            claim.result,
            claim.commitment
        );
        assert_eq!(rig.pool.stats().shares.rejects(reject), before + 1);
    }
    rig.submit_share(&mut miner, &job, &good);
    assert!(is_ok(&rig.one(miner.id)));
    rig.submit_share(&mut miner, &job, &good);
    assert_eq!(error_text(&rig.one(miner.id)), Reject::Duplicate.text());
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.accepted, shares.invalid(), shares.duplicates()), (1, 9, 1));
}

/// Who cannot do the second version is told so at the login.
#[test]
fn the_second_version_is_not_for_everybody() {
    for (algorithms, is_taken) in [
        (json!(["rx/0"]), false),
        (json!(["rx/0", "rx/2"]), true),
        (json!(["rx/v2"]), true),
        (json!(null), true),
    ] {
        let mut rig = Rig::profile("rx2");
        let id = rig.connect();
        rig.send(id, &json!({"id": 1, "method": "login", "params": {"login": "w", "algo": algorithms}}));
        assert_eq!(rig.one(id)["error"].is_null(), is_taken, "{algorithms}");
    }
}

/// Each template changes the version; a share is judged by that of its own job, also when another has come since.
#[test]
fn versions_come_in_turns() {
    let mut rig = Rig::profile("algo-switch");
    let mut miner = rig.login();
    let mut jobs = vec![miner.job.clone()];
    for _ in 0..3 {
        rig.fault("new_job");
        jobs.push(rig.job(miner.id));
    }
    let names: Vec<&str> = jobs.iter().map(|job| job["algo"].as_str().unwrap()).collect();
    assert_eq!(names, ["rx/0", "rx/2", "rx/0", "rx/2"]);
    for job in jobs.iter().rev() {
        let mut other = job.clone();
        other["algo"] = if job["algo"] == "rx/0" { "rx/2" } else { "rx/0" }.into();
        rig.submit(&mut miner, &other, 0);
        assert!(!is_ok(&rig.one(miner.id)), "a share of the other version");
        rig.submit(&mut miner, job, 1000);
        assert!(is_ok(&rig.one(miner.id)), "{job}");
    }
}

#[test]
fn default_serves_everything() {
    let mut rig = Rig::profile("default");
    let mut miner = rig.login();
    assert_eq!(miner.job["target"].as_str().unwrap().len(), 16);
    assert_eq!(miner.job["height"], 3_000_000);
    assert!(miner.job.get("next_seed_hash").is_none());
    rig.send(miner.id, &keepalive(&miner));
    assert_eq!(rig.one(miner.id)["result"]["status"], "KEEPALIVED");
    rig.send(miner.id, &json!({"id": 71, "method": "keepalived", "params": {"id": "other"}}));
    assert_eq!(error_text(&rig.one(miner.id)), "Unauthenticated");
    rig.send(miner.id, &json!({"id": 72, "method": "getjob", "params": {"id": miner.token}}));
    let reply = rig.one(miner.id);
    assert_ne!(reply["result"]["job_id"], miner.job["job_id"]);
    miner.job = reply["result"].clone();
    assert!(is_ok(&rig.mine(&mut miner, 0)));
    rig.send(miner.id, &json!({"id": 73, "method": "mining.subscribe", "params": []}));
    assert_eq!(error_text(&rig.one(miner.id)), "Unknown method");
    let stats = rig.pool.stats();
    assert_eq!((stats.keepalives, stats.jobs, stats.sessions[0].jobs), (2, 2, 2));
}

#[test]
fn p2pool_is_strict() {
    let mut rig = Rig::profile("p2pool");
    let mut miner = rig.login();
    assert_eq!(miner.job["target"].as_str().unwrap().len(), 8);
    rig.send(miner.id, &keepalive(&miner));
    assert!(rig.take(miner.id).is_empty(), "no reply to keepalived");
    let job = miner.job.clone();
    let share = weak_share(&job, 0);
    rig.submit_share(&mut miner, &job, &share);
    assert_eq!(rig.one(miner.id)["error"], json!({"message": "Low difficulty share"}));

    let start = (rig.now, rig.pool.stats().bans);
    let unsound = [
        r#"{"id":"1","method":"login","params":{"login":"w"}}"#,
        r#"{"method":"login","params":{"login":"w"}}"#,
        r#"{"id":-1,"method":"login","params":{"login":"w"}}"#,
        r#"{"id":1,"method":"nosuch"}"#,
        r#"{"id":1,"method":"submit","params":{}}"#,
        "no json",
    ];
    for line in unsound {
        let id = rig.connect();
        rig.raw(id, format!("{line}\n").as_bytes());
        assert!(rig.closed.contains(&id) && rig.take(id).is_empty(), "{line}");
        let refused = rig.connect();
        assert!(rig.closed.contains(&refused), "banned: {line}");
        rig.wait(601 * SECOND);
    }
    let stats = rig.pool.stats();
    assert_eq!((stats.bans - start.1, stats.refused_connects), (6, 6));
    let id = rig.connect();
    assert!(!rig.closed.contains(&id), "the ban has ended");
    // Three bad shares ban too.
    let mut rig = Rig::profile("p2pool");
    let mut miner = rig.login();
    for nonce in [0, 1000, 2000] {
        assert!(!rig.closed.contains(&miner.id));
        let share = weak_share(&job, nonce);
        let job = miner.job.clone();
        rig.submit_share(&mut miner, &job, &share);
    }
    assert!(rig.closed.contains(&miner.id));
    // The target is written in eight bytes above a difficulty of four million.
    let mut config = PoolConfig::with_profile(Profile::by_name("p2pool").unwrap());
    config.difficulty = DifficultyConfig::fixed(4_000_001);
    assert_eq!(Rig::new(config).login().job["target"].as_str().unwrap().len(), 16);
}

#[test]
fn no_keepalive_answers_an_error() {
    let mut rig = Rig::profile("no-keepalive");
    let miner = rig.login();
    rig.send(miner.id, &keepalive(&miner));
    assert_eq!(error_text(&rig.one(miner.id)), "Unknown method");
    assert!(!rig.closed.contains(&miner.id));
}

#[test]
fn nicehash_keeps_its_byte() {
    for (name, announced) in [("nicehash", true), ("nicehash-silent", false)] {
        let mut rig = Rig::profile(name);
        let id = rig.connect();
        rig.send(id, &login(1));
        let reply = rig.one(id);
        let extensions = reply["result"]["extensions"].as_array().unwrap();
        assert_eq!(extensions.contains(&json!("nicehash")), announced);
        assert_eq!(&reply["result"]["job"]["blob"].as_str().unwrap()[78..86], "00000001");
        let mut second = rig.login();
        let blob = second.job["blob"].as_str().unwrap().to_owned();
        assert_eq!(&blob[78..86], "00000002");
        assert!(is_ok(&rig.mine(&mut second, 0)));
        let mut foreign = second.job.clone();
        foreign["blob"] = json!(blob.replace("00000002", "00000001"));
        let share = share(&foreign, 0);
        rig.submit_share(&mut second, &foreign, &share);
        assert_eq!(error_text(&rig.one(second.id)), Reject::NiceHashByte.text());
        assert!(rig.closed.contains(&second.id));
        assert_eq!(rig.pool.stats().shares.rejects(Reject::NiceHashByte), 1);
    }
}

#[test]
fn xmrig_proxy_shares_one_blob() {
    let mut rig = Rig::profile("xmrig-proxy");
    let (mut first, mut second) = (rig.login(), rig.login());
    let (a, b) = (first.job["blob"].as_str().unwrap(), second.job["blob"].as_str().unwrap());
    assert_eq!((&a[..84], &a[86..]), (&b[..84], &b[86..]));
    assert_eq!((&a[84..86], &b[84..86]), ("00", "01"), "the first miner's byte is zero");
    assert!(is_ok(&rig.mine(&mut first, 0)));
    assert!(is_ok(&rig.mine(&mut second, 0)), "another byte, another nonce");
    // The previous job stays valid, the one before does not.
    let old = second.job.clone();
    rig.fault("new_block");
    rig.take(second.id);
    rig.submit(&mut second, &old, 1000);
    assert!(is_ok(&rig.one(second.id)));
    rig.fault("new_block");
    rig.take(second.id);
    rig.submit(&mut second, &old, 2000);
    assert_eq!(error_text(&rig.one(second.id)), "Invalid job id");
    let short = rig.connect();
    rig.raw(short, b"{\"id\":1,\"method\":\"getjob\"}\n");
    assert!(rig.closed.contains(&short), "26 bytes are no request");
    // The byte is free again when its miner has left, and so is not every nonce under it.
    let job = second.job.clone();
    rig.pool.closed(rig.now, first.id);
    let third = rig.login();
    assert_eq!(&third.job["blob"].as_str().unwrap()[84..86], "00");
    assert_ne!(third.job["blob"], job["blob"]);
}

#[test]
fn shared_blob_remembers_across_sessions() {
    let mut rig = Rig::profile("shared-blob");
    let mut first = rig.login();
    assert!(is_ok(&rig.mine(&mut first, 0)));
    rig.pool.closed(rig.now, first.id);
    let mut again = rig.login();
    assert_eq!(again.job["blob"], first.job["blob"]);
    assert_ne!(again.job["job_id"], first.job["job_id"]);
    assert_eq!(error_text(&rig.mine(&mut again, 0)), "Duplicate share");
    rig.fault("new_job");
    let mut other = rig.job(again.id);
    assert_ne!(other["blob"], first.job["blob"]);
    rig.submit(&mut again, &other, 0);
    assert!(is_ok(&rig.one(again.id)));
    // Another blob under the same id also for everybody's blob.
    rig.fault("same_id_new_content");
    let changed = rig.job(again.id);
    assert_eq!(changed["job_id"], other["job_id"]);
    assert_ne!(changed["blob"], other["blob"]);
    other = changed;
    rig.submit(&mut again, &other, 0);
    assert!(is_ok(&rig.one(again.id)));
}

#[test]
fn dup_login_job_repeats_it_once() {
    let mut rig = Rig::profile("dup-login-job");
    let id = rig.connect();
    rig.send(id, &login(1));
    let lines = rig.take(id);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["result"]["job"], lines[1]["params"]);
}

#[test]
fn target_widths() {
    for (name, digits) in [("target4", 8), ("target8", 16)] {
        assert_eq!(Rig::profile(name).login().job["target"].as_str().unwrap().len(), digits);
    }
    let mut config = PoolConfig::with_profile(Profile::by_name("target4").unwrap());
    config.difficulty = DifficultyConfig::fixed(5_000_000_000);
    assert_eq!(Rig::new(config).login().job["target"], "cefee6db00000000", "the compact form would be zero");
}

#[test]
fn seed_rotate_announces_the_next_seed() {
    let mut rig = Rig::profile("seed-rotate");
    let mut miner = rig.login();
    let first_seed = miner.job["seed_hash"].clone();
    let mut announced = None;
    for _ in 0..6 {
        let job = miner.job.clone();
        if let Some(next) = job.get("next_seed_hash") {
            announced = Some(next.clone());
        }
        assert_eq!(job["seed_hash"], first_seed);
        rig.submit(&mut miner, &job, 0);
        assert!(is_ok(&rig.one(miner.id)));
        rig.wait(30 * SECOND);
        miner.job = rig.job(miner.id);
    }
    assert_eq!(Some(&miner.job["seed_hash"]), announced.as_ref());
    assert!(miner.job.get("next_seed_hash").is_none());
    assert!(is_ok(&rig.mine(&mut miner, 0)));
    // On request, with any profile.
    rig.fault("seed_change");
    assert_ne!(rig.job(miner.id)["seed_hash"], miner.job["seed_hash"]);
}

#[test]
fn algo_unknown_says_so_in_the_job() {
    assert_eq!(Rig::profile("algo-unknown").login().job["algo"], "rx/wow");
}

#[test]
fn late_result_is_late_and_alone() {
    let mut rig = Rig::profile("late-result");
    let mut miner = rig.login();
    let job = miner.job.clone();
    rig.submit(&mut miner, &job, 0);
    rig.send(miner.id, &keepalive(&miner));
    assert_eq!(rig.one(miner.id)["result"]["status"], "KEEPALIVED");
    rig.wait(24 * SECOND);
    assert!(rig.take(miner.id).is_empty());
    rig.wait(SECOND);
    assert!(is_ok(&rig.one(miner.id)));
}

#[test]
fn closed_doors_say_why() {
    for (name, text) in CLOSED_DOORS.into_iter().zip([
        "Your IP is banned",
        "Invalid address used for login",
        "No compatible algorithm found",
    ]) {
        let mut rig = Rig::profile(name);
        let id = rig.connect();
        rig.send(id, &login(1));
        assert_eq!(error_text(&rig.one(id)), text);
        assert!(rig.closed.contains(&id));
        assert_eq!(rig.pool.stats().logins, 0);
    }
}

#[test]
fn other_logins_that_fail() {
    let mut rig = Rig::profile("default");
    for (params, text) in [
        (json!({"login": ""}), "Invalid address used for login"),
        (json!({"login": "w".repeat(513)}), "Invalid address used for login"),
        (json!({"login": 7}), "Invalid params"),
        (json!(["w", "x"]), "Invalid params"),
        (json!({"login": "w", "algo": ["cn/gpu", "ghostrider"]}), "No compatible algorithm found"),
    ] {
        let id = rig.connect();
        rig.send(id, &json!({"id": 1, "method": "login", "params": params}));
        assert_eq!(error_text(&rig.one(id)), text);
        assert!(rig.closed.contains(&id));
    }
    for algo in [json!(["cn/r", "RX/0"]), json!([]), json!("rx/0"), Value::Null] {
        let id = rig.connect();
        rig.send(id, &json!({"id": 1, "method": "login", "params": {"login": "w", "algo": algo}}));
        let open = rig.one(id)["error"].is_null();
        assert_eq!(open, algo != json!([]), "{algo}");
    }
    let miner = rig.login();
    rig.send(miner.id, &login(2));
    assert_eq!(error_text(&rig.one(miner.id)), "No double login is allowed");
    assert!(rig.closed.contains(&miner.id));
}

#[test]
fn two_lines_come_in_one_packet() {
    let mut rig = Rig::profile("two-lines-in-one-packet");
    let id = rig.connect();
    rig.send(id, &login(1));
    rig.wait(20 * MS);
    assert_eq!(rig.writes[&id].len(), 1);
    let lines = rig.take(id);
    assert_eq!((lines.len(), &lines[1]["method"]), (2, &json!("job")));
}

#[test]
fn split_packets_are_small() {
    let mut rig = Rig::profile("split-packets");
    let id = rig.connect();
    rig.send(id, &login(1));
    assert_eq!(rig.writes[&id], [7]);
    rig.wait(SECOND);
    let (writes, lines) = (rig.writes[&id].clone(), rig.take(id));
    assert_eq!(lines.len(), 1);
    assert!(writes.len() > 40 && writes.iter().all(|write| *write <= 7), "{writes:?}");
}

#[test]
fn numeric_job_ids_are_taken_as_text_too() {
    let mut rig = Rig::profile("numeric-job-ids");
    let mut miner = rig.login();
    assert!(miner.job["job_id"].is_u64());
    assert!(is_ok(&rig.mine(&mut miner, 0)));
    let mut text = miner.job.clone();
    text["job_id"] = json!(miner.job["job_id"].to_string());
    rig.submit(&mut miner, &text, 1000);
    assert!(is_ok(&rig.one(miner.id)));
    rig.fault("job_storm(4)");
    rig.take(miner.id);
    rig.submit(&mut miner, &text, 2000);
    assert_eq!(rig.pool.stats().shares.rejects(Reject::StaleJob), 1);
}

#[test]
fn no_template_yet_sends_the_job_later() {
    let mut rig = Rig::profile("no-template-yet");
    let id = rig.connect();
    rig.send(id, &login(1));
    let reply = rig.one(id);
    assert_eq!((reply["result"]["status"].as_str(), reply["result"].get("job")), (Some("OK"), None));
    rig.fault("new_job");
    rig.wait(2999 * MS);
    assert!(rig.take(id).is_empty());
    rig.wait(MS);
    let job = rig.job(id);
    let token = reply["result"]["id"].as_str().unwrap().to_owned();
    assert!(is_ok(&rig.mine(&mut Miner { id, token, job, next_request: 2 }, 0)));
}

#[test]
fn strict_blocks_refuses_the_block_before() {
    let mut rig = Rig::profile("strict-blocks");
    let mut miner = rig.login();
    rig.fault("new_block");
    rig.take(miner.id);
    assert_eq!(error_text(&rig.mine(&mut miner, 0)), "Block expired");
    assert_eq!(rig.pool.stats().shares.stale(), 1);
}

#[test]
fn difficulty_follows_the_miner_on_the_same_blob() {
    let share_interval = Some(Duration::from_secs(2));
    let mut rig = Rig::new(PoolConfig {
        difficulty: DifficultyConfig { start: 10, min: 5, max: 1000, share_interval },
        job_interval: Duration::from_secs(3600),
        ..PoolConfig::default()
    });
    let mut miner = rig.login();
    let first = miner.job.clone();
    for round in 0..6 {
        let job = miner.job.clone();
        rig.submit(&mut miner, &job, 1000 * round);
    }
    let lines = rig.take(miner.id);
    let harder = lines.iter().find(|line| line["method"] == "job").unwrap()["params"].clone();
    assert_eq!(harder["blob"], first["blob"]);
    assert_ne!(harder["job_id"], first["job_id"]);
    let difficulty = |job: &Value| {
        rminer_algos::Target::from_monero_hex(job["target"].as_str().unwrap()).unwrap().difficulty().round()
    };
    assert_eq!((difficulty(&first), difficulty(&harder)), (10.0, 40.0));
    assert_eq!(rig.pool.stats().sessions[0].difficulty, 40);
    // A share for the old job is measured with the old target; its nonce counts for both jobs.
    let easy = share(&first, 10_000);
    rig.submit_share(&mut miner, &first, &easy);
    assert!(is_ok(&rig.one(miner.id)));
    rig.submit_share(&mut miner, &harder, &easy);
    assert_eq!(error_text(&rig.one(miner.id)), "Duplicate share");
    // Silence brings the difficulty down to the bottom.
    rig.wait(100 * SECOND);
    assert_eq!(difficulty(&rig.job(miner.id)), 5.0);
    // A wish in the login is not touched.
    let id = rig.connect();
    rig.send(id, &json!({"id": 1, "method": "login", "params": {"login": "w+77"}}));
    assert_eq!(difficulty(&rig.one(id)["result"]["job"]), 77.0);
    rig.wait(100 * SECOND);
    assert!(rig.take(id).is_empty());
    assert_eq!(rig.pool.stats().sessions[1].login.as_deref(), Some("w"));
}
