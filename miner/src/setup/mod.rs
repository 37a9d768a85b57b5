//! The part that needs root, once: huge pages, registers, rights on graphics cards. Planning is apart from doing; what
//! was there before is kept, so that it can be set back exactly.

pub mod apply;
pub mod hugepages;
pub mod msr;
mod places;
pub mod rights;
mod state;
pub mod unit;

use std::fmt;
use std::path::PathBuf;

use rminer_algos::randomx::presets::Register;

pub use places::Places;
pub use state::{Saved, State};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A value of the kernel's becomes another.
    Value {
        /// Its file.
        path: PathBuf,
        /// As it is.
        before: String,
        /// As it will be.
        after: String,
        /// What for.
        why: String,
    },
    /// A file is written.
    File {
        /// Where.
        path: PathBuf,
        /// What stands in it; `None` where there is none.
        before: Option<String>,
        /// What will.
        after: String,
        /// What for.
        why: String,
    },
    /// A module of the kernel is loaded.
    Module {
        /// Its name.
        name: String,
        /// What for.
        why: String,
    },
    /// A register is written.
    Register {
        /// Processing unit.
        unit: u32,
        /// Number, value and mask.
        register: Register,
    },
    /// A user becomes a member of a group.
    Member {
        /// Who.
        user: String,
        /// Of which.
        group: String,
    },
    /// A unit of systemd's is started with the machine.
    Unit {
        /// Its name.
        name: String,
    },
}

impl Step {
    fn value(path: PathBuf, before: impl ToString, after: impl ToString, why: &str) -> Self {
        Self::Value { path, before: before.to_string(), after: after.to_string(), why: why.to_owned() }
    }

    /// None where the file has this text already.
    fn file(path: PathBuf, after: String, why: &str) -> Option<Self> {
        let before = std::fs::read_to_string(&path).ok();
        (before.as_ref() != Some(&after)).then(|| Self::File { path, before, after, why: why.to_owned() })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { path, before, after, why } => {
                write!(f, "write {after} to {} (now {before}): {why}", path.display())
            }
            Self::File { path, before, why, .. } => {
                let verb = if before.is_some() { "replace" } else { "create" };
                write!(f, "{verb} {}: {why}", path.display())
            }
            Self::Module { name, why } => write!(f, "load the kernel's module {name}: {why}"),
            Self::Register { unit, register } => {
                write!(f, "unit {unit}: register {:#x} to {:#x}", register.number, register.value)?;
                if register.mask == u64::MAX {
                    Ok(())
                } else {
                    write!(f, " in the bits {:#x}", register.mask)
                }
            }
            Self::Member { user, group } => write!(f, "add {user} to the group {group} (usermod -aG)"),
            Self::Unit { name } => write!(f, "enable {name} (systemctl enable)"),
        }
    }
}

/// The plan as people read it: registers of all units in one line each.
pub fn plan_text(steps: &[Step]) -> String {
    let mut text = String::new();
    let units = steps.iter().filter_map(|step| match step {
        Step::Register { unit, .. } => Some(*unit),
        _ => None,
    });
    let (first, last) = units.fold((None, 0), |(first, _), unit| (Some(first.unwrap_or(unit)), unit));
    for step in steps {
        let line = match step {
            Step::Register { unit, register } if Some(*unit) == first => {
                let line = Step::Register { unit: *unit, register: *register }.to_string();
                line.replace(&format!("unit {unit}:"), &format!("units {unit} to {last}:"))
            }
            Step::Register { .. } => continue,
            step => step.to_string(),
        };
        text.push_str(&format!("  {line}\n"));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
