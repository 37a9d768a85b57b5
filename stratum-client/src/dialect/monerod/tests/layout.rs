//! Blocks as bytes: against the daemon's own, and against everything that is almost a block.

use super::*;

#[test]
fn hashing_blobs_are_the_daemons() {
    for (transactions, result) in recorded().iter().enumerate() {
        let block = bytes(&result["blocktemplate_blob"]);
        let derived = derive(&block).unwrap();
        assert_eq!(
            encode_hex(&derived.hashing_blob),
            result["blockhashing_blob"].as_str().unwrap(),
            "{transactions}"
        );
        assert_eq!(derived.height, 101);
        let header = Header::read(&block).unwrap();
        assert_eq!(
            (header.major, encode_hex(&header.parent)),
            (16, result["prev_hash"].as_str().unwrap().into())
        );
        let template = read(result).unwrap();
        assert_eq!(template.work.blob(), derived.hashing_blob);
        assert_eq!(template.next_seed, None, "an empty text is none");
        assert_eq!(template.target, Target::MAX);
    }
}

/// The block that a real daemon accepted, and its nonce's place (protocol notes).
#[test]
fn nonce_stands_where_it_was_accepted() {
    let blob = decode_hex(
        "1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb\
         12000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201",
    )
    .unwrap();
    assert_eq!(Header::read(&blob).unwrap().major, 16);
    let template = read(&recorded()[3]).unwrap();
    assert_eq!(&template.block_with(0x12)[38..44], &[template.block_with(0)[38], 0x12, 0, 0, 0, 2]);
    assert_eq!(template.work.blob_with(18)[39..43], [18, 0, 0, 0]);
}

/// Monero's genesis block is known to everybody, its id too.
#[test]
fn block_id_of_genesis() {
    // Version 1.0, time 0, no parent, nonce 10000; the root is the hash of its only transaction.
    let root = "c88ce9783b4f11190d7b9c17a69c1c52200f9faaee8e98dd07e6811175177139";
    let hashing = decode_hex(&format!("010000{}10270000{root}01", "00".repeat(32))).unwrap();
    assert_eq!(
        encode_hex(&block::block_id(&hashing)),
        "418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3"
    );
}

#[test]
fn old_and_foreign_headers_are_refused() {
    let block = bytes(&recorded()[0]["blocktemplate_blob"]);
    for shorter in 0..block.len() {
        assert!(derive(&block[..shorter]).is_err(), "{shorter}");
    }
    let mut longer = block.clone();
    longer.push(0);
    assert_eq!(derive(&longer), Err(LayoutError::Trailing(1)));
    let mut shifted = block;
    shifted.insert(2, 0x80);
    assert_eq!(Header::read(&shifted), Err(LayoutError::Nonce(40)));
    assert_eq!(Header::read(&[0xFF; 60]), Err(LayoutError::Varint("the header")));

    let mut old = recorded()[0].clone();
    for field in ["blocktemplate_blob", "blockhashing_blob"] {
        old[field] = json!(format!("0b{}", &old[field].as_str().unwrap()[2..]));
    }
    assert!(matches!(read(&old), Err(ProtocolError::Algorithm { .. })));
}

/// From the fork after this one on the layout is the daemon's own business.
#[test]
fn later_versions_are_taken_from_the_daemon() {
    let mut later = recorded()[2].clone();
    for field in ["blocktemplate_blob", "blockhashing_blob"] {
        later[field] = json!(format!("11{}", &later[field].as_str().unwrap()[2..]));
    }
    let root = later["blockhashing_blob"].as_str().unwrap().len() - 4;
    let mut hashing = later["blockhashing_blob"].as_str().unwrap().to_owned();
    hashing.replace_range(root - 2..root, "00");
    later["blockhashing_blob"] = json!(hashing);
    let template = read(&later).unwrap();
    assert_eq!(template.id_with(1), None);
    hashing.replace_range(4..6, "00");
    later["blockhashing_blob"] = json!(hashing);
    assert!(read(&later).is_err(), "but the header must be the same");
}

/// A template of this major version, in both of its blobs.
fn of_version(major: u8) -> Value {
    let mut result = recorded()[0].clone();
    for name in ["blocktemplate_blob", "blockhashing_blob"] {
        let mut blob = bytes(&result[name]);
        blob[0] = major;
        result[name] = json!(encode_hex(&blob));
    }
    result
}

