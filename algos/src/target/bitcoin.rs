//! Bitcoin's conventions: pool difficulties as decimals, targets as hexadecimal, and the compact bits of a header.

use super::{Target, TargetError};
use crate::decode_hex_array;

/// Target of difficulty 1: `0xffff << 208`.
const DIFFICULTY_1: (u64, usize) = (0xFFFF, 208);
/// Longest decimal that is read; the numbers below have room for what this many digits can say.
const MAX_DECIMAL_BYTES: usize = 64;
/// Difficulties of more digits before the point have a target of zero: `0xffff << 208` has 68 digits.
const MAX_MAGNITUDE: i64 = 70;
/// Difficulties with more zeros behind the point have a target beyond 256 bits, which every hash meets.
const MIN_MAGNITUDE: i64 = -12;
/// Smaller ones are zero to every server, since no double holds them.
const ZERO_MAGNITUDE: i64 = -323;

impl Target {
    /// A pool's difficulty as it stands in its message: a decimal with or without fraction and exponent. The target
    /// is `floor((0xffff << 208) / difficulty)`, exact to the last digit; of difficulties so small that it exceeds
    /// 256 bits it is [`Target::MAX`].
    ///
    /// # Errors
    /// [`TargetError::BadDifficulty`] for anything but a number of at most 64 characters,
    /// [`TargetError::ZeroDifficulty`] for zero, [`TargetError::Zero`] for one that no hash can meet.
    pub fn from_bitcoin_difficulty(text: &str) -> Result<Self, TargetError> {
        let Decimal { digits, exponent } = Decimal::read(text).ok_or(TargetError::BadDifficulty)?;
        if digits.is_empty() {
            return Err(TargetError::ZeroDifficulty);
        }
        let magnitude = exponent.saturating_add(i64::try_from(digits.len()).unwrap_or(i64::MAX));
        if magnitude > MAX_MAGNITUDE {
            return Err(TargetError::Zero);
        }
        if magnitude < ZERO_MAGNITUDE {
            return Err(TargetError::ZeroDifficulty);
        }
        if magnitude < MIN_MAGNITUDE {
            return Ok(Self::MAX);
        }
        // At most 224 bits and 76 decimal digits above, 70 digits below: 512 bits hold either.
        let (mut above, mut below) = (Wide::ZERO, Wide::ZERO);
        above.0[DIFFICULTY_1.1 / 64] = DIFFICULTY_1.0 << (DIFFICULTY_1.1 % 64);
        for digit in digits {
            below.times_ten_plus(digit.into());
        }
        for _ in 0..exponent.unsigned_abs() {
            if exponent < 0 { &mut above } else { &mut below }.times_ten_plus(0);
        }
        let quotient = above.divided_by(&below);
        if quotient.0[4..] != [0; 4] {
            return Ok(Self::MAX);
        }
        let mut bytes = [0; 32];
        for (place, limb) in bytes.chunks_exact_mut(8).zip(quotient.0) {
            place.copy_from_slice(&limb.to_le_bytes());
        }
        Self::from_le_bytes(bytes).ok_or(TargetError::Zero)
    }

    /// 64 hexadecimal digits, the most significant first, as `mining.set_target` and block templates have it.
    ///
    /// # Errors
    /// [`TargetError::Zero`], [`TargetError::Hex`], [`TargetError::Length`].
    pub fn from_be_hex(text: &str) -> Result<Self, TargetError> {
        if text.len() != 64 {
            return Err(TargetError::Length(text.len()));
        }
        let mut bytes: [u8; 32] = decode_hex_array(text)?;
        bytes.reverse();
        Self::from_le_bytes(bytes).ok_or(TargetError::Zero)
    }

    /// The compact bits of a header: a byte that says how many bytes the number has, and its three highest. `None`
    /// where consensus takes none: a negative number, zero, or more than 256 bits.
    pub fn from_compact(bits: u32) -> Option<Self> {
        let [size, high, middle, low] = bits.to_be_bytes();
        if high & 0x80 != 0 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, place) in [low, middle, high].into_iter().zip(0i32..) {
            let place = i32::from(size) - 3 + place;
            match usize::try_from(place).ok().and_then(|place| bytes.get_mut(place)) {
                Some(slot) => *slot = byte,
                // Digits behind the point are cut off.
                None if byte == 0 || place < 0 => {}
                None => return None,
            }
        }
        Self::from_le_bytes(bytes)
    }
}

