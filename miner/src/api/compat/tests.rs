//! Our answers beside those of a running xmrig: every key is there, and every value is of a kind that it has there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::from_str;
use tokio::sync::mpsc;

use super::*;
use crate::api::About;
use crate::devices::{DatasetReady, RandomxMemory};
use crate::engine::{
    Command, DeviceSnapshot, DeviceState, Link, Order, PoolSnapshot, Snapshot, State as MinerState,
    WorkerSnapshot,
};
use crate::problem::Problem;
use crate::records::Statistics;
use crate::telemetry::{DeviceReadings, HostReadings, Place, Temperature};

macro_rules! captured {
    ($name:literal) => {
        from_str::<Value>(include_str!(concat!("../../../tests/compat/xmrig-6.26/", $name, ".json"))).unwrap()
    };
}

/// Kinds of values by the way to them; all elements of an array are one.
type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn shape(values: &[&Value]) -> Shape {
    fn walk(value: &Value, path: &str, shape: &mut Shape) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        shape.entry(path.to_owned()).or_default().insert(kind);
        match value {
            Value::Array(elements) => {
                elements.iter().for_each(|element| walk(element, &format!("{path}[]"), shape));
            }
            Value::Object(fields) => {
                fields.iter().for_each(|(key, field)| walk(field, &format!("{path}.{key}"), shape));
            }
            _ => {}
        }
    }
    let mut shape = Shape::new();
    values.iter().for_each(|value| walk(value, "", &mut shape));
    shape
}

/// What xmrig has in other builds than the one that was captured, by its sources: with TLS, and with CUDA.
const BEYOND: [(&str, &str); 11] = [
    (".connection.tls", "string"),
    (".connection.tls-fingerprint", "string"),
    ("[].threads[].name", "string"),
    ("[].threads[].bus_id", "string"),
    ("[].threads[].health", "object"),
    ("[].threads[].health.temperature", "integer"),
    ("[].threads[].health.power", "integer"),
    ("[].threads[].health.clock", "integer"),
    ("[].threads[].health.mem_clock", "integer"),
    ("[].threads[].health.fan_speed", "array"),
    ("[].threads[].health.fan_speed[]", "integer"),
];

/// What is wrong with an answer: keys that are missing, values of a kind that xmrig's never are, keys that it lacks.
fn faults(ours: &Value, connected: &Value, others: &[&Value]) -> Vec<String> {
    let must = shape(&[connected]);
    let mut may = shape(others);
    must.iter().for_each(|(path, kinds)| may.entry(path.clone()).or_default().extend(kinds));
    for (path, kind) in BEYOND {
        may.entry(path.to_owned()).or_default().insert(kind);
    }
    let ours = shape(&[ours]);
    // An empty list has nothing that could lack a key.
    let is_empty = |path: &str| {
        let arrays = path.match_indices("[]").map(|(at, _)| &path[..at]);
        arrays.into_iter().any(|array| ours.contains_key(array) && !ours.contains_key(&format!("{array}[]")))
    };
    let missing = must.keys().filter(|path| !ours.contains_key(*path) && !is_empty(path));
    let mut faults: Vec<String> = missing.map(|path| format!("{path} is missing")).collect();
    for (path, kinds) in &ours {
        let allowed = may.get(path).cloned().unwrap_or_default();
        for kind in kinds {
            let fits = allowed.contains(kind) || (*kind == "integer" && allowed.contains("number"));
            if !fits {
                faults.push(format!("{path} is {kind}, where xmrig has {allowed:?}"));
            }
        }
    }
    faults
}

fn about() -> About {
    About {
        rig: "rig01".into(),
        algorithm: "randomx",
        pools: vec!["stratum+tcp://pool.example:3333".into(), "stratum+tls://other.example:443".into()],
        started_s: 1.7e9,
        buses: [("gpu0".to_owned(), "0000:0b:00.0".to_owned())].into(),
        ..About::default()
    }
}

