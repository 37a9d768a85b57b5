//! What the miner did or saw itself: pauses, limits, lost devices, missing pools, refused shares. Each is a finding as it
//! stands.

use std::time::Duration;

use super::usual::mean;
use super::{Finding, change, pools, several};
use crate::records::StaleCause;
use crate::records::trace::{Mark, MarkKind, Trace};
use crate::safety::Reason;
use crate::ui::duration;

/// Shares of one cause that are no further apart are told together.
const TOGETHER: Duration = Duration::from_secs(600);
/// What begins on several devices within this began on all of them at once.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A device that is held back by less than this, in percent, or for less than this, is not worth a word.
const LEAST_EFFECT_PCT: f64 = 1.0;
const SHORTEST_HOLD: Duration = Duration::from_secs(5);

/// Of all marks.
pub(super) fn findings(trace: &Trace) -> Vec<Finding> {
    let mut marks: Vec<(Mark, usize)> = Vec::new();
    for mark in trace.marks() {
        let Some((known, devices)) = marks.iter_mut().find(|(known, _)| is_one(known, mark)) else {
            marks.push((mark.clone(), 1));
            continue;
        };
        if mark.device == known.device {
            (known.to, known.count) = (mark.to, known.count.saturating_add(mark.count));
            known.amount += mark.amount;
            known.detail.clone_from(&mark.detail);
        } else {
            // An end that is not there yet is the later one.
            known.to = known.to.zip(mark.to).map(|(a, b)| if a.at > b.at { a } else { b });
            *devices += 1;
        }
    }
    marks.iter().filter_map(|(mark, devices)| finding(trace, mark, *devices)).collect()
}

/// Whether two marks are told as one: shares of one cause, or the same of several devices.
fn is_one(known: &Mark, mark: &Mark) -> bool {
    if known.kind != mark.kind {
        return false;
    }
    match mark.kind {
        MarkKind::Stale(_) | MarkKind::Rejected(_) => {
            let end = known.to.unwrap_or(known.from).at;
            known.device == mark.device && mark.from.at.saturating_sub(end) <= TOGETHER
        }
        MarkKind::Paused(Reason::User | Reason::Battery | Reason::Schedule)
        | MarkKind::HeldBack(Reason::Limit | Reason::PowerCap) => {
            let apart = known.from.at.abs_diff(mark.from.at);
            known.device != mark.device && apart <= AT_ONCE && known.detail == mark.detail
        }
        _ => false,
    }
}

fn finding(trace: &Trace, mark: &Mark, devices: usize) -> Option<Finding> {
    let whose = match &mark.device {
        Some(device) if devices == 1 => device.to_string(),
        Some(_) => format!("{devices} devices"),
        None => "rig".to_owned(),
    };
    let length = mark.length(trace.now.at);
    let detail = mark.detail.as_str();
    let again = |cause: &str| {
        if mark.count > 1 { format!("{cause}; {} times", mark.count) } else { cause.to_owned() }
    };
    let (to, ongoing) = mark.to.map_or((trace.now, true), |to| (to, false));
    let told = |code, what: String, effect_pct, cause: String, help| {
        let device = mark.device.as_ref().filter(|_| devices == 1).map(|device| device.to_string());
        Some(Finding { code, device, from: mark.from, to, ongoing, what, effect_pct, cause, help })
    };
    match mark.kind {
        MarkKind::Paused(reason) => {
            let cause = again(&because(reason, detail));
            told("paused", format!("{whose} paused"), Some(-100.0), cause, pause_help(reason))
        }
        MarkKind::HeldBack(reason) => {
            // Of several devices the first one stands for all.
            let effect_pct = -100.0 * (mark.amount / length.as_secs_f64().max(0.001)).clamp(0.0, 1.0);
            if effect_pct > -LEAST_EFFECT_PCT || length < SHORTEST_HOLD {
                return None;
            }
            let what = format!("{whose} {}", change(effect_pct));
            told("held-back", what, Some(effect_pct), again(&because(reason, detail)), pause_help(reason))
        }
        MarkKind::DeviceLost => {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of workers")]
            let lost = mark.amount.max(1.0) as u32;
            let all = workers(trace, mark).unwrap_or(lost).max(lost);
            let what = match all {
                all if all > lost => format!("{whose}: {lost} of {all} workers lost"),
                _ => format!("{whose} lost"),
            };
            let effect_pct = -100.0 * f64::from(lost) / f64::from(all);
            let help = "rminer devices says what it is now; lower its clock if it is lost again";
            told("device-lost", what, Some(effect_pct), again(detail), Some(help))
        }
        MarkKind::NoPool => {
            let cause = if detail.is_empty() { "no job came, and no pool said why" } else { detail };
            told("no-pool", "no pool".into(), Some(-100.0), again(cause), Some("rminer pool test"))
        }
        MarkKind::HistoryStopped => {
            let help = "make room in that folder; what was missed is in memory until rminer ends";
            told("history-stopped", "history not written".into(), None, detail.into(), Some(help))
        }
        MarkKind::Stale(cause) => {
            told("stale", several(mark.count, "stale share"), None, stale(trace, mark, cause), None)
        }
        MarkKind::Rejected(pool) => {
            let what = format!("{whose}: {}", several(mark.count, "rejected share"));
            let cause = format!("pool {} says {detail}", pool + 1);
            told("rejected", what, None, cause, Some("rminer explain share-rejected"))
        }
        MarkKind::ClockJump => {
            let jump =
                duration(Duration::try_from_secs_f64(mark.amount.abs().round()).unwrap_or(Duration::MAX));
            let (way, also) =
                if mark.amount < 0.0 { ("back", "") } else { ("forward", ", or the machine slept") };
            let cause =
                format!("the machine's clock was set {way} by {jump}{also}; mining does not depend on it");
            told("clock-jump", format!("clock {way} {jump}"), None, cause, None)
        }
        MarkKind::Dataset => told("job-change", format!("{whose} waited"), None, again(detail), None),
        MarkKind::HugePages => {
            let effect_pct = in_small_pages(trace, mark);
            let what = match effect_pct {
                Some(effect_pct) => format!("{whose} {}", change(effect_pct)),
                None => format!("{whose} in small pages"),
            };
            told("huge-pages-lost", what, effect_pct, detail.into(), Some("sudo rminer setup hugepages"))
        }
    }
}

