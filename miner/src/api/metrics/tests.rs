use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::http::HeaderValue;

use super::*;
use crate::api::About;
use crate::devices::{DatasetReady, RandomxMemory};
use crate::engine::{DeviceSnapshot, DeviceState, Duty, PoolSnapshot, Rates, Snapshot, State as MinerState};
use crate::records::{Effective, StaleCause};
use crate::safety::{Cap, Reason};
use crate::telemetry::{DeviceReadings, HostReadings, HugePagePool, Place, Temperature};

/// Everything that can be known, so that every metric has a sample.
fn all() -> (About, Snapshot, Statistics) {
    let about = About {
        rig: "rig01".into(),
        algorithm: "randomx",
        pools: vec!["stratum+tcp://pool.example:3333".into(), "a\"b\\c\nd".into()],
        started_s: 1.7e9,
        ..About::default()
    };
    let readings = DeviceReadings {
        temperatures: vec![Temperature {
            place: Place::Package,
            now_c: 71.5,
            limit_c: None,
            at: Instant::now(),
        }],
        power_w: Some(88.25),
        energy_j: Some(12_345.5),
        power_source: Some("rapl"),
        fan_ratios: vec![0.25, f64::NAN],
        clocks_hz: [("core", 3.6e9)].into(),
        throttled: vec!["thermal"],
    };
    let device = DeviceSnapshot {
        id: "cpu0".into(),
        name: "Example CPU".into(),
        workers: 2,
        rates: Rates {
            s10_hs: Some(1000.5),
            s60_hs: None,
            m15_hs: Some(f64::INFINITY),
            best_hs: Some(1100.0),
        },
        hashes: u64::MAX,
        mismatches: 1,
        state: DeviceState::Mining,
        duty: Duty::from_permille(250),
        caps: vec![
            Cap { reason: Reason::Heat, duty: Duty::from_permille(250), detail: "warm".into() },
            Cap { reason: Reason::Schedule, duty: Duty::PAUSE, detail: "night".into() },
        ],
        losses: 3,
        hung: 1,
        dataset: Some(DatasetReady {
            device: "cpu0".into(),
            init_ms: 1,
            mode: RandomxMemory::Fast,
            huge_pages_have: 521,
            huge_pages_want: 1042,
            threads: 2,
        }),
        readings,
        ..DeviceSnapshot::default()
    };
    let host = HostReadings {
        on_battery: Some(true),
        battery_ratio: Some(0.5),
        battery_c: Some(31.0),
        busiest: Vec::new(),
        cpu_others: Some(0.25),
        memory_available_bytes: Some(1 << 33),
        memory_total_bytes: Some(1 << 34),
        load: None,
        process_bytes: Some(1 << 21),
        huge_pages: vec![HugePagePool { page_bytes: 2 << 20, total: 10, free: 4 }],
    };
    let pool = PoolSnapshot { is_up: true, downs: [("network", 2)].into(), ..PoolSnapshot::default() };
    let snapshot = Snapshot {
        uptime: Duration::from_secs(60),
        devices: vec![device],
        pool: Some(0),
        difficulty: Some(60_000.0),
        pending: 3,
        state: MinerState::Mining,
        pools: vec![pool, PoolSnapshot::default()],
        host,
        ..Snapshot::default()
    };
    (about, snapshot, statistics())
}

fn key(result: &'static str, reason: &'static str) -> ShareKey {
    ShareKey { pool: 0, device: "cpu0".into(), result, reason }
}

fn statistics() -> Statistics {
    let mut times = Histogram::default();
    [3, 40, 60_000].iter().for_each(|time_ms| times.observe(Duration::from_millis(*time_ms)));
    Statistics {
        shares: [
            (key("accepted", ""), 4),
            (key("stale", "in-flight"), 1),
            (key("stale", "unknown"), 2),
            (key("no-reply", ""), 1),
        ]
        .into(),
        accepted_hashes: [((0, "cpu0".to_owned()), 240_000.0)].into(),
        last_accepted_s: [(0, 1.7e9 + 30.0)].into(),
        answer: [(0, times)].into(),
        new_work: [("cpu0".to_owned(), times)].into(),
        found_to_sent: times,
        check: times,
        stale_causes: [(StaleCause::InFlight, 1), (StaleCause::Unknown, 2)].into(),
        best_difficulty: 412_600.0,
        pool_mined_s: [(0, 60.0)].into(),
        luck_ratio: Some(0.98),
        expected: Some(crate::records::Expected { hs: 1010.0, saved_s: 1.6e9 }),
        effective: Effective { chance_ratio: Some(0.98), ..Effective::default() },
        ..Statistics::default()
    }
}

fn text(format: Format) -> String {
    let (about, snapshot, statistics) = all();
    encode(families::families(&about, &snapshot, &statistics), format)
}

