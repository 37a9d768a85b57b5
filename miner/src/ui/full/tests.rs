use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::data::{Data, Lost};
use super::gather::Ask;
use super::view::{Around, Tone, View};
use super::*;

mod odd;
mod pictures;

/// 2026-11-22T14:20:00Z.
const NOW_S: f64 = 1_795_357_200.0;

fn around() -> Around<'static> {
    Around { now_s: NOW_S, ..Around::default() }
}

fn device(id: &str, name: &str, rate_hs: f64, temp_c: f64) -> Value {
    json!({"id": id, "name": name, "algo": "randomx", "state": "mining", "threads": 12, "duty_pct": 100.0,
        "hashrate_hs": {"10s": rate_hs * 1.001, "60s": rate_hs, "15m": rate_hs * 0.999, "best": rate_hs * 1.01},
        "temp_c": {"package": temp_c}, "power_w": 88.0, "shares": {"accepted": 206, "stale": 2, "bad": 0, "rejected": 0},
        "caps": []})
}

/// A rig of two devices that mines.
fn mining() -> Data {
    let pool = json!({"index": 1, "url": "stratum+tls://xmr.pool.example:443", "state": "up", "active": true, "tls": "1.3",
        "ping_ms": 21.2, "answer_ms": {"p50": 38.0, "p95": 71.0}, "difficulty": 128_001.0, "height": 3_200_001,
        "since": "2026-11-22T14:02:11Z"});
    let other =
        json!({"index": 2, "url": "stratum+tls://xmr2.pool.example:443", "state": "down", "active": false});
    let mut data = Data::default();
    data.set_status(json!({
        "api": 1, "name": "rig01", "version": "0.4.0", "algo": "randomx", "state": "mining", "paused_by": [], "uptime_s": 1069,
        "headline": {"level": "well", "text": "Mining, all well", "detail": "randomx on 2 devices, 412 shares taken", "order": "pause"},
        "totals": {"hashrate_hs": {"10s": 13_820.0, "60s": 13_800.0, "15m": 13_800.0, "best": 13_920.0},
                   "effective_hs": 13_480.0, "effective_ci95_pct": 9.7, "expected_hs": 13_920.0, "power_w": 176.0},
        "shares": {"accepted": 412, "stale": 4, "rejected": {"low_difficulty": 1}, "lost": 0},
        "pool": pool, "safety": {"temp_limit_c": 85.0},
        "devices": [device("cpu0", "AMD Ryzen 5 3600", 6900.0, 64.0), device("cpu1", "AMD Ryzen 5 3600", 6900.0, 61.0)],
    }));
    data.pools = json!({"pools": [pool, other]});
    let point = |number: u32| json!({"time": "x", "value": 13_000.0 + f64::from(number % 90) * 10.0});
    data.history = json!({"points": (0..360).map(point).collect::<Vec<_>>()});
    let share = |id: u64| {
        let verdict = if id == 39 { "stale" } else { "accepted" };
        json!({"id": id, "time": format!("2026-11-22T14:19:{id:02}Z"), "device": "cpu0", "verdict": verdict,
            "difficulty_hashes": 128_001.0, "hash_difficulty_hashes": 1_920_000.0, "answer_ms": 42.0,
            "stale_cause": if id == 39 { json!("replaced") } else { json!(null) }, "block": id == 38})
    };
    data.add_shares(&json!({"shares": (20..41).map(share).collect::<Vec<_>>()}));
    let event = |id: u64, kind: &str, data: Value| json!({"id": id, "time": "2026-11-22T14:02:11Z", "kind": kind, "data": data});
    data.add_events(&json!({"events": [
        event(1, "pool", json!({"event": "pool", "pool": 1, "state": "path", "text": "192.0.2.10, TLS 1.3, 21 ms"})),
        event(2, "pool", json!({"event": "pool", "pool": 1, "state": "logged-in", "url": "stratum+tls://xmr.pool.example:443"})),
        event(3, "job", json!({"event": "job", "pool": 1, "height": 3_200_001})),
        event(4, "device", json!({"event": "dataset-ready", "device": "cpu0", "mode": "fast", "init_ms": 7400, "hugepages_have": 0,
            "hugepages_want": 1180})),
        event(5, "alert", json!({"event": "warning", "code": "huge-pages", "text": "0 of 1180 huge pages are free; RandomX runs slower",
            "facts": ["need 1180 pages of 2 MiB for dataset, cache and threads"], "help": ["sudo rminer setup hugepages"]})),
        event(6, "state", json!({"event": "order", "order": "resume", "done": true, "text": "no pause is asked for any more"})),
    ]}));
    data
}

