//! The thread that recomputes shares.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use rminer_algos::{NonceField, Reference, Variant, Work};

use super::Shared;
use crate::VerifyRequest;

/// Starts the thread. It ends with the pool, after the share that it is at.
pub(super) fn start(
    mut reference: Box<dyn Reference>,
    queue: usize,
    shared: &Arc<Shared>,
    (seed, variants): ([u8; 32], Vec<Variant>),
) -> io::Result<SyncSender<VerifyRequest>> {
    let (sender, requests) = sync_channel::<VerifyRequest>(queue.max(1));
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new().name("rminer-pool-check".into()).spawn(move || {
        for variant in variants {
            warm_up(&mut *reference, seed, variant);
        }
        for request in requests {
            // What still waits when the pool stops is not worth a hash.
            if shared.upgrade().is_none_or(|shared| *shared.stop.borrow()) {
                return;
            }
            let hash = reference.hash(&request.work, request.nonce);
            let Some(shared) = shared.upgrade() else { return };
            shared.with(|core, now| core.verified(now, request.ticket, hash));
        }
    })?;
    Ok(sender)
}

/// Has the engine prepare itself for the seed (RandomX fills a cache), so that the first share need not wait.
fn warm_up(reference: &mut dyn Reference, seed: [u8; 32], variant: Variant) {
    let field = NonceField { offset: 0, len: 4, fixed: 0, free_bits: 32 };
    if let Ok(work) = Work::new(&[0; 4], field, Some(seed))
        && let Err(error) = reference.hash(&work.with_variant(variant), 0)
    {
        tracing::warn!("shares cannot be checked: {error}");
    }
}
