//! `rminer devices`

use std::sync::{Arc, Mutex, PoisonError};

use rminer_algos::randomx::{CACHE_BYTES, DATASET_BYTES, SCRATCHPAD_BYTES};
use serde::Serialize;

use super::table::table;
use crate::cli::Context;
use crate::config::CpuSettings;
use crate::devices::cpu::plan;
use crate::devices::cpu::randomx::{self, RandomxSetup, huge_pages};
use crate::devices::{DeviceError, Notice, NoticeSink};
use crate::exit::Exit;
use crate::problem::Problem;

/// A device and whether it can mine.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    name: String,
    kind: &'static str,
    /// `ready` or `limited`.
    state: &'static str,
    /// Why it is in that state.
    reason: String,
    /// Mining threads when nothing else is asked for.
    threads: usize,
    /// Processing units that they are pinned to, best first.
    processors: Vec<u32>,
    /// Packages, cores and units that this process may use on all of them.
    packages: usize,
    cores: usize,
    units: usize,
    l3_bytes: u64,
    /// Memory that can be had now, in bytes, free huge pages included.
    available_bytes: Option<u64>,
    /// Pages of 2 MiB: free, there, and wanted by RandomX.
    hugepages_free: u32,
    hugepages_total: u32,
    hugepages_want: u32,
}

/// Lists what can mine here, and what keeps it from mining well.
pub(super) fn run(context: &Context<'_>) -> Exit {
    let notices: Arc<Mutex<Vec<Problem>>> = Arc::default();
    let heard = Arc::clone(&notices);
    let sink: NoticeSink = Arc::new(move |notice| {
        if let Notice::Warning(warning) = notice {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
        }
    });
    let setup = match randomx::open(&CpuSettings::default(), &sink) {
        Ok(setup) => setup,
        Err(error) => return device_failed(context, &error),
    };
    let rows = rows(&setup);
    let printed =
        if context.globals().json { context.print_json(&rows) } else { context.print(&text(&rows)) };
    let mut warnings = std::mem::take(&mut *notices.lock().unwrap_or_else(PoisonError::into_inner));
    let pool = huge_pages::pool_2_mib();
    if rows.iter().any(|row| row.hugepages_free < row.hugepages_want) && huge_pages::pool_1_gib().free < 3 {
        warnings.push(huge_pages::missing(pool, setup.sources.len()));
    }
    context.report(&warnings);
    printed
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

fn rows(setup: &RandomxSetup) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let available = huge_pages::available_bytes().map(|bytes| bytes + huge_pages::free_bytes());
    let pool = huge_pages::pool_2_mib();
    for source in &setup.sources {
        let info = source.info();
        match rows.last_mut() {
            Some(row) if row.id == info.id => row.processors.extend(info.pinned_to),
            _ => rows.push(Row {
                id: info.id.clone(),
                name: if info.name.is_empty() { "CPU".into() } else { info.name.clone() },
                kind: "cpu",
                state: "ready",
                reason: String::new(),
                threads: 0,
                processors: info.pinned_to.into_iter().collect(),
                packages: setup.topology.packages(),
                cores: setup.topology.cores.len(),
                units: setup.topology.pus().count(),
                l3_bytes: setup.topology.l3_bytes.iter().sum(),
                available_bytes: available,
                hugepages_free: pool.free,
                hugepages_total: pool.total,
                hugepages_want: 0,
            }),
        }
    }
    let memory_each = available.map(|bytes| bytes / rows.len().max(1) as u64);
    for row in &mut rows {
        row.threads = row.processors.len();
        let machines =
            u32::try_from(row.threads).unwrap_or(u32::MAX).saturating_mul(huge_pages::MACHINE_PAGES);
        row.hugepages_want = (huge_pages::DATASET_PAGES + huge_pages::CACHE_PAGES).saturating_add(machines);
        (row.state, row.reason) = state(row, memory_each);
    }
    rows
}

fn state(row: &Row, memory: Option<u64>) -> (&'static str, String) {
    let need = DATASET_BYTES + CACHE_BYTES + SCRATCHPAD_BYTES * row.threads as u64;
    match memory {
        Some(have) if have < need => {
            let (have, need) = (have >> 20, need >> 20);
            (
                "limited",
                format!(
                    "{have} MiB of memory are free and fast RandomX wants {need}: light mode, several times slower"
                ),
            )
        }
        _ if row.l3_bytes == 0 => ("ready", format!("{}; caches unknown", threads(row.threads))),
        _ => ("ready", format!("{} fit {} MiB of L3", threads(row.threads), row.l3_bytes >> 20)),
    }
}

fn threads(count: usize) -> String {
    if count == 1 { "1 thread".into() } else { format!("{count} threads") }
}

fn text(rows: &[Row]) -> String {
    let heading = ["ID", "DEVICE", "PROCESSORS", "MEMORY", "STATE"].map(str::to_owned);
    let mut lines = vec![heading];
    lines.extend(rows.iter().map(|row| {
        let processors = plan::list(row.processors.iter().copied());
        let memory = row.available_bytes.map_or_else(|| "-".into(), gib);
        [row.id.clone(), row.name.clone(), processors, memory, format!("{}: {}", row.state, row.reason)]
    }));
    lines.push(["-", "GPUs", "-", "-", "left out: GPUs are not in this version"].map(str::to_owned));
    table(&lines)
}

#[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
