//! Monero stratum: `login`, `job`, `submit`, `keepalived`, in JSON lines with object parameters.

mod fuzz;
mod job;
mod reply;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Variant, encode_hex};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;

use super::wire::{Requests, field, json, redirect, shown, token};
use super::{CloseReason, Dialect, Event, Limits, Outbox, ProtocolError, Provocation};
use crate::bugs::{Bug, Bugs};
use crate::envelope::{Envelope, Fields, PeerError, items, parse_line, text};
use crate::job::Share;
use crate::ledger::{ShareId, Verdict};
use crate::text::clean_bytes;
#[doc(hidden)]
pub use fuzz::fuzz_monero;
use job::JobContent;
use reply::Refusal;

/// Silence after which a keepalive is sent.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// Between two logins where the pool has no template yet.
const LOGIN_AGAIN: Duration = Duration::from_secs(10);
/// Jobs that shares are still sent for; pools keep about four.
const JOB_RING: usize = 8;

const LIMITS: Limits = Limits {
    line_cap_bytes: 64 * 1024,
    idle: Duration::from_secs(90),
    login: Duration::from_secs(15),
    first_job: Duration::from_secs(15),
    first_job_waiting: Duration::from_secs(30),
    share_reply: Duration::from_secs(20),
    job_ring: JOB_RING,
};
/// Silence that is borne where keepalives cannot be used; the operating system's keepalive finds dead peers.
const IDLE_WITHOUT_KEEPALIVE: Duration = Duration::from_secs(600);

/// What to say to a pool.
#[derive(Debug, Clone)]
pub struct MoneroConfig {
    /// Wallet or account, with whatever suffix the pool reads.
    pub login: String,
    /// Password; mostly `x`.
    pub pass: SecretString,
    /// Name of this rig.
    pub rig_id: Option<String>,
    /// Name and version of this program.
    pub agent: String,
    /// The proof of work that is mined where a job does not say which.
    pub algorithm: &'static Algorithm,
    /// Others that the same devices can mine: jobs may ask for them.
    pub also: Vec<&'static Algorithm>,
    /// Whether the top nonce byte is the pool's whatever the pool says; `Some(false)` trusts no sign of it.
    pub nicehash: Option<bool>,
    /// Whether keepalives may be sent.
    pub keepalive: bool,
}

/// The client's side of one connection.
pub struct Monero {
    config: MoneroConfig,
    state: State,
    /// The pool's token for this session, as JSON text.
    session: Option<Box<str>>,
    /// Whether the pool announced its part of the nonce.
    nicehash: bool,
    requests: Requests<Pending>,
    /// Newest job that came before the login was taken: it can be mined, but not yet sent for.
    early_job: Option<Box<RawValue>>,
    jobs: VecDeque<WireJob>,
    last_seq: u64,
    keepalive: bool,
    heard: Option<Instant>,
    keepalive_sent: Option<Instant>,
    login_again: Option<Instant>,
    stale_in_row: u32,
    bugs: Bugs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    LoggingIn,
    LoggedIn,
}

#[derive(Debug)]
enum Pending {
    Login,
    Keepalive,
    Share { id: ShareId, seq: u64 },
}

/// The pool's own words for a job.
struct WireJob {
    seq: u64,
    /// Job id as JSON text: number or string, exactly as it came.
    id: Box<str>,
    content: JobContent,
}

impl Monero {
    /// A dialect for one new connection.
    pub fn new(config: MoneroConfig) -> Self {
        let keepalive = config.keepalive;
        Self {
            config,
            state: State::New,
            session: None,
            nicehash: false,
            requests: Requests::default(),
            early_job: None,
            jobs: VecDeque::new(),
            last_seq: 0,
            keepalive,
            heard: None,
            keepalive_sent: None,
            login_again: None,
            stale_in_row: 0,
            bugs: Bugs::default(),
        }
    }

    /// The same with a deliberate mistake.
    #[doc(hidden)]
    pub fn seeded(mut self, bugs: Bugs) -> Self {
        self.bugs = bugs;
        if bugs.has(Bug::NiceHashIgnored) {
            self.config.nicehash = Some(false);
        }
        self
    }

