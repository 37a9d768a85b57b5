//! Templates: what is made of good ones, and that bad ones are named.

use sha2::{Digest as _, Sha256};

use super::*;

/// Both nodes, and whether their coinbase has a witness.
const NODES: [(&str, bool); 2] = [("bcoin", true), ("bsv", false)];

fn double(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// Bitcoin's tree, hashed by somebody else.
fn root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        if level.len() % 2 == 1 {
            level.push(level[level.len() - 1]);
        }
        level = level.chunks(2).map(|pair| double(&pair.concat())).collect();
    }
    level[0]
}

fn reversed(text: &Value) -> [u8; 32] {
    let mut bytes: [u8; 32] = decode_hex(text.as_str().unwrap()).unwrap().try_into().unwrap();
    bytes.reverse();
    bytes
}

#[test]
fn blocks_are_whole() {
    for (node, witness) in NODES {
        let written = recorded(node);
        let template = read(&written).unwrap();
        let header = template.header_with(5, 0x1234_5678).unwrap();
        let block = template.block_with(5, &header).unwrap();
        let transactions = written["transactions"].as_array().unwrap();

        assert_eq!(header[4..36], reversed(&written["previousblockhash"]));
        assert_eq!(u64::from(u32::from_le_bytes(header[68..72].try_into().unwrap())), written["curtime"]);
        assert_eq!(
            format!("{:08x}", u32::from_le_bytes(header[72..76].try_into().unwrap())),
            written["bits"]
        );
        assert_eq!(header[76..], [0x78, 0x56, 0x34, 0x12]);

        // The coinbase between the count and the first of the others, and without its witness if it has one.
        assert_eq!(usize::from(block[80]), transactions.len() + 1);
        let others: Vec<u8> =
            transactions.iter().flat_map(|one| decode_hex(one["data"].as_str().unwrap()).unwrap()).collect();
        let coinbase = &block[81..block.len() - others.len()];
        assert_eq!(block[81 + coinbase.len()..], others);
        let bare = if witness {
            assert_eq!(coinbase[4..6], [0, 1]);
            let end = coinbase.len() - 4;
            assert_eq!(coinbase[end - 34..end], [&[1u8, 32][..], &[0; 32]].concat());
            [&coinbase[..4], &coinbase[6..end - 34], &coinbase[end..]].concat()
        } else {
            coinbase.to_vec()
        };
        let ids = transactions.iter().map(|one| reversed(one.get("txid").unwrap_or(&one["hash"])));
        assert_eq!(header[36..68], root([double(&bare)].into_iter().chain(ids).collect()), "{node}");

        let text = encode_hex(&bare);
        let value = written["coinbasevalue"].as_u64().unwrap();
        let pays = format!("{}1976a914{}88ac", encode_hex(&value.to_le_bytes()), "07".repeat(20));
        assert!(text.contains(&pays), "{node}: all of the reward goes to us: {text}");
        assert!(text.contains("0c112233440500000000000000"), "{node}: both extranonces: {text}");
        assert!(text.contains("06726d696e6572"), "{node}: our name: {text}");
        assert_eq!(text.contains("6a24aa21a9ed"), witness);
        assert_eq!(text.contains("66697874757265"), node == "bcoin", "what the node wants to have in it");
        let work = template.header.work(5).unwrap();
        assert_eq!(work.version_mask(), 0x1fff_e000);
        assert_eq!((template.can_propose, template.height), (true, written["height"].as_u64().unwrap()));
    }
}

/// A commitment that a real node computed for three transactions, and the known one of an empty block.
#[test]
fn commitments_are_the_nodes() {
    let mut written = recorded("bcoin");
    assert!(read(&written).is_ok());
    written["transactions"] = json!([]);
    written["default_witness_commitment"] =
        json!("6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9");
    assert!(read(&written).is_ok());
}

/// Only where the rule is in force and the node gives the commitment: bcoin gives it before that, too.
#[test]
fn a_witness_is_there_exactly_when_it_must() {
    for (rules, commitment, witness) in [
        (json!(["csv", "!segwit"]), true, true),
        (json!(["csv", "segwit"]), true, true),
        (json!(["csv"]), true, false),
        (json!([]), true, false),
        (json!(null), true, false),
        (json!(["csv", "!segwit"]), false, false),
    ] {
        let mut written = recorded("bcoin");
        written["rules"] = rules.clone();
        if !commitment {
            written.as_object_mut().unwrap().remove("default_witness_commitment");
        }
        let template = read(&written).unwrap();
        let header = template.header_with(0, 0).unwrap();
        let block = encode_hex(&template.block_with(0, &header).unwrap());
        assert_eq!(block.contains("6a24aa21a9ed"), witness, "{rules} {commitment}");
        assert_eq!(template.header.coinbase_suffix.len() > 80, witness);
    }
}

