//! Small files of learned values in the state folder. The user's own file is never written.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file larger than this was not written by this program.
const MAX_BYTES: u64 = 1 << 20;

/// All entries; none when there is no file or it cannot be understood.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let Ok(file) = fs::File::open(path) else { return Vec::new() };
    let mut text = String::new();
    match file.take(MAX_BYTES).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Whole or not at all: a reader never sees half a file.
pub(crate) fn write<T: Serialize>(path: &Path, entries: &[T]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("json.{}", std::process::id()));
    fs::write(&temporary, serde_json::to_string_pretty(entries)?)?;
    fs::rename(&temporary, path)
}
