//! What people and programs see while the miner runs.

mod full;
mod json;
mod keys;
mod last_word;
mod lines;
mod look;
#[cfg(test)]
mod memory;
mod numbers;
mod often;
mod other_time;
mod problems;
mod source;
mod stamp;
mod status;
mod table;
mod topics;
mod typed;
mod units;
mod viewer;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rminer_algos::registry::Family;

use crate::config::UiKind;
use crate::engine::{Happening, Snapshot};
use crate::records::Records;

pub(crate) use full::{Full, show};
pub(crate) use keys::short_list;
pub(crate) use look::{Look, is_interactive};
pub(crate) use problems::crew as crew_problem;
pub(crate) use source::{Asked, Here, Source};
pub use stamp::Stamp;
pub(crate) use status::status;
pub use table::{DeviceRow, device_rows, table, table_of};
pub(crate) use typed::Typed;
pub use units::{count, duration, efficiency, hashrate, joules_per_hash, percent};
pub use viewer::Viewer;

/// As `println!`, for a reader that may be gone: that ends no miner.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _gone = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// As [`say`], on the error output.
macro_rules! say_error {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _gone = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use {say, say_error};

/// One line about jobs in this time, unless something about them has changed: some pools send ten a second.
const JOBS_EVERY: Duration = Duration::from_secs(1);
/// What comes after a while without any is told at once, up to this many times.
const AT_ONCE: u32 = 5;
/// The same for jobs whose nonces are all used.
const EXHAUSTED_EVERY: Duration = Duration::from_secs(60);

/// What interfaces are told of what happens: the kinds of events and their fields.
pub(crate) fn events(family: Family, pools: Vec<String>) -> crate::records::Translate {
    json::events(family, pools)
}

/// Shows what happens. An error means that nobody can see it any more.
pub trait Screen {
    /// Something happened.
    ///
    /// # Errors
    /// When it could not be written.
    fn happening(&mut self, happening: &Happening) -> io::Result<()>;

    /// The state, once a second.
    ///
    /// # Errors
    /// When it could not be written.
    fn second(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let _ = snapshot;
        Ok(())
    }

    /// So many happenings were left out, since this screen could not keep up.
    fn missed(&mut self, happenings: u64) {
        let _ = happenings;
    }

    /// The regular report.
    ///
    /// # Errors
    /// When it could not be written.
    fn rates(&mut self, snapshot: &Snapshot) -> io::Result<()>;

    /// The last word.
    ///
    /// # Errors
    /// When it could not be written.
    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()>;
}

/// The screen that the settings ask for, writing to `out`; `pools` are the pools' names in order, and count
/// difficulties as those of `family` do. What is counted is in `records`. A verbose one leaves nothing out.
pub fn screen(
    kind: UiKind,
    out: Box<dyn io::Write>,
    family: Family,
    pools: Vec<String>,
    records: Arc<Records>,
    verbose: bool,
) -> Box<dyn Screen> {
    stamped_screen(Stamp::Time, kind, out, family, pools, records, verbose)
}

/// The same with `stamp` before each line that is for people.
pub fn stamped_screen(
    stamp: Stamp,
    kind: UiKind,
    out: Box<dyn io::Write>,
    family: Family,
    pools: Vec<String>,
    records: Arc<Records>,
    verbose: bool,
) -> Box<dyn Screen> {
    let detail = match kind {
        UiKind::Json => return Box::new(json::Json::new(out, family, pools, records)),
        UiKind::Full => return Box::new(last_word::LastWord::new(out, family, pools, records)),
        UiKind::Quiet => lines::Detail::Problems,
        UiKind::Lines if verbose => lines::Detail::All,
        UiKind::Lines => lines::Detail::News,
    };
    Box::new(lines::Lines::new(out, family, pools, records, detail).stamped(stamp))
}
