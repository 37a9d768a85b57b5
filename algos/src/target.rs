//! Targets: exact 256-bit integers, one function for each convention found on the wire.

mod bitcoin;

use std::fmt;

use thiserror::Error;

use crate::{HexError, decode_hex, encode_hex};

/// A hash as 32 bytes that are read as a little-endian number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&big_endian_hex(&self.0))
    }
}

/// Why a text or number is no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TargetError {
    /// No hash meets a target of zero; dividing by one is what ends other miners.
    #[error("target is zero, which no hash can meet")]
    Zero,
    /// The text is no hexadecimal.
    #[error("target: {0}")]
    Hex(#[from] HexError),
    /// The text has a length that no pool uses.
    #[error("target of {0} hex digits; 2 to 16 or 64 are known")]
    Length(usize),
    /// A text that is no number above zero.
    #[error("difficulty is no number above zero")]
    BadDifficulty,
    /// A difficulty of zero.
    #[error("difficulty is zero")]
    ZeroDifficulty,
}

/// The largest hash value that counts: inclusive, little-endian, never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target([u8; 32]);

impl Target {
    /// Met by every hash.
    pub const MAX: Self = Self([0xFF; 32]);
    /// The number one: no hash that meets it will ever be found.
    pub const HARDEST: Self = {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        Self(bytes)
    };

    /// From 32 little-endian bytes; `None` for zero.
    pub fn from_le_bytes(bytes: [u8; 32]) -> Option<Self> {
        (bytes != [0; 32]).then_some(Self(bytes))
    }

    /// The 32 little-endian bytes.
    pub fn to_le_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Monero's 64-bit convention: a share counts when the hash's top eight bytes, read little-endian, are
    /// *less* than `limit`. As an inclusive number that is `(limit << 192) - 1`.
    ///
    /// # Errors
    /// [`TargetError::Zero`].
    pub fn from_monero_u64(limit: u64) -> Result<Self, TargetError> {
        let below = limit.checked_sub(1).ok_or(TargetError::Zero)?;
        let mut bytes = [0xFF; 32];
        bytes[24..].copy_from_slice(&below.to_le_bytes());
        Ok(Self(bytes))
    }

    /// Monero's compact 32-bit convention, expanded as the pools' reference client does:
    /// `u64::MAX / (u32::MAX / limit)`, both divisions on integers.
    ///
    /// # Errors
    /// [`TargetError::Zero`], the trap of difficulties above 2^32.
    pub fn from_monero_u32(limit: u32) -> Result<Self, TargetError> {
        let difficulty = u32::MAX.checked_div(limit).ok_or(TargetError::Zero)?;
        Self::from_monero_u64(u64::MAX / u64::from(difficulty))
    }

    /// The `target` text of a Monero job: little-endian hexadecimal. Up to 8 digits are the compact form
    /// (short ones are extended with zeros on the right), up to 16 the 64-bit form; of 64 digits the top
    /// eight bytes count.
    ///
    /// # Errors
    /// Every variant of [`TargetError`] but the difficulty's.
    pub fn from_monero_hex(text: &str) -> Result<Self, TargetError> {
        let bytes = decode_hex(text)?;
        match bytes.len() {
            1..=4 => {
                let mut wide = [0; 4];
                wide[..bytes.len()].copy_from_slice(&bytes);
                Self::from_monero_u32(u32::from_le_bytes(wide))
            }
            5..=8 => {
                let mut wide = [0; 8];
                wide[..bytes.len()].copy_from_slice(&bytes);
                Self::from_monero_u64(u64::from_le_bytes(wide))
            }
            32 => {
                let mut wide = [0; 8];
                wide.copy_from_slice(&bytes[24..]);
                Self::from_monero_u64(u64::from_le_bytes(wide))
            }
            _ => Err(TargetError::Length(text.len())),
        }
    }

    /// A node's rule `hash * difficulty < 2^256`, as the inclusive number `floor((2^256 - 1) / difficulty)`.
    ///
    /// # Errors
    /// [`TargetError::ZeroDifficulty`].
    pub fn from_difficulty(difficulty: u128) -> Result<Self, TargetError> {
        if difficulty == 0 {
            return Err(TargetError::ZeroDifficulty);
        }
        // Long division of 2^256 - 1, bit by bit. The remainder stays below the difficulty, so one shift of
        // it overflows u128 by one bit at most; that bit is kept in `carry`.
        let mut quotient = [0u8; 32];
        let mut remainder: u128 = 0;
        for bit in (0..256).rev() {
            let carry = remainder >> 127 == 1;
            remainder = remainder << 1 | 1;
            if carry || remainder >= difficulty {
                remainder = remainder.wrapping_sub(difficulty);
                quotient[bit / 8] |= 1 << (bit % 8);
            }
        }
        Ok(Self(quotient))
    }

