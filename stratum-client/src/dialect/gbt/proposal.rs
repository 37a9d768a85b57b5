//! Asking the node, once, whether it would take our blocks (BIP 23): everything but the proof of work is checked.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::encode_hex;
use serde_json::json;

use super::rpc::{self, Answer, Reply};
use super::template::BlockTemplate;
use super::{Gbt, Kind, Proposal};
use crate::dialect::{CloseReason, Event, Outbox, ProtocolError};
use crate::envelope::text;
use crate::text::clean;

/// The chain went on while we asked.
const NOT_BEST_PARENT: &str = "inconclusive-not-best-prevblk";

impl Gbt {
    pub(super) fn propose_or_publish(&mut self, now: Instant, template: BlockTemplate, out: &mut Outbox) {
        let template = Arc::new(template);
        match &self.proposal {
            Proposal::Settled => return self.publish(now, template, out),
            Proposal::Asked(_) => {
                self.proposal = Proposal::Asked(template);
                return;
            }
            Proposal::Open => {}
        }
        let block = template
            .header_with(0, 0)
            .filter(|_| template.can_propose)
            .and_then(|header| template.block_with(0, &header));
        let Some(block) = block else {
            self.skip(
                "the node cannot check a block before it is found; mistakes in it would show only then",
                out,
            );
            return self.publish(now, template, out);
        };
        let mut request = json!({ "mode": "proposal", "data": encode_hex(&block), "rules": ["segwit"] });
        if let Some(id) = &template.work_id {
            request["workid"] = json!(id);
        }
        self.proposal = Proposal::Asked(template);
        self.call(Kind::Proposal, "getblocktemplate", &json!([request]), out);
    }

    pub(super) fn proposal_answered(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let Proposal::Asked(template) = std::mem::replace(&mut self.proposal, Proposal::Open) else {
            return Ok(());
        };
        let body = match reply {
            Reply::Body(body) => body,
            Reply::Garbage(fault) => {
                self.template_at = Some(now + self.pause());
                return Err(fault);
            }
            // Asked again with the next template.
            _ => {
                self.template_at = Some(now + self.pause());
                return Ok(());
            }
        };
        match rpc::answer(body)? {
            Answer::Done(None) => {
                self.proposal = Proposal::Settled;
                self.without_template = 0;
                self.publish(now, template, out);
            }
            Answer::Done(Some(result)) => {
                let words = text(result).map_or_else(|| clean(result.get()), |words| clean(&words));
                let reason = words.strip_prefix("rejected: ").unwrap_or(&words);
                if reason == NOT_BEST_PARENT {
                    self.template_at = Some(now + self.pause());
                } else {
                    out.close(CloseReason::Algorithm(format!(
                        "the node would refuse the blocks that rminer makes on its chain: \"{reason}\""
                    )));
                }
            }
            Answer::Busy(_) => self.template_at = Some(now + self.pause()),
            Answer::Refused(error)
                if matches!(error.code, Some(rpc::INVALID_PARAMETER | rpc::NO_SUCH_METHOD)) =>
            {
                self.skip(&format!("the node checks no block before it is found: \"{}\"", error.text), out);
                self.publish(now, template, out);
            }
            Answer::Refused(error) => {
                out.close(CloseReason::Algorithm(format!(
                    "the node cannot read the blocks that rminer makes: \"{}\"",
                    error.text
                )));
            }
        }
        Ok(())
    }

    fn skip(&mut self, why: &str, out: &mut Outbox) {
        self.proposal = Proposal::Settled;
        out.event(Event::Notice(why.to_owned()));
    }
}
