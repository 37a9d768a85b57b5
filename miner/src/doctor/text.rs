//! Findings as people read them.

use super::finding::{Finding, Level, Report};

/// Codes are written in this many columns.
const CODE_WIDTH: usize = 22;

/// The ranked list; what is as it should be stands in one line.
pub fn text(report: &Report, all: bool) -> String {
    let count = |level| report.count(level);
    let mut text = format!(
        "{} red, {} yellow, {} unknown, {} fine\n",
        count(Level::Red),
        count(Level::Yellow),
        count(Level::Unknown),
        count(Level::Green)
    );
    let (fine, others): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.level == Level::Green && !all);
    for finding in others {
        text.push_str(&block(finding));
    }
    if !fine.is_empty() {
        let mut codes: Vec<&str> = fine.iter().map(|finding| finding.code.as_str()).collect();
        codes.dedup();
        text.push_str(&format!("\nfine: {} (-v shows them)\n", codes.join(", ")));
    }
    text
}

fn block(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Red => "RED",
        Level::Yellow => "YELLOW",
        Level::Unknown => "UNKNOWN",
        Level::Green => "fine",
    };
    let gain = match (finding.gain_pct, &finding.gain_source) {
        (Some(gain_pct), Some(source)) => format!("  gains {gain_pct:.1} % ({source})"),
        (Some(gain_pct), None) => format!("  gains {gain_pct:.1} %"),
        (None, _) => String::new(),
    };
    let mut text = format!("\n{level:<8} {:<CODE_WIDTH$} {}{gain}\n", finding.code, finding.title);
    for fact in &finding.facts {
        text.push_str(&format!("           {fact}\n"));
    }
    if let Some(command) = &finding.command {
        text.push_str(&format!("      do   {command}\n"));
    }
    if let Some(help) = &finding.help {
        text.push_str(&format!("      help {help}\n"));
    }
    text
}
