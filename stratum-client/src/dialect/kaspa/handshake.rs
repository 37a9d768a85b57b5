//! The login: subscription and authorization, sent together.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;

use super::extranonce::Prefix;
use super::{Kaspa, Pending};
use crate::dialect::reply::{is_yes, login_refused};
use crate::dialect::wire::json;
use crate::dialect::{CloseReason, Event, Outbox};
use crate::envelope::Envelope;
use crate::job::Supersede;

/// Bridges say nothing at all to a login whose address they cannot read, and others to a good one.
const AUTHORIZE_SILENCE: Duration = Duration::from_secs(5);
/// The protocol that nearly all servers say that they speak.
const PROTOCOL: &str = "EthereumStratum/1.0.0";

/// How far the login has come.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    authorize_sent: Option<Instant>,
    /// Jobs can be given out.
    pub(super) complete: bool,
    /// A refused share made us log in again.
    pub(super) authorized_again: bool,
}

impl Kaspa {
    /// `plain` leaves the protocol out.
    pub(super) fn subscribe(&mut self, now: Instant, plain: bool, out: &mut Outbox) {
        let id = self.requests.ask(now, Pending::Subscribe { plain });
        let protocol = if plain { String::new() } else { format!(",{}", json(PROTOCOL)) };
        let agent = json(&self.config.agent);
        out.line(format!("{{\"id\":{id},\"method\":\"mining.subscribe\",\"params\":[{agent}{protocol}]}}"));
    }

    /// The answer may hold the pool's part of the nonce, and need not: nothing waits for it.
    pub(super) fn subscribed(&mut self, now: Instant, plain: bool, reply: &Envelope<'_>, out: &mut Outbox) {
        match (is_yes(reply), plain) {
            (true, _) => {
                if let Some(prefix) = reply.result.and_then(Prefix::of_subscription) {
                    self.prefix_came(prefix, out);
                }
            }
            (false, false) => self.subscribe(now, true, out),
            (false, true) => out.close(login_refused(reply)),
        }
    }

    pub(super) fn authorize(&mut self, now: Instant, out: &mut Outbox) {
        let id = self.requests.ask(now, Pending::Authorize);
        self.handshake.authorize_sent = Some(now);
        out.line(format!(
            "{{\"id\":{id},\"method\":\"mining.authorize\",\"params\":[{},{}]}}",
            json(&self.config.user),
            json(self.config.pass.expose_secret()),
        ));
    }

    pub(super) fn authorized(&mut self, reply: &Envelope<'_>, out: &mut Outbox) {
        if is_yes(reply) { self.complete(out) } else { out.close(login_refused(reply)) }
    }

    /// Tells the session, and gives out the job that came before.
    fn complete(&mut self, out: &mut Outbox) {
        if !std::mem::replace(&mut self.handshake.complete, true) {
            out.event(Event::LoggedIn);
            self.give_out(Supersede::Prefer, out);
        }
    }

    pub(super) fn handshake_tick(&mut self, now: Instant, out: &mut Outbox) {
        if self.handshake_deadline().is_none_or(|due| due > now) {
            return;
        }
        self.handshake.authorize_sent = None;
        if self.newest.is_some() {
            out.event(Event::Notice("the pool does not answer the login; mining goes on without".into()));
            self.complete(out);
        } else {
            out.close(CloseReason::LoginIgnored(self.authorize_silence()));
        }
    }

    pub(super) fn handshake_deadline(&self) -> Option<Instant> {
        let waiting = self.handshake.authorize_sent.filter(|_| !self.handshake.complete);
        waiting.map(|sent| sent + self.authorize_silence())
    }

    fn authorize_silence(&self) -> Duration {
        AUTHORIZE_SILENCE * self.config.patience
    }
}
