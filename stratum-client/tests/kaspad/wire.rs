//! The node's side of the wire, written apart from the client's: protobuf, and the five bytes before each message.

/// A field with bytes, text or a message.
pub(crate) fn message(field: u32, payload: &[u8]) -> Vec<u8> {
    [varint(u64::from(field) << 3 | 2), varint(payload.len() as u64), payload.to_vec()].concat()
}

/// A field with a number.
pub(crate) fn number(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The length-delimited fields of a message and their numbers; numbers are passed over.
pub(crate) fn payloads(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = take_varint(&mut message);
        let value = take_varint(&mut message);
        if tag & 7 == 2 {
            let (payload, rest) = message.split_at(usize::try_from(value).unwrap());
            found.push((tag >> 3, payload.to_vec()));
            message = rest;
        }
    }
    found
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// With the five bytes before it.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], message].concat()
}
