//! The login: extensions, subscription, authorization, and what is asked for after them.

use std::time::Instant;

use secrecy::ExposeSecret;
use serde_json::value::RawValue;

use super::extranonce::Extranonce;
use super::notify::hex_number;
use super::{AUTHORIZE_SILENCE, Bitcoin, CONFIGURE_SILENCE, Pending};
use crate::dialect::reply::{Reaction, is_yes, login_refused, reaction};
use crate::dialect::wire::{field, json};
use crate::dialect::{CloseReason, Event, Outbox, ProtocolError};
use crate::endpoint::Toggle;
use crate::envelope::{Envelope, Fields, items, truth};
use crate::ledger::Reject;

impl Bitcoin {
    /// The first requests.
    pub(super) fn begin(&mut self, now: Instant, out: &mut Outbox) {
        if self.config.plain {
            out.event(Event::Notice(
                "the pool closed on the usual login; it is done without extensions".into(),
            ));
        }
        self.unheard = (!self.config.plain).then_some(now);
        let configures = self.configure(now, out);
        if self.config.options.pipeline || !configures {
            self.subscribe(now, false, out);
        }
        if self.config.options.pipeline {
            self.authorize(now, out);
        }
    }

    /// Asks for extensions. False when there is none to ask for.
    fn configure(&mut self, now: Instant, out: &mut Outbox) -> bool {
        let (mut names, mut details) = (Vec::new(), Vec::new());
        let mask = self.rolling.asked();
        if mask != 0 {
            names.push("\"version-rolling\"");
            details
                .push(format!("\"version-rolling.mask\":\"{mask:08x}\",\"version-rolling.min-bit-count\":2"));
        }
        if self.config.options.extranonce_subscribe != Toggle::Off {
            names.push("\"subscribe-extranonce\"");
        }
        if names.is_empty() {
            return false;
        }
        self.handshake.configure_sent = Some(now);
        let id = self.requests.ask(now, Pending::Configure);
        out.line(format!(
            "{{\"id\":{id},\"method\":\"mining.configure\",\"params\":[[{}],{{{}}}]}}",
            names.join(","),
            details.join(",")
        ));
        true
    }

    pub(super) fn configured(&mut self, now: Instant, reply: &Envelope<'_>, out: &mut Outbox) {
        let was_waiting = self.handshake.configure_sent.take().is_some();
        if reply.error.is_none()
            && let Some(fields) = reply.result.and_then(Fields::read)
            // `false` is a refusal, and so is a text, which says why.
            && fields.get("version-rolling").is_some_and(|agreed| agreed.get() == "true")
            && let Some(mask) = fields.get("version-rolling.mask")
            && let Ok(mask) = hex_number("mining.configure", "version-rolling.mask", mask)
        {
            self.mask_came(mask, out);
        }
        if was_waiting && !self.config.options.pipeline {
            self.subscribe(now, false, out);
        }
    }

    /// `plain` leaves the name of this program out: a few servers take no parameter at all.
    fn subscribe(&mut self, now: Instant, plain: bool, out: &mut Outbox) {
        let id = self.requests.ask(now, Pending::Subscribe { plain });
        let agent = if plain { String::new() } else { json(&self.config.agent) };
        out.line(format!("{{\"id\":{id},\"method\":\"mining.subscribe\",\"params\":[{agent}]}}"));
    }

    pub(super) fn subscribed(
        &mut self,
        now: Instant,
        plain: bool,
        reply: &Envelope<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        if reply.error.is_some() && !plain {
            self.subscribe(now, true, out);
            return Ok(());
        }
        if reply.error.is_some() {
            out.close(login_refused(reply));
            return Ok(());
        }
        let extranonce = read_subscription(reply.result).inspect_err(|fault| {
            // Without an extranonce nothing can be mined here.
            out.close(CloseReason::Protocol(fault.to_string()));
        })?;
        self.handshake.subscribed = true;
        self.next_extranonce = None;
        self.extranonce = Some(extranonce);
        if self.handshake.authorize_sent.is_none() {
            self.authorize(now, out);
        }
        self.complete(now, out);
        Ok(())
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

    pub(super) fn authorized(&mut self, now: Instant, reply: &Envelope<'_>, out: &mut Outbox) {
        if is_yes(reply) {
            self.handshake.authorized = true;
            self.complete(now, out);
            return;
        }
        if !self.handshake.subscribed && reaction(reply, Some(Reject::Other)) == Reaction::Reconnect {
            // It came too early for this server, and is sent again behind the subscription.
            self.handshake.authorize_sent = None;
            return;
        }
        out.close(login_refused(reply));
    }

    /// Tells the session once all is there that mining needs, and gives out the job that came before.
    fn complete(&mut self, now: Instant, out: &mut Outbox) {
        let allowed = self.handshake.authorized || self.handshake.assumed;
        if self.handshake.complete || !self.handshake.subscribed || !allowed {
            return;
        }
        self.handshake.complete = true;
        out.event(Event::LoggedIn);
        if let Some(difficulty) = &self.config.options.suggest_difficulty {
            let id = self.requests.ask(now, Pending::Courtesy);
            out.line(format!(
                "{{\"id\":{id},\"method\":\"mining.suggest_difficulty\",\"params\":[{difficulty}]}}"
            ));
        }
        if self.config.extranonce_subscribe {
            let id = self.requests.ask(now, Pending::ExtranonceSubscribe);
            self.extranonce_asked = Some(now);
            out.line(format!("{{\"id\":{id},\"method\":\"mining.extranonce.subscribe\",\"params\":[]}}"));
        }
        self.give_out_first(out);
    }

    pub(super) fn handshake_tick(&mut self, now: Instant, out: &mut Outbox) {
        if self.configure_due().is_some_and(|due| due <= now) {
            self.handshake.configure_sent = None;
            self.subscribe(now, false, out);
        }
        if self.authorize_due().is_some_and(|due| due <= now) {
            self.handshake.assumed = true;
            out.event(Event::Notice("the pool does not answer the login; mining goes on without".into()));
            self.complete(now, out);
        }
    }

    pub(super) fn handshake_deadline(&self) -> Option<Instant> {
        [self.configure_due(), self.authorize_due()].into_iter().flatten().min()
    }

    /// Only where the next request waits for the answer.
    fn configure_due(&self) -> Option<Instant> {
        let sent = self.handshake.configure_sent.filter(|_| !self.config.options.pipeline)?;
        Some(sent + CONFIGURE_SILENCE)
    }

    /// A pool that has not even answered the subscription is silent altogether.
    fn authorize_due(&self) -> Option<Instant> {
        let Self { handshake, .. } = self;
        let waiting = handshake.subscribed && !handshake.authorized && !handshake.assumed;
        handshake.authorize_sent.filter(|_| waiting).map(|sent| sent + AUTHORIZE_SILENCE)
    }
}

/// `[anything, extranonce1, extranonce2_size]`: what stands first has a dozen shapes and no use.
fn read_subscription(result: Option<&RawValue>) -> Result<Extranonce, ProtocolError> {
    const NAME: &str = "mining.subscribe";
    let result = result.ok_or_else(|| field(NAME, "result", "is missing"))?;
    if truth(result) == Some(false) {
        return Err(field(NAME, "result", "is false"));
    }
    let result = items(result).ok_or_else(|| field(NAME, "result", "is no list"))?;
    Extranonce::read(NAME, result.get(1).copied(), result.get(2).copied(), None)
}
