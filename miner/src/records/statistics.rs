//! What can be counted from all that has happened.

use std::collections::BTreeMap;
use std::time::Duration;

use rminer_stratum::ledger::Row;
use rminer_stratum::{NotSent, Reject, Settled, Verdict};
use serde::Serialize;

use super::causes::{Stale, StaleCause};
use crate::engine::{Histogram, Snapshot, State};

/// Different words of refusal that are kept; what is beyond is counted under [`OTHER_WORDS`].
pub const MAX_REJECT_TEXTS: usize = 32;
/// Letters that are kept of a pool's words.
pub const MAX_WORDS: usize = 120;
/// Best hashes that are remembered.
pub const MAX_BEST: usize = 10;
/// Stands for words that found no place.
pub const OTHER_WORDS: &str = "(other words)";

/// Which shares are counted together. Each hit is in exactly one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ShareKey {
    /// Index of the pool, from 0.
    pub pool: usize,
    /// Who found them: `cpu0`, …
    pub device: String,
    /// `accepted`, `rejected`, `stale`, `no-reply`, `lost` or `not-sent`.
    pub result: &'static str,
    /// Class of the refusal, cause of staleness, or why it was not sent; else empty.
    pub reason: &'static str,
}

/// Words that a pool refused shares with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectText {
    /// Index of the pool, from 0.
    pub pool: usize,
    /// Class of the refusal: `stale`, `low-difficulty`, …
    pub class: &'static str,
    /// Its words, safe to show, at most [`MAX_WORDS`] letters.
    pub text: String,
    /// How often.
    pub count: u64,
}

/// What pools credit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Effective {
    /// Difficulty of accepted shares over the time of mining, in hashes per second. `None` before the first share.
    pub hs: Option<f64>,
    /// How far chance alone may move it, as a share of it: `1.96 / sqrt(shares)` holds 19 of 20 times.
    pub chance_ratio: Option<f64>,
    /// Accepted shares that it is made of.
    pub shares: u64,
    /// Time of mining that it is made of, in seconds.
    pub mined_s: f64,
}

impl Effective {
    fn new(hashes: f64, shares: u64, mined_s: f64) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let chance_ratio = (shares > 0).then(|| 1.96 / (shares as f64).sqrt());
        let hs = (shares > 0 && mined_s > 0.0).then(|| hashes / mined_s);
        Self { hs, chance_ratio, shares, mined_s }
    }
}

/// What the last saved benchmark makes expect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Expected {
    /// All devices that mine together, in hashes per second.
    pub hs: f64,
    /// When the oldest of the measurements was saved, in seconds since 1970.
    pub saved_s: f64,
}

/// Everything that is counted, since the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Hits by what became of them.
    pub shares: BTreeMap<ShareKey, u64>,
    /// Expected hashes that pools credit, by pool and device.
    pub accepted_hashes: BTreeMap<(usize, String), f64>,
    /// When each pool last took a share, in seconds since 1970.
    pub last_accepted_s: BTreeMap<usize, f64>,
    /// From sending a share to the answer, by pool.
    pub answer: BTreeMap<usize, Histogram>,
    /// From a job's arrival to its first hash, by device.
    pub new_work: BTreeMap<String, Histogram>,
    /// From finding a share to sending it.
    pub found_to_sent: Histogram,
    /// From finding a share to the end of its check on the CPU.
    pub check: Histogram,
    /// Stale shares by cause; those that were not sent since their job was gone are among them.
    pub stale_causes: BTreeMap<StaleCause, u64>,
    /// Difficulty of these, in expected hashes.
    pub stale_hashes: f64,
    /// In what words pools refused; the newest last.
    pub reject_texts: Vec<RejectText>,
    /// Best accepted hash, in expected hashes.
    pub best_difficulty: f64,
    /// The best accepted hashes, in expected hashes, the very best first; 0 where there were not as many yet.
    pub best: [f64; MAX_BEST],
    /// Blocks among the accepted.
    pub blocks: u64,
    /// Hashes done by all devices.
    pub hashes: u64,
    /// Time in which devices hashed for a pool, in seconds.
    pub mined_s: f64,
    /// The same by pool.
    pub pool_mined_s: BTreeMap<usize, f64>,
    /// When mining began, in seconds since 1970; 0 before.
    pub since_s: f64,
    /// What pools credit.
    pub effective: Effective,
    /// Hashes over the same time, in hashes per second.
    pub raw_hs: Option<f64>,
    /// What pools credit over what was hashed; chance alone moves it as far as [`Effective::chance_ratio`].
    pub luck_ratio: Option<f64>,
    /// What the last saved benchmark makes expect of these devices.
    pub expected: Option<Expected>,
    /// Happenings that could not be counted, since this machine could not keep up. Not 0 means that sums may be short.
    pub missed: u64,
    /// Since the start, when the state was counted last.
    pub uptime: Duration,
}

