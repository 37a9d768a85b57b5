//! Why a request is refused, and the texts that real pools use for it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The reason of a refusal. Each has the text of a real pool, in the class that miners know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reject {
    /// The hash is right and does not meet the job's target.
    LowDifficulty,
    /// This nonce was submitted for this blob before.
    Duplicate,
    /// The job is of an earlier block.
    BlockExpired,
    /// The job was issued to this session and is no longer kept.
    StaleJob,
    /// No such job was ever issued to this session.
    InvalidJobId,
    /// The claimed result is not the hash of the blob.
    BadHash,
    /// Not eight lower-case hex digits.
    MalformedNonce,
    /// Not 64 hex digits.
    MalformedResult,
    /// The commitment that the job's algorithm asks for is missing or not 64 hex digits.
    MalformedCommitment,
    /// The pool's own byte of the nonce was changed.
    NiceHashByte,
    /// Algorithm of the share is not that of the job.
    IncorrectAlgorithm,
    /// Not logged in, or another session's id.
    Unauthenticated,
    /// A second login on one connection.
    DoubleLogin,
    /// More shares than the pool takes.
    Throttled,
    /// The address is banned.
    Banned,
    /// No template yet.
    NotReady,
    /// The pool does not like the login.
    InvalidAddress,
    /// The miner has no algorithm that the pool has.
    NoCompatibleAlgorithm,
    /// No such method.
    UnknownMethod,
    /// The params are not what the method needs.
    InvalidParams,
    /// The verifier could not work; not the miner's fault.
    Unverified,
    /// The hash meets the target that the job had when it was sent, and not the one that is in force since.
    Retargeted,
    /// The time is before the job's or too far ahead.
    TimeOutOfRange,
    /// The extranonce2 has another length than the pool said.
    ExtranonceSize,
    /// Version bits outside the mask, or without one.
    VersionBits,
    /// Not subscribed.
    NotSubscribed,
}

impl Reject {
    /// Every reason.
    pub const ALL: [Self; 26] = [
        Self::LowDifficulty,
        Self::Duplicate,
        Self::BlockExpired,
        Self::StaleJob,
        Self::InvalidJobId,
        Self::BadHash,
        Self::MalformedNonce,
        Self::MalformedResult,
        Self::MalformedCommitment,
        Self::NiceHashByte,
        Self::IncorrectAlgorithm,
        Self::Unauthenticated,
        Self::DoubleLogin,
        Self::Throttled,
        Self::Banned,
        Self::NotReady,
        Self::InvalidAddress,
        Self::NoCompatibleAlgorithm,
        Self::UnknownMethod,
        Self::InvalidParams,
        Self::Unverified,
        Self::Retargeted,
        Self::TimeOutOfRange,
        Self::ExtranonceSize,
        Self::VersionBits,
        Self::NotSubscribed,
    ];

    /// The text on the wire of a Monero pool.
    pub fn text(self) -> &'static str {
        match self {
            Self::LowDifficulty => "Low difficulty share",
            Self::Duplicate => "Duplicate share",
            Self::BlockExpired => "Block expired",
            Self::StaleJob | Self::InvalidJobId => "Invalid job id",
            Self::BadHash => "Bad hash",
            Self::MalformedNonce => "Malformed nonce",
            Self::MalformedResult => "Malformed result",
            Self::MalformedCommitment => "Malformed commitment",
            Self::NiceHashByte => "Invalid nonce; is miner not compatible with NiceHash?",
            Self::IncorrectAlgorithm => "Incorrect algorithm",
            Self::Unauthenticated => "Unauthenticated",
            Self::DoubleLogin => "No double login is allowed",
            Self::Throttled => "Throttled down share submission (please increase difficulty)",
            Self::Banned => "Your IP is banned",
            Self::NotReady => "No block template yet, please wait",
            Self::InvalidAddress => "Invalid address used for login",
            Self::NoCompatibleAlgorithm => "No compatible algorithm found",
            Self::UnknownMethod => "Unknown method",
            Self::InvalidParams => "Invalid params",
            Self::Unverified => "Pool is busy, share not verified",
            Self::Retargeted => "Low difficulty share, the difficulty was raised",
            Self::TimeOutOfRange => "Ntime out of range",
            Self::ExtranonceSize => "Incorrect size of extranonce2",
            Self::VersionBits => "Invalid version bits",
            Self::NotSubscribed => "Not subscribed",
        }
    }

    /// The name in fault scripts and statistics.
    pub fn name(self) -> &'static str {
        match self {
            Self::LowDifficulty => "low_difficulty",
            Self::Duplicate => "duplicate",
            Self::BlockExpired => "block_expired",
            Self::StaleJob => "stale_job",
            Self::InvalidJobId => "invalid_job_id",
            Self::BadHash => "bad_hash",
            Self::MalformedNonce => "malformed_nonce",
            Self::MalformedResult => "malformed_result",
            Self::MalformedCommitment => "malformed_commitment",
            Self::NiceHashByte => "nice_hash_byte",
            Self::IncorrectAlgorithm => "incorrect_algorithm",
            Self::Unauthenticated => "unauthenticated",
            Self::DoubleLogin => "double_login",
            Self::Throttled => "throttled",
            Self::Banned => "banned",
            Self::NotReady => "not_ready",
            Self::InvalidAddress => "invalid_address",
            Self::NoCompatibleAlgorithm => "no_compatible_algorithm",
            Self::UnknownMethod => "unknown_method",
            Self::InvalidParams => "invalid_params",
            Self::Unverified => "unverified",
            Self::Retargeted => "retargeted",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::ExtranonceSize => "extranonce_size",
            Self::VersionBits => "version_bits",
            Self::NotSubscribed => "not_subscribed",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reject {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|reject| reject.name() == name).ok_or_else(|| {
            format!("unknown reject kind `{name}`; known: {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for reject in Reject::ALL {
            assert_eq!(reject.name().parse(), Ok(reject));
            assert_eq!(serde_json::to_value(reject).unwrap(), reject.name());
        }
        assert!("nosuch".parse::<Reject>().unwrap_err().contains("low_difficulty"));
    }
}
