//! The solo dialect, and the hash that it needs, against a real Monero node.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

#[path = "../../../fixtures/support.rs"]
mod support;

mod driver;

use std::time::{Duration, Instant};

use driver::Driver;
use rminer_algos::{NonceField, Work, decode_hex_array, encode_hex, registry};
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::rng::Rng;
use rminer_stratum::{NotSent, Reject, Verdict};
use serde_json::{Value, json};
use support::{Node, NodeOptions, with_fixtures};

/// The node computes RandomX with its own library; ours must agree on anything.
#[test]
fn calc_pow_agrees() {
    with_fixtures("calc_pow_agrees", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 1, ..NodeOptions::default() });
        let mut rng = Rng::new(0x7261_6e64_6f6d_7821);
        let mut random =
            |len: u64| -> Vec<u8> { (0..len).map(|_| rng.next_u64().to_le_bytes()[0]).collect() };
        let mut reference = (registry::RANDOMX.reference)().unwrap();
        let field = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
        for seed in 0..4 {
            let seed_hash: [u8; 32] = random(32).try_into().unwrap();
            for round in 0..25 {
                let blob = random(43 + seed * 25 + round);
                let nonce = u32::from_le_bytes(blob[39..43].try_into().unwrap());
                let reply = node.call(
                    "calc_pow",
                    &json!({
                        "major_version": 16,
                        "height": 1,
                        "block_blob": encode_hex(&blob),
                        "seed_hash": encode_hex(&seed_hash),
                    }),
                );
                let theirs: [u8; 32] = decode_hex_array(reply["result"].as_str().unwrap()).unwrap();
                let work = Work::new(&blob, field, Some(seed_hash)).unwrap();
                let ours = reference.hash(&work, u64::from(nonce)).unwrap();
                assert_eq!(ours.0, theirs, "seed {} blob {}", encode_hex(&seed_hash), encode_hex(&blob));
            }
        }
    });
}

#[test]
fn mines_blocks() {
    with_fixtures("mines_blocks", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 10, ..NodeOptions::default() });
        let mut driver = Driver::start(&node);
        for block in 1..=5 {
            assert_eq!(driver.job().height, Some(block));
            assert!((driver.job().target.difficulty() - 10.0).abs() < 1e-9);
            let id = driver.mine();
            // Accepted means that the node, asked for this height, named the id that we derived.
            assert_eq!(driver.verdict(id), Verdict::Accepted);
            assert_eq!(node.height(), block + 1);
        }
        assert_eq!((driver.ledger().total().accepted, driver.ledger().total().blocks), (5, 5));
        let header = node.call("get_block_header_by_height", &json!({ "height": 5 }));
        let nonce = header["result"]["block_header"]["nonce"].as_u64();
        assert_eq!(nonce, Some(driver.last_nonce()));
        assert!(driver.ledger().balances());
    });
}

/// With transactions waiting, the tree over them is part of what is hashed.
#[test]
fn mines_a_block_with_transactions() {
    with_fixtures("mines_a_block_with_transactions", &["monerod", "monero-wallet-rpc", "curl"], || {
        let node = Node::start(&NodeOptions { difficulty: 1, wallet: true, ..NodeOptions::default() });
        node.call_wallet("create_wallet", &json!({"filename": "w", "language": "English"}));
        let address = node.call_wallet("get_address", &json!({ "account_index": 0 }))["address"].clone();
        let address = address.as_str().unwrap();
        // Rewards are locked for 60 blocks, and each payment hides among 16 outputs.
        node.generate(80, address);
        node.call_wallet("refresh", &json!({}));
        for _ in 0..3 {
            let destinations = json!({"destinations": [{"amount": 1_000_000, "address": address}]});
            node.call_wallet("transfer", &destinations);
        }
        let mut driver = Driver::unstarted(&node, address, None);
        driver.until(Duration::from_secs(60), Driver::has_job);
        let id = driver.mine();
        assert_eq!(driver.verdict(id), Verdict::Accepted);
        let header = node.call("get_block_header_by_height", &json!({ "height": 81 }));
        assert_eq!(header["result"]["block_header"]["num_txes"], 3);
        node.call_wallet("refresh", &json!({}));
        let incoming = node.call_wallet("incoming_transfers", &json!({ "transfer_type": "all" }));
        let heights =
            incoming["transfers"].as_array().unwrap().iter().map(|one| one["block_height"].as_u64());
        assert!(heights.flatten().any(|height| height == 81), "the block pays the wallet: {incoming}");
    });
}

