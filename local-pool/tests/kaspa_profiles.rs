//! Each Kaspa profile does what it is for; and an ordinary miner can mine at all those that allow it.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use rminer_pool::kaspa::{Convention, Profile, hashes};
use rminer_pool::{DifficultyConfig, PoolConfig, Reject, Verification};
use serde_json::{Value, json};
use support::kaspa::*;
use support::{MS, Rig, SECOND};

/// Profiles at which nobody can mine.
const CLOSED_DOORS: [&str; 2] = ["login-refused", "silent"];

/// A profile with the pace of the real chain.
fn fast(name: &str) -> Rig {
    let config =
        PoolConfig { job_interval: Duration::from_millis(100), ..easy(Profile::by_name(name).unwrap()) };
    Rig::with(config, Verification::Deferred)
}

fn jobs(peer: &Peer) -> Vec<&Value> {
    peer.lines.iter().filter(|line| line["method"] == "mining.notify").collect()
}

#[test]
fn a_correct_miner_mines_at_every_open_pool() {
    for profile in Profile::all() {
        if CLOSED_DOORS.contains(&profile.name) {
            continue;
        }
        let (name, bytes) = (profile.name, profile.extranonce_bytes);
        let mut rig = Rig::kaspa(profile);
        let mut peer = rig.kaspa_miner();
        rig.wait(SECOND);
        rig.hear(&mut peer);
        assert_eq!(peer.extranonce.len(), bytes, "{name}");
        let (mut ids, mut place) = (Vec::new(), 0);
        for _ in 0..3 {
            let nonce = peer.good(place);
            place = (nonce & 0xFFFF) + 1;
            let params = peer.submit(nonce);
            ids.push(rig.ask(&mut peer, "mining.submit", params));
        }
        rig.wait(10 * SECOND);
        rig.hear(&mut peer);
        let replies: Vec<Value> = ids.iter().map(|id| peer.reply(*id).unwrap()).collect();
        assert!(replies.iter().all(is_true), "{name}: {:#?}", peer.raw);
        let stats = rig.pool.stats();
        assert_eq!((stats.shares.accepted, stats.shares.rejected_total()), (3, 0), "{name}");
        assert_eq!(stats.protocol_errors, 0, "{name}");
        assert!(!rig.closed.contains(&peer.id), "{name}");
    }
}

#[test]
fn the_bridge_sends_the_first_job_behind_the_second() {
    let mut rig = fast("rust-bridge");
    // The next template is due 10 ms after the login, the first job 100 ms after it.
    rig.wait(90 * MS);
    let mut peer = rig.kaspa_miner();
    rig.wait(20 * MS);
    rig.hear(&mut peer);
    let numbers: Vec<&Value> = jobs(&peer).iter().map(|job| &job["params"][0]).collect();
    assert_eq!(numbers, ["2", "1"]);
    let times: Vec<u64> = jobs(&peer).iter().map(|job| job["params"][2].as_u64().unwrap()).collect();
    assert!(times[0] > times[1]);
    // Both are good.
    assert!(is_true(&rig.find_share(&mut peer)));
}

#[test]
fn the_bridge_sends_four_jobs_a_second_at_most() {
    let mut rig = fast("rust-bridge");
    let mut peer = rig.kaspa_miner();
    rig.wait(10 * SECOND);
    rig.hear(&mut peer);
    // One in three templates of 100 ms, as was measured at the real one.
    assert!((33..=36).contains(&jobs(&peer).len()), "{}", jobs(&peer).len());
}

#[test]
fn the_bridge_forgets_by_slots_and_enforces_at_once() {
    let mut rig = Rig::kaspa(Profile { job_gap: Duration::ZERO, ..Profile::by_name("rust-bridge").unwrap() });
    let mut peer = rig.kaspa_miner();
    let old = peer.submit(peer.good(0));
    rig.fault("job_storm(299)");
    rig.hear(&mut peer);
    let reply = rig.try_params(&mut peer, old).unwrap();
    assert!(is_true(&reply), "299 jobs old: {reply}");
    rig.fault("new_job");
    rig.hear(&mut peer);
    // The slot has another job by now, against which the share is checked.
    let late = peer.submit(peer.bad(0));
    let late = json!([late[0], "1", late[2]]);
    let reply = rig.try_params(&mut peer, late).unwrap();
    assert_eq!(reply, json!({"id": peer.next_request - 1, "error": [23, "Invalid difficulty", null]}));
    let stats = rig.pool.stats();
    assert_eq!((stats.shares.rejects(Reject::StaleJob), stats.shares.invalid()), (1, 0), "it came too late");
    assert_eq!(stats.shares_by_job_age.get(&300), Some(&1));

    // A raised difficulty is told with the next job, and then counts for every job that is out.
    rig.pool.set_difficulty(rig.now, HASHES << 24);
    assert_eq!(rig.hear(&mut peer), Vec::<Value>::new());
    let nonce = peer.good(1000);
    assert!(is_true(&rig.offer_nonce(&mut peer, nonce)));
    let old = peer.submit(peer.good(2000));
    rig.fault("new_job");
    let lines = rig.hear(&mut peer);
    assert_eq!(
        (&lines[0]["method"], &lines[1]["method"]),
        (&json!("mining.set_difficulty"), &json!("mining.notify"))
    );
    assert_eq!(rig.try_params(&mut peer, old).unwrap()["error"][0], 23);
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.rejects(Reject::Retargeted), shares.invalid()), (1, 0));
}

