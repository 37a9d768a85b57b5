//! What has happened, for everybody who asks later: the last events, and what can be counted from them. Written on a
//! thread behind the engine, so that nothing here can delay a share.

mod causes;
mod events;
mod history;
mod recorder;
#[cfg(test)]
pub(crate) mod samples;
mod shares;
mod statistics;
pub mod trace;

use std::sync::{Mutex, PoisonError};

pub use causes::{Causes, MAX_JOBS, MAX_UNDECIDED, Stale, StaleCause};
pub use events::{Event, Events, MAX_EVENTS};
pub use history::{
    COARSE, FINE, History, HistoryOptions, Keeper, MAX_COARSE, MAX_DEVICES, MAX_FINE, MAX_POINTS, Metric,
    Period, RECORD_BYTES, Ring, RingError, Row, Sample,
};
pub use recorder::{Recorder, Translate};
pub use shares::{MAX_SHARES, RecentShare};
pub use statistics::{
    Effective, Expected, MAX_BEST, MAX_REJECT_TEXTS, MAX_WORDS, OTHER_WORDS, RejectText, ShareKey, Statistics,
};

use trace::Trace;

/// All records of one miner.
#[derive(Debug, Default)]
pub struct Records {
    /// The last events.
    pub events: Events,
    statistics: Mutex<Statistics>,
    shares: Mutex<shares::RecentShares>,
    history: Mutex<History>,
    /// Why the history is not written, if it is not.
    history_trouble: Mutex<Option<String>>,
    trace: Mutex<Trace>,
}

impl Records {
    /// With what the last saved benchmark makes expect.
    pub fn new(expected: Option<Expected>) -> Self {
        let records = Self::default();
        records.change(|statistics| statistics.expected = expected);
        records
    }

    /// Everything that is counted, as of now.
    pub fn statistics(&self) -> Statistics {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last shares after the entry `since_id`, oldest first; [`MAX_SHARES`] at most.
    pub fn recent_shares(&self, since_id: u64) -> Vec<RecentShare> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).after(since_id)
    }

    /// A metric of a device, or of the rig, between two times in seconds since 1970: what [`History::points`] tells.
    pub fn history(
        &self,
        metric: Metric,
        device: Option<&str>,
        from_s: f64,
        to_s: f64,
        step_s: f64,
    ) -> Vec<(f64, Option<f64>)> {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.points(metric, device, from_s, to_s, step_s)
    }

    /// What explanations are made from, as of now.
    pub fn trace(&self) -> Trace {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change_trace(&self, change: impl FnOnce(&mut Trace)) {
        change(&mut self.trace.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn change(&self, change: impl FnOnce(&mut Statistics)) {
        change(&mut self.statistics.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
