use serde_json::Value;

use super::format::Form;
use super::*;
use crate::api::v1::{Pool, Status};

/// The most that the page may send in all, in bytes.
const MAX_TRANSFER_BYTES: usize = 100_000;
/// The most that its own script may have.
const MAX_SCRIPT_BYTES: usize = 15_000;
/// Devices of a rig that is large for this.
const MANY_DEVICES: u32 = 6;

fn hash(content: &str) -> String {
    rminer_algos::encode_hex(ring::digest::digest(&ring::digest::SHA256, content.as_bytes()).as_ref())
}

#[test]
fn the_chart_is_drawn_by_what_was_published() {
    let assets = Assets::new();
    let readme = include_str!("../../../page/uplot/README.md");
    for (name, asset) in [("uPlot.iife.min.js", &assets.chart_script), ("uPlot.min.css", &assets.chart_style)]
    {
        let row = format!("| `{name}` | `{}` |", hash(asset.content));
        assert!(readme.contains(&row), "{row}");
    }
    assert!(assets.chart_script.content.contains("(v1.6.32)"));
}

#[test]
fn the_script_knows_every_form_of_a_number() {
    let script = Assets::new().script.content;
    let forms = [
        Form::Text,
        Form::Rate,
        Form::Count,
        Form::Celsius,
        Form::Watts,
        Form::Percent,
        Form::Chance,
        Form::Joules,
        Form::Millis,
        Form::Big,
        Form::Length,
        Form::Ago,
        Form::Fans,
        Form::Heat,
    ];
    for form in forms {
        let name = form.name();
        let known =
            script.contains(&format!(" {name}: (v)")) || (name == "length" && script.contains(" length,\n"));
        assert!(known, "{name}");
    }
}

fn rig(devices: u32, name: &str) -> (Status, Vec<Pool>) {
    crate::api::v1::samples(devices, name)
}

fn shown(status: &Status, pools: &[Pool]) -> String {
    let values = || (0..24).map(|hour| Some(f64::from(hour) * 1e6)).collect::<Vec<_>>();
    let hours = Chart {
        from_s: 1_795_356_131,
        step_s: 3600.0,
        raw_hs: values(),
        effective_hs: values(),
        temp_c: vec![None; 24],
    };
    let seen = html::Seen { status, pools, hours: &hours, now_s: 1.795_356e9, takes_orders: true };
    html::page(&Assets::new(), &seen)
}

#[test]
fn the_first_paint_has_all_numbers() {
    let (status, pools) = rig(2, "a processor");
    let page = shown(&status, &pools);
    let value = serde_json::to_value(&status).unwrap();
    let mut count = 0;
    for piece in page.split("data-v=\"").skip(1) {
        let (attribute, rest) = piece.split_once("\">").unwrap();
        let (path, form) = attribute.split_once('|').unwrap();
        let text = rest.split('<').next().unwrap();
        assert!(!text.is_empty() && !form.is_empty(), "{attribute}");
        let found = path.split('.').try_fold(&value, |value: &Value, step| match step.parse::<usize>() {
            Ok(index) if value.is_array() => value.get(index),
            _ => value.get(step),
        });
        // What has no value is told apart from what has no such name, but for what is below an unknown.
        let below_unknown = path.starts_with("totals.hottest.") || path.starts_with("pool.");
        assert!(found.is_some() || below_unknown, "{path} is not in the status");
        count += 1;
    }
    assert!(count > 40, "{count}");
    for text in [
        "Mining",
        "100 H/s",
        "88.0 W",
        "64 °C",
        "a processor",
        "stratum+tcp://a.example:1",
        "Switch to pool 2",
        "14:02",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""));
    assert_eq!(page.matches("aria-live").count(), 1, "the state line alone");
    assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("<script>"), "{page}");
}

#[test]
fn nothing_that_others_wrote_is_markup() {
    let evil = "<img src=x onerror=alert(1)>\"'&\u{202e}\u{1b}[2J";
    let (mut status, mut pools) = rig(1, evil);
    status.name = evil.into();
    status.headline.detail = evil.into();
    status.devices[0].id = evil.into();
    pools[1].url = evil.into();
    let pool = status.pool.as_mut().unwrap();
    pool.url = evil.into();
    pool.user = Some(evil.into());
    pool.tls = Some(evil.into());
    let page = shown(&status, &pools);
    assert!(page.matches("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;").count() >= 7, "{page}");
    assert!(!page.contains("<img") && !page.contains("onerror=alert(1)>"), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{1b}']), "{page}");
}

#[test]
fn all_together_is_small() {
    let assets = Assets::new();
    let script = assets.script.content.len();
    assert!(script < MAX_SCRIPT_BYTES, "{script}");
    let (status, pools) = rig(MANY_DEVICES, "NVIDIA GeForce RTX 4090 Laptop GPU");
    let files: usize = assets.all().iter().map(|asset| asset.content.len()).sum();
    let page = shown(&status, &pools).len();
    // What is asked once the page is there: the first state of the stream, and the chart at its fullest.
    let state = serde_json::to_vec(&status).unwrap().len();
    let values = || vec![Some(1_234_000_000.0); 144];
    let chart = Chart {
        from_s: 1_795_356_131,
        step_s: 600.0,
        raw_hs: values(),
        effective_hs: values(),
        temp_c: vec![Some(64.13); 144],
    };
    let chart = serde_json::to_vec(&chart).unwrap().len();
    let all = files + page + state + chart;
    assert!(all < MAX_TRANSFER_BYTES, "{files} + {page} + {state} + {chart} = {all}");
}

#[test]
fn strangers_see_a_form_and_nothing_else() {
    let page = html::stranger(&Assets::new());
    for secret in ["data-v", env!("CARGO_PKG_VERSION"), "refresh", "/api/"] {
        assert!(!page.contains(secret), "{secret}: {page}");
    }
    assert!(page.contains("rminer ctl pair") && page.contains("<form"));
}

#[test]
fn a_page_without_a_pool_or_orders_is_whole() {
    let (mut status, pools) = rig(0, "");
    status.pool = None;
    let hours =
        Chart { from_s: 0, step_s: 3600.0, raw_hs: Vec::new(), effective_hs: Vec::new(), temp_c: Vec::new() };
    let seen =
        html::Seen { status: &status, pools: &pools[..1], hours: &hours, now_s: 0.0, takes_orders: false };
    let page = html::page(&Assets::new(), &seen);
    assert!(page.contains("No pool is up") && !page.contains("data-post"), "{page}");
    for tag in ["section", "div", "dl", "p", "table", "small", "ol", "span", "noscript"] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = page.matches(&format!("{open} ")).count() + page.matches(&format!("{open}>")).count();
        assert_eq!(opened, page.matches(&close).count(), "{tag}");
    }
}
