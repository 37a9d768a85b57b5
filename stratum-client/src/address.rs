//! Addresses: those of Bitcoin and of what descends from it, read into the script that pays them, and Kaspa's.
//!
//! Three forms are in use for Bitcoin: base58 with a checksum of four bytes, bech32 for segregated witness (BIP 173 and
//! BIP 350), and the form of Bitcoin Cash with its own checksum. A solo block pays whatever script it is given, for ever and
//! without a question, so nothing is guessed here: what has not the right checksum is no address.

mod base32;
mod cashaddr;
mod kaspa;

use std::fmt;

use bech32::primitives::decode::{CharError, SegwitHrpstringError, UncheckedHrpstringError};
use bech32::segwit;
use rminer_algos::sha256d::sha256d;
use thiserror::Error;

pub use cashaddr::{CashError, is_cash_prefix};
pub use kaspa::{KaspaAddress, KaspaAddressError, KaspaNetwork, is_kaspa_prefix};

/// Longest text that is looked at, in bytes; the longest address has some 90.
const MAX_TEXT_BYTES: usize = 128;
const CHECKSUM_BYTES: usize = 4;
/// Version byte, hash of a key or script, checksum.
const BASE58_BYTES: usize = 1 + 20 + CHECKSUM_BYTES;

/// Where the coins of an address are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Where coins have a price.
    Main,
    /// The public networks for tests.
    Test,
    /// A chain of one's own.
    Regtest,
    /// Either of the two: they share their base58 addresses.
    TestOrRegtest,
}

/// Which coins know the form of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All of them.
    Base58,
    /// Those with segregated witness.
    Segwit,
    /// Bitcoin Cash and its kin, which have no segregated witness.
    Cash,
}

/// What a block is to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// The output's script (`scriptPubKey`).
    pub script: Box<[u8]>,
    /// Where the address is good.
    pub network: Network,
    /// How it was written.
    pub form: Form,
}

/// Why a text is no address. `Display` names fault and facts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither letters nor length of any form.
    #[error("it has not the form of any address of Bitcoin")]
    Form,
    /// The checksum does not fit the rest.
    #[error("its checksum is wrong: a character was mistyped or cut")]
    Checksum,
    /// A character that the form does not have.
    #[error("`{letter}` at place {place} is in no address of this form")]
    Letter {
        /// The character.
        letter: char,
        /// Its place, from 1.
        place: usize,
    },
    /// The number of bytes inside fits no address.
    #[error("it holds {0} bytes, which no address does")]
    Length(usize),
    /// The checksum is right, but the address is another coin's.
    #[error("it is an address of another coin ({0})")]
    Foreign(String),
    /// Right letters and checksum, but no witness program that anybody could spend.
    #[error("it is no witness program: {0}")]
    Witness(String),
    /// A fault of Bitcoin Cash's own form.
    #[error(transparent)]
    Cash(#[from] CashError),
}

impl Payout {
    /// Reads an address without anything around it.
    ///
    /// # Errors
    /// Any [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_TEXT_BYTES || !text.is_ascii() {
            return Err(AddressError::Form);
        }
        if cashaddr::has_shape(text) {
            return cashaddr::parse(text);
        }
        if has_segwit_shape(text) {
            return parse_segwit(text);
        }
        parse_base58(text)
    }

    /// Whether a text means to be an address, right or not: what has not this shape may be the name of an account.
    pub fn has_shape(text: &str) -> bool {
        if text.len() > MAX_TEXT_BYTES || !text.is_ascii() {
            return false;
        }
        let base58 = || {
            let first = text.as_bytes().first();
            let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            word && matches!(first, Some(b'1' | b'2' | b'3' | b'm' | b'n')) && (32..=36).contains(&text.len())
        };
        cashaddr::has_shape(text) || has_segwit_shape(text) && text.len() >= 14 || base58()
    }

    /// Why a node of the chain that it calls `chain` cannot be meant; none when it can.
    pub fn wrong_chain(&self, chain: &str) -> Option<String> {
        let fits = match (chain, self.network) {
            ("main", network) => network == Network::Main,
            (_, Network::Main) => false,
            ("regtest", network) => network != Network::Test,
            (_, network) => network != Network::Regtest,
        };
        (!fits)
            .then(|| format!("the address is one of {}, but the node's chain is \"{chain}\"", self.network))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "the main network",
            Self::Test => "the test networks",
            Self::Regtest => "regtest",
            Self::TestOrRegtest => "the test networks and regtest",
        })
    }
}

