//! cpuminer-opt's own benchmark, watched from outside: its log for rates, the kernel for processor time.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Running;
use anyhow::{Context, Result, bail};

/// A program to compare with.
pub struct Cpuminer {
    /// Where it is.
    pub program: PathBuf,
}

/// What is asked of it: one thread, rates of every scan, no lower priority than ours.
pub const ARGUMENTS: [&str; 8] =
    ["-a", "sha256d", "--benchmark", "-t", "1", "--hash-meter", "--no-color", "--cpu-priority=2"];

impl Cpuminer {
    /// Name, version, and the instruction sets that it was built for.
    ///
    /// # Errors
    /// When the program does not run or is another one.
    pub fn version(&self) -> Result<String> {
        let output = Command::new(&self.program).arg("--version").output();
        let output = output.with_context(|| format!("{} does not run", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |part| text.lines().find(|line| line.contains(part));
        let name = line("cpuminer-opt").context("it does not call itself cpuminer-opt")?;
        let features = line("SW features:").context("it does not name its instruction sets")?;
        let words: Vec<_> = name
            .trim_matches(|c: char| c == '*' || c == ' ')
            .split_whitespace()
            .chain(features.split_whitespace())
            .collect();
        Ok(words.join(" "))
    }

    /// Hashes per second of processor time, over about this time of the clock.
    ///
    /// # Errors
    /// When the program does not run, or does not tell what is read here.
    ///
    /// The program tells the rate of each scan by the clock when the scan is over. That rate times the time since the
    /// line before is what the scan hashed.
    pub fn rate_hs(&self, time: Duration) -> Result<f64> {
        // Longer than needed: the last scan is not waited for.
        let limit = (time.as_secs() + 30).to_string();
        let child = Command::new(&self.program)
            .args(ARGUMENTS)
            .args(["--time-limit", &limit])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} does not run", self.program.display()))?;
        let mut running = Running(child);
        let lines = BufReader::new(running.0.stdout.take().context("no output")?).lines();
        let started = Instant::now();
        let (mut hashes, mut cpu_seconds) = (0.0, 0.0);
        let mut before: Option<(Instant, f64)> = None;
        for line in lines {
            let Some(rate_hs) = scan_rate(&line?) else { continue };
            let now = (Instant::now(), running.cpu_seconds()?);
            // The first scan ends at a moment when nobody was looking at its start.
            if let Some((since, cpu_since)) = before {
                hashes += rate_hs * (now.0 - since).as_secs_f64();
                cpu_seconds += now.1 - cpu_since;
            }
            before = Some(now);
            if started.elapsed() >= time && cpu_seconds > 0.0 {
                return Ok(hashes / cpu_seconds);
            }
        }
        bail!("cpuminer ended early")
    }
}

/// The rate of a line such as `[2026-11-25 00:27:46] Thread 0, CPU 0: 10.83 Mh/s`.
fn scan_rate(line: &str) -> Option<f64> {
    let (_, rate) = line.split_once("Thread 0, CPU ")?;
    let mut words = rate.split_once(": ")?.1.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    let factor = match words.next()? {
        "h/s" => 1.0,
        "kh/s" => 1e3,
        "Mh/s" => 1e6,
        "Gh/s" => 1e9,
        _ => return None,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        assert_eq!(scan_rate("[2026-11-25 00:27:46] Thread 0, CPU 0: 10.83 Mh/s"), Some(10.83e6));
        assert_eq!(scan_rate("[2026-11-25 00:27:03] Thread 0, CPU 0: 2823.53 kh/s"), Some(2823.53e3));
        assert_eq!(
            scan_rate("[2026-11-25 00:27:05] Total: 14.12 MH/s, Temp: 0C, Freq: 0.000/0.000 GHz"),
            None
        );
        assert_eq!(scan_rate("[2026-11-25 00:27:09] Benchmark: 8628.13 kH/s"), None);
    }
}
