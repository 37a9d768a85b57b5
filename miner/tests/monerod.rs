//! Solo mining: the real binary with a real Monero node on an empty regtest chain.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
mod support;

use std::net::TcpListener;
use std::process::Command;

use fixtures::{Node, NodeOptions, with_fixtures};
use serde_json::Value;
use support::{Miner, WALLET, assert_sums};

/// Expected hashes for a block: several come each second, and one about each second where others use the machine.
const EASY: u64 = 5;
/// No test ever finds a block of this one.
const NEVER: u64 = 1_000_000_000;

/// Blocks before and after the node's crash.
const BEFORE: usize = 5;
const AFTER: usize = 6;

/// The address of a node as a pool, with what stands before its host, such as `http://user:password@`.
fn solo(start: &str, node: &Node) -> String {
    format!("daemon+{start}127.0.0.1:{}", node.port)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// How often a pool got into a state.
fn times(miner: &Miner, state: &str) -> usize {
    miner.named("pool").iter().filter(|event| event["state"] == state).count()
}

/// Nothing of this chain comes from anybody else, so its length tells what the node took.
#[test]
fn blocks_are_accepted_and_a_crash_of_the_node_loses_none() {
    with_fixtures("blocks_are_accepted_and_a_crash_of_the_node_loses_none", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: EASY, ..NodeOptions::default() });
        assert_eq!(node.height(), 1);
        let mut miner = Miner::start_pair(&["--pool", &solo("http://", &node), "--user", WALLET]);
        miner.wait_accepted(BEFORE, 300);
        assert!(node.height() > BEFORE as u64);

        node.end("kill");
        // A block that is found now waits for the node. Without one the connection ends.
        miner.wait("block that waits, or a lost connection", 120, |miner| {
            let waits = miner.named("rates").last().is_some_and(|rates| number(&rates["pending"]) > 0);
            waits || times(miner, "down") > 0
        });
        node.restart();
        miner.wait_accepted(AFTER, 300);

        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        let shares = &summary["shares"];
        let accepted = number(&shares["accepted"]);
        assert!(accepted >= (BEFORE + AFTER) as u64, "{summary}");
        assert_eq!(shares["blocks"], shares["accepted"], "{summary}");
        assert_eq!(shares["rejected"], serde_json::json!({}), "{summary}");
        // The node may have taken one more whose answer came after the stop.
        let unknown = number(&shares["lost"]) + number(&shares["no_reply"]);
        let blocks = node.height() - 1;
        assert!((accepted..=accepted + unknown).contains(&blocks), "{blocks} blocks in the chain: {summary}");
        println!("{blocks} blocks in the chain, {accepted} accepted");
    });
}

/// Without a block in hand nothing keeps the connection, and people are told.
#[test]
fn a_node_that_went_is_told_and_mined_for_again_when_it_is_back() {
    with_fixtures("a_node_that_went_is_told_and_mined_for_again_when_it_is_back", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: NEVER, ..NodeOptions::default() });
        let mut miner = Miner::start_pair(&["--pool", &solo("http://", &node), "--user", WALLET]);
        miner.wait("job", 120, |miner| times(miner, "active") == 1 && !miner.named("job").is_empty());
        assert_eq!(miner.named("job").last().unwrap()["height"], 1);
        node.end("kill");
        miner.wait("word of the node's end", 120, |miner| miner.down_reasons().contains("refused"));
        miner.wait("stop of hashing", 60, |miner| !miner.named("no-job").is_empty());
        node.restart();
        miner.wait("job after the restart", 120, |miner| times(miner, "active") == 2);
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
    });
}

