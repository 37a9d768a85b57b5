//! `rminer doctor`, `rminer setup` and `rminer report` as people and scripts call them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "support/http.rs"]
mod http;
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rminer_pool::bitcoin::Profile;
use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig};
use serde_json::Value;
use support::{Miner, WALLET};

/// The program with nothing of this machine's own settings.
fn rminer(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rminer"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RMINER_")) {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("HOME", folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        // No miner of anybody else's is asked.
        .env("RMINER_API_BIND", "off")
        .stdin(Stdio::null());
    command
}

fn told(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Codes of a level.
fn codes(report: &Value, level: &str) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("{report}"));
    let of_level = findings.iter().filter(|finding| finding["level"] == level);
    of_level.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_wallet_that_was_mistyped_is_red_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = WALLET.replace("47No", "47Np");
    let arguments = ["doctor", "--json", "--algo", "randomx", "--pool", "127.0.0.1:1", "--user", &wrong];
    let output = rminer(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(codes(&report, "red").contains(&"wallet-checksum".to_owned()), "{report}");
    assert!(report["checked"].as_str().unwrap().ends_with('Z'), "{report}");
    assert!(!told(&output).contains(&wrong), "wallets are shortened");
}

#[test]
fn a_pool_that_is_not_there_is_named_when_pools_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pool = ["--algo", "sha256d", "--devices", "cpu", "--pool", "127.0.0.1:1", "--user", "account"];
    let plain = rminer(folder.path(), &[&["doctor", "--json"], &pool[..]].concat()).output().unwrap();
    let report: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert!(!codes(&report, "red").contains(&"pool-unreachable".to_owned()), "{report}");
    assert!(codes(&report, "yellow").contains(&"user-unchecked".to_owned()), "{report}");
    let asked =
        rminer(folder.path(), &[&["doctor", "--json", "--pools"], &pool[..]].concat()).output().unwrap();
    assert_eq!(asked.status.code(), Some(1), "{}", told(&asked));
    let report: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert!(codes(&report, "red").contains(&"pool-unreachable".to_owned()), "{report}");
}

#[test]
fn a_running_miner_looks_at_its_own_machine() {
    let folder = tempfile::tempdir().unwrap();
    let difficulty = DifficultyConfig {
        start: 1 << 20,
        share_interval: Some(Duration::from_millis(500)),
        ..DifficultyConfig::default()
    };
    let config = PoolConfig { difficulty, ..PoolConfig::with_profile(Profile::default()) };
    let pool = LocalPool::spawn_thread(LocalPoolConfig::from(config)).unwrap();
    let url = format!("stratum+tcp://{}", pool.addr());
    let mut miner = Miner::start_sha256d(&[
        "--pool",
        &url,
        "--user",
        "account",
        "--api-bind",
        "127.0.0.1:0",
        "--schedule",
        "00:00-24:00",
    ]);
    let address = miner.api();
    miner.wait_accepted(1, 60);
    let answer = http::get(address, "/api/v1/doctor");
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = answer.json();
    assert!(codes(&report, "green").contains(&"schedule".to_owned()), "{report}");
    assert!(codes(&report, "green").contains(&"history-stopped".to_owned()), "{report}");
    let host = address.to_string();
    let output = rminer(folder.path(), &["doctor", "--json", "--host", &host]).output().unwrap();
    let remote: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
    assert!(codes(&remote, "green").contains(&"schedule".to_owned()), "{remote}");
    let red = !codes(&remote, "red").is_empty();
    assert_eq!(output.status.code(), Some(i32::from(red)), "{remote}");
    // A report asks it as well.
    let path = folder.path().join("bundle.json");
    let arguments = ["report", "--yes", "--host", &host, "--output", path.to_str().unwrap()];
    let output = rminer(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let bundle: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(bundle["status"]["api"], 1);
    assert!(bundle["events"]["events"].as_array().is_some_and(|events| !events.is_empty()));
    assert_eq!(bundle["about"]["program"], "rminer");
    miner.wait_accepted(1, 60);
}

#[test]
fn reports_are_shown_before_they_are_written_and_overwrite_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let name = path.to_str().unwrap();
    // Nobody is there to say yes.
    let output = rminer(folder.path(), &["report", "--output", name]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("doctor") && told(&output).contains("--yes") && !path.exists());
    fs::write(&path, "mine").unwrap();
    let output = rminer(folder.path(), &["report", "--yes", "--output", name]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("error[file-exists]"), "{}", told(&output));
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn setup_shows_its_plan_and_does_nothing_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let pages = || fs::read_to_string("/proc/sys/vm/nr_hugepages").ok();
    let before = pages();
    let output =
        rminer(folder.path(), &["setup", "hugepages", "--dry-run", "--threads", "1"]).output().unwrap();
    let text = told(&output);
    // What this machine says depends on its memory.
    let plans = text.contains("plan (hugepages)") || text.contains("nothing to do");
    let refuses = text.contains("error[memory-short]") || text.contains("error[no-huge-pages]");
    assert!(plans && output.status.code() == Some(0) || refuses && output.status.code() == Some(1), "{text}");
    assert_eq!(pages(), before);
    for wrong in [
        &["setup"][..],
        &["setup", "all"],
        &["setup", "msr", "--undo", "--persist"],
        &["setup", "msr", "--keep-files"],
    ] {
        let output = rminer(folder.path(), wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    }
    let output =
        rminer(folder.path(), &["setup", "gpu-rights", "--dry-run", "--user", "a;b"]).output().unwrap();
    assert!(told(&output).contains("error[bad-value]"), "{}", told(&output));
}
