//! Requests other than shares.

use std::time::Instant;

use rminer_algos::encode_hex;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::profile::{FirstJob, Subscriptions};
use super::{Bitcoin, Reaction, hashes};
use crate::core::{Desk, Dialect, after_login};
use crate::difficulty::Vardiff;
use crate::wire::{Reply, Request, text};
use crate::{DifficultyConfig, Fault, Reject, SessionId};

/// Longest worker name, in bytes.
const MAX_WORKER_BYTES: usize = 512;
/// Workers of one session.
const MAX_WORKERS: usize = 16;
/// What is kept of the miner's own name, in characters.
const MAX_AGENT_CHARS: usize = 128;

impl Bitcoin {
    pub(super) fn dispatch(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>) {
        let params = request.list();
        if self.profile.strict && (!request.id_is_unsigned() || params.is_none()) {
            return desk.protocol_error(now, id);
        }
        let params = params.unwrap_or_default();
        match request.method.as_str() {
            "mining.configure" => self.configure(desk, now, id, request, &params),
            "mining.subscribe" => self.subscribe(desk, now, id, request, &params),
            "mining.authorize" => self.authorize(desk, now, id, request, &params),
            "mining.extranonce.subscribe" => {
                let reaction = self.profile.extranonce_subscribe;
                if let Some(seat) = self.seats.get_mut(&id).filter(|_| reaction == Reaction::Grant) {
                    seat.subscribed_extranonce = true;
                }
                desk.react(now, id, request, reaction);
            }
            "mining.suggest_difficulty" => self.suggest(desk, now, id, request, &params),
            "mining.submit" => self.submit(desk, now, id, request, &params),
            _ => desk.react(now, id, request, self.profile.unknown_method),
        }
    }

