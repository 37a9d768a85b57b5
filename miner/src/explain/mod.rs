//! Why things were as they were: from the trace to findings in words with numbers. Pure: nothing here looks at anything
//! but the trace, and no cause is named that it does not show.

mod causes;
pub mod codes;
mod earnings;
mod marks;
mod pools;
mod slumps;
#[cfg(test)]
mod tests;
mod usual;

use std::time::Duration;

use crate::records::trace::{Moment, Trace};

pub use earnings::Earnings;

/// Findings of an explanation; the oldest are left out.
pub const MAX_FINDINGS: usize = 200;
/// What is explained without a wish.
pub const USUAL_SPAN: Duration = Duration::from_secs(7200);

/// Something that was not as usual, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Stable name of its kind.
    pub code: &'static str,
    /// Which device; `None` is the rig.
    pub device: Option<String>,
    /// Its beginning.
    pub from: Moment,
    /// Its end, or now while it lasts.
    pub to: Moment,
    /// Whether it lasts.
    pub ongoing: bool,
    /// What was not as usual, in a few words: `cpu0 -31 %`.
    pub what: String,
    /// Change of the rate in percent, where it is one.
    pub effect_pct: Option<f64>,
    /// Why, with numbers.
    pub cause: String,
    /// What to do about it.
    pub help: Option<&'static str>,
}

/// All that is to say of a stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Its beginning: as asked, or the start of the miner.
    pub from: Moment,
    /// Its end.
    pub to: Moment,
    /// In the order of their beginnings, [`MAX_FINDINGS`] at most.
    pub findings: Vec<Finding>,
    /// What pools credited against what was hashed.
    pub earnings: Earnings,
}

/// Explains the last `span` of what was traced.
pub fn explain(trace: &Trace, span: Duration) -> Explanation {
    let to = trace.now;
    let at = to.at.saturating_sub(span);
    let from = Moment { at, time_s: to.time_s - (to.at - at).as_secs_f64() };
    let mut findings = marks::findings(trace);
    findings.extend(slumps::findings(trace));
    findings.extend(pools::slow(trace));
    findings.retain(|finding| finding.to.at >= from.at);
    findings.sort_by(|a, b| a.from.at.cmp(&b.from.at).then_with(|| a.what.cmp(&b.what)));
    debug_assert!(findings.iter().all(|finding| codes::find(finding.code).is_some()));
    let excess = findings.len().saturating_sub(MAX_FINDINGS);
    findings.drain(..excess);
    Explanation { from, to, findings, earnings: earnings::earnings(trace, from.at) }
}

/// A change in percent, without a sign before nothing: `-31 %`.
fn change(effect_pct: f64) -> String {
    let rounded = effect_pct.round();
    if rounded == 0.0 { "0 %".into() } else { format!("{rounded:+.0} %") }
}

/// `1 stale share`, `14 stale shares`.
fn several(count: u32, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
