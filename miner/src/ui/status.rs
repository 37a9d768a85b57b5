//! The status of a miner for people, from the interface's own answer. Another version of rminer may leave fields out or
//! have more: what is not there is not shown, and nothing of it steers the terminal.

use std::fmt::Write as _;
use std::time::Duration;

use rminer_stratum::text::clean;
use serde_json::Value;

use super::table::{DeviceRow, table_of};
use super::units::{count, duration, hashrate};

/// Most devices and caps that are shown: a rig has some dozens.
pub(super) const MAX_DEVICES: usize = 256;
pub(super) const MAX_CAPS: usize = 16;

/// Lines, the last with a newline.
pub(crate) fn status(status: &Value) -> String {
    let mut text = header(status);
    text.push('\n');
    let devices = items(&status["devices"], MAX_DEVICES);
    let mut rows: Vec<DeviceRow> = devices.iter().map(row).collect();
    if rows.len() > 1 {
        rows.push(rig(status, &rows));
    }
    if rows.is_empty() {
        text.push_str("no device\n");
    } else {
        text.push_str(&table_of(&rows));
    }
    text.push('\n');
    for line in [rates(&status["totals"]), pool(&status["pool"]), shares(&status["shares"])] {
        text.push_str(&line);
        text.push('\n');
    }
    for device in devices {
        for cap in items(&device["caps"], MAX_CAPS) {
            let _ = writeln!(text, "{}", self::cap(device, cap));
        }
    }
    text
}

fn header(status: &Value) -> String {
    let mut text = format!(
        "rminer {} on {}   {}",
        word(&status["version"]).unwrap_or_default(),
        word(&status["name"]).unwrap_or_else(|| "?".into()),
        word(&status["state"]).unwrap_or_else(|| "?".into()),
    );
    let causes: Vec<String> = items(&status["paused_by"], MAX_CAPS).iter().filter_map(word).collect();
    if !causes.is_empty() {
        let _ = write!(text, " by {}", causes.join(", "));
    }
    if let Some(uptime) = seconds(&status["uptime_s"]) {
        let _ = write!(text, "   up {}", duration(uptime));
    }
    text + "\n"
}

pub(super) fn row(device: &Value) -> DeviceRow {
    let rates = &device["hashrate_hs"];
    let is_mining = device["state"] == "mining";
    let shares = &device["shares"];
    let number = |name: &str| shares[name].as_u64().unwrap_or(0);
    let temperatures = device["temp_c"].as_object().into_iter().flat_map(|places| places.values());
    DeviceRow {
        device: word(&device["id"]).unwrap_or_default(),
        what: word(&device["name"]).unwrap_or_default(),
        algo: word(if is_mining { &device["algo"] } else { &device["state"] }).unwrap_or_default(),
        s10_hs: rates["10s"].as_f64(),
        s60_hs: rates["60s"].as_f64(),
        m15_hs: rates["15m"].as_f64(),
        best_hs: rates["best"].as_f64(),
        temp_c: temperatures.filter_map(Value::as_f64).reduce(f64::max),
        power_w: device["power_w"].as_f64(),
        shares: number("accepted"),
        stale: number("stale"),
        bad: number("bad").saturating_add(number("rejected")),
    }
}

/// All devices together: rates as the miner adds them up, shares as the rows say.
pub(super) fn rig(status: &Value, rows: &[DeviceRow]) -> DeviceRow {
    let totals = &status["totals"];
    let rates = &totals["hashrate_hs"];
    let sum = |of: fn(&DeviceRow) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
    DeviceRow {
        device: "rig".into(),
        s10_hs: rates["10s"].as_f64(),
        s60_hs: rates["60s"].as_f64(),
        m15_hs: rates["15m"].as_f64(),
        best_hs: rates["best"].as_f64(),
        power_w: totals["power_w"].as_f64(),
        shares: sum(|row| row.shares),
        stale: sum(|row| row.stale),
        bad: sum(|row| row.bad),
        ..DeviceRow::default()
    }
}

