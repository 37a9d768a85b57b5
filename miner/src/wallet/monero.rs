//! Offline check of Monero addresses, so that a mistyped wallet is found before anything is mined for it.
//!
//! Monero's base58 is its own: the text falls into blocks of eleven digits for eight bytes each and a shorter
//! last block, so lengths are fixed. The bytes are a network byte, the public keys, for integrated addresses
//! a payment id, and the first four bytes of the Keccak-256 hash of all before.

use thiserror::Error;
use tiny_keccak::{Hasher, Keccak};

use super::{SUFFIX_MARKS, split_suffix};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Base58 digits that hold so many bytes: the index is the number of bytes, 0 to 8.
const DIGITS_FOR_BYTES: [usize; 9] = [0, 2, 3, 5, 6, 7, 9, 10, 11];
const BLOCK_DIGITS: usize = 11;
const CHECKSUM_BYTES: usize = 4;
/// Network byte and two public keys.
const STANDARD_BYTES: usize = 1 + 32 + 32;
const PAYMENT_ID_BYTES: usize = 8;
/// Digits of a standard address and of a subaddress.
const STANDARD_DIGITS: usize = 95;
const INTEGRATED_DIGITS: usize = 106;
/// A wallet with some characters lost or doubled still has about this many.
const MISTYPED_DIGITS: std::ops::RangeInclusive<usize> = 85..=115;

/// The chain that an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Where coins have a price.
    Mainnet,
    /// For tests of the node software.
    Testnet,
    /// For tests of other software.
    Stagenet,
}

impl Network {
    /// Its name in messages and in monerod's options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Stagenet => "stagenet",
        }
    }
}

/// What an address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The main address of a wallet.
    Standard,
    /// A standard address with a payment id inside.
    Integrated,
    /// One of the many further addresses of a wallet. A node cannot pay a block to it.
    Subaddress,
}

/// A Monero address whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Where it is valid.
    pub network: Network,
    /// What it is.
    pub kind: Kind,
}

/// Why a text is not a Monero address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// The number of characters fits no address.
    #[error(
        "it has {0} characters; an address has {STANDARD_DIGITS} (or {INTEGRATED_DIGITS} with a payment id)"
    )]
    Length(usize),
    /// A character that base58 does not have.
    #[error("`{letter}` at place {place} is in no address (0, O, I and l are left out of them)")]
    Letter {
        /// The character.
        letter: char,
        /// Its place, from 1.
        place: usize,
    },
    /// The digits of one block say a number that eight bytes cannot hold.
    #[error("a character was mistyped (the digits overflow)")]
    Overflow,
    /// The checksum does not fit the rest.
    #[error("its checksum is wrong: a character was mistyped or cut")]
    Checksum,
    /// The checksum is right, but the address is none of Monero's.
    #[error("it is an address of another coin (network byte {0})")]
    Foreign(u8),
}

impl Address {
    /// Reads an address without anything around it.
    ///
    /// # Errors
    /// Any [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some((index, letter)) = text.chars().enumerate().find(|(_, letter)| digit(*letter).is_none()) {
            return Err(AddressError::Letter { letter, place: index + 1 });
        }
        if ![STANDARD_DIGITS, INTEGRATED_DIGITS].contains(&text.len()) {
            return Err(AddressError::Length(text.len()));
        }
        let bytes = decode(text)?;
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if keccak256(body)[..CHECKSUM_BYTES] != *checksum {
            return Err(AddressError::Checksum);
        }
        let (network, kind) = match body[0] {
            18 => (Network::Mainnet, Kind::Standard),
            19 => (Network::Mainnet, Kind::Integrated),
            42 => (Network::Mainnet, Kind::Subaddress),
            53 => (Network::Testnet, Kind::Standard),
            54 => (Network::Testnet, Kind::Integrated),
            63 => (Network::Testnet, Kind::Subaddress),
            24 => (Network::Stagenet, Kind::Standard),
            25 => (Network::Stagenet, Kind::Integrated),
            36 => (Network::Stagenet, Kind::Subaddress),
            other => return Err(AddressError::Foreign(other)),
        };
        let body_bytes = STANDARD_BYTES + if kind == Kind::Integrated { PAYMENT_ID_BYTES } else { 0 };
        if body.len() != body_bytes {
            return Err(AddressError::Length(text.len()));
        }
        Ok(Self { network, kind })
    }
}