fn rates(rate_hs: f64) -> Rates {
    Rates { s10_hs: Some(rate_hs), s60_hs: Some(rate_hs), m15_hs: Some(rate_hs), best_hs: Some(rate_hs) }
}

fn device(id: &str, workers: usize, rate_hs: f64) -> DeviceSnapshot {
    #[allow(clippy::cast_precision_loss)]
    let worker = |number: usize| WorkerSnapshot {
        rates: rates(rate_hs + number as f64),
        pinned_to: u32::try_from(number).ok().filter(|_| id == "cpu0"),
    };
    let at = std::time::Instant::now();
    DeviceSnapshot {
        id: id.into(),
        name: format!("Example {id}"),
        each_worker: (0..workers).map(worker).collect(),
        rates: rates(rate_hs * 2.0 + 1.0),
        state: DeviceState::Mining,
        mismatches: 1,
        dataset: (id == "cpu0").then(|| DatasetReady {
            device: id.into(),
            init_ms: 1000,
            mode: RandomxMemory::Fast,
            huge_pages_have: 1042,
            huge_pages_want: 1042,
            threads: workers,
        }),
        readings: DeviceReadings {
            temperatures: vec![Temperature { place: Place::Core, now_c: 61.4, limit_c: None, at }],
            power_w: Some(120.6),
            fan_ratios: vec![0.4, 0.52],
            clocks_hz: [("core", 1.8e9), ("memory", 7.0e9)].into(),
            ..DeviceReadings::default()
        },
        ..DeviceSnapshot::default()
    }
}

fn mining() -> Snapshot {
    let shares = rminer_stratum::Counts {
        found: 13,
        accepted: 10,
        rejected: [(rminer_stratum::Reject::Stale, 3)].into(),
        accepted_hashes: 1_000_000.0,
        ..Default::default()
    };
    let link = Link {
        ip: Some([192, 0, 2, 7].into()),
        connect: Some(Duration::from_millis(21)),
        tls: Some(("1.3", "ab".repeat(32))),
    };
    let pool = PoolSnapshot {
        shares: shares.clone(),
        is_up: true,
        link: Some(link),
        downs: [("network", 2)].into(),
        since: Some(std::time::Instant::now()),
        ..PoolSnapshot::default()
    };
    Snapshot {
        uptime: Duration::from_secs(100),
        devices: vec![device("cpu0", 2, 3450.0)],
        rates: rates(6901.0),
        shares,
        pool: Some(1),
        difficulty: Some(100_000.4),
        state: MinerState::Mining,
        pools: vec![PoolSnapshot::default(), pool],
        host: HostReadings {
            load: Some([0.5, 0.25, 0.1]),
            process_bytes: Some(1),
            ..HostReadings::default()
        },
        ..Snapshot::default()
    }
}

fn statistics() -> Statistics {
    let mut statistics = Statistics::default();
    statistics.best[..2].copy_from_slice(&[412_600.4, 60_000.0]);
    statistics
}

/// With graphics cards beside the processor.
fn with_gpu() -> Snapshot {
    let mut snapshot = mining();
    snapshot.devices.push(device("gpu0", 1, 1e9));
    snapshot
}

/// At every moment of a run: nothing known, mining, with a card, paused.
fn moments() -> [Snapshot; 4] {
    let paused = Snapshot { state: MinerState::Paused, ..mining() };
    [Snapshot::default(), mining(), with_gpu(), paused]
}

#[test]
fn summaries_have_the_keys_and_kinds_of_xmrig() {
    let machine = Machine::detect();
    for snapshot in moments() {
        let first = xmrig::summary(&about(), &snapshot, &statistics(), &machine, Form::First);
        for name in [captured!("1-summary"), captured!("api")] {
            let found = faults(&first, &name, &[&captured!("unconnected-1-summary")]);
            assert!(found.is_empty(), "{found:#?}\n{first:#}");
        }
        let second = xmrig::summary(&about(), &snapshot, &statistics(), &machine, Form::Second);
        let others = [captured!("unconnected-2-summary"), captured!("paused-2-summary")];
        let found = faults(&second, &captured!("2-summary"), &others.each_ref());
        assert!(found.is_empty(), "{found:#?}\n{second:#}");
    }
}

