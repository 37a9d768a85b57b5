//! Which programs use the processors beside this one. Only their names and times are read, and only now and then.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_stratum::text::clean;
use serde::{Serialize, Serializer};

use super::roots::{Roots, read};

/// Time between two looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Processes that are looked at; on a machine with more, the rest is not named.
const MAX_PROCESSES: usize = 2048;
/// Entries of the folder that are listed, threads of the kernel among them: large machines have thousands of these, with
/// the lowest numbers.
const MAX_LISTED: usize = 32_768;
/// The flag of threads of the kernel. Their parent has number 2, but in a container that may be any process.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// Times of `stat` are in ticks, of which there are so many in a second, or more.
const LEAST_TICKS_A_SECOND: f64 = 100.0;
/// Programs that are named.
pub const MAX_BUSIEST: usize = 3;
/// Less than this part of a processing unit is not worth a name.
const LEAST_UNITS: f64 = 0.05;
/// Letters of a name; the kernel keeps 15.
const MAX_NAME: usize = 32;

/// What a program uses of the processors, all its processes together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProgramUse {
    /// Its name, as the kernel has it; safe to show.
    #[serde(serialize_with = "as_text")]
    pub name: Arc<str>,
    /// Processing units' worth of time.
    pub units: f32,
}

fn as_text<S: Serializer>(name: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

/// Looks at the processes of the machine.
#[derive(Debug, Default)]
pub(super) struct Processes {
    looked_at: Option<Instant>,
    /// Ticks of the machine then, of all units.
    all: f64,
    before: Look,
    busiest: Vec<ProgramUse>,
}

/// What was seen at one time.
#[derive(Debug, Default)]
pub(crate) struct Look {
    processes: HashMap<u32, Process>,
    /// When the newest process began, or later: what began after it was not there then. In ticks since the start of the
    /// machine; 0 where nothing could be seen.
    newest: f64,
}

/// A process.
#[derive(Debug, Clone, PartialEq)]
struct Process {
    name: String,
    /// Its time so far.
    ticks: f64,
    /// When it began, in ticks since the start of the machine.
    start: f64,
    /// Whether it is a thread of the kernel.
    is_kernel: bool,
}

impl Processes {
    /// The busiest programs beside this one, the busiest first, given the machine's ticks of all units and their number.
    pub(super) fn at(&mut self, now: Instant, roots: &Roots, all: f64, units: f64) -> Vec<ProgramUse> {
        let is_due = self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY);
        if is_due {
            let is_first = self.looked_at.replace(now).is_none();
            let passed = all - self.all;
            let look = Look::take(&roots.proc_);
            self.busiest = if is_first || passed <= 0.0 {
                Vec::new()
            } else {
                busiest(&self.before, &look, passed, units)
            };
            self.all = all;
            self.before = look;
        }
        self.busiest.clone()
    }
}

impl Look {
    /// At all processes but this one and those of the kernel itself.
    pub(crate) fn take(proc_: &Path) -> Self {
        let mut look = Self { newest: up_ticks(proc_), ..Self::default() };
        let Ok(entries) = std::fs::read_dir(proc_) else { return Self::default() };
        let entries = entries.take(MAX_LISTED).flatten();
        for id in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            if look.processes.len() >= MAX_PROCESSES {
                break;
            }
            if id == std::process::id() {
                continue;
            }
            let stat = read(&proc_.join(format!("{id}/stat"))).ok();
            let Some(process) = stat.as_deref().and_then(Process::parse) else { continue };
            look.newest = look.newest.max(process.start);
            if !process.is_kernel {
                look.processes.insert(id, process);
            }
        }
        look
    }

    /// Ticks that a process has used since. One that was not seen has had all its time since only if it began since.
    fn used(&self, id: u32, now: &Process) -> f64 {
        // A number that went to another process says nothing of what was before.
        let known = self.processes.get(&id).filter(|before| before.start == now.start);
        match known {
            Some(before) => (now.ticks - before.ticks).max(0.0),
            None if self.newest > 0.0 && now.start > self.newest => now.ticks,
            None => 0.0,
        }
    }
}

