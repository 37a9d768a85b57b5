//! The interface of the real binary among clients that are hostile, slow or merely odd: each case is answered as it
//! should be, and the miner goes on.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "support/http.rs"]
mod http;
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use http::{ask, get};
use rminer_pool::bitcoin::Profile;
use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig};
use serde_json::Value;
use support::Miner;

/// Connections that the interface keeps, as `rminer::api` has it.
const MAX_CONNECTIONS: usize = rminer::api::MAX_CONNECTIONS;
/// Shares that a miner must have taken after a case as well.
const UNAFFECTED: usize = 2;

/// A pool whose shares come about twice a second, and a miner at it with an interface.
struct Rig {
    _pool: LocalPool,
    miner: Miner,
    address: SocketAddr,
}

impl Rig {
    fn new(arguments: &[&str]) -> Self {
        let difficulty = DifficultyConfig {
            start: 1 << 20,
            share_interval: Some(Duration::from_millis(500)),
            ..DifficultyConfig::default()
        };
        let config = PoolConfig { difficulty, ..PoolConfig::with_profile(Profile::default()) };
        let pool = LocalPool::spawn_thread(LocalPoolConfig::from(config)).unwrap();
        let url = format!("stratum+tcp://{}", pool.addr());
        let base = ["--pool", &url, "--user", "account", "--api-bind", "127.0.0.1:0"];
        let mut miner = Miner::start_sha256d(&[&base, arguments].concat());
        let address = miner.api();
        miner.wait_accepted(1, 60);
        Self { _pool: pool, miner, address }
    }

    /// The miner still finds shares that the pool takes, and tells of them.
    fn is_unaffected(&mut self) {
        self.miner.wait_accepted(UNAFFECTED, 60);
        // The state is written down once a second.
        let address = self.address;
        self.miner.wait("the state", 10, |_| get(address, "/api/v1/status").json()["state"] == "mining");
    }

