//! `rminer status` and `rminer ctl` at a running miner, as people and scripts call them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig, bitcoin};
use serde_json::Value;
use support::Miner;

const TOKEN: &str = "0123456789abcdef-of-the-test";

fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: bitcoin::hashes(0.0005), ..DifficultyConfig::default() };
    let profile = bitcoin::Profile::default();
    LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::with_profile(profile) }).unwrap()
}

/// The program as a client, with nothing of this machine's own settings.
fn client(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rminer"));
    for name in ["RMINER_API_TOKEN", "RMINER_API_TOKEN_FILE", "RMINER_API_BIND", "RMINER_CONFIG"] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("HOME", folder)
        .env("XDG_STATE_HOME", folder)
        .env("XDG_CONFIG_HOME", folder)
        .stdin(Stdio::null());
    command
}

fn code(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn people_see_and_steer_a_running_miner() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    private(&token);
    let (first, second) = (pool(), pool());
    let urls = [&first, &second].map(|pool| format!("stratum+tcp://{}", pool.addr()));
    let token = token.to_str().unwrap();
    let mut miner = Miner::start_sha256d(&[
        "--api-bind",
        "127.0.0.1:0",
        "--api-token-file",
        token,
        "--pool",
        &urls[0],
        "--pool",
        &urls[1],
        "--user",
        "rig",
        "--user-is-account",
    ]);
    miner.wait_accepted(1, 60);
    let host = miner.named("start")[0]["api"].as_str().unwrap().to_owned();
    let run = |arguments: &[&str]| {
        let (command, rest) = arguments.split_first().unwrap();
        let arguments = [&[*command, "--host", &host, "--token-file", token], rest].concat();
        code(&client(folder.path(), &arguments).output().unwrap())
    };

    // The state is put out once a second.
    miner.wait("a state", 30, |_| {
        run(&["status"]).1.contains("pool 1") && run(&["status"]).1.contains("  mining  ")
    });
    // The state, for people and unchanged for programs.
    let (status, text, errors) = run(&["status"]);
    assert_eq!((status, errors.as_str()), (Some(0), ""));
    for part in ["rminer ", "mining", "DEVICE", "cpu0", "rate     hashed", "pool 1", &urls[0], "shares   "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (status, text, _) = run(&["status", "--json"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &answer["api"]), (Some(0), &Value::from(1)), "{text}");

    // Orders, each answered in words.
    let (status, text, errors) = run(&["ctl", "pause", "--for", "1h"]);
    assert_eq!((status, text.as_str()), (Some(0), "paused for 60 min 0 s\n"), "{errors}");
    miner.wait("the pause in the state", 30, |_| run(&["status"]).1.contains("paused by user"));
    assert!(run(&["status"]).1.contains("cap      cpu0 paused: user"));
    assert_eq!(run(&["ctl", "resume"]).0, Some(0));
    let (status, text, _) = run(&["ctl", "limit", "50", "--device", "cpu0"]);
    assert!(status == Some(0) && text.contains("cpu0 limited to 50.0 %"), "{text}");
    assert_eq!(run(&["ctl", "limit", "100"]).0, Some(0));
    let (status, text, _) = run(&["ctl", "pool", "2"]);
    assert!(status == Some(0) && text.starts_with("pool 2 is tried now"), "{text}");
    miner.wait("shares at the second pool", 60, |_| second.stats().shares.accepted > 0);
    let (status, text, _) = run(&["ctl", "--json", "reload"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert!(status == Some(0) && answer["result"].as_str().unwrap().starts_with("read again"), "{text}");

    // Since then the first pool is the one to return to again.
    let (status, text, _) = run(&["ctl", "pool", "2"]);
    assert!(status == Some(0) && text.starts_with("pool 2 is mined for already, and stays"), "{text}");

    // What cannot be had.
    for (arguments, words) in [
        (&["ctl", "pool", "9"][..], "there is no pool 9"),
        (&["ctl", "pool", "2"], "is mined for already"),
        (&["ctl", "limit", "50", "--device", "gpu7"], "no device"),
    ] {
        let (status, _, errors) = run(arguments);
        assert!(status == Some(1) && errors.contains(words), "{arguments:?}: {errors}");
    }
    for wrong in
        [&["ctl", "limit", "0"][..], &["ctl", "pause", "--for", "soon"], &["ctl", "pool", "0"], &["ctl"]]
    {
        assert_eq!(run(wrong).0, Some(2), "{wrong:?}");
    }
    // Without a token reads are open here, and orders are not.
    let bare = |arguments: &[&str]| code(&client(folder.path(), arguments).output().unwrap());
    assert_eq!(bare(&["status", "--host", &host]).0, Some(0));
    let (status, _, errors) = bare(&["ctl", "--host", &host, "resume"]);
    assert!(status == Some(1) && errors.contains("--token-file"), "{errors}");
    // The address from the settings of this call.
    let output = client(folder.path(), &["status"]).env("RMINER_API_BIND", &host).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = client(folder.path(), &["status"]).env("RMINER_API_BIND", "off").output().unwrap();
    assert!(code(&output).2.contains("--api-bind off"));

    // Again and again, in plain lines where no terminal is.
    let arguments = ["status", "--host", &host, "--watch"];
    let mut watch = client(folder.path(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    let headers = lines.filter(|line| line.starts_with("rminer ")).take(2).collect::<Vec<_>>();
    let _ended = (watch.kill(), watch.wait());
    assert!(headers.len() == 2 && headers.iter().all(|line| !line.contains('\x1b')), "{headers:?}");

    let told = miner.named("order");
    assert!(told.len() >= 6 && told.iter().any(|order| order["done"] == false), "{told:?}");
    let (exit, ..) = miner.stop();
    assert_eq!(exit, Some(0));
    let (status, _, errors) = bare(&["status", "--host", &host]);
    assert!(status == Some(1) && errors.contains("error[no-miner]"), "{errors}");
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
