//! Following the chain: which it is, its newest block, and the templates to mine on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Target, Template, decode_hex_array};
use serde_json::json;
use serde_json::value::RawValue;

use super::rpc::{self, Answer, Reply};
use super::template::{BlockTemplate, Fault};
use super::{Gbt, Kind, LOOK_OFTEN, MAX_FAILURES, Proposal, RING, template_request};
use crate::dialect::{CloseReason, Event, NewJob, Outbox, ProtocolError};
use crate::envelope::{Fields, PeerError, text};
use crate::job::Supersede;

/// Longest pause after templates that failed, and after long polls that did.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_POLL_PAUSE: Duration = Duration::from_secs(60);
/// A node that always has something new at once is not asked more often.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// What an answer to `getblocktemplate` gave.
enum Taken {
    Template,
    Nothing,
}

impl Gbt {
    pub(super) fn chain_came(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let body = match reply {
            Reply::Body(body) => body,
            Reply::Garbage(fault) => {
                self.chain_at = Some(now + self.pause());
                return Err(fault);
            }
            reply => {
                self.chain_at = Some(now + self.pause());
                self.unreachable(&reply, out);
                return Ok(());
            }
        };
        match rpc::answer(body)? {
            Answer::Busy(words) => {
                self.log_in(out);
                self.nothing_to_mine(words, out);
                self.chain_at = Some(now + self.pause());
                return Ok(());
            }
            Answer::Done(Some(result)) => {
                let chain = Fields::read(result).and_then(|fields| fields.text("chain"));
                if let Some(why) = chain.and_then(|chain| self.config.payout.wrong_chain(&chain)) {
                    out.close(CloseReason::LoginRefused(why));
                    return Ok(());
                }
            }
            // Not every node can say, and the templates tell whether there is anything to mine.
            Answer::Done(None) | Answer::Refused(_) => {}
        }
        self.without_template = 0;
        self.template_at = Some(now);
        self.look_at = Some(now + LOOK_OFTEN);
        Ok(())
    }

    pub(super) fn look_came(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let body = match reply {
            Reply::Body(body) => body,
            Reply::Garbage(fault) => return Err(fault),
            reply => {
                self.failures = self.failures.saturating_add(1);
                self.look_at = Some(now + LOOK_OFTEN);
                self.unreachable(&reply, out);
                return Ok(());
            }
        };
        self.failures = 0;
        // A node that is busy says so to the next template, too.
        let Answer::Done(Some(result)) = rpc::answer(body)? else { return Ok(()) };
        let tip = display_hash(result).ok_or_else(|| fault("getbestblockhash", "result", "is no hash"))?;
        let moved = self.tip.replace(tip) != Some(tip);
        let current = self.templates.back().map(|(_, template)| *template.parent());
        // While the node refuses templates, their own pauses count, once it has refused one on this block.
        if current != Some(tip) && (moved || self.without_template == 0) {
            self.template_at = Some(now);
        }
        Ok(())
    }

    pub(super) fn template_came(
        &mut self,
        now: Instant,
        tag: u64,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let result = match reply {
            Reply::Body(body) => self.take_template(now, tag, body, out),
            Reply::Garbage(fault) => Err(fault),
            reply if self.heard => {
                self.nothing_to_mine(rpc::describe(&reply), out);
                Ok(Taken::Nothing)
            }
            reply => {
                self.unreachable(&reply, out);
                Ok(Taken::Nothing)
            }
        };
        if let Ok(Taken::Template) = result {
            // A proposal that waits for its answer may still come to nothing.
            if matches!(self.proposal, Proposal::Settled) {
                self.without_template = 0;
            }
        } else {
            self.template_at = Some(now + self.pause());
        }
        result.map(drop)
    }

    pub(super) fn long_poll_came(
        &mut self,
        now: Instant,
        tag: u64,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let result = match reply {
            Reply::Body(body) => self.take_template(now, tag, body, out),
            Reply::Garbage(fault) => Err(fault),
            Reply::Forbidden => {
                self.long_poll.is_off = true;
                self.long_poll.at = None;
                let text = "the node allows no long poll; it is asked for its newest block every second";
                out.event(Event::Notice(text.into()));
                return Ok(());
            }
            _ => Ok(Taken::Nothing),
        };
        if let Ok(Taken::Template) = result {
            self.long_poll.failures = 0;
            // It may already be due for what came with this answer.
            self.long_poll.at = self.long_poll.at.or(Some(now));
        } else {
            let pause = Duration::from_secs(1 << self.long_poll.failures.min(6)).min(LONGEST_POLL_PAUSE);
            self.long_poll.failures = self.long_poll.failures.saturating_add(1);
            self.long_poll.at = Some(now + pause);
            // Nothing tells of new blocks meanwhile.
            self.look_at = self.look_at.map(|at| at.min(now + LOOK_OFTEN));
        }
        result.map(drop)
    }

    pub(super) fn send_long_poll(&mut self, now: Instant, out: &mut Outbox) {
        self.long_poll.at = None;
        let newest = self.templates.back().and_then(|(_, template)| template.long_poll_id.clone());
        if let Some(id) = newest.filter(|_| !self.long_poll.is_off) {
            // Earliest time of the next one.
            self.long_poll.at = Some(now + POLL_EVERY);
            let mut request = template_request();
            request["longpollid"] = json!(id);
            self.call(Kind::LongPoll, "getblocktemplate", &json!([request]), out);
        }
    }

