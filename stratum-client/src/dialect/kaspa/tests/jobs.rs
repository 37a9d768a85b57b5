use std::time::Duration;

use super::*;

#[test]
fn both_forms_are_the_same_bytes() {
    let hash = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
    let words = ["2820983053732684064", "3399704436437297448", "3978425819141910832", "4557147201846524216"];
    let time_ms = 1_787_225_600_123_u64;
    let numbers = format!("[{}],{time_ms}", words.join(","));
    let texts = format!("[\"{}\"],\"{time_ms}\"", words.join("\",\""));
    for rest in [
        numbers.clone(),
        texts,
        format!("{numbers}.0,true"),
        format!("\"{hash}7b70f21ea0010000\""),
        format!("\"0x{}7b70f21ea0010000\",5", hash.to_uppercase()),
    ] {
        for method in ["mining.notify", "notify"] {
            let job = Peer::logged_in().job(&format!("{{\"method\":\"{method}\",\"params\":[9,{rest}]}}"));
            let wanted = [&decode_hex(hash).unwrap()[..], &time_ms.to_le_bytes(), &[0; 32], &[1; 8]].concat();
            assert_eq!(blob(&job, 0x0101_0101_0101_0101)[..], wanted, "{rest}");
        }
    }
}

#[test]
fn broken_jobs_are_named() {
    for (params, fault) in [
        ("7", "no list"),
        ("[]", "job_id"),
        ("[[],[1,2,3,4],5]", "job_id"),
        ("[\"1\"]", "`header` is missing"),
        ("[\"1\",[1,2,3],5]", "3 numbers"),
        ("[\"1\",[1,2,3,4,5],5]", "5 numbers"),
        ("[\"1\",[1,2,3,18446744073709551616],5]", "64 bits"),
        ("[\"1\",[1,2,3,-4],5]", "64 bits"),
        ("[\"1\",[1,2,3,1.8e19],5]", "64 bits"),
        ("[\"1\",[1,2,3,\"zz\"],5]", "64 bits"),
        ("[\"1\",[1,2,3,4]]", "`timestamp` is missing"),
        ("[\"1\",[1,2,3,4],null]", "`timestamp` is no number"),
        ("[\"1\",[0,0,0,0],5]", "hash of zeros"),
        ("[\"1\",null]", "neither a list nor a text"),
        ("[\"1\",\"00\"]", "40 bytes"),
        ("[\"1\",\"0\"]", "hex"),
        ("[\"1\",{}]", "neither"),
    ] {
        let mut peer = Peer::logged_in();
        let text = peer.fault(&format!("{{\"method\":\"mining.notify\",\"params\":{params}}}"));
        assert!(text.contains(fault), "{params}: {text}");
        assert!(peer.dialect.newest.is_none());
    }
}

#[test]
fn jobs_of_other_proofs_of_work_are_named() {
    let hash = "ab".repeat(32);
    for (params, wanted) in [
        (
            format!("[\"1\",\"{hash}\",\"01\",\"02\",[],\"20000000\",\"1d00ffff\",\"5f5e100\",true]"),
            "SHA-256d",
        ),
        (format!("[\"1\",\"{hash}\",\"{hash}\",true]"), "Ethash"),
    ] {
        let text = Peer::logged_in().fault(&format!("{{\"method\":\"mining.notify\",\"params\":{params}}}"));
        assert!(text.contains(wanted) && text.contains("is configured"), "{text}");
    }
}

#[test]
fn difficulties_have_the_stricter_target() {
    for (difficulty_text, target) in [
        ("1", "00000000ffff0000000000000000000000000000000000000000000000000000"),
        ("4096.0", "00000000000ffff0000000000000000000000000000000000000000000000000"),
        ("\"4096\"", "00000000000ffff0000000000000000000000000000000000000000000000000"),
        ("4.096e3", "00000000000ffff0000000000000000000000000000000000000000000000000"),
        ("0.1", "00000009fff60000000000000000000000000000000000000000000000000000"),
        ("3", "0000000055550000000000000000000000000000000000000000000000000000"),
    ] {
        let mut peer = Peer::logged_in();
        peer.silent(&difficulty(difficulty_text));
        let job = peer.job(&notify("1", 7, 1000));
        assert_eq!(format!("{:?}", job.target), target, "{difficulty_text}");
    }
    // Nobody has named one: it is 1.
    assert_eq!(Peer::logged_in().job(&notify("1", 7, 1000)).target, difficulty_1());
}

#[test]
fn senseless_difficulties_change_nothing_and_are_told_once() {
    let (mut peer, job) = Peer::mining();
    let mut told = 0;
    for text in ["0", "-1", "0.0", "\"x\"", "null", "[1]", "1e99", ""] {
        told += peer.says(&difficulty(text)).unwrap().len();
    }
    assert_eq!(told, 1);
    assert_eq!(peer.job(&notify("8", 8, BRIDGE_TIME_MS + 1)).target, job.target);
}

