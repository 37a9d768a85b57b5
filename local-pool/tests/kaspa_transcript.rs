//! The transcript of the Kaspa project's own bridge, line by line over TCP, and each verdict once.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use rminer_algos::decode_hex_array;
use rminer_pool::kaspa::{Profile, Template};
use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, Reject};
use serde_json::{Value, json};
use support::kaspa::*;
use support::{Rig, SECOND};

const ADDRESS: &str = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j";

/// The job of the transcript.
fn template() -> Template {
    Template {
        pre_pow_hash: decode_hex_array("1a6f94ca9a062bd6eb4264fd565e4bc88ed2f5eff55fb6310be18bc4cecf6399")
            .unwrap(),
        timestamp_ms: 1_787_225_603_300,
    }
}

/// A client that knows nothing but lines.
struct Client {
    to_pool: TcpStream,
    from_pool: BufReader<TcpStream>,
}

impl Client {
    fn connect(pool: &LocalPool) -> Self {
        let to_pool = TcpStream::connect(pool.addr()).unwrap();
        to_pool.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { from_pool: BufReader::new(to_pool.try_clone().unwrap()), to_pool }
    }

    fn say(&mut self, line: &str) {
        self.to_pool.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from_pool.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

fn bridge() -> LocalPool {
    let profile = Profile { first_job_number: 7, ..Profile::by_name("rust-bridge").unwrap() };
    let pool = LocalPool::spawn_thread(LocalPoolConfig::from(PoolConfig {
        // Difficulty 20 in 2^20, which is how the transcript was made easy.
        difficulty: DifficultyConfig::fixed(81_920),
        job_interval: Duration::from_secs(3600),
        ..PoolConfig::with_profile(profile)
    }))
    .unwrap();
    pool.push_template(template());
    pool
}

#[test]
fn the_captured_lines_over_tcp() {
    let pool = bridge();
    let mut client = Client::connect(&pool);
    client.say(r#"{"id":1,"method":"mining.subscribe","params":["rminer/0.1.0","EthereumStratum/1.0.0"]}"#);
    assert_eq!(client.hear(), r#"{"id":1,"result":[true,"EthereumStratum/1.0.0"]}"#);
    client.say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["{ADDRESS}.rig0","x"]}}"#));
    for line in [
        r#"{"id":2,"result":true}"#,
        r#"{"jsonrpc":"2.0","method":"mining.set_extranonce","params":["0000"]}"#,
        r#"{"jsonrpc":"2.0","method":"mining.set_difficulty","params":[0.000019073486328125]}"#,
        r#"{"id":7,"jsonrpc":"2.0","method":"mining.notify","params":["7",[15432435810008592154,14432733158550291179,3582156063517299342,11052906397465043211],1787225603300]}"#,
    ] {
        assert_eq!(client.hear(), line);
    }
    let submit = |id: u64, nonce: &str| {
        format!(r#"{{"id":{id},"method":"mining.submit","params":["{ADDRESS}.rig0","7","{nonce}"]}}"#)
    };
    client.say(&submit(10, "0000000000000cad"));
    assert_eq!(client.hear(), r#"{"id":10,"result":true}"#);
    client.say(&submit(16, "0000000000000cae"));
    assert_eq!(client.hear(), r#"{"id":16,"error":[23,"Invalid difficulty",null]}"#);
    let shares = pool.stats().shares;
    assert_eq!((shares.accepted, shares.credited_hashes), (1, 81_920));
    assert_eq!(shares.rejects(Reject::LowDifficulty), 1);
    // Every way of writing it is the same share, which is taken again and counted as what it is.
    for (id, nonce) in
        [(17, "000000000cad"), (18, "cad"), (19, "0x0000000000000cad"), (20, "0000000000000CAD")]
    {
        client.say(&submit(id, nonce));
        assert_eq!(client.hear(), format!(r#"{{"id":{id},"result":true}}"#), "{nonce}");
    }
    client.say(&format!(
        r#"{{"id":"text","method":"mining.submit","params":["{ADDRESS}.rig0",7,"0000000000000cad"]}}"#
    ));
    assert_eq!(client.hear(), r#"{"id":"text","result":true}"#);
    // The slot counts, not the id.
    client.say(&submit(21, "0000000000000cad").replace("\"7\"", "\"307\""));
    assert_eq!(client.hear(), r#"{"id":21,"result":true}"#);
    let stats = pool.stats();
    assert_eq!((stats.shares.accepted, stats.shares.duplicates()), (1, 6));
    assert_eq!((stats.sessions[0].agent.as_deref(), stats.protocol_errors), (Some("rminer/0.1.0"), 0));
}

/// What has no reply at this bridge, and leaves the connection open.
#[test]
fn silence_is_an_answer() {
    let pool = bridge();
    let mut client = Client::connect(&pool);
    client.say("{\"id\":1,\"method\":\"mining.sub\u{0}scribe\",\"params\":[\"rminer/0.1.0\"]}\u{0}");
    assert!(client.hear().contains("EthereumStratum"), "NULs are taken out");
    client.say(&format!(r#"{{"id":2,"method":"mining.authorize","params":["{ADDRESS}.rig0","x"]}}"#));
    (0..4).for_each(|_| drop(client.hear()));
    for line in [
        format!(r#"{{"id":3,"method":"mining.submit","params":["{ADDRESS}.rig0","8","0000000000000cad"]}}"#),
        format!(r#"{{"id":4,"method":"mining.submit","params":["{ADDRESS}.rig0","7","000000000000zcad"]}}"#),
        format!(r#"{{"id":5,"method":"mining.submit","params":["{ADDRESS}.rig0","7"]}}"#),
        r#"{"id":6,"method":"mining.nosuch","params":[]}"#.to_owned(),
        r#"{"id":7,"method":"mining.extranonce.subscribe","params":[]}"#.to_owned(),
        r#"{"id":8,"method":"mining.subscribe","params":{"agent":"x"}}"#.to_owned(),
        "this is no JSON".to_owned(),
    ] {
        client.say(&line);
    }
    client.say(&format!(r#"{{"id":9,"method":"mining.submit","params":["{ADDRESS}.rig0","7","0cad"]}}"#));
    assert_eq!(client.hear(), r#"{"id":9,"result":true}"#, "the first reply since then");
    let stats = pool.stats();
    assert_eq!((stats.shares.invalid(), stats.protocol_errors, stats.shares.accepted), (3, 1, 1));
}

#[test]
fn http_ends_it_at_once() {
    let pool = bridge();
    for line in ["GET / HTTP/1.1", "POST /json_rpc HTTP/1.1", "PRI * HTTP/2.0"] {
        let mut client = Client::connect(&pool);
        client.say(line);
        assert_eq!(client.hear(), "", "{line}");
    }
}

fn refused(rig: &mut Rig, peer: &mut Peer, params: Value, reject: Reject, code: i64) {
    let before = rig.pool.stats().shares.rejects(reject);
    let reply = rig.try_params(peer, params).unwrap();
    assert_eq!((&reply["error"][0], &reply["result"]), (&json!(code), &Value::Null), "{reject}: {reply}");
    let stats = rig.pool.stats();
    assert_eq!(stats.shares.rejects(reject), before + 1, "{reject}");
    assert!(stats.shares.add_up());
}

#[test]
fn every_verdict() {
    let mut rig = Rig::kaspa_named("default");
    let mut stranger = rig.kaspa_peer();
    let nothing = json!([USER, "1", "0000000000000000"]);
    refused(&mut rig, &mut stranger, nothing, Reject::Unauthenticated, 24);

    let mut peer = rig.kaspa_miner();
    assert_eq!(peer.extranonce.len(), 2);
    let nonce = peer.good(0);
    assert!(is_true(&rig.offer_nonce(&mut peer, nonce)));
    let good = peer.submit(nonce);
    refused(&mut rig, &mut peer, good.clone(), Reject::Duplicate, 22);
    let weak = peer.submit(peer.bad(0));
    refused(&mut rig, &mut peer, weak, Reject::LowDifficulty, 23);
    let foreign = peer.submit(nonce ^ 1 << 63);
    refused(&mut rig, &mut peer, foreign, Reject::NiceHashByte, 30);
    let with = |index: usize, value: Value| {
        let mut params = good.clone();
        params[index] = value;
        params
    };
    refused(&mut rig, &mut peer, with(0, json!("kaspa:other.rig0")), Reject::Unauthenticated, 24);
    refused(&mut rig, &mut peer, with(1, json!("999")), Reject::InvalidJobId, 21);
    refused(&mut rig, &mut peer, with(1, json!([])), Reject::InvalidParams, 20);
    let digits = good[2].as_str().unwrap().to_owned();
    for wrong in
        [&digits[4..], &digits.to_uppercase().replace(char::is_numeric, "A"), "0x00", "", "+000000000000cad"]
    {
        refused(&mut rig, &mut peer, with(2, json!(wrong)), Reject::MalformedNonce, 20);
    }
    refused(&mut rig, &mut peer, json!([USER, "1"]), Reject::InvalidParams, 20);

    // Every job that is kept is as good as the last; how old it was is written down.
    let old = peer.submit(peer.good(nonce + 1));
    rig.fault("job_storm(63)");
    let id = rig.ask(&mut peer, "mining.submit", old.clone());
    assert!(is_true(&peer.reply(id).unwrap()));
    rig.fault("new_job");
    refused(&mut rig, &mut peer, old, Reject::StaleJob, 21);
    let stats = rig.pool.stats();
    let ages: Vec<(u64, u64)> = stats.shares_by_job_age.into_iter().collect();
    assert_eq!(ages, [(0, 4), (63, 1), (64, 1)]);
    assert_eq!((stats.shares.accepted, stats.shares.stale(), stats.shares.duplicates()), (2, 1, 1));
    assert_eq!(stats.shares.invalid(), 10);
}

#[test]
fn a_block_is_a_new_job_for_everybody() {
    let config = PoolConfig { block_difficulty: 1, ..easy(Profile::default()) };
    let mut rig = Rig::with(config, rminer_pool::Verification::Deferred);
    let (mut finder, mut other) = (rig.kaspa_miner(), rig.kaspa_miner());
    assert_ne!(finder.extranonce, other.extranonce);
    let (before, height) = (other.job.clone(), rig.pool.stats().height);
    assert!(is_true(&rig.find_share(&mut finder)));
    rig.hear(&mut other);
    assert_eq!(other.job[1], finder.job[1]);
    assert_ne!(other.job[1], before[1]);
    let stats = rig.pool.stats();
    assert_eq!((stats.blocks, stats.height), (1, height + 1));
}

#[test]
fn ten_jobs_a_second() {
    let mut rig =
        Rig::with(PoolConfig::with_profile(Profile::default()), rminer_pool::Verification::Deferred);
    let mut peer = rig.kaspa_miner();
    let before = rig.pool.stats().jobs;
    rig.wait(10 * SECOND);
    rig.hear(&mut peer);
    assert_eq!(rig.pool.stats().jobs - before, 100);
    let jobs: Vec<&Value> = peer.lines.iter().filter(|line| line["method"] == "mining.notify").collect();
    for pair in jobs.windows(2) {
        let number = |job: &Value| job["params"][0].as_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(number(pair[1]), number(pair[0]) + 1);
        assert!(pair[1]["params"][2].as_u64() > pair[0]["params"][2].as_u64());
    }
}
