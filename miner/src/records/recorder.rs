//! Takes what happens into the records.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::Records;
use super::causes::Causes;
use super::history::{HistoryOptions, Keeper};
use super::trace::{Clocks, Watch};
use crate::clock::unix_seconds;
use crate::engine::{Happening, Snapshot, State};
use crate::ui::Screen;

/// How long the last row of the history may take to be written.
const LAST_ROW: Duration = Duration::from_millis(200);

/// What interfaces are told of a happening: kinds and fields of events.
pub type Translate = Box<dyn FnMut(&Happening) -> Vec<(&'static str, serde_json::Value)>>;

/// Takes what happens into [`Records`].
pub struct Recorder {
    records: Arc<Records>,
    causes: Causes,
    translate: Translate,
    state: State,
    keeper: Keeper,
    clocks: Clocks,
    watch: Watch,
}

impl Recorder {
    /// Writes to `records`, with the history in memory only.
    pub fn new(records: Arc<Records>, translate: Translate) -> Self {
        Self::with_history(records, translate, HistoryOptions::default())
    }

    /// Writes to `records`.
    pub fn with_history(records: Arc<Records>, translate: Translate, options: HistoryOptions) -> Self {
        let clocks = Clocks::default();
        let watch = Watch::new(options.trace, clocks.now());
        let keeper = Keeper::start(Arc::clone(&records), options);
        Self { records, causes: Causes::default(), translate, state: State::default(), keeper, clocks, watch }
    }

    fn count(&mut self, happening: &Happening) {
        let records = &self.records;
        let now = self.clocks.now();
        let mut stale_share = None;
        match happening {
            Happening::Share(settled, device) => {
                let now_s = unix_seconds();
                let stale = self.causes.settled(settled);
                stale_share = stale;
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
                    records.change_trace(|trace| Watch::explained(trace, now, stale));
                    if let Some((pool, device, before)) = explained {
                        records.change(|statistics| {
                            statistics.explained(pool, &device, before, stale.cause);
                        });
                    }
                }
            }
            _ => {}
        }
        let watch = &mut self.watch;
        records.change_trace(|trace| watch.happening(trace, now, happening, stale_share));
    }

    fn trace(&mut self, snapshot: &Snapshot) {
        let (records, watch, now) = (&self.records, &mut self.watch, self.clocks.now());
        let statistics = records.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = records.history_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        records.change_trace(|trace| watch.second(trace, now, snapshot, &statistics, trouble.as_deref()));
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
        let now_s = unix_seconds();
        self.records.change(|statistics| statistics.second(now_s, snapshot));
        self.keeper.second(now_s, snapshot);
        self.trace(snapshot);
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let now_s = unix_seconds();
        self.records.change(|statistics| statistics.second(now_s, snapshot));
        self.keeper.end(now_s, snapshot, LAST_ROW);
        Ok(())
    }

    fn missed(&mut self, happenings: u64) {
        self.records.change(|statistics| statistics.missed += happenings);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rminer_algos::registry::Family;
    use rminer_stratum::{Supersede, Verdict};

    use super::*;
    use crate::engine::DeviceSnapshot;
    use crate::records::{StaleCause, samples};

    /// A second of a busy rig: ten jobs, twenty shares, the state.
    fn busy_second(recorder: &mut Recorder, second: u64, start: Instant) {
        let now = start + Duration::from_secs(second);
        let ms = Duration::from_millis;
        for tenth in 0..10 {
            let job = samples::job(second * 10 + tenth, now + ms(100 * tenth), Supersede::Prefer);
            recorder.happening(&Happening::Job(Arc::new(job))).unwrap();
            for share in 0..2 {
                let id = second * 20 + tenth * 2 + share;
                let sent = now + ms(100 * tenth + 40);
                let settled = if id.is_multiple_of(50) {
                    samples::stale((second * 10 + tenth).saturating_sub(1), sent, ms(30))
                } else {
                    samples::settled(id, second * 10 + tenth, Verdict::Accepted, sent, ms(30))
                };
                let device = if share == 0 { "gpu0" } else { "gpu1" };
                recorder.happening(&Happening::Share(settled, device.into())).unwrap();
            }
        }
        let device =
            |id: &str| DeviceSnapshot { id: id.into(), hashes: second * 500, ..DeviceSnapshot::default() };
        let snapshot = Snapshot {
            uptime: Duration::from_secs(second + 1),
            hashes: second * 1000,
            state: State::Mining,
            pool: Some(0),
            devices: vec![device("gpu0"), device("gpu1")],
            ..Snapshot::default()
        };
        recorder.second(&snapshot).unwrap();
    }

    fn recorder(records: &Arc<Records>) -> Recorder {
        let translate = crate::ui::events(Family::Kaspa, vec!["stratum+tcp://pool.example:1".into()]);
        Recorder::new(Arc::clone(records), translate)
    }

    #[test]
    fn everything_that_happens_is_in_the_records() {
        let records = Arc::new(Records::default());
        let mut recorder = recorder(&records);
        let start = Instant::now();
        (1..=60).for_each(|second| busy_second(&mut recorder, second, start));
        recorder.missed(3);
        let statistics = records.statistics();
        assert_eq!(statistics.count(|_| true), 1200);
        assert_eq!(statistics.count(|key| key.result == "stale"), 24);
        assert_eq!(statistics.stale_causes.values().sum::<u64>(), 24);
        assert_eq!(statistics.stale_causes.get(&StaleCause::Replaced), Some(&24));
        assert_eq!((statistics.missed, statistics.mined_s), (3, 61.0));
        assert_eq!(records.recent_shares(0).len(), super::super::MAX_SHARES);
        let events = records.events.after(0);
        // Jobs are told once a second of real time: shares have pushed the first ones out.
        assert_eq!(events.iter().filter(|event| event.kind == "share").count(), events.len());
        let now_s = unix_seconds();
        let points =
            records.history(super::super::Metric::Accepted, None, now_s - 100.0, now_s + 10.0, 110.0);
        // The last second is in a row that is not complete yet; 23 of the shares before it were stale.
        assert_eq!(points[0].1, Some(f64::from(59 * 20 - 23)));
    }

    /// Run by hand: what the records cost beside mining.
    #[test]
    #[ignore = "a measurement"]
    fn cost_of_a_busy_second() {
        const SECONDS: u64 = 5000;
        let records = Arc::new(Records::default());
        let mut recorder = recorder(&records);
        let start = Instant::now();
        (1..=SECONDS).for_each(|second| busy_second(&mut recorder, second, start));
        let took = start.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)]
        let each_us = took * 1e6 / SECONDS as f64;
        println!(
            "{each_us:.0} us for ten jobs, twenty shares and the state: {:.3} % of a core",
            each_us / 1e4
        );
    }
}
