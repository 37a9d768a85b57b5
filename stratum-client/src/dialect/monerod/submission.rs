//! Handing in blocks, and what became of them.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::encode_hex;
use serde_json::json;

use super::rpc::{self, Answer, Reply};
use super::{Kind, Monerod};
use crate::dialect::{Event, Outbox, ProtocolError};
use crate::envelope::PeerError;
use crate::ledger::{NotSent, Reject, Verdict};

impl Monerod {
    pub(super) fn send_candidate(&mut self, now: Instant, out: &mut Outbox) {
        let Some(candidate) = self.candidates.send(now) else { return };
        let block = encode_hex(&candidate.block.template.block_with(candidate.block.nonce));
        self.call(Kind::Submit, "submit_block", &json!([block]), out);
    }

    pub(super) fn submit_answered(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let body = match reply {
            Reply::Body(body) => body,
            Reply::Garbage(fault) => {
                self.candidates.retry(now);
                return Err(fault);
            }
            _ => {
                self.candidates.retry(now);
                return Ok(());
            }
        };
        match rpc::answer(body) {
            Ok(Answer::Done(_)) => self.taken(now, out),
            Ok(Answer::Busy(_)) => self.candidates.retry(now),
            Ok(Answer::Refused(error)) => self.refused(now, error, out),
            Err(fault) => {
                self.candidates.retry(now);
                return Err(fault);
            }
        }
        Ok(())
    }

    /// The node took the block. It also takes one that came second at its height, and keeps it aside; so it is
    /// asked which block stands there.
    fn taken(&mut self, now: Instant, out: &mut Outbox) {
        self.template_at = Some(now);
        self.poll_at = Some(now);
        if let Some(candidate) = self.candidates.check() {
            let height = candidate.block.template.height;
            self.check(height, out);
        }
    }

    /// The node refused the block. When its parent still stands, the proof of work is wrong; as that accuses a
    /// device, the node is asked before.
    fn refused(&mut self, now: Instant, error: PeerError, out: &mut Outbox) {
        self.template_at = Some(now);
        let Some(candidate) = self.candidates.check() else { return };
        let (height, parent) = (candidate.block.template.height, candidate.block.template.parent);
        let moved = self.tip.is_some_and(|(_, tip)| tip != parent);
        match error.code {
            Some(rpc::NOT_ACCEPTED) if moved => self.reject(now, Reject::Stale, error.text, out),
            Some(rpc::NOT_ACCEPTED) => {
                self.refusal = Some(error.text);
                self.check(height.saturating_sub(1), out);
            }
            _ => self.reject(now, Reject::Other, error.text, out),
        }
    }

    pub(super) fn checked(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let standing = match reply {
            Reply::Body(body) => rpc::block_hash(body),
            _ => None,
        };
        let Some(candidate) = self.candidates.check() else { return Ok(()) };
        let template = Arc::clone(&candidate.block.template);
        if let Some(text) = self.refusal.take() {
            let kind = match standing {
                Some(standing) if standing == template.parent => Reject::BadHash,
                Some(_) => Reject::Stale,
                None => Reject::Other,
            };
            self.reject(now, kind, text, out);
            return Ok(());
        }
        // Without an answer the node's first word stands.
        match (standing, template.id_with(candidate.block.nonce)) {
            (Some(standing), Some(ours)) if standing != ours => {
                let text = format!("another block stands at height {}", template.height);
                self.reject(now, Reject::Stale, text, out);
            }
            _ => {
                if let Some(candidate) = self.candidates.settle(now) {
                    out.event(Event::Verdict(candidate.id, Verdict::Accepted));
                }
            }
        }
        self.finish(&template.parent, out);
        Ok(())
    }

    fn reject(&mut self, now: Instant, kind: Reject, text: String, out: &mut Outbox) {
        if let Some(candidate) = self.candidates.settle(now) {
            out.event(Event::Verdict(candidate.id, Verdict::Rejected { kind, text }));
        }
    }

    /// There is a block on this parent, so no other hit on it is worth sending.
    fn finish(&mut self, parent: &[u8; 32], out: &mut Outbox) {
        if self.templates.back().is_some_and(|(_, newest)| newest.parent == *parent) {
            self.templates.clear();
        }
        for sibling in self.candidates.drop_siblings(|block| block.template.parent == *parent) {
            out.event(Event::Verdict(sibling.id, Verdict::NotSent(NotSent::Stale)));
        }
    }

    fn check(&mut self, height: u64, out: &mut Outbox) {
        self.call(Kind::Check, "get_block_header_by_height", &json!({ "height": height }), out);
    }
}
