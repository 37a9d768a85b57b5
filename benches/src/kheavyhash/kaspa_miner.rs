//! kaspa-miner, mining with a node and watched from outside: its log for rates, the kernel for processor time.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rminer_benches::Running;

pub(crate) struct KaspaMiner {
    pub(crate) program: PathBuf,
    /// Host and port of the node's gRPC.
    pub(crate) node: String,
    pub(crate) address: String,
}

/// Rates that are summed up, ten seconds each.
const LINES: usize = 2;
/// Lines that are read at most: a node that has no work for it is no reason to wait for ever.
const MAX_LINES: usize = 1000;

impl KaspaMiner {
    /// Name and version.
    pub(crate) fn version(&self) -> Result<String> {
        let output = Command::new(&self.program).arg("--version").output();
        let output = output.with_context(|| format!("{} does not run", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !text.starts_with("kaspa-miner") {
            bail!("{} does not call itself kaspa-miner", self.program.display());
        }
        Ok(text)
    }

    /// Hashes per second of processor time of one thread.
    ///
    /// Every ten seconds the program tells the rate by the clock. That rate times the time since the line before is
    /// what it hashed.
    pub(crate) fn rate_hs(&self) -> Result<f64> {
        let (host, port) = self.node.rsplit_once(':').context("KASPA_GRPC is no HOST:PORT")?;
        let child = Command::new(&self.program)
            .args(["-t", "1", "--mine-when-not-synced", "-a", &self.address, "-s", host, "-p", port])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not run", self.program.display()))?;
        let mut running = Running(child);
        let lines = BufReader::new(running.0.stderr.take().context("no output")?).lines();
        let (mut hashes, mut cpu_seconds, mut summed) = (0.0, 0.0, 0);
        let mut before: Option<(Instant, f64)> = None;
        for line in lines.take(MAX_LINES) {
            let Some(rate_hs) = rate(&line?) else { continue };
            let now = (Instant::now(), running.cpu_seconds()?);
            // The first interval began when nobody was looking.
            if let Some((since, cpu_since)) = before {
                hashes += rate_hs * (now.0 - since).as_secs_f64();
                cpu_seconds += now.1 - cpu_since;
                summed += 1;
            }
            before = Some(now);
            if summed == LINES {
                return Ok(hashes / cpu_seconds);
            }
        }
        bail!("kaspa-miner ended early, or its node had no work")
    }
}

/// The rate of a line such as `... Current hashrate is: 1.19 Mhash/s`.
fn rate(line: &str) -> Option<f64> {
    let (_, rate) = line.split_once("Current hashrate is: ")?;
    let mut words = rate.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    let factor = match words.next()? {
        "hash/s" => 1.0,
        "Khash/s" => 1e3,
        "Mhash/s" => 1e6,
        _ => return None,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let line = "[2026-11-25T04:00:13Z INFO  kaspa_miner::miner] Current hashrate is: ";
        assert_eq!(rate(&format!("{line}1.19 Mhash/s")), Some(1.19e6));
        assert_eq!(rate(&format!("{line}873.40 Khash/s")), Some(873.40e3));
        assert_eq!(rate("Kaspad is still not synced"), None);
    }
}
