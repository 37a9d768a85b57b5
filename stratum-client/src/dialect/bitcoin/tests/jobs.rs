//! Jobs of all shapes, and what changes them.

use super::*;
use crate::endpoint::ApplyExtranonce;

fn header(job: &Job) -> &rminer_algos::HeaderTemplate {
    let Template::Header(header) = &job.template else { panic!("no header") };
    header
}

fn target(text: &str) -> Target {
    Target::from_bitcoin_difficulty(text).unwrap()
}

#[test]
fn bad_jobs_are_named_and_leave_the_last_one() {
    let good = params("1", "20000000", true);
    let set = |at: usize, new: Value| {
        let mut params = good.clone();
        params[at] = new;
        params
    };
    let cases = [
        (set(0, Value::Null), "job_id"),
        (set(0, value!({})), "job_id"),
        (set(0, value!("x".repeat(300))), "job_id"),
        (set(1, value!("00")), "prevhash"),
        (set(1, value!("0g".repeat(32))), "prevhash"),
        (set(1, value!(7)), "prevhash"),
        (set(2, value!("012")), "coinb1"),
        (set(2, value!("zz")), "coinb1"),
        (set(2, Value::Null), "coinb1"),
        (set(3, value!("012")), "coinb2"),
        (set(3, value!("00".repeat(600_000))), "coinb2"),
        (set(4, value!("")), "merkle_branch"),
        (set(4, value!(["00".repeat(31)])), "merkle_branch"),
        (set(4, value!(["00".repeat(33)])), "merkle_branch"),
        (set(4, value!([1])), "merkle_branch"),
        (set(4, value!(vec!["00".repeat(32); 33])), "merkle_branch"),
        (set(5, value!("")), "version"),
        (set(5, value!("123456789")), "version"),
        (set(5, value!("-1")), "version"),
        (set(5, value!("+1")), "version"),
        (set(6, value!("1d00fffg")), "nbits"),
        (set(7, value!(true)), "ntime"),
        (set(7, Value::Null), "ntime"),
        (value!(good.as_array().unwrap()[..7].to_vec()), "7 items"),
        (value!({}), "no list"),
        (Value::Null, "no list"),
    ];
    let mut peer = Peer::logged_in();
    let kept = peer.job(&notify_of(&good));
    for (params, named) in cases {
        let fault = peer.fault(&notify_of(&params));
        assert!(fault.contains(named), "{named}: {fault}");
        assert!(fault.chars().count() < 400, "{fault}");
    }
    assert_eq!(peer.submit(&kept, 0, 1, [0; 32])["params"][1], "1");
    peer.job(&notify("2", false));
}

#[test]
fn other_proofs_of_work_are_recognised() {
    let hash = "ab".repeat(32);
    let cases = [
        (value!(["1", hash, hash, hash, false, 3_000_000, "1b00ffff"]), "KawPow"),
        (value!(["1", hash, hash, "00ff", true, 3_000_000, "1b00ffff"]), "KawPow"),
        (value!(["1", "04000000", hash, hash, hash, "5a5a5a5a", "1d00ffff", true]), "Equihash"),
        (value!(["1", hash, hash, true]), "Ethash"),
        (value!(["1", hash, hash, 5]), "another proof of work"),
        (value!(["1", [1, 2, 3, 4], 1_700_000_000_000u64]), "kHeavyHash"),
    ];
    for (params, named) in cases {
        let error = Peer::logged_in().says(&notify_of(&params)).unwrap_err();
        let ProtocolError::Algorithm { wanted, configured } = &error else { panic!("{error:?}") };
        assert_eq!(*wanted, named);
        assert_eq!(*configured, "sha256d");
    }
}

