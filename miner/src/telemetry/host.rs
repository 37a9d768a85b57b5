//! The machine: memory, load, huge pages, and what other programs take of the processor.

use std::path::PathBuf;
use std::time::Instant;

use super::processes::Processes;
use super::roots::{Found, Roots, entries, name_of, read, value};
use super::{HostReadings, HugePagePool, Readings, Source};
use crate::bench::{MemoryUse, parse_memory};

/// Reads the kernel's counts.
pub struct HostSource {
    roots: Roots,
    pools: Found<Vec<(u64, PathBuf)>>,
    before: Option<Ticks>,
    processes: Processes,
}

/// Times of all processing units since the start of the machine, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ticks {
    /// All of it, waiting included.
    pub(crate) all: f64,
    /// Spent on programs and the kernel.
    busy: f64,
    /// Of that, spent on this process.
    own: f64,
    /// Had by other virtual machines.
    stolen: f64,
    /// Processing units.
    pub(crate) units: f64,
}

impl HostSource {
    /// Of this machine.
    pub fn new(roots: Roots) -> Self {
        Self { roots, pools: Found::default(), before: None, processes: Processes::default() }
    }

    /// What the kernel says at this time.
    pub fn read_at(&mut self, now: Instant) -> Readings {
        let own = |name: &str| read(&self.roots.proc_.join("self").join(name)).ok();
        let of = |name: &str| read(&self.roots.proc_.join(name)).ok();
        let ticks = Ticks::take(&self.roots);
        let cpu_others = self.before.zip(ticks).and_then(|(before, now)| now.others_since(before));
        // Two looks within a tick say nothing; the next one looks back to the first of them.
        if ticks.is_none() || self.before.is_none() || cpu_others.is_some() {
            self.before = ticks;
        }
        let busiest = ticks
            .map(|ticks| self.processes.at(now, &self.roots, ticks.all, ticks.units))
            .unwrap_or_default();
        let memory = of("meminfo").unwrap_or_default();
        let roots = &self.roots;
        let pools = self.pools.at(now, |pools| *pools = pool_folders(roots));
        let huge_pages: Vec<_> =
            pools.iter().filter_map(|(page_bytes, folder)| pool(*page_bytes, folder)).collect();
        let all_read = huge_pages.len() == pools.len();
        let host = HostReadings {
            cpu_others,
            busiest,
            memory_available_bytes: kib_line(&memory, "MemAvailable:"),
            memory_total_bytes: kib_line(&memory, "MemTotal:"),
            load: of("loadavg").and_then(|text| load(&text)),
            process_bytes: own("status").and_then(|text| parse_memory(&text)).map(in_bytes),
            huge_pages,
            ..HostReadings::default()
        };
        if !all_read {
            self.pools.failed();
        }
        Readings { host, ..Readings::default() }
    }
}

impl Source for HostSource {
    fn name(&self) -> &'static str {
        "host"
    }

    fn read(&mut self) -> Readings {
        self.read_at(Instant::now())
    }
}

impl Ticks {
    /// Those of now; `None` where the kernel does not say.
    pub(crate) fn take(roots: &Roots) -> Option<Self> {
        let read = |path: &str| read(&roots.proc_.join(path)).ok();
        Self::parse(&read("stat")?, &read("self/stat")?)
    }

    /// From the machine's and the process' `stat`.
    fn parse(all: &str, own: &str) -> Option<Self> {
        let mut lines = all.lines();
        let first = lines.next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = first.split_whitespace().map_while(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice already.
        let [user, nice, system, idle, wait, interrupts, soft, stolen] = *ticks.first_chunk::<8>()?;
        let busy = user + nice + system + interrupts + soft;
        let is_unit = |line: &&str| line.starts_with("cpu");
        // Fields 14 and 15, counted from 1; the second is the name in brackets, which may hold anything.
        let mut fields = own.rsplit_once(')')?.1.split_whitespace().skip(14 - 3);
        let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self {
            all: busy + idle + wait + stolen,
            busy,
            own: user + system,
            stolen,
            units: lines.take_while(is_unit).count().max(1) as f64,
        })
    }

