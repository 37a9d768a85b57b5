//! The real binary mining kHeavyHash at the embedded Kaspa pool, at ten jobs a second: every kind of pool that there is,
//! and every way in which one can go wrong that can be seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::Duration;

use rminer_pool::fault_proxy::FaultProxy;
use rminer_pool::kaspa::{Keep, MalformedTemplate, Profile};
use rminer_pool::{DifficultyConfig, Fault, LocalPool, PoolConfig, PoolStats, Reject};
use support::{Miner, assert_sums};

/// An address of nobody, with a right checksum.
const USER: &str = "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j.rig0";
/// Hashes for a share, on average: several a second with good instructions, one every second or two without.
const HASHES: u64 = 1 << 19;
/// A share must come within this time, on a machine that is busy with other tests.
const PATIENCE_S: u64 = 120;
/// Miners that run at a time.
const MINERS: usize = 2;
/// What the chain does, and what a test wants where a job has to stay for a while.
const TEN_A_SECOND: Duration = Duration::from_millis(100);
const RARELY: Duration = Duration::from_secs(10);

fn pool_with(profile: Profile, job_interval: Duration) -> LocalPool {
    let difficulty = DifficultyConfig { start: HASHES, ..DifficultyConfig::default() };
    LocalPool::spawn_thread(PoolConfig { difficulty, job_interval, ..PoolConfig::with_profile(profile) })
        .unwrap()
}

fn pool(name: &str) -> LocalPool {
    pool_with(Profile::by_name(name).unwrap(), TEN_A_SECOND)
}

fn url(address: SocketAddr) -> String {
    format!("stratum+tcp://{address}")
}

fn start(address: SocketAddr, arguments: &[&str]) -> Miner {
    start_at(&url(address), arguments)
}

fn start_at(url: &str, arguments: &[&str]) -> Miner {
    let pool = ["--pool", url, "--user", USER];
    Miner::start_at("kheavyhash", &["--devices", "cpu", "--threads", "1"], &[&pool, arguments].concat())
}

/// Stops the miner and holds its books against the pool's.
fn settle(name: &str, pool: &LocalPool, miner: Miner) -> PoolStats {
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0), "{name}");
    assert_sums(&summary);
    let stats = pool.stats();
    assert!(stats.shares.add_up(), "{name}: {stats:?}");
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{name}: {stats:?}");
    assert_eq!(stats.shares_for_malformed_jobs, 0, "{name}");
    // What the pool changed while shares were on their way is the only reason to refuse any.
    let crossed = stats.shares.stale() + stats.shares.rejects(Reject::Retargeted);
    assert_eq!(stats.shares.rejected_total(), crossed, "{name}: {stats:?}");
    stats
}

/// Runs `check` on every case, [`MINERS`] at a time.
fn each<T: Send>(cases: Vec<T>, check: impl Fn(T) + Sync) {
    let cases = Mutex::new(cases);
    std::thread::scope(|scope| {
        for _ in 0..MINERS {
            scope.spawn(|| {
                loop {
                    let Some(case) = cases.lock().unwrap().pop() else { return };
                    check(case);
                }
            });
        }
    });
}

#[test]
fn every_profile_is_mined() {
    // Those have a test of their own below.
    let apart = ["login-refused", "silent"];
    let profiles = Profile::all().into_iter().filter(|profile| !apart.contains(&profile.name)).collect();
    each(profiles, |profile| {
        let (name, keep) = (profile.name, profile.keep);
        let pool = pool_with(profile, TEN_A_SECOND);
        let mut miner = start(pool.addr(), &[]);
        miner.wait(&format!("accepted shares at profile {name}"), PATIENCE_S, |miner| miner.accepted() >= 3);
        let stats = settle(name, &pool, miner);
        assert_eq!((stats.protocol_errors, stats.connects), (0, 1), "{name}: {stats:?}");
        assert_eq!(stats.sessions[0].login.as_deref(), Some(USER), "{name}");
        assert_eq!(stats.shares.rejects(Reject::Retargeted), 0, "{name}: {stats:?}");
        // A second's worth of jobs is long enough for any share.
        if matches!(keep, Keep::Last(10..) | Keep::Slots(10..)) {
            assert_eq!(stats.shares.stale(), 0, "{name}: {stats:?}");
        }
    });
}

