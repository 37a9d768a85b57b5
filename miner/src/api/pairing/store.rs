//! The list of paired devices as a file: whole or not at all, and for this user alone.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::Paired;
use crate::api::token::write_alone;

/// A longer file was not written by this program.
const MAX_BYTES: u64 = 64 * 1024;

/// The list; an empty one when there is none, or when others could have written to it.
pub(super) fn read(path: &Path) -> Vec<Paired> {
    let Ok(file) = fs::File::open(path) else { return Vec::new() };
    let Ok(metadata) = file.metadata() else { return Vec::new() };
    if others_can_write(&metadata) {
        return Vec::new();
    }
    let mut text = String::new();
    match file.take(MAX_BYTES).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Writes the list.
pub(super) fn write(path: &Path, list: &[Paired]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("json.{}", std::process::id()));
    let text = serde_json::to_string_pretty(list)?;
    write_alone(&draft, text.as_bytes()).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
        // It is in nobody's way.
        let _gone = fs::remove_file(&draft);
    })
}

#[cfg(unix)]
fn others_can_write(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o022 != 0
}

/// Other systems say this in other ways, which are not looked at.
#[cfg(not(unix))]
fn others_can_write(_: &fs::Metadata) -> bool {
    false
}
