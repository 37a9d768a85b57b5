//! The real binary at the embedded pool: what a person sees when things go well, and when they do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a failure here is a failed test

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rminer_pool::fault_proxy::FaultProxy;
use rminer_pool::monero::Profile;
use rminer_pool::{DifficultyConfig, Fault, LocalPool, PoolConfig};
use support::{Miner, WALLET, assert_sums, resident_mib};

/// A pool whose shares come about one a second from a single thread in light mode.
fn pool_with(profile: Profile) -> LocalPool {
    let difficulty = DifficultyConfig { start: 4, ..DifficultyConfig::default() };
    // A pool that owes answers and says nothing else for 20 s counts as dead; one is meant to be slow only.
    let job_interval = Duration::from_secs(10);
    let config = PoolConfig { difficulty, job_interval, ..PoolConfig::with_profile(profile) };
    LocalPool::spawn_thread(config).unwrap()
}

fn pool() -> LocalPool {
    pool_with(Profile::default())
}

fn url(address: std::net::SocketAddr) -> String {
    format!("stratum+tcp://{address}")
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

#[test]
fn mines_and_stops_cleanly() {
    let pool = pool();
    let mut miner = Miner::start(&["--pool", &url(pool.addr()), "--user", WALLET]);
    miner.wait_accepted(3, 60);
    let memory_mib = resident_mib(miner.pid());
    let (code, summary, took) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let stats = pool.stats();
    assert_eq!(summary["shares"]["accepted"], stats.shares.accepted);
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    assert!(summary["hashes"].as_u64().unwrap() > 0);
    println!("stopped in {} ms, {memory_mib:.0} MiB with the cache", took.as_millis());
}

#[test]
fn every_profile_is_mined() {
    for profile in Profile::all() {
        // Those that never let anybody mine have tests of their own below.
        if ["algo-unknown", "ban-text", "login-refused", "no-compatible-algo"].contains(&profile.name) {
            continue;
        }
        let name = profile.name;
        let pool = pool_with(profile);
        let mut miner = Miner::start(&["--pool", &url(pool.addr()), "--user", WALLET]);
        miner.wait(&format!("accepted share at profile {name}"), 90, |miner| miner.accepted() >= 1);
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0), "{name}");
        assert_sums(&summary);
        let stats = pool.stats();
        assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{name}: {stats:?}");
    }
}

#[test]
fn refusals_are_told_in_the_pools_words() {
    for (name, words) in [
        ("login-refused", "refused the login"),
        ("ban-text", "banned"),
        ("no-compatible-algo", "no work for randomx"),
        ("algo-unknown", "is for"),
    ] {
        let profile = Profile::by_name(name).unwrap();
        let pool = pool_with(profile);
        let mut miner = Miner::start(&["--pool", &url(pool.addr()), "--user", WALLET, "--retries", "1"]);
        miner.wait("refusal", 30, |miner| miner.down_reasons().contains(words));
        assert_eq!(miner.wait_exit(30), Some(5), "{name}: {}", miner.down_reasons());
    }
}

#[test]
fn gives_up_with_its_own_code_when_no_pool_answers() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut miner = Miner::start(&["--pool", &url(free), "--user", WALLET, "--retries", "2"]);
    assert_eq!(miner.wait_exit(30), Some(4));
    assert!(miner.down_reasons().contains("refused"), "{}", miner.down_reasons());
}

#[test]
fn wrong_tls_setting_is_named_in_both_directions() {
    // A TLS server would answer a plain login with an alert.
    let alert = server(|mut stream| {
        let mut hello = [0; 256];
        let _read = stream.read(&mut hello);
        let _sent = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 10]);
    });
    let mut miner = Miner::start(&["--pool", &alert, "--user", WALLET, "--retries", "1"]);
    assert_eq!(miner.wait_exit(30), Some(4));
    assert!(miner.down_reasons().contains("stratum+tls://"), "{}", miner.down_reasons());

    let pool = pool();
    let tls = format!("stratum+tls://{}", pool.addr());
    let mut miner = Miner::start(&["--pool", &tls, "--user", WALLET, "--retries", "1"]);
    assert_eq!(miner.wait_exit(60), Some(4));
    assert!(miner.down_reasons().to_lowercase().contains("tls"), "{}", miner.down_reasons());
}