/// What a real node says to a block that is no good, and what we make of it.
#[test]
fn refusals_are_understood() {
    with_fixtures("refusals_are_understood", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 1_000_000, ..NodeOptions::default() });
        let mut driver = Driver::start(&node);
        // A nonce that proves nothing, sent as if it did.
        let id = driver.claim(7);
        match driver.verdict(id) {
            Verdict::Rejected { kind, text } => {
                assert_eq!((kind, text.as_str()), (Reject::BadHash, "Block not accepted"));
            }
            other => panic!("{other:?}"),
        }
        drop((driver, node));

        // At difficulty 1 every nonce will do, but only one block can stand at a height.
        let node = Node::start(&NodeOptions { difficulty: 1, ..NodeOptions::default() });
        let mut driver = Driver::start(&node);
        let late = driver.claim_without_waiting(7);
        let later = driver.claim_without_waiting(8);
        node.generate(1, &node.address());
        match driver.verdict(late) {
            Verdict::Rejected { kind, text } => {
                assert_eq!((kind, text.as_str()), (Reject::Stale, "another block stands at height 1"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(driver.verdict(later), Verdict::NotSent(NotSent::Stale));
        driver.until(Duration::from_secs(20), |driver| driver.job().height == Some(2));
        assert!(driver.ledger().balances());
    });
}

#[test]
fn follows_the_chain() {
    with_fixtures("follows_the_chain", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 1, ..NodeOptions::default() });
        let mut driver = Driver::start(&node);
        node.generate(3, &node.address());
        driver.until(Duration::from_secs(20), |driver| driver.job().height == Some(4));
        node.get("/pop_blocks", Some("{\"nblocks\":2}"));
        driver.until(Duration::from_secs(20), |driver| driver.job().height == Some(2));
        let id = driver.mine();
        assert_eq!(driver.verdict(id), Verdict::Accepted);
    });
}

#[test]
fn a_wrong_wallet_is_refused() {
    with_fixtures("a_wrong_wallet_is_refused", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 1, ..NodeOptions::default() });
        let subaddress =
            "888tNkZrPN6JsEgekjMnABU4TBzc2Dt29EPAvkRxbANsAnjyPbb3iQ1YBRk1UXcdRsiKc9dhwMVgN5S9cQUiyoogDavup3H";
        for (wallet, wanted) in [("4nonsense", "Failed to parse wallet address"), (subaddress, "subaddress")]
        {
            let mut driver = Driver::unstarted(&node, wallet, None);
            driver.until(Duration::from_secs(20), |driver| driver.closed().is_some());
            match driver.closed() {
                Some(CloseReason::LoginRefused(text)) => assert!(text.contains(wanted), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn digest_login_over_tls() {
    with_fixtures("digest_login_over_tls", &Node::PROGRAMS, || {
        let options =
            NodeOptions { difficulty: 1, login: Some("user:secret word"), tls: true, wallet: false };
        let node = Node::start(&options);
        let mut driver = Driver::unstarted(&node, &node.address(), Some("user:secret word"));
        driver.until(Duration::from_secs(20), |driver| driver.has_job());
        let id = driver.mine();
        assert_eq!(driver.verdict(id), Verdict::Accepted);

        for wrong in [None, Some("user:wrong")] {
            let mut driver = Driver::unstarted(&node, &node.address(), wrong);
            driver.until(Duration::from_secs(20), |driver| driver.closed().is_some());
            match driver.closed() {
                Some(CloseReason::LoginRefused(text)) => assert!(text.contains("login"), "{text}"),
                other => panic!("{wrong:?}: {other:?}"),
            }
        }
    });
}

#[test]
fn a_block_outlives_its_nodes_restart() {
    with_fixtures("a_block_outlives_its_nodes_restart", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 1, ..NodeOptions::default() });
        let mut driver = Driver::start(&node);
        for _ in 0..2 {
            let id = driver.mine();
            assert_eq!(driver.verdict(id), Verdict::Accepted);
        }
        let height = node.height();
        node.end("stop");
        let id = driver.claim_without_waiting(3);
        // Several tries fail meanwhile, and the session stays for the block's sake.
        let since = Instant::now();
        driver.until(Duration::from_secs(20), |_| since.elapsed() > Duration::from_secs(5));
        assert_eq!(driver.closed(), None);
        node.restart();
        assert_eq!(node.height(), height, "the chain was kept");
        assert_eq!(driver.verdict(id), Verdict::Accepted);
        assert_eq!(node.height(), height + 1);

        // Without a block in hand a killed node is left within seconds.
        node.end("kill");
        driver.until(Duration::from_secs(20), |driver| driver.closed().is_some());
        assert!(matches!(driver.closed(), Some(CloseReason::Network(_))), "{:?}", driver.closed());
    });
}

/// The node's own template for a chain that has seen a few blocks, taken apart field by field.
#[test]
fn templates_are_what_they_seem() {
    with_fixtures("templates_are_what_they_seem", &Node::PROGRAMS, || {
        let node = Node::start(&NodeOptions { difficulty: 1, ..NodeOptions::default() });
        node.generate(150, &node.address());
        let driver = Driver::start(&node);
        let job = driver.job();
        let work = job.template.work(0).unwrap();
        let params = json!({"wallet_address": node.address(), "reserve_size": 8});
        let theirs: Value = node.call("get_block_template", &params)["result"].clone();
        assert_eq!(job.height, theirs["height"].as_u64());
        assert_eq!(encode_hex(work.seed().unwrap()), theirs["seed_hash"].as_str().unwrap());
        assert_eq!(encode_hex(&work.blob()[7..39]), theirs["prev_hash"].as_str().unwrap());
        assert_eq!(job.next_seed, None);
    });
}