/// The bits that node and soft forks use are left alone, and the top three always.
#[test]
fn version_bits_that_are_in_use_are_not_rolled() {
    for (version, available, required, wanted, mask) in [
        (json!(0x2000_0000), json!({}), json!(0), u32::MAX, 0x1fff_ffe0),
        (json!(0x2000_0000), json!({}), json!(0), 0x1fff_e000, 0x1fff_e000),
        (json!(0x2000_0000), json!({}), json!(0), 0, 0),
        (json!(0x3000_0000), json!({}), json!(0), 0x1fff_e000, 0x0fff_e000),
        (json!(0x2000_0000), json!({"testdummy": 28, "x": 14}), json!(0), 0x1fff_e000, 0x0fff_a000),
        (json!(0x2000_0000), json!({"x": 77, "y": "no"}), json!(0x2000), 0x1fff_e000, 0x1fff_c000),
        // Not as BIP 9 has it: no bit is free.
        (json!(4), json!({}), json!(0), 0x1fff_e000, 0),
        (json!(0x6000_0000), json!({}), json!(0), 0x1fff_e000, 0),
        (json!(-536_870_912), json!({}), json!(0), 0x1fff_e000, 0),
    ] {
        let mut written = recorded("bsv");
        written["version"] = version.clone();
        written["vbavailable"] = available;
        written["vbrequired"] = required;
        let template = read_with(&written, &GbtConfig { version_mask: wanted, ..config() }).unwrap();
        assert_eq!(template.header.version_mask, mask, "{version}");
        let expected = version.as_i64().unwrap() as u64 & 0xffff_ffff;
        assert_eq!(u64::from(template.header.version), expected);
    }
}

#[test]
fn times_are_the_nodes() {
    for (now, least, most, time) in [
        (json!(100), json!(90), json!(200), Ok(100)),
        (json!(100), json!(110), json!(null), Ok(110)),
        (json!("100"), json!(null), json!(null), Ok(100)),
        (json!(100), json!(300), json!(200), Err("field `maxtime` 200 is before 300")),
        (json!(null), json!(90), json!(200), Err("field `curtime` is absent")),
        (json!(4_294_967_296u64), json!(90), json!(null), Err("field `curtime` is no time of 32 bits")),
        (json!(100), json!("x"), json!(null), Err("field `mintime` is no time of 32 bits")),
    ] {
        let mut written = recorded("bsv");
        written["curtime"] = now;
        written["mintime"] = least;
        written["maxtime"] = most;
        match (read(&written), time) {
            (Ok(template), Ok(time)) => assert_eq!(template.header.time, time),
            (Err(Fault::Broken(fault)), Err(words)) => assert!(fault.to_string().contains(words), "{fault}"),
            (other, _) => panic!("{other:?}"),
        }
    }
}

