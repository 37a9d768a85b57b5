//! Every input of the fuzz corpora, on the ordinary compiler: what fuzzing found once stays found.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

use std::fs;
use std::path::{Path, PathBuf};

use rminer_algos::fuzz_target;
use rminer_stratum::dialect::{
    bitcoin::fuzz_bitcoin, gbt::fuzz_gbt, kaspa::fuzz_kaspa, kaspad::fuzz_kaspad, monero::fuzz_monero,
    monerod::fuzz_monerod,
};
use rminer_stratum::envelope::fuzz_envelope;
use rminer_stratum::line::fuzz_line;
use rminer_stratum::session::fuzz_session;

type Entry = fn(&[u8]);

const TARGETS: [(&str, Entry); 10] = [
    ("bitcoin", fuzz_bitcoin),
    ("envelope", fuzz_envelope),
    ("gbt", fuzz_gbt),
    ("kaspa", fuzz_kaspa),
    ("kaspad", fuzz_kaspad),
    ("line", fuzz_line),
    ("monero", fuzz_monero),
    ("monerod", fuzz_monerod),
    ("session", fuzz_session),
    ("target", fuzz_target),
];

fn fuzz_folder(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(inside)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_target_has_a_corpus_and_an_entry_here() {
    let wanted: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&fuzz_folder("fuzz_targets")), wanted);
    assert_eq!(names(&fuzz_folder("corpus")), wanted);
}

#[test]
fn corpora_pass() {
    for (name, entry) in TARGETS {
        let folder = fuzz_folder("corpus").join(name);
        let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 5, "{name}: {} inputs", files.len());
        for file in files {
            // The name shows when the input fails.
            println!("{}", file.display());
            let data = fs::read(&file).unwrap();
            entry(&data);
            // And what is left when it breaks off: some forty places of each.
            for end in (0..data.len()).step_by(data.len() / 40 + 1) {
                entry(&data[..end]);
            }
        }
    }
}
