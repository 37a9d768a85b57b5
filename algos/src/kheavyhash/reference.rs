//! The readable form that every fast one must equal.

use super::keccak::Sponge;
use super::matrix::Matrix;
use crate::registry::{Reference, Unavailable};
use crate::{Hash, NonceField, Work};

/// Bytes that are hashed: hash of the header without time and nonce (32), time in milliseconds (8), zeros (32),
/// nonce (8).
pub const BLOCK_BYTES: usize = 80;
/// Place of the nonce, all of it free.
pub const NONCE: NonceField = NonceField { offset: 72, len: 8, fixed: 0, free_bits: 64 };

/// Both sponges, as they are before any message.
#[derive(Debug, Clone, Copy)]
pub struct Sponges {
    /// Takes the block.
    pub first: Sponge,
    /// Takes what comes from the matrix.
    pub second: Sponge,
}

impl Default for Sponges {
    fn default() -> Self {
        Self { first: Sponge::proof_of_work(), second: Sponge::heavy() }
    }
}

impl Sponges {
    /// The proof of work of a block with its nonce in place, whose matrix this is.
    pub fn kheavyhash(&self, matrix: &Matrix, block: &[u8; BLOCK_BYTES]) -> Hash {
        Hash(self.second.hash(&matrix.apply(&self.first.hash(block))))
    }
}

/// The block of some work, with zeros in place of the nonce.
///
/// # Errors
/// When the work is of another kind.
pub(super) fn block(work: &Work) -> Result<[u8; BLOCK_BYTES], Unavailable> {
    let (blob, NonceField { offset, len, .. }) = (work.blob(), work.nonce_field());
    let block = blob.try_into().ok().filter(|_| (offset, len) == (NONCE.offset, NONCE.len));
    block.ok_or_else(|| {
        let bytes = blob.len();
        Unavailable(format!(
            "a blob of {bytes} bytes with {len} bytes of nonce at {offset} is no block of Kaspa"
        ))
    })
}

/// The matrix of a block.
///
/// # Errors
/// When there is none.
pub(super) fn matrix(block: &[u8; BLOCK_BYTES]) -> Result<Matrix, Unavailable> {
    let mut pre_pow_hash = [0; 32];
    pre_pow_hash.copy_from_slice(&block[..32]);
    Matrix::new(&pre_pow_hash)
        .ok_or_else(|| Unavailable("no matrix of full rank comes from the hash of this block".into()))
}

/// Hashes blocks one by one and keeps the matrix of the last one.
#[derive(Debug, Default)]
pub(crate) struct CachedReference {
    sponges: Sponges,
    last: Option<([u8; 32], Matrix)>,
}

impl Reference for CachedReference {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        let mut block = block(work)?;
        block[72..].copy_from_slice(&nonce.to_le_bytes());
        let matrix = match &mut self.last {
            Some((hash, matrix)) if block.starts_with(hash) => matrix,
            last => {
                let mut hash = [0; 32];
                hash.copy_from_slice(&block[..32]);
                &last.insert((hash, matrix(&block)?)).1
            }
        };
        Ok(self.sponges.kheavyhash(matrix, &block))
    }
}
