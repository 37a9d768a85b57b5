//! A real Kaspa node on a devnet: the real binary mines at it over gRPC, and at the stratum bridge before it.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;

use fixtures::{Fixture, free_port, with_fixtures};
use support::{Miner, assert_sums};

/// Blocks that the node must take on each of the two ways.
const BLOCKS: usize = 20;
const PROGRAMS: [&str; 4] = ["python3", "ss", "kaspa/bin/stratum-bridge", "kaspa/bin/kaspa-miner"];

/// What the node writes for a block that it took from a miner, with the block's hash between.
const TAKEN: (&str, &str) = ("Accepted block ", " via submit block");

/// A node that is synced, and its bridge.
fn node() -> Fixture {
    // The port behind that of gRPC is for other nodes.
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let rpc = std::iter::repeat_with(free_port).find(|port| *port < u16::MAX && is_free(port + 1)).unwrap();
    let environment = BTreeMap::from([
        ("RPC_PORT", rpc.to_string()),
        ("STRATUM_PORT", free_port().to_string()),
        ("EASY_PORT", free_port().to_string()),
    ]);
    Fixture::start("kaspa.sh", environment, &[])
}

/// Hashes of the blocks that the node took, in its own words.
fn taken(node: &Fixture) -> Vec<String> {
    let log = std::fs::read_to_string(node.folder().join("bridge.log")).unwrap();
    let hash = |line: &str| Some(line.split_once(TAKEN.0)?.1.split_once(TAKEN.1)?.0.to_owned());
    log.lines().filter_map(hash).collect()
}

/// Mines at `pool` until the node has taken enough blocks, and gives what it took.
fn mine(node: &Fixture, pool: &str, user: &str) -> usize {
    let before = taken(node).len();
    let options = ["--devices", "cpu", "--threads", "1"];
    let mut miner = Miner::start_at("kheavyhash", &options, &["--pool", pool, "--user", user]);
    miner.wait_accepted(BLOCKS, 600);
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let new = taken(node).split_off(before);
    let accepted = usize::try_from(summary["shares"]["accepted"].as_u64().unwrap()).unwrap();
    println!(
        "{pool}: {accepted} of {} accepted, {} blocks by the node's own count, rejected {}",
        summary["shares"]["found"],
        new.len(),
        summary["shares"]["rejected"]
    );
    assert!(new.len() >= BLOCKS, "{summary}");
    new.len()
}

#[test]
#[ignore = "its node takes half an hour to build: make e2e-kaspa"]
fn a_real_node_takes_blocks_over_grpc_and_through_its_stratum_bridge() {
    with_fixtures("a_real_node_takes_blocks_over_grpc_and_through_its_stratum_bridge", &PROGRAMS, || {
        let node = node();
        let address = node.get("KASPA_ADDRESS");
        mine(&node, &format!("kaspad://{}", node.get("KASPA_GRPC")), &address);
        mine(&node, &format!("stratum+tcp://{}", node.get("KASPA_EASY_STRATUM")), &format!("{address}.rig"));

        // An address of another network ends before the first hash, with one line that says why.
        let elsewhere = address.replace("kaspadev:", "kaspa:");
        let probe = std::process::Command::new(env!("CARGO_BIN_EXE_rminer"))
            .args(["pool", "test", "--algo", "kheavyhash", "--user", &elsewhere])
            .args(["--pool", &format!("kaspad://{}", node.get("KASPA_GRPC"))])
            .output()
            .unwrap();
        assert!(!probe.status.success(), "{probe:?}");
    });
}