#[test]
fn a_wrong_extranonce_is_taken_by_the_bridge_and_counted() {
    let mut rig = Rig::kaspa_named("rust-bridge");
    let mut peer = rig.kaspa_miner();
    assert_eq!(peer.extranonce, [0, 0]);
    peer.extranonce = vec![0xAB, 0xCD];
    let nonce = peer.good(0);
    assert!(is_true(&rig.offer_nonce(&mut peer, nonce)));
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.accepted, shares.rejects(Reject::NiceHashByte)), (0, 1));
}

#[test]
fn bridges_speak_by_the_name_of_the_miner() {
    let mut rig = Rig::kaspa_named("rust-bridge");
    let peer = rig.kaspa_agent("BzMiner/v19.0.0");
    assert_eq!(peer.job[1].as_str().unwrap().len(), 80);
    assert!(
        peer.raw
            .iter()
            .any(|line| line.starts_with("{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"mining.notify\""))
    );
    for agent in ["IceRiverMiner-v1.1", "icemining/1", "x-icm"] {
        let mut peer = rig.kaspa_agent(agent);
        assert_eq!(peer.job[1].as_str().unwrap().len(), 80, "{agent}");
        assert_eq!(peer.extranonce.len(), 2);
        for method in ["mining.set_extranonce", "mining.notify"] {
            let line = peer.lines.iter().find(|line| line["method"] == method).unwrap();
            assert!(line.get("id").is_none() && line.get("jsonrpc").is_none(), "{line}");
        }
        assert!(is_true(&rig.find_share(&mut peer)), "{agent}");
    }
    for (place, agent) in [(0, "GodMiner/2.0"), (1000, "bitmain/1"), (2000, "Antminer KS5")] {
        let mut peer = rig.kaspa_agent(agent);
        assert_eq!(peer.lines[0], json!({"id": 1, "result": [null, "", 8]}), "{agent}");
        assert!(!peer.methods().contains(&"mining.set_extranonce"), "{agent}");
        // Nothing but the miners' own choice keeps them apart.
        let nonce = peer.good(place);
        assert!(is_true(&rig.offer_nonce(&mut peer, nonce)), "{agent}");
    }
    let peer = rig.kaspa_agent("rminer/0.1.0");
    assert!(peer.job[1].is_array());
    assert_eq!(rig.pool.stats().shares.rejected_total(), 0);
}

#[test]
fn the_bridge_waits_twenty_seconds_for_an_address() {
    for name in ["rust-bridge", "go-bridge"] {
        let mut rig = Rig::kaspa_named(name);
        let mut peer = rig.kaspa_peer();
        rig.ask(&mut peer, "mining.subscribe", json!(["test/1"]));
        let broken = USER.replace("5j.rig0", "5q.rig0");
        for user in ["demo", "kaspa:qqqq", &broken, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"] {
            let id = rig.ask(&mut peer, "mining.authorize", json!([user, "x"]));
            assert_eq!(peer.reply(id), None, "{name} {user}");
        }
        let patience = if name == "rust-bridge" { 20 } else { 10 };
        rig.wait((patience - 1) * SECOND);
        assert!(!rig.closed.contains(&peer.id), "{name}");
        rig.wait(2 * SECOND);
        rig.hear(&mut peer);
        assert!(rig.closed.contains(&peer.id), "{name}");
        assert_eq!((peer.lines.len(), rig.pool.stats().logins), (1, 0), "{name}");
    }
}

