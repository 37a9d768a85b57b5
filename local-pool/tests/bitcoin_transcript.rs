//! The published transcript of the Bitcoin dialect with the shares of real blocks, and each verdict once.

#![allow(clippy::unwrap_used)]

mod support;

use rminer_algos::{decode_hex, decode_hex_array};
use rminer_pool::bitcoin::{GivenJob, Profile};
use rminer_pool::{DifficultyConfig, PoolConfig, Reject, Verification};
use serde_json::{Value, json};
use support::Rig;
use support::bitcoin::*;

/// A pool of difficulty 1 whose first session gets the extranonce of these blocks.
fn real_pool(first_time_s: u64) -> Rig {
    let profile =
        Profile { first_extranonce1: Some(0xFFFF_001D), extranonce2_bytes: 2, ..Profile::default() };
    let config = PoolConfig {
        difficulty: DifficultyConfig::fixed(1 << 32),
        first_time_s: Some(first_time_s),
        ..PoolConfig::with_profile(profile)
    };
    Rig::with(config, Verification::Deferred)
}

fn block_1() -> GivenJob {
    GivenJob {
        version: 1,
        previous: decode_hex_array("6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000").unwrap(),
        coinbase1: decode_hex("01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704").unwrap(),
        coinbase2: decode_hex("ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000").unwrap(),
        branch: Vec::new(),
        time: 0x4966_bc61,
        bits: 0x1d00_ffff,
    }
}

fn block_170() -> GivenJob {
    GivenJob {
        version: 1,
        previous: decode_hex_array("55bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000").unwrap(),
        coinbase1: block_1().coinbase1,
        coinbase2: decode_hex("ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052d64ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000").unwrap(),
        branch: vec![decode_hex_array("169e1e83e930853391bc6f35f605c6754cfead57cf8387639d3b4096c54f18f4").unwrap()],
        time: 0x496a_b951,
        bits: 0x1d00_ffff,
    }
}

#[test]
fn block_1_as_published() {
    let mut rig = real_pool(0x4966_bc61);
    rig.pool.push_header(rig.now, block_1());
    let id = rig.connect();
    rig.raw(id, b"{\"id\":1,\"method\":\"mining.configure\",\"params\":[[\"version-rolling\",\"subscribe-extranonce\"],{\"version-rolling.mask\":\"1fffe000\",\"version-rolling.min-bit-count\":2}]}\n");
    rig.raw(id, b"{\"id\":2,\"method\":\"mining.subscribe\",\"params\":[\"rminer/0.1.0\"]}\n");
    let lines = rig.take(id);
    assert_eq!(
        lines[0],
        json!({"id": 1, "error": null, "result": {"version-rolling": true, "version-rolling.mask": "1fffe000", "subscribe-extranonce": true}})
    );
    let session = lines[1]["result"][0][0][1].clone();
    assert_eq!(
        lines[1],
        json!({"id": 2, "error": null, "result": [[["mining.set_difficulty", session], ["mining.notify", session]], "ffff001d", 2]})
    );
    rig.raw(id, b"{\"id\":3,\"method\":\"mining.authorize\",\"params\":[\"bc1qexample.rig0\",\"x\"]}\n");
    let lines = rig.take(id);
    let job_id = lines[2]["params"][0].clone();
    assert_eq!(
        lines,
        [
            json!({"id": 3, "error": null, "result": true}),
            json!({"id": null, "method": "mining.set_difficulty", "params": [1]}),
            json!({"id": null, "method": "mining.notify", "params": [
                job_id,
                "0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000",
                "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff0704",
                "ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000",
                [], "00000001", "1d00ffff", "4966bc61", true]}),
        ]
    );
    let submit = json!({"id": 4, "method": "mining.submit", "params": [
        "bc1qexample.rig0", job_id, "0104", "4966bc61", "9962e301", "00000000"]});
    rig.send(id, &submit);
    let lines = rig.take(id);
    assert_eq!(lines[0], json!({"id": 4, "error": null, "result": true}));
    // It is a block, so there is another job at once.
    assert_eq!((&lines[1]["method"], &lines[1]["params"][8]), (&json!("mining.notify"), &json!(true)));
    let stats = rig.pool.stats();
    assert_eq!((stats.shares.accepted, stats.blocks, stats.rolled_versions), (1, 1, 0));
    assert_eq!(stats.shares.credited_hashes, 1 << 32);
    rig.send(id, &submit);
    assert_eq!(rig.one(id), json!({"id": 4, "error": [21, "Job not found (=stale)", null], "result": null}));
}

#[test]
fn block_170_has_a_branch() {
    let mut rig = real_pool(0x496a_b951);
    rig.pool.push_header(rig.now, block_170());
    let mut peer = rig.mining_peer();
    assert_eq!(peer.job[4], json!(["169e1e83e930853391bc6f35f605c6754cfead57cf8387639d3b4096c54f18f4"]));
    let share =
        Share { extranonce2: vec![1, 2], time: "496ab951".into(), nonce: 0x709e_3e28, version_bits: Some(0) };
    let mut wrong = share.clone();
    wrong.extranonce2 = vec![2, 1];
    assert_eq!(rig.offer(&mut peer, &wrong)["error"][0], 23);
    assert!(is_true(&rig.offer(&mut peer, &share)));
    assert_eq!(rig.pool.stats().blocks, 1);
}

fn refused(rig: &mut Rig, peer: &mut Peer, share: &Share, reject: Reject, code: i64) {
    let params = peer.params(share);
    refused_params(rig, peer, params, reject, code);
}

