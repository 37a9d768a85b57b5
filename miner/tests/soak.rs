//! Minutes of mining while something breaks every five seconds, once with each protocol.
//!
//! `RMINER_SOAK_SECONDS` makes it longer than the short run of the normal tests. For RandomX `RMINER_SOAK_MODE=fast`
//! uses the dataset; for SHA-256d `RMINER_SOAK_DEVICES` names the devices in the words of `--devices`, which are the
//! CPU, and software Vulkan where `RMINER_REQUIRE_FIXTURES=1` says that it is there. `RMINER_SOAK_CALM=1` leaves the faults
//! out and asks for what can only be had without them: hardly any share too late.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a failure here is a failed test

mod support;

use std::time::{Duration, Instant};

use rminer_pool::fault_proxy::FaultProxy;
use rminer_pool::{DifficultyConfig, Fault, LocalPool, PoolConfig, bitcoin, kaspa};
use support::{Miner, WALLET, assert_sums, resident_mib, threads_and_files};

/// Between two faults.
const FAULT_EVERY: Duration = Duration::from_secs(5);
/// Warm-up before memory is judged.
const WARM_UP: Duration = Duration::from_secs(10);
/// RandomX cache, or dataset, and 2 MiB for each machine; counted apart from the program's own memory.
const CACHE_MIB: f64 = 256.0;
const DATASET_MIB: f64 = 2080.0;
/// The program's own memory at most. The checker's machine and the pool's answers are in it.
const MOST_OWN_MIB: f64 = 60.0;
/// A driver compiles and keeps its own; this is what the one that draws in software may take beside.
const DRIVER_MIB: f64 = 110.0;

/// On the wire: what the proxy does for one period.
const WIRE: [&str; 12] = [
    "reset",
    "delay 300",
    "close",
    "chop 1",
    "half",
    "stall",
    "glue 50",
    "bytes 900",
    "drop-down",
    "junk <html>",
    "drop-up",
    "chop 7",
];
/// By a Monero pool.
const MONERO: [&str; 14] = [
    "dup_job",
    "same_id_new_content",
    "retarget_same_job",
    "zero_target",
    "garbage_line",
    "unknown_replies",
    "job_storm(2000)",
    "reply_twice",
    "drop_reply(3)",
    "json_bomb",
    "escape_text",
    "new_block",
    "redirect(evil.example, 1)",
    "string_ids",
];
/// By a Bitcoin pool.
const BITCOIN: [&str; 20] = [
    "dup_job",
    "set_extranonce",
    "same_id_new_content",
    "retarget_same_job",
    "set_version_mask(0000e000)",
    "zero_target",
    "garbage_line",
    "set_extranonce(16, 2)",
    "unknown_replies",
    "job_storm(2000)",
    "set_version_mask(1fffe000)",
    "reply_twice",
    "drop_reply(3)",
    "malformed_notify(coinbase2_odd)",
    "json_bomb",
    "questions",
    "escape_text",
    "new_block",
    "redirect(evil.example, 1)",
    "string_ids",
];

/// By a Kaspa pool.
const KASPA: [&str; 20] = [
    "dup_job",
    "set_extranonce",
    "same_id_new_content",
    "old_job",
    "retarget_same_job",
    "zero_target",
    "garbage_line",
    "set_extranonce(4, 4)",
    "unknown_replies",
    "job_storm(10000)",
    "set_extranonce(0, 8)",
    "reply_twice",
    "drop_reply(3)",
    "malformed_template(words_three)",
    "json_bomb",
    "numbers_as_strings",
    "escape_text",
    "new_block",
    "redirect(evil.example, 1)",
    "string_ids",
];

/// What is soaked.
struct Soak {
    /// The algorithm.
    name: &'static str,
    pool: PoolConfig,
    /// Arguments of the miner beside pool and user.
    arguments: Vec<String>,
    user: &'static str,
    faults: &'static [&'static str],
    /// Time to the first share at most.
    start_s: u64,
    /// Memory that is not the program's own.
    big_mib: f64,
}

#[test]
fn randomx_with_faults_every_five_seconds() {
    let fast = std::env::var("RMINER_SOAK_MODE").is_ok_and(|mode| mode == "fast");
    let mut arguments = vec!["--threads", "2"];
    if !fast {
        arguments.extend(["--randomx-mode", "light", "--huge-pages", "off"]);
    }
    soak(Soak {
        name: "randomx",
        pool: PoolConfig {
            difficulty: DifficultyConfig { start: if fast { 200 } else { 4 }, ..DifficultyConfig::default() },
            job_interval: Duration::from_secs(7),
            ..PoolConfig::default()
        },
        arguments: arguments.into_iter().map(String::from).collect(),
        user: WALLET,
        faults: &MONERO,
        start_s: if fast { 180 } else { 60 },
        big_mib: if fast { DATASET_MIB } else { CACHE_MIB } + 2.0 * 2.0,
    });
}

