//! Deliberate mistakes for the simulator to find: a simulator that misses one would miss its like by accident.
//!
//! Without the feature `seeded-bugs`, which only tests switch on, a [`Bugs`] has no size and [`Bugs::has`] is
//! false at compile time.

/// A mistake that somebody made once, in this or another miner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Shares that wait for an answer are forgotten with their connection.
    VerdictForgotten,
    /// A late answer adds a verdict in place of correcting one.
    LateVerdictAdds,
    /// Lines may grow without end.
    NoLineCap,
    /// A target of zero is taken for none at all.
    ZeroTargetTaken,
    /// The pool's byte of the nonce is overwritten.
    NiceHashIgnored,
    /// A reply to a number that was never sent ends the program.
    UnknownReplyPanics,
    /// A nonce may be sent again.
    NoDuplicateCheck,
    /// A hash above the target is sent.
    NoTargetCheck,
    /// Shares go out as fast as they come.
    NoThrottle,
    /// Jobs are kept for ever.
    RingUnbounded,
    /// Shares go to the connection that is active, whoever gave their job.
    WrongSession,
    /// The miner is not told that its job has ended with the connection.
    NoJobUntold,
    /// Every retry waits as short as the first.
    BackoffNeverGrows,
    /// `client.reconnect` is obeyed to any host.
    RedirectAnywhere,
    /// Silence is borne without a keepalive.
    NoKeepalive,
    /// The primary is never tried again while a fall-back works.
    NeverReturns,
}

/// The mistake that an instance makes, if any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bugs {
    #[cfg(feature = "seeded-bugs")]
    bug: Option<Bug>,
}

impl Bugs {
    /// Makes this mistake.
    #[cfg(feature = "seeded-bugs")]
    pub fn one(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    #[cfg(feature = "seeded-bugs")]
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    #[cfg(not(feature = "seeded-bugs"))]
    pub(crate) const fn has(self, _: Bug) -> bool {
        false
    }
}
