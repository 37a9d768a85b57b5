//! Rows of processors.

use std::path::Path;

use rminer_algos::Algorithm;
use rminer_algos::randomx::{CACHE_BYTES, DATASET_BYTES, SCRATCHPAD_BYTES};
use rminer_algos::registry::RANDOMX;
use serde::Serialize;

use super::{ALGORITHMS, KernelRow, Row, Suitability};
use crate::config::CpuSettings;
use crate::devices::cpu::randomx::{self, RandomxSetup, huge_pages};
use crate::devices::cpu::{self, plan};
use crate::devices::{DeviceError, NoticeSink};
use crate::problem::Problem;

/// What matters to RandomX, and where threads go.
#[derive(Debug, Default, Serialize)]
pub(super) struct CpuFacts {
    /// RandomX threads when nothing else is asked for.
    threads: usize,
    /// Processing units that they are pinned to, best first.
    pub(super) processors: Vec<u32>,
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

impl CpuFacts {
    /// For `-v`.
    pub(super) fn text(&self) -> String {
        let memory = self.available_bytes.map_or_else(|| "memory unknown".into(), gib);
        format!(
            "  packages {}, cores {}, units {}, {} MiB of L3, {memory} free\n  RandomX threads on units {}, \
             huge pages {} free of {}, {} wanted\n",
            self.packages,
            self.cores,
            self.units,
            self.l3_bytes >> 20,
            plan::list(self.processors.iter().copied()),
            self.hugepages_free,
            self.hugepages_total,
            self.hugepages_want
        )
    }
}

/// Rows for the memory nodes of this machine, and what there is to warn of.
pub(super) fn rows(
    state_folder: Option<&Path>,
    sink: &NoticeSink,
) -> Result<(Vec<Row>, Vec<Problem>), DeviceError> {
    let settings =
        CpuSettings { state_folder: state_folder.map(Path::to_path_buf), ..CpuSettings::default() };
    let setup = randomx::open(&settings, RANDOMX.variant, sink)?;
    let mut rows = nodes(&setup);
    for algorithm in ALGORITHMS {
        let opened = cpu::open(algorithm, &settings, sink);
        for row in &mut rows {
            let mut suitability =
                suitability(algorithm, opened.as_ref().map(|opened| opened.engine.as_str()));
            if *algorithm == &RANDOMX {
                suitability.kernels = lanes(&setup);
            }
            row.algorithms.push(suitability);
        }
    }
    let mut warnings = Vec::new();
    let lacks_pages = |facts: &CpuFacts| facts.hugepages_free < facts.hugepages_want;
    if rows.iter().filter_map(|row| row.cpu.as_ref()).any(lacks_pages) && huge_pages::pool_1_gib().free < 3 {
        warnings.push(huge_pages::missing(huge_pages::pool_2_mib(), setup.sources.len()));
    }
    Ok((rows, warnings))
}

fn suitability(algorithm: &'static Algorithm, opened: Result<&str, &DeviceError>) -> Suitability {
    let kernels = algorithm.kernels.iter().map(|kernel| KernelRow {
        kernel: kernel.name.into(),
        state: match () {
            () if opened == Ok(kernel.name) => "chosen".into(),
            () if (kernel.is_available)() => "available".into(),
            () => "this processor lacks its instructions".into(),
        },
        rate_hs: None,
    });
    Suitability {
        algo: algorithm.name,
        engine: opened.map_or_else(|_| String::new(), str::to_owned),
        reason: opened.err().map(ToString::to_string).unwrap_or_default(),
        kernels: kernels.collect(),
    }
}

/// Numbers of hashes at once, as they were measured when this processor mined.
fn lanes(setup: &RandomxSetup) -> Vec<KernelRow> {
    let Some(known) = setup.measured_lanes() else { return Vec::new() };
    let row = |rate: &randomx::Rate| KernelRow {
        kernel: format!("lanes-{}", rate.lanes),
        state: if rate.lanes == known.lanes { "chosen" } else { "available" }.into(),
        rate_hs: Some(rate.rate_hs),
    };
    known.measured.iter().map(row).collect()
}

fn nodes(setup: &RandomxSetup) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let available = huge_pages::available_bytes().map(|bytes| bytes + huge_pages::free_bytes());
    let pool = huge_pages::pool_2_mib();
    for source in &setup.sources {
        let info = source.info();
        match rows.last_mut().filter(|row| row.id == info.id).and_then(|row| row.cpu.as_mut()) {
            Some(facts) => facts.processors.extend(info.pinned_to),
            None => rows.push(Row {
                id: info.id.clone(),
                name: if info.name.is_empty() { "CPU".into() } else { info.name.clone() },
                kind: "cpu",
                state: "ready",
                reason: String::new(),
                help: Vec::new(),
                algorithms: Vec::new(),
                pci: None,
                sensors: None,
                cpu: Some(CpuFacts {
                    processors: info.pinned_to.into_iter().collect(),
                    packages: setup.topology.packages(),
                    cores: setup.topology.cores.len(),
                    units: setup.topology.pus().count(),
                    l3_bytes: setup.topology.l3_bytes.iter().sum(),
                    available_bytes: available,
                    hugepages_free: pool.free,
                    hugepages_total: pool.total,
                    ..CpuFacts::default()
                }),
            }),
        }
    }
    let memory_each = available.map(|bytes| bytes / rows.len().max(1) as u64);
    for row in &mut rows {
        let Some(facts) = &mut row.cpu else { continue };
        facts.threads = facts.processors.len();
        facts.hugepages_want = huge_pages::needed(facts.threads, true);
        (row.state, row.reason) = state(facts, memory_each);
    }
    rows
}

fn state(facts: &CpuFacts, memory: Option<u64>) -> (&'static str, String) {
    let need = DATASET_BYTES + CACHE_BYTES + SCRATCHPAD_BYTES * facts.threads as u64;
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
        _ if facts.l3_bytes == 0 => ("ready", format!("{}; caches unknown", threads(facts.threads))),
        _ => ("ready", format!("{} fit {} MiB of L3", threads(facts.threads), facts.l3_bytes >> 20)),
    }
}

fn threads(count: usize) -> String {
    if count == 1 { "1 thread".into() } else { format!("{count} threads") }
}

#[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
