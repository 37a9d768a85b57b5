//! A dataset that outlives the process, in a file: whoever opens it again, for the same key, need not fill it.
//!
//! Behind its items lies a label that says what they are. It is taken away before the first of them is written over
//! and put back when all are filled. Nobody believes it alone: before the items are used, some of every part of the
//! memory are made anew from the cache and compared.

use std::path::Path;

use blake2b_simd::Params;

use super::{Contents, Dataset, Item, ItemKernel};
use crate::{Cache, Config, Error, Memory};

/// Bytes that a label may take.
const LABEL_BYTES: usize = 4096;

/// Bytes of the longest key that is written into a label.
const KEY_BYTES: usize = 256;

/// What a label begins with: a name, and the number of this form.
const MAGIC: &[u8; 16] = b"randomx items \x00\x01";

/// Bytes of a sum over the rest of a label.
const SUM_BYTES: usize = 32;

/// Items of which one is compared: so that each huge page has some.
const SAMPLE_ITEMS: usize = 8009;

/// That a dataset is kept, and what its label said when it was opened.
#[derive(Debug)]
pub(super) struct Kept {
    key: Option<Box<[u8]>>,
}

impl Dataset {
    /// Takes the memory of a file, which is made if it is not there: see [`Memory::keep`]. When it holds a dataset
    /// of the same kin, a [`Dataset::fill`] with the cache of its key has nothing to do but to compare samples.
    ///
    /// # Errors
    /// Those of [`Memory::keep`].
    pub fn keep(config: &'static Config, path: &Path) -> Result<Self, Error> {
        let what = "kept dataset";
        let bytes =
            usize::try_from(config.dataset_bytes()).ok().and_then(|bytes| bytes.checked_add(LABEL_BYTES));
        let bytes = bytes.ok_or(Error::Unsupported { what, reason: "it is too large" })?;
        let memory = Memory::keep(path, bytes, what)?;
        let mut dataset = Self { config, memory, contents: None, kept: None };
        let (_, label) = dataset.lines();
        dataset.kept = Some(Kept { key: read(label.as_flattened(), config) });
        Ok(dataset)
    }

    /// Makes what was kept the contents, if it is for the key of this cache and stands the comparison.
    pub(super) fn take_up(&mut self, cache: &Cache, kernel: &dyn ItemKernel) {
        let Some(key) = self.kept.as_mut().and_then(|kept| kept.key.take()) else { return };
        if cache.key() == Some(&*key) && self.stands(cache, kernel) {
            self.contents = Some(Contents { key, filled: self.item_count() });
        }
    }

    /// Whether samples of all parts are what they should be.
    fn stands(&self, cache: &Cache, kernel: &dyn ItemKernel) -> bool {
        let (lines, _) = self.lines();
        let indices: Vec<u64> =
            (0..self.item_count()).step_by(SAMPLE_ITEMS).chain([self.item_count() - 1]).collect();
        let mut items: Vec<Item> = vec![[0; 8]; indices.len()];
        kernel.items(cache.memory(), &indices, &mut items);
        indices.iter().zip(&items).all(|(&index, item)| {
            let line = usize::try_from(index).ok().and_then(|index| lines.get(index));
            line.is_some_and(|line| line.as_slice() == item.map(u64::to_le_bytes).as_flattened())
        })
    }

    /// Takes the label away.
    pub(super) fn kept_nothing(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.key = None;
            let (_, label) = self.lines_mut();
            if let Some(first) = label.first_mut() {
                *first = [0; 64];
            }
        }
    }
}

/// Writes a label. A key that is too long leaves none.
pub(super) fn write(label: &mut [u8], config: &Config, key: &[u8]) {
    if key.len() > KEY_BYTES {
        return;
    }
    let body = body(config, key);
    let sum = sum(&body);
    if let Some(place) = label.get_mut(..body.len() + SUM_BYTES) {
        place[..body.len()].copy_from_slice(&body);
        place[body.len()..].copy_from_slice(&sum);
    }
}

/// The key that a label names, if it is one of this configuration.
fn read(label: &[u8], config: &Config) -> Option<Box<[u8]>> {
    let start = body(config, b"").len();
    let bytes = label.get(start - 4..start)?.first_chunk::<4>()?;
    let bytes = usize::try_from(u32::from_le_bytes(*bytes)).ok().filter(|&bytes| bytes <= KEY_BYTES)?;
    let key = label.get(start..start + bytes)?;
    let body = body(config, key);
    let there = label.get(..body.len() + SUM_BYTES)?;
    (there == [body.as_slice(), &sum(&body)].concat()).then(|| key.into())
}

/// What the sum is over: the magic, what the items depend on, the key's length and the key.
fn body(config: &Config, key: &[u8]) -> Vec<u8> {
    let numbers = [
        u64::from(config.argon2_memory_kib),
        u64::from(config.argon2_passes),
        u64::from(config.argon2_lanes),
        config.cache_accesses as u64,
        u64::from(config.superscalar_latency),
        config.dataset_base_bytes,
        config.dataset_extra_bytes,
    ];
    let mut bytes = MAGIC.to_vec();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    for part in [config.argon2_salt, key] {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(part);
    }
    bytes
}

