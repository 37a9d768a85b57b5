//! Cases of the Bitcoin dialect that need more than one pool, another server, or a clock that runs faster.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use rminer_algos::Hash;
use rminer_pool::bitcoin::{MalformedNotify, Profile, hashes};
use rminer_pool::{DifficultyConfig, Fault, Limits, LocalPool, LocalPoolConfig, PoolConfig, Reject};

use crate::play::{Coin, DIFFICULTY, PATIENCE_S, Seen, USER, said, settle, url};
use crate::support::{Miner, assert_sums};
use crate::world::World;

/// Miners that run at a time.
const MINERS: usize = 2;
const MINUTE: Duration = Duration::from_secs(60);

/// Runs `check` on every one, [`MINERS`] at a time.
pub(crate) fn each<T: Send>(ones: Vec<T>, check: impl Fn(T) + Sync) {
    let ones = Mutex::new(ones);
    std::thread::scope(|scope| {
        for _ in 0..MINERS {
            scope.spawn(|| {
                loop {
                    let Some(one) = ones.lock().unwrap().pop() else { return };
                    check(one);
                }
            });
        }
    });
}

/// A pool that gives one job, and further ones when it is told to.
fn config(profile: &str) -> PoolConfig {
    Coin::Bitcoin.pool(profile)
}

fn start(address: SocketAddr, arguments: &[&str]) -> Miner {
    Miner::start_sha256d(&[&["--pool", &url(address), "--user", USER], arguments].concat())
}

fn pool(profile: &str) -> LocalPool {
    LocalPool::spawn_thread(config(profile)).unwrap()
}

/// The first pool bans its miners; it is left, and has no connection while the second one is mined for.
pub(crate) fn one_pool_at_a_time() {
    let (first, second) = (pool("default"), pool("default"));
    let mut miner = start(first.addr(), &["--pool", &url(second.addr())]);
    miner.wait_accepted(1, PATIENCE_S);
    first.set_fault(Fault::BanText);
    miner.wait("share at the second pool", PATIENCE_S, |_| second.stats().shares.accepted > 1);
    assert_eq!((first.stats().open_sessions, second.stats().open_sessions), (0, 1));
    let submitted = first.stats().shares.submitted;
    miner.wait_accepted(1, PATIENCE_S);
    assert_eq!(first.stats().shares.submitted, submitted);
    assert!(said(&miner).contains("banned"), "{}", said(&miner));
    settle("case 14", &second, miner, &[]);
}

