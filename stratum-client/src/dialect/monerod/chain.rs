//! Following the chain: its height, and the templates to mine on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Template, Variant};

use super::rpc::{self, Answer, Reply};
use super::template::BlockTemplate;
use super::{MAX_FAILURES, Monerod, REFRESH, RING, V2_MAJOR};
use crate::dialect::{CloseReason, Event, NewJob, Outbox, ProtocolError};
use crate::envelope::PeerError;
use crate::job::Supersede;
use crate::text::clean;

/// What an answer to `get_block_template` gave.
enum Taken {
    Template,
    Nothing,
}

impl Monerod {
    pub(super) fn height_came(
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
                self.unreachable(&reply, out);
                return Ok(());
            }
        };
        self.failures = 0;
        let (height, hash) = rpc::height(body)?;
        self.tip = Some((height, hash));
        let current = self.templates.back().map(|(_, template)| (template.height, template.parent));
        // While the node refuses templates, their own pauses count.
        if current.is_some_and(|current| current != (height, hash)) && self.without_template == 0 {
            self.template_at = Some(now);
        }
        Ok(())
    }

    pub(super) fn template_came(
        &mut self,
        now: Instant,
        reply: Reply<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let result = self.take_template(reply, out);
        if let Ok(Taken::Template) = result {
            self.without_template = 0;
        } else {
            let pause = Duration::from_secs(1 << self.without_template.min(4)).min(REFRESH);
            self.without_template = self.without_template.saturating_add(1);
            self.template_at = Some(now + pause);
        }
        result.map(drop)
    }

    fn take_template(&mut self, reply: Reply<'_>, out: &mut Outbox) -> Result<Taken, ProtocolError> {
        let body = match reply {
            Reply::Body(body) => body,
            Reply::Garbage(fault) => return Err(fault),
            reply if self.heard => {
                self.nothing_to_mine(rpc::describe(&reply), out);
                return Ok(Taken::Nothing);
            }
            reply => {
                self.unreachable(&reply, out);
                return Ok(Taken::Nothing);
            }
        };
        match rpc::answer(body)? {
            Answer::Done(result) => {
                let template = BlockTemplate::read(&result, &self.config)?;
                self.log_in(out);
                self.publish(template, out);
                Ok(Taken::Template)
            }
            Answer::Busy(text) => {
                self.log_in(out);
                self.nothing_to_mine(text, out);
                Ok(Taken::Nothing)
            }
            Answer::Refused(error) => self.template_refused(&error, out),
        }
    }

    /// Makes a job of a new template.
    pub(super) fn publish(&mut self, template: BlockTemplate, out: &mut Outbox) {
        self.tip = Some((template.height, template.parent));
        let waited = std::mem::take(&mut self.told_waiting);
        let newest = self.templates.back().map(|(_, template)| template);
        if !waited && newest.is_some_and(|newest| **newest == template) {
            return;
        }
        if template.major >= V2_MAJOR && template.algorithm.variant == Variant::V1 && !self.told_version {
            self.told_version = true;
            out.event(Event::Notice(format!(
                "the node's blocks have version {}, which may stand for RandomX version 2; they are hashed with \
                 version 1 until randomx_v2_by_block_version says otherwise",
                template.major
            )));
        }
        let same_parent = newest.is_some_and(|newest| newest.parent == template.parent);
        if !same_parent {
            self.templates.clear();
        }
        if self.templates.len() == RING {
            self.templates.pop_front();
        }
        self.last_seq += 1;
        out.event(Event::Job(NewJob {
            seq: self.last_seq,
            template: Template::Fixed(Arc::clone(&template.work)),
            target: template.target,
            block_target: Some(template.target),
            // A block on the same parent counts in full, whichever template it came from.
            supersede: if same_parent { Supersede::Prefer } else { Supersede::Discard },
            height: Some(template.height),
            next_seed: template.next_seed,
            algorithm: template.algorithm,
        }));
        self.templates.push_back((self.last_seq, Arc::new(template)));
    }

    fn template_refused(&mut self, error: &PeerError, out: &mut Outbox) -> Result<Taken, ProtocolError> {
        let text = &error.text;
        match error.code {
            Some(rpc::WRONG_WALLET | rpc::NO_SUBADDRESS) => {
                let wallet = clean(&self.config.wallet);
                out.close(CloseReason::LoginRefused(format!(
                    "{text} ({wallet}); solo mining takes a primary address, 4…, of the node's own network"
                )));
                Ok(Taken::Nothing)
            }
            Some(rpc::NO_SUCH_METHOD) => {
                out.close(CloseReason::Protocol(format!("{text}; is this the RPC port of monerod?")));
                Ok(Taken::Nothing)
            }
            _ => Err(ProtocolError::Unexpected(format!("refusal of get_block_template: {text}"))),
        }
    }

    /// The peer is there: what it wants as a login was right.
    fn log_in(&mut self, out: &mut Outbox) {
        if !std::mem::replace(&mut self.logged_in, true) {
            out.event(Event::LoggedIn);
        }
    }

    /// Says so, unless the template at hand can still become a block or one is on its way.
    fn nothing_to_mine(&mut self, why: String, out: &mut Outbox) {
        let current = self.templates.back().map(|(_, template)| (template.height, template.parent));
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
                    let text = format!("{}; is this the RPC port of monerod?", rpc::describe(reply));
                    CloseReason::Protocol(text)
                }
                _ => CloseReason::Connect(rpc::describe(reply)),
            });
        } else if self.failures >= MAX_FAILURES && self.candidates.is_empty() {
            out.close(CloseReason::Network(rpc::describe(reply)));
        }
    }
}
