//! Every blob that was given out, with the nonces that came back for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rminer_algos::{NonceField, Variant, Work, WorkError};

use super::chain::NONCE_OFFSET;

/// Nonces that are remembered for one blob; more shares than this are refused.
pub(crate) const MAX_NONCES_PER_WORK: usize = 1 << 16;

/// Names a blob in the book. Jobs with one blob have one key, whatever their ids and targets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkId(u64);

#[derive(Debug)]
struct Entry {
    work: Arc<Work>,
    nonces: BTreeSet<u32>,
    users: usize,
}

/// Whether a nonce is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    New,
    Duplicate,
    Full,
}

/// The blobs in use. Who holds a [`WorkId`] releases it once.
#[derive(Debug, Default)]
pub(crate) struct Works {
    entries: BTreeMap<WorkId, Entry>,
    next: u64,
}

impl Works {
    /// Takes a blob into the book.
    ///
    /// # Errors
    /// When the blob has no room for the nonce or is too long.
    pub(crate) fn add(&mut self, blob: &[u8], seed: [u8; 32], variant: Variant) -> Result<WorkId, WorkError> {
        // The miner's view of a NiceHash byte does not matter here: a share names all four bytes.
        let offset = u16::try_from(NONCE_OFFSET).unwrap_or(u16::MAX);
        let field = NonceField { offset, len: 4, fixed: 0, free_bits: 32 };
        let work = Arc::new(Work::new(blob, field, Some(seed))?.with_variant(variant));
        let id = WorkId(self.next);
        self.next += 1;
        self.entries.insert(id, Entry { work, nonces: BTreeSet::new(), users: 1 });
        Ok(id)
    }

    /// One more holder of `id`.
    pub(crate) fn share(&mut self, id: WorkId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.users += 1;
        }
    }

    /// One holder less; the last one takes the blob and its nonces with it.
    pub(crate) fn release(&mut self, id: WorkId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.users -= 1;
            if entry.users == 0 {
                self.entries.remove(&id);
            }
        }
    }

    pub(crate) fn work(&self, id: WorkId) -> Option<Arc<Work>> {
        self.entries.get(&id).map(|entry| Arc::clone(&entry.work))
    }

    /// Whether `nonce` was submitted for `id` before.
    pub(crate) fn has(&self, id: WorkId, nonce: u32) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.nonces.contains(&nonce))
    }

    /// Notes that `nonce` was submitted for `id`.
    pub(crate) fn enter(&mut self, id: WorkId, nonce: u32) -> Entered {
        match self.entries.get_mut(&id) {
            Some(entry) if entry.nonces.contains(&nonce) => Entered::Duplicate,
            Some(entry) if entry.nonces.len() < MAX_NONCES_PER_WORK => {
                entry.nonces.insert(nonce);
                Entered::New
            }
            _ => Entered::Full,
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_live_as_long_as_the_blob() {
        let mut works = Works::default();
        let id = works.add(&[1; 76], [2; 32], Variant::V1).unwrap();
        works.share(id);
        assert_eq!(works.enter(id, 7), Entered::New);
        assert_eq!(works.enter(id, 7), Entered::Duplicate);
        works.release(id);
        assert_eq!(works.enter(id, 7), Entered::Duplicate);
        works.release(id);
        works.release(id);
        assert_eq!((works.enter(id, 8), works.len()), (Entered::Full, 0));
        assert!(works.add(&[1; 42], [2; 32], Variant::V1).is_err());
    }

    #[test]
    fn nonces_are_bounded() {
        let mut works = Works::default();
        let id = works.add(&[1; 76], [2; 32], Variant::V1).unwrap();
        let limit = u32::try_from(MAX_NONCES_PER_WORK).unwrap();
        assert!((0..limit).all(|nonce| works.enter(id, nonce) == Entered::New));
        assert_eq!(works.enter(id, limit), Entered::Full);
        assert_eq!(works.enter(id, 0), Entered::Duplicate);
    }
}
