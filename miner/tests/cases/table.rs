//! Every way in which pools are known to fail their miners, by number, and where it is tried out.

mod from_31;
mod up_to_30;

use crate::play::Scene;

/// One way.
pub(crate) struct Case {
    pub(crate) number: u8,
    pub(crate) situation: &'static str,
    pub(crate) tries: &'static [Try],
}

/// Where a case is tried out.
pub(crate) enum Try {
    /// Here, at the embedded Bitcoin pool.
    Play(Scene),
    /// Here, in a way of its own.
    Own(fn()),
    /// In another part of the program, by this test of this file.
    Elsewhere(Part, &'static str, &'static str),
    /// In a part that is still to come; its cases come with it.
    Later(Part),
}

/// What a case concerns that is not tried out here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Monero,
    SoloBitcoin,
    SoloMonero,
    Kaspa,
    StratumV2,
    /// Sockets, TLS, proxies and names, which all dialects share.
    Transport,
    /// Devices and their work, which all dialects share.
    Engine,
}

impl Part {
    /// Whether it is still to come.
    pub(crate) fn is_later(self) -> bool {
        matches!(self, Self::StratumV2)
    }
}

const SOLO_BITCOIN: &str = "stratum-client/src/dialect/gbt/tests/transcripts.rs";
const TEMPLATES: &str = "stratum-client/src/dialect/gbt/tests/templates.rs";
const KASPA: &str = "miner/tests/kaspa.rs";
const SOLO_MONERO: &str = "stratum-client/src/dialect/monerod/tests/transcripts.rs";

/// All of them, by number.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    up_to_30::CASES.iter().chain(from_31::CASES)
}
