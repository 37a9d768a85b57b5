//! What the command writes: JSON for programs, Markdown for people.

use std::fmt::Write as _;

use rminer_benches::median;
use serde::Serialize;

use crate::measure::Row;
use crate::nvidia::State;
use crate::product::Product;

/// Lanes of a card's arithmetic unit in each multiprocessor: logic, shifts and additions share it.
const ALU_LANES: f64 = 64.0;
/// Instructions for that unit in the machine code of each twin, for one nonce (CUDA 13.5, `sm_90`, counted in the
/// disassembly; within 0.3% the same for `sm_89`), and the hashes that one nonce gives.
const ALU_INSTRUCTIONS: [(&str, f64, f64); 13] = [
    ("calibration", 1005.0, 1.0),
    ("h1", 2268.0, 1.0),
    ("h1-mad", 1817.0, 1.0),
    ("h2", 4141.0, 2.0),
    ("h4", 7889.0, 4.0),
    ("h2-mad", 3329.0, 2.0),
    ("h4-mad", 6351.0, 4.0),
    ("p-r1", 8582.0, 1.0),
    ("p-r2", 8604.0, 1.0),
    ("p-r4", 8511.0, 1.0),
    ("p-r11", 8498.0, 1.0),
    ("p-r4-rows2", 8607.0, 1.0),
    ("p-r4-rows64", 8504.0, 1.0),
];

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) device: String,
    pub(crate) driver: String,
    pub(crate) software: bool,
    pub(crate) nvidia: Option<State>,
    pub(crate) multiprocessors: Option<u32>,
    /// The first kernel of the process, from text to first results.
    pub(crate) start_wall_ms: f64,
    pub(crate) start_cpu_ms: f64,
    pub(crate) groups: Vec<Group>,
    pub(crate) product: Option<Product>,
    /// Ratio to another program on the processor, where one was named.
    pub(crate) peer: Option<Peer>,
    pub(crate) skipped: Vec<String>,
    pub(crate) seconds: f64,
}

/// Rows that were measured in turns; the first is what the others are compared with.
#[derive(Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// Another miner for processors.
#[derive(Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) version: String,
    pub(crate) command: String,
    /// Hashes for each second of processor time, ours and theirs, taken in turns.
    pub(crate) pairs: Vec<(f64, f64)>,
}

impl Peer {
    /// Ours divided by theirs.
    fn ratios(&self) -> Vec<f64> {
        self.pairs.iter().map(|(ours, theirs)| ours / theirs).collect()
    }
}

impl Report {
    /// Part of the arithmetic unit's cycles that a kernel uses, where the clock and the card are known.
    fn unit_use(&self, row: &Row) -> Option<f64> {
        let kernel = row.name.trim_end_matches(" (CUDA)");
        let (_, instructions, hashes) = ALU_INSTRUCTIONS.iter().find(|(name, ..)| *name == kernel)?;
        let cycles = f64::from(self.multiprocessors?) * ALU_LANES * f64::from(row.sm_clock_mhz?) * 1e6;
        Some(row.rate.wall_hs * instructions / hashes / cycles)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("# GPU kernels on {}\n\nDriver {}.\n\n", self.device, self.driver);
        if let Some(state) = &self.nvidia {
            let clock = |mhz: Option<u32>| mhz.map_or("?".into(), |mhz| format!("{mhz} MHz"));
            let _ = writeln!(
                text,
                "nvidia-smi at the end: {}, driver {}, {} of {}, {} W, {} °C\n",
                state.name,
                state.driver,
                clock(state.sm_clock_mhz),
                clock(state.sm_clock_max_mhz),
                state.power_w.map_or("?".into(), |power| format!("{power:.0}")),
                state.temperature_c.map_or("?".into(), |temperature| format!("{temperature:.0}")),
            );
        }
        let _ = writeln!(
            text,
            "First kernel, from text to first results: {:.0} ms, {:.0} ms of processor time.\n",
            self.start_wall_ms, self.start_cpu_ms
        );
        for group in &self.groups {
            self.group(&mut text, group);
        }
        if let Some(product) = &self.product {
            let milliseconds = |time: Option<f64>| time.map_or("?".into(), |time| format!("{time:.1} ms"));
            let _ = writeln!(
                text,
                "## The miner's runner, a new job every 100 ms\n\nKernels {}; {:.2} MH/s; idle {}; {} jobs, first hash \
                 after {} (median), {} (99%); {} pipelines.\n",
                product.kernels.join(" and "),
                product.rate_hs / 1e6,
                product.idle_share.map_or("unknown, the device tells no times".into(), |idle| {
                    format!("{:.2}%", 100.0 * idle)
                }),
                product.jobs,
                milliseconds(product.job_p50_ms),
                milliseconds(product.job_p99_ms),
                product.pipelines,
            );
        }
        if let Some(peer) = &self.peer {
            let _ = writeln!(
                text,
                "## Beside `{}`\n\n{}. Hashes for each second of processor time, of software Vulkan and of one thread there:\n",
                peer.command, peer.version
            );
            for (ours, theirs) in &peer.pairs {
                let _ = writeln!(text, "- {:.2} / {:.2} MH = {:.3}", ours / 1e6, theirs / 1e6, ours / theirs);
            }
            let _ = writeln!(text, "\nMedian {:.3}.\n", median(peer.ratios()));
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "- SKIPPED: {skipped}");
        }
        let _ = writeln!(text, "\nTook {:.0} s.", self.seconds);
        text
    }

    fn group(&self, text: &mut String, group: &Group) {
        let unit = if self.software { "MH per CPU s" } else { "MH/s" };
        let _ = writeln!(
            text,
            "## {}\n\n| kernel | {unit} | least to most | ratio to the first | SM clock, MHz | ALU use |\n| --- | --- | --- | --- | --- | --- |",
            group.title
        );
        let first = group.rows.first().map_or(0.0, |row| row.rate.best_hs());
        for row in &group.rows {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.2} to {:.2} | {:.3} | {} | {} |",
                row.name,
                row.rate.best_hs() / 1e6,
                row.spread_hs.0 / 1e6,
                row.spread_hs.1 / 1e6,
                row.rate.best_hs() / first,
                row.sm_clock_mhz.map_or("-".into(), |clock| clock.to_string()),
                self.unit_use(row).map_or("-".into(), |part| format!("{:.1}%", 100.0 * part)),
            );
        }
        text.push('\n');
    }
}