#[test]
fn the_books_agree_with_the_pools() {
    let pool = pool("strict");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(10, PATIENCE_S);
    // A share whose verdict is on its way when the miner ends is counted by the pool alone.
    pool.set_difficulty(1 << 50);
    std::thread::sleep(Duration::from_secs(2));
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let stats = pool.stats();
    assert_eq!(summary["shares"]["accepted"], stats.shares.accepted, "{summary} {stats:?}");
    assert_eq!(stats.shares.rejected_total(), stats.shares.stale(), "{stats:?}");
    assert_eq!((stats.connects, stats.logins, stats.closed_by_pool), (1, 1, 0));
}

#[test]
fn a_pool_that_says_nothing_is_told() {
    let silent = pool("silent");
    let mut miner = start(silent.addr(), &["--retries", "1"]);
    miner.wait("the hint", 30, |miner| miner.down_reasons().contains("check the wallet address"));
    assert!(miner.wait_exit(30).is_some_and(|code| code != 0), "{}", miner.down_reasons());
    assert_eq!(silent.stats().shares.submitted, 0);

    let refuses = pool("login-refused");
    let mut miner = start(refuses.addr(), &["--retries", "1"]);
    miner.wait("refusal", 30, |miner| miner.down_reasons().contains("refused the login"));
    assert_eq!(miner.wait_exit(30), Some(5), "{}", miner.down_reasons());

    // A bridge that falls silent in mid-session is left, and come back to.
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    pool.set_fault(Fault::Silent);
    miner.wait("another connection", PATIENCE_S, |_| pool.stats().connects > 1);
    // The login was heard and not answered, and its difficulty never came; the next one is answered.
    pool.set_fault(Fault::None);
    pool.set_fault(Fault::Close);
    miner.wait_accepted(1, PATIENCE_S);
    settle("silent", &pool, miner);
}

#[test]
fn the_extranonce_changes_in_mid_session() {
    each(vec!["default", "go-bridge", "miningcore", "nicehash"], |name| {
        let pool = pool(name);
        let mut miner = start(pool.addr(), &[]);
        miner.wait_accepted(1, PATIENCE_S);
        for fault in
            ["set_extranonce", "set_extranonce(4, 4)", "set_extranonce(0, 8)", "set_extranonce(1, 7)"]
        {
            pool.set_fault(fault.parse::<Fault>().unwrap());
            miner.wait_accepted(2, PATIENCE_S);
        }
        assert_eq!(settle(name, &pool, miner).connects, 1, "{name}");
    });
}

/// Two bytes of a nonce are through in a moment. Then there is nothing to do until the next job.
#[test]
fn a_used_up_job_is_waited_out() {
    let profile = Profile::by_name("extranonce-6").unwrap();
    let difficulty = DifficultyConfig { start: 1 << 12, ..DifficultyConfig::default() };
    let pool = LocalPool::spawn_thread(PoolConfig {
        difficulty,
        job_interval: Duration::from_secs(2),
        ..PoolConfig::with_profile(profile)
    })
    .unwrap();
    let mut miner = start(pool.addr(), &[]);
    miner.wait("the ends of four jobs", PATIENCE_S, |miner| miner.named("exhausted").len() >= 4);
    miner.wait_accepted(5, PATIENCE_S);
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let stats = pool.stats();
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    // Each job has 65,536 nonces, and none of them was hashed twice.
    let hashes = summary["devices"][0]["hashes"].as_u64().unwrap();
    assert!((4 << 16..=stats.jobs << 16).contains(&hashes), "{stats:?} {summary}");
}

