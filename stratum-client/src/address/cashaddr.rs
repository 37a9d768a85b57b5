//! The form of Bitcoin Cash: a prefix and a colon, which may be left out, and base 32 with a checksum. Bitcoin Cash's
//! "cashaddr" specification is the source.

use thiserror::Error;

use super::base32::{CHECKSUM_LETTERS, is_right, to_bytes, values};
use super::{AddressError, Form, Network, Payout, pay_to_key, pay_to_script};

const PREFIXES: [(&str, Network); 3] =
    [("bitcoincash", Network::Main), ("bchtest", Network::Test), ("bchreg", Network::Regtest)];
/// Letters behind the colon of an address for 20 and for 32 bytes.
const LETTERS: [usize; 2] = [42, 61];

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
    let values =
        values(payload).map_err(|(letter, place)| AddressError::Letter { letter, place: start + place })?;
    let network = PREFIXES
        .iter()
        .filter(|(known, _)| prefix.is_none_or(|prefix| prefix == *known))
        .find(|(known, _)| is_right(known, &values))
        .map(|(_, network)| *network)
        .ok_or(AddressError::Checksum)?;
    let data = values.len().checked_sub(CHECKSUM_LETTERS).and_then(|end| values.get(..end));
    let bytes = to_bytes(data.ok_or(AddressError::Form)?).ok_or(CashError::Padding)?;
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