impl Statistics {
    /// What one pool credits.
    pub fn effective_of(&self, pool: usize) -> Effective {
        let hashes = self.accepted_hashes.iter().filter(|((of, _), _)| *of == pool).map(|(_, hashes)| hashes);
        let shares = self.count(|key| key.pool == pool && key.result == "accepted");
        Effective::new(hashes.sum(), shares, self.pool_mined_s.get(&pool).copied().unwrap_or_default())
    }

    /// Hits for which this holds.
    pub fn count(&self, wanted: impl Fn(&ShareKey) -> bool) -> u64 {
        self.shares.iter().filter(|(key, _)| wanted(key)).map(|(_, count)| count).sum()
    }

    /// What stale shares cost, as a share of all that pools would have credited.
    pub fn stale_cost_ratio(&self) -> Option<f64> {
        let accepted: f64 = self.accepted_hashes.values().sum();
        let all = accepted + self.stale_hashes;
        (all > 0.0).then(|| self.stale_hashes / all)
    }

    /// A share got a verdict, or a better one than before.
    pub(super) fn share(&mut self, now_s: f64, settled: &Settled, device: &str, stale: Option<Stale>) {
        let row = &settled.row;
        if let Some(before) = &settled.corrects {
            // Only what had no answer is ever corrected, so that nothing else was counted for it.
            let key = key(row, device, before, None);
            if let Some(count) = self.shares.get_mut(&key) {
                *count = count.saturating_sub(1);
            }
        } else if let Some(sent) = row.sent {
            self.found_to_sent.observe(sent.saturating_duration_since(row.found));
        }
        *self.shares.entry(key(row, device, &settled.verdict, stale)).or_default() += 1;
        if let Some(answer) = settled.answer {
            self.answer.entry(row.pool).or_default().observe(answer);
        }
        if let Some(stale) = stale {
            *self.stale_causes.entry(stale.cause).or_default() += 1;
            self.stale_hashes += row.difficulty;
        }
        match &settled.verdict {
            Verdict::Accepted => {
                *self.accepted_hashes.entry((row.pool, device.to_owned())).or_default() += row.difficulty;
                self.last_accepted_s.insert(row.pool, now_s);
                self.best_difficulty = self.best_difficulty.max(row.hash_difficulty);
                let place = self.best.partition_point(|better| *better >= row.hash_difficulty);
                if place < MAX_BEST {
                    self.best[place..].rotate_right(1);
                    self.best[place] = row.hash_difficulty;
                }
                self.blocks += u64::from(row.block);
                self.derive();
            }
            Verdict::Rejected { kind, text } => self.reject_text(row.pool, reject_name(*kind), text),
            Verdict::NoReply | Verdict::Lost | Verdict::NotSent(_) => {}
        }
    }

    /// Hits that were only counted.
    pub(super) fn excess(&mut self, pool: usize, device: &str, hits: u64) {
        let reason = not_sent_name(NotSent::Throttled);
        let key = ShareKey { pool, device: device.to_owned(), result: "not-sent", reason };
        *self.shares.entry(key).or_default() += hits;
    }

    /// It became known why a share was stale.
    pub(super) fn explained(&mut self, pool: usize, device: &str, before: StaleCause, now: StaleCause) {
        let key = |cause: StaleCause| {
            let device = device.to_owned();
            ShareKey { pool, device, result: "stale", reason: cause.name() }
        };
        let Some(count) = self.shares.get_mut(&key(before)).filter(|count| **count > 0) else { return };
        *count -= 1;
        *self.shares.entry(key(now)).or_default() += 1;
        if let Some(count) = self.stale_causes.get_mut(&before) {
            *count = count.saturating_sub(1);
        }
        *self.stale_causes.entry(now).or_default() += 1;
    }

