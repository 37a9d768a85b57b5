//! Jobs from pools and shares for them.

use std::sync::Arc;
use std::time::Instant;

use rminer_algos::{Algorithm, Hash, Target, Template};

/// Our own name of a job. Never the pool's text: pools reuse theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey {
    /// Which session with a pool, counted over the process.
    pub session: u32,
    /// Which job of that session, from 1.
    pub seq: u64,
}

/// What a new job does to older ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supersede {
    /// Older work is worthless; hits on it are not sent.
    Discard,
    /// The new job is better, but hits on recent older ones can still be credited and are sent.
    Prefer,
}

/// Something to mine. Immutable; a change of the target or the extranonce is a new job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name here.
    pub key: JobKey,
    /// Index of the pool in the configured list.
    pub pool: usize,
    /// How it is hashed.
    pub algorithm: &'static Algorithm,
    /// What is hashed.
    pub template: Template,
    /// A hash that meets this is a share.
    pub target: Target,
    /// A hash that meets this is a block, where the protocol says so.
    pub block_target: Option<Target>,
    /// What it does to older jobs.
    pub supersede: Supersede,
    /// Height of the block, for people.
    pub height: Option<u64>,
    /// The seed that comes next, where it was announced.
    pub next_seed: Option<[u8; 32]>,
    /// When its last byte was read.
    pub received: Instant,
}

impl Job {
    /// Whether no hash will ever meet it: a block on its template is on the way, and the devices are to find no more
    /// of them until the node has answered. Such a job is nothing to show.
    pub fn is_held(&self) -> bool {
        self.target == Target::HARDEST
    }
}

/// A hit: a nonce whose hash meets the job's target.
#[derive(Debug, Clone)]
pub struct Share {
    /// The job that it solves.
    pub job: Arc<Job>,
    /// Roll of the job's template.
    pub roll: u64,
    /// The whole nonce.
    pub nonce: u64,
    /// The hash. What meets the target is the [`Share::proof`].
    pub hash: Hash,
    /// Which worker found it; an index that the caller gives meaning to.
    pub device: u16,
    /// When it was found.
    pub found: Instant,
}

impl Share {
    /// What of the hash is compared with targets: see [`Work::proof`](rminer_algos::Work::proof). `None` when its job
    /// has no such work.
    pub fn proof(&self) -> Option<Hash> {
        Some(self.job.template.work(self.roll)?.proof(self.nonce, &self.hash))
    }
}
