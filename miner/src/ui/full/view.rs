//! What is drawn, as text: made from the interface's answers, whatever they are. Another version of rminer may leave
//! fields out or have more.

use rminer_stratum::text::clean;
use serde_json::Value;

use super::data::{Data, Lost};
use crate::clock::time_of_day;
use crate::ui::DeviceRow;
use crate::ui::keys::{Topic, short_list};
use crate::ui::status::{self, MAX_CAPS, MAX_DEVICES, items, word};
use crate::ui::topics::{clock_time, one_share, verdict};
use crate::ui::units::{count, duration, efficiency, hashrate};

/// How long the answer to an order is shown, in seconds.
const FEEDBACK_S: f64 = 10.0;
/// Points of the chart: an hour of ten seconds each.
const MAX_POINTS: usize = 400;
/// Lines of the log that are made for one picture.
const MAX_LOG_LINES: usize = 200;

/// How something is meant; a word says the same, since not everybody sees colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
}

/// A line of text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl Line {
    fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

/// One row of the table of devices.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The key that pauses it and lets it go on; none for the sum.
    pub(super) number: Option<usize>,
    pub(super) tone: Tone,
    pub(super) state: String,
    pub(super) cells: DeviceRow,
    pub(super) efficiency: String,
}

/// Something over all else.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Popup {
    pub(super) title: &'static str,
    pub(super) lines: Vec<String>,
    /// Lines that are above its window.
    pub(super) scroll: usize,
}

/// What the view depends on beside the answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Around<'a> {
    /// Seconds since 1970.
    pub(super) now_s: f64,
    /// What the time zone adds to UTC.
    pub(super) offset_s: i64,
    /// Where the miner is, if it is another process.
    pub(super) address: Option<&'a str>,
    /// What was told before the screen was there, and what others wrote to the error output meanwhile.
    pub(super) before: &'a [String],
    pub(super) errors: &'a [String],
    /// What is open to read, and how far it is scrolled.
    pub(super) open: Option<(Topic, usize)>,
    /// What was just asked for.
    pub(super) asked: Option<&'a str>,
}

/// Everything that is drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct View {
    pub(super) title: String,
    pub(super) state: Line,
    pub(super) numbers: String,
    pub(super) rows: Vec<Row>,
    /// Hashes per second, oldest first.
    pub(super) chart: Vec<Option<f64>>,
    /// What the chart shows.
    pub(super) chart_title: String,
    /// Newest first.
    pub(super) shares: Vec<Line>,
    pub(super) pools: Vec<Line>,
    /// Oldest first.
    pub(super) log: Vec<Line>,
    pub(super) footer: Line,
    pub(super) popup: Option<Popup>,
}

impl View {
    /// As things are.
    pub(super) fn new(data: &Data, around: &Around<'_>) -> Self {
        let status = &data.status;
        let (chart, chart_title) = chart(&data.history);
        Self {
            title: title(status, around),
            state: state(data, around),
            numbers: numbers(status),
            rows: rows(status),
            chart,
            chart_title,
            shares: shares(data, around),
            pools: pools(data),
            log: log(data, around),
            footer: footer(data, around),
            popup: popup(data, around),
        }
    }
}

fn title(status: &Value, around: &Around<'_>) -> String {
    let mut text = format!("rminer {}", word(&status["version"]).unwrap_or_default());
    text.extend(word(&status["name"]).map(|name| format!("  {name}")));
    text.extend(around.address.map(|address| format!("  at {}", clean(address))));
    text.extend(word(&status["algo"]).map(|algorithm| format!("  {algorithm}")));
    text.extend(status::seconds(&status["uptime_s"]).map(|uptime| format!("  up {}", duration(uptime))));
    text
}

/// How long ago something was that has a time, in words.
fn ago(since_s: f64, now_s: f64) -> String {
    let passed = std::time::Duration::try_from_secs_f64(now_s - since_s).unwrap_or_default();
    duration(std::time::Duration::from_secs(passed.as_secs()))
}

