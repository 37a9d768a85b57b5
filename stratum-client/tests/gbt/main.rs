//! Solo mining with real Bitcoin nodes: bcoin, which has segregated witness, and Bitcoin SV, which has none.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

#[path = "../../../fixtures/support.rs"]
mod support;

mod driver;

use std::sync::Arc;

use driver::{Driver, Way};
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::{NotSent, Reject, Verdict};
use serde_json::json;
use support::{BitcoinNode, with_fixtures};

/// Two hashes a block.
const EASY: &str = "207fffff";

#[test]
fn bcoin_takes_blocks_with_witnesses() {
    with_fixtures("bcoin_takes_blocks_with_witnesses", &BitcoinNode::BCOIN, || {
        let node = BitcoinNode::bcoin(EASY);
        let before = node.height();
        let mut driver = Driver::start(&node);
        assert_eq!(driver.notices(), [] as [&str; 0], "the proposal was taken");
        for block in 1..=5 {
            // Accepted means that the node, asked for the height, named the hash that we found.
            assert_eq!(driver.mine(), Verdict::Accepted);
            assert_eq!(node.height(), before + block);
        }
        let hash = node.call("getblockhash", &json!([before + 1]));
        let block = node.call("getblock", &json!([hash, true, true]));
        let transactions = block["tx"].as_array().unwrap();
        assert_eq!(transactions.len(), 4, "{block}");
        let pays = &transactions[0]["vout"][0]["scriptPubKey"]["addresses"][0];
        assert_eq!(pays.as_str(), Some(node.get("BTC_ADDRESS").as_str()), "{block}");
        assert_ne!(transactions[0]["txid"], transactions[0]["hash"], "the coinbase has a witness");
        assert!(driver.ledger().balances());
    });
}

#[test]
fn bsv_takes_blocks_without() {
    with_fixtures("bsv_takes_blocks_without", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(false);
        let before = node.height();
        let mut driver = Driver::start(&node);
        assert_eq!(driver.notices(), [] as [&str; 0], "the proposal was taken");
        for block in 1..=5 {
            assert_eq!(driver.mine(), Verdict::Accepted);
            assert_eq!(node.height(), before + block);
        }
        let transactions: usize =
            (1..=5).map(|block| node.block(before + block)["tx"].as_array().unwrap().len()).sum();
        assert_eq!(transactions, 5 + 2, "the wallet's payments are in them");
    });
}

/// A block that comes second at its height is no block, and a second hit on the same parent is not even sent.
#[test]
fn the_chain_takes_one_block_at_a_height() {
    with_fixtures("the_chain_takes_one_block_at_a_height", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(false);
        let mut driver = Driver::start(&node);
        let job = Arc::clone(driver.job());
        let first = driver.solve(&job, 0);
        let second = driver.solve(&job, first.nonce + 1);
        node.call("generatetoaddress", &json!([1, node.get("BTC_ADDRESS")]));
        driver.submit(&first);
        driver.submit(&second);
        assert_eq!(driver.verdict(0), Verdict::NotSent(NotSent::Stale));
        match driver.verdict(1) {
            Verdict::Rejected { kind: Reject::Stale, text } => {
                let height = job.height.unwrap();
                assert_eq!(text, format!("another block stands at height {height} (inconclusive)"));
            }
            other => panic!("{other:?}"),
        }
        driver.until(|driver| driver.job().height > job.height);
        assert_eq!(driver.mine(), Verdict::Accepted);
        assert!(driver.ledger().balances());
    });
}

/// The node's answer to the long poll, its newest block and a chain that goes back.
#[test]
fn follows_the_chain() {
    with_fixtures("follows_the_chain", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(false);
        let mut driver = Driver::start(&node);
        let height = driver.job().height.unwrap();
        for more in 1..=3 {
            node.call("generatetoaddress", &json!([1, node.get("BTC_ADDRESS")]));
            driver.until(|driver| driver.job().height == Some(height + more));
        }
        let newest = node.call("getbestblockhash", &json!([]));
        node.call("invalidateblock", &json!([newest]));
        driver.until(|driver| driver.job().height == Some(height + 2));
        node.call("reconsiderblock", &json!([newest]));
        driver.until(|driver| driver.job().height == Some(height + 3));
        assert_eq!(driver.mine(), Verdict::Accepted);
    });
}

