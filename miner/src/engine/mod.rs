//! The engine: jobs from pools become work for devices, hits become shares.

mod board;
mod core;
mod crew;
mod cursor;
mod hashrate;
mod histogram;
mod mailbox;
mod obey;
mod order;
mod run;
mod sabotage;
mod scheduler;
mod snapshot;
mod throttle;
mod verify;
mod worker;

pub use self::board::Board;
pub use self::core::{Core, Happening, RareShares, Submit};
pub use crew::{Crew, CrewEvent, Losses, Patience};
pub use cursor::{Cursors, KEPT, Lease};
pub use hashrate::{Meter, Rates, Windows};
pub use histogram::{BOUNDS_S, Histogram, STEPS, SharedHistogram};
pub use mailbox::{Letter, Mailbox};
pub use obey::LONGEST_PAUSE;
pub use order::{Command, Obeyed, Order, Refusal};
pub use run::{MAX_ORDERS, Reload, Reloaded, RunOptions, Surroundings, run};
pub use sabotage::Sabotage;
pub use scheduler::{Assignment, Scheduler};
pub use snapshot::{DeviceSnapshot, DeviceState, Link, PoolSnapshot, Snapshot, State, WorkerSnapshot};
pub use throttle::{Duty, Throttle};
pub use verify::{Checked, Purpose, Verifier};
pub use worker::{Doing, Excess, Hit, Joints, Pulse, Report, Worker};
