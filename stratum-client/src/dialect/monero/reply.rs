//! What a Monero pool's answers mean. Codes are nearly always -1, so the words decide.

use crate::envelope::{Envelope, truth};
use crate::ledger::{Reject, Verdict};

/// Why a login was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The pool has no template yet.
    NotReady,
    /// This address is banned.
    Banned,
    /// The pool does not serve our algorithm.
    Algorithm,
    /// Wallet or account.
    Login,
}

/// What an answer to a share demands beside its row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    None,
    Banned,
    LoginAgain,
}

const BANNED: &[&str] = &["banned", "blacklisted"];
const NOT_READY: &[&str] =
    &["no block template", "no active block template", "template not ready", "not ready"];
const ALGORITHM: &[&str] = &["no compatible algorithm", "incorrect algorithm", "algorithm negotiation"];
const UNAUTHENTICATED: &[&str] = &["unauthenticated", "not logged in", "unknown session"];

/// In this order: a text with several of these words means the first.
const REJECTS: &[(Reject, &[&str])] = &[
    (Reject::Duplicate, &["duplicate"]),
    (Reject::LowDifficulty, &["low diff", "difficulty too low", "above target"]),
    (Reject::BadHash, &["bad hash", "invalid pow", "invalid result", "bad pow", "invalid share"]),
    (Reject::Unauthorized, &["unauthenticated", "not logged in", "unknown session", "banned", "blacklisted"]),
    (Reject::Throttled, &["throttle", "rate limit", "too many share"]),
    (
        Reject::Stale,
        &[
            "stale",
            "block expired",
            "block outdated",
            "invalid job id",
            "job not found",
            "unknown job",
            "expired",
        ],
    ),
];

fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

pub(super) fn classify_login(text: &str) -> Refusal {
    if says(text, BANNED) {
        Refusal::Banned
    } else if says(text, NOT_READY) {
        Refusal::NotReady
    } else if says(text, ALGORITHM) {
        Refusal::Algorithm
    } else {
        Refusal::Login
    }
}

pub(super) fn classify_reject(text: &str) -> Reject {
    REJECTS.iter().find(|(_, words)| says(text, words)).map_or(Reject::Other, |(kind, _)| *kind)
}

pub(super) fn reaction(text: &str) -> Reaction {
    if says(text, BANNED) {
        Reaction::Banned
    } else if says(text, UNAUTHENTICATED) {
        Reaction::LoginAgain
    } else {
        Reaction::None
    }
}

/// Accepted is any result without an error, `false` apart; everything else is a refusal.
pub(super) fn verdict(reply: &Envelope<'_>) -> Verdict {
    if let Some(error) = &reply.error {
        return Verdict::Rejected { kind: classify_reject(&error.text), text: error.text.clone() };
    }
    match reply.result {
        Some(result) if truth(result) != Some(false) => Verdict::Accepted,
        _ => Verdict::Rejected { kind: Reject::Other, text: "refused without a reason".into() },
    }
}

pub(super) fn is_stale(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Rejected { kind: Reject::Stale, .. })
}
