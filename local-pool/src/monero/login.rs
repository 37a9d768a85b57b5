//! Requests of the dialect other than shares.

use std::collections::VecDeque;
use std::time::Instant;

use rminer_algos::encode_hex;
use rminer_algos::registry::{RANDOMX, RANDOMX_V2};
use serde_json::json;

use super::params::{LoginParams, SessionParams};
use super::{Keepalive, MalformedJob, Monero, Seat};
use crate::core::{Desk, Dialect, after_login};
use crate::difficulty::Vardiff;
use crate::time::later;
use crate::wire::{Reply, Request};
use crate::{Fault, Reject, SessionId};

/// Longest login text, in bytes.
const MAX_LOGIN_BYTES: usize = 512;
/// What is kept of the miner's own name, in characters.
const MAX_AGENT_CHARS: usize = 128;

impl Monero {
    pub(super) fn dispatch(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        let strict = self.profile.strict_ban.is_some();
        match request.method.as_str() {
            "login" => self.login(desk, now, id, request),
            "submit" => self.submit(desk, now, id, request),
            "keepalived" => self.keepalived(desk, now, id, request),
            "getjob" if !strict => self.getjob(desk, now, id, request),
            _ if strict => desk.ban(now, id),
            _ => desk.reply(now, id, Reply::refuse(&request.id, Reject::UnknownMethod)),
        }
    }

    fn login(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        let refuse = |reject| Reply::refuse(&request.id, reject).then_close(true);
        if self.seats.contains_key(&id) {
            desk.stats.protocol_errors += 1;
            return desk.reply(now, id, refuse(Reject::DoubleLogin));
        }
        let Some(params) = request.params::<LoginParams>() else {
            desk.stats.protocol_errors += 1;
            return desk.reply(now, id, refuse(Reject::InvalidParams));
        };
        if let Err(reject) = self.check_login(&params) {
            return desk.reply(now, id, refuse(reject));
        }
        let Some(nonce_byte) = self.free_nonce_byte() else {
            return desk.reply(now, id, refuse(Reject::NotReady));
        };
        let spoiler = desk.login_faults();
        let (login, asked) = split_difficulty(&params.login);
        let token = encode_hex(&desk.rng.next_u64().to_le_bytes()[..4]);
        let job_due = self.profile.template_delay.map(|delay| later(now, delay));
        desk.stats.logins += 1;
        if let Some(session) = desk.sessions.get_mut(&id) {
            session.vardiff = Vardiff::new(desk.config.difficulty, asked, now);
            session.logged_in = true;
            session.wants_jobs = job_due.is_none();
            session.stats.login = Some(login.to_owned());
            session.stats.agent = params.agent.map(|agent| agent.chars().take(MAX_AGENT_CHARS).collect());
        }
        let seat = Seat {
            token: token.clone(),
            nonce_byte,
            job_due,
            jobs: VecDeque::new(),
            issued: None,
            spoiled: VecDeque::new(),
            bad_shares: 0,
        };
        self.seats.insert(id, seat);
        let mut result = json!({
            "id": token, "extensions": self.profile.extensions, "status": "OK",
        });
        let job = job_due.is_none().then(|| self.issue(desk, id)).flatten();
        if let (Some(job), Some(result)) = (&job, result.as_object_mut()) {
            let job = match spoiler {
                Some(Fault::ZeroTarget) => self.spoil(id, MalformedJob::TargetZero4, job.clone()),
                Some(Fault::MalformedJob(kind)) => self.spoil(id, kind, job.clone()),
                _ => job.clone(),
            };
            desk.count_job(id);
            result.insert("job".into(), job);
        }
        desk.reply(now, id, Reply::ok(&request.id, result));
        if let Some(job) = job.filter(|_| self.profile.repeat_login_job) {
            self.notify_job(desk, now, id, &job);
        }
        if self.profile.glue {
            self.push_job(desk, now, id);
        }
        after_login(self, desk, now, id);
    }

    fn check_login(&self, params: &LoginParams) -> Result<(), Reject> {
        let profile = &self.profile;
        if let Some(reject) = profile.refuse_login {
            return Err(reject);
        }
        if params.login.is_empty() || params.login.len() > MAX_LOGIN_BYTES {
            return Err(Reject::InvalidAddress);
        }
        let knows = |name: &String| {
            profile.algorithms().any(|served| {
                // Who offers RandomX and gets a job for something else is told by the job.
                let known = if RANDOMX_V2.is_called(served) { &RANDOMX_V2 } else { &RANDOMX };
                name == served || known.is_called(name)
            })
        };
        match &params.algo {
            Some(list) if !list.iter().any(knows) => Err(Reject::NoCompatibleAlgorithm),
            _ => Ok(()),
        }
    }

    /// The outer `None` means that all 256 bytes are taken.
    fn free_nonce_byte(&self) -> Option<Option<u8>> {
        let Some(nicehash) = self.profile.nicehash else { return Some(None) };
        let taken = |byte: u8| self.seats.values().any(|seat| seat.nonce_byte == Some(byte));
        (0..=u8::MAX).map(|step| nicehash.first_byte.wrapping_add(step)).find(|byte| !taken(*byte)).map(Some)
    }

    fn keepalived(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        desk.stats.keepalives += 1;
        let reply = match self.profile.keepalive {
            Keepalive::Silent => return,
            Keepalive::Error => Reply::refuse(&request.id, Reject::UnknownMethod),
            Keepalive::Answer if self.is_own(id, request) => status(&request.id, "KEEPALIVED"),
            Keepalive::Answer => Reply::refuse(&request.id, Reject::Unauthenticated),
        };
        desk.reply(now, id, reply);
    }

    fn getjob(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        let reply = if !self.is_own(id, request) {
            Reply::refuse(&request.id, Reject::Unauthenticated)
        } else if let Some(job) = self.issue(desk, id) {
            desk.count_job(id);
            Reply::ok(&request.id, job)
        } else {
            Reply::refuse(&request.id, Reject::NotReady)
        };
        desk.reply(now, id, reply);
    }

    fn is_own(&self, id: SessionId, request: &Request<'_>) -> bool {
        let params = request.params::<SessionParams>();
        params.is_some_and(|params| self.seats.get(&id).is_some_and(|seat| seat.token == params.id))
    }
}

fn status(id: &str, status: &str) -> Reply {
    Reply::ok(id, json!({ "status": status }))
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
