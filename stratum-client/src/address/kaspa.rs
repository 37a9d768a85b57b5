//! Addresses of Kaspa: the network's name, a colon, and base 32 with a checksum over both. The address code of
//! rusty-kaspa is the source.

use std::fmt;

use thiserror::Error;

use super::base32::{CHECKSUM_LETTERS, is_right, to_bytes, values};

/// Letters behind the colon of an address for a key of 32 bytes, and for one of 33.
const LETTERS: [usize; 2] = [61, 63];
/// Longest text that is looked at, in bytes.
const MAX_TEXT_BYTES: usize = 128;

/// Where the coins of an address are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KaspaNetwork {
    /// Where coins have a price.
    Mainnet,
    /// The public networks for tests.
    Testnet,
    /// Networks of developers.
    Devnet,
    /// A chain of one's own.
    Simnet,
}

/// A Kaspa address whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KaspaAddress {
    /// Where it is valid.
    pub network: KaspaNetwork,
}

/// Why a text is no Kaspa address. `Display` names fault and facts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KaspaAddressError {
    /// No network's name before a colon.
    #[error("it does not begin with the name of one of Kaspa's networks, as kaspa: is")]
    Prefix,
    /// The number of letters fits no address.
    #[error("it has {0} letters behind the colon; an address has 61 (or 63 for some keys)")]
    Length(usize),
    /// A character that the form does not have.
    #[error(
        "`{letter}` at place {place} is in no address (1, b, i, o and capital letters are left out of them)"
    )]
    Letter {
        /// The character.
        letter: char,
        /// Its place, from 1.
        place: usize,
    },
    /// The checksum does not fit the rest.
    #[error("its checksum is wrong: a character was mistyped or cut, or it is another network's")]
    Checksum,
    /// Right letters and checksum, but no key and no script that anybody knows of.
    #[error("its version byte {version:#04x} stands for nothing of {bytes} bytes")]
    Version {
        /// The first byte inside.
        version: u8,
        /// Bytes behind it.
        bytes: usize,
    },
    /// Bits that must be zero are not.
    #[error("its last letter has bits that it must not have")]
    Padding,
}

impl KaspaNetwork {
    /// All of them, the usual one first.
    pub const ALL: [Self; 4] = [Self::Mainnet, Self::Testnet, Self::Devnet, Self::Simnet];

    /// What stands before the colon.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Mainnet => "kaspa",
            Self::Testnet => "kaspatest",
            Self::Devnet => "kaspadev",
            Self::Simnet => "kaspasim",
        }
    }

    /// The network of an address by what stands before its colon.
    pub fn of_prefix(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| network.prefix() == prefix)
    }

    /// What nodes call it; test networks have a number behind that, as in `testnet-10`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Devnet => "devnet",
            Self::Simnet => "simnet",
        }
    }

    /// Port of its nodes for gRPC.
    pub fn grpc_port(self) -> u16 {
        match self {
            Self::Mainnet => 16110,
            Self::Testnet => 16210,
            Self::Simnet => 16510,
            Self::Devnet => 16610,
        }
    }
}

impl fmt::Display for KaspaNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Testnet => f.write_str("testnets"),
            Self::Mainnet | Self::Devnet | Self::Simnet => f.write_str(self.name()),
        }
    }
}

impl KaspaAddress {
    /// Reads an address without anything behind it. The name of the network may be left out, as some pools bear it;
    /// the checksum tells which one it is.
    ///
    /// # Errors
    /// Any [`KaspaAddressError`].
    pub fn parse(text: &str) -> Result<Self, KaspaAddressError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(KaspaAddressError::Length(text.chars().count()));
        }
        let (prefix, payload) = match text.split_once(':') {
            Some((prefix, payload)) => (Some(prefix), payload),
            None => (None, text),
        };
        let may_be = |network: &KaspaNetwork| prefix.is_none_or(|prefix| prefix == network.prefix());
        if !KaspaNetwork::ALL.iter().any(may_be) {
            return Err(KaspaAddressError::Prefix);
        }
        let start = text.chars().count() - payload.chars().count();
        let values = values(payload)
            .map_err(|(letter, place)| KaspaAddressError::Letter { letter, place: start + place })?;
        if !LETTERS.contains(&values.len()) {
            return Err(KaspaAddressError::Length(values.len()));
        }
        let network = KaspaNetwork::ALL
            .into_iter()
            .filter(may_be)
            .find(|network| is_right(network.prefix(), &values))
            .ok_or(KaspaAddressError::Checksum)?;
        let data = values.len().checked_sub(CHECKSUM_LETTERS).and_then(|end| values.get(..end));
        let bytes = data.and_then(to_bytes).ok_or(KaspaAddressError::Padding)?;
        // Key, longer key, hash of a script.
        match bytes.split_first() {
            Some((0 | 8, key)) if key.len() == 32 => Ok(Self { network }),
            Some((1, key)) if key.len() == 33 => Ok(Self { network }),
            Some((version, key)) => Err(KaspaAddressError::Version { version: *version, bytes: key.len() }),
            None => Err(KaspaAddressError::Length(values.len())),
        }
    }

    /// Whether a text means to be an address, right or not: what has not this shape may be the name of an account.
    pub fn has_shape(text: &str) -> bool {
        match text.split_once(':') {
            Some((prefix, _)) => is_kaspa_prefix(prefix),
            None => {
                LETTERS.contains(&text.len())
                    && text.starts_with(['q', 'p'])
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            }
        }
    }
}

/// Whether that stands before the colon of an address, in letters of any case.
pub fn is_kaspa_prefix(text: &str) -> bool {
    KaspaNetwork::ALL.iter().any(|network| network.prefix().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests;