#[test]
fn both_formats_say_the_same() {
    let plain = text(Format::Prometheus);
    for line in [
        "# TYPE rminer_device_hashes_total counter",
        "rminer_device_hashes_total{device=\"cpu0\",algo=\"randomx\"} 18446744073709551615",
        "rminer_state{state=\"mining\"} 1",
        "rminer_state{state=\"waiting\"} 0",
        "rminer_paused_reason{reason=\"schedule\"} 1",
        "rminer_paused_reason{reason=\"heat\"} 0",
        "rminer_device_duty_ratio{device=\"cpu0\"} 0.25",
        "rminer_device_errors_total{device=\"cpu0\",kind=\"lost\"} 2",
        "rminer_device_errors_total{device=\"cpu0\",kind=\"hung\"} 1",
        "rminer_shares_total{pool=\"1\",device=\"cpu0\",result=\"stale\",reason=\"\"} 3",
        "rminer_stale_shares_total{cause=\"in-flight\"} 1",
        "rminer_effective_hashrate_hashes_per_second{pool=\"1\",algo=\"randomx\"} 4000.0",
        "rminer_share_response_seconds_bucket{pool=\"1\",le=\"0.005\"} 1",
        "rminer_share_response_seconds_bucket{pool=\"1\",le=\"20\"} 2",
        "rminer_share_response_seconds_bucket{pool=\"1\",le=\"+Inf\"} 3",
        "rminer_share_response_seconds_count{pool=\"1\"} 3",
        "rminer_hugepages_used_ratio{region=\"cpu0\"} 0.5",
        "rminer_host_hugepages{page_bytes=\"2097152\",state=\"used\"} 6",
        "rminer_device_energy_joules_total{device=\"cpu0\",source=\"rapl\"} 12345.5",
        "rminer_pool_info{pool=\"2\",url=\"a\\\"b\\\\c\\nd\"} 1",
    ] {
        assert!(plain.lines().any(|have| have == line), "no {line} in\n{plain}");
    }
    // What is not known, and what is no number, has no line.
    assert!(
        !plain.contains("window=\"60s\"")
            && !plain.contains("window=\"15m\"")
            && !plain.contains("fan=\"1\"")
    );
    let open = text(Format::OpenMetrics);
    assert!(open.contains("# TYPE rminer_device_hashes counter\n") && open.ends_with("\n# EOF\n"));
    assert!(open.contains("\nrminer_share_response_seconds_bucket{le=\"+Inf\",pool=\"1\"} 3\n"), "{open}");
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(lines(&plain), lines(&open));
}

#[test]
fn no_two_samples_have_the_same_labels() {
    let (about, snapshot, statistics) = all();
    for family in families::families(&about, &snapshot, &statistics) {
        let labels: BTreeSet<_> = family.samples.iter().map(|sample| &sample.labels).collect();
        assert_eq!(labels.len(), family.samples.len(), "{family:?}");
        assert!(!family.samples.is_empty(), "{} has no sample where all is known", family.name);
        assert!(family.name.starts_with("rminer_") && !family.help.is_empty());
        assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{}", family.name);
    }
}

#[test]
fn openmetrics_is_for_who_asks_for_it() {
    let accepted = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        Format::accepted(&headers)
    };
    assert_eq!(accepted(&[]), Format::Prometheus);
    assert_eq!(accepted(&["*/*"]), Format::Prometheus);
    assert_eq!(
        accepted(&["text/plain", "application/openmetrics-text;version=1.0.0,*/*;q=0.1"]),
        Format::OpenMetrics
    );
}

#[test]
fn counters_never_go_back() {
    let highest = Highest::default();
    let with = |count| {
        let mut statistics = Statistics::default();
        statistics.shares.insert(key("no-reply", ""), count);
        statistics
    };
    let seen = [5, 4, 6].map(|count| highest.raise(with(count)).shares[&key("no-reply", "")]);
    assert_eq!(seen, [5, 5, 6]);
}

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words of a text that begin like our metrics, without the endings that histograms add.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_word(letter)).filter(|word| word.starts_with("rminer_"));
    words.map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned()).collect()
}

fn names() -> BTreeSet<String> {
    let families = families::families(&About::default(), &Snapshot::default(), &Statistics::default());
    families.iter().map(|family| family.name.to_owned()).collect()
}

#[test]
fn dashboards_and_alerts_name_what_there_is() {
    let names = names();
    for path in [
        "deploy/grafana/rminer.json",
        "deploy/prometheus/rminer.rules.yml",
        "deploy/prometheus/rminer.rules.test.yml",
    ] {
        let text = file(path);
        let missing: Vec<_> = named(&text).difference(&names).cloned().collect();
        assert!(missing.is_empty() && named(&text).len() > 5, "{path}: {missing:?}");
        if path.ends_with(".json") {
            let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() > 10));
        }
    }
}

#[test]
fn the_handbook_has_a_row_for_each_metric() {
    let text = file("docs/METRICS.md");
    let (about, snapshot, statistics) = all();
    let row = |family: &Family| {
        let kind = format!("{:?}", family.kind).to_lowercase();
        let labels = family.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let labels = if labels.is_empty() { "none" } else { &labels };
        format!("| `{}` | {kind} | {labels} | {} |", family.name, family.help)
    };
    let rows: Vec<String> = families::families(&about, &snapshot, &statistics).iter().map(row).collect();
    let missing: Vec<&str> =
        rows.iter().map(String::as_str).filter(|row| !text.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/METRICS.md lacks these rows:\n{}", missing.join("\n"));
    let unknown: Vec<_> = named(&text).difference(&names()).cloned().collect();
    assert!(unknown.is_empty(), "docs/METRICS.md names {unknown:?}");
}
