//! Nonce leases: no counter of a piece of work is handed out twice, whatever the pool calls its jobs.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rminer_algos::{Work, WorkKey};

/// Pieces of work whose position is remembered: pools repeat jobs after a retarget, after a reconnect, and when
/// the miner comes back from a fall-back pool that gave many jobs meanwhile. Going back to the first nonce would
/// find the same shares again.
pub const KEPT: usize = 64;

/// Ranges that broken devices gave back and nobody has taken yet; there are not more workers than that.
const MAX_RETURNED: usize = 1024;

/// Position in the nonce space of one piece of work, shared by all workers on it.
#[derive(Debug)]
pub struct Lease {
    next: AtomicU64,
    last: u64,
    returned: Mutex<Vec<Range<u64>>>,
    /// Length of `returned`, so that nobody takes the lock for nothing.
    returns: AtomicUsize,
}

impl Lease {
    /// The whole space of `work`.
    pub fn new(work: &Work) -> Self {
        Self {
            next: AtomicU64::new(0),
            last: work.last_counter(),
            returned: Mutex::default(),
            returns: AtomicUsize::new(0),
        }
    }

    /// The next `count` counters, or what is left of the space; `None` when nothing is left. Counters that a
    /// worker takes and does not give back are not handed out again. The very last counter of a 64-bit space is
    /// never handed out, since the end of its range could not be said.
    pub fn take(&self, count: u64) -> Option<Range<u64>> {
        if count > 0
            && self.returns.load(Ordering::Acquire) > 0
            && let Some(range) = self.take_returned(count)
        {
            return Some(range);
        }
        let end = self.last.saturating_add(1);
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            (next < end && count > 0).then(|| next.saturating_add(count).min(end))
        });
        taken.ok().map(|start| start..start.saturating_add(count).min(end))
    }

    /// Takes back what a device was lent and did not hash, because it broke, pauses, or has newer work.
    pub fn give_back(&self, range: Range<u64>) {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        if !range.is_empty() && returned.len() < MAX_RETURNED {
            returned.push(range);
        }
        self.returns.store(returned.len(), Ordering::Release);
    }

    /// Whether nothing is left.
    pub fn is_exhausted(&self) -> bool {
        self.next.load(Ordering::Relaxed) > self.last && self.returns.load(Ordering::Acquire) == 0
    }

    fn take_returned(&self, count: u64) -> Option<Range<u64>> {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        let range = returned.pop()?;
        let end = range.start.saturating_add(count).min(range.end);
        if end < range.end {
            returned.push(end..range.end);
        }
        self.returns.store(returned.len(), Ordering::Release);
        Some(range.start..end)
    }
}

/// The leases of recent work.
#[derive(Debug, Default)]
pub struct Cursors {
    /// Most recently used last.
    leases: VecDeque<(WorkKey, Arc<Lease>)>,
}

impl Cursors {
    /// The lease of `work`: the one from before if this content was worked on lately.
    pub fn lease(&mut self, work: &Work) -> Arc<Lease> {
        let key = work.key();
        let known = self.leases.iter().position(|(candidate, _)| *candidate == key);
        let lease = match known.and_then(|place| self.leases.remove(place)) {
            Some((_, lease)) => lease,
            None => Arc::new(Lease::new(work)),
        };
        if self.leases.len() == KEPT {
            self.leases.pop_front();
        }
        self.leases.push_back((key, Arc::clone(&lease)));
        lease
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rminer_algos::NonceField;

    use super::*;

    fn work(tag: u8, free_bits: u8) -> Work {
        let mut blob = [7; 76];
        blob[0] = tag;
        Work::new(&blob, NonceField { offset: 39, len: 4, fixed: 0, free_bits }, None).unwrap()
    }

    #[test]
    fn ranges_are_disjoint_and_complete() {
        let lease = Lease::new(&work(0, 16));
        let taken: Vec<Range<u64>> = std::thread::scope(|scope| {
            let takers: Vec<_> = (1..=4)
                .map(|step| {
                    let lease = &lease;
                    scope.spawn(move || std::iter::from_fn(|| lease.take(7 * step)).collect::<Vec<_>>())
                })
                .collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        let mut seen = vec![0u8; 1 << 16];
        for counter in taken.into_iter().flatten() {
            seen[usize::try_from(counter).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count == 1));
        assert!(lease.is_exhausted());
        assert_eq!(lease.take(1), None);
    }

    #[test]
    fn sixty_four_bits_do_not_overflow() {
        let blob = [0; 80];
        let field = NonceField { offset: 72, len: 8, fixed: 0, free_bits: 64 };
        let lease = Lease::new(&Work::new(&blob, field, None).unwrap());
        assert_eq!(lease.take(u64::MAX - 1), Some(0..u64::MAX - 1));
        assert_eq!(lease.take(10), Some(u64::MAX - 1..u64::MAX));
        assert_eq!(lease.take(10), None);
    }

    #[test]
    fn what_is_given_back_is_handed_out_again() {
        let lease = Lease::new(&work(0, 8));
        assert_eq!(lease.take(256), Some(0..256));
        assert!(lease.is_exhausted());
        lease.give_back(16..40);
        lease.give_back(50..50);
        assert!(!lease.is_exhausted());
        assert_eq!(lease.take(20), Some(16..36));
        assert_eq!(lease.take(20), Some(36..40));
        assert!(lease.is_exhausted());
        assert_eq!(lease.take(20), None);
    }

    #[test]
    fn repeated_work_goes_on_where_it_was() {
        let mut cursors = Cursors::default();
        assert_eq!(cursors.lease(&work(0, 32)).take(100), Some(0..100));
        assert_eq!(cursors.lease(&work(1, 32)).take(100), Some(0..100));
        assert_eq!(cursors.lease(&work(0, 32)).take(100), Some(100..200));
        for tag in (2..).take(KEPT - 1) {
            cursors.lease(&work(tag, 32));
        }
        assert_eq!(cursors.leases.len(), KEPT);
        assert_eq!(cursors.lease(&work(0, 32)).take(1), Some(200..201), "used lately, so it is kept");
        assert_eq!(cursors.lease(&work(1, 32)).take(1), Some(0..1), "too long ago");
    }

    proptest! {
        /// Whatever is asked for, each counter is handed out once, in order, and none is left out.
        #[test]
        fn any_requests_share_the_space(counts in proptest::collection::vec(0..40u64, 0..60), free_bits in 1..11u8) {
            let lease = Lease::new(&work(0, free_bits));
            let mut next = 0;
            for count in counts {
                match lease.take(count) {
                    Some(range) => {
                        prop_assert_eq!(range.start, next);
                        prop_assert_eq!(range.end, (next + count).min(1 << free_bits));
                        next = range.end;
                    }
                    None => prop_assert!(count == 0 || next == 1 << free_bits),
                }
                prop_assert_eq!(lease.is_exhausted(), next == 1 << free_bits);
            }
            while let Some(range) = lease.take(7) {
                prop_assert_eq!(range.start, next);
                next = range.end;
            }
            prop_assert_eq!(next, 1 << free_bits);
        }
    }
}
