//! What is told when somebody asks by a key: lines of text from the interface's answers. Another version of rminer may
//! leave fields out or have more; what is not there is not shown, and nothing of it steers the terminal.

use rminer_algos::registry;
use serde_json::Value;

use super::keys::{KEYS, Topic};
use super::source::{Source, one_line};
use super::status::{self, MAX_CAPS, MAX_DEVICES, items, word};
use super::table::table_of;
use super::units::{count, hashrate};
use crate::api::parse_rfc3339;
use crate::clock::time_of_day;

/// Shares, findings and threads that are told of.
const MAX_TOLD_SHARES: usize = 12;
const MAX_TOLD_FINDINGS: usize = 200;
const MAX_TOLD_THREADS: usize = 1024;
/// Pools and causes of ended connections that are told of.
const MAX_TOLD_POOLS: usize = 32;
const MAX_TOLD_CAUSES: usize = 8;

const STATUS: &str = "/api/v1/status";

impl Topic {
    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rates => "hashrate",
            Self::Devices => "devices",
            Self::Threads => "threads",
            Self::Shares => "shares",
            Self::Pool => "pools",
            Self::Why => "why",
            Self::Health => "health",
            Self::Keys => "keys",
        }
    }

    /// What is asked for it.
    fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Rates | Self::Devices | Self::Health => &[STATUS],
            Self::Threads => &["/api/v1/threads"],
            Self::Shares => &[STATUS, "/api/v1/shares"],
            Self::Pool => &["/api/v1/pools"],
            Self::Why => &["/api/v1/explain"],
            Self::Keys => &[],
        }
    }
}

/// Asks and tells; where there is no answer, why.
pub(crate) async fn read(topic: Topic, source: &dyn Source, offset_s: i64) -> Vec<String> {
    let mut answers = Vec::new();
    for path in topic.paths() {
        match source.get(path).await {
            Ok(answer) => answers.push(answer),
            Err(problem) => return vec![one_line(&problem)],
        }
    }
    text(topic, &answers, offset_s)
}

/// Tells it, from the answers to its paths in order; times are shown `offset_s` from UTC.
pub(crate) fn text(topic: Topic, answers: &[Value], offset_s: i64) -> Vec<String> {
    let answer = |index: usize| answers.get(index).unwrap_or(&Value::Null);
    match topic {
        Topic::Rates => rates(answer(0)),
        Topic::Devices => {
            numbered(answer(0)).flat_map(|(number, device)| one_device(number, device)).collect()
        }
        Topic::Threads => threads(answer(0)),
        Topic::Shares => shares(answer(0), answer(1), offset_s),
        Topic::Pool => pools(answer(0)),
        Topic::Why => why(answer(0), offset_s),
        Topic::Health => health(answer(0)),
        Topic::Keys => KEYS.iter().map(|(key, word, what)| format!("  {key} {word:<9} {what}")).collect(),
    }
}

/// Time of day of a time as the interface writes it.
pub(super) fn clock_time(time: &Value, offset_s: i64) -> String {
    let seconds = time.as_str().and_then(parse_rfc3339);
    seconds.map_or_else(|| "--:--:--".into(), |seconds| time_of_day(seconds, offset_s))
}

fn numbered(status: &Value) -> impl Iterator<Item = (usize, &Value)> {
    (1..).zip(items(&status["devices"], MAX_DEVICES))
}

fn text_of(value: &Value) -> String {
    word(value).unwrap_or_default()
}

fn rates(answer: &Value) -> Vec<String> {
    let mut rows: Vec<_> = items(&answer["devices"], MAX_DEVICES).iter().map(status::row).collect();
    if rows.len() > 1 {
        rows.push(status::rig(answer, &rows));
    }
    let mut lines: Vec<String> = table_of(&rows).lines().map(str::to_owned).collect();
    lines.push(status::rates(&answer["totals"]));
    lines
}