/// Is it mining? In words, and what to do if it is not.
fn state(data: &Data, around: &Around<'_>) -> Line {
    if let Some(Lost { since_s, why }) = &data.lost {
        let time = ago(*since_s, around.now_s);
        return Line::new(Tone::Bad, format!("NO CONNECTION for {time}: {}; asking again", clean(why)));
    }
    let (status, headline) = (&data.status, &data.status["headline"]);
    let Some(mut text) = word(&headline["text"]) else {
        // Another version of rminer has no headline.
        let state = word(&status["state"]).map(|state| state.to_uppercase());
        return Line::new(
            Tone::Plain,
            state.unwrap_or_else(|| "waiting for the miner's first answer".into()),
        );
    };
    let cause = if status["state"] == "waiting" { down_cause(data) } else { None };
    if let Some(detail) = cause.or_else(|| word(&headline["detail"])).filter(|detail| !detail.is_empty()) {
        text.push_str(": ");
        text.push_str(detail.trim_end_matches('.'));
    }
    if headline["order"] == "resume" {
        text.push_str("; r resumes");
    }
    let tone = match headline["level"].as_str() {
        Some("well") => Tone::Good,
        Some("care") => Tone::Warn,
        Some("bad") => Tone::Bad,
        _ => Tone::Plain,
    };
    Line::new(tone, text)
}

/// Why the pool that was lost last is gone.
fn down_cause(data: &Data) -> Option<String> {
    if items(&data.pools["pools"], MAX_DEVICES).iter().any(|pool| pool["state"] == "up") {
        return None;
    }
    let is_down = |event: &&Value| event["data"]["code"] == "pool-down" || event["data"]["state"] == "down";
    data.events.iter().rev().find(is_down).and_then(|event| word(&event["data"]["text"]))
}

/// The numbers in the order in which they are missed: rate, heat, what pools credit, shares, power, the benchmark.
fn numbers(status: &Value) -> String {
    let totals = &status["totals"];
    let rate_hs = totals["hashrate_hs"]["60s"].as_f64();
    let mut parts = vec![hashrate(rate_hs)];
    let devices = items(&status["devices"], MAX_DEVICES);
    let hottest_c = devices.iter().filter_map(|device| status::row(device).temp_c).reduce(f64::max);
    if let Some(hottest_c) = hottest_c {
        let limit = status["safety"]["temp_limit_c"].as_f64().map(|c| format!(" of {c:.0}"));
        parts.push(format!("hottest {hottest_c:.0}{} C", limit.unwrap_or_default()));
    }
    if let Some(effective_hs) = totals["effective_hs"].as_f64() {
        let chance = totals["effective_ci95_pct"].as_f64().map(|pct| format!(" +-{pct:.0} %"));
        parts.push(format!("pool credits {}{}", hashrate(Some(effective_hs)), chance.unwrap_or_default()));
    }
    let shares = &status["shares"];
    let number = |name: &str| shares[name].as_u64().unwrap_or(0);
    let rejected =
        shares["rejected"].as_object().into_iter().flatten().filter_map(|(_, value)| value.as_u64());
    let rejected = rejected.fold(0, u64::saturating_add);
    let bad = number("stale").saturating_add(rejected).saturating_add(number("lost"));
    let bad = if bad > 0 { format!(" and {bad} stale, bad or lost") } else { String::new() };
    parts.push(format!("{} shares{bad}", number("accepted")));
    if let Some(power_w) = totals["power_w"].as_f64() {
        let joules = rate_hs.and_then(|rate_hs| efficiency(power_w, rate_hs)).map(|text| format!(" {text}"));
        parts.push(format!("{power_w:.0} W{}", joules.unwrap_or_default()));
    }
    let of_bench = rate_hs.zip(totals["expected_hs"].as_f64().filter(|expected_hs| *expected_hs > 0.0));
    parts.extend(
        of_bench.map(|(rate_hs, expected_hs)| format!("{:.0} % of bench", 100.0 * rate_hs / expected_hs)),
    );
    parts.join("   ")
}

