//! Whole exchanges, checked to the byte against blocks of the main chain.

use rminer_algos::encode_hex;

use super::*;

/// The roll whose extranonce2 is this one of two bytes.
fn roll_of(job: &Job, extranonce2: [u8; 2]) -> u64 {
    let Template::Header(header) = &job.template else { panic!("no header") };
    (0..65_536).find(|roll| header.extranonce2(*roll).unwrap() == extranonce2).unwrap()
}

#[test]
fn block_1_from_subscribe_to_accepted() {
    let (mut peer, sent) = Peer::new(config());
    assert_eq!(
        sent,
        [
            r#"{"id":1,"method":"mining.configure","params":[["version-rolling","subscribe-extranonce"],{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":2}]}"#,
            r#"{"id":2,"method":"mining.subscribe","params":["rminer/0.1.0"]}"#,
            r#"{"id":3,"method":"mining.authorize","params":["bc1qexample.rig0","x"]}"#,
        ]
    );
    peer.silent(
        r#"{"id":1,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000","subscribe-extranonce":true},"error":null}"#,
    );
    peer.silent(&subscribed(EXTRANONCE1, 2));
    let out = peer.says(AUTHORIZED).unwrap();
    assert!(matches!(out[..], [Out::Event(Event::LoggedIn)]));
    peer.silent(&difficulty("1"));
    let job = peer.job(&notify_of(&params("1a", "00000001", true)));
    assert_eq!((job.height, job.supersede), (None, Supersede::Discard));
    assert_eq!(job.target, Target::from_bitcoin_difficulty("1").unwrap());
    assert_eq!(job.block_target, Some(job.target), "1d00ffff is difficulty 1");

    let roll = roll_of(&job, [0x01, 0x04]);
    let nonce = 0x9962_E301;
    let header = job.template.work(roll).unwrap().blob_with(nonce);
    assert_eq!(
        encode_hex(&header),
        "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299"
    );
    let hash = sha256d(&header);
    assert!(job.target.is_met_by(&Hash(hash)));
    let out = peer.submitted(&job, roll, nonce, hash);
    let [Out::Line(line)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(
        line,
        r#"{"id":4,"method":"mining.submit","params":["bc1qexample.rig0","1a","0104","4966bc61","9962e301","00000000"]}"#
    );
    let out = peer.says(r#"{"id":4,"result":true,"error":null}"#).unwrap();
    assert!(
        matches!(out[..], [Out::Event(Event::Verdict(ShareId(0x9962_E301), Verdict::Accepted))]),
        "{out:?}"
    );
}

#[test]
fn block_170_with_a_branch_and_without_rolling() {
    let mut config = config();
    config.options.version_mask = 0;
    config.options.extranonce_subscribe = crate::endpoint::Toggle::Off;
    let (mut peer, sent) = Peer::new(config);
    assert_eq!(sent.len(), 2, "there is nothing to configure: {sent:?}");
    peer.says(&subscribed(EXTRANONCE1, 2).replace("\"id\":2", "\"id\":1")).unwrap();
    peer.says(&AUTHORIZED.replace("\"id\":3", "\"id\":2")).unwrap();
    let params = value!([
        "b170",
        "0a84bd55d08a7978683f85da183d4f97dbd12b3e1f2c846a2a22cfee00000000",
        BLOCK_1[1],
        "ffffffff0100f2052a01000000434104d46c4968bde02899d2aa0963367c7a6ce34eec332b32e42e5f3407e052d64ac625da6f0718e7b302140434bd725706957c092db53805b821a85b23a7ac61725bac00000000",
        ["169e1e83e930853391bc6f35f605c6754cfead57cf8387639d3b4096c54f18f4"],
        "00000001",
        "1d00ffff",
        "496ab951",
        true
    ]);
    let job = peer.job(&notify_of(&params));
    let roll = roll_of(&job, [0x01, 0x02]);
    let work = job.template.work(roll).unwrap();
    let header = work.blob_with(0x709E_3E28);
    let display = |bytes: &[u8]| encode_hex(&bytes.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(display(&header[36..68]), "7dac2c5666815c17a3b36427de37bb9d2e2c5ccec3f8633eb91a4205cb4c10ff");
    let hash = sha256d(&header);
    assert_eq!(display(&hash), "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee");
    let sent = peer.submit(&job, roll, 0x709E_3E28, hash);
    assert_eq!(sent["params"], value!(["bc1qexample.rig0", "b170", "0102", "496ab951", "709e3e28"]));
}

/// Whatever is rolled, the server finds the header that was hashed.
#[test]
fn servers_rebuild_what_was_hashed() {
    for version in ["20000000", "32ef0000", "1", "3fffe000"] {
        for (size, extranonce1) in [(4, EXTRANONCE1), (8, "00"), (3, "6351117f64"), (0, ""), (16, "ab")] {
            let (mut peer, _) = Peer::new(config());
            peer.says(CONFIGURED).unwrap();
            peer.says(&subscribed(extranonce1, size)).unwrap();
            peer.says(AUTHORIZED).unwrap();
            let mut params = params("j", version, false);
            params[4] = value!(["11".repeat(32), "22".repeat(32)]);
            let mut out = peer.says(&notify_of(&params)).unwrap();
            let job = only_job(out.split_off(out.len() - 1));
            for (roll, counter) in [(0, 0), (1, 1), (2, u64::MAX), (400, 0x1234_5678_9ABC)] {
                let Some(work) = job.template.work(roll) else { continue };
                let nonce = work.nonce(counter.min(work.last_counter()));
                let sent = peer.submit(&job, roll, nonce, [0; 32]);
                let rebuilt = server_header(&params, extranonce1, &sent, by_bip310);
                assert_eq!(
                    rebuilt,
                    work.blob_with(nonce)[..],
                    "version {version}, {size} bytes, roll {roll}"
                );
            }
        }
    }
}
