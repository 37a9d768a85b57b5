//! Each Bitcoin profile does what it is for; and an ordinary miner can mine at all those that allow it.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rminer_pool::bitcoin::{Profile, VersionFormula, hashes};
use rminer_pool::{DifficultyConfig, PoolConfig, Reject, Verification};
use serde_json::{Value, json};
use support::bitcoin::*;
use support::{MS, Rig, SECOND};

/// Profiles at which nobody can mine, or not with the first thing that miners say, or not in the first job.
const CLOSED_DOORS: [&str; 4] = ["login-refused", "configure-closes", "no-job", "late-difficulty"];

#[test]
fn a_correct_miner_mines_at_every_open_pool() {
    for profile in Profile::all() {
        if CLOSED_DOORS.contains(&profile.name) {
            continue;
        }
        let (name, formula) = (profile.name, profile.version_formula);
        let mut rig = Rig::bitcoin(profile);
        let mut peer = rig.mining_peer();
        rig.wait(SECOND);
        rig.listen(&mut peer);
        peer.formula = formula;
        let mut ids = Vec::new();
        for nonce in [0, 10_000, 20_000] {
            let mut share = peer.find(nonce);
            if peer.mask != 0 && nonce > 0 {
                share.version_bits = Some(peer.mask & 0x0000_2000);
                share = peer.find_with(share, true);
            }
            ids.push(rig.post(&mut peer, &share));
        }
        rig.wait(26 * SECOND);
        rig.listen(&mut peer);
        assert!(ids.iter().all(|id| is_true(&peer.reply(*id))), "{name}: {:?}", peer.lines);
        let stats = rig.pool.stats();
        assert_eq!((stats.shares.accepted, stats.shares.rejected_total()), (3, 0), "{name}");
        // Where the job's version has bits inside the mask, bits of zero are rolled too.
        let cleared = u64::from(formula == VersionFormula::Bip310 && number(&peer.job[5]) & peer.mask != 0);
        assert_eq!(stats.rolled_versions, if peer.mask == 0 { 0 } else { 2 + cleared }, "{name}");
        assert_eq!(stats.protocol_errors, 0, "{name}");
        assert!(!rig.closed.contains(&peer.id), "{name}");
    }
}

#[test]
fn ckpool() {
    let mut rig = Rig::bitcoin_named("ckpool");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.subscribe", json!(["test/1"]));
    assert_eq!(peer.methods(), ["mining.set_difficulty", "mining.notify"], "a job before authorize");
    let authorize = rig.call(&mut peer, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
    assert!(is_true(peer.lines.last().unwrap()), "the reply comes last");
    assert!(is_true(&peer.reply(authorize)));
    let before = peer.lines.len();
    rig.call(&mut peer, "mining.extranonce.subscribe", json!([]));
    rig.call(&mut peer, "mining.nosuch", json!([]));
    rig.call(&mut peer, "mining.subscribe", json!(["test/1"]));
    assert_eq!(peer.lines.len(), before, "silence is an answer");
    let weak = peer.find_with(peer.find(0), false);
    let reply = rig.offer(&mut peer, &weak);
    assert_eq!(
        (&reply["result"], &reply["error"], &reply["reject-reason"]),
        (&json!(false), &Value::Null, &json!("Low difficulty share"))
    );
    // A shorter extranonce2 is filled up.
    let mut share = peer.find(0);
    share.extranonce2 = vec![7, 0, 0, 0, 0, 0, 0, 0];
    share = peer.find_with(share, true);
    share.extranonce2.truncate(1);
    assert!(is_true(&rig.offer(&mut peer, &share)));

    // The session comes back with its extranonce and its jobs.
    let good = peer.params(&peer.find(50_000));
    let session = peer.lines[0]["result"][0][0][1].clone();
    rig.pool.closed(rig.now, peer.id);
    let mut again = rig.peer();
    rig.call(&mut again, "mining.subscribe", json!(["test/1", session]));
    assert_eq!(again.extranonce1, peer.extranonce1);
    rig.call(&mut again, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
    let id = rig.call(&mut again, "mining.submit", good);
    assert!(is_true(&again.reply(id)));
    // Only once, and not for a session that never was.
    for session in [session, json!("nosuch")] {
        let mut other = rig.peer();
        rig.call(&mut other, "mining.subscribe", json!(["test/1", session]));
        assert_ne!(other.extranonce1, peer.extranonce1);
    }
    let long = rig.connect();
    rig.raw(long, format!("{{\"id\":1,\"method\":\"{}\"}}\n", "m".repeat(1024)).as_bytes());
    assert!(rig.closed.contains(&long));
}

#[test]
fn public_pool_is_strict_and_enforces_at_once() {
    let mut rig = Rig::bitcoin_named("public-pool");
    let mut peer = rig.mining_peer();
    let short = |value: &Value| !value.as_str().unwrap().starts_with('0');
    assert!(short(&peer.job[5]) && short(&peer.job[7]));
    let old = peer.find(0);
    let old_params = peer.params(&old);
    rig.pool.set_difficulty(rig.now, HASHES << 20);
    rig.wait(MS);
    rig.listen(&mut peer);
    assert_eq!(peer.methods().iter().filter(|method| **method == "mining.notify").count(), 2);
    let id = rig.call(&mut peer, "mining.submit", old_params);
    assert_eq!(peer.reply(id)["error"][0], 23);
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.rejects(Reject::Retargeted), shares.invalid()), (1, 0));

    let early = rig.connect();
    rig.send(early, &json!({"id": 1, "method": "mining.submit", "params": []}));
    rig.wait(MS);
    assert!(rig.closed.contains(&early));
    let texts = rig.connect();
    rig.send(texts, &json!({"id": "1", "method": "mining.subscribe", "params": []}));
    assert!(rig.closed.contains(&texts));
    let mut alone = rig.peer();
    rig.call(&mut alone, "mining.subscribe", json!([]));
    let id = rig.call(&mut alone, "mining.authorize", json!(["a"]));
    assert_eq!(alone.reply(id)["error"][0], 20, "authorize takes two params");
}

