//! Jobs and what changes them: difficulty and extranonce.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::Template;
use serde_json::value::RawValue;

use super::extranonce::Prefix;
use super::notify::Notify;
use super::{JOB_RING, Kaspa, WireJob};
use crate::dialect::wire::{difficulty, is_harder};
use crate::dialect::{Event, NewJob, Outbox, ProtocolError};
use crate::envelope::items;
use crate::job::Supersede;

/// A job that another has overtaken on its way comes this soon after it. Later, older numbers mean a new count.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(2);
/// After a raised difficulty without a job that has it, the current job gets it.
const TIGHTEN_AFTER: Duration = Duration::from_secs(2);
/// With fewer bits than these, a fast device is through before the next job comes.
const SMALL_SPACE_BITS: u8 = 32;

impl Kaspa {
    pub(super) fn notify(
        &mut self,
        now: Instant,
        params: Option<&RawValue>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let notify = Notify::read(params, self.config.algorithm)?;
        let repeated = self.newest.as_ref() == Some(&notify) && self.next_target == self.target;
        if repeated && !self.jobs.is_empty() || self.is_overtaken(now, &notify) {
            return Ok(());
        }
        self.newest = Some(notify);
        self.newest_came = Some(now);
        self.target = self.next_target;
        self.tighten_at = None;
        self.give_out(Supersede::Prefer, out);
        Ok(())
    }

    /// Whether a newer job came just before. A bridge sends the first one late and others meanwhile.
    fn is_overtaken(&self, now: Instant, notify: &Notify) -> bool {
        let (Some(newest), Some(came)) = (&self.newest, self.newest_came) else { return false };
        notify.is_before(newest) && now.saturating_duration_since(came) < OVERTAKEN_WITHIN
    }

    /// The newest job as it is to be mined now, if it can be.
    pub(super) fn give_out(&mut self, supersede: Supersede, out: &mut Outbox) {
        let Some(notify) = self.newest.as_ref().filter(|_| self.handshake.complete) else { return };
        let Some(work) = notify.work(self.prefix) else { return };
        self.last_seq += 1;
        out.event(Event::Job(NewJob {
            seq: self.last_seq,
            template: Template::Fixed(Arc::new(work)),
            target: self.target,
            block_target: None,
            supersede,
            height: None,
            next_seed: None,
            algorithm: self.config.algorithm,
        }));
        // A name that now stands for something else does not stand for what it was.
        self.jobs.retain(|job| job.id != notify.id || job.content == notify.content);
        // What the session's ring no longer holds is not asked for either.
        if supersede == Supersede::Discard {
            self.jobs.clear();
        }
        if self.jobs.len() == JOB_RING {
            self.jobs.pop_front();
        }
        self.jobs.push_back(WireJob { seq: self.last_seq, id: notify.id.clone(), content: notify.content });
    }

    /// It is the next job's; shares of older ones have to meet it as well. A difficulty that makes no sense changes
    /// nothing.
    pub(super) fn set_difficulty(&mut self, now: Instant, params: Option<&RawValue>, out: &mut Outbox) {
        let Some(Ok(target)) = difficulty(params) else {
            if !std::mem::replace(&mut self.warned.difficulty, true) {
                out.event(Event::Notice(
                    "the pool set a difficulty that is no number above zero; the last one stays".into(),
                ));
            }
            return;
        };
        self.next_target = target;
        self.tighten_at = is_harder(target, self.target).then_some(now + TIGHTEN_AFTER);
    }

    /// No job with the raised difficulty came: the current one gets it, so that nothing is found in vain.
    pub(super) fn tighten(&mut self, out: &mut Outbox) {
        self.tighten_at = None;
        self.target = self.next_target;
        self.give_out(Supersede::Prefer, out);
    }

    pub(super) fn set_extranonce(
        &mut self,
        params: Option<&RawValue>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let prefix = Prefix::read(&params.and_then(items).unwrap_or_default())?;
        self.prefix_came(prefix, out);
        Ok(())
    }

    /// Another part of the nonce is good at once, and the old one no longer: the current job goes on with the new one,
    /// and what was found with the old one is not sent.
    pub(super) fn prefix_came(&mut self, prefix: Prefix, out: &mut Outbox) {
        if prefix == self.prefix {
            return;
        }
        self.prefix = prefix;
        // What comes now may be another pool's, behind the same service, with numbers of its own.
        self.newest_came = None;
        let free_bits = prefix.free_bits();
        if free_bits < SMALL_SPACE_BITS && !std::mem::replace(&mut self.warned.small_space, true) {
            out.event(Event::Notice(format!(
                "the pool leaves {free_bits} bits of the nonce: fast devices will wait for the next job when they are \
                 through"
            )));
        }
        self.give_out(Supersede::Discard, out);
    }
}
