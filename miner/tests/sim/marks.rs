//! Places that a run came by. A simulation proves something only about what it reaches, so the tests demand that
//! each mark is reached.

use std::collections::BTreeMap;

macro_rules! marks {
    ($($name:ident),* $(,)?) => {
        /// Something that happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Mark { $($name),* }

        impl Mark {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

marks! {
    // Shares.
    Accepted, Rejected, NoReply, Lost, LateVerdictCorrected, Throttled, DuplicateStopped, MiscomputeStopped,
    AboveTargetStopped, StaleNotSent, OlderJobCredited, AnsweredAtClose, DrainedAnswer,
    // Jobs.
    NiceHash, RetargetSameWork, SameIdNewContent, OldWorkAgain, SeedChange, JobBeforeLogin, SpoiledJob, JobStorm,
    // Ends of connections, as the client names them.
    Network, Connect, Idle, LoginTimeout, NoJob, NothingToMine, SlowLine, LongLine, Flood, ShareTimeout, Protocol,
    PeerSpeaksTls, LoginRefused, Banned, AlgorithmRefused, SessionExpired, StaleShares, Redirected, Suspended,
    // Pools.
    ReconnectRefused, ReconnectFollowed, ReconnectIgnored, FailedOver, Returned, Switched, SwitchRefused, BanRest, Waiting, GaveUp,
    Keepalive, UnknownReply, CutMidLine, Stopped,
    // Devices.
    WorkerHung, WorkerLost, SlowLoad, LateHit,
}

/// How often each was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks(BTreeMap<Mark, u64>);

impl Marks {
    /// It happened.
    pub(crate) fn hit(&mut self, mark: Mark) {
        *self.0.entry(mark).or_default() += 1;
    }

    /// How often it happened.
    pub(crate) fn count(&self, mark: Mark) -> u64 {
        self.0.get(&mark).copied().unwrap_or(0)
    }

    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: &Self) {
        for (mark, count) in &other.0 {
            *self.0.entry(*mark).or_default() += count;
        }
    }

    /// Those that never happened.
    pub(crate) fn missing(&self) -> Vec<Mark> {
        Mark::ALL.iter().copied().filter(|mark| self.count(*mark) == 0).collect()
    }
}
