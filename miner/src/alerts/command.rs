//! The user's own program for alerts: JSON on its standard input, no shell, little environment, not for long.
#![allow(unsafe_code)]

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rminer_stratum::text::clean;
use serde_json::Value;

/// Most words of a command.
pub const MAX_WORDS: usize = 64;
/// How long it may run.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Variables that it gets.
const VARIABLES: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Runs it with this on its standard input, until it ends or its time is over.
///
/// # Errors
/// How it failed, for people.
pub(super) fn run(words: &[String], alert: &Value, patience: Duration) -> Result<(), String> {
    let [program, arguments @ ..] = words else { return Err("the command is empty".into()) };
    let variables = VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Whatever it starts in turn ends with it.
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| format!("{} cannot be started: {error}", clean(program)))?;
    if let Some(mut input) = child.stdin.take() {
        // An alert is far smaller than a pipe, so this waits for nobody; a program that does not read it may do so.
        let _unread = input.write_all(format!("{alert}\n").as_bytes());
    }
    wait(&mut child, program, patience)
}

fn wait(child: &mut Child, program: &str, patience: Duration) -> Result<(), String> {
    let end = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("{} failed: {status}", clean(program))),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                kill(child);
                return Err(format!(
                    "{} took longer than {} s and was ended",
                    clean(program),
                    patience.as_secs()
                ));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Ends it with all that it has started.
fn kill(child: &mut Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // SAFETY: the call takes numbers only. The child is not waited for yet, so its number is still its own.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
    let _gone = child.wait();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn script(text: &str) -> Vec<String> {
        ["sh", "-c", text].map(str::to_owned).to_vec()
    }

    #[test]
    fn it_gets_the_alert_and_hardly_any_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("said");
        let named = path.display();
        let words = script(&format!("cat > '{named}'; env >> '{named}'"));
        run(&words, &json!({ "text": "gpu0 is lost" }), PATIENCE).unwrap();
        let said = std::fs::read_to_string(&path).unwrap();
        assert!(said.starts_with("{\"text\":\"gpu0 is lost\"}\n"), "{said}");
        // A shell adds some of its own; none of ours that are not in the list.
        for name in ["CARGO", "NOTIFY_SOCKET", "RMINER_", "RUST"] {
            assert!(!said.lines().any(|line| line.starts_with(name)), "{said}");
        }
    }

    #[test]
    fn failures_are_told_and_long_ones_ended_with_their_children() {
        let alert = json!({});
        assert!(run(&script("exit 3"), &alert, PATIENCE).unwrap_err().contains("3"));
        assert!(
            run(&["/nonexistent/hook".into()], &alert, PATIENCE).unwrap_err().contains("cannot be started")
        );
        assert!(run(&[], &alert, PATIENCE).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let words = script(&format!("sleep 600 & echo $! > '{}'; wait", path.display()));
        let why = run(&words, &alert, Duration::from_millis(700)).unwrap_err();
        assert!(why.contains("was ended"), "{why}");
        let pid: i32 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        let gone =
            || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"));
        let end = Instant::now() + Duration::from_secs(20);
        while !gone() {
            assert!(Instant::now() < end, "its child goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
