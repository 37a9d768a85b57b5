//! Certificates that were trusted on first use.

use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rminer_algos::{decode_hex_array, encode_hex};

/// A store that is larger is not ours.
const MAX_BYTES: u64 = 256 * 1024;
/// Servers in a store.
const MAX_PINS: usize = 1000;

/// Remembers one certificate for each server, by its SHA-256. `Display` tells people where.
pub trait PinStore: fmt::Debug + fmt::Display + Send + Sync {
    /// What is remembered for `server`, which is `host:port`.
    ///
    /// # Errors
    /// When the store cannot be read; then nothing is trusted.
    fn get(&self, server: &str) -> io::Result<Option<[u8; 32]>>;

    /// Remembers `pin` for `server`.
    ///
    /// # Errors
    /// When it cannot be kept; then the certificate is not trusted.
    fn remember(&self, server: &str, pin: [u8; 32]) -> io::Result<()>;
}

/// For programs that never trust on first use.
#[derive(Debug, Clone, Copy)]
pub struct NoPins;

/// A text file with a line `host:port fingerprint` for each server. The user may delete lines.
#[derive(Debug)]
pub struct FilePins {
    path: PathBuf,
    writing: Mutex<()>,
}

impl PinStore for NoPins {
    fn get(&self, _: &str) -> io::Result<Option<[u8; 32]>> {
        Ok(None)
    }

    fn remember(&self, _: &str, _: [u8; 32]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no place to remember certificates in"))
    }
}

impl fmt::Display for NoPins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no store")
    }
}

impl FilePins {
    /// A store in the file at `path`. The file and its folder are made when there is something to remember.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writing: Mutex::new(()) }
    }

    fn read(&self) -> io::Result<Vec<(String, [u8; 32])>> {
        let mut text = String::new();
        match fs::File::open(&self.path) {
            Ok(file) => file.take(MAX_BYTES + 1).read_to_string(&mut text)?,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        if text.len() as u64 > MAX_BYTES {
            return Err(invalid(format!("more than {MAX_BYTES} bytes, so it is not a list of certificates")));
        }
        let lines =
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        lines.map(|(number, line)| parse(line).ok_or_else(|| bad_line(number + 1))).collect()
    }

    fn write(&self, pins: &[(String, [u8; 32])]) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
        }
        let mut text = String::from(
            "# Certificates that rminer trusts since it first saw them. Delete a line to forget one.\n",
        );
        for (server, pin) in pins {
            text.push_str(&format!("{server} {}\n", encode_hex(pin)));
        }
        // Written apart and renamed, so that a crash leaves either the old file or the new one.
        let draft = self.path.with_extension("new");
        write_private(&draft, &text)?;
        fs::rename(&draft, &self.path)
    }
}

impl PinStore for FilePins {
    fn get(&self, server: &str) -> io::Result<Option<[u8; 32]>> {
        Ok(self.read()?.into_iter().find(|(known, _)| known == server).map(|(_, pin)| pin))
    }

    fn remember(&self, server: &str, pin: [u8; 32]) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pins = self.read()?;
        pins.retain(|(known, _)| known != server);
        if pins.len() >= MAX_PINS {
            return Err(invalid(format!("{MAX_PINS} certificates are remembered already")));
        }
        pins.push((server.to_owned(), pin));
        self.write(&pins)
    }
}

impl fmt::Display for FilePins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

fn parse(line: &str) -> Option<(String, [u8; 32])> {
    let (server, pin) = line.trim().split_once(' ')?;
    Some((server.to_owned(), decode_hex_array(pin.trim()).ok()?))
}

fn bad_line(number: usize) -> io::Error {
    invalid(format!("line {number} is not `host:port` and 64 hex digits; delete it"))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("pins");
        let store = FilePins::new(&path);
        assert_eq!(store.get("pool.example:443").unwrap(), None);
        store.remember("pool.example:443", [1; 32]).unwrap();
        store.remember("[2001:db8::1]:443", [2; 32]).unwrap();
        store.remember("pool.example:443", [3; 32]).unwrap();
        let store = FilePins::new(&path);
        assert_eq!(store.get("pool.example:443").unwrap(), Some([3; 32]));
        assert_eq!(store.get("[2001:db8::1]:443").unwrap(), Some([2; 32]));
        assert_eq!(store.get("pool.example:444").unwrap(), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_broken_store_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins");
        fs::write(&path, "# mine\npool.example:443 abcd\n").unwrap();
        let store = FilePins::new(&path);
        let fault = store.get("pool.example:443").unwrap_err().to_string();
        assert!(fault.contains("line 2"), "{fault}");
        assert!(store.remember("other.example:443", [1; 32]).is_err());
        assert!(fs::read_to_string(&path).unwrap().contains("# mine"));
        fs::write(&path, "x".repeat(300_000)).unwrap();
        assert!(store.get("pool.example:443").is_err());
        assert!(FilePins::new(folder.path()).get("x").is_err(), "a folder is no store");
    }

    #[test]
    fn the_number_of_pins_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = FilePins::new(folder.path().join("pins"));
        let many: Vec<_> = (0..MAX_PINS).map(|number| (format!("h:{number}"), [0; 32])).collect();
        store.write(&many).unwrap();
        assert!(store.remember("one.more:1", [1; 32]).is_err());
        store.remember("h:7", [1; 32]).unwrap();
    }
}