#[test]
fn backends_have_the_keys_and_kinds_of_xmrig() {
    for snapshot in moments() {
        let ours = xmrig::backends(&about(), &snapshot, &Machine::default());
        let found = faults(&ours, &captured!("2-backends"), &[&captured!("unconnected-2-backends")]);
        assert!(found.is_empty(), "{found:#?}\n{ours:#}");
    }
    let ours = xmrig::backends(&about(), &with_gpu(), &Machine::default());
    assert_eq!(ours.pointer("/0/threads/1/affinity"), Some(&json!(1)));
    assert_eq!(ours.pointer("/0/memory"), Some(&json!(4_194_304)));
    assert_eq!(ours.pointer("/0/hashrate/0"), Some(&json!(6901.0)));
    let card = &ours[1]["threads"][0];
    assert_eq!(
        (&ours[1]["type"], &card["bus_id"], &card["affinity"]),
        (&json!("wgpu"), &json!("0b:00.0"), &json!(-1))
    );
    let health =
        json!({ "temperature": 61, "power": 121, "clock": 1800, "mem_clock": 7000, "fan_speed": [40, 52] });
    assert_eq!(card["health"], health);
}

#[test]
fn a_fault_would_be_seen() {
    let xmrig = captured!("1-summary");
    let unconnected = captured!("unconnected-1-summary");
    let faults = |change: &dyn Fn(&mut Value)| {
        let mut ours = xmrig.clone();
        change(&mut ours);
        faults(&ours, &xmrig, &[&unconnected])
    };
    assert_eq!(faults(&|_| {}), Vec::<String>::new());
    assert_eq!(
        faults(&|ours| drop(ours["cpu"].as_object_mut().unwrap().remove("l3"))),
        [".cpu.l3 is missing"]
    );
    assert_eq!(faults(&|ours| ours["uptime"] = json!(1.5)).len(), 1, "a fraction where xmrig has none");
    assert_eq!(faults(&|ours| ours["version"] = Value::Null).len(), 1);
    assert_eq!(
        faults(&|ours| ours["algo"] = Value::Null).len(),
        0,
        "it is null before xmrig is connected, too"
    );
    assert_eq!(faults(&|ours| ours["wallet"] = json!("4…")).len(), 1);
    assert_eq!(faults(&|ours| ours["hashrate"]["threads"] = json!([])).len(), 0);
    assert_eq!(faults(&|ours| ours["hashrate"]["threads"] = json!([["1"]])).len(), 1);
}

