//! SHA-256d on one CPU thread beside cpuminer-opt, by processor time, one after the other, in pairs.
//!
//! `CPUMINER` names a build for this machine, which our best kernel is compared with; `CPUMINER_SHANI` one without
//! AVX-512, for the kernel with the SHA instructions. Rates are for each second of processor time, so the machine
//! need not be quiet; the runs of a pair see nearly the same clock, and the median of the pairs' ratios counts.

mod ours;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rminer_algos::registry::SHA256D;
use rminer_benches::{Times, cpuminer::Cpuminer};
use serde::Serialize;

#[derive(Parser)]
#[command(about = "SHA-256d beside cpuminer-opt (CPUMINER=path, CPUMINER_SHANI=path)")]
struct Arguments {
    /// Pairs of runs
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// Seconds that each program hashes
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Write PATH.json and PATH.md
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// Which of our kernels goes with which of their builds.
struct Match {
    variable: &'static str,
    backend: &'static str,
}

const MATCHES: [Match; 2] = [
    Match { variable: "CPUMINER", backend: "avx512" },
    Match { variable: "CPUMINER_SHANI", backend: "sha-ni" },
];

/// Rates of one pair, in hashes per second of processor time.
#[derive(Debug, Clone, Copy, Serialize)]
struct Pair {
    /// Ours on a header of one version.
    one_version_hs: f64,
    /// Ours where four versions share a nonce, as with version rolling.
    four_versions_hs: f64,
    /// cpuminer's, which hashes one version.
    cpuminer_hs: f64,
    /// Share of all processors' time that the host took away meanwhile, in percent.
    steal_percent: f64,
}

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<()> {
    let arguments = Arguments::parse();
    let time = Duration::from_secs(arguments.seconds.max(2));
    let mut comparisons = Vec::new();
    for Match { variable, backend } in MATCHES {
        let Some(program) = std::env::var_os(variable).map(PathBuf::from) else {
            println!("{variable} is not set: {backend} has nothing to be compared with.");
            continue;
        };
        let Some(kernel) = SHA256D.kernels.iter().find(|kernel| kernel.name == backend) else {
            println!("{backend} is no kernel of this architecture.");
            continue;
        };
        if !(kernel.is_available)() {
            println!("{backend} cannot run on this machine.");
            continue;
        }
        let cpuminer = Cpuminer { program };
        let version = cpuminer.version()?;
        let mut pairs = Vec::new();
        for number in 0..arguments.pairs {
            let before = Times::now();
            // Whoever is first may have the other's heat; so they take turns.
            let first = if number % 2 == 1 { Some(cpuminer.rate_hs(time)?) } else { None };
            let [one_version_hs, four_versions_hs] =
                [0, ours::FOUR_VERSIONS].map(|mask| ours::rate_hs(kernel, mask, time / 2));
            let cpuminer_hs = match first {
                Some(rate) => rate,
                None => cpuminer.rate_hs(time)?,
            };
            let (one_version_hs, four_versions_hs) = (one_version_hs?, four_versions_hs?);
            let steal_percent = before.steal_percent_since();
            let pair = Pair { one_version_hs, four_versions_hs, cpuminer_hs, steal_percent };
            eprintln!("{}", report::line(backend, number, &pair));
            pairs.push(pair);
        }
        comparisons.push(report::Comparison::new(backend, version, pairs));
    }
    if comparisons.is_empty() {
        return Ok(());
    }
    let mut others = Vec::new();
    for kernel in SHA256D.kernels.iter().filter(|kernel| (kernel.is_available)()) {
        let rates = [0, ours::FOUR_VERSIONS].map(|mask| ours::rate_hs(kernel, mask, time / 2));
        let [Ok(one_version_hs), Ok(four_versions_hs)] = rates else { bail!("{} does not run", kernel.name) };
        others.push(report::Alone { backend: kernel.name, one_version_hs, four_versions_hs });
    }
    let report = report::Report::new(arguments.seconds, comparisons, others);
    println!("{}", report.text());
    if let Some(path) = &arguments.out {
        report.write(path).context("the report is not written")?;
    }
    Ok(())
}
