//! Who computes beside the miner, by two looks at the kernel's counts.

use super::facts::LoadFacts;
use crate::telemetry::processes::{self, used};
use crate::telemetry::{Roots, Ticks};

/// Name of this program among the processes: whoever asks is not the one that mines.
const OWN: &str = "rminer";

/// The kernel's counts at one moment.
#[derive(Debug)]
pub(super) struct Look {
    ticks: Ticks,
    processes: processes::Look,
}

impl Look {
    /// `None` where the kernel does not say.
    pub(super) fn take(roots: &Roots) -> Option<Self> {
        Some(Self { ticks: Ticks::take(roots)?, processes: processes::Look::take(&roots.proc_) })
    }

    /// What was between two looks; this program, also in another process, is nobody else.
    pub(super) fn since(&self, before: &Self) -> LoadFacts {
        let units = self.ticks.units;
        let mut facts = LoadFacts { units, ..LoadFacts::default() };
        let passed = self.ticks.all - before.ticks.all;
        let Some(others) = self.ticks.others_since(before.ticks) else { return facts };
        let programs = used(&before.processes, &self.processes, passed, units);
        let (own, others_named): (Vec<_>, Vec<_>) = programs.into_iter().partition(|(name, _)| *name == OWN);
        let own: f64 = own.into_iter().map(|(_, units)| units).sum();
        facts.others_units = Some((others - own).max(0.0));
        let top = others_named.into_iter().next().filter(|(_, units)| *units > 0.0);
        facts.top = top.map(|(name, units)| (name.to_owned(), units));
        facts.stolen_ratio = self.ticks.stolen_since(before.ticks);
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(cpu: &str, own: u32, processes: &[(u32, &str, u32)]) -> Look {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("stat"), format!("cpu  {cpu}\ncpu0 1\ncpu1 1\nintr 5\n")).unwrap();
        let process = |folder: &str, name: &str, ticks: u32| {
            let folder = tree.path().join(folder);
            std::fs::create_dir(&folder).unwrap();
            let stat = format!("1 ({name}) R 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 5 0 0\n");
            std::fs::write(folder.join("stat"), stat).unwrap();
        };
        process("self", "doctor", own);
        processes.iter().for_each(|(pid, name, ticks)| process(&pid.to_string(), name, *ticks));
        Look::take(&Roots { sys: tree.path().join("none"), proc_: tree.path().to_owned() }).unwrap()
    }

    #[test]
    fn others_are_told_by_name_and_the_miner_is_nobody_else() {
        let miner = std::process::id() + 1;
        let (other, idle) = (miner + 1, miner + 2);
        let before =
            look("100 0 0 100 0 0 0 0", 10, &[(miner, "rminer", 50), (other, "a) b", 10), (idle, "idle", 5)]);
        let after = look(
            "190 0 0 100 0 0 0 10",
            20,
            &[(miner, "rminer", 80), (other, "a) b", 50), (idle, "idle", 5)],
        );
        let facts = after.since(&before);
        assert_eq!(facts.units, 2.0);
        // 90 ticks of 100 were busy, 30 of them the miner's, and 10 of who asks.
        assert_eq!(facts.others_units, Some(1.0));
        assert_eq!(facts.top, Some(("a) b".to_owned(), 0.8)));
        assert_eq!(facts.stolen_ratio, Some(0.1));
        assert_eq!(after.since(&after).others_units, None, "no time went by");
    }
}