#[test]
fn p2pool() {
    let mut rig = Rig::bitcoin_named("p2pool");
    let (mut peer, other) = (rig.mining_peer(), rig.mining_peer());
    assert!(peer.extranonce1.is_empty());
    assert_ne!(peer.job[2], other.job[2], "coinbases tell the sessions apart");
    assert!(peer.job[0].as_str().unwrap().len() > 25);
    let notifications: Vec<_> = peer.lines.iter().filter(|line| line.get("method").is_some()).collect();
    assert!(notifications.iter().all(|line| line["id"].is_u64()));
    rig.fault("new_job");
    rig.listen(&mut peer);
    assert_eq!(peer.job[8], true);
    let weak = peer.find_with(peer.find(0), false);
    let reply = rig.offer(&mut peer, &weak);
    assert_eq!((&reply["result"], &reply["error"]), (&json!(false), &Value::Null));
    assert!(reply.get("reject-reason").is_none());
}

#[test]
fn nicehash_changes_the_extranonce_or_ends() {
    let mut rig = Rig::bitcoin_named("nicehash");
    let mut told = rig.mining_peer();
    let id = rig.call(&mut told, "mining.extranonce.subscribe", json!([]));
    assert!(is_true(&told.reply(id)));
    let untold = rig.mining_peer();
    assert_eq!((told.extranonce1.len(), told.extranonce2_bytes, told.mask), (5, 3, 0));
    let first = told.extranonce1.clone();
    let old = told.params(&told.find(0));
    for _ in 0..5 {
        rig.fault("new_job");
    }
    rig.wait(MS);
    rig.listen(&mut told);
    assert_ne!(told.extranonce1, first);
    assert_eq!(told.methods().iter().filter(|method| **method == "mining.set_extranonce").count(), 1);
    let id = rig.call(&mut told, "mining.submit", old);
    assert!(
        is_true(&told.reply(id)) || told.reply(id)["error"][0] == 21,
        "jobs keep the extranonce they had"
    );
    assert!(is_true(&rig.dig(&mut told, 7)));
    assert!(rig.closed.contains(&untold.id) && !rig.closed.contains(&told.id));
}

