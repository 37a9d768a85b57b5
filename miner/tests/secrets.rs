//! Secrets that are planted everywhere a user may write them occur in no byte that the program shows: output, logs with
//! all traffic, every answer of the interface, messages about broken settings, the process list.
//!
//! What cannot be hidden from the owner: a variable stands in `/proc/PID/environ`, which the same user and root can
//! read, and an option in the command line, which everybody can.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "support/running.rs"]
mod running;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rminer::config::{Globals, Layers, Pools, resolve};
use rminer_pool::bitcoin::{Profile, hashes};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig, Reject};
use running::Running;
use serde_json::Value;

const USER: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const POOL_PASS: &str = "Zq9-p\u{e4}ss word/\"1\\";
const URL_PASS: &str = "Zq9-url@secret%";
const NODE_PASS: &str = "Zq9-node:secret";
const PROXY_PASS: &str = "Zq9-proxy+secret";
const TOKEN: &str = "Zq9-token-0123456789abcdef";
const WRONG_TOKEN: &str = "Zq9-wrong-token-0123456789";
const HOOK: &str = "Zq9-hook-secret";
const SECRETS: [&str; 7] = [POOL_PASS, URL_PASS, NODE_PASS, PROXY_PASS, TOKEN, WRONG_TOKEN, HOOK];
/// Whatever has to come, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// All that was shown, with where.
#[derive(Default)]
struct Shown(Vec<(String, Vec<u8>)>);

impl Shown {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    fn run(&mut self, place: &str, command: &mut Command) -> Output {
        let output = command.stdin(Stdio::null()).output().unwrap();
        self.add(format!("{place}, stdout"), output.stdout.clone());
        self.add(format!("{place}, stderr"), output.stderr.clone());
        output
    }

    /// Every place where a secret stands in any form.
    fn leaks(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for (place, bytes) in &self.0 {
            for secret in SECRETS {
                for (form, needle) in forms(secret) {
                    if let Some(at) = find(bytes, &needle) {
                        let context =
                            &bytes[at.saturating_sub(60)..(at + needle.len() + 20).min(bytes.len())];
                        leaks.push(format!(
                            "{place}: {form} of {secret:?}: {}",
                            String::from_utf8_lossy(context)
                        ));
                    }
                }
            }
        }
        leaks
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// A secret as it could be written.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let percent = |upper: bool| {
        bytes.iter().map(move |byte| match (byte.is_ascii_alphanumeric() || b"-._~".contains(byte), upper) {
            (true, _) => char::from(*byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        })
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let json = Value::from(secret).to_string();
    let mut forms = vec![
        ("text", bytes.to_vec()),
        ("JSON", json.trim_matches('"').as_bytes().to_vec()),
        ("percent code", percent(true).collect::<String>().into_bytes()),
        ("percent code", percent(false).collect::<String>().into_bytes()),
        ("hex", hex.clone().into_bytes()),
        ("hex", hex.to_ascii_uppercase().into_bytes()),
    ];
    // Anywhere inside something longer that is written in base 64: behind 0, 1 or 2 other bytes.
    for alphabet in [b"+/", b"-_"] {
        for before in 0..3usize {
            let text = base64(&[&vec![0; before][..], bytes].concat(), *alphabet);
            let whole = &text[(before * 8).div_ceil(6)..text.len() - 2];
            forms.push(("base 64", whole.as_bytes().to_vec()));
        }
    }
    forms
}

fn base64(bytes: &[u8], last: [u8; 2]) -> String {
    let mut letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    letters.extend(last);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0usize, |word, byte| word << 8 | usize::from(*byte));
        let digits = chunk.len() + 1;
        text.extend((0..digits).map(|digit| char::from(letters[word >> (18 - 6 * digit) & 63])));
    }
    text
}

fn percent_encoded(secret: &str) -> String {
    String::from_utf8(forms(secret).swap_remove(2).1).unwrap()
}

