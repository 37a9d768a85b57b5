//! `rminer devices`

mod cpu;
mod gpu;
mod sensors;

use std::sync::{Arc, Mutex, PoisonError};

use rminer_algos::registry::ALGORITHMS;
use serde::Serialize;

use self::cpu::CpuFacts;
use self::sensors::Sensors;
use super::table::table;
use crate::cli::Context;
use crate::config;
use crate::devices::{DeviceError, Notice, NoticeSink};
use crate::exit::Exit;
use crate::problem::Problem;

/// A device and whether it can mine.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    name: String,
    kind: &'static str,
    /// `ready`, `limited` or `left out`.
    state: &'static str,
    /// Why it is in that state.
    reason: String,
    /// What to do about it.
    help: Vec<String>,
    /// What it mines, and how.
    algorithms: Vec<Suitability>,
    /// PCI address of a graphics card.
    pci: Option<String>,
    /// What its sensors say; `null` where there is no device to look at.
    sensors: Option<Sensors>,
    #[serde(flatten)]
    cpu: Option<CpuFacts>,
}

/// How a device mines an algorithm.
#[derive(Debug, Serialize)]
struct Suitability {
    algo: &'static str,
    /// How hashes are computed; empty where they are not.
    engine: String,
    /// Why not; empty where they are.
    reason: String,
    /// All kernels that there are for it on this kind of device.
    kernels: Vec<KernelRow>,
}

#[derive(Debug, Serialize)]
struct KernelRow {
    kernel: String,
    /// `chosen`, `available`, or why not.
    state: String,
    /// As it was measured once on this device, hashes per second.
    rate_hs: Option<f64>,
}

/// Lists what can mine here, and what keeps it from mining well.
pub(super) fn run(context: &Context<'_>) -> Exit {
    let heard: Arc<Mutex<Vec<Problem>>> = Arc::default();
    let sink: NoticeSink = {
        let heard = Arc::clone(&heard);
        Arc::new(move |notice| {
            if let Notice::Warning(warning) = notice {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
            }
        })
    };
    let folder = config::state_folder(context.env());
    let (mut rows, mut warnings) = match cpu::rows(folder.as_deref(), &sink) {
        Ok(found) => found,
        Err(error) => return device_failed(context, &error),
    };
    rows.extend(gpu::rows(folder.as_deref()));
    sensors::look(&mut rows);
    let verbose = context.globals().verbosity > 0;
    let printed =
        if context.globals().json { context.print_json(&rows) } else { context.print(&text(&rows, verbose)) };
    warnings.append(&mut heard.lock().unwrap_or_else(PoisonError::into_inner));
    context.report(&warnings);
    printed
}

/// The same for a report: rows, and what there is to warn of.
pub(super) fn found(context: &Context<'_>) -> serde_json::Value {
    let silent: NoticeSink = Arc::new(|_| {});
    let folder = config::state_folder(context.env());
    let (mut rows, warnings) = match cpu::rows(folder.as_deref(), &silent) {
        Ok(found) => found,
        Err(error) => return error.to_string().into(),
    };
    rows.extend(gpu::rows(folder.as_deref()));
    sensors::look(&mut rows);
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    serde_json::json!({ "devices": rows, "warnings": warnings })
}

/// Ends a command whose devices cannot do what was asked for, or cannot do anything.
pub(super) fn device_failed(context: &Context<'_>, error: &DeviceError) -> Exit {
    let (code, exit) = match error {
        DeviceError::Unsupported(_) => ("cpu", Exit::Usage),
        DeviceError::Memory(_) => ("no-device", Exit::NoDevice),
        DeviceError::Wrong(_) | DeviceError::Lost(_) | DeviceError::Interrupted => ("device", Exit::Failed),
    };
    let problem = Problem::error(code, error.to_string());
    context.report(&[problem.help("`rminer devices` lists what there is")]);
    exit
}

fn text(rows: &[Row], verbose: bool) -> String {
    let heading = ["ID", "DEVICE", "HOTTEST", "POWER", "MINES", "STATE"].map(str::to_owned);
    let mut lines = vec![heading];
    for row in rows {
        let mined = row.algorithms.iter().filter(|algorithm| algorithm.reason.is_empty());
        let mined: Vec<_> =
            mined.map(|algorithm| format!("{} ({})", algorithm.algo, algorithm.engine)).collect();
        let mined = if mined.is_empty() { "-".into() } else { mined.join(", ") };
        let mut state = format!("{}: {}", row.state, row.reason);
        for help in &row.help {
            state.push_str(&format!("; {help}"));
        }
        let sensors = row.sensors.as_ref();
        let known = |told: Option<String>| told.unwrap_or_else(|| "-".into());
        let (hottest, power) =
            (known(sensors.and_then(Sensors::temperature)), known(sensors.and_then(Sensors::power)));
        lines.push([row.id.clone(), row.name.clone(), hottest, power, mined, state]);
    }
    let mut text = table(&lines);
    if verbose {
        for row in rows {
            text.push_str(&details(row));
        }
    }
    text
}

/// All that is known of a device, for `-v`.
fn details(row: &Row) -> String {
    let mut text = format!("\n{} {}\n", row.id, row.name);
    if let Some(cpu) = &row.cpu {
        text.push_str(&cpu.text());
    }
    if let Some(sensors) = &row.sensors {
        text.push_str(&sensors.text());
    }
    for algorithm in &row.algorithms {
        if !algorithm.reason.is_empty() {
            text.push_str(&format!("  {}: {}\n", algorithm.algo, algorithm.reason));
        }
        for KernelRow { kernel, state, rate_hs } in &algorithm.kernels {
            let rate = rate_hs
                .map_or_else(String::new, |rate| format!(", {} measured", crate::ui::hashrate(Some(rate))));
            text.push_str(&format!("  {} {kernel}: {state}{rate}\n", algorithm.algo));
        }
    }
    text
}