fn paused_by_heat() -> Data {
    let mut data = mining();
    let status = &mut data.status;
    status["state"] = "paused".into();
    status["paused_by"] = json!(["heat"]);
    status["headline"] = json!({"level": "bad", "text": "Paused: too hot", "detail": "package 86.0 C, limit 85 C, goes on below 75 C",
        "order": null});
    for device in 0..2 {
        let device = &mut status["devices"][device];
        device["state"] = "paused".into();
        device["duty_pct"] = 0.0.into();
        device["temp_c"]["package"] = 86.0.into();
        device["caps"] = json!([{"reason": "heat", "duty_pct": 0.0, "detail": "package 86.0 C, limit 85 C, goes on below 75 C"}]);
    }
    status["totals"]["hashrate_hs"]["60s"] = 2100.0.into();
    data.add_events(&json!({"events": [{"id": 7, "time": "2026-11-22T14:19:00Z", "kind": "state", "data":
        {"event": "cap", "device": "cpu0", "from": 0.5, "to": 0.0, "reason": "heat", "detail": "package 86.0 C, limit 85 C"}}]}));
    data
}

fn no_pool() -> Data {
    let mut data = mining();
    data.status["state"] = "waiting".into();
    data.status["pool"] = Value::Null;
    data.status["headline"] = json!({"level": "bad", "text": "No pool for 4 min",
        "detail": "Nothing is hashed until a pool gives work. It is tried again and again.", "order": null});
    (0..2).for_each(|device| data.status["devices"][device]["state"] = "idle".into());
    data.pools = json!({"pools": [
        {"index": 1, "url": "stratum+tls://xmr.pool.example:443", "state": "down", "active": false, "since": "2026-11-22T14:16:00Z"},
        {"index": 2, "url": "stratum+tls://xmr2.pool.example:443", "state": "down", "active": false, "since": "2026-11-22T14:17:00Z"}]});
    data.add_events(&json!({"events": [{"id": 7, "time": "2026-11-22T14:16:00Z", "kind": "alert", "data": {"event": "warning",
        "code": "pool-down", "text": "pool 1 stratum+tls://xmr.pool.example:443: connection refused",
        "facts": ["trying again in 5.0 s; told once until it works"]}}]}));
    data
}

/// What pools, files and names may try on a terminal.
fn hostile() -> Data {
    const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{202e}evil\u{9b}31m \u{4e2d}\u{6587} end";
    fn spoil(value: &mut Value) {
        match value {
            Value::String(text) if text.len() > 12 => *text = EVIL.into(),
            Value::Array(items) => items.iter_mut().for_each(spoil),
            Value::Object(fields) => {
                let kept = ["state", "event", "kind", "time", "verdict", "algo", "reason"];
                fields
                    .iter_mut()
                    .filter(|(name, _)| !kept.contains(&name.as_str()))
                    .for_each(|(_, value)| spoil(value));
            }
            _ => {}
        }
    }
    let mut data = mining();
    spoil(&mut data.status);
    spoil(&mut data.pools);
    data.events.iter_mut().chain(&mut data.shares).for_each(spoil);
    data.status["name"] = EVIL.into();
    data.status["devices"][0]["id"] = EVIL.into();
    data.status["devices"][0]["state"] = EVIL.into();
    data.feedback = Some((EVIL.into(), NOW_S));
    data
}

fn picture(view: &View, look: Look, wide: u16, high: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(wide, high)).unwrap();
    terminal.draw(|frame| draw::draw(frame, view, look)).unwrap();
    terminal.backend().clone()
}

fn key(letter: char) -> KeyEvent {
    KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)
}

#[test]
fn the_state_is_told_in_words() {
    let state = |data: &Data| View::new(data, &around()).state;
    let told = |data: &Data| (state(data).tone, state(data).text);
    assert_eq!(
        told(&mining()),
        (Tone::Good, "Mining, all well: randomx on 2 devices, 412 shares taken".into())
    );
    assert_eq!(
        told(&paused_by_heat()),
        (Tone::Bad, "Paused: too hot: package 86.0 C, limit 85 C, goes on below 75 C".into())
    );
    assert_eq!(
        told(&no_pool()),
        (
            Tone::Bad,
            "No pool for 4 min: pool 1 stratum+tls://xmr.pool.example:443: connection refused".into()
        )
    );
    let lost = Data { lost: Some(Lost { since_s: NOW_S - 12.0, why: "refused".into() }), ..mining() };
    assert_eq!(told(&lost), (Tone::Bad, "NO CONNECTION for 12 s: refused; asking again".into()));
    let mut asked = mining();
    asked.status["headline"] = json!({"level": "off", "text": "Paused by order", "detail": "until someone resumes", "order": "resume"});
    assert_eq!(told(&asked), (Tone::Plain, "Paused by order: until someone resumes; r resumes".into()));
    // A pool that is there is no pool that is gone, whatever happened to another one before.
    let mut idle = no_pool();
    idle.pools["pools"][0]["state"] = "up".into();
    idle.status["headline"] =
        json!({"level": "care", "text": "Waiting for work", "detail": "The pool has given no job yet."});
    assert_eq!(told(&idle), (Tone::Warn, "Waiting for work: The pool has given no job yet".into()));
    let mut other_version = mining();
    other_version.status["headline"] = Value::Null;
    assert_eq!(told(&other_version), (Tone::Plain, "MINING".into()));
    assert_eq!(told(&Data::default()).1, "waiting for the miner's first answer");
}

