//! What a hostile node can do, as bytes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Hash, registry};

use super::protobuf::{fields, put_bytes, put_number};
use super::{Kaspad, KaspadConfig, RING, RING_BYTES};
use crate::dialect::candidates::MAX_WAITING;
use crate::dialect::{CloseReason, Dialect, Event, Out, Outbox};
use crate::job::{Job, Share};
use crate::ledger::ShareId;

/// Fuzz entry: whatever a node says and in whatever order, the dialect stays within its bounds, its job numbers rise,
/// what it sends is protobuf and each of its blocks gets at most one verdict.
#[doc(hidden)]
pub fn fuzz_kaspad(data: &[u8]) {
    let mut bytes = data.iter().copied();
    let mut now = Instant::now();
    let mut session = Session::start(now);
    while let Some(step) = bytes.next() {
        now += Duration::from_millis(u64::from(step) * 16);
        match step % 8 {
            0 => session.dialect.tick(now, &mut session.out),
            1 => session.submit(now, step),
            2 => {
                let reason = CloseReason::Network("gone".into());
                session.dialect.stream_ended(now, reason, &mut session.out);
            }
            // As it comes.
            3 => {
                let len = usize::from(bytes.next().unwrap_or_default());
                let message: Vec<u8> = bytes.by_ref().take(len).collect();
                session.hear(now, &message);
            }
            _ => {
                let mut message = answer(bytes.next().unwrap_or_default());
                // Half of the answers get up to three bytes changed.
                for _ in 0..bytes.next().unwrap_or_default().saturating_sub(128) % 4 {
                    let place = usize::from(bytes.next().unwrap_or_default()) * 3 % message.len().max(1);
                    if let Some(byte) = message.get_mut(place) {
                        *byte = bytes.next().unwrap_or_default();
                    }
                }
                session.hear(now, &message);
            }
        }
        session.drain(now);
    }
}

/// One of the answers of a node; templates come in sixteen kinds.
fn answer(pick: u8) -> Vec<u8> {
    let words = |text: &str| message(1, text.as_bytes());
    let (number, payload) = match pick % 16 {
        0 => (1093, message(4, b"mainnet")),
        1 => (1093, message(4, b"devnet")),
        2 => (1082, Vec::new()),
        3 => (1082, message(1000, &words("no"))),
        4 => (1083, Vec::new()),
        5 => (1004, Vec::new()),
        6 => (1004, [number(1, 1), message(1000, &words("the block is invalid"))].concat()),
        7 => (1004, [number(1, 2), message(1000, &words("IBD"))].concat()),
        8 => (1111, number(1, u64::from(pick) >> 4 & 1)),
        9 => (1111, message(1000, &words("merger not found"))),
        10 => (1006, message(1000, &words("the state is in transition"))),
        11 => (1006, [number(2, u64::from(pick) >> 4 & 1), message(3, &block(pick))].concat()),
        _ => (1006, [number(2, 1), message(3, &block(pick))].concat()),
    };
    message(number, &payload)
}

/// A block whose time is `pick`.
fn block(pick: u8) -> Vec<u8> {
    let hash = "5c".repeat(32);
    let mut header = Vec::new();
    put_number(&mut header, 1, 2);
    put_bytes(&mut header, 12, &message(1, hash.as_bytes()));
    for field in [3, 4, 5, 14] {
        put_bytes(&mut header, field, hash.as_bytes());
    }
    put_number(&mut header, 6, 1_787_225_600_000 + u64::from(pick));
    put_number(&mut header, 7, 0x207f_ffff);
    put_bytes(&mut header, 10, b"123");
    let transaction = message(8, b"00");
    [message(1, &header), message(2, &transaction)].concat()
}

fn message(field: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, field, payload);
    out
}

fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, field, value);
    out
}

/// The session's part, as far as the checks need it.
struct Session {
    dialect: Kaspad,
    out: Outbox,
    job: Option<Arc<Job>>,
    last_share: u64,
    settled: BTreeSet<ShareId>,
}

impl Session {
    fn start(now: Instant) -> Self {
        let config = KaspadConfig {
            address: "kaspa:qqxk".into(),
            extra_data: "rminer".into(),
            algorithm: &registry::KHEAVYHASH,
            patience: 1,
        };
        let mut session = Self {
            dialect: Kaspad::new(config),
            out: Outbox::default(),
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

    fn hear(&mut self, now: Instant, message: &[u8]) {
        // A refused message is the session's business; here it must only change nothing for the worse.
        let _ = self.dialect.message(now, message, &mut self.out);
    }

    fn drain(&mut self, now: Instant) {
        for out in self.out.take() {
            match out {
                Out::Message(message) => {
                    assert!(fields("request", &message).all(|field| field.is_ok()), "{message:x?}");
                }
                Out::Event(Event::Job(new)) => {
                    assert!(self.job.as_ref().is_none_or(|job| job.key.seq < new.seq), "job numbers rise");
                    assert!(new.template.work(0).is_some(), "there is something to hash");
                    self.job = Some(Arc::new(new.into_job(1, 0, now)));
                }
                Out::Event(Event::Verdict(id, _)) => assert!(self.settled.insert(id), "one verdict a block"),
                Out::Event(_) | Out::Close(_) | Out::HangUp => {}
                Out::Line(_) | Out::Http(_) => panic!("neither lines nor HTTP go to this node"),
            }
        }
        assert!(self.dialect.under_way.len() <= 5, "one request of a kind");
        assert!(self.dialect.templates.len() <= RING && self.dialect.template_bytes <= RING_BYTES);
        assert!(self.dialect.candidates.len() <= MAX_WAITING && self.dialect.standing.len() <= 64);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_node_is_handled(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz_kaspad(&data);
        }
    }
}