fn one_device(number: usize, device: &Value) -> Vec<String> {
    let key = if number <= 9 { format!("[{number}]") } else { "   ".into() };
    let mut first = format!(
        "{key} {:<6} {:<8} {}",
        text_of(&device["id"]),
        text_of(&device["state"]),
        text_of(&device["name"])
    );
    if let Some(threads) = device["threads"].as_u64().filter(|threads| *threads > 1) {
        first.push_str(&format!(", {threads} threads"));
    }
    first.push_str(&format!(", {}", hashrate(device["hashrate_hs"]["60s"].as_f64())));
    let mut lines = vec![first];
    let heat = readings(device);
    if !heat.is_empty() {
        lines.push(format!("           {heat}"));
    }
    lines.extend(
        items(&device["caps"], MAX_CAPS).iter().map(|cap| format!("           {}", status::cap(device, cap))),
    );
    let troubles =
        ["losses", "hung", "restarts", "benched"].map(|name| (name, device[name].as_u64().unwrap_or(0)));
    let told: Vec<_> = troubles
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{number} {name}"))
        .collect();
    if !told.is_empty() {
        lines.push(format!("           {}", told.join(", ")));
    }
    lines
}

/// Temperatures, power, fans and clocks that are known.
fn readings(device: &Value) -> String {
    let mut known = Vec::new();
    let map = |name: &str| device[name].as_object().into_iter().flatten().take(MAX_CAPS);
    for (place, value) in map("temp_c") {
        known.extend(value.as_f64().map(|c| format!("{} {c:.0} C", rminer_stratum::text::clean(place))));
    }
    known.extend(device["power_w"].as_f64().map(|power_w| format!("{power_w:.0} W")));
    known.extend(
        items(&device["fan_pct"], MAX_CAPS)
            .iter()
            .filter_map(Value::as_f64)
            .map(|pct| format!("fan {pct:.0} %")),
    );
    for (domain, value) in map("clock_hz") {
        let domain = rminer_stratum::text::clean(domain);
        known.extend(value.as_f64().map(|hz| format!("{domain} {:.0} MHz", hz / 1e6)));
    }
    let throttled: Vec<_> = items(&device["throttled"], MAX_CAPS).iter().filter_map(word).collect();
    if !throttled.is_empty() {
        known.push(format!("slowed down by the hardware: {}", throttled.join(", ")));
    }
    known.join("   ")
}

fn threads(answer: &Value) -> Vec<String> {
    let threads = items(&answer["threads"], MAX_TOLD_THREADS);
    if threads.is_empty() {
        return vec!["no thread is known".into()];
    }
    let line = |thread: &Value| {
        let number = thread["thread"].as_u64().map_or_else(String::new, |number| number.to_string());
        let pinned = thread["pinned_to"].as_u64();
        let pinned = pinned.map_or_else(|| "not pinned".to_owned(), |pu| format!("on processor {pu}"));
        let rates = &thread["hashrate_hs"];
        let (s10, s60) = (hashrate(rates["10s"].as_f64()), hashrate(rates["60s"].as_f64()));
        format!(
            "{:<6} thread {number:>3}  {s10:>11} 10 s  {s60:>11} 60 s  {pinned}",
            text_of(&thread["device"])
        )
    };
    threads.iter().map(line).collect()
}

fn shares(status: &Value, answer: &Value, offset_s: i64) -> Vec<String> {
    let mut lines = vec![status::shares(&status["shares"])];
    let all = items(&answer["shares"], usize::MAX);
    let newest = &all[all.len().saturating_sub(MAX_TOLD_SHARES)..];
    lines.extend(newest.iter().map(|share| one_share(share, &status["algo"], offset_s)));
    if newest.is_empty() {
        lines.push("no share has a verdict yet".into());
    }
    lines
}

/// `14:07:31 ok     cpu0  found 1.92M of 128.0k  42 ms`.
pub(super) fn one_share(share: &Value, algorithm: &Value, offset_s: i64) -> String {
    let family = algorithm.as_str().and_then(registry::find).map(|known| known.family);
    let difficulty = |value: &Value| {
        let hashes = value.as_f64()?;
        Some(count(family.map_or(hashes, |family| family.pool_difficulty(hashes))))
    };
    let mut text = format!(
        "{} {:<6} {:<6}",
        clock_time(&share["time"], offset_s),
        verdict(share),
        text_of(&share["device"])
    );
    if let (Some(hash), Some(wanted)) =
        (difficulty(&share["hash_difficulty_hashes"]), difficulty(&share["difficulty_hashes"]))
    {
        text.push_str(&format!("  found {hash} of {wanted}"));
    }
    if let Some(answer_ms) = share["answer_ms"].as_f64() {
        text.push_str(&format!("  {answer_ms:.0} ms"));
    }
    let why = ["stale_cause", "reason", "text"].map(|name| word(&share[name]));
    let why = why.into_iter().flatten().next().filter(|_| share["verdict"] != "accepted");
    why.into_iter().for_each(|why| text.push_str(&format!("  {why}")));
    text
}

