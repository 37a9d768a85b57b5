//! What a running miner says of itself: its status, and what its own explanation has not closed.

use serde_json::Value;

use super::finding::{Finding, Level};

/// Shares that must have been answered before a part of them says anything.
const MIN_SHARES: u64 = 50;
/// Part of the shares that may be stale, and that may be refused.
const MANY_STALE_RATIO: f64 = 0.02;
const MANY_REJECTED_RATIO: f64 = 0.01;
/// Pools answer faster than this as a rule, in milliseconds.
const SLOW_ANSWER_MS: f64 = 500.0;
/// A rate below this part of the measured one is worth a word.
const LOW_RATE_RATIO: f64 = 0.93;
/// Explanations that are taken over at most.
const MAX_EXPLAINED: usize = 40;

/// From the answers of `/api/v1/status` and, where there is one, `/api/v1/explain`.
pub fn judge_running(status: &Value, explained: Option<&Value>) -> Vec<Finding> {
    let mut findings = Vec::new();
    state(status, &mut findings);
    shares(status, &mut findings);
    devices(status, &mut findings);
    let told = explained.and_then(|answer| answer["findings"].as_array()).into_iter().flatten();
    for entry in
        told.filter(|entry| entry["ongoing"] == true || entry["code"] == "clock-jump").take(MAX_EXPLAINED)
    {
        explanation(entry, &mut findings);
    }
    findings
}