    fn login(&mut self, now: Instant, out: &mut Outbox) {
        self.state = State::LoggingIn;
        let id = self.requests.ask(now, Pending::Login);
        let known = [self.config.algorithm].into_iter().chain(self.config.also.iter().copied());
        let offered: Vec<String> = known.map(|known| json(known.wire_name())).collect();
        let offered = offered.join(",");
        let rig = self.config.rig_id.as_deref().map(|rig| format!(",\"rigid\":{}", json(rig)));
        out.line(format!(
            "{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{{\"login\":{},\"pass\":{},\"agent\":{}{},\"algo\":[{}]}}}}",
            json(&self.config.login),
            json(self.config.pass.expose_secret()),
            json(&self.config.agent),
            rig.unwrap_or_default(),
            offered,
        ));
    }

    fn message(
        &mut self,
        now: Instant,
        message: &Envelope<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        self.heard = Some(now);
        // Some pools never answer a keepalive; anything that they say shows that they live.
        self.keepalive_sent = None;
        match message.method.as_deref() {
            Some("job") => {
                let params = message.params.ok_or_else(|| field("job", "params", "is missing"))?;
                if self.state != State::LoggedIn {
                    self.early_job = Some(params.to_owned());
                    return Ok(());
                }
                self.job(params, out)
            }
            Some("client.reconnect") => {
                out.event(Event::Redirect(redirect(message.params)));
                Ok(())
            }
            Some("client.show_message") => {
                out.event(Event::Notice(shown(message.params)));
                Ok(())
            }
            // Unknown notifications and questions: nothing that a miner must answer in this protocol.
            Some(_) => Ok(()),
            None => self.reply(now, message, out),
        }
    }

    fn reply(&mut self, now: Instant, reply: &Envelope<'_>, out: &mut Outbox) -> Result<(), ProtocolError> {
        // Replies to numbers that were never sent, or twice, change nothing.
        let Some(pending) = self.requests.answered(reply.id) else {
            assert!(!self.bugs.has(Bug::UnknownReplyPanics), "a reply to an unknown number");
            return Ok(());
        };
        match pending {
            Pending::Login => match (&reply.error, reply.result) {
                (Some(error), _) => {
                    self.login_refused(now, error, out);
                    Ok(())
                }
                (None, Some(result)) => self.logged_in(result, out),
                (None, None) => Err(field("login", "result", "is missing")),
            },
            Pending::Keepalive => {
                if reply.error.is_some() {
                    self.keepalive = false;
                }
                Ok(())
            }
            Pending::Share { id, seq } => {
                self.share_answered(id, seq, reply, out);
                Ok(())
            }
        }
    }

    fn logged_in(&mut self, result: &RawValue, out: &mut Outbox) -> Result<(), ProtocolError> {
        if self.state == State::LoggedIn {
            return Ok(());
        }
        let fields = Fields::read(result).ok_or_else(|| field("login", "result", "is no object"))?;
        let session = fields.get("id").ok_or_else(|| field("login", "id", "is missing"))?;
        self.session = Some(token(session).ok_or_else(|| field("login", "id", "is no short text"))?);
        self.state = State::LoggedIn;
        self.login_again = None;
        let extensions = fields.get("extensions").and_then(items).unwrap_or_default();
        self.nicehash = extensions.iter().filter_map(|name| text(name)).any(|name| name == "nicehash");
        out.event(Event::LoggedIn);
        let early = self.early_job.take();
        match fields.get("job").or(early.as_deref()) {
            Some(job) => self.job(job, out),
            None => Ok(()),
        }
    }

    fn login_refused(&mut self, now: Instant, error: &PeerError, out: &mut Outbox) {
        match reply::classify_login(&error.text) {
            Refusal::NotReady => {
                self.login_again = Some(now + LOGIN_AGAIN);
                out.event(Event::Waiting(error.text.clone()));
            }
            Refusal::Banned => out.close(CloseReason::Banned(error.text.clone())),
            Refusal::Algorithm => out.close(CloseReason::Algorithm(format!(
                "the pool has no work for {}: \"{}\"",
                self.config.algorithm.name, error.text
            ))),
            Refusal::Login => out.close(CloseReason::LoginRefused(error.text.clone())),
        }
    }

    fn job(&mut self, params: &RawValue, out: &mut Outbox) -> Result<(), ProtocolError> {
        let fields = Fields::read(params).ok_or_else(|| field("job", "params", "is no object"))?;
        let id = fields.get("job_id").ok_or_else(|| field("job", "job_id", "is missing"))?;
        let id = token(id).ok_or_else(|| field("job", "job_id", "is no short text or number"))?;
        let nicehash = self.config.nicehash.or(self.nicehash.then_some(true));
        let content = JobContent::read(&fields, &self.config, nicehash, self.bugs)?;
        if self.jobs.back().is_some_and(|newest| newest.id == id && newest.content == content) {
            return Ok(());
        }
        self.last_seq += 1;
        out.event(Event::Job(content.to_job(self.last_seq)));
        if self.jobs.len() == JOB_RING {
            self.jobs.pop_front();
        }
        self.jobs.push_back(WireJob { seq: self.last_seq, id, content });
        Ok(())
    }

