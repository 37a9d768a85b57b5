//! Model-specific registers: which preset this processor has, whether it is set, and what keeps it from being set.

mod cause;

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rminer_algos::randomx::presets::{Preset, preset};

pub use cause::Cause;

use super::state::{self, Saved};
use super::{Places, Step};
use crate::problem::Problem;
use crate::telemetry::roots::{read, word};

/// Name of this part in the state file.
pub(super) const PART: &str = "msr";
/// Processing units that are written to; machines have no more.
const MAX_UNITS: usize = 4096;
/// The lines of the first unit in `/proc/cpuinfo`; what comes after is not looked at.
const MAX_LINES: usize = 64;

/// What is known of the processor and of the way to its registers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `AuthenticAMD`, `GenuineIntel`, …; empty on other architectures.
    pub vendor: String,
    /// Family as `/proc/cpuinfo` counts it, extended family included.
    pub family: u32,
    /// Model, extended model included.
    pub model: u32,
    /// Name for people.
    pub name: String,
    /// Whether a hypervisor is below.
    pub is_virtual: bool,
    /// Processing units that are on.
    pub units: Vec<u32>,
    /// Whether the kernel has files for the registers.
    pub has_files: bool,
    /// `integrity` or `confidentiality` where the kernel is locked down.
    pub lockdown: Option<String>,
    /// Whether the firmware started a signed system only.
    pub secure_boot: bool,
    /// `on`, `off` or `default`; empty where the module is not there.
    pub allow_writes: String,
    /// Whether this process is root's.
    pub is_root: bool,
    /// What the first unit's registers hold, in the order of the preset; `None` where they cannot be read.
    pub values: Option<Vec<u64>>,
    /// The preset that `rminer setup msr` has set since the machine was started.
    pub set_before: bool,
}

/// The preset and its state, for banners and checks.
#[derive(Debug, Clone, PartialEq)]
pub struct MsrState {
    /// Name of the preset; `None` for processors without one.
    pub preset: Option<&'static str>,
    /// What others claim that it gains, in percent.
    pub claimed_gain_pct: Option<f64>,
    /// Whether the registers hold it.
    pub is_set: bool,
    /// What keeps it from being set, if it is not.
    pub cause: Option<Cause>,
}

impl Facts {
    /// As things are. Registers are read where this process may.
    pub fn look(places: &Places, is_root: bool) -> Self {
        let cpuinfo = read(&places.roots.proc_.join("cpuinfo")).unwrap_or_default();
        let field = |name: &str| {
            let lines = cpuinfo.lines().take(MAX_LINES).filter_map(|line| line.split_once(':'));
            let found = lines.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let units = units(&word(&places.roots.sys.join("devices/system/cpu/online")));
        let secure = std::fs::read(
            places.roots.sys.join("firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"),
        );
        let mut facts = Self {
            vendor: field("vendor_id"),
            family: field("cpu family").parse().unwrap_or(0),
            model: field("model").parse().unwrap_or(0),
            name: field("model name"),
            is_virtual: field("flags").split_whitespace().any(|flag| flag == "hypervisor"),
            has_files: units.first().is_some_and(|unit| register_file(places, *unit).exists()),
            lockdown: lockdown(&word(&places.roots.sys.join("kernel/security/lockdown"))),
            // Four bytes of attributes, then the value.
            secure_boot: secure.is_ok_and(|bytes| bytes.get(4) == Some(&1)),
            allow_writes: word(&places.roots.sys.join("module/msr/parameters/allow_writes")),
            is_root,
            units,
            values: None,
            set_before: was_set(places),
        };
        if let (Some(preset), Some(unit)) = (facts.preset(), facts.units.first()) {
            let values =
                preset.registers.iter().map(|register| read_register(places, *unit, register.number));
            facts.values = values.collect::<io::Result<Vec<_>>>().ok();
        }
        facts
    }

    /// The preset of this processor.
    pub fn preset(&self) -> Option<&'static Preset> {
        preset(&self.vendor, self.family, self.model)
    }

