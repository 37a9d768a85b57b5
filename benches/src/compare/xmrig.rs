//! xmrig's own benchmark, watched from outside: its log for hashes, the kernel for time and memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Measurement, Run};

/// How often the log is read.
const POLL: Duration = Duration::from_millis(20);

/// A start that takes longer than this has failed.
const MAX_START: Duration = Duration::from_secs(300);

/// When memory is looked at, after hashing began.
const MEMORY_AFTER: Duration = Duration::from_secs(10);

pub(crate) struct Xmrig {
    pub(crate) program: PathBuf,
    pub(crate) wrapper: Option<PathBuf>,
}

impl Xmrig {
    /// First line of `--version`.
    pub(crate) fn version(&self) -> Result<String> {
        let output = self.command().arg("--version").output().context("XMRIG does not run")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().next().map(str::to_owned).context("XMRIG prints no version")
    }

    /// What is run, in words.
    pub(crate) fn command_line(run: &Run) -> Result<Vec<String>> {
        let pus = run.pus()?;
        let mut mask = 0u64;
        for pu in &pus {
            mask |= 1u64.checked_shl(*pu).context("xmrig takes masks of 64 units")?;
        }
        let threads = format!("--threads={}", pus.len());
        let affinity = format!("--cpu-affinity={mask:#x}");
        let fixed = ["--bench=10M", "-a", run.algo.as_str(), "--print-time=1", "--no-color"];
        Ok(fixed.into_iter().map(str::to_owned).chain([threads, affinity]).collect())
    }

    pub(crate) fn run(&self, run: &Run) -> Result<Measurement> {
        let log = std::env::temp_dir().join(format!("compare-randomx-{}.log", std::process::id()));
        let _ = fs::remove_file(&log);
        let mut command = self.command();
        command.args(Self::command_line(run)?).arg("-l").arg(&log);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("XMRIG does not run")?;
        let mut running = Running { child, log };
        running.watch(&self.program, run.time(), run.pus()?.len())
    }

    fn command(&self) -> Command {
        match &self.wrapper {
            None => Command::new(&self.program),
            Some(wrapper) => {
                let mut command = Command::new(wrapper);
                command.arg(&self.program);
                command
            }
        }
    }
}

/// A run that ends when this goes, whatever happened.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// Hashes and processor time at one moment.
struct Mark {
    hashes: u64,
    seconds: f64,
    cpu_seconds: f64,
}

impl Running {
    fn watch(&mut self, program: &Path, time: Duration, threads: usize) -> Result<Measurement> {
        let started = Instant::now();
        let mut hashing_since = None;
        let mut memory_kib = None;
        let mut first: Option<Mark> = None;
        let mut ready_ms = None;
        loop {
            thread::sleep(POLL);
            if let Some(status) = self.child.try_wait()? {
                bail!("xmrig ended early with {status}: {}", self.log_text());
            }
            let text = self.log_text();
            if ready_ms.is_none() && text.contains("READY threads") {
                ready_ms = u64::try_from(started.elapsed().as_millis()).ok();
            }
            let Some((hashes, seconds)) = progress(&text) else {
                if started.elapsed() > MAX_START {
                    bail!("xmrig does not start to hash: {text}");
                }
                continue;
            };
            let pid = find(self.child.id(), program).context("the process of xmrig is not found")?;
            let since = *hashing_since.get_or_insert_with(Instant::now);
            if memory_kib.is_none() && since.elapsed() >= MEMORY_AFTER.min(time / 2) {
                memory_kib = Some(memory(pid)?);
            }
            let first = first.get_or_insert(Mark { hashes, seconds, cpu_seconds: cpu_seconds(pid)? });
            if seconds - first.seconds < time.as_secs_f64() {
                continue;
            }
            let done = (hashes - first.hashes) as f64;
            let start = start(&text).context("xmrig's log tells no dataset time")?;
            return Ok(Measurement {
                rate_hs: done / (seconds - first.seconds),
                cpu_rate_hs: done / (cpu_seconds(pid)? - first.cpu_seconds),
                init_ms: start.ready_ms,
                memory_ms: start.memory_ms,
                // Ready, and then one hash of one thread.
                first_hash_ms: ready_ms.context("xmrig tells not when it is ready")?
                    + hash_ms(done, seconds - first.seconds, threads),
                engine: None,
                memory_kib: memory_kib.context("the run was too short to see its memory")?,
                huge_pages: start.huge_pages,
            });
        }
    }

    fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// Time that one thread takes for one hash, in milliseconds.
fn hash_ms(hashes: f64, seconds: f64, threads: usize) -> u64 {
    #[allow(clippy::cast_possible_truncation, reason = "some milliseconds")]
    let whole = (seconds * 1000.0 * threads as f64 / hashes).ceil().min(1e6) as u64;
    whole
}

/// Hashes and seconds of the last progress line: `bench 0.02% 1779/10000000 (5.023s)`.
fn progress(log: &str) -> Option<(u64, f64)> {
    let line = log.lines().rev().find(|line| line.contains(" bench ") && line.contains("% "))?;
    let mut words = line.split_whitespace().rev();
    let seconds = words.next()?.strip_prefix('(')?.strip_suffix("s)")?.parse().ok()?;
    let hashes = words.next()?.split('/').next()?.parse().ok()?;
    Some((hashes, seconds))
}

/// What the log tells of the start.
#[derive(Debug, PartialEq)]
struct Start {
    ready_ms: u64,
    memory_ms: Option<u64>,
    huge_pages: Option<(u32, u32)>,
}

fn start(log: &str) -> Option<Start> {
    let line = |text| log.lines().find(|line| line.contains(text));
    let allocated = line("allocated ");
    Some(Start {
        ready_ms: line("dataset ready (").and_then(last_ms)?,
        memory_ms: allocated.and_then(last_ms),
        huge_pages: allocated
            .and_then(share)
            .zip(line("READY threads").and_then(share))
            .map(|(a, b)| (a.0 + b.0, a.1 + b.1)),
    })
}

/// `(4900 ms)` at the end of a line.
fn last_ms(line: &str) -> Option<u64> {
    line.rsplit_once('(')?.1.strip_suffix(" ms)")?.parse().ok()
}

/// `1168/1168` behind `huge pages 100% `.
fn share(line: &str) -> Option<(u32, u32)> {
    let word = line.split_once("huge pages ")?.1.split_whitespace().nth(1)?;
    let (have, want) = word.split_once('/')?;
    Some((have.parse().ok()?, want.parse().ok()?))
}

/// The process of `program` among `root` and its descendants: a wrapper may stand between.
fn find(root: u32, program: &Path) -> Option<u32> {
    let program = fs::canonicalize(program).ok()?;
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program) {
            return Some(pid);
        }
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        waiting.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    None
}

fn memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(rminer::bench::parse_memory(&status).context("no memory in the process status")?.total_kib())
}

/// Processor time of a process, user and system, in seconds.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Fields 14 and 15, counted from 1; Linux counts in hundredths of a second on every platform.
    let ticks = |field: usize| fields.get(field - 3).and_then(|ticks| ticks.parse::<f64>().ok());
    let (user, system) = ticks(14).zip(ticks(15)).context("no times in the process status")?;
    Ok((user + system) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
[2026-11-24 21:01:13.783]  randomx  allocated 2336 MB (2080+256) huge pages 100% 1168/1168 +JIT (4900 ms)
[2026-11-24 21:01:35.591]  randomx  dataset ready (21809 ms)
[2026-11-24 21:01:35.594]  cpu      READY threads 2/2 (2) huge pages 100% 2/2 memory 4096 KB (3 ms)
[2026-11-24 21:01:40.614]  miner    speed 10s/60s/15m n/a n/a n/a H/s max n/a H/s
[2026-11-24 21:01:40.614]  bench     0.02% 1779/10000000 (5.023s)
[2026-11-24 21:01:45.635]  miner    speed 10s/60s/15m n/a n/a n/a H/s max n/a H/s
";

    #[test]
    fn a_log_is_read() {
        assert_eq!(progress(LOG), Some((1779, 5.023)));
        let expected = Start { ready_ms: 21809, memory_ms: Some(4900), huge_pages: Some((1170, 1170)) };
        assert_eq!(start(LOG), Some(expected));
        assert_eq!(progress("[x]  bench    start benchmark hashes 10M algo rx/0\n"), None);
        assert_eq!(start(""), None);
    }
}
