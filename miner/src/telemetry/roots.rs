//! The kernel's files. All sources read below roots that are given to them, so that tests run on recorded trees.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// No file that is read here is longer; what is beyond is not looked at. `/proc/stat` of large machines is the longest.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// No folder that is listed here has more entries; the rest is not looked at.
const MAX_ENTRIES: usize = 4096;
/// Sensors are looked for again this long after they were found.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The same after one could not be read: it may be gone, and something else may have its place.
const LOOK_AGAIN_AFTER_FAILURE: Duration = Duration::from_secs(4);

/// Where the kernel's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// `/sys`.
    pub sys: PathBuf,
    /// `/proc`.
    pub proc_: PathBuf,
}

impl Roots {
    /// Those of this machine.
    pub fn of_this_machine() -> Self {
        Self { sys: "/sys".into(), proc_: "/proc".into() }
    }

    /// Where a class of devices is listed.
    pub(super) fn class(&self, name: &str) -> PathBuf {
        self.sys.join("class").join(name)
    }
}

/// What a file says, or why it says nothing.
pub(crate) fn read(path: &Path) -> Result<String, ErrorKind> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.kind())?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|error| error.kind())?;
    Ok(text)
}

/// The value in a file of one value.
pub(crate) fn value<T: FromStr>(path: &Path) -> Option<T> {
    read(path).ok()?.trim().parse().ok()
}

/// The value in a file that counts thousandths or millionths.
pub(super) fn scaled(path: &Path, unit: f64) -> Option<f64> {
    value::<f64>(path).map(|raw| raw * unit)
}

/// The word or line in a file of one line; empty where there is none.
pub(crate) fn word(path: &Path) -> String {
    read(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// What a folder holds, in the order of names; nothing when there is none.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = found.take(MAX_ENTRIES).flatten().map(|entry| entry.path()).collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths
}

/// The last part of a path.
pub(crate) fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Paths that were found once and are looked for again from time to time, or soon after one of them failed: walking
/// through folders at each look would cost more than all readings.
#[derive(Debug)]
pub(super) struct Found<T> {
    what: T,
    looked_at: Option<Instant>,
    has_failed: bool,
}

impl<T: Default> Default for Found<T> {
    fn default() -> Self {
        Self { what: T::default(), looked_at: None, has_failed: false }
    }
}

impl<T> Found<T> {
    /// What was found, after looking again where it is time to.
    pub(super) fn at(&mut self, now: Instant, look: impl FnOnce(&mut T)) -> &mut T {
        let wait = if self.has_failed { LOOK_AGAIN_AFTER_FAILURE } else { LOOK_AGAIN };
        if self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= wait) {
            look(&mut self.what);
            (self.looked_at, self.has_failed) = (Some(now), false);
        }
        &mut self.what
    }

    /// Something that was found cannot be read.
    pub(super) fn failed(&mut self) {
        self.has_failed = true;
    }

    /// What was found, as it is.
    pub(super) fn known(&self) -> &T {
        &self.what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_have_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("long");
        std::fs::write(&long, "7".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 5)).unwrap();
        assert_eq!(read(&long).map(|text| text.len() as u64), Ok(MAX_FILE_BYTES));
        assert_eq!(read(&folder.path().join("none")), Err(ErrorKind::NotFound));
        let many = folder.path().join("many");
        std::fs::create_dir(&many).unwrap();
        for number in 0..MAX_ENTRIES + 3 {
            std::fs::write(many.join(format!("hwmon{number}")), "").unwrap();
        }
        assert_eq!(entries(&many).len(), MAX_ENTRIES);
        assert!(entries(&folder.path().join("none")).is_empty());
    }

    #[test]
    fn values_are_trimmed_and_what_is_no_value_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("temp1_input");
        for (text, expected) in
            [("45125\n", Some(45.125)), ("", None), ("N/A\n", None), ("-5\n", Some(-0.005))]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(scaled(&path, 0.001), expected);
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(scaled(&path, 1.0), None);
    }

    #[test]
    fn what_was_found_is_looked_for_again_in_time_and_soon_after_a_failure() {
        let start = Instant::now();
        let mut found: Found<u32> = Found::default();
        let count = |found: &mut Found<u32>, after: Duration| *found.at(start + after, |looks| *looks += 1);
        assert_eq!(count(&mut found, Duration::ZERO), 1);
        assert_eq!(count(&mut found, LOOK_AGAIN - Duration::from_secs(1)), 1);
        assert_eq!(count(&mut found, LOOK_AGAIN), 2);
        found.failed();
        assert_eq!(count(&mut found, LOOK_AGAIN + Duration::from_secs(1)), 2);
        assert_eq!(count(&mut found, LOOK_AGAIN + LOOK_AGAIN_AFTER_FAILURE), 3);
        assert_eq!(count(&mut found, LOOK_AGAIN + LOOK_AGAIN_AFTER_FAILURE * 2), 3);
    }
}