/// What a text in the place of a wallet is.
pub type UserText<'a> = super::UserText<'a, Address, AddressError>;

/// Judges what a user gave as wallet.
pub fn judge(text: &str) -> UserText<'_> {
    let (base, suffix) = split_suffix(text, text.find(SUFFIX_MARKS));
    match Address::parse(base) {
        Ok(address) => UserText::Address(address, suffix),
        Err(AddressError::Foreign(_)) => UserText::Other,
        Err(error) if has_shape(base) => UserText::Mistyped(base, error),
        Err(_) => UserText::Other,
    }
}

/// An address begins with 4 or 8 on the main network, and with one of five others on the test networks. Those
/// begin much else too, so there the length must be exact.
fn has_shape(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let length = text.len();
    is_word
        && match text.as_bytes().first() {
            Some(b'4' | b'8') => MISTYPED_DIGITS.contains(&length),
            Some(b'5' | b'7' | b'9' | b'A' | b'B') => [STANDARD_DIGITS, INTEGRATED_DIGITS].contains(&length),
            _ => false,
        }
}

fn digit(letter: char) -> Option<u64> {
    ALPHABET.iter().position(|&known| char::from(known) == letter).map(|place| place as u64)
}

fn decode(text: &str) -> Result<Vec<u8>, AddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    for block in text.as_bytes().chunks(BLOCK_DIGITS) {
        let size = DIGITS_FOR_BYTES
            .iter()
            .position(|&digits| digits == block.len())
            .ok_or(AddressError::Length(text.len()))?;
        let mut value: u64 = 0;
        for &letter in block {
            let digit = digit(char::from(letter)).ok_or(AddressError::Overflow)?;
            let shifted = value.checked_mul(58).ok_or(AddressError::Overflow)?;
            value = shifted.checked_add(digit).ok_or(AddressError::Overflow)?;
        }
        let block_bytes = value.to_be_bytes();
        let (above, kept) = block_bytes.split_at(block_bytes.len() - size);
        if above.iter().any(|&byte| byte != 0) {
            return Err(AddressError::Overflow);
        }
        bytes.extend_from_slice(kept);
    }
    Ok(bytes)
}

