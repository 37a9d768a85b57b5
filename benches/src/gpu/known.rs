//! Searches whose outcome is known: a kernel must find it before its speed counts.

use anyhow::{Context, Result, ensure};
use rminer_algos::{Algorithm, NonceField, Target, Work, decode_hex, registry};
use rminer_shaders::Variant;
use rminer_shaders::abi::Results;

/// Version bits that BIP 320 leaves to miners.
const VERSION_MASK: u32 = 0x1FFF_E000;
/// Nonces of the search; the known one stands in the middle or where there is room before it.
const NONCES: u32 = 10_000;

/// Work whose hits in a stretch of nonces are known.
pub(crate) struct Known {
    pub(crate) algorithm: &'static Algorithm,
    blob: Vec<u8>,
    field: NonceField,
    target: Target,
    first: u64,
    /// How far behind the first nonce, in order.
    hits: Vec<u32>,
}

impl Known {
    /// The last block of the vectors, at a target of 32 zero bits.
    pub(crate) fn sha256d() -> Result<Self> {
        let vectors: serde_json::Value = serde_json::from_str(registry::SHA256D.vectors)?;
        let block = vectors["blocks"].as_array().and_then(|blocks| blocks.last()).context("no vectors")?;
        let blob = decode_hex(block["header"].as_str().context("a header")?)?;
        let nonce = blob.get(76..).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        let nonce = nonce.context("a header of 80 bytes")?;
        let mut target = [0xFF; 32];
        target[28..].fill(0);
        let field = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
        Self::new(&registry::SHA256D, blob, field, target, nonce.into())
    }

    /// The first share of the vectors, at its own hash as the target: so others, if any, are few.
    pub(crate) fn kheavyhash() -> Result<Self> {
        let vectors: serde_json::Value = serde_json::from_str(registry::KHEAVYHASH.vectors)?;
        let share = vectors["shares"].as_array().and_then(|shares| shares.first()).context("no vectors")?;
        let mut blob = decode_hex(share["pre_pow_hash"].as_str().context("a hash of the header")?)?;
        blob.extend(share["timestamp"].as_u64().context("a time")?.to_le_bytes());
        blob.resize(80, 0);
        let hash = decode_hex(share["hash"].as_str().context("a hash")?)?;
        let target = hash.try_into().ok().context("a hash of 32 bytes")?;
        let field = NonceField { offset: 72, len: 8, fixed: 0, free_bits: 64 };
        let nonce = share["nonce"].as_u64().context("a nonce")?;
        Self::new(&registry::KHEAVYHASH, blob, field, target, nonce)
    }

    fn new(
        algorithm: &'static Algorithm,
        blob: Vec<u8>,
        field: NonceField,
        target: [u8; 32],
        nonce: u64,
    ) -> Result<Self> {
        let target = Target::from_le_bytes(target).context("a target")?;
        let first = nonce.saturating_sub(u64::from(NONCES / 2));
        let mut known = Self { algorithm, blob, field, target, first, hits: Vec::new() };
        let work = known.work()?;
        let mut reference = (algorithm.reference)()?;
        for index in 0..NONCES {
            if target.is_met_by(&reference.hash(&work, first + u64::from(index))?) {
                known.hits.push(index);
            }
        }
        ensure!(known.hits.iter().any(|index| first + u64::from(*index) == nonce), "the vector is no hit");
        Ok(known)
    }

    fn work(&self) -> Result<Work> {
        self.work_of(&self.blob)
    }

    /// Other work of the same kind for each number.
    pub(crate) fn other_work(&self, number: u32) -> Result<Work> {
        let mut blob = self.blob.clone();
        // In the hash of the block before or of the header, so that all of a job is made anew.
        blob[28..32].copy_from_slice(&number.to_le_bytes());
        self.work_of(&blob)
    }

    /// With versions to roll where the algorithm has them.
    fn work_of(&self, blob: &[u8]) -> Result<Work> {
        let work = Work::new(blob, self.field, None)?;
        let rolls = *self.algorithm == registry::SHA256D;
        Ok(if rolls { work.with_version_mask(VERSION_MASK)? } else { work })
    }

    /// The words of its job; hits are so few that rates are of hashing alone.
    pub(crate) fn job(&self, variant: &Variant) -> Result<Vec<u32>> {
        Ok(variant.job_words(&self.work()?, self.target, 0)?)
    }

    /// Fails when a kernel does not find the hits, and only them.
    pub(crate) fn check(
        &self,
        name: &str,
        lanes: u32,
        search: impl FnOnce(u64, u32) -> Result<Results>,
    ) -> Result<()> {
        let results = search(self.first, NONCES)?;
        let mut found = results.hits().to_vec();
        found.sort_unstable();
        // They are all of the first version.
        ensure!(
            found.iter().copied().eq(self.hits.iter().map(|hit| hit * lanes)),
            "{name} computes wrongly: {found:?}"
        );
        Ok(())
    }
}
