//! Handing in blocks, and what became of them.

use std::time::Instant;

use rminer_algos::encode_hex;
use rminer_algos::sha256d::sha256d;
use serde_json::json;

use super::chain::display_hash;
use super::rpc::{self, Answer, Reply};
use super::{Gbt, Kind};
use crate::dialect::{Event, Outbox, ProtocolError};
use crate::envelope::text;
use crate::ledger::{NotSent, Reject, Verdict};
use crate::text::clean;

/// Answers without the block after which a node that took it is no longer asked.
const MAX_NOT_SHOWN: u32 = 5;

impl Gbt {
    pub(super) fn send_candidate(&mut self, now: Instant, out: &mut Outbox) {
        let Some(candidate) = self.candidates.send(now) else { return };
        let found = &candidate.block;
        let Some(block) = found.template.block_with(found.roll, &found.header) else { return };
        let block = encode_hex(&block);
        let params = match &found.template.work_id {
            Some(id) => json!([block, { "workid": id }]),
            None => json!([block]),
        };
        self.call(Kind::Submit, "submitblock", &params, out);
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
        let words = match rpc::answer(body) {
            Ok(Answer::Done(None)) => None,
            Ok(Answer::Done(Some(result))) => {
                Some(text(result).map_or_else(|| clean(result.get()), |words| clean(&words)))
            }
            Ok(Answer::Busy(_)) => {
                self.candidates.retry(now);
                return Ok(());
            }
            Ok(Answer::Refused(error)) => {
                self.template_at = Some(now);
                self.reject(now, Reject::Other, error.text, out);
                return Ok(());
            }
            Err(fault) => {
                self.candidates.retry(now);
                return Err(fault);
            }
        };
        let reason = words.as_deref().map(|words| words.strip_prefix("rejected: ").unwrap_or(words));
        self.template_at = Some(now);
        match reason {
            // The node also takes a block that came second, and keeps it aside; and it knows one whose answer was lost.
            None | Some("duplicate" | "inconclusive" | "duplicate-inconclusive") => {
                self.words = reason.map(str::to_owned);
                self.check(out);
            }
            Some(reason) => self.reject(now, kind(reason), reason.to_owned(), out),
        }
        Ok(())
    }

    pub(super) fn checked(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let (answered, standing) = match reply {
            Reply::Body(body) => match rpc::answer(body) {
                Ok(Answer::Done(Some(result))) => (true, display_hash(result)),
                Ok(Answer::Done(None) | Answer::Refused(_)) => (true, None),
                Ok(Answer::Busy(_)) | Err(_) => (false, None),
            },
            _ => (false, None),
        };
        let words = self.words.take();
        let Some(candidate) = self.candidates.check() else { return Ok(()) };
        let (height, parent) = (candidate.block.template.height, *candidate.block.template.parent());
        match standing {
            Some(standing) if standing == sha256d(&candidate.block.header) => {
                if let Some(candidate) = self.candidates.settle(now) {
                    out.event(Event::Verdict(candidate.id, Verdict::Accepted));
                }
                self.not_shown = 0;
                self.finish(&parent, out);
            }
            Some(_) => {
                let words = words.map_or(String::new(), |words| format!(" ({words})"));
                let text = format!("another block stands at height {height}{words}");
                self.reject(now, Reject::Stale, text, out);
                self.finish(&parent, out);
            }
            None if answered && self.not_shown >= MAX_NOT_SHOWN => {
                let words = words.unwrap_or_else(|| "accepted".into());
                let text = format!("the node says \"{words}\", but shows no block at height {height}");
                self.reject(now, Reject::Other, text, out);
            }
            // It is sent again; a node that has it says so, and is asked again where it stands.
            None => {
                self.not_shown += u32::from(answered);
                self.candidates.retry(now);
            }
        }
        Ok(())
    }

    /// Asks which block stands at the height of the one that was sent.
    fn check(&mut self, out: &mut Outbox) {
        let Some(candidate) = self.candidates.check() else { return };
        let template = &candidate.block.template;
        let (height, parent) = (template.height, *template.parent());
        // What is asked from now on knows of the block.
        self.solved = Some((parent, self.last_tag));
        self.call(Kind::Check, "getblockhash", &json!([height]), out);
    }

    fn reject(&mut self, now: Instant, kind: Reject, text: String, out: &mut Outbox) {
        self.not_shown = 0;
        if let Some(candidate) = self.candidates.settle(now) {
            out.event(Event::Verdict(candidate.id, Verdict::Rejected { kind, text }));
        }
    }

    /// There is a block on this parent, so no other hit on it is worth sending.
    fn finish(&mut self, parent: &[u8; 32], out: &mut Outbox) {
        if self.templates.back().is_some_and(|(_, newest)| newest.parent() == parent) {
            self.templates.clear();
        }
        for sibling in self.candidates.drop_siblings(|found| found.template.parent() == parent) {
            out.event(Event::Verdict(sibling.id, Verdict::NotSent(NotSent::Stale)));
        }
    }
}

/// The class of a node's reason.
fn kind(reason: &str) -> Reject {
    match reason {
        "bad-prevblk" | "prev-blk-not-found" | "stale-prevblk" | "inconclusive-not-best-prevblk" => {
            Reject::Stale
        }
        "high-hash" => Reject::LowDifficulty,
        "duplicate-invalid" => Reject::Duplicate,
        _ => Reject::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_their_class() {
        for (reason, class) in [
            ("high-hash", Reject::LowDifficulty),
            ("bad-prevblk", Reject::Stale),
            ("prev-blk-not-found", Reject::Stale),
            ("inconclusive-not-best-prevblk", Reject::Stale),
            ("duplicate-invalid", Reject::Duplicate),
            ("bad-txnmrklroot", Reject::Other),
            ("bad-cb-amount", Reject::Other),
            ("bad-diffbits", Reject::Other),
            ("time-too-new", Reject::Other),
            ("time-too-old", Reject::Other),
            ("unexpected-witness", Reject::Other),
            ("bad-witness-merkle-match", Reject::Other),
        ] {
            assert_eq!(kind(reason), class, "{reason}");
        }
    }
}
