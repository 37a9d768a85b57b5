//! The page of the real binary, and the devices that it is opened on.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "support/http.rs"]
mod http;
mod support;

use std::net::SocketAddr;
use std::process::Command;

use http::{Answer, ask, get};
use rminer_pool::bitcoin::Profile;
use rminer_pool::{LocalPool, LocalPoolConfig, PoolConfig};
use serde_json::{Value, json};
use support::Miner;

/// All that the page may send, in bytes.
const MAX_TRANSFER_BYTES: usize = 100_000;

struct Rig {
    _pool: LocalPool,
    miner: Miner,
    address: SocketAddr,
    state: tempfile::TempDir,
}

impl Rig {
    fn new(bind: &str) -> Self {
        Self::in_folder(bind, tempfile::tempdir().unwrap())
    }

    fn in_folder(bind: &str, state: tempfile::TempDir) -> Self {
        let pool =
            LocalPool::spawn_thread(LocalPoolConfig::from(PoolConfig::with_profile(Profile::default())))
                .unwrap();
        let url = format!("stratum+tcp://{}", pool.addr());
        // The token of the owner stays the same, the list of devices is this folder's.
        let arguments = ["--pool", &url, "--user", "account", "--api-bind", bind];
        let mut miner = Miner::start_sha256d_in(state.path(), &arguments);
        let mut address = miner.api();
        address.set_ip([127, 0, 0, 1].into());
        Self { _pool: pool, miner, address, state }
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", token.unwrap_or_default());
        let mut headers = vec![("Content-Type", "application/json")];
        if token.is_some() {
            headers.push(("Authorization", authorization.as_str()));
        }
        ask(self.address, "POST", path, &headers, &body.to_string())
    }

    fn read(&self, path: &str, token: &str) -> Answer {
        ask(self.address, "GET", path, &[("Authorization", &format!("Bearer {token}"))], "")
    }

