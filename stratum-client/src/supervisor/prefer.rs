//! Which pool is mined for when several could be: the one that a person chose, else the first, then the others in
//! their order.

use std::time::{Duration, Instant};

use super::{PROBE_EVERY, STABLE_AFTER, Supervisor};

/// What a switch by hand comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// That pool is mined for already, as a fall-back; now it stays.
    Stays,
    /// It is tried after this time, for ever so long as it takes; what is mined for now goes on until it has a job.
    Tries(Duration),
}

/// Why there is no switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSwitch {
    /// There is no pool of this index.
    Unknown,
    /// It is mined for already, and preferred.
    Already,
    /// It refused the login too often to be tried again.
    GivenUp,
    /// Everything ends.
    Ending,
}

/// The order of the pools.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preference {
    first: usize,
    /// Whether a person waits for the switch: then one job is enough.
    hurried: bool,
}

impl Preference {
    /// The pool that is returned to.
    pub(super) fn first(self) -> usize {
        self.first
    }

    /// Place of a pool in the order, from 0 for the first.
    pub(super) fn rank(self, pool: usize) -> usize {
        match pool {
            pool if pool == self.first => 0,
            pool if pool < self.first => pool + 1,
            pool => pool,
        }
    }

    /// The pool at a place of the order.
    fn at_rank(self, rank: usize) -> usize {
        match rank {
            0 => self.first,
            rank if rank <= self.first => rank - 1,
            rank => rank,
        }
    }

    /// The pool behind another one in the order of so many, the first behind the last.
    pub(super) fn after(self, pool: usize, pools: usize) -> usize {
        self.at_rank((self.rank(pool) + 1) % pools)
    }

    /// How long the first pool must have had a job before it is taken back.
    pub(super) fn stable_after(self) -> Duration {
        if self.hurried { Duration::ZERO } else { STABLE_AFTER }
    }

    /// A connection with this pool is mined for now, or has failed: whoever waited for a switch waits no more.
    pub(super) fn settled(&mut self, pool: usize) {
        self.hurried &= pool != self.first;
    }
}

impl Supervisor {
    /// A person wants this pool mined for from now on, and returned to until another is preferred. What is mined
    /// for now goes on until the pool has a job; when it fails, the others follow in their order as ever.
    ///
    /// # Errors
    /// [`NoSwitch`]; then nothing has changed.
    pub fn prefer(&mut self, now: Instant, pool: usize) -> Result<Switch, NoSwitch> {
        if self.over || self.stopping.is_some() {
            return Err(NoSwitch::Ending);
        }
        let Some(health) = self.pools.get(pool) else { return Err(NoSwitch::Unknown) };
        let Some(next_try) = health.next_try() else { return Err(NoSwitch::GivenUp) };
        let is_active = self.active_pool() == Some(pool);
        if is_active && self.preference.first == pool {
            return Err(NoSwitch::Already);
        }
        self.preference = Preference { first: pool, hurried: !is_active };
        self.next_probe = now;
        if self.active.is_none() {
            self.try_pool(now, pool);
        }
        self.advance(now);
        Ok(if is_active { Switch::Stays } else { Switch::Tries(next_try.saturating_duration_since(now)) })
    }

    /// The first pool is preferred again; it is returned to as after a failure.
    pub fn prefer_first(&mut self, now: Instant) {
        if self.preference.first != 0 {
            self.preference = Preference::default();
            self.next_probe = now + PROBE_EVERY;
            self.advance(now);
        }
    }

    /// Index of the pool that is returned to.
    pub fn preferred_pool(&self) -> usize {
        self.preference.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_pool_is_first_and_the_others_keep_their_order() {
        for pools in 1..6 {
            for first in 0..pools {
                let order = Preference { first, hurried: false };
                let mut ring = vec![first];
                while ring.len() < pools {
                    ring.push(order.after(ring[ring.len() - 1], pools));
                }
                let others: Vec<usize> = (0..pools).filter(|pool| *pool != first).collect();
                assert_eq!(ring[1..], others, "{first} of {pools}");
                assert_eq!(order.after(ring[pools - 1], pools), first, "the ring is closed");
                for (rank, pool) in ring.iter().enumerate() {
                    assert_eq!(order.rank(*pool), rank);
                }
            }
        }
    }
}
