//! RandomX side by side with xmrig: same threads, same pages, one after the other, in pairs.
//!
//! `XMRIG` names the program to compare with; `XMRIG_WRAPPER` may name a program that it is run under, for
//! example one that keeps it from the network. The machine need not be quiet, because the runs of a pair see
//! nearly the same load and the median of the pairs' ratios is what counts; that is also why rates for each
//! second of processor time are kept beside those of the wall clock.

mod ours;
mod report;
mod xmrig;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};

#[derive(Parser)]
#[command(about = "RandomX side by side with xmrig (XMRIG=path)")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Write PATH.json and PATH.md
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// One run of our own engine in this process, as JSON
    Ours {
        #[command(flatten)]
        run: Run,
        /// Instead of a time: this many hashes, and the sum that xmrig publishes for that number
        #[arg(long)]
        hashes: Option<u64>,
    },
}

/// What both programs are told.
#[derive(clap::Args, Clone)]
struct Run {
    /// Processing units to pin a thread to each
    #[arg(long, default_value = "0,1")]
    affinity: String,
    /// Seconds of hashing
    #[arg(long, default_value_t = 25)]
    seconds: u64,
    /// Version of RandomX
    #[arg(long, default_value = "rx/0", value_parser = ["rx/0", "rx/2"])]
    algo: String,
    /// Who computes our hashes
    #[arg(long, default_value = "auto", value_parser = ["auto", "native", "reference"])]
    engine: String,
    /// Hashes that a thread of ours computes at once; measured where it is not given
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=3))]
    lanes: Option<u8>,
}

impl Run {
    fn pus(&self) -> Result<Vec<u32>> {
        rminer::devices::affinity::parse_affinity(&self.affinity).context("--affinity")
    }

    /// What our own run is told.
    fn arguments(&self) -> Vec<String> {
        let seconds = self.seconds.to_string();
        let given = [("--affinity", &self.affinity), ("--seconds", &seconds), ("--algo", &self.algo)];
        let given = given.into_iter().chain([("--engine", &self.engine)]);
        let mut arguments: Vec<String> =
            given.flat_map(|(name, value)| [name.to_owned(), value.clone()]).collect();
        arguments.extend(self.lanes.map(|lanes| format!("--lanes={lanes}")));
        arguments
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What is known of one run, of either program.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Measurement {
    /// Hashes per second of the wall clock.
    rate_hs: f64,
    /// Hashes per second of processor time.
    cpu_rate_hs: f64,
    /// Time to have the dataset, Argon2 included, in milliseconds.
    init_ms: u64,
    /// Of that (ours) or beside it (xmrig), time to have the memory, where the program tells.
    memory_ms: Option<u64>,
    /// Time from the start of the process to the first finished hash at full speed, in milliseconds.
    first_hash_ms: u64,
    /// How it hashes, where the program tells.
    engine: Option<String>,
    /// Resident memory and huge pages while hashing, in KiB.
    memory_kib: u64,
    /// Huge pages in use and wanted, where the program tells.
    huge_pages: Option<(u32, u32)>,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Pair {
    ours: Measurement,
    xmrig: Measurement,
    /// Share of all processors' time that the host took away during the pair, in percent.
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
    if let Some(Command::Ours { run, hashes }) = &arguments.command {
        return ours::run_here(run, *hashes);
    }
    let Some(program) = std::env::var_os("XMRIG").map(PathBuf::from) else {
        println!("XMRIG is not set: there is nothing to compare with. Set it to the path of an xmrig.");
        return Ok(());
    };
    let xmrig = xmrig::Xmrig { program, wrapper: std::env::var_os("XMRIG_WRAPPER").map(PathBuf::from) };
    let version = xmrig.version()?;
    let mut pairs = Vec::new();
    for number in 0..arguments.pairs {
        let before = rminer_benches::Times::now();
        // Whoever is first has the other's heat and page cache; so they take turns.
        let (ours, theirs) = if number % 2 == 0 {
            let ours = ours::run(&arguments.run)?;
            (ours, xmrig.run(&arguments.run)?)
        } else {
            let theirs = xmrig.run(&arguments.run)?;
            (ours::run(&arguments.run)?, theirs)
        };
        let pair = Pair { ours, xmrig: theirs, steal_percent: before.steal_percent_since() };
        eprintln!("{}", report::line(number, &pair));
        pairs.push(pair);
    }
    let report = report::Report::new(&arguments.run, version, pairs);
    println!("{}", report.text());
    if let Some(path) = &arguments.out {
        report.write(path)?;
    }
    Ok(())
}