#[test]
fn every_form_is_looked_for() {
    assert_eq!(base64(b"user:secret", *b"+/"), "dXNlcjpzZWNyZXQ");
    for shown in [
        format!("x{POOL_PASS}"),
        format!("\"pass\":{}", Value::from(POOL_PASS)),
        format!("socks5://u:{}@h:1", percent_encoded(URL_PASS)),
        format!("Basic {}", base64(format!("rpcuser:{NODE_PASS}").as_bytes(), *b"+/")),
        format!("Basic {}", base64(format!("u:{NODE_PASS}xyz").as_bytes(), *b"-_")),
        TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ] {
        let mut all = Shown::default();
        all.add("here", shown.clone());
        assert!(!all.leaks().is_empty(), "{shown}");
    }
    let mut none = Shown::default();
    none.add("here", "Zq9- secret word token *** url%40 rpcuser:***");
    assert_eq!(none.leaks(), Vec::<String>::new());
}

fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: hashes(0.0005), ..DifficultyConfig::default() };
    let profile = Profile::default();
    LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::with_profile(profile) }).unwrap()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A SOCKS5 proxy that wants a login, if there is one on this machine.
fn proxy() -> Option<(Running, SocketAddr)> {
    let address = free_address();
    let port = address.port().to_string();
    let child = Command::new("microsocks")
        .args(["-i", "127.0.0.1", "-p", &port, "-u", "proxyuser", "-P", PROXY_PASS])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let running = Running(child.ok()?);
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "the proxy does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some((running, address))
}

/// The program with an environment of its own.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rminer"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RMINER_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CONFIG_HOME", folder.join("none"))
        .env("RUST_BACKTRACE", "full")
        .env("RMINER_API_BIND", "off");
    command
}

/// Whole answer of the interface, or what of a stream comes within three seconds.
fn ask(api: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut answer, end) = (Vec::new(), Instant::now() + Duration::from_secs(3));
    let mut piece = [0; 16 * 1024];
    // A stream has no end.
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..count]);
        if Instant::now() > end {
            break;
        }
    }
    answer
}

/// Every path that can be read, from the interface's own document, and those for other programs.
fn paths(api: SocketAddr) -> Vec<String> {
    let others = [
        "/metrics",
        "/healthz",
        "/readyz",
        "/1/summary",
        "/2/summary",
        "/api.json",
        "/2/backends",
        "/compat/hive",
    ];
    let mut paths: Vec<String> = others.map(str::to_owned).to_vec();
    let answer = String::from_utf8(ask(api, "GET", "/api/v1/openapi.json", None, "")).unwrap();
    let document: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let described = document["paths"].as_object().unwrap().iter();
    paths.extend(
        described
            .filter(|(_, methods)| methods["get"].is_object())
            .map(|(path, _)| path.replace("{id}", "cpu0")),
    );
    assert!(paths.len() > others.len() + 5, "{document}");
    paths
}

