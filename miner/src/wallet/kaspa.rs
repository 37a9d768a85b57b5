//! Kaspa addresses in the place of a wallet. How they are read is [`rminer_stratum::address`]'s affair.

use rminer_stratum::address::{KaspaAddress, KaspaAddressError, Payout, is_kaspa_prefix};

use super::{SUFFIX_MARKS, split_suffix};

/// What a text in the place of a wallet is.
pub type UserText<'a> = super::UserText<'a, KaspaAddress, KaspaAddressError>;

/// Judges what a user gave as wallet.
pub fn judge(text: &str) -> UserText<'_> {
    // The colon behind the network's name is part of the address.
    let start = match text.split_once(':') {
        Some((prefix, _)) if is_kaspa_prefix(prefix) => prefix.len() + 1,
        _ => 0,
    };
    let mark = text.get(start..).and_then(|rest| rest.find(SUFFIX_MARKS));
    let (base, suffix) = split_suffix(text, mark.map(|place| start + place));
    match KaspaAddress::parse(base) {
        Ok(address) => UserText::Address(address, suffix),
        // Without the network's name, some addresses of Bitcoin Cash look the same.
        Err(error) if KaspaAddress::has_shape(base) && Payout::parse(base).is_err() => {
            UserText::Mistyped(base, error)
        }
        Err(_) => UserText::Other,
    }
}

#[cfg(test)]
mod tests {
    use rminer_stratum::address::KaspaNetwork;

    use super::*;

    const MAIN: &str = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j";

    #[test]
    fn suffixes_are_split_off() {
        let (_, bare) = MAIN.split_once(':').unwrap();
        let address = KaspaAddress { network: KaspaNetwork::Mainnet };
        for text in [MAIN, bare] {
            assert_eq!(judge(text), UserText::Address(address, None));
            for suffix in [".rig0", "/rig.2", "+4096", ":x"] {
                assert_eq!(judge(&format!("{text}{suffix}")), UserText::Address(address, Some(suffix)));
            }
        }
    }

    #[test]
    fn mistyped_addresses_are_told_from_other_texts() {
        let cut = &MAIN[..MAIN.len() - 1];
        assert_eq!(judge(&format!("{cut}.rig")), UserText::Mistyped(cut, KaspaAddressError::Length(60)));
        let swapped = MAIN.replace("pau", "pua");
        for text in [&swapped, swapped.strip_prefix("kaspa:").unwrap()] {
            assert_eq!(judge(text), UserText::Mistyped(text, KaspaAddressError::Checksum), "{text}");
        }
        let upper = MAIN.to_uppercase();
        assert_eq!(judge(&upper), UserText::Mistyped(&upper, KaspaAddressError::Prefix));
        for other in [
            "",
            "account.rig",
            "pool.account:x",
            "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu",
            "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
            // Bitcoin Cash, for the hash of a script of 32 bytes.
            "pvqqzqsrqszsvpcgpy9qkrqdpc83qygjzv2p29shrqv35xcur50p7h2c7ctj5",
        ] {
            assert_eq!(judge(other), UserText::Other, "{other}");
        }
    }
}