#[test]
fn shapes_of_jobs() {
    let good = params("1", "20000000", false);
    let numbers = |version: Value, bits: Value, time: Value| {
        let mut params = good.clone();
        (params[5], params[6], params[7]) = (version, bits, time);
        params
    };
    let cases = [
        numbers(value!("2"), value!("1d00ffff"), value!("4966bc61")),
        numbers(value!("0x2"), value!("0x1d00ffff"), value!("0x4966bc61")),
        numbers(value!("00000002"), value!("1D00FFFF"), value!("4966BC61")),
        numbers(value!(2), value!(0x1D00_FFFF), value!(0x4966_BC61)),
    ];
    for params in cases {
        let job = Peer::logged_in().job(&notify_of(&params));
        let header = header(&job);
        assert_eq!((header.version, header.bits, header.time), (2, 0x1D00_FFFF, 0x4966_BC61), "{params}");
    }
    let clean = |tail: &[Value]| {
        let mut params = good.as_array().unwrap()[..8].to_vec();
        params.extend_from_slice(tail);
        let mut peer = Peer::logged_in();
        peer.job(&notify("0", true));
        peer.job(&notify_of(&value!(params))).supersede == Supersede::Discard
    };
    for (tail, want) in [
        (vec![value!(true)], true),
        (vec![value!(1)], true),
        (vec![value!("true")], true),
        (vec![value!(false)], false),
        (vec![value!(0)], false),
        (vec![], false),
        (vec![value!(true), value!(false)], true),
        (vec![value!(false), value!(true)], false),
        (vec![value!("extra"), value!(true)], true),
        (vec![value!("extra")], false),
    ] {
        assert_eq!(clean(&tail), want, "{tail:?}");
    }
}

