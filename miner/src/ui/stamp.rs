//! What stands before each line: the time of day, or for the journal, which knows the time, how grave it is.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use crate::clock::local_time;
use crate::problem::{Problem, Severity};

/// What stands before each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamp {
    /// The time of day.
    #[default]
    Time,
    /// The priority as `<4>`, which the journal of systemd takes off every line.
    Priority,
}

/// Priorities of the journal.
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const INFORMATION: u8 = 6;

impl Stamp {
    /// For an open file, given device and inode of the stream that goes to the journal.
    pub fn of(file: impl AsFd, journal: Option<(u64, u64)>) -> Self {
        let Some(journal) = journal else { return Self::Time };
        let file = file.as_fd().try_clone_to_owned().map(std::fs::File::from);
        match file.and_then(|file| file.metadata()) {
            Ok(metadata) if (metadata.dev(), metadata.ino()) == journal => Self::Priority,
            _ => Self::Time,
        }
    }

    /// A line of news.
    pub(super) fn line(self, text: &str) -> String {
        match self {
            Self::Time => format!("{} {text}\n", local_time()),
            Self::Priority => with_priority(INFORMATION, text),
        }
    }

    /// A warning or an error with its facts.
    pub(super) fn problem(self, problem: &Problem) -> String {
        match self {
            Self::Time => format!("{} {problem}\n", local_time()),
            Self::Priority => self.message(problem, false),
        }
    }

    /// The same without a time: what is said before anything runs.
    pub(crate) fn message(self, problem: &Problem, color: bool) -> String {
        match self {
            Self::Time => problem.render(color) + "\n",
            Self::Priority => {
                let priority = if problem.severity == Severity::Error { ERROR } else { WARNING };
                with_priority(priority, &problem.to_string())
            }
        }
    }
}

/// The journal takes each line for an entry of its own.
fn with_priority(priority: u8, text: &str) -> String {
    text.lines().map(|line| format!("<{priority}>{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_in_the_journal_has_its_priority_and_no_time() {
        let warning = Problem::warning("pool-down", "gone").fact("one").help("two");
        assert_eq!(
            Stamp::Priority.problem(&warning),
            "<4>warning[pool-down]: gone\n<4>  one\n<4>  help: two\n"
        );
        let error = Problem::error("config", "wrong");
        assert_eq!(Stamp::Priority.message(&error, true), "<3>error[config]: wrong\n");
        assert_eq!(Stamp::Priority.line("rate     1 H/s"), "<6>rate     1 H/s\n");
        let timed = Stamp::Time.line("rate");
        assert_eq!((timed.len(), &timed[8..]), (14, " rate\n"));
        assert!(Stamp::Time.message(&error, true).starts_with("\x1b["));
    }

    #[test]
    fn only_the_stream_of_the_journal_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(folder.path().join("stream")).unwrap();
        let metadata = file.metadata().unwrap();
        let (device, inode) = (metadata.dev(), metadata.ino());
        assert_eq!(Stamp::of(&file, None), Stamp::Time);
        assert_eq!(Stamp::of(&file, Some((device, inode))), Stamp::Priority);
        assert_eq!(Stamp::of(&file, Some((device, inode + 1))), Stamp::Time);
    }
}