#[test]
fn go_bridge() {
    let mut rig = Rig::kaspa_named("go-bridge");
    let mut peer = rig.kaspa_miner();
    assert!(peer.methods().contains(&"set_extranonce") && !peer.methods().contains(&"mining.set_extranonce"));
    let job = jobs(&peer)[0];
    assert_eq!((&job["id"], &job["params"][0]), (&json!(1), &json!("1")));
    assert_eq!(peer.lines[1], json!({"id": 2, "error": null, "result": true}));
    let weak = peer.bad(0);
    assert_eq!(rig.offer_nonce(&mut peer, weak)["error"][0], 23);
    assert!(is_true(&rig.find_share(&mut peer)));
    // Not silent as the newer one.
    assert_eq!(rig.try_params(&mut peer, json!([USER, "77", "00"])).unwrap()["error"][0], 21);
    let again = peer.good(0);
    assert_eq!(rig.offer_nonce(&mut peer, again)["error"][0], 22);
}

#[test]
fn miningcore() {
    let mut rig = Rig::kaspa_named("miningcore");
    let mut peer = rig.kaspa_peer();
    rig.ask(&mut peer, "mining.subscribe", json!(["test/1"]));
    assert_eq!(peer.lines[0], json!({"id": 1, "result": [true, "KaspaStratum/1.0.0"]}));
    assert_eq!(peer.lines[1]["method"], "set_extranonce", "before the login");
    assert_eq!(peer.lines[1]["params"], json!([peer.lines[1]["params"][0], 6]));
    rig.ask(&mut peer, "mining.authorize", json!([USER, "x"]));
    assert_eq!(peer.methods(), ["set_extranonce", "mining.set_difficulty", "mining.notify"]);
    // Eight jobs are kept.
    let old = peer.submit(peer.good(0));
    rig.fault("job_storm(7)");
    rig.hear(&mut peer);
    assert!(is_true(&rig.try_params(&mut peer, old).unwrap()));
    let old = peer.submit(peer.good(0));
    rig.fault("job_storm(8)");
    rig.hear(&mut peer);
    let reply = rig.try_params(&mut peer, old).unwrap();
    assert_eq!(reply["error"], json!({"code": 21, "message": "Job not found"}));
    // A raised difficulty and the one before both count; only then the old one is gone.
    for round in 0..2 {
        rig.pool.set_difficulty(rig.now, HASHES << (20 * (round + 1)));
        rig.wait(MS);
        let nonce = peer.good(100 * (round + 1));
        let reply = rig.offer_nonce(&mut peer, nonce);
        assert_eq!(is_true(&reply), round == 0, "{round}: {reply}");
    }
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.rejects(Reject::Retargeted), shares.stale(), shares.invalid()), (1, 1, 0));

    // An id belongs to every request, and an address to every login.
    let mut other = rig.kaspa_peer();
    rig.raw(other.id, b"{\"method\":\"mining.subscribe\",\"params\":[]}\n");
    assert!(rig.hear(&mut other)[0]["error"].is_object());
    rig.ask(&mut other, "mining.authorize", json!(["demo", "x"]));
    rig.wait(MS);
    assert!(rig.closed.contains(&other.id));
    let banned = rig.connect();
    assert!(rig.closed.contains(&banned));
    rig.wait(6 * SECOND);
    let free = rig.connect();
    assert!(!rig.closed.contains(&free));
}

/// Shares between 99 % and all of the difficulty are taken where there is slack, and nowhere else.
#[test]
fn slack() {
    for (name, taken) in [("miningcore", true), ("default", false)] {
        let profile = Profile::by_name(name).unwrap();
        let difficulty = DifficultyConfig::fixed(1000);
        let mut rig = Rig::with(PoolConfig { difficulty, ..easy(profile) }, Verification::Deferred);
        let mut peer = rig.kaspa_miner();
        peer.job_hashes = 1000;
        // Good for 991 hashes and not for 1,005, which the borders below and above keep apart from chance.
        let (hash, timestamp) = peer.template();
        let matrix = rminer_pool::kaspa::Matrix::new(&hash);
        let prefix = u64::from(peer.extranonce[0]) << 56 | u64::from(peer.extranonce[1]) << 48;
        let nonce = (prefix..prefix + 10_000_000)
            .find(|nonce| {
                let value = matrix.pow(&hash, timestamp, *nonce);
                let hashes = 2f64.powi(32) / f64::from(u32::from_le_bytes(value[28..].try_into().unwrap()));
                (991.0..999.0).contains(&hashes)
            })
            .unwrap();
        assert_eq!(is_true(&rig.offer_nonce(&mut peer, nonce)), taken, "{name}");
    }
}

