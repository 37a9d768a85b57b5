//! Logins of servers that each do it in their own way.

use super::*;
use crate::endpoint::Toggle;

#[test]
fn one_request_after_the_other() {
    let (mut peer, sent) = Peer::new(unpipelined());
    assert!(sent.len() == 1 && sent[0].contains("mining.configure"), "{sent:?}");
    let sent = lines(peer.says(CONFIGURED).unwrap());
    assert!(sent.len() == 1 && sent[0].contains("mining.subscribe"), "{sent:?}");
    let sent = lines(peer.says(&subscribed("", 8)).unwrap());
    assert!(sent.len() == 1 && sent[0].contains("mining.authorize"), "{sent:?}");
    let out = peer.says(AUTHORIZED).unwrap();
    assert!(matches!(out[..], [Out::Event(Event::LoggedIn)]));
    assert_eq!(peer.dialect.deadline(), None);
}

#[test]
fn a_plain_login_asks_for_nothing() {
    let (peer, _) = Peer::new(config());
    assert_eq!(peer.dialect.provocation(), Some((Provocation::Extensions, peer.now)));
    let mut peer = Peer { dialect: Bitcoin::new(BitcoinConfig { plain: true, ..config() }), now: peer.now };
    let mut out = Outbox::default();
    peer.dialect.start(peer.now, &mut out);
    let out = out.take();
    assert!(
        matches!(&out[..], [Out::Event(Event::Notice(_)), Out::Line(line)] if line.contains("mining.subscribe"))
    );
    assert_eq!(peer.dialect.provocation(), None);
    let sent = lines(peer.says(&subscribed(EXTRANONCE1, 4).replace("\"id\":2", "\"id\":1")).unwrap());
    assert!(sent.len() == 1 && sent[0].contains("mining.authorize"), "{sent:?}");
}

#[test]
fn a_configure_without_answer_holds_up_nothing() {
    // In a row: after five seconds.
    let (mut peer, _) = Peer::new(unpipelined());
    let began = peer.now;
    let sent = lines(peer.tick());
    assert_eq!(peer.now - began, CONFIGURE_SILENCE);
    assert!(sent.len() == 1 && sent[0].contains("mining.subscribe"), "{sent:?}");
    peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
    peer.says(AUTHORIZED).unwrap();
    let job = peer.job(&notify("1", true));
    assert_eq!(peer.submit(&job, 0, 1, [0; 32])["params"].as_array().unwrap().len(), 5);
    // Its answer after all: the same job again, with bits to roll.
    let job = peer.job(CONFIGURED);
    assert_eq!(job.template.work(0).unwrap().version_mask(), MASK);
    assert_eq!(job.supersede, Supersede::Prefer);
    assert_eq!(peer.submit(&job, 0, 2, [0; 32])["params"].as_array().unwrap().len(), 6);

    // All at once: not at all.
    let (mut peer, _) = Peer::new(config());
    peer.silent(&subscribed(EXTRANONCE1, 4));
    assert_eq!(peer.says(AUTHORIZED).unwrap().len(), 1);
    peer.job(&notify("1", true));
}