fn rows(status: &Value) -> Vec<Row> {
    let devices = items(&status["devices"], MAX_DEVICES);
    let cells: Vec<DeviceRow> = devices.iter().map(status::row).collect();
    let sum = (cells.len() > 1).then(|| Row {
        number: None,
        tone: Tone::Plain,
        state: String::new(),
        efficiency: joules(&status::rig(status, &cells)),
        cells: status::rig(status, &cells),
    });
    let rows = (1..).zip(devices).zip(cells).map(|((number, device), cells)| {
        let duty_pct = device["duty_pct"].as_f64().filter(|duty_pct| *duty_pct < 100.0);
        let word = word(&device["state"]).unwrap_or_else(|| "?".into());
        let (tone, state) = match (word.as_str(), duty_pct) {
            ("mining", Some(duty_pct)) => (Tone::Warn, format!("at {duty_pct:.0} %")),
            ("mining", None) => (Tone::Good, word),
            ("starting" | "idle", _) => (Tone::Plain, word),
            ("paused", _) => (Tone::Warn, word),
            _ => (Tone::Bad, word),
        };
        let number = Some(number).filter(|number| *number <= 9);
        Row { number, tone, state, efficiency: joules(&cells), cells }
    });
    rows.chain(sum).collect()
}

fn joules(row: &DeviceRow) -> String {
    let known = row.power_w.zip(row.s60_hs).and_then(|(power_w, rate_hs)| efficiency(power_w, rate_hs));
    known.unwrap_or_else(|| "-".into())
}

/// The rates of the last hour, or of as much of it as there is, and what they are.
fn chart(history: &Value) -> (Vec<Option<f64>>, String) {
    let points = history["points"].as_array().map_or(&[][..], Vec::as_slice);
    let newest = &points[points.len().saturating_sub(MAX_POINTS)..];
    let known = |value: f64| (value.is_finite() && value >= 0.0).then_some(value);
    let rates: Vec<_> = newest.iter().map(|point| point["value"].as_f64().and_then(known)).collect();
    let first = rates.iter().position(Option::is_some).unwrap_or(0);
    // A whole hour for a minute would show nothing.
    let Some(tenths) = (1..10).find(|tenths| first >= rates.len() - rates.len() * tenths / 10) else {
        return (rates, "hashed in the last hour".into());
    };
    let shown = rates[rates.len() - rates.len() * tenths / 10..].to_vec();
    (shown, format!("hashed in the last {} minutes", 6 * tenths))
}

fn shares(data: &Data, around: &Around<'_>) -> Vec<Line> {
    let line = |share: &Value| {
        let tone = match verdict(share).as_str() {
            "ok" | "BLOCK" => Tone::Good,
            "STALE" => Tone::Warn,
            "BAD" => Tone::Bad,
            _ => Tone::Plain,
        };
        Line::new(tone, one_share(share, &data.status["algo"], around.offset_s))
    };
    data.shares.iter().rev().map(line).collect()
}

fn pools(data: &Data) -> Vec<Line> {
    let mut pools: Vec<&Value> = items(&data.pools["pools"], MAX_DEVICES).iter().collect();
    let active = &data.status["pool"];
    // The state is newer than the list.
    if active.is_object() {
        pools.retain(|pool| pool["index"] != active["index"]);
        pools.insert(0, active);
    }
    let line = |pool: &Value| {
        let state = word(&pool["state"]).unwrap_or_default();
        let is_active = pool["active"] == true;
        let (tone, role) = match (state.as_str(), is_active) {
            ("up", true) => (Tone::Good, "mined for"),
            ("up", false) => (Tone::Plain, "up, waits"),
            _ => (Tone::Bad, "down"),
        };
        let index = pool["index"].as_u64().map_or_else(|| "?".into(), |index| index.to_string());
        let mut text = format!("pool {index} {role:<9}  {}", word(&pool["url"]).unwrap_or_default());
        let ms = |value: &Value| value.as_f64().map(|ms| format!("{ms:.0} ms"));
        let facts = [
            word(&pool["tls"]).map(|tls| format!("TLS {}", tls.trim_start_matches("TLS "))),
            ms(&pool["ping_ms"]).map(|ms| format!("ping {ms}")),
            ms(&pool["answer_ms"]["p50"]).map(|ms| format!("answers {ms}")),
            pool["difficulty"].as_f64().map(|difficulty| format!("difficulty {}", count(difficulty))),
            pool["height"].as_u64().map(|height| format!("height {height}")),
        ];
        facts.into_iter().flatten().for_each(|fact| text.push_str(&format!("  {fact}")));
        Line::new(tone, text)
    };
    let lines: Vec<Line> = pools.into_iter().map(line).collect();
    if lines.is_empty() { vec![Line::new(Tone::Plain, "no pool yet")] } else { lines }
}

