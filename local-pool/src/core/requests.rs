//! Lines from the miner and the replies to them.

use std::time::{Duration, Instant};

use rminer_algos::{encode_hex, registry};
use serde_json::{Value, json};

use super::session::{Account, Slot};
use super::{PoolCore, SessionId};
use crate::difficulty::Vardiff;
use crate::profile::Keepalive;
use crate::time::later;
use crate::wire::{LoginParams, Reply, Request, SessionParams, notification};
use crate::{ErrorShape, Reject};

/// Longest login text, in bytes.
const MAX_LOGIN_BYTES: usize = 512;
/// What is kept of the miner's own name, in characters.
const MAX_AGENT_CHARS: usize = 128;
/// Bad lines that a patient pool takes from one session.
const MAX_PROTOCOL_ERRORS: u32 = 16;
/// Replies that wait behind a share in check; more end the session.
const MAX_SLOTS: usize = 1024;
/// How long a verdict waits for another one to be swapped with.
const SWAP_WAIT: Duration = Duration::from_secs(1);

impl PoolCore {
    pub(super) fn line(&mut self, now: Instant, id: SessionId, line: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.heard = now;
        if line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(line);
        if line.len() < self.config.profile.min_line_bytes {
            return self.protocol_error(now, id);
        }
        let Some(request) = Request::read(&text) else { return self.protocol_error(now, id) };
        if self.config.profile.strict_ban.is_some() && !request.id_is_unsigned() {
            return self.ban(now, id);
        }
        session.requests = session.requests.saturating_add(1);
        let requests = session.requests;
        if self.modes.ban_text {
            self.reply(now, id, Reply::refuse(&request.id, Reject::Banned).then_close(true));
        } else {
            match request.method.as_str() {
                "login" => self.login(now, id, &request),
                "submit" => self.submit(now, id, &request),
                "keepalived" => self.keepalived(now, id, &request),
                "getjob" if self.config.profile.strict_ban.is_none() => self.getjob(now, id, &request),
                _ if self.config.profile.strict_ban.is_some() => self.ban(now, id),
                _ => self.reply(now, id, Reply::refuse(&request.id, Reject::UnknownMethod)),
            }
        }
        if self.modes.close_after.is_some_and(|limit| requests >= limit)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.close_when_answered = true;
        }
        self.close_if_answered(now, id);
        self.count_request(now);
    }

    /// Something that is no request.
    pub(super) fn protocol_error(&mut self, now: Instant, id: SessionId) {
        self.stats.protocol_errors += 1;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.protocol_errors += 1;
        if self.config.profile.strict_ban.is_some() {
            self.ban(now, id);
        } else if self.config.profile.close_on_bad_line || session.protocol_errors >= MAX_PROTOCOL_ERRORS {
            self.close(now, id);
        }
    }

    fn login(&mut self, now: Instant, id: SessionId, request: &Request<'_>) {
        let refuse = |reject| Reply::refuse(&request.id, reject).then_close(true);
        let Some(session) = self.sessions.get(&id) else { return };
        if session.account.is_some() {
            self.stats.protocol_errors += 1;
            return self.reply(now, id, refuse(Reject::DoubleLogin));
        }
        let Some(params) = request.params::<LoginParams>() else {
            self.stats.protocol_errors += 1;
            return self.reply(now, id, refuse(Reject::InvalidParams));
        };
        if let Err(reject) = self.check_login(&params) {
            return self.reply(now, id, refuse(reject));
        }
        let Some(nonce_byte) = self.free_nonce_byte() else {
            return self.reply(now, id, refuse(Reject::NotReady));
        };
        let spoiler = self.login_faults(now);
        let (login, asked) = split_difficulty(&params.login);
        let token = encode_hex(&self.rng.next_u64().to_le_bytes()[..4]);
        let job_due = self.config.profile.template_delay.map(|delay| later(now, delay));
        self.stats.logins += 1;
        if let Some(session) = self.sessions.get_mut(&id) {
            session.vardiff = Vardiff::new(self.config.difficulty, asked, now);
            session.account = Some(Account { token: token.clone(), nonce_byte, job_due });
            session.stats.login = Some(login.to_owned());
            session.stats.agent = params.agent.map(|agent| agent.chars().take(MAX_AGENT_CHARS).collect());
        }
        let mut result = json!({
            "id": token, "extensions": self.config.profile.extensions, "status": "OK",
        });
        let job = job_due.is_none().then(|| self.issue(id)).flatten();
        if let (Some(job), Some(result)) = (&job, result.as_object_mut()) {
            let job = spoiler.map_or_else(|| job.clone(), |kind| self.spoil(id, kind, job.clone()));
            self.count_job(id);
            result.insert("job".into(), job);
        }
        self.reply(now, id, Reply::ok(&request.id, result));
        if let Some(job) = job.filter(|_| self.config.profile.repeat_login_job) {
            self.notify_job(now, id, job);
        }
        if self.config.profile.glue {
            self.push_job(now, id);
        }
        self.after_login_faults(now, id);
    }

    fn check_login(&self, params: &LoginParams) -> Result<(), Reject> {
        let profile = &self.config.profile;
        if let Some(reject) = profile.refuse_login {
            return Err(reject);
        }
        if params.login.is_empty() || params.login.len() > MAX_LOGIN_BYTES {
            return Err(Reject::InvalidAddress);
        }
        let knows = |name: &String| {
            name == profile.algorithm || registry::find_wire(name) == Some(&registry::RANDOMX)
        };
        match &params.algo {
            Some(list) if !list.iter().any(knows) => Err(Reject::NoCompatibleAlgorithm),
            _ => Ok(()),
        }
    }

    /// The outer `None` means that all 256 bytes are taken.
    fn free_nonce_byte(&self) -> Option<Option<u8>> {
        let Some(nicehash) = self.config.profile.nicehash else { return Some(None) };
        let taken = |byte: u8| {
            let accounts = self.sessions.values().filter_map(|session| session.account.as_ref());
            accounts.into_iter().any(|account| account.nonce_byte == Some(byte))
        };
        (0..=u8::MAX).map(|step| nicehash.first_byte.wrapping_add(step)).find(|byte| !taken(*byte)).map(Some)
    }

    fn keepalived(&mut self, now: Instant, id: SessionId, request: &Request<'_>) {
        self.stats.keepalives += 1;
        let reply = match self.config.profile.keepalive {
            Keepalive::Silent => return,
            Keepalive::Error => Reply::refuse(&request.id, Reject::UnknownMethod),
            Keepalive::Answer if self.is_own(id, request) => Reply::status(&request.id, "KEEPALIVED"),
            Keepalive::Answer => Reply::refuse(&request.id, Reject::Unauthenticated),
        };
        self.reply(now, id, reply);
    }

    fn getjob(&mut self, now: Instant, id: SessionId, request: &Request<'_>) {
        let reply = if !self.is_own(id, request) {
            Reply::refuse(&request.id, Reject::Unauthenticated)
        } else if let Some(job) = self.issue(id) {
            self.count_job(id);
            Reply::ok(&request.id, job)
        } else {
            Reply::refuse(&request.id, Reject::NotReady)
        };
        self.reply(now, id, reply);
    }

    fn is_own(&self, id: SessionId, request: &Request<'_>) -> bool {
        let params = request.params::<SessionParams>();
        params
            .is_some_and(|params| self.sessions.get(&id).is_some_and(|session| session.has_token(&params.id)))
    }

    /// Sends a reply, or lets it wait behind the shares in check that came before it.
    pub(super) fn reply(&mut self, now: Instant, id: SessionId, reply: Reply) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.slots.is_empty() {
            self.deliver(now, id, reply);
        } else if session.slots.len() < MAX_SLOTS {
            session.slots.push_back(Slot::Ready(reply));
        } else {
            self.stats.protocol_errors += 1;
            self.close(now, id);
        }
    }

    /// The verdict on a share in check is known: sends it and what waited behind it.
    pub(super) fn fill_slot(&mut self, now: Instant, id: SessionId, ticket: u64, reply: Reply) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let waiting = |slot: &Slot| matches!(slot, Slot::Waiting(waiting) if *waiting == ticket);
        let Some(index) = session.slots.iter().position(waiting) else { return };
        session.slots[index] = Slot::Ready(reply);
        while let Some(session) = self.sessions.get_mut(&id)
            && let Some(Slot::Ready(_)) = session.slots.front()
        {
            if let Some(Slot::Ready(reply)) = session.slots.pop_front() {
                self.deliver(now, id, reply);
            }
        }
        self.close_if_answered(now, id);
    }

    fn close_if_answered(&mut self, now: Instant, id: SessionId) {
        let session = self.sessions.get(&id);
        if session.is_some_and(|session| session.close_when_answered && session.slots.is_empty()) {
            self.close(now, id);
        }
    }

    /// A reply whose turn it is meets the faults.
    fn deliver(&mut self, now: Instant, id: SessionId, reply: Reply) {
        if reply.to_share && self.modes.drop_replies > 0 {
            self.modes.drop_replies -= 1;
            self.stats.dropped_replies += 1;
            return;
        }
        if reply.to_share && self.modes.reply_reorder {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let Some((_, first)) = session.swapped.take() else {
                session.swapped = Some((now + SWAP_WAIT, reply));
                return;
            };
            self.send_reply(now, id, &reply);
            return self.send_reply(now, id, &first);
        }
        self.send_reply(now, id, &reply);
    }

    pub(super) fn send_reply(&mut self, now: Instant, id: SessionId, reply: &Reply) {
        let wire_id = self.wire_id(reply);
        let mut shape = self.modes.error_shape.unwrap_or(self.config.profile.error_shape);
        if self.modes.numbers_as_strings && shape == ErrorShape::Object {
            shape = ErrorShape::Nested;
        }
        let mut reply = reply.clone();
        if let (Err(text), true) = (&mut reply.body, self.modes.escape_text) {
            text.push_str(super::faults::ESCAPES);
        }
        let line = reply.line(&wire_id, shape);
        let late = self.config.profile.late_result.filter(|_| reply.to_share);
        for _ in 0..if reply.to_share && self.modes.reply_twice { 2 } else { 1 } {
            match (late, self.sessions.get_mut(&id)) {
                (Some(delay), Some(session)) if !self.modes.silent => {
                    session.out.push_late(later(now, delay), line.clone().into_bytes());
                }
                _ => self.send(now, id, line.clone()),
            }
        }
        if reply.then_close {
            self.close(now, id);
        }
    }

    /// The id as the faults want it.
    fn wire_id(&self, reply: &Reply) -> String {
        let mut id = reply.id.clone();
        if reply.to_share && self.modes.null_ids {
            return "null".to_owned();
        }
        if reply.to_share && self.modes.wrong_id {
            id = id.parse::<u64>().map_or(999_999, |id| id.saturating_add(100_000)).to_string();
        }
        if self.modes.float_ids && id.parse::<u64>().is_ok() {
            id.push_str(".0");
        }
        if self.modes.string_ids && id.parse::<f64>().is_ok() {
            id = Value::from(id).to_string();
        }
        id
    }

    pub(super) fn notify(&mut self, now: Instant, id: SessionId, method: &str, params: &Value) {
        self.send(now, id, notification(method, params));
    }
}

/// `wallet+5000` is the wallet with a wish for the difficulty.
fn split_difficulty(login: &str) -> (&str, Option<u64>) {
    match login.rsplit_once('+') {
        Some((wallet, digits)) if !wallet.is_empty() => match digits.parse::<u64>() {
            Ok(difficulty) if difficulty > 0 => (wallet, Some(difficulty)),
            _ => (login, None),
        },
        _ => (login, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulty_in_the_login() {
        assert_eq!(split_difficulty("wallet+5000"), ("wallet", Some(5000)));
        for plain in ["wallet", "wallet+", "wallet+0", "wallet+x", "+5", "wallet+-5"] {
            assert_eq!(split_difficulty(plain), (plain, None));
        }
        assert_eq!(split_difficulty("a+b+7"), ("a+b", Some(7)));
    }
}
