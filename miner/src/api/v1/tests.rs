use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::openapi::document;
use super::*;
use crate::api::{About, Scope};
use crate::config::EffectiveSetting;
use crate::engine::{Board, Command, DeviceSnapshot, Duty, MAX_ORDERS, Order, PoolSnapshot, Snapshot, State};
use crate::problem::Problem;
use crate::records::Records;
use crate::safety::{Cap, LimitShown, LimitSource, Limits, Reason, SafetySnapshot};
use crate::telemetry::{DeviceReadings, Place, Temperature};

/// An interface without a server, and the engine's end of its orders.
struct World {
    service: TowerToHyperService<Router>,
    board: Arc<Board>,
    records: Arc<Records>,
    orders: mpsc::Receiver<Order>,
}

/// What `/api/v1/status` and `/api/v1/pools` answer for so many devices of this name.
pub(in crate::api) fn samples(devices: u32, name: &str) -> (model::Status, Vec<model::Pool>) {
    let (state, _orders) = state();
    let mut snapshot = snapshot();
    let device = snapshot.devices.remove(0);
    let numbered =
        |number| DeviceSnapshot { id: format!("cpu{number}"), name: name.into(), ..device.clone() };
    snapshot.devices = (0..devices).map(numbered).collect();
    state.board.publish(Arc::new(snapshot));
    let view = View::new(&state);
    (view.status(), view.pools())
}

fn world() -> World {
    let (state, orders) = state();
    let (board, records) = (Arc::clone(&state.board), Arc::clone(&state.records));
    let router = crate::api::router(state);
    World { service: TowerToHyperService::new(router), board, records, orders }
}

fn state() -> (ApiState, mpsc::Receiver<Order>) {
    let (sender, orders) = mpsc::channel(MAX_ORDERS);
    let setting = |key, value: &str| EffectiveSetting {
        key,
        pool: Some(1),
        value: value.into(),
        origin: "default".into(),
    };
    let about = About {
        rig: "rig01".into(),
        algorithm: "randomx",
        pools: vec!["stratum+tcp://a.example:1".into(), "stratum+tcp://b.example:2".into()],
        users: vec!["47ab...9f3c".into(), "account".into()],
        config: vec![setting("user", &"4".repeat(95)), setting("pool.url", "a.example:1")],
        takes_orders: true,
        ..About::default()
    };
    let state = ApiState {
        about: Arc::new(about),
        board: Arc::default(),
        records: Arc::default(),
        orders: sender,
        pairing: Arc::default(),
    };
    (state, orders)
}

/// A snapshot with something in every field.
fn snapshot() -> Snapshot {
    let readings = DeviceReadings {
        temperatures: vec![Temperature {
            place: Place::Package,
            now_c: 64.0,
            limit_c: None,
            at: Instant::now(),
        }],
        power_w: Some(88.0),
        energy_j: Some(1234.5),
        power_source: Some("rapl"),
        fan_ratios: vec![0.5],
        clocks_hz: BTreeMap::from([("core", 2.1e9)]),
        throttled: vec!["power-cap"],
    };
    let cap = Cap { reason: Reason::Heat, duty: Duty::from_permille(905), detail: "package 91 C".into() };
    let pause = Cap { reason: Reason::User, duty: Duty::PAUSE, detail: "until someone resumes".into() };
    let device = DeviceSnapshot {
        id: "cpu0".into(),
        name: "a processor".into(),
        workers: 4,
        accepted: 3,
        duty: Duty::from_permille(905),
        caps: vec![pause, cap],
        readings,
        ..DeviceSnapshot::default()
    };
    let limits = Limits { set_c: 80.0, pause_c: 87.0, resume_c: 72.0, source: LimitSource::Default };
    let limit = LimitShown { device: "gpu0".into(), place: Place::Core, limits };
    let pool = PoolSnapshot { is_up: true, since: Some(Instant::now()), ..PoolSnapshot::default() };
    let mut snapshot = Snapshot {
        uptime: Duration::from_secs(90),
        devices: vec![device],
        hashes: 9000,
        pool: Some(0),
        difficulty: Some(128_001.0),
        height: Some(3_200_001),
        pauses: vec!["battery"],
        state: State::Mining,
        pools: vec![pool],
        safety: SafetySnapshot {
            limits: vec![limit],
            power_cap_w: Some(300.0),
            next_change_s: Some(60),
            ..SafetySnapshot::default()
        },
        ..Snapshot::default()
    };
    snapshot.rates.s60_hs = Some(100.0);
    snapshot.shares.best_difficulty = 5e6;
    snapshot
}