/// What became of a share, in a word that needs no colour.
pub(super) fn verdict(share: &Value) -> String {
    match share["verdict"].as_str() {
        Some("accepted") if share["block"] == true => "BLOCK".into(),
        Some("accepted") => "ok".into(),
        Some("stale") => "STALE".into(),
        Some("rejected") => "BAD".into(),
        Some(other) => rminer_stratum::text::clean(other),
        None => "?".into(),
    }
}

fn pools(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for pool in items(&answer["pools"], MAX_TOLD_POOLS) {
        let active = if pool["active"] == true { "  (mined for)" } else { "" };
        lines.push(status::pool(pool) + active);
        let numbers = ["accepted", "stale", "rejected"].map(|name| (name, pool[name].as_u64().unwrap_or(0)));
        let mut told: Vec<String> = numbers.iter().map(|(name, number)| format!("{number} {name}")).collect();
        let causes = pool["downs"].as_object().into_iter().flatten().take(MAX_TOLD_CAUSES);
        told.extend(causes.filter_map(|(cause, times)| {
            Some(format!("down {} times: {}", times.as_u64()?, rminer_stratum::text::clean(cause)))
        }));
        lines.push(format!("        {}", told.join("   ")));
    }
    if lines.is_empty() {
        lines.push("no pool is known".into());
    }
    lines
}

fn why(answer: &Value, offset_s: i64) -> Vec<String> {
    let time = |value: &Value| clock_time(value, offset_s).chars().take(5).collect::<String>();
    let mut lines = Vec::new();
    for finding in items(&answer["findings"], MAX_TOLD_FINDINGS) {
        let (from, to) = (time(&finding["from"]), time(&finding["to"]));
        let when = match finding["ongoing"] == true {
            true => format!("{from}-now  "),
            false if from == to => format!("{from}      "),
            false => format!("{from}-{to}"),
        };
        lines.push(format!("{when}  {:<22}  {}", text_of(&finding["what"]), text_of(&finding["cause"])));
        lines.extend(word(&finding["help"]).map(|help| format!("             help: {help}")));
    }
    if lines.is_empty() {
        lines.push("nothing has held the miner back in this time".into());
    }
    lines.extend(word(&answer["earnings"]["text"]).map(|text| format!("earnings     {text}")));
    lines
}