/// Pays whoever has the key with this hash.
fn pay_to_key(hash: &[u8]) -> Box<[u8]> {
    [&[0x76, 0xa9, 0x14], hash, &[0x88, 0xac]].concat().into()
}

/// Pays whoever knows the script with this hash.
fn pay_to_script(hash: &[u8]) -> Box<[u8]> {
    [&[0xa9, 0x14], hash, &[0x87]].concat().into()
}

fn parse_base58(text: &str) -> Result<Payout, AddressError> {
    use bs58::decode::Error as Fault;
    if !Payout::has_shape(text) {
        return Err(AddressError::Form);
    }
    let bytes = bs58::decode(text).into_vec().map_err(|fault| match fault {
        Fault::InvalidCharacter { character, index } => {
            AddressError::Letter { letter: character, place: index + 1 }
        }
        _ => AddressError::Form,
    })?;
    let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(AddressError::Length(bytes.len()));
    };
    if sha256d(body)[..CHECKSUM_BYTES] != *checksum {
        return Err(AddressError::Checksum);
    }
    if bytes.len() != BASE58_BYTES {
        return Err(AddressError::Length(bytes.len()));
    }
    let (version, hash) = body.split_first().ok_or(AddressError::Length(bytes.len()))?;
    let (script, network) = match version {
        0x00 => (pay_to_key(hash), Network::Main),
        0x05 => (pay_to_script(hash), Network::Main),
        0x6f => (pay_to_key(hash), Network::TestOrRegtest),
        0xc4 => (pay_to_script(hash), Network::TestOrRegtest),
        other => return Err(AddressError::Foreign(format!("version byte {other}"))),
    };
    Ok(Payout { script, network, form: Form::Base58 })
}

/// Begins with what stands before the separator on one of Bitcoin's networks.
fn has_segwit_shape(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["bc1", "tb1", "bcrt1"].iter().any(|start| lower.starts_with(start))
}

fn parse_segwit(text: &str) -> Result<Payout, AddressError> {
    let (prefix, version, program) = segwit::decode(text).map_err(|fault| segwit_fault(text, &fault.0))?;
    let network = match prefix.to_lowercase().as_str() {
        "bc" => Network::Main,
        "tb" => Network::Test,
        "bcrt" => Network::Regtest,
        other => return Err(AddressError::Foreign(format!("prefix {other}"))),
    };
    let opcode = match version.to_u8() {
        0 => 0,
        number => 0x50 + number,
    };
    // At most 40 bytes, as the decoder has checked.
    let length = u8::try_from(program.len()).map_err(|_| AddressError::Length(program.len()))?;
    let script = [&[opcode, length], program.as_slice()].concat();
    Ok(Payout { script: script.into(), network, form: Form::Segwit })
}

/// The crate's words are for programmers; most of its cases are one of ours.
fn segwit_fault(text: &str, fault: &SegwitHrpstringError) -> AddressError {
    match fault {
        SegwitHrpstringError::Checksum(_) => AddressError::Checksum,
        SegwitHrpstringError::Unchecked(UncheckedHrpstringError::Char(CharError::InvalidChar(letter))) => {
            let place = text.chars().position(|known| known == *letter).map_or(0, |index| index + 1);
            AddressError::Letter { letter: *letter, place }
        }
        SegwitHrpstringError::Unchecked(_) | SegwitHrpstringError::NoData => AddressError::Form,
        other => AddressError::Witness(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
