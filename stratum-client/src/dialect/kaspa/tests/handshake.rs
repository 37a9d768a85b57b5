use std::time::Duration;

use super::*;

#[test]
fn both_requests_go_out_together() {
    let (_, sent) = Peer::connect(Kaspa::new(config()));
    assert_eq!(
        sent,
        [
            r#"{"id":1,"method":"mining.subscribe","params":["rminer/0.1.0","EthereumStratum/1.0.0"]}"#,
            r#"{"id":2,"method":"mining.authorize","params":["kaspa:qqexample.rig0","x"]}"#,
        ]
    );
}

#[test]
fn what_the_bridge_of_rusty_kaspa_says() {
    let (_, job) = Peer::mining();
    let wanted = decode_hex(BRIDGE_HASH).unwrap();
    let nonce = BRIDGE_NONCE.to_le_bytes();
    let blob = blob(&job, BRIDGE_NONCE);
    assert_eq!(blob[..], [&wanted[..], &BRIDGE_TIME_MS.to_le_bytes(), &[0; 32], &nonce].concat());
    assert_eq!(fixed_and_free(&job), (0, 48));
    assert_eq!(job.target, Target::from_bitcoin_difficulty("0.000019073486328125").unwrap());
    assert!(job.target.is_met_by(&rminer_algos::Hash(hash(BRIDGE_POW))));
    assert_eq!((job.supersede, job.height, job.block_target), (Supersede::Prefer, None, None));
}

