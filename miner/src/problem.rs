//! Errors and warnings as people read them: the fault in one line, then the facts, then the fix.

use std::fmt;

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The program cannot do what it was told.
    Error,
    /// It goes on, but the user should know.
    Warning,
}

/// Something that a user must read. `Display` gives the whole text without colour:
///
/// ```text
/// error[port]: the port is missing behind `pool.example`
///   help: write pool.example:PORT
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Stable name of this kind of problem, for searches and scripts.
    pub code: &'static str,
    /// The fault, in one line.
    pub summary: String,
    /// What is known about it, each a line of its own (or several, aligned by the author).
    pub facts: Vec<String>,
    /// What to do, each a line.
    pub help: Vec<String>,
}

impl Problem {
    /// An error with this code and fault.
    pub fn error(code: &'static str, summary: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, summary: summary.into(), facts: Vec::new(), help: Vec::new() }
    }

    /// A warning with this code and fault.
    pub fn warning(code: &'static str, summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, summary) }
    }

    /// Adds a fact.
    pub fn fact(mut self, fact: impl Into<String>) -> Self {
        self.facts.push(fact.into());
        self
    }

    /// Adds advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The text, with the first word coloured if `color` says so.
    pub fn render(&self, color: bool) -> String {
        let (word, paint) = match self.severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
        };
        let (paint, plain) = if color { (paint, "\x1b[0m") } else { ("", "") };
        let mut text = format!("{paint}{word}[{}]{plain}: {}", self.code, printable(&self.summary));
        for fact in &self.facts {
            indent(&mut text, "  ", fact);
        }
        for help in &self.help {
            indent(&mut text, "  help: ", help);
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

fn indent(text: &mut String, first: &str, lines: &str) {
    for (index, line) in lines.lines().enumerate() {
        text.push('\n');
        text.push_str(if index == 0 { first } else { "  " });
        text.push_str(&printable(line));
    }
}

/// Text from files, pools and command lines must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_fault_facts_and_fix() {
        let problem = Problem::error("port", "the port is missing").fact("a\nb").help("write it");
        assert_eq!(problem.to_string(), "error[port]: the port is missing\n  a\n  b\n  help: write it");
        assert!(problem.render(true).starts_with("\x1b[1;31merror[port]\x1b[0m: the"));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let problem = Problem::warning("x", "a\x1b]0;owned\x07\nb").fact("c\x1b[2J").help("\x08");
        assert!(!problem.to_string().replace('\n', "").contains(char::is_control), "{problem}");
    }
}
