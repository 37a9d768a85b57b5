//! `--watchdog-test`: a worker hangs on purpose, is seen, left behind and started again, and hangs once more; then the
//! program ends with the code that asks for a new process.
#![allow(clippy::unwrap_used)] // a failure here is a failed test

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Twice what the ladder takes.
const LONGEST: Duration = Duration::from_secs(90);

#[test]
fn the_ladder_is_run_to_its_end() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rminer"))
        .args(["demo", "--algo", "sha256d", "--devices", "cpu", "--threads", "1", "--watchdog-test"])
        .args(["--api-bind", "off", "--ui", "lines"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Few lines: they fit into the pipes until the end.
    let end = Instant::now() + LONGEST;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() >= end => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let (mut said, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    let all = format!("{said}\n{errors}");
    assert_eq!(status.and_then(|status| status.code()), Some(42), "{all}");
    let mut rest = said.as_str();
    for step in [
        "the first worker hangs twice",
        "cpu0 worker 0 hangs from now on, the first time (on purpose: --watchdog-test)",
        "its thread is left behind (on purpose: --watchdog-test)",
        "cpu0 worker 0 hangs from now on, once more (on purpose: --watchdog-test)",
        "its thread is left behind (on purpose: --watchdog-test)",
    ] {
        let at = rest.find(step);
        assert!(at.is_some(), "no {step:?} behind what came before\n{all}");
        rest = &rest[at.unwrap() + step.len()..];
    }
    assert!(errors.contains("error[device-hung]"), "{all}");
}
