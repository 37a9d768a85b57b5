//! The toy block chain behind the jobs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Profile;
use super::target::{compact, expand};
use crate::PoolConfig;
use crate::rng::Rng;

/// Reward of a block in the smallest unit; the pool pays it to nobody.
const REWARD: u64 = 312_500_000;
/// What the pool signs its coinbases with.
const SIGNATURE: &[u8] = b"/rminer-pool/";

/// A job from outside: the parts of a real block, or anything else. Byte strings are in the order in which they are
/// hashed, the extranonces between the two parts of the coinbase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenJob {
    /// The header's version.
    pub version: u32,
    /// Hash of the block before.
    pub previous: [u8; 32],
    /// Coinbase up to extranonce1.
    pub coinbase1: Vec<u8>,
    /// Coinbase behind extranonce2.
    pub coinbase2: Vec<u8>,
    /// Right-hand hashes from the coinbase up to the merkle root.
    pub branch: Vec<[u8; 32]>,
    /// Seconds since 1970.
    pub time: u32,
    /// Compact target of the block.
    pub bits: u32,
}

/// What the pool works on; each session gets its own extranonce in it.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) height: u64,
    /// Counts blocks, so that shares for an earlier one can be told.
    pub(super) block: u64,
    /// Number of the job's id.
    pub(super) number: u64,
    pub(super) job: GivenJob,
    /// The job was made here, so its coinbase has to know how long its own script is.
    own: bool,
    /// What a block's hash must not exceed.
    pub(super) network_target: [u8; 32],
}

impl Content {
    /// The coinbase up to extranonce1. `tag` tells sessions apart whose extranonce1 cannot.
    pub(super) fn coinbase1(&self, tag: Option<u64>, extranonce_bytes: usize) -> Vec<u8> {
        let mut bytes = self.job.coinbase1.clone();
        if self.own {
            let [low, middle, high, ..] = self.height.to_le_bytes();
            let mut script = vec![3, low, middle, high];
            script.extend_from_slice(SIGNATURE);
            script.extend(tag.iter().flat_map(|tag| tag.to_le_bytes()));
            push_size(&mut bytes, script.len() + extranonce_bytes);
            bytes.append(&mut script);
        }
        bytes
    }
}

/// Makes one template after the other.
#[derive(Debug)]
pub(super) struct Chain {
    rng: Rng,
    started: Instant,
    first_time_s: u64,
    height: u64,
    block: u64,
    previous: [u8; 32],
    next_number: u64,
    templates_on_block: u32,
    templates_per_block: u32,
    version: u32,
    bits: u32,
    branch_hashes: usize,
    coinbase2: Vec<u8>,
}

impl Chain {
    pub(super) fn new(mut rng: Rng, profile: &Profile, config: &PoolConfig, now: Instant) -> Self {
        let block_hashes = u64::try_from(config.block_difficulty).unwrap_or(u64::MAX);
        Self {
            started: now,
            first_time_s: config.time_s(),
            height: config.first_height,
            block: 0,
            previous: previous(&mut rng),
            next_number: profile.first_job_number,
            templates_on_block: 0,
            templates_per_block: config.jobs_per_block.max(1),
            version: profile.version,
            bits: compact(block_hashes),
            branch_hashes: profile.branch_hashes,
            coinbase2: coinbase2(profile.coinbase_padding),
            rng,
        }
    }

    /// Seconds since 1970.
    pub(super) fn time_s(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.started).min(Duration::from_secs(1 << 31));
        u32::try_from(self.first_time_s.saturating_add(elapsed.as_secs())).unwrap_or(u32::MAX)
    }

    /// The next template: of the same block, or of the next one when it is time for that.
    pub(super) fn next(&mut self, now: Instant) -> Arc<Content> {
        if self.templates_on_block >= self.templates_per_block {
            self.block_found();
        }
        self.templates_on_block += 1;
        self.sibling(now)
    }

    /// Another template of the same block.
    pub(super) fn sibling(&mut self, now: Instant) -> Arc<Content> {
        let mut coinbase1 = vec![2, 0, 0, 0, 1];
        coinbase1.extend_from_slice(&[0; 32]);
        coinbase1.extend_from_slice(&[0xFF; 4]);
        let job = GivenJob {
            version: self.version,
            previous: self.previous,
            coinbase1,
            coinbase2: self.coinbase2.clone(),
            // The first stands for the transactions, which are others in every template.
            branch: (0..self.branch_hashes).map(|_| self.rng.bytes32()).collect(),
            time: self.time_s(now),
            bits: self.bits,
        };
        self.content(job, true)
    }

    /// A template with parts from outside. It counts as a new block.
    pub(super) fn given(&mut self, job: GivenJob) -> Arc<Content> {
        self.block_found();
        self.content(job, false)
    }

    /// The chain has grown by one block.
    pub(super) fn block_found(&mut self) {
        self.height += 1;
        self.block += 1;
        self.previous = previous(&mut self.rng);
        self.templates_on_block = 0;
    }

    fn content(&mut self, job: GivenJob, own: bool) -> Arc<Content> {
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        let network_target = expand(job.bits);
        Arc::new(Content { height: self.height, block: self.block, number, job, own, network_target })
    }
}

