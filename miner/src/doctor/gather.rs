//! Looks at the machine. Everything is below the places that are given, and every list has a bound.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::clock;
use super::facts::{ClockFacts, Facts, Hot, Inputs, SpeedFacts, StorageFacts};
use super::load::Look;
use crate::clock::unix_seconds;
use crate::safety::TemperatureRules;
use crate::setup::hugepages::Pages;
use crate::setup::{Places, msr};
use crate::telemetry::roots::{entries, name_of, read, value, word};
use crate::telemetry::{self, BatterySource, Readings, Source, Watched};

/// Time between two looks at counts that go up.
const BETWEEN_LOOKS: Duration = Duration::from_millis(400);
/// How long all sensors together may take.
const SENSOR_PATIENCE: Duration = Duration::from_millis(2500);
/// Units whose counts of throttling are read.
const MAX_UNITS: usize = 1024;
/// Files in the state folder whose times are looked at.
const MAX_FILES: usize = 64;
/// Render nodes that are looked at.
const MAX_NODES: usize = 64;

/// All facts of the machine below these places. What hangs holds `held`.
pub fn gather(places: &Places, inputs: &Inputs, held: &Arc<()>) -> Facts {
    let is_root = clock::is_root();
    let (before, events_before) = (Look::take(&places.roots), throttle_events(places));
    let began = std::time::Instant::now();
    let watched = [Watched::cpu("cpu0", [0], &places.roots)];
    let mut sources = telemetry::device_sources(&watched, &places.roots);
    sources.push(Box::new(BatterySource::new(places.roots.clone())) as Box<dyn Source>);
    let seen = telemetry::glance_holding(sources, SENSOR_PATIENCE, held);
    thread::sleep(BETWEEN_LOOKS.saturating_sub(began.elapsed()));
    let after = Look::take(&places.roots);
    let load = after.zip(before).map(|(after, before)| after.since(&before)).unwrap_or_default();
    let meminfo = read(&places.roots.proc_.join("meminfo")).unwrap_or_default();
    let kib = |name: &str| telemetry::kib_line(&meminfo, name);
    let swap = kib("SwapTotal:").zip(kib("SwapFree:"));
    let is_known = |id: &str| seen.readings.devices.get(id).is_some_and(|device| device.power_w.is_some());
    let unknown =
        seen.notes.iter().filter(|note| !is_known(&note.device) && note.text.to_lowercase().contains("rapl"));
    Facts {
        need: inputs.need.clone(),
        mines_on_cpus: inputs.mines_on_cpus,
        pages: Pages::look(places),
        memory_total_bytes: kib("MemTotal:"),
        swap_used_bytes: swap.map_or(0, |(total, free)| total.saturating_sub(free)),
        msr: msr::Facts::look(places, is_root),
        speed: SpeedFacts {
            throttle_events: throttle_events(places).saturating_sub(events_before),
            ..speed(places)
        },
        load,
        hot: hot(&seen.readings, &inputs.settings.temperatures),
        throttled: throttled(&seen.readings),
        power_unknown: unknown
            .map(|note| (note.device.clone(), note.text.clone(), note.help.clone()))
            .collect(),
        silent: seen.silent,
        on_battery: seen.readings.host.on_battery,
        battery_ratio: seen.readings.host.battery_ratio,
        left_out: inputs.left_out.clone(),
        locked_nodes: locked_nodes(places),
        clock: ClockFacts {
            now_s: unix_seconds(),
            is_synchronised: clock::is_synchronised(),
            newest_file_s: inputs.state_folder.as_deref().and_then(newest_file_s),
        },
        storage: inputs.state_folder.as_deref().map(storage),
        is_root,
        writable_by_others: inputs.config_file.as_deref().map(writable_by_others).unwrap_or_default(),
        readable_by_others: token_files(inputs).into_iter().filter(|path| mode(path) & 0o077 != 0).collect(),
        settings: inputs.settings.clone(),
    }
}