impl World {
    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).body(Body::from(body.to_owned())).unwrap();
        let response = self.service.call(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Posts an order that the engine answers so; what it got, and what came back.
    async fn order(
        &mut self,
        path: &str,
        body: &str,
        answer: Result<String, Problem>,
    ) -> (Command, u16, Value) {
        let mut orders = std::mem::replace(&mut self.orders, mpsc::channel(1).1);
        let engine = async {
            let order = orders.recv().await.unwrap();
            order.answer.send(answer).unwrap();
            order.command
        };
        let (command, (status, body)) = tokio::join!(engine, self.ask("POST", path, body));
        self.orders = orders;
        (command, status, body)
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test);
}

#[test]
fn the_document_has_every_route_and_no_other() {
    assert_eq!(crate::config::MAX_POOLS, 32, "the document says so too");
    let document = serde_json::to_value(document()).unwrap();
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let documented: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut routes: Vec<&str> = list().into_iter().map(|(path, _)| path).collect();
    routes.sort_unstable();
    assert_eq!(documented, routes);
    run(async {
        let world = world();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods: Vec<&String> = item.as_object().unwrap().keys().collect();
            let [method] = methods[..] else { panic!("{path} has {methods:?}") };
            // The other one is not there, and the guard keeps the rest away.
            let other = if method == "get" { "POST" } else { "GET" };
            let (status, _) = world.ask(other, &path.replace("{id}", "cpu0"), "").await;
            assert_eq!(status, 405, "{other} {path}");
            let statuses: Vec<&String> = item[method]["responses"].as_object().unwrap().keys().collect();
            assert!(statuses.len() > 8, "{path}: {statuses:?}");
            let security = item[method]["security"].as_array().unwrap();
            assert_eq!(security.contains(&json!({})), method == "get" || path == "/api/v1/pair", "{path}");
        }
    });
}

#[test]
fn answers_are_as_the_document_says() {
    let document = serde_json::to_value(document()).unwrap();
    run(async {
        let world = world();
        for round in 0..2 {
            for path in [
                "status",
                "devices",
                "pools",
                "shares",
                "events",
                "doctor",
                "chart",
                "config",
                "constraints",
                "paired",
            ] {
                let path = format!("/api/v1/{path}");
                let answer = world.get(&path).await;
                let schema = &document["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"]
                    ["schema"];
                fits(&document, schema, &answer, &path).unwrap();
            }
            // The second round has something in every list.
            world.board.publish(Arc::new(snapshot()));
            world.records.events.add("state", &json!({ "round": round }));
        }
        for query in ["metric=raw_hs", "metric=temp_c&device=cpu0&from=1000&to=2000&step=100"] {
            let answer = world.get(&format!("/api/v1/history?{query}")).await;
            let content = &document["paths"]["/api/v1/history"]["get"]["responses"]["200"]["content"];
            fits(&document, &content["application/json"]["schema"], &answer, query).unwrap();
            assert!(!answer["points"].as_array().unwrap().is_empty(), "{answer}");
        }
        let device = &document["paths"]["/api/v1/devices/{id}"]["get"]["responses"]["200"]["content"];
        let answer = world.get("/api/v1/devices/cpu0").await;
        fits(&document, &device["application/json"]["schema"], &answer, "device").unwrap();
        let (status, error) = world.ask("GET", "/api/v1/devices/gpu7", "").await;
        let schema = &document["components"]["schemas"]["ErrorBody"];
        fits(&document, schema, &error, "error").unwrap();
        assert_eq!((status, error["error"]["code"].as_str()), (404, Some("no-such-device")));
    });
}