fn health(status: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let limits = items(&status["safety"]["limits"], MAX_DEVICES);
    for (_, device) in numbered(status) {
        let heat = readings(device);
        let heat = if heat.is_empty() { "no sensor is known".into() } else { heat };
        lines.push(format!("{:<6} {:<8} {heat}", text_of(&device["id"]), text_of(&device["state"])));
        for limit in limits.iter().filter(|limit| limit["device"] == device["id"]) {
            let c = |name: &str| limit[name].as_f64().map_or_else(|| "?".into(), |c| format!("{c:.0} C"));
            lines.push(format!(
                "                {} held at {}, pauses at {}, goes on below {}",
                text_of(&limit["place"]),
                c("set_c"),
                c("pause_c"),
                c("resume_c")
            ));
        }
        if let (Some(have), Some(need)) =
            (device["huge_pages"]["have"].as_u64(), device["huge_pages"]["need"].as_u64())
        {
            lines.push(format!("                huge pages {have} of {need} x 2 MiB"));
        }
        lines
            .extend(word(&device["msr"]).map(|preset| format!("                registers: preset {preset}")));
        lines.extend(
            items(&device["caps"], MAX_CAPS)
                .iter()
                .map(|cap| format!("                {}", status::cap(device, cap))),
        );
    }
    let safety = &status["safety"];
    if let Some(cap_w) = safety["power_cap_w"].as_f64() {
        lines.push(format!("rig    power cap {cap_w:.0} W"));
    }
    lines.extend(word(&safety["schedule"]).map(|hours| format!("rig    hours {hours}")));
    if safety["pause_on_battery"] == true {
        lines.push("rig    pauses on the battery".into());
    }
    if lines.is_empty() {
        lines.push("nothing is known".into());
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_read_as_sentences() {
        let answer = json!({"findings": [
            {"from": "2026-11-22T13:10:00Z", "to": "2026-11-22T13:42:00Z", "what": "cpu0 -31 %", "cause": "firefox used 3.6 cores"},
            {"from": "2026-11-22T14:07:00Z", "to": "2026-11-22T14:07:10Z", "what": "1 stale share", "cause": "new job", "help": "rminer pool test"},
            {"from": "2026-11-22T14:09:00Z", "ongoing": true, "what": "gpu0 paused", "cause": "86 C"}],
            "earnings": {"text": "-2.3 %, inside of chance"}});
        let lines = text(Topic::Why, &[answer], 3600);
        assert_eq!(
            lines,
            [
                "14:10-14:42  cpu0 -31 %              firefox used 3.6 cores",
                "15:07        1 stale share           new job",
                "             help: rminer pool test",
                "15:09-now    gpu0 paused             86 C",
                "earnings     -2.3 %, inside of chance",
            ]
        );
        assert_eq!(text(Topic::Why, &[], 0), ["nothing has held the miner back in this time"]);
    }

    #[test]
    fn shares_have_words_and_causes() {
        let share = json!({"time": "2026-11-22T14:07:31.5Z", "device": "cpu0", "verdict": "stale", "difficulty_hashes": 4_294_967_296.0,
            "hash_difficulty_hashes": 42_949_672_960.0_f64, "answer_ms": 38.2, "stale_cause": "replaced", "reason": "stale"});
        assert_eq!(
            one_share(&share, &json!("sha256d"), 0),
            "14:07:31 STALE  cpu0    found 10.00 of 1.00  38 ms  replaced"
        );
        let block = json!({"verdict": "accepted", "block": true, "reason": "x"});
        assert_eq!(one_share(&block, &Value::Null, 0), "--:--:-- BLOCK        ");
        assert_eq!(verdict(&json!({"verdict": "\u{1b}[2J"})).find('\u{1b}'), None);
        let many: Vec<_> = (0..50).map(|_| share.clone()).collect();
        assert_eq!(
            text(Topic::Shares, &[Value::Null, json!({"shares": many})], 0).len(),
            1 + MAX_TOLD_SHARES
        );
    }

    #[test]
    fn every_topic_stands_nothing_at_all() {
        for topic in Topic::ALL {
            for odd in [
                json!(null),
                json!([1, 2]),
                json!({"devices": 3, "shares": {}, "pools": "x", "threads": [[], 1]}),
            ] {
                let lines = text(topic, &[odd.clone(), odd], 0);
                assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{topic:?} {lines:?}");
            }
            assert!(!topic.title().is_empty());
        }
    }

    #[test]
    fn devices_have_their_number_and_their_troubles() {
        let status = json!({"devices": [{"id": "gpu0", "name": "RTX", "state": "paused", "threads": 1, "losses": 2,
            "temp_c": {"memory": 96.2}, "fan_pct": [80.0], "clock_hz": {"core": 1.8e9}, "throttled": ["thermal"],
            "caps": [{"reason": "heat", "duty_pct": 0.0, "detail": "memory 96 C"}]}],
            "safety": {"limits": [{"device": "gpu0", "place": "memory", "set_c": 94.0, "pause_c": 100.0, "resume_c": 90.0}]}});
        let lines = text(Topic::Devices, std::slice::from_ref(&status), 0);
        assert!(lines[0].starts_with("[1] gpu0   paused   RTX"), "{lines:?}");
        assert!(
            lines[1]
                .contains("memory 96 C   fan 80 %   core 1800 MHz   slowed down by the hardware: thermal"),
            "{lines:?}"
        );
        assert!(lines[2].contains("paused: heat, memory 96 C") && lines[3].contains("2 losses"), "{lines:?}");
        let lines = text(Topic::Health, &[status], 0);
        assert!(lines[1].contains("memory held at 94 C, pauses at 100 C, goes on below 90 C"), "{lines:?}");
    }
}
