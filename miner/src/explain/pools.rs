//! Stretches in which a pool answered far later than is usual for it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Finding;
use super::usual::{median, quantile};
use crate::records::trace::{Answer, Trace};

/// Answers that it takes to know what is usual.
const ENOUGH: usize = 10;
/// What is usual: a pool may be slow for long, but is never faster than it can be.
const USUAL_QUANTILE: f64 = 0.25;
/// An answer is slow when it takes so many times as long, and so much longer.
const SLOW_TIMES: f64 = 3.0;
const SLOW_MS: f64 = 150.0;
/// So many slow answers in a row are a finding, and so many others end it.
const SHORTEST: usize = 3;
const ENDED_BY: usize = 2;
/// After so long without an answer nobody knows whether it lasts.
const LASTS: Duration = Duration::from_secs(300);

/// `42 ms`, `under 1 ms`.
pub(super) fn shown_ms(ms: f64) -> String {
    if ms < 1.0 { "under 1 ms".into() } else { format!("{ms:.0} ms") }
}

/// Of all pools.
pub(super) fn slow(trace: &Trace) -> Vec<Finding> {
    let pools: BTreeSet<usize> = trace.answers().map(|answer| answer.pool).collect();
    pools.into_iter().flat_map(|pool| of_pool(trace, pool)).collect()
}

/// Half of all answers took no longer, in milliseconds.
pub(super) fn median_ms(trace: &Trace) -> Option<f64> {
    let mut times: Vec<f64> = trace.answers().map(|answer| f64::from(answer.answer_ms)).collect();
    median(&mut times)
}

fn of_pool(trace: &Trace, pool: usize) -> Vec<Finding> {
    let answers: Vec<&Answer> = trace.answers().filter(|answer| answer.pool == pool).collect();
    let mut times: Vec<f64> = answers.iter().map(|answer| f64::from(answer.answer_ms)).collect();
    let Some(usual_ms) = quantile(&mut times, USUAL_QUANTILE).filter(|_| answers.len() >= ENOUGH) else {
        return Vec::new();
    };
    let limit_ms = (SLOW_TIMES * usual_ms).max(usual_ms + SLOW_MS);
    let mut findings = Vec::new();
    let mut slow: Vec<&Answer> = Vec::new();
    let mut fast = 0;
    for answer in answers {
        if f64::from(answer.answer_ms) > limit_ms {
            slow.push(answer);
            fast = 0;
            continue;
        }
        fast += 1;
        if fast >= ENDED_BY {
            findings.extend(finding(trace, pool, usual_ms, &slow, false));
            slow.clear();
        }
    }
    let lasts = slow.last().is_some_and(|last| trace.now.at.saturating_sub(last.moment.at) <= LASTS);
    findings.extend(finding(trace, pool, usual_ms, &slow, fast == 0 && lasts));
    findings
}

fn finding(trace: &Trace, pool: usize, usual_ms: f64, slow: &[&Answer], lasts: bool) -> Option<Finding> {
    let (first, last) = (slow.first()?, slow.last()?);
    if slow.len() < SHORTEST {
        return None;
    }
    let mut times: Vec<f64> = slow.iter().map(|answer| f64::from(answer.answer_ms)).collect();
    let (median_ms, shares) = (median(&mut times)?, slow.len());
    Some(Finding {
        code: "pool-latency",
        device: None,
        from: first.moment,
        to: if lasts { trace.now } else { last.moment },
        ongoing: lasts,
        what: format!("pool {} slow", pool + 1),
        effect_pct: None,
        cause: format!(
            "it answered in {} (median of {shares} shares), {} otherwise",
            shown_ms(median_ms),
            shown_ms(usual_ms)
        ),
        help: Some("rminer pool test shows where the time goes"),
    })
}