#[test]
fn the_checker_of_answers_sees_what_does_not_fit() {
    let document = serde_json::to_value(document()).unwrap();
    let schema = &document["components"]["schemas"]["Device"];
    run(async {
        let world = world();
        world.board.publish(Arc::new(snapshot()));
        let device = world.get("/api/v1/devices/cpu0").await;
        fits(&document, schema, &device, "").unwrap();
        for (field, value) in [
            ("id", json!(7)),
            ("threads", json!("4")),
            ("temp_c", json!({ "core": "hot" })),
            ("more", json!(1)),
        ] {
            let mut wrong = device.clone();
            wrong[field] = value;
            assert!(fits(&document, schema, &wrong, "").is_err(), "{field}");
        }
        let mut short = device;
        short.as_object_mut().unwrap().remove("name");
        assert!(fits(&document, schema, &short, "").is_err());
    });
}

/// Whether a value fits a schema, as far as this document uses schemas. Fields that the schema does not name are faults.
fn fits(document: &Value, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    if let Some(target) = schema["$ref"].as_str() {
        let target = document.pointer(target.trim_start_matches('#')).ok_or(format!("{place}: {target}"))?;
        return fits(document, target, value, place);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let any = schemas.iter().any(|schema| fits(document, schema, value, place).is_ok());
            return if any { Ok(()) } else { Err(format!("{place}: {value} is none of {choice}")) };
        }
    }
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        _ => return Err(format!("{place}: no type in {schema}")),
    };
    let is_number = is == "integer" && types.contains(&"number");
    if !is_number && !types.contains(&is) {
        return Err(format!("{place}: {value} is not of {types:?}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().try_for_each(|item| fits(document, &schema["items"], item, place));
    }
    let Some(fields) = value.as_object() else { return Ok(()) };
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !fields.contains_key(*name)) {
        return Err(format!("{place}: {missing} is missing"));
    }
    let is_free = schema.get("properties").is_none() && schema.get("additionalProperties").is_none();
    for (name, field) in fields {
        let place = format!("{place}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) => fits(document, schema, field, &place)?,
            (None, Some(schema)) if schema.is_object() => fits(document, schema, field, &place)?,
            (None, _) if is_free => {}
            (None, _) => return Err(format!("{place} is not in the document")),
        }
    }
    Ok(())
}

#[test]
fn the_status_has_the_agreed_shape() {
    run(async {
        let world = world();
        world.board.publish(Arc::new(snapshot()));
        let status = world.get("/api/v1/status").await;
        for (pointer, value) in [
            ("/api", json!(1)),
            ("/name", json!("rig01")),
            ("/state", json!("mining")),
            ("/paused_by", json!(["battery", "user"])),
            ("/uptime_s", json!(90)),
            ("/totals/hashrate_hs/60s", json!(100.0)),
            ("/totals/hashrate_hs/10s", Value::Null),
            ("/totals/power_w", json!(88.0)),
            ("/totals/j_per_kh", json!(880.0)),
            ("/totals/energy_j", json!(1234.5)),
            ("/totals/effective_hs", Value::Null),
            ("/shares/rejected/low_difficulty", json!(0)),
            ("/shares/best_difficulty", json!(5e6)),
            ("/pool/index", json!(1)),
            ("/pool/url", json!("stratum+tcp://a.example:1")),
            ("/pool/state", json!("up")),
            ("/pool/difficulty", json!(128_001.0)),
            ("/devices/0/id", json!("cpu0")),
            ("/devices/0/kind", json!("cpu")),
            ("/devices/0/algo", json!("randomx")),
            ("/devices/0/temp_c/package", json!(64.0)),
            ("/devices/0/power_source", json!("rapl")),
            ("/devices/0/caps/1/reason", json!("heat")),
            ("/devices/0/duty_pct", json!(90.5)),
            ("/devices/0/shares/accepted", json!(3)),
            ("/money/energy_price", Value::Null),
            ("/safety/temp_limit_c", json!(87.0)),
            ("/safety/power_cap_w", json!(300.0)),
            ("/safety/limits/0/place", json!("core")),
            ("/safety/next_pause", Value::Null),
        ] {
            assert_eq!(status.pointer(pointer), Some(&value), "{pointer}");
        }
        let pools = world.get("/api/v1/pools").await;
        assert_eq!(pools["pools"][1]["state"], "down");
        assert_eq!(pools["pools"][1]["active"], false);
    });
}

