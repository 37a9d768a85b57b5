//! What a difficulty demands; pools have two opinions on that.

use super::Spelling;
use crate::decimal::{self, meets};

/// The target of difficulty 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// `2^224 - 1`, and the value must be below the target: the bridges of the Kaspa project.
    AllOnes,
    /// `0xffff << 208`, and the value must not be above the target: pools in the manner of Bitcoin.
    Bitcoin,
}

/// A difficulty as it is sent, with the target that follows from the very digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Expected hashes.
    pub(super) hashes: u64,
    /// The difficulty as JSON.
    pub(super) json: String,
    target: [u8; 32],
    convention: Convention,
}

impl Stamp {
    pub(super) fn new(hashes: u64, spelling: Spelling, convention: Convention) -> Self {
        let hashes = hashes.max(1);
        let (json, digits) = spelling.write(hashes);
        let numerator = match convention {
            Convention::AllOnes => vec![u32::MAX; 7],
            Convention::Bitcoin => vec![0, 0, 0, 0, 0, 0, 0xffff << 16],
        };
        // Digits that were just made of a number above zero are one.
        let target = decimal::target(numerator, &digits).unwrap_or([0xFF; 32]);
        Self { hashes, json, target, convention }
    }

    /// Whether a value is good enough.
    pub(super) fn is_met_by(&self, value: &[u8; 32]) -> bool {
        meets(value, &self.target) && (self.convention == Convention::Bitcoin || *value != self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(hashes: u64, convention: Convention) -> Stamp {
        Stamp::new(hashes, Spelling::Number, convention)
    }

    fn value(high_digits: &str, rest: u8) -> [u8; 32] {
        let mut bytes = [rest; 32];
        for (index, digits) in high_digits.as_bytes().chunks(2).enumerate() {
            bytes[31 - index] = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        }
        bytes
    }

    #[test]
    fn the_border_of_difficulty_4096() {
        let (ones, zeros) = (stamp(1 << 44, Convention::AllOnes), stamp(1 << 44, Convention::Bitcoin));
        assert_eq!((ones.json.as_str(), ones.hashes), ("4096", 1 << 44));
        // floor((2^224 - 1) / 4096) is 2^212 - 1.
        let border = value("00000000000f", 0xFF);
        assert!(!ones.is_met_by(&border) && !zeros.is_met_by(&border));
        let below = {
            let mut below = border;
            below[0] = 0xFE;
            below
        };
        assert!(ones.is_met_by(&below) && !zeros.is_met_by(&below));
        // (0xffff << 208) / 4096 is itself good enough, and nothing above.
        let border = value("00000000000ffff0", 0);
        assert!(zeros.is_met_by(&border) && ones.is_met_by(&border));
        let above = {
            let mut above = border;
            above[0] = 1;
            above
        };
        assert!(!zeros.is_met_by(&above) && ones.is_met_by(&above));
    }

    /// Difficulty 20 / 2^20: the digits of a double, divided without rounding.
    #[test]
    fn fractions_are_exact() {
        let ones = stamp(81_920, Convention::AllOnes);
        assert_eq!(ones.json, "0.000019073486328125");
        // floor((2^224 - 1) / (20 / 2^20)) by an independent calculation.
        let border = value("0000cccccccccccccccccccccccccccccccccccccccccccccccccccccccc0000", 0);
        let mut below = border;
        below[..3].copy_from_slice(&[0xFF, 0xFF, 0xCB]);
        assert!(!ones.is_met_by(&border) && ones.is_met_by(&below));
    }
}
