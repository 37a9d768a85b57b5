//! Blocks that we found, each on its way to the node until the node has answered.
//!
//! A block is worth more than any number of shares, so it is sent again until the node says something about it or
//! until nobody can want it any more. One goes at a time: the second block on the same parent could only compete
//! with the first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ledger::ShareId;

/// How long a block is sent again without an answer.
pub(super) const RETRY_FOR: Duration = Duration::from_secs(600);
/// Blocks that may wait at once; beyond it something is wrong with the difficulty, not with the luck.
pub(super) const MAX_WAITING: usize = 64;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A block that we found; what it is made of is the dialect's affair.
#[derive(Debug, Clone)]
pub(super) struct Candidate<B> {
    pub(super) id: ShareId,
    pub(super) block: B,
    /// When it is given up.
    pub(super) until: Instant,
}

/// Where the first of the queue is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There was none yet.
    #[default]
    Idle,
    /// To be sent at this time.
    Due(Instant),
    /// Sent; the node has not answered.
    Sent,
    /// The node took it; we ask whether it stands in the chain.
    Checking,
}

/// The queue. Only the first is ever under way.
#[derive(Debug)]
pub(super) struct Candidates<B> {
    waiting: VecDeque<Candidate<B>>,
    step: Step,
    tries: u32,
}

impl<B> Default for Candidates<B> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), step: Step::default(), tries: 0 }
    }
}

impl<B> Candidates<B> {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether one of them is like that.
    pub(super) fn any(&self, is_like: impl Fn(&B) -> bool) -> bool {
        self.waiting.iter().any(|candidate| is_like(&candidate.block))
    }

    /// Queues a block; gives it back when the queue is full.
    pub(super) fn push(&mut self, now: Instant, candidate: Candidate<B>) -> Result<(), Candidate<B>> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(candidate);
        }
        if self.waiting.is_empty() {
            self.rewind(now);
        }
        self.waiting.push_back(candidate);
        Ok(())
    }

    /// When [`Candidates::send`] has something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.step {
            Step::Due(at) if !self.waiting.is_empty() => Some(at),
            _ => None,
        }
    }

    /// The block to send now. Blocks whose time is over are dropped before.
    pub(super) fn send(&mut self, now: Instant) -> Option<&Candidate<B>> {
        if self.deadline()? > now {
            return None;
        }
        while self.waiting.front().is_some_and(|first| first.until <= now) {
            self.waiting.pop_front();
            self.rewind(now);
        }
        let first = self.waiting.front()?;
        self.step = Step::Sent;
        Some(first)
    }

    /// The node did not answer, or not about the block: the block stays and is sent again after a pause.
    pub(super) fn retry(&mut self, now: Instant) {
        let pause = Duration::from_secs(1 << self.tries.min(4)).min(LONGEST_PAUSE);
        self.tries = self.tries.saturating_add(1);
        self.step = Step::Due(now + pause);
    }

    /// The node took the block that was sent; the caller asks for its place in the chain.
    pub(super) fn check(&mut self) -> Option<&Candidate<B>> {
        self.step = Step::Checking;
        self.waiting.front()
    }

    /// The first has its verdict; the next is due at once.
    pub(super) fn settle(&mut self, now: Instant) -> Option<Candidate<B>> {
        self.rewind(now);
        self.waiting.pop_front()
    }

    /// Takes out every block that `is_sibling` of one that stands in the chain.
    pub(super) fn drop_siblings(&mut self, is_sibling: impl Fn(&B) -> bool) -> VecDeque<Candidate<B>> {
        let (siblings, others) = self.waiting.drain(..).partition(|candidate| is_sibling(&candidate.block));
        self.waiting = others;
        siblings
    }

    fn rewind(&mut self, now: Instant) {
        self.step = Step::Due(now);
        self.tries = 0;
    }
}
