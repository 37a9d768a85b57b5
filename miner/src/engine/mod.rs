//! The engine: jobs from pools become work for devices, hits become shares.

mod crew;
mod cursor;
mod hashrate;
mod mailbox;
mod scheduler;
mod verify;
mod worker;

pub use crew::{Crew, CrewEvent, Patience};
pub use cursor::{Cursors, KEPT, Lease};
pub use hashrate::{Meter, Rates, Windows};
pub use mailbox::{Letter, Mailbox};
pub use scheduler::{Assignment, Scheduler};
pub use verify::{Checked, Verifier};
pub use worker::{Doing, Hit, Pulse, Report, Worker};
