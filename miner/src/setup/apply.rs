//! Doing what was planned, and setting it back. A step that fails is told, and the others go on.

use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::state::{self, State};
use super::{Places, Saved, Step, msr};
use crate::telemetry::roots::word;

/// Programs that are asked to do something; they are done within a moment or not at all.
pub trait Hands {
    /// Runs a program of the system's.
    ///
    /// # Errors
    /// Its own words.
    fn run(&mut self, words: &[&str]) -> Result<(), String>;

    /// Reads a register.
    ///
    /// # Errors
    /// The system's.
    fn register(&mut self, places: &Places, unit: u32, number: u32) -> io::Result<u64> {
        msr::read_register(places, unit, number)
    }

    /// Writes a register.
    ///
    /// # Errors
    /// The system's.
    fn set_register(&mut self, places: &Places, unit: u32, number: u32, value: u64) -> io::Result<()> {
        msr::write_register(places, unit, number, value)
    }
}

/// Those of this machine.
#[derive(Debug, Default)]
pub struct OwnHands;

impl Hands for OwnHands {
    fn run(&mut self, words: &[&str]) -> Result<(), String> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = rminer_stratum::text::clean_bytes(&output.stderr);
        Err(format!(
            "{}: {}",
            words.join(" "),
            if said.is_empty() { output.status.to_string() } else { said }
        ))
    }
}

/// What became of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Changes that were made.
    pub changed: usize,
    /// What was as it should be already.
    pub unchanged: usize,
    /// Steps that failed, and why.
    pub failed: Vec<String>,
}

/// Failures that are told one by one; the rest is counted.
const MAX_FAILURES: usize = 12;

impl Outcome {
    fn fail(&mut self, text: String) {
        if self.failed.len() < MAX_FAILURES {
            self.failed.push(text);
        } else if self.failed.len() == MAX_FAILURES {
            self.failed.push("and more".into());
        }
    }

    fn count(&mut self, result: Result<bool, String>) {
        match result {
            Ok(true) => self.changed += 1,
            Ok(false) => self.unchanged += 1,
            Err(text) => self.fail(text),
        }
    }
}

/// Carries the steps out. What was there before each is kept before it is changed.
///
/// # Errors
/// When what was there before cannot be kept: then nothing more is changed.
pub fn apply(places: &Places, part: &str, steps: &[Step], hands: &mut dyn Hands) -> Result<Outcome, String> {
    let mut state = state::read(places)?;
    let mut outcome = Outcome::default();
    let registers = |step: &Step| matches!(step, Step::Register { .. });
    // Registers are many; what was in them is kept in one piece.
    for group in steps.chunk_by(|one, next| registers(one) && registers(next)) {
        let mut waiting = Vec::new();
        for step in group {
            match before(places, step, hands) {
                Ok(Some(saved)) => {
                    let is_new = state.keep(part, saved.clone())?;
                    waiting.push((step, saved, is_new));
                }
                Ok(None) => outcome.unchanged += 1,
                Err(text) => outcome.fail(text),
            }
        }
        keep(places, &state)?;
        for (step, saved, is_new) in waiting {
            match carry_out(places, step, &saved, hands) {
                Ok(()) => outcome.changed += 1,
                Err(text) => {
                    outcome.fail(text);
                    // What was written and did not hold as wished is something to set back all the same.
                    let is_untouched = matches!(before(places, step, hands), Ok(Some(now)) if now == saved);
                    if is_new && is_untouched {
                        state.forget(part, &saved);
                    }
                }
            }
        }
    }
    keep(places, &state)?;
    Ok(outcome)
}

fn keep(places: &Places, state: &State) -> Result<(), String> {
    state::write(places, state).map_err(|error| format!("{}: {error}", state::path(places).display()))
}

/// Sets everything back that a part changed, the last first. With `keep_files`, what stays over a new start is left.
///
/// # Errors
/// When what was kept cannot be read or written.
pub fn undo(places: &Places, part: &str, keep_files: bool, hands: &mut dyn Hands) -> Result<Outcome, String> {
    let mut state = state::read(places)?;
    let mut outcome = Outcome::default();
    let saved: Vec<Saved> = state.of(part).rev().cloned().collect();
    for saved in saved {
        if keep_files && !saved.is_until_restart() {
            continue;
        }
        let result = set_back(places, &saved, hands);
        if result.is_ok() {
            state.forget(part, &saved);
        }
        outcome.count(result);
    }
    keep(places, &state)?;
    Ok(outcome)
}

/// What would be set back, the last first, for a look before.
///
/// # Errors
/// When what was kept cannot be read.
pub fn kept(places: &Places, part: &str) -> Result<Vec<Saved>, String> {
    Ok(state::read(places)?.of(part).rev().cloned().collect())
}