    /// Sends these bytes and reads until the other side closes, or nothing comes any more.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // A server that has seen enough may close before all is sent.
        let _closed = stream.write_all(bytes);
        read_all(&mut stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(10)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn post(&self, path: &str, token: &str, body: &str) -> http::Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        ask(self.address, "POST", path, &headers, body)
    }
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is no matter.
    let _closed = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status_of(text: &str) -> &str {
    text.split(' ').nth(1).unwrap_or_default()
}

fn code_of(text: &str) -> String {
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}"));
    json["error"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a1_to_a5_names_origins_and_methods() {
    let mut rig = Rig::new(&["--api-allow-origin", "https://rigs.example"]);
    // A1: no Host.
    let answer = rig.raw(b"GET /api/v1/status HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!((status_of(&answer), code_of(&answer).as_str()), ("400", "bad-host"));
    // A2: the name of a page that made it point here.
    let answer =
        rig.raw(b"GET /api/v1/status HTTP/1.1\r\nHost: evil.example:4077\r\nConnection: close\r\n\r\n");
    assert_eq!((status_of(&answer), code_of(&answer).as_str()), ("421", "unknown-host"));
    // A3: another site's page; one that is listed may.
    let evil = ask(rig.address, "GET", "/api/v1/status", &[("Origin", "https://evil.example")], "");
    assert_eq!((evil.status, evil.header("access-control-allow-origin")), (403, None));
    let listed = ask(rig.address, "GET", "/api/v1/status", &[("Origin", "https://rigs.example")], "");
    assert_eq!(listed.status, 200);
    assert_eq!(listed.header("access-control-allow-origin"), Some("https://rigs.example"));
    assert_eq!(listed.header("vary"), Some("Origin"));
    // A4: OPTIONS, as browsers ask with it and as others do.
    let asked = |origin| [("Origin", origin), ("Access-Control-Request-Method", "POST")];
    let path = "/api/v1/control/pause";
    assert_eq!(ask(rig.address, "OPTIONS", path, &asked("https://evil.example"), "").status, 403);
    let preflight = ask(rig.address, "OPTIONS", path, &asked("https://rigs.example"), "");
    assert_eq!(preflight.status, 204);
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("authorization"));
    assert_eq!(ask(rig.address, "OPTIONS", path, &[], "").status, 405);
    // A5: PUT.
    for (path, allow) in [("/api/v1/status", "GET, HEAD"), (path, "POST"), ("/1/config", "GET, HEAD")] {
        let put = ask(rig.address, "PUT", path, &[("Content-Type", "application/json")], "{}");
        assert_eq!((put.status, put.header("allow")), (405, Some(allow)), "{path}");
    }
    for answer in [evil, listed] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
    }
    rig.is_unaffected();
}

#[test]
fn a6_and_a7_heads_and_bodies_have_a_length() {
    let mut rig = Rig::new(&[]);
    let head = |length| {
        let filler = "x".repeat(length);
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Filler: {filler}\r\nConnection: close\r\n\r\n")
    };
    assert_eq!(status_of(&rig.raw(head(7 * 1024).as_bytes())), "200");
    assert_eq!(status_of(&rig.raw(head(9 * 1024).as_bytes())), "431");
    let token = rig.miner.api_token();
    let body = |length: usize| format!("{{\"for_s\":600{}}}", " ".repeat(length - 12));
    // Whether its length is told before or only seen.
    let long = rig.post("/api/v1/control/pause", &token, &body(5 * 1024));
    assert_eq!((long.status, long.json()["error"]["code"].as_str()), (413, Some("body-too-long")));
    let chunked = format!(
        "POST /api/v1/control/pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1400\r\n{}\r\n0\r\n\r\n",
        body(0x1400)
    );
    assert_eq!(status_of(&rig.raw(chunked.as_bytes())), "413");
    let form = [("Authorization", format!("Bearer {token}")), ("Content-Type", "text/plain".into())];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(ask(rig.address, "POST", "/api/v1/control/pause", &form, "{}").status, 415);
    rig.is_unaffected();
}

#[test]
fn a8_connections_have_a_number() {
    let mut rig = Rig::new(&[]);
    let mut held: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| rig.connect()).collect();
    // One that waits its turn has it; the next one is told so at once, whatever it sends.
    let answer = rig.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((status_of(&answer), code_of(&answer).as_str()), ("503", "too-many-connections"));
    let last = held.last_mut().unwrap();
    last.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(status_of(&read_all(last)), "200");
    drop(held);
    let end = Instant::now() + Duration::from_secs(10);
    while status_of(&rig.raw(b"GET /healthz HTTP/1.0\r\n\r\n")) != "200" {
        assert!(Instant::now() < end, "places come back");
    }
    rig.is_unaffected();
}

#[test]
fn a9_a_slow_head_ends_after_ten_seconds() {
    let mut rig = Rig::new(&[]);
    let began = Instant::now();
    let mut slow = rig.connect();
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut ended = false;
    // A byte now and then keeps nothing alive.
    for byte in
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter().cycle()
    {
        let mut buffer = [0; 64];
        let gone = slow.write_all(&[*byte]).is_err()
            || matches!(slow.read(&mut buffer), Ok(0))
            || matches!(slow.read(&mut buffer), Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset);
        if gone {
            ended = true;
            break;
        }
        if began.elapsed() > Duration::from_secs(30) {
            break;
        }
    }
    assert!(ended, "it still reads after {:?}", began.elapsed());
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
    rig.is_unaffected();
}

#[test]
fn a10_wrong_tokens_are_counted() {
    let mut rig = Rig::new(&[]);
    let token = rig.miner.api_token();
    assert_eq!(rig.post("/api/v1/control/pause", "", "{}").status, 401);
    let none =
        ask(rig.address, "POST", "/api/v1/control/pause", &[("Content-Type", "application/json")], "{}");
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
    for _ in 1..5 {
        assert_eq!(rig.post("/api/v1/control/pause", "0123456789abcdef", "{}").status, 401);
    }
    // The sixth, and from then on the right one too.
    for token in ["0123456789abcdef", &token] {
        let answer = rig.post("/api/v1/control/pause", token, "{}");
        assert_eq!(answer.status, 429, "{answer:?}");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    rig.is_unaffected();
}

#[test]
fn a11_and_a12_paths_that_climb_and_an_old_protocol() {
    let mut rig = Rig::new(&[]);
    for path in [
        "/../../etc/passwd",
        "/api/v1/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/devices/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/api/v1/status/",
        "/API/V1/STATUS",
    ] {
        let answer = rig
            .raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes());
        assert_eq!(status_of(&answer), "404", "{path}: {answer}");
        assert!(!answer.contains("root:"), "{answer}");
    }
    let answer = rig.raw(b"GET /api/v1/status HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.contains("\"api\":1"), "{answer}");
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = rig.raw(noise);
        assert!(answer.is_empty() || status_of(&answer) == "400", "{answer}");
    }
    rig.is_unaffected();
}

