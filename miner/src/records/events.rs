//! The last events, each with a number, so that a reader that was away asks for those after the last that it saw.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::clock::unix_seconds;

/// Events that are kept.
pub const MAX_EVENTS: usize = 1000;

/// Something that happened, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Counts up from 1 since the start.
    pub id: u64,
    /// Seconds since 1970.
    pub time_s: f64,
    /// `share`, `job`, `pool`, `device`, `state` or `alert`.
    pub kind: &'static str,
    /// Its fields as JSON text.
    pub json: String,
}

/// A ring of events.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<VecDeque<Arc<Event>>>,
    last: watch::Sender<u64>,
}

impl Default for Events {
    fn default() -> Self {
        Self { ring: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Events {
    /// Adds one; the oldest goes when there are too many.
    pub fn add(&self, kind: &'static str, fields: &Value) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *self.last.borrow() + 1;
        if ring.len() == MAX_EVENTS {
            ring.pop_front();
        }
        ring.push_back(Arc::new(Event { id, time_s: unix_seconds(), kind, json: fields.to_string() }));
        self.last.send_replace(id);
    }

    /// Those after the event `id`, oldest first.
    pub fn after(&self, id: u64) -> Vec<Arc<Event>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.partition_point(|event| event.id <= id);
        ring.range(first..).cloned().collect()
    }

    /// Number of the newest, 0 before the first.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Changes with each event.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn readers_go_on_where_they_were() {
        let events = Events::default();
        for number in 0..MAX_EVENTS + 5 {
            events.add("share", &json!({ "number": number }));
        }
        let all = events.after(0);
        assert_eq!((all.len(), all[0].id), (MAX_EVENTS, 6));
        let last = events.last();
        assert_eq!(events.after(last), []);
        assert_eq!(events.after(last - 2).len(), 2);
        assert_eq!(events.after(last - 1)[0].json, format!("{{\"number\":{}}}", MAX_EVENTS + 4));
    }
}
