//! The form of Bitcoin Cash: base 32 as in bech32, with a prefix after a colon that may be left out, and a checksum of
//! 40 bits. Bitcoin Cash's "cashaddr" specification is the source.

use thiserror::Error;

use super::{AddressError, Form, Network, Payout, pay_to_key, pay_to_script};

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const PREFIXES: [(&str, Network); 3] =
    [("bitcoincash", Network::Main), ("bchtest", Network::Test), ("bchreg", Network::Regtest)];
/// Letters of the checksum.
const CHECKSUM_LETTERS: usize = 8;
/// Letters behind the colon of an address for 20 and for 32 bytes.
const LETTERS: [usize; 2] = [42, 61];
/// What is added when so high a bit falls out, in the order of the bits.
const GENERATOR: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];

/// What can be wrong with the form of Bitcoin Cash alone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CashError {
    /// Upper and lower case in one address.
    #[error("it mixes capital and small letters")]
    MixedCase,
    /// An address of tokens, of scripts to come, or with a size that does not fit.
    #[error("its version byte {0:#04x} stands for nothing that a block can pay")]
    Version(u8),
    /// Bits that must be zero are not.
    #[error("its last letter has bits that it must not have")]
    Padding,
}

/// Whether that stands before the colon of an address.
pub fn is_cash_prefix(text: &str) -> bool {
    PREFIXES.iter().any(|(known, _)| known.eq_ignore_ascii_case(text))
}

/// With one of the prefixes, or one of the letters that addresses without it begin with, and their length.
pub(super) fn has_shape(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    match lower.split_once(':') {
        Some((prefix, _)) => is_cash_prefix(prefix),
        None => {
            LETTERS.contains(&lower.len())
                && lower.starts_with(['q', 'p'])
                && lower.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Payout, AddressError> {
    let lower = text.to_ascii_lowercase();
    if text != lower && text != text.to_ascii_uppercase() {
        return Err(CashError::MixedCase.into());
    }
    let (prefix, payload) = match lower.split_once(':') {
        Some((prefix, payload)) => (Some(prefix), payload),
        None => (None, lower.as_str()),
    };
    let start = lower.len() - payload.len();
    let mut values = Vec::with_capacity(payload.len());
    for (index, letter) in payload.chars().enumerate() {
        let value = ALPHABET.iter().position(|known| char::from(*known) == letter);
        let value = value.and_then(|value| u8::try_from(value).ok());
        values.push(value.ok_or(AddressError::Letter { letter, place: start + index + 1 })?);
    }
    let network = PREFIXES
        .iter()
        .filter(|(known, _)| prefix.is_none_or(|prefix| prefix == *known))
        .find(|(known, _)| polymod(known, &values) == 0)
        .map(|(_, network)| *network)
        .ok_or(AddressError::Checksum)?;
    let data = values.len().checked_sub(CHECKSUM_LETTERS).and_then(|end| values.get(..end));
    let bytes = to_bytes(data.ok_or(AddressError::Form)?)?;
    let (version, hash) = bytes.split_first().ok_or(AddressError::Form)?;
    let script = match (version, hash.len()) {
        (0, 20) => pay_to_key(hash),
        (0x08, 20) => pay_to_script(hash),
        // A script's hash of 32 bytes, since 2023.
        (0x0b, 32) => [&[0xaa, 0x20], hash, &[0x87]].concat().into(),
        _ => return Err(CashError::Version(*version).into()),
    };
    Ok(Payout { script, network, form: Form::Cash })
}

/// Groups of five bits as bytes; what is left over must be zero.
fn to_bytes(values: &[u8]) -> Result<Vec<u8>, CashError> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
    for value in values {
        held = held << 5 | u32::from(*value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits).to_le_bytes()[0]);
            held &= (1 << bits) - 1;
        }
    }
    if bits >= 5 || held != 0 { Err(CashError::Padding) } else { Ok(bytes) }
}

/// Remainder of the code over prefix and values, zero for a right checksum.
fn polymod(prefix: &str, values: &[u8]) -> u64 {
    let prefix = prefix.bytes().map(|byte| byte & 0x1f);
    let mut remainder: u64 = 1;
    for value in prefix.chain([0]).chain(values.iter().copied()) {
        let out = remainder >> 35;
        remainder = (remainder & 0x07_ffff_ffff) << 5 ^ u64::from(value);
        for (bit, added) in GENERATOR.iter().enumerate() {
            if out >> bit & 1 == 1 {
                remainder ^= added;
            }
        }
    }
    remainder ^ 1
}
