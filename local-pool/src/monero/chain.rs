//! The toy block chain behind the jobs: blobs in Monero's layout with rising heights and rotating seeds.

use std::time::{Duration, Instant};

use crate::PoolConfig;
use crate::rng::Rng;

/// Where the nonce lies: two one-byte versions, a five-byte timestamp, 32 bytes of previous id.
pub(crate) const NONCE_OFFSET: usize = 39;
/// Version of the blocks, major and minor alike.
const VERSION: u8 = 16;
/// Times between these take five bytes, so that the nonce stays where it is.
const TIMESTAMPS: std::ops::RangeInclusive<u64> = 1 << 28..=(1 << 35) - 1;

/// What the pool works on at the moment; sessions get their own merkle root in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) height: u64,
    pub(crate) seed: [u8; 32],
    pub(crate) next_seed: Option<[u8; 32]>,
    /// Counts templates, from 0.
    pub(crate) number: u64,
    /// Counts blocks, so that shares for an earlier one can be told.
    pub(crate) block: u64,
    pub(crate) source: Source,
}

/// Where the blob comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Chain {
        prev_id: [u8; 32],
        timestamp: u64,
        transactions: u8,
    },
    /// A test gave this blob; every session gets the same.
    Given(Vec<u8>),
}

impl Template {
    /// The blob with zeros in place of the nonce. `root` is the session's merkle root.
    pub(crate) fn blob(&self, root: &[u8; 32]) -> Vec<u8> {
        match &self.source {
            Source::Given(blob) => blob.clone(),
            Source::Chain { prev_id, timestamp, transactions } => {
                let mut blob = Vec::with_capacity(76);
                blob.extend_from_slice(&[VERSION, VERSION]);
                push_varint(&mut blob, *timestamp);
                blob.extend_from_slice(prev_id);
                blob.extend_from_slice(&[0; 4]);
                blob.extend_from_slice(root);
                push_varint(&mut blob, u64::from(*transactions));
                blob
            }
        }
    }
}

/// Makes one template after the other.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    rng: Rng,
    started: Instant,
    first_time_s: u64,
    height: u64,
    templates: u64,
    block: u64,
    prev_id: [u8; 32],
    seed: [u8; 32],
    next_seed: [u8; 32],
    templates_on_block: u32,
    templates_on_seed: u32,
    /// A seed lives for this many templates.
    seed_templates: Option<u32>,
    /// A block of somebody else comes after this many templates.
    templates_per_block: u32,
}

impl Chain {
    pub(crate) fn new(mut rng: Rng, config: &PoolConfig, seed_templates: Option<u32>, now: Instant) -> Self {
        let seed = config.seed_hash.unwrap_or_else(|| rng.bytes32());
        Self {
            started: now,
            first_time_s: config.time_s(),
            height: config.first_height,
            templates: 0,
            block: 0,
            prev_id: rng.bytes32(),
            seed,
            next_seed: rng.bytes32(),
            templates_on_block: 0,
            templates_on_seed: 0,
            seed_templates: seed_templates.map(|templates| templates.max(2)),
            templates_per_block: config.jobs_per_block.max(1),
            rng,
        }
    }

    /// The next template: of the same block, or of the next one when it is time for that.
    pub(crate) fn next(&mut self, now: Instant) -> Template {
        if self.seed_templates.is_some_and(|limit| self.templates_on_seed >= limit) {
            self.rotate_seed();
        } else if self.templates_on_block >= self.templates_per_block {
            self.block_found();
        }
        self.templates_on_block += 1;
        self.templates += 1;
        self.templates_on_seed += 1;
        // Announced for the second half of the seed's life.
        let announced = self.seed_templates.is_some_and(|limit| self.templates_on_seed > limit / 2);
        let elapsed = now.saturating_duration_since(self.started).min(Duration::from_secs(1 << 31));
        Template {
            height: self.height,
            seed: self.seed,
            next_seed: announced.then_some(self.next_seed),
            number: self.templates - 1,
            block: self.block,
            source: Source::Chain {
                prev_id: self.prev_id,
                timestamp: (self.first_time_s.saturating_add(elapsed.as_secs()))
                    .clamp(*TIMESTAMPS.start(), *TIMESTAMPS.end()),
                transactions: 1 + u8::try_from(self.rng.next_u64() % 100).unwrap_or(0),
            },
        }
    }

