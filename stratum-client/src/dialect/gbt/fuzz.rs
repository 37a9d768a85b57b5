//! What a hostile node can do, as bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Hash, registry};
use serde_json::value::RawValue;

use super::{Gbt, GbtConfig, RING};
use crate::address::Payout;
use crate::dialect::candidates::MAX_WAITING;
use crate::dialect::{Dialect, Event, HttpFailure, HttpReply, HttpRequest, Out, Outbox};
use crate::envelope::Fields;
use crate::job::{Job, Share};
use crate::ledger::ShareId;

/// Results of `getblocktemplate`.
const TEMPLATES: &str = include_str!("../../../vectors/gbt.json");
const ANSWERS: [&str; 12] = [
    "{\"result\":{\"chain\":\"regtest\"},\"error\":null}",
    "{\"result\":\"78daf35b6663a37e5ec58b7fcb17ce7704f1a372bf75a502da0c7a9c47198826\",\"error\":null}",
    "{\"result\":null,\"error\":null,\"id\":1}",
    "{\"result\":\"rejected: high-hash\"}",
    "{\"result\":\"inconclusive\"}",
    "{\"result\":\"duplicate\"}",
    "{\"result\":\"inconclusive-not-best-prevblk\"}",
    "{\"error\":{\"code\":-10,\"message\":\"in initial sync\"}}",
    "{\"error\":{\"code\":-8,\"message\":\"segwit\"}}",
    "{\"error\":{\"code\":-22,\"message\":\"Block decode failed\"}}",
    "{\"error\":{\"code\":-32601,\"message\":\"Method not found\"}}",
    "",
];
const ADDRESS: &str = "mgA7SfyBBrVGVSpQ7oqGHPhxpp2gUZWtfc";
/// Nonces that are tried for a block: every second one solves the recorded templates.
const TRIES: u64 = 8;

/// Fuzz entry: whatever a node answers and in whatever order, the dialect stays within its bounds, its job numbers
/// rise, its blocks are whole and each gets at most one verdict.
#[doc(hidden)]
pub fn fuzz_gbt(data: &[u8]) {
    let Ok(payout) = Payout::parse(ADDRESS) else { return };
    let answers = answers();
    let mut bytes = data.iter().copied();
    let mut now = Instant::now();
    let mut session = Session::start(now, payout);
    while let Some(step) = bytes.next() {
        now += Duration::from_millis(u64::from(step) * 16);
        match step % 8 {
            0 => session.dialect.tick(now, &mut session.out),
            1 => session.submit(now, step),
            2 => session.answer(now, step, Err(HttpFailure::Other("refused"))),
            3 => session.answer(now, step, Ok((if step < 128 { 500 } else { 403 }, b"<html>"))),
            _ => {
                let picked = usize::from(bytes.next().unwrap_or_default()) % answers.len();
                let mut body = answers.get(picked).map_or(Vec::new(), |answer| answer.as_bytes().to_vec());
                // Half of the answers get up to three bytes changed.
                for _ in 0..bytes.next().unwrap_or_default().saturating_sub(128) % 4 {
                    let place = [bytes.next().unwrap_or_default(), bytes.next().unwrap_or_default()];
                    let place = usize::from(u16::from_le_bytes(place)) % body.len().max(1);
                    if let Some(byte) = body.get_mut(place) {
                        *byte = bytes.next().unwrap_or_default();
                    }
                }
                session.answer(now, step, Ok((200, &body)));
            }
        }
        session.drain(now);
    }
}

fn answers() -> Vec<String> {
    let file = serde_json::from_str::<&RawValue>(TEMPLATES).ok().and_then(Fields::read);
    let template = |node| file.as_ref()?.get(node).map(|raw| format!("{{\"result\":{}}}", raw.get()));
    let templates = ["bcoin", "bsv"].into_iter().filter_map(template);
    ANSWERS.into_iter().map(str::to_owned).chain(templates).collect()
}

/// The session's part, as far as the checks need it.
struct Session {
    dialect: Gbt,
    out: Outbox,
    asked: Vec<HttpRequest>,
    job: Option<Arc<Job>>,
    last_share: u64,
    settled: BTreeSet<ShareId>,
}

impl Session {
    fn start(now: Instant, payout: Payout) -> Self {
        let config = GbtConfig {
            payout,
            extranonce1: [0x11, 0x22, 0x33, 0x44],
            version_mask: u32::MAX,
            algorithm: &registry::SHA256D,
        };
        let mut session = Self {
            dialect: Gbt::new(config),
            out: Outbox::default(),
            asked: Vec::new(),
            job: None,
            last_share: 0,
            settled: BTreeSet::new(),
        };
        session.dialect.start(now, &mut session.out);
        session.drain(now);
        session
    }

    fn submit(&mut self, now: Instant, device: u8) {
        let Some(job) = self.job.clone() else { return };
        for _ in 0..TRIES {
            self.last_share += 1;
            let share = Share {
                job: Arc::clone(&job),
                roll: 0,
                nonce: self.last_share,
                hash: Hash([0; 32]),
                device: u16::from(device),
                found: now,
            };
            self.dialect.submit(now, ShareId(self.last_share), &share, &mut self.out);
        }
    }

    fn answer(&mut self, now: Instant, pick: u8, outcome: Result<(u16, &[u8]), HttpFailure<'_>>) {
        if self.asked.is_empty() {
            return;
        }
        let request = self.asked.swap_remove(usize::from(pick / 8) % self.asked.len());
        // A refused answer is the session's business; here it must only change nothing for the worse.
        let _ = self.dialect.http(now, HttpReply { tag: request.tag, outcome }, &mut self.out);
    }

    fn drain(&mut self, now: Instant) {
        for out in self.out.take() {
            match out {
                Out::Http(request) => {
                    let body = request.body.as_deref().unwrap_or_default();
                    let is_call = serde_json::from_str::<&RawValue>(body).ok().and_then(Fields::read);
                    assert!(is_call.is_some_and(|call| call.text("method").is_some()), "{body}");
                    self.asked.push(request);
                }
                Out::Event(Event::Job(new)) => {
                    assert!(self.job.as_ref().is_none_or(|job| job.key.seq < new.seq), "job numbers rise");
                    assert!(new.template.work(0).is_some(), "there is something to hash");
                    self.job = Some(Arc::new(new.into_job(1, 0, now)));
                }
                Out::Event(Event::Verdict(id, _)) => assert!(self.settled.insert(id), "one verdict a block"),
                Out::Event(_) | Out::Close(_) => {}
                Out::Line(line) => assert!(line.is_empty(), "no line is ever sent"),
                Out::Message(_) | Out::HangUp => panic!("no stream of messages with this node"),
            }
        }
        assert!(self.asked.len() <= 7, "one exchange of a kind");
        assert!(self.dialect.templates.len() <= RING && self.dialect.candidates.len() <= MAX_WAITING);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_node_is_handled(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz_gbt(&data);
        }
    }
}
