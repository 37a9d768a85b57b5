//! Ratios, medians, and what is written down.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rminer_algos::Backend;
use rminer_benches::median;
use serde::Serialize;

/// Rates of one round, in hashes per second of processor time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    /// Of our kernels.
    pub(crate) ours_hs: Vec<f64>,
    pub(crate) peer_hs: f64,
    /// Share of all processors' time that the host took away meanwhile, in percent.
    pub(crate) steal_percent: f64,
}

/// One run of this program.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: String,
    command: String,
    peer: String,
    /// Microseconds until a job is taken up.
    load_us: f64,
    kernels: Vec<&'static str>,
    /// Ours divided by theirs, of each kernel.
    ratios: Vec<Spread>,
    rounds: Vec<Round>,
}

/// Of the rounds' ratios.
#[derive(Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Report {
    pub(crate) fn new(
        seconds: u64,
        peer: String,
        load_us: f64,
        kernels: Vec<&'static str>,
        rounds: Vec<Round>,
    ) -> Self {
        let spread = |kernel: usize| {
            let of_round = |round: &Round| Some(round.ours_hs.get(kernel)? / round.peer_hs);
            let ratios: Vec<_> = rounds.iter().filter_map(of_round).collect();
            Spread {
                least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
                most: ratios.iter().copied().fold(0.0, f64::max),
                median: median(ratios),
            }
        };
        let ratios = (0..kernels.len()).map(spread).collect();
        let machine = rminer::devices::topology::Topology::detect().model;
        let command = format!("compare-kheavyhash --rounds {} --seconds {seconds}", rounds.len());
        Self { machine, command, peer, load_us, kernels, ratios, rounds }
    }

    /// The report in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "# kHeavyHash beside {}, one thread\n\n{}\n\n    {}\n\nRates are for each second of processor time. Ratios \
             are ours / theirs of each round: median (least to most). A job with its matrix is taken up in {:.0} µs.\n\n\
             | kernel | ratio |\n| --- | --- |\n",
            self.peer, self.machine, self.command, self.load_us
        );
        for (kernel, Spread { median, least, most }) in self.kernels.iter().zip(&self.ratios) {
            let _ = writeln!(text, "| {kernel} | {median:.2} ({least:.2} to {most:.2}) |");
        }
        let heads: Vec<_> = self.kernels.iter().map(|kernel| format!("MH/s, {kernel}")).collect();
        let _ = write!(
            text,
            "\n| round | {} | MH/s, theirs | steal % |\n| --- |{} --- | --- |\n",
            heads.join(" | "),
            " --- |".repeat(heads.len())
        );
        for (number, Round { ours_hs, peer_hs, steal_percent }) in self.rounds.iter().enumerate() {
            let ours: Vec<_> = ours_hs.iter().map(|rate| format!("{:.3}", rate / 1e6)).collect();
            let (ours, peer) = (ours.join(" | "), peer_hs / 1e6);
            let _ = writeln!(text, "| {} | {ours} | {peer:.3} | {steal_percent:.2} |", number + 1);
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

/// One line on a round that has just been measured.
pub(crate) fn line(backends: &[&Backend], number: usize, round: &Round) -> String {
    let mut line = format!("round {}: kaspa-miner {:.3} MH/s", number + 1, round.peer_hs / 1e6);
    for (backend, rate) in backends.iter().zip(&round.ours_hs) {
        let _ = write!(line, ", {} {:.3} = {:.2}", backend.name, rate / 1e6, rate / round.peer_hs);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_rounds() {
        let round = |ours, peer_hs| Round { ours_hs: vec![ours, 1.0], peer_hs, steal_percent: 0.0 };
        // A slow round among fast ones: the ratio of medians would be 4, the median of ratios is 8.
        let rounds = vec![round(8e6, 1e6), round(4e6, 0.5e6), round(4e6, 1e6)];
        let report = Report::new(4, "kaspa-miner 0.2.7".into(), 30.0, vec!["avx512", "scalar"], rounds);
        assert_eq!(report.ratios[0], Spread { median: 8.0, least: 4.0, most: 8.0 });
        assert!(report.text().contains("| avx512 | 8.00 (4.00 to 8.00) |"), "{}", report.text());
    }
}
