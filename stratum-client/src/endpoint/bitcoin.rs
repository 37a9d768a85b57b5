//! What a user may say about a Bitcoin pool beyond its address.

use super::Toggle;

/// Version bits that miners may roll by BIP 320: bits 13 to 28.
pub const DEFAULT_VERSION_MASK: u32 = 0x1FFF_E000;
/// Bits that no miner may roll: 29 to 31 tell how the others are read, and other values make blocks invalid.
pub const RESERVED_VERSION_BITS: u32 = 0xE000_0000;

/// How a share says which version was hashed. Both ways agree wherever the job has no bit inside the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VersionBits {
    /// The bits of the version inside the mask, as BIP 310 has it.
    #[default]
    Bip310,
    /// The difference to the job's version, as some servers have it.
    Xor,
}

/// Which job is the first with a new extranonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApplyExtranonce {
    /// The next one, as the extension's text has it.
    #[default]
    NextJob,
    /// The current one.
    Now,
}

/// Habits of a Bitcoin pool; the defaults suit nearly all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitcoinOptions {
    /// Version bits to ask for; zero asks for none.
    pub version_mask: u32,
    /// What to begin with; a pool that refuses shares for it is tried the other way.
    pub version_bits: VersionBits,
    /// Whether to ask for extranonce changes in the middle of a session.
    pub extranonce_subscribe: Toggle,
    /// Difficulty to ask for after the login: a decimal number above zero, as text.
    pub suggest_difficulty: Option<String>,
    /// Which job takes a new extranonce.
    pub apply_extranonce: ApplyExtranonce,
    /// Whether the first three requests go out together; a few old servers want them one by one.
    pub pipeline: bool,
}

impl Default for BitcoinOptions {
    fn default() -> Self {
        Self {
            version_mask: DEFAULT_VERSION_MASK,
            version_bits: VersionBits::default(),
            extranonce_subscribe: Toggle::default(),
            suggest_difficulty: None,
            apply_extranonce: ApplyExtranonce::default(),
            pipeline: true,
        }
    }
}
