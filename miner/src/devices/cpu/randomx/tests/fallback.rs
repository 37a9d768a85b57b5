//! Memory that cannot be had: what is said, and what goes on in the best mode that is left.
//!
//! In child processes, because a limit of the address space holds for all threads.
#![allow(unsafe_code)]

use std::process::Command;

use super::*;

const CHILD: &str = "RMINER_TEST_FALLBACK_CHILD";

fn run_child(case: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "devices::cpu::randomx::tests::fallback::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, case)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("case done"), "the child did not run its body: {text}");
    text
}

/// No dataset fits, in whatever pages; a cache does. Each thing is said once, and the hashes are right.
#[test]
fn without_room_for_a_dataset_it_mines_in_light_mode() {
    let text = run_child("auto");
    assert_eq!(text.matches("warning[huge-pages]").count(), 1, "{text}");
    assert_eq!(text.matches("sysctl -w vm.nr_hugepages=").count(), 1, "{text}");
    assert_eq!(text.matches("warning[light-mode]").count(), 1, "{text}");
    assert_eq!(text.matches("mode Light").count(), 2, "once for each seed: {text}");
}

#[test]
fn who_insists_on_pages_or_mode_gets_an_error_with_the_fix() {
    assert!(run_child("on").contains("sysctl -w vm.nr_hugepages="));
    assert!(run_child("fast").contains("error: no memory for the RandomX dataset"));
}

#[test]
fn no_room_at_all_is_an_error() {
    assert!(run_child("nothing").contains("error: no memory for the RandomX cache"));
}

#[test]
fn child() {
    let Ok(case) = std::env::var(CHILD) else { return };
    let sink: NoticeSink = Arc::new(|notice| match notice {
        Notice::Warning(warning) => println!("\n{warning}"),
        Notice::DatasetReady(ready) => println!("mode {:?}", ready.mode),
        Notice::DatasetProgress { .. } | Notice::LanesChosen { .. } => {}
    });
    let (huge_pages, mode, spare_mib) = match case.as_str() {
        "auto" => (HugePages::Auto, RandomxMode::Auto, 900),
        "on" => (HugePages::On, RandomxMode::Auto, 900),
        "fast" => (HugePages::Off, RandomxMode::Fast, 900),
        "nothing" => (HugePages::Off, RandomxMode::Auto, 100),
        other => panic!("no such case: {other}"),
    };
    let setup = open(&CpuSettings { huge_pages, ..settings(1, mode) }, Variant::V1, &sink).unwrap();
    let (work, hash) = block();
    let other_seed = Arc::new(Work::new(work.blob(), work.nonce_field(), Some([7; 32])).unwrap());
    let mut device = setup.sources[0].open().unwrap();
    let interrupt = Generation::default().interrupt();
    limit_address_space(spare_mib << 20);
    match device.load(&other_seed, Target::MAX, &interrupt) {
        Err(fault) => println!("error: {fault}"),
        Ok(()) => {
            device.load(&work, Target::MAX, &interrupt).unwrap();
            let mut found = Vec::new();
            device.scan(BLOCK_NONCE..BLOCK_NONCE + 1, &interrupt, &mut found).unwrap();
            assert_eq!(found[0].hash, Some(hash));
        }
    }
    println!("case done");
}

/// Lets the address space grow by this much and no more.
fn limit_address_space(spare_bytes: u64) {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    // SAFETY: asks for a constant of the system.
    let page_bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    let bytes = pages * page_bytes + spare_bytes;
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: reads the struct that is passed; this process is a child made for one test.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}