/// What is hashed, what the pools credit with what chance allows, and what was to be expected.
pub(super) fn rates(totals: &Value) -> String {
    let mut text = format!("rate     hashed {}", hashrate(totals["hashrate_hs"]["60s"].as_f64()));
    if let Some(effective_hs) = totals["effective_hs"].as_f64() {
        let _ = write!(text, "   pool credits {}", hashrate(Some(effective_hs)));
        if let Some(chance_pct) = totals["effective_ci95_pct"].as_f64() {
            let _ = write!(text, " +-{chance_pct:.1} %");
        }
    }
    if let Some(expected_hs) = totals["expected_hs"].as_f64() {
        let _ = write!(text, "   expected {}", hashrate(Some(expected_hs)));
    }
    if let Some(luck_pct) = totals["luck_pct"].as_f64() {
        let _ = write!(text, "   luck {luck_pct:.0} %");
    }
    text
}

pub(super) fn pool(pool: &Value) -> String {
    let Some(index) = pool["index"].as_u64() else { return "pool     none is mined for".into() };
    let mut text = format!("pool {index:<4}{}", word(&pool["url"]).unwrap_or_default());
    let facts = [
        word(&pool["user"]),
        word(&pool["state"]),
        word(&pool["since"]).map(|since| format!("since {since}")),
        word(&pool["tls"]).map(|tls| format!("TLS {}", tls.trim_start_matches("TLS "))),
        pool["ping_ms"].as_f64().map(|ms| format!("ping {ms:.0} ms")),
        answers(&pool["answer_ms"]),
        pool["difficulty"].as_f64().map(|difficulty| format!("difficulty {}", count(difficulty))),
        pool["height"].as_u64().map(|height| format!("height {height}")),
    ];
    for fact in facts.into_iter().flatten() {
        let _ = write!(text, "   {fact}");
    }
    text
}

fn answers(answer_ms: &Value) -> Option<String> {
    let (p50_ms, p95_ms) = (answer_ms["p50"].as_f64()?, answer_ms["p95"].as_f64()?);
    Some(format!("answers {p50_ms:.0} ms, 95 % within {p95_ms:.0} ms"))
}

pub(super) fn shares(shares: &Value) -> String {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut text = format!("shares   {} accepted", number(&shares["accepted"]));
    let rejected = shares["rejected"].as_object().into_iter().flatten();
    let counts =
        ["stale", "not_sent", "lost", "no_reply", "pending", "blocks"].map(|name| (name, &shares[name]));
    for (name, value) in rejected.map(|(name, value)| (name.as_str(), value)).chain(counts) {
        if number(value) > 0 {
            let _ = write!(text, "   {} {}", number(value), clean(&name.replace('_', " ")));
        }
    }
    if let Some(cost_pct) = shares["cost_of_stale_pct"].as_f64().filter(|cost_pct| *cost_pct > 0.0) {
        let _ = write!(text, "   stale ones cost {cost_pct:.1} %");
    }
    text
}

pub(super) fn cap(device: &Value, cap: &Value) -> String {
    let left = match cap["duty_pct"].as_f64() {
        Some(duty_pct) if duty_pct > 0.0 => format!("{duty_pct:.1} % of its time"),
        Some(_) => "paused".to_owned(),
        None => "held back".to_owned(),
    };
    let part = |value: &Value| word(value).unwrap_or_default();
    format!("cap      {} {left}: {}, {}", part(&device["id"]), part(&cap["reason"]), part(&cap["detail"]))
}

pub(super) fn items(value: &Value, most: usize) -> &[Value] {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    &all[..all.len().min(most)]
}

pub(super) fn word(value: &Value) -> Option<String> {
    value.as_str().map(clean)
}

