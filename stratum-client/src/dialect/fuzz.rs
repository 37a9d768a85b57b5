//! What a hostile pool can say to a dialect of lines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::Hash;
use serde::de::IgnoredAny;

use super::{Dialect, Event, NewJob, Out, Outbox};
use crate::job::{Job, Share};
use crate::ledger::ShareId;

/// The lines of `data` are what the pool says. A line that begins with `!` is what happens meanwhile: `!s` a share for
/// the newest job, `!o` one for an older job, `!d` the end of a share's deadline, and any other letter lets as many
/// seconds pass as its code says. `check` looks at the dialect after each.
///
/// Job numbers rise, every job has work, messages are JSON lines, and each share gets at most one verdict.
pub(super) fn fuzz<D: Dialect>(dialect: D, data: &[u8], check: impl Fn(&D)) {
    let mut pool = Pool::new(dialect);
    for line in data.split(|byte| *byte == b'\n') {
        match line {
            [b'!', b's', ..] => pool.share(pool.jobs.len().saturating_sub(1)),
            [b'!', b'o', ..] => pool.share(0),
            [b'!', b'd', ..] => pool.dialect.timed_out(ShareId(pool.shares), &mut pool.out),
            [b'!', seconds, ..] => pool.wait(Duration::from_secs((*seconds).into())),
            _ => {
                // What the pool says wrong is the session's business.
                let _ = pool.dialect.line(pool.now, line, &mut pool.out);
            }
        }
        let closes = pool.closes();
        check(&pool.dialect);
        if closes {
            return;
        }
    }
}

/// The session's part, as far as the checks need it.
struct Pool<D> {
    dialect: D,
    out: Outbox,
    now: Instant,
    jobs: Vec<Arc<Job>>,
    shares: u64,
    settled: BTreeSet<ShareId>,
}

impl<D: Dialect> Pool<D> {
    fn new(dialect: D) -> Self {
        let (out, now) = (Outbox::default(), Instant::now());
        let mut pool = Self { dialect, out, now, jobs: Vec::new(), shares: 0, settled: BTreeSet::new() };
        pool.dialect.start(now, &mut pool.out);
        pool
    }

    fn share(&mut self, place: usize) {
        let Some(job) = self.jobs.get(place).cloned() else { return };
        self.shares += 1;
        let hash = Hash([0; 32]);
        let share = Share { job, roll: 0, nonce: self.shares, hash, device: 0, found: self.now };
        self.dialect.submit(self.now, ShareId(self.shares), &share, &mut self.out);
    }

    /// Wakes the dialect at each of its deadlines.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..64 {
            let Some(due) = self.dialect.deadline().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            self.dialect.tick(self.now, &mut self.out);
            assert!(self.dialect.deadline().is_none_or(|next| next > self.now), "a deadline that stays due");
        }
        self.now = end;
    }

    /// Checks what the dialect wants; true when it closes.
    fn closes(&mut self) -> bool {
        let mut closes = false;
        for out in self.out.take() {
            match out {
                Out::Line(line) => {
                    assert!(serde_json::from_str::<IgnoredAny>(&line).is_ok(), "{line}");
                    assert!(line.len() < 1024 && !line.contains('\n'), "{line}");
                }
                Out::Event(Event::Job(new)) => self.job(new),
                Out::Event(Event::Verdict(id, _)) => {
                    assert!(id.0 <= self.shares && self.settled.insert(id), "one verdict a share");
                }
                Out::Event(Event::Notice(text) | Event::Waiting(text)) => {
                    assert!(!text.contains(|character: char| character.is_control()), "{text:?}");
                }
                Out::Close(_) => closes = true,
                Out::Event(_) | Out::Http(_) => {}
                Out::Message(_) | Out::HangUp => panic!("no stream of messages with a pool"),
            }
        }
        closes
    }

    fn job(&mut self, new: NewJob) {
        assert!(self.jobs.last().is_none_or(|last| last.key.seq < new.seq), "job numbers rise");
        assert!(new.template.work(0).is_some(), "something to hash");
        if self.jobs.len() == self.dialect.limits().job_ring {
            self.jobs.remove(0);
        }
        self.jobs.push(Arc::new(new.into_job(1, 0, self.now)));
    }
}
