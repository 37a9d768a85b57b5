//! kHeavyHash on one CPU thread beside kaspa-miner's, by processor time, one after the other, in rounds.
//!
//! `KASPA_MINER` names the program, `KASPA_GRPC` and `KASPA_ADDRESS` a node that it can mine with and an address of
//! that node's network. Rates are for each second of processor time, so the machine need not be quiet; the runs of a
//! round see nearly the same clock, and the median of the rounds' ratios counts.

mod kaspa_miner;
mod ours;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rminer_algos::registry::KHEAVYHASH;
use rminer_benches::Times;

use self::kaspa_miner::KaspaMiner;
use self::report::{Report, Round};

#[derive(Parser)]
#[command(
    about = "kHeavyHash beside kaspa-miner (KASPA_MINER=path, KASPA_GRPC=host:port of a node, KASPA_ADDRESS)"
)]
struct Arguments {
    /// Rounds of runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each of our kernels hashes; kaspa-miner takes twenty or more
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Write PATH.json and PATH.md
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
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
    let time = Duration::from_secs(arguments.seconds.max(1));
    let names = ["KASPA_MINER", "KASPA_GRPC", "KASPA_ADDRESS"];
    let [Ok(program), Ok(node), Ok(address)] = names.map(std::env::var) else {
        println!("{} are not all set: there is nothing to compare with.", names.join(", "));
        return Ok(());
    };
    let peer = KaspaMiner { program: program.into(), node, address };
    let version = peer.version()?;
    let backends: Vec<_> = KHEAVYHASH.kernels.iter().filter(|backend| (backend.is_available)()).collect();
    let mut rounds = Vec::new();
    for number in 0..arguments.rounds {
        let before = Times::now();
        let ours = || backends.iter().map(|backend| ours::rate_hs(backend, time)).collect::<Result<Vec<_>>>();
        // Whoever is first may have the other's heat; so they take turns.
        let (ours_hs, peer_hs) = if number % 2 == 1 {
            let peer_hs = peer.rate_hs()?;
            (ours()?, peer_hs)
        } else {
            (ours()?, peer.rate_hs()?)
        };
        let round = Round { ours_hs, peer_hs, steal_percent: before.steal_percent_since() };
        eprintln!("{}", report::line(&backends, number, &round));
        rounds.push(round);
    }
    if rounds.is_empty() {
        bail!("no round was asked for");
    }
    let names = backends.iter().map(|backend| backend.name).collect();
    let report = Report::new(arguments.seconds, version, ours::load_us(backends[0])?, names, rounds);
    println!("{}", report.text());
    if let Some(path) = &arguments.out {
        report.write(path).context("the report is not written")?;
    }
    Ok(())
}
