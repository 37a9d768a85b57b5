//! How a server proves who it is.

use rminer_algos::{HexError, decode_hex_array, encode_hex};
use thiserror::Error;

/// What to demand of a server's certificate. There is no setting that accepts anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsPolicy {
    /// A chain to a public root, for the name that was asked for.
    #[default]
    Verify,
    /// This very certificate: SHA-256 of its DER form. Neither chain nor name matter.
    Pin([u8; 32]),
    /// Trust on first use: as [`TlsPolicy::Verify`], but an unknown certificate is remembered and from then
    /// on the only one that is taken.
    Tofu,
}

/// A text is not the fingerprint of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not the SHA-256 fingerprint of a certificate: {0}; it has 64 hex digits")]
pub struct PinError(pub HexError);

impl TlsPolicy {
    /// A pin as users write it: 64 hex digits of either case, with or without colons and `sha256:` in front.
    ///
    /// # Errors
    /// [`PinError`] when it is anything else.
    pub fn pin(text: &str) -> Result<Self, PinError> {
        let text = text.trim();
        let digits = match text.get(..7) {
            Some(prefix) if prefix.eq_ignore_ascii_case("sha256:") => &text[7..],
            _ => text,
        };
        let digits: String = digits.chars().filter(|&digit| digit != ':').collect();
        decode_hex_array(&digits).map(Self::Pin).map_err(PinError)
    }

    /// The pin as text to paste, if this is one.
    pub fn pin_text(&self) -> Option<String> {
        match self {
            Self::Pin(fingerprint) => Some(encode_hex(fingerprint)),
            Self::Verify | Self::Tofu => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_taken_in_every_usual_spelling() {
        let digits = "0123456789abcdef".repeat(4);
        let plain = TlsPolicy::pin(&digits).unwrap();
        assert_eq!(plain.pin_text().as_deref(), Some(digits.as_str()));
        let with_colons = ["01:23:45:67:89:AB:CD:EF"; 4].join(":");
        assert_eq!(TlsPolicy::pin(&format!(" SHA256:{with_colons} ")), Ok(plain));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "sha256:", "abcd", "zz", "é9", &"0".repeat(63), &"0".repeat(66)] {
            assert!(TlsPolicy::pin(text).is_err(), "{text}");
        }
    }
}
