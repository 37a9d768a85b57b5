//! Tools made for other miners, at the real binary: what they ask for, and what they do with the answers.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
#[path = "support/http.rs"]
mod http;
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use fixtures::with_fixtures;
use http::{Answer, ask, get};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
use serde_json::{Value, json};
use support::{Miner, WALLET};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PAGE: &str = "https://workers.example";

/// A pool whose shares come about one a second from a single thread in light mode.
fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: 4, ..DifficultyConfig::default() };
    LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::default() }).unwrap()
}

/// A miner with an accepted share and a rate, and where it answers.
fn mining(pool: &LocalPool, folder: &Path) -> (Miner, SocketAddr) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join("token");
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("stratum+tcp://{}", pool.addr());
    let interface =
        ["--api-bind", "127.0.0.1:0", "--api-token-file", file.to_str().unwrap(), "--api-allow-origin", PAGE];
    let mining = ["--pool", &url, "--user", WALLET, "--rig-id", "rig01"];
    let mut miner = Miner::start_pair(&[&interface[..], &mining[..]].concat());
    miner.wait_accepted(1, 120);
    let address: SocketAddr = miner.named("start")[0]["api"].as_str().unwrap().parse().unwrap();
    miner.wait("a share and a rate in the summary", 60, |_| {
        let summary = get(address, "/1/summary").json();
        summary["results"]["shares_good"].as_u64() > Some(0)
            && summary["hashrate"]["threads"][1][0].is_number()
    });
    (miner, address)
}

