//! Addresses of Bitcoin and its kin in the place of a wallet. How they are read is [`rminer_stratum::address`]'s affair.

use rminer_stratum::address::{AddressError, Payout, is_cash_prefix};

use super::{SUFFIX_MARKS, split_suffix};

/// What a text in the place of a wallet is.
pub type UserText<'a> = super::UserText<'a, Payout, AddressError>;

/// Judges what a user gave as wallet.
pub fn judge(text: &str) -> UserText<'_> {
    // The colon behind the prefix of Bitcoin Cash is part of the address.
    let start = match text.split_once(':') {
        Some((prefix, _)) if is_cash_prefix(prefix) => prefix.len() + 1,
        _ => 0,
    };
    let mark = text.get(start..).and_then(|rest| rest.find(SUFFIX_MARKS));
    let (base, suffix) = split_suffix(text, mark.map(|place| start + place));
    match Payout::parse(base) {
        Ok(payout) => UserText::Address(payout, suffix),
        Err(AddressError::Foreign(_)) => UserText::Other,
        Err(error) if Payout::has_shape(base) => UserText::Mistyped(base, error),
        Err(_) => UserText::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_split_off() {
        for address in [
            "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "BITCOINCASH:QPM2QSZNHKS23Z7629MMS6S4CWEF74VCWVY22GDX6A",
        ] {
            let payout = Payout::parse(address).unwrap();
            assert_eq!(judge(address), UserText::Address(payout.clone(), None));
            for suffix in [".rig", "+512", "/rig.2", ":x"] {
                let text = format!("{address}{suffix}");
                assert_eq!(judge(&text), UserText::Address(payout.clone(), Some(suffix)));
            }
        }
    }

    #[test]
    fn mistyped_addresses_are_told_from_other_texts() {
        for (text, error) in [
            ("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggv", AddressError::Checksum),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3", AddressError::Checksum),
            ("qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q", AddressError::Checksum),
        ] {
            assert_eq!(judge(&format!("{text}.rig")), UserText::Mistyped(text, error));
        }
        for other in ["", "account", "me.rig", "DBXu2kgc3xtvCUWFcxFE3r9hEYgmuaaCyD", "bc1", "pool.account:x"]
        {
            assert_eq!(judge(other), UserText::Other, "{other}");
        }
    }
}
