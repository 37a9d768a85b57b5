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

/// What the node writes of a block that it took from a miner. It puts several into one line: `Accepted 3 blocks ...`.
const TAKEN: &str = " via submit block";

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

/// How many blocks the node took, in its own words.
fn taken(node: &Fixture) -> usize {
    let log = std::fs::read_to_string(node.folder().join("bridge.log")).unwrap();
    let count = |line: &str| {
        let (_, said) = line.split_once("Accepted ").filter(|_| line.contains(TAKEN))?;
        said.split(' ').next().map(|word| word.parse().unwrap_or(1))
    };
    log.lines().filter_map(count).sum::<usize>()
}

/// Mines at `pool` until the node has taken enough blocks, and gives what it took.
fn mine(node: &Fixture, pool: &str, user: &[&str]) {
    let before = taken(node);
    let options = ["--devices", "cpu", "--threads", "1"];
    let mut miner = Miner::start_at("kheavyhash", &options, &[&["--pool", pool, "--user"], user].concat());
    miner.wait_accepted(BLOCKS, 600);
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    // Its log is a second or more behind.
    let accepted = usize::try_from(summary["shares"]["accepted"].as_u64().unwrap()).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while taken(node) < before + accepted && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let new = taken(node) - before;
    println!(
        "{pool}: {accepted} of {} accepted, {} blocks by the node's own count, rejected {}",
        summary["shares"]["found"], new, summary["shares"]["rejected"]
    );
    assert!(new >= BLOCKS, "{summary}");
    assert_eq!(new, accepted, "every block that was accepted is one: {summary}");
}

#[test]
#[ignore = "its node takes half an hour to build: make e2e-kaspa"]
fn a_real_node_takes_blocks_over_grpc_and_through_its_stratum_bridge() {
    with_fixtures("a_real_node_takes_blocks_over_grpc_and_through_its_stratum_bridge", &PROGRAMS, || {
        let node = node();
        let address = node.get("KASPA_ADDRESS");
        mine(&node, &format!("kaspad://{}", node.get("KASPA_GRPC")), &[&address]);
        // An address of a test network at a pool must be meant.
        let (bridge, user) = (node.get("KASPA_EASY_STRATUM"), format!("{address}.rig"));
        mine(&node, &format!("stratum+tcp://{bridge}"), &[&user, "--user-is-account"]);

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