#[test]
fn wallets_are_shortened() {
    run(async {
        let world = world();
        let config = world.get("/api/v1/config").await;
        assert_eq!(config["settings"][0]["value"], "4444...4444");
        assert_eq!(config["settings"][1]["value"], "a.example:1");
        let pools = world.get("/api/v1/pools").await;
        assert_eq!(pools["pools"][0]["user"], "47ab...9f3c");
    });
}

#[test]
fn orders_reach_the_engine_and_the_record() {
    run(async {
        let mut world = world();
        world.board.publish(Arc::new(snapshot()));
        let duty = Some(Duty::from_permille(500));
        for (path, body, command) in [
            ("pause", "{}", Command::Pause { length: None }),
            ("pause", r#"{"for_s":600}"#, Command::Pause { length: Some(Duration::from_secs(600)) }),
            ("pause", r#"{"for_s":6e2}"#, Command::Pause { length: Some(Duration::from_secs(600)) }),
            ("resume", "{}", Command::Resume),
            ("reload", "{}", Command::Reload),
            ("switch-pool", r#"{"pool":2}"#, Command::SwitchPool(1)),
            (
                "limit",
                r#"{"device":"cpu0","duty_percent":50}"#,
                Command::Limit { device: Some("cpu0".into()), duty },
            ),
            ("limit", "{}", Command::Limit { device: None, duty: None }),
        ] {
            let path = format!("/api/v1/control/{path}");
            let (given, status, answer) = world.order(&path, body, Ok("so it is".into())).await;
            assert_eq!(
                (given, status, answer),
                (command, 200, json!({ "result": "so it is" })),
                "{path} {body}"
            );
        }
        let refusal = Problem::error("already", "pool 1 is mined for already").help("choose another");
        let (_, status, answer) =
            world.order("/api/v1/control/switch-pool", r#"{"pool":1}"#, Err(refusal)).await;
        let error =
            json!({ "code": "already", "message": "pool 1 is mined for already", "help": "choose another" });
        assert_eq!((status, answer), (409, json!({ "error": error })));
        let events = world.get("/api/v1/events").await;
        let events = events["events"].as_array().unwrap();
        assert_eq!(events.len(), 9);
        assert_eq!(events[1]["data"]["for_s"], 600);
        assert_eq!(events[1]["data"]["ok"], true);
        assert_eq!(events[8]["data"]["outcome"], "pool 1 is mined for already");
    });
}

#[test]
fn malformed_orders_never_reach_the_engine() {
    run(async {
        let mut world = world();
        for (path, body, status, code) in [
            ("pause", "", 400, "bad-json"),
            ("pause", "{", 400, "bad-json"),
            ("pause", "[600]", 422, "bad-order"),
            ("pause", "null", 422, "bad-order"),
            ("pause", r#"{"for_s":0}"#, 422, "bad-order"),
            ("pause", r#"{"for_s":-1}"#, 422, "bad-order"),
            ("pause", r#"{"for_s":1.5}"#, 422, "bad-order"),
            ("pause", r#"{"for_s":31622401}"#, 422, "bad-order"),
            ("pause", r#"{"for":600}"#, 422, "bad-order"),
            ("resume", r#"{"wallet":"4"}"#, 422, "bad-order"),
            ("reload", r#"{"file":"/etc/passwd"}"#, 422, "bad-order"),
            ("switch-pool", "{}", 422, "bad-order"),
            ("switch-pool", r#"{"pool":0}"#, 422, "bad-order"),
            ("switch-pool", r#"{"pool":33}"#, 422, "bad-order"),
            ("switch-pool", r#"{"pool":1e300}"#, 422, "bad-order"),
            ("switch-pool", r#"{"pool":3}"#, 404, "no-such-pool"),
            ("switch-pool", r#"{"pool":"stratum+tcp://evil.example:1"}"#, 422, "bad-order"),
            ("limit", r#"{"duty_percent":0}"#, 422, "bad-order"),
            ("limit", r#"{"duty_percent":101}"#, 422, "bad-order"),
            ("limit", r#"{"duty_percent":300}"#, 422, "bad-order"),
            ("limit", r#"{"device":"cpu9","duty_percent":50}"#, 404, "no-such-device"),
        ] {
            let (got, answer) = world.ask("POST", &format!("/api/v1/control/{path}"), body).await;
            assert_eq!(
                (got, answer["error"]["code"].as_str()),
                (status, Some(code)),
                "{path} {body}: {answer}"
            );
            assert_ne!(answer["error"]["help"], "", "{body}");
        }
        assert!(world.orders.try_recv().is_err());
        for path in ["wallet", "pool", "config", "stop", "bench"] {
            let (status, _) = world.ask("POST", &format!("/api/v1/control/{path}"), "{}").await;
            assert_eq!(status, 404, "{path}");
        }
        for path in [
            "/api/v1/shares?since=x",
            "/api/v1/events?since=-1",
            "/api/v1/events?sinse=1",
            "/api/v1/history",
            "/api/v1/history?metric=money",
            "/api/v1/history?metric=duty&step=0",
            "/api/v1/history?metric=duty&from=253402300800",
            "/api/v1/explain?since=0",
            "/api/v1/explain?since=2592001",
            "/api/v1/explain?back=1",
            "/api/v1/shares?since=1&since=2",
            "/api/v1/events?since=9223372036854775808",
        ] {
            let (status, answer) = world.ask("GET", path, "").await;
            assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("bad-query")), "{path}");
        }
    });
}

#[test]
fn an_engine_that_does_not_answer_is_told_of() {
    run(async {
        let mut world = world();
        // Time stands still until everything waits, so this takes none.
        let (status, answer) = world.ask("POST", "/api/v1/control/resume", "{}").await;
        assert_eq!((status, answer["error"]["code"].as_str()), (503, Some("no-answer")));
        for _ in 1..MAX_ORDERS {
            let _waits = world.ask("POST", "/api/v1/control/resume", "{}").await;
        }
        let (_, answer) = world.ask("POST", "/api/v1/control/resume", "{}").await;
        assert_eq!(answer["error"]["code"], "busy");
        drop(world.orders.recv().await);
        world.orders.close();
        let (_, answer) = world.ask("POST", "/api/v1/control/resume", "{}").await;
        assert_eq!(answer["error"]["code"], "busy");
    });
}

/// Reads messages of a stream until one of this kind; all texts so far.
async fn read_until(body: &mut Body, kind: &str) -> String {
    let mut text = String::new();
    while !text.contains(&format!("event: {kind}\n")) {
        let frame = body.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    text
}

async fn open_stream(world: &World, path: &str, id: Option<&str>) -> axum::http::Response<Body> {
    let mut request = Request::get(path);
    if let Some(id) = id {
        request = request.header("last-event-id", id);
    }
    world.service.call(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[test]
fn a_stream_goes_on_where_it_was() {
    run(async {
        let world = world();
        let events = &world.records.events;
        for number in 1..=5 {
            events.add("share", &json!({ "number": number }));
        }
        let mut fresh = open_stream(&world, "/api/v1/stream", None).await.into_body();
        let text = read_until(&mut fresh, "sample").await;
        assert!(text.starts_with("retry: 2000\n\n") && !text.contains("id:"), "{text}");
        for (path, id) in [("/api/v1/stream?since=3", None), ("/api/v1/stream?since=1", Some("3"))] {
            let mut body = open_stream(&world, path, id).await.into_body();
            let text = read_until(&mut body, "sample").await;
            assert!(
                !text.contains("id: 3\n")
                    && text.contains("id: 4\nevent: share\ndata: {\"number\":4}\n\nid: 5\n")
            );
        }
        // Of a miner before this one.
        let mut body = open_stream(&world, "/api/v1/stream", Some("700")).await.into_body();
        assert!(read_until(&mut body, "sample").await.contains("id: 1\n"));
        events.add("alert", &json!({}));
        assert_eq!(read_until(&mut fresh, "alert").await, "id: 6\nevent: alert\ndata: {}\n\n");
        world.board.publish(Arc::new(snapshot()));
        assert!(read_until(&mut fresh, "sample").await.contains("\"state\":\"mining\""));
        let silence = fresh.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&silence[..], b": alive\n\n");
        assert_eq!(open_stream(&world, "/api/v1/stream", Some("x")).await.status(), 400);
    });
}

#[test]
fn streams_end_with_an_unpairing_but_for_the_owners() {
    run(async {
        let (state, _orders) = state();
        let (pairing, board) = (Arc::clone(&state.pairing), Arc::clone(&state.board));
        let service = TowerToHyperService::new(crate::api::router(state));
        let open = async |scope: Option<Scope>| {
            let mut request = Request::get("/api/v1/stream").body(Body::empty()).unwrap();
            if let Some(scope) = scope {
                request.extensions_mut().insert(scope);
            }
            service.call(request).await.unwrap().into_body()
        };
        let now = Instant::now();
        let code = pairing.offer(Scope::Read, now).unwrap();
        pairing.pair(&code, "a phone", now, 0.0).unwrap();
        let mut owners = open(Some(Scope::Owner)).await;
        read_until(&mut owners, "sample").await;
        for scope in [None, Some(Scope::Read), Some(Scope::Control)] {
            let mut body = open(scope).await;
            read_until(&mut body, "sample").await;
            assert_eq!(pairing.forget(Some(7)), Ok(0), "nobody goes, nothing ends");
            board.publish(Arc::new(snapshot()));
            read_until(&mut body, "sample").await;
            assert_eq!(pairing.forget(None), Ok(1));
            board.publish(Arc::new(snapshot()));
            assert!(body.frame().await.is_none(), "{scope:?}");
            let code = pairing.offer(Scope::Read, now).unwrap();
            pairing.pair(&code, "a phone", now, 0.0).unwrap();
        }
        // More than can have waited for it.
        for _ in 0..20 {
            board.publish(Arc::new(snapshot()));
            read_until(&mut owners, "sample").await;
        }
    });
}

#[test]
fn a_reader_that_was_away_too_long_is_told_of_the_gap() {
    run(async {
        let world = world();
        for number in 0..crate::records::MAX_EVENTS + 50 {
            world.records.events.add("share", &json!({ "number": number }));
        }
        let mut body = open_stream(&world, "/api/v1/stream?since=20", None).await.into_body();
        let text = read_until(&mut body, "gap").await;
        assert!(text.contains("data: {\"missed\":30}\n\nid: 51\n"), "{}", &text[..200]);
        let last = format!("id: {}\n", crate::records::MAX_EVENTS + 50);
        let mut text = text;
        while !text.contains(&last) {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            text.push_str(std::str::from_utf8(&frame).unwrap());
        }
        assert_eq!(text.matches("id: ").count(), crate::records::MAX_EVENTS, "each once");
    });
}

#[test]
fn streams_have_a_bound_and_slow_readers_are_left() {
    run(async {
        let world = world();
        let mut slow = open_stream(&world, "/api/v1/stream", None).await.into_body();
        let mut others = Vec::new();
        for _ in 1..stream::MAX_STREAMS {
            others.push(open_stream(&world, "/api/v1/stream", None).await);
        }
        assert_eq!(open_stream(&world, "/api/v1/stream", None).await.status(), 503);
        drop(others);
        // Nobody reads the slow one; after a while its end is written to it.
        for _ in 0..60 {
            world.board.publish(Arc::new(snapshot()));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let mut messages = 0;
        while slow.frame().await.is_some() {
            messages += 1;
        }
        assert!(messages <= 5, "{messages} were kept for it");
        assert_eq!(open_stream(&world, "/api/v1/stream", None).await.status(), 200, "places come back");
    });
}
