//! What the forms of Bitcoin Cash and Kaspa have in common: base 32 with bech32's letters, behind a prefix that is no
//! part of the text, and a checksum of 40 bits over both.

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Letters of the checksum.
pub(super) const CHECKSUM_LETTERS: usize = 8;
/// What is added when so high a bit falls out, in the order of the bits.
const GENERATOR: [u64; 5] = [0x98_f2bc_8e61, 0x79_b76d_99e2, 0xf3_3e5f_b3c4, 0xae_2eab_e2a8, 0x1e_4f43_e470];

/// The values of small letters; the first that has none, and its place from 1, as the error.
pub(super) fn values(text: &str) -> Result<Vec<u8>, (char, usize)> {
    let value = |(index, letter): (usize, char)| {
        let place = ALPHABET.iter().position(|known| char::from(*known) == letter);
        place.and_then(|place| u8::try_from(place).ok()).ok_or((letter, index + 1))
    };
    text.chars().enumerate().map(value).collect()
}

/// Whether the last of the values are the checksum of prefix and others.
pub(super) fn is_right(prefix: &str, values: &[u8]) -> bool {
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
    remainder == 1
}

/// Groups of five bits as bytes; none when what is left over is not zero.
pub(super) fn to_bytes(values: &[u8]) -> Option<Vec<u8>> {
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
    (bits < 5 && held == 0).then_some(bytes)
}
