//! Answers to shares in every shape, and what is done about them.

use super::*;
use crate::endpoint::VersionBits;
use Reject::*;

fn mining() -> (Peer, Job) {
    let mut peer = Peer::logged_in();
    let job = peer.job(&notify("1", true));
    (peer, job)
}

#[test]
fn accepted() {
    for answer in [
        r#""result":true,"error":null"#,
        r#""result":true"#,
        r#""result":true,"error":[]"#,
        r#""result":true,"error":false"#,
        r#""result":"OK""#,
        r#""result":{"status":"OK"},"error":null"#,
        r#""jsonrpc":"2.0","result":1"#,
        r#""result":true,"reject-reason":null"#,
    ] {
        let (mut peer, job) = mining();
        assert_eq!(peer.judged(&job, 1, answer).0, Verdict::Accepted, "{answer}");
    }
}

#[test]
fn refused() {
    let cases = [
        (r#""result":null,"error":[21,"Job not found",null]"#, Stale),
        (r#""result":null,"error":[22,"Duplicate share",null]"#, Duplicate),
        (r#""result":false,"error":[23,"Low difficulty share",null]"#, LowDifficulty),
        (r#""error":[24,"Unauthorized worker",null]"#, Unauthorized),
        (r#""error":[25,"Not subscribed",null]"#, Unauthorized),
        (r#""error":[20,"Other/Unknown",null]"#, Other),
        (r#""error":{"code":21,"message":"Job not found"}"#, Stale),
        (r#""error":{"code":-1,"message":"Share above target"}"#, LowDifficulty),
        (r#""error":{"message":"duplicate"}"#, Duplicate),
        (r#""error":"high-hash""#, LowDifficulty),
        (r#""error":"Stale share""#, Stale),
        (r#""error":23"#, LowDifficulty),
        (r#""error":[-2,"job outdated"]"#, Stale),
        (r#""error":["H-not-zero"]"#, LowDifficulty),
        (r#""error":[20,"Too many low difficulty shares"]"#, LowDifficulty),
        (r#""result":false,"error":null,"reject-reason":"Stale""#, Stale),
        (r#""result":false,"error":null,"reject-reason":"Invalid JobID""#, Stale),
        (r#""result":false,"error":null,"reject-reason":"Duplicate""#, Duplicate),
        (r#""result":false,"error":null,"reject-reason":"Above target""#, LowDifficulty),
        (r#""result":false,"error":null,"reject-reason":"Ntime out of range""#, Other),
        (r#""result":false,"error":null"#, Other),
        (r#""result":null,"error":null"#, Other),
        (r#""result":0"#, Other),
    ];
    for (answer, want) in cases {
        let (mut peer, job) = mining();
        let (verdict, _) = peer.judged(&job, 1, answer);
        assert!(
            matches!(&verdict, Verdict::Rejected { kind, text } if *kind == want && !text.is_empty()),
            "{answer}: {verdict:?}"
        );
    }
}

#[test]
fn what_is_done_about_a_refusal() {
    let (mut peer, job) = mining();
    let (_, out) = peer.judged(&job, 1, r#""error":[25,"Not subscribed",null]"#);
    assert!(matches!(&out[..], [Out::Close(CloseReason::SessionExpired)]), "{out:?}");

    let (mut peer, job) = mining();
    let (_, out) = peer.judged(&job, 1, r#""error":[20,"You are banned",null]"#);
    assert!(matches!(&out[..], [Out::Close(CloseReason::Banned(_))]), "{out:?}");

    // Logs in once more, and gives up if that does not help.
    let (mut peer, job) = mining();
    let (_, out) = peer.judged(&job, 1, r#""error":[24,"Unauthorized worker",null]"#);
    assert!(matches!(&out[..], [Out::Line(line)] if line.contains("mining.authorize")), "{out:?}");
    let (_, out) = peer.judged(&job, 2, r#""error":[24,"Unauthorized worker",null]"#);
    assert!(matches!(&out[..], [Out::Close(CloseReason::LoginRefused(_))]), "{out:?}");

    // Somebody had this extranonce before: on elsewhere, once for each job.
    let (mut peer, job) = mining();
    let (_, out) = peer.judged(&job, 1, r#""error":[22,"Duplicate share",null]"#);
    let moved = only_job(out);
    assert_ne!(moved.template.key(), job.template.key());
    assert_eq!((moved.target, moved.supersede), (job.target, Supersede::Prefer));
    assert!(peer.judged(&moved, 2, r#""error":[22,"Duplicate share",null]"#).1.is_empty());
}

#[test]
fn three_stale_answers_for_the_newest_job_end_the_session() {
    let (mut peer, old) = mining();
    let job = peer.job(&notify("2", false));
    let stale = r#""error":[21,"Job not found",null]"#;
    for nonce in 1..=5 {
        assert!(peer.judged(&old, nonce, stale).1.is_empty(), "an old job may well be stale");
    }
    assert!(peer.judged(&job, 11, stale).1.is_empty());
    assert!(peer.judged(&job, 12, r#""result":true"#).1.is_empty());
    assert!(peer.judged(&job, 13, stale).1.is_empty());
    assert!(peer.judged(&job, 14, stale).1.is_empty());
    let (_, out) = peer.judged(&job, 15, stale);
    assert!(matches!(&out[..], [Out::Close(CloseReason::StaleShares)]), "{out:?}");
}

#[test]
fn a_server_that_reads_the_bits_as_a_difference_is_found_out() {
    let job_params = params("1", "32ef0000", true);
    let mut peer = Peer::logged_in();
    let job = peer.job(&notify_of(&job_params));
    let work = job.template.work(0).unwrap();
    let mut notices = 0;
    let mut last = Verdict::Accepted;
    for counter in 1..=4 {
        let nonce = work.nonce(counter);
        let sent = peer.submit(&job, 0, nonce, [0; 32]);
        let seen = server_header(&job_params, EXTRANONCE1, &sent, |version, bits| version ^ bits);
        let right = seen == work.blob_with(nonce)[..];
        let answer = if right { "\"result\":true" } else { "\"error\":[23,\"low difficulty\",null]" };
        let out = peer.says(&format!("{{\"id\":{},{answer}}}", sent["id"])).unwrap();
        for out in out {
            match out {
                Out::Event(Event::Notice(_)) => notices += 1,
                Out::Event(Event::Verdict(_, verdict)) => last = verdict,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((last, notices), (Verdict::Accepted, 1));

    // Configured from the start, it is right from the start.
    let mut xor = config();
    xor.options.version_bits = VersionBits::Xor;
    let mut peer = Peer::with(xor, 4);
    let job = peer.job(&notify_of(&job_params));
    let sent = peer.submit(&job, 0, work.nonce(3), [0; 32]);
    let seen = server_header(&job_params, EXTRANONCE1, &sent, |version, bits| version ^ bits);
    assert_eq!(seen, job.template.work(0).unwrap().blob_with(work.nonce(3))[..]);
}

#[test]
fn late_and_unknown_answers() {
    let (mut peer, job) = mining();
    let id = peer.submit(&job, 0, 1, [0; 32])["id"].clone();
    peer.dialect.timed_out(ShareId(1), &mut Outbox::default());
    let answer = format!("{{\"id\":{id},\"result\":true}}");
    assert!(matches!(
        peer.says(&answer).unwrap()[..],
        [Out::Event(Event::Verdict(ShareId(1), Verdict::Accepted))]
    ));
    peer.silent(&answer);
    for nonce in 0..2000 {
        peer.submit(&job, 0, nonce, [0; 32]);
    }
    assert_eq!(peer.dialect.requests.len(), crate::dialect::wire::MAX_PENDING);
}

#[test]
fn what_is_sent_fits_the_shortest_buffer_of_a_server() {
    let mut long = config();
    long.user = "u".repeat(512);
    let mut peer = Peer::with(long, 16);
    let id = "i".repeat(254);
    let job = peer.job(&notify(&id, true));
    let work = job.template.work(0).unwrap();
    let out = peer.submitted(&job, 0, work.nonce(work.last_counter()), [0; 32]);
    let [Out::Line(line)] = &out[..] else { panic!("{out:?}") };
    assert!(line.len() < 1024, "{} bytes", line.len());
}
