//! What was measured and saved, as what to expect of the same devices later.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BenchResult;
use crate::clock::unix_seconds;
use crate::devices::Chosen;
use crate::records::Expected;
use crate::state_file;

const FILE: &str = "bench.json";
/// Measurements that are kept; the oldest go first.
const MAX_ENTRIES: usize = 64;
/// The name of a measurement that took several processors together.
const ALL_CPUS: &str = "cpu";

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    algo: String,
    device: String,
    name: String,
    threads: usize,
    engine: String,
    rate_hs: f64,
    /// In seconds since 1970.
    saved_s: f64,
    /// Version of the program that measured.
    version: String,
}

/// Saves these results, each in place of an earlier one of the same device, algorithm and settings; where they are.
///
/// # Errors
/// The system's, when the file cannot be written.
pub fn save(state_folder: &Path, results: &[BenchResult]) -> io::Result<PathBuf> {
    let path = state_folder.join(FILE);
    let mut entries: Vec<Entry> = state_file::read(&path);
    for result in results {
        let entry = Entry {
            algo: result.algo.to_owned(),
            device: result.device.clone(),
            name: result.name.clone(),
            threads: result.threads,
            engine: result.engine.clone(),
            rate_hs: result.rate_hs,
            saved_s: unix_seconds(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        entries.retain(|known| !known.is_like(&entry));
        entries.push(entry);
    }
    let surplus = entries.len().saturating_sub(MAX_ENTRIES);
    entries.drain(..surplus);
    state_file::write(&path, &entries)?;
    Ok(path)
}

/// What to expect of these devices together. `None` unless each was measured with this algorithm and these settings.
pub fn expected(state_folder: &Path, algo: &str, devices: &[Chosen]) -> Option<Expected> {
    let entries: Vec<Entry> = state_file::read(&state_folder.join(FILE));
    let (cpus, others): (Vec<&Chosen>, Vec<&Chosen>) =
        devices.iter().partition(|device| device.id.starts_with(ALL_CPUS));
    let find = |device: &str, like: &Chosen, threads: usize| {
        let is_it = |entry: &&Entry| {
            (entry.algo.as_str(), entry.device.as_str(), entry.threads) == (algo, device, threads)
                && (&entry.name, &entry.engine) == (&like.name, &like.engine)
                && entry.rate_hs > 0.0
                && entry.rate_hs.is_finite()
        };
        entries.iter().rev().find(is_it)
    };
    let each = |devices: &[&Chosen]| -> Option<Vec<&Entry>> {
        devices.iter().map(|device| find(&device.id, device, device.workers)).collect()
    };
    let together = || {
        let threads = cpus.iter().map(|cpu| cpu.workers).sum();
        cpus.first().and_then(|cpu| find(ALL_CPUS, cpu, threads)).map(|entry| vec![entry])
    };
    let mut found = each(&cpus).or_else(together)?;
    found.extend(each(&others)?);
    let saved_s = found.iter().map(|entry| entry.saved_s).reduce(f64::min)?;
    Some(Expected { hs: found.iter().map(|entry| entry.rate_hs).sum(), saved_s })
}

impl Entry {
    fn is_like(&self, other: &Self) -> bool {
        (&self.algo, &self.device, &self.name, self.threads, &self.engine)
            == (&other.algo, &other.device, &other.name, other.threads, &other.engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(device: &str, threads: usize, rate_hs: f64) -> BenchResult {
        BenchResult {
            algo: "sha256d",
            device: device.into(),
            name: "Model".into(),
            threads,
            vms_per_thread: 1,
            init_ms: 0,
            first_hash_ms: 0,
            hashes: 1,
            seconds: 1.0,
            cpu_seconds: 1.0,
            rate_hs,
            power_w: None,
            joules_per_hash: None,
            spread_percent: None,
            hugepages_have: 0,
            hugepages_want: 0,
            memory_kib: None,
            engine: "avx2".into(),
            new_jobs: None,
            checksum: None,
        }
    }

    fn chosen(id: &str, workers: usize) -> Chosen {
        Chosen { id: id.into(), name: "Model".into(), engine: "avx2".into(), workers, pci: None }
    }

    #[test]
    fn the_same_devices_are_expected_to_do_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let rate = |devices: &[Chosen]| expected(&folder, "sha256d", devices).map(|expected| expected.hs);
        assert_eq!(rate(&[chosen("cpu0", 2)]), None);
        save(&folder, &[result("cpu0", 2, 5.0), result("gpu0", 1, 100.0)]).unwrap();
        save(&folder, &[result("cpu0", 2, 6.0)]).unwrap();
        assert_eq!(rate(&[chosen("cpu0", 2)]), Some(6.0), "the last one counts");
        assert_eq!(rate(&[chosen("cpu0", 2), chosen("gpu0", 1)]), Some(106.0));
        assert_eq!(rate(&[chosen("gpu0", 1)]), Some(100.0));
        for other in [chosen("cpu0", 1), chosen("cpu1", 2), chosen("gpu1", 1)] {
            assert_eq!(rate(&[chosen("gpu0", 1), other]), None);
        }
        let slower = Chosen { engine: "scalar".into(), ..chosen("cpu0", 2) };
        assert_eq!(rate(&[slower]), None);
        assert_eq!(rate(&[]), None);
        assert_eq!(expected(&folder, "randomx", &[chosen("cpu0", 2)]), None);
        assert!(expected(&folder, "sha256d", &[chosen("gpu0", 1)]).unwrap().saved_s > 0.0);
    }

    #[test]
    fn processors_may_have_been_measured_together() {
        let folder = tempfile::tempdir().unwrap();
        save(folder.path(), &[result("cpu", 8, 50.0)]).unwrap();
        let devices = [chosen("cpu0", 4), chosen("cpu1", 4)];
        assert_eq!(expected(folder.path(), "sha256d", &devices).map(|expected| expected.hs), Some(50.0));
        assert_eq!(expected(folder.path(), "sha256d", &devices[..1]), None);
    }

    #[test]
    fn the_file_stays_small_and_may_be_broken() {
        let folder = tempfile::tempdir().unwrap();
        let many: Vec<_> = (0..MAX_ENTRIES + 9).map(|threads| result("cpu0", threads, 1.0)).collect();
        let path = save(folder.path(), &many).unwrap();
        assert_eq!(state_file::read::<Entry>(&path).len(), MAX_ENTRIES);
        for text in ["", "[", "[{\"algo\": 1}]", "\u{0}"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(expected(folder.path(), "sha256d", &[chosen("cpu0", 20)]), None, "{text:?}");
        }
        save(folder.path(), &many[..1]).unwrap();
        assert_eq!(state_file::read::<Entry>(&path).len(), 1);
    }
}
