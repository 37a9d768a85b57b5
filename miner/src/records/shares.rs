//! The last shares, one by one.

use std::collections::VecDeque;

use rminer_stratum::{Settled, ShareId, Verdict};
use serde::Serialize;

use super::causes::{Stale, StaleCause};
use super::statistics::{MAX_WORDS, reason, verdict_name};

/// Shares that are kept.
pub const MAX_SHARES: usize = 500;

/// A share and its verdict. A late answer makes another entry for the same share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecentShare {
    /// Counts up from 1 since the start.
    pub id: u64,
    /// Number of the share: entries with the same one are of one share, and the last is right.
    pub share: u64,
    /// When it got its verdict, in seconds since 1970.
    pub time_s: f64,
    /// Index of the pool, from 0.
    pub pool: usize,
    /// Who found it.
    pub device: String,
    /// Expected hashes for a share of its job.
    pub difficulty_hashes: f64,
    /// Expected hashes for a hash as good as this one.
    pub hash_difficulty_hashes: f64,
    /// Whether it solves a block, as far as the job tells.
    pub block: bool,
    /// `accepted`, `rejected`, `stale`, `no-reply`, `lost` or `not-sent`.
    pub verdict: &'static str,
    /// Class of the refusal, or why it was not sent; else empty.
    pub reason: &'static str,
    /// The pool's words, safe to show.
    pub text: Option<String>,
    /// From sending to the answer, in milliseconds.
    pub answer_ms: Option<f64>,
    /// Why it was stale.
    pub stale_cause: Option<StaleCause>,
    /// From the arrival of the newer job to the sending, in milliseconds; negative when the job came after.
    pub replaced_ms: Option<f64>,
    /// Whether the answer came after it had been given up.
    pub late: bool,
}

/// A ring of shares.
#[derive(Debug, Default)]
pub(super) struct RecentShares {
    ring: VecDeque<RecentShare>,
    last: u64,
}

impl RecentShares {
    pub(super) fn add(&mut self, time_s: f64, settled: &Settled, device: &str, stale: Option<Stale>) {
        if self.ring.len() == MAX_SHARES {
            self.ring.pop_front();
        }
        self.last += 1;
        let row = &settled.row;
        let text = match &settled.verdict {
            Verdict::Rejected { text, .. } => Some(text.chars().take(MAX_WORDS).collect()),
            _ => None,
        };
        self.ring.push_back(RecentShare {
            id: self.last,
            share: settled.id.0,
            time_s,
            pool: row.pool,
            device: device.to_owned(),
            difficulty_hashes: row.difficulty,
            hash_difficulty_hashes: row.hash_difficulty,
            block: row.block,
            verdict: verdict_name(&settled.verdict),
            reason: reason(&settled.verdict),
            text,
            answer_ms: settled.answer.map(|answer| answer.as_secs_f64() * 1000.0),
            stale_cause: stale.map(|stale| stale.cause),
            replaced_ms: stale.and_then(|stale| stale.replaced_ms),
            late: settled.corrects.is_some(),
        });
    }

    /// Sets the cause of a stale share; whose it is and what was thought before, where it is still here.
    pub(super) fn explain(&mut self, share: ShareId, stale: Stale) -> Option<(usize, String, StaleCause)> {
        let entry = self.ring.iter_mut().rev().find(|entry| entry.share == share.0)?;
        let before = entry.stale_cause.replace(stale.cause)?;
        entry.replaced_ms = stale.replaced_ms;
        Some((entry.pool, entry.device.clone(), before))
    }

    /// Those after the entry `id`, oldest first.
    pub(super) fn after(&self, id: u64) -> Vec<RecentShare> {
        let first = self.ring.partition_point(|entry| entry.id <= id);
        self.ring.range(first..).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::records::samples::{settled, stale};

    #[test]
    fn the_last_ones_are_kept_and_explained() {
        let mut shares = RecentShares::default();
        let start = Instant::now();
        for id in 0..MAX_SHARES as u64 + 20 {
            let answer = Duration::from_millis(38);
            shares.add(5.0, &settled(id, 1, Verdict::Accepted, start, answer), "cpu0", None);
        }
        let all = shares.after(0);
        assert_eq!((all.len(), all[0].id, all[0].share), (MAX_SHARES, 21, 20));
        assert_eq!((all[0].verdict, all[0].reason, all[0].answer_ms), ("accepted", "", Some(38.0)));
        let unknown = Stale { cause: StaleCause::Unknown, replaced_ms: None };
        let late = stale(1, start, Duration::ZERO);
        shares.add(6.0, &late, "gpu0", Some(unknown));
        let known = Stale { cause: StaleCause::InFlight, replaced_ms: Some(-3.0) };
        assert_eq!(shares.explain(late.id, known), Some((0, "gpu0".into(), StaleCause::Unknown)));
        assert_eq!(shares.explain(ShareId(0), known), None, "that one is gone");
        let newest = shares.after(MAX_SHARES as u64 + 20);
        assert_eq!(newest.len(), 1);
        assert_eq!(newest[0].stale_cause, Some(StaleCause::InFlight));
        assert_eq!(newest[0].text.as_deref(), Some("job not found"));
        assert_eq!((newest[0].verdict, newest[0].reason), ("stale", "stale"));
    }
}