#[test]
fn digest_login() {
    with_fixtures("digest_login", &Node::PROGRAMS, || {
        let options =
            NodeOptions { difficulty: EASY, login: Some("someone:open-sesame"), ..NodeOptions::default() };
        let node = Node::start(&options);
        let mut miner = Miner::start_pair(&[
            "--pool",
            &solo("http://someone:open-sesame@", &node),
            "--user",
            WALLET,
            "-vv",
        ]);
        miner.wait_accepted(1, 300);
        let said = format!("{:?}\n{}", miner.events(), miner.errors());
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        assert!(!said.contains("open-sesame"), "the password was shown");

        for (login, words) in [
            ("http://someone:open-barley@", "the node refuses the login of user \"someone\""),
            ("http://", "daemon+http://USER:PASS@HOST:PORT"),
        ] {
            let mut miner =
                Miner::start_pair(&["--pool", &solo(login, &node), "--user", WALLET, "--retries", "1"]);
            assert_eq!(miner.wait_exit(120), Some(5), "{}", miner.down_reasons());
            assert!(miner.down_reasons().contains(words), "{}", miner.down_reasons());
            assert!(!format!("{:?}\n{}", miner.events(), miner.errors()).contains("open-barley"));
        }
    });
}

/// A node makes its own certificate, which nobody vouches for.
#[test]
fn tls_with_the_nodes_own_certificate() {
    let programs = ["monerod", "curl", "openssl"];
    with_fixtures("tls_with_the_nodes_own_certificate", &programs, || {
        let node = Node::start(&NodeOptions { difficulty: EASY, tls: true, ..NodeOptions::default() });
        let pin = fingerprint(node.port);
        let url = solo("https://", &node);

        let mut miner = Miner::start_pair(&["--pool", &url, "--user", WALLET, "--retries", "1"]);
        assert_eq!(miner.wait_exit(120), Some(4), "{}", miner.down_reasons());
        assert!(miner.down_reasons().contains(&format!("--tls-pin {pin}")), "{}", miner.down_reasons());
        assert_eq!(times(&miner, "logged-in"), 0);

        let plain = solo("http://", &node);
        let mut miner = Miner::start_pair(&["--pool", &plain, "--user", WALLET, "--retries", "1"]);
        assert_eq!(miner.wait_exit(120), Some(4), "{}", miner.down_reasons());
        assert!(miner.down_reasons().contains("daemon+https://"), "{}", miner.down_reasons());

        let other = "ab".repeat(32);
        let mut miner =
            Miner::start_pair(&["--pool", &url, "--user", WALLET, "--retries", "1", "--tls-pin", &other]);
        assert_eq!(miner.wait_exit(120), Some(4), "{}", miner.down_reasons());
        assert!(miner.down_reasons().contains("not the pinned one"), "{}", miner.down_reasons());
        assert_eq!(times(&miner, "logged-in"), 0);
        assert_eq!(node.height(), 1, "nothing was mined without trust");

        let mut miner = Miner::start_pair(&["--pool", &url, "--user", WALLET, "--tls-pin", &pin]);
        miner.wait_accepted(1, 300);
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        assert!(node.height() > 1);
    });
}

#[test]
fn a_mistyped_wallet_ends_it_before_any_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("daemon+http://{}", listener.local_addr().unwrap());
    // One letter near the end: only the checksum tells.
    let mistyped = WALLET.replace("5mJYP", "5mJYQ");
    assert_ne!(mistyped, WALLET);
    let mut miner = Miner::start_pair(&["--pool", &url, "--user", &mistyped]);
    assert_eq!(miner.wait_exit(120), Some(2));
    assert!(miner.errors().contains("checksum"), "{}", miner.errors());
    listener.set_nonblocking(true).unwrap();
    let nobody = listener.accept().map(|_| ()).unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// SHA-256 of the certificate that a port shows, as openssl computes it: 64 hex digits.
fn fingerprint(port: u16) -> String {
    let command =
        "openssl s_client -connect \"$1\" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256";
    let output =
        Command::new("sh").args(["-c", command, "sh", &format!("127.0.0.1:{port}")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (_, hex) = text.trim().split_once('=').unwrap_or_else(|| panic!("no fingerprint: {text}"));
    hex.replace(':', "").to_lowercase()
}