    fn configure(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        match self.profile.configure {
            Reaction::Silence => return,
            Reaction::Close => return desk.close(now, id),
            Reaction::Grant | Reaction::Refuse => {}
        }
        let granted = self.profile.configure == Reaction::Grant;
        let extensions = params.first().and_then(|list| serde_json::from_str::<Vec<String>>(list.get()).ok());
        let Some(extensions) = extensions else {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::InvalidParams));
        };
        let settings: Map<String, Value> =
            params.get(1).and_then(|object| serde_json::from_str(object.get()).ok()).unwrap_or_default();
        let mut result = Map::new();
        for extension in extensions.iter().map(String::as_str) {
            let answer = match extension {
                "version-rolling" => {
                    let asked = settings.get("version-rolling.mask").and_then(Value::as_str);
                    let asked = asked.map_or(Some(u32::MAX), |mask| u32::from_str_radix(mask, 16).ok());
                    let Some(asked) = asked else {
                        result.insert(extension.into(), "the mask is no hex".into());
                        continue;
                    };
                    if let Some(seat) = self.seats.get_mut(&id).filter(|_| granted) {
                        seat.asked_mask = Some(asked);
                    }
                    let mask = format!("{:08x}", asked & self.version_mask);
                    result.insert("version-rolling.mask".into(), mask.into());
                    if self.profile.tells_bit_count {
                        result.insert("version-rolling.min-bit-count".into(), "00000002".into());
                    }
                    granted
                }
                "minimum-difficulty" => {
                    let least = settings.get("minimum-difficulty.value").and_then(Value::as_f64);
                    if let Some(least) = least.filter(|least| *least > 0.0) {
                        let config = desk.config.difficulty;
                        let min = config.min.max(hashes(least));
                        let config = DifficultyConfig { min, start: config.start.max(min), ..config };
                        if let Some(session) = desk.sessions.get_mut(&id) {
                            session.vardiff = Vardiff::new(config, None, now);
                        }
                    }
                    least.is_some()
                }
                "subscribe-extranonce" => {
                    let granted = self.profile.extranonce_subscribe == Reaction::Grant;
                    if let Some(seat) = self.seats.get_mut(&id).filter(|_| granted) {
                        seat.subscribed_extranonce = true;
                    }
                    granted
                }
                _ => continue,
            };
            result.insert(extension.into(), answer.into());
        }
        desk.reply(now, id, Reply::ok(&request.id, result.into()));
    }

    fn subscribe(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        let asked = params.get(1).and_then(|session| text(session));
        if self.profile.resume
            && let Some(place) = self.left.iter().position(|(session, _)| Some(session) == asked.as_ref())
            && let Some((session_id, left)) = self.left.remove(place)
            && let Some(seat) = self.seats.get_mut(&id)
        {
            seat.session_id = session_id;
            seat.extranonce1 = left.extranonce1;
            seat.extranonce2_bytes = left.extranonce2_bytes;
            seat.jobs = left.jobs;
            seat.issued = left.issued;
            seat.tag = left.tag;
        }
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if seat.subscribed {
            // The second one is ignored.
            return;
        }
        seat.subscribed = true;
        let session_id = seat.session_id.clone();
        let subscriptions = match self.profile.subscriptions {
            Subscriptions::Pairs => {
                json!([["mining.set_difficulty", session_id], ["mining.notify", session_id]])
            }
            Subscriptions::NotifyOnly => json!([["mining.notify", session_id]]),
            Subscriptions::Flat => json!(["mining.notify", session_id]),
            Subscriptions::Empty => json!([]),
            Subscriptions::Null => Value::Null,
        };
        let mut size = json!(seat.extranonce2_bytes);
        if desk.modes.numbers_as_strings {
            size = seat.extranonce2_bytes.to_string().into();
        }
        let result = json!([subscriptions, encode_hex(&seat.extranonce1), size]);
        let widths = (seat.extranonce1.len(), seat.extranonce2_bytes);
        if let Some(session) = desk.sessions.get_mut(&id) {
            let agent = params.first().and_then(|agent| text(agent));
            session.stats.agent = agent.map(|agent| agent.chars().take(MAX_AGENT_CHARS).collect());
        }
        if self.profile.first_job == FirstJob::BeforeSubscribeReply {
            self.begin(desk, now, id);
        }
        if self.profile.restless_extranonce {
            self.change_extranonce(desk, now, id, widths.0, widths.1);
        }
        desk.reply(now, id, Reply::ok(&request.id, result));
        if self.profile.restless_extranonce {
            self.change_extranonce(desk, now, id, widths.0, widths.1);
        }
        if self.profile.early_version_mask {
            let mask = json!([format!("{:08x}", self.version_mask)]);
            self.message(desk, now, id, "mining.set_version_mask", &mask.to_string());
        }
        if self.profile.first_job == FirstJob::AfterSubscribe {
            self.begin(desk, now, id);
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
        if self.profile.authorize == Reaction::Refuse {
            let refusal = Reply::refuse(&request.id, Reject::InvalidAddress);
            return desk.reply(now, id, refusal.then_close(true));
        }
        let spoiler = desk.login_faults();
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if seat.workers.len() >= MAX_WORKERS {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::Throttled));
        }
        seat.spoiler = match spoiler {
            Some(Fault::MalformedNotify(kind)) => Some(kind),
            _ => None,
        };
        let first = seat.workers.is_empty();
        seat.workers.push(worker.clone());
        desk.stats.logins += 1;
        let asked = params.get(1).and_then(|pass| text(pass)).and_then(|pass| asked_difficulty(&pass));
        if let Some(session) = desk.sessions.get_mut(&id) {
            session.logged_in = true;
            if asked.is_some() {
                session.vardiff = Vardiff::new(desk.config.difficulty, asked, now);
            }
            session.stats.login.get_or_insert(worker);
        }
        let reply = Reply::ok(&request.id, true.into());
        let silent = self.profile.authorize == Reaction::Silence;
        if self.profile.authorize_reply_last {
            self.begin(desk, now, id);
            self.send_job(desk, now, id);
        }
        if !silent {
            desk.reply(now, id, reply);
        }
        if self.profile.first_job == FirstJob::AfterAuthorize {
            self.begin(desk, now, id);
        }
        if first {
            after_login(self, desk, now, id);
        }
    }

    fn suggest(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        request: &Request<'_>,
        params: &[&RawValue],
    ) {
        if self.profile.suggest_difficulty != Reaction::Grant {
            return desk.react(now, id, request, self.profile.suggest_difficulty);
        }
        let wanted = params.first().and_then(|wanted| wanted.get().parse::<f64>().ok());
        let Some(wanted) = wanted.filter(|wanted| *wanted > 0.0) else {
            return desk.reply(now, id, Reply::refuse(&request.id, Reject::InvalidParams));
        };
        let wanted = desk.config.difficulty.clamp(hashes(wanted));
        let Some(session) = desk.sessions.get_mut(&id) else { return };
        if session.vardiff.difficulty() != wanted {
            session.vardiff.set(wanted, now);
            if desk.sessions.get(&id).is_some_and(|session| session.is_mining()) {
                self.retarget(desk, now, id);
            }
        }
    }

    /// The first job, once the session may have one.
    fn begin(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        if !self.seats.get(&id).is_some_and(|seat| seat.subscribed) {
            return;
        }
        let Some(session) = desk.sessions.get_mut(&id) else { return };
        if !std::mem::replace(&mut session.wants_jobs, true) {
            self.send_job(desk, now, id);
        }
    }
}

/// `d=0.5` in a password is a wish for the difficulty; in expected hashes.
fn asked_difficulty(pass: &str) -> Option<u64> {
    let wish = pass.split(',').find_map(|part| part.trim().strip_prefix("d="))?;
    wish.parse::<f64>().ok().filter(|wish| *wish > 0.0).map(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difficulty_in_the_password() {
        assert_eq!(asked_difficulty("x,d=0.5"), Some(1 << 31));
        assert_eq!(asked_difficulty("d=1"), Some(1 << 32));
        for plain in ["x", "d=", "d=0", "d=-1", "d=x", "md=1"] {
            assert_eq!(asked_difficulty(plain), None, "{plain}");
        }
    }
}
