use super::*;
use crate::dialect::wire::MAX_PENDING;
use serde_json::json as value;

#[test]
fn a_share_is_sent_as_the_bridge_took_it() {
    let (mut peer, job) = Peer::mining();
    let share = peer.submitted(&job, 0, BRIDGE_NONCE, hash(BRIDGE_POW));
    assert_eq!(
        peer::lines(share),
        [r#"{"id":3,"method":"mining.submit","params":["kaspa:qqexample.rig0","7","0000000000000cad"]}"#]
    );
    let out = peer.says(r#"{"id":3,"result":true}"#).unwrap();
    assert!(
        matches!(out[..], [Out::Event(Event::Verdict(ShareId(BRIDGE_NONCE), Verdict::Accepted))]),
        "{out:?}"
    );
}

#[test]
fn job_ids_go_back_as_they_came() {
    for id in ["7", "\"7\"", "\"\\u0061\"", "\"0007\"", "18446744073709551616", "1.0"] {
        let mut peer = Peer::logged_in();
        let job = peer.job(&notify("ID", 7, 1000).replace("\"ID\"", id));
        let out = peer.submitted(&job, 0, 1, [0; 32]);
        let [Out::Line(line)] = &out[..] else { panic!("{out:?}") };
        assert!(line.contains(&format!(",{id},\"0000000000000001\"]")), "{line}");
    }
}

#[test]
fn verdicts_of_every_server() {
    let rejected = |kind, text: &str| Verdict::Rejected { kind, text: text.into() };
    let low = |text: &str| rejected(Reject::LowDifficulty, text);
    let other = |text: &str| rejected(Reject::Other, text);
    for (answer, verdict) in [
        (r#""result":true"#, Verdict::Accepted),
        (r#""result":true,"error":null"#, Verdict::Accepted),
        (r#""result":true,"error":"null""#, Verdict::Accepted),
        (r#""error":[20,"Unknown problem",null]"#, other("Unknown problem")),
        (r#""error":[21,"Job not found",null]"#, rejected(Reject::Stale, "Job not found")),
        (r#""error":[22,"Duplicate share",null]"#, rejected(Reject::Duplicate, "Duplicate share")),
        (r#""error":[23,"Invalid difficulty",null]"#, low("Invalid difficulty")),
        (r#""result":"null","error":[23,"Invalid difficulty"]"#, low("Invalid difficulty")),
        (r#""result":null,"error":{"message":"invalid difficulty"}"#, low("invalid difficulty")),
        (r#""result":"null""#, other("refused without a reason")),
        (r#""result":false"#, other("refused without a reason")),
    ] {
        let (mut peer, job) = Peer::mining();
        let (seen, rest) = peer.judged(&job, 5, answer);
        assert_eq!(seen, verdict, "{answer}");
        assert!(rest.is_empty(), "{answer}: {rest:?}");
    }
}

#[test]
fn answers_that_end_the_session() {
    for answer in [
        r#""error":[25,"Not subscribed",null]"#,
        r#""error":[30,"invalid extranonce",null]"#,
        r#""error":[20,"nonce out of range",null]"#,
        r#""error":"Invalid extranonce""#,
    ] {
        let (mut peer, job) = Peer::mining();
        let (verdict, rest) = peer.judged(&job, 5, answer);
        assert!(matches!(verdict, Verdict::Rejected { .. }));
        assert!(matches!(rest[..], [Out::Close(CloseReason::SessionExpired)]), "{answer}: {rest:?}");
    }
    let (mut peer, job) = Peer::mining();
    let (_, rest) = peer.judged(&job, 5, r#""error":[24,"Unauthorized worker",null]"#);
    assert_eq!(
        peer::lines(rest),
        [r#"{"id":4,"method":"mining.authorize","params":["kaspa:qqexample.rig0","x"]}"#]
    );
    peer.silent(r#"{"id":4,"result":true}"#);
    let (_, rest) = peer.judged(&job, 6, r#""error":[24,"Unauthorized worker",null]"#);
    assert!(matches!(&rest[..], [Out::Close(CloseReason::LoginRefused(_))]), "{rest:?}");
    let (_, rest) = peer.judged(&job, 7, r#""error":[20,"you are banned",null]"#);
    assert!(matches!(&rest[..], [Out::Close(CloseReason::Banned(_))]), "{rest:?}");
}

#[test]
fn recent_jobs_are_still_sent_for() {
    let (mut peer, first) = Peer::mining();
    for more in 1..u64::try_from(JOB_RING).unwrap() {
        peer.job(&notify(&format!("{}", 7 + more), 8, BRIDGE_TIME_MS + more));
    }
    let sent = peer.submit(&first, 0, 1, [0; 32]);
    assert_eq!(sent["params"], value!(["kaspa:qqexample.rig0", "7", "0000000000000001"]));
    peer.job(&notify("99", 9, BRIDGE_TIME_MS + 1000));
    assert!(matches!(peer.submitted(&first, 0, 2, [0; 32])[..], [Out::Event(Event::Verdict(..))]));
    assert_eq!(peer.dialect.jobs.len(), JOB_RING);
}

#[test]
fn a_raised_difficulty_drops_shares_below_it_at_once() {
    let (mut peer, job) = Peer::mining();
    peer.silent(&difficulty("1"));
    let below = peer.submitted(&job, 0, BRIDGE_NONCE, hash(BRIDGE_POW));
    assert!(
        matches!(below[..], [Out::Event(Event::Verdict(_, Verdict::NotSent(NotSent::Stale)))]),
        "{below:?}"
    );
    assert_eq!(peer.submit(&job, 0, 7, difficulty_1().to_le_bytes())["params"][1], "7");
    // Lowered again before any job came: the job's own target counts, and the session has seen to that.
    peer.silent(&difficulty("0.000001"));
    assert_eq!(peer.submit(&job, 0, BRIDGE_NONCE, hash(BRIDGE_POW))["params"][1], "7");
}

#[test]
fn many_shares_without_an_answer_end_it() {
    let (mut peer, job) = Peer::mining();
    let silence = |peer: &mut Peer, nonce| {
        peer.submit(&job, 0, nonce, [0; 32]);
        let mut out = Outbox::default();
        peer.dialect.timed_out(ShareId(nonce), &mut out);
        out.take()
    };
    // One in five is borne for ever.
    for nonce in 0..200 {
        if nonce % 5 == 0 {
            assert!(silence(&mut peer, nonce).is_empty(), "{nonce}");
        } else {
            peer.dialect.count_answer(true);
        }
    }
    // The last one of the two hundred and this one are in place of one that has left the window.
    assert!(silence(&mut peer, 1000).is_empty());
    let out = silence(&mut peer, 1001);
    assert!(matches!(out[..], [Out::Close(CloseReason::SharesUnanswered { shares: 11, of: 50 })]), "{out:?}");
}

#[test]
fn late_and_unknown_answers() {
    let (mut peer, job) = Peer::mining();
    peer.submit(&job, 0, 1, [0; 32]);
    peer.dialect.timed_out(ShareId(1), &mut Outbox::default());
    let out = peer.says(r#"{"id":3,"result":true}"#).unwrap();
    assert!(matches!(out[..], [Out::Event(Event::Verdict(ShareId(1), Verdict::Accepted))]));
    peer.silent(r#"{"id":3,"result":true}"#);
    for nonce in 0..2000 {
        peer.submit(&job, 0, nonce, [0; 32]);
    }
    assert_eq!(peer.dialect.requests.len(), MAX_PENDING);
}
