//! One row for each hit, from found to its one final verdict.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::bugs::{Bug, Bugs};
use crate::job::JobKey;

/// Rows that may wait for a verdict at once. Twenty shares a second for twenty seconds are 400.
pub const MAX_OPEN: usize = 1024;
/// Rows closed without an answer that a late one may still correct.
pub const MAX_LATE: usize = 256;
/// How long a late answer is looked up.
pub const LATE_FOR: Duration = Duration::from_secs(600);

/// Our name of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareId(pub u64);

/// How a hit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The pool took it.
    Accepted,
    /// The pool refused it.
    Rejected {
        /// What was wrong with it, from the pool's code or text.
        kind: Reject,
        /// The pool's words, safe to show.
        text: String,
    },
    /// Sent, and never answered while the session went on.
    NoReply,
    /// Sent, and the session ended before an answer.
    Lost,
    /// Never sent.
    NotSent(NotSent),
}

/// Classes of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// The job was no longer good.
    Stale,
    /// The pool had this share already.
    Duplicate,
    /// The hash does not meet the pool's target.
    LowDifficulty,
    /// The hash is wrong: a fault of this machine or of this program.
    BadHash,
    /// The login is not, or no longer, good.
    Unauthorized,
    /// Too many shares.
    Throttled,
    /// Anything else.
    Other,
}

/// Why a hit was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotSent {
    /// The check on the CPU gave another hash, or one above the target.
    Miscompute,
    /// Its job is gone.
    Stale,
    /// The same nonce of the same work was found before.
    Duplicate,
    /// More hits than a pool should be sent.
    Throttled,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "stale",
            Self::Duplicate => "duplicate",
            Self::LowDifficulty => "low difficulty",
            Self::BadHash => "bad hash",
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::Other => "other",
        })
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Miscompute => "miscompute",
            Self::Stale => "stale",
            Self::Duplicate => "duplicate",
            Self::Throttled => "throttled",
        })
    }
}

/// What is known of a hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The job that it solves.
    pub job: JobKey,
    /// Index of the pool.
    pub pool: usize,
    /// Which worker found it.
    pub device: u16,
    /// Expected hashes for a share of its job.
    pub difficulty: f64,
    /// Expected hashes for a hash as good as this one.
    pub hash_difficulty: f64,
    /// Whether it solves a block, as far as the job tells.
    pub block: bool,
    /// When it was found.
    pub found: Instant,
    /// When it was given to the connection.
    pub sent: Option<Instant>,
}

/// A row that got its verdict, or a better one.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// Which row.
    pub id: ShareId,
    /// The row.
    pub row: Row,
    /// Its verdict now.
    pub verdict: Verdict,
    /// The verdict that this one replaces: an answer came after all.
    pub corrects: Option<Verdict>,
    /// From sending to the answer, for accepted and rejected shares.
    pub answer: Option<Duration>,
}

/// Sums over rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Every hit.
    pub found: u64,
    /// Taken by pools.
    pub accepted: u64,
    /// Refused by pools, by class.
    pub rejected: BTreeMap<Reject, u64>,
    /// Never answered.
    pub no_reply: u64,
    /// Lost with a session.
    pub lost: u64,
    /// Never sent, by reason.
    pub not_sent: BTreeMap<NotSent, u64>,
    /// Blocks among the accepted.
    pub blocks: u64,
    /// Sum of the difficulties of accepted shares, in expected hashes.
    pub accepted_hashes: f64,
    /// Best accepted hash, in expected hashes.
    pub best_difficulty: f64,
}

impl Counts {
    /// Refused by pools, in all classes.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Not sent, for all reasons.
    pub fn not_sent_total(&self) -> u64 {
        self.not_sent.values().sum()
    }

    /// Rows with a verdict.
    pub fn closed(&self) -> u64 {
        self.accepted + self.rejected_total() + self.no_reply + self.lost + self.not_sent_total()
    }

    fn slot(&mut self, verdict: &Verdict) -> &mut u64 {
        match verdict {
            Verdict::Accepted => &mut self.accepted,
            Verdict::Rejected { kind, .. } => self.rejected.entry(*kind).or_default(),
            Verdict::NoReply => &mut self.no_reply,
            Verdict::Lost => &mut self.lost,
            Verdict::NotSent(why) => self.not_sent.entry(*why).or_default(),
        }
    }

