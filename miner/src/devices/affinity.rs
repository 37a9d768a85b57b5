//! `--affinity`: which processing units mine, as a list or a mask.

use thiserror::Error;

/// More units than any machine has; a typo must not become a huge list.
const MAX_PU: u32 = 4095;

/// Why a text names no processing units.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AffinityError {
    /// Nothing is named.
    #[error("no processing unit is named; write for example 0,1,3 or 0-3 or 0x0f")]
    Empty,
    /// A part of the text is no number, range or mask.
    #[error("`{0}` is no processing unit; write for example 0,1,3 or 0-3 or 0x0f")]
    Syntax(String),
    /// A unit that no machine has.
    #[error("processing unit {0} is beyond {MAX_PU}")]
    TooLarge(u64),
    /// Named twice; two mining threads on one unit only slow each other down.
    #[error("processing unit {0} is named twice")]
    Twice(u32),
}

/// Units from a list with ranges (`0,1,4-7`) or from a hexadecimal mask with its prefix (`0xf3`).
///
/// # Errors
/// Every variant of [`AffinityError`].
pub fn parse_affinity(text: &str) -> Result<Vec<u32>, AffinityError> {
    let text = text.trim();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => parse_mask(digits),
        None => parse_list(text),
    }
}

/// Units from the digits of a hexadecimal mask; bit 0 is unit 0.
///
/// # Errors
/// Every variant of [`AffinityError`] but `Twice`.
pub fn parse_mask(digits: &str) -> Result<Vec<u32>, AffinityError> {
    let mut pus = Vec::new();
    let mut first = 0u32;
    for digit in digits.chars().rev() {
        let bits =
            digit.to_digit(16).ok_or_else(|| AffinityError::Syntax(digits.chars().take(40).collect()))?;
        if bits != 0 && first + 3 > MAX_PU {
            return Err(AffinityError::TooLarge(u64::from(first)));
        }
        pus.extend((0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| first + bit));
        first = first.saturating_add(4);
    }
    if pus.is_empty() { Err(AffinityError::Empty) } else { Ok(pus) }
}

/// Units from a list with ranges, in the order written.
///
/// # Errors
/// Every variant of [`AffinityError`].
pub fn parse_list(text: &str) -> Result<Vec<u32>, AffinityError> {
    if text.is_empty() {
        return Err(AffinityError::Empty);
    }
    let mut pus = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first, part)?, number(last, part)?);
        if first > last {
            return Err(AffinityError::Syntax(part.into()));
        }
        for pu in first..=last {
            if pus.contains(&pu) {
                return Err(AffinityError::Twice(pu));
            }
            pus.push(pu);
        }
    }
    Ok(pus)
}

fn number(digits: &str, part: &str) -> Result<u32, AffinityError> {
    let value: u64 =
        digits.trim().parse().map_err(|_| AffinityError::Syntax(part.chars().take(40).collect()))?;
    u32::try_from(value).ok().filter(|pu| *pu <= MAX_PU).ok_or(AffinityError::TooLarge(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_and_masks() {
        assert_eq!(parse_affinity("0,1,3"), Ok(vec![0, 1, 3]));
        assert_eq!(parse_affinity(" 6-8, 2 "), Ok(vec![6, 7, 8, 2]));
        assert_eq!(parse_affinity("0x3"), Ok(vec![0, 1]));
        assert_eq!(parse_affinity("0XA0"), Ok(vec![5, 7]));
        assert_eq!(parse_affinity("3"), Ok(vec![3]), "a bare number is a unit, not a mask");
        assert_eq!(parse_mask("3"), Ok(vec![0, 1]));
    }

    #[test]
    fn faults_are_named() {
        for empty in ["", "0x", "0x0", "0x000"] {
            assert_eq!(parse_affinity(empty), Err(AffinityError::Empty), "{empty}");
        }
        assert_eq!(parse_affinity("0,x"), Err(AffinityError::Syntax("x".into())));
        assert_eq!(parse_affinity("3-1"), Err(AffinityError::Syntax("3-1".into())));
        assert_eq!(parse_affinity("1,,2"), Err(AffinityError::Syntax(String::new())));
        assert_eq!(parse_affinity("-1"), Err(AffinityError::Syntax("-1".into())));
        assert_eq!(parse_affinity("0xg"), Err(AffinityError::Syntax("g".into())));
        assert_eq!(parse_affinity("1,0-2"), Err(AffinityError::Twice(1)));
        assert_eq!(parse_affinity("0-4294967295"), Err(AffinityError::TooLarge(4_294_967_295)));
        assert!(matches!(
            parse_affinity(&format!("0x1{}", "0".repeat(2000))),
            Err(AffinityError::TooLarge(_))
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_handled(text in ".{0,60}") {
            if let Ok(pus) = parse_affinity(&text) {
                prop_assert!(!pus.is_empty() && pus.len() <= 4096);
            }
        }

        #[test]
        fn mask_and_list_agree(mask in 1u64..) {
            let list: Vec<_> = (0..64u32).filter(|bit| mask >> bit & 1 == 1).collect();
            prop_assert_eq!(parse_affinity(&format!("{mask:#x}")), Ok(list.clone()));
            let text: Vec<_> = list.iter().map(u32::to_string).collect();
            prop_assert_eq!(parse_affinity(&text.join(",")), Ok(list));
        }
    }
}
