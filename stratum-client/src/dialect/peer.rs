//! The pool's side in the tests of a dialect.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::Hash;
use serde_json::Value;

use super::{Dialect, Event, Out, Outbox, ProtocolError};
use crate::job::{Job, Share};
use crate::ledger::{ShareId, Verdict};

/// Says lines to a dialect, and looks at what comes of them.
pub(super) struct Peer<D> {
    pub(super) dialect: D,
    pub(super) now: Instant,
}

impl<D: Dialect> Peer<D> {
    /// Connects, and gives what is sent at once.
    pub(super) fn connect(dialect: D) -> (Self, Vec<String>) {
        let mut peer = Self { dialect, now: Instant::now() };
        let mut out = Outbox::default();
        peer.dialect.start(peer.now, &mut out);
        (peer, lines(out.take()))
    }

    pub(super) fn says(&mut self, line: &str) -> Result<Vec<Out>, ProtocolError> {
        let mut out = Outbox::default();
        self.dialect.line(self.now, line.as_bytes(), &mut out)?;
        Ok(out.take())
    }

    pub(super) fn silent(&mut self, line: &str) {
        let out = self.says(line).unwrap();
        assert!(out.is_empty(), "{line}: {out:?}");
    }

    pub(super) fn fault(&mut self, line: &str) -> String {
        let error = self.says(line).expect_err(line);
        error.to_string()
    }

    pub(super) fn job(&mut self, line: &str) -> Job {
        only_job(self.says(line).unwrap())
    }

    /// Wakes the dialect at its own deadline.
    pub(super) fn tick(&mut self) -> Vec<Out> {
        self.now = self.dialect.deadline().expect("a deadline");
        let mut out = Outbox::default();
        self.dialect.tick(self.now, &mut out);
        out.take()
    }

    /// The line that a share is sent as.
    pub(super) fn submit(&mut self, job: &Job, roll: u64, nonce: u64, hash: [u8; 32]) -> Value {
        let out = self.submitted(job, roll, nonce, hash);
        let [Out::Line(line)] = &out[..] else { panic!("{out:?}") };
        serde_json::from_str(line).unwrap()
    }

    pub(super) fn submitted(&mut self, job: &Job, roll: u64, nonce: u64, hash: [u8; 32]) -> Vec<Out> {
        let (job, hash) = (Arc::new(job.clone()), Hash(hash));
        let share = Share { job, roll, nonce, hash, device: 0, found: self.now };
        let mut out = Outbox::default();
        self.dialect.submit(self.now, ShareId(nonce), &share, &mut out);
        out.take()
    }

    /// Sends a share and gives the answer to it; what comes of that.
    pub(super) fn judged(&mut self, job: &Job, nonce: u64, answer: &str) -> (Verdict, Vec<Out>) {
        let id = self.submit(job, 0, nonce, [0; 32])["id"].clone();
        let mut out = self.says(&format!("{{\"id\":{id},{answer}}}")).unwrap();
        let place =
            out.iter().position(|out| matches!(out, Out::Event(Event::Verdict(..)))).expect("a verdict");
        match out.remove(place) {
            Out::Event(Event::Verdict(share, verdict)) => {
                assert_eq!(share, ShareId(nonce));
                (verdict, out)
            }
            _ => unreachable!("the place of a verdict"),
        }
    }
}

/// All of it must be lines.
pub(super) fn lines(out: Vec<Out>) -> Vec<String> {
    out.into_iter()
        .map(|out| match out {
            Out::Line(line) => line,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// All of it must be one job, of session 1.
pub(super) fn only_job(mut out: Vec<Out>) -> Job {
    match (out.pop(), out.is_empty()) {
        (Some(Out::Event(Event::Job(new))), true) => new.into_job(1, 0, Instant::now()),
        other => panic!("{other:?} behind {out:?}"),
    }
}
