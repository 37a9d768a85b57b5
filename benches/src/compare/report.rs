//! Ratios, medians, and what is written down.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rminer_benches::median;
use serde::Serialize;

use super::xmrig::Xmrig;
use super::{Measurement, Pair, Run};

/// All pairs and what follows from them.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: String,
    xmrig: String,
    commands: Vec<String>,
    /// Median over the pairs of ours divided by xmrig's.
    ratios: Ratios,
    pairs: Vec<Pair>,
}

#[derive(Serialize)]
struct Ratios {
    rate: Spread,
    rate_for_cpu_time: Spread,
    /// Ours with the allocation of memory, xmrig's without.
    init: Spread,
    /// Both with it.
    init_with_memory: Spread,
    first_hash: Spread,
    memory: Spread,
}

/// The middle of the pairs' ratios, and where the middle half of them lies.
#[derive(Debug, Clone, Copy, Serialize)]
struct Spread {
    median: f64,
    p25: f64,
    p75: f64,
}

impl Spread {
    fn of(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            ratios.get(ratios.len().saturating_sub(1) * quarter / 4).copied().unwrap_or(f64::NAN)
        };
        let (p25, p75) = (at(1), at(3));
        Self { median: median(ratios), p25, p75 }
    }
}

impl Report {
    pub(crate) fn new(run: &Run, xmrig: String, pairs: Vec<Pair>) -> Self {
        let model = rminer::devices::topology::Topology::detect().model;
        let theirs = Xmrig::command_line(run).unwrap_or_default().join(" ");
        let ours = format!("compare-randomx ours {}", run.arguments().join(" "));
        let ratio = |value: fn(&Measurement) -> f64| {
            Spread::of(pairs.iter().map(|pair| value(&pair.ours) / value(&pair.xmrig)).collect())
        };
        let ratios = Ratios {
            rate: ratio(|run| run.rate_hs),
            rate_for_cpu_time: ratio(|run| run.cpu_rate_hs),
            init: ratio(|run| run.init_ms as f64),
            init_with_memory: ratio(|run| (run.init_ms + run.memory_ms.unwrap_or(0)) as f64),
            first_hash: ratio(|run| run.first_hash_ms as f64),
            memory: ratio(|run| run.memory_kib as f64),
        };
        let commands = vec![ours, format!("xmrig {theirs}")];
        Self { machine: model, xmrig, commands, ratios, pairs }
    }

    /// The report in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("# RandomX beside {}\n\n{}\n\n", self.xmrig, self.machine);
        if let Some(engine) = self.pairs.first().and_then(|pair| pair.ours.engine.as_ref()) {
            let _ = writeln!(text, "Ours: {engine}\n");
        }
        for command in &self.commands {
            let _ = writeln!(text, "    {command}");
        }
        text.push_str(
            "\nOurs / xmrig, over the pairs:\n\n| measure | median | p25 to p75 |\n| --- | --- | --- |\n",
        );
        let Ratios { rate, rate_for_cpu_time, init, init_with_memory, first_hash, memory } = &self.ratios;
        for (name, ratio) in [
            ("hashes per second", rate),
            ("hashes per second of processor time", rate_for_cpu_time),
            ("dataset time (ours with, xmrig's without the allocation)", init),
            ("dataset time, both with the allocation", init_with_memory),
            ("start to the first hash at full speed", first_hash),
            ("memory (VmRSS + HugetlbPages)", memory),
        ] {
            let Spread { median, p25, p75 } = ratio;
            let _ = writeln!(text, "| {name} | {median:.3} | {p25:.3} to {p75:.3} |");
        }
        text.push_str(
            "\n| pair | H/s ours | H/s xmrig | H/CPU-s ours | H/CPU-s xmrig | dataset ms ours | dataset ms xmrig \
             (+ memory) | first hash ms ours | first hash ms xmrig | KiB ours | KiB xmrig | huge pages ours | huge pages xmrig | steal % |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for (number, Pair { ours, xmrig, steal_percent }) in self.pairs.iter().enumerate() {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {} (+ {}) | {} | {} | {} | {} | {} | {} | {steal_percent:.2} |",
                number + 1,
                ours.rate_hs,
                xmrig.rate_hs,
                ours.cpu_rate_hs,
                xmrig.cpu_rate_hs,
                ours.init_ms,
                xmrig.init_ms,
                xmrig.memory_ms.unwrap_or(0),
                ours.first_hash_ms,
                xmrig.first_hash_ms,
                ours.memory_kib,
                xmrig.memory_kib,
                pages(ours),
                pages(xmrig),
            );
        }
        text
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let write = |ending, text: String| {
            let path = path.with_extension(ending);
            fs::write(&path, text).with_context(|| path.display().to_string())
        };
        write("json", serde_json::to_string_pretty(self)? + "\n")?;
        write("md", self.text())
    }
}

/// One line on a pair that has just been measured.
pub(crate) fn line(number: usize, pair: &Pair) -> String {
    let Pair { ours, xmrig, .. } = pair;
    format!(
        "pair {}: {:.1} / {:.1} H/s = {:.3}; by processor time {:.3}; dataset {} / {} ms; {} / {} KiB",
        number + 1,
        ours.rate_hs,
        xmrig.rate_hs,
        ours.rate_hs / xmrig.rate_hs,
        ours.cpu_rate_hs / xmrig.cpu_rate_hs,
        ours.init_ms,
        xmrig.init_ms,
        ours.memory_kib,
        xmrig.memory_kib,
    )
}

fn pages(run: &Measurement) -> String {
    run.huge_pages.map_or("unknown".into(), |(have, want)| format!("{have}/{want}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_pairs() {
        let run = |rate_hs: f64, init_ms, memory_kib| Measurement {
            rate_hs,
            cpu_rate_hs: rate_hs / 2.0,
            init_ms,
            memory_ms: None,
            first_hash_ms: init_ms,
            engine: None,
            memory_kib,
            huge_pages: None,
        };
        let pair = |ours, xmrig| Pair { ours, xmrig, steal_percent: 0.0 };
        // A slow pair and two fast ones: the ratio of medians would be 0.5, the median of ratios is 1.
        let pairs = vec![
            pair(run(100.0, 20, 90), run(100.0, 10, 100)),
            pair(run(200.0, 20, 90), run(200.0, 10, 100)),
            pair(run(50.0, 20, 90), run(400.0, 10, 100)),
        ];
        let options = Run {
            affinity: "0,1".into(),
            seconds: 1,
            algo: "rx/0".into(),
            engine: "auto".into(),
            lanes: None,
        };
        let report = Report::new(&options, "xmrig".into(), pairs);
        let Ratios { rate, rate_for_cpu_time, init, first_hash, memory, .. } = &report.ratios;
        assert_eq!((rate.median, rate.p25, rate.p75), (1.0, 0.125, 1.0));
        assert_eq!(
            (rate_for_cpu_time.median, init.median, first_hash.median, memory.median),
            (1.0, 2.0, 2.0, 0.9)
        );
        assert!(report.text().contains("--cpu-affinity=0x3"));
    }
}
