//! What the dialects of JSON lines have in common: numbered requests, texts that are sent back as they came, and
//! the messages that all of them know.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rminer_algos::{Target, TargetError};
use serde_json::value::RawValue;

use super::{ProtocolError, Redirect};
use crate::envelope::{items, number, text};
use crate::text::clean;

/// Requests of ours that may wait for an answer, late ones included.
pub(super) const MAX_PENDING: usize = 1024;
/// How long a request's number is remembered: some pools judge a share ten minutes later.
pub(super) const REMEMBERED: Duration = Duration::from_secs(600);
/// Messages to people that are shown in a minute.
pub(super) const MAX_SHOWN: usize = 4;
/// Longest job id or session token, as JSON text.
const MAX_TOKEN_BYTES: usize = 256;

/// Our requests by number. Numbers rise from 1 and are never used again.
#[derive(Debug)]
pub(super) struct Requests<P> {
    last: u64,
    pending: BTreeMap<u64, (Instant, P)>,
}

impl<P> Default for Requests<P> {
    fn default() -> Self {
        Self { last: 0, pending: BTreeMap::new() }
    }
}

impl<P> Requests<P> {
    /// The number of a new request. The oldest is forgotten where there are too many.
    pub(super) fn ask(&mut self, now: Instant, pending: P) -> u64 {
        while self.pending.len() >= MAX_PENDING {
            self.pending.pop_first();
        }
        self.last += 1;
        self.pending.insert(self.last, (now, pending));
        self.last
    }

    /// What was asked under this number; none for numbers that were never given or have had their answer.
    pub(super) fn answered(&mut self, id: Option<u64>) -> Option<P> {
        self.pending.remove(&id?).map(|(_, pending)| pending)
    }

    /// Forgets what was asked too long ago.
    pub(super) fn forget_old(&mut self, now: Instant) {
        // Numbers are given in order of time, so the oldest come first.
        while let Some(oldest) = self.pending.first_entry() {
            if now.saturating_duration_since(oldest.get().0) <= REMEMBERED {
                break;
            }
            oldest.remove();
        }
    }

    /// Requests that are remembered.
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    #[cfg(test)]
    pub(super) fn pending(&self) -> impl Iterator<Item = &P> {
        self.pending.values().map(|(_, pending)| pending)
    }
}

/// At most `N` of something in a minute.
#[derive(Debug, Default)]
pub(super) struct Pace<const N: usize>(VecDeque<Instant>);

impl<const N: usize> Pace<N> {
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        self.0.retain(|at| now.saturating_duration_since(*at) < Duration::from_secs(60));
        let takes = self.0.len() < N;
        if takes {
            self.0.push_back(now);
        }
        takes
    }

    /// How many there were in the last minute, at most `N`.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `mining.set_difficulty`: `[difficulty]`, also as text; none where there is nothing of the kind.
pub(super) fn difficulty(params: Option<&RawValue>) -> Option<Result<Target, TargetError>> {
    let given = params.and_then(items).and_then(|items| items.first().and_then(|item| text(item)));
    given.as_deref().map(Target::from_bitcoin_difficulty)
}

/// Target of difficulty 1: what is meant until a pool names another.
pub(super) fn difficulty_1() -> Target {
    // The compact form of this very target; it is not zero.
    Target::from_compact(0x1D00_FFFF).unwrap_or(Target::MAX)
}

/// Whether fewer hashes meet `target` than `other`.
pub(super) fn is_harder(target: Target, other: Target) -> bool {
    target.to_le_bytes().iter().rev().lt(other.to_le_bytes().iter().rev())
}

/// `client.show_message`: `[text]`, safe to show.
pub(super) fn shown(params: Option<&RawValue>) -> String {
    let items = params.and_then(items).unwrap_or_default();
    items.first().and_then(|item| text(item)).map_or(String::new(), |shown| clean(&shown))
}

/// `client.reconnect`: `[host, port, wait]`, all optional, numbers also as text.
pub(super) fn redirect(params: Option<&RawValue>) -> Redirect {
    let params = params.and_then(items).unwrap_or_default();
    let host = params.first().and_then(|host| text(host)).map(|host| host.trim().to_owned());
    Redirect {
        host: host.filter(|host| !host.is_empty() && host.len() <= 253),
        port: params.get(1).and_then(|port| number(port)).and_then(|port| u16::try_from(port).ok()),
        wait_s: params.get(2).and_then(|wait| number(wait)).unwrap_or(0),
    }
}

/// A short text or number as it was written, to be sent back the same.
pub(super) fn token(raw: &RawValue) -> Option<Box<str>> {
    let written = raw.get();
    let fits = text(raw).is_some() && written.len() <= MAX_TOKEN_BYTES;
    fits.then(|| written.into())
}

/// `text` as JSON.
pub(super) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A fault in a field.
pub(super) fn field(message: &'static str, field: &'static str, fault: impl Into<String>) -> ProtocolError {
    ProtocolError::Field { message, field, fault: fault.into() }
}