#[test]
fn miningcore_repeats_the_job_and_is_lenient() {
    let mut rig = Rig::bitcoin_named("miningcore");
    let mut peer = rig.mining_peer();
    let (first, old) = (peer.job.clone(), peer.find(0));
    rig.pool.set_difficulty(rig.now, 2 * HASHES);
    rig.wait(MS);
    rig.listen(&mut peer);
    assert_eq!((&peer.job[0], &peer.job[2]), (&first[0], &first[2]));
    assert_eq!(peer.job[8], false);
    assert_eq!(peer.methods()[2..], ["mining.set_difficulty", "mining.notify"]);
    assert!(is_true(&rig.offer(&mut peer, &old)), "found before the change");
    assert_eq!(rig.offer(&mut peer, &old)["error"]["code"], 22, "one content, one set of headers");
    assert_eq!(rig.offer(&mut peer, &old)["error"]["message"], "Duplicate share");
}

#[test]
fn the_translator_closes_on_unknown_methods() {
    let mut rig = Rig::bitcoin_named("sv2-translator");
    let mut peer = rig.mining_peer();
    assert_eq!(peer.extranonce1.len(), 16);
    assert_eq!(peer.lines[0]["result"]["version-rolling.min-bit-count"], "00000002");
    rig.call(&mut peer, "mining.suggest_difficulty", json!([1]));
    assert!(!rig.closed.contains(&peer.id));
    rig.call(&mut peer, "mining.get_transactions", json!([]));
    assert!(rig.closed.contains(&peer.id));
}