/// What xmrig-workers shows, which asks for nothing else, and what Hive's own script for xmrig takes from `/api.json`.
#[test]
fn what_dashboards_read_is_true() {
    let ours = xmrig::summary(&about(), &mining(), &statistics(), &Machine::detect(), Form::First);
    let at = |path: &str| ours.pointer(path).cloned().unwrap_or_else(|| panic!("no {path}"));
    assert_eq!(at("/worker_id"), "rig01");
    assert_eq!(at("/version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(at("/algo"), "rx/0");
    assert_eq!(at("/donate_level"), 0);
    assert_eq!(at("/uptime"), 100);
    assert_eq!(at("/hashrate/total"), json!([6901.0, 6901.0, 6901.0]));
    assert_eq!(at("/hashrate/highest"), 6901.0);
    assert_eq!(at("/hashrate/threads"), json!([[3450.0, 3450.0, 3450.0], [3451.0, 3451.0, 3451.0]]));
    assert_eq!((at("/results/shares_good"), at("/results/shares_total")), (json!(10), json!(13)));
    assert_eq!((at("/results/avg_time"), at("/results/avg_time_ms")), (json!(10), json!(10_000)));
    assert_eq!(
        (at("/results/diff_current"), at("/results/hashes_total")),
        (json!(100_000), json!(1_000_000))
    );
    assert_eq!(at("/results/best"), json!([412_600, 60_000, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(
        (at("/connection/pool"), at("/connection/ip")),
        (json!("other.example:443"), json!("192.0.2.7"))
    );
    assert_eq!((at("/connection/ping"), at("/connection/failures")), (json!(21), json!(2)));
    assert_eq!(at("/connection/tls"), "TLSv1.3");
    assert!(at("/connection/uptime").is_u64() && at("/cpu/brand").is_string() && at("/cpu/aes").is_boolean());
    assert_eq!((at("/hugepages"), at("/paused")), (json!(true), json!(false)));
    let other = About { algorithm: "sha256d", ..about() };
    assert_eq!(
        xmrig::summary(&other, &mining(), &statistics(), &Machine::default(), Form::Second)["algo"],
        "sha256d"
    );
    assert_eq!(
        xmrig::summary(&other, &mining(), &statistics(), &Machine::default(), Form::Second)["hugepages"],
        json!([1042, 1042])
    );
}

#[test]
fn hive_gets_a_row_for_each_worker() {
    let ours = hive::stats(&about(), &with_gpu());
    assert_eq!(ours["khs"], 6.901);
    let stats = json!({
        "hs": [3450.0, 3451.0, 1e9], "hs_units": "hs", "temp": [61, 61, 61], "fan": [52, 52, 52], "uptime": 100,
        "ver": env!("CARGO_PKG_VERSION"), "ar": [10, 3, 2], "algo": "rx/0", "bus_numbers": [null, null, 11],
    });
    assert_eq!(ours["stats"], stats);
    let early = hive::stats(&about(), &Snapshot::default());
    assert_eq!((&early["khs"], &early["stats"]["hs"]), (&json!(0.0), &json!([])));
}

/// Asks, and carries out what is ordered as `obey` says.
fn ask(
    body: &str,
    obey: impl Fn(&Command) -> Result<String, Problem> + Send + 'static,
) -> (StatusCode, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (orders, mut waiting) = mpsc::channel::<Order>(1);
    let state = ApiState {
        about: Arc::new(about()),
        board: Arc::default(),
        records: Arc::default(),
        orders,
        pairing: Arc::default(),
    };
    let body = Bytes::from(body.to_owned());
    runtime.block_on(async {
        let engine = async {
            while let Some(Order { command, answer }) = waiting.recv().await {
                answer.send(obey(&command)).unwrap();
            }
        };
        let response: Response = tokio::select! {
            response = rpc::json_rpc(State(state), body) => response,
            () = engine => unreachable!("the state holds the other end"),
        };
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    })
}

#[test]
fn pause_and_resume_in_words_of_json_rpc() {
    let obey = |expected: Command| {
        move |command: &Command| {
            assert_eq!(*command, expected);
            Ok("done".to_owned())
        }
    };
    let paused = ask(r#"{"method":"pause","id":1}"#, obey(Command::Pause { length: None }));
    assert_eq!(paused, (StatusCode::OK, captured!("rpc-pause")));
    let (_, resumed) = ask(r#"{"method":"resume","id":"a"}"#, obey(Command::Resume));
    assert_eq!(resumed, json!({ "id": "a", "jsonrpc": "2.0", "result": { "status": "OK" } }));
    let (_, refused) = ask(r#"{"method":"pause","id":2}"#, |_| Err(Problem::error("x", "not now")));
    assert_eq!(refused["error"]["message"], "not now");
}

#[test]
fn what_is_not_known_or_not_allowed_is_refused_in_xmrigs_words() {
    let never = |_: &Command| panic!("nothing is ordered");
    assert_eq!(ask(r#"{"method":"nosuch","id":7}"#, never), (StatusCode::OK, captured!("rpc-nosuch")));
    assert_eq!(ask("nonsense", never), (StatusCode::OK, captured!("rpc-nonsense")));
    assert_eq!(ask(r#"{"method":"stop","id":1}"#, never), (StatusCode::FORBIDDEN, captured!("put-config")));
    let (_, odd) = ask(r#"{"method":["pause"],"id":{"a":[]}}"#, never);
    assert_eq!(odd["id"], Value::Null);
}