fn state(status: &Value, findings: &mut Vec<Finding>) {
    let reasons = status["paused_by"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let reasons: Vec<_> = reasons.collect();
    if status["state"] == "paused" {
        let title = format!("the miner is paused: {}", reasons.join(", "));
        // Hours and people are as somebody wanted it.
        let wanted = reasons.iter().all(|reason| ["user", "schedule"].contains(reason));
        let level = if wanted { Level::Green } else { Level::Yellow };
        let finding = Finding::new("paused", level, title);
        findings.push(if reasons.contains(&"user") { finding.command("rminer ctl resume") } else { finding });
    }
    if let Some(schedule) = status["safety"]["schedule"].as_str() {
        let next =
            status["safety"]["next_pause"].as_str().map_or(String::new(), |at| format!("; next pause {at}"));
        findings
            .push(Finding::green("schedule", format!("mining is limited to these hours: {schedule}{next}")));
    }
    let pool = &status["pool"];
    if pool["state"] != "up" {
        let finding = Finding::red("no-pool", "the miner has no pool that gives it work");
        let downs = pool["downs"].as_object().into_iter().flatten();
        let finding =
            downs.fold(finding, |finding, (cause, count)| finding.fact(format!("{cause}: {count} times")));
        findings.push(finding.command("rminer pool test"));
    } else if let Some(slow_ms) = pool["answer_ms"]["p50"].as_f64().filter(|ms| *ms >= SLOW_ANSWER_MS) {
        let title = format!("the pool takes {slow_ms:.0} ms to answer a share");
        let finding = Finding::yellow("pool-latency", title)
            .help("choose a pool that is nearer: shares go stale on the way");
        findings.push(finding.command("rminer pool test"));
    }
    let (now_hs, expected_hs) =
        (status["totals"]["hashrate_hs"]["15m"].as_f64(), status["totals"]["expected_hs"].as_f64());
    if let (Some(now_hs), Some(expected_hs), "mining") =
        (now_hs, expected_hs, status["state"].as_str().unwrap_or_default())
        && expected_hs > 0.0
        && now_hs < expected_hs * LOW_RATE_RATIO
    {
        let title =
            format!("the rate is {:.0} % of what was measured and saved here", now_hs / expected_hs * 100.0);
        let gain = (expected_hs / now_hs.max(f64::MIN_POSITIVE) - 1.0) * 100.0;
        let finding = Finding::yellow("rate-fell", title).gain(gain, "measured here by rminer bench --save");
        findings.push(finding.command("rminer explain --since 2h"));
    }
}

fn shares(status: &Value, findings: &mut Vec<Finding>) {
    let shares = &status["shares"];
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let (accepted, stale) = (count(&shares["accepted"]), count(&shares["stale"]));
    let rejected =
        shares["rejected"].as_object().into_iter().flatten().map(|(_, value)| count(value)).sum::<u64>();
    let answered = accepted + stale + rejected;
    let ratio = |part: u64| part as f64 / answered.max(1) as f64;
    if stale > 0 && answered >= MIN_SHARES && ratio(stale) > MANY_STALE_RATIO {
        let title = format!("{:.1} % of the shares are stale ({stale} of {answered})", ratio(stale) * 100.0);
        let mut finding = Finding::yellow("stale", title).command("rminer explain --since 2h");
        if let Some(cost) = shares["cost_of_stale_pct"].as_f64() {
            finding = finding.gain(cost, "measured by this miner");
        }
        findings.push(finding.help("choose a pool that is nearer, or a wired network"));
    }
    if rejected > 0 && answered >= MIN_SHARES && ratio(rejected) > MANY_REJECTED_RATIO {
        let title =
            format!("{:.1} % of the shares are refused ({rejected} of {answered})", ratio(rejected) * 100.0);
        findings.push(
            Finding::red("rejected", title)
                .help("a clock that is too high, memory that errs, or a pool of another coin")
                .command("rminer explain --since 2h"),
        );
    }
}

fn devices(status: &Value, findings: &mut Vec<Finding>) {
    for device in status["devices"].as_array().into_iter().flatten() {
        let id = device["id"].as_str().unwrap_or_default();
        let state = device["state"].as_str().unwrap_or_default();
        if ["lost", "benched", "unusable"].contains(&state) {
            let title = format!("{id} does not mine: it is {state}");
            let number = |name: &str| device[name].as_u64().unwrap_or(0);
            findings.push(
                Finding::red("device-lost", title)
                    .fact(format!("lost {} times, hung {} times", number("losses"), number("hung")))
                    .help("lower its clock, update its driver, look at its cables and power"),
            );
        }
        let throttled: Vec<_> =
            device["throttled"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !throttled.is_empty() {
            let title = format!("{id} is slowed down by its hardware: {}", throttled.join(", "));
            findings.push(
                Finding::yellow("throttled", title)
                    .help("cool it better, or raise its power limit if that is the cause"),
            );
        }
        for cap in device["caps"].as_array().into_iter().flatten() {
            let reason = cap["reason"].as_str().unwrap_or_default();
            let duty = cap["duty_pct"].as_f64().unwrap_or(100.0);
            if ["heat", "sensor-lost", "battery", "power"].contains(&reason) && duty < 100.0 {
                let title = format!("{id} is held at {duty:.0} % by {reason}");
                let finding = Finding::yellow("held-back", title).safety();
                findings.push(match cap["detail"].as_str() {
                    Some(detail) => finding.fact(detail),
                    None => finding,
                });
            }
        }
        let pages = &device["huge_pages"];
        if let (Some(have), Some(need)) = (pages["have"].as_u64(), pages["need"].as_u64())
            && have < need
        {
            let title = format!("{id} mines with {have} of {need} huge pages");
            findings.push(
                Finding::yellow("huge-pages-lost", title)
                    .gain(44.0, "typical")
                    .command("sudo rminer setup hugepages"),
            );
        }
    }
}

/// What the miner's own explanation says is going on now.
fn explanation(entry: &Value, findings: &mut Vec<Finding>) {
    let word = |name: &str| entry[name].as_str().unwrap_or_default();
    let code = word("code");
    let red = ["no-pool", "device-lost", "history-stopped", "clock-jump"].contains(&code);
    // What somebody wanted, and what is the pool's usual course.
    let green = code == "job-change"
        || code == "paused"
            && ["user", "schedule", "hours"].iter().any(|wanted| word("cause").contains(wanted));
    let level = if red {
        Level::Red
    } else if green {
        Level::Green
    } else {
        Level::Yellow
    };
    let mut finding = Finding::new(code, level, format!("{}: {}", word("what"), word("cause")));
    if let Some(effect) = entry["effect_pct"].as_f64().filter(|effect| (-99.0..0.0).contains(effect)) {
        finding = finding.gain(-100.0 * effect / (100.0 + effect), "measured by this miner");
    }
    finding = finding.fact(format!("since {}", word("from")));
    if !word("help").is_empty() {
        finding = finding.help(word("help"));
    }
    findings.push(finding);
}
