//! The fields of a Monero job.

use std::sync::Arc;

use rminer_algos::{Algorithm, NonceField, Target, Template, Work, decode_hex, decode_hex_array};

use super::MoneroConfig;
use crate::bugs::{Bug, Bugs};
use crate::dialect::wire::field;
use crate::dialect::{NewJob, ProtocolError};
use crate::envelope::Fields;
use crate::job::Supersede;
use crate::text::clean;

/// Shortest blob: three one-byte varints, previous id, nonce, root, count.
const MIN_BLOB_BYTES: usize = 76;
/// Longest blob that pools send.
const MAX_BLOB_BYTES: usize = 408;
/// Where today's one-byte versions and five-byte time stamps put the nonce; other layouts are other coins.
const NONCE_OFFSET: usize = 39;

/// What a job says, without the pool's name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobContent {
    work: Arc<Work>,
    target: Target,
    height: Option<u64>,
    next_seed: Option<[u8; 32]>,
    /// The one that the pool named, or that is configured.
    pub(super) algorithm: &'static Algorithm,
    /// Whether the pool named the algorithm; then shares name it too.
    pub(super) algorithm_named: bool,
}

impl JobContent {
    /// Reads and checks every field that mining depends on.
    ///
    /// `nicehash` is `Some` when configuration or the pool says whether the top nonce byte is fixed; otherwise
    /// a nonce that is not zero in the blob is the sign of it.
    pub(super) fn read(
        fields: &Fields<'_>,
        config: &MoneroConfig,
        nicehash: Option<bool>,
        bugs: Bugs,
    ) -> Result<Self, ProtocolError> {
        let named = fields.text("algo");
        let algorithm = match named.as_deref() {
            None => config.algorithm,
            Some(name) => [config.algorithm]
                .into_iter()
                .chain(config.also.iter().copied())
                .find(|known| known.is_called(name))
                .ok_or_else(|| ProtocolError::Algorithm {
                    wanted: clean(name),
                    configured: config.algorithm.name,
                })?,
        };
        let blob = fields.text("blob").ok_or_else(|| field("job", "blob", "is missing"))?;
        if blob.len() > 2 * MAX_BLOB_BYTES {
            let fault = format!("has {} hex digits; at most {} are taken", blob.len(), 2 * MAX_BLOB_BYTES);
            return Err(field("job", "blob", fault));
        }
        let blob = decode_hex(&blob).map_err(|error| field("job", "blob", format!("is no hex: {error}")))?;
        let nonce = nonce_field(&blob, nicehash)?;
        let seed = fields.text("seed_hash").ok_or_else(|| field("job", "seed_hash", "is missing"))?;
        let seed = decode_hex_array(&seed)
            .map_err(|error| field("job", "seed_hash", format!("is no 32 bytes of hex: {error}")))?;
        let target = fields.text("target").ok_or_else(|| field("job", "target", "is missing"))?;
        let target = Target::from_monero_hex(&target)
            .or_else(|error| if bugs.has(Bug::ZeroTargetTaken) { Ok(Target::MAX) } else { Err(error) })
            .map_err(|error| field("job", "target", format!("is unusable: {error}")))?;
        let work =
            Work::new(&blob, nonce, Some(seed)).map_err(|error| field("job", "blob", error.to_string()))?;
        Ok(Self {
            work: Arc::new(work.with_variant(algorithm.variant)),
            target,
            height: fields.number("height"),
            // A hint: empty, odd or equal to the current seed it is worth nothing, but does no harm.
            next_seed: fields
                .text("next_seed_hash")
                .and_then(|next| decode_hex_array(&next).ok())
                .filter(|next| *next != seed),
            algorithm,
            algorithm_named: named.is_some(),
        })
    }

    pub(super) fn to_job(&self, seq: u64) -> NewJob {
        NewJob {
            seq,
            template: Template::Fixed(Arc::clone(&self.work)),
            target: self.target,
            block_target: None,
            // Pools keep about four jobs and credit shares for them, so old hits are still worth sending.
            supersede: Supersede::Prefer,
            height: self.height,
            next_seed: self.next_seed,
            algorithm: self.algorithm,
        }
    }
}

/// Finds the nonce behind three varints and 32 bytes, and which part of it is ours.
fn nonce_field(blob: &[u8], nicehash: Option<bool>) -> Result<NonceField, ProtocolError> {
    if blob.len() < MIN_BLOB_BYTES {
        let fault = format!("has {} bytes; at least {MIN_BLOB_BYTES} are needed", blob.len());
        return Err(field("job", "blob", fault));
    }
    let mut offset = 0;
    for _ in 0..3 {
        offset +=
            varint_bytes(&blob[offset..]).ok_or_else(|| field("job", "blob", "has an endless varint"))?;
    }
    offset += 32;
    if offset != NONCE_OFFSET {
        let fault = format!("puts the nonce at byte {offset}, not {NONCE_OFFSET}: another coin's layout");
        return Err(field("job", "blob", fault));
    }
    let mut nonce = [0; 4];
    nonce.copy_from_slice(&blob[NONCE_OFFSET..NONCE_OFFSET + 4]);
    let shared = nicehash.unwrap_or(nonce != [0; 4]);
    let (fixed, free_bits) = if shared { (u64::from(nonce[3]) << 24, 24) } else { (0, 32) };
    Ok(NonceField { offset: 39, len: 4, fixed, free_bits })
}

/// Length of the varint at the start of `bytes`: seven bits a byte, the high bit says that more follow.
fn varint_bytes(bytes: &[u8]) -> Option<usize> {
    bytes.iter().take(10).position(|byte| byte & 0x80 == 0).map(|last| last + 1)
}