    /// A template around a blob from outside. It counts as a new block.
    pub(crate) fn given(&mut self, blob: Vec<u8>, seed: [u8; 32], height: u64) -> Template {
        self.block_found();
        self.height = height;
        self.templates += 1;
        let number = self.templates - 1;
        Template { height, seed, next_seed: None, number, block: self.block, source: Source::Given(blob) }
    }

    /// The chain has grown by one block.
    pub(crate) fn block_found(&mut self) {
        self.height += 1;
        self.block += 1;
        self.prev_id = self.rng.bytes32();
        self.templates_on_block = 0;
    }

    /// The announced seed is in force from the next template on, which is of a new block.
    pub(crate) fn rotate_seed(&mut self) {
        self.seed = self.next_seed;
        self.next_seed = self.rng.bytes32();
        self.templates_on_seed = 0;
        self.block_found();
    }

    /// A merkle root that no other blob has.
    pub(crate) fn root(&mut self) -> [u8; 32] {
        self.rng.bytes32()
    }
}

/// CryptoNote's variable-length number: seven bits a byte, low ones first.
fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while let [low, ..] = value.to_le_bytes()
        && value >= 0x80
    {
        bytes.push(low | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(seed_templates: Option<u32>) -> Chain {
        let config = PoolConfig { jobs_per_block: 3, ..PoolConfig::default() };
        Chain::new(Rng::new(1), &config, seed_templates, Instant::now())
    }

    #[test]
    fn blobs_have_the_layout() {
        let now = Instant::now();
        let mut chain = chain(None);
        for seconds in [0, 1, 1_000_000, u64::from(u32::MAX)] {
            let template = chain.next(now + Duration::from_secs(seconds));
            let blob = template.blob(&[0xEE; 32]);
            assert_eq!(blob.len(), 76);
            assert_eq!(&blob[..2], &[16, 16]);
            // Skipping three varints and the previous id leads to the nonce.
            let mut at = 0;
            for _ in 0..3 {
                at += blob[at..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            }
            assert_eq!(at + 32, NONCE_OFFSET);
            assert_eq!(&blob[39..43], &[0; 4]);
            assert_eq!(&blob[43..75], &[0xEE; 32]);
            assert!((1..=100).contains(&blob[75]));
        }
    }

    #[test]
    fn varint_vector() {
        // The timestamp of a real block's blob, d8f58ad806 behind its versions.
        let mut bytes = Vec::new();
        push_varint(&mut bytes, 0x58 | 0x75 << 7 | 0x0A << 14 | 0x58 << 21 | 0x06 << 28);
        assert_eq!(bytes, [0xD8, 0xF5, 0x8A, 0xD8, 0x06]);
        bytes.clear();
        push_varint(&mut bytes, 0);
        assert_eq!(bytes, [0]);
    }

    #[test]
    fn blocks_and_seeds_move_on() {
        let now = Instant::now();
        let mut chain = chain(Some(4));
        let templates: Vec<Template> = (0..9).map(|_| chain.next(now)).collect();
        let heights: Vec<u64> = templates.iter().map(|template| template.height - 3_000_000).collect();
        // Three templates a block; the seed changes before the fifth and the ninth.
        assert_eq!(heights, [0, 0, 0, 1, 2, 2, 2, 3, 4]);
        for (index, template) in templates.iter().enumerate() {
            let announced = index % 4 >= 2;
            assert_eq!(template.next_seed.is_some(), announced, "{index}");
            if announced && index + 2 < templates.len() {
                let next = &templates[(index / 4 + 1) * 4];
                assert_eq!(template.next_seed, Some(next.seed));
                assert_ne!(template.seed, next.seed);
            }
        }
    }
}
