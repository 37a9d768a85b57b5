//! Every file in `config/valid` passes `rminer config check`; every file in `config/invalid` fails with exit
//! code 2, the texts of its `# expect:` comments, and the line of its `# at line:` comment.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Exit code, standard output and standard error of a check.
fn check(path: &Path, json: bool) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("rminer").unwrap();
    command.env_clear().args(["config", "check"]).arg(path);
    if json {
        command.arg("--json");
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn valid_files_pass() {
    let files = files("valid");
    assert!(files.len() >= 5);
    for path in files {
        let (code, stdout, stderr) = check(&path, false);
        assert_eq!(code, Some(0), "{}: {stderr}", path.display());
        assert!(stdout.contains(": ok, "), "{stdout}");
    }
}

#[test]
fn invalid_files_fail_with_line_key_and_remedy() {
    let files = files("invalid");
    assert!(files.len() >= 60);
    for path in files {
        let content = fs::read_to_string(&path).unwrap();
        let notes = |prefix: &'static str| content.lines().filter_map(move |line| line.strip_prefix(prefix));
        let (code, stdout, stderr) = check(&path, false);
        assert_eq!(code, Some(2), "{}: {stderr}", path.display());
        assert_eq!(stdout, "");
        let expected: Vec<&str> = notes("# expect: ").collect();
        assert!(!expected.is_empty(), "{}", path.display());
        for text in expected {
            assert!(stderr.contains(text), "{}: no {text:?} in:\n{stderr}", path.display());
        }
        for line in notes("# at line: ") {
            let place = format!("{}:{line}:", path.display());
            assert!(stderr.contains(&place), "{}: no {place:?} in:\n{stderr}", path.display());
            assert!(stderr.contains('^'), "{stderr}");
        }
        assert!(stderr.contains("error["), "{stderr}");
    }
}

#[test]
fn the_same_problems_come_as_json() {
    for path in files("invalid") {
        let (code, stdout, _) = check(&path, true);
        assert_eq!(code, Some(2), "{}", path.display());
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["ok"], false, "{stdout}");
        assert!(!report["problems"].as_array().unwrap().is_empty());
    }
}

#[test]
fn every_problem_says_what_to_do() {
    for path in files("invalid") {
        let (_, stdout, _) = check(&path, true);
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        for problem in report["problems"].as_array().unwrap() {
            if problem["severity"] == "error"
                && problem["code"] != "config-syntax"
                && problem["code"] != "config-type"
            {
                assert!(!problem["help"].as_array().unwrap().is_empty(), "{}: {problem}", path.display());
            }
        }
    }
}