fn keccak256(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Keccak::v256();
    hasher.update(bytes);
    let mut hash = [0; 32];
    hasher.finalize(&mut hash);
    hash
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made by monero-wallet-cli 0.18.0.0 with `--offline`, with `--testnet` and with `--stagenet`.
    const KNOWN: [(&str, Network, Kind); 9] = [
        (MAIN, Network::Mainnet, Kind::Standard),
        (
            "4D4E1LrSVsB7ZEH67BU2McFDAogZ4hLghUtCkEcA4wUtP1HuZbdEdczAqN9nN5QcF7cck6ffcdoJddsi51SP1hxK2MG3K363LsQGQR4UG4",
            Network::Mainnet,
            Kind::Integrated,
        ),
        (
            "85H8ZuKT1PaWz2hS28jtisP41wDrbijFpgydBdFDsZHtQrADA8gWDs3XDc6evgBFWs5HyBbAUbyT2NUfaSz51rRnHTVtmiD",
            Network::Mainnet,
            Kind::Subaddress,
        ),
        (
            "9t4WHqAchYtP3LEJA5P3zC9cgiyMSE7NTGfDth2EdqXTA1b2MS6K37wSncyhKFUyZ5GiZP16mNMCP5hDiyew3WrM1jXsEiN",
            Network::Testnet,
            Kind::Standard,
        ),
        (
            "A3mBJdz7JpQP3LEJA5P3zC9cgiyMSE7NTGfDth2EdqXTA1b2MS6K37wSncyhKFUyZ5GiZP16mNMCP5hDiyew3WrM21rhHRT48LNGSriEuM",
            Network::Testnet,
            Kind::Integrated,
        ),
        (
            "BhUmqmLoAGVDbpynJKkZ2CaLki2ekiCA32VZXNEKZj4jF8iEyqrncPJ5JR79en5mtNCZj7qG9VEMM27L8MJyg1rvCv9k46D",
            Network::Testnet,
            Kind::Subaddress,
        ),
        (
            "54UuTzkLRruF6YYKePxgqt22kn9GCSCvFG873QorFvjr5Wn6xnW37oHCUfSD1wQJ63ZSurT8LHrbhdB9EXbRAeJB1GAty3q",
            Network::Stagenet,
            Kind::Standard,
        ),
        (
            "5EBaUoZq38RF6YYKePxgqt22kn9GCSCvFG873QorFvjr5Wn6xnW37oHCUfSD1wQJ63ZSurT8LHrbhdB9EXbRAeJB1M41ECB5hGJGT3wDoD",
            Network::Stagenet,
            Kind::Integrated,
        ),
        (
            "76Uuyo8hgpJVZGoR9W2wgc951nQLCJP5ZK5GwrXgjQjLNyUDnkMrf2Qg5QYmh57vb6Zqa6VcWaSM4RCLs3B2ApZ8CgVyoNB",
            Network::Stagenet,
            Kind::Subaddress,
        ),
    ];
    pub(in crate::wallet) const MAIN: &str =
        "43MYzY2wtbf7ZEH67BU2McFDAogZ4hLghUtCkEcA4wUtP1HuZbdEdczAqN9nN5QcF7cck6ffcdoJddsi51SP1hxK1zSXLis";

    #[test]
    fn addresses_of_the_reference_wallet_are_known() {
        for (text, network, kind) in KNOWN {
            assert_eq!(Address::parse(text), Ok(Address { network, kind }), "{text}");
        }
    }

    #[test]
    fn suffixes_are_split_off() {
        let address = Address { network: Network::Mainnet, kind: Kind::Standard };
        assert_eq!(judge(MAIN), UserText::Address(address, None));
        for suffix in ["+50000", ".rig0", "/rig0", ".rig+5000"] {
            assert_eq!(judge(&format!("{MAIN}{suffix}")), UserText::Address(address, Some(suffix)));
        }
    }

    #[test]
    fn mistyped_addresses_are_told_from_other_texts() {
        let cut = &MAIN[..94];
        assert_eq!(judge(cut), UserText::Mistyped(cut, AddressError::Length(94)));
        let zero = MAIN.replace("43MY", "43M0");
        assert_eq!(judge(&zero), UserText::Mistyped(&zero, AddressError::Letter { letter: '0', place: 4 }));
        let swapped = format!("{}+50", MAIN.replace("43MY", "43YM"));
        assert!(matches!(judge(&swapped), UserText::Mistyped(_, AddressError::Checksum)));
        let full = format!("4{}", "z".repeat(94));
        assert_eq!(judge(&full), UserText::Mistyped(&full, AddressError::Overflow));
        // An address with the look of Wownero's, and account names, are not ours to judge.
        for other in [
            "",
            "account",
            "me@mail.example",
            "rig.1",
            "Wo3MWeKwtA918DU4c69hVSNgejdWFCRCuWjShRY66mJkU2Hv58eygJWDJS1MNa2Ge5M1WjUkGHuLqHkweDxwZZU42d16v94mP",
        ] {
            assert_eq!(judge(other), UserText::Other, "{other}");
        }
    }

    proptest! {
        /// One wrong character never passes: a 32-bit checksum misses one in four thousand million.
        #[test]
        fn one_wrong_character_is_found(known in 0..KNOWN.len(), place in 0..95_usize, letter in 0..58_usize) {
            let text = KNOWN[known].0;
            let mut wrong = text.as_bytes().to_vec();
            wrong[place] = ALPHABET[letter];
            prop_assume!(wrong != text.as_bytes());
            prop_assert!(Address::parse(str::from_utf8(&wrong).unwrap()).is_err());
        }

        #[test]
        fn any_text_is_judged(text in "\\PC{0,120}") {
            let _ = judge(&text);
        }
    }
}
