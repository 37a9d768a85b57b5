//! What people ask of a running miner.

use std::time::Duration;

use tokio::sync::oneshot;

use super::throttle::Duty;
use crate::problem::Problem;

/// What can be asked. None of it can change who is paid or where is mined beyond what was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Stop hashing, for a while or until [`Command::Resume`].
    Pause {
        /// For how long; none for until someone resumes.
        length: Option<Duration>,
    },
    /// Take a pause back, and those of single devices.
    Resume,
    /// Stop hashing on one device until it is resumed, or take that back.
    PauseDevice {
        /// Which.
        device: String,
        /// Whether it pauses.
        pause: bool,
    },
    /// Hold a device back, or no longer. Never above what the settings allow.
    Limit {
        /// Which; none for all.
        device: Option<String>,
        /// To what; none takes the limit back.
        duty: Option<Duty>,
    },
    /// Mine for another of the configured pools, by its index, and return to it after failures.
    SwitchPool(usize),
    /// Read the configuration again.
    Reload,
}

impl Command {
    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pause { .. } | Self::PauseDevice { pause: true, .. } => "pause",
            Self::Resume | Self::PauseDevice { pause: false, .. } => "resume",
            Self::Limit { .. } => "limit",
            Self::SwitchPool(_) => "pool",
            Self::Reload => "reload",
        }
    }
}

/// Why an order was not carried out.
pub type Refusal = Problem;

/// A command, and who waits for what became of it: in words what holds now.
#[derive(Debug)]
pub struct Order {
    /// What is asked.
    pub command: Command,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<String, Refusal>>,
}

/// What became of an order, for everybody who watches.
#[derive(Debug, Clone)]
pub struct Obeyed {
    /// [`Command::name`].
    pub what: &'static str,
    /// In words what holds now, or why nothing has changed.
    pub outcome: Result<String, Refusal>,
}