#[test]
fn a_cookie_is_read_again_when_the_node_has_a_new_one() {
    with_fixtures("a_cookie_is_read_again_when_the_node_has_a_new_one", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(true);
        let (address, cookie) = (node.get("BTC_ADDRESS"), node.get("BTC_COOKIE"));
        let way = Way { login: "", cookie: Some(cookie.into()), address: &address };
        let mut driver = Driver::on(node.port, &way);
        driver.until(Driver::has_job);
        assert_eq!(driver.mine(), Verdict::Accepted);
        let (old, height) = (node.login(), node.height());

        // A block that is found while the node is away waits for it.
        node.end("stop");
        driver.hand_in();
        node.restart();
        assert_ne!(node.login(), old, "the node has made a new one");
        // At its start the script makes a block, which may come before or after ours.
        let verdict = driver.verdict(1);
        assert!(
            matches!(verdict, Verdict::Accepted | Verdict::Rejected { kind: Reject::Stale, .. }),
            "{verdict:?}"
        );
        driver.until(|driver| driver.job().height > Some(height + 1));
        assert_eq!(driver.mine(), Verdict::Accepted);
        assert!(driver.ledger().balances());
    });
}

#[test]
fn what_the_node_or_the_address_does_not_allow_is_told() {
    with_fixtures("what_the_node_or_the_address_does_not_allow_is_told", &BitcoinNode::BCOIN, || {
        let node = BitcoinNode::bcoin(EASY);
        let (good, address) = (node.get("BTC_LOGIN"), node.get("BTC_ADDRESS"));
        let segwit = node.get("BTC_SEGWIT_ADDRESS");
        let missing = Some("/nowhere/.cookie".into());
        let mut said = Vec::new();
        for (login, cookie, address, words) in [
            ("x:wrong", None, address.as_str(), "the node refuses the login of user \"x\""),
            (
                "",
                None,
                &address,
                "gbt+http://USER:PASS@HOST:PORT, or name the node's cookie file with --rpc-cookie",
            ),
            ("", missing, &address, "the cookie file /nowhere/.cookie cannot be used"),
            (
                &good,
                None,
                "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu",
                "one of the main network, but the node's chain is",
            ),
        ] {
            let mut driver = Driver::on(node.port, &Way { login, cookie, address });
            driver.until(|driver| !driver.downs().is_empty());
            match &driver.downs()[0] {
                CloseReason::LoginRefused(text) => assert!(text.contains(words), "{text}"),
                other => panic!("{other:?}"),
            }
            said.push(driver.downs()[0].to_string());
        }
        assert!(said.iter().all(|text| !text.contains("wrong")), "{said:?}");
        // And the other kinds of address are taken.
        let mut driver = Driver::on(node.port, &Way { login: &good, cookie: None, address: &segwit });
        driver.until(Driver::has_job);
        assert_eq!(driver.mine(), Verdict::Accepted);
    });
}

/// Bitcoin SV has no segregated witness: whoever paid such an address there would pay nobody.
#[test]
fn a_witness_program_is_not_paid_where_nobody_could_spend_it() {
    with_fixtures("a_witness_program_is_not_paid_where_nobody_could_spend_it", &BitcoinNode::BSV, || {
        let node = BitcoinNode::bsv(false);
        let (login, address) = (node.get("BTC_LOGIN"), "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080");
        let mut driver = Driver::on(node.port, &Way { login: &login, cookie: None, address });
        driver.until(|driver| !driver.downs().is_empty());
        assert!(driver.downs()[0].to_string().contains("segregated witness"), "{:?}", driver.downs());
        assert!(!driver.has_job());
    });
}
