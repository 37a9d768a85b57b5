//! What the answers of pools with positional parameters mean. Codes decide where they are of the known set, else the words.

use super::CloseReason;
use crate::envelope::{Envelope, truth};
use crate::ledger::{Reject, Verdict};

/// What an answer to a share demands beside its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reaction {
    None,
    Banned,
    /// Log in again on this connection.
    Authorize,
    /// The pool does not know this session.
    Reconnect,
    /// Work with another extranonce.
    MoveOn,
}

const BANNED: &[&str] = &["banned", "blacklisted", "forbidden"];
const NOT_SUBSCRIBED: &[&str] = &["not subscribed"];

/// In this order: a text with several of these words means the first.
const REJECTS: &[(Reject, &[&str])] = &[
    (Reject::Duplicate, &["dup"]),
    (
        Reject::LowDifficulty,
        &[
            "low diff",
            "lowdiff",
            "low-diff",
            "invalid diff",
            "above target",
            "high hash",
            "high-hash",
            "highhash",
            "h-not-zero",
        ],
    ),
    (
        Reject::Unauthorized,
        &["unauthori", "not authori", "banned", "blacklisted", "forbidden", "not subscribed"],
    ),
    (Reject::Stale, &["stale", "job not found", "invalid job", "unknown job", "expired", "outdated"]),
    (Reject::Throttled, &["throttle", "rate limit", "too many"]),
    (Reject::BadHash, &["bad hash", "invalid hash", "invalid solution", "bad pow", "invalid pow"]),
];

/// Codes of the original protocol.
const CODES: &[(i64, Reject)] = &[
    (21, Reject::Stale),
    (22, Reject::Duplicate),
    (23, Reject::LowDifficulty),
    (24, Reject::Unauthorized),
    (NOT_SUBSCRIBED_CODE, Reject::Unauthorized),
];
const NOT_SUBSCRIBED_CODE: i64 = 25;

pub(super) fn says(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// Accepted is any result but `false` without an error.
pub(super) fn is_yes(reply: &Envelope<'_>) -> bool {
    reply.error.is_none() && reply.result.is_some_and(|result| truth(result) != Some(false))
}

/// Why a request was refused, in the pool's words.
fn refusal(reply: &Envelope<'_>) -> String {
    match &reply.error {
        Some(error) if !error.text.is_empty() => error.text.clone(),
        Some(error) => error.code.map_or_else(String::new, |code| format!("error {code}")),
        None => "refused without a reason".into(),
    }
}

/// Why a session ends whose login was answered by that.
pub(super) fn login_refused(reply: &Envelope<'_>) -> CloseReason {
    let text = refusal(reply);
    if says(&text, BANNED) { CloseReason::Banned(text) } else { CloseReason::LoginRefused(text) }
}

pub(super) fn verdict(reply: &Envelope<'_>) -> Verdict {
    if is_yes(reply) {
        return Verdict::Accepted;
    }
    let text = refusal(reply);
    let code = reply.error.as_ref().and_then(|error| error.code);
    let by_code = CODES.iter().find(|(known, _)| Some(*known) == code).map(|(_, kind)| *kind);
    let by_text = || REJECTS.iter().find(|(_, words)| says(&text, words)).map(|(kind, _)| *kind);
    Verdict::Rejected { kind: by_code.or_else(by_text).unwrap_or(Reject::Other), text }
}

/// `kind` is that of the verdict.
pub(super) fn reaction(reply: &Envelope<'_>, kind: Option<Reject>) -> Reaction {
    let Some(kind) = kind else { return Reaction::None };
    let code = reply.error.as_ref().and_then(|error| error.code);
    let text = refusal(reply);
    match kind {
        _ if says(&text, BANNED) => Reaction::Banned,
        _ if code == Some(NOT_SUBSCRIBED_CODE) || says(&text, NOT_SUBSCRIBED) => Reaction::Reconnect,
        Reject::Unauthorized => Reaction::Authorize,
        Reject::Duplicate => Reaction::MoveOn,
        _ => Reaction::None,
    }
}
