//! Alerts of the program itself: a command of the user's and a web server hear of a pool that goes, and of the end.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rminer_pool::bitcoin::{Profile, hashes};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
use serde_json::Value;
use support::Miner;

/// What must come, on a machine that is busy with other tests, in seconds.
const PATIENCE_S: u64 = 90;

/// A script that keeps every alert that it gets, a line each.
fn keeper(folder: &Path) -> (String, impl Fn() -> Vec<Value>) {
    let (script, kept) = (folder.join("keep.sh"), folder.join("kept"));
    fs::write(&script, format!("cat >> '{}'\n", kept.display())).unwrap();
    let read = move || {
        let text = fs::read_to_string(&kept).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    (format!("sh {}", script.display()), read)
}

/// A web server that takes what it is sent.
fn server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/in/secret", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    // Ends with the process of the test.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut text, mut bytes) = (String::new(), [0; 4096]);
            while !text.ends_with('}') {
                let length = stream.read(&mut bytes).unwrap();
                text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            let body = text.split_once("\r\n\r\n").unwrap().1.to_owned();
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (address, bodies)
}

#[test]
fn a_pool_that_goes_is_told_and_so_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (command, kept) = keeper(folder.path());
    let (address, bodies) = server();
    let difficulty = DifficultyConfig { start: hashes(0.0005), ..DifficultyConfig::default() };
    let config = PoolConfig { difficulty, ..PoolConfig::with_profile(Profile::default()) };
    let mut pool = LocalPool::spawn_thread(config).unwrap();
    let url = format!("stratum+tcp://{}", pool.addr());
    let mut miner = Miner::start_sha256d(&[
        "--pool",
        &url,
        "--user",
        "rig",
        "--rig-id",
        "rig01",
        "--alert-command",
        &command,
        "--alert-webhook",
        &address,
        "--alert-after",
        "3s",
        "--retries",
        "30",
    ]);
    miner.wait_accepted(1, PATIENCE_S);
    assert_eq!(kept(), Vec::<Value>::new(), "all is well");
    pool.stop();
    let is = |alert: &Value, kind: &str, state: &str| alert["kind"] == kind && alert["state"] == state;
    miner.wait("the alert", PATIENCE_S, |_| kept().iter().any(|alert| is(alert, "no-pool", "raised")));
    let alert = kept().remove(0);
    assert_eq!((&alert["event"], &alert["rig"]), (&"alert".into(), &"rig01".into()), "{alert}");
    assert!(alert["text"].as_str().unwrap().starts_with("rig01: no pool has had work for 3.0 s"), "{alert}");
    let body: Value =
        serde_json::from_str(&bodies.recv_timeout(Duration::from_secs(PATIENCE_S)).unwrap()).unwrap();
    assert_eq!(body, alert, "both ways are told the same");
    // Whoever ends it needs no alert.
    assert_eq!(miner.stop().0, Some(0));
    assert!(!kept().iter().any(|alert| alert["kind"] == "ended"));
}

#[test]
fn an_end_by_itself_is_told_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (command, kept) = keeper(folder.path());
    let arguments = [
        "--pool",
        "stratum+tcp://127.0.0.1:1",
        "--user",
        "rig",
        "--retries",
        "1",
        "--alert-command",
        &command,
    ];
    let mut miner = Miner::start_sha256d(&arguments);
    assert_eq!(miner.wait_exit(PATIENCE_S), Some(4));
    let ended = kept();
    assert_eq!((ended.len(), &ended[0]["kind"]), (1, &"ended".into()), "{ended:?}");
    assert!(ended[0]["text"].as_str().unwrap().contains("with code 4"), "{ended:?}");
}

fn trial(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rminer"))
        .args(["alert", "test"])
        .args(arguments)
        .env_remove("RMINER_CONFIG")
        .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_trial_says_whether_it_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let (command, kept) = keeper(folder.path());
    let (address, bodies) = server();
    let (code, text) = trial(&["--alert-command", &command, "--alert-webhook", &address]);
    assert_eq!((code, text.as_str()), (Some(0), "the alert has arrived\n"));
    assert_eq!(kept()[0]["kind"], "test");
    assert!(bodies.recv().unwrap().contains("\"kind\":\"test\""));

    let (code, text) =
        trial(&["--alert-command", "/nonexistent/hook", "--alert-webhook", "http://127.0.0.1:1/secret"]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("/nonexistent/hook cannot be started") && text.contains("http://127.0.0.1:1/***"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
    let (code, text) = trial(&[]);
    assert!(code == Some(1) && text.contains("nobody is told of alerts"), "{text}");
}
