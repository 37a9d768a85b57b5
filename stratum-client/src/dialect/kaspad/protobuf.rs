//! As much of Protocol Buffers as a node's messages need: fields in, fields out, nothing copied and nothing lost.
//!
//! A generated reader would drop the fields that it does not know, and a block without them is another block. So
//! messages stay the bytes that they are; a field is a piece of them.

use crate::dialect::ProtocolError;
use crate::text::clean;

/// Longest varint, in bytes.
const MAX_VARINT_BYTES: usize = 10;
/// Numbers of fields have 29 bits.
const MAX_FIELD: u64 = (1 << 29) - 1;

/// How a value stands on the wire, the low three bits of a tag.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED_32: u64 = 5;

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Value<'a>,
    /// All its bytes, the tag included.
    pub(super) raw: &'a [u8],
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Number(u64),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
    /// A number of fixed width, which no field here has.
    Fixed,
}

/// The fields of `message` in their order. An error is the last item.
pub(super) fn fields<'a>(what: &'static str, message: &'a [u8]) -> Fields<'a> {
    Fields { what, rest: message }
}

/// Iterator of [`fields`].
pub(super) struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = self.rest;
        let read = read(whole);
        self.rest = read.map_or(&[], |(_, _, rest)| rest);
        let field = read.map(|(number, value, rest)| {
            let raw = whole.get(..whole.len() - rest.len()).unwrap_or_default();
            Field { number, value, raw }
        });
        Some(field.ok_or_else(|| fault(self.what, "message", "is cut off or no protobuf")))
    }
}

fn read(bytes: &[u8]) -> Option<(u32, Value<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok().filter(|&n| n > 0 && u64::from(n) <= MAX_FIELD)?;
    let (value, rest) = match tag & 7 {
        VARINT => {
            let (value, rest) = varint(rest)?;
            (Value::Number(value), rest)
        }
        LENGTH => {
            let (len, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            (Value::Bytes(value), rest)
        }
        FIXED_64 => (Value::Fixed, rest.get(8..)?),
        FIXED_32 => (Value::Fixed, rest.get(4..)?),
        // Groups went out of use before Kaspa was there.
        _ => return None,
    };
    Some((number, value, rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(MAX_VARINT_BYTES) {
        let bits = u64::from(byte & 0x7F);
        let shift = 7 * u32::try_from(place).ok()?;
        // Of the tenth byte one bit is left.
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

impl<'a> Field<'a> {
    pub(super) fn number_of(&self, message: &'static str, name: &'static str) -> Result<u64, ProtocolError> {
        match self.value {
            Value::Number(value) => Ok(value),
            _ => Err(fault(message, name, "is no number")),
        }
    }

    pub(super) fn bytes_of(
        &self,
        message: &'static str,
        name: &'static str,
    ) -> Result<&'a [u8], ProtocolError> {
        match self.value {
            Value::Bytes(value) => Ok(value),
            _ => Err(fault(message, name, "is no text")),
        }
    }

    pub(super) fn text_of(
        &self,
        message: &'static str,
        name: &'static str,
    ) -> Result<&'a str, ProtocolError> {
        let bytes = self.bytes_of(message, name)?;
        std::str::from_utf8(bytes).map_err(|_| fault(message, name, "is no text in UTF-8"))
    }
}

/// A message that breaks the protocol.
pub(super) fn fault(message: &'static str, field: &'static str, fault: &str) -> ProtocolError {
    ProtocolError::Field { message, field, fault: clean(fault) }
}

/// Appends a number. Zero is what a field has that is not there.
pub(super) fn put_number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(field) << 3 | VARINT);
        put_varint(out, value);
    }
}

/// Appends text, bytes or a message.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    put_varint(out, u64::from(field) << 3 | LENGTH);
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8]) -> Option<Vec<Field<'_>>> {
        fields("test", message).map(Result::ok).collect()
    }

    #[test]
    fn messages_of_the_format_s_own_description() {
        // From the documentation of the wire format: field 1 is 150; field 2 is "testing"; field 3 is the first one.
        let number = [0x08, 0x96, 0x01];
        let text = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        let message = [0x1a, 0x03, 0x08, 0x96, 0x01];
        let whole = [&number[..], &text, &message].concat();
        let found = all(&whole).unwrap();
        assert_eq!(found[0], Field { number: 1, value: Value::Number(150), raw: &number });
        assert_eq!(found[1], Field { number: 2, value: Value::Bytes(b"testing"), raw: &text });
        assert_eq!(found[2], Field { number: 3, value: Value::Bytes(&number), raw: &message });
        let mut written = Vec::new();
        put_number(&mut written, 1, 150);
        put_bytes(&mut written, 2, b"testing");
        put_bytes(&mut written, 3, &number);
        assert_eq!(written, whole);
    }

    #[test]
    fn what_breaks_off_is_refused() {
        for broken in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x12, 0x02, 0x61],
            &[0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            // A number of field zero, of 2^29, a group, more than 64 bits, eleven bytes.
            &[0x00, 0x01],
            &[0x80, 0x80, 0x80, 0x80, 0x10, 0x01],
            &[0x0b, 0x0c],
            &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            &[0x0d, 0, 0, 0],
            &[0x09, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(all(broken), None, "{broken:x?}");
        }
        assert_eq!(all(&[0x0d, 0, 0, 0, 0]).unwrap()[0].value, Value::Fixed);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(message in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(found) = all(&message) {
                let joined: Vec<u8> = found.iter().flat_map(|field| field.raw.iter().copied()).collect();
                prop_assert_eq!(joined, message);
            }
        }

        #[test]
        fn numbers_come_back(field in 1_u32..=(1 << 29) - 1, value in 1_u64..) {
            let mut written = Vec::new();
            put_number(&mut written, field, value);
            let found = all(&written).unwrap();
            prop_assert_eq!((found[0].number, found[0].value), (field, Value::Number(value)));
        }
    }
}
