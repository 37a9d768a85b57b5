//! Replies: in the order of their requests, and through the faults.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::faults::ESCAPES;
use super::session::Slot;
use super::{Desk, SessionId};
use crate::time::later;
use crate::wire::{ErrorShape, Reply};

/// Replies that wait behind a share in check; more end the session.
const MAX_SLOTS: usize = 1024;
/// How long a verdict waits for another one to be swapped with.
const SWAP_WAIT: Duration = Duration::from_secs(1);

impl Desk {
    /// The verdict on a good share, unless a fault script refuses it.
    pub(crate) fn accepted_reply(&mut self, id: &str, result: Value) -> Reply {
        let reply = match self.modes.reject_all {
            None => Reply::ok(id, result),
            Some(reject) => {
                self.stats.forced_rejects += 1;
                Reply::refuse(id, reject)
            }
        };
        reply.for_share()
    }

    /// Sends a reply, or lets it wait behind the shares in check that came before it.
    pub(crate) fn reply(&mut self, now: Instant, id: SessionId, reply: Reply) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.slots.is_empty() {
            self.deliver(now, id, reply);
        } else if session.slots.len() < MAX_SLOTS {
            session.slots.push_back(Slot::Ready(reply));
        } else {
            self.stats.protocol_errors += 1;
            self.close(now, id);
        }
    }

    /// The verdict on a share in check is known: sends it and what waited behind it.
    pub(crate) fn fill_slot(&mut self, now: Instant, id: SessionId, ticket: u64, reply: Reply) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let waiting = |slot: &Slot| matches!(slot, Slot::Waiting(waiting) if *waiting == ticket);
        let Some(index) = session.slots.iter().position(waiting) else { return };
        session.slots[index] = Slot::Ready(reply);
        while let Some(session) = self.sessions.get_mut(&id)
            && let Some(Slot::Ready(_)) = session.slots.front()
        {
            if let Some(Slot::Ready(reply)) = session.slots.pop_front() {
                self.deliver(now, id, reply);
            }
        }
        self.close_if_answered(now, id);
    }

    pub(super) fn close_if_answered(&mut self, now: Instant, id: SessionId) {
        let session = self.sessions.get(&id);
        if session.is_some_and(|session| session.close_when_answered && session.slots.is_empty()) {
            self.close(now, id);
        }
    }

    /// A reply whose turn it is meets the faults.
    fn deliver(&mut self, now: Instant, id: SessionId, reply: Reply) {
        if reply.to_share && self.modes.drop_replies > 0 {
            self.modes.drop_replies -= 1;
            self.stats.dropped_replies += 1;
            return;
        }
        if reply.to_share && self.modes.reply_reorder {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let Some((_, first)) = session.swapped.take() else {
                session.swapped = Some((now + SWAP_WAIT, reply));
                return;
            };
            self.send_reply(now, id, &reply);
            return self.send_reply(now, id, &first);
        }
        self.send_reply(now, id, &reply);
    }

    pub(super) fn send_reply(&mut self, now: Instant, id: SessionId, reply: &Reply) {
        let wire_id = self.wire_id(reply);
        let mut shape = self.modes.error_shape.unwrap_or(self.style.error_shape);
        if self.modes.numbers_as_strings && shape == ErrorShape::Object {
            shape = ErrorShape::Nested;
        }
        let tail = if self.modes.escape_text { ESCAPES } else { "" };
        let line = reply.line(&wire_id, shape, &self.style, tail);
        let late = self.style.late_result.filter(|_| reply.to_share);
        for _ in 0..if reply.to_share && self.modes.reply_twice { 2 } else { 1 } {
            match (late, self.sessions.get_mut(&id)) {
                (Some(delay), Some(session)) if !self.modes.silent => {
                    session.out.push_late(later(now, delay), line.clone().into_bytes());
                }
                _ => self.send(now, id, line.clone()),
            }
        }
        if reply.then_close {
            self.close(now, id);
        }
    }

    /// The id as the faults want it.
    fn wire_id(&self, reply: &Reply) -> String {
        let mut id = reply.id.clone();
        if reply.to_share && self.modes.null_ids {
            return "null".to_owned();
        }
        if reply.to_share && self.modes.wrong_id {
            id = id.parse::<u64>().map_or(999_999, |id| id.saturating_add(100_000)).to_string();
        }
        if self.modes.float_ids && id.parse::<u64>().is_ok() {
            id.push_str(".0");
        }
        if self.modes.string_ids && id.parse::<f64>().is_ok() {
            id = Value::from(id).to_string();
        }
        id
    }
}
