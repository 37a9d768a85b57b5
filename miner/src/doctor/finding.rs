//! What was found, and in which order it is told.

use rminer_stratum::text::clean;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Problem, Severity};

/// Findings that are told at most.
const MAX_FINDINGS: usize = 100;
/// Facts of one finding that are told at most.
const MAX_FACTS: usize = 12;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something is broken or not safe.
    Red,
    /// It costs something.
    Yellow,
    /// Nobody can say.
    Unknown,
    /// As it should be.
    Green,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[must_use]
pub struct Finding {
    /// Stable name; `rminer explain CODE` says more.
    pub code: String,
    /// How bad it is.
    pub level: Level,
    /// In one line.
    pub title: String,
    /// What putting it right would gain, in percent of the rate; `null` where nobody has measured it.
    pub gain_pct: Option<f64>,
    /// Who has measured that, and where.
    pub gain_source: Option<String>,
    /// What is known about it.
    pub facts: Vec<String>,
    /// The command that puts it right.
    pub command: Option<String>,
    /// What to do where no command does it.
    pub help: Option<String>,
    /// Whether it is about safety: those are told first.
    #[serde(skip)]
    pub is_safety: bool,
}

impl Finding {
    /// With this name and line. Text of others is made harmless.
    pub fn new(code: impl Into<String>, level: Level, title: impl AsRef<str>) -> Self {
        Self {
            code: clean(&code.into()),
            level,
            title: clean(title.as_ref()),
            gain_pct: None,
            gain_source: None,
            facts: Vec::new(),
            command: None,
            help: None,
            is_safety: false,
        }
    }

    /// As it should be.
    pub fn green(code: &'static str, title: impl AsRef<str>) -> Self {
        Self::new(code, Level::Green, title)
    }

    /// It costs something.
    pub fn yellow(code: &'static str, title: impl AsRef<str>) -> Self {
        Self::new(code, Level::Yellow, title)
    }

    /// It is broken or not safe.
    pub fn red(code: &'static str, title: impl AsRef<str>) -> Self {
        Self::new(code, Level::Red, title)
    }

    /// A fact more.
    pub fn fact(mut self, fact: impl AsRef<str>) -> Self {
        if self.facts.len() < MAX_FACTS {
            self.facts.push(clean(fact.as_ref()));
        }
        self
    }

    /// The command that puts it right.
    pub fn command(mut self, command: impl AsRef<str>) -> Self {
        self.command = Some(clean(command.as_ref()));
        self
    }

    /// What to do.
    pub fn help(mut self, help: impl AsRef<str>) -> Self {
        self.help = Some(clean(help.as_ref()));
        self
    }

    /// What it would gain, in percent, by whose measurement.
    pub fn gain(mut self, gain_pct: f64, source: impl AsRef<str>) -> Self {
        if gain_pct.is_finite() {
            self.gain_pct = Some((gain_pct * 10.0).round() / 10.0);
            self.gain_source = Some(clean(source.as_ref()));
        }
        self
    }

    /// It is about safety.
    pub fn safety(mut self) -> Self {
        self.is_safety = true;
        self
    }

    /// As a problem with the settings says it.
    pub fn of_problem(problem: &Problem) -> Self {
        let level = if problem.severity == Severity::Error { Level::Red } else { Level::Yellow };
        let finding = Self::new(problem.code, level, &problem.summary);
        // A fact may have several lines, such as an excerpt of a file.
        let facts = problem.facts.iter().flat_map(|fact| fact.lines());
        let finding = facts.fold(finding, Self::fact);
        if problem.help.is_empty() { finding } else { finding.help(problem.help.join("; ")) }
    }
}

/// All findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// When, in RFC 3339.
    pub checked: String,
    /// What matters most first: red before yellow before unknown before green, safety before the rest, then by gain.
    pub findings: Vec<Finding>,
}

impl Report {
    /// In their order.
    pub fn new(checked: String, mut findings: Vec<Finding>) -> Self {
        findings.sort_by(|a, b| {
            let gain = |finding: &Finding| finding.gain_pct.unwrap_or(0.0);
            (a.level, !a.is_safety).cmp(&(b.level, !b.is_safety)).then(gain(b).total_cmp(&gain(a)))
        });
        findings.truncate(MAX_FINDINGS);
        Self { checked, findings }
    }

    /// Whether something is broken or not safe.
    pub fn is_red(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Red)
    }

    /// How many there are of a level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}