/// The reason by its name, as interfaces know it, and its facts.
fn because(reason: Reason, detail: &str) -> String {
    format!("{}: {detail}", reason.name())
}

fn pause_help(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Heat => Some("look after fans, dust and the air around it; --temp-limit sets the limit"),
        Reason::SensorLost => Some("rminer devices -v says which sensors there are"),
        Reason::User => Some("rminer ctl resume"),
        Reason::Limit => Some("rminer ctl limit 100"),
        Reason::PowerCap => Some("--power-cap sets the cap"),
        Reason::Battery => Some("--pause-on never mines on the battery as well"),
        Reason::Schedule => Some("--schedule sets the hours"),
        Reason::RampUp => None,
    }
}

/// Why shares were stale, with the numbers.
fn stale(trace: &Trace, mark: &Mark, cause: StaleCause) -> String {
    let mean_ms = mark.amount / f64::from(mark.count.max(1));
    let (jobs, average) =
        if mark.count == 1 { ("a new job came", "") } else { ("new jobs came", " on average") };
    let text = match cause {
        StaleCause::Replaced => format!("{jobs} {mean_ms:.0} ms before the submit{average}"),
        StaleCause::InFlight => {
            format!("{jobs} {:.0} ms after the submit{average}, while it was on its way", mean_ms.abs())
        }
        StaleCause::PoolSlow => "the pool answered later than usual".to_owned(),
        StaleCause::Unknown => {
            "no newer job explains it; the pool may know of one that it did not send".to_owned()
        }
    };
    match pools::median_ms(trace) {
        Some(median_ms) => format!("{text}; pool answers in {} (median)", pools::shown_ms(median_ms)),
        None => text,
    }
}

/// Workers of the device of a mark.
fn workers(trace: &Trace, mark: &Mark) -> Option<u32> {
    let mut latest = trace.observations().rev().flat_map(|seen| &seen.devices);
    latest.find(|of| Some(&of.device) == mark.device.as_ref()).map(|of| of.workers)
}

/// What small pages take from the rate, in percent, where the device was seen with both.
fn in_small_pages(trace: &Trace, mark: &Mark) -> Option<f64> {
    let rate_hs = |small: bool| {
        let of = trace.observations().flat_map(|seen| &seen.devices);
        let of = of.filter(|of| Some(&of.device) == mark.device.as_ref() && of.is_undisturbed);
        let of = of.filter(|of| of.huge_pages.is_some_and(|(have, want)| (have < want) == small));
        mean(of.map(|of| of.rate_hs))
    };
    Some((rate_hs(true)? / rate_hs(false)? - 1.0) * 100.0)
}
