//! What a hostile node can do, as bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Hash, registry};
use serde_json::value::RawValue;

use super::{Later, Monerod, MonerodConfig, RING, V2_MAJOR};
use crate::dialect::candidates::MAX_WAITING;
use crate::dialect::{Dialect, Event, HttpFailure, HttpReply, HttpRequest, Out, Outbox};
use crate::envelope::{Fields, items};
use crate::job::{Job, Share};
use crate::ledger::ShareId;

/// Each of its templates has the shape of a whole answer.
const TEMPLATES: &str = include_str!("../../../vectors/monerod.json");
const ANSWERS: [&str; 6] = [
    "{\"hash\":\"418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3\",\"height\":1}",
    "{\"id\":1,\"result\":{\"status\":\"OK\"}}",
    "{\"id\":1,\"result\":{\"block_header\":{\"hash\":\
        \"418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3\"}}}",
    "{\"error\":{\"code\":-9,\"message\":\"Core is busy\"}}",
    "{\"error\":{\"code\":-7,\"message\":\"Block not accepted\"}}",
    "",
];

/// Fuzz entry: whatever a node answers and in whatever order, the dialect stays within its bounds, its job numbers
/// rise and each block gets at most one verdict.
#[doc(hidden)]
pub fn fuzz_monerod(data: &[u8]) {
    let answers = answers();
    let mut bytes = data.iter().copied();
    let mut now = Instant::now();
    let mut session = Session::start(now);
    while let Some(step) = bytes.next() {
        now += Duration::from_millis(u64::from(step) * 16);
        match step % 8 {
            0 => session.dialect.tick(now, &mut session.out),
            1 => session.submit(now, step),
            2 => session.answer(now, step, Err(HttpFailure::Other("refused"))),
            3 => session.answer(now, step, Ok((500, b"<html>"))),
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
    let templates = file.as_ref().and_then(|file| file.get("templates")).and_then(items).unwrap_or_default();
    ANSWERS.into_iter().map(str::to_owned).chain(templates.iter().map(|raw| raw.get().to_owned())).collect()
}

/// The session's part, as far as the checks need it.
struct Session {
    dialect: Monerod,
    out: Outbox,
    asked: Vec<HttpRequest>,
    job: Option<Arc<Job>>,
    last_share: u64,
    settled: BTreeSet<ShareId>,
}

impl Session {
    fn start(now: Instant) -> Self {
        let config = MonerodConfig {
            wallet: "4".to_owned(),
            extra_nonce: [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77],
            algorithm: &registry::RANDOMX,
            later: Some(Later { major: V2_MAJOR, algorithm: &registry::RANDOMX_V2 }),
        };
        let mut session = Self {
            dialect: Monerod::new(config),
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
        self.last_share += 1;
        let share = Share {
            job,
            roll: 0,
            nonce: self.last_share,
            hash: Hash([0; 32]),
            device: u16::from(device),
            found: now,
        };
        self.dialect.submit(now, ShareId(self.last_share), &share, &mut self.out);
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
                Out::Http(request) => self.asked.push(request),
                Out::Event(Event::Job(new)) => {
                    assert!(self.job.as_ref().is_none_or(|job| job.key.seq < new.seq), "job numbers rise");
                    self.job = Some(Arc::new(new.into_job(1, 0, now)));
                }
                Out::Event(Event::Verdict(id, _)) => assert!(self.settled.insert(id), "one verdict a block"),
                Out::Event(_) | Out::Close(_) => {}
                Out::Line(line) => assert!(line.is_empty(), "no line is ever sent"),
                Out::Message(_) | Out::HangUp => panic!("no stream of messages with this node"),
            }
        }
        assert!(self.asked.len() <= 4, "one exchange of a kind");
        assert!(self.dialect.templates.len() <= RING && self.dialect.candidates.len() <= MAX_WAITING);
    }
}
