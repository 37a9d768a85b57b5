//! The token that orders need: given by the user, or made at the first start and kept for this user alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rminer_algos::encode_hex;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::ApiSettings;
use crate::config::secrets::read_first_line;
use crate::problem::Problem;

/// Fewest characters of a token: what is shorter can be guessed.
const MIN_TOKEN_CHARS: usize = 16;
/// Most characters of a token.
const MAX_TOKEN_CHARS: usize = 512;
/// Bytes from the system's random numbers in a token that the program makes.
const RANDOM_BYTES: usize = 32;
/// Its file in the state folder.
const FILE_NAME: &str = "api-token";

/// A token, and where people find it.
#[derive(Debug, Clone)]
pub struct Token {
    secret: SecretString,
    path: Option<PathBuf>,
}

impl Token {
    /// One that is given.
    pub fn new(secret: SecretString) -> Self {
        Self { secret, path: None }
    }

    /// The file that has it.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether this is it. Takes as long for a nearly right one as for any other of its length.
    pub fn matches(&self, given: &[u8]) -> bool {
        self.secret.expose_secret().as_bytes().ct_eq(given).into()
    }
}

/// Whether a text can be a token.
///
/// # Errors
/// Why not.
pub fn check_token(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length < MIN_TOKEN_CHARS {
        Err(format!("it has {length} characters, fewer than {MIN_TOKEN_CHARS} can be guessed"))
    } else if length > MAX_TOKEN_CHARS {
        Err(format!("it has more than {MAX_TOKEN_CHARS} characters"))
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("it has characters other than letters, digits and signs of ASCII".into())
    } else {
        Ok(())
    }
}

/// The token that the settings name, else the one in the state folder, which is made when it is not there.
///
/// # Errors
/// Why there is none.
pub fn open(settings: &ApiSettings, state_folder: Option<&Path>) -> Result<Token, Problem> {
    if let Some(secret) = &settings.token {
        return Ok(Token::new(secret.clone()));
    }
    if let Some(path) = &settings.token_file {
        return read(path);
    }
    // A service has a place for it whether there is one or not.
    if let Some(path) = settings.credential.as_deref().filter(|path| has_content(path)) {
        return take(path, false);
    }
    let Some(folder) = state_folder else {
        let problem = Problem::error("api-token", "there is no place to keep the token of the interface");
        return Err(problem.help("set HOME or XDG_STATE_HOME, or name a file with --api-token-file"));
    };
    let path = folder.join(FILE_NAME);
    if !path.exists() {
        make(&path).map_err(|error| {
            let summary = format!("the token of the interface cannot be kept in {}: {error}", path.display());
            Problem::error("api-token", summary).help("name a file with --api-token-file")
        })?;
    }
    read(&path)
}

fn has_content(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| !bytes.trim_ascii().is_empty())
}

fn read(path: &Path) -> Result<Token, Problem> {
    take(path, true)
}

/// The token in a file; `alone` if its mode must say that nobody else reads it.
fn take(path: &Path, alone: bool) -> Result<Token, Problem> {
    let shown = path.display();
    let fault = |why: String| Problem::error("api-token", format!("{shown} has no token: {why}"));
    let (secret, others) = read_first_line(path).map_err(|why| {
        fault(why).help("write a token to its first line; `openssl rand -hex 32` prints one")
    })?;
    if others && alone {
        let problem = Problem::error("api-token", format!("others than you can read the token in {shown}"));
        return Err(problem.help(format!("type: chmod 600 '{shown}'")));
    }
    check_token(secret.expose_secret()).map_err(|why| {
        fault(why).help("delete the file and rminer makes a token, or write one: `openssl rand -hex 32`")
    })?;
    Ok(Token { secret, path: Some(path.to_owned()) })
}