#[test]
fn answers_to_configure() {
    let cases = [
        (r#""result":{"version-rolling":true,"version-rolling.mask":"1fffe000"}"#, Some(MASK)),
        (r#""result":{"version-rolling":true,"version-rolling.mask":"ffffffff"}"#, Some(MASK)),
        (r#""result":{"version-rolling":true,"version-rolling.mask":"4000"}"#, Some(0x4000)),
        (r#""result":{"version-rolling":true,"version-rolling.mask":"00000000"}"#, Some(0)),
        (r#""result":{"version-rolling":true}"#, None),
        (r#""result":{"version-rolling":true,"version-rolling.mask":"none"}"#, None),
        (r#""result":{"version-rolling":false,"version-rolling.mask":"1fffe000"}"#, None),
        (r#""result":{"version-rolling":"not here","version-rolling.mask":"1fffe000"}"#, None),
        (r#""result":true"#, None),
        (r#""result":null"#, None),
        (r#""error":[-32601,"Method not found",null]"#, None),
        (r#""error":"unknown""#, None),
    ];
    for (answer, want) in cases {
        let (mut peer, _) = Peer::new(config());
        peer.silent(&format!("{{\"id\":1,{answer}}}"));
        peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
        peer.says(AUTHORIZED).unwrap();
        let job = peer.job(&notify("1", true));
        assert_eq!(job.template.work(0).unwrap().version_mask(), want.unwrap_or(0), "{answer}");
        let sent = peer.submit(&job, 0, 1, [0; 32])["params"].as_array().unwrap().len();
        assert_eq!(sent == 6, want.is_some(), "{answer}");
    }
}

#[test]
fn shapes_of_subscriptions() {
    for (result, extranonce1, size) in [
        (r#"[[["mining.notify","ae68"]],"08000002",4]"#, "08000002", 4),
        (r#"[["mining.notify","ae68"],"08000002",4]"#, "08000002", 4),
        (r#"[[],"08000002","4"]"#, "08000002", 4),
        (r#"[null,"0800000201",3.0]"#, "0800000201", 3),
        (r#"[[["mining.set_difficulty","1"],["mining.notify","1"]],"",8,"more"]"#, "", 8),
    ] {
        let (mut peer, _) = Peer::new(config());
        peer.silent(&format!("{{\"id\":2,\"result\":{result},\"error\":null}}"));
        peer.says(AUTHORIZED).unwrap();
        let job = peer.job(&notify("1", true));
        let Template::Header(header) = &job.template else { panic!() };
        assert_eq!(u64::from(header.extranonce2_len), size, "{result}");
        assert!(header.coinbase_prefix.ends_with(&decode_hex(extranonce1).unwrap()), "{result}");
    }
    for (result, named) in [
        ("true", "no list"),
        ("false", "false"),
        ("{}", "no list"),
        ("[]", "extranonce1"),
        (r#"[[],null,4]"#, "extranonce1"),
        (r#"[[],"0800000",4]"#, "extranonce1"),
        (r#"[[],"zz",4]"#, "extranonce1"),
        (r#"[[],"08000002"]"#, "extranonce2_size"),
        (r#"[[],"08000002",17]"#, "extranonce2_size"),
        (r#"[[],"08000002",-1]"#, "extranonce2_size"),
        (&format!(r#"[[],"{}",4]"#, "00".repeat(33)), "extranonce1"),
    ] {
        let (mut peer, _) = Peer::new(config());
        let mut out = Outbox::default();
        let line = format!("{{\"id\":2,\"result\":{result},\"error\":null}}");
        let fault = peer.dialect.line(peer.now, line.as_bytes(), &mut out).expect_err(result).to_string();
        assert!(fault.contains(named), "{result}: {fault}");
        assert!(matches!(&out.take()[..], [Out::Close(CloseReason::Protocol(_))]), "{result}");
    }
}

#[test]
fn a_refused_subscription_is_tried_plain_once() {
    let (mut peer, _) = Peer::new(config());
    let sent = lines(peer.says(r#"{"id":2,"result":null,"error":[20,"bad params",null]}"#).unwrap());
    assert_eq!(sent, [r#"{"id":4,"method":"mining.subscribe","params":[]}"#]);
    let out = peer.says(r#"{"id":4,"result":null,"error":[20,"still bad",null]}"#).unwrap();
    assert!(
        matches!(&out[..], [Out::Close(CloseReason::LoginRefused(text))] if text == "still bad"),
        "{out:?}"
    );
}

#[test]
fn answers_to_authorize() {
    for yes in
        [r#""result":true"#, r#""result":"OK","error":[]"#, r#""result":{},"error":false"#, r#""result":1"#]
    {
        let (mut peer, _) = Peer::new(config());
        peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
        let out = peer.says(&format!("{{\"id\":\"3\",{yes}}}")).unwrap();
        assert!(matches!(out[..], [Out::Event(Event::LoggedIn)]), "{yes}: {out:?}");
    }
    for (no, words) in [
        (r#""result":false,"error":null"#, "without a reason"),
        (r#""result":null"#, "without a reason"),
        (r#""result":null,"error":[24,"Unauthorized worker",null]"#, "Unauthorized worker"),
        (r#""error":{"code":24,"message":"who?"}"#, "who?"),
        (r#""error":"no such user""#, "no such user"),
        (r#""error":24"#, "24"),
        (r#""result":false,"reject-reason":"Invalid address""#, "Invalid address"),
    ] {
        let (mut peer, _) = Peer::new(config());
        peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
        let out = peer.says(&format!("{{\"id\":3,{no}}}")).unwrap();
        assert!(
            matches!(&out[..], [Out::Close(CloseReason::LoginRefused(text))] if text.contains(words)),
            "{no}: {out:?}"
        );
    }
    let (mut peer, _) = Peer::new(config());
    let out = peer.says(r#"{"id":3,"error":[20,"Your IP is banned",null]}"#).unwrap();
    assert!(matches!(&out[..], [Out::Close(CloseReason::Banned(_))]), "{out:?}");
}

#[test]
fn an_authorize_that_came_too_early_is_sent_again() {
    let (mut peer, _) = Peer::new(config());
    peer.silent(r#"{"id":3,"result":null,"error":[25,"Not subscribed",null]}"#);
    let sent = lines(peer.says(&subscribed(EXTRANONCE1, 4)).unwrap());
    assert!(sent.len() == 1 && sent[0].contains("mining.authorize"), "{sent:?}");
    let out = peer.says(r#"{"id":4,"result":true}"#).unwrap();
    assert!(matches!(out[..], [Out::Event(Event::LoggedIn)]));
}

#[test]
fn an_authorize_without_answer_is_taken_for_a_yes() {
    let (mut peer, _) = Peer::new(config());
    let began = peer.now;
    assert_eq!(peer.dialect.deadline(), None, "a pool that says nothing at all is the session's business");
    peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
    peer.silent(&notify("1", true));
    let out = peer.tick();
    assert_eq!(peer.now - began, AUTHORIZE_SILENCE);
    assert!(
        matches!(
            &out[..],
            [Out::Event(Event::Notice(_)), Out::Event(Event::LoggedIn), Out::Event(Event::Job(_))]
        ),
        "{out:?}"
    );
    assert_eq!(peer.dialect.deadline(), None);
    // A late no is a no all the same.
    let out = peer.says(r#"{"id":3,"result":false}"#).unwrap();
    assert!(matches!(&out[..], [Out::Close(CloseReason::LoginRefused(_))]));
}

#[test]
fn jobs_may_come_before_any_answer() {
    let orders: [&[usize]; 4] = [&[0, 1, 2, 3], &[2, 3, 0, 1], &[0, 2, 3, 1], &[1, 2, 3, 0]];
    for order in orders {
        let (mut peer, _) = Peer::new(config());
        let subscription = subscribed(EXTRANONCE1, 4);
        let (hard, job) = (difficulty("512"), notify("first", true));
        let said = [&*subscription, AUTHORIZED, &hard, &job];
        let mut events = Vec::new();
        for place in order {
            events.extend(peer.says(said[*place]).unwrap());
        }
        let [Out::Event(Event::LoggedIn), Out::Event(Event::Job(_))] = &events[..] else {
            panic!("{order:?}: {events:?}")
        };
        let job = only_job(events.split_off(1));
        assert_eq!(job.target, Target::from_bitcoin_difficulty("512").unwrap(), "{order:?}");
        assert_eq!(peer.submit(&job, 0, 1, [0; 32])["params"][1], "first");
    }
}

#[test]
fn what_is_asked_for_after_the_login() {
    let mut wishes = config();
    wishes.options.suggest_difficulty = Some("0.001".into());
    wishes.extranonce_subscribe = true;
    let (mut peer, _) = Peer::new(wishes);
    peer.says(&subscribed(EXTRANONCE1, 4)).unwrap();
    let mut out = peer.says(AUTHORIZED).unwrap();
    assert!(matches!(out.remove(0), Out::Event(Event::LoggedIn)));
    assert_eq!(
        lines(out),
        [
            r#"{"id":4,"method":"mining.suggest_difficulty","params":[0.001]}"#,
            r#"{"id":5,"method":"mining.extranonce.subscribe","params":[]}"#,
        ]
    );
    let asked = (Provocation::ExtranonceSubscribe, peer.now);
    assert_eq!(peer.dialect.provocation(), Some(asked));
    peer.says(&notify("1", true)).unwrap();
    assert_eq!(peer.dialect.provocation(), Some(asked), "that it speaks of other things says nothing");
    peer.silent(r#"{"id":5,"result":null,"error":[20,"Not supported.",null]}"#);
    assert_eq!(peer.dialect.provocation(), None);
    peer.silent(r#"{"id":4,"result":null,"error":[20,"Not supported.",null]}"#);

    let mut quiet = config();
    quiet.options.version_mask = 0x0001_E000;
    quiet.options.extranonce_subscribe = Toggle::Off;
    let (_, sent) = Peer::new(quiet);
    assert_eq!(
        sent[0],
        r#"{"id":1,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"0001e000","version-rolling.min-bit-count":2}]}"#
    );
}

#[test]
fn questions_of_the_pool() {
    let mut peer = Peer::logged_in();
    for (question, answer) in [
        (
            r#"{"id":7,"method":"client.get_version","params":[]}"#,
            r#"{"id":7,"result":"rminer/0.1.0","error":null}"#,
        ),
        (r#"{"id":"p","method":"mining.ping","params":[]}"#, r#"{"id":"p","result":"pong","error":null}"#),
        (r#"{"id":0,"method":"client.ping"}"#, r#"{"id":0,"result":"pong","error":null}"#),
        (
            r#"{"id":9,"method":"mining.guess","params":[1]}"#,
            r#"{"id":9,"result":null,"error":[20,"Unknown method",null]}"#,
        ),
    ] {
        assert_eq!(lines(peer.says(question).unwrap()), [answer]);
    }
    for silent in [
        r#"{"id":null,"method":"mining.guess","params":[1]}"#.to_owned(),
        r#"{"method":"client.get_version","params":[]}"#.to_owned(),
        r#"{"id":{"a":1},"method":"mining.ping"}"#.to_owned(),
        format!(r#"{{"id":"{}","method":"mining.ping"}}"#, "x".repeat(2000)),
        r#"{"id":99,"result":true,"error":null}"#.to_owned(),
        r#"{"id":2,"result":true,"error":null}"#.to_owned(),
    ] {
        peer.silent(&silent);
    }
    let answers =
        (0..500).map(|id| peer.says(&format!("{{\"id\":{id},\"method\":\"mining.ping\"}}")).unwrap().len());
    assert!(answers.sum::<usize>() <= MAX_ANSWERED, "a flood of questions is not answered with a flood");
}

#[test]
fn messages_to_people_and_ways_elsewhere() {
    let mut peer = Peer::logged_in();
    let out = peer.says(r#"{"id":5,"method":"client.show_message","params":["\u001b[31mhello"]}"#).unwrap();
    assert!(matches!(&out[..], [Out::Event(Event::Notice(text))] if text == "\\u{1b}[31mhello"));
    let shown =
        (0..100).map(|_| peer.says(r#"{"method":"client.show_message","params":["x"]}"#).unwrap().len());
    assert!(shown.sum::<usize>() < MAX_SHOWN);
    for (params, want) in [
        ("[]", Redirect { host: None, port: None, wait_s: 0 }),
        (r#"["",0]"#, Redirect { host: None, port: Some(0), wait_s: 0 }),
        (
            r#"["eu.pool.example","4444",9]"#,
            Redirect { host: Some("eu.pool.example".into()), port: Some(4444), wait_s: 9 },
        ),
        ("null", Redirect { host: None, port: None, wait_s: 0 }),
    ] {
        let out =
            peer.says(&format!(r#"{{"id":null,"method":"client.reconnect","params":{params}}}"#)).unwrap();
        assert!(matches!(&out[..], [Out::Event(Event::Redirect(redirect))] if *redirect == want), "{params}");
    }
    assert!(matches!(peer.says("HTTP/1.1 400 Bad Request"), Err(ProtocolError::NotJson(_))));
}
