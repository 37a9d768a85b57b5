//! Kaspa's stratum: the positional messages of Bitcoin's, with a hash and a time in place of a coinbase.
//!
//! Nobody has ratified it, so every spelling that is in use is taken: two encodings of a job, an extranonce in the
//! answer to the subscription, in a message of either name or nowhere, requests that are never answered, and
//! notifications whose ids are those of our own requests.
//!
//! Jobs come up to ten times a second. A new one is better than the one before and does not make it worthless: the
//! chain takes blocks beside each other, so hits on recent jobs are sent as long as their job is in the ring.

mod extranonce;
mod fuzz;
mod handshake;
mod jobs;
mod notify;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Target};
use secrecy::SecretString;

use super::reply::{self, Reaction};
use super::wire::{MAX_SHOWN, Pace, Requests, difficulty_1, json, redirect, shown};
use super::{CloseReason, Dialect, Event, Limits, Outbox, ProtocolError};
use crate::envelope::{Envelope, parse_line};
use crate::job::Share;
use crate::ledger::{NotSent, Reject, ShareId, Verdict};
use crate::text::clean_bytes;

use extranonce::Prefix;
#[doc(hidden)]
pub use fuzz::fuzz_kaspa;
use handshake::Handshake;
use notify::Notify;

/// Jobs that shares are still sent for: three seconds of them at ten a second. Servers keep 8 to 300.
const JOB_RING: usize = 32;
/// Of so many shares in a row, at most 50…
const WINDOW: u32 = 50;
/// … so many may be without an answer. Servers leave those unanswered that they cannot make sense of.
const MAX_UNANSWERED: u32 = 10;
/// The code of a server that gave us another extranonce than the share has.
const INVALID_EXTRANONCE_CODE: i64 = 30;

const LIMITS: Limits = Limits {
    line_cap_bytes: 64 * 1024,
    // There is a job every second at least.
    idle: Duration::from_secs(15),
    login: Duration::from_secs(15),
    first_job: Duration::from_secs(15),
    first_job_waiting: Duration::from_secs(30),
    share_reply: Duration::from_secs(10),
    job_ring: JOB_RING,
};

/// What to say to a pool.
#[derive(Debug, Clone)]
pub struct KaspaConfig {
    /// Address or account, with the name of the rig where there is one.
    pub user: String,
    /// Password; mostly `x`.
    pub pass: SecretString,
    /// Name and version of this program. Bridges look for the names of some ASICs in it and then speak otherwise.
    pub agent: String,
    /// The proof of work that is mined.
    pub algorithm: &'static Algorithm,
    /// How many times longer than usual the answer to the login may take: 1, or more behind a proxy.
    pub patience: u32,
}

/// The client's side of one connection.
pub struct Kaspa {
    config: KaspaConfig,
    requests: Requests<Pending>,
    handshake: Handshake,
    /// The pool's part of the nonce.
    prefix: Prefix,
    /// What the pool sent last, whether it was given out yet or not.
    newest: Option<Notify>,
    /// When that came; none once it no longer says which jobs are older.
    newest_came: Option<Instant>,
    /// Target of the newest job.
    target: Target,
    /// Target of the next job, and the least that a share has to meet from now on.
    next_target: Target,
    /// When the newest job gets the next one's target.
    tighten_at: Option<Instant>,
    jobs: VecDeque<WireJob>,
    last_seq: u64,
    /// One bit for each of the last shares, the newest lowest: whether it had no answer.
    unanswered: u64,
    shown: Pace<MAX_SHOWN>,
    warned: Warned,
}

#[derive(Debug)]
enum Pending {
    Subscribe { plain: bool },
    Authorize,
    Share(ShareId),
}

/// What was said once and need not be said again.
#[derive(Debug, Default)]
struct Warned {
    difficulty: bool,
    small_space: bool,
}

/// The pool's own words for a job.
struct WireJob {
    seq: u64,
    /// Job id as JSON text: number or string, exactly as it came.
    id: Box<str>,
    /// What the pool means by it.
    content: [u8; notify::CONTENT_BYTES],
}

impl Kaspa {
    /// A dialect for one new connection.
    pub fn new(config: KaspaConfig) -> Self {
        Self {
            config,
            requests: Requests::default(),
            handshake: Handshake::default(),
            prefix: Prefix::default(),
            newest: None,
            newest_came: None,
            target: difficulty_1(),
            next_target: difficulty_1(),
            tighten_at: None,
            jobs: VecDeque::new(),
            last_seq: 0,
            unanswered: 0,
            shown: Pace::default(),
            warned: Warned::default(),
        }
    }