/// Writes a new token. Whoever reads the path finds a whole one or none: of two miners that start together, the
/// first one's counts.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let draft = folder.join(format!("{FILE_NAME}.{}", std::process::id()));
    let written = write_alone(&draft, format!("{}\n", encode_hex(&bytes)).as_bytes());
    let placed = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without links; the last one's counts then.
        Err(_) => fs::rename(&draft, path),
        Ok(()) => Ok(()),
    });
    // A left-over is a secret that nothing uses; it is in nobody's way.
    let _gone = fs::remove_file(&draft);
    placed
}

pub(super) fn write_alone(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // From a process of this number that was killed at this very place.
    let _stale = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token_file: Option<PathBuf>) -> ApiSettings {
        ApiSettings { token_file, ..ApiSettings::default() }
    }

    #[test]
    fn a_token_is_made_once_and_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("new/rminer");
        let first = open(&settings(None), Some(&state)).unwrap();
        let again = open(&settings(None), Some(&state)).unwrap();
        let secret = first.secret.expose_secret();
        assert_eq!((secret.len(), secret), (2 * RANDOM_BYTES, again.secret.expose_secret()));
        assert_eq!(first.path(), Some(state.join(FILE_NAME).as_path()));
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(state.join(FILE_NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let other = tempfile::tempdir().unwrap();
        let other = open(&settings(None), Some(other.path())).unwrap();
        assert_ne!(other.secret.expose_secret(), secret);
        assert!(first.matches(secret.as_bytes()) && !first.matches(other.secret.expose_secret().as_bytes()));
        assert!(!first.matches(b"") && !first.matches(&secret.as_bytes()[1..]));
        assert!(!format!("{first:?}").contains(secret));
    }

    #[test]
    fn of_miners_that_start_together_one_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        make(&path).unwrap();
        let first = fs::read(&path).unwrap();
        make(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let problem = open(&settings(Some(path.clone())), None).unwrap_err().to_string();
        assert!(problem.contains(&format!("chmod 600 '{}'", path.display())), "{problem}");
        assert!(!problem.contains("0123456789abcdef"), "{problem}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(open(&settings(Some(path.clone())), None).unwrap().matches(b"0123456789abcdef"));
        fs::write(&path, "short").unwrap();
        assert!(open(&settings(Some(path)), None).unwrap_err().to_string().contains("16"));
    }

    #[cfg(unix)]
    #[test]
    fn a_service_manager_hands_one_over_or_an_empty_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credential");
        let state = folder.path().join("state");
        let settings = ApiSettings { credential: Some(path.clone()), ..ApiSettings::default() };
        let made = open(&settings, Some(&state)).unwrap();
        fs::write(&path, "\n").unwrap();
        assert!(open(&settings, Some(&state)).unwrap().matches(made.secret.expose_secret().as_bytes()));
        fs::write(&path, "0123456789abcdef\n").unwrap();
        // Its mode shows the list of who may read it, and not who does.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        let handed = open(&settings, Some(&state)).unwrap();
        assert!(handed.matches(b"0123456789abcdef"));
        assert_eq!(handed.path(), Some(path.as_path()));
        fs::write(&path, "short").unwrap();
        assert!(open(&settings, Some(&state)).is_err());
    }

    #[test]
    fn without_a_place_there_is_none() {
        assert!(open(&settings(None), None).unwrap_err().to_string().contains("--api-token-file"));
        assert!(open(&settings(Some("/nonexistent/token".into())), None).is_err());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(open(&settings(None), Some(&file)).is_err(), "a file is no folder");
    }

    #[test]
    fn tokens_have_a_length_and_an_alphabet() {
        assert_eq!(check_token(&"x".repeat(MIN_TOKEN_CHARS)), Ok(()));
        assert_eq!(check_token(&"x".repeat(MAX_TOKEN_CHARS)), Ok(()));
        for wrong in
            ["", "0123456789abcde", "0123456789abcdef ", "0123456789abcdé0", &"x".repeat(MAX_TOKEN_CHARS + 1)]
        {
            assert!(check_token(wrong).is_err(), "{wrong}");
        }
    }
}
