//! Twelve troubles, each staged as really as a machine of any kind allows: `explain` names it with its numbers, and
//! nothing wrong beside it. `cargo test --test troubles -- --nocapture` prints what is said.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test
#![allow(unreachable_pub)] // modules of a test

#[path = "../support/http.rs"]
mod http;
mod machine;
mod program;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::time::{Duration, Instant};

use rminer::devices::DeviceError;
use rminer::explain::{Explanation, Finding};
use rminer::safety::{SafetySettings, Schedule};
use rminer::telemetry::{BatterySource, HostSource, Place, Temperature};
use rminer_pool::{Fault, PoolConfig, monero};

use machine::Machine;
use world::{Options, World};

/// What is there is one finding with this code, and it says all of this. Printed, so that a table can be made of it.
pub fn only<'a>(trouble: &str, explanation: &'a Explanation, code: &str, words: &[&str]) -> &'a Finding {
    let [finding] = explanation.findings.as_slice() else {
        panic!("{trouble}: not one finding: {:#?}", explanation.findings);
    };
    assert_eq!(finding.code, code, "{trouble}: {finding:#?}");
    let text = format!("{} | {}", finding.what, finding.cause);
    for word in words {
        assert!(text.contains(word), "{trouble}: no {word:?} in {text:?}");
    }
    println!("{trouble} | {code} | {text} | {}", finding.help.unwrap_or("-"));
    finding
}

/// What `doctor` says of a running miner has one finding with this code, in one of these levels, that says all of this.
pub fn doctor(trouble: &str, address: std::net::SocketAddr, code: &str, levels: &[&str], words: &[&str]) {
    let findings = http::get(address, "/api/v1/doctor").json()["findings"].clone();
    let findings: Vec<_> =
        findings.as_array().unwrap().iter().filter(|finding| finding["code"] == code).collect();
    let text = |finding: &serde_json::Value| {
        format!("{} | {}", finding["title"].as_str().unwrap(), finding["facts"])
    };
    let wanted = findings.iter().find(|finding| {
        let level = finding["level"].as_str().unwrap();
        levels.contains(&level) && words.iter().all(|word| text(finding).contains(word))
    });
    let finding =
        wanted.unwrap_or_else(|| panic!("{trouble}: no {code} of {levels:?} with {words:?}: {findings:#?}"));
    println!("{trouble} | doctor | {} {code} | {}", finding["level"], text(finding));
}

/// Effect of a finding, in percent.
fn effect_pct(finding: &Finding) -> f64 {
    finding.effect_pct.unwrap_or_else(|| panic!("no effect: {finding:#?}"))
}

#[test]
fn control_run_without_trouble() {
    let machine = Machine::new();
    let sources = vec![machine.host(), machine.battery()];
    let world = World::start(Options { sources, ..Options::default() });
    world.get_used();
    world.suffer();
    assert_eq!(world.explain().findings, [], "nothing is wrong");
    assert!(world.explain().earnings.shares > 0, "{:#?}", world.explain().earnings);
}

#[test]
fn trouble_01_huge_pages_taken_away() {
    let world = World::start(Options::default());
    world.until("a dataset", 30, || !world.board.snapshot().devices.is_empty());
    world.dataset(1180, 1180);
    world.get_used();
    // The seed changes, and meanwhile another program has taken them.
    world.dataset(0, 1180);
    world.controls.slow_down(0.69);
    world.suffer();
    let explanation = world.explain();
    // The change of the seed is told as what it is, beside it.
    let (seeds, others): (Vec<_>, Vec<_>) =
        explanation.findings.iter().cloned().partition(|finding| finding.code == "job-change");
    assert_eq!(seeds.len(), 1, "{seeds:#?}");
    let explanation = Explanation { findings: others, ..explanation };
    let finding = only("huge pages taken away", &explanation, "huge-pages-lost", &["0 of 1180 huge pages"]);
    assert!((effect_pct(finding) + 31.0).abs() < 4.0 && finding.ongoing, "{finding:#?}");
    doctor("huge pages taken away", world.address, "huge-pages-lost", &["yellow"], &["0 of 1180"]);
}

#[test]
fn trouble_02_foreign_load() {
    let machine = Machine::new();
    let world = World::start(Options { sources: vec![machine.host()], ..Options::default() });
    world.get_used();
    machine.run_program("firefox", 3.6);
    world.controls.slow_down(0.69);
    world.wait(9.0);
    doctor("foreign load", world.address, "foreign-load", &["yellow"], &["cpu0 -", " cores"]);
    world.wait(1.0);
    machine.run_program("firefox", 0.0);
    world.controls.slow_down(1.0);
    world.suffer();
    let explanation = world.explain();
    let finding = only("foreign load", &explanation, "foreign-load", &["cpu0 -", "firefox used 3."]);
    assert!((effect_pct(finding) + 31.0).abs() < 4.0 && !finding.ongoing, "{finding:#?}");
    let length = finding.to.at.saturating_sub(finding.from.at);
    assert!((7..=20).contains(&length.as_secs()), "{length:?}");
}