/// Everything of a miner with these settings, from its start to its end.
fn whole_life(shown: &mut Shown, name: &str, command: &mut Command, folder: &Path, pool: &LocalPool) {
    let (api, log) = (free_address(), folder.join(format!("{name}.log")));
    let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
    command
        .args(["--algo", "sha256d", "--devices", "cpu", "--threads", "1", "-vv", "--stats-interval", "1"])
        .args(["--api-bind", &api.to_string(), "--log-file"])
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap());
    let mut miner = Running(command.spawn().unwrap());
    let said = || format!("{}\n{}", fs::read_to_string(&out).unwrap(), fs::read_to_string(&err).unwrap());
    let end = Instant::now() + PATIENCE;
    while pool.stats().shares.accepted < 2 {
        assert!(
            Instant::now() < end && miner.0.try_wait().unwrap().is_none(),
            "{name}: no share\n{}",
            said()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    // A pool that refuses shows its words, and a miner that looks for another one its reasons.
    pool.set_fault(rminer_pool::ScheduledFault::from(rminer_pool::Fault::RejectAll(Reject::Unauthenticated)));
    std::thread::sleep(Duration::from_secs(3));

    for path in paths(api) {
        let answer = ask(api, "GET", &path, None, "");
        assert!(answer.starts_with(b"HTTP/1.1 "), "{path}");
        shown.add(format!("{name}, GET {path}"), answer);
    }
    for (order, body) in [
        ("limit", r#"{"duty_percent":100}"#.to_owned()),
        ("resume", "{}".to_owned()),
        ("reload", "{}".to_owned()),
        ("reload", format!("{{\"token\":\"{TOKEN}\"}}")),
        ("switch-pool", r#"{"pool":9}"#.to_owned()),
    ] {
        let path = format!("/api/v1/control/{order}");
        // Its own body is in no answer either.
        let taken = ask(api, "POST", &path, Some(TOKEN), &body);
        assert!(!taken.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&taken));
        shown.add(format!("{name}, POST {path}"), taken);
    }
    // More wrong tokens than are borne: the first are refused, then it is too many.
    for number in 0..8 {
        let refused = ask(api, "POST", "/api/v1/control/pause", Some(WRONG_TOKEN), "{}");
        assert!(number > 0 || refused.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&refused));
        shown.add(format!("{name}, wrong token {number}"), refused);
    }
    let read = ask(api, "GET", "/api/v1/status", Some(WRONG_TOKEN), "");
    shown.add(format!("{name}, GET with a wrong token"), read);
    let process = format!("/proc/{}", miner.0.id());
    for file in ["cmdline", "comm", "status", "maps"] {
        shown.add(format!("{name}, {file}"), fs::read(format!("{process}/{file}")).unwrap());
    }
    for task in fs::read_dir(format!("{process}/task")).unwrap().flatten() {
        shown.add(format!("{name}, thread"), fs::read(task.path().join("comm")).unwrap_or_default());
    }
    let asked = Command::new("kill").args(["-INT", &miner.0.id().to_string()]).status();
    assert!(asked.is_ok_and(|status| status.success()));
    let end = Instant::now() + PATIENCE;
    while miner.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "{name}: does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    pool.set_fault(rminer_pool::ScheduledFault::from(rminer_pool::Fault::None));
    for (what, path) in [("stdout", &out), ("stderr", &err), ("log", &log)] {
        let bytes = fs::read(path).unwrap();
        assert!(!bytes.is_empty(), "{name}, {what}");
        shown.add(format!("{name}, {what}"), bytes);
    }
    let traffic = fs::read_to_string(&err).unwrap();
    assert!(traffic.contains("mining.authorize") && traffic.contains("***"), "{name}: no traffic\n{traffic}");
}

#[test]
fn planted_secrets_are_nowhere_to_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut shown = Shown::default();
    let pool = pool();
    let dead = free_address();
    let proxy = proxy();
    if proxy.is_none() {
        println!("microsocks is not installed: without a proxy");
    }
    let proxy_line = proxy
        .as_ref()
        .map(|(_, address)| format!("socks5://proxyuser:{}@{address}", percent_encoded(PROXY_PASS)));

    // In a file: the login in the pool's address, the one of a node, the one of the proxy; the token in a file of its own.
    let token = folder.path().join("token");
    fs::write(&token, format!("{TOKEN}\n")).unwrap();
    private(&token);
    let config = folder.path().join("config.toml");
    let text = format!(
        "user = \"{USER}\"\n{}\n[[pool]]\nurl = \"stratum+tcp://account:{}@{}\"\n[[pool]]\nurl = \"gbt+http://rpcuser:{}@{dead}\"\n[alert]\nwebhook = \"http://{dead}/in/{HOOK}?key={HOOK}\"\n",
        proxy_line.as_ref().map(|line| format!("proxy = \"{line}\"")).unwrap_or_default(),
        percent_encoded(URL_PASS),
        pool.addr(),
        percent_encoded(NODE_PASS),
    );
    fs::write(&config, &text).unwrap();
    private(&config);
    let from_file = |command: &mut Command| {
        command.arg("--config").arg(&config);
    };
    let mut command = program(folder.path());
    from_file(&mut command);
    command.args(["--ui", "json", "--log-format", "text", "--api-token-file"]).arg(&token);
    whole_life(&mut shown, "file", &mut command, folder.path(), &pool);

    // In the environment.
    let before = pool.stats().shares.accepted;
    let mut command = program(folder.path());
    command.env("RMINER_PASS", POOL_PASS).env("RMINER_API_TOKEN", TOKEN).env("RMINER_USER", USER);
    command.env("RMINER_ALERT_WEBHOOK", format!("http://{dead}/{HOOK}"));
    command.env("RMINER_POOL", format!("stratum+tcp://{}", pool.addr()));
    if let Some(line) = &proxy_line {
        command.env("RMINER_PROXY", line);
    }
    command.args(["--ui", "lines", "--log-format", "json"]);
    whole_life(&mut shown, "environment", &mut command, folder.path(), &pool);
    assert!(pool.stats().shares.accepted >= before, "the second miner mines, too");

    // Commands that show settings or go to the pools.
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--origin"],
        &["config", "show", "--json"],
        &["config", "check"],
        &["alert", "test"],
        &["pool", "test"],
        &["pool", "test", "--json"],
        &["doctor", "-v"],
        &["doctor", "--json", "--pools"],
        &["--dry-run"],
        &["--dry-run", "--ui", "json", "-vv"],
    ] {
        let name = arguments.join(" ");
        let mut command = program(folder.path());
        command.args(arguments).arg("--config").arg(&config);
        if !name.contains("check") {
            command.args(["--algo", "sha256d"]);
        }
        let output = shown.run(&format!("file, {name}"), &mut command);
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{name}");
        let mut command = program(folder.path());
        command.env("RMINER_PASS", POOL_PASS).env("RMINER_USER", USER).env("RMINER_API_TOKEN", TOKEN);
        command.env("RMINER_POOL", format!("stratum+tcp://{}", pool.addr())).args(arguments);
        shown.run(&format!("environment, {name}"), &mut command);
    }

    // A report for others, with a log that should not have had a secret in it.
    let log = folder.path().join("leaky.log");
    fs::write(&log, format!("pass {POOL_PASS} token {TOKEN}\nurl {}\n", percent_encoded(POOL_PASS))).unwrap();
    for (name, from_file) in [("file", true), ("environment", false)] {
        let path = folder.path().join(format!("report-{name}.json"));
        let mut command = program(folder.path());
        command.args(["report", "--yes", "--output"]).arg(&path);
        if from_file {
            // Logs of a run with other secrets are another matter.
            command.arg("--config").arg(&config);
        } else {
            command.env("RMINER_PASS", POOL_PASS).env("RMINER_USER", USER).env("RMINER_API_TOKEN", TOKEN);
            command.env("RMINER_POOL", format!("stratum+tcp://{}", pool.addr())).env("RMINER_LOG_FILE", &log);
        }
        command.env("RMINER_ALGO", "sha256d");
        let output = shown.run(&format!("{name}, report"), &mut command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report = fs::read_to_string(&path).unwrap();
        assert!(report.contains("\"doctor\"") && !report.contains(USER), "{name}: {report}");
        assert!(from_file || report.contains("pass *** token ***"), "{name}: {report}");
        shown.add(format!("{name}, report's file"), report);
    }

    // What is said of settings that are wrong.
    for (number, wrong) in broken(&percent_encoded(URL_PASS)).iter().enumerate() {
        let path = folder.path().join(format!("broken-{number}.toml"));
        fs::write(&path, format!("user = \"{USER}\"\n{wrong}\n")).unwrap();
        let mut command = program(folder.path());
        command.args(["config", "check"]).arg(&path);
        let output = shown.run(&format!("config check of {wrong}"), &mut command);
        assert!(!output.stderr.is_empty() || !output.stdout.is_empty(), "{wrong}");
        let mut command = program(folder.path());
        command.args(["--algo", "sha256d", "--dry-run", "--config"]).arg(&path);
        shown.run(&format!("start with {wrong}"), &mut command);
    }
    let odd_pool = format!("stratum+tcp://u:{}@host:0", percent_encoded(URL_PASS));
    for (name, value) in [
        ("RMINER_POOL", odd_pool.as_str()),
        ("RMINER_PROXY", "http://u:Zq9-proxy+secret@h:1"),
        ("RMINER_PASS", "Zq9-url@secret%:3333"),
    ] {
        let mut command = program(folder.path());
        command.args(["--algo", "sha256d", "--dry-run", "--user", USER]).env(name, value);
        if name != "RMINER_POOL" {
            command.args(["--pool", "127.0.0.1:3333"]);
        }
        shown.run(name, &mut command);
    }

    // A panic prints what is at hand: all that is known of the settings.
    fs::write(&config, format!("algo = \"sha256d\"\n{text}")).unwrap();
    let (_, file, _) = rminer::config::from_file(&config, &|_| None).unwrap();
    let layers = Layers { file, ..Layers::default() };
    let resolution = resolve(&layers, Pools::Needed, Globals::default()).unwrap();
    assert_eq!(resolution.settings.pools.len(), 2);
    shown.add("settings in a panic", format!("{:#?} {:?}", resolution, resolution.settings));

    let leaks = shown.leaks();
    let bytes: usize = shown.0.iter().map(|(_, bytes)| bytes.len()).sum();
    println!("{} texts, {bytes} bytes, {} secrets in 12 forms", shown.0.len(), SECRETS.len());
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
}

