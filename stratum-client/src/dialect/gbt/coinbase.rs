//! The transaction that pays us: the first of the block, with its height, our place to roll, and the reward.

/// Longest script of its input, in bytes: a rule of consensus.
const MAX_SCRIPT_BYTES: usize = 100;
/// Who found it, for those who look at blocks. The push of the extranonces is before it.
const TAG: &[u8] = b"rminer";
/// Bytes of the place that is rolled.
pub(super) const EXTRANONCE2_BYTES: u8 = 8;
/// Bytes that tell this miner from others that pay the same address through the same node.
pub(super) const EXTRANONCE1_BYTES: usize = 4;
/// Longest data that one byte of length can push.
const MAX_PUSH: usize = 75;

/// What goes into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) height: u64,
    /// What the node wants to have in it, and what is left out when there is no room.
    pub(super) extra: &'a [Vec<u8>],
    pub(super) extranonce1: &'a [u8; EXTRANONCE1_BYTES],
    /// All of it, fees included, in the coin's smallest unit.
    pub(super) value: u64,
    pub(super) payout: &'a [u8],
    /// Script that commits to the witnesses, where there are any.
    pub(super) commitment: Option<&'a [u8]>,
}

/// The transaction up to its extranonce2 and behind it, in the form that its id is made of.
pub(super) fn split(parts: &Parts<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut before = push_height(parts.height);
    let extranonce = EXTRANONCE1_BYTES + usize::from(EXTRANONCE2_BYTES);
    let mut after = push(TAG);
    for extra in parts.extra {
        let taken = before.len() + 1 + extranonce + after.len();
        if !extra.is_empty() && extra.len() <= MAX_PUSH && taken + 1 + extra.len() <= MAX_SCRIPT_BYTES {
            after.extend(push(extra));
        }
    }
    before.push(byte(extranonce));
    before.extend_from_slice(parts.extranonce1);
    let script_bytes = before.len() + usize::from(EXTRANONCE2_BYTES) + after.len();

    let mut prefix = vec![2, 0, 0, 0, 1];
    prefix.extend_from_slice(&[0; 32]);
    prefix.extend_from_slice(&[0xff; 4]);
    prefix.push(byte(script_bytes));
    prefix.extend(before);

    let mut suffix = after;
    suffix.extend_from_slice(&[0xff; 4]);
    suffix.push(if parts.commitment.is_some() { 2 } else { 1 });
    output(&mut suffix, parts.value, parts.payout);
    if let Some(commitment) = parts.commitment {
        output(&mut suffix, 0, commitment);
    }
    suffix.extend_from_slice(&[0; 4]);
    (prefix, suffix)
}

/// The form that goes into the block where there are witnesses: with marker and flag, and one witness of 32 zeros.
pub(super) fn with_witness(transaction: &[u8]) -> Vec<u8> {
    let (version, rest) = transaction.split_at(4.min(transaction.len()));
    let (body, lock_time) = rest.split_at(rest.len().saturating_sub(4));
    [version, &[0, 1], body, &[1, 32], &[0; 32], lock_time].concat()
}

/// A count or length as Bitcoin writes it.
pub(super) fn var_int(count: usize) -> Vec<u8> {
    let count = count as u64;
    let bytes = count.to_le_bytes();
    match count {
        0..=0xfc => vec![bytes[0]],
        0xfd..=0xffff => [&[0xfd], &bytes[..2]].concat(),
        0x1_0000..=0xffff_ffff => [&[0xfe], &bytes[..4]].concat(),
        _ => [&[0xff], &bytes[..]].concat(),
    }
}

/// BIP 34: the height as the shortest push of a number.
fn push_height(height: u64) -> Vec<u8> {
    match height {
        0 => vec![0],
        1..=16 => vec![0x50 + height.to_le_bytes()[0]],
        _ => {
            let bytes = height.to_le_bytes();
            let length = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
            let mut number = bytes.get(..length).unwrap_or(&bytes).to_vec();
            // The highest bit is the sign.
            if number.last().is_some_and(|last| last & 0x80 != 0) {
                number.push(0);
            }
            push(&number)
        }
    }
}

fn push(data: &[u8]) -> Vec<u8> {
    [&[byte(data.len())], data].concat()
}

fn output(bytes: &mut Vec<u8>, value: u64, script: &[u8]) {
    bytes.extend_from_slice(&value.to_le_bytes());
    bytes.extend(var_int(script.len()));
    bytes.extend_from_slice(script);
}

/// Lengths here are below 100.
fn byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use rminer_algos::encode_hex;

    use super::*;

    #[test]
    fn heights_are_pushed_as_short_as_can_be() {
        for (height, wanted) in [
            (0, "00"),
            (1, "51"),
            (16, "60"),
            (17, "0111"),
            (127, "017f"),
            (128, "028000"),
            (255, "02ff00"),
            (256, "020001"),
            (432, "02b001"),
            (32_767, "02ff7f"),
            (32_768, "03008000"),
            (227_931, "035b7a03"),
            (840_000, "0340d10c"),
            (8_388_608, "0400008000"),
        ] {
            assert_eq!(encode_hex(&push_height(height)), wanted, "{height}");
        }
    }

    #[test]
    fn counts_are_as_bitcoin_writes_them() {
        for (count, wanted) in [
            (0, "00"),
            (252, "fc"),
            (253, "fdfd00"),
            (65_535, "fdffff"),
            (65_536, "fe00000100"),
            (4_294_967_296, "ff0000000001000000"),
        ] {
            assert_eq!(encode_hex(&var_int(count)), wanted);
        }
    }

    #[test]
    fn what_the_node_wants_in_it_stays_within_the_script() {
        for (extra, shown) in [
            (vec![vec![0xaa; 7]], "07aaaaaaaaaaaaaa"),
            (vec![vec![]], ""),
            (vec![vec![0xaa; 80], vec![0xbb]], "01bb"),
            (vec![vec![0xaa; 60], vec![0xbb; 60], vec![0xcc]], &format!("3c{}01cc", "aa".repeat(60))),
        ] {
            let parts = Parts {
                height: 840_000,
                extra: &extra,
                extranonce1: &[1, 2, 3, 4],
                value: 312_500_000,
                payout: &[0x51],
                commitment: None,
            };
            let (prefix, suffix) = split(&parts);
            let script_bytes = usize::from(prefix[41]);
            assert!(script_bytes <= 100, "{script_bytes}");
            assert_eq!(encode_hex(&prefix[42..]), "0340d10c0c01020304");
            let rest = script_bytes - (prefix.len() - 42) - 8;
            assert_eq!(encode_hex(&suffix[..rest]), format!("06726d696e6572{shown}"));
            assert_eq!(encode_hex(&suffix[rest..]), "ffffffff01205fa0120000000001510000".to_owned() + "0000",);
        }
    }

    #[test]
    fn a_witness_is_added_around_the_rest() {
        let transaction: Vec<u8> = (1..=20).collect();
        let wanted =
            format!("010203040001{}0120{}11121314", encode_hex(&transaction[4..16]), "00".repeat(32));
        assert_eq!(encode_hex(&with_witness(&transaction)), wanted);
    }
}