    /// Units' worth of time that others had since then. `None` within a tick, and when counts go back.
    pub(crate) fn others_since(self, before: Self) -> Option<f64> {
        let all = self.all - before.all;
        let (busy, own) = (self.busy - before.busy, self.own - before.own);
        let is_sound = all > 0.0 && busy >= 0.0 && own >= 0.0;
        is_sound.then(|| ((busy - own) / all * self.units).clamp(0.0, self.units))
    }

    /// Part of all time since then that other virtual machines had. `None` within a tick.
    pub(crate) fn stolen_since(self, before: Self) -> Option<f64> {
        let all = self.all - before.all;
        (all > 0.0).then(|| ((self.stolen - before.stolen) / all).clamp(0.0, 1.0))
    }
}

/// Bytes in a line that counts `kB`, as in `/proc/meminfo`.
pub(crate) fn kib_line(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn load(text: &str) -> Option<[f64; 3]> {
    let loads: Vec<f64> = text.split_whitespace().map_while(|field| field.parse().ok()).collect();
    loads.first_chunk().copied()
}

fn in_bytes(memory: MemoryUse) -> u64 {
    memory.total_kib().saturating_mul(1024)
}

/// `hugepages-2048kB` and its like.
fn pool_folders(roots: &Roots) -> Vec<(u64, PathBuf)> {
    let folders = entries(&roots.sys.join("kernel/mm/hugepages")).into_iter();
    let page_bytes = |folder: &PathBuf| {
        let kib: u64 = name_of(folder).strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        kib.checked_mul(1024)
    };
    folders.filter_map(|folder| Some((page_bytes(&folder)?, folder))).collect()
}

fn pool(page_bytes: u64, folder: &std::path::Path) -> Option<HugePagePool> {
    let (total, free) = (value(&folder.join("nr_hugepages"))?, value(&folder.join("free_hugepages"))?);
    Some(HugePagePool { page_bytes, total, free })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(user: u32, system: u32) -> String {
        format!("7 (a) b) R 1 1 1 0 -1 4194304 1 0 0 0 {user} {system} 0 0 39 19 5 0 100 0 0")
    }

    #[test]
    fn what_others_use_is_what_is_busy_less_our_own() {
        let start = "cpu  100 900 50 8000 10 1 2 3 0 0\ncpu0 1\ncpu1 1\nintr 5 0\n";
        // 400 ticks of two units are two seconds: 250 busy, of which 210 ours.
        let later = "cpu  120 1120 60 8140 20 1 2 3 0 0\ncpu0 1\ncpu1 1\nintr 6 0\n";
        let before = Ticks::parse(start, &own(500, 40)).unwrap();
        let now = Ticks::parse(later, &own(705, 45)).unwrap();
        let others = now.others_since(before).unwrap();
        assert!((others - 2.0 * 40.0 / 400.0).abs() < 1e-9, "{others}");
        assert_eq!(now.others_since(now), None);
        assert_eq!(before.others_since(now), None);
        // Our own time is counted a little later than the machine's.
        let ahead = Ticks { own: before.own + 900.0, ..now };
        assert_eq!(ahead.others_since(before), Some(0.0));
    }

    #[test]
    fn counts_that_are_none() {
        for (all, own) in [("", "1 (x) R"), ("cpu  1 2 3\n", "1 (x) R 0"), ("cpu  a\n", ""), ("intr 0\n", "")]
        {
            assert_eq!(Ticks::parse(all, own), None, "{all:?}");
        }
        assert_eq!(kib_line("MemTotal:       16 kB\nMemAvailable:    7 kB\n", "MemAvailable:"), Some(7168));
        assert_eq!(kib_line("MemTotal:       16\n", "MemTotal:"), None);
        assert_eq!(load("0.53 0.60 1.25 2/841 3111\n"), Some([0.53, 0.6, 1.25]));
        assert_eq!(load("0.53 x"), None);
    }
}