    /// Whether silence is to be met with a keepalive.
    fn keepalive_is_due(&self) -> bool {
        let may = self.keepalive && !self.bugs.has(Bug::NoKeepalive);
        may && self.state == State::LoggedIn && self.keepalive_sent.is_none()
    }

    fn share_answered(&mut self, id: ShareId, seq: u64, reply: &Envelope<'_>, out: &mut Outbox) {
        let verdict = reply::verdict(reply);
        if let Verdict::Rejected { text, .. } = &verdict {
            match reply::reaction(text) {
                reply::Reaction::None => {}
                reply::Reaction::Banned => out.close(CloseReason::Banned(text.clone())),
                reply::Reaction::LoginAgain => out.close(CloseReason::SessionExpired),
            }
        }
        let newest = self.jobs.back().map(|job| job.seq) == Some(seq);
        self.stale_in_row = if newest && reply::is_stale(&verdict) { self.stale_in_row + 1 } else { 0 };
        out.event(Event::Verdict(id, verdict));
        if self.stale_in_row >= 3 {
            out.close(CloseReason::StaleShares);
        }
    }
}

impl Dialect for Monero {
    fn limits(&self) -> Limits {
        Limits { idle: if self.keepalive { LIMITS.idle } else { IDLE_WITHOUT_KEEPALIVE }, ..LIMITS }
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.heard = Some(now);
        self.login(now, out);
    }

    fn line(&mut self, now: Instant, line: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        let line = String::from_utf8_lossy(line);
        for message in parse_line(&line) {
            let message = message
                .map_err(|_| ProtocolError::NotJson(clean_bytes(&line.as_bytes()[..line.len().min(40)])))?;
            self.message(now, &message, out)?;
        }
        Ok(())
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        let wire = self.jobs.iter().find(|wire| wire.seq == share.job.key.seq);
        let work = share.job.template.work(share.roll);
        let (Some(wire), Some(session), Some(work)) = (wire, &self.session, work) else {
            // The session asks only for jobs of its ring, which is this one; a verdict is owed all the same.
            out.event(Event::Verdict(id, Verdict::NotSent(crate::ledger::NotSent::Stale)));
            return;
        };
        let (job_id, session, seq) = (wire.id.clone(), session.clone(), wire.seq);
        let mut more = String::new();
        if work.variant() == Variant::V2 {
            // Against intuition the commitment is the `result`, and the hash that it commits to is the `commitment`.
            more.push_str(&format!(",\"commitment\":\"{}\"", encode_hex(&share.hash.0)));
        }
        if wire.content.algorithm_named {
            more.push_str(&format!(",\"algo\":{}", json(wire.content.algorithm.wire_name())));
        }
        let request = self.requests.ask(now, Pending::Share { id, seq });
        out.line(format!(
            "{{\"id\":{request},\"jsonrpc\":\"2.0\",\"method\":\"submit\",\"params\":{{\"id\":{session},\"job_id\":{job_id},\"nonce\":\"{}\",\"result\":\"{}\"{}}}}}",
            encode_hex(&work.nonce_bytes(share.nonce)),
            encode_hex(&work.proof(share.nonce, &share.hash).0),
            more,
        ));
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.requests.forget_old(now);
        if self.login_again.is_some_and(|again| again <= now) {
            self.login_again = None;
            self.login(now, out);
        }
        let silent = self.heard.is_some_and(|heard| now.saturating_duration_since(heard) >= KEEPALIVE_AFTER);
        let due = self.keepalive_is_due();
        if let (true, true, Some(session)) = (silent, due, self.session.clone()) {
            let id = self.requests.ask(now, Pending::Keepalive);
            self.keepalive_sent = Some(now);
            out.line(format!(
                "{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"keepalived\",\"params\":{{\"id\":{session}}}}}"
            ));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let keepalive = self.heard.filter(|_| self.keepalive_is_due()).map(|heard| heard + KEEPALIVE_AFTER);
        [keepalive, self.login_again].into_iter().flatten().min()
    }

    fn provocation(&self) -> Option<(Provocation, Instant)> {
        self.keepalive_sent.map(|sent| (Provocation::Keepalive, sent))
    }
}

#[cfg(test)]
mod tests;
