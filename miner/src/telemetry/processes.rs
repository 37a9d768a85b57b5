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
    /// Times of each process then, in ticks.
    before: HashMap<u32, f64>,
    busiest: Vec<ProgramUse>,
}

impl Processes {
    /// The busiest programs beside this one, the busiest first, given the machine's ticks of all units and their number.
    pub(super) fn at(&mut self, now: Instant, roots: &Roots, all: f64, units: f64) -> Vec<ProgramUse> {
        let is_due = self.looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY);
        if is_due {
            let is_first = self.looked_at.replace(now).is_none();
            let passed = all - self.all;
            let times = times(&roots.proc_);
            self.busiest = if is_first || passed <= 0.0 {
                Vec::new()
            } else {
                busiest(&self.before, &times, units / passed)
            };
            self.all = all;
            self.before = times.into_iter().map(|(id, (_, ticks))| (id, ticks)).collect();
        }
        self.busiest.clone()
    }
}

/// Names and times of all processes but this one.
fn times(proc_: &Path) -> HashMap<u32, (String, f64)> {
    let Ok(entries) = std::fs::read_dir(proc_) else { return HashMap::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = ids.filter(|id| *id != std::process::id()).take(MAX_PROCESSES);
    others.filter_map(|id| Some((id, parse(&read(&proc_.join(format!("{id}/stat"))).ok()?)?))).collect()
}

/// Name and time in ticks, from a process' `stat`.
fn parse(stat: &str) -> Option<(String, f64)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    // Fields 14 and 15, counted from 1.
    let mut fields = rest.split_whitespace().skip(14 - 3);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((clean(name).chars().take(MAX_NAME).collect(), user + system))
}

/// By name, the most first. A process that was not there before has had all its time since.
fn busiest(
    before: &HashMap<u32, f64>,
    now: &HashMap<u32, (String, f64)>,
    units_per_tick: f64,
) -> Vec<ProgramUse> {
    let mut ticks_of: HashMap<&str, f64> = HashMap::new();
    for (id, (name, ticks)) in now {
        let had = before.get(id).copied().unwrap_or_default();
        // A number that went to another process says nothing of what was before.
        *ticks_of.entry(name).or_default() += if *ticks >= had { ticks - had } else { *ticks };
    }
    let mut used: Vec<(&str, f64)> = ticks_of
        .into_iter()
        .map(|(name, ticks)| (name, ticks * units_per_tick))
        .filter(|(_, units)| *units >= LEAST_UNITS)
        .collect();
    used.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    used.truncate(MAX_BUSIEST);
    #[allow(clippy::cast_possible_truncation, reason = "as many as there are processing units")]
    let shown = |(name, units): (&str, f64)| ProgramUse { name: name.into(), units: units as f32 };
    used.into_iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(folder: &Path, id: u32, name: &str, user: u32, system: u32) {
        let folder = folder.join(id.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let stat =
            format!("{id} ({name}) R 1 1 1 0 -1 4194304 1 0 0 0 {user} {system} 900 900 39 19 5 0 100\n");
        std::fs::write(folder.join("stat"), stat).unwrap();
    }

    #[test]
    fn the_busiest_programs_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let proc_ = folder.path();
        let roots = Roots { sys: proc_.join("none"), proc_: proc_.to_owned() };
        std::fs::create_dir(proc_.join("sys")).unwrap();
        let own = std::process::id();
        let (firefox, web, idle, new) = (own + 1, own + 2, own + 3, own + 4);
        process(proc_, own, "rminer", 0, 0);
        process(proc_, firefox, "firefox", 100, 10);
        process(proc_, web, "firefox", 50, 0);
        process(proc_, idle, "a) b (c", 7, 0);
        let (mut processes, start) = (Processes::default(), Instant::now());
        assert_eq!(processes.at(start, &roots, 1000.0, 4.0), []);
        process(proc_, own, "rminer", 4000, 0);
        process(proc_, firefox, "firefox", 1100, 10);
        process(proc_, web, "firefox", 500, 50);
        process(proc_, new, "\u{1b}[2Jcc1", 200, 0);
        // Not before it is time.
        assert_eq!(processes.at(start + LOOK_EVERY / 2, &roots, 3000.0, 4.0), []);
        let busiest = processes.at(start + LOOK_EVERY, &roots, 5000.0, 4.0);
        let shown: Vec<_> = busiest.iter().map(|program| (&*program.name, program.units)).collect();
        assert_eq!(shown, [("firefox", 1.5), ("\\u{1b}[2Jcc1", 0.2)]);
        // Kept until the next look.
        assert_eq!(processes.at(start + LOOK_EVERY * 3 / 2, &roots, 6000.0, 4.0), busiest);
        std::fs::remove_dir_all(proc_.join(firefox.to_string())).unwrap();
        assert_eq!(processes.at(start + LOOK_EVERY * 2, &roots, 9000.0, 4.0), []);
        // Where the system hides the processes of others, nothing is named.
        let hidden = Roots { proc_: proc_.join("none"), ..roots };
        assert_eq!(processes.at(start + LOOK_EVERY * 3, &hidden, 12000.0, 4.0), []);
    }

    #[test]
    fn no_more_processes_are_looked_at_than_that() {
        let folder = tempfile::tempdir().unwrap();
        let first = std::process::id() + 1;
        for id in 0..u32::try_from(MAX_PROCESSES).unwrap() + 9 {
            process(folder.path(), first + id, "x", 1, 1);
        }
        assert_eq!(times(folder.path()).len(), MAX_PROCESSES);
        assert_eq!(parse("1 (x) R 1"), None);
        assert_eq!(parse(""), None);
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
            count = times(proc_).len();
        }
        let each_ms = started.elapsed().as_secs_f64() * 1e3 / f64::from(rounds);
        let percent = each_ms / 10.0 / LOOK_EVERY.as_secs_f64();
        println!("{each_ms:.2} ms for {count} processes: {percent:.4} % of a core");
    }
}
