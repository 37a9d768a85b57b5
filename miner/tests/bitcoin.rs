//! The real binary mining SHA-256d at the embedded Bitcoin pool: every kind of pool that there is, and every way in
//! which one can go wrong that can be seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::Duration;

use rminer_pool::bitcoin::{MalformedNotify, Profile, Reaction, hashes};
use rminer_pool::fault_proxy::FaultProxy;
use rminer_pool::{DifficultyConfig, Fault, LocalPool, PoolConfig, PoolStats, Reject};
use support::{Miner, assert_sums};

const USER: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig0";
/// Difficulty of shares: several a second with good instructions, one every few seconds without.
const DIFFICULTY: f64 = 0.0005;
/// A share must come within this time, on a machine that is busy with other tests.
const PATIENCE_S: u64 = 90;
/// Miners that run at a time.
const MINERS: usize = 2;

fn pool_with(profile: Profile, job_interval: Duration) -> LocalPool {
    let difficulty = DifficultyConfig { start: hashes(DIFFICULTY), ..DifficultyConfig::default() };
    LocalPool::spawn_thread(PoolConfig { difficulty, job_interval, ..PoolConfig::with_profile(profile) })
        .unwrap()
}

fn pool(name: &str) -> LocalPool {
    pool_with(Profile::by_name(name).unwrap(), Duration::from_secs(2))
}

fn url(address: SocketAddr) -> String {
    format!("stratum+tcp://{address}")
}

fn start(address: SocketAddr, arguments: &[&str]) -> Miner {
    Miner::start_sha256d(&[&["--pool", &url(address), "--user", USER], arguments].concat())
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

/// The same where no verdict was lost on its way: both sides have counted the same.
fn settle_exactly(name: &str, pool: &LocalPool, mut miner: Miner) -> PoolStats {
    // A share whose verdict is on its way when the miner ends is counted by the pool alone.
    miner.wait(&format!("verdicts of {name}"), 60, |miner| miner.named("share").len() > 1);
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0), "{name}");
    assert_sums(&summary);
    let stats = pool.stats();
    assert_eq!(summary["shares"]["accepted"], stats.shares.accepted, "{name}: {summary} {stats:?}");
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{name}: {stats:?}");
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
    // Those have tests of their own below.
    let apart = ["login-refused", "configure-closes", "version-in-mask-xor"];
    let profiles = Profile::all().into_iter().filter(|profile| !apart.contains(&profile.name)).collect();
    each(profiles, |profile| {
        let name = profile.name;
        let late = profile.late_result.is_some();
        let rolls = profile.configure == Reaction::Grant && profile.version_mask != 0;
        let pool = pool_with(profile, Duration::from_secs(2));
        let mut miner = start(pool.addr(), &[]);
        let wanted = if late { 1 } else { 3 };
        miner.wait(&format!("accepted shares at profile {name}"), PATIENCE_S, |miner| {
            miner.accepted() >= wanted
        });
        if rolls {
            miner.wait(&format!("rolled version at profile {name}"), PATIENCE_S, |_| {
                pool.stats().rolled_versions > 0
            });
        }
        let stats = settle(name, &pool, miner);
        assert!(rolls || stats.rolled_versions == 0, "{name}: {stats:?}");
        assert_eq!(stats.protocol_errors, 0, "{name}: {stats:?}");
        assert_eq!(stats.sessions[0].login.as_deref(), Some(USER), "{name}");
    });
}

#[test]
fn the_books_agree_with_the_pools() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(10, PATIENCE_S);
    let stats = settle_exactly("default", &pool, miner);
    assert_eq!((stats.connects, stats.logins, stats.closed_by_pool), (1, 1, 0));
}

