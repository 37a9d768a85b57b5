//! Addresses from the specifications of their forms.

use proptest::prelude::*;
use rminer_algos::encode_hex;

use super::*;

/// Addresses with one hash in both forms, from the specification of Bitcoin Cash's form.
const TWINS: [(&str, &str); 6] = [
    ("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu", "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"),
    ("1KXrWXciRDZUpQwQmuM1DbwsKDLYAYsVLR", "bitcoincash:qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy"),
    ("16w1D5WRVKJuZUsSRzdLp9w3YGcgoxDXb", "bitcoincash:qqq3728yw0y47sqn6l2na30mcw6zm78dzqre909m2r"),
    ("3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC", "bitcoincash:ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq"),
    ("3LDsS579y7sruadqu11beEJoTjdFiFCdX4", "bitcoincash:pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e"),
    ("31nwvkZwyPdgzjBJZXfDmSWsC4ZLKpYyUw", "bitcoincash:pqq3728yw0y47sqn6l2na30mcw6zm78dzq5ucqzc37"),
];
/// BIP 173 and BIP 350: address, script, network.
const SEGWIT: [(&str, &str, Network); 5] = [
    (
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        "0014751e76e8199196d454941c45d1b3a323f1433bd6",
        Network::Main,
    ),
    (
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        Network::Test,
    ),
    ("BC1SW50QGDZ25J", "6002751e", Network::Main),
    ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323", Network::Main),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        Network::Main,
    ),
];

fn script(text: &str) -> String {
    encode_hex(&Payout::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).script)
}

#[test]
fn both_forms_of_one_hash_pay_one_script() {
    assert_eq!(script(TWINS[0].0), "76a91476a04053bda0a88bda5177b86a15c3b29f55987388ac");
    assert_eq!(script(TWINS[3].0), "a91476a04053bda0a88bda5177b86a15c3b29f55987387");
    for (base58, cash) in TWINS {
        let bare = cash.strip_prefix("bitcoincash:").unwrap();
        assert_eq!(script(base58), script(cash));
        assert_eq!(script(base58), script(bare));
        assert_eq!(script(base58), script(&cash.to_uppercase()));
        assert_eq!(Payout::parse(bare).unwrap().network, Network::Main);
        assert_eq!(Payout::parse(cash).unwrap().form, Form::Cash);
        assert!(Payout::has_shape(base58) && Payout::has_shape(cash) && Payout::has_shape(bare));
    }
}

#[test]
fn witness_programs_are_read() {
    for (text, wanted, network) in SEGWIT {
        assert_eq!(script(text), wanted);
        let payout = Payout::parse(text).unwrap();
        assert_eq!((payout.network, payout.form), (network, Form::Segwit));
    }
}

#[test]
fn networks_are_told_apart() {
    for (text, fits, fits_not) in [
        (TWINS[0].0, "main", "regtest"),
        (TWINS[0].1, "main", "test"),
        (SEGWIT[1].0, "test", "main"),
        (SEGWIT[1].0, "signet", "regtest"),
        // Bitcoin's test networks and regtest share these.
        ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "regtest", "main"),
        ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "testnet4", "main"),
        ("2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc", "test", "main"),
    ] {
        let payout = Payout::parse(text).unwrap();
        assert_eq!(payout.wrong_chain(fits), None, "{text}");
        assert!(payout.wrong_chain(fits_not).unwrap().contains(fits_not), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let checksum = |text: &str| assert_eq!(Payout::parse(text), Err(AddressError::Checksum), "{text}");
    checksum("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggv");
    checksum("bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q");
    // Right, but with another network's prefix.
    checksum("bchtest:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a");
    checksum("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5");
    // BIP 350: a first version with the older checksum, and a version 0 with the newer one.
    checksum("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd");
    checksum("BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL");
    checksum("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh");
    let letter = |letter, place| Err(AddressError::Letter { letter, place });
    assert_eq!(Payout::parse("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVgg0"), letter('0', 34));
    assert_eq!(Payout::parse("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3b4"), letter('b', 1));
    assert_eq!(Payout::parse("bitcoincash:bpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"), letter('b', 13));
    assert!(matches!(
        Payout::parse("bitcoincash:QPM2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"),
        Err(AddressError::Cash(CashError::MixedCase))
    ));
    for none in
        ["", "account", "1", "bc", "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9", &"1".repeat(500), "ä"]
    {
        assert_eq!(Payout::parse(none), Err(AddressError::Form), "{none}");
        assert!(!Payout::has_shape(none));
    }
    // A program of version 0 has 20 or 32 bytes.
    assert!(matches!(Payout::parse("BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P"), Err(AddressError::Witness(_))));
}

proptest! {
    /// One wrong letter never passes, whatever the form.
    #[test]
    fn one_wrong_letter_is_found(pick in 0..17usize, place in 0..90usize, letter in proptest::char::range('0', 'z')) {
        let known = TWINS.iter().flat_map(|(base58, cash)| [*base58, *cash]).chain(SEGWIT.map(|(text, ..)| text));
        let text = known.collect::<Vec<_>>()[pick];
        let mut letters: Vec<char> = text.chars().collect();
        let place = place % letters.len();
        prop_assume!(!letters[place].eq_ignore_ascii_case(&letter));
        letters[place] = letter;
        prop_assert!(Payout::parse(&letters.iter().collect::<String>()).is_err());
    }

    #[test]
    fn any_text_is_judged(text in "(bc1|bitcoincash:|1|3|q)?\\PC{0,90}") {
        let _ = (Payout::parse(&text), Payout::has_shape(&text));
    }
}
