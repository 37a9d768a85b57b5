//! The engine with simulated devices at a pool that uses the toy hash: what becomes of hits when devices are wrong,
//! lost, or hung.
#![allow(clippy::unwrap_used)] // a failure here is a failed test

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rminer::devices::sim::{SimFailure, SimOptions, SimSource};
use rminer::devices::{Check, DeviceSource};
use rminer::engine::{Happening, Patience, RunOptions, Snapshot, Surroundings, run};
use rminer::exit::Exit;
use rminer::ui::{Screen, Viewer};
use rminer_algos::registry::RANDOMX;
use rminer_pool::monero::Profile;
use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, PoolStats, Verifier};
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::{Credentials, NotSent, PoolConfig as ClientPool};
use tokio::sync::mpsc;

/// Keeps the names of what happened.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Screen for Notes {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        self.0.lock().unwrap().push(format!("{happening:?}"));
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }
}

struct Outcome {
    exit: Exit,
    snapshot: Snapshot,
    stats: PoolStats,
    notes: Vec<String>,
}

impl Outcome {
    fn noted(&self, words: &str) -> usize {
        self.notes.iter().filter(|note| note.contains(words)).count()
    }

    fn not_sent(&self, why: NotSent) -> u64 {
        self.snapshot.shares.not_sent.get(&why).copied().unwrap_or(0)
    }
}

/// Mines for `seconds` with these devices; shares come about ten a second from each.
fn mine(devices: &[SimOptions], profile: Profile, seconds: u64) -> Outcome {
    mine_at(1000, devices, profile, seconds)
}

/// The same at a pool of this difficulty.
fn mine_at(start: u64, devices: &[SimOptions], profile: Profile, seconds: u64) -> Outcome {
    let difficulty = DifficultyConfig { start, min: 1, ..DifficultyConfig::default() };
    mine_with(PoolConfig { difficulty, ..PoolConfig::with_profile(profile) }, devices, seconds)
}

fn mine_with(pool: PoolConfig, devices: &[SimOptions], seconds: u64) -> Outcome {
    let pool =
        LocalPool::spawn_thread(LocalPoolConfig { verifier: Verifier::Toy, ..LocalPoolConfig::from(pool) })
            .unwrap();
    let sources = devices
        .iter()
        .zip(0..)
        .map(|(options, worker)| Arc::new(SimSource::new(worker, options.clone())) as Arc<dyn DeviceSource>);
    let credentials = Credentials { user: "user".into(), pass: "x".into(), rig_id: None };
    let url = format!("stratum+tcp://{}", pool.addr()).parse().unwrap();
    let client =
        Client::new(vec![ClientPool::new(url, credentials, &RANDOMX)], ClientOptions::default()).unwrap();
    let options = RunOptions {
        time_limit: Some(Duration::from_secs(seconds)),
        stats_interval: None,
        patience: Patience {
            hashing: Duration::from_secs(3),
            preparing: Duration::from_secs(60),
            rebirth: [Duration::from_millis(50); 2],
            bench: Duration::from_secs(600),
            test: false,
        },
    };
    let notes = Notes::default();
    let screen = notes.clone();
    let mut viewer = Viewer::start(move || vec![Box::new(screen)]).unwrap();
    let (_notices, waiting) = mpsc::channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stop = || std::future::pending();
    let (exit, snapshot) = runtime
        .block_on(run(client, sources.collect(), Surroundings::bare(waiting), options, stop, &mut viewer))
        .unwrap();
    viewer.finish(snapshot.clone(), Duration::from_secs(5));
    let stats = pool.stats();
    assert!(stats.shares.add_up(), "{stats:?}");
    assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    let notes = notes.0.lock().unwrap().clone();
    Outcome { exit, snapshot, stats, notes }
}

#[test]
fn good_devices_are_credited() {
    let outcome = mine(&[SimOptions::default(), SimOptions::default()], Profile::default(), 4);
    assert_eq!(outcome.exit, Exit::Done);
    let shares = &outcome.snapshot.shares;
    assert!(shares.accepted > 5, "{shares:?}");
    assert_eq!(shares.accepted, outcome.stats.shares.accepted);
    assert_eq!(outcome.noted("Mismatch"), 0);
    assert_eq!(outcome.snapshot.devices.len(), 1, "two workers of one device");
    assert_eq!(outcome.snapshot.devices[0].workers, 2);
}

/// Jobs change the version of RandomX several times a second: every share is right for its own job, and a device that
/// is wrong is found out in both.
#[test]
fn versions_are_followed_from_job_to_job() {
    let pool = PoolConfig {
        difficulty: DifficultyConfig { start: 1000, min: 1, ..DifficultyConfig::default() },
        job_interval: Duration::from_millis(200),
        ..PoolConfig::with_profile(Profile::by_name("algo-switch").unwrap())
    };
    let first = SimOptions { check: Check::First, ..SimOptions::default() };
    let wrong = SimOptions { wrong_one_in: Some(3), ..first.clone() };
    let outcome = mine_with(pool, &[first, SimOptions::default(), wrong], 5);
    let shares = &outcome.stats.shares;
    assert!(shares.accepted > 20 && outcome.stats.jobs > 10, "{:?}", outcome.stats);
    assert_eq!(outcome.snapshot.shares.accepted, shares.accepted);
    assert!(outcome.not_sent(NotSent::Miscompute) > 2, "{:?}", outcome.snapshot.shares);
}