/// The formulas differ for these job versions. The wrong one costs the first shares, and not more.
#[test]
fn version_bits_are_told_as_the_pool_reads_them() {
    let pool_xor = pool("version-in-mask-xor");
    let mut told = start(pool_xor.addr(), &["--version-bits", "xor"]);
    told.wait_accepted(4, PATIENCE_S);
    assert!(settle("told", &pool_xor, told).rolled_versions > 0);

    let pool_xor = pool("version-in-mask-xor");
    let mut untold = start(pool_xor.addr(), &[]);
    untold.wait_accepted(4, PATIENCE_S);
    let (code, summary, _) = untold.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let shares = pool_xor.stats().shares;
    assert!((2..=12).contains(&shares.rejects(Reject::LowDifficulty)), "{shares:?}");
    assert_eq!(shares.invalid(), shares.rejects(Reject::LowDifficulty), "{shares:?}");

    // Who does not ask for bits rolls none, and sends five params.
    let pool = pool("version-in-mask");
    let mut plain = start(pool.addr(), &["--version-mask", "0"]);
    plain.wait_accepted(2, PATIENCE_S);
    assert_eq!(settle("no mask", &pool, plain).rolled_versions, 0);
}

#[test]
fn the_extranonce_changes_in_mid_session() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    for fault in [
        "set_extranonce",
        "set_extranonce(16, 4)",
        "set_extranonce(0, 8)",
        "set_extranonce(4, 1)",
        "set_extranonce(32, 16)",
        "set_extranonce(5, 3)",
    ] {
        pool.set_fault(fault.parse::<Fault>().unwrap());
        miner.wait_accepted(2, PATIENCE_S);
    }
    let stats = settle("set_extranonce", &pool, miner);
    assert_eq!((stats.connects, stats.shares.rejected_total()), (1, stats.shares.stale()), "{stats:?}");
}

/// Pools that change it of themselves: by a message for those who subscribed to that, by a disconnect for the others.
#[test]
fn an_extranonce_subscription_saves_reconnects() {
    for (name, subscribe) in [("nicehash", true), ("sv2-translator", true), ("sv2-translator", false)] {
        let pool = pool_with(Profile::by_name(name).unwrap(), Duration::from_millis(500));
        let switch = if subscribe { "--extranonce-subscribe=on" } else { "--extranonce-subscribe=off" };
        let mut miner = start(pool.addr(), &[switch]);
        miner.wait("eight jobs", PATIENCE_S, |_| pool.stats().jobs >= 8);
        miner.wait_accepted(2, PATIENCE_S);
        let stats = settle(name, &pool, miner);
        assert_eq!(stats.connects == 1, subscribe, "{name}: {stats:?}");
    }
}

/// A server that drops who subscribes to extranonce changes, or who configures, is mined without.
#[test]
fn what_a_pool_does_not_bear_is_left_away() {
    let pool_1 = pool("xnsub-closes");
    let mut miner = start(pool_1.addr(), &["--extranonce-subscribe=on"]);
    miner.wait_accepted(2, PATIENCE_S);
    assert!(settle("xnsub-closes", &pool_1, miner).connects > 1);

    let pool_2 = pool("configure-closes");
    let mut miner = start(pool_2.addr(), &["--version-mask", "0", "--extranonce-subscribe=off"]);
    miner.wait_accepted(2, PATIENCE_S);
    assert_eq!(settle("configure-closes", &pool_2, miner).connects, 1);

    // One request after the other, also where some are never answered.
    for name in ["no-configure", "silent-authorize", "ckpool"] {
        let pool = pool(name);
        let mut miner = start(pool.addr(), &["--pipeline=off"]);
        miner.wait_accepted(2, PATIENCE_S);
        settle(name, &pool, miner);
    }
}

#[test]
fn a_refused_login_is_told_and_ends_it() {
    let pool = pool("login-refused");
    let mut miner = start(pool.addr(), &["--retries", "1"]);
    miner.wait("refusal", 30, |miner| miner.down_reasons().contains("refused the login"));
    assert_eq!(miner.wait_exit(30), Some(5), "{}", miner.down_reasons());
}

