//! What was there before setup changed it, so that it can be set back.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Places;

/// A file larger than this was not written by this program.
const MAX_BYTES: u64 = 4 << 20;
/// Most entries: registers of 4096 units, and some files.
const MAX_SAVED: usize = 20_000;

/// One thing that was changed, as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants say what their fields are")]
pub enum Saved {
    /// A value of the kernel's, until the machine is started again.
    Value { path: PathBuf, before: String },
    /// A register, until the machine is started again.
    Register { unit: u32, number: u32, before: u64 },
    /// A module that was loaded, until the machine is started again.
    Module { name: String },
    /// A file; `None` where there was none.
    File { path: PathBuf, before: Option<String> },
    /// A user that became a member of a group.
    Member { user: String, group: String },
    /// A unit of systemd's that was enabled.
    Unit { name: String },
}

impl Saved {
    /// Whether a new start of the machine sets it back by itself.
    pub fn is_until_restart(&self) -> bool {
        matches!(self, Self::Value { .. } | Self::Register { .. } | Self::Module { .. })
    }

    /// Whether both are about the same thing.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Value { path: a, .. }, Self::Value { path: b, .. })
            | (Self::File { path: a, .. }, Self::File { path: b, .. }) => a == b,
            (Self::Register { unit: a, number: c, .. }, Self::Register { unit: b, number: d, .. }) => {
                (a, c) == (b, d)
            }
            (a, b) => a == b,
        }
    }
}

/// One entry of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    part: String,
    /// Which start of the machine it was in.
    boot: String,
    saved: Saved,
}

/// All that was changed and not set back, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    boot: String,
    entries: Vec<Entry>,
}

impl State {
    /// What a part of setup changed, in the order in which it did.
    pub fn of(&self, part: &str) -> impl DoubleEndedIterator<Item = &Saved> {
        self.entries.iter().filter(move |entry| entry.part == part).map(|entry| &entry.saved)
    }

    /// Keeps what was there before, and whether it is new: what is kept of the same thing already stays, since it is
    /// older.
    ///
    /// # Errors
    /// When no more can be kept.
    pub(super) fn keep(&mut self, part: &str, saved: Saved) -> Result<bool, String> {
        if self.entries.iter().any(|entry| entry.part == part && entry.saved.is_like(&saved)) {
            return Ok(false);
        }
        if self.entries.len() >= MAX_SAVED {
            return Err(format!("more than {MAX_SAVED} changes"));
        }
        self.entries.push(Entry { part: part.to_owned(), boot: self.boot.clone(), saved });
        Ok(true)
    }

    /// Forgets what was set back.
    pub(super) fn forget(&mut self, part: &str, saved: &Saved) {
        self.entries.retain(|entry| entry.part != part || entry.saved != *saved);
    }
}

/// The file.
pub(super) fn path(places: &Places) -> PathBuf {
    // Not the folder of the service: that one is its user's, who could choose there what root undoes.
    places.state.join("rminer-setup/setup.json")
}

/// What is kept, without what a new start of the machine has set back since.
///
/// # Errors
/// When there is a file that cannot be trusted or understood.
pub(super) fn read(places: &Places) -> Result<State, String> {
    let (path, boot) = (path(places), places.boot_id());
    let metadata = match std::fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(State { boot, entries: Vec::new() });
        }
        other => other.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let fault = |what: &str| {
        Err(format!("{} {what}; remove it if you know that nothing is to be undone", path.display()))
    };
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    let others_write = |metadata: &std::fs::Metadata| metadata.permissions().mode() & 0o022 != 0;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return fault("is no file of this program's");
    }
    let is_ours =
        |metadata: &std::fs::Metadata| !others_write(metadata) && metadata.uid() == places.owner_uid;
    if !is_ours(&metadata) || !folder.as_ref().is_some_and(is_ours) {
        return fault("can be written by others");
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let Ok(mut entries) = serde_json::from_str::<Vec<Entry>>(&text) else {
        return fault("cannot be understood");
    };
    entries.truncate(MAX_SAVED);
    entries.retain(|entry| entry.boot == boot || !entry.saved.is_until_restart());
    Ok(State { boot, entries })
}

/// Keeps it; without entries there is no file. Everybody may read it: miners without rights see there what is set.
pub(super) fn write(places: &Places, state: &State) -> io::Result<()> {
    let path = path(places);
    if state.entries.is_empty() {
        return match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
        let metadata = std::fs::symlink_metadata(folder)?;
        let mode = metadata.permissions().mode();
        // A folder of others would let them choose what root undoes.
        if !metadata.is_dir() || metadata.uid() != places.owner_uid {
            return Err(io::Error::other(format!("{} belongs to somebody else", folder.display())));
        }
        if mode & 0o022 != 0 {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode & !0o022))?;
        }
    }
    super::apply::replace(&path, &serde_json::to_string_pretty(&state.entries)?)
}

impl std::fmt::Display for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value { path, before } => write!(f, "write {before} to {}", path.display()),
            Self::Register { unit, number, before } => {
                write!(f, "unit {unit}: register {number:#x} to {before:#x}")
            }
            Self::Module { name } => write!(f, "unload the kernel's module {name}"),
            Self::File { path, before: Some(_) } => write!(f, "write {} as it was before", path.display()),
            Self::File { path, before: None } => write!(f, "remove {}", path.display()),
            Self::Member { user, group } => write!(f, "take {user} out of the group {group}"),
            Self::Unit { name } => write!(f, "disable {name}"),
        }
    }
}
