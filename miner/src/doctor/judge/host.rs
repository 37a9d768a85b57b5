//! What concerns the machine: heat, memory, battery, clock, disk, rights.

use crate::doctor::facts::Facts;
use crate::doctor::finding::{Finding, Level};
use rminer_algos::randomx::{CACHE_BYTES, DATASET_BYTES};

/// So many degrees below the limit are near it.
const NEAR_C: f64 = 5.0;
/// Swap in use above this is worth a word, in bytes.
const MUCH_SWAP_BYTES: u64 = 256 << 20;
/// Memory is short when less than this part of it is available.
const SHORT_RATIO: f64 = 0.05;
/// The history grows to some 20 MB; with less room than this it may stop, in bytes.
const LITTLE_ROOM_BYTES: u64 = 64 << 20;
/// Below this, nothing can be written for long, in bytes.
const NO_ROOM_BYTES: u64 = 1 << 20;
/// A clock may be so far behind the program's own files, in seconds.
const BEHIND_S: f64 = 300.0;
/// Before this date no version of this program was made: 2026-01-01, in seconds since 1970.
const BEGINNING_S: f64 = 1_767_225_600.0;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    heat(facts, findings);
    memory(facts, findings);
    power(facts, findings);
    clock(facts, findings);
    storage(facts, findings);
    if facts.is_root {
        findings.push(
            Finding::yellow("root", "this runs as root, and nothing here needs that but rminer setup")
                .help("mine as a user of its own: rminer service install"),
        );
    }
}

fn heat(facts: &Facts, findings: &mut Vec<Finding>) {
    for hot in &facts.hot {
        let title = format!(
            "{} {} is at {:.0} C; it is paused at {:.0}",
            hot.device, hot.place, hot.now_c, hot.limit_c
        );
        let help = "clean fans and filters, let air in, or lower --temp-limit";
        if hot.now_c >= hot.limit_c {
            findings.push(Finding::red("heat", title).safety().help(help));
        } else if hot.now_c >= hot.limit_c - NEAR_C {
            findings.push(Finding::yellow("heat", title).safety().help(help));
        } else {
            findings.push(Finding::green("heat", title));
        }
    }
    for (device, why) in &facts.throttled {
        let title = format!("{device} is slowed down by its hardware: {why}");
        findings.push(
            Finding::yellow("throttled", title)
                .help("cool it better, or raise its power limit if that is the cause"),
        );
    }
    if !facts.silent.is_empty() {
        let title = format!("sensors do not answer: {}", facts.silent.join(", "));
        findings.push(
            Finding::new("sensor-silent", Level::Unknown, title)
                .help("what they would say is not known; their driver may hang"),
        );
    }
}

fn memory(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(available) = facts.pages.available_bytes else { return };
    let free_pages = u64::from(facts.pages.free) * crate::setup::hugepages::PAGE_BYTES;
    if let Some(need) = &facts.need
        && facts.pages.own == 0
    {
        let wanted = DATASET_BYTES + CACHE_BYTES;
        if available + free_pages < wanted {
            let title = format!(
                "{} MiB of memory are available and fast RandomX wants {}: light mode, several times slower",
                (available + free_pages) >> 20,
                wanted >> 20
            );
            findings.push(
                Finding::yellow("memory-short", title)
                    .fact(format!("{} pages wanted", need.pages()))
                    .help("end other programs or add memory"),
            );
        }
    }
    let total = facts.memory_total_bytes.unwrap_or(0);
    let is_short = total > 0 && (available as f64) < total as f64 * SHORT_RATIO;
    if is_short || facts.swap_used_bytes > MUCH_SWAP_BYTES {
        let title = format!(
            "memory is short: {} of {} MiB available, {} MiB swapped out",
            available >> 20,
            total >> 20,
            facts.swap_used_bytes >> 20
        );
        findings.push(
            Finding::yellow("memory-pressure", title)
                .help("end other programs or add memory; what is swapped out comes back slowly"),
        );
    }
}

fn power(facts: &Facts, findings: &mut Vec<Finding>) {
    match facts.on_battery {
        Some(true) => {
            let charge =
                facts.battery_ratio.map_or(String::new(), |ratio| format!(", {:.0} % left", ratio * 100.0));
            findings.push(
                Finding::red("battery", format!("the machine runs on its battery{charge}"))
                    .safety()
                    .help("plug it in; --pause-on battery, which is the default, pauses meanwhile"),
            );
        }
        Some(false) => findings.push(Finding::green("battery", "the machine is plugged in")),
        None => {}
    }
    for (device, text, help) in &facts.power_unknown {
        let finding = Finding::new(
            "power-unknown",
            Level::Unknown,
            format!("the power of {device} is not known: {text}"),
        );
        findings.push(match help {
            Some(help) => finding.help(help),
            None => finding,
        });
    }
}

fn clock(facts: &Facts, findings: &mut Vec<Finding>) {
    let clock = &facts.clock;
    let command = "sudo timedatectl set-ntp true";
    let behind_s = clock.newest_file_s.map_or(0.0, |newest_s| newest_s - clock.now_s);
    if behind_s > BEHIND_S || clock.now_s < BEGINNING_S {
        let title = if clock.now_s < BEGINNING_S {
            "the clock is years behind".to_owned()
        } else {
            format!(
                "the clock is {:.0} minutes behind the program's own files: it was set back",
                behind_s / 60.0
            )
        };
        findings.push(
            Finding::red("clock-jump", title)
                .fact("certificates of pools, schedules and the history depend on it")
                .command(command),
        );
    }
    match clock.is_synchronised {
        Some(true) => findings.push(Finding::green("clock-unsynchronised", "the clock is synchronised")),
        Some(false) => findings.push(
            Finding::yellow("clock-unsynchronised", "nobody keeps this machine's clock right")
                .fact("the kernel says that it is not synchronised (adjtimex)")
                .command(command)
                .help("in a container or a virtual machine the host may do it, and does not tell"),
        ),
        None => {}
    }
}

fn storage(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(storage) = &facts.storage else {
        findings.push(
            Finding::yellow("no-state-folder", "there is no place for what the miner learns")
                .help("set HOME or XDG_STATE_HOME: history and benchmarks are kept there"),
        );
        return;
    };
    let folder = storage.folder.display();
    let free = storage.free_bytes.unwrap_or(u64::MAX);
    if let Some(fault) = &storage.fault {
        findings.push(
            Finding::red("history-stopped", format!("the history cannot be kept in {folder}: {fault}"))
                .help("give this user a folder that it may write to"),
        );
    } else if free < NO_ROOM_BYTES {
        findings.push(
            Finding::red(
                "history-stopped",
                format!("the disk is full, so that no history is kept in {folder}"),
            )
            .fact(format!("{} KiB are free", free >> 10))
            .help("make room; the miner goes on, and the history too once there is room"),
        );
    } else if free < LITTLE_ROOM_BYTES {
        findings.push(
            Finding::yellow("disk-full", format!("{} MiB are left on the disk of {folder}", free >> 20))
                .help("make room: the history stops when it is full"),
        );
    } else {
        findings.push(Finding::green("history-stopped", format!("the history can be kept in {folder}")));
    }
}