pub(crate) fn another_port_is_followed() {
    let (first, other) = (pool("default"), pool("default"));
    let mut miner = start(first.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    first.set_fault(Fault::Redirect(Some(("127.0.0.1".into(), other.addr().port().to_string()))));
    miner.wait("share at the other port", PATIENCE_S, |_| other.stats().shares.accepted > 0);
    // The configured place is the one to come back to.
    other.set_fault(Fault::Close);
    let before = first.stats().shares.accepted;
    miner.wait("share at the first port", PATIENCE_S, |_| first.stats().shares.accepted > before);
    settle("case 16", &first, miner, &[]);
    let stats = other.stats();
    assert_eq!((stats.shares.rejected_total(), stats.open_sessions), (0, 0), "{stats:?}");
}

/// What the pool says as a decimal is an exact target to the miner.
pub(crate) fn targets_are_exact() {
    // By an independent script. The pool counts in 2^32 hashes, so only such difficulties are exact on its side.
    for (difficulty, target) in [
        (1.0, "00000000ffff0000000000000000000000000000000000000000000000000000"),
        (512.0, "00000000007fff80000000000000000000000000000000000000000000000000"),
        (65536.5, "000000000000fffe8000bfffa0002fffe8000bfffa0002fffe8000bfffa0002f"),
    ] {
        let difficulty = DifficultyConfig::fixed(hashes(difficulty));
        let mut world = World::with(PoolConfig { difficulty, ..config("default") }, 18);
        world.stopped = true;
        world.run(MINUTE);
        let job = world.jobs.back().unwrap();
        let bytes = rminer_algos::decode_hex_array::<32>(target).unwrap();
        let (mut at, mut above) = (bytes, bytes);
        at.reverse();
        above.reverse();
        // The last byte of the target is never 255.
        above[0] += 1;
        assert_eq!(job.target.to_le_bytes(), at);
        assert!(job.target.is_met_by(&Hash(at)) && !job.target.is_met_by(&Hash(above)), "{target}");
    }
}

/// A pool that enforces a raised difficulty before any job brings it loses shares for two seconds, and no longer.
pub(crate) fn a_raise_without_a_job_is_obeyed_soon() {
    let pool = pool("enforce-at-once");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(2, PATIENCE_S);
    pool.set_difficulty(hashes(2.0 * DIFFICULTY));
    miner.wait("job at the raised difficulty", PATIENCE_S, |miner| miner.named("job").len() == 2);
    // What was sent before is answered behind it.
    miner.wait_accepted(1, PATIENCE_S);
    let missed = pool.stats().shares.rejects(Reject::Retargeted);
    miner.wait_accepted(4, PATIENCE_S);
    let stats = settle("case 19", &pool, miner, &[]).stats;
    assert_eq!(stats.shares.rejects(Reject::Retargeted), missed, "{stats:?}");
    assert_eq!(stats.jobs, 1, "{stats:?}");
}

/// A user who asks for all bits is told; who asks for all but those gets no more of a pool that grants all.
pub(crate) fn reserved_version_bits_are_never_rolled() {
    let everything = ["--pool", "stratum+tcp://127.0.0.1:3333", "--user", USER, "--version-mask", "ffffffff"];
    let mut miner = Miner::start_sha256d(&everything);
    assert_eq!(miner.wait_exit(PATIENCE_S), Some(2));
    assert!(miner.errors().contains("bits 29 to 31"), "{}", miner.errors());

    let all = Profile { version_mask: u32::MAX, ..Profile::default() };
    let pool = LocalPool::spawn_thread(PoolConfig { profile: all.into(), ..config("default") }).unwrap();
    let mut miner = start(pool.addr(), &["--version-mask", "1fffff00", "-vv"]);
    miner.wait_accepted(1, PATIENCE_S);
    pool.set_fault(Fault::SetVersionMask(u32::MAX));
    miner.wait_accepted(3, PATIENCE_S);
    let sent = miner.errors();
    let seen = settle("case 23", &pool, miner, &[]);
    assert!(seen.stats.rolled_versions > 0, "{:?}", seen.stats);
    let bits: Vec<u32> = sent
        .lines()
        .filter_map(|line| line.split_once("mining.submit"))
        .map(|(_, submit)| submit.rsplit('"').nth(1).unwrap())
        .map(|bits| u32::from_str_radix(bits, 16).unwrap())
        .collect();
    assert!(bits.len() >= 3 && bits.iter().all(|bits| bits >> 29 == 0), "{bits:x?}");
}

/// Refusals come in every shape and for every reason; each is counted once, by what it says.
pub(crate) fn refusals_are_counted_by_what_they_say() {
    let shapes = vec![
        ("array", "stale_job", "stale"),
        ("array", "low_difficulty", "low difficulty"),
        ("object", "duplicate", "duplicate"),
        ("reject_reason", "low_difficulty", "low difficulty"),
        ("text", "duplicate", "duplicate"),
        ("nested", "stale_job", "stale"),
        ("number", "stale_job", "stale"),
        ("bare", "stale_job", "other"),
        ("no_code", "time_out_of_range", "other"),
    ];
    each(shapes, |(shape, reject, class)| {
        let pool = pool("default");
        pool.set_fault(format!("error_shape({shape})").parse::<Fault>().unwrap());
        pool.set_fault(format!("reject_all({reject})").parse::<Fault>().unwrap());
        let mut miner = start(pool.addr(), &[]);
        let name = format!("case 24: {shape} {reject}");
        miner.wait(&name, PATIENCE_S, |_| pool.stats().forced_rejects >= 2);
        pool.set_fault(Fault::None);
        miner.wait_accepted(1, PATIENCE_S);
        let seen = settle(&name, &pool, miner, &[]);
        assert_eq!(seen.refused(class), seen.stats.forced_rejects, "{name}: {}", seen.summary);
    });
}

pub(crate) fn malformed_jobs_are_dropped_and_unusual_ones_mined() {
    let kinds: Vec<_> =
        MalformedNotify::ALL.iter().filter(|kind| **kind != MalformedNotify::OtherAlgorithm).collect();
    each(kinds.chunks(kinds.len().div_ceil(MINERS)).collect(), |kinds: &[&MalformedNotify]| {
        let pool = pool("default");
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
        settle("case 27", &pool, miner, &[]);
    });
}

/// What ends a miner that is to give up after one round, and why.
fn gives_up(pool: &str, codes: &[i32]) -> String {
    let mut miner = Miner::start_sha256d(&["--pool", pool, "--user", USER, "--retries", "1"]);
    let code = miner.wait_exit(PATIENCE_S);
    let reasons = miner.down_reasons();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{code:?}: {reasons}");
    reasons
}

pub(crate) fn http_on_the_port_is_named() {
    let http = server(|mut stream| {
        let mut hello = [0; 256];
        let _read = stream.read(&mut hello);
        let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\nContent-Length: 0\r\n\r\n");
        std::thread::sleep(Duration::from_millis(200));
    });
    let reasons = gives_up(&http, &[4]);
    assert!(reasons.contains("HTTP/1.1"), "{reasons}");
}

pub(crate) fn a_pool_of_another_coin_is_left() {
    let monero = LocalPool::spawn_thread(PoolConfig::default()).unwrap();
    let reasons = gives_up(&url(monero.addr()), &[4, 5]);
    assert!(!reasons.is_empty());
    assert_eq!(monero.stats().shares.submitted, 0);
}

/// A server of the protocol's second version says nothing to so short a line.
pub(crate) fn a_silent_port_is_named() {
    let silent = server(|stream| {
        std::thread::spawn(move || {
            std::thread::sleep(MINUTE);
            drop(stream);
        });
    });
    let reasons = gives_up(&silent, &[4]);
    assert!(reasons.contains("Stratum V2"), "{reasons}");
}

/// A job of another algorithm ends it all: nothing here can ever be mined.
pub(crate) fn jobs_of_another_coin_end_it() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &["--retries", "1"]);
    miner.wait_accepted(1, PATIENCE_S);
    pool.set_fault(Fault::MalformedNotify(MalformedNotify::OtherAlgorithm));
    miner.wait("the reason", PATIENCE_S, |miner| miner.down_reasons().contains("KawPow"));
    assert_eq!(pool.stats().shares_for_malformed_jobs, 0);
}