/// Everything that is said between the two requests and the first job, in the ways of different servers.
#[test]
fn logins_in_every_shape() {
    let cases: [(&str, &[&str], (u64, u8)); 12] = [
        ("no extranonce", &[SUBSCRIBED, AUTHORIZED], (0, 64)),
        (
            "with error:null",
            &[r#"{"id":1,"result":[true,"EthereumStratum/1.0.0"],"error":null}"#, AUTHORIZED],
            (0, 64),
        ),
        (
            "miningcore",
            &[
                r#"{"jsonrpc":"2.0","id":1,"result":[true,"KaspaStratum/1.0.0"]}"#,
                r#"{"jsonrpc":"2.0","method":"set_extranonce","params":["00ab"]}"#,
                AUTHORIZED,
            ],
            (0x00ab << 48, 48),
        ),
        (
            "old bridge, with the size",
            &[SUBSCRIBED, AUTHORIZED, r#"{"id":1,"method":"set_extranonce","params":["00ab",6]}"#],
            (0x00ab << 48, 48),
        ),
        ("in the result", &[r#"{"id":1,"result":[null,"0102",6]}"#, AUTHORIZED], (0x0102 << 48, 48)),
        ("empty in the result", &[r#"{"id":1,"result":[null,"",8]}"#, AUTHORIZED], (0, 64)),
        (
            "empty in a message",
            &[SUBSCRIBED, AUTHORIZED, r#"{"method":"mining.set_extranonce","params":["",8]}"#],
            (0, 64),
        ),
        ("true", &[r#"{"id":1,"result":true}"#, AUTHORIZED], (0, 64)),
        (
            "a message in place of the answer",
            &[r#"{"id":1,"method":"set_extranonce","params":["0029",6]}"#, AUTHORIZED],
            (0x0029 << 48, 48),
        ),
        (
            "a text under params",
            &[
                r#"{"id":1,"result":[true,"EthereumStratum/1.0.0"],"error":null}"#,
                r#"{"id":2,"params":"mining.authorize","result":true}"#,
                r#"{"id":1,"method":"mining.set_extranonce","params":["0a0b0c0d"]}"#,
            ],
            (0x0a0b_0c0d << 32, 32),
        ),
        (
            "nothing for the subscription",
            &[AUTHORIZED, r#"{"method":"set_extranonce","params":["ff",7]}"#],
            (0xff << 56, 56),
        ),
        ("the login first", &[AUTHORIZED, SUBSCRIBED], (0, 64)),
    ];
    for (name, said, field) in cases {
        let mut peer = Peer::new();
        let mut logins = 0;
        for line in said {
            let out = peer.says(line).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            logins += out.iter().filter(|out| matches!(out, Out::Event(Event::LoggedIn))).count();
        }
        assert_eq!(logins, 1, "{name}");
        assert_eq!(fixed_and_free(&peer.job(&notify("1", 7, 1000))), field, "{name}");
    }
}

#[test]
fn what_is_no_extranonce_in_a_result_is_none() {
    for result in [
        "[true]",
        r#"[true,"abcd"]"#,
        r#"[true,"EthereumStratum/1.0.0",6]"#,
        r#"[null,"00ab",9]"#,
        r#"[null,"0011223344556677",0]"#,
        r#"[null,11,6]"#,
        "[]",
        r#"{"x":1}"#,
        r#""yes""#,
    ] {
        let mut peer = Peer::new();
        peer.silent(&format!("{{\"id\":1,\"result\":{result}}}"));
        peer.says(AUTHORIZED).unwrap();
        assert_eq!(fixed_and_free(&peer.job(&notify("1", 7, 1000))), (0, 64), "{result}");
    }
}

#[test]
fn a_refused_subscription_is_tried_plain() {
    let mut peer = Peer::new();
    let out = peer.says(r#"{"id":1,"error":[20,"unknown protocol",null]}"#).unwrap();
    assert_eq!(peer::lines(out), [r#"{"id":3,"method":"mining.subscribe","params":["rminer/0.1.0"]}"#]);
    let out = peer.says(r#"{"id":3,"error":[20,"go away",null]}"#).unwrap();
    assert!(
        matches!(&out[..], [Out::Close(CloseReason::LoginRefused(text))] if text == "go away"),
        "{out:?}"
    );
}

#[test]
fn refused_logins() {
    for (answer, reason) in [
        (
            r#""error":[24,"Unauthorized worker",null]"#,
            CloseReason::LoginRefused("Unauthorized worker".into()),
        ),
        (r#""result":false"#, CloseReason::LoginRefused("refused without a reason".into())),
        (r#""result":"null","error":"null""#, CloseReason::LoginRefused("refused without a reason".into())),
        (r#""error":"IP banned""#, CloseReason::Banned("IP banned".into())),
    ] {
        let mut peer = Peer::new();
        let out = peer.says(&format!("{{\"id\":2,{answer}}}")).unwrap();
        assert!(matches!(&out[..], [Out::Close(why)] if *why == reason), "{answer}: {out:?}");
    }
}

#[test]
fn a_login_without_an_answer() {
    let mut peer = Peer::new();
    peer.silent(SUBSCRIBED);
    let started = peer.now;
    let out = peer.tick();
    assert_eq!(peer.now, started + Duration::from_secs(5));
    let [Out::Close(reason)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(*reason, CloseReason::LoginIgnored(Duration::from_secs(5)));
    assert!(reason.to_string().contains("wallet address"), "{reason}");

    // Where there is a job, the login was taken.
    let mut peer = Peer::new();
    peer.silent(&notify("1", 7, 1000));
    let mut out = peer.tick();
    assert!(matches!(out[..2], [Out::Event(Event::Notice(_)), Out::Event(Event::LoggedIn)]), "{out:?}");
    let job = only_job(out.split_off(2));
    assert_eq!(blob(&job, 0)[..32], [7; 32]);
    assert_eq!(peer.dialect.deadline(), None);
    peer.silent(AUTHORIZED);

    let (peer, _) = Peer::connect(Kaspa::new(KaspaConfig { patience: 3, ..config() }));
    assert_eq!(peer.dialect.deadline(), Some(peer.now + Duration::from_secs(15)));
}

#[test]
fn a_job_before_the_login_is_kept() {
    let mut peer = Peer::new();
    peer.silent(&notify("1", 6, 999));
    peer.silent(&notify("2", 7, 1000));
    peer.silent(&extranonce("\"00ab\""));
    let mut out = peer.says(AUTHORIZED).unwrap();
    assert!(matches!(out[0], Out::Event(Event::LoggedIn)));
    let job = only_job(out.split_off(1));
    assert_eq!((blob(&job, 0)[0], fixed_and_free(&job)), (7, (0x00ab << 48, 48)));
}

#[test]
fn notifications_are_never_answers_nor_questions() {
    let mut peer = Peer::new();
    // With the numbers of our own requests, as some servers send them.
    peer.silent(r#"{"id":1,"method":"mining.set_difficulty","params":[4096.0]}"#);
    peer.silent(&notify("1", 7, 1000).replacen('{', "{\"id\":2,", 1));
    peer.silent(r#"{"id":3,"method":"mining.ping","params":[]}"#);
    peer.silent(r#"{"id":2,"method":"client.get_version"}"#);
    let out = peer.says(AUTHORIZED).unwrap();
    assert_eq!(out.len(), 2, "login and job: {out:?}");
    assert!(matches!(out[0], Out::Event(Event::LoggedIn)));
}

#[test]
fn messages_to_people_and_redirects() {
    let mut peer = Peer::logged_in();
    let said =
        |peer: &mut Peer| peer.says(r#"{"method":"client.show_message","params":["\u001b[31mhi"]}"#).unwrap();
    let out = said(&mut peer);
    assert!(matches!(&out[..], [Out::Event(Event::Notice(text))] if text == "\\u{1b}[31mhi"), "{out:?}");
    assert_eq!((0..100).map(|_| said(&mut peer).len()).sum::<usize>(), MAX_SHOWN - 1);
    let out = peer.says(r#"{"method":"client.reconnect","params":["other.example","5555","3"]}"#).unwrap();
    let wanted = Redirect { host: Some("other.example".into()), port: Some(5555), wait_s: 3 };
    assert!(matches!(&out[..], [Out::Event(Event::Redirect(redirect))] if *redirect == wanted), "{out:?}");
}

#[test]
fn unknown_replies_change_nothing() {
    let mut peer = Peer::logged_in();
    for line in [
        r#"{"id":99,"result":true}"#,
        r#"{"id":2,"result":false}"#,
        r#"{"id":null,"error":[20,"x",null]}"#,
        r#"{"id":"abc","result":true}"#,
        "{}",
        r#"{"method":7}"#,
        r#"{"id":1,"method":"mining.hum","params":[[[[]]]]}"#,
    ] {
        peer.silent(line);
    }
    assert!(peer.fault("HTTP/1.1 400 Bad Request").contains("HTTP/1.1"));
}
