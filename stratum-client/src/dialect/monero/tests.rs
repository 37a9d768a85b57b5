use std::sync::Arc;

use proptest::prelude::*;
use rminer_algos::registry::{RANDOMX, RANDOMX_V2};
use rminer_algos::{Hash, Template, decode_hex_array};

use super::*;
use crate::dialect::Out;
use crate::dialect::Redirect;
use crate::dialect::wire::{MAX_PENDING, REMEMBERED};
use crate::job::{Job, Supersede};
use crate::ledger::Reject;

const BLOB: &str = "1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb00000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201";
const SEED: &str = "418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3";
const HASH: &str = "c2f157e1872a86cb9bc0c97a72b0cabfe9c5a336e7c59a29226025b6a9d5ce00";

fn config() -> MoneroConfig {
    MoneroConfig {
        login: "WALLET".into(),
        pass: "x".into(),
        rig_id: Some("rig0".into()),
        agent: "rminer/0.1.0 (Linux x86_64)".into(),
        algorithm: &RANDOMX,
        also: vec![&RANDOMX_V2],
        nicehash: None,
        keepalive: true,
    }
}

fn job_json(id: &str, blob: &str, target: &str) -> String {
    format!(
        "{{\"blob\":\"{blob}\",\"job_id\":{id},\"target\":\"{target}\",\"algo\":\"rx/0\",\"height\":11,\"seed_hash\":\"{SEED}\"}}"
    )
}

fn login_reply(job: &str) -> String {
    format!(
        "{{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{{\"id\":\"8f1c02d4\",\"job\":{job},\"extensions\":[\"algo\",\"keepalive\"],\"status\":\"OK\"}}}}"
    )
}

struct Peer {
    dialect: Monero,
    now: Instant,
}

impl Peer {
    fn new(config: MoneroConfig) -> (Self, String) {
        let mut peer = Self { dialect: Monero::new(config), now: Instant::now() };
        let mut out = Outbox::default();
        peer.dialect.start(peer.now, &mut out);
        let [Out::Line(login)] = &out.take()[..] else { panic!("one login line") };
        (peer, login.clone())
    }

    fn logged_in() -> Self {
        let (mut peer, _) = Self::new(config());
        let out = peer.says(&login_reply(&job_json("\"0f2c\"", BLOB, "14ae4701"))).unwrap();
        assert!(matches!(out[..], [Out::Event(Event::LoggedIn), Out::Event(Event::Job(_))]));
        peer
    }

    fn says(&mut self, line: &str) -> Result<Vec<Out>, ProtocolError> {
        let mut out = Outbox::default();
        self.dialect.line(self.now, line.as_bytes(), &mut out)?;
        Ok(out.take())
    }

    fn submit(&mut self, job: &Job, nonce: u64) -> Vec<Out> {
        self.submit_hash(job, nonce, HASH)
    }

    fn submit_hash(&mut self, job: &Job, nonce: u64, hash: &str) -> Vec<Out> {
        let share = Share {
            job: Arc::new(job.clone()),
            roll: 0,
            nonce,
            hash: Hash(decode_hex_array(hash).unwrap()),
            device: 0,
            found: self.now,
        };
        let mut out = Outbox::default();
        self.dialect.submit(self.now, ShareId(7), &share, &mut out);
        out.take()
    }

    fn answer(&mut self, line: &str) -> (Verdict, Option<CloseReason>) {
        let mut out = self.says(line).unwrap();
        let close = match out.iter().position(|out| matches!(out, Out::Close(_))).map(|at| out.remove(at)) {
            Some(Out::Close(reason)) => Some(reason),
            _ => None,
        };
        let [Out::Event(Event::Verdict(ShareId(7), verdict))] = &out[..] else { panic!("{out:?}") };
        (verdict.clone(), close)
    }
}

