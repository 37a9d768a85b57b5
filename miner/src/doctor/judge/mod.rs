//! Facts become findings.

mod host;
mod processor;
mod settings;

use super::facts::Facts;
use super::finding::Finding;

/// Judges all facts. The order is made later.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    processor::judge(facts, &mut findings);
    host::judge(facts, &mut findings);
    settings::judge(facts, &mut findings);
    findings
}