fn log(data: &Data, around: &Around<'_>) -> Vec<Line> {
    let before = around.before.iter().map(|text| Line::new(Tone::Plain, clean(text)));
    let mut lines: Vec<Line> = before.collect();
    for event in &data.events {
        let Some((tone, said)) = told(&event["data"], event["kind"].as_str().unwrap_or_default()) else {
            continue;
        };
        let mut said = said.into_iter();
        let first = said.next().unwrap_or_default();
        lines.push(Line::new(tone, format!("{} {first}", clock_time(&event["time"], around.offset_s))));
        lines.extend(said.map(|more| Line::new(Tone::Plain, format!("         {more}"))));
    }
    lines.extend(around.errors.iter().map(|text| Line::new(Tone::Warn, clean(text))));
    lines.drain(..lines.len().saturating_sub(MAX_LOG_LINES));
    lines
}

/// An event in words; `None` for what other panels show, or another event says better.
fn told(data: &Value, kind: &str) -> Option<(Tone, Vec<String>)> {
    let text = |name: &str| word(&data[name]).unwrap_or_default();
    let number = |name: &str| data[name].as_u64().map_or_else(|| "?".into(), |number| number.to_string());
    let plain = |text: String| Some((Tone::Plain, vec![text]));
    if kind == "alert" {
        let tone = if data["code"] == "pool-down" { Tone::Bad } else { Tone::Warn };
        let mut lines = vec![format!("warning[{}]: {}", text("code"), text("text"))];
        lines.extend(items(&data["facts"], MAX_CAPS).iter().filter_map(word));
        lines.extend(
            items(&data["help"], MAX_CAPS).iter().filter_map(word).map(|help| format!("help: {help}")),
        );
        return Some((tone, lines));
    }
    match data["event"].as_str()? {
        "pool" => match data["state"].as_str()? {
            "logged-in" => plain(format!("pool {}   login ok at {}", number("pool"), text("url"))),
            "active" => plain(format!("pool {}   mining for {}", number("pool"), text("url"))),
            "waiting" => {
                plain(format!("pool {}   has nothing to mine yet: {}", number("pool"), text("text")))
            }
            "notice" => plain(format!("pool {}   {}", number("pool"), text("text"))),
            "path" => plain(format!("pool {}   connected {}", number("pool"), text("text"))),
            _ => None,
        },
        "dataset-ready" => {
            let seconds =
                data["init_ms"].as_f64().map_or_else(|| "?".into(), |ms| format!("{:.1}", ms / 1000.0));
            let pages = format!("huge pages {} of {}", number("hugepages_have"), number("hugepages_want"));
            plain(format!("{}   {} memory ready in {seconds} s, {pages}", text("device"), text("mode")))
        }
        "no-job" => Some((Tone::Warn, vec!["pause    no pool has work; not hashing".into()])),
        "cap" => {
            let pct = |name: &str| {
                data[name].as_f64().map_or_else(|| "?".into(), |ratio| format!("{:.0} %", 100.0 * ratio))
            };
            let why = match word(&data["reason"]) {
                Some(reason) => format!("{reason}, {}", text("detail")),
                None => "nothing holds it back any more".into(),
            };
            let line = format!("limit    {} {} -> {}: {why}", text("device"), pct("from"), pct("to"));
            Some((Tone::Warn, vec![line]))
        }
        "order" => plain(format!("order    {}: {}", text("order"), text("text"))),
        _ => None,
    }
}

fn footer(data: &Data, around: &Around<'_>) -> Line {
    if let Some(asked) = around.asked {
        return Line::new(Tone::Plain, asked);
    }
    let fresh = data.feedback.as_ref().filter(|(_, at_s)| (around.now_s - at_s).abs() < FEEDBACK_S);
    match fresh {
        Some((said, at_s)) => {
            Line::new(Tone::Warn, format!("{} {}", time_of_day(*at_s, around.offset_s), clean(said)))
        }
        None => Line::new(Tone::Plain, short_list()),
    }
}

fn popup(data: &Data, around: &Around<'_>) -> Option<Popup> {
    let (topic, scroll) = around.open?;
    let lines = match &data.told {
        Some((told, lines)) if *told == topic => lines.iter().map(|line| clean(line)).collect(),
        _ => vec!["asking ...".to_owned()],
    };
    Some(Popup { title: topic.title(), lines, scroll })
}
