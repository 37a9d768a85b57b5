//! What Prometheus sees of the real binary, judged by promtool.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
#[path = "support/http.rs"]
mod http;
mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use fixtures::{fixture_home, with_fixtures};
use http::{Answer, ask, get};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
use support::{Miner, WALLET};

/// Where `fixtures/prometheus.sh` puts it.
const PROMTOOL: &str = "prometheus/promtool";

fn promtool(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(fixture_home().unwrap().join(PROMTOOL))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A pool whose shares come about one a second from a single thread in light mode.
fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: 4, ..DifficultyConfig::default() };
    LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::default() }).unwrap()
}

/// A miner with an accepted share, and where it answers.
fn mining(pool: &LocalPool) -> (Miner, SocketAddr) {
    let url = format!("stratum+tcp://{}", pool.addr());
    let mut miner = Miner::start(&["--pool", &url, "--user", WALLET, "--api-bind", "127.0.0.1:0"]);
    miner.wait_accepted(1, 120);
    let address: SocketAddr = miner.named("start")[0]["api"].as_str().unwrap().parse().unwrap();
    // The share was faster than the state, which is told once a second.
    let tells = |answer: &Answer, line: &str| answer.body.contains(line);
    miner.wait("a rate in the metrics", 30, |_| {
        let answer = get(address, "/metrics");
        tells(&answer, "rminer_device_hashrate_hashes_per_second{")
            && tells(&answer, "rminer_state{state=\"mining\"} 1")
    });
    (miner, address)
}

/// Names of metrics in a scrape, as their lines of type have them.
fn names(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn promtool_has_nothing_to_say() {
    with_fixtures("promtool_has_nothing_to_say", &[PROMTOOL], || {
        let pool = pool();
        let (miner, address) = mining(&pool);
        let began = Instant::now();
        let plain = get(address, "/metrics");
        let took = began.elapsed();
        assert_eq!(
            (plain.status, plain.header("content-type")),
            (200, Some("text/plain; version=0.0.4; charset=utf-8"))
        );
        let output = promtool(&["check", "metrics"], &plain.body);
        assert!(output.status.success() && said(&output).is_empty(), "{}\n{}", said(&output), plain.body);
        println!("{} metrics, {} bytes, {took:?}", names(&plain.body).len(), plain.body.len());

        let accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let open = ask(address, "GET", "/metrics", &[("Accept", accept)], "");
        assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{open:?}");
        assert!(open.body.ends_with("# EOF\n") && !plain.body.contains("# EOF"));
        let bare = |name: &&str| name.strip_suffix("_total").unwrap_or(name).to_owned();
        let of_plain: BTreeSet<String> = names(&plain.body).iter().map(bare).collect();
        // What a share brings may have come since.
        let of_open: BTreeSet<String> = names(&open.body).iter().map(bare).collect();
        assert!(of_plain.is_subset(&of_open), "{of_plain:?}\n{of_open:?}");
        // Who is paid, and for which job, is nobody's business here.
        for secret in [WALLET, &WALLET[..8], "job_id"] {
            assert!(!plain.body.contains(secret) && !open.body.contains(secret), "{secret}");
        }
        miner.stop();
    });
}

#[test]
fn what_is_measured_is_true() {
    let pool = pool();
    let (miner, address) = mining(&pool);
    let text = get(address, "/metrics").body;
    let value = |start: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("rminer_state{state=\"mining\"}"), 1.0);
    assert_eq!(value("rminer_state{state=\"paused\"}"), 0.0);
    assert_eq!(value("rminer_paused_reason{reason=\"heat\"}"), 0.0);
    assert_eq!(value("rminer_device_state{device=\"cpu0\",state=\"mining\"}"), 1.0);
    assert_eq!(value("rminer_pool_connected{pool=\"1\"}"), 1.0);
    assert_eq!(value("rminer_device_workers{device=\"cpu0\"}"), 1.0);
    let hashes = value("rminer_device_hashes_total{device=\"cpu0\",algo=\"randomx\"}");
    let (_, summary, _) = miner.stop();
    assert!(hashes > 0.0 && hashes <= summary["hashes"].as_f64().unwrap(), "{hashes} of {summary}");
}

#[test]
fn shipped_alerts_do_what_they_say() {
    with_fixtures("shipped_alerts_do_what_they_say", &[PROMTOOL], || {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus");
        let checked = promtool(&["check", "rules", &format!("{folder}/rminer.rules.yml")], "");
        assert!(
            checked.status.success() && said(&checked).contains("SUCCESS: 9 rules"),
            "{}",
            said(&checked)
        );
        let tested = promtool(&["test", "rules", &format!("{folder}/rminer.rules.test.yml")], "");
        assert!(tested.status.success(), "{}", said(&tested));
        // A rule that never fires does not pass.
        let copy = tempfile::tempdir().unwrap();
        let rules = std::fs::read_to_string(format!("{folder}/rminer.rules.yml")).unwrap();
        let broken = rules.replace("== 0\n        for: 2m", "== 7\n        for: 2m");
        assert_ne!(rules, broken);
        std::fs::write(copy.path().join("rminer.rules.yml"), broken).unwrap();
        let test = copy.path().join("rminer.rules.test.yml");
        std::fs::copy(format!("{folder}/rminer.rules.test.yml"), &test).unwrap();
        let tested = promtool(&["test", "rules", test.to_str().unwrap()], "");
        assert!(!tested.status.success(), "{}", said(&tested));
    });
}