#[test]
fn sha256d_with_faults_every_five_seconds() {
    let everything_is_there = std::env::var("RMINER_REQUIRE_FIXTURES").is_ok_and(|value| value == "1");
    let usual = if everything_is_there { "cpu,software" } else { "cpu" };
    let devices = std::env::var("RMINER_SOAK_DEVICES").unwrap_or_else(|_| usual.into());
    let big_mib = if devices == "cpu" { 0.0 } else { DRIVER_MIB };
    let arguments = ["--threads", "1", "--devices", &devices];
    soak(Soak {
        name: "sha256d",
        pool: PoolConfig {
            difficulty: DifficultyConfig { start: bitcoin::hashes(0.0005), ..DifficultyConfig::default() },
            job_interval: Duration::from_secs(7),
            ..PoolConfig::with_profile(bitcoin::Profile::default())
        },
        arguments: arguments.map(String::from).to_vec(),
        user: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig0",
        faults: &BITCOIN,
        start_s: 60,
        big_mib,
    });
}

/// Ten jobs a second, of which the pool keeps the last ten, and two threads.
#[test]
fn kheavyhash_with_faults_every_five_seconds() {
    soak(Soak {
        name: "kheavyhash",
        pool: PoolConfig {
            difficulty: DifficultyConfig { start: 1 << 20, ..DifficultyConfig::default() },
            ..PoolConfig::with_profile(kaspa::Profile::by_name("strict").unwrap())
        },
        arguments: ["--threads", "2", "--devices", "cpu"].map(String::from).to_vec(),
        user: "kaspa:qpauqsvk7yf9unexwmxsnmg547mhyga37csh0kj53q6xxgl24ydxjsgzthw5j.rig0",
        faults: &KASPA,
        start_s: 60,
        big_mib: 0.0,
    });
}

fn soak(soak: Soak) {
    let calm = std::env::var("RMINER_SOAK_CALM").is_ok_and(|value| value == "1");
    let Soak { name, pool, arguments, user, faults: pool_faults, start_s, big_mib } = soak;
    let seconds = std::env::var("RMINER_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(45);
    let pool = LocalPool::spawn_thread(pool).unwrap();
    let proxy = FaultProxy::spawn_thread(pool.addr()).unwrap();
    let url = format!("stratum+tcp://{}", proxy.addr());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut miner = Miner::start_at(name, &arguments, &["--pool", &url, "--user", user]);
    miner.wait_accepted(1, start_s);

    let began = Instant::now();
    let mut faults = 0;
    let mut memory = Vec::new();
    let mut shape = Vec::new();
    let mut next = began;
    while began.elapsed() < Duration::from_secs(seconds) {
        if !calm && Instant::now() >= next {
            next += FAULT_EVERY;
            proxy.command("ok".parse().unwrap());
            pool.set_fault(Fault::None);
            // Wire and pool take turns.
            if faults % 2 == 0 {
                proxy.command(WIRE[faults / 2 % WIRE.len()].parse().unwrap());
            } else {
                pool.set_fault(pool_faults[faults / 2 % pool_faults.len()].parse::<Fault>().unwrap());
            }
            faults += 1;
        }
        std::thread::sleep(Duration::from_millis(500));
        miner.assert_alive();
        if began.elapsed() > WARM_UP {
            memory.push(resident_mib(miner.pid()));
            shape.push(threads_and_files(miner.pid()));
        }
    }
    proxy.command("ok".parse().unwrap());
    pool.set_fault(Fault::None);
    // Nothing broke for good: shares are accepted again.
    miner.wait_accepted(2, 60);
    let (code, summary, took) = miner.stop();
    let stats = pool.stats();

    let own = |rss: &f64| rss - big_mib;
    let most = memory.iter().map(own).fold(f64::MIN, f64::max);
    let half = memory.len() / 2;
    let mean = |part: &[f64]| part.iter().map(own).sum::<f64>() / part.len().max(1) as f64;
    let (early, late) = (mean(&memory[..half]), mean(&memory[half..]));
    let threads = shape.iter().map(|(threads, _)| *threads);
    println!(
        "soak of {name}: {seconds} s, {faults} faults, {} shares found, {} accepted by the pool, {} stale, {} invalid, {} duplicate, own memory {most:.1} MiB at most, {early:.1} then {late:.1} MiB on average, threads {:?} to {:?}, files {:?} to {:?}, stop took {} ms",
        summary["shares"]["found"],
        stats.shares.accepted,
        stats.shares.stale(),
        stats.shares.invalid(),
        stats.shares.duplicates(),
        threads.clone().min(),
        threads.max(),
        shape.iter().map(|(_, files)| *files).min(),
        shape.iter().map(|(_, files)| *files).max(),
        took.as_millis()
    );
    println!("summary: {summary}");
    println!("shares by how many jobs were newer: {:?}", stats.shares_by_job_age);
    assert_eq!(code, Some(0));
    assert_sums(&summary);
    assert_eq!(stats.shares.invalid(), 0, "{stats:?}");
    assert_eq!(stats.shares.duplicates(), 0, "{stats:?}");
    assert!(stats.shares.add_up(), "{stats:?}");
    assert!(!calm || stats.shares.stale() * 100 <= stats.shares.accepted, "{stats:?}");
    for device in summary["devices"].as_array().unwrap() {
        assert!(device["hashes"].as_u64().unwrap() > 0 && device["mismatches"] == 0, "{summary}");
    }
    assert!(most <= MOST_OWN_MIB, "own memory {most:.1} MiB");
    assert!(late <= early + 8.0, "own memory grew from {early:.1} to {late:.1} MiB");
}