#[test]
fn vendor() {
    let config = PoolConfig {
        difficulty: DifficultyConfig::fixed(hashes(5000.0)),
        ..easy(Profile::by_name("vendor").unwrap())
    };
    let mut rig = Rig::with(config, Verification::Deferred);
    let mut peer = rig.kaspa_miner();
    assert_eq!(peer.raw[1], r#"{"id":2,"params":"mining.authorize","error":null,"result":true}"#);
    let ids: Vec<(&Value, &str)> =
        peer.lines[2..].iter().map(|line| (&line["id"], line["method"].as_str().unwrap())).collect();
    let (one, two, three) = (json!(1), json!(2), json!(3));
    assert_eq!(
        ids,
        [(&one, "mining.set_extranonce"), (&two, "mining.set_difficulty"), (&three, "mining.notify")]
    );
    assert_eq!(peer.lines[3]["params"], json!([4096]), "a power of two");
    assert_eq!(peer.job[1].as_str().unwrap().len(), 80);
    rig.pool.set_difficulty(rig.now, HASHES + 5);
    rig.fault("new_job");
    rig.hear(&mut peer);
    assert!(is_true(&rig.find_share(&mut peer)));
    assert_eq!(rig.pool.stats().shares.credited_hashes, HASHES);
}

#[test]
fn nicehash() {
    let mut rig = Rig::kaspa_named("nicehash");
    let mut peer = rig.kaspa_peer();
    rig.ask(&mut peer, "mining.subscribe", json!(["test/1"]));
    let digits = peer.lines[0]["params"][0].clone();
    assert_eq!(peer.lines, [json!({"id": 1, "method": "set_extranonce", "params": [digits, 5]})]);
    rig.ask(&mut peer, "mining.authorize", json!(["3BitcoinAddressOfABuyer.rig0", "x"]));
    rig.hear(&mut peer);
    assert_eq!(peer.methods().len(), 3);
    let (first, old_job) = (peer.extranonce.clone(), peer.job[0].clone());
    rig.fault("job_storm(40)");
    let lines = rig.hear(&mut peer);
    assert_eq!(lines[39]["method"], "set_extranonce", "41 jobs have been sent");
    assert_ne!(peer.extranonce, first);
    assert_eq!(peer.job[0], old_job, "another buyer's pool begins anew");
    let share = peer.submit(peer.good(0));
    let share = json!(["3BitcoinAddressOfABuyer.rig0", share[1], share[2]]);
    assert!(is_true(&rig.try_params(&mut peer, share).unwrap()));
}

#[test]
fn strict() {
    let mut rig = Rig::kaspa_named("strict");
    let mut peer = rig.kaspa_miner();
    let old = peer.submit(peer.good(0));
    rig.fault("job_storm(9)");
    rig.hear(&mut peer);
    assert!(is_true(&rig.try_params(&mut peer, old).unwrap()));
    let old = peer.submit(peer.good(0));
    rig.fault("job_storm(10)");
    rig.hear(&mut peer);
    assert_eq!(rig.try_params(&mut peer, old).unwrap()["error"][0], 21);
    assert!(!rig.closed.contains(&peer.id), "late is not wrong");

    type Spoil = fn(&mut Rig, &mut Peer);
    let wrong: [(&str, Spoil); 6] = [
        ("a share twice", |rig, peer| {
            let nonce = peer.good(0);
            rig.offer_nonce(peer, nonce);
            rig.offer_nonce(peer, nonce);
        }),
        ("a fourth param", |rig, peer| {
            let mut params = peer.submit(peer.good(0));
            params.as_array_mut().unwrap().push(json!("x"));
            rig.try_params(peer, params);
        }),
        ("a number for a job id", |rig, peer| {
            let mut params = peer.submit(peer.good(0));
            params[1] = json!(params[1].as_str().unwrap().parse::<u64>().unwrap());
            rig.try_params(peer, params);
        }),
        ("another extranonce", |rig, peer| {
            peer.extranonce[0] ^= 1;
            rig.find_share(peer);
        }),
        ("too little", |rig, peer| {
            let nonce = peer.bad(0);
            rig.offer_nonce(peer, nonce);
        }),
        ("a text for a request id", |rig, peer| {
            rig.send(peer.id, &json!({"id": "1", "method": "mining.submit", "params": []}));
        }),
    ];
    for (what, spoil) in wrong {
        let mut peer = rig.kaspa_miner();
        spoil(&mut rig, &mut peer);
        rig.wait(MS);
        assert!(rig.closed.contains(&peer.id), "{what}");
    }
    let mut early = rig.kaspa_peer();
    let id = rig.ask(&mut early, "mining.authorize", json!([USER, "x"]));
    assert_eq!(early.reply(id).unwrap()["error"][0], 25);
}

#[test]
fn what_subscribe_is_answered() {
    for (name, want) in [
        ("subscribe-true", json!({"id": 1, "error": null, "result": true})),
        ("empty-extranonce-in-reply", json!({"id": 1, "error": null, "result": [null, "", 8]})),
    ] {
        let mut rig = Rig::kaspa_named(name);
        assert_eq!(rig.kaspa_miner().lines[0], want, "{name}");
    }
    let mut rig = Rig::kaspa_named("silent-subscribe");
    let peer = rig.kaspa_miner();
    assert_eq!((peer.reply(1), peer.job.is_null()), (None, false));
    let mut rig = Rig::kaspa_named("extranonce-in-reply");
    let peer = rig.kaspa_miner();
    assert_eq!(peer.lines[0]["result"][2], 6);
    assert_eq!(peer.methods(), ["mining.set_difficulty", "mining.notify"]);
    let mut rig = Rig::kaspa_named("empty-extranonce");
    let peer = rig.kaspa_miner();
    assert_eq!(peer.lines[2]["params"], json!(["", 8]));
    let mut rig = Rig::kaspa_named("silent");
    let mut peer = rig.kaspa_miner();
    rig.wait(60 * SECOND);
    rig.hear(&mut peer);
    assert_eq!((peer.lines.len(), rig.closed.contains(&peer.id)), (0, false));
}

#[test]
fn six_bytes_of_extranonce_leave_two() {
    let mut rig = Rig::kaspa_named("extranonce-6");
    let mut peer = rig.kaspa_miner();
    let nonce = peer.good(0xFFF0);
    assert_eq!(&nonce.to_be_bytes()[..6], peer.extranonce.as_slice());
    assert!(is_true(&rig.offer_nonce(&mut peer, nonce)));
}

#[test]
fn forms_of_jobs_and_ids() {
    let job = |name: &str| Rig::kaspa_named(name).kaspa_miner().job;
    assert!(job("decimal-texts")[1][0].is_string() && job("decimal-texts")[2].is_string());
    assert!(job("hex-jobs")[2].is_null());
    assert_eq!(job("numeric-job-ids")[0], 1);
    assert!(job("worded-job-ids")[0].as_str().unwrap().starts_with("job/"));
    let mut rig = fast("late-first-job");
    let mut peer = rig.kaspa_miner();
    rig.wait(SECOND);
    rig.hear(&mut peer);
    let numbers: Vec<&str> = jobs(&peer).iter().map(|job| job["params"][0].as_str().unwrap()).collect();
    assert_eq!(numbers[..5], ["2", "3", "4", "1", "5"]);
}

#[test]
fn what_follows_a_change_of_difficulty() {
    for (name, want) in [
        ("default", &["mining.set_difficulty"][..]),
        ("rust-bridge", &[]),
        ("retarget-same-job", &["mining.set_difficulty", "mining.notify"]),
        ("retarget-new-job", &["mining.set_difficulty", "mining.notify"]),
    ] {
        let mut rig = Rig::kaspa_named(name);
        let mut peer = rig.kaspa_miner();
        let (id, hash) = (peer.job[0].clone(), peer.job[1].clone());
        rig.pool.set_difficulty(rig.now, 4 * HASHES);
        rig.wait(MS);
        let lines = rig.hear(&mut peer);
        let methods: Vec<&str> = lines.iter().map(|line| line["method"].as_str().unwrap()).collect();
        assert_eq!(methods, want, "{name}");
        let same = (peer.job[0] == id, peer.job[1] == hash);
        assert_eq!(same, (name != "retarget-new-job", name != "retarget-new-job"), "{name}");
        assert!(is_true(&rig.find_share(&mut peer)), "{name}");
    }
}

/// A share between the two targets of one difficulty is good enough at a bridge alone.
#[test]
fn two_conventions() {
    let bridge = Profile::by_name("go-bridge").unwrap();
    assert_eq!(
        (bridge.convention, Profile::default().convention),
        (Convention::AllOnes, Convention::Bitcoin)
    );
    for name in ["default", "vendor", "nicehash", "strict", "miningcore"] {
        assert_eq!(Profile::by_name(name).unwrap().convention, Convention::Bitcoin, "{name}");
    }
}