#[test]
fn keys_open_close_and_order() {
    let (mut shown, status) = (Shown::default(), mining().status);
    let mut press = |key| shown.press(key, &status, NOW_S);
    assert!(matches!(press(key('w')), Effect::Ask(Ask::Topic(Topic::Why))));
    assert!(matches!(
        press(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE)),
        Effect::Ask(Ask::Topic(Topic::Health))
    ));
    assert!(matches!(press(key('e')), Effect::Nothing), "the same key closes");
    assert!(matches!(press(key('p')), Effect::Ask(Ask::Order("/api/v1/control/pause", _))));
    match press(key('2')) {
        Effect::Ask(Ask::Order(path, body)) => {
            assert_eq!((path, &body["device"]), ("/api/v1/control/pause", &json!("cpu1")));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(press(key('7')), Effect::Nothing), "there is no such device");
    assert!(matches!(press(key('q')), Effect::Quit));
    let control = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    assert!(matches!(press(control('c')), Effect::Quit));
    assert!(matches!(press(control('z')), Effect::Suspend));
    assert!(matches!(press(control('q')), Effect::Nothing));
    let release = KeyEvent { kind: KeyEventKind::Release, ..key('q') };
    assert!(matches!(press(release), Effect::Nothing));
    assert!(matches!(press(key('x')), Effect::Nothing));
    assert_eq!(shown.asked.as_ref().unwrap().0, "x is no key; ? lists them");
    assert_eq!(shown.open, None);
}

#[test]
fn texts_scroll_and_every_key_has_feedback() {
    let mut shown = Shown::default();
    for letter in ['h', 'd', 't', 's', 'c', 'w', 'e', '?', 'p', 'r', '1', '9', 'q', 'x', '0'] {
        let mut fresh = Shown::default();
        fresh.press(key(letter), &mining().status, NOW_S);
        assert!(fresh.open.is_some() || fresh.asked.is_some(), "{letter}");
    }
    shown.press(key('t'), &Value::Null, NOW_S);
    let code = |code| KeyEvent::new(code, KeyModifiers::NONE);
    for (key, at) in [
        (KeyCode::Down, 1),
        (KeyCode::Char(' '), 11),
        (KeyCode::PageDown, 21),
        (KeyCode::Up, 20),
        (KeyCode::PageUp, 10),
        (KeyCode::Home, 0),
        (KeyCode::Up, 0),
    ] {
        shown.press(code(key), &Value::Null, NOW_S);
        assert_eq!(shown.open, Some((Topic::Threads, at)), "{key:?}");
    }
    shown.press(code(KeyCode::Esc), &Value::Null, NOW_S);
    assert_eq!(shown.open, None);
    // A question is shown until its answer comes, or never will.
    shown.asked = Some(("pause ...".into(), NOW_S));
    shown.forget_answered(&Data::default(), NOW_S + 1.0);
    assert!(shown.asked.is_some());
    let answered = Data { feedback: Some(("paused".into(), NOW_S + 1.0)), ..Data::default() };
    shown.forget_answered(&answered, NOW_S + 2.0);
    assert_eq!(shown.asked, None);
}

#[test]
fn what_was_told_before_and_by_others_is_in_the_log() {
    let before = ["rminer 0.4.0".to_owned()];
    let errors = ["thread 'cpu0-0' panicked at \u{1b}[2J".to_owned()];
    let log = View::new(&mining(), &Around { before: &before, errors: &errors, ..around() }).log;
    assert_eq!(log[0].text, "rminer 0.4.0");
    let last = &log[log.len() - 1].text;
    assert!(last.starts_with("thread 'cpu0-0' panicked") && !last.contains('\u{1b}'), "{last}");
    assert!(log.iter().any(|line| line.text.ends_with("help: sudo rminer setup hugepages")));
    assert!(log.iter().any(|line| line.text == "14:02:11 order    resume: no pause is asked for any more"));
}

#[test]
fn the_chart_shows_as_much_time_as_there_is() {
    let with = |known: usize| {
        let point =
            |index: usize| json!({"value": if index < 360 - known { Value::Null } else { json!(7.0e6) }});
        let mut data = mining();
        data.history = json!({"points": (0..360).map(point).collect::<Vec<_>>()});
        let view = View::new(&data, &around());
        (view.chart.len(), view.chart_title)
    };
    assert_eq!(with(3), (36, "hashed in the last 6 minutes".into()));
    assert_eq!(with(36), (36, "hashed in the last 6 minutes".into()));
    assert_eq!(with(37), (72, "hashed in the last 12 minutes".into()));
    assert_eq!(with(325), (360, "hashed in the last hour".into()));
    assert_eq!(with(360), (360, "hashed in the last hour".into()));
    assert_eq!(View::new(&Data::default(), &around()).chart, []);
}
