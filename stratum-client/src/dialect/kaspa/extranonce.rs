//! The pool's part of the nonce: its top bytes.

use rminer_algos::kheavyhash::NONCE;
use rminer_algos::{NonceField, decode_hex};
use serde_json::value::RawValue;

use crate::dialect::ProtocolError;
use crate::dialect::wire::field;
use crate::envelope::{items, number, text};

/// Bytes of a nonce.
const NONCE_BYTES: u8 = NONCE.len;

/// Which bits of the nonce are the pool's, and their value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    /// In place.
    fixed: u64,
    /// Low bits that are the miner's.
    free_bits: u8,
}

impl Default for Prefix {
    /// The whole nonce is the miner's: what holds until a pool says otherwise.
    fn default() -> Self {
        Self { fixed: 0, free_bits: 8 * NONCE_BYTES }
    }
}

impl Prefix {
    /// `[hex]` or `[hex, bytes of the miner's part]`, as a message or as the rest of an answer.
    pub(super) fn read(params: &[&RawValue]) -> Result<Self, ProtocolError> {
        const NAME: &str = "mining.set_extranonce";
        let digits = params.first().ok_or_else(|| field(NAME, "extranonce", "is missing"))?;
        let digits = match digits.get() {
            "null" => "".into(),
            _ => text(digits).ok_or_else(|| field(NAME, "extranonce", "is no text"))?,
        };
        let digits = digits.strip_prefix("0x").unwrap_or(&digits);
        let fault = |why| field(NAME, "extranonce", why);
        let bytes = decode_hex(digits).map_err(|error| fault(format!("is no hex: {error}")))?;
        let len = u8::try_from(bytes.len()).ok().filter(|len| *len < NONCE_BYTES);
        let len = len.ok_or_else(|| fault(format!("has {} bytes of the nonce's eight", bytes.len())))?;
        let left = NONCE_BYTES - len;
        let size = match params.get(1).and_then(|size| number(size)) {
            Some(0) => return Err(field(NAME, "size", "leaves no nonce to the miner")),
            // What neither has stays zero.
            Some(size) => u8::try_from(size).unwrap_or(left).min(left),
            None => left,
        };
        let value = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let fixed = if len == 0 { 0 } else { value << (8 * u32::from(left)) };
        Ok(Self { fixed, free_bits: 8 * size })
    }

    /// From the answer to a subscription: `[anything, hex, size]`. The second item has other uses, too, so it must be
    /// short hexadecimal, and a size must follow.
    pub(super) fn of_subscription(result: &RawValue) -> Option<Self> {
        let result = items(result)?;
        let [_, digits, size, ..] = &result[..] else { return None };
        let is_size = number(size).is_some_and(|size| size <= u64::from(NONCE_BYTES));
        let rest = [*digits, *size];
        Self::read(&rest).ok().filter(|_| is_size && digits.get().starts_with('"'))
    }

    /// Bits that are the miner's.
    pub(super) fn free_bits(self) -> u8 {
        self.free_bits
    }

    /// The place of the nonce in what is hashed.
    pub(super) fn nonce_field(self) -> NonceField {
        NonceField { fixed: self.fixed, free_bits: self.free_bits, ..NONCE }
    }
}
