//! Passwords from files.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

/// Longest first line of a password file, in bytes.
const MAX_SECRET_BYTES: usize = 4096;

/// The first line of a file, and whether others than its owner can read it too.
///
/// # Errors
/// Why there is no password to be had from it, for people.
pub(crate) fn read_first_line(path: &Path) -> Result<(SecretString, bool), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let others = file.metadata().is_ok_and(|metadata| others_can_read(&metadata));
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    if end > MAX_SECRET_BYTES {
        return Err(format!("its first line has more than {MAX_SECRET_BYTES} bytes"));
    }
    let line = str::from_utf8(&bytes[..end]).map_err(|_| "its first line is not UTF-8 text".to_owned())?;
    let line = line.trim_end_matches('\r');
    if line.is_empty() {
        Err("its first line is empty".into())
    } else {
        Ok((SecretString::from(line), others))
    }
}

/// Whether group or all may read a file.
#[cfg(unix)]
pub(super) fn others_can_read(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.is_file() && metadata.permissions().mode() & 0o077 != 0
}

/// Other systems say this in other ways, which are not looked at.
#[cfg(not(unix))]
pub(super) fn others_can_read(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::fs;

    #[test]
    fn only_the_first_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, expected) in [
            ("hunter2\r\nmore", Ok("hunter2")),
            ("hunter2", Ok("hunter2")),
            ("\nhunter2", Err("empty")),
            ("", Err("empty")),
            (&"x".repeat(5000), Err("4096")),
        ] {
            fs::write(&path, content).unwrap();
            match (read_first_line(&path), expected) {
                (Ok((line, _)), Ok(wanted)) => assert_eq!(line.expose_secret(), wanted),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, _) => panic!("{content}: {got:?}"),
            }
        }
        assert!(read_first_line(&folder.path().join("nosuch")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn files_of_others_are_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "hunter2").unwrap();
        for (mode, others) in [(0o600, false), (0o640, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_first_line(&path).unwrap().1, others, "{mode:o}");
        }
    }
}
