//! What a service manager says in the environment of the services that it starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Env;

/// Name of the credential that is the token of the interface.
const TOKEN: &str = "api-token";

/// The manager's words; all of it is absent where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Where the manager listens.
    pub notify_socket: Option<String>,
    /// The longest silence that the manager bears.
    pub watchdog: Option<Duration>,
    /// Device and inode of the stream that goes to the journal.
    pub journal: Option<(u64, u64)>,
    /// File that has the token of the interface, guarded by the manager. It may be missing or empty.
    pub token: Option<PathBuf>,
    /// Folder for logs.
    pub logs: Option<PathBuf>,
}

impl Environment {
    /// Reads it, for the process `pid`.
    pub fn read(env: Env<'_>, pid: u32) -> Self {
        let is_ours = env("WATCHDOG_PID").is_none_or(|text| text.parse() == Ok(pid));
        let watchdog_us = env("WATCHDOG_USEC").filter(|_| is_ours).and_then(|text| text.parse().ok());
        Self {
            notify_socket: env("NOTIFY_SOCKET"),
            watchdog: watchdog_us.filter(|us| *us > 0).map(Duration::from_micros),
            journal: env("JOURNAL_STREAM").and_then(|text| stream(&text)),
            token: directory(env, "CREDENTIALS_DIRECTORY").map(|folder| folder.join(TOKEN)),
            logs: directory(env, "LOGS_DIRECTORY"),
        }
    }

    /// A log file by the name that the settings have: a relative one is in the folder for logs, if there is one.
    pub fn log_file(&self, named: &Path) -> PathBuf {
        self.logs.as_ref().map_or_else(|| named.to_owned(), |folder| folder.join(named))
    }
}

/// The first of the folders that a variable of systemd names; they are absolute.
pub fn directory(env: Env<'_>, variable: &str) -> Option<PathBuf> {
    let text = env(variable)?;
    let first = text.split(':').next().unwrap_or_default();
    first.starts_with('/').then(|| PathBuf::from(first))
}

/// `DEVICE:INODE`.
fn stream(text: &str) -> Option<(u64, u64)> {
    let (device, inode) = text.split_once(':')?;
    Some((device.parse().ok()?, inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
        };
        Environment::read(&env, 42)
    }

    #[test]
    fn nothing_is_there_without_a_manager() {
        assert_eq!(read(&[]), Environment::default());
        assert_eq!(Environment::default().log_file(Path::new("a.log")), Path::new("a.log"));
    }

    #[test]
    fn words_are_read_and_odd_ones_are_none() {
        let all = read(&[
            ("NOTIFY_SOCKET", "@notify"),
            ("WATCHDOG_USEC", "60000000"),
            ("WATCHDOG_PID", "42"),
            ("JOURNAL_STREAM", "9:12345"),
            ("CREDENTIALS_DIRECTORY", "/run/credentials/rminer.service"),
            ("LOGS_DIRECTORY", "/var/log/rminer:/var/log/other"),
        ]);
        assert_eq!(all.watchdog, Some(Duration::from_secs(60)));
        assert_eq!((all.journal, all.notify_socket.as_deref()), (Some((9, 12345)), Some("@notify")));
        assert_eq!(all.token.as_deref(), Some(Path::new("/run/credentials/rminer.service/api-token")));
        assert_eq!(all.log_file(Path::new("a.log")), Path::new("/var/log/rminer/a.log"));
        assert_eq!(all.log_file(Path::new("/tmp/a.log")), Path::new("/tmp/a.log"));
        for odd in [
            [("WATCHDOG_USEC", "0"), ("WATCHDOG_PID", "42")],
            [("WATCHDOG_USEC", "soon"), ("WATCHDOG_PID", "42")],
            [("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "43")],
            [("JOURNAL_STREAM", "9"), ("CREDENTIALS_DIRECTORY", "relative")],
            [("JOURNAL_STREAM", "a:b"), ("LOGS_DIRECTORY", "")],
        ] {
            assert_eq!(read(&odd), Environment::default(), "{odd:?}");
        }
    }
}