#[test]
fn handshakes_in_odd_orders() {
    let mut rig = Rig::bitcoin_named("early-job");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.subscribe", json!([]));
    assert_eq!((peer.methods().len(), peer.lines.len()), (2, 3));
    assert!(peer.lines[2]["result"].is_array(), "the reply comes last");

    let mut rig = Rig::bitcoin_named("early-mask");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.subscribe", json!([]));
    assert_eq!(peer.lines[1]["params"], json!(["1fffe000"]));

    let mut rig = Rig::bitcoin_named("no-configure");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.configure", json!([["version-rolling"], {}]));
    assert!(peer.lines.is_empty());

    let mut rig = Rig::bitcoin_named("silent-authorize");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.subscribe", json!([]));
    rig.call(&mut peer, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
    assert!(peer.job.is_array() && peer.lines.iter().all(|line| line["id"] != 2));
    assert!(is_true(&rig.dig(&mut peer, 0)));

    let mut rig = Rig::bitcoin_named("login-refused");
    let peer = rig.mining_peer();
    assert_eq!(peer.reply(3)["error"][0], 24);
    assert!(rig.closed.contains(&peer.id));

    for (name, method) in [
        ("configure-closes", "mining.configure"),
        ("unknown-closes", "mining.nosuch"),
        ("xnsub-closes", "mining.extranonce.subscribe"),
    ] {
        let mut rig = Rig::bitcoin_named(name);
        let mut peer = rig.peer();
        rig.call(&mut peer, method, json!([]));
        rig.wait(MS);
        assert!(rig.closed.contains(&peer.id), "{name}");
    }

    // Authorize first is tolerated; the job waits for subscribe, which tells the extranonce.
    let mut rig = Rig::bitcoin_named("gopool");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
    assert!(peer.methods().is_empty());
    let id = rig.call(&mut peer, "mining.nosuch", json!([]));
    assert_eq!(peer.reply(id)["error"][0], -32601);
}

#[test]
fn configure_in_parts() {
    let mut rig = Rig::bitcoin_named("narrow-mask");
    let mut peer = rig.peer();
    let id = rig.call(
        &mut peer,
        "mining.configure",
        json!([
        ["version-rolling", "minimum-difficulty", "info", "nosuch"],
        {"version-rolling.mask": "ffffffff", "minimum-difficulty.value": 0.001}]),
    );
    assert_eq!(
        peer.reply(id)["result"],
        json!({
        "version-rolling": true, "version-rolling.mask": "0000e000", "minimum-difficulty": true})
    );
    rig.call(&mut peer, "mining.subscribe", json!([]));
    rig.call(&mut peer, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
    assert_eq!(rig.pool.stats().sessions[0].difficulty, hashes(0.001));
    let time = peer.job[7].as_str().unwrap().to_owned();
    let outside = Share { extranonce2: vec![0; 8], time, nonce: 0, version_bits: Some(0x0001_0000) };
    assert_eq!(rig.offer(&mut peer, &outside)["error"][1], "Invalid version bits");

    for (params, want) in [
        (
            json!([["version-rolling"], {"version-rolling.mask": "no"}]),
            json!({"version-rolling": "the mask is no hex"}),
        ),
        (json!([["version-rolling"]]), json!({"version-rolling": true, "version-rolling.mask": "0000e000"})),
        (json!([[]]), json!({})),
        (json!([["minimum-difficulty"], {}]), json!({"minimum-difficulty": false})),
    ] {
        let id = rig.call(&mut peer, "mining.configure", params);
        assert_eq!(peer.reply(id)["result"], want);
    }
    let id = rig.call(&mut peer, "mining.configure", json!([7]));
    assert_eq!(peer.reply(id)["error"][0], 20);
}

/// Of a job version with bits inside the mask, the two formulas make different versions of the same bits.
#[test]
fn the_trap_of_the_two_formulas() {
    for (name, right, wrong) in [
        ("version-in-mask", VersionFormula::Bip310, VersionFormula::Xor),
        ("version-in-mask-xor", VersionFormula::Xor, VersionFormula::Bip310),
    ] {
        let mut rig = Rig::bitcoin_named(name);
        let mut peer = rig.mining_peer();
        assert_eq!(peer.job[5], "32ef0000");
        let bits = Share { version_bits: Some(0x0A5D_E000), ..peer.find(0) };
        peer.formula = wrong;
        let misread = peer.find_with(bits.clone(), true);
        peer.formula = right;
        let misread = peer.find_with(Share { nonce: misread.nonce, ..bits.clone() }, false);
        assert_eq!(rig.offer(&mut peer, &misread)["error"][0], 23, "{name}");
        let share = peer.find_with(bits, true);
        assert!(is_true(&rig.offer(&mut peer, &share)), "{name}");
    }
}

#[test]
fn jobs_in_odd_forms() {
    let job = |name: &str| {
        let mut rig = Rig::bitcoin_named(name);
        rig.mining_peer().job
    };
    assert!(job("numeric-job-ids")[0].is_u64());
    assert!(job("worded-job-ids")[0].as_str().unwrap().contains(' '));
    assert_eq!(job("extra-item").as_array().unwrap().len(), 10);
    assert!(job("huge-coinbase")[3].as_str().unwrap().len() > 400_000);
    assert_eq!(job("no-branch")[4], json!([]));
    assert_eq!(job("long-branch")[4].as_array().unwrap().len(), 32);
    for (name, odd) in [("default", 0), ("odd-coinbase", 1)] {
        let job = job(name);
        let bytes = (job[2].as_str().unwrap().len() + job[3].as_str().unwrap().len()) / 2 + 12;
        assert_eq!(bytes % 2, odd, "{name}: {bytes}");
    }
    for (name, bytes) in [("extranonce2-0", 0), ("extranonce2-1", 1), ("extranonce2-16", 16)] {
        let mut rig = Rig::bitcoin_named(name);
        let peer = rig.mining_peer();
        assert_eq!(peer.extranonce2_bytes, bytes);
    }
}

#[test]
fn what_is_late_or_never_comes() {
    let mut rig = Rig::bitcoin_named("no-job");
    let mut peer = rig.mining_peer();
    assert!(is_true(&peer.reply(3)), "the login is taken");
    rig.fault("new_block");
    rig.listen(&mut peer);
    assert_eq!(peer.methods(), [""; 0]);

    let mut rig = Rig::bitcoin_named("late-difficulty");
    let mut peer = rig.mining_peer();
    assert_eq!(peer.methods(), ["mining.notify"]);
    // Good for the difficulty that the pool has in mind, and not for the one that miners assume.
    peer.difficulty = HASHES as f64 / 4_294_967_296.0;
    let easy = peer.find(0);
    assert_eq!(rig.offer(&mut peer, &easy)["error"][0], 23);
    rig.fault("new_job");
    rig.listen(&mut peer);
    assert_eq!(peer.methods(), ["mining.notify", "mining.set_difficulty", "mining.notify"]);
    assert!(is_true(&rig.dig(&mut peer, 0)));
}

#[test]
fn extranonces_around_the_subscription() {
    let mut rig = Rig::bitcoin_named("restless-extranonce");
    let mut peer = rig.mining_peer();
    let told = |line: &Value| {
        line["params"][0].as_str().filter(|_| line["method"] == "mining.set_extranonce").map(str::to_owned)
    };
    let reply = peer.lines.iter().position(|line| line["id"] == 2 && line["result"].is_array()).unwrap();
    let (before, behind) = (told(&peer.lines[reply - 1]).unwrap(), told(&peer.lines[reply + 1]).unwrap());
    let replied = peer.lines[reply]["result"][1].as_str().unwrap().to_owned();
    assert!(before != replied && behind != replied && before != behind, "{:?}", peer.lines);
    assert!(is_true(&rig.dig(&mut peer, 0)), "the last one counts");
    // The two others do not.
    for other in [&before, &replied] {
        peer.extranonce1 = rminer_algos::decode_hex(other).unwrap();
        assert_eq!(rig.dig(&mut peer, 100_000)["error"][0], 23);
    }

    let mut rig = Rig::bitcoin_named("same-work");
    let mut first = rig.mining_peer();
    let mut second = rig.mining_peer();
    assert_eq!((&first.extranonce1, &first.job), (&second.extranonce1, &second.job));
    assert!(is_true(&rig.dig(&mut first, 0)));
    assert_eq!(rig.dig(&mut second, 0)["error"][0], 22, "a duplicate");
}

#[test]
fn difficulties_in_odd_forms() {
    for (name, want) in [
        ("default", "[0.0009999999310821295]"),
        ("difficulty-text", "[\"0.0009999999310821295\"]"),
        ("difficulty-exponent", "[9.999999310821295e-4]"),
    ] {
        let config = PoolConfig {
            difficulty: DifficultyConfig::fixed(hashes(0.001)),
            ..easy(Profile::by_name(name).unwrap())
        };
        let mut rig = Rig::with(config, Verification::Deferred);
        let id = rig.connect();
        rig.raw(id, b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"a\",\"\"]}\n");
        let raw = String::from_utf8(rig.take_raw(id)).unwrap();
        assert!(raw.contains(&format!("\"mining.set_difficulty\",\"params\":{want}")), "{raw}");
    }
}

#[test]
fn difficulty_follows_the_miner_and_its_wishes() {
    let config = PoolConfig {
        difficulty: DifficultyConfig {
            start: 16,
            min: 8,
            max: 4096,
            share_interval: Some(Duration::from_secs(2)),
        },
        ..easy(Profile::default())
    };
    let mut rig = Rig::with(config, Verification::Deferred);
    let mut peer = rig.mining_peer();
    let first = peer.job.clone();
    for nonce in 0..6 {
        let share = peer.find_with(Share { nonce: 1000 * nonce, ..peer.find(0) }, true);
        let id = rig.post(&mut peer, &share);
        assert!(is_true(&peer.reply(id)));
    }
    assert_eq!(rig.pool.stats().sessions[0].difficulty, 64);
    assert_eq!(*peer.methods().last().unwrap(), "mining.set_difficulty");
    assert_eq!(peer.job, first, "it counts from the next job on");
    // What the old job demanded is still enough for it.
    peer.difficulty = 16.0 / 4_294_967_296.0;
    assert!(is_true(&rig.dig(&mut peer, 600_000)));
    rig.call(&mut peer, "mining.suggest_difficulty", json!([1.0]));
    assert_eq!(rig.pool.stats().sessions[0].difficulty, 4096, "as much as the pool allows");
    rig.call(&mut peer, "mining.suggest_difficulty", json!(["x"]));
    // A wish in the password is not touched.
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.subscribe", json!([]));
    rig.call(&mut peer, "mining.authorize", json!(["a", format!("d={}", 77.0 / 4_294_967_296.0)]));
    rig.wait(100 * SECOND);
    assert_eq!(rig.pool.stats().sessions[1].difficulty, 77);
    assert_eq!(rig.pool.stats().sessions[0].difficulty, 8, "silence brings it down");
}
