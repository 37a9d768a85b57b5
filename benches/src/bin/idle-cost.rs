//! What everything that is not hashing costs: a miner at a pool of this process that sends ten jobs a second, while its
//! status and metrics are asked for each second. The processor time of its threads is read from Linux.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig, bitcoin};
use serde::Serialize;

/// Time between two jobs of the pool.
const JOB_EVERY: Duration = Duration::from_millis(100);
/// Time between two looks at status, metrics and threads.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// A share every few seconds from one thread.
const POOL_DIFFICULTY: f64 = 0.01;
/// How long a start may take, and an answer.
const START_PATIENCE: Duration = Duration::from_secs(60);
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// What is asked each second.
const PATHS: [&str; 2] = ["/api/v1/status", "/metrics"];
/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Parser)]
#[command(
    about = "Cost of everything that is not hashing, at 10 jobs/s with status and metrics polled each second"
)]
struct Arguments {
    /// The program to measure
    rminer: PathBuf,
    /// How long
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Before the measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thread, or all of one name.
#[derive(Debug, Default, Serialize)]
struct Thread {
    name: String,
    hashes: bool,
    threads: usize,
    cpu_ms: u64,
    core_pct: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    program: String,
    seconds: f64,
    jobs: u64,
    shares_accepted: u64,
    polls: u64,
    polls_failed: u64,
    threads: Vec<Thread>,
    /// All threads that do not hash.
    idle_core_pct: f64,
    hashing_core_pct: f64,
    rss_mib: f64,
    huge_pages_mib: f64,
}

/// The miner; it ends with this.
struct Miner(Child);

impl Drop for Miner {
    fn drop(&mut self) {
        // Only ever this child; it may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let report = measure(&arguments)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", text(&report));
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Report> {
    let pool = LocalPool::spawn_thread(PoolConfig {
        difficulty: DifficultyConfig::fixed(bitcoin::hashes(POOL_DIFFICULTY)),
        job_interval: JOB_EVERY,
        ..PoolConfig::with_profile(bitcoin::Profile::default())
    })?;
    let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut miner = start(&arguments.rminer, pool.addr(), api)?;
    let begun = Instant::now();
    while pool.stats().shares.accepted == 0 {
        if let Some(status) = miner.0.try_wait()? {
            bail!("{} ended by itself: {status}", arguments.rminer.display());
        }
        ensure!(begun.elapsed() < START_PATIENCE, "no share within {START_PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_secs(arguments.warm_up));
    let process = PathBuf::from(format!("/proc/{}", miner.0.id()));
    let (before, started) = (threads(&process)?, Instant::now());
    let (stats, end) = (pool.stats(), started + Duration::from_secs(arguments.seconds));
    let (mut latest, mut polls, mut failed) = (before.clone(), 0, 0);
    let mut next = started;
    while next < end {
        for path in PATHS {
            polls += 1;
            failed += u64::from(ask(api, path).is_err());
        }
        next += POLL_EVERY;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        // A thread that has ended keeps what it had used when it was last seen.
        latest.extend(threads(&process)?);
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = pool.stats();
    let threads = summed(&before, &latest, seconds)?;
    let percent = |hashes: bool| threads.iter().filter(|t| t.hashes == hashes).map(|t| t.core_pct).sum();
    let (rss_mib, huge_pages_mib) = memory(&process)?;
    Ok(Report {
        program: arguments.rminer.display().to_string(),
        seconds,
        jobs: after.jobs - stats.jobs,
        shares_accepted: after.shares.accepted - stats.shares.accepted,
        polls,
        polls_failed: failed,
        idle_core_pct: percent(false),
        hashing_core_pct: percent(true),
        threads,
        rss_mib,
        huge_pages_mib,
    })
}

fn start(program: &Path, pool: SocketAddr, api: SocketAddr) -> Result<Miner> {
    let child = Command::new(program)
        .args(["--algo", "sha256d", "--devices", "cpu", "--threads", "1", "--user", "rig"])
        .args(["--pool", &format!("stratum+tcp://{pool}"), "--api-bind", &api.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    Ok(Miner(child))
}

/// Name and processor time, in ticks, of each thread.
fn threads(process: &Path) -> Result<BTreeMap<u32, (String, u64)>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(process.join("task")).context("the miner has ended")? {
        let folder = entry?.path();
        let id = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
        // A thread may end while it is looked at.
        let (Some(id), Ok(stat)) = (id, fs::read_to_string(folder.join("stat"))) else { continue };
        if let Some(thread) = read_stat(&stat) {
            threads.insert(id, thread);
        }
    }
    Ok(threads)
}

/// Name, and time in user and kernel mode together; a name may hold blanks and brackets.
fn read_stat(stat: &str) -> Option<(String, u64)> {
    let (name, rest) = (stat.get(stat.find('(')? + 1..stat.rfind(')')?)?, stat.get(stat.rfind(')')? + 1..)?);
    let mut fields = rest.split_whitespace().skip(11);
    let user = fields.next()?.parse::<u64>().ok()?;
    Some((name.to_owned(), user + fields.next()?.parse::<u64>().ok()?))
}

/// Threads of devices are named by device and number: `cpu0-0`.
fn hashes(name: &str) -> bool {
    let Some((device, number)) = name.split_once('-') else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(number) && ["cpu", "gpu"].iter().any(|kind| device.strip_prefix(kind).is_some_and(digits))
}

fn summed(
    before: &BTreeMap<u32, (String, u64)>,
    after: &BTreeMap<u32, (String, u64)>,
    seconds: f64,
) -> Result<Vec<Thread>> {
    let ticks_per_s = ticks_per_second().context("the system does not say how long a tick is")?;
    let mut by_name: BTreeMap<String, Thread> = BTreeMap::new();
    for (id, (name, ticks)) in after {
        let earlier = before.get(id).map_or(0, |(_, ticks)| *ticks);
        let thread = by_name.entry(name.clone()).or_default();
        thread.threads += 1;
        thread.cpu_ms += ticks.saturating_sub(earlier) * 1000 / ticks_per_s;
    }
    let threads = by_name.into_iter().map(|(name, thread)| Thread {
        hashes: hashes(&name),
        #[allow(clippy::cast_precision_loss)]
        core_pct: thread.cpu_ms as f64 / (10.0 * seconds),
        name,
        ..thread
    });
    let mut threads: Vec<Thread> = threads.collect();
    threads.sort_by_key(|thread| std::cmp::Reverse(thread.cpu_ms));
    Ok(threads)
}

#[allow(unsafe_code)]
fn ticks_per_second() -> Option<u64> {
    // SAFETY: takes a number and gives one.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)
}

/// Resident memory and huge pages, in MiB.
fn memory(process: &Path) -> Result<(f64, f64)> {
    let status = fs::read_to_string(process.join("status")).context("the miner has ended")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    };
    Ok((field("VmRSS:"), field("HugetlbPages:")))
}

/// One answer, read to its end.
fn ask(api: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&api, ANSWER_PATIENCE)?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "no answer to {path}");
    Ok(())
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{}: {:.0} s, {} jobs, {} shares, {} polls of which {} failed\n\n{:<16} {:>7} {:>10} {:>12}\n",
        report.program,
        report.seconds,
        report.jobs,
        report.shares_accepted,
        report.polls,
        report.polls_failed,
        "THREAD",
        "NUMBER",
        "CPU",
        "OF A CORE"
    );
    let mut line = |name: &str, number: String, cpu: String, percent: f64| {
        text.push_str(&format!("{name:<16} {number:>7} {cpu:>10} {percent:>10.3} %\n"));
    };
    for thread in &report.threads {
        line(&thread.name, thread.threads.to_string(), format!("{} ms", thread.cpu_ms), thread.core_pct);
    }
    line("not hashing", String::new(), String::new(), report.idle_core_pct);
    line("hashing", String::new(), String::new(), report.hashing_core_pct);
    text + &format!("\nmemory {:.1} MiB, huge pages {:.1} MiB\n", report.rss_mib, report.huge_pages_mib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_told_apart() {
        let stat = "123 (odd) name) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 7";
        assert_eq!(read_stat(stat), Some(("odd) name".into(), 100)));
        assert_eq!(read_stat("123 (cut"), None);
        for (name, expected) in [
            ("cpu0-0", true),
            ("gpu12-3", true),
            ("cpu0", false),
            ("rminer", false),
            ("api-0", false),
            ("cpu-1", false),
        ] {
            assert_eq!(hashes(name), expected, "{name}");
        }
    }

    #[test]
    fn time_is_what_was_used_meanwhile() {
        let at =
            |api, worker| BTreeMap::from([(1, ("api".to_owned(), api)), (2, ("cpu0-0".to_owned(), worker))]);
        let ticks_per_s = ticks_per_second().unwrap();
        let mut after = at(20, 5 * ticks_per_s);
        after.insert(3, ("api".into(), 10));
        let threads = summed(&at(20, 0), &after, 10.0).unwrap();
        let names: Vec<_> = threads.iter().map(|thread| (thread.name.as_str(), thread.threads)).collect();
        assert_eq!(names, [("cpu0-0", 1), ("api", 2)]);
        assert!((threads[0].core_pct - 50.0).abs() < 0.01, "{threads:?}");
        assert_eq!(threads[1].cpu_ms, 10 * 1000 / ticks_per_s);
    }
}
