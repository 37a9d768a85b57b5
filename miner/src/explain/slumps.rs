//! Stretches in which a device hashed less than is usual for it although the miner let it, and why.

use std::collections::BTreeSet;

use super::causes::{CauseKind, Compare, Point};
use super::usual::{ENOUGH, Usual, mean};
use super::{Finding, change};
use crate::records::trace::{Moment, Trace};

/// Observations that a slump has at least.
const SHORTEST: usize = 3;
/// As many good ones end it, and as many that say nothing.
const ENDED_BY: usize = 2;
/// A cause holds in so much of a stretch.
const MOST: f64 = 0.6;
/// Good observations that a slump is compared with.
const COMPARED: usize = 30;

/// Of all devices.
pub(super) fn findings(trace: &Trace) -> Vec<Finding> {
    let devices = trace.observations().flat_map(|seen| &seen.devices);
    let names: BTreeSet<&str> = devices.map(|of| &*of.device).collect();
    names.into_iter().flat_map(|device| of_device(trace, device)).collect()
}

fn of_device(trace: &Trace, device: &str) -> Vec<Finding> {
    let points: Vec<Point<'_>> = trace
        .observations()
        .filter_map(|seen| Some((seen, seen.devices.iter().find(|of| *of.device == *device)?)))
        .collect();
    let mut findings = Vec::new();
    // In small pages another rate is usual; that they are small is a finding of its own.
    for in_small_pages in [false, true] {
        let rates = points.iter().filter(|point| counts(point, in_small_pages)).map(|(_, of)| of.rate_hs);
        let Some(usual) = Usual::of(rates.collect()) else { continue };
        for (first, last) in slumps(&points, usual, in_small_pages) {
            let good = nearest_good(&points, usual, in_small_pages, first, last);
            if good.len() < ENOUGH {
                continue;
            }
            let slump = points[first..=last].iter().copied();
            let slump: Vec<_> = slump.filter(|point| counts(point, in_small_pages)).collect();
            let lasts = last + ENDED_BY >= points.len();
            findings.extend(explained(
                &slump,
                &Compare::new(good, usual.rate_hs),
                usual,
                lasts.then_some(trace.now),
            ));
        }
    }
    findings
}

/// Whether an observation tells of the device's own rate.
fn counts((_, device): &Point<'_>, in_small_pages: bool) -> bool {
    let is_small = device.huge_pages.is_some_and(|(have, want)| have < want);
    device.is_undisturbed && is_small == in_small_pages
}

/// First and last observation of each, in order.
fn slumps(points: &[Point<'_>], usual: Usual, in_small_pages: bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut lows: Vec<usize> = Vec::new();
    let (mut good, mut silent) = (0, 0);
    let mut close = |lows: &mut Vec<usize>| {
        if let ([first, .., last], true) = (lows.as_slice(), lows.len() >= SHORTEST) {
            found.push((*first, *last));
        }
        lows.clear();
    };
    for (place, point) in points.iter().enumerate() {
        let rate_hs = point.1.rate_hs;
        if !counts(point, in_small_pages) {
            silent += 1;
        } else if usual.is_low(rate_hs) {
            lows.push(place);
            (good, silent) = (0, 0);
        } else if usual.is_good(rate_hs) {
            good += 1;
        }
        if good >= ENDED_BY || silent >= ENDED_BY {
            close(&mut lows);
            (good, silent) = (0, 0);
        }
    }
    close(&mut lows);
    found
}

/// Good observations that are nearest before a slump, and those after it where there are too few.
fn nearest_good<'a>(
    points: &[Point<'a>],
    usual: Usual,
    in_small_pages: bool,
    first: usize,
    last: usize,
) -> Vec<Point<'a>> {
    let is_good = |point: &&Point<'a>| counts(point, in_small_pages) && usual.is_good(point.1.rate_hs);
    let mut good: Vec<_> = points[..first].iter().rev().filter(is_good).take(COMPARED).copied().collect();
    if good.len() < ENOUGH {
        let more = COMPARED - good.len();
        good.extend(points[last + 1..].iter().filter(is_good).take(more));
    }
    good
}

/// A slump, cut where its cause changes. `now` if it lasts.
fn explained(slump: &[Point<'_>], compare: &Compare<'_>, usual: Usual, now: Option<Moment>) -> Vec<Finding> {
    let labels: Vec<Option<CauseKind>> =
        slump.iter().map(|point| compare.causes(*point).first().copied()).collect();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for place in 0..labels.len() {
        match runs.last_mut() {
            Some(run) if labels[run.0] == labels[place] => run.1 = place,
            _ => runs.push((place, place)),
        }
    }
    let is_short = |(first, last): (usize, usize)| last + 1 - first < SHORTEST;
    // What is too short to be sure of belongs to its neighbour: the one before it, else the one after it.
    let mut stretches: Vec<((usize, usize), Option<CauseKind>)> = Vec::new();
    for run in runs {
        let label = labels[run.0];
        match stretches.last_mut() {
            Some((before, known)) if *known == label || is_short(run) => before.1 = run.1,
            Some((before, known)) if is_short(*before) => (before.1, *known) = (run.1, label),
            _ => stretches.push((run, label)),
        }
    }
    let count = stretches.len();
    let stretches = stretches.into_iter().enumerate();
    let finding = |(number, ((first, last), _)): (usize, ((usize, usize), _))| {
        finding(&slump[first..=last], compare, usual, now.filter(|_| number + 1 == count))
    };
    stretches.filter_map(finding).collect()
}

fn finding(
    points: &[Point<'_>],
    compare: &Compare<'_>,
    usual: Usual,
    now: Option<Moment>,
) -> Option<Finding> {
    let ((first, device), (last, _)) = (points.first()?, points.last()?);
    let mut held: std::collections::BTreeMap<CauseKind, Vec<Point<'_>>> = Default::default();
    for point in points {
        for kind in compare.causes(*point) {
            held.entry(kind).or_default().push(*point);
        }
    }
    held.retain(|_, held| held.len() as f64 >= MOST * points.len() as f64);
    // The clock is told with what the hardware says of itself.
    if held.contains_key(&CauseKind::Flags) {
        held.remove(&CauseKind::Clock);
    }
    let effect_pct = (mean(points.iter().map(|(_, of)| of.rate_hs))? / usual.rate_hs - 1.0) * 100.0;
    let (code, help, cause) = match held.keys().next() {
        Some(kind) => {
            let told: Vec<_> = held.iter().map(|(kind, held)| compare.words(*kind, held)).collect();
            (kind.code(), kind.help(), told.join("; also "))
        }
        None => ("rate-fell", Some("rminer doctor looks at the machine"), compare.looked_at(points)),
    };
    let from = Moment { at: first.began(), time_s: first.end.time_s - first.length.as_secs_f64() };
    Some(Finding {
        code,
        device: Some(device.device.to_string()),
        from,
        to: now.unwrap_or(last.end),
        ongoing: now.is_some(),
        what: format!("{} {}", device.device, change(effect_pct)),
        effect_pct: Some(effect_pct),
        cause,
        help,
    })
}