fn only_job(mut out: Vec<Out>) -> Job {
    match out.pop() {
        Some(Out::Event(Event::Job(new))) => new.into_job(1, 0, Instant::now()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn transcript() {
    let (mut peer, login) = Peer::new(config());
    assert_eq!(
        login,
        r#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"WALLET","pass":"x","agent":"rminer/0.1.0 (Linux x86_64)","rigid":"rig0","algo":["rx/0","rx/2"]}}"#
    );
    let first = only_job(peer.says(&login_reply(&job_json("\"0f2c\"", BLOB, "14ae4701"))).unwrap());
    assert_eq!(first.height, Some(11));
    assert_eq!(first.supersede, Supersede::Prefer);
    assert!(first.target.is_met_by(&Hash(decode_hex_array(HASH).unwrap())));
    let out = peer.submit(&first, 18);
    let [Out::Line(submit)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(
        *submit,
        format!(
            r#"{{"id":2,"jsonrpc":"2.0","method":"submit","params":{{"id":"8f1c02d4","job_id":"0f2c","nonce":"12000000","result":"{HASH}","algo":"rx/0"}}}}"#
        )
    );
    assert_eq!(
        peer.answer(r#"{"id":2,"jsonrpc":"2.0","error":null,"result":{"status":"OK"}}"#),
        (Verdict::Accepted, None)
    );
    assert!(peer.says(r#"{"id":2,"result":{"status":"OK"}}"#).unwrap().is_empty(), "answered twice");
    assert!(peer.says(r#"{"id":99,"result":{"status":"OK"}}"#).unwrap().is_empty(), "never asked");
}

fn job_line(job: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"job\",\"params\":{job}}}")
}

/// The job of the block with its algorithm named otherwise.
fn job_of(algorithm: &str) -> String {
    job_json("\"0f2c\"", BLOB, "14ae4701").replace("rx/0", algorithm)
}

/// Hash and commitment of the block with nonce 18 are the reference implementation's.
#[test]
fn the_second_version_sends_its_commitment() {
    let hash = "6e946dc0db87c31540ab74d54c60b98299cd709505c1b197bc3a223d24ba5aae";
    let commitment = "8ee27aa88a199023ab86a4bfcb09aa53decd9e18711e0b8257b1371f9c4d1965";
    let mut peer = Peer::logged_in();
    for name in ["rx/2", "RX/v2", " randomx/v2 "] {
        let job = only_job(peer.says(&job_line(&job_of(name))).unwrap());
        assert_eq!(job.algorithm, &RANDOMX_V2, "{name}");
        let out = peer.submit_hash(&job, 18, hash);
        let [Out::Line(submit)] = &out[..] else { panic!("{out:?}") };
        let submit: serde_json::Value = serde_json::from_str(submit).unwrap();
        let params = &submit["params"];
        assert_eq!(
            (&params["nonce"], &params["result"], &params["commitment"], &params["algo"]),
            (&"12000000".into(), &commitment.into(), &hash.into(), &"rx/2".into())
        );
        // And back again: the first version has no such field.
        let job = only_job(peer.says(&job_line(&job_of("rx/0"))).unwrap());
        assert_eq!(job.algorithm, &RANDOMX);
        let out = peer.submit(&job, 18);
        let [Out::Line(submit)] = &out[..] else { panic!("{out:?}") };
        assert!(submit.contains(HASH) && !submit.contains("commitment"), "{submit}");
    }
}

/// A share is for the job that it was found on, whatever came after.
#[test]
fn shares_keep_the_version_of_their_job() {
    let mut peer = Peer::logged_in();
    let second = only_job(peer.says(&job_line(&job_of("rx/2"))).unwrap());
    let first = only_job(peer.says(&job_line(&job_of("rx/0").replace("0f2c", "0f2d"))).unwrap());
    for (job, name, has_commitment) in [(&second, "rx/2", true), (&first, "rx/0", false)] {
        let out = peer.submit(job, 18);
        let [Out::Line(submit)] = &out[..] else { panic!("{out:?}") };
        assert!(submit.contains(name), "{submit}");
        assert_eq!(submit.contains("commitment"), has_commitment, "{submit}");
    }
}

proptest! {
    /// Whatever order versions come in and whichever job a share is for: its fields are those of its own job.
    #[test]
    fn versions_in_any_order(
        turns in proptest::collection::vec((0usize..5, any::<u32>(), 0usize..8, any::<[u8; 32]>()), 1..30),
    ) {
        let names = ["rx/0", "rx/2", "randomx", "RX/V2", "randomx/v2"];
        let mut peer = Peer::logged_in();
        let mut jobs = Vec::new();
        for (number, (name, nonce, back, hash)) in turns.into_iter().enumerate() {
            let id = format!("j{number}");
            let job = only_job(peer.says(&job_line(&job_of(names[name]).replace("0f2c", &id))).unwrap());
            prop_assert_eq!(job.algorithm.variant == Variant::V2, names[name].ends_with('2'));
            jobs.push((id, job));
            // The dialect keeps eight.
            let (id, job) = &jobs[jobs.len() - 1 - back.min(jobs.len() - 1)];
            let out = peer.submit_hash(job, nonce.into(), &encode_hex(&hash));
            let [Out::Line(line)] = &out[..] else { panic!("{out:?}") };
            let submit: serde_json::Value = serde_json::from_str(line).unwrap();
            let params = &submit["params"];
            let Template::Fixed(work) = &job.template else { panic!("{:?}", job.template) };
            let proof = encode_hex(&work.proof(nonce.into(), &Hash(hash)).0);
            let second = job.algorithm.variant == Variant::V2;
            prop_assert_eq!(params["job_id"].as_str(), Some(id.as_str()));
            prop_assert_eq!(params["result"].as_str(), Some(proof.as_str()));
            let hash = second.then(|| encode_hex(&hash));
            prop_assert_eq!(params["commitment"].as_str(), hash.as_deref());
            prop_assert_eq!(params["algo"].as_str(), Some(if second { "rx/2" } else { "rx/0" }));
            prop_assert_ne!(Some(&proof), hash.as_ref());
        }
    }
}

#[test]
fn without_a_name_jobs_are_for_what_is_configured() {
    let nameless = job_of("rx/0").replace("\"algo\":\"rx/0\",", "");
    for algorithm in [&RANDOMX, &RANDOMX_V2] {
        let (mut peer, login) = Peer::new(MoneroConfig { algorithm, also: Vec::new(), ..config() });
        assert!(login.contains(&format!("\"algo\":[\"{}\"]", algorithm.wire_name())), "{login}");
        let job = only_job(peer.says(&login_reply(&nameless)).unwrap());
        assert_eq!(job.algorithm, algorithm);
        let Template::Fixed(work) = &job.template else { panic!("{:?}", job.template) };
        assert_eq!(work.variant(), algorithm.variant);
        let out = peer.submit(&job, 18);
        let [Out::Line(submit)] = &out[..] else { panic!("{out:?}") };
        assert!(!submit.contains("algo"), "{submit}");
    }
}

#[test]
fn what_the_devices_cannot_hash_is_refused() {
    for name in ["rx/wow", "rx/3", "", "rx/2x", "cn/r"] {
        let fault = Peer::logged_in().says(&job_line(&job_of(name))).unwrap_err();
        let wanted = name.to_owned();
        assert_eq!(fault, ProtocolError::Algorithm { wanted, configured: "randomx" }, "{name}");
    }
    let (mut peer, _) = Peer::new(MoneroConfig { also: Vec::new(), ..config() });
    let fault = peer.says(&login_reply(&job_of("rx/2"))).unwrap_err();
    assert_eq!(fault.to_string(), "the pool's job is for `rx/2`, but randomx is configured");
}

#[test]
fn answers_to_shares() {
    use Reject::*;
    let cases = [
        (r#""error":{"code":-1,"message":"Low difficulty share"}"#, LowDifficulty, None),
        (r#""error":{"message":"Duplicate share"}"#, Duplicate, None),
        (r#""error":{"code":-1,"message":"Block expired"}"#, Stale, None),
        (r#""error":{"code":-1,"message":"Invalid job id"}"#, Stale, None),
        (r#""error":{"code":-1,"message":"Bad hash"}"#, BadHash, None),
        (r#""error":{"code":-1,"message":"Throttled down share submission"}"#, Throttled, None),
        (r#""error":[21,"Job not found",null]"#, Stale, None),
        (r#""error":"odd words""#, Other, None),
        (r#""result":false,"error":null"#, Other, None),
        (
            r#""error":{"code":-1,"message":"Unauthenticated"}"#,
            Unauthorized,
            Some(CloseReason::SessionExpired),
        ),
        (
            r#""error":{"message":"Your IP is banned"}"#,
            Unauthorized,
            Some(CloseReason::Banned("Your IP is banned".into())),
        ),
    ];
    for (answer, want, want_close) in cases {
        let mut peer = Peer::logged_in();
        let job = only_job(
            peer.says(&format!(r#"{{"method":"job","params":{}}}"#, job_json("2", BLOB, "ffffffff")))
                .unwrap(),
        );
        peer.submit(&job, 1);
        let (verdict, close) = peer.answer(&format!("{{\"id\":\"2\",{answer}}}"));
        assert!(matches!(verdict, Verdict::Rejected { kind, .. } if kind == want), "{answer}: {verdict:?}");
        assert_eq!(close, want_close, "{answer}");
    }
}

#[test]
fn numeric_job_ids_go_back_as_numbers() {
    let mut peer = Peer::logged_in();
    let job = only_job(
        peer.says(&format!(r#"{{"method":"job","params":{}}}"#, job_json("77", BLOB, "ffffffff"))).unwrap(),
    );
    let out = peer.submit(&job, 1);
    assert!(matches!(&out[..], [Out::Line(line)] if line.contains(r#""job_id":77,"#)), "{out:?}");
}

#[test]
fn repeated_job_is_ignored_and_changed_one_is_not() {
    let mut peer = Peer::logged_in();
    let push = |job: &str| format!(r#"{{"jsonrpc":"2.0","method":"job","id":1,"params":{job}}}"#);
    assert!(peer.says(&push(&job_json("\"0f2c\"", BLOB, "14ae4701"))).unwrap().is_empty());
    let retarget = only_job(peer.says(&push(&job_json("\"0f2c\"", BLOB, "37894100"))).unwrap());
    assert_eq!(retarget.key.seq, 2);
    let other = BLOB.replacen("1010d8", "1010d9", 1);
    let changed = only_job(peer.says(&push(&job_json("\"0f2c\"", &other, "37894100"))).unwrap());
    assert_ne!(changed.template.work(0).unwrap().key(), retarget.template.work(0).unwrap().key());
}

#[test]
fn a_job_before_the_login_is_kept_for_it() {
    let early = format!("{{\"method\":\"job\",\"params\":{}}}", job_json("\"e\"", BLOB, "14ae4701"));
    let (mut peer, _) = Peer::new(config());
    assert!(peer.says(&early).unwrap().is_empty(), "no share could be sent for it yet");
    let out = peer.says(r#"{"id":1,"result":{"id":"s"}}"#).unwrap();
    assert!(matches!(out[0], Out::Event(Event::LoggedIn)));
    let submit = peer.submit(&only_job(out), 1);
    assert!(matches!(&submit[..], [Out::Line(line)] if line.contains("\"job_id\":\"e\"")), "{submit:?}");

    // The login's own job is the newer one.
    let (mut peer, _) = Peer::new(config());
    peer.says(&early).unwrap();
    let out = peer.says(&login_reply(&job_json("\"l\"", BLOB, "14ae4701"))).unwrap();
    assert_eq!(out.len(), 2);
    let submit = peer.submit(&only_job(out), 1);
    assert!(matches!(&submit[..], [Out::Line(line)] if line.contains("\"job_id\":\"l\"")), "{submit:?}");
}

#[test]
fn nicehash_byte() {
    let with_byte = BLOB.replacen("908cbb00000000", "908cbb000000ab", 1);
    for (forced, blob, want) in [
        (None, BLOB, (0, 32)),
        (None, &*with_byte, (0xAB00_0000, 24)),
        (Some(true), BLOB, (0, 24)),
        (Some(false), &*with_byte, (0, 32)),
    ] {
        let (mut peer, _) = Peer::new(MoneroConfig { nicehash: forced, ..config() });
        let job = only_job(peer.says(&login_reply(&job_json("\"1\"", blob, "ffffffff"))).unwrap());
        let nonce = job.template.work(0).unwrap().nonce_field();
        assert_eq!((nonce.fixed, nonce.free_bits), want, "{forced:?}");
    }
    let (mut peer, _) = Peer::new(config());
    let reply = login_reply(&job_json("\"1\"", BLOB, "ffffffff")).replace("\"algo\",", "\"nicehash\",");
    let job = only_job(peer.says(&reply).unwrap());
    assert_eq!(job.template.work(0).unwrap().nonce_field().free_bits, 24);
}

#[test]
fn bad_jobs_are_named() {
    let good = job_json("\"1\"", BLOB, "14ae4701");
    let cases = [
        (good.replace(BLOB, ""), "blob"),
        (good.replace(BLOB, &BLOB[..150]), "blob"),
        (good.replace(BLOB, &"00".repeat(409)), "blob"),
        (good.replace(BLOB, &BLOB[1..]), "blob"),
        (good.replace(BLOB, &BLOB.replace("1010d8", "zz10d8")), "blob"),
        (good.replace(BLOB, &BLOB.replace("1010d8f58ad806", "101001020304ff")), "another coin"),
        (good.replace(BLOB, &"ff".repeat(76)), "endless varint"),
        (good.replace("14ae4701", "00000000"), "zero"),
        (good.replace("14ae4701", "14ae470"), "target"),
        (good.replace("14ae4701", "x"), "target"),
        (good.replace(SEED, &SEED[2..]), "seed_hash"),
        (good.replace("\"seed_hash\"", "\"seed\""), "seed_hash"),
        (good.replace("\"job_id\"", "\"id\""), "job_id"),
        (good.replace("\"job_id\":\"1\"", "\"job_id\":null"), "job_id"),
        (good.replace("\"job_id\":\"1\"", "\"job_id\":{}"), "job_id"),
        (good.replace("\"job_id\":\"1\"", &format!("\"job_id\":\"{}\"", "x".repeat(300))), "job_id"),
        (good.replace("rx/0", "rx/3"), "rx/3"),
        (good.replace("rx/0", "cn/r\\u001b[2J"), "cn/r\\u{1b}[2J"),
        ("[]".into(), "params"),
        ("null".into(), "params"),
    ];
    for (params, named) in cases {
        let mut peer = Peer::logged_in();
        let fault = peer.says(&format!(r#"{{"method":"job","params":{params}}}"#)).unwrap_err().to_string();
        assert!(fault.contains(named), "{params}: {fault}");
        assert!(fault.chars().count() < 400, "{fault}");
    }
}

#[test]
fn refused_logins() {
    let refuse = |text: &str| {
        let (mut peer, _) = Peer::new(config());
        let out = peer.says(&format!(r#"{{"id":1,"error":{{"code":-1,"message":"{text}"}}}}"#)).unwrap();
        (peer, out)
    };
    let (_, out) = refuse("Invalid payment address provided");
    assert!(matches!(&out[..], [Out::Close(CloseReason::LoginRefused(text))] if text.contains("payment")));
    let (_, out) = refuse("IP Address currently banned");
    assert!(matches!(&out[..], [Out::Close(CloseReason::Banned(_))]));
    let (_, out) = refuse("No compatible algorithm found");
    assert!(matches!(&out[..], [Out::Close(CloseReason::Algorithm(_))]));
    let (mut peer, out) = refuse("No block template yet, please wait");
    assert!(matches!(&out[..], [Out::Event(Event::Waiting(_))]));
    let again = peer.dialect.deadline().unwrap();
    assert_eq!(again, peer.now + LOGIN_AGAIN);
    let mut out = Outbox::default();
    peer.dialect.tick(again, &mut out);
    assert!(matches!(&out.take()[..], [Out::Line(line)] if line.contains("\"login\"")));
}

#[test]
fn keepalive_after_silence_until_refused() {
    let mut peer = Peer::logged_in();
    assert_eq!(peer.dialect.limits().idle, LIMITS.idle);
    peer.now = peer.dialect.deadline().unwrap();
    let mut out = Outbox::default();
    peer.dialect.tick(peer.now, &mut out);
    let sent = out.take();
    let [Out::Line(line)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(line, r#"{"id":2,"jsonrpc":"2.0","method":"keepalived","params":{"id":"8f1c02d4"}}"#);
    assert_eq!(peer.dialect.deadline(), None, "one at a time");
    peer.says(r#"{"id":2,"result":{"status":"KEEPALIVED"}}"#).unwrap();
    peer.now = peer.dialect.deadline().unwrap();
    peer.dialect.tick(peer.now, &mut out);
    peer.says(r#"{"id":3,"error":{"code":-1,"message":"Unknown method"}}"#).unwrap();
    assert_eq!(peer.dialect.deadline(), None);
    assert_eq!(peer.dialect.limits().idle, IDLE_WITHOUT_KEEPALIVE);
}

#[test]
fn three_stale_answers_for_the_newest_job_end_the_session() {
    let mut peer = Peer::logged_in();
    let job = only_job(
        peer.says(&format!(r#"{{"method":"job","params":{}}}"#, job_json("2", BLOB, "ffffffff"))).unwrap(),
    );
    for (nonce, want) in [(1, None), (2, None), (3, Some(CloseReason::StaleShares))] {
        peer.submit(&job, nonce);
        let (_, close) =
            peer.answer(&format!(r#"{{"id":{},"error":{{"message":"Stale share"}}}}"#, nonce + 1));
        assert_eq!(close, want);
    }
}

#[test]
fn odd_lines() {
    let mut peer = Peer::logged_in();
    assert!(
        matches!(peer.says("HTTP/1.1 400 Bad Request"), Err(ProtocolError::NotJson(text)) if text.starts_with("HTTP/1.1"))
    );
    assert!(matches!(peer.says("[1,2]"), Err(ProtocolError::NotJson(_))));
    assert!(peer.says(r#"{"method":"mining.set_difficulty","params":[1]}"#).unwrap().is_empty());
    let out = peer.says(r#"{"method":"client.show_message","params":["\u001b[31mhello"]}"#).unwrap();
    assert!(matches!(&out[..], [Out::Event(Event::Notice(text))] if text == "\\u{1b}[31mhello"));
    let out = peer.says(r#"{"method":"client.reconnect","params":["evil.example","3333",9]}"#).unwrap();
    let want = Redirect { host: Some("evil.example".into()), port: Some(3333), wait_s: 9 };
    assert!(matches!(&out[..], [Out::Event(Event::Redirect(redirect))] if *redirect == want));
    let two = format!(
        "{{\"method\":\"job\",\"params\":{}}}{{\"method\":\"job\",\"params\":{}}}",
        job_json("3", BLOB, "ffffffff"),
        job_json("4", BLOB, "ffffffff")
    );
    assert_eq!(peer.says(&two).unwrap().len(), 2);
}

#[test]
fn pending_requests_are_bounded() {
    let mut peer = Peer::logged_in();
    let job = only_job(
        peer.says(&format!(r#"{{"method":"job","params":{}}}"#, job_json("2", BLOB, "ffffffff"))).unwrap(),
    );
    for nonce in 0..2000 {
        peer.submit(&job, nonce);
    }
    assert_eq!(peer.dialect.requests.len(), MAX_PENDING);
    peer.now += REMEMBERED + Duration::from_secs(1);
    peer.dialect.tick(peer.now, &mut Outbox::default());
    let shares = peer.dialect.requests.pending().filter(|pending| matches!(pending, Pending::Share { .. }));
    assert_eq!(shares.count(), 0);
}
