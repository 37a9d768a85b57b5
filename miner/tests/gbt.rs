//! Solo mining of Bitcoin: the real binary with real nodes on regtest, bcoin with segregated witness and Bitcoin SV
//! without.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use fixtures::{BitcoinNode, Fixture, free_port, with_fixtures};
use serde_json::{Value, json};
use support::{Miner, assert_sums};

/// Some 65,000 hashes a block: every few moments one, and never two at once.
const MODERATE: &str = "1f00ffff";
const WANTED: usize = 20;

fn start(arguments: &[&str]) -> Miner {
    Miner::start_at("sha256d", &["--devices", "cpu", "--threads", "1"], arguments)
}

fn solo(login: &str, node: &BitcoinNode) -> String {
    let at = if login.is_empty() { String::new() } else { format!("{login}@") };
    format!("gbt+http://{at}127.0.0.1:{}", node.port)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Mines until the node has so many blocks from us, and checks that its chain holds what was accepted. Returns the
/// coinbase of the first block.
fn mine(node: &BitcoinNode, name: &str) -> Value {
    let (before, began) = (node.height(), Instant::now());
    let address = node.get("BTC_ADDRESS");
    let mut miner = start(&["--pool", &solo(&node.get("BTC_LOGIN"), node), "--user", &address]);
    miner.wait_accepted(WANTED, 300);
    let start = miner.named("start").remove(0);
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let shares = &summary["shares"];
    let (accepted, blocks) = (number(&shares["accepted"]), node.height() - before);
    assert_eq!(shares["blocks"], shares["accepted"], "every share is a block: {summary}");
    assert_eq!(shares["rejected"], json!({}), "{summary}");
    // The node may have taken one more whose answer came after the stop.
    let unknown = number(&shares["lost"]) + number(&shares["no_reply"]);
    assert!((accepted..=accepted + unknown).contains(&blocks), "{blocks} blocks in the chain: {summary}");
    println!(
        "{name}: {accepted} blocks accepted, {blocks} in the chain, {:.1} s",
        began.elapsed().as_secs_f64()
    );

    assert_eq!(start["payouts"][0]["address"].as_str(), Some(address.as_str()), "{start}");
    assert!(start["payouts"][0]["script"].as_str().unwrap().starts_with("76a914"), "{start}");
    node.block(before + 1)
}

#[test]
fn bcoin_accepts_blocks_with_witnesses() {
    with_fixtures("bcoin_accepts_blocks_with_witnesses", &BitcoinNode::BCOIN, || {
        let node = BitcoinNode::bcoin(MODERATE);
        let block = mine(&node, "bcoin");
        assert_eq!(block["tx"].as_array().unwrap().len(), 4, "three payments are in it: {block}");
    });
}

/// Every second hash is a block there, so the miner must stop at the first of each template.
#[test]
fn bitcoin_sv_accepts_blocks_without() {
    with_fixtures("bitcoin_sv_accepts_blocks_without", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(false);
        let block = mine(&node, "Bitcoin SV");
        assert_eq!(block["tx"].as_array().unwrap().len(), 3, "two payments are in it: {block}");
    });
}

/// The chain of Bitcoin SV outlives its node, whose cookie is another one after.
#[test]
fn a_crash_of_the_node_and_its_new_cookie() {
    with_fixtures("a_crash_of_the_node_and_its_new_cookie", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(true);
        let (cookie, address) = (node.get("BTC_COOKIE"), node.get("BTC_ADDRESS"));
        let mut miner = start(&["--pool", &solo("", &node), "--rpc-cookie", &cookie, "--user", &address]);
        miner.wait_accepted(3, 300);
        node.end("kill");
        let before = miner.accepted();
        miner.wait("word of the end of the node, or a block that waits for it", 120, |miner| {
            let waits = miner.named("rates").last().is_some_and(|rates| number(&rates["pending"]) > 0);
            waits || miner.down_reasons().contains("refused")
        });
        node.restart();
        miner.wait_accepted(before + 3, 300);
        let said = format!("{:?}\n{}", miner.events(), miner.errors());
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        let login = node.login();
        assert!(!said.contains(login.trim_start_matches("__cookie__:")), "the password was shown");
    });
}

#[test]
fn wrong_logins_and_addresses_are_told() {
    with_fixtures("wrong_logins_and_addresses_are_told", &BitcoinNode::BCOIN, || {
        let node = BitcoinNode::bcoin(MODERATE);
        let (good, address) = (node.get("BTC_LOGIN"), node.get("BTC_ADDRESS"));
        for (login, address, words) in [
            ("x:open-barley", address.as_str(), "the node refuses the login of user \"x\""),
            ("", &address, "name the node's cookie file with --rpc-cookie"),
            (&good, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "the node's chain is \"regtest\""),
        ] {
            let mut miner = start(&["--pool", &solo(login, &node), "--user", address, "--retries", "1"]);
            assert_eq!(miner.wait_exit(120), Some(5), "{}", miner.down_reasons());
            assert!(miner.down_reasons().contains(words), "{}", miner.down_reasons());
            assert!(!format!("{:?}\n{}", miner.events(), miner.errors()).contains("open-barley"));
        }
        let mistyped = address.replace("mgA7", "mgA8");
        let mut miner = start(&["--pool", &solo(&good, &node), "--user", &mistyped]);
        assert_eq!(miner.wait_exit(120), Some(2));
        assert!(miner.errors().contains("its checksum is wrong"), "{}", miner.errors());
    });
}

/// A node has no TLS of its own, so it stands behind something that has.
#[test]
fn tls_in_front_of_the_node() {
    let programs = [&BitcoinNode::BCOIN[..], &["stunnel", "microsocks", "haproxy", "openssl", "ss"]].concat();
    with_fixtures("tls_in_front_of_the_node", &programs, || {
        let node = BitcoinNode::bcoin(MODERATE);
        let port = free_port();
        let environment = BTreeMap::from([
            ("TLS_PORT", port.to_string()),
            ("SOCKS_PORT", free_port().to_string()),
            ("SOCKS_AUTH_PORT", free_port().to_string()),
            ("HA_PORT", free_port().to_string()),
        ]);
        let wires = Fixture::start("wires.sh", environment, &[node.port.to_string()]);
        let url = format!("gbt+https://{}@127.0.0.1:{port}", node.get("BTC_LOGIN"));
        let (pin, address) = (wires.get("TLS_SHA256"), node.get("BTC_ADDRESS"));

        let mut miner = start(&["--pool", &url, "--user", &address, "--retries", "1"]);
        assert_eq!(miner.wait_exit(120), Some(4), "{}", miner.down_reasons());
        assert!(miner.down_reasons().contains(&format!("--tls-pin {pin}")), "{}", miner.down_reasons());

        let before = node.height();
        let mut miner = start(&["--pool", &url, "--user", &address, "--tls-pin", &pin]);
        miner.wait_accepted(2, 300);
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        assert!(node.height() >= before + 2);
    });
}
