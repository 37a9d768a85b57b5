//! Where this machine keeps what is looked at and changed. Tests give a tree of their own.

use std::path::{Path, PathBuf};

use crate::telemetry::Roots;

/// Folders of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `/sys` and `/proc`.
    pub roots: Roots,
    /// `/dev`.
    pub dev: PathBuf,
    /// `/etc`.
    pub etc: PathBuf,
    /// `/run`.
    pub run: PathBuf,
    /// `/var/lib`.
    pub state: PathBuf,
    /// Who alone may have written what setup believes: root on a machine.
    pub owner_uid: u32,
}

impl Places {
    /// Those of this machine.
    pub fn of_this_machine() -> Self {
        Self { owner_uid: 0, ..Self::below(Path::new("/")) }
    }

    /// Those of a tree of this user's that stands for a machine.
    pub fn below(root: &Path) -> Self {
        Self {
            roots: Roots { sys: root.join("sys"), proc_: root.join("proc") },
            dev: root.join("dev"),
            etc: root.join("etc"),
            run: root.join("run"),
            state: root.join("var/lib"),
            owner_uid: crate::doctor::own_uid(),
        }
    }

    /// What tells this start of the machine from all others; empty where the kernel does not say.
    pub(crate) fn boot_id(&self) -> String {
        crate::telemetry::roots::word(&self.roots.proc_.join("sys/kernel/random/boot_id"))
    }
}
