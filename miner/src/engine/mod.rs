//! The engine: jobs from pools become work for devices, hits become shares.

mod core;
mod crew;
mod cursor;
mod hashrate;
mod mailbox;
mod run;
mod scheduler;
mod snapshot;
mod verify;
mod worker;

pub use self::core::{Core, Happening, RareShares, Submit};
pub use crew::{Crew, CrewEvent, Patience};
pub use cursor::{Cursors, KEPT, Lease};
pub use hashrate::{Meter, Rates, Windows};
pub use mailbox::{Letter, Mailbox};
pub use run::{RunOptions, run};
pub use scheduler::{Assignment, Scheduler};
pub use snapshot::{DeviceSnapshot, Snapshot};
pub use verify::{Checked, Purpose, Verifier};
pub use worker::{Doing, Excess, Hit, Pulse, Report, Worker};
