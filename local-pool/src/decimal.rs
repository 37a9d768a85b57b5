//! Exact arithmetic for difficulties in the digits in which they are told, without the miner's own.
//!
//! A target is 32 bytes, least significant first, as the hash is.

/// Most decimal digits behind the point: far more than any difficulty in a double has.
const MAX_DECIMALS: usize = 64;

/// Hashes that a share of difficulty 1 takes, within 1 part in 65,536.
pub(crate) const HASHES_PER_DIFFICULTY: f64 = 4_294_967_296.0;

/// How a difficulty is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// A plain decimal number, without a point where it is whole.
    Number,
    /// A plain decimal number, always with a point.
    Point,
    /// A number with an exponent.
    Exponent,
    /// A decimal number in quotes.
    Text,
}

impl Spelling {
    /// The difficulty of so many hashes: as JSON, and its plain digits.
    pub(crate) fn write(self, hashes: u64) -> (String, String) {
        #[allow(clippy::cast_precision_loss)] // the digits that are left are the ones that count
        let difficulty = hashes as f64 / HASHES_PER_DIFFICULTY;
        let digits = difficulty.to_string();
        let json = match self {
            Self::Point if !digits.contains('.') => format!("{digits}.0"),
            Self::Number | Self::Point => digits.clone(),
            Self::Exponent => format!("{difficulty:e}"),
            Self::Text => format!("\"{digits}\""),
        };
        (json, digits)
    }
}

/// `floor(numerator / difficulty)`, at most 2^256 - 1, with the numerator in limbs of 32 bits, least significant
/// first; `None` when the text is no decimal number above zero of at most 19 significant digits.
pub(crate) fn target(mut numerator: Vec<u32>, difficulty: &str) -> Option<[u8; 32]> {
    let (whole, decimals) = difficulty.split_once('.').unwrap_or((difficulty, ""));
    if decimals.len() > MAX_DECIMALS {
        return None;
    }
    let divisor: u64 = format!("{whole}{decimals}").parse().ok().filter(|divisor| *divisor > 0)?;
    for _ in 0..decimals.len() {
        multiply(&mut numerator, 10);
    }
    Some(quotient(numerator, divisor))
}

/// Whether a hash is at most a target.
pub(crate) fn meets(hash: &[u8; 32], target: &[u8; 32]) -> bool {
    hash.iter().rev().le(target.iter().rev())
}

/// Limbs of 32 bits, least significant first.
fn multiply(limbs: &mut Vec<u32>, factor: u32) {
    let mut carry = 0u64;
    for limb in limbs.iter_mut() {
        let product = u64::from(*limb) * u64::from(factor) + carry;
        *limb = low(product);
        carry = product >> 32;
    }
    if carry > 0 {
        limbs.push(low(carry));
    }
}

/// The quotient in 32 bytes, or all ones when it is larger.
pub(crate) fn quotient(mut limbs: Vec<u32>, divisor: u64) -> [u8; 32] {
    let mut rest = 0u128;
    for limb in limbs.iter_mut().rev() {
        let part = rest << 32 | u128::from(*limb);
        // The rest is smaller than the divisor, so the quotient fits a limb.
        *limb = u32::try_from(part / u128::from(divisor)).unwrap_or(u32::MAX);
        rest = part % u128::from(divisor);
    }
    if limbs.iter().skip(8).any(|limb| *limb > 0) {
        return [0xFF; 32];
    }
    let mut bytes = [0; 32];
    for (place, limb) in bytes.chunks_exact_mut(4).zip(limbs) {
        place.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_json_of_one_number() {
        for hashes in [1, 81_920, 1 << 31, 1 << 32, 1 << 44, u64::MAX] {
            let spellings = [Spelling::Number, Spelling::Point, Spelling::Exponent, Spelling::Text];
            let mut values = Vec::new();
            for spelling in spellings {
                let (json, digits) = spelling.write(hashes);
                let number: f64 = serde_json::from_str(json.trim_matches('"')).unwrap();
                assert!(digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{digits}");
                values.push((number, digits));
            }
            assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        }
        assert_eq!(Spelling::Point.write(1 << 44).0, "4096.0");
        assert_eq!(Spelling::Number.write(1 << 44).0, "4096");
        assert_eq!(Spelling::Number.write(81_920).0, "0.000019073486328125");
    }
}