/// `digits` as a whole number times ten to the `exponent`, without zeros at either end.
struct Decimal {
    digits: Vec<u8>,
    exponent: i64,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_DECIMAL_BYTES {
            return None;
        }
        let text = text.strip_prefix('+').unwrap_or(text);
        let (number, power) = match text.split_once(['e', 'E']) {
            Some((number, power)) => (number, Self::power(power)?),
            None => (text, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut digits = Vec::with_capacity(number.len());
        for letter in whole.bytes().chain(fraction.bytes()) {
            digits.push(letter.is_ascii_digit().then(|| letter - b'0')?);
        }
        if digits.is_empty() {
            return None;
        }
        let mut exponent = power.saturating_sub(i64::try_from(fraction.len()).ok()?);
        while digits.pop_if(|last| *last == 0).is_some() {
            exponent = exponent.saturating_add(1);
        }
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..leading);
        Some(Self { digits, exponent })
    }

    /// An exponent; one that no integer holds is as good as the largest.
    fn power(text: &str) -> Option<i64> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if unsigned.is_empty() || !unsigned.bytes().all(|letter| letter.is_ascii_digit()) {
            return None;
        }
        let size = unsigned.parse().unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        Some(if text.starts_with('-') { -size } else { size })
    }
}

/// 512 bits, the lowest limb first.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Wide([u64; 8]);

impl Wide {
    const ZERO: Self = Self([0; 8]);

    fn times_ten_plus(&mut self, digit: u64) {
        let mut carry = u128::from(digit);
        for limb in &mut self.0 {
            let product = u128::from(*limb) * 10 + carry;
            (*limb, carry) = (low(product), product >> 64);
        }
    }

    /// Long division, bit by bit. `divisor` is not zero and has its top bit clear.
    fn divided_by(&self, divisor: &Self) -> Self {
        let (mut quotient, mut remainder) = (Self::ZERO, Self::ZERO);
        for bit in (0..512).rev() {
            remainder.shift_in(self.0[bit / 64] >> (bit % 64) & 1);
            if remainder.0.iter().rev().ge(divisor.0.iter().rev()) {
                remainder.subtract(divisor);
                quotient.0[bit / 64] |= 1 << (bit % 64);
            }
        }
        quotient
    }

    fn shift_in(&mut self, bit: u64) {
        let mut carry = bit;
        for limb in &mut self.0 {
            (*limb, carry) = (*limb << 1 | carry, *limb >> 63);
        }
    }

    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (once, under) = limb.overflowing_sub(other);
            let (twice, under_again) = once.overflowing_sub(borrow.into());
            (*limb, borrow) = (twice, under || under_again);
        }
    }
}

