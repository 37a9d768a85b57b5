//! Hexadecimal text to bytes and back, for wire fields and vectors.

use thiserror::Error;

/// Why a text is not the hexadecimal form of the wanted bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HexError {
    /// Two digits make a byte.
    #[error("odd number of hex digits ({0})")]
    Odd(usize),
    /// A character outside `0-9a-fA-F`, with its place.
    #[error("no hex digit at position {0}")]
    Digit(usize),
    /// The text is well formed but of another length.
    #[error("{got} bytes of hex where {want} are expected")]
    Length {
        /// Bytes that the caller asked for.
        want: usize,
        /// Bytes that the text holds.
        got: usize,
    },
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Bytes of a hexadecimal text of either case, without any prefix.
///
/// # Errors
/// [`HexError::Odd`] and [`HexError::Digit`].
pub fn decode_hex(text: &str) -> Result<Vec<u8>, HexError> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(HexError::Odd(digits.len()));
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for (index, pair) in digits.chunks_exact(2).enumerate() {
        let high = nibble(pair[0]).ok_or(HexError::Digit(2 * index))?;
        let low = nibble(pair[1]).ok_or(HexError::Digit(2 * index + 1))?;
        bytes.push(high << 4 | low);
    }
    Ok(bytes)
}

/// As [`decode_hex`], for a text that must hold exactly `N` bytes.
///
/// # Errors
/// Those of [`decode_hex`], and [`HexError::Length`].
pub fn decode_hex_array<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let bytes = decode_hex(text)?;
    let got = bytes.len();
    bytes.try_into().map_err(|_| HexError::Length { want: N, got })
}

/// Lower-case hexadecimal text, two digits a byte.
pub fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn faults_are_named() {
        assert_eq!(decode_hex("abc"), Err(HexError::Odd(3)));
        assert_eq!(decode_hex("0g"), Err(HexError::Digit(1)));
        assert_eq!(decode_hex("é"), Err(HexError::Digit(0)));
        assert_eq!(decode_hex_array::<4>("0011"), Err(HexError::Length { want: 4, got: 2 }));
    }

    proptest! {
        #[test]
        fn round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = encode_hex(&bytes);
            prop_assert_eq!(decode_hex(&text.to_uppercase()), Ok(bytes.clone()));
            prop_assert_eq!(decode_hex(&text), Ok(bytes));
        }
    }
}