#[test]
fn job_ids_go_back_as_they_came() {
    let mut peer = Peer::logged_in();
    for id in [r#""x/z\"ü""#, "77", "340282366920938463463374607431768211457", r#""0007""#, "1.50", r#""""#]
    {
        let mut line = notify("ID", false).replace("\"ID\"", id);
        line = line.replace("\"id\":null", "\"id\":12");
        let job = peer.job(&line);
        let out = peer.submitted(&job, 0, 1, [0; 32]);
        let [Out::Line(sent)] = &out[..] else { panic!("{out:?}") };
        assert!(sent.contains(&format!("\"bc1qexample.rig0\",{id},")), "{sent}");
    }
}

#[test]
fn what_makes_older_jobs_worthless() {
    let mut peer = Peer::logged_in();
    peer.job(&notify("1", false));
    assert_eq!(peer.job(&notify("2", false)).supersede, Supersede::Prefer);
    assert_eq!(peer.job(&notify("3", true)).supersede, Supersede::Discard);
    let mut moved_on = params("4", "20000000", false);
    moved_on[1] = value!("11".repeat(32));
    assert_eq!(peer.job(&notify_of(&moved_on)).supersede, Supersede::Discard, "another block before it");
    moved_on[0] = value!("5");
    assert_eq!(peer.job(&notify_of(&moved_on)).supersede, Supersede::Prefer);
    // Shares for what the pool has thrown away are not sent.
    let old = peer.job(&notify("6", true));
    peer.job(&notify("7", true));
    let out = peer.submitted(&old, 0, 1, [0; 32]);
    assert!(matches!(&out[..], [Out::Event(Event::Verdict(_, Verdict::NotSent(NotSent::Stale)))]), "{out:?}");
}

#[test]
fn repeated_jobs() {
    let mut peer = Peer::logged_in();
    let first = peer.job(&notify("1", false));
    peer.silent(&notify("1", false));
    // After a change of difficulty the same job is another one, but its work goes on where it was.
    peer.silent(&difficulty("0.5"));
    let again = peer.job(&notify("1", false));
    assert_ne!((again.key, again.target), (first.key, first.target));
    assert_eq!(again.template.key(), first.template.key());
    // The same name with other content is another job.
    let mut other = params("1", "20000000", false);
    other[7] = value!("4966bc62");
    assert_ne!(peer.job(&notify_of(&other)).template.key(), first.template.key());
    // Said to be clean, it is taken at its word.
    let clean = peer.job(&notify("1", true));
    assert_eq!(clean.supersede, Supersede::Discard);
    // Again it is no news, and shares that are on their way stay good.
    peer.silent(&notify("1", true));
    let out = peer.submitted(&clean, 0, 1, [0; 32]);
    assert!(matches!(&out[..], [Out::Line(_)]), "{out:?}");
}

#[test]
fn difficulties() {
    let mut peer = Peer::logged_in();
    assert_eq!(peer.job(&notify("0", true)).target, target("1"), "until told otherwise");
    for (text, want) in [
        ("512", "512"),
        ("0.001", "0.001"),
        ("1e-3", "0.001"),
        ("\"65536.5\"", "65536.5"),
        ("1.0", "1"),
        ("8192,1", "8192"),
    ] {
        peer.says(&difficulty("99999")).unwrap();
        peer.says(&difficulty(text)).unwrap();
        assert_eq!(
            peer.job(&notify(text, false)).target,
            target(want),
            "{text}: the last before a job counts"
        );
    }
    let mut told = 0;
    for bad in ["0", "-1", "null", "\"x\"", "", "{}", "true", "\"1e5x\"", "1e300", "0.0"] {
        told += match peer.says(&difficulty(bad)) {
            Ok(out) => out.iter().filter(|out| matches!(out, Out::Event(Event::Notice(_)))).count(),
            Err(error) => panic!("{bad}: {error}"),
        };
        assert_eq!(peer.job(&notify(&format!("bad {bad}"), false)).target, target("8192"), "{bad}");
    }
    assert_eq!(told, 1);
}

#[test]
fn targets() {
    let mut peer = Peer::logged_in();
    let set = |text: &str| format!(r#"{{"method":"mining.set_target","params":["{text}"]}}"#);
    let text = "00000000007fff80000000000000000000000000000000000000000000000000";
    peer.silent(&set(text));
    assert_eq!(peer.job(&notify("1", false)).target, target("512"));
    for bad in ["", "00", &"0".repeat(64), &"x".repeat(64)] {
        assert!(peer.fault(&set(bad)).contains("target"), "{bad}");
    }
    assert!(peer.fault(r#"{"method":"mining.set_target","params":[]}"#).contains("missing"));
}

#[test]
fn a_raised_difficulty_reaches_the_current_job_after_two_seconds() {
    let mut peer = Peer::logged_in();
    let old = peer.job(&notify("1", false));
    peer.silent(&difficulty("16"));
    let began = peer.now;
    let job = only_job(peer.tick());
    assert_eq!(peer.now - began, TIGHTEN_AFTER);
    assert_eq!((job.target, job.supersede), (target("16"), Supersede::Prefer));
    assert_eq!(job.template.key(), old.template.key());
    assert_eq!(peer.submit(&job, 0, 1, [0; 32])["params"][1], "1");
    // A late find for the old job is sent only if it is good enough for the new difficulty.
    let mut easy = target("2").to_le_bytes();
    assert!(old.target.is_met_by(&Hash(easy)));
    let out = peer.submitted(&old, 0, 2, easy);
    assert!(matches!(&out[..], [Out::Event(Event::Verdict(_, Verdict::NotSent(_)))]), "{out:?}");
    easy = target("16").to_le_bytes();
    peer.submit(&old, 0, 3, easy);
    assert_eq!(peer.dialect.deadline(), None);

    // With a job in time, that one has it, and the others keep theirs.
    peer.silent(&difficulty("64"));
    let next = peer.job(&notify("2", false));
    assert_eq!((next.target, peer.dialect.deadline()), (target("64"), None));
    peer.submit(&job, 0, 4, target("16").to_le_bytes());
}

#[test]
fn a_lowered_difficulty_waits_for_the_next_job() {
    let mut peer = Peer::logged_in();
    peer.silent(&difficulty("16"));
    peer.job(&notify("1", false));
    peer.silent(&difficulty("4"));
    assert_eq!(peer.dialect.deadline(), None);
    // Up and down again before anything came of it.
    peer.silent(&difficulty("64"));
    assert!(peer.dialect.deadline().is_some());
    peer.silent(&difficulty("8"));
    assert_eq!(peer.dialect.deadline(), None);
    assert_eq!(peer.job(&notify("2", false)).target, target("8"));
}

#[test]
fn extranonces_change_with_the_next_job() {
    let set = |params: &str| format!(r#"{{"id":null,"method":"mining.set_extranonce","params":{params}}}"#);
    let mut peer = Peer::logged_in();
    let old = peer.job(&notify("1", false));
    let seen = |job: &Job| {
        let prefix = &header(job).coinbase_prefix;
        (rminer_algos::encode_hex(&prefix[BLOCK_1[1].len() / 2..]), header(job).extranonce2_len)
    };
    assert_eq!(seen(&old), (EXTRANONCE1.into(), 4));
    for (params, want) in [
        (r#"["0102030405",3]"#, ("0102030405", 3)),
        (r#"["0a"]"#, ("0a", 3)),
        (r#"[null,6]"#, ("0a", 6)),
        (r#"["0b",null]"#, ("0b", 6)),
        ("[]", ("0b", 6)),
        ("null", ("0b", 6)),
        (r#"["",8]"#, ("", 8)),
    ] {
        peer.silent(&set(params));
        // Even if the job repeats the one before by name and content.
        let job = peer.job(&notify("1", false));
        assert_eq!(seen(&job), (want.0.into(), want.1), "{params}");
        assert_eq!(
            peer.submit(&job, 0, 1, [0; 32])["params"][2].as_str().unwrap().len(),
            2 * usize::from(want.1)
        );
    }
    // Its name now stands for another extranonce, so a share of the old job is worth nothing; under a name of its own
    // it has the old extranonce.
    let out = peer.submitted(&old, 0, 1, [0; 32]);
    assert!(matches!(&out[..], [Out::Event(Event::Verdict(_, Verdict::NotSent(NotSent::Stale)))]), "{out:?}");
    let old = peer.job(&notify("old", false));
    peer.silent(&set(r#"["77",8]"#));
    peer.job(&notify("new", false));
    let sent = peer.submit(&old, 0, 1, [0; 32]);
    let rebuilt = server_header(&params("old", "20000000", false), "", &sent, by_bip310);
    assert_eq!(rebuilt, old.template.work(0).unwrap().blob_with(1)[..]);
    for bad in [
        r#"["zz",4]"#,
        r#"["0",4]"#,
        r#"["00",17]"#,
        r#"["00","x"]"#,
        &format!(r#"["{}",4]"#, "0".repeat(66)),
    ] {
        assert!(peer.fault(&set(bad)).contains("extranonce"), "{bad}");
    }
    assert_eq!(seen(&peer.job(&notify("2", false))).0, "77");
    let (mut fresh, _) = Peer::new(config());
    assert!(fresh.fault(&set(r#"["00"]"#)).contains("extranonce2_size"), "there is none yet to keep");

    let mut now = config();
    now.options.apply_extranonce = ApplyExtranonce::Now;
    let mut peer = Peer::with(now, 4);
    peer.job(&notify("1", false));
    let job = peer.job(&set(r#"["0c",5]"#));
    assert_eq!((seen(&job), job.supersede), (("0c".into(), 5), Supersede::Discard));
}

#[test]
fn masks_change_at_any_time() {
    let set = |mask: &str| format!(r#"{{"id":null,"method":"mining.set_version_mask","params":["{mask}"]}}"#);
    let mut peer = Peer::logged_in();
    let first = peer.job(&notify("1", false));
    let mask = |job: &Job| job.template.work(0).unwrap().version_mask();
    assert_eq!(mask(&first), MASK);
    peer.silent(&set("1fffe000"));
    let narrow = peer.job(&set("00ffe000"));
    assert_eq!((mask(&narrow), narrow.supersede), (0x00FF_E000, Supersede::Discard));
    let wide = peer.job(&set("ffffffff"));
    assert_eq!((mask(&wide), wide.supersede), (MASK, Supersede::Prefer), "no more than was asked for");
    assert_ne!(header(&wide).extranonce2_first, header(&first).extranonce2_first, "nothing is hashed twice");
    assert!(peer.fault(&set("x")).contains("mask"));
    assert!(peer.fault(r#"{"method":"mining.set_version_mask","params":[]}"#).contains("mask"));

    // Before any answer, or from a server that answers nothing about it.
    let (mut peer, _) = Peer::new(config());
    peer.silent(&set("1fffe000"));
    peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
    peer.says(AUTHORIZED).unwrap();
    assert_eq!(mask(&peer.job(&notify("1", false))), MASK);
    // From one that was not asked.
    let mut quiet = config();
    quiet.options.version_mask = 0;
    let (mut peer, _) = Peer::new(quiet);
    peer.silent(&set("1fffe000"));
    peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
    peer.says(AUTHORIZED).unwrap();
    let job = peer.job(&notify("1", false));
    assert_eq!(mask(&job), 0);
    assert_eq!(peer.submit(&job, 0, 1, [0; 32])["params"].as_array().unwrap().len(), 5);
}

#[test]
fn bits_of_the_job_are_not_rolled() {
    let mut peer = Peer::logged_in();
    let job = peer.job(&notify_of(&params("1", "32ef0000", false)));
    let work = job.template.work(0).unwrap();
    assert_eq!(work.version_mask(), MASK & !0x32EF_0000);
    let version = u32::from_le_bytes(work.blob()[..4].try_into().unwrap());
    assert_eq!(version, 0x32EF_0000);
}

#[test]
fn small_extranonces_are_told_of_once_and_time_helps_out() {
    for (size, rolls) in [(0, 601), (1, 61 * 256), (2, 61 * 65_536)] {
        let mut peer = Peer::with(config(), size);
        let mut out = peer.says(&notify("1", false)).unwrap();
        let told = out.iter().any(|out| matches!(out, Out::Event(Event::Notice(_))));
        assert_eq!(told, size < 2);
        let job = only_job(out.split_off(out.len() - 1));
        assert!(job.template.work(rolls - 1).is_some() && job.template.work(rolls).is_none(), "{size}");
        assert_eq!(peer.says(&notify("2", false)).unwrap().len(), 1, "told once");
    }
    let mut peer = Peer::with(config(), 3);
    let job = peer.job(&notify("1", false));
    let times: Vec<_> = [0, 1 << 20, (1 << 24) - 1].iter().map(|roll| header(&job).time(*roll)).collect();
    assert_eq!(times, [Some(0x4966_BC61); 3], "the time is the pool's while there is anything else");
}

#[test]
fn connections_start_elsewhere() {
    let first = |seed| {
        let mut peer = Peer::with(BitcoinConfig { seed, ..config() }, 8);
        header(&peer.job(&notify("1", false))).extranonce2_first
    };
    let starts: std::collections::BTreeSet<u64> = (0..100).map(first).collect();
    assert_eq!(starts.len(), 100);
    assert_eq!(first(3), first(3));
}

#[test]
fn heights_and_blocks_are_seen() {
    let mut peer = Peer::logged_in();
    let mut params = params("1", "20000000", true);
    params[2] = value!(format!("01000000010{}ffffffff2503c8d20b", "0".repeat(63)));
    params[6] = value!("1a44b9f2");
    let job = peer.job(&notify_of(&params));
    assert_eq!((job.height, job.block_target), (Some(774_856), Target::from_compact(0x1A44_B9F2)));
    params[6] = value!("00000000");
    assert_eq!(peer.job(&notify_of(&params)).block_target, None);
}