    fn message(
        &mut self,
        now: Instant,
        message: &Envelope<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let Some(method) = message.method.as_deref() else {
            self.reply(now, message, out);
            return Ok(());
        };
        // Whatever id a message with a method has, it is neither an answer to us nor a question. One service answers
        // the subscription in this way; nothing waits for that answer.
        let params = message.params;
        match method.strip_prefix("mining.").unwrap_or(method) {
            "notify" => self.notify(now, params, out),
            "set_difficulty" => {
                self.set_difficulty(now, params, out);
                Ok(())
            }
            "set_extranonce" => self.set_extranonce(params, out),
            "client.reconnect" => {
                out.event(Event::Redirect(redirect(params)));
                Ok(())
            }
            "client.show_message" => {
                if self.shown.takes(now) {
                    out.event(Event::Notice(shown(params)));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn reply(&mut self, now: Instant, reply: &Envelope<'_>, out: &mut Outbox) {
        // Replies to numbers that were never sent, or twice, change nothing.
        match self.requests.answered(reply.id) {
            None => {}
            Some(Pending::Subscribe { plain }) => self.subscribed(now, plain, reply, out),
            Some(Pending::Authorize) => self.authorized(reply, out),
            Some(Pending::Share(id)) => self.share_answered(now, id, reply, out),
        }
    }

    fn share_answered(&mut self, now: Instant, id: ShareId, reply: &Envelope<'_>, out: &mut Outbox) {
        self.count_answer(true);
        let verdict = reply::verdict(reply);
        let (kind, text) = match &verdict {
            Verdict::Rejected { kind, text } => (Some(*kind), text.clone()),
            _ => (None, String::new()),
        };
        out.event(Event::Verdict(id, verdict));
        match reaction(reply, kind, &text) {
            Reaction::Banned => out.close(CloseReason::Banned(text)),
            Reaction::Reconnect => out.close(CloseReason::SessionExpired),
            Reaction::Authorize if self.handshake.authorized_again => {
                out.close(CloseReason::LoginRefused(text));
            }
            Reaction::Authorize => {
                self.handshake.authorized_again = true;
                self.authorize(now, out);
            }
            // There is nowhere to move on to: the whole nonce is counted through already.
            Reaction::MoveOn | Reaction::None => {}
        }
    }

    fn count_answer(&mut self, came: bool) {
        self.unanswered = (self.unanswered << 1 | u64::from(!came)) & ((1 << WINDOW) - 1);
    }
}

impl Dialect for Kaspa {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.subscribe(now, false, out);
        self.authorize(now, out);
    }

    fn line(&mut self, now: Instant, line: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        let line = String::from_utf8_lossy(line);
        for message in parse_line(&line) {
            let mut message = message
                .map_err(|_| ProtocolError::NotJson(clean_bytes(&line.as_bytes()[..line.len().min(40)])))?;
            // Some servers write their nothing as a text.
            message.result = message.result.filter(|result| result.get() != "\"null\"");
            message.error = message.error.filter(|error| error.code.is_some() || error.text != "null");
            self.message(now, &message, out)?;
        }
        Ok(())
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        // A server compares with the difficulty of now, whichever job it is for.
        let good = self.next_target.is_met_by(&share.hash);
        let wire = self.jobs.iter().rev().find(|wire| good && wire.seq == share.job.key.seq);
        let Some(job_id) = wire.map(|wire| wire.id.clone()) else {
            // The session asks only for jobs of its ring, which is this one, but does not know of a raised
            // difficulty; a verdict is owed all the same.
            out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Stale)));
            return;
        };
        let request = self.requests.ask(now, Pending::Share(id));
        // All sixteen digits, the pool's own included: servers disagree about what to put before fewer. And no fourth
        // parameter: some look for the nonce behind it.
        out.line(format!(
            "{{\"id\":{request},\"method\":\"mining.submit\",\"params\":[{},{job_id},\"{:016x}\"]}}",
            json(&self.config.user),
            share.nonce,
        ));
    }

    fn timed_out(&mut self, _id: ShareId, out: &mut Outbox) {
        self.count_answer(false);
        if self.unanswered.count_ones() > MAX_UNANSWERED {
            out.close(CloseReason::SharesUnanswered { shares: self.unanswered.count_ones(), of: WINDOW });
        }
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.requests.forget_old(now);
        self.handshake_tick(now, out);
        if self.tighten_at.is_some_and(|at| at <= now) {
            self.tighten(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.handshake_deadline(), self.tighten_at].into_iter().flatten().min()
    }
}

/// What an answer to a share demands. `kind` and `text` are those of its verdict.
fn reaction(reply: &Envelope<'_>, kind: Option<Reject>, text: &str) -> Reaction {
    let code = reply.error.as_ref().and_then(|error| error.code);
    let another_extranonce = code == Some(INVALID_EXTRANONCE_CODE)
        || reply::says(text, &["invalid extranonce", "nonce out of range"]);
    match reply::reaction(reply, kind) {
        // A new session is given the extranonce again.
        Reaction::None if kind.is_some() && another_extranonce => Reaction::Reconnect,
        reaction => reaction,
    }
}

#[cfg(test)]
mod tests;
