//! Which number of lanes a processor was fastest with, kept in the state folder: measuring takes some seconds at each
//! start otherwise.

use std::fs;
use std::path::{Path, PathBuf};

use rminer_algos::{Variant, registry};
use serde::{Deserialize, Serialize};

use super::tuning::Decided;
use crate::state_file;

const FILE: &str = "randomx-lanes.json";
/// Processors, threads and versions that are remembered; the oldest go first.
const MAX_ENTRIES: usize = 64;

/// What is remembered, where, and of what.
pub(crate) struct Remembered {
    /// None where the system has no place for it.
    file: Option<PathBuf>,
    model: String,
    microcode: String,
    engine: String,
    threads: usize,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    model: String,
    microcode: String,
    engine: String,
    threads: usize,
    /// `rx/0` or `rx/2`.
    algorithm: String,
    /// Version of the program: another one may hash otherwise.
    version: String,
    /// What was chosen.
    pub(crate) lanes: usize,
    /// What it was chosen from.
    pub(crate) measured: Vec<Rate>,
}

/// A number of lanes, and hashes per second of all threads with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rate {
    pub(crate) lanes: usize,
    pub(crate) rate_hs: f64,
}

impl Remembered {
    pub(crate) fn new(folder: Option<&Path>, model: &str, engine: &str, threads: usize) -> Self {
        Self {
            file: folder.map(|folder| folder.join(FILE)),
            model: model.to_owned(),
            microcode: microcode(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            engine: engine.to_owned(),
            threads,
        }
    }

    /// What was decided before, for the same processor, threads and engine.
    pub(crate) fn recall(&self, variant: Variant) -> Option<Entry> {
        self.read().into_iter().rev().find(|entry| self.is_of(entry, variant))
    }

    /// Keeps a decision. When that fails it is measured again next time, which is no news.
    pub(super) fn remember(&self, variant: Variant, decided: &Decided) {
        let Some(file) = &self.file else { return };
        let mut entries = self.read();
        entries.retain(|entry| !self.is_of(entry, variant));
        entries.push(Entry {
            model: self.model.clone(),
            microcode: self.microcode.clone(),
            engine: self.engine.clone(),
            threads: self.threads,
            algorithm: registry::randomx(variant).wire_name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lanes: decided.lanes,
            measured: decided.rates.clone(),
        });
        let surplus = entries.len().saturating_sub(MAX_ENTRIES);
        entries.drain(..surplus);
        let _not_kept = state_file::write(file, &entries);
    }

    fn is_of(&self, entry: &Entry, variant: Variant) -> bool {
        (&self.model, &self.microcode, &self.engine, self.threads)
            == (&entry.model, &entry.microcode, &entry.engine, entry.threads)
            && entry.algorithm == registry::randomx(variant).wire_name()
            && entry.version == env!("CARGO_PKG_VERSION")
    }

    /// All entries; none when there is no file or it cannot be understood.
    fn read(&self) -> Vec<Entry> {
        self.file.as_deref().map(state_file::read).unwrap_or_default()
    }
}

/// The first processor's; empty where the system does not tell.
fn microcode(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("microcode"));
    line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_belong_to_processor_engine_and_version() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Remembered::new(Some(&folder.path().join("new")), "Model", "native", 2);
        assert_eq!(memory.recall(Variant::V1), None);
        let decided = |lanes| Decided { lanes, rates: vec![Rate { lanes, rate_hs: 500.0 }] };
        memory.remember(Variant::V1, &decided(3));
        memory.remember(Variant::V1, &decided(2));
        let entry = memory.recall(Variant::V1).unwrap();
        assert_eq!((entry.lanes, entry.measured), (2, decided(2).rates));
        assert_eq!(memory.read().len(), 1, "the last one counts");
        assert_eq!(memory.recall(Variant::V2), None);
        let folder = folder.path().join("new");
        for (model, engine) in [("Other", "native"), ("Model", "other")] {
            assert_eq!(Remembered::new(Some(&folder), model, engine, 2).recall(Variant::V1), None);
        }
        let other =
            Remembered { microcode: "0x1".into(), ..Remembered::new(Some(&folder), "Model", "native", 2) };
        assert_eq!(other.recall(Variant::V1), None);
        for number in 0..MAX_ENTRIES {
            Remembered::new(Some(&folder), &number.to_string(), "", 1).remember(Variant::V1, &decided(1));
        }
        assert_eq!((memory.recall(Variant::V1), memory.read().len()), (None, MAX_ENTRIES), "the oldest went");
        fs::write(folder.join(FILE), "[{\"model\": 1}]").unwrap();
        assert_eq!(memory.recall(Variant::V1), None, "a broken file is no file");
    }

    #[test]
    fn the_microcode_is_read() {
        assert_eq!(microcode("vendor_id\t: x\nmicrocode\t: 0xa0011d5\nmicrocode\t: 0x1\n"), "0xa0011d5");
        assert_eq!(microcode("model name : x\n"), "");
    }
}