fn sum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let mut sum = [0; SUM_BYTES];
    sum.copy_from_slice(Params::new().hash_length(SUM_BYTES).hash(bytes).as_bytes());
    sum
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{FileExt, PermissionsExt};
    use std::path::PathBuf;

    use super::*;
    use crate::config::{RX_0, clone_of};
    use crate::{Pages, dataset::DatasetKernel};

    /// A kin whose dataset is small.
    static SMALL: Config = Config {
        name: "small",
        argon2_memory_kib: 256,
        argon2_passes: 1,
        dataset_base_bytes: 1 << 20,
        dataset_extra_bytes: 64 * 11,
        ..clone_of(&RX_0)
    };

    /// Another, of the same size.
    static OTHER: Config = Config { name: "other", argon2_salt: b"RandomX\x04", ..clone_of(&SMALL) };

    /// A name in memory that is gone in the end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = Self(PathBuf::from(format!("/dev/shm/randomx-test-{name}-{}", std::process::id())));
            assert!(!place.0.exists());
            place
        }

        /// Opens it and fills it for a key; how many items that took.
        fn fill(&self, config: &'static Config, key: &[u8]) -> u64 {
            let mut cache = Cache::allocate(config, Pages::Normal).unwrap();
            cache.init(key);
            let mut dataset = Dataset::keep(config, &self.0).unwrap();
            assert_eq!(dataset.key(), None, "nothing is believed that is not compared");
            let fill = dataset.fill_with(&cache, DatasetKernel::Portable).unwrap();
            let items = fill.total_items();
            while fill.step() {}
            fill.finish().unwrap();
            assert_eq!(dataset.key(), Some(key));
            for index in [0, 77, config.dataset_items() - 1] {
                let expected = cache.item(index).map(u64::to_le_bytes);
                assert_eq!(dataset.item(index).unwrap().as_slice(), expected.as_flattened());
            }
            assert_eq!(dataset.item(config.dataset_items()), None);
            assert_eq!(dataset.memory().len() as u64, config.dataset_bytes());
            items
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn what_was_filled_is_there_again() {
        let place = Place::new("again");
        let all = SMALL.dataset_items();
        assert_eq!(place.fill(&SMALL, b"first"), all);
        assert_eq!(place.fill(&SMALL, b"first"), 0);
        assert_eq!(place.fill(&SMALL, b"second"), all, "another key");
        assert_eq!(place.fill(&SMALL, b"first"), all, "the key before is gone");
        assert_eq!(place.fill(&OTHER, b"first"), all, "another kin");
        assert_eq!(place.fill(&OTHER, b"first"), 0);
        let long = [7; KEY_BYTES + 1];
        assert_eq!(place.fill(&OTHER, &long), all);
        assert_eq!(place.fill(&OTHER, &long), all, "a key that no label takes");
        assert_eq!(place.fill(&OTHER, &long[1..]), all);
        assert_eq!(place.fill(&OTHER, &long[1..]), 0);
    }

    #[test]
    fn what_was_changed_or_not_finished_is_filled_again() {
        let place = Place::new("changed");
        let all = SMALL.dataset_items();
        assert_eq!(place.fill(&SMALL, b"key"), all);
        let change = |offset: u64| {
            let file = fs::OpenOptions::new().write(true).open(&place.0).unwrap();
            file.write_all_at(b"changed", offset).unwrap();
        };
        for offset in [64 * SAMPLE_ITEMS as u64, 64 * (all - 1), 64 * all, 64 * all + 20, 64 * all + 90] {
            change(offset);
            assert_eq!(place.fill(&SMALL, b"key"), all, "changed at {offset}");
            assert_eq!(place.fill(&SMALL, b"key"), 0);
        }

        let mut cache = Cache::allocate(&SMALL, Pages::Normal).unwrap();
        cache.init(b"unfinished");
        let mut dataset = Dataset::keep(&SMALL, &place.0).unwrap();
        let fill = dataset.fill(&cache).unwrap();
        assert!(fill.step());
        fill.finish().unwrap_err();
        drop(dataset);
        assert_eq!(place.fill(&SMALL, b"key"), all);

        let mut dataset = Dataset::keep(&SMALL, &place.0).unwrap();
        dataset.forget();
        drop(dataset);
        assert_eq!(place.fill(&SMALL, b"key"), all, "what was forgotten");
    }

    #[test]
    fn files_that_are_not_ours_alone_are_refused() {
        let place = Place::new("refused");
        let reason = || match Dataset::keep(&SMALL, &place.0) {
            Err(Error::Unsupported { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
        let dataset = Dataset::keep(&SMALL, &place.0).unwrap();
        assert_eq!(reason(), "its file is in use");
        drop(dataset);
        fs::set_permissions(&place.0, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(reason(), "its file is not this user's alone");
        fs::remove_file(&place.0).unwrap();
        std::os::unix::fs::symlink("/dev/shm/elsewhere", &place.0).unwrap();
        assert_eq!(reason(), "its file cannot be opened");
        fs::remove_file(&place.0).unwrap();
        fs::create_dir(&place.0).unwrap();
        assert_eq!(reason(), "its file cannot be opened");
        fs::remove_dir(&place.0).unwrap();
        fs::write(&place.0, "precious").unwrap();
        fs::set_permissions(&place.0, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(reason(), "its file holds something else");
        assert_eq!(fs::read(&place.0).unwrap(), b"precious");
        let on_disk = Path::new(env!("CARGO_MANIFEST_DIR")).join("kept-on-disk");
        let refused = Dataset::keep(&SMALL, &on_disk).unwrap_err();
        fs::remove_file(&on_disk).unwrap();
        assert!(refused.to_string().ends_with("its file system is not in memory"), "{refused}");
    }
}