#[test]
fn orders_pause_and_resume_a_miner() {
    let mut rig = Rig::new(&[]);
    let token = rig.miner.api_token();
    let state = |rig: &Rig| get(rig.address, "/api/v1/status").json();
    let address = rig.address;
    rig.miner.wait("a state", 10, |_| get(address, "/readyz").status == 200);
    let answer = rig.post("/api/v1/control/pause", &token, r#"{"for_s":600}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["result"].as_str().unwrap().contains("paused"));
    rig.miner.wait("a pause", 20, |_| get(address, "/api/v1/status").json()["state"] == "paused");
    assert_eq!(state(&rig)["paused_by"], serde_json::json!(["user"]));
    assert_eq!(get(rig.address, "/readyz").status, 200, "a pause on purpose is no fault");
    assert_eq!(rig.post("/api/v1/control/resume", &token, "{}").status, 200);
    rig.miner
        .wait("the end of the pause", 30, |_| get(address, "/api/v1/status").json()["state"] == "mining");
    let events = get(rig.address, "/api/v1/events").json();
    let orders: Vec<&Value> =
        events["events"].as_array().unwrap().iter().map(|event| &event["data"]).collect();
    let pause = orders.iter().find(|data| data["order"] == "pause" && data["from"].is_string()).unwrap();
    assert_eq!((pause["ok"].as_bool(), pause["for_s"].as_u64()), (Some(true), Some(600)), "{pause}");
    assert!(pause["from"].as_str().unwrap().starts_with("127.0.0.1:"));
    let answer = rig.post("/api/v1/control/switch-pool", &token, r#"{"pool":2}"#);
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (404, Some("no-such-pool")));
    // Thirty orders a minute.
    let refused = (0..40).map(|_| rig.post("/api/v1/control/resume", &token, "{}").status);
    assert!(refused.filter(|status| *status == 429).count() >= 10);
    rig.is_unaffected();
}

#[test]
fn a_stream_tells_what_happens() {
    let mut rig = Rig::new(&[]);
    let mut stream = rig.connect();
    stream.write_all(b"GET /api/v1/stream?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    let end = Instant::now() + Duration::from_secs(60);
    while !(text.contains("event: share") && text.matches("event: sample").count() >= 3) {
        assert!(Instant::now() < end, "{text}");
        let count = stream.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(
        text.contains("content-type: text/event-stream") && text.contains("\"verdict\":\"accepted\""),
        "{text}"
    );
    drop(stream);
    rig.is_unaffected();
}

#[test]
fn elsewhere_than_on_loopback_reading_needs_the_token() {
    let mut rig = Rig::new(&["--api-bind", "0.0.0.0:0", "--api-allow-host", "rig01.lan"]);
    rig.address.set_ip([127, 0, 0, 1].into());
    let token = rig.miner.api_token();
    for path in ["/api/v1/status", "/metrics", "/1/summary", "/compat/hive", "/readyz", "/api/v1/stream"] {
        assert_eq!(get(rig.address, path).status, 401, "{path}");
    }
    assert_eq!(get(rig.address, "/healthz").status, 200);
    let authorization = format!("Bearer {token}");
    let answer = ask(rig.address, "GET", "/api/v1/status", &[("Authorization", &authorization)], "");
    assert_eq!(answer.status, 200);
    let config = ask(rig.address, "GET", "/api/v1/config", &[("Authorization", &authorization)], "");
    assert!(config.body.contains("flag --api-bind") && !config.body.contains(&token), "{config:?}");
    rig.miner.wait("a warning", 20, |miner| {
        miner.named("warning").iter().any(|warning| warning["code"] == "api-plain")
    });
    let everything = format!("{:?}{}", rig.miner.events(), rig.miner.errors());
    assert!(!everything.contains(&token), "the token is in no line");
    rig.miner.wait_accepted(UNAFFECTED, 60);
}
