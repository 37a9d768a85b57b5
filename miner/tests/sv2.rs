//! A real stratum V1 server: the real binary mines at `translator_sv2`, which is before `pool_sv2`, which is before a
//! bcoin node.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
mod support;

use std::collections::{BTreeMap, BTreeSet};

use fixtures::{BitcoinNode, Fixture, free_port, with_fixtures};
use serde_json::Value;
use support::{Miner, assert_sums};

/// Target of a block: 2^25 hashes, which is seconds of work, so that most shares are none.
const BLOCK_BITS: &str = "1d7fffff";
/// What the server takes us for at first, in hashes a second: its shares are easy then.
const EXPECTED_HS: &str = "50000";
/// Shares before and after the server's crash.
const BEFORE: usize = 100;
const AFTER: usize = 20;

const PROGRAMS: [&str; 7] = [
    "node",
    "curl",
    "ss",
    "bcoin/node_modules/bcoin",
    "sv2/bin/translator_sv2",
    "sv2/bin/pool_sv2",
    "sv2/bin/sv2-tp",
];

/// The servers on a node.
fn servers(node: &BitcoinNode) -> Fixture {
    let environment = BTreeMap::from([
        ("NODE", format!("127.0.0.1:{}", node.port)),
        ("NODE_AUTH", node.login()),
        ("SV1_PORT", free_port().to_string()),
        ("POOL_PORT", free_port().to_string()),
        ("TP_PORT", free_port().to_string()),
        ("HASHRATE", EXPECTED_HS.to_owned()),
    ]);
    Fixture::start("sv2.sh", environment, &[])
}

/// Messages of this method or with this text that were sent (`>`) or came (`<`), from the log of the traffic.
fn traffic(miner: &Miner, direction: &str, text: &str) -> Vec<Value> {
    let mark = format!(" {direction} ");
    let errors = miner.errors();
    let lines = errors.lines().filter(|line| line.contains(text));
    lines.filter_map(|line| serde_json::from_str(line.split_once(&mark)?.1).ok()).collect()
}

/// How often the pool got into a state.
fn times(miner: &Miner, state: &str) -> usize {
    miner.named("pool").iter().filter(|event| event["state"] == state).count()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
#[ignore = "its servers take a quarter of an hour to build: make e2e-sv1"]
fn shares_and_blocks_through_a_real_server_and_its_crash() {
    with_fixtures("shares_and_blocks_through_a_real_server_and_its_crash", &PROGRAMS, || {
        let node = BitcoinNode::bcoin(BLOCK_BITS);
        let servers = servers(&node);
        let before = node.height();
        let url = format!("stratum+tcp://{}", servers.get("SV1_ADDRESS"));
        let mut miner = Miner::start_at(
            "sha256d",
            &["--devices", "cpu", "--threads", "2"],
            &["--pool", &url, "--user", "fixture.rig", "-vv"],
        );
        miner.wait_accepted(BEFORE, 300);
        miner.wait("block in the chain", 300, |_| node.height() > before);

        servers.call("kill-translator");
        miner.wait("word of the server's end", 60, |miner| times(miner, "down") > 0);
        servers.call("start-translator");
        miner.wait("job after the crash", 120, |miner| times(miner, "active") == 2);
        miner.wait_accepted(AFTER, 300);

        // Which version bits were agreed on, and whether they were used.
        let agreed = traffic(&miner, "<", "version-rolling.mask");
        assert_eq!(agreed.len(), 2, "{agreed:?}");
        let mask = u32::from_str_radix(agreed[0]["result"]["version-rolling.mask"].as_str().unwrap(), 16);
        let mask = mask.unwrap();
        let bits: Vec<u32> = traffic(&miner, ">", "mining.submit")
            .iter()
            .map(|submit| u32::from_str_radix(submit["params"][5].as_str().unwrap(), 16).unwrap())
            .collect();
        assert!(bits.iter().all(|bits| bits & !mask == 0), "{mask:#x} {bits:#x?}");
        let versions = bits.iter().collect::<BTreeSet<_>>().len();
        assert!(versions >= 4, "{versions} versions in {} shares", bits.len());

        // The server gives each connection an extranonce of its own.
        let extranonces: BTreeSet<String> = traffic(&miner, "<", "mining.set_difficulty\",")
            .iter()
            .filter_map(|reply| reply["result"][1].as_str().map(str::to_owned))
            .collect();
        assert_eq!(extranonces.len(), 2, "one before the crash and another after it: {extranonces:?}");

        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        let shares = &summary["shares"];
        assert!(number(&shares["accepted"]) >= (BEFORE + AFTER) as u64, "{summary}");
        let templates = std::fs::read_to_string(servers.folder().join("tp.log")).unwrap();
        let taken = templates.lines().filter(|line| line.ends_with("node=accepted")).count();
        assert!(taken >= 1, "{templates}");
        // A share found within a moment of a new block is stale; anything else would be our fault.
        let rejected = shares["rejected"].as_object().unwrap();
        let kinds: Vec<&String> =
            rejected.keys().filter(|kind| !["stale", "other"].contains(&kind.as_str())).collect();
        assert!(kinds.is_empty(), "{summary}");
        println!(
            "{} of {} shares accepted, rejected {}, {versions} versions, {taken} blocks taken by the node (height {} to {})",
            shares["accepted"],
            shares["found"],
            shares["rejected"],
            before,
            node.height(),
        );
    });
}