/// Ticks since the start of the machine; fewer where the kernel has more of them in a second, 0 where it does not say.
fn up_ticks(proc_: &Path) -> f64 {
    let text = read(&proc_.join("uptime")).unwrap_or_default();
    let up_s: Option<f64> = text.split_whitespace().next().and_then(|field| field.parse().ok());
    up_s.unwrap_or_default() * LEAST_TICKS_A_SECOND
}

impl Process {
    /// From its `stat`.
    fn parse(stat: &str) -> Option<Self> {
        let (head, rest) = stat.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        // Counted from 1, and the first after the name is the third.
        let mut fields = rest.split_whitespace();
        let flags: u64 = fields.nth(9 - 3)?.parse().ok()?;
        let user: f64 = fields.nth(14 - 9 - 1)?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        let start: f64 = fields.nth(22 - 15 - 1)?.parse().ok()?;
        Some(Self {
            name: clean(name).chars().take(MAX_NAME).collect(),
            ticks: user + system,
            start,
            is_kernel: flags & KERNEL_THREAD != 0,
        })
    }
}

/// Units' worth of time by name, the most first, given the ticks that passed on all units, and their number.
pub(crate) fn used<'a>(before: &Look, now: &'a Look, passed: f64, units: f64) -> Vec<(&'a str, f64)> {
    let mut ticks_of: HashMap<&str, f64> = HashMap::new();
    for (id, process) in &now.processes {
        *ticks_of.entry(&process.name).or_default() += before.used(*id, process).min(passed);
    }
    let in_units = |(name, ticks): (&'a str, f64)| (name, ticks.min(passed) / passed * units);
    let mut used: Vec<(&str, f64)> = ticks_of.into_iter().map(in_units).collect();
    used.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    used
}

/// Those that are worth a name.
fn busiest(before: &Look, now: &Look, passed: f64, units: f64) -> Vec<ProgramUse> {
    let used = used(before, now, passed, units);
    let worth = used.into_iter().take_while(|(_, units)| *units >= LEAST_UNITS).take(MAX_BUSIEST);
    #[allow(clippy::cast_possible_truncation, reason = "as many as there are processing units")]
    let shown = |(name, units): (&str, f64)| ProgramUse { name: name.into(), units: units as f32 };
    worth.map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL_FLAGS: u64 = 4_194_304;

    fn process(folder: &Path, id: u32, name: &str, user: u32, system: u32) {
        began(folder, id, name, user, system, 100);
    }

    fn began(folder: &Path, id: u32, name: &str, user: u32, system: u32, start: u32) {
        let rest = format!("{USUAL_FLAGS} 1 0 0 0 {user} {system} 900 900 39 19 5 0 {start} 0 0");
        put(folder, id, &format!("{id} ({name}) R 1 1 1 0 -1 {rest}\n"));
    }

    fn put(folder: &Path, id: u32, stat: &str) {
        let folder = folder.join(id.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("stat"), stat).unwrap();
    }

    fn kernel_thread(folder: &Path, id: u32) {
        let flags = USUAL_FLAGS | KERNEL_THREAD;
        put(
            folder,
            id,
            &format!("{id} (kworker/0:1) I 2 0 0 0 -1 {flags} 0 0 0 0 0 9000 0 0 20 0 1 0 3 0 0\n"),
        );
    }

    #[test]
    fn the_busiest_programs_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let proc_ = folder.path();
        let roots = Roots { sys: proc_.join("none"), proc_: proc_.to_owned() };
        std::fs::create_dir(proc_.join("sys")).unwrap();
        let own = std::process::id();
        let (firefox, web, idle, new, old) = (own + 1, own + 2, own + 3, own + 4, own + 5);
        process(proc_, own, "rminer", 0, 0);
        process(proc_, firefox, "firefox", 100, 10);
        process(proc_, web, "firefox", 50, 0);
        process(proc_, idle, "a) b (c", 7, 0);
        let (mut processes, start) = (Processes::default(), Instant::now());
        assert_eq!(processes.at(start, &roots, 1000.0, 4.0), []);
        process(proc_, own, "rminer", 4000, 0);
        process(proc_, firefox, "firefox", 1100, 10);
        process(proc_, web, "firefox", 500, 50);
        began(proc_, new, "\u{1b}[2Jcc1", 200, 0, 101);
        // It has been there for long, but was not seen.
        began(proc_, old, "old", 3000, 0, 50);
        // Not before it is time.
        assert_eq!(processes.at(start + LOOK_EVERY / 2, &roots, 3000.0, 4.0), []);
        let busiest = processes.at(start + LOOK_EVERY, &roots, 5000.0, 4.0);
        let shown: Vec<_> = busiest.iter().map(|program| (&*program.name, program.units)).collect();
        assert_eq!(shown, [("firefox", 1.5), ("\\u{1b}[2Jcc1", 0.2)]);
        // Kept until the next look.
        assert_eq!(processes.at(start + LOOK_EVERY * 3 / 2, &roots, 6000.0, 4.0), busiest);
        std::fs::remove_dir_all(proc_.join(firefox.to_string())).unwrap();
        // A number that went to another process says nothing of what was before; nobody has more than there is.
        began(proc_, idle, "make", 99_999, 0, 102);
        began(proc_, old, "old", 3400, 0, 50);
        let busiest = processes.at(start + LOOK_EVERY * 2, &roots, 9000.0, 4.0);
        let shown: Vec<_> = busiest.iter().map(|program| (&*program.name, program.units)).collect();
        assert_eq!(shown, [("make", 4.0), ("old", 0.4)]);
        // Where the system hides the processes of others, nothing is named.
        let hidden = Roots { proc_: proc_.join("none"), ..roots };
        assert_eq!(processes.at(start + LOOK_EVERY * 3, &hidden, 12000.0, 4.0), []);
        // What can be seen again is not new.
        let roots = Roots { proc_: proc_.to_owned(), ..hidden };
        assert_eq!(processes.at(start + LOOK_EVERY * 4, &roots, 15000.0, 4.0), []);
    }

    #[test]
    fn what_began_before_the_last_look_is_not_new() {
        let folder = tempfile::tempdir().unwrap();
        let first = std::process::id() + 1;
        process(folder.path(), first, "x", 1, 1);
        assert!((Look::take(folder.path()).newest - 100.0).abs() < 1e-9);
        std::fs::write(folder.path().join("uptime"), "7.50 20.00\n").unwrap();
        let before = Look::take(folder.path());
        let seen = |start: f64| Process { name: "y".into(), ticks: 5.0, start, is_kernel: false };
        let used = |start: f64| before.used(first + 1, &seen(start));
        assert_eq!((used(700.0), used(751.0)), (0.0, 5.0));
    }

    #[test]
    fn threads_of_the_kernel_are_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let first = std::process::id() + 1;
        for id in 0..5 {
            kernel_thread(folder.path(), first + id);
        }
        process(folder.path(), first + 5, "x", 1, 1);
        let look = Look::take(folder.path());
        assert_eq!(look.processes.keys().copied().collect::<Vec<_>>(), [first + 5]);
    }

    #[test]
    fn no_more_processes_are_looked_at_than_that() {
        let folder = tempfile::tempdir().unwrap();
        let first = std::process::id() + 1;
        for id in 0..u32::try_from(MAX_PROCESSES).unwrap() + 9 {
            process(folder.path(), first + id, "x", 1, 1);
        }
        for id in 0..9 {
            kernel_thread(folder.path(), first + u32::try_from(MAX_PROCESSES).unwrap() + 9 + id);
        }
        let look = Look::take(folder.path());
        assert_eq!(look.processes.len(), MAX_PROCESSES);
        assert!(look.processes.values().all(|process| !process.is_kernel));
        assert_eq!(Process::parse("1 (x) R 1"), None);
        assert_eq!(Process::parse(""), None);
    }

    /// Run by hand: what a look costs on this machine.
    #[test]
    #[ignore = "a measurement"]
    fn cost_of_a_look() {
        let proc_ = Path::new("/proc");
        let started = Instant::now();
        let rounds = 50;
        let mut count = 0;
        for _ in 0..rounds {
            count = Look::take(proc_).processes.len();
        }
        let each_ms = started.elapsed().as_secs_f64() * 1e3 / f64::from(rounds);
        let percent = each_ms / 10.0 / LOOK_EVERY.as_secs_f64();
        println!("{each_ms:.2} ms for {count} processes: {percent:.4} % of a core");
    }
}
