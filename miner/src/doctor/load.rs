//! Who computes beside the miner, by two looks at the kernel's counts.

use std::collections::BTreeMap;
use std::path::Path;

use super::facts::LoadFacts;
use crate::telemetry::roots::{entries, name_of, read};

/// Processes that are looked at; the rest is not told by name.
const MAX_PROCESSES: usize = 4096;
/// Name of this program among the processes.
const OWN: &str = "rminer";

/// The kernel's counts at one moment, in its ticks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Look {
    all: f64,
    busy: f64,
    stolen: f64,
    units: f64,
    processes: BTreeMap<u32, (String, f64)>,
}

impl Look {
    /// `None` where the kernel does not say.
    pub(super) fn take(proc_: &Path) -> Option<Self> {
        let stat = read(&proc_.join("stat")).ok()?;
        let first = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<f64> = first.split_whitespace().map_while(|field| field.parse().ok()).collect();
        let [user, nice, system, idle, wait, interrupts, soft, stolen] = *ticks.first_chunk::<8>()?;
        let busy = user + nice + system + interrupts + soft;
        let units = stat.lines().skip(1).take_while(|line| line.starts_with("cpu")).count().max(1);
        let numbers =
            entries(proc_).into_iter().filter_map(|path| Some((name_of(&path).parse().ok()?, path)));
        let processes = numbers
            .take(MAX_PROCESSES)
            .filter_map(|(pid, path): (u32, _)| Some((pid, process(&read(&path.join("stat")).ok()?)?)));
        Some(Self {
            all: busy + idle + wait + stolen,
            busy,
            stolen,
            units: units as f64,
            processes: processes.collect(),
        })
    }

    /// What was between two looks; this program, by its name or as `own`, is nobody else.
    pub(super) fn since(&self, before: &Self, own: u32) -> LoadFacts {
        let all = self.all - before.all;
        let mut facts = LoadFacts { units: self.units, ..LoadFacts::default() };
        if all <= 0.0 || self.busy < before.busy {
            return facts;
        }
        let units = |ticks: f64| (ticks / all * self.units).clamp(0.0, self.units);
        let (mut own_ticks, mut top) = (0.0, None::<(&str, f64)>);
        for (pid, (name, ticks)) in &self.processes {
            let earlier = before.processes.get(pid).filter(|(known, _)| known == name);
            let spent = (ticks - earlier.map_or(*ticks, |(_, ticks)| *ticks)).max(0.0);
            if name == OWN || *pid == own {
                own_ticks += spent;
            } else if top.is_none_or(|(_, most)| spent > most) {
                top = Some((name, spent));
            }
        }
        facts.others_units = Some(units((self.busy - before.busy - own_ticks).max(0.0)));
        facts.top =
            top.filter(|(_, ticks)| *ticks > 0.0).map(|(name, ticks)| (name.to_owned(), units(ticks)));
        facts.stolen_ratio = Some(((self.stolen - before.stolen) / all).clamp(0.0, 1.0));
        facts
    }
}

/// Name and ticks of a process. The name stands in brackets and may hold anything.
fn process(stat: &str) -> Option<(String, f64)> {
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let mut fields = tail.split_whitespace().skip(14 - 3);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((name, user + system))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(cpu: &str, processes: &[(u32, &str, u32)]) -> Look {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("stat"), format!("cpu  {cpu}\ncpu0 1\ncpu1 1\nintr 5\n")).unwrap();
        for (pid, name, ticks) in processes {
            let folder = tree.path().join(pid.to_string());
            std::fs::create_dir(&folder).unwrap();
            let stat = format!("{pid} ({name}) R 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n");
            std::fs::write(folder.join("stat"), stat).unwrap();
        }
        Look::take(tree.path()).unwrap()
    }

    #[test]
    fn others_are_told_by_name_and_the_miner_is_nobody_else() {
        let before = look("100 0 0 100 0 0 0 0", &[(7, "rminer", 50), (8, "a) b", 10), (9, "idle", 5)]);
        let after = look(
            "190 0 0 100 0 0 0 10",
            &[(7, "rminer", 90), (8, "a) b", 50), (9, "idle", 5), (11, "new", 9)],
        );
        let facts = after.since(&before, 1);
        assert_eq!(facts.units, 2.0);
        // 90 ticks of 100 were busy, 40 of them the miner's.
        assert_eq!(facts.others_units, Some(1.0));
        assert_eq!(facts.top, Some(("a) b".to_owned(), 0.8)));
        assert_eq!(facts.stolen_ratio, Some(0.1));
        // A process of any name that asks is not somebody else either.
        assert_eq!(after.since(&before, 8).top, None);
        assert_eq!(after.since(&after, 1).others_units, None, "no time went by");
    }
}