#[test]
fn wrong_hits_of_an_untrusted_device_are_never_sent() {
    let wrong = SimOptions { check: Check::First, wrong_one_in: Some(3), ..SimOptions::default() };
    let outcome = mine(&[wrong], Profile::default(), 5);
    assert!(outcome.not_sent(NotSent::Miscompute) > 2, "{:?}", outcome.snapshot.shares);
    assert!(outcome.snapshot.shares.accepted > 2);
    assert!(outcome.snapshot.devices[0].mismatches > 2);
}

#[test]
fn a_device_that_is_always_wrong_is_benched() {
    let wrong = SimOptions { check: Check::First, wrong_one_in: Some(1), ..SimOptions::default() };
    let outcome = mine(&[wrong, SimOptions::default()], Profile::default(), 8);
    assert_eq!(outcome.noted("Lost(0"), 2, "{:?}", outcome.notes);
    assert_eq!(outcome.noted("Benched(0"), 1, "{:?}", outcome.notes);
    assert_eq!(outcome.noted("Lost(1"), 0);
    assert!(outcome.not_sent(NotSent::Miscompute) >= 6);
    assert!(outcome.snapshot.shares.accepted > 5);
}

/// Far more hits in a slice than anybody can take: each has its row, the pool is not flooded, and others mine on.
#[test]
fn a_flood_of_hits_is_counted_and_throttled() {
    let outcome = mine_at(1, &[SimOptions::default(), SimOptions::default()], Profile::default(), 5);
    let shares = &outcome.snapshot.shares;
    assert!(shares.found > 1000, "{shares:?}");
    assert!(shares.accepted > 10 && outcome.not_sent(NotSent::Throttled) > 100, "{shares:?}");
}

/// Where every hash is a hit only a bounded number of them is told one by one; all of them are counted, and the loop
/// ends when it is told to.
#[test]
fn where_every_hash_is_a_hit_the_loop_stays_free() {
    let fast = SimOptions { rate_hs: 200_000, ..SimOptions::default() };
    let outcome = mine_at(1, &[fast.clone(), fast], Profile::default(), 5);
    assert_eq!(outcome.exit, Exit::Done);
    let (snapshot, shares) = (&outcome.snapshot, &outcome.snapshot.shares);
    assert_eq!(shares.found, shares.closed() + u64::try_from(snapshot.pending).unwrap());
    assert!(shares.found > 50_000 && shares.found <= snapshot.hashes, "{shares:?}");
    assert!(shares.accepted > 10, "{shares:?}");
    // Two workers, 32 hits in each window of a second, the first and the last window not whole.
    let bound = (snapshot.uptime.as_secs() + 2) * 2 * 32;
    let told = u64::try_from(outcome.noted("Share(")).unwrap();
    assert!(told <= bound, "{told} of at most {bound}");
    let bulk = u64::try_from(outcome.noted("Excess(")).unwrap();
    assert!(
        (1..=snapshot.uptime.as_secs() + 2).contains(&bulk),
        "{bulk} words for all workers of the device"
    );
}

#[test]
fn hits_found_twice_are_sent_once() {
    let doubled = SimOptions { doubled: true, ..SimOptions::default() };
    let outcome = mine(&[doubled], Profile::default(), 4);
    assert!(outcome.not_sent(NotSent::Duplicate) > 2, "{:?}", outcome.snapshot.shares);
    assert!(outcome.snapshot.shares.accepted > 2);
}

#[test]
fn lost_and_hung_devices_do_not_stop_the_others() {
    for failure in [SimFailure::PanicInScan, SimFailure::Load, SimFailure::LostInScan, SimFailure::Hang] {
        let bad = SimOptions { failure: Some((failure, 1)), ..SimOptions::default() };
        let outcome = mine(&[bad, SimOptions::default()], Profile::default(), 6);
        assert_eq!(outcome.exit, Exit::Done, "{failure:?}");
        assert!(outcome.snapshot.shares.accepted > 5, "{failure:?}: {:?}", outcome.snapshot.shares);
        assert_eq!(outcome.noted("Lost(0") + outcome.noted("Hung(0"), 1, "{failure:?}: {:?}", outcome.notes);
    }
}

#[test]
fn too_many_hung_devices_ask_for_a_new_process() {
    let hangs = SimOptions { failure: Some((SimFailure::Hang, 9)), ..SimOptions::default() };
    let outcome = mine(&[hangs.clone(), hangs], Profile::default(), 60);
    assert_eq!(outcome.exit, Exit::DeviceHung);
}
