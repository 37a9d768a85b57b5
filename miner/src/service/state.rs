//! The state of the service in words, from what systemd tells.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rminer_stratum::text::clean;
use serde::Serialize;

use crate::exit::Exit;

/// Properties that are asked for.
pub const PROPERTIES: &str = "LoadState,ActiveState,SubState,UnitFileState,StatusText,MainPID,NRestarts,Result,\
                              ExecMainStatus,ActiveEnterTimestamp,NeedDaemonReload";

/// What systemd says of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// Whether there is a unit.
    pub installed: bool,
    /// Whether it starts with the machine.
    pub enabled: bool,
    /// `active`, `failed`, `inactive`, `activating` …
    pub active: String,
    /// The same, closer.
    pub sub: String,
    /// What the miner says of itself.
    pub status: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// Since when it is active, as systemd writes it.
    pub since: Option<String>,
    /// Times that systemd started it again by itself.
    pub restarts: Option<u64>,
    /// How the last process ended, in words; `None` while nothing is known of an end.
    pub ended: Option<String>,
    /// Whether the unit was changed and systemd not told.
    pub stale: bool,
}

impl State {
    /// From the answer of `systemctl show`.
    pub fn parse(answer: &str) -> Self {
        let properties: BTreeMap<&str, &str> =
            answer.lines().filter_map(|line| line.split_once('=')).collect();
        let text = |name: &str| properties.get(name).copied().filter(|text| !text.is_empty()).map(clean);
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let active = text("ActiveState").unwrap_or_else(|| "unknown".into());
        Self {
            installed: text("LoadState").as_deref() == Some("loaded"),
            enabled: text("UnitFileState").is_some_and(|state| state.starts_with("enabled")),
            ended: (active != "active")
                .then(|| ended(text("Result").as_deref(), number("ExecMainStatus")))
                .flatten(),
            active,
            sub: text("SubState").unwrap_or_default(),
            status: text("StatusText"),
            pid: number("MainPID").and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
            since: text("ActiveEnterTimestamp"),
            restarts: number("NRestarts"),
            stale: text("NeedDaemonReload").as_deref() == Some("yes"),
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        let mut words = String::new();
        if !self.installed {
            return "not installed; sudo rminer service install\n".into();
        }
        let state = match self.active.as_str() {
            "active" => "runs".to_owned(),
            "activating" if self.sub == "auto-restart" => "waits to be started again".to_owned(),
            "activating" => "starts".to_owned(),
            "reloading" => "reads its configuration again".to_owned(),
            "deactivating" => "stops".to_owned(),
            "failed" => "failed, and is not started again by itself".to_owned(),
            "inactive" => "stopped".to_owned(),
            other => other.to_owned(),
        };
        let pid = self.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let since = self.since.as_deref().filter(|_| self.active == "active");
        let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
        let _ = writeln!(words, "state    {state}{pid}{since}");
        if let Some(status) = self.status.as_ref().filter(|_| self.pid.is_some()) {
            let _ = writeln!(words, "says     {status}");
        }
        if let Some(ended) = &self.ended {
            let _ = writeln!(words, "ended    {ended}");
        }
        let boot = if self.enabled { "yes" } else { "no: sudo systemctl enable rminer" };
        let _ = writeln!(words, "at boot  {boot}");
        if let Some(restarts) = self.restarts.filter(|restarts| *restarts > 0) {
            let _ = writeln!(words, "restarts {restarts} by systemd");
        }
        if self.stale {
            words.push_str("note     the unit has changed: sudo systemctl daemon-reload\n");
        }
        words.push_str("log      journalctl -u rminer\n");
        words
    }
}

/// How a process ended.
fn ended(result: Option<&str>, status: Option<u64>) -> Option<String> {
    match result? {
        "success" => None,
        "watchdog" => Some("it gave no sign of life for a minute and was killed".into()),
        "exit-code" => {
            let code = status?;
            Some(format!("with code {code}: {}", u8::try_from(code).map_or("", meaning)))
        }
        "start-limit-hit" => Some("it failed ten times in five minutes".into()),
        "oom-kill" => Some("the system had no memory left".into()),
        "timeout" => Some("it took too long to start or to stop".into()),
        other => Some(other.to_owned()),
    }
}

/// What a code means, and of those that systemd has for a start that failed.
fn meaning(code: u8) -> &'static str {
    let is = |exit: Exit| exit.code() == code;
    match code {
        _ if is(Exit::Failed) => "an error inside",
        _ if is(Exit::Usage) => "wrong settings; rminer config check says which",
        _ if is(Exit::NoDevice) => "no device that can mine; rminer devices says why",
        _ if is(Exit::NoPool) => "no pool answered; rminer pool test",
        _ if is(Exit::LoginRefused) => "every pool refused the login; check the user",
        _ if is(Exit::SafetyStop) => "stopped for safety: look after the cooling before it is started again",
        _ if is(Exit::DeviceHung) => "devices hung; it is started again",
        203 => "the program could not be started; is it where the unit says?",
        216 => "one of the unit's groups does not exist",
        217 => "the unit's user does not exist",
        226 => "the sandbox could not be set up",
        243 => "the token could not be handed over",
        _ => "see journalctl -u rminer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: &str = "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n\
        StatusText=mining sha256d at 12.3 MH/s\x1b[2J for pool.example; 3 shares accepted, 0 refused\nMainPID=812\n\
        NRestarts=2\nResult=success\nExecMainStatus=0\nActiveEnterTimestamp=Mon 2026-11-30 21:00:00 UTC\nNeedDaemonReload=no\n";

    #[test]
    fn a_running_service_says_what_it_does() {
        let state = State::parse(RUNS);
        assert!(state.installed && state.enabled && !state.stale);
        assert_eq!((state.pid, state.restarts, &state.ended), (Some(812), Some(2), &None));
        let words = state.words();
        assert!(words.contains("state    runs, pid 812, since Mon 2026-11-30 21:00:00 UTC\n"), "{words}");
        assert!(words.contains("says     mining sha256d at 12.3 MH/s") && !words.contains('\x1b'), "{words}");
        assert!(words.contains("at boot  yes\n") && words.contains("restarts 2"), "{words}");
    }

    #[test]
    fn ends_have_their_meaning() {
        for (result, code, part) in [
            ("exit-code", 6, "for safety"),
            ("exit-code", 5, "refused the login"),
            ("exit-code", 203, "could not be started"),
            ("exit-code", 99, "journalctl"),
            ("watchdog", 0, "no sign of life"),
            ("core-dump", 0, "core-dump"),
        ] {
            let answer = format!(
                "LoadState=loaded\nActiveState=failed\nMainPID=0\nResult={result}\nExecMainStatus={code}\n"
            );
            let words = State::parse(&answer).words();
            assert!(words.contains(part) && words.contains("failed, and is not started again"), "{words}");
        }
    }

    #[test]
    fn nothing_and_nonsense_are_no_service() {
        for answer in ["", "LoadState=not-found\nActiveState=inactive\n", "nonsense", "MainPID=many\n=\n"] {
            let state = State::parse(answer);
            assert!(!state.installed && state.pid.is_none());
            assert!(state.words().contains("not installed"));
        }
    }
}