/// After a change of the difficulty no share misses the one that is in force, and none is sent twice.
#[test]
fn difficulties_change_in_every_way() {
    let names = [
        "default",
        "rust-bridge",
        "go-bridge",
        "miningcore",
        "vendor",
        "strict",
        "enforce-at-once",
        "retarget-same-job",
        "retarget-new-job",
        "difficulty-text",
        "difficulty-exponent",
    ];
    each(names.to_vec(), |name| {
        let pool = pool(name);
        let mut miner = start(pool.addr(), &[]);
        miner.wait_accepted(2, PATIENCE_S);
        for percent in [200, 50, 170, 25, 100] {
            pool.set_difficulty(HASHES * percent / 100);
            miner.wait_accepted(2, PATIENCE_S);
        }
        let stats = settle(name, &pool, miner);
        assert_eq!(stats.connects, 1, "{name}: {stats:?}");
    });
}

/// At a difficulty that every hash meets, a miner sends what the pool takes and keeps the rest to itself.
#[test]
fn an_absurd_difficulty_floods_nobody() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    pool.set_difficulty(1);
    miner.wait("a hundred easy shares", PATIENCE_S, |_| pool.stats().shares.accepted > 100);
    pool.set_difficulty(HASHES);
    let stats = settle("easy", &pool, miner);
    assert_eq!((stats.connects, stats.closed_by_pool), (1, 0), "{stats:?}");
}

/// After a reconnect the same job comes under the same id.
#[test]
fn reconnects_repeat_nothing() {
    let profile = Profile::by_name("no-extranonce").unwrap();
    let pool = pool_with(profile, RARELY);
    let mut proxy = FaultProxy::spawn_thread(pool.addr()).unwrap();
    let mut miner = start(proxy.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    for _ in 0..3 {
        proxy.command("reset".parse().unwrap());
        miner.wait_accepted(2, PATIENCE_S);
    }
    let before = pool.stats().connects;
    pool.set_fault(Fault::Redirect(None));
    miner.wait("another connection", PATIENCE_S, |_| pool.stats().connects > before);
    miner.wait_accepted(2, PATIENCE_S);
    let stats = settle("reconnects", &pool, miner);
    assert!(stats.connects >= 5, "{stats:?}");
    proxy.stop();
}

#[test]
fn pool_faults_lose_no_share_and_break_nothing() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    for fault in [
        "dup_job",
        "old_job",
        "same_id_new_content",
        "retarget_same_job",
        "zero_target",
        "garbage_line",
        "unknown_replies",
        "reply_twice",
        "reply_reorder",
        "string_ids",
        "float_ids",
        "numbers_as_strings",
        "json_bomb",
        "escape_text",
        "huge_line(300000)",
        "job_storm(10000)",
        "new_block",
        "split(1)",
        "glue",
        "join",
        "close",
    ] {
        pool.set_fault(fault.parse::<Fault>().unwrap());
        pool.set_difficulty(HASHES);
        let want = miner.accepted() + 1;
        miner.wait(&format!("share after {fault}"), PATIENCE_S, |miner| miner.accepted() >= want);
        pool.set_fault(Fault::None);
    }
    // Verdicts that never come, or for nobody: the shares are counted by the pool, and mining goes on.
    for fault in ["wrong_id", "null_ids", "drop_reply(2)"] {
        let before = pool.stats().shares.accepted;
        pool.set_fault(fault.parse::<Fault>().unwrap());
        miner.wait(&format!("two shares in spite of {fault}"), PATIENCE_S, |_| {
            pool.stats().shares.accepted >= before + 2
        });
        pool.set_fault(Fault::None);
        miner.wait_accepted(1, PATIENCE_S);
    }
    settle("faults", &pool, miner);
}