/// The lower half; the upper one is meant to be lost.
fn low(value: u128) -> u64 {
    u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> String {
        format!("{:?}", Target::from_bitcoin_difficulty(text).unwrap_or_else(|e| panic!("{text}: {e}")))
    }

    /// Difficulties and targets that an independent script computed.
    const VECTORS: [(&str, &str); 4] = [
        ("1", "00000000ffff0000000000000000000000000000000000000000000000000000"),
        ("512", "00000000007fff80000000000000000000000000000000000000000000000000"),
        ("0.001", "000003e7fc180000000000000000000000000000000000000000000000000000"),
        ("65536.5", "000000000000fffe8000bfffa0002fffe8000bfffa0002fffe8000bfffa0002f"),
    ];

    #[test]
    fn difficulties_have_exact_targets() {
        for (difficulty, target) in VECTORS {
            assert_eq!(hex(difficulty), target);
        }
        for same in ["1.0", "1e0", "10e-1", "0.1E1", "+1", "0001", " 1 ", "1.", "100000000000e-11"] {
            assert_eq!(hex(same), VECTORS[0].1, "{same}");
        }
        for same in ["1e-3", "0.00100", "1000E-6", ".001"] {
            assert_eq!(hex(same), VECTORS[2].1, "{same}");
        }
    }

    #[test]
    fn difficulties_have_ends() {
        for wrong in ["", "x", "-1", "nan", "inf", "1e", "e1", ".", "1,5", "0x10", "1 2", "--1", "1e+-1"] {
            assert_eq!(Target::from_bitcoin_difficulty(wrong), Err(TargetError::BadDifficulty), "{wrong}");
        }
        assert_eq!(Target::from_bitcoin_difficulty(&"1".repeat(65)), Err(TargetError::BadDifficulty));
        for zero in ["0", "0.000", "0e99", "00", "1e-400", "1e-99999999999999999999999"] {
            assert_eq!(Target::from_bitcoin_difficulty(zero), Err(TargetError::ZeroDifficulty), "{zero}");
        }
        for huge in ["1e68", "1e70", "1e71", "1e99999999999999999999999"] {
            assert_eq!(Target::from_bitcoin_difficulty(huge), Err(TargetError::Zero), "{huge}");
        }
        for tiny in ["1e-11", "1e-12", "1e-13", "1e-300", "0.0000000000000000001"] {
            assert_eq!(Target::from_bitcoin_difficulty(tiny), Ok(Target::MAX), "{tiny}");
        }
        // Sixty-four digits at either end of what is computed.
        assert!(Target::from_bitcoin_difficulty(&"9".repeat(64)).is_ok());
        assert!(Target::from_bitcoin_difficulty(&format!("0.{}", "9".repeat(62))).is_ok());
        // 0xffff << 208 itself is the last difficulty that a hash can meet.
        let last = "26959535291011309493156476344723991336010898738574164086137773096960";
        assert_eq!(Target::from_bitcoin_difficulty(last), Err(TargetError::BadDifficulty), "68 digits");
        assert_eq!(hex("2.695953529101130949315647634472399133601089873857416408613e67"), {
            format!("{}1", "0".repeat(63))
        });
    }

    #[test]
    fn compact_bits_as_headers_have_them() {
        assert_eq!(format!("{:?}", Target::from_compact(0x1D00_FFFF).unwrap()), VECTORS[0].1);
        // Block 125552.
        let target = format!("{:?}", Target::from_compact(0x1A44_B9F2).unwrap());
        assert_eq!(target, format!("{}44b9f2{}", "0".repeat(12), "0".repeat(46)));
        // A test network's easiest, and numbers of one to three bytes.
        assert_eq!(Target::from_compact(0x207F_FFFF).unwrap().to_le_bytes()[29..], [0xFF, 0xFF, 0x7F]);
        assert_eq!(Target::from_compact(0x0112_3456).unwrap().to_le_bytes()[..2], [0x12, 0]);
        assert_eq!(Target::from_compact(0x2200_1200), None);
        assert_eq!(Target::from_compact(0x2100_FFFF).unwrap().to_le_bytes()[30..], [0xFF, 0xFF]);
        assert_eq!(Target::from_compact(0x0180_0000), None);
        for zero in [0, 0x1D00_0000, 0x0012_3456] {
            assert_eq!(Target::from_compact(zero), None, "{zero:#x}");
        }
    }

    #[test]
    fn big_endian_targets() {
        let target = Target::from_be_hex(VECTORS[3].1).unwrap();
        assert_eq!(format!("{target:?}"), VECTORS[3].1);
        assert_eq!(Target::from_be_hex(&"0".repeat(64)), Err(TargetError::Zero));
        assert_eq!(Target::from_be_hex("ff"), Err(TargetError::Length(2)));
        assert!(matches!(Target::from_be_hex(&"x".repeat(64)), Err(TargetError::Hex(_))));
    }

    proptest! {
        /// For whole difficulties the target is the largest number whose product with it fits.
        #[test]
        fn whole_difficulties_divide(difficulty in 1..u64::MAX) {
            let target = Target::from_bitcoin_difficulty(&difficulty.to_string()).unwrap();
            let product = |bytes: [u8; 32], more: u64| {
                let mut carry = u128::from(more);
                let mut limbs = [0u64; 5];
                for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
                    let value = u64::from_le_bytes(chunk.try_into().unwrap());
                    let sum = u128::from(value) * u128::from(difficulty) + carry;
                    (*limb, carry) = (low(sum), sum >> 64);
                }
                limbs[4] = low(carry);
                limbs.reverse();
                limbs
            };
            let one = [0, 0xFFFF_0000, 0, 0, 0];
            prop_assert!(product(target.to_le_bytes(), 0) <= one);
            prop_assert!(product(target.to_le_bytes(), difficulty) > one);
        }

        #[test]
        fn any_text_is_judged(text in "[-+0-9.eE xn]{0,70}") {
            let _ = Target::from_bitcoin_difficulty(&text);
        }

        #[test]
        fn any_bits_are_judged(bits in any::<u32>()) {
            let _ = Target::from_compact(bits);
        }
    }
}
