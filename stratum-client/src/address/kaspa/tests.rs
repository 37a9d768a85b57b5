//! Addresses from the tests of rusty-kaspa, and the key of one on every network by an independent script.

use proptest::prelude::*;

use super::*;

const KNOWN: [(&str, KaspaNetwork); 9] = [
    ("kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j", KaspaNetwork::Mainnet),
    ("kaspa:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqkx9awp4e", KaspaNetwork::Mainnet),
    ("kaspatest:qxaqrlzlf6wes72en3568khahq66wf27tuhfxn5nytkd8tcep2c0vrse6gdmpks", KaspaNetwork::Testnet),
    ("kaspatest:qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqhqrxplya", KaspaNetwork::Testnet),
    ("kaspa:qpumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtes4ypce9sf", KaspaNetwork::Mainnet),
    ("kaspa:ppumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtesue0vp3gc", KaspaNetwork::Mainnet),
    ("kaspatest:qpumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtes5z8rkmpd", KaspaNetwork::Testnet),
    ("kaspadev:qpumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtese6y7tc99", KaspaNetwork::Devnet),
    ("kaspasim:qpumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtes65ue9mw6", KaspaNetwork::Simnet),
];

#[test]
fn known_addresses_are_read_with_and_without_their_network() {
    for (text, network) in KNOWN {
        assert_eq!(KaspaAddress::parse(text), Ok(KaspaAddress { network }), "{text}");
        let (_, bare) = text.split_once(':').unwrap();
        assert_eq!(KaspaAddress::parse(bare), Ok(KaspaAddress { network }), "{text}");
        assert!(KaspaAddress::has_shape(text) && KaspaAddress::has_shape(bare));
    }
}

#[test]
fn faults_are_named() {
    let good = KNOWN[0].0;
    let cut = &good[..good.len() - 1];
    let length = |letters| KaspaAddressError::Length(letters);
    for (text, fault) in [
        (cut, length(60)),
        ("kaspa:", length(0)),
        (&format!("{good}qq"), KaspaAddressError::Checksum),
        (&format!("{good}q"), length(62)),
        (&good.replacen("kaspa:", "kaspatest:", 1), KaspaAddressError::Checksum),
        (&good.replacen("pau", "pua", 1), KaspaAddressError::Checksum),
        (&good.replacen("pau", "pAu", 1), KaspaAddressError::Letter { letter: 'A', place: 9 }),
        (&good.replacen("pau", "pbu", 1), KaspaAddressError::Letter { letter: 'b', place: 9 }),
        (&good.to_uppercase(), KaspaAddressError::Prefix),
        (&good.replacen("kaspa:", "karlsen:", 1), KaspaAddressError::Prefix),
        (&"q".repeat(129), length(129)),
    ] {
        assert_eq!(KaspaAddress::parse(text), Err(fault), "{text}");
    }
    // Right checksums over what nothing pays, by the same script.
    for (text, fault) in [
        (
            "kaspa:qfumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtessns4numm",
            KaspaAddressError::Version { version: 2, bytes: 32 },
        ),
        (
            "kaspa:q9umuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqtesrma2uapq",
            KaspaAddressError::Version { version: 1, bytes: 32 },
        ),
        ("kaspa:qpumuen7l8wthtz45p3ftn58pvrs9xlumvkuu2xet8egzkcklqte3x8cnqxrg", KaspaAddressError::Padding),
    ] {
        assert_eq!(KaspaAddress::parse(text), Err(fault), "{text}");
    }
}

#[test]
fn shapes() {
    let good = KNOWN[0].0;
    for text in ["kaspa:", "KASPA:x", "kaspasim:q", &good[..40], &good.replace("kaspa:", "")] {
        assert!(KaspaAddress::has_shape(text), "{text}");
    }
    for text in ["", "account", "q", "bitcoincash:qq", "kaspa", &good.replace("kaspa:", "")[..60]] {
        assert!(!KaspaAddress::has_shape(text), "{text}");
    }
}

proptest! {
    /// A checksum of forty bits finds up to three wrong letters for sure.
    #[test]
    fn a_wrong_letter_is_found(known in 0..KNOWN.len(), place in 0..61_usize, letter in 0..32_usize) {
        let (prefix, payload) = KNOWN[known].0.split_once(':').unwrap();
        let mut wrong = payload.as_bytes().to_vec();
        wrong[place] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"[letter];
        prop_assume!(wrong != payload.as_bytes());
        let wrong = format!("{prefix}:{}", str::from_utf8(&wrong).unwrap());
        prop_assert_eq!(KaspaAddress::parse(&wrong), Err(KaspaAddressError::Checksum));
    }

    #[test]
    fn any_text_is_judged(text in "(kaspa:)?\\PC{0,80}") {
        let _ = (KaspaAddress::parse(&text), KaspaAddress::has_shape(&text));
    }
}
