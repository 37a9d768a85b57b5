//! What was written, where, before anything is made of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::keys::{Key, Setting};
use crate::problem::Problem;
use crate::service::Environment;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, behind this flag (without the dashes).
    Flag(&'static str),
    /// In this environment variable.
    Env(String),
    /// In the file, at these bytes.
    File(Range<usize>),
}

/// A value as written. Its `Debug` leaves the text out, since it may be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// The text; numbers, switches and lists of a file in the spelling of the command line.
    pub text: String,
    /// Where it stood.
    pub origin: Origin,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Settings of one place and scope.
pub type Values = BTreeMap<Setting, Given>;

/// All that one source says.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// What holds in general.
    pub values: Values,
    /// What holds for one pool. Each has [`Setting::Pool`], its address, unless that was forgotten.
    pub pools: Vec<Values>,
}

/// A file as read, for messages that show its lines.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    text: String,
}

/// All sources. Flags stand over the environment, the environment over the file.
#[derive(Debug, Default)]
pub struct Layers {
    /// The command line.
    pub flags: Layer,
    /// `RMINER_…`.
    pub env: Layer,
    /// The file, if there is one.
    pub file: Layer,
    /// Where the file came from.
    pub source: Option<Source>,
    /// Where the program may keep what it learns.
    pub state_folder: Option<PathBuf>,
    /// What a service manager says, if one has started this process.
    pub service: Environment,
    /// What there is to say about how these were written, such as flags that do nothing here.
    pub notes: Vec<Problem>,
}

impl Layers {
    /// How to name the place of a value in a message: `` `--threads 0` `` and the like.
    pub fn name(&self, setting: Setting, given: &Given) -> String {
        let key = Key::of(setting);
        let shown = if key.secret {
            "***".to_owned()
        } else {
            rminer_stratum::endpoint::redact_url(given.text.trim_end_matches(','))
        };
        match &given.origin {
            Origin::Flag(flag) if key.value.is_none() => format!("`--{flag}`"),
            Origin::Flag(flag) => format!("`--{flag} {shown}`"),
            Origin::Env(name) => format!("`{name}={shown}`"),
            Origin::File(_) => format!("`{} = {shown}`", key.file_name().unwrap_or(key.flag)),
        }
    }

    /// Where a value came from, as `config show --origin` says it.
    pub fn place(&self, origin: &Origin) -> String {
        match (origin, &self.source) {
            (Origin::Flag(flag), _) => format!("flag --{flag}"),
            (Origin::Env(name), _) => format!("environment {name}"),
            (Origin::File(span), Some(source)) => {
                format!("file {}:{}", source.path.display(), source.position(span.start).0)
            }
            (Origin::File(_), None) => "file".to_owned(),
        }
    }

    /// Adds to a problem the line of the file that a value stands in, if it stands in a file.
    pub fn locate(&self, problem: Problem, origin: &Origin) -> Problem {
        match (origin, &self.source) {
            (Origin::File(span), Some(source)) => problem.fact(source.excerpt(span)),
            _ => problem,
        }
    }
}

impl Source {
    /// A file with its text.
    pub fn new(path: impl AsRef<Path>, text: String) -> Self {
        Self { path: path.as_ref().to_owned(), text }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (in characters) of a byte, both from 1.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte.min(self.text.len())).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The place and its line, with carets below what is meant:
    ///
    /// ```text
    /// --> rminer.toml:3:1
    ///    3 | treads = 4
    ///      | ^^^^^^
    /// ```
    pub fn excerpt(&self, span: &Range<usize>) -> String {
        let (number, column) = self.position(span.start);
        let mut text = format!("--> {}:{number}:{column}", self.path.display());
        let line = self.text.lines().nth(number - 1).unwrap_or_default();
        if let Some(shown) = self.without_secrets(number, line) {
            let width = self
                .text
                .get(span.clone())
                .map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count().max(1));
            let width = width.min((shown.chars().count() + 1).saturating_sub(column - 1).max(1));
            // Tabs stay, so that the carets stand below what they mean.
            let pad: String =
                line.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
            text.push_str(&format!("\n{number:>4} | {shown}"));
            if column <= shown.chars().count() + 1 {
                text.push_str(&format!("\n     | {pad}{}", "^".repeat(width)));
            }
        }
        text
    }

    /// The line without what might be a password: everything behind the `=` of a line that speaks of one, of an alert, or has
    /// an `@` or `token` in it. `None` for lines that cannot be shown at all: too long, or inside of a string that began
    /// in an earlier line, which might be a password too.
    fn without_secrets(&self, number: usize, line: &str) -> Option<String> {
        let before = self.text.lines().take(number - 1);
        let quotes =
            before.map(|line| line.matches("\"\"\"").count() + line.matches("'''").count()).sum::<usize>();
        if quotes % 2 == 1 || line.chars().count() > MAX_EXCERPT_CHARS {
            return None;
        }
        let words = ["pass", "token", "webhook", "command", "@"];
        if !words.iter().any(|word| line.contains(word)) && !names_web_address(line) {
            return Some(line.to_owned());
        }
        line.split_once('=').map(|(key, _)| format!("{key}= ***"))
    }
}

/// Whether a value is a web address: that of a hook is a secret, whatever the key before it was meant to be. Origins
/// have no path.
fn names_web_address(line: &str) -> bool {
    ["\"http://", "\"https://", "'http://", "'https://"].iter().any(|start| line.contains(start))
        && !line.contains("origin")
}

/// Longest line that an excerpt shows, in characters.
const MAX_EXCERPT_CHARS: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, marked: &str) -> String {
        let start = text.find(marked).unwrap();
        Source::new("x.toml", text.to_owned()).excerpt(&(start..start + marked.len()))
    }

    #[test]
    fn the_place_is_shown_with_carets() {
        let shown = excerpt("algo = \"rx\"\n\ttreads = 4\n", "treads");
        assert_eq!(shown, "--> x.toml:2:2\n   2 | \ttreads = 4\n     | \t^^^^^^");
        let at_end = Source::new("x.toml", "a = [\n".into()).excerpt(&(6..6));
        assert_eq!(at_end, "--> x.toml:2:1\n   2 | \n     | ^");
    }

    #[test]
    fn lines_with_secrets_are_cut() {
        for line in [
            "pass = \"hunter2\"",
            "pool = [{ url = 1, pass = \"hunter2\" }]",
            "proxy = \"socks5://a:hunter2@h:1\"",
            "webhok = \"https://h/hunter2\"",
        ] {
            let shown = excerpt(&format!("{line}\n"), "hunter2");
            assert!(!shown.contains("hunter2") && shown.contains("= ***"), "{shown}");
        }
        assert!(!excerpt("pass = \"\"\"a\nhunter2\n\"\"\"\n", "hunter2").contains("hunter2"));
        let given = Given { text: "hunter2".into(), origin: Origin::Flag("pass") };
        assert!(!format!("{given:?} {}", Layers::default().name(Setting::Pass, &given)).contains("hunter2"));
    }
}
