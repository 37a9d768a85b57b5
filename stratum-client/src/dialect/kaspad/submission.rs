//! Handing in blocks, and what became of them.

use std::time::{Duration, Instant};

use rminer_algos::encode_hex;

use super::message::{self, Submitted};
use super::{Kaspad, Kind};
use crate::dialect::{Event, Outbox};
use crate::ledger::{Reject, Verdict};

/// How often a node may put a block off before its word counts.
const MAX_PUT_OFF: u32 = 3;
/// After this time the graph has made up its mind about a block.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// How often the node is asked about one.
const MAX_LOOKS: u32 = 3;
/// Blocks that wait to be looked at.
const MAX_STANDING: usize = 64;

/// A block that the node took.
#[derive(Debug)]
pub(super) struct Standing {
    hash: [u8; 32],
    /// When the node is asked about it.
    at: Instant,
    looks: u32,
}

impl Kaspad {
    pub(super) fn send_candidate(&mut self, now: Instant, out: &mut Outbox) {
        let Some(candidate) = self.candidates.send(now) else { return };
        let block = candidate.block.template.block_with(candidate.block.nonce);
        self.ask(now, Kind::Submit, out, |id| message::submit_block(id, &block));
    }

    pub(super) fn submit_answered(&mut self, now: Instant, submitted: Submitted, out: &mut Outbox) {
        match submitted {
            Submitted::Busy(_) if self.put_off < MAX_PUT_OFF => {
                self.put_off += 1;
                self.candidates.retry(now);
            }
            Submitted::Busy(text) | Submitted::Invalid(text) => {
                self.settle(now, Verdict::Rejected { kind: Reject::Other, text }, out);
            }
            // The node also takes a block that it has, so that of a lost answer comes to the same.
            Submitted::Taken => {
                let found = self.candidates.check().map(|candidate| candidate.block.clone());
                let hash = found.and_then(|found| found.template.hash_with(found.nonce));
                if let Some(hash) = hash {
                    self.look_later(Standing { hash, at: now + SETTLED_AFTER, looks: 0 });
                }
                self.settle(now, Verdict::Accepted, out);
            }
        }
        // There is a new template to be had.
        self.template_soon(now);
    }

    fn settle(&mut self, now: Instant, verdict: Verdict, out: &mut Outbox) {
        self.put_off = 0;
        if let Some(candidate) = self.candidates.settle(now) {
            out.event(Event::Verdict(candidate.id, verdict));
        }
    }

    fn look_later(&mut self, standing: Standing) {
        if self.standing.len() < MAX_STANDING {
            self.standing.push_back(standing);
        }
    }

    /// When the next of them is looked at: they are in the order of time.
    pub(super) fn color_at(&self) -> Option<Instant> {
        self.standing.front().map(|standing| standing.at)
    }

    pub(super) fn ask_color(&mut self, now: Instant, out: &mut Outbox) {
        if let Some(Standing { hash, .. }) = self.standing.front() {
            let hash = *hash;
            self.ask(now, Kind::Color, out, |id| message::block_color(id, &hash));
        }
    }

    pub(super) fn color_came(&mut self, now: Instant, color: &Result<bool, String>, out: &mut Outbox) {
        let Some(standing) = self.standing.pop_front() else { return };
        match color {
            Ok(true) => {}
            Ok(false) => {
                let hash = encode_hex(&standing.hash);
                let text =
                    format!("block {hash} was taken, but others were faster: it is red and pays nothing");
                out.event(Event::Notice(text));
            }
            // No later block stands on it yet.
            Err(_) if standing.looks + 1 < MAX_LOOKS => {
                let (at, looks) = (now + SETTLED_AFTER, standing.looks + 1);
                self.look_later(Standing { at, looks, ..standing });
            }
            Err(_) => {}
        }
    }
}