/// After a change of the difficulty no share misses the one that is in force, and none is sent twice.
#[test]
fn difficulties_change_in_every_way() {
    each(
        vec!["default", "public-pool", "miningcore", "gopool", "difficulty-exponent", "difficulty-text"],
        |name| {
            let pool = pool_with(Profile::by_name(name).unwrap(), Duration::from_secs(3));
            let mut miner = start(pool.addr(), &[]);
            miner.wait_accepted(2, PATIENCE_S);
            for factor in [2.0, 0.5, 1.7, 0.25, 1.0] {
                pool.set_difficulty(hashes(DIFFICULTY * factor));
                miner.wait_accepted(2, PATIENCE_S);
            }
            let stats = settle(name, &pool, miner);
            assert_eq!(stats.connects, 1, "{name}: {stats:?}");
        },
    );
}

/// At a difficulty that every hash meets, a miner sends what the pool takes and keeps the rest to itself.
#[test]
fn an_absurd_difficulty_floods_nobody() {
    let pool = pool_with(Profile::by_name("gopool").unwrap(), Duration::from_secs(3600));
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    pool.set_difficulty(1);
    miner.wait("a hundred easy shares", PATIENCE_S, |_| pool.stats().shares.accepted > 100);
    pool.set_difficulty(hashes(DIFFICULTY));
    // What is on its way of the easy job is still counted; then hard shares come at their own pace.
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let stats = pool.stats();
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    assert_eq!((stats.connects, stats.closed_by_pool), (1, 0), "{stats:?}");
}

/// A pool that enforces a raised difficulty before any job brings it loses shares for two seconds, and no longer.
#[test]
fn a_raise_without_a_job_is_obeyed_soon() {
    let pool = pool_with(Profile::by_name("enforce-at-once").unwrap(), Duration::from_secs(3600));
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(2, PATIENCE_S);
    pool.set_difficulty(hashes(2.0 * DIFFICULTY));
    std::thread::sleep(Duration::from_secs(5));
    let missed = pool.stats().shares.rejects(Reject::Retargeted);
    miner.wait_accepted(4, PATIENCE_S);
    let stats = settle("enforce-at-once", &pool, miner);
    assert_eq!(stats.shares.rejects(Reject::Retargeted), missed, "{stats:?}");
    assert_eq!(stats.jobs, 1, "{stats:?}");
}

#[test]
fn version_masks_change_in_mid_session() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(2, PATIENCE_S);
    for mask in ["0000e000", "00000000", "1fffe000", "ffffffff", "00002000"] {
        pool.set_fault(format!("set_version_mask({mask})").parse::<Fault>().unwrap());
        miner.wait_accepted(2, PATIENCE_S);
    }
    assert_eq!(settle("masks", &pool, miner).connects, 1);
}

