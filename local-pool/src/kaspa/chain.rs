//! The toy block DAG behind the jobs: every template is a block of its own, and none makes another worthless.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::pow::Matrix;
use super::target::{Convention, Stamp};
use crate::PoolConfig;
use crate::decimal::Spelling;
use crate::rng::Rng;

/// A job from outside: a real header, as far as miners see it, or anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Hash of the header without time and nonce.
    pub pre_pow_hash: [u8; 32],
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
}

/// What the pool works on.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) template: Template,
    /// Made with the first share, since most jobs of a second get none.
    matrix: OnceLock<Matrix>,
}

impl Content {
    fn new(template: Template) -> Arc<Self> {
        Arc::new(Self { template, matrix: OnceLock::new() })
    }

    /// The value of a nonce.
    pub(super) fn pow(&self, nonce: u64) -> [u8; 32] {
        let Template { pre_pow_hash, timestamp_ms } = &self.template;
        self.matrix.get_or_init(|| Matrix::new(pre_pow_hash)).pow(pre_pow_hash, *timestamp_ms, nonce)
    }
}

/// Makes one template after the other.
#[derive(Debug)]
pub(super) struct Chain {
    rng: Rng,
    started: Instant,
    first_time_ms: u64,
    last_time_ms: u64,
    /// What miners of other chains call height: it rises with every template.
    pub(super) daa_score: u64,
    network: Stamp,
}

impl Chain {
    pub(super) fn new(rng: Rng, config: &PoolConfig, now: Instant) -> Self {
        let block_hashes = u64::try_from(config.block_difficulty).unwrap_or(u64::MAX);
        Self {
            rng,
            started: now,
            first_time_ms: config.time_s().saturating_mul(1000),
            last_time_ms: 0,
            daa_score: config.first_height,
            network: Stamp::new(block_hashes, Spelling::Number, Convention::Bitcoin),
        }
    }

    /// The next template, later than every one before.
    pub(super) fn next(&mut self, now: Instant) -> Arc<Content> {
        let elapsed = now.saturating_duration_since(self.started).min(Duration::from_secs(1 << 40));
        let clock = self.first_time_ms.saturating_add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        self.last_time_ms = clock.max(self.last_time_ms.saturating_add(1));
        self.daa_score += 1;
        let pre_pow_hash = self.rng.bytes32();
        Content::new(Template { pre_pow_hash, timestamp_ms: self.last_time_ms })
    }

    /// A template from outside.
    pub(super) fn given(&mut self, template: Template) -> Arc<Content> {
        self.daa_score += 1;
        Content::new(template)
    }

    /// Whether a value makes a block.
    pub(super) fn is_block(&self, value: &[u8; 32]) -> bool {
        self.network.is_met_by(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_move_on() {
        let now = Instant::now();
        let mut chain = Chain::new(Rng::new(1), &PoolConfig::default(), now);
        let later = now + Duration::from_millis(100);
        let templates: Vec<_> =
            [now, now, later, now].map(|at| chain.next(at).template.clone()).into_iter().collect();
        let times: Vec<u64> =
            templates.iter().map(|template| template.timestamp_ms - templates[0].timestamp_ms).collect();
        assert_eq!(times, [0, 1, 100, 101], "always later than the one before");
        assert!(templates.windows(2).all(|pair| pair[0].pre_pow_hash != pair[1].pre_pow_hash));
        assert_eq!(chain.daa_score, PoolConfig::default().first_height + 4);
    }

    #[test]
    fn blocks_take_as_many_hashes_as_was_said() {
        let config = PoolConfig { block_difficulty: 256, ..PoolConfig::default() };
        let chain = Chain::new(Rng::new(1), &config, Instant::now());
        let mut value = [0; 32];
        value[30] = 0xFE;
        assert!(chain.is_block(&value));
        value[31] = 1;
        assert!(!chain.is_block(&value));
    }
}
