//! What every code means that the program shows: in messages, in refusals of the interface, in findings.

mod doctor;
mod findings;
mod interface;
mod running;
mod service;
mod settings;

use std::fmt;

use serde::Serialize;

use doctor::DOCTOR;
use findings::FINDINGS;
use interface::INTERFACE;
use running::RUNNING;
use service::SERVICE;
use settings::SETTINGS;

/// A code, explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// As it stands in brackets.
    pub code: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Usual causes, the most usual first.
    pub causes: &'static [&'static str],
    /// What to do, in the order in which to try it.
    pub remedies: &'static [&'static str],
}

/// All of them: settings, what happens, services, the interface, findings, doctor; each part in the order of the
/// alphabet.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    [SETTINGS, RUNNING, SERVICE, INTERFACE, FINDINGS, DOCTOR].into_iter().flatten()
}

/// The one of this name.
pub fn find(code: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.code == code)
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.code, self.meaning)?;
        for (heading, lines) in [("Usual causes", self.causes), ("What to do", self.remedies)] {
            if !lines.is_empty() {
                writeln!(f, "\n{heading}")?;
            }
            for line in lines {
                writeln!(f, "  - {line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use super::*;

    /// Calls that take a code: its place among the arguments.
    const CALLS: [(&str, usize); 8] = [
        ("Problem::error(", 0),
        ("Problem::warning(", 0),
        ("ApiError::new(", 1),
        ("Self::new(", 1),
        ("Finding::new(", 0),
        ("Finding::green(", 0),
        ("Finding::yellow(", 0),
        ("Finding::red(", 0),
    ];
    const REGISTERS: &[&str] = &[
        "msr-unknown-cpu",
        "msr-virtual-machine",
        "msr-locked-down",
        "msr-no-module",
        "msr-writes-off",
        "msr-no-rights",
    ];
    /// Files in which the code of such a call is made before it, with the codes that are made there.
    const INDIRECT: [(&str, &[&str]); 7] = [
        ("config/resolve.rs", &["unknown-algorithm", "bad-value"]),
        ("commands/devices.rs", &["cpu", "no-device", "device"]),
        ("setup/msr/cause.rs", REGISTERS),
        ("doctor/judge/processor.rs", REGISTERS),
        // What the miner explains.
        ("doctor/running.rs", &[]),
        ("commands/doctor.rs", &["pool-unreachable", "tls-pin", "tls-untrusted", "login-refused", "no-job"]),
        // What the engine refuses goes on to who asked.
        ("api/v1/control.rs", &["busy", "no-answer", "stopping"]),
    ];

    fn source() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
    }

    /// All files of the program by their names, without their tests.
    fn files() -> BTreeMap<String, String> {
        let (mut found, mut folders) = (BTreeMap::new(), vec![source()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".rs") && !name.ends_with("tests.rs") && !name.contains("/tests/") {
                    let text = std::fs::read_to_string(path).unwrap();
                    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
                    let lines = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
                    found.insert(name, lines.collect::<Vec<_>>().join("\n"));
                }
            }
        }
        found
    }

    /// The codes of all calls in a text, and how many calls have none that can be read.
    fn codes_of(text: &str) -> (BTreeSet<String>, usize) {
        let (mut codes, mut others) = (BTreeSet::new(), 0);
        for (call, place) in CALLS {
            for (at, _) in text.match_indices(call) {
                let mut rest = text[at + call.len()..].trim_start();
                if place == 1 {
                    let Some((status, behind)) = rest.split_once(',') else { continue };
                    if !status.contains("Status") {
                        continue;
                    }
                    rest = behind.trim_start();
                }
                match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                    Some((code, _)) => drop(codes.insert(code.to_owned())),
                    None => others += 1,
                }
            }
        }
        (codes, others)
    }

    #[test]
    fn every_code_of_the_program_is_explained_and_no_other() {
        let files = files();
        let mut used: BTreeSet<String> = BTreeSet::new();
        for (name, text) in &files {
            let (codes, others) = codes_of(text);
            let indirect = INDIRECT.iter().find(|(file, _)| file == name);
            assert!(others == 0 || indirect.is_some(), "{name} makes codes that this test cannot read");
            used.extend(codes);
            for code in indirect.into_iter().flat_map(|(_, codes)| *codes) {
                used.insert((*code).to_owned());
            }
        }
        // Written as text, outside of any request.
        assert!(files["api/answer.rs"].contains(r#""code":"too-many-connections""#));
        used.insert("too-many-connections".into());
        used.extend(FINDINGS.iter().map(|entry| entry.code.to_owned()));
        let known: BTreeSet<String> = all().map(|entry| entry.code.to_owned()).collect();
        let missing: Vec<_> = used.difference(&known).collect();
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(missing.is_empty() && unused.is_empty(), "not explained: {missing:?}; not used: {unused:?}");
    }

    #[test]
    fn every_code_of_a_finding_is_made_somewhere() {
        let files = files();
        let explain: String = files
            .iter()
            .filter(|(name, _)| name.starts_with("explain/") && !name.contains("codes"))
            .map(|(_, text)| text.as_str())
            .collect();
        for entry in FINDINGS {
            assert!(explain.contains(&format!("\"{}\"", entry.code)), "{}", entry.code);
        }
    }

    #[test]
    fn entries_are_whole_and_each_is_there_once() {
        let codes: Vec<&str> = all().map(|entry| entry.code).collect();
        let once: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(once.len(), codes.len());
        for entry in all() {
            let texts = entry.causes.iter().chain(entry.remedies).chain([&entry.meaning]);
            assert!(
                texts.clone().all(|text| !text.trim().is_empty() && text.chars().all(|c| !c.is_control()))
            );
            assert!(
                entry.meaning.ends_with('.') && !entry.causes.is_empty() && !entry.remedies.is_empty(),
                "{entry:?}"
            );
        }
        let text = find("wallet-checksum").unwrap().to_string();
        assert!(text.starts_with("wallet-checksum: ") && text.contains("\n\nWhat to do\n  - "), "{text}");
        assert_eq!(find("nothing-of-the-kind"), None);
    }
}