fn captured(name: &str) -> Value {
    let path = format!("{}/tests/compat/xmrig-6.26/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every key of `theirs`, in objects at any depth, that `ours` lacks.
fn lacks(ours: &Value, theirs: &Value, path: &str) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let each = theirs.iter().flat_map(|(key, theirs)| match ours.get(key) {
                Some(ours) => lacks(ours, theirs, &format!("{path}.{key}")),
                None => vec![format!("{path}.{key}")],
            });
            each.collect()
        }
        (Value::Array(ours), Value::Array(theirs)) => match (ours.first(), theirs.first()) {
            (Some(ours), Some(theirs)) => lacks(ours, theirs, &format!("{path}[]")),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The last line that a script of Hive's shell says.
fn shell(script: &str, address: SocketAddr) -> String {
    let output =
        Command::new("bash").args(["-c", script]).env("ADDRESS", address.to_string()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn post(address: SocketAddr, path: &str, token: Option<&str>, body: &str) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(bearer.iter().map(|bearer| ("Authorization", bearer.as_str())));
    ask(address, "POST", path, &headers, body)
}

#[test]
fn tools_for_xmrig_read_and_pause_it() {
    let pool = pool();
    let folder = tempfile::tempdir().unwrap();
    let (mut miner, address) = mining(&pool, folder.path());
    for (path, name) in [
        ("/1/summary", "1-summary"),
        ("/api.json", "api"),
        ("/2/summary", "2-summary"),
        ("/2/backends", "2-backends"),
    ] {
        let answer = get(address, path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
        let missing = lacks(&answer.json(), &captured(name), "");
        assert!(missing.is_empty(), "{path} lacks {missing:?}");
        assert!(!answer.body.contains(WALLET), "{path}");
    }
    let summary = get(address, "/1/summary").json();
    assert_eq!((&summary["worker_id"], &summary["algo"]), (&json!("rig01"), &json!("rx/0")));
    assert_eq!(summary["connection"]["pool"], pool.addr().to_string());
    assert_eq!(summary["connection"]["ip"], "127.0.0.1");
    let rate = |pointer: &str| summary.pointer(pointer).and_then(Value::as_f64).unwrap();
    let threads = rate("/hashrate/threads/0/0") + rate("/hashrate/threads/1/0");
    let total = rate("/hashrate/total/0");
    assert!(total > 0.0 && (threads - total).abs() < 0.05 * total + 0.02, "{threads} are not {total}");

    // A page that shows workers asks from a browser, with a token.
    let page = [("Origin", PAGE), ("Authorization", &format!("Bearer {TOKEN}"))];
    let answer = ask(address, "GET", "/1/summary", &page, "");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(PAGE)));
    assert_eq!(ask(address, "GET", "/1/summary", &[("Origin", "https://other.example")], "").status, 403);

    let pause = r#"{"method":"pause","id":1}"#;
    for wrong in [None, Some("wrong")] {
        assert_eq!(post(address, "/json_rpc", wrong, pause).status, 401);
    }
    let paused = post(address, "/json_rpc", Some(TOKEN), pause);
    assert_eq!((paused.status, paused.json()), (200, captured("rpc-pause")));
    miner.wait("a pause", 20, |_| get(address, "/2/summary").json()["paused"] == true);
    assert_eq!(
        post(address, "/json_rpc", Some(TOKEN), r#"{"method":"resume","id":2}"#).json()["result"]["status"],
        "OK"
    );
    miner.wait("the end of the pause", 20, |_| get(address, "/2/summary").json()["paused"] == false);
    let refused = post(address, "/json_rpc", Some(TOKEN), r#"{"method":"stop","id":3}"#);
    assert_eq!((refused.status, refused.json()), (403, captured("put-config")));
    for path in ["/1/config", "/2/config"] {
        let read = get(address, path);
        assert_eq!((read.status, read.json()), (403, captured("put-config")), "{path}");
        for method in ["POST", "PUT"] {
            let write = ask(address, method, path, &[("Authorization", &format!("Bearer {TOKEN}"))], "{}");
            assert_eq!(write.status, 405, "{method} {path}");
        }
    }
    miner.assert_alive();
    miner.stop();
}

#[test]
fn hives_scripts_find_their_numbers() {
    with_fixtures("hives_scripts_find_their_numbers", &["bash", "curl", "jq"], || {
        let pool = pool();
        let folder = tempfile::tempdir().unwrap();
        let (miner, address) = mining(&pool, folder.path());
        // The package's own script, with the address of this test.
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/hiveos/h-stats.sh");
        let script = std::fs::read_to_string(script).unwrap();
        assert!(script.contains("127.0.0.1:4077"));
        let here = script.replace("127.0.0.1:4077", &address.to_string());
        let said = shell(&format!("{here}\necho \"$khs\"; echo \"$stats\""), address);
        let (khs, stats) = said.split_once('\n').unwrap_or_else(|| panic!("{said}"));
        assert!(khs.parse::<f64>().unwrap() > 0.0, "{said}");
        let stats: Value = serde_json::from_str(stats).unwrap();
        assert_eq!((stats["hs"].as_array().unwrap().len(), &stats["hs_units"]), (2, &json!("hs")));
        assert_eq!((&stats["algo"], &stats["bus_numbers"]), (&json!("rx/0"), &json!([null, null])));
        assert!(stats["ar"][0].as_u64().unwrap() > 0 && stats["uptime"].as_u64().unwrap() > 0, "{stats}");
        // Without a miner it says so, and nothing else.
        let nobody = script.replace("127.0.0.1:4077", "127.0.0.1:1");
        assert_eq!(shell(&format!("{nobody}\necho \"$khs $stats\""), address), "0 null");

        // The fields that its script for xmrig takes, of the same kinds as there.
        let fields = r#"[.hashrate.total[0] / 1000, [.hashrate.threads[][0]], .results.shares_good,
            (.results.shares_total - .results.shares_good), .connection.uptime, .algo, .version]"#;
        let said = shell(&format!("curl -s http://$ADDRESS/api.json | jq -c '{fields}'"), address);
        let taken: Vec<Value> = serde_json::from_str(&said).unwrap();
        assert!(taken[0].as_f64().unwrap() > 0.0 && taken[1].as_array().unwrap().len() == 2, "{said}");
        assert!(taken[2].as_u64().unwrap() > 0 && taken[3].is_u64() && taken[4].is_u64(), "{said}");
        assert_eq!((&taken[5], &taken[6]), (&json!("rx/0"), &json!(env!("CARGO_PKG_VERSION"))));
        miner.stop();
    });
}

#[test]
fn what_home_assistant_is_told_to_read_is_there() {
    let pool = pool();
    let folder = tempfile::tempdir().unwrap();
    let (miner, address) = mining(&pool, folder.path());
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/home-assistant.yaml"))
            .unwrap();
    let resource = example.lines().find_map(|line| line.split_once("http://127.0.0.1:4077")).unwrap().1;
    let answer = get(address, resource).json();
    let mut paths = 0;
    for rest in example.split("value_json.").skip(1) {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_.['".contains(letter);
        let path = &rest[..rest.find(|letter: char| !is_part(letter)).unwrap()];
        let pointer = format!("/{}", path.replace("['", "/").replace('\'', "").replace('.', "/"));
        assert!(answer.pointer(&pointer).is_some(), "no {pointer} in {answer:#}");
        paths += 1;
    }
    assert!(paths > 6);
    miner.stop();
}

#[test]
fn a_flight_sheet_of_hive_becomes_a_configuration() {
    with_fixtures("a_flight_sheet_of_hive_becomes_a_configuration", &["bash", "jq"], || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rminer.toml");
        let status = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/hiveos/h-config.sh"))
            .env("CUSTOM_CONFIG_FILENAME", &file)
            .env("CUSTOM_ALGO", "rx/0")
            .env("CUSTOM_TEMPLATE", WALLET)
            .env("CUSTOM_PASS", "pass \"word\" \\ #")
            .env("CUSTOM_URL", "stratum+tls://pool.example:443\npool.example:3333")
            .env("CUSTOM_USER_CONFIG", "[cpu]\nthreads = 3")
            .status()
            .unwrap();
        assert!(status.success());
        let show = Command::new(env!("CARGO_BIN_EXE_rminer"))
            .args(["config", "show", "--json", "--config", file.to_str().unwrap()])
            .output()
            .unwrap();
        let shown = String::from_utf8(show.stdout).unwrap();
        assert!(show.status.success(), "{shown}\n{}", String::from_utf8_lossy(&show.stderr));
        for part in ["pool.example:443", "pool.example:3333", "randomx"] {
            assert!(shown.contains(part), "no {part} in {shown}");
        }
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    });
}
