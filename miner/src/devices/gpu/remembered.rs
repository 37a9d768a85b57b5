//! Which kernels a card was fastest with, kept in the state folder: measuring takes two seconds at each start
//! otherwise. The user's own file is never written.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rminer_algos::Algorithm;
use rminer_shaders::Adapter;
use rminer_shaders::choose::{Choice, Measured};
use serde::{Deserialize, Serialize};

use crate::state_file;

const FILE: &str = "gpu-kernels.json";
/// Cards, drivers and algorithms that are remembered; the oldest go first.
const MAX_ENTRIES: usize = 64;

/// What is remembered, and where.
pub(super) struct Memory {
    /// None where the system has no place for it.
    file: Option<PathBuf>,
    /// Cards are opened on threads of their own; one at a time changes the file.
    changing: Mutex<()>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    card: String,
    driver: String,
    algorithm: String,
    /// Version of the program: another one has other kernels under the same names.
    version: String,
    single: String,
    several: Option<String>,
    compile_ms: u64,
    measured: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    kernel: String,
    lanes: u32,
    rate_hs: Option<f64>,
    compile_ms: u64,
}

impl Memory {
    pub(super) fn new(state_folder: Option<&Path>) -> Self {
        Self { file: state_folder.map(|folder| folder.join(FILE)), changing: Mutex::new(()) }
    }

    /// What was chosen for this card with this driver before.
    pub(super) fn recall(&self, adapter: &Adapter, algorithm: &Algorithm) -> Option<Choice> {
        let known = self.read().into_iter().rev().find(|entry| entry.is_of(adapter, algorithm))?;
        let measured = known.measured.into_iter().map(|row| Measured {
            name: row.kernel,
            lanes: row.lanes,
            rate_hs: row.rate_hs,
            compile: Duration::from_millis(row.compile_ms),
        });
        Some(Choice {
            single: known.single,
            several: known.several,
            measured: measured.collect(),
            compile: Duration::from_millis(known.compile_ms),
        })
    }

    /// Keeps a choice. When that fails it is measured again next time, which costs two seconds and is no news.
    pub(super) fn remember(&self, adapter: &Adapter, algorithm: &Algorithm, choice: &Choice) {
        let Some(file) = &self.file else { return };
        let _guard = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.read();
        entries.retain(|entry| !entry.is_of(adapter, algorithm));
        entries.push(Entry::new(adapter, algorithm, choice));
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..surplus);
        let _not_kept = state_file::write(file, &entries);
    }

    /// All entries; none when there is no file or it cannot be understood.
    fn read(&self) -> Vec<Entry> {
        self.file.as_deref().map(state_file::read).unwrap_or_default()
    }
}

impl Entry {
    fn new(adapter: &Adapter, algorithm: &Algorithm, choice: &Choice) -> Self {
        let measured = choice.measured.iter().map(|row| Row {
            kernel: row.name.clone(),
            lanes: row.lanes,
            rate_hs: row.rate_hs,
            compile_ms: milliseconds(row.compile),
        });
        Self {
            card: adapter.id.name.clone(),
            driver: adapter.driver.clone(),
            algorithm: algorithm.name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            single: choice.single.clone(),
            several: choice.several.clone(),
            compile_ms: milliseconds(choice.compile),
            measured: measured.collect(),
        }
    }

    /// Cards of one model are alike, so their addresses do not matter.
    fn is_of(&self, adapter: &Adapter, algorithm: &Algorithm) -> bool {
        self.card == adapter.id.name
            && self.driver == adapter.driver
            && self.algorithm == algorithm.name
            && self.version == env!("CARGO_PKG_VERSION")
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rminer_algos::registry::{RANDOMX, SHA256D};
    use rminer_shaders::adapters::AdapterId;

    use super::*;

    fn adapter(name: &str, driver: &str) -> Adapter {
        let id = AdapterId { pci: "0000:01:00.0".into(), name: name.into(), nth: 0 };
        Adapter { id, driver: driver.into(), backend: "Vulkan", software: false }
    }

    fn choice(single: &str) -> Choice {
        let measured = vec![Measured {
            name: single.into(),
            lanes: 1,
            rate_hs: Some(7e9),
            compile: Duration::from_millis(120),
        }];
        Choice { single: single.into(), several: None, measured, compile: Duration::from_millis(120) }
    }

    #[test]
    fn choices_belong_to_card_driver_and_algorithm() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(Some(&folder.path().join("new")));
        let card = adapter("Card", "driver 1");
        assert_eq!(memory.recall(&card, &SHA256D), None);
        memory.remember(&card, &SHA256D, &choice("a"));
        memory.remember(&card, &SHA256D, &choice("b"));
        assert_eq!(memory.recall(&card, &SHA256D), Some(choice("b")));
        assert_eq!(memory.recall(&card, &RANDOMX), None);
        assert_eq!(memory.recall(&adapter("Card", "driver 2"), &SHA256D), None);
        for number in 0..MAX_ENTRIES {
            memory.remember(&adapter(&format!("card {number}"), ""), &SHA256D, &choice("c"));
        }
        assert_eq!(memory.recall(&card, &SHA256D), None, "the oldest went");
        assert_eq!(memory.read().len(), MAX_ENTRIES);
        assert_eq!(Memory::new(None).recall(&card, &SHA256D), None);
    }

    #[test]
    fn a_broken_file_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(Some(folder.path()));
        for text in ["", "{", "[{\"card\": 1}]", "\u{0}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(memory.recall(&adapter("Card", ""), &SHA256D), None, "{text:?}");
        }
        memory.remember(&adapter("Card", ""), &SHA256D, &choice("a"));
        assert!(memory.recall(&adapter("Card", ""), &SHA256D).is_some());
    }
}
