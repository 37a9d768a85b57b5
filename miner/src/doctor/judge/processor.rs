//! What costs hashrate: pages, registers, clocks, other programs, cards.

use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use crate::setup::hugepages::PAGE_BYTES;
use crate::setup::msr::Cause;

/// What huge pages gained in the smaller of two measurements: RandomX on Zen 5, same program with and without.
const HUGE_PAGES_GAIN_PCT: f64 = 44.0;
/// Other programs are worth a word above this much of the machine, and this many units.
const MIN_FOREIGN_RATIO: f64 = 0.05;
const MIN_FOREIGN_UNITS: f64 = 0.5;
/// Stolen time above this part is worth a word.
const MIN_STOLEN_RATIO: f64 = 0.03;
/// A clock that is limited to less than this part of the hardware's is worth a word.
const MIN_CLOCK_RATIO: f64 = 0.95;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    huge_pages(facts, findings);
    registers(facts, findings);
    clocks(facts, findings);
    load(facts, findings);
    cards(facts, findings);
}

fn huge_pages(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(need) = &facts.need else { return };
    let pages = &facts.pages;
    let wanted = need.pages();
    let numbers = format!(
        "need {wanted} pages of 2 MiB ({} MiB); vm.nr_hugepages = {}",
        (u64::from(wanted) * PAGE_BYTES) >> 20,
        pages.total
    );
    if pages.usable() >= wanted || pages.giant_free >= 3 {
        let title =
            format!("{} of {wanted} huge pages are free or in use by rminer", pages.usable().min(wanted));
        findings.push(Finding::green("huge-pages", title).fact(numbers));
        return;
    }
    let title = format!("{} of {wanted} huge pages are free", pages.usable());
    let mut finding = Finding::yellow("huge-pages", title)
        .gain(HUGE_PAGES_GAIN_PCT, "typical")
        .fact(numbers)
        .fact("typical: two measurements on a Zen 5 gave 44 and 66 % with huge pages");
    if pages.own > 0 {
        finding = finding.fact(format!("rminer holds {} of them", pages.own));
    }
    finding = match pages.transparent.as_str() {
        "" => finding,
        word => finding.fact(format!("transparent huge pages: {word}")),
    };
    let more_bytes = u64::from(pages.target(need) - pages.total) * PAGE_BYTES;
    findings.push(if !pages.is_known {
        finding.help("this kernel has no huge pages of 2 MiB")
    } else if pages.available_bytes.is_some_and(|available| available < more_bytes) {
        finding
            .fact(format!("{} MiB of memory are available", pages.available_bytes.unwrap_or(0) >> 20))
            .help("end other programs first: so much memory is not free")
    } else {
        finding.command("sudo rminer setup hugepages").help("--persist keeps them over a restart")
    });
}

fn registers(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.need.is_none() {
        return;
    }
    let state = facts.msr.state();
    if state.is_set {
        findings.push(Finding::green("msr", state.text()));
        return;
    }
    let Some(cause) = state.cause else {
        let finding = Finding::yellow("msr", state.text()).command("sudo rminer setup msr");
        findings.push(with_claim(finding, state.claimed_gain_pct));
        return;
    };
    let title = format!("the registers for RandomX are not set: {}", cause.short());
    let finding = match cause {
        // Nothing that anybody could do here.
        Cause::UnknownCpu | Cause::VirtualMachine => {
            Finding::new(cause.code(), super::super::Level::Unknown, title)
        }
        _ => with_claim(Finding::yellow(cause.code(), title), state.claimed_gain_pct),
    };
    let finding = cause.facts(&facts.msr).into_iter().fold(finding, Finding::fact).help(cause.help());
    findings.push(match cause.command() {
        Some(command) => finding.command(command),
        None => finding,
    });
}

fn with_claim(finding: Finding, claimed_gain_pct: Option<f64>) -> Finding {
    match claimed_gain_pct {
        Some(gain_pct) => {
            finding.gain(gain_pct, "typical").fact("typical: claimed by others for this kind of processor")
        }
        None => finding,
    }
}

