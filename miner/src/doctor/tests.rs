use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::devices::LeftOut;
use crate::problem::Problem;
use crate::setup::hugepages::{Need, Pages};
use crate::setup::msr;

/// A machine on which everything is as it should be.
fn sound() -> Facts {
    Facts {
        need: Some(Need::one_node(12)),
        mines_on_cpus: true,
        pages: Pages {
            is_known: true,
            total: 1180,
            free: 1180,
            available_bytes: Some(8 << 30),
            ..Pages::default()
        },
        memory_total_bytes: Some(16 << 30),
        msr: msr::Facts {
            vendor: "AuthenticAMD".into(),
            family: 23,
            model: 113,
            has_files: true,
            is_root: false,
            set_before: true,
            units: vec![0],
            ..msr::Facts::default()
        },
        load: LoadFacts { units: 12.0, others_units: Some(0.1), ..LoadFacts::default() },
        on_battery: Some(false),
        clock: ClockFacts { now_s: 1.8e9, is_synchronised: Some(true), newest_file_s: Some(1.79e9) },
        storage: Some(StorageFacts { folder: "/state".into(), free_bytes: Some(1 << 40), fault: None }),
        ..Facts::default()
    }
}

/// What is not green, as `code level`.
fn told(facts: &Facts) -> Vec<String> {
    let report = Report::new(String::new(), judge(facts));
    let others = report.findings.iter().filter(|finding| finding.level != Level::Green);
    others.map(|finding| format!("{} {:?}", finding.code, finding.level)).collect()
}

#[test]
fn a_sound_machine_is_green() {
    assert_eq!(told(&sound()), Vec::<String>::new());
    assert!(judge(&sound()).len() >= 5);
}

