//! Troubles of the whole program: it is started, asked by its interface, and by `rminer explain`.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rminer::records::HistoryOptions;
use rminer_pool::{LocalPool, LocalPoolConfig, PoolConfig, monero};
use serde_json::Value;

use crate::http::get;
use crate::support::{Miner, WALLET};
use crate::world::{Options, World};
use crate::{doctor, only};

/// Coins of nobody: one letter of the address is another one.
fn mistyped() -> String {
    WALLET.replacen("Noq", "Nqo", 1)
}

fn rminer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rminer")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What the command says of a running miner.
fn said(address: SocketAddr, more: &[&str]) -> String {
    let host = address.to_string();
    let output = rminer(&[&["explain", "--host", &host], more].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The only finding of a running miner, once there is one, has this code and says all of this.
fn only_of(trouble: &str, miner: &mut Miner, code: &str, words: &[&str]) -> Value {
    let address = miner.api();
    let findings = || get(address, "/api/v1/explain").json()["findings"].as_array().unwrap().clone();
    miner.wait("a finding", 60, |_| !findings().is_empty());
    let findings = findings();
    assert_eq!(findings.len(), 1, "{trouble}: {findings:#?}");
    let finding = findings[0].clone();
    assert_eq!(finding["code"], code, "{trouble}: {finding:#}");
    let text = said(address, &[]);
    for word in words {
        assert!(text.contains(word), "{trouble}: no {word:?} in {text}");
    }
    assert!(text.contains("\nearnings"), "{text}");
    println!("{trouble} | {code} | {}", text.trim_end().replace('\n', " / "));
    // The same by the command as JSON.
    let json: Value = serde_json::from_str(&said(address, &["--since", "30m", "--json"])).unwrap();
    assert_eq!(json["findings"][0]["code"], code);
    finding
}

#[test]
fn trouble_09_bad_wallet() {
    // A wallet that was mistyped does not get as far as mining.
    let output = rminer(&["--algo", "randomx", "--pool", "stratum+tcp://127.0.0.1:1", "--user", &mistyped()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("error[wallet-checksum]"), "{text}");
    let help = rminer(&["explain", "wallet-checksum"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let output = rminer(&[
        "doctor",
        "--json",
        "--algo",
        "randomx",
        "--pool",
        "stratum+tcp://127.0.0.1:1",
        "--user",
        &mistyped(),
    ]);
    let doctor_says: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = doctor_says["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["code"] == "wallet-checksum");
    let finding = finding.unwrap_or_else(|| panic!("{findings:#?}"));
    println!("bad wallet | doctor | {} {} | {}", finding["level"], finding["title"], finding["facts"]);
    assert_eq!(finding["level"], "red");
    assert!(help.contains("a letter was mistyped") && help.contains("What to do"), "{help}");
    println!("bad wallet | wallet-checksum | {}", text.trim_end().replace('\n', " / "));
    // One that only the pool knows to be wrong is named in its words.
    let profile = monero::Profile {
        refuse_login: Some(rminer_pool::Reject::InvalidAddress),
        ..monero::Profile::default()
    };
    let pool = LocalPool::spawn_thread(PoolConfig::with_profile(profile)).unwrap();
    let url = format!("stratum+tcp://{}", pool.addr());
    let mut miner = Miner::start(&["--pool", &url, "--user", WALLET, "--api-bind", "127.0.0.1:0"]);
    let words = ["no pool", "pool 1: ", "Invalid address used for login", "help: rminer pool test"];
    let finding = only_of("bad wallet, at the pool", &mut miner, "no-pool", &words);
    assert_eq!(finding["ongoing"], true);
    let words = ["Invalid address used for login"];
    doctor("bad wallet, at the pool", miner.api(), "no-pool", &["red"], &words);
}

#[test]
fn trouble_10_tls_pin_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_server, port)) = tls_server(folder.path()) else {
        assert!(std::env::var_os("RMINER_REQUIRE_FIXTURES").is_none_or(|value| value != "1"), "no openssl");
        println!("skipped: openssl is not installed");
        return;
    };
    let url = format!("stratum+tls://127.0.0.1:{port}");
    let pin = "ab".repeat(32);
    let pool = ["--pool", &url, "--user", WALLET, "--tls-pin", &pin, "--api-bind", "127.0.0.1:0"];
    let mut miner = Miner::start(&pool);
    let words = ["no pool", "the certificate is not the pinned one", &format!("pinned is {pin}")];
    let finding = only_of("TLS pin wrong", &mut miner, "no-pool", &words);
    assert_eq!((&finding["ongoing"], &finding["effect_pct"]), (&Value::Bool(true), &Value::from(-100.0)));
    doctor("TLS pin wrong", miner.api(), "no-pool", &["red"], &["the certificate is not the pinned one"]);
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Only ever this child.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A TLS server with a certificate of its own, where there is openssl.
fn tls_server(folder: &Path) -> Option<(Server, u16)> {
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let (key, certificate) = (key.to_str().unwrap(), certificate.to_str().unwrap());
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=pool.example", "-days", "2"];
    let made =
        Command::new("openssl").args(make).args(["-keyout", key, "-out", certificate]).output().ok()?;
    assert!(made.status.success(), "{made:?}");
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let server = Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &address, "-key", key, "-cert", certificate])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let server = Server(server);
    let end = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&address).is_err() {
        assert!(Instant::now() < end, "openssl does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((server, port))
}

#[test]
fn codes_are_explained_without_a_miner() {
    let text = |output: &Output, error: bool| {
        String::from_utf8(if error { output.stderr.clone() } else { output.stdout.clone() }).unwrap()
    };
    let list = rminer(&["explain", "--list"]);
    assert!(
        text(&list, false).lines().count() > 100 && text(&list, false).contains("\nforeign-load "),
        "{list:?}"
    );
    let json: Value = serde_json::from_slice(&rminer(&["explain", "--json", "stale"]).stdout).unwrap();
    assert_eq!(json["code"], "stale");
    // As it stands in a message.
    assert_eq!(rminer(&["explain", "error[huge-pages]:"]).status.code(), Some(0));
    let near = rminer(&["explain", "wallet-chekcsum"]);
    assert_eq!(near.status.code(), Some(2));
    assert!(text(&near, true).contains("did you mean rminer explain wallet-checksum?"), "{near:?}");
    let far = rminer(&["explain", "x\u{1b}[2J"]);
    assert!(
        text(&far, true).contains("error[no-such-code]") && !text(&far, true).contains('\u{1b}'),
        "{far:?}"
    );
    // Without a miner there is nothing to explain, and it says what to do.
    let none = rminer(&["explain", "--host", "127.0.0.1:1"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        text(&none, true).contains("error[no-miner]")
            && text(&none, true).contains("help: is rminer running?")
    );
    for wrong in [
        &["explain", "stale", "--since", "2h"][..],
        &["explain", "--since", "31d"],
        &["explain", "--since", "-1h"],
    ] {
        assert_eq!(rminer(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// Set in the process that has a full disk of its own.
const FULL_DISK: &str = "RMINER_TEST_FULL_DISK";

/// A disk of its own, of four pages, in a namespace of its own: a real file system that is really full.
#[test]
fn trouble_11_disk_full_for_history() {
    if let Some(folder) = std::env::var_os(FULL_DISK) {
        return history_on(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=16k,nr_inodes=8 full \"$1\" && head -c 12288 /dev/zero > \"$1/other\" && shift && \
                  exec \"$@\"";
    let namespace = |script: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
            folder.path().to_str().unwrap(),
        ]);
        command.args(arguments);
        command
    };
    let works = namespace(script, &["true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("RMINER_REQUIRE_FIXTURES").is_none_or(|value| value != "1"),
            "no namespaces"
        );
        println!("skipped: no disk of its own can be had here");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let test = [own.to_str().unwrap(), "--exact", "program::trouble_11_disk_full_for_history", "--nocapture"];
    let status = namespace(script, &test).env(FULL_DISK, folder.path()).status().unwrap();
    assert!(status.success(), "{status}");
}

fn history_on(folder: &Path) {
    let history = HistoryOptions {
        folder: Some(folder.to_owned()),
        coarse: Duration::from_secs(2),
        ..HistoryOptions::default()
    };
    let world = World::start(Options { history, ..Options::default() });
    world.until("a finding", 60, || !world.explain().findings.is_empty());
    let explanation = world.explain();
    let words = ["history not written", "No space left on device", folder.to_str().unwrap()];
    let finding = only("disk full for history", &explanation, "history-stopped", &words);
    assert!(finding.ongoing, "{finding:#?}");
    doctor("disk full for history", world.address, "history-stopped", &["red"], &["No space left on device"]);
    // Room is made, and it is written again.
    fs::remove_file(folder.join("other")).unwrap();
    world.until("the end of it", 60, || !world.explain().findings[0].ongoing);
}

/// The clock of one process goes as a file says: a library that the loader puts before the system's.
#[test]
fn trouble_12_clock_jump() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
    let ahead = folder.path().join("ahead");
    fs::write(&source, CLOCK).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    fs::write(&ahead, "0").unwrap();
    let pool = LocalPool::spawn_thread(LocalPoolConfig::from(PoolConfig::default())).unwrap();
    let url = format!("stratum+tcp://{}", pool.addr());
    let arguments = ["--pool", &url, "--user", WALLET, "--api-bind", "127.0.0.1:0"];
    let base = ["--randomx-mode", "light", "--threads", "1", "--huge-pages", "off"];
    let environment = [("LD_PRELOAD", library.to_str().unwrap()), ("TEST_CLOCK", ahead.to_str().unwrap())];
    let mut miner = Miner::start_in(&environment, "randomx", &base, &arguments);
    miner.wait("mining", 60, |miner| miner.named("rates").len() >= 2);
    let address = miner.api();
    assert_eq!(get(address, "/api/v1/explain").json()["findings"].as_array().map(Vec::len), Some(0));
    fs::write(&ahead, "5400").unwrap();
    let words = ["clock forward", "was set forward by 90 min 0 s", "mining does not depend on it"];
    let finding = only_of("clock jump", &mut miner, "clock-jump", &words);
    assert_eq!(finding["ongoing"], false);
    doctor("clock jump", address, "clock-jump", &["red"], &["was set forward by 90 min"]);
}

const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
typedef int (*clock_function)(clockid_t, struct timespec *);
int clock_gettime(clockid_t clock, struct timespec *time) {
    static clock_function real;
    if (!real) real = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME) {
        FILE *file = fopen(getenv("TEST_CLOCK"), "r");
        long ahead = 0;
        if (file) {
            if (fscanf(file, "%ld", &ahead) != 1) ahead = 0;
            fclose(file);
        }
        time->tv_sec += ahead;
    }
    return result;
}
"#;