    /// Whether the preset is set, and if not, why.
    pub fn state(&self) -> MsrState {
        let preset = self.preset();
        let holds = preset.zip(self.values.as_ref()).map(|(preset, values)| {
            preset.registers.iter().zip(values).all(|(register, value)| register.wanted(*value) == *value)
        });
        let is_set = holds.unwrap_or(self.set_before && preset.is_some());
        let cause = if is_set { None } else { Cause::of(self) };
        MsrState {
            preset: preset.map(|preset| preset.name),
            claimed_gain_pct: preset
                .and_then(|preset| preset.claimed_gain_permille)
                .map(|gain| f64::from(gain) / 10.0),
            is_set,
            cause,
        }
    }
}

impl MsrState {
    /// As things are for this process.
    pub fn look(places: &Places) -> Self {
        Facts::look(places, crate::doctor::is_root()).state()
    }

    /// In one line.
    pub fn text(&self) -> String {
        match (self.preset, &self.cause) {
            (Some(preset), None) if self.is_set => format!("preset {preset} is set"),
            (Some(preset), Some(cause)) => format!("preset {preset} is not set: {}", cause.short()),
            (Some(preset), None) => format!("preset {preset} is not set: sudo rminer setup msr"),
            (None, Some(cause)) => cause.short().to_owned(),
            (None, None) => "no preset".to_owned(),
        }
    }
}

/// The steps that set the preset.
///
/// # Errors
/// The cause that no step of ours can take away.
pub fn plan(places: &Places, facts: &Facts, exe: Option<&str>) -> Result<Vec<Step>, Problem> {
    let refused = |cause: Cause| Err(cause.problem(facts));
    let Some(preset) = facts.preset() else { return refused(Cause::UnknownCpu) };
    match Cause::of(facts) {
        Some(cause @ (Cause::UnknownCpu | Cause::VirtualMachine | Cause::LockedDown)) => {
            return refused(cause);
        }
        // Steps take these away; rights are asked for before.
        Some(Cause::NoModule | Cause::WritesOff | Cause::NoRights) | None => {}
    }
    let mut steps = Vec::new();
    if !facts.has_files {
        steps.push(Step::Module { name: "msr".into(), why: "it has the files of the registers".into() });
    }
    if facts.allow_writes == "off" {
        let path = places.roots.sys.join("module/msr/parameters/allow_writes");
        steps.push(Step::value(path, "off", "on", "msr.allow_writes is off"));
    }
    for unit in &facts.units {
        for register in preset.registers {
            steps.push(Step::Register { unit: *unit, register: *register });
        }
    }
    if let Some(exe) = exe {
        steps.extend(Step::file(
            places.etc.join("systemd/system").join(super::unit::NAME),
            super::unit::text(exe),
            "at each start of the machine",
        ));
        steps.push(Step::Unit { name: super::unit::NAME.into() });
    }
    Ok(steps)
}

/// Where the registers of a unit are.
pub(super) fn register_file(places: &Places, unit: u32) -> PathBuf {
    places.dev.join(format!("cpu/{unit}/msr"))
}

/// Reads a register.
///
/// # Errors
/// The system's.
pub(super) fn read_register(places: &Places, unit: u32, number: u32) -> io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open(register_file(places, unit))?.read_exact_at(&mut bytes, u64::from(number))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Writes a register.
///
/// # Errors
/// The system's.
pub(super) fn write_register(places: &Places, unit: u32, number: u32, value: u64) -> io::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).open(register_file(places, unit))?;
    file.write_all_at(&value.to_le_bytes(), u64::from(number))
}

/// Whether setup has set registers since the machine was started, and has not set them back.
fn was_set(places: &Places) -> bool {
    let state = state::read(places).unwrap_or_default();
    state.of(PART).any(|saved| matches!(saved, Saved::Register { .. }))
}

/// Units of a list as the kernel writes them, such as `0-3,6`.
fn units(text: &str) -> Vec<u32> {
    let mut units = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) else {
            continue;
        };
        units.extend((first..=last).take(MAX_UNITS.saturating_sub(units.len())));
    }
    units
}

/// The mode in brackets, unless it is `none`.
fn lockdown(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    let mode = rest.split_once(']')?.0;
    (mode != "none").then(|| mode.to_owned())
}

#[cfg(test)]
mod tests;
