//! The thread that recomputes shares.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use rminer_algos::Reference;

use super::Shared;
use crate::VerifyRequest;

/// Starts the thread. It ends with the pool, after the share that it is at.
pub(super) fn start(
    mut reference: Box<dyn Reference>,
    queue: usize,
    shared: &Arc<Shared>,
) -> io::Result<SyncSender<VerifyRequest>> {
    let (sender, requests) = sync_channel::<VerifyRequest>(queue.max(1));
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new().name("rminer-pool-check".into()).spawn(move || {
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