#[test]
fn http_on_the_port_is_named() {
    let http = server(|mut stream| {
        let mut hello = [0; 256];
        let _read = stream.read(&mut hello);
        let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
        std::thread::sleep(Duration::from_millis(200));
    });
    let mut miner = Miner::start(&["--pool", &http, "--user", WALLET, "--retries", "1"]);
    assert_eq!(miner.wait_exit(30), Some(4));
    assert!(miner.down_reasons().contains("HTTP/1.1"), "{}", miner.down_reasons());
}

#[test]
fn comes_back_after_a_reset_and_fails_over_and_returns() {
    let (primary, backup) = (pool(), pool());
    let mut proxy = FaultProxy::spawn_thread(primary.addr()).unwrap();
    let mut miner =
        Miner::start(&["--pool", &url(proxy.addr()), "--pool", &url(backup.addr()), "--user", WALLET]);
    miner.wait_accepted(1, 60);
    proxy.command("reset".parse().unwrap());
    let reset = Instant::now();
    miner.wait_accepted(1, 60);
    println!("accepted again {} ms after the reset", reset.elapsed().as_millis());

    proxy.command("reset".parse().unwrap());
    proxy.command("down".parse().unwrap());
    let gone = Instant::now();
    miner.wait("share at the backup", 60, |_| backup.stats().shares.accepted >= 1);
    println!("accepted at the backup {} ms after the primary went", gone.elapsed().as_millis());

    let before = primary.stats().shares.accepted;
    proxy.command("up".parse().unwrap());
    let back = Instant::now();
    miner.wait("share at the primary again", 120, |_| primary.stats().shares.accepted > before);
    println!("accepted at the primary again {} ms after it was back", back.elapsed().as_millis());
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    for pool in [&primary, &backup] {
        let stats = pool.stats();
        assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    }
    proxy.stop();
}

#[test]
fn pool_faults_lose_no_share_and_break_nothing() {
    let pool = pool();
    let mut miner = Miner::start(&["--pool", &url(pool.addr()), "--user", WALLET]);
    miner.wait_accepted(1, 60);
    for fault in [
        "dup_job",
        "same_id_new_content",
        "retarget_same_job",
        "zero_target",
        "garbage_line",
        "unknown_replies",
        "reply_twice",
        "reply_reorder",
        "string_ids",
        "numbers_as_strings",
        "json_bomb",
        "escape_text",
        "huge_line(300000)",
        "job_storm(10000)",
        "redirect(evil.example, 1)",
        "new_block",
        "seed_change",
        "split(1)",
        "glue",
        "join",
        "close",
    ] {
        pool.set_fault(fault.parse::<Fault>().unwrap());
        // A retarget doubles the difficulty; the next new job is as easy as before.
        pool.set_difficulty(4);
        let want = miner.accepted() + 1;
        miner.wait(&format!("share after {fault}"), 90, |miner| miner.accepted() >= want);
        pool.set_fault(Fault::None);
    }
    let (code, summary, _) = miner.stop();
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    let stats = pool.stats();
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
}

#[test]
fn a_second_interrupt_ends_it_at_once_and_a_time_limit_too() {
    let pool = pool();
    let mut miner = Miner::start(&["--pool", &url(pool.addr()), "--user", WALLET, "--time-limit", "5s"]);
    assert_eq!(miner.wait_exit(30), Some(0));
    assert_sums(&miner.named("summary").pop().unwrap());
}

#[test]
fn secrets_are_never_shown() {
    let pool = pool();
    let secret = "correct-horse-battery";
    let mut miner = Miner::start(&["--pool", &url(pool.addr()), "--user", WALLET, "--pass", secret, "-vv"]);
    miner.wait_accepted(1, 60);
    let said = format!("{:?}\n{}", miner.events(), miner.errors());
    let (_, summary, _) = miner.stop();
    assert!(!said.contains(secret) && !summary.to_string().contains(secret));
}
