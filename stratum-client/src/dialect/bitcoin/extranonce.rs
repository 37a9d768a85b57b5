//! The pool's part of the extranonce, and the width of the miner's.

use rminer_algos::{MAX_EXTRANONCE2_BYTES, decode_hex};
use serde_json::value::RawValue;

use crate::dialect::ProtocolError;
use crate::dialect::wire::field;
use crate::envelope::{number, text};

/// Widest part of a pool in bytes; real ones have four to nine.
const MAX_EXTRANONCE1_BYTES: usize = 32;

/// Both as they were agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extranonce {
    /// Stands before the miner's part; may be empty.
    pub(super) first: Box<[u8]>,
    /// Bytes of the miner's part.
    pub(super) second_len: u8,
}

impl Extranonce {
    /// Reads what is given; what is absent stays as in `before`.
    pub(super) fn read(
        message: &'static str,
        first: Option<&RawValue>,
        second_len: Option<&RawValue>,
        before: Option<&Self>,
    ) -> Result<Self, ProtocolError> {
        let given = |raw: Option<&RawValue>| raw.filter(|raw| raw.get() != "null").is_some();
        let first = match (given(first), before) {
            (false, Some(before)) => before.first.clone(),
            _ => {
                let digits = first.and_then(text);
                let digits = digits.ok_or_else(|| field(message, "extranonce1", "is missing"))?;
                if digits.len() > 2 * MAX_EXTRANONCE1_BYTES {
                    let fault = format!("has more than {MAX_EXTRANONCE1_BYTES} bytes");
                    return Err(field(message, "extranonce1", fault));
                }
                let bytes = decode_hex(&digits)
                    .map_err(|error| field(message, "extranonce1", format!("is no hex: {error}")))?;
                bytes.into()
            }
        };
        let second_len = match (given(second_len), before) {
            (false, Some(before)) => before.second_len,
            _ => {
                let len = second_len.and_then(number);
                let len = len.ok_or_else(|| field(message, "extranonce2_size", "is missing"))?;
                u8::try_from(len).ok().filter(|len| *len <= MAX_EXTRANONCE2_BYTES).ok_or_else(|| {
                    let fault = format!("is {len}; at most {MAX_EXTRANONCE2_BYTES} are taken");
                    field(message, "extranonce2_size", fault)
                })?
            }
        };
        Ok(Self { first, second_len })
    }
}
