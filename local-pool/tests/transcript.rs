//! The published transcript of the dialect, with the share of a real block, and each verdict once.

#![allow(clippy::unwrap_used)]

mod support;

use rminer_algos::{Hash, Reference, Unavailable, Work, decode_hex, decode_hex_array, encode_hex};
use rminer_pool::monero::{Profile, TargetWidth};
use rminer_pool::{DifficultyConfig, PoolConfig, Reject, Verification};
use serde_json::{Value, json};
use support::*;

/// A block that a real daemon accepted at difficulty 200 with nonce 18, without its nonce.
const BLOB: &str = "1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb00000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201";
const SEED: &str = "418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3";
const RESULT: &str = "c2f157e1872a86cb9bc0c97a72b0cabfe9c5a336e7c59a29226025b6a9d5ce00";

/// Knows the one hash.
struct Known;

impl Reference for Known {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        assert_eq!((encode_hex(work.blob()), nonce), (BLOB.to_owned(), 18));
        assert_eq!(work.seed().map(|seed| encode_hex(seed)), Some(SEED.to_owned()));
        Ok(Hash(decode_hex_array(RESULT).unwrap()))
    }
}

fn transcript(verification: Verification) {
    let profile = Profile {
        target_width: TargetWidth::FOUR,
        extensions: &["algo", "nicehash", "keepalive"],
        ..Profile::default()
    };
    let config = PoolConfig { difficulty: DifficultyConfig::fixed(200), ..PoolConfig::with_profile(profile) };
    let mut rig = Rig::with(config, verification);
    let (blob, seed) = (decode_hex(BLOB).unwrap(), decode_hex_array(SEED).unwrap());
    rig.pool.push_blob(rig.now, &blob, seed, 11).unwrap();

    let id = rig.connect();
    rig.raw(id, b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"WALLET\",\"pass\":\"x\",\"agent\":\"rminer/0.1.0 (Linux x86_64)\",\"rigid\":\"rig0\",\"algo\":[\"rx/0\"]}}\n");
    let reply = rig.one(id);
    let (token, job_id) = (reply["result"]["id"].clone(), reply["result"]["job"]["job_id"].clone());
    assert_eq!(
        reply,
        json!({"id": 1, "jsonrpc": "2.0", "error": null, "result": {
            "id": token,
            "job": {
                "blob": BLOB, "job_id": job_id, "target": "14ae4701", "algo": "rx/0", "height": 11, "seed_hash": SEED,
            },
            "extensions": ["algo", "nicehash", "keepalive"],
            "status": "OK",
        }})
    );
    let share = json!({"id": 2, "jsonrpc": "2.0", "method": "submit", "params": {
        "id": token, "job_id": job_id, "nonce": "12000000", "result": RESULT, "algo": "rx/0",
    }});
    rig.send(id, &share);
    assert_eq!(rig.one(id), json!({"id": 2, "jsonrpc": "2.0", "error": null, "result": {"status": "OK"}}));
    rig.send(id, &json!({"id": 3, "jsonrpc": "2.0", "method": "keepalived", "params": {"id": token}}));
    assert_eq!(
        rig.one(id),
        json!({"id": 3, "jsonrpc": "2.0", "error": null, "result": {"status": "KEEPALIVED"}})
    );

    rig.send(id, &share);
    assert_eq!(
        rig.one(id),
        json!({"id": 2, "jsonrpc": "2.0", "error": {"code": -1, "message": "Duplicate share"}})
    );
    rig.wait(30 * SECOND);
    let job = rig.one(id);
    assert_eq!((&job["method"], &job["jsonrpc"], job.get("id")), (&json!("job"), &json!("2.0"), None));
    assert_ne!(job["params"]["blob"], BLOB);
    let stats = rig.pool.stats();
    assert_eq!((stats.shares.accepted, stats.shares.duplicates(), stats.shares.credited_hashes), (1, 1, 200));
    assert!(stats.shares.add_up());
}

#[test]
fn published_transcript() {
    transcript(Verification::Inline(Box::new(Known)));
}

/// The same with the hash computed.
#[cfg(feature = "randomx")]
#[test]
fn published_transcript_recomputed() {
    transcript(Verification::Inline((rminer_algos::registry::RANDOMX.reference)().unwrap()));
}

fn refused(rig: &mut Rig, miner: &mut Miner, job: &Value, share: &Share, reject: Reject) {
    let before = rig.pool.stats().shares.rejects(reject);
    rig.submit_share(miner, job, share);
    let reply = rig.one(miner.id);
    assert_eq!(error_text(&reply), reject.text(), "{reply}");
    let stats = rig.pool.stats();
    assert_eq!(stats.shares.rejects(reject), before + 1, "{reject}");
    assert!(stats.shares.add_up());
    assert_eq!(stats.sessions[0].shares, stats.shares);
}

