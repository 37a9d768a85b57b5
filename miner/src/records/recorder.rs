//! Takes what happens into the records.

use std::io;
use std::sync::{Arc, PoisonError};

use serde_json::json;

use super::Records;
use super::causes::Causes;
use crate::clock::unix_seconds;
use crate::engine::{Happening, Snapshot, State};
use crate::ui::Screen;

/// What interfaces are told of a happening: kinds and fields of events.
pub type Translate = Box<dyn FnMut(&Happening) -> Vec<(&'static str, serde_json::Value)>>;

/// Takes what happens into [`Records`].
pub struct Recorder {
    records: Arc<Records>,
    causes: Causes,
    translate: Translate,
    state: State,
}

impl Recorder {
    /// Writes to `records`.
    pub fn new(records: Arc<Records>, translate: Translate) -> Self {
        Self { records, causes: Causes::default(), translate, state: State::default() }
    }

    fn count(&mut self, happening: &Happening) {
        let records = &self.records;
        match happening {
            Happening::Share(settled, device) => {
                let now_s = unix_seconds();
                let stale = self.causes.settled(settled);
                let mut shares = records.shares.lock().unwrap_or_else(PoisonError::into_inner);
                shares.add(now_s, settled, device, stale);
                drop(shares);
                records.change(|statistics| statistics.share(now_s, settled, device, stale));
            }
            Happening::Excess(pool, device, hits) => {
                records.change(|statistics| statistics.excess(*pool, device, *hits));
            }
            Happening::Job(job) => {
                for (share, stale) in self.causes.job(job) {
                    let mut shares = records.shares.lock().unwrap_or_else(PoisonError::into_inner);
                    let explained = shares.explain(share, stale);
                    drop(shares);
                    if let Some((pool, device, before)) = explained {
                        records.change(|statistics| {
                            statistics.explained(pool, &device, before, stale.cause);
                        });
                    }
                }
            }
            _ => {}
        }
    }
}

impl Screen for Recorder {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        self.count(happening);
        for (kind, fields) in (self.translate)(happening) {
            self.records.events.add(kind, &fields);
        }
        Ok(())
    }

    fn second(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let state = snapshot.state;
        if state != self.state {
            let fields = json!({ "event": "state", "state": state, "before": self.state });
            self.records.events.add("state", &fields);
            self.state = state;
        }
        self.records.change(|statistics| statistics.second(unix_seconds(), snapshot));
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn missed(&mut self, happenings: u64) {
        self.records.change(|statistics| statistics.missed += happenings);
    }
}