fn refused_params(rig: &mut Rig, peer: &mut Peer, params: Value, reject: Reject, code: i64) {
    let before = rig.pool.stats().shares.rejects(reject);
    let id = rig.call(peer, "mining.submit", params);
    let reply = peer.reply(id);
    assert_eq!((&reply["error"][0], &reply["result"]), (&json!(code), &Value::Null), "{reject}: {reply}");
    let stats = rig.pool.stats();
    assert_eq!(stats.shares.rejects(reject), before + 1, "{reject}");
    assert!(stats.shares.add_up());
}

#[test]
fn every_verdict() {
    let mut rig = Rig::bitcoin_named("default");
    let mut stranger = rig.peer();
    let nothing = json!(["a", "1", "0000000000000000", "00000000", "00000000"]);
    refused_params(&mut rig, &mut stranger, nothing.clone(), Reject::NotSubscribed, 25);
    rig.call(&mut stranger, "mining.subscribe", json!([]));
    refused_params(&mut rig, &mut stranger, nothing, Reject::Unauthenticated, 24);

    let mut peer = rig.mining_peer();
    assert!(is_true(&rig.dig(&mut peer, 0)));
    let first = peer.find(0);
    refused(&mut rig, &mut peer, &first, Reject::Duplicate, 22);
    let good = peer.find(1000);
    let weak = peer.find_with(Share { nonce: 5, ..good.clone() }, false);
    refused(&mut rig, &mut peer, &weak, Reject::LowDifficulty, 23);
    let short = Share { extranonce2: vec![0; 7], ..good.clone() };
    refused(&mut rig, &mut peer, &short, Reject::ExtranonceSize, 20);
    let time = number(&peer.job[7]);
    for wrong in [time - 1, time + 7201] {
        let wrong = Share { time: format!("{wrong:08x}"), ..good.clone() };
        refused(&mut rig, &mut peer, &wrong, Reject::TimeOutOfRange, 20);
    }
    let outside = Share { version_bits: Some(0x2000_0000), ..good.clone() };
    refused(&mut rig, &mut peer, &outside, Reject::VersionBits, 20);

    let params = peer.params(&good);
    let with = |index: usize, value: Value| {
        let mut params = params.clone();
        params[index] = value;
        params
    };
    refused_params(&mut rig, &mut peer, with(0, json!("bc1qexample.rig1")), Reject::Unauthenticated, 24);
    refused_params(&mut rig, &mut peer, with(1, json!("ffff")), Reject::InvalidJobId, 21);
    refused_params(&mut rig, &mut peer, with(2, json!("zz")), Reject::ExtranonceSize, 20);
    refused_params(&mut rig, &mut peer, with(3, json!("123")), Reject::InvalidParams, 20);
    refused_params(&mut rig, &mut peer, with(4, json!("ABCDEF01")), Reject::MalformedNonce, 20);
    refused_params(&mut rig, &mut peer, with(5, json!([])), Reject::InvalidParams, 20);
    refused_params(&mut rig, &mut peer, json!([]), Reject::InvalidParams, 20);
    refused_params(&mut rig, &mut peer, json!(null), Reject::InvalidParams, 20);

    // A later time and rolled bits are the miner's right.
    let later =
        Share { time: format!("{:08x}", time + 7000), version_bits: Some(0x0A5D_E000), ..good.clone() };
    let later = peer.find_with(later, true);
    assert!(is_true(&rig.offer(&mut peer, &later)));
    let stats = rig.pool.stats();
    assert_eq!((stats.rolled_times, stats.rolled_versions), (1, 1));

    // The job before stands until there is another block, or too many jobs.
    let old = peer.params(&good);
    rig.fault("new_job");
    rig.listen(&mut peer);
    assert_eq!(peer.job[8], false);
    let id = rig.call(&mut peer, "mining.submit", old.clone());
    assert!(is_true(&peer.reply(id)));
    rig.fault("new_block");
    rig.listen(&mut peer);
    assert_eq!(peer.job[8], true);
    refused_params(&mut rig, &mut peer, old.clone(), Reject::BlockExpired, 21);
    rig.fault("job_storm(8)");
    rig.listen(&mut peer);
    refused_params(&mut rig, &mut peer, old, Reject::StaleJob, 21);
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.accepted, shares.stale(), shares.duplicates()), (3, 2, 1));
    assert_eq!(shares.invalid(), 12);
}

#[test]
fn version_bits_need_a_negotiation() {
    let mut rig = Rig::bitcoin_named("default");
    let mut peer = rig.peer();
    rig.call(&mut peer, "mining.subscribe", json!(["test/1"]));
    rig.call(&mut peer, "mining.authorize", json!(["bc1qexample.rig0", "x"]));
    let share = peer.find(0);
    assert_eq!(share.version_bits, None);
    let bits = Share { version_bits: Some(0), ..share.clone() };
    refused(&mut rig, &mut peer, &bits, Reject::VersionBits, 20);
    assert!(is_true(&rig.offer(&mut peer, &share)));
}

#[test]
fn a_block_is_a_new_job_for_everybody() {
    let mut rig =
        Rig::with(PoolConfig { block_difficulty: 1, ..easy(Profile::default()) }, Verification::Deferred);
    let (mut finder, mut other) = (rig.mining_peer(), rig.mining_peer());
    assert_ne!(finder.extranonce1, other.extranonce1);
    let before = other.job.clone();
    assert!(is_true(&rig.dig(&mut finder, 0)));
    rig.listen(&mut other);
    assert_eq!((&other.job[8], &finder.job[1]), (&json!(true), &other.job[1]));
    assert_ne!(other.job[1], before[1]);
    assert_eq!(rig.pool.stats().blocks, 1);
}
