//! Offline checks of wallets, so that a mistyped one is found before anything is mined for it: one file for each family
//! of coins, and what they share.

pub mod bitcoin;
pub mod kaspa;
pub mod monero;

use rminer_stratum::address::Payout;
use rminer_stratum::text::clean;

/// What a text in the place of a wallet is, to one family of coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserText<'a, Address, Fault> {
    /// An address, and what the pool is to read after it (`+50000`, `.rig`), if anything.
    Address(Address, Option<&'a str>),
    /// An address that was mistyped.
    Mistyped(&'a str, Fault),
    /// Something else: an account name, or another coin's address.
    Other,
}

/// What pools let users append to an address: difficulty, rig name, payment id.
const SUFFIX_MARKS: [char; 7] = ['+', '.', '/', '@', ':', '~', '%'];

/// Whether a text looks like a wallet of any coin: something that never names a rig, a password or an algorithm.
pub fn looks_like_wallet(text: &str) -> bool {
    let whole = text;
    let text = text.split(SUFFIX_MARKS).next().unwrap_or_default();
    let is_long = text.len() >= 80 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_hex = |digits: &str| digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_long
        || Payout::parse(whole).is_ok()
        || Payout::parse(text).is_ok()
        || matches!(kaspa::judge(whole), UserText::Address(..))
        || text.strip_prefix("0x").is_some_and(is_hex)
}

/// Like `4EXA...b7Qk`: enough to recognise one's own wallet.
pub fn shortened(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    match letters.as_slice() {
        [first @ .., _, _, _, _] if letters.len() > 24 => {
            let (head, tail) = (&first[..4], &letters[letters.len() - 4..]);
            format!("{}...{}", String::from_iter(head), String::from_iter(tail))
        }
        _ => text.to_owned(),
    }
}

/// What stands before a place and what stands from it on.
fn split_suffix(text: &str, place: Option<usize>) -> (&str, Option<&str>) {
    match place {
        Some(place) => (&text[..place], Some(&text[place..])),
        None => (text, None),
    }
}

/// A user for screens and interfaces: wallets are public, but not everybody needs to read them over a shoulder.
pub fn shown_user(user: &str) -> String {
    let letters: Vec<char> = user.chars().collect();
    if letters.len() <= 16 {
        return clean(user);
    }
    let (head, tail): (String, String) =
        (letters[..4].iter().collect(), letters[letters.len() - 4..].iter().collect());
    clean(&format!("{head}...{tail}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::monero::tests::MAIN;
    use super::*;

    #[test]
    fn wallets_of_any_coin_are_recognised() {
        for wallet in [
            MAIN,
            "0x00112233445566778899aabbccddeeff00112233",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu.rig",
            "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
            "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j.rig",
        ] {
            assert!(looks_like_wallet(wallet), "{wallet}");
        }
        for name in ["rig0", "my-computer.example", "x", "", &"a".repeat(60)] {
            assert!(!looks_like_wallet(name), "{name}");
        }
        assert_eq!(shortened(MAIN), "43MY...XLis");
        assert_eq!(shortened("account"), "account");
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in "\\PC{0,120}") {
            let _ = (looks_like_wallet(&text), shortened(&text), bitcoin::judge(&text), kaspa::judge(&text));
        }
    }
}