fn speed(places: &Places) -> SpeedFacts {
    let cpu = places.roots.sys.join("devices/system/cpu");
    let policy = |name: &str| cpu.join("cpu0/cpufreq").join(name);
    SpeedFacts {
        governor: word(&policy("scaling_governor")),
        driver: word(&policy("scaling_driver")),
        hardware_khz: value(&policy("cpuinfo_max_freq")),
        allowed_khz: value(&policy("scaling_max_freq")),
        boost_off: word(&cpu.join("cpufreq/boost")) == "0" || word(&cpu.join("intel_pstate/no_turbo")) == "1",
        throttle_events: 0,
    }
}

/// Times that packages and cores have slowed down for heat since the start of the machine.
fn throttle_events(places: &Places) -> u64 {
    let cpus = entries(&places.roots.sys.join("devices/system/cpu"));
    let is_unit = |path: &PathBuf| {
        name_of(path).strip_prefix("cpu").is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let count = |unit: PathBuf| {
        let of = |name: &str| value::<u64>(&unit.join("thermal_throttle").join(name)).unwrap_or(0);
        of("core_throttle_count") + of("package_throttle_count")
    };
    cpus.into_iter().filter(is_unit).take(MAX_UNITS).map(count).sum()
}

/// Temperatures with where the miner pauses, near or not.
fn hot(readings: &Readings, rules: &TemperatureRules) -> Vec<Hot> {
    let devices = readings.devices.iter();
    let temperatures = devices.flat_map(|(id, device)| device.temperatures.iter().map(move |t| (id, t)));
    let hot = temperatures.filter_map(|(id, temperature)| {
        let limit_c = rules.limits(id, temperature.place, temperature.limit_c)?.pause_c;
        Some(Hot { device: id.clone(), place: temperature.place.name(), now_c: temperature.now_c, limit_c })
    });
    hot.collect()
}

fn throttled(readings: &Readings) -> Vec<(String, String)> {
    let devices = readings.devices.iter().filter(|(_, device)| !device.throttled.is_empty());
    devices.map(|(id, device)| (id.clone(), device.throttled.join(", "))).collect()
}

/// Device files of cards that are there and may not be used.
fn locked_nodes(places: &Places) -> Vec<PathBuf> {
    let nodes = entries(&places.dev.join("dri"));
    let is_render = |path: &PathBuf| name_of(path).starts_with("renderD");
    nodes.into_iter().filter(is_render).take(MAX_NODES).filter(|path| !clock::may_use(path)).collect()
}

fn newest_file_s(folder: &Path) -> Option<f64> {
    let times = entries(folder).into_iter().take(MAX_FILES).filter_map(|path| {
        let modified: SystemTime = std::fs::metadata(path).ok()?.modified().ok()?;
        Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
    });
    times.reduce(f64::max)
}

/// The folder, or the nearest above it that is there.
fn storage(folder: &Path) -> StorageFacts {
    let existing = folder.ancestors().find(|path| path.exists());
    let fault = match existing {
        None => Some("no folder above it exists".to_owned()),
        Some(path) if !path.is_dir() => Some(format!("{} is no folder", path.display())),
        Some(path) if !clock::may_write(path) => Some(format!("{} cannot be written", path.display())),
        Some(_) => None,
    };
    StorageFacts { folder: folder.to_owned(), free_bytes: existing.and_then(clock::free_bytes), fault }
}

fn token_files(inputs: &Inputs) -> Vec<PathBuf> {
    let usual = inputs.state_folder.as_ref().map(|folder| folder.join("api-token"));
    let named = inputs.settings.api_token_file.clone();
    named.or(usual).into_iter().filter(|path| path.is_file()).collect()
}

/// The file and the folders above it, where others could put another one in its place.
fn writable_by_others(file: &Path) -> Vec<PathBuf> {
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let sticky = |path: &Path| path.is_dir() && mode(path) & 0o1000 != 0;
    file.ancestors().filter(|path| mode(path) & 0o002 != 0 && !sticky(path)).map(Path::to_owned).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode())
}

#[cfg(test)]
mod tests;