    fn take_template(
        &mut self,
        now: Instant,
        tag: u64,
        body: &RawValue,
        out: &mut Outbox,
    ) -> Result<Taken, ProtocolError> {
        let result = match rpc::answer(body)? {
            Answer::Done(Some(result)) => result,
            Answer::Done(None) => return Err(fault("getblocktemplate", "result", "is absent")),
            Answer::Busy(words) => {
                self.log_in(out);
                self.nothing_to_mine(words, out);
                return Ok(Taken::Nothing);
            }
            Answer::Refused(error) => return template_refused(&error, out),
        };
        self.log_in(out);
        match BlockTemplate::read(result, &self.config) {
            Ok(template) => {
                let known = |(parent, last): &([u8; 32], u64)| template.parent() == parent && tag <= *last;
                // It was on its way when our own block took its place.
                if !self.solved.as_ref().is_some_and(known) {
                    self.propose_or_publish(now, template, out);
                }
                Ok(Taken::Template)
            }
            Err(Fault::Broken(fault)) => Err(fault),
            Err(Fault::NotForUs(why)) => {
                out.close(CloseReason::Algorithm(why));
                Ok(Taken::Nothing)
            }
        }
    }

    /// Makes a job of a new template.
    pub(super) fn publish(&mut self, now: Instant, template: Arc<BlockTemplate>, out: &mut Outbox) {
        self.tip = Some(*template.parent());
        let waited = std::mem::take(&mut self.told_waiting) || self.held;
        let newest = self.templates.back().map(|(_, template)| template);
        if !waited && newest.is_some_and(|newest| newest.header == template.header) {
            return;
        }
        let same_parent = newest.is_some_and(|newest| newest.parent() == template.parent());
        if !same_parent {
            self.templates.clear();
        }
        if self.templates.len() == RING {
            self.templates.pop_front();
        }
        // A node judges a block by itself, whatever it thinks of older templates; a server that knows them by number
        // may not.
        let keeps_old = same_parent && (template.takes_old || template.work_id.is_none());
        self.tell_job(&template, if keeps_old { Supersede::Prefer } else { Supersede::Discard }, out);
        self.templates.push_back((self.last_seq, template));
        if self.long_poll.at.is_none() && !self.long_poll.is_off {
            self.long_poll.at = Some(now);
        }
    }

    /// A block on the newest template is on its way, so no other is wanted: where every second hash solves one, miners
    /// would drown in them.
    pub(super) fn hold(&mut self, out: &mut Outbox) {
        if let Some((_, newest)) = self.templates.back().filter(|_| !self.held) {
            let newest = Arc::clone(newest);
            self.tell_job(&newest, Supersede::Prefer, out);
        }
    }

    fn tell_job(&mut self, template: &BlockTemplate, supersede: Supersede, out: &mut Outbox) {
        self.held = self.candidates.any(|found| found.template.parent() == template.parent());
        let target = if self.held { Target::HARDEST } else { template.target };
        self.last_seq += 1;
        out.event(Event::Job(NewJob {
            seq: self.last_seq,
            template: Template::Header(Arc::clone(&template.header)),
            target,
            block_target: Some(template.target),
            supersede,
            height: Some(template.height),
            next_seed: None,
            algorithm: self.config.algorithm,
        }));
    }

    /// The peer is there: what it wants as a login was right.
    fn log_in(&mut self, out: &mut Outbox) {
        if !std::mem::replace(&mut self.logged_in, true) {
            out.event(Event::LoggedIn);
        }
    }

    /// Says so, unless the template at hand can still become a block or one is on its way.
    fn nothing_to_mine(&mut self, why: String, out: &mut Outbox) {
        let current = self.templates.back().map(|(_, template)| *template.parent());
        let worthless = current.is_none() || current != self.tip;
        if worthless && self.candidates.is_empty() && !std::mem::replace(&mut self.told_waiting, true) {
            out.event(Event::Waiting(why));
        }
    }

    /// Ends the connection, unless a block waits for the node to come back.
    fn unreachable(&mut self, reply: &Reply<'_>, out: &mut Outbox) {
        if !self.heard {
            out.close(match reply {
                Reply::Status(_) => {
                    let text = format!("{}; is this the RPC port of a Bitcoin node?", rpc::describe(reply));
                    CloseReason::Protocol(text)
                }
                _ => CloseReason::Connect(rpc::describe(reply)),
            });
        } else if self.failures >= MAX_FAILURES && self.candidates.is_empty() {
            out.close(CloseReason::Network(rpc::describe(reply)));
        }
    }

    /// Time before the next try after one that gave no template: longer each time.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = Duration::from_secs(1 << self.without_template.min(5)).min(LONGEST_PAUSE);
        self.without_template = self.without_template.saturating_add(1);
        pause
    }
}

fn template_refused(error: &PeerError, out: &mut Outbox) -> Result<Taken, ProtocolError> {
    let words = &error.text;
    match error.code {
        // A rule that we did not say we know.
        Some(rpc::INVALID_PARAMETER) => {
            out.close(CloseReason::Algorithm(format!("the node gives us no template: \"{words}\"")));
            Ok(Taken::Nothing)
        }
        Some(rpc::NO_SUCH_METHOD) => {
            let text = format!("\"{words}\"; is this the RPC port of a Bitcoin node that can mine?");
            out.close(CloseReason::Protocol(text));
            Ok(Taken::Nothing)
        }
        _ => Err(ProtocolError::Unexpected(format!("refusal of getblocktemplate: \"{words}\""))),
    }
}

/// A block's hash as nodes write it, in the order in which it is hashed.
pub(super) fn display_hash(raw: &RawValue) -> Option<[u8; 32]> {
    let mut hash: [u8; 32] = decode_hex_array(&text(raw)?).ok()?;
    hash.reverse();
    Some(hash)
}

fn fault(message: &'static str, field: &'static str, fault: impl ToString) -> ProtocolError {
    ProtocolError::Field { message, field, fault: fault.to_string() }
}
