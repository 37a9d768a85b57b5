//! The constant that stands for a division (specs 5.2.6).

/// The largest `2^x / divisor`, rounded down, below `2^64`. Zero and powers of two, which no instruction divides by,
/// give zero.
pub const fn reciprocal(divisor: u32) -> u64 {
    if divisor & divisor.wrapping_sub(1) == 0 {
        return 0;
    }
    let bits = 63 + (u32::BITS - divisor.leading_zeros());
    low_half((1u128 << bits) / divisor as u128)
}

#[allow(clippy::cast_possible_truncation)]
const fn low_half(value: u128) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the reference implementation's own tests expect.
    #[test]
    fn published_values() {
        let values: [(u32, u64); 7] = [
            (3, 12_297_829_382_473_034_410),
            (13, 11_351_842_506_898_185_609),
            (33, 17_887_751_829_051_686_415),
            (65537, 18_446_462_603_027_742_720),
            (15_000_001, 10_316_166_306_300_415_204),
            (3_845_182_035, 10_302_264_209_224_146_340),
            (0xffff_ffff, 9_223_372_039_002_259_456),
        ];
        for (divisor, expected) in values {
            assert_eq!(reciprocal(divisor), expected, "{divisor}");
        }
    }

    #[test]
    fn nothing_to_divide_by() {
        for divisor in [0, 1, 2, 1 << 31] {
            assert_eq!(reciprocal(divisor), 0);
        }
    }
}
