//! Ratios, medians, and what is written down.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rminer_benches::{cpuminer, median};
use serde::Serialize;

use super::Pair;

/// All comparisons of one run of this program.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: String,
    commands: Vec<String>,
    comparisons: Vec<Comparison>,
    alone: Vec<Alone>,
}

/// One of our kernels with one of their builds.
#[derive(Serialize)]
pub(crate) struct Comparison {
    backend: &'static str,
    cpuminer: String,
    /// Ours on one version, divided by theirs.
    one_version: Spread,
    /// Ours on four versions, divided by theirs.
    four_versions: Spread,
    pairs: Vec<Pair>,
}

/// Of the pairs' ratios.
#[derive(Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// A kernel with nothing beside it, in hashes per second of processor time.
#[derive(Serialize)]
pub(crate) struct Alone {
    pub(crate) backend: &'static str,
    pub(crate) one_version_hs: f64,
    pub(crate) four_versions_hs: f64,
}

impl Comparison {
    pub(crate) fn new(backend: &'static str, cpuminer: String, pairs: Vec<Pair>) -> Self {
        let spread = |ours: fn(&Pair) -> f64| {
            let ratios: Vec<_> = pairs.iter().map(|pair| ours(pair) / pair.cpuminer_hs).collect();
            Spread {
                least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
                most: ratios.iter().copied().fold(0.0, f64::max),
                median: median(ratios),
            }
        };
        let (one_version, four_versions) =
            (spread(|pair| pair.one_version_hs), spread(|pair| pair.four_versions_hs));
        Self { backend, cpuminer, one_version, four_versions, pairs }
    }
}

impl Report {
    pub(crate) fn new(seconds: u64, comparisons: Vec<Comparison>, alone: Vec<Alone>) -> Self {
        let machine = rminer::devices::topology::Topology::detect().model;
        let pairs = comparisons.first().map_or(0, |comparison| comparison.pairs.len());
        let ours = format!("compare-sha256d --pairs {pairs} --seconds {seconds}");
        let theirs = format!("cpuminer {}", cpuminer::ARGUMENTS.join(" "));
        Self { machine, commands: vec![ours, theirs], comparisons, alone }
    }

    /// The report in Markdown.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("# SHA-256d beside cpuminer-opt, one thread\n\n{}\n\n", self.machine);
        for command in &self.commands {
            let _ = writeln!(text, "    {command}");
        }
        text.push_str(
            "\nRates are for each second of processor time. Ratios are ours / cpuminer's of each pair: median \
             (least to most).\n\n| kernel | cpuminer | one version | four versions |\n| --- | --- | --- | --- |\n",
        );
        for Comparison { backend, cpuminer, one_version, four_versions, .. } in &self.comparisons {
            let _ = writeln!(
                text,
                "| {backend} | {cpuminer} | {} | {} |",
                one_version.text(),
                four_versions.text()
            );
        }
        for Comparison { backend, pairs, .. } in &self.comparisons {
            let _ = write!(
                text,
                "\n| pair, {backend} | MH/s, one version | MH/s, four versions | MH/s, cpuminer | steal % |\n\
                 | --- | --- | --- | --- | --- |\n",
            );
            for (number, pair) in pairs.iter().enumerate() {
                let [one, four, theirs] =
                    [pair.one_version_hs, pair.four_versions_hs, pair.cpuminer_hs].map(|rate| rate / 1e6);
                let steal = pair.steal_percent;
                let _ =
                    writeln!(text, "| {} | {one:.2} | {four:.2} | {theirs:.2} | {steal:.2} |", number + 1);
            }
        }
        text.push_str("\n| kernel alone | MH/s, one version | MH/s, four versions |\n| --- | --- | --- |\n");
        for Alone { backend, one_version_hs, four_versions_hs } in &self.alone {
            let _ =
                writeln!(text, "| {backend} | {:.2} | {:.2} |", one_version_hs / 1e6, four_versions_hs / 1e6);
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

impl Spread {
    fn text(&self) -> String {
        format!("{:.3} ({:.3} to {:.3})", self.median, self.least, self.most)
    }
}

/// One line on a pair that has just been measured.
pub(crate) fn line(backend: &str, number: usize, pair: &Pair) -> String {
    let Pair { one_version_hs, four_versions_hs, cpuminer_hs, .. } = pair;
    format!(
        "{backend}, pair {}: {:.2} and {:.2} / {:.2} MH/s = {:.3} and {:.3}",
        number + 1,
        one_version_hs / 1e6,
        four_versions_hs / 1e6,
        cpuminer_hs / 1e6,
        one_version_hs / cpuminer_hs,
        four_versions_hs / cpuminer_hs,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_pairs() {
        let pair = |ours, cpuminer_hs| Pair {
            one_version_hs: ours,
            four_versions_hs: 2.0 * ours,
            cpuminer_hs,
            steal_percent: 0.0,
        };
        // A slow pair among fast ones: the ratio of medians would be 0.5, the median of ratios is 1.
        let pairs = vec![pair(1e6, 1e6), pair(2e6, 2e6), pair(1e6, 4e6)];
        let comparison = Comparison::new("avx512", "cpuminer-opt".into(), pairs);
        assert_eq!(comparison.one_version, Spread { median: 1.0, least: 0.25, most: 1.0 });
        assert_eq!(comparison.four_versions, Spread { median: 2.0, least: 0.5, most: 2.0 });
        let report = Report::new(8, vec![comparison], vec![]);
        assert!(
            report.text().contains("| avx512 | cpuminer-opt | 1.000 (0.250 to 1.000) |"),
            "{}",
            report.text()
        );
    }
}