    fn add(&mut self, row: &Row, verdict: &Verdict) {
        *self.slot(verdict) += 1;
        if *verdict == Verdict::Accepted {
            self.accepted_hashes += row.difficulty;
            self.best_difficulty = self.best_difficulty.max(row.hash_difficulty);
            self.blocks += u64::from(row.block);
        }
    }
}

/// All rows of the process: open ones, those that a late answer may correct, and the sums.
#[derive(Debug, Default)]
pub struct Ledger {
    last: u64,
    open: BTreeMap<ShareId, Row>,
    late: VecDeque<(ShareId, Row)>,
    total: Counts,
    devices: BTreeMap<u16, Counts>,
    pools: BTreeMap<usize, Counts>,
    pub(crate) bugs: Bugs,
}

impl Ledger {
    /// Opens a row for a hit. `None` when [`MAX_OPEN`] rows wait already; then the caller records it with
    /// [`Ledger::not_sent`].
    pub fn open(&mut self, row: Row) -> Option<ShareId> {
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        let id = self.count_found(&row);
        self.open.insert(id, row);
        Some(id)
    }

    /// Opens and closes a row for a hit that is not sent.
    pub fn not_sent(&mut self, row: Row, why: NotSent) -> Settled {
        let id = self.count_found(&row);
        self.close(id, row, Verdict::NotSent(why), None, None)
    }

    /// Counts hits that are not sent because they are far too many, without a row for each.
    pub fn throttled(&mut self, pool: usize, device: u16, hits: u64) {
        for counts in self.counts_for(pool, device) {
            counts.found += hits;
            *counts.slot(&Verdict::NotSent(NotSent::Throttled)) += hits;
        }
    }

    /// Notes that a row's share was given to the connection.
    pub fn sent(&mut self, id: ShareId, now: Instant) {
        if let Some(row) = self.open.get_mut(&id) {
            row.sent = Some(now);
        }
    }

    /// Gives an open row its verdict, or corrects one that was closed for want of an answer. `None` when the row
    /// is unknown or has its final verdict: a peer that answers twice changes nothing.
    pub fn settle(&mut self, id: ShareId, verdict: Verdict, now: Instant) -> Option<Settled> {
        if let Some(row) = self.open.remove(&id) {
            let answered = matches!(verdict, Verdict::Accepted | Verdict::Rejected { .. });
            let answer = row.sent.filter(|_| answered).map(|sent| now.saturating_duration_since(sent));
            if verdict == Verdict::NoReply {
                if self.late.len() == MAX_LATE {
                    self.late.pop_front();
                }
                self.late.push_back((id, row.clone()));
            }
            return Some(self.close(id, row, verdict, None, answer));
        }
        if !matches!(verdict, Verdict::Accepted | Verdict::Rejected { .. }) {
            return None;
        }
        let place = self.late.iter().position(|(late, _)| *late == id)?;
        let (_, row) = self.late.remove(place)?;
        let answer = now.saturating_duration_since(row.sent?);
        if answer > LATE_FOR {
            return None;
        }
        let corrected = u64::from(!self.bugs.has(Bug::LateVerdictAdds));
        for counts in self.counts_of(&row) {
            counts.no_reply -= corrected;
        }
        Some(self.close(id, row, verdict, Some(Verdict::NoReply), Some(answer)))
    }

    /// A row that waits for its verdict.
    pub fn row(&self, id: ShareId) -> Option<&Row> {
        self.open.get(&id)
    }

    /// Rows that wait for a verdict.
    pub fn pending(&self) -> usize {
        self.open.len()
    }

    /// Sums over everything.
    pub fn total(&self) -> &Counts {
        &self.total
    }

    /// Sums for one worker.
    pub fn device(&self, device: u16) -> Option<&Counts> {
        self.devices.get(&device)
    }

    /// Sums for one pool.
    pub fn pool(&self, pool: usize) -> Option<&Counts> {
        self.pools.get(&pool)
    }

    /// Whether every hit is in exactly one place. Anything else is a bug of this program.
    pub fn balances(&self) -> bool {
        let pending = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        let by_device: u64 = self.devices.values().map(Counts::closed).sum();
        let by_pool: u64 = self.pools.values().map(Counts::closed).sum();
        self.total.found == self.total.closed() + pending
            && self.total.closed() == by_device
            && self.total.closed() == by_pool
    }

