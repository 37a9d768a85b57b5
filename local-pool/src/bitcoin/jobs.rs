//! Jobs, difficulties and extranonces as sessions are told them.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::encode_hex;
use serde_json::{Value, json};

use super::chain::Content;
use super::target::Stamp;
use super::{Bitcoin, MAX_SPOILED, MalformedNotify, SeatJob, TELLING_BYTES, hashes};
use crate::SessionId;
use crate::core::Desk;

impl Bitcoin {
    /// Sends the session's difficulty if it was told another one.
    pub(super) fn tell_difficulty(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let (Some(seat), Some(session)) = (self.seats.get_mut(&id), desk.sessions.get(&id)) else { return };
        if self.profile.late_difficulty && seat.issued.is_none() {
            return;
        }
        let hashes = session.vardiff.difficulty();
        if seat.told.replace(hashes) == Some(hashes) {
            return;
        }
        let mut params = Stamp::new(hashes, self.profile.spelling).json;
        if desk.modes.numbers_as_strings && !params.starts_with('"') {
            params = format!("\"{params}\"");
        }
        self.message(desk, now, id, "mining.set_difficulty", &format!("[{params}]"));
    }

    /// Sends a job from the current template, or ends a session whose extranonce has to change.
    pub(super) fn send_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.jobs_on_extranonce += 1;
        if self.profile.extranonce_jobs.is_some_and(|limit| seat.jobs_on_extranonce > limit) {
            if !seat.subscribed_extranonce {
                return desk.close(now, id);
            }
            let (first, second) = (self.profile.extranonce1_bytes, self.profile.extranonce2_bytes);
            self.change_extranonce(desk, now, id, first, second);
        }
        self.send_content(desk, now, id, Arc::clone(&self.template), None);
    }

    /// Another extranonce from the next job on.
    pub(super) fn change_extranonce(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        extranonce1_bytes: usize,
        extranonce2_bytes: usize,
    ) {
        let extranonce1 = self.new_extranonce1(extranonce1_bytes);
        let Some(seat) = self.seats.get_mut(&id) else { return };
        seat.jobs_on_extranonce = 1;
        seat.extranonce2_bytes = extranonce2_bytes;
        seat.extranonce1 = extranonce1;
        let params = json!([encode_hex(&seat.extranonce1), extranonce2_bytes]);
        self.message(desk, now, id, "mining.set_extranonce", &params.to_string());
    }

    /// Sends a job with that content, behind the difficulty that it has.
    pub(super) fn send_content(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        content: Arc<Content>,
        job_id: Option<String>,
    ) {
        self.tell_difficulty(desk, now, id);
        let Some(params) = self.issue(id, content, job_id) else { return };
        let spoiler = self.seats.get_mut(&id).and_then(|seat| seat.spoiler.take());
        let params = match spoiler {
            Some(kind) => self.spoil(id, kind, params),
            None => Value::from(params),
        };
        self.notify_job(desk, now, id, &params);
    }

    pub(super) fn notify_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId, params: &Value) {
        self.message(desk, now, id, "mining.notify", &params.to_string());
        desk.count_job(id);
    }

    /// Sends a job that is wrong; the one before stands.
    pub(super) fn send_spoiled(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: SessionId,
        kind: MalformedNotify,
    ) {
        let content = self.chain.sibling(now);
        if let Some(params) = self.issue(id, content, None) {
            let params = self.spoil(id, kind, params);
            self.notify_job(desk, now, id, &params);
        }
    }

    /// A job that can still be mined stays; the other kinds are taken back, and shares for them count against the
    /// miner.
    fn spoil(&mut self, id: SessionId, kind: MalformedNotify, params: Vec<Value>) -> Value {
        if let Some(seat) = self.seats.get_mut(&id).filter(|_| !kind.usable())
            && let Some(job) = seat.jobs.pop_back()
        {
            if seat.spoiled.len() == MAX_SPOILED {
                seat.spoiled.pop_front();
            }
            seat.spoiled.push_back(job.id);
        }
        kind.apply(params)
    }

    /// Makes a job for one session; its params.
    pub(super) fn issue(
        &mut self,
        id: SessionId,
        content: Arc<Content>,
        job_id: Option<String>,
    ) -> Option<Vec<Value>> {
        let seat = self.seats.get_mut(&id)?;
        let tag = (self.profile.extranonce1_bytes < TELLING_BYTES).then_some(seat.tag);
        let extranonce_bytes = seat.extranonce1.len() + seat.extranonce2_bytes;
        let coinbase1: Arc<[u8]> = content.coinbase1(tag, extranonce_bytes).into();
        let number = content.number;
        let job_id = job_id.unwrap_or_else(|| self.profile.job_ids.text(number));
        let (first, last) = seat.issued.unwrap_or((number, number));
        seat.issued = Some((first.min(number), last.max(number)));
        let clean = self.profile.always_clean
            || seat.jobs.back().is_none_or(|job| job.content.block != content.block);
        let hex = |number: u32| {
            if self.profile.unpadded { format!("{number:x}") } else { format!("{number:08x}") }
        };
        let wire_id = self.profile.job_ids.json(&job_id);
        let job = &content.job;
        let mut params = vec![
            wire_id,
            previous_text(&job.previous).into(),
            encode_hex(&coinbase1).into(),
            encode_hex(&job.coinbase2).into(),
            job.branch.iter().map(|hash| encode_hex(hash)).collect(),
            hex(job.version).into(),
            hex(job.bits).into(),
            hex(job.time).into(),
            clean.into(),
        ];
        if self.profile.extra_item {
            params.push(true.into());
        }
        seat.jobs.push_back(SeatJob {
            id: job_id,
            coinbase1,
            extranonce1: seat.extranonce1.clone(),
            extranonce2_bytes: seat.extranonce2_bytes,
            // What a miner assumes that was told none.
            stamp: Stamp::new(seat.told.unwrap_or_else(|| hashes(1.0)), self.profile.spelling),
            mask: seat.asked_mask.unwrap_or(0) & self.version_mask,
            params: params.clone().into(),
            content,
        });
        while seat.jobs.len() > self.profile.keep_jobs.max(1) {
            seat.jobs.pop_front();
        }
        Some(params)
    }
}

/// Each group of four bytes reversed, as the dialect has it.
fn previous_text(hash: &[u8; 32]) -> String {
    let swapped: Vec<u8> = hash.chunks_exact(4).flat_map(|group| group.iter().rev().copied()).collect();
    encode_hex(&swapped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rminer_algos::decode_hex_array;

    /// The previous hash of block 170.
    #[test]
    fn groups_are_reversed() {
        let hash =
            decode_hex_array("55bd840a78798ad0da853f68974f3d183e2bd1db6a842c1feecf222a00000000").unwrap();
        assert_eq!(previous_text(&hash), "0a84bd55d08a7978683f85da183d4f97dbd12b3e1f2c846a2a22cfee00000000");
    }
}
