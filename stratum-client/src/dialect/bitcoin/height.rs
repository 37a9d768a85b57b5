//! The height that a coinbase transaction begins its script with (BIP 34).

/// Version, number of inputs, and the input's outpoint of nothing.
const BEFORE_SCRIPT_BYTES: usize = 4 + 1 + 36;
/// Higher ones are no heights but the random bytes of a coin without BIP 34. DigiByte has 2^24 by now.
const MAX_HEIGHT: u64 = 1 << 27;
/// First opcode that pushes a small number: 1.
const OP_1: u8 = 0x51;

/// The height in a coinbase transaction, of which at least the beginning of the script is given. For people: where
/// it is implausible there is none.
pub(super) fn height(coinbase: &[u8]) -> Option<u64> {
    let before = coinbase.get(..BEFORE_SCRIPT_BYTES)?;
    let is_coinbase = before[4] == 1 && before[5..37] == [0; 32] && before[37..] == [0xFF; 4];
    let script_len = *coinbase.get(BEFORE_SCRIPT_BYTES)?;
    let script = coinbase.get(BEFORE_SCRIPT_BYTES + 1..)?;
    let first = *script.first()?;
    // A script has 2 to 100 bytes, so its length is one byte.
    if !is_coinbase || !(2..=100).contains(&script_len) {
        return None;
    }
    if (OP_1..OP_1 + 16).contains(&first) {
        return Some(u64::from(first - OP_1) + 1);
    }
    let digits = script.get(1..1 + usize::from(first))?;
    let (last, lower) = digits.split_last()?;
    // Not longer than it must be, and not negative.
    let shortest =
        digits.len() <= 4 && *last < 0x80 && (*last != 0 || lower.last().is_some_and(|b| *b >= 0x80));
    let value = digits.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    (shortest && value <= MAX_HEIGHT).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rminer_algos::decode_hex;

    fn coinbase(script: &str) -> Vec<u8> {
        let start = format!("0100000001{}ffffffff{script}", "00".repeat(32));
        decode_hex(&start).unwrap()
    }

    #[test]
    fn heights_are_read_where_they_are_plausible() {
        for (script, want) in [
            ("1a0348d20b0401020304", Some(774_728)),
            ("0703200300ff", None),
            ("0752", Some(2)),
            ("076000", Some(16)),
            ("070111", Some(17)),
            ("07028000", Some(128)),
            ("07020001", Some(256)),
            ("0704ffff001d0102", None),
            ("0704", None),
            ("07044000", None),
            ("0705010203040506", None),
            ("0701", None),
            ("0700", None),
            ("0103aabb0b", None),
            ("fd03aabb0b", None),
            ("", None),
        ] {
            assert_eq!(height(&coinbase(script)), want, "{script}");
        }
        assert_eq!(height(&[0; 60]), None, "no coinbase");
    }
}
