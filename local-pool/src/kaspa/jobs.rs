//! Jobs, difficulties and extranonces as sessions are told them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::encode_hex;
use serde_json::{Value, json};

use super::chain::{Content, Template};
use super::profile::{ExtranonceParams, JobForm, Keep, NotificationIds};
use super::target::Stamp;
use super::{Kaspa, MAX_SPOILED, MalformedTemplate, Manner, NONCE_BYTES, Seat, SeatJob, extranonce_text};
use crate::SessionId;
use crate::core::Desk;

/// Messages that answer nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Extranonce,
    Difficulty,
    /// With the job's number.
    Job(u64),
}

impl Kaspa {
    /// Tells the session's extranonce.
    pub(super) fn tell_extranonce(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let Some(seat) = self.seats.get(&id) else { return };
        let params = self.extranonce_params(seat);
        self.message(desk, now, id, Kind::Extranonce, &params);
    }

    pub(super) fn extranonce_params(&self, seat: &Seat) -> String {
        let text = extranonce_text(&seat.extranonce);
        match self.profile.extranonce_params {
            ExtranonceParams::Alone => json!([text]),
            ExtranonceParams::WithSize => json!([text, NONCE_BYTES - seat.extranonce.len()]),
        }
        .to_string()
    }

    /// Another extranonce from the next job on.
    pub(super) fn change_extranonce(&mut self, desk: &mut Desk, now: Instant, id: SessionId, bytes: usize) {
        let extranonce = self.new_extranonce(bytes.min(NONCE_BYTES));
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.extranonce = extranonce;
        seat.jobs_on_extranonce = 0;
        self.tell_extranonce(desk, now, id);
    }

    /// Sends the session's difficulty if it was told another one.
    pub(super) fn tell_difficulty(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let (Some(seat), Some(session)) = (self.seats.get_mut(&id), desk.sessions.get(&id)) else { return };
        let hashes = rounded(session.vardiff.difficulty(), self.profile.powers_of_two);
        if seat.told == Some(hashes) {
            return;
        }
        seat.told_before = seat.told.replace(hashes);
        let mut difficulty = self.stamp(hashes).json;
        if desk.modes.numbers_as_strings && !difficulty.starts_with('"') {
            difficulty = format!("\"{difficulty}\"");
        }
        self.message(desk, now, id, Kind::Difficulty, &format!("[{difficulty}]"));
    }

