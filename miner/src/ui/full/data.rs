//! What the full screen has been told, with a bound for everything.

use std::collections::VecDeque;

use serde_json::Value;

use crate::ui::keys::Topic;

/// Shares and events that are kept for the screen.
pub(super) const MAX_SHARES: usize = 64;
pub(super) const MAX_EVENTS: usize = 256;

/// Largest number of an entry: the interface takes no larger one as `since`.
const MAX_ID: u64 = i64::MAX as u64;

/// The connection with the miner is gone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lost {
    /// Since when, in seconds since 1970.
    pub(super) since_s: f64,
    /// Why.
    pub(super) why: String,
}

/// The latest answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) status: Value,
    pub(super) pools: Value,
    pub(super) history: Value,
    pub(super) shares: VecDeque<Value>,
    pub(super) events: VecDeque<Value>,
    /// Numbers of the newest share and event.
    pub(super) last_share: u64,
    pub(super) last_event: u64,
    pub(super) lost: Option<Lost>,
    /// The answer to the last order, and when it came in seconds since 1970.
    pub(super) feedback: Option<(String, f64)>,
    /// What was asked for to read.
    pub(super) told: Option<(Topic, Vec<String>)>,
}

impl Data {
    /// A new status. A miner that runs for less time than before was started again: its numbers begin anew.
    pub(super) fn set_status(&mut self, status: Value) {
        let uptime = |status: &Value| status["uptime_s"].as_u64().unwrap_or(0);
        if uptime(&status) < uptime(&self.status) {
            (self.last_share, self.last_event) = (0, 0);
        }
        self.status = status;
        self.lost = None;
    }

    /// Adds new shares.
    pub(super) fn add_shares(&mut self, answer: &Value) {
        add(&mut self.shares, &mut self.last_share, &answer["shares"], MAX_SHARES);
    }

    /// Adds new events.
    pub(super) fn add_events(&mut self, answer: &Value) {
        add(&mut self.events, &mut self.last_event, &answer["events"], MAX_EVENTS);
    }
}

/// Adds those of `new` that are newer than `last`.
fn add(kept: &mut VecDeque<Value>, last: &mut u64, new: &Value, most: usize) {
    for item in new.as_array().into_iter().flatten() {
        let Some(id) = item["id"].as_u64().filter(|id| id > last && *id <= MAX_ID) else { continue };
        *last = id;
        if kept.len() == most {
            kept.pop_front();
        }
        kept.push_back(item.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_has_a_bound_and_nothing_comes_twice() {
        let mut data = Data::default();
        let list = |from: u64, to: u64| (from..to).map(|id| json!({ "id": id })).collect::<Vec<_>>();
        data.add_events(&json!({ "events": list(1, 1000) }));
        data.add_events(&json!({ "events": list(990, 1002) }));
        data.add_events(&json!({ "events": "nonsense" }));
        data.add_shares(&json!({ "shares": list(1, 500) }));
        assert_eq!((data.events.len(), data.shares.len()), (MAX_EVENTS, MAX_SHARES));
        assert_eq!((data.last_event, data.events[MAX_EVENTS - 1]["id"].as_u64()), (1001, Some(1001)));
        assert_eq!(data.events.iter().filter(|event| event["id"] == 995).count(), 1);
    }

    #[test]
    fn a_miner_that_started_again_begins_anew() {
        let mut data = Data { last_event: 500, last_share: 70, ..Data::default() };
        data.set_status(json!({ "uptime_s": 100 }));
        assert_eq!(data.last_event, 500);
        data.lost = Some(Lost { since_s: 1.0, why: "gone".into() });
        data.set_status(json!({ "uptime_s": 3 }));
        assert_eq!((data.last_event, data.last_share, data.lost.clone()), (0, 0, None));
        data.add_events(&json!({ "events": [{ "id": 1 }] }));
        assert_eq!(data.last_event, 1);
    }
}