/// The miner's own times are the machine's, whatever the pool thinks; the jobs' are the pool's.
pub(crate) fn time_is_only_the_jobs(seen: &Seen) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let told: Vec<f64> = seen.events.iter().filter_map(|event| event["time_s"].as_f64()).collect();
    assert!(!told.is_empty() && told.iter().all(|time_s| (time_s - now).abs() < 600.0), "{told:?}");
    assert_eq!(seen.stats.rolled_times, 0, "{:?}", seen.stats);
}

/// Hours with a job every few minutes and no share at all: nobody is left for that.
pub(crate) fn a_quiet_pool_is_no_dead_one() {
    let difficulty = DifficultyConfig::fixed(u64::MAX);
    let job_interval = Duration::from_secs(170);
    // The pool does not mind a miner without a share.
    let limits = Limits { idle: Duration::MAX, ..Limits::default() };
    let mut world = World::with(PoolConfig { difficulty, job_interval, limits, ..config("default") }, 54);
    world.stopped = true;
    world.run(180 * MINUTE);
    let stats = world.pool.stats();
    assert_eq!((stats.connects, stats.open_sessions, stats.shares.submitted), (1, 1, 0), "{stats:?}");
    assert!(stats.jobs >= 60, "{stats:?}");
}

pub(crate) fn a_pool_without_jobs_is_left() {
    let told = |world: &World, words: &str| world.notices.iter().any(|notice| notice.contains(words));
    let mut world = World::with(config("no-job"), 55);
    world.run(MINUTE);
    assert!(told(&world, "no job within 30 s after the login"), "{:?}", world.notices);
    assert!(world.pool.stats().logins >= 1 && world.jobs.is_empty());

    let difficulty = DifficultyConfig::fixed(u64::MAX);
    let mut world = World::with(PoolConfig { difficulty, ..config("default") }, 55);
    world.stopped = true;
    world.run(MINUTE);
    assert_eq!(world.jobs.len(), 1);
    world.fault(Fault::Silent);
    world.run(5 * MINUTE);
    assert!(told(&world, "no message for 180 s"), "{:?}", world.notices);
    // It is tried again, and mined for as soon as it speaks.
    world.fault(Fault::None);
    world.run(5 * MINUTE);
    let stats = world.pool.stats();
    assert!(stats.connects > 1 && stats.open_sessions == 1, "{stats:?}");
    assert!(world.jobs.back().unwrap().key.session > 1, "{stats:?}");
}