    /// The state, once a second.
    pub(super) fn second(&mut self, now_s: f64, snapshot: &Snapshot) {
        let passed_s = snapshot.uptime.saturating_sub(self.uptime).as_secs_f64();
        self.uptime = snapshot.uptime;
        self.hashes = snapshot.hashes;
        self.check = snapshot.check;
        if snapshot.state == State::Mining {
            if self.mined_s == 0.0 {
                self.since_s = now_s - passed_s;
            }
            self.mined_s += passed_s;
            if let Some(pool) = snapshot.pool {
                *self.pool_mined_s.entry(pool).or_default() += passed_s;
            }
        }
        for device in &snapshot.devices {
            match self.new_work.get_mut(&device.id) {
                Some(new_work) => *new_work = device.new_work,
                None => drop(self.new_work.insert(device.id.clone(), device.new_work)),
            }
        }
        self.derive();
    }

    fn derive(&mut self) {
        let credited: f64 = self.accepted_hashes.values().sum();
        let shares = self.count(|key| key.result == "accepted");
        self.effective = Effective::new(credited, shares, self.mined_s);
        #[allow(clippy::cast_precision_loss)]
        let hashes = self.hashes as f64;
        self.raw_hs = (self.mined_s > 0.0 && self.hashes > 0).then(|| hashes / self.mined_s);
        self.luck_ratio = (shares > 0 && self.hashes > 0).then(|| credited / hashes);
    }

    fn reject_text(&mut self, pool: usize, class: &'static str, words: &str) {
        let mut text: String = words.chars().take(MAX_WORDS).collect();
        let texts = &mut self.reject_texts;
        let is =
            |known: &RejectText, text: &str| (known.pool, known.class) == (pool, class) && known.text == text;
        let is_known = texts.iter().any(|known| is(known, &text));
        let mut class = class;
        let mut pool = pool;
        // One place is kept for what finds none.
        if !is_known && texts.len() >= MAX_REJECT_TEXTS - 1 {
            (pool, class, text) = (0, reject_name(Reject::Other), OTHER_WORDS.into());
        }
        let place =
            texts.iter().position(|known| (known.pool, known.class, &known.text) == (pool, class, &text));
        match place {
            Some(place) => {
                let mut known = texts.remove(place);
                known.count += 1;
                texts.push(known);
            }
            None => texts.push(RejectText { pool, class, text, count: 1 }),
        }
    }
}

/// Where a hit with this verdict is counted.
fn key(row: &Row, device: &str, verdict: &Verdict, stale: Option<Stale>) -> ShareKey {
    let (result, reason) = match (verdict, stale) {
        (Verdict::Rejected { kind: Reject::Stale, .. }, stale) => {
            ("stale", stale.map_or(StaleCause::Unknown, |stale| stale.cause).name())
        }
        (verdict, _) => (verdict_name(verdict), reason(verdict)),
    };
    ShareKey { pool: row.pool, device: device.to_owned(), result, reason }
}

/// The name of a verdict in metrics and answers.
pub(crate) fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Rejected { kind: Reject::Stale, .. } => "stale",
        Verdict::Rejected { .. } => "rejected",
        Verdict::NoReply => "no-reply",
        Verdict::Lost => "lost",
        Verdict::NotSent(_) => "not-sent",
    }
}

/// Class of a refusal, or why it was not sent; empty where neither.
pub(crate) fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Rejected { kind, .. } => reject_name(*kind),
        Verdict::NotSent(why) => not_sent_name(*why),
        Verdict::Accepted | Verdict::NoReply | Verdict::Lost => "",
    }
}

fn reject_name(kind: Reject) -> &'static str {
    match kind {
        Reject::Stale => "stale",
        Reject::Duplicate => "duplicate",
        Reject::LowDifficulty => "low-difficulty",
        Reject::BadHash => "bad-hash",
        Reject::Unauthorized => "unauthorized",
        Reject::Throttled => "throttled",
        Reject::Other => "other",
    }
}

fn not_sent_name(why: NotSent) -> &'static str {
    match why {
        NotSent::Miscompute => "miscompute",
        NotSent::Stale => "stale",
        NotSent::Duplicate => "duplicate",
        NotSent::Throttled => "throttled",
    }
}

#[cfg(test)]
mod tests;
