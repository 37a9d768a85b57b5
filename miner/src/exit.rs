//! Exit codes, in one place. Services decide by them whether to start the program again.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Stopped as asked: by a signal, a time limit, or because there was no more to do.
    Done = 0,
    /// Something failed that is not named below, or a check found a problem.
    Failed = 1,
    /// A bad flag or configuration; starting again does not help.
    Usage = 2,
    /// No device that can mine; starting again does not help.
    NoDevice = 3,
    /// No pool answered in as many rounds as `--retries` allows.
    NoPool = 4,
    /// Every pool refused the login; starting again does not help.
    LoginRefused = 5,
    /// A safety stop that needs a person; starting again does not help.
    SafetyStop = 6,
    /// A device hung and only a new process gets it back.
    DeviceHung = 42,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
