//! Why registers are not set. Users cannot tell these apart by themselves, and each has another remedy.

use super::Facts;
use crate::problem::Problem;

/// What is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody has tried which registers help this processor.
    UnknownCpu,
    /// The registers belong to the machine below this one.
    VirtualMachine,
    /// The kernel lets nobody write, since Secure Boot or a setting locks it down.
    LockedDown,
    /// The kernel's module for registers is not loaded.
    NoModule,
    /// `msr.allow_writes=off`.
    WritesOff,
    /// This process is not root's.
    NoRights,
}

impl Cause {
    /// The first thing in the way. Earlier ones cannot be helped by removing later ones.
    pub fn of(facts: &Facts) -> Option<Self> {
        if facts.preset().is_none() {
            Some(Self::UnknownCpu)
        } else if facts.is_virtual {
            Some(Self::VirtualMachine)
        } else if facts.lockdown.is_some() {
            Some(Self::LockedDown)
        } else if !facts.has_files {
            Some(Self::NoModule)
        } else if facts.allow_writes == "off" {
            Some(Self::WritesOff)
        } else if !facts.is_root {
            Some(Self::NoRights)
        } else {
            None
        }
    }

    /// Stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownCpu => "msr-unknown-cpu",
            Self::VirtualMachine => "msr-virtual-machine",
            Self::LockedDown => "msr-locked-down",
            Self::NoModule => "msr-no-module",
            Self::WritesOff => "msr-writes-off",
            Self::NoRights => "msr-no-rights",
        }
    }

    /// In a few words.
    pub fn short(self) -> &'static str {
        match self {
            Self::UnknownCpu => "no preset is known for this processor",
            Self::VirtualMachine => "this is a virtual machine, and the registers are its host's",
            Self::LockedDown => "the kernel is locked down and forbids register writes",
            Self::NoModule => "the kernel's module msr is not loaded",
            Self::WritesOff => "the kernel forbids register writes: msr.allow_writes is off",
            Self::NoRights => "only root may write registers",
        }
    }

    /// What to do.
    pub fn help(self) -> &'static str {
        match self {
            Self::UnknownCpu => "nothing to do: mining goes on as it is",
            Self::VirtualMachine => {
                "set them on the host: sudo rminer setup msr there; here nothing can be done"
            }
            Self::LockedDown => {
                "turn Secure Boot off in the firmware, or start without lockdown=; if that is not wanted, mining goes on as it is"
            }
            Self::NoModule => "sudo rminer setup msr loads it (modprobe msr)",
            Self::WritesOff => "sudo rminer setup msr turns it on, sets the registers once and exits",
            Self::NoRights => "sudo rminer setup msr sets them once and exits; the miner needs no root",
        }
    }

    /// The command that removes it, where there is one.
    pub fn command(self) -> Option<&'static str> {
        match self {
            Self::NoModule | Self::WritesOff | Self::NoRights => Some("sudo rminer setup msr"),
            Self::UnknownCpu | Self::VirtualMachine | Self::LockedDown => None,
        }
    }

    /// What is known about it.
    pub fn facts(self, facts: &Facts) -> Vec<String> {
        let cpu = format!("{}, family {}, model {}", facts.name, facts.family, facts.model);
        let mut lines = vec![cpu];
        match self {
            Self::LockedDown => {
                let mode = facts.lockdown.as_deref().unwrap_or_default();
                let secure = if facts.secure_boot { "on" } else { "off or unknown" };
                lines.push(format!("lockdown mode {mode}; Secure Boot is {secure}"));
            }
            Self::NoModule => lines.push("there is no /dev/cpu/0/msr".into()),
            Self::WritesOff => lines.push("/sys/module/msr/parameters/allow_writes says off".into()),
            Self::VirtualMachine => lines.push("the processor has the flag hypervisor".into()),
            Self::UnknownCpu | Self::NoRights => {}
        }
        lines
    }

    /// As people read it.
    pub fn problem(self, facts: &Facts) -> Problem {
        let summary = format!("the registers for RandomX cannot be set: {}", self.short());
        let problem = Problem::error(self.code(), summary);
        self.facts(facts).into_iter().fold(problem, Problem::fact).help(self.help())
    }
}