    /// Whether `hash`, as a little-endian number, does not exceed this target.
    pub fn is_met_by(&self, hash: &Hash) -> bool {
        hash.0.iter().rev().le(self.0.iter().rev())
    }

    /// Expected hashes for one share, `2^256 / (target + 1)`: for display and sums, never for decisions.
    pub fn difficulty(&self) -> f64 {
        let mut value = 0.0f64;
        for byte in self.0.iter().rev() {
            value = value * 256.0 + f64::from(*byte);
        }
        2.0f64.powi(256) / (value + 1.0)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&big_endian_hex(&self.0))
    }
}

impl Hash {
    /// Difficulty of the hardest share that this hash solves, `2^256 / (hash + 1)`; for display.
    pub fn difficulty(&self) -> f64 {
        Target(self.0).difficulty()
    }
}

fn big_endian_hex(bytes: &[u8; 32]) -> String {
    let mut reversed = *bytes;
    reversed.reverse();
    encode_hex(&reversed)
}

/// Fuzz entry: `data` as the text of a target and, its first 16 bytes, as a difficulty. What comes out is held
/// against products rather than divided again.
#[doc(hidden)]
pub fn fuzz_target(data: &[u8]) {
    if let Ok(target) = Target::from_monero_hex(&String::from_utf8_lossy(data)) {
        assert!(target.0 != [0; 32] && target.is_met_by(&Hash([0; 32])) && target.is_met_by(&Hash(target.0)));
        let difficulty = target.difficulty();
        assert!(difficulty.is_finite() && difficulty >= 1.0, "{target:?}");
        if let Ok(compact) = <[u8; 8]>::try_from(data) {
            check_compact(&compact, target);
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(target) = Target::from_bitcoin_difficulty(&text) {
        assert!(target.0 != [0; 32], "{text}");
    }
    let mut difficulty = [0; 16];
    let len = data.len().min(16);
    difficulty[..len].copy_from_slice(&data[..len]);
    let difficulty = u128::from_le_bytes(difficulty);
    match Target::from_difficulty(difficulty) {
        Ok(target) => check_quotient(target, difficulty),
        Err(_) => assert_eq!(difficulty, 0),
    }
}

/// Eight digits: `limit = u64::MAX / (u32::MAX / digits)`, where each quotient is the largest number whose product
/// with the divisor does not exceed the dividend.
fn check_compact(digits: &[u8; 8], target: Target) {
    let Ok(bytes) = decode_hex(&String::from_utf8_lossy(digits)) else { return };
    let number = bytes.iter().rev().fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    let mut top = [0; 8];
    top.copy_from_slice(&target.0[24..]);
    let limit = u128::from(u64::from_le_bytes(top)) + 1;
    let (small, large) = (u128::from(u32::MAX), u128::from(u64::MAX));
    // The only difficulty that yields this limit is between the two that would miss it.
    let difficulty = large / limit;
    assert!((difficulty.saturating_sub(1)..=difficulty + 1).any(|difficulty| {
        let right = difficulty * number <= small && small < (difficulty + 1) * number;
        right && difficulty * limit <= large && large < difficulty * (limit + 1)
    }));
}

/// The target is the largest number whose product with `difficulty` does not exceed `2^256 - 1`: the product fits
/// 256 bits, and with `difficulty` added once more it does not.
fn check_quotient(target: Target, difficulty: u128) {
    let low = u128::from(u64::MAX);
    // Schoolbook, in base 2^64.
    let (factors, mut product) = ([difficulty & low, difficulty >> 64], [0u128; 6]);
    for (i, chunk) in target.0.chunks_exact(8).enumerate() {
        let mut limb = [0; 8];
        limb.copy_from_slice(chunk);
        let mut carry = 0;
        for (j, factor) in factors.into_iter().enumerate() {
            let sum = product[i + j] + u128::from(u64::from_le_bytes(limb)) * factor + carry;
            (product[i + j], carry) = (sum & low, sum >> 64);
        }
        product[i + 2] += carry;
    }
    assert_eq!(product[4..], [0, 0], "too large");
    let mut carry = 0;
    for (limb, factor) in product[..4].iter().zip(factors.into_iter().chain([0, 0])) {
        carry = (limb + factor + carry) >> 64;
    }
    assert_eq!(carry, 1, "too small");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn top(target: Target) -> u64 {
        u64::from_le_bytes(target.0[24..].try_into().unwrap())
    }

    /// Difficulty, compact form, 64-bit form (protocol vectors, recomputed by an independent script).
    const MONERO: [(u64, &str, &str); 4] = [
        (200, "14ae4701", "ae47e17a14ae4701"),
        (1000, "37894100", "efa7c64b37894100"),
        (50_000, "8b4f0100", "8f368e588b4f0100"),
        (480_045, "f3220000", "780d7f02f3220000"),
    ];

    #[test]
    fn monero_vectors() {
        for (difficulty, compact, wide) in MONERO {
            let expanded = top(Target::from_monero_hex(compact).unwrap()) + 1;
            assert_eq!(u64::MAX / expanded, difficulty, "{compact}");
            let exact = Target::from_monero_hex(wide).unwrap();
            assert_eq!(u64::MAX / (top(exact) + 1), difficulty, "{wide}");
            assert!((exact.difficulty() / difficulty as f64 - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn monero_bad_targets() {
        assert_eq!(Target::from_monero_hex("00000000"), Err(TargetError::Zero));
        assert_eq!(Target::from_monero_hex("0000000000000000"), Err(TargetError::Zero));
        assert_eq!(Target::from_monero_hex(&"0".repeat(64)), Err(TargetError::Zero));
        assert_eq!(Target::from_monero_hex(""), Err(TargetError::Length(0)));
        assert_eq!(Target::from_monero_hex(&"f".repeat(18)), Err(TargetError::Length(18)));
        assert!(matches!(Target::from_monero_hex(&"f".repeat(63)), Err(TargetError::Hex(_))));
        assert!(matches!(Target::from_monero_hex(&"f".repeat(65)), Err(TargetError::Hex(_))));
        assert!(matches!(Target::from_monero_hex("zzzzzzzz"), Err(TargetError::Hex(_))));
        // The compact form cannot say five billion; the long one can.
        let huge = Target::from_monero_hex("cefee6db00000000").unwrap();
        assert_eq!(top(huge) + 1, u64::MAX / 5_000_000_000);
        assert_eq!(top(Target::from_monero_hex("ffffffff").unwrap()), u64::MAX - 1);
        // Three bytes, as very old pools sent them: zeros on the right.
        assert_eq!(Target::from_monero_hex("8b4f01"), Target::from_monero_hex("8b4f0100"));
    }

    #[test]
    fn strict_becomes_inclusive() {
        let target = Target::from_monero_u64(5).unwrap();
        let mut hash = [0xFF; 32];
        hash[24..].copy_from_slice(&4u64.to_le_bytes());
        assert!(target.is_met_by(&Hash(hash)));
        hash[..24].fill(0);
        hash[24..].copy_from_slice(&5u64.to_le_bytes());
        assert!(!target.is_met_by(&Hash(hash)));
    }

    #[test]
    fn difficulty_bounds() {
        assert_eq!(Target::from_difficulty(0), Err(TargetError::ZeroDifficulty));
        assert_eq!(Target::from_difficulty(1), Ok(Target::MAX));
        let smallest = Target::from_difficulty(u128::MAX).unwrap();
        // (2^256 - 1) / (2^128 - 1) = 2^128 + 1 exactly.
        let mut want = [0; 32];
        want[0] = 1;
        want[16] = 1;
        assert_eq!(smallest.0, want);
    }

    #[test]
    fn debug_is_big_endian() {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        assert_eq!(format!("{:?}", Hash(bytes)), format!("{}01", "00".repeat(31)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn difficulty_is_exact(difficulty in prop_oneof![1..u128::MAX, 1..1_000_000u128]) {
            fuzz_target(&difficulty.to_le_bytes());
        }

        #[test]
        fn met_is_numeric_order(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            prop_assume!(a != [0; 32]);
            let mut big_a = a;
            let mut big_b = b;
            big_a.reverse();
            big_b.reverse();
            prop_assert_eq!(Target(a).is_met_by(&Hash(b)), big_b <= big_a);
            prop_assert!(Target(a).is_met_by(&Hash(a)));
        }

        #[test]
        fn any_text_is_handled(text in prop_oneof![".{0,80}", "[0-9a-f]{2,16}", "[0-9a-f]{64}"]) {
            fuzz_target(text.as_bytes());
        }
    }
}