    /// What `rminer ctl` says, and whether it went well.
    fn ctl(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_rminer"))
            .arg("ctl")
            .args(arguments)
            .args(["--host", &self.address.to_string()])
            .env("XDG_STATE_HOME", self.state.path())
            .env("XDG_CONFIG_HOME", self.state.path())
            .env("LC_ALL", "C.UTF-8")
            .env_remove("RMINER_API_TOKEN")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    fn code(&self, more: &[&str]) -> String {
        let (ok, said) = self.ctl(&[&["pair", "--json"], more].concat());
        assert!(ok, "{said}");
        let answer: Value = serde_json::from_str(&said).unwrap();
        answer["code"].as_str().unwrap().to_owned()
    }

    /// A new device's token.
    fn pair(&self, more: &[&str]) -> String {
        let answer = self.post("/api/v1/pair", None, &json!({ "code": self.code(more), "name": "a phone" }));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

fn code_of(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// Addresses of the files that a page asks for.
fn assets(page: &str) -> Vec<String> {
    let pieces = page.split('"').filter(|piece| piece.starts_with("/assets/"));
    pieces.map(str::to_owned).collect()
}

#[test]
fn the_first_paint_has_the_numbers_and_all_of_it_is_small() {
    let mut rig = Rig::new("127.0.0.1:0");
    rig.miner.wait_accepted(1, 60);
    let address = rig.address;
    rig.miner.wait("the state", 20, |_| get(address, "/").body.contains("Mining, all well"));
    let page = get(rig.address, "/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("set-cookie"), None);
    let status = get(rig.address, "/api/v1/status").json();
    assert!(page.body.contains(status["pool"]["url"].as_str().unwrap()));
    assert!(page.body.contains("H/s</span>") && page.body.contains("cpu0"), "{}", page.body);
    // Nothing of it comes from anywhere else.
    assert!(
        !page.body.contains("https://") && !page.body.replace("+tcp://", "").contains("://"),
        "{}",
        page.body
    );
    let mut bytes = page.body.len() + get(rig.address, "/api/v1/chart").body.len() + status.to_string().len();
    let files = assets(&page.body);
    assert_eq!(files.len(), 5, "{files:?}");
    for file in &files {
        let asset = get(rig.address, file);
        assert_eq!(asset.status, 200, "{file}");
        assert!(asset.header("cache-control").unwrap().contains("immutable"), "{file}");
        bytes += asset.body.len();
        let tag = asset.header("etag").unwrap();
        let again = ask(rig.address, "GET", file, &[("If-None-Match", tag)], "");
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{file}");
    }
    assert!(bytes < MAX_TRANSFER_BYTES, "{bytes}");
    for path in ["/assets/page.js", "/assets/", "/assets/..%2f..%2fCargo.toml", "/index.html"] {
        assert_eq!(get(rig.address, path).status, 404, "{path}");
    }
}

#[test]
fn a_device_is_paired_once_and_does_what_it_is_for() {
    let rig = Rig::new("127.0.0.1:0");
    let owner = rig.miner.api_token();
    let code = rig.code(&[]);
    // A browser's form: small letters, and the page's own origin.
    let origin = format!("http://{}", rig.address);
    let headers = [("Content-Type", "application/json"), ("Origin", origin.as_str())];
    let body = json!({ "code": code.to_lowercase(), "name": "Firefox on <Android>" }).to_string();
    let answer = ask(rig.address, "POST", "/api/v1/pair", &headers, &body);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{answer:?}");
    assert_eq!(answer.header("set-cookie"), None);
    let admitted = answer.json();
    let control = admitted["token"].as_str().unwrap();
    assert_eq!((admitted["scope"].as_str(), control.len()), (Some("control"), 64));
    let again = ask(rig.address, "POST", "/api/v1/pair", &headers, &body);
    assert_eq!((again.status, code_of(&again).as_str()), (403, "wrong-code"));
    let read = rig.pair(&["--read"]);
    let pause = json!({ "for_s": 600 });
    for (token, status, code) in
        [(control, 200, ""), (read.as_str(), 403, "read-only"), ("wrong", 401, "unauthorized")]
    {
        let answer = rig.post("/api/v1/control/pause", Some(token), &pause);
        assert_eq!((answer.status, code_of(&answer).as_str()), (status, code));
    }
    for path in ["/api/v1/control/pair", "/api/v1/control/unpair"] {
        let answer = rig.post(path, Some(control), &json!({}));
        assert_eq!((answer.status, code_of(&answer).as_str()), (403, "owner-only"), "{path}");
    }
    // The list has names and no tokens, on the terminal as well.
    let (_, list) = rig.ctl(&["paired"]);
    assert!(
        list.contains("Firefox on <Android>") && list.contains("read") && list.contains("  1  "),
        "{list}"
    );
    let everything = format!(
        "{list}{}{}{:?}",
        get(rig.address, "/api/v1/paired").body,
        get(rig.address, "/api/v1/events").body,
        rig.miner.events()
    );
    for secret in [control, &read, &owner, &code] {
        assert!(!everything.contains(secret), "{everything}");
    }
    let (ok, said) = rig.ctl(&["unpair", "1"]);
    assert!(ok && said.contains("1 device is let in no longer"), "{said}");
    assert_eq!(rig.post("/api/v1/control/resume", Some(control), &json!({})).status, 401);
    let (ok, said) = rig.ctl(&["unpair", "1"]);
    assert!(!ok && said.contains("there is no paired device 1"), "{said}");
}

#[test]
fn wrong_codes_use_a_code_up() {
    let rig = Rig::new("127.0.0.1:0");
    let code = rig.code(&[]);
    for _ in 0..5 {
        assert_eq!(rig.post("/api/v1/pair", None, &json!({ "code": "00000000" })).status, 403);
    }
    assert_eq!(rig.post("/api/v1/pair", None, &json!({ "code": code })).status, 403);
    // After ten tries in a minute nobody is listened to; the owner is.
    let statuses: Vec<u16> =
        (0..6).map(|_| rig.post("/api/v1/pair", None, &json!({ "code": "0" })).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 2, "{statuses:?}");
    assert!(rig.ctl(&["pause"]).0);
    assert_eq!(rig.post("/api/v1/pair", None, &json!({ "code": 7 })).status, 429);
}

#[test]
fn where_others_can_reach_it_strangers_are_told_nothing() {
    let rig = Rig::new("0.0.0.0:0");
    let page = get(rig.address, "/");
    assert_eq!(page.status, 200);
    for secret in ["sha256d", "stratum+tcp", "cpu0", env!("CARGO_PKG_VERSION")] {
        assert!(!page.body.contains(secret), "{secret}: {}", page.body);
    }
    assert!(page.body.contains("rminer ctl pair"), "{}", page.body);
    for file in assets(&page.body) {
        assert_eq!(get(rig.address, &file).status, 200, "{file}");
    }
    for path in ["/api/v1/status", "/api/v1/chart", "/api/v1/paired", "/api/v1/stream", "/metrics"] {
        assert_eq!(get(rig.address, path).status, 401, "{path}");
    }
    let (ok, said) = rig.ctl(&["pair", "--read", "--ascii"]);
    assert!(ok && said.contains("/#pair=") && said.contains("########"), "{said}");
    let token = rig.pair(&["--read"]);
    let full = rig.read("/", &token);
    assert!(full.body.contains("sha256d") && full.body.contains("data-v="), "{}", full.body);
    assert_eq!(rig.read("/api/v1/status", &token).status, 200);
    // It outlives the miner: the same folder, another process.
    let Rig { state, miner, _pool: pool, .. } = rig;
    assert_eq!(miner.stop().0, Some(0));
    drop(pool);
    let rig = Rig::in_folder("0.0.0.0:0", state);
    assert_eq!(rig.read("/api/v1/status", &token).status, 200);
    let (ok, said) = rig.ctl(&["unpair", "all"]);
    assert!(ok && said.contains("1 device is let in no longer"), "{said}");
    assert_eq!(rig.read("/api/v1/status", &token).status, 401);
}

#[test]
fn on_loopback_it_is_said_how_a_phone_can_reach_it() {
    let rig = Rig::new("127.0.0.1:0");
    let (ok, said) = rig.ctl(&["pair"]);
    assert!(
        ok && said.contains("code   ") && said.contains(&format!("http://{}/#pair=", rig.address)),
        "{said}"
    );
    let told = said.contains("--api-bind ") && said.contains("bind = \"") && said.contains("config.toml");
    assert!(told || said.contains("no address in a network"), "{said}");
    assert!(!said.contains('█') && !said.contains('▀'), "no camera needs to see that: {said}");
}