#[test]
fn the_block_version_decides_where_it_was_allowed_to() {
    use rminer_algos::Variant::{V1, V2};
    let by_version = MonerodConfig {
        later: Some(Later { major: V2_MAJOR, algorithm: &registry::RANDOMX_V2 }),
        ..config()
    };
    let always = MonerodConfig { algorithm: &registry::RANDOMX_V2, ..config() };
    for (major, config, variant) in [
        (16, config(), V1),
        (17, config(), V1),
        (16, by_version.clone(), V1),
        (17, by_version.clone(), V2),
        (18, by_version, V2),
        (16, always.clone(), V2),
        (17, always, V2),
    ] {
        let template = read_with(&of_version(major), &config).unwrap();
        assert_eq!(
            (template.work.variant(), template.algorithm.variant),
            (variant, variant),
            "{major} {config:?}"
        );
    }
}

#[test]
fn a_version_that_may_mean_another_hash_is_told_once() {
    let mut dialect = Monerod::new(config());
    let mut notices = |major| {
        let mut out = Outbox::default();
        dialect.publish(read(&of_version(major)).unwrap(), &mut out);
        out.take().into_iter().filter(|out| matches!(out, Out::Event(Event::Notice(_)))).count()
    };
    assert_eq!((notices(16), notices(17), notices(18)), (0, 1, 0));
}

#[test]
fn difficulty_in_every_form() {
    let mut result = recorded()[0].clone();
    let mut target = |changes: &[(&str, Value)]| {
        for (field, value) in changes {
            result[*field] = value.clone();
        }
        read(&result).map(|template| template.target)
    };
    let wide = 0x0052_b7d2_dcc8_0cd2_e400_0000_u128;
    assert_eq!(
        target(&[("wide_difficulty", json!("0x52b7d2dcc80cd2e4000000"))]),
        Ok(Target::from_difficulty(wide).unwrap())
    );
    let halves = [
        ("wide_difficulty", Value::Null),
        ("difficulty", json!(15_908_979_783_594_147_840u64)),
        ("difficulty_top64", json!(5_421_010)),
    ];
    assert_eq!(target(&halves), Ok(Target::from_difficulty(wide).unwrap()));
    assert_eq!(
        target(&[("difficulty", json!("200")), ("difficulty_top64", Value::Null)]),
        Ok(Target::from_difficulty(200).unwrap())
    );
    for bad in [json!("0x0"), json!("0x1ffffffffffffffffffffffffffffffff"), json!("-1"), json!("x")] {
        assert!(target(&[("wide_difficulty", bad.clone())]).is_err(), "{bad}");
    }
}

#[test]
fn faults_name_their_field() {
    for (field, value, wanted) in [
        ("blocktemplate_blob", Value::Null, "blocktemplate_blob"),
        ("blocktemplate_blob", json!("zz"), "blocktemplate_blob"),
        ("blocktemplate_blob", json!("00".repeat(2 << 20)), "blocktemplate_blob"),
        ("blockhashing_blob", json!("00".repeat(513)), "blockhashing_blob"),
        ("blockhashing_blob", json!("1010"), "blockhashing_blob"),
        ("seed_hash", json!("00"), "seed_hash"),
        ("seed_hash", Value::Null, "seed_hash"),
        ("height", json!("high"), "height"),
        ("height", json!(102), "height"),
        ("reserved_offset", json!(0), "reserved_offset"),
        ("reserved_offset", json!(u64::MAX), "reserved_offset"),
        ("reserved_offset", Value::Null, "reserved_offset"),
        ("wide_difficulty", json!("0x0"), "difficulty"),
    ] {
        let mut result = recorded()[1].clone();
        result[field] = value;
        match read(&result) {
            Err(ProtocolError::Field { field, fault, .. }) => {
                assert_eq!(field, wanted);
                assert!(fault.len() < 200, "{fault}");
            }
            other => panic!("{field}: {other:?}"),
        }
    }
}

proptest! {
    /// Whatever byte of the two blobs is changed: nothing but the daemon's own pair is taken.
    #[test]
    fn no_changed_byte_is_taken(
        pick in 0..10usize,
        field in prop_oneof![Just("blocktemplate_blob"), Just("blockhashing_blob")],
        place in any::<prop::sample::Index>(),
        flip in 1..=255u8,
    ) {
        let mut result = recorded()[pick].clone();
        let mut changed = bytes(&result[field]);
        *place.get_mut(&mut changed) ^= flip;
        result[field] = json!(encode_hex(&changed));
        prop_assert!(read(&result).is_err());
    }

    #[test]
    fn any_bytes_are_handled(block in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = derive(&block);
        let _ = Header::read(&block);
    }

    /// Behind a good header: the transaction's parser takes any bytes.
    #[test]
    fn any_transaction_is_handled(rest in proptest::collection::vec(any::<u8>(), 0..120), keep in 43..60usize) {
        let mut block = bytes(&recorded()[0]["blocktemplate_blob"])[..keep].to_vec();
        block.extend(rest);
        let _ = derive(&block);
    }
}