/// Each row: what is written instead at which place, and what is said about it.
#[test]
fn broken_templates_are_named() {
    let rows = [
        ("/height", json!(null), "field `height` is absent or no number"),
        ("/height", json!("high"), "field `height` is absent"),
        ("/previousblockhash", json!("00"), "field `previousblockhash`"),
        ("/previousblockhash", json!("zz".repeat(32)), "field `previousblockhash`"),
        ("/coinbasevalue", json!(null), "field `coinbasevalue` is absent"),
        ("/coinbasevalue", json!(-1), "field `coinbasevalue`"),
        ("/coinbasevalue", json!("18446744073709551616"), "field `coinbasevalue`"),
        ("/bits", json!(null), "field `bits` is absent"),
        ("/bits", json!("207fff"), "field `bits` is no number of 8 hex digits"),
        ("/bits", json!("2100ff\u{1b}f"), "field `bits` is no number of 8 hex digits"),
        ("/bits", json!("20800001"), "field `bits` is no target that a hash can meet"),
        ("/bits", json!("00000000"), "field `bits` is no target that a hash can meet"),
        ("/bits", json!("ff7fffff"), "field `bits` is no target that a hash can meet"),
        ("/target", json!("00"), "field `target`"),
        ("/target", json!("7f".repeat(32)), "field `target` is not what bits stands for"),
        ("/version", json!(null), "field `version` is absent"),
        ("/version", json!(4_294_967_296u64), "field `version` is no number of 32 bits"),
        ("/rules", json!("segwit"), "field `rules` is no list"),
        ("/rules", json!([7]), "field `rules` holds something that is no text"),
        ("/noncerange", json!("000000000fffffff"), "field `noncerange` is not the whole range"),
        ("/coinbaseaux", json!([]), "field `coinbaseaux` is no object"),
        ("/coinbaseaux", json!({"flags": "abc"}), "field `coinbaseaux`"),
        ("/coinbaseaux", json!({"flags": {}}), "field `coinbaseaux` holds no hex text"),
        ("/default_witness_commitment", json!("6a24aa21a9ed00"), "is no script that commits to witnesses"),
        ("/default_witness_commitment", json!("6"), "field `default_witness_commitment`"),
        (
            "/default_witness_commitment",
            json!(format!("6a24aa21a9ed{}", "00".repeat(32))),
            "field `default_witness_commitment` does not fit the transactions",
        ),
        ("/transactions", json!(null), "field `transactions` is absent"),
        ("/transactions", json!({}), "field `transactions`"),
        ("/transactions/0/data", json!("0"), "field `transactions` number 1"),
        ("/transactions/1/data", json!("00"), "number 2: hash or txid is not that of data"),
        ("/transactions/1/hash", json!("00".repeat(32)), "number 2: hash or txid is not that of data"),
        ("/transactions/2/txid", json!("00".repeat(31)), "field `transactions` number 3"),
        ("/transactions/2", json!({"hash": "00"}), "field `transactions` missing field `data`"),
    ];
    for (place, value, words) in rows {
        let mut written = recorded("bcoin");
        *written.pointer_mut(place).unwrap_or_else(|| panic!("{place}")) = value.clone();
        match read(&written) {
            Err(Fault::Broken(fault)) => {
                let text = fault.to_string();
                assert!(
                    text.starts_with("getblocktemplate: ") && text.contains(words),
                    "{place} {value}: {text}"
                );
                assert!(!text.contains('\u{1b}'));
            }
            other => panic!("{place} {value}: {other:?}"),
        }
    }
    // Order counts, and so does each of the transactions.
    let mut written = recorded("bcoin");
    written["transactions"].as_array_mut().unwrap().swap(0, 1);
    assert!(matches!(read(&written), Err(Fault::Broken(_))));
    written["transactions"] = json!(vec![json!({ "data": "" }); 100_001]);
    match read(&written) {
        Err(Fault::Broken(fault)) => {
            assert!(fault.to_string().contains("at most 100000 transactions"), "{fault}");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(read(&json!([])), Err(Fault::Broken(_))));
}

/// In order, but nothing that we could make a block of, or that could pay us.
#[test]
fn templates_of_other_chains_are_refused_by_name() {
    let pay = |address: &str| GbtConfig { payout: Payout::parse(address).unwrap(), ..config() };
    let segwit = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    let cash = "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a";
    for (node, rules, config, words) in [
        ("bcoin", json!(["csv", "!segwit", "!mweb"]), config(), Some("the rule \"mweb\"")),
        ("bcoin", json!(["!signet", "!segwit"]), config(), Some("the rule \"signet\"")),
        ("bsv", json!(["!\u{1b}[2J"]), config(), Some("the rule \"\\u{1b}[2J\"")),
        ("bcoin", json!(["mweb", "!segwit", "taproot"]), config(), None),
        ("bcoin", json!(["!segwit"]), pay(segwit), None),
        ("bcoin", json!([]), pay(segwit), Some("segregated witness, which is not in force")),
        ("bsv", json!(null), pay(segwit), Some("segregated witness, which is not in force")),
        ("bcoin", json!(["!segwit"]), pay(cash), Some("address is one of Bitcoin Cash")),
        ("bsv", json!(null), pay(cash), None),
    ] {
        let mut written = recorded(node);
        written["rules"] = rules.clone();
        match (read_with(&written, &config), words) {
            (Err(Fault::NotForUs(text)), Some(words)) => assert!(text.contains(words), "{text}"),
            (Ok(_), None) => {}
            (other, _) => panic!("{node} {rules}: {other:?}"),
        }
    }
}
