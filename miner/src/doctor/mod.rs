//! Everything that costs hashrate or safety on this machine, ranked, each with what to do about it. Facts are gathered
//! in one place and judged in another: judgements are pure.

mod clock;
mod facts;
mod finding;
mod gather;
mod inputs;
mod judge;
mod load;
mod running;
mod text;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

pub use clock::{is_root, own_uid};
pub use facts::{ClockFacts, Facts, Hot, Inputs, LoadFacts, SettingsFacts, SpeedFacts, StorageFacts};
pub use finding::{Finding, Level, Report};
pub use gather::gather;
pub use judge::judge;
pub use running::judge_running;
pub use text::text;

use crate::clock::unix_seconds;
use crate::setup::Places;

/// How long a look at the machine may take; sensors and file systems may hang.
pub const PATIENCE: Duration = Duration::from_secs(6);

/// Looks at the machine and judges what it sees. `None` when that takes longer than [`PATIENCE`]: the thread that
/// looks is left behind then, so this is for commands that end soon.
pub fn examine(places: Places, inputs: Inputs) -> Option<Vec<Finding>> {
    examine_holding(places, inputs, Arc::new(()))
}

/// The same for programs that go on: the threads that look hold `held` until they end, however long that takes. Who sees
/// that it is held still starts no other look.
pub fn examine_holding(places: Places, inputs: Inputs, held: Arc<()>) -> Option<Vec<Finding>> {
    let (tell, told) = channel();
    let look = move || {
        // Nobody listens any more when it took too long.
        let _ = tell.send(judge(&gather(&places, &inputs, &held)));
    };
    thread::Builder::new().name("doctor".into()).spawn(look).ok()?;
    told.recv_timeout(PATIENCE).ok()
}

/// Said in place of an examination that did not end.
pub fn no_answer() -> Finding {
    Finding::new("doctor-slow", Level::Unknown, "this machine did not tell about itself in time")
        .fact(format!("a sensor or a file system took longer than {} s", PATIENCE.as_secs()))
}

/// All findings in their order, with the time.
pub fn report(findings: Vec<Finding>) -> Report {
    Report::new(crate::api::rfc3339(unix_seconds()), findings)
}

#[cfg(test)]
mod tests;