#[test]
fn a_difficulty_is_the_next_jobs() {
    let (mut peer, job) = Peer::mining();
    peer.silent(&difficulty("1"));
    let next = peer.job(&notify("8", 8, BRIDGE_TIME_MS + 1));
    assert_eq!(next.target, difficulty_1());
    assert_ne!(job.target, next.target);
    assert!(peer.dialect.tighten_at.is_none());

    // No job comes, so the current one gets the raised one; a lowered one waits.
    peer.silent(&difficulty("2"));
    let raised = peer.now;
    let tightened = only_job(peer.tick());
    assert_eq!(peer.now, raised + Duration::from_secs(2));
    assert_eq!(blob(&tightened, 5), blob(&next, 5));
    assert_eq!(tightened.target, Target::from_bitcoin_difficulty("2").unwrap());
    peer.silent(&difficulty("0.5"));
    assert_eq!(peer.dialect.deadline(), None);
}

#[test]
fn repeated_jobs_are_ignored_and_changed_ones_taken() {
    let (mut peer, _) = Peer::mining();
    peer.silent(BRIDGE[2]);
    // The same under another name, and another under the same name.
    let eighth = BRIDGE[2].replacen("[\"7\"", "[\"8\"", 1);
    let later = eighth.replace("1787225603300", "1787225603301");
    let renamed = peer.job(&eighth);
    let changed = peer.job(&later);
    assert_ne!(blob(&renamed, 1), blob(&changed, 1));
    // What that name meant before cannot be sent any more, but what it means now can.
    assert!(matches!(peer.submitted(&renamed, 0, 1, [0; 32])[..], [Out::Event(Event::Verdict(..))]));
    assert_eq!(peer.submit(&changed, 0, 2, [0; 32])["params"][1], "8");
    // With another target it is a new job, too.
    peer.silent(&difficulty("0.5"));
    assert_eq!(peer.job(&later).target, Target::from_bitcoin_difficulty("0.5").unwrap());
}

#[test]
fn a_job_that_was_overtaken_is_dropped() {
    // As the real bridge sent them at the login.
    let mut peer = Peer::logged_in();
    peer.job(&notify("2", 2, 7100));
    peer.silent(&notify("1", 1, 7000));
    // One of both alone says nothing.
    assert_eq!(blob(&peer.job(&notify("3", 3, 7050)), 0)[0], 3);
    assert_eq!(blob(&peer.job(&notify("2", 4, 7060)), 0)[0], 4);
    // Names that are no numbers have no order.
    assert_eq!(blob(&peer.job(&notify("x1", 5, 7000)), 0)[0], 5);
    assert_eq!(blob(&peer.job(&notify("x0", 6, 6000)), 0)[0], 6);
    // Later it is no overtaking, but another count.
    peer.job(&notify("200", 7, u64::MAX));
    peer.silent(&notify("1", 8, 8000));
    peer.now += Duration::from_secs(2);
    assert_eq!(blob(&peer.job(&notify("2", 9, 8001)), 0)[0], 9);
}

#[test]
fn another_extranonce_is_good_at_once() {
    let (mut peer, job) = Peer::mining();
    peer.silent(&extranonce("\"0000\""));
    let moved = peer.job(&extranonce("\"00ab\",6"));
    assert_eq!(moved.supersede, Supersede::Discard);
    assert_eq!((fixed_and_free(&moved), &blob(&moved, 0)[..72]), ((0x00ab << 48, 48), &blob(&job, 0)[..72]));
    // What was found with the old one is not sent.
    let out = peer.submitted(&job, 0, 1, [0; 32]);
    assert!(matches!(out[..], [Out::Event(Event::Verdict(_, Verdict::NotSent(NotSent::Stale)))]), "{out:?}");
    assert_eq!(peer.submit(&moved, 0, 0x00ab_0000_0000_0001, [0; 32])["params"][2], "00ab000000000001");
    // The jobs of another pool behind the same service have numbers and times of their own.
    assert_eq!(blob(&peer.job(&notify("1", 1, 1000)), 0)[0], 1);
}

#[test]
fn extranonces_in_every_shape() {
    for (params, field) in [
        ("\"\"", (0, 64)),
        ("null,8", (0, 64)),
        ("\"0x00ab\"", (0x00ab << 48, 48)),
        ("\"00AB\",\"6\"", (0x00ab << 48, 48)),
        ("\"00ab\",8", (0x00ab << 48, 48)),
        ("\"00ab\",5", (0x00ab << 48, 40)),
        ("\"01020304\",4", (0x0102_0304 << 32, 32)),
        ("\"01020304050607\",1", (0x0102_0304_0506_0700, 8)),
    ] {
        let mut peer = Peer::logged_in();
        peer.says(&extranonce(params)).unwrap();
        assert_eq!(fixed_and_free(&peer.job(&notify("1", 7, 1000))), field, "{params}");
    }
    for (params, fault) in [
        ("", "is missing"),
        ("\"abc\"", "hex"),
        ("\"xy\"", "hex"),
        ("[1]", "no text"),
        ("\"0102030405060708\"", "8 bytes"),
        ("\"00\",0", "leaves no nonce"),
    ] {
        let (mut peer, job) = Peer::mining();
        let text = peer.fault(&extranonce(params));
        assert!(text.contains(fault), "{params}: {text}");
        assert_eq!(fixed_and_free(&peer.job(&notify("8", 8, BRIDGE_TIME_MS + 1))), fixed_and_free(&job));
    }
}

#[test]
fn a_small_nonce_space_is_told_once() {
    let (mut peer, _) = Peer::mining();
    for (params, told) in [("\"01020304\"", 1), ("\"0102030405\"", 2), ("\"0102030406\"", 1)] {
        assert_eq!(peer.says(&extranonce(params)).unwrap().len(), told, "{params}");
    }
}