/// After a reconnect the same job id comes with another extranonce1.
#[test]
fn reconnects_repeat_nothing() {
    let pool = pool_with(Profile::default(), Duration::from_secs(3600));
    let mut proxy = FaultProxy::spawn_thread(pool.addr()).unwrap();
    let mut miner = start(proxy.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    for _ in 0..3 {
        proxy.command("reset".parse().unwrap());
        miner.wait_accepted(2, PATIENCE_S);
    }
    // To the same host, without and with a word about where; to another one only by way of the configured address.
    for fault in [Fault::Redirect(None), "redirect(evil.example, 1)".parse().unwrap()] {
        let before = pool.stats().connects;
        pool.set_fault(fault);
        miner.wait("another connection", PATIENCE_S, |_| pool.stats().connects > before);
        miner.wait_accepted(2, PATIENCE_S);
    }
    let other = pool_with(Profile::default(), Duration::from_secs(3600));
    pool.set_fault(Fault::Redirect(Some(("127.0.0.1".into(), other.addr().port().to_string()))));
    miner.wait("share at the other port", PATIENCE_S, |_| other.stats().shares.accepted > 0);
    let stats = settle("reconnects", &pool, miner);
    assert!(stats.connects >= 6, "{stats:?}");
    let stats = other.stats();
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    proxy.stop();
}

#[test]
fn pool_faults_lose_no_share_and_break_nothing() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    for fault in [
        "dup_job",
        "same_id_new_content",
        "retarget_same_job",
        "zero_target",
        "questions",
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
        pool.set_difficulty(hashes(DIFFICULTY));
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
    let stats = settle("faults", &pool, miner);
    assert_eq!(stats.answers, 3, "{stats:?}");
}

#[test]
fn malformed_jobs_are_dropped_and_unusual_ones_mined() {
    // A job of another algorithm ends it all: nothing here can ever be mined.
    let other = MalformedNotify::OtherAlgorithm;
    let elsewhere = pool("default");
    let mut miner = start(elsewhere.addr(), &["--retries", "1"]);
    miner.wait_accepted(1, PATIENCE_S);
    elsewhere.set_fault(Fault::MalformedNotify(other));
    miner.wait("the reason", PATIENCE_S, |miner| miner.down_reasons().contains("KawPow"));
    drop(miner);

    let kinds: Vec<_> = MalformedNotify::ALL.iter().filter(|kind| **kind != other).collect();
    each(kinds.chunks(kinds.len().div_ceil(MINERS)).collect(), |kinds: &[&MalformedNotify]| {
        let pool = pool_with(Profile::default(), Duration::from_secs(3600));
        let mut miner = start(pool.addr(), &[]);
        miner.wait_accepted(1, PATIENCE_S);
        for kind in kinds {
            pool.set_fault(Fault::MalformedNotify(**kind));
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
    for (shape, reject, class) in [
        ("array", "stale_job", "stale"),
        ("array", "low_difficulty", "low difficulty"),
        ("object", "duplicate", "duplicate"),
        ("reject_reason", "low_difficulty", "low difficulty"),
        ("text", "duplicate", "duplicate"),
        ("nested", "stale_job", "stale"),
        ("number", "stale_job", "stale"),
        ("bare", "stale_job", "other"),
        ("no_code", "time_out_of_range", "other"),
    ] {
        let pool = pool_with(Profile::default(), Duration::from_secs(3600));
        pool.set_fault(format!("error_shape({shape})").parse::<Fault>().unwrap());
        pool.set_fault(format!("reject_all({reject})").parse::<Fault>().unwrap());
        let mut miner = start(pool.addr(), &[]);
        let name = format!("{shape} {reject}");
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
    }
}

/// What speaks something else on the port is named.
#[test]
fn another_protocol_on_the_port_is_named() {
    let http = server(|mut stream| {
        let mut hello = [0; 256];
        let _read = stream.read(&mut hello);
        let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
        std::thread::sleep(Duration::from_millis(200));
    });
    let mut miner = Miner::start_sha256d(&["--pool", &http, "--user", USER, "--retries", "1"]);
    assert_eq!(miner.wait_exit(30), Some(4));
    assert!(miner.down_reasons().contains("HTTP/1.1"), "{}", miner.down_reasons());

    // A server of the protocol's second version says nothing to so short a line.
    let silent = server(|stream| {
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(60));
            drop(stream);
        });
    });
    let mut miner = Miner::start_sha256d(&["--pool", &silent, "--user", USER, "--retries", "1"]);
    assert_eq!(miner.wait_exit(90), Some(4));
    assert!(miner.down_reasons().contains("Stratum V2"), "{}", miner.down_reasons());

    let monero = LocalPool::spawn_thread(PoolConfig::default()).unwrap();
    let mut miner = start(monero.addr(), &["--retries", "1"]);
    assert!(matches!(miner.wait_exit(60), Some(4 | 5)), "{}", miner.down_reasons());
    assert!(!miner.down_reasons().is_empty());
    assert_eq!(monero.stats().shares.submitted, 0);
}

/// A server that accepts and does what `serve` does with each connection.
fn server(serve: impl Fn(std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream);
        }
    });
    url(address)
}