pub(super) fn seconds(value: &Value) -> Option<Duration> {
    value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "api": 1, "name": "rig01", "version": "0.4.0", "state": "mining", "paused_by": [], "uptime_s": 1834,
            "totals": {"hashrate_hs": {"10s": 6910.0, "60s": 6900.0, "15m": 6900.0, "best": 6960.0},
                       "effective_hs": 6740.0, "effective_ci95_pct": 9.7, "expected_hs": 6960.0, "luck_pct": 97.7,
                       "power_w": 97.0},
            "shares": {"accepted": 412, "stale": 3, "rejected": {"low_difficulty": 1, "other": 0},
                       "cost_of_stale_pct": 0.7},
            "pool": {"index": 1, "url": "stratum+tls://xmr.pool.example:443", "state": "up", "tls": "1.3 verified",
                     "ping_ms": 21, "answer_ms": {"p50": 38, "p95": 71}, "difficulty": 128_001, "height": 3_200_001,
                     "since": "2026-11-22T14:02:11Z"},
            "devices": [
                {"id": "cpu0", "name": "Ryzen", "algo": "randomx", "state": "mining",
                 "hashrate_hs": {"10s": 6910.0, "60s": 6900.0, "15m": 6900.0, "best": 6960.0},
                 "temp_c": {"package": 64.0, "other": 50.0}, "power_w": 88.0,
                 "shares": {"accepted": 412, "stale": 3, "bad": 0}, "caps": []},
                {"id": "gpu0", "name": "RTX", "algo": "randomx", "state": "paused", "temp_c": {}, "power_w": null,
                 "shares": {"accepted": 0}, "caps": [{"reason": "heat", "duty_pct": 0.0, "detail": "memory 96 C"},
                                                     {"reason": "limit", "duty_pct": 50.0, "detail": "until"}]}
            ]
        })
    }

    #[test]
    fn everything_has_its_line() {
        let text = status(&sample());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "rminer 0.4.0 on rig01   mining   up 30 min 34 s");
        assert!(lines[2].starts_with("DEVICE") && lines[2].ends_with("BAD"), "{text}");
        assert!(
            lines[3].starts_with("cpu0") && lines[3].contains("64 C") && lines[3].contains("88 W"),
            "{text}"
        );
        assert!(lines[4].starts_with("gpu0") && lines[4].contains("paused"), "{text}");
        assert!(
            lines[5].starts_with("rig") && lines[5].contains("97 W") && lines[5].contains("412"),
            "{text}"
        );
        assert_eq!(
            lines[7..],
            [
                "rate     hashed 6.90 kH/s   pool credits 6.74 kH/s +-9.7 %   expected 6.96 kH/s   luck 98 %",
                "pool 1   stratum+tls://xmr.pool.example:443   up   since 2026-11-22T14:02:11Z   TLS 1.3 verified   ping \
                 21 ms   answers 38 ms, 95 % within 71 ms   difficulty 128.0k   height 3200001",
                "shares   412 accepted   1 low difficulty   3 stale   stale ones cost 0.7 %",
                "cap      gpu0 paused: heat, memory 96 C",
                "cap      gpu0 50.0 % of its time: limit, until",
            ],
            "{text}"
        );
    }

    #[test]
    fn a_pause_says_why() {
        let mut paused = sample();
        (paused["state"], paused["paused_by"]) = ("paused".into(), json!(["battery", "user"]));
        assert!(status(&paused).starts_with("rminer 0.4.0 on rig01   paused by battery, user   up"));
    }

    #[test]
    fn what_is_missing_or_hostile_does_no_harm() {
        for odd in [
            json!({}),
            json!(null),
            json!([1]),
            json!({ "devices": [null, 7, {}], "pool": 3, "shares": "x" }),
        ] {
            assert!(status(&odd).contains("pool     none is mined for"), "{odd}");
        }
        let mut hostile = sample();
        hostile["name"] = "\u{1b}[2Jrig".into();
        hostile["pool"]["url"] = "\u{1b}]0;x\u{7}".into();
        hostile["devices"][1]["caps"] = json!(vec![json!({ "detail": "\r\u{9b}31m" }); 1000]);
        hostile["totals"]["effective_hs"] = Value::Null;
        hostile["shares"]["rejected"] = json!({ "\u{1b}[1m": 5 });
        let text = status(&hostile);
        assert!(!text.replace('\n', "").contains(char::is_control), "{text:?}");
        assert!(!text.contains("+-"), "no chance of nothing: {text}");
        assert!(text.lines().count() < 40, "{}", text.lines().count());
    }
}