#[test]
fn every_verdict() {
    let mut rig = Rig::profile("strict-blocks");
    let mut miner = rig.login();
    let job = miner.job.clone();
    assert!(is_ok(&rig.mine(&mut miner, 0)));

    let good = share(&job, 1000);
    let with = |nonce: &str, result: &str| Share {
        nonce: nonce.to_owned(),
        result: result.to_owned(),
        commitment: None,
    };
    let mut lied = good.result.clone();
    lied.replace_range(0..1, if lied.starts_with('0') { "1" } else { "0" });
    refused(&mut rig, &mut miner, &job, &with(&good.nonce, &lied), Reject::BadHash);
    refused(&mut rig, &mut miner, &job, &weak_share(&job, 0), Reject::LowDifficulty);
    refused(&mut rig, &mut miner, &job, &share(&job, 0), Reject::Duplicate);
    refused(&mut rig, &mut miner, &job, &weak_share(&job, 0), Reject::Duplicate);
    refused(&mut rig, &mut miner, &job, &with("123", &good.result), Reject::MalformedNonce);
    refused(&mut rig, &mut miner, &job, &with(&good.nonce, "12"), Reject::MalformedResult);
    let mut unknown = job.clone();
    unknown["job_id"] = json!("ffff");
    refused(&mut rig, &mut miner, &unknown, &good, Reject::InvalidJobId);

    rig.fault("new_job");
    rig.take(miner.id);
    rig.submit_share(&mut miner, &job, &good);
    assert!(is_ok(&rig.one(miner.id)), "the job before is kept, its block is current");
    rig.fault("new_block");
    rig.take(miner.id);
    refused(&mut rig, &mut miner, &job, &share(&job, 2000), Reject::BlockExpired);
    for _ in 0..4 {
        rig.fault("new_job");
    }
    rig.take(miner.id);
    refused(&mut rig, &mut miner, &job, &share(&job, 2000), Reject::StaleJob);

    let token = std::mem::replace(&mut miner.token, "another".into());
    refused(&mut rig, &mut miner, &job, &good, Reject::Unauthenticated);
    miner.token = token;
    let mut params = json!({"id": miner.token, "job_id": job["job_id"], "nonce": good.nonce, "result": good.result, "algo": "rx/wow"});
    rig.send(miner.id, &json!({"id": 50, "method": "submit", "params": params}));
    assert_eq!(error_text(&rig.one(miner.id)), "Incorrect algorithm");
    params["nonce"] = json!(7);
    rig.send(miner.id, &json!({"id": 51, "method": "submit", "params": params}));
    assert_eq!(error_text(&rig.one(miner.id)), "Invalid params");
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.accepted, shares.stale(), shares.duplicates(), shares.invalid()), (2, 2, 2, 7));
    assert!(shares.add_up());
}

#[test]
fn submits_are_rationed() {
    let mut config = PoolConfig { difficulty: DifficultyConfig::fixed(1), ..PoolConfig::default() };
    config.limits.submits_per_s = 5;
    let mut rig = Rig::new(config);
    let mut miner = rig.login();
    for nonce in 0..5 {
        assert!(is_ok(&rig.mine(&mut miner, nonce)));
    }
    let job = miner.job.clone();
    refused(&mut rig, &mut miner, &job, &share(&job, 5), Reject::Throttled);
    rig.wait(SECOND);
    assert!(is_ok(&rig.mine(&mut miner, 5)));
}

#[test]
fn a_block_is_a_new_job_for_everybody() {
    let mut rig = Rig::new(PoolConfig {
        difficulty: DifficultyConfig::fixed(10),
        block_difficulty: 10,
        ..PoolConfig::default()
    });
    let mut finder = rig.login();
    let other = rig.login();
    let job = finder.job.clone();
    // The share rule and the block rule round differently; at difficulty 10 they agree on nearly every hash.
    rig.submit(&mut finder, &job, 0);
    let lines = rig.take(finder.id);
    assert!(is_ok(&lines[0]) && lines[1]["method"] == "job", "{lines:?}");
    for (old, new) in [(&finder.job, lines[1]["params"].clone()), (&other.job, rig.job(other.id))] {
        assert_eq!(new["height"], json!(old["height"].as_u64().unwrap() + 1));
        let prev_id = |job: &Value| job["blob"].as_str().unwrap()[14..78].to_owned();
        assert_ne!(prev_id(&new), prev_id(old));
    }
    assert_ne!(finder.job["blob"], other.job["blob"], "each session has a root of its own");
    assert_eq!(rig.pool.stats().blocks, 1);
}

#[test]
fn deferred_verdicts_come_in_order() {
    let mut rig = Rig::with(easy(Profile::default()), Verification::Deferred);
    let mut miner = rig.login();
    let job = miner.job.clone();
    let first = rig.submit(&mut miner, &job, 0);
    let second = rig.submit(&mut miner, &job, 100);
    rig.send(miner.id, &json!({"id": 9, "method": "keepalived", "params": {"id": miner.token}}));
    rig.fault("new_job");
    assert_eq!(rig.job(miner.id)["algo"], "rx/0", "jobs do not wait");
    let requests: Vec<_> = std::iter::from_fn(|| rig.pool.poll_verify()).collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(rig.pool.stats().shares.in_check, 2);
    // Answered in the other order, and one of them failed.
    let mut toy = rminer_pool::ToyReference;
    rig.pool.verified(rig.now, requests[1].ticket, toy.hash(&requests[1].work, requests[1].nonce));
    rig.wait(MS);
    assert!(rig.take(miner.id).is_empty());
    rig.pool.verified(rig.now, requests[0].ticket, Err(Unavailable("no memory".into())));
    rig.wait(MS);
    let lines = rig.take(miner.id);
    assert_eq!(lines.iter().map(|line| line["id"].as_u64().unwrap()).collect::<Vec<_>>(), [first, second, 9]);
    assert_eq!(error_text(&lines[0]), Reject::Unverified.text());
    assert!(is_ok(&lines[1]));
    // The session may be gone when the verdict comes.
    rig.submit(&mut miner, &job, 300);
    rig.pool.closed(rig.now, miner.id);
    let request = rig.pool.poll_verify().unwrap();
    rig.pool.verified(rig.now, request.ticket, toy.hash(&request.work, request.nonce));
    rig.pool.verified(rig.now, request.ticket, toy.hash(&request.work, request.nonce));
    let shares = rig.pool.stats().shares;
    assert_eq!((shares.accepted, shares.in_check, shares.submitted), (2, 0, 3));
    assert!(shares.add_up());
}
