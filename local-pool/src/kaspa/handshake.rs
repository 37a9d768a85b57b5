//! Requests other than shares.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::address::is_address;
use super::profile::{BadAddress, ExtranonceTime, SubscribeReply};
use super::{Kaspa, Manner, NONCE_BYTES, Reaction, extranonce_text};
use crate::core::{Desk, after_login};
use crate::wire::{Reply, Request, text};
use crate::{Fault, Reject, SessionId};

/// Longest worker name, in bytes.
const MAX_WORKER_BYTES: usize = 512;
/// Workers of one session.
const MAX_WORKERS: usize = 16;
/// What is kept of the miner's own name, in characters.
const MAX_AGENT_CHARS: usize = 128;
/// How long who logs in with no address is kept out.
const BAN: Duration = Duration::from_secs(5);

impl Kaspa {
    pub(super) fn dispatch(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        let params = request.list();
        if self.profile.strict && (!request.id_is_unsigned() || params.is_none()) {
            return desk.protocol_error(now, id);
        }
        if self.profile.id_required && request.id == "null" {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::InvalidParams));
        }
        let Some(params) = params else {
            return desk.react(now, id, request, self.profile.unknown_method);
        };
        match request.method.as_str() {
            "mining.subscribe" => self.subscribe(desk, now, id, request, &params),
            "mining.authorize" => self.authorize(desk, now, id, request, &params),
            "mining.extranonce.subscribe" => {
                desk.react(now, id, request, self.profile.extranonce_subscribe);
            }
            "mining.submit" => self.submit(desk, now, id, request, &params),
            _ => desk.react(now, id, request, self.profile.unknown_method),
        }
    }

    fn subscribe(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        let agent = params.first().and_then(|agent| text(agent)).unwrap_or_default();
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.subscribed = true;
        if self.profile.sniffs_agents {
            seat.manner = manner(&agent);
        }
        if seat.manner == Manner::Whole {
            seat.extranonce = Vec::new();
        }
        let (manner, extranonce) = (seat.manner, extranonce_text(&seat.extranonce));
        let size = NONCE_BYTES - seat.extranonce.len();
        if let Some(session) = desk.sessions.get_mut(&id) {
            session.stats.agent = Some(agent.chars().take(MAX_AGENT_CHARS).collect());
        }
        let with_extranonce = json!([null, extranonce, size]);
        let result = match self.profile.subscribe {
            _ if manner == Manner::Whole => with_extranonce,
            SubscribeReply::EthereumStratum => json!([true, "EthereumStratum/1.0.0"]),
            SubscribeReply::KaspaStratum => json!([true, "KaspaStratum/1.0.0"]),
            SubscribeReply::True => true.into(),
            SubscribeReply::Extranonce => with_extranonce,
            SubscribeReply::Silence => Value::Null,
            SubscribeReply::ExtranonceMessage => {
                let (method, id_text) = (self.profile.extranonce_method, &request.id);
                let params = json!([extranonce, size]);
                let line = format!("{{\"id\":{id_text},\"method\":\"{method}\",\"params\":{params}}}\n");
                desk.send(now, id, line);
                Value::Null
            }
        };
        if !result.is_null() {
            desk.reply(now, id, Reply::ok(&request.id, result));
        }
        if self.profile.extranonce_time == ExtranonceTime::AfterSubscribe && manner != Manner::Whole {
            self.tell_extranonce(desk, now, id);
        }
    }

    fn authorize(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        let worker = params.first().and_then(|worker| text(worker)).filter(|worker| {
            (1..=MAX_WORKER_BYTES).contains(&worker.len()) && (params.len() == 2 || !self.profile.strict)
        });
        let Some(worker) = worker else {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::InvalidParams));
        };
        let refusal = Reply::refuse(&request.id, Reject::InvalidAddress);
        if self.profile.authorize == Reaction::Refuse {
            return desk.reply(now, id, refusal.then_close(true));
        }
        let wrong = self.profile.bad_address != BadAddress::Take && !is_address(&worker);
        match self.profile.bad_address {
            BadAddress::Ban if wrong => {
                desk.reply(now, id, refusal);
                return desk.keep_out(now, id, BAN);
            }
            _ if wrong || self.profile.never_logs_in => return,
            _ => {}
        }
        if self.profile.strict && !self.seats.get(&id).is_some_and(|seat| seat.subscribed) {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::NotSubscribed));
        }
        self.log_in(desk, now, id, request, worker);
    }

    /// A good login: its reply, and what belongs to it in the order of the profile.
    fn log_in(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        worker: String,
    ) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if seat.workers.len() >= MAX_WORKERS {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::Throttled));
        }
        let first = seat.workers.is_empty();
        let told_late =
            self.profile.extranonce_time == ExtranonceTime::AfterAuthorize && seat.manner != Manner::Whole;
        seat.spoiler = match desk.login_faults() {
            Some(Fault::MalformedTemplate(kind)) => Some(kind),
            _ => None,
        };
        seat.workers.push(worker.clone());
        desk.stats.logins += 1;
        if let Some(session) = desk.sessions.get_mut(&id) {
            session.logged_in = true;
            session.stats.login.get_or_insert(worker);
        }
        if self.profile.authorize != Reaction::Silence {
            let named = if self.profile.names_authorize { "\"params\":\"mining.authorize\"," } else { "" };
            desk.reply(now, id, Reply::ok(&request.id, true.into()).with(named));
        }
        if !first {
            return;
        }
        if told_late {
            self.tell_extranonce(desk, now, id);
        }
        if let Some(session) = desk.sessions.get_mut(&id) {
            session.wants_jobs = true;
        }
        self.send_first_job(desk, now, id);
        after_login(self, desk, now, id);
    }
}

/// What the miner's own name makes of it at a bridge.
fn manner(agent: &str) -> Manner {
    let agent = agent.to_lowercase();
    let is_one_of = |names: &[&str]| names.iter().any(|name| agent.contains(name));
    if is_one_of(&["godminer", "bitmain", "antminer"]) {
        Manner::Whole
    } else if is_one_of(&["iceriverminer", "icemining", "icm"]) {
        Manner::Bare
    } else if is_one_of(&["bzminer"]) {
        Manner::HexJobs
    } else {
        Manner::Usual
    }
}