fn clocks(facts: &Facts, findings: &mut Vec<Finding>) {
    if !facts.mines_on_cpus {
        return;
    }
    let speed = &facts.speed;
    // Under these drivers `powersave` goes up to the highest clock by itself. `intel_cpufreq` is the passive mode of
    // the first, and stays at the lowest clock as others do.
    let drives_itself = matches!(speed.driver.as_str(), "intel_pstate" | "amd-pstate-epp");
    if speed.governor == "powersave" && !drives_itself {
        findings.push(
            Finding::yellow("cpu-governor", "the processor is kept at its lowest clock (governor powersave)")
                .fact(format!("driver {}", speed.driver))
                .command("echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"),
        );
    } else if !speed.governor.is_empty() {
        findings.push(Finding::green(
            "cpu-governor",
            format!("governor {}, driver {}", speed.governor, speed.driver),
        ));
    }
    if let (Some(hardware), Some(allowed)) = (speed.hardware_khz, speed.allowed_khz)
        && (allowed as f64) < hardware as f64 * MIN_CLOCK_RATIO
    {
        let title = format!("the processor may run at {} of {} MHz", allowed / 1000, hardware / 1000);
        findings.push(
            Finding::yellow("cpu-clock-limit", title)
                .fact("somebody has set scaling_max_freq, or the machine saves power")
                .command(format!(
                    "echo {hardware} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq"
                )),
        );
    }
    if speed.boost_off {
        findings.push(
            Finding::yellow("cpu-boost-off", "clocks above the nominal one are turned off (boost, turbo)")
                .help("turn them on in the firmware or in /sys/devices/system/cpu, unless it is for heat or noise"),
        );
    }
    if speed.throttle_events > 0 {
        let title = format!(
            "the processor slowed down for heat {} times within half a second",
            speed.throttle_events
        );
        findings.push(Finding::red("throttled", title).safety().help("clean fans and filters, or lower --temp-limit so that the miner holds back before the hardware does"));
    }
}

fn load(facts: &Facts, findings: &mut Vec<Finding>) {
    let load = &facts.load;
    if let Some(stolen) = load.stolen_ratio.filter(|ratio| *ratio >= MIN_STOLEN_RATIO) {
        let title = format!("the host gave {:.0} % of this virtual machine's time to others", stolen * 100.0);
        findings.push(
            Finding::yellow("stolen-time", title).help("choose a host that is not shared, or fewer threads"),
        );
    }
    if !facts.mines_on_cpus {
        return;
    }
    let Some(others) = load.others_units else { return };
    if others < MIN_FOREIGN_UNITS || others < load.units * MIN_FOREIGN_RATIO {
        findings.push(Finding::green(
            "foreign-load",
            format!("other programs use {others:.1} of {:.0} cores", load.units),
        ));
        return;
    }
    let title = format!("other programs use {others:.1} of {:.0} cores", load.units);
    let mut finding = Finding::yellow("foreign-load", title)
        .gain(others / load.units * 100.0, "measured now: their part of the processor")
        .help("end them, or leave them the cores: --threads");
    if let Some((name, units)) = &load.top {
        finding = finding.fact(format!("{name} uses {units:.1} of them"));
    }
    findings.push(finding);
}

fn cards(facts: &Facts, findings: &mut Vec<Finding>) {
    for device in &facts.left_out {
        let name = if device.name.is_empty() { &device.id } else { &device.name };
        if device.help.iter().any(|help| help.starts_with("nothing")) {
            findings.push(Finding::green("gpu-unusable", format!("{name}: {}", device.reason)));
            continue;
        }
        let finding = Finding::yellow("gpu-unusable", format!("{name} cannot mine: {}", device.reason));
        findings.push(match device.help.is_empty() {
            true => finding,
            false => finding.help(device.help.join("; ")),
        });
    }
    if !facts.locked_nodes.is_empty() {
        let title = format!("this user may not use {} graphics card(s)", facts.locked_nodes.len());
        let finding = Finding::yellow("gpu-rights", title).command("sudo rminer setup gpu-rights");
        let nodes = facts.locked_nodes.iter().map(|node| node.display().to_string());
        findings.push(nodes.fold(finding, Finding::fact));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Level, SpeedFacts};

    #[test]
    fn only_drivers_that_drive_themselves_may_save_power() {
        for (driver, level) in [
            ("intel_pstate", Level::Green),
            ("amd-pstate-epp", Level::Green),
            ("intel_cpufreq", Level::Yellow),
            ("acpi-cpufreq", Level::Yellow),
        ] {
            let speed =
                SpeedFacts { driver: driver.into(), governor: "powersave".into(), ..SpeedFacts::default() };
            let facts = Facts { mines_on_cpus: true, speed, ..Facts::default() };
            let mut findings = Vec::new();
            clocks(&facts, &mut findings);
            let told: Vec<_> = findings.iter().map(|found| (found.code.as_str(), found.level)).collect();
            assert_eq!(told, [("cpu-governor", level)], "{driver}");
        }
    }
}
