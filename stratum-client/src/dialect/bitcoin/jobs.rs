//! Jobs and what changes them: difficulty, extranonce, version mask.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::{Target, Template};
use serde_json::value::RawValue;

use super::extranonce::Extranonce;
use super::notify::{Notify, hex_number};
use super::{Bitcoin, JOB_RING, TIGHTEN_AFTER, WireJob};
use crate::bugs::Bug;
use crate::dialect::wire::{difficulty, field, is_harder};
use crate::dialect::{Event, NewJob, Outbox, ProtocolError};
use crate::endpoint::ApplyExtranonce;
use crate::envelope::{items, text};
use crate::job::Supersede;

impl Bitcoin {
    pub(super) fn notify(
        &mut self,
        params: Option<&RawValue>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let notify = Notify::read(params, self.config.algorithm)?;
        let changed = self.next_extranonce.is_some() || self.next_target != self.target;
        // A repetition changes nothing, whatever it says: what it would discard is the same work.
        if !changed && self.newest.as_ref() == Some(&notify) && !self.jobs.is_empty() {
            return Ok(());
        }
        // Another block before it makes older work worthless, whatever the flag says.
        let moved_on = self.newest.as_ref().is_some_and(|newest| newest.previous != notify.previous);
        let supersede = if notify.clean || moved_on { Supersede::Discard } else { Supersede::Prefer };
        self.newest = Some(notify);
        self.moved = false;
        self.target = self.next_target;
        (self.tighten_at, self.floor) = (None, None);
        if let Some(next) = self.next_extranonce.take() {
            self.extranonce = Some(next);
        }
        self.give_out(supersede, out);
        Ok(())
    }

    /// The job that came during the login.
    pub(super) fn give_out_first(&mut self, out: &mut Outbox) {
        self.give_out(Supersede::Prefer, out);
    }

    /// The newest job as it is to be mined now, if it can be.
    fn give_out(&mut self, supersede: Supersede, out: &mut Outbox) {
        let (Some(notify), Some(extranonce), true) =
            (&self.newest, &self.extranonce, self.handshake.complete)
        else {
            return;
        };
        if extranonce.second_len < 2 && !std::mem::replace(&mut self.warned.small_extranonce, true) {
            let size = extranonce.second_len;
            out.event(Event::Notice(format!(
                "the pool leaves an extranonce of {size} bytes: work may run out, and others may have the same"
            )));
        }
        let mask = self.rolling.job_mask(notify.version);
        let template = notify.template(extranonce, mask, self.extranonce_first);
        self.last_seq += 1;
        out.event(Event::Job(NewJob {
            seq: self.last_seq,
            template: Template::Header(Arc::new(template)),
            target: self.target,
            block_target: notify.block_target(),
            supersede,
            height: notify.height(),
            next_seed: None,
            algorithm: self.config.algorithm,
        }));
        // A name that now stands for something else does not stand for what it was.
        let content = Template::Header(Arc::new(notify.template(extranonce, 0, 0))).key();
        self.jobs.retain(|job| job.id != notify.id || job.content == content);
        // What the session's ring no longer holds is not asked for either.
        if supersede == Supersede::Discard {
            self.jobs.clear();
        }
        if self.jobs.len() == JOB_RING {
            self.jobs.pop_front();
        }
        self.jobs.push_back(WireJob { seq: self.last_seq, id: notify.id.clone(), content });
    }

    /// A difficulty that makes no sense changes nothing.
    pub(super) fn set_difficulty(&mut self, now: Instant, params: Option<&RawValue>, out: &mut Outbox) {
        match difficulty(params) {
            Some(Ok(target)) => self.target_came(now, target),
            Some(Err(_)) if self.bugs.has(Bug::ZeroTargetTaken) => self.target_came(now, Target::MAX),
            Some(Err(_)) | None => {
                if !std::mem::replace(&mut self.warned.difficulty, true) {
                    out.event(Event::Notice(
                        "the pool set a difficulty that is no number above zero; the last one stays".into(),
                    ));
                }
            }
        }
    }

    pub(super) fn set_target(
        &mut self,
        now: Instant,
        params: Option<&RawValue>,
    ) -> Result<(), ProtocolError> {
        const NAME: &str = "mining.set_target";
        let given = params.and_then(items).and_then(|items| items.first().and_then(|item| text(item)));
        let given = given.ok_or_else(|| field(NAME, "target", "is missing"))?;
        let target = Target::from_be_hex(&given)
            .map_err(|error| field(NAME, "target", format!("is unusable: {error}")))?;
        self.target_came(now, target);
        Ok(())
    }

    /// It is the next job's. Where no job comes soon, the current one gets it if it is the harder: fewer shares do no
    /// harm, and refused ones do.
    fn target_came(&mut self, now: Instant, target: Target) {
        self.next_target = target;
        self.tighten_at = match (is_harder(target, self.target), self.tighten_at) {
            (false, _) => None,
            (true, None) => Some(now + TIGHTEN_AFTER),
            (true, due) => due,
        };
    }

    pub(super) fn tighten(&mut self, out: &mut Outbox) {
        self.tighten_at = None;
        self.target = self.next_target;
        self.floor = Some(self.target);
        self.give_out(Supersede::Prefer, out);
    }

    pub(super) fn set_extranonce(
        &mut self,
        params: Option<&RawValue>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let params = params.and_then(items).unwrap_or_default();
        let before = self.next_extranonce.as_ref().or(self.extranonce.as_ref());
        let (first, len) = (params.first().copied(), params.get(1).copied());
        let next = Extranonce::read("mining.set_extranonce", first, len, before)?;
        match self.config.options.apply_extranonce {
            ApplyExtranonce::NextJob => self.next_extranonce = Some(next),
            ApplyExtranonce::Now => {
                self.next_extranonce = None;
                self.extranonce = Some(next);
                self.give_out(Supersede::Discard, out);
            }
        }
        Ok(())
    }

    pub(super) fn set_version_mask(
        &mut self,
        params: Option<&RawValue>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        const NAME: &str = "mining.set_version_mask";
        let params = params.and_then(items).unwrap_or_default();
        let mask = params.first().ok_or_else(|| field(NAME, "mask", "is missing"))?;
        self.mask_came(hex_number(NAME, "mask", mask)?, out);
        Ok(())
    }

    /// A mask is valid at once, for the current job as well.
    pub(super) fn mask_came(&mut self, mask: u32, out: &mut Outbox) {
        let before = self.rolling.mask();
        if !self.rolling.agree(mask) {
            return;
        }
        let lost = before & !self.rolling.mask();
        if lost | self.rolling.mask() & !before != 0 {
            // Work with other bits would repeat the hashes of the old under another name.
            self.extranonce_first = self.rng.next_u64();
            // A share with bits that are no longer ours would be refused.
            self.give_out(if lost == 0 { Supersede::Prefer } else { Supersede::Discard }, out);
        }
    }

    /// Goes on elsewhere in the extranonce, once for each job.
    pub(super) fn move_extranonce(&mut self, out: &mut Outbox) {
        if !std::mem::replace(&mut self.moved, true) {
            self.extranonce_first = self.rng.next_u64();
            self.give_out(Supersede::Prefer, out);
        }
    }
}