#[test]
fn malformed_jobs_are_dropped_and_unusual_ones_mined() {
    // A job of another algorithm ends it all: nothing here can ever be mined.
    let other = MalformedTemplate::OtherAlgorithm;
    let elsewhere = pool("default");
    let mut miner = start(elsewhere.addr(), &["--retries", "1"]);
    miner.wait_accepted(1, PATIENCE_S);
    elsewhere.set_fault(Fault::MalformedTemplate(other));
    miner.wait("the reason", PATIENCE_S, |miner| miner.down_reasons().contains("Ethash"));
    drop(miner);

    let kinds: Vec<_> = MalformedTemplate::ALL.iter().filter(|kind| **kind != other).collect();
    each(kinds.chunks(kinds.len().div_ceil(MINERS)).collect(), |kinds: &[&MalformedTemplate]| {
        let pool = pool_with(Profile::default(), RARELY);
        let mut miner = start(pool.addr(), &[]);
        miner.wait_accepted(1, PATIENCE_S);
        for kind in kinds {
            pool.set_fault(Fault::MalformedTemplate(**kind));
            if !kind.usable() {
                // The bad job is seen before the good one replaces it.
                pool.push_job();
            }
            let want = miner.accepted() + 1;
            miner.wait(&format!("share after {kind}"), PATIENCE_S, |miner| miner.accepted() >= want);
        }
        settle("malformed", &pool, miner);
    });
}

/// Refusals come in every shape and for every reason; each is counted once, by what it says.
#[test]
fn refusals_are_counted_by_what_they_say() {
    let cases = vec![
        ("default", "array", "stale_job", "stale"),
        ("default", "array", "low_difficulty", "low difficulty"),
        ("default", "array", "duplicate", "duplicate"),
        ("rust-bridge", "array", "duplicate", "duplicate"),
        ("rust-bridge", "array", "low_difficulty", "low difficulty"),
        ("miningcore", "object", "stale_job", "stale"),
        ("null-text", "array", "low_difficulty", "low difficulty"),
        ("default", "text", "duplicate", "duplicate"),
        ("default", "bare", "stale_job", "other"),
    ];
    each(cases, |(profile, shape, reject, class)| {
        let pool = pool(profile);
        pool.set_fault(format!("error_shape({shape})").parse::<Fault>().unwrap());
        pool.set_fault(format!("reject_all({reject})").parse::<Fault>().unwrap());
        let mut miner = start(pool.addr(), &[]);
        let name = format!("{profile} {shape} {reject}");
        miner.wait(&name, PATIENCE_S, |_| pool.stats().forced_rejects >= 2);
        pool.set_fault(Fault::None);
        miner.wait_accepted(1, PATIENCE_S);
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0), "{name}");
        assert_sums(&summary);
        let stats = pool.stats();
        let rejected = &summary["shares"]["rejected"];
        assert_eq!(rejected[class], stats.forced_rejects, "{name}: {summary}");
        assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{name}: {stats:?}");
    });
}

/// What speaks something else on the port is named.
#[test]
fn another_protocol_on_the_port_is_named() {
    let http = server(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
    let mut miner = start_at(&http, &["--retries", "1"]);
    assert_eq!(miner.wait_exit(30), Some(4));
    assert!(miner.down_reasons().contains("HTTP/1.1"), "{}", miner.down_reasons());

    let monero = LocalPool::spawn_thread(PoolConfig::default()).unwrap();
    let mut miner = start(monero.addr(), &["--retries", "1"]);
    assert!(matches!(miner.wait_exit(60), Some(4 | 5)), "{}", miner.down_reasons());
    assert!(!miner.down_reasons().is_empty());
    assert_eq!(monero.stats().shares.submitted, 0);
}

/// A server that answers the first words of every connection with these.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut hello = [0; 256];
            let _read = stream.read(&mut hello);
            let _sent = stream.write_all(answer);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    url(address)
}