/// Files with a secret in a place where it is wrong.
fn broken(secret: &str) -> Vec<String> {
    [
        "pass = \"{S}",
        "pass = [\"{S}\"]",
        "passs = \"{S}\"",
        "pass = \"{S}\"\npass = \"{S}\"",
        "pass = \"{S}\"\npass_file = \"/nonexistent\"",
        "pass = {S}",
        "pass = \"{S}\" trailing",
        "[pool]\npass = \"{S}\"",
        "[[pool]]\nurl = \"stratum+tcp://u:{S}@\"",
        "[[pool]]\nurl = \"stratum+tcp://u:{S}@host:99999\"",
        "[[pool]]\nurl = \"stratum+tcp://u:{S}@ho st:1\"",
        "[[pool]]\nurl = \"bogus+tcp://u:{S}@host:1\"",
        "[[pool]]\nurl = \"stratum+tcp://u:{S}@127.0.0.1:1\"\nnicehash = \"maybe\"",
        "[[pool]]\nurl = \"stratum+tls://u:{S}@127.0.0.1:1\"\ntls = false",
        "[[pool]]\nurls = \"stratum+tcp://u:{S}@127.0.0.1:1\"",
        "[[pool]]\nurl = \"stratum+tcp://u:{S}@127.0.0.1:1\"\n[[pool]]\nurl = \"stratum+tcp://u:{S}@127.0.0.1:1\"",
        "proxy = \"http://u:{S}@127.0.0.1:1\"\n[[pool]]\nurl = \"127.0.0.1:1\"",
        "proxy = \"socks5://u:{S}@host\"\n[[pool]]\nurl = \"127.0.0.1:1\"",
        "[api]\ntoken = \"{S}\"",
        "[api]\ntoken_file = [\"{S}\"]",
        "[alert]\nwebhook = \"ftp://host/{S}\"",
        "[alert]\nwebhook = [\"{S}\"]",
        "[alert]\nwebhok = \"https://host/{S}\"",
    ]
    .map(|text| text.replace("{S}", secret))
    .to_vec()
}

#[cfg(unix)]
fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