    fn count_found(&mut self, row: &Row) -> ShareId {
        for counts in self.counts_of(row) {
            counts.found += 1;
        }
        self.last += 1;
        ShareId(self.last)
    }

    fn counts_of(&mut self, row: &Row) -> [&mut Counts; 3] {
        self.counts_for(row.pool, row.device)
    }

    fn counts_for(&mut self, pool: usize, device: u16) -> [&mut Counts; 3] {
        [&mut self.total, self.devices.entry(device).or_default(), self.pools.entry(pool).or_default()]
    }

    fn close(
        &mut self,
        id: ShareId,
        row: Row,
        verdict: Verdict,
        corrects: Option<Verdict>,
        answer: Option<Duration>,
    ) -> Settled {
        for counts in self.counts_of(&row) {
            counts.add(&row, &verdict);
        }
        Settled { id, row, verdict, corrects, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(found: Instant) -> Row {
        Row {
            job: JobKey { session: 1, seq: 1 },
            pool: 0,
            device: 3,
            difficulty: 1000.0,
            hash_difficulty: 2500.0,
            block: false,
            found,
            sent: None,
        }
    }

    fn stale() -> Verdict {
        Verdict::Rejected { kind: Reject::Stale, text: "Block expired".into() }
    }

    #[test]
    fn one_final_verdict() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let id = ledger.open(row(now)).unwrap();
        ledger.sent(id, now);
        assert!(ledger.balances());
        let settled = ledger.settle(id, Verdict::Accepted, now + Duration::from_millis(42)).unwrap();
        assert_eq!(settled.answer, Some(Duration::from_millis(42)));
        assert_eq!(ledger.settle(id, stale(), now), None, "a second answer changes nothing");
        assert_eq!(ledger.settle(ShareId(99), Verdict::Accepted, now), None);
        assert_eq!((ledger.total().accepted, ledger.total().rejected_total()), (1, 0));
        assert_eq!(ledger.total().accepted_hashes, 1000.0);
        assert!(ledger.balances());
    }

    #[test]
    fn late_answer_corrects() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let ids: Vec<ShareId> = (0..2).map(|_| ledger.open(row(now)).unwrap()).collect();
        for id in &ids {
            ledger.sent(*id, now);
            ledger.settle(*id, Verdict::NoReply, now + Duration::from_secs(20)).unwrap();
        }
        assert_eq!(ledger.total().no_reply, 2);
        let settled = ledger.settle(ids[0], Verdict::Accepted, now + Duration::from_secs(300)).unwrap();
        assert_eq!(settled.corrects, Some(Verdict::NoReply));
        assert_eq!((ledger.total().accepted, ledger.total().no_reply), (1, 1));
        assert_eq!(ledger.settle(ids[0], stale(), now + Duration::from_secs(301)), None);
        assert_eq!(ledger.settle(ids[1], stale(), now + LATE_FOR + Duration::from_secs(1)), None, "too late");
        assert!(ledger.balances());
    }

    #[test]
    fn hits_in_bulk_balance_with_single_ones() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.not_sent(row(now), NotSent::Throttled);
        ledger.open(row(now)).unwrap();
        ledger.throttled(0, 3, 5_000_000);
        ledger.throttled(1, 4, 7);
        assert!(ledger.balances());
        assert_eq!((ledger.total().found, ledger.total().not_sent_total()), (5_000_009, 5_000_008));
        assert_eq!(ledger.device(3).unwrap().not_sent[&NotSent::Throttled], 5_000_001);
        assert_eq!((ledger.pool(0).unwrap().found, ledger.pool(1).unwrap().found), (5_000_002, 7));
    }

    #[test]
    fn bounds_hold() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let ids: Vec<ShareId> = std::iter::from_fn(|| ledger.open(row(now))).collect();
        assert_eq!(ids.len(), MAX_OPEN);
        ledger.not_sent(row(now), NotSent::Throttled);
        for id in &ids {
            ledger.settle(*id, Verdict::NoReply, now).unwrap();
        }
        assert_eq!(ledger.late.len(), MAX_LATE);
        assert_eq!(ledger.total().found, 1 + u64::try_from(MAX_OPEN).unwrap());
        assert!(ledger.balances());
    }
}