#[test]
fn each_trouble_has_its_name() {
    type Trouble = (&'static str, fn(&mut Facts));
    let troubles: [Trouble; 24] = [
        ("huge-pages Yellow", |facts| (facts.pages.free, facts.pages.total) = (0, 0)),
        ("msr-no-rights Yellow", |facts| facts.msr.set_before = false),
        ("cpu-governor Yellow", |facts| facts.speed.governor = "powersave".into()),
        ("cpu-clock-limit Yellow", |facts| {
            (facts.speed.hardware_khz, facts.speed.allowed_khz) = (Some(4_000_000), Some(2_000_000));
        }),
        ("cpu-boost-off Yellow", |facts| facts.speed.boost_off = true),
        ("throttled Red", |facts| facts.speed.throttle_events = 3),
        ("throttled Yellow", |facts| facts.throttled = vec![("gpu0".into(), "thermal".into())]),
        ("foreign-load Yellow", |facts| facts.load.others_units = Some(3.6)),
        ("stolen-time Yellow", |facts| facts.load.stolen_ratio = Some(0.2)),
        ("gpu-unusable Yellow", |facts| {
            facts.left_out = vec![LeftOut {
                id: "gpu".into(),
                name: "Card".into(),
                reason: "no Vulkan loader".into(),
                help: vec!["apt install libvulkan1".into()],
            }];
        }),
        ("gpu-rights Yellow", |facts| facts.locked_nodes = vec!["/dev/dri/renderD128".into()]),
        ("heat Red", |facts| facts.hot = vec![hot(91.0)]),
        ("heat Yellow", |facts| facts.hot = vec![hot(86.0)]),
        ("sensor-silent Unknown", |facts| facts.silent = vec!["nvml"]),
        ("memory-pressure Yellow", |facts| facts.swap_used_bytes = 1 << 30),
        ("battery Red", |facts| facts.on_battery = Some(true)),
        ("power-unknown Unknown", |facts| {
            facts.power_unknown = vec![("cpu0".into(), "RAPL may be read by root only".into(), None)];
        }),
        ("clock-jump Red", |facts| facts.clock.newest_file_s = Some(1.9e9)),
        ("clock-unsynchronised Yellow", |facts| facts.clock.is_synchronised = Some(false)),
        ("history-stopped Red", |facts| facts.storage = storage(Some(0), None)),
        ("history-stopped Red", |facts| facts.storage = storage(None, Some("cannot be written"))),
        ("disk-full Yellow", |facts| facts.storage = storage(Some(5 << 20), None)),
        ("root Yellow", |facts| facts.is_root = true),
        ("config-writable Red", |facts| facts.writable_by_others = vec!["/etc/rminer".into()]),
    ];
    for (expected, stage) in troubles {
        let mut facts = sound();
        stage(&mut facts);
        assert_eq!(told(&facts), [expected]);
    }
}

fn hot(now_c: f64) -> Hot {
    Hot { device: "cpu0".into(), place: "package", now_c, limit_c: 90.0 }
}

fn storage(free_bytes: Option<u64>, fault: Option<&str>) -> Option<StorageFacts> {
    Some(StorageFacts { folder: PathBuf::from("/state"), free_bytes, fault: fault.map(str::to_owned) })
}

#[test]
fn settings_are_told_with_their_own_names() {
    let mut facts = sound();
    facts.settings = SettingsFacts {
        problems: vec![
            Problem::error("wallet-checksum", "--user is not valid").fact("a\nb").help("look again"),
            Problem::warning("plain", "the pool is not encrypted"),
        ],
        api_bind: Some("0.0.0.0:4077".parse().unwrap()),
        schedule: Some("mon-fri 22:00-06:00".into()),
        ..SettingsFacts::default()
    };
    facts.readable_by_others = vec!["/state/api-token".into()];
    assert_eq!(told(&facts), ["api-token Red", "wallet-checksum Red", "api-plain Yellow", "plain Yellow"]);
    let schedule = judge(&facts).into_iter().find(|finding| finding.code == "schedule").unwrap();
    assert_eq!(schedule.level, Level::Green);
}

#[test]
fn safety_comes_first_then_the_largest_gain_and_lists_have_bounds() {
    let mut findings = vec![
        Finding::yellow("small", "x").gain(1.0, "typical"),
        Finding::green("fine", "x"),
        Finding::yellow("large", "x").gain(44.0, "typical"),
        Finding::red("broken", "x"),
        Finding::red("hot", "x").safety(),
        Finding::new("unknown", Level::Unknown, "x"),
    ];
    let report = Report::new(String::new(), findings.clone());
    let order: Vec<&str> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(order, ["hot", "broken", "large", "small", "unknown", "fine"]);
    assert!(report.is_red());
    let many = (0..300).fold(Finding::yellow("many", "x"), |finding, _| finding.fact("fact"));
    assert_eq!(many.facts.len(), 12);
    findings.extend(vec![many; 300]);
    assert_eq!(Report::new(String::new(), findings).findings.len(), 100);
    let text = text(&report, false);
    assert!(
        text.contains("2 red, 2 yellow, 1 unknown, 1 fine") && text.contains("gains 44.0 % (typical)"),
        "{text}"
    );
    assert!(!Finding::red("x", "a\x1b[2Jb").title.contains('\x1b'));
    assert_eq!(Finding::red("x", "y").gain(f64::NAN, "z").gain_pct, None);
}

#[test]
fn a_running_miner_tells_what_goes_on() {
    let status = json!({
        "state": "mining", "paused_by": [],
        "totals": { "hashrate_hs": { "15m": 690.0 }, "expected_hs": 1000.0 },
        "shares": {
            "accepted": 90, "stale": 8, "cost_of_stale_pct": 8.0,
            "rejected": { "low_difficulty": 0, "duplicate": 0, "unauthorized": 0, "other": 2 },
        },
        "pool": { "state": "up", "answer_ms": { "p50": 900.0, "p95": 2000.0 } },
        "safety": { "schedule": "22:00-06:00", "next_pause": null },
        "devices": [
            { "id": "gpu0", "state": "lost", "losses": 2, "hung": 1, "throttled": [], "caps": [], "huge_pages": null },
            {
                "id": "cpu0", "state": "mining", "throttled": ["thermal"],
                "caps": [{ "reason": "heat", "duty_pct": 60.0, "detail": "package 91 C" }],
                "huge_pages": { "have": 3, "need": 1180 },
            },
        ],
    });
    let explained = json!({ "findings": [
        { "code": "foreign-load", "from": "2026-11-30T22:00:00Z", "ongoing": true, "what": "cpu0 -31 %",
          "effect_pct": -31.0, "cause": "firefox used 3.6 cores", "help": "end it" },
        { "code": "paused", "ongoing": true, "what": "paused", "cause": "schedule", "from": "" },
        { "code": "no-pool", "ongoing": false, "what": "no pool", "cause": "refused", "from": "" },
    ]});
    let report = Report::new(String::new(), judge_running(&status, Some(&explained)));
    let told: Vec<String> =
        report.findings.iter().map(|finding| format!("{} {:?}", finding.code, finding.level)).collect();
    for expected in [
        "device-lost Red",
        "rejected Red",
        "held-back Yellow",
        "rate-fell Yellow",
        "foreign-load Yellow",
        "huge-pages-lost Yellow",
        "stale Yellow",
        "pool-latency Yellow",
        "throttled Yellow",
        "schedule Green",
        "paused Green",
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected} is not in {told:?}");
    }
    assert!(!told.iter().any(|told| told.starts_with("no-pool")), "{told:?}");
    let load = report.findings.iter().find(|finding| finding.code == "foreign-load").unwrap();
    assert_eq!(load.gain_pct, Some(44.9));
    assert_eq!(judge_running(&json!({ "pool": { "state": "up" } }), None), []);
    let dead = judge_running(&json!({ "state": "no-pool", "pool": null }), None);
    assert_eq!(dead.first().map(|finding| finding.code.as_str()), Some("no-pool"));
}