#[test]
fn trouble_03_throttling_sensor() {
    let world = World::start(Options { device: "gpu0", ..Options::default() });
    let sense = |now_c: f64, core_hz: f64, throttled: &[&'static str]| {
        world.controls.sense(|readings| {
            let at = Instant::now();
            readings.temperatures = vec![Temperature { place: Place::Core, now_c, limit_c: None, at }];
            readings.clocks_hz.insert("core", core_hz);
            readings.throttled = throttled.to_vec();
            readings.fan_ratios = vec![1.0];
        });
    };
    sense(62.0, 1.85e9, &[]);
    world.get_used();
    sense(63.0, 1.21e9, &["hardware-thermal"]);
    world.controls.slow_down(0.65);
    world.suffer();
    let explanation = world.explain();
    let words = ["gpu0 -3", "hardware-thermal", "core clock 1.21 GHz, 1.85 before", "63 C", "fan at 100 %"];
    let finding = only("throttling sensor", &explanation, "throttled", &words);
    assert!((effect_pct(finding) + 35.0).abs() < 4.0 && finding.ongoing, "{finding:#?}");
    doctor("throttling sensor", world.address, "throttled", &["yellow"], &["hardware-thermal"]);
}

#[test]
fn trouble_04_pool_latency() {
    let world = World::start(Options::default());
    world.get_used();
    world.until("usual answers", 60, || world.records.trace().answers().count() >= 12);
    world.pool.set_fault(Fault::Delay(Duration::from_millis(600)));
    world.suffer();
    let explanation = world.explain();
    only("pool latency", &explanation, "pool-latency", &["pool 1 slow", "it answered in 6", "ms otherwise"]);
    doctor("pool latency", world.address, "pool-latency", &["yellow"], &["it answered in 6"]);
}

#[test]
fn trouble_05_stale_jobs() {
    let profile = monero::Profile { expire_blocks: true, ..monero::Profile::default() };
    let pool = PoolConfig { profile: profile.into(), ..world::quiet_pool() };
    let world = World::start(Options { pool, ..Options::default() });
    // A pool that is far away: a job and a share pass each other on the way.
    world.pool.set_fault(Fault::Delay(Duration::from_millis(150)));
    world.get_used();
    let stale = || world.records.statistics().stale_causes.values().sum::<u64>();
    world.until("stale shares", 120, || {
        world.pool.set_fault(Fault::NewBlock);
        std::thread::sleep(Duration::from_millis(700));
        stale() >= 5
    });
    let answered = || world.records.statistics().count(|key| ["accepted", "stale"].contains(&key.result));
    world.until("enough shares for a judgement", 60, || answered() >= 60);
    let mut explanation = world.explain();
    // On a busy machine some share may really be late by its own slowness, which is told apart.
    let others = |finding: &Finding| finding.code != "stale" || finding.cause.contains("after the submit");
    explanation.findings.retain(others);
    let words = ["stale shares", "ms after the submit on average", "pool answers in 15"];
    only("stale jobs", &explanation, "stale", &words);
    doctor("stale jobs", world.address, "stale", &["yellow"], &["% of the shares are stale"]);
}

#[test]
fn trouble_06_lost_device() {
    let world = World::start(Options { device: "gpu0", ..Options::default() });
    world.get_used();
    world.controls.fail(DeviceError::Lost("the driver reset the card".into()));
    let lost = || world.records.trace().marks().map(|mark| mark.count).sum::<u32>();
    world.until("three losses", 120, || lost() >= 3);
    let explanation = world.explain();
    let words = ["gpu0 lost", "the driver reset the card", "failed too often and rests", "3 times"];
    let finding = only("lost device", &explanation, "device-lost", &words);
    assert!(finding.ongoing, "{finding:#?}");
    doctor("lost device", world.address, "device-lost", &["red"], &["the driver reset the card"]);
}

#[test]
fn trouble_07_battery() {
    let machine = Machine::new();
    let world = World::start(Options { sources: vec![machine.battery()], ..Options::default() });
    world.get_used();
    machine.unplug(0.71);
    world.suffer();
    let explanation = world.explain();
    let words = ["cpu0 paused", "battery: the machine runs on its battery (71 %)"];
    let finding = only("battery", &explanation, "paused", &words);
    assert!(finding.ongoing, "{finding:#?}");
    doctor("battery", world.address, "paused", &["yellow"], &["runs on its battery (71 %)"]);
}

#[test]
fn trouble_08_schedule() {
    // Hours that are over, whatever the time is: two of them, half a day from now.
    let minute = rminer::clock::week_time().minute;
    let (from, to) = ((minute / 60 + 11) % 24, (minute / 60 + 13) % 24);
    let hours = format!("{from:02}:00-{to:02}:00");
    let safety =
        SafetySettings { schedule: Some(Schedule::parse(&hours).unwrap()), ..SafetySettings::default() };
    let world = World::start(Options { safety, ..Options::default() });
    world.wait(5.0);
    let explanation = world.explain();
    let finding = only("schedule", &explanation, "paused", &["cpu0 paused", "schedule: outside of", &hours]);
    assert!(finding.ongoing, "{finding:#?}");
    // As somebody wanted it: no fault.
    doctor("schedule", world.address, "paused", &["green"], &["outside of"]);
}

#[test]
fn what_has_no_cause_is_not_given_one() {
    let machine = Machine::new();
    let world = World::start(Options { sources: vec![machine.host()], ..Options::default() });
    // A program that was there while all was well takes no blame.
    machine.run_program("backup", 1.0);
    world.wait(11.0);
    world.get_used();
    world.controls.slow_down(0.8);
    world.suffer();
    let explanation = world.explain();
    let words = ["cpu0 -", "no cause was found", "other programs used", "not known here: clocks"];
    only("a cause that cannot be seen", &explanation, "rate-fell", &words);
}

/// The sources are those of the program itself.
impl Machine {
    fn host(&self) -> Box<dyn rminer::telemetry::Source> {
        Box::new(HostSource::new(self.roots()))
    }

    fn battery(&self) -> Box<dyn rminer::telemetry::Source> {
        Box::new(BatterySource::new(self.roots()))
    }
}