/// A literal stands in brackets; without them the miner says so and starts nothing.
pub(crate) fn addresses_of_ipv6() {
    let mut miner = Miner::start_sha256d(&["--pool", "stratum+tcp://::1:3333", "--user", USER]);
    assert_eq!(miner.wait_exit(PATIENCE_S), Some(2));
    assert!(miner.errors().contains("stands in brackets"), "{}", miner.errors());

    let listen = (Ipv6Addr::LOCALHOST, 0).into();
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        return println!("skipped: no IPv6 on this machine ({error})");
    }
    let pool = config("default");
    let pool = LocalPool::spawn_thread(LocalPoolConfig { listen, ..LocalPoolConfig::from(pool) }).unwrap();
    assert!(url(pool.addr()).starts_with("stratum+tcp://[::1]:"));
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(1, PATIENCE_S);
    settle("case 58", &pool, miner, &[]);
}

/// Where no verdict is lost on its way, both sides have counted the same.
pub(crate) fn the_books_agree_with_the_pools() {
    let pool = pool("default");
    let mut miner = start(pool.addr(), &[]);
    miner.wait_accepted(10, PATIENCE_S);
    // The last verdict must not be on its way when the miner ends, so there is nothing more to find.
    pool.set_difficulty(u64::MAX);
    pool.push_job();
    miner.wait("job without shares", PATIENCE_S, |miner| miner.named("job").len() == 2);
    miner.wait("equal counts", PATIENCE_S, |miner| {
        u64::try_from(miner.accepted()).unwrap() == pool.stats().shares.accepted
    });
    let seen = settle("case 59", &pool, miner, &[]);
    let stats = &seen.stats;
    assert_eq!(seen.summary["shares"]["accepted"], stats.shares.accepted, "{} {stats:?}", seen.summary);
    assert_eq!((stats.connects, stats.logins, stats.closed_by_pool), (1, 1, 0));
}

/// At a difficulty that every hash meets, a miner sends what the pool takes and keeps the rest to itself.
pub(crate) fn an_absurd_difficulty_floods_nobody() {
    let pool = pool("gopool");
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

/// A server that accepts and does what `serve` does with each connection.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream);
        }
    });
    url(address)
}