    /// Sends a job from the current template, with another extranonce if it is time for that.
    pub(super) fn send_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        if self.profile.extranonce_jobs.is_some_and(|limit| seat.jobs_on_extranonce >= limit) {
            // What the next buyer's pool calls its jobs is its own affair.
            seat.next_number = self.profile.first_job_number;
            let bytes = self.profile.extranonce_bytes;
            self.change_extranonce(desk, now, id, bytes);
        }
        self.send_content(desk, now, id, Arc::clone(&self.current), None);
    }

    /// Sends the session's last job again under its name, with the difficulty and the extranonce of now.
    pub(super) fn send_last_again(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let last = self.seats.get(&id).and_then(|seat| seat.jobs.back());
        let Some(job) = last.cloned() else { return };
        self.send_content(desk, now, id, job.content, Some((job.id, job.number)));
    }

    /// Sends a job with that content, behind the difficulty that it has.
    pub(super) fn send_content(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        content: Arc<Content>,
        name: Option<(String, u64)>,
    ) {
        self.tell_difficulty(desk, now, id);
        if let Some((number, params)) = self.issue(desk, id, content, name) {
            self.message(desk, now, id, Kind::Job(number), &params);
            desk.count_job(id);
        }
    }

    /// The first job, which may be late and overtaken by others.
    pub(super) fn send_first_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        self.tell_difficulty(desk, now, id);
        let content = Arc::clone(&self.current);
        let Some((number, params)) = self.issue(desk, id, content, None) else { return };
        let Some(seat) = self.seats.get(&id) else { return };
        let line = self.notification(seat, Kind::Job(number), &params);
        if self.profile.first_job_delay > Duration::ZERO {
            desk.send_late(now, id, line, self.profile.first_job_delay);
        } else {
            desk.send(now, id, line);
        }
        desk.count_job(id);
    }

    /// Sends a job that is wrong; the one before stands.
    pub(super) fn send_spoiled(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        kind: MalformedTemplate,
    ) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.spoiler = Some(kind);
        }
        let content = self.chain.next(now);
        self.send_content(desk, now, id, content, None);
    }

    /// Sends the job that is `back` jobs older than the last once more.
    pub(super) fn repeat_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId, back: usize) {
        let Some(seat) = self.seats.get(&id) else { return };
        let job = seat.jobs.iter().rev().nth(back);
        if let Some((number, params)) = job.map(|job| (job.number, job.params.clone())) {
            self.message(desk, now, id, Kind::Job(number), &params);
            desk.count_job(id);
        }
    }

    pub(super) fn message(&self, desk: &mut Desk, now: Instant, id: SessionId, kind: Kind, params: &str) {
        if let Some(seat) = self.seats.get(&id) {
            desk.send(now, id, self.notification(seat, kind, params));
        }
    }

    /// The line of a message that answers nothing.
    pub(super) fn notification(&self, seat: &Seat, kind: Kind, params: &str) -> String {
        let method = match kind {
            Kind::Extranonce => self.profile.extranonce_method,
            Kind::Difficulty => "mining.set_difficulty",
            Kind::Job(_) => "mining.notify",
        };
        let bare = seat.manner == Manner::Bare && !matches!(kind, Kind::Difficulty);
        let id = match (self.profile.notification_ids, kind) {
            _ if bare => None,
            (NotificationIds::Null, _) => Some("null".to_owned()),
            (NotificationIds::JobNumber, Kind::Job(number)) => Some(number.to_string()),
            (NotificationIds::Absent | NotificationIds::JobNumber, _) => None,
            (NotificationIds::Small, Kind::Extranonce) => Some("1".to_owned()),
            (NotificationIds::Small, Kind::Difficulty) => Some("2".to_owned()),
            (NotificationIds::Small, Kind::Job(_)) => Some("3".to_owned()),
        };
        let id = id.map(|id| format!("\"id\":{id},")).unwrap_or_default();
        let version = if self.profile.jsonrpc && !bare { "\"jsonrpc\":\"2.0\"," } else { "" };
        format!("{{{id}{version}\"method\":\"{method}\",\"params\":{params}}}\n")
    }

    /// What a share has to meet at so many hashes.
    pub(super) fn stamp(&self, hashes: u64) -> Stamp {
        Stamp::new(hashes, self.profile.spelling, self.profile.convention)
    }

    /// Makes a job for one session; its number and params. If the session's next job is to be wrong, it is, and
    /// unless it can be mined all the same, shares for it count against the miner.
    fn issue(
        &mut self,
        desk: &Desk,
        id: SessionId,
        content: Arc<Content>,
        name: Option<(String, u64)>,
    ) -> Option<(u64, String)> {
        let seat = self.seats.get(&id)?;
        let stamp = self.stamp(seat.told?);
        let form = match (seat.manner, self.profile.jobs) {
            (Manner::HexJobs | Manner::Bare, _) => JobForm::Hex,
            (_, JobForm::Words) if desk.modes.numbers_as_strings => JobForm::DecimalTexts,
            (_, form) => form,
        };
        let (ids, keep) = (self.profile.job_ids, self.profile.keep);
        let seat = self.seats.get_mut(&id)?;
        let (job_id, number) = name.unwrap_or_else(|| {
            let number = seat.next_number;
            seat.next_number = number.wrapping_add(1);
            (ids.text(number), number)
        });
        seat.jobs_on_extranonce = seat.jobs_on_extranonce.saturating_add(1);
        let wire_id = ids.json(&job_id);
        let spoiler = seat.spoiler.take();
        let params = match spoiler {
            Some(kind) => kind.apply(&wire_id, &content.template),
            None => params(form, &wire_id, &content.template).to_string(),
        };
        if spoiler.is_some_and(|kind| !kind.usable()) {
            if seat.spoiled.len() == MAX_SPOILED {
                seat.spoiled.pop_front();
            }
            seat.spoiled.push_back(job_id);
            return Some((number, params));
        }
        let extranonce = seat.extranonce.clone();
        let job = SeatJob { id: job_id, number, content, extranonce, stamp, params: params.clone() };
        seat.jobs.push_back(job);
        let (Keep::Last(most) | Keep::Slots(most)) = keep;
        while seat.jobs.len() > most.max(1) {
            seat.jobs.pop_front();
        }
        Some((number, params))
    }
}

/// The params of a job.
fn params(form: JobForm, id: &Value, template: &Template) -> Value {
    match form {
        JobForm::Words => json!([id, words(template), template.timestamp_ms]),
        JobForm::DecimalTexts => {
            let texts = words(template).map(|word| word.to_string());
            json!([id, texts, template.timestamp_ms.to_string()])
        }
        JobForm::Hex => json!([id, text_payload(template)]),
    }
}

/// The hash as four numbers, each of eight bytes, least significant first.
pub(super) fn words(template: &Template) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(template.pre_pow_hash.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// The hash and the timestamp, least significant byte first, as hex.
pub(super) fn text_payload(template: &Template) -> String {
    encode_hex(&template.pre_pow_hash) + &encode_hex(&template.timestamp_ms.to_le_bytes())
}

/// A difficulty that may have to be a power of two; it never gets harder by that.
fn rounded(hashes: u64, powers_of_two: bool) -> u64 {
    if powers_of_two { 1 << hashes.max(1).ilog2() } else { hashes }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example of both forms.
    #[test]
    fn one_job_in_three_forms() {
        let mut template = Template { pre_pow_hash: [0; 32], timestamp_ms: 1_787_225_600_123 };
        for (byte, value) in template.pre_pow_hash.iter_mut().zip(0x20..) {
            *byte = value;
        }
        let id = json!("7");
        assert_eq!(
            params(JobForm::Words, &id, &template).to_string(),
            "[\"7\",[2820983053732684064,3399704436437297448,3978425819141910832,4557147201846524216],1787225600123]"
        );
        assert_eq!(
            params(JobForm::Hex, &id, &template).to_string(),
            "[\"7\",\"202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f7b70f21ea0010000\"]"
        );
        assert_eq!(
            params(JobForm::DecimalTexts, &id, &template).to_string(),
            "[\"7\",[\"2820983053732684064\",\"3399704436437297448\",\"3978425819141910832\",\"4557147201846524216\"],\"1787225600123\"]"
        );
    }

    #[test]
    fn powers_of_two() {
        for (hashes, want) in [(0, 1), (1, 1), (3, 2), (4096, 4096), (u64::MAX, 1 << 63)] {
            assert_eq!(rounded(hashes, true), want);
            assert_eq!(rounded(hashes, false), hashes);
        }
    }
}
