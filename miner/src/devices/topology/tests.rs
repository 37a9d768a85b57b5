//! Made-up and recorded machines, each in a process of its own: hwloc reads them from the environment.

use std::process::Command;

use super::*;
use crate::devices::cpu::plan::{Needs, plan};

/// Which machine a child is to look at, and how it knows that it is one.
const CHILD: &str = "RMINER_TEST_TOPOLOGY_CHILD";

/// Runs `child` below where hwloc sees another machine; returns what it printed.
fn see(variable: &str, machine: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "devices::topology::tests::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env(variable, machine)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("cores="), "the child did not run its body: {text}");
    text
}

#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let topology = Topology::detect();
    println!("\ncores={} pus={}", topology.cores.len(), topology.pus().count());
    println!("packages={} nodes={:?}", topology.packages(), topology.nodes());
    println!("l2={:?} l3={:?}", topology.l2_bytes, topology.l3_bytes);
    let plan = plan(&topology, None, None, 10, Needs::Scratchpads).unwrap();
    println!("plan={:?}", plan.threads.iter().map(|thread| thread.pu).collect::<Vec<_>>());
    println!("plan_nodes={:?}", plan.threads.iter().map(|thread| thread.node).collect::<Vec<_>>());
    // Binding to another machine's units does nothing, and must not be an error that stops anything.
    println!("pin={:?}", topology.pin(0));
}

fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "`{line}` is not in: {text}");
}

#[test]
fn two_packages_with_eight_caches_and_siblings() {
    let text = see("HWLOC_SYNTHETIC", "pack:2 numa:1 l3:8(size=33554432) l2:4(size=524288) core:1 pu:2");
    assert_has(&text, "cores=64 pus=128");
    assert_has(&text, "packages=2 nodes=[0, 1]");
    // Two threads for each 512 KiB of level 2, and 16 for each 32 MiB of level 3: all of the 8 under it.
    let first_siblings = (0..64).map(|core| 2 * core);
    let all: Vec<_> = first_siblings.clone().chain(first_siblings.map(|pu| pu + 1)).collect();
    assert_has(&text, &format!("plan={all:?}"));
    let nodes = [vec![0; 32], vec![1; 32], vec![0; 32], vec![1; 32]].concat();
    assert_has(&text, &format!("plan_nodes={nodes:?}"));
}

#[test]
fn two_packages_that_feed_half_of_their_units() {
    let text = see("HWLOC_SYNTHETIC", "pack:2 numa:1 l3:8(size=8388608) l2:4(size=524288) core:1 pu:2");
    let first_siblings: Vec<_> = (0..64).map(|core| 2 * core).collect();
    assert_has(&text, &format!("plan={first_siblings:?}"));
}

#[test]
fn tiny_cache() {
    let text = see("HWLOC_SYNTHETIC", "pack:1 l3:1(size=1048576) l2:2(size=262144) core:1 pu:1");
    assert_has(&text, "l2=[262144, 262144] l3=[1048576]");
    assert_has(&text, "plan=[0]");
}

#[test]
fn no_caches_at_all() {
    let text = see("HWLOC_SYNTHETIC", "core:3 pu:1");
    assert_has(&text, "l2=[] l3=[]");
    assert_has(&text, "plan=[0, 1, 2]");
}

/// Cores of unequal shape can only be recorded, not made up.
#[test]
fn hybrid_cores() {
    let machine = concat!(env!("CARGO_MANIFEST_DIR"), "/src/devices/topology/hybrid.xml");
    let text = see("HWLOC_XMLFILE", machine);
    assert_has(&text, "cores=6 pus=8");
    assert_has(&text, "l2=[1310720, 1310720, 2097152] l3=[12582912]");
    // One of each core by the six times 2 MiB of level 3; the siblings of the two fast cores stay idle.
    assert_has(&text, "plan=[0, 2, 4, 5, 6, 7]");
}

#[test]
fn nonsense_does_not_panic() {
    assert_has(&see("HWLOC_SYNTHETIC", "no such machine"), "packages=1 nodes=[0]");
    assert_has(&see("HWLOC_XMLFILE", "/nonexistent.xml"), "packages=1 nodes=[0]");
}

#[test]
fn this_machine_has_its_allowed_units() {
    let topology = Topology::detect();
    let mut pus: Vec<_> = topology.pus().collect();
    pus.sort_unstable();
    if let Some(allowed) = os::allowed_pus() {
        assert_eq!(pus, allowed);
    }
    assert!(!topology.nodes().is_empty());
    assert!(plan(&topology, None, None, 10, Needs::Scratchpads).unwrap().threads.len() <= pus.len());
}

/// The kernel is the oracle of a pinned thread's place.
#[test]
#[cfg(target_os = "linux")]
fn pinning_holds_for_one_thread() {
    let topology = Topology::detect();
    let before = os::allowed_pus();
    let last = topology.pus().last().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            topology.pin(last).unwrap();
            assert_eq!(os::allowed_pus(), Some(vec![last]));
        });
    });
    assert_eq!(os::allowed_pus(), before);
}

#[test]
fn without_hwloc_every_allowed_unit_is_a_core() {
    let topology = Topology::without_hwloc(Some(vec![3, 5]));
    assert_eq!(topology.pus().collect::<Vec<_>>(), [3, 5]);
    assert!(topology.pin(3).is_err());
    assert!(!Topology::without_hwloc(None).cores.is_empty());
}