/// The hash of a block: random, and below a target that real chains have.
fn previous(rng: &mut Rng) -> [u8; 32] {
    let mut hash = rng.bytes32();
    hash[24..].fill(0);
    hash
}

/// Everything behind the script of the coinbase's input: two outputs, one of them with `padding` bytes.
fn coinbase2(padding: usize) -> Vec<u8> {
    let mut bytes = vec![0xFF; 4];
    bytes.push(2);
    bytes.extend_from_slice(&REWARD.to_le_bytes());
    // To the hash of a witness key that nobody has.
    bytes.extend_from_slice(&[22, 0, 20]);
    bytes.extend_from_slice(&[0x11; 20]);
    bytes.extend_from_slice(&[0; 8]);
    // An output that cannot be spent and says nothing.
    push_size(&mut bytes, padding + 1);
    bytes.push(0x6A);
    bytes.resize(bytes.len() + padding, 0);
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

/// Bitcoin's variable-length number.
fn push_size(bytes: &mut Vec<u8>, size: usize) {
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(small), _) if small < 0xFD => bytes.push(small),
        (_, Ok(middle)) => {
            bytes.push(0xFD);
            bytes.extend_from_slice(&middle.to_le_bytes());
        }
        _ => {
            bytes.push(0xFE);
            bytes.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a coinbase as a node does; its script.
    fn script(coinbase: &[u8]) -> &[u8] {
        assert_eq!(&coinbase[..5], &[2, 0, 0, 0, 1]);
        assert_eq!(&coinbase[5..37], &[0; 32]);
        let len = usize::from(coinbase[41]);
        let script = &coinbase[42..42 + len];
        let rest = &coinbase[42 + len..];
        assert_eq!(&rest[..5], &[0xFF, 0xFF, 0xFF, 0xFF, 2]);
        let padded = &rest[5 + 8 + 23 + 8..];
        let (len, at) = match padded[0] {
            0xFE => (usize::try_from(u32::from_le_bytes(padded[1..5].try_into().unwrap())).unwrap(), 5),
            0xFD => (usize::from(u16::from_le_bytes(padded[1..3].try_into().unwrap())), 3),
            len => (usize::from(len), 1),
        };
        assert_eq!(padded.len(), at + len + 4, "the transaction ends with its lock time");
        script
    }

    #[test]
    fn coinbases_are_transactions() {
        for padding in [0, 1, 300, 200 * 1024] {
            let profile = Profile { coinbase_padding: padding, ..Profile::default() };
            let now = Instant::now();
            let mut chain = Chain::new(Rng::new(1), &profile, &PoolConfig::default(), now);
            let content = chain.next(now);
            for (tag, extranonce) in [(None, 4 + 8), (Some(7), 0), (None, 32 + 16)] {
                let mut coinbase = content.coinbase1(tag, extranonce);
                coinbase.extend(std::iter::repeat_n(0xEE, extranonce));
                coinbase.extend_from_slice(&content.job.coinbase2);
                let script = script(&coinbase);
                assert_eq!(script[..4], [3, 0xC0, 0xC6, 0x2D], "height 3,000,000");
                assert!(script.len() <= 100);
                assert!(script[script.len() - extranonce..].iter().all(|byte| *byte == 0xEE));
            }
        }
    }

    #[test]
    fn templates_move_on() {
        let now = Instant::now();
        let config = PoolConfig { jobs_per_block: 2, ..PoolConfig::default() };
        let mut chain = Chain::new(Rng::new(1), &Profile::default(), &config, now);
        let contents: Vec<_> = (0..4).map(|second| chain.next(now + Duration::from_secs(second))).collect();
        let heights: Vec<u64> = contents.iter().map(|content| content.height - 3_000_000).collect();
        assert_eq!(heights, [0, 0, 1, 1]);
        assert_eq!(contents[1].job.time - contents[0].job.time, 1);
        assert_ne!(contents[0].job.branch, contents[1].job.branch);
        assert_eq!(contents[0].job.previous, contents[1].job.previous);
        assert_ne!(contents[1].job.previous, contents[2].job.previous);
    }
}
