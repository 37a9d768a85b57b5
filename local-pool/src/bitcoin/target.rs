//! Difficulties and targets by exact arithmetic, without the miner's own.
//!
//! A target is 32 bytes, least significant first, as the hash is.

use crate::decimal::{self, HASHES_PER_DIFFICULTY, Spelling, quotient};

/// Expected hashes behind a share of this difficulty, which is how [`DifficultyConfig`](crate::DifficultyConfig)
/// counts: `hashes(1.0)` is 2^32.
pub fn hashes(difficulty: f64) -> u64 {
    let hashes = (difficulty * HASHES_PER_DIFFICULTY).round();
    // A conversion that is out of range ends at the nearest bound.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let hashes = hashes as u64;
    hashes.max(1)
}

/// A difficulty as it is sent, with the target that follows from the very digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Expected hashes.
    pub(super) hashes: u64,
    /// The difficulty as JSON.
    pub(super) json: String,
    pub(super) target: [u8; 32],
}

impl Stamp {
    pub(super) fn new(hashes: u64, spelling: Spelling) -> Self {
        let hashes = hashes.max(1);
        let (json, digits) = spelling.write(hashes);
        // Digits that were just made of a number above zero are one.
        let target = target(&digits).unwrap_or([0xFF; 32]);
        Self { hashes, json, target }
    }
}

/// `floor((0xffff << 208) / difficulty)`, at most 2^256 - 1; `None` when the text is no decimal number above zero
/// of at most 19 significant digits.
pub(super) fn target(difficulty: &str) -> Option<[u8; 32]> {
    decimal::target(vec![0, 0, 0, 0, 0, 0, 0xffff << 16], difficulty)
}

/// The target of a block that takes about this many hashes, in its compact form.
pub(super) fn compact(hashes: u64) -> u32 {
    let target = quotient(vec![u32::MAX; 8], hashes.max(1));
    let len = target.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let byte = |place: usize| len.checked_sub(place).map_or(0, |index| u32::from(target[index]));
    let mantissa = byte(1) << 16 | byte(2) << 8 | byte(3);
    let exponent = u32::try_from(len).unwrap_or(0);
    // The top bit is a sign.
    if mantissa & 0x80_0000 == 0 { exponent << 24 | mantissa } else { (exponent + 1) << 24 | mantissa >> 8 }
}

/// The target behind a compact form; zero when it is negative or does not fit.
pub(super) fn expand(bits: u32) -> [u8; 32] {
    let [exponent, high, middle, low] = bits.to_be_bytes();
    let mut target = [0; 32];
    if high & 0x80 != 0 {
        return target;
    }
    for (place, byte) in (1..).zip([high, middle, low]) {
        match usize::from(exponent).checked_sub(place) {
            Some(index) if index < target.len() => target[index] = byte,
            Some(_) if byte != 0 => return [0; 32],
            _ => {}
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::meets;
    use rminer_algos::encode_hex;

    fn display(target: [u8; 32]) -> String {
        let mut bytes = target;
        bytes.reverse();
        encode_hex(&bytes)
    }

    /// Recomputed by an independent script.
    #[test]
    fn difficulty_vectors() {
        for (difficulty, want) in [
            ("1", format!("00000000ffff{}", "0".repeat(52))),
            ("512", format!("00000000007fff8{}", "0".repeat(49))),
            ("0.001", format!("000003e7fc18{}", "0".repeat(52))),
            ("65536.5", "000000000000fffe8000bfffa0002fffe8000bfffa0002fffe8000bfffa0002f".to_owned()),
        ] {
            assert_eq!(display(target(difficulty).unwrap()), want, "{difficulty}");
        }
        assert_eq!(target("0.0000000000001"), Some([0xFF; 32]));
        for bad in ["0", "", "-1", "x", "1e3", "0.0", "99999999999999999999"] {
            assert_eq!(target(bad), None, "{bad}");
        }
    }

    #[test]
    fn spellings_have_one_target() {
        let stamps = [Spelling::Number, Spelling::Exponent, Spelling::Text]
            .map(|spelling| Stamp::new(hashes(0.0005), spelling));
        assert!(stamps.iter().all(|stamp| stamp.target == stamps[0].target));
        assert_eq!(Stamp::new(1 << 32, Spelling::Number).json, "1");
        assert_eq!(Stamp::new(1 << 31, Spelling::Exponent).json, "5e-1");
        assert_eq!(Stamp::new(1 << 31, Spelling::Text).json, "\"0.5\"");
        assert_eq!((hashes(1.0), hashes(0.0), hashes(f64::INFINITY)), (1 << 32, 1, u64::MAX));
    }

    #[test]
    fn compact_forms() {
        assert_eq!(display(expand(0x1d00_ffff)), format!("00000000ffff{}", "0".repeat(52)));
        assert_eq!(display(expand(0x207f_ffff)), format!("7fffff{}", "0".repeat(58)));
        for bits in [0x2100_ffff, 0x1d00_ffff, 0x1b04_864c] {
            assert_ne!(expand(bits), [0; 32], "{bits:x}");
        }
        for bits in [0x1d80_0000, 0xff12_3456, 0x2301_0000] {
            assert_eq!(expand(bits), [0; 32], "{bits:x}");
        }
        assert_eq!(compact(1), 0x2100_ffff);
        assert_eq!(compact(1 << 32), 0x1d00_ffff);
        assert_eq!(compact(1 << 40), 0x1c00_ffff);
        for hashes in [1, 2, 3, 1000, 1 << 31, 12_345_678_901, u64::MAX] {
            let exact = quotient(vec![u32::MAX; 8], hashes);
            let rounded = expand(compact(hashes));
            assert!(meets(&rounded, &exact) && rounded != [0; 32], "{hashes}");
        }
    }
}