/// What is there before a step; `None` when it is as it should be.
fn before(places: &Places, step: &Step, hands: &mut dyn Hands) -> Result<Option<Saved>, String> {
    let saved = match step {
        Step::Value { path, after, .. } => {
            let now = word(path);
            (now != *after).then(|| Saved::Value { path: path.clone(), before: now })
        }
        Step::File { path, after, .. } => {
            let now = match std::fs::read_to_string(path) {
                Ok(text) => Some(text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            (now.as_ref() != Some(after)).then(|| Saved::File { path: path.clone(), before: now })
        }
        Step::Register { unit, register } => {
            let now = hands.register(places, *unit, register.number);
            let now = now.map_err(|error| register_fault("read", *unit, register.number, &error))?;
            (register.wanted(now) != now).then_some(Saved::Register {
                unit: *unit,
                number: register.number,
                before: now,
            })
        }
        Step::Module { name, .. } => {
            let is_loaded = places.roots.sys.join("module").join(name).exists();
            (!is_loaded).then(|| Saved::Module { name: name.clone() })
        }
        Step::Member { user, group } => {
            let is_member = super::rights::is_member(places, user, group);
            (!is_member).then(|| Saved::Member { user: user.clone(), group: group.clone() })
        }
        Step::Unit { name } => {
            let link = places.etc.join("systemd/system/multi-user.target.wants").join(name);
            (std::fs::symlink_metadata(link).is_err()).then(|| Saved::Unit { name: name.clone() })
        }
    };
    Ok(saved)
}

fn carry_out(places: &Places, step: &Step, saved: &Saved, hands: &mut dyn Hands) -> Result<(), String> {
    match (step, saved) {
        (Step::Value { path, after, .. }, _) => {
            set_value(path, after)?;
            // The kernel may give less than it was asked for: that is told by those who asked.
            Ok(())
        }
        (Step::File { path, after, .. }, _) => replace_file(path, after),
        (Step::Register { unit, register }, Saved::Register { before, .. }) => {
            set_register(places, *unit, register.number, register.wanted(*before), hands)
        }
        (Step::Register { .. }, _) => Ok(()),
        (Step::Module { name, .. }, _) => hands.run(&["modprobe", name]),
        (Step::Member { user, group }, _) => hands.run(&["usermod", "-aG", group, user]),
        (Step::Unit { name }, _) => hands.run(&["systemctl", "enable", name]),
    }
}

fn set_back(places: &Places, saved: &Saved, hands: &mut dyn Hands) -> Result<bool, String> {
    match saved {
        Saved::Value { path, before } => {
            let is_changed = word(path) != *before;
            set_value(path, before).map(|()| is_changed)
        }
        Saved::File { path, before: Some(text) } => replace_file(path, text).map(|()| true),
        Saved::File { path, before: None } => match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true).map_err(|error| format!("{}: {error}", path.display())),
        },
        Saved::Register { unit, number, before } => {
            set_register(places, *unit, *number, *before, hands).map(|()| true)
        }
        Saved::Module { name } => hands.run(&["modprobe", "-r", name]).map(|()| true),
        Saved::Member { user, group } => hands.run(&["gpasswd", "-d", user, group]).map(|()| true),
        Saved::Unit { name } => hands.run(&["systemctl", "disable", name]).map(|()| true),
    }
}

/// Files of the kernel's are written in place.
fn set_value(path: &Path, text: &str) -> Result<(), String> {
    let written = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
    let written = written.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

fn replace_file(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| replace(path, text)).map_err(|error| format!("{}: {error}", path.display()))
}

/// Writes a file that everybody may read, whole or not at all. The draft is always a new file: nothing that stands there
/// before, such as a link, is written through.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension(format!("rminer-{}", std::process::id()));
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

/// Writes and reads back: some machines take a value and do not hold it.
fn set_register(
    places: &Places,
    unit: u32,
    number: u32,
    value: u64,
    hands: &mut dyn Hands,
) -> Result<(), String> {
    let fault = |what, error: io::Error| register_fault(what, unit, number, &error);
    hands.set_register(places, unit, number, value).map_err(|error| fault("write", error))?;
    let now = hands.register(places, unit, number).map_err(|error| fault("read back", error))?;
    if now == value {
        Ok(())
    } else {
        Err(format!("unit {unit}, register {number:#x}: {value:#x} was written and it holds {now:#x}"))
    }
}

fn register_fault(what: &str, unit: u32, number: u32, error: &io::Error) -> String {
    format!("cannot {what} register {number:#x} of unit {unit}: {error}")
}
