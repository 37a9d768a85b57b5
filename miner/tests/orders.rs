//! Orders to a running miner: what they change, what they answer, and what they can never do.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod support;

use std::io;
use std::path::Path;
use std::process::Command as Process;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rminer::devices::DeviceSource;
use rminer::devices::sim::{SimOptions, SimSource};
use rminer::engine::{
    Board, Command, Duty, Happening, MAX_ORDERS, Order, Patience, Reload, Reloaded, RunOptions, Snapshot,
    State, Surroundings, run,
};
use rminer::exit::Exit;
use rminer::problem::Problem;
use rminer::safety::{Governor, SafetySettings};
use rminer::telemetry::{DeviceKind, Watched};
use rminer::ui::{Screen, Viewer};
use rminer_algos::registry::RANDOMX;
use rminer_pool::monero::Profile;
use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, Verifier, bitcoin};
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::{Credentials, PoolConfig as ClientPool};
use support::Miner;
use tokio::sync::{mpsc, oneshot};

/// What must come, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(40);

/// Keeps what happened.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Screen for Notes {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        self.0.lock().unwrap().push(format!("{happening:?}"));
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        self.0.lock().unwrap().push("rates".into());
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }
}

/// A person at a running miner.
struct Person {
    orders: mpsc::Sender<Order>,
    board: Arc<Board>,
    notes: Notes,
    pools: [LocalPool; 2],
}

impl Person {
    async fn orders(&self, command: Command) -> Result<String, Problem> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order { command, answer }).await.unwrap();
        answered.await.unwrap()
    }

    async fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what}: never\n{:#?}", self.notes.0.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn noted(&self, words: &str) -> usize {
        self.notes.0.lock().unwrap().iter().filter(|note| note.contains(words)).count()
    }

    fn accepted(&self, pool: usize) -> u64 {
        self.pools[pool].stats().shares.accepted
    }

    fn state(&self) -> State {
        self.board.snapshot().state
    }
}

fn pool() -> LocalPool {
    let difficulty = DifficultyConfig { start: 1000, min: 1, ..DifficultyConfig::default() };
    let config = PoolConfig { difficulty, ..PoolConfig::with_profile(Profile::default()) };
    LocalPool::spawn_thread(LocalPoolConfig { verifier: Verifier::Toy, ..LocalPoolConfig::from(config) })
        .unwrap()
}

/// Runs a miner with two pools while `person` tells it things; it is stopped when they are done.
fn with_miner(reload: Option<Reload<'_>>, person: impl AsyncFnOnce(&Person)) -> (Exit, Person) {
    let pools = [pool(), pool()];
    let configured = pools.each_ref().map(|pool| {
        let credentials = Credentials { user: "user".into(), pass: "x".into(), rig_id: None };
        ClientPool::new(format!("stratum+tcp://{}", pool.addr()).parse().unwrap(), credentials, &RANDOMX)
    });
    let client = Client::new(configured.to_vec(), ClientOptions::default()).unwrap();
    let source: Arc<dyn DeviceSource> = Arc::new(SimSource::new(0, SimOptions::default()));
    let id = source.info().id.clone();
    let watched = Watched { kind: DeviceKind::of(&id), id, pci: None, package: None };
    let options = RunOptions { time_limit: None, stats_interval: None, patience: Patience::default() };
    let (orders, waiting) = mpsc::channel(MAX_ORDERS);
    let (_notices, notices) = mpsc::channel(1);
    let governor = Governor::new(SafetySettings::default(), vec![watched], Instant::now());
    let board = Arc::new(Board::default());
    let around = Surroundings {
        orders: waiting,
        governor,
        board: Arc::clone(&board),
        reload,
        ..Surroundings::bare(notices)
    };
    let notes = Notes::default();
    let screen = notes.clone();
    let mut viewer = Viewer::start(move || vec![Box::new(screen)]).unwrap();
    let someone = Person { orders, board, notes, pools };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stop_now = tokio::sync::Notify::new();
    let (ended, ()) = runtime.block_on(async {
        tokio::join!(run(client, vec![source], around, options, || stop_now.notified(), &mut viewer), async {
            person(&someone).await;
            stop_now.notify_one();
        })
    });
    let (exit, snapshot) = ended.unwrap();
    viewer.finish(snapshot, Duration::from_secs(5));
    (exit, someone)
}

#[test]
fn a_pause_ends_by_itself_and_by_hand() {
    let (exit, _) = with_miner(None, async |person| {
        person.wait("mining", |person| person.accepted(0) > 0).await;
        let length = Some(Duration::from_secs(3));
        assert_eq!(person.orders(Command::Pause { length }).await.unwrap(), "paused for 3.0 s");
        person.wait("the pause", |person| person.state() == State::Paused).await;
        assert_eq!(person.board.snapshot().paused_by(), ["user"]);
        person.wait("its end", |person| person.noted("the pause of 3.0 s is over") == 1).await;
        person.wait("mining again", |person| person.state() == State::Mining).await;

        person.orders(Command::Pause { length: None }).await.unwrap();
        person.wait("the second pause", |person| person.state() == State::Paused).await;
        person.orders(Command::Resume).await.unwrap();
        person.wait("mining once more", |person| person.state() == State::Mining).await;
        let forever = Command::Pause { length: Some(Duration::MAX) };
        assert!(person.orders(forever).await.is_err());
        assert_eq!(person.noted("is over"), 1);
    });
    assert_eq!(exit, Exit::Done);
}

#[test]
fn a_limit_holds_one_device_back_until_it_is_taken_back() {
    with_miner(None, async |person| {
        person.wait("mining", |person| person.accepted(0) > 0).await;
        let device = person.board.snapshot().devices[0].id.clone();
        let limit = |device: &str, duty| Command::Limit { device: Some(device.into()), duty };
        let half = Some(Duty::from_permille(500));
        let unknown = person.orders(limit("gpu7", half)).await.unwrap_err();
        assert!(unknown.to_string().contains(&device), "{unknown}");
        assert!(person.orders(limit(&device, half)).await.unwrap().contains("50.0 %"));
        let duty = |person: &Person| person.board.snapshot().devices[0].duty;
        person.wait("the limit", |person| duty(person) == Duty::from_permille(500)).await;
        assert_eq!(person.board.snapshot().devices[0].caps[0].reason.name(), "limit");
        person.orders(limit(&device, None)).await.unwrap();
        person.wait("no limit", |person| duty(person) == Duty::FULL).await;
    });
}

#[test]
fn pools_are_switched_among_those_of_the_configuration_only() {
    let (_, person) = with_miner(None, async |person| {
        person.wait("mining", |person| person.accepted(0) > 0).await;
        for wrong in [2, 31, usize::MAX] {
            let refused = person.orders(Command::SwitchPool(wrong)).await.unwrap_err();
            assert_eq!(refused.code, "no-such-pool", "{refused}");
        }
        assert_eq!(person.orders(Command::SwitchPool(0)).await.unwrap_err().code, "already");
        let answer = person.orders(Command::SwitchPool(1)).await.unwrap();
        assert!(answer.starts_with("pool 2 is tried now"), "{answer}");
        person.wait("shares at the second", |person| person.accepted(1) > 0).await;
        person.wait("the second in the state", |person| person.board.snapshot().pool == Some(1)).await;
        assert_eq!(person.noted("NoJob"), 0, "it mines on meanwhile");
        person.orders(Command::SwitchPool(0)).await.unwrap();
        let before = person.accepted(0);
        person.wait("shares at the first again", |person| person.accepted(0) > before).await;
    });
    for pool in &person.pools {
        let stats = pool.stats();
        assert_eq!((stats.shares.invalid(), stats.shares.duplicates()), (0, 0), "{stats:?}");
    }
}

#[test]
fn a_configuration_that_is_read_again_says_what_it_changes() {
    let mut reads = 0;
    let reload: Reload<'_> = Box::new(|| {
        reads += 1;
        match reads {
            1 => Ok(Reloaded {
                safety: SafetySettings::default(),
                stats_interval: Some(Duration::from_secs(1)),
                changed: vec!["stats-interval"],
                needs_start: vec!["pools", "devices"],
                warnings: vec![Problem::warning("odd", "something is odd")],
            }),
            _ => Err(Problem::error("config", "it has faults").fact("error[config-key]: unknown key `x`")),
        }
    });
    with_miner(Some(reload), async |person| {
        person.wait("mining", |person| person.accepted(0) > 0).await;
        let answer = person.orders(Command::Reload).await.unwrap();
        assert!(answer.contains("new from now on: stats-interval"), "{answer}");
        assert!(answer.contains("only for the next start: pools, devices"), "{answer}");
        person.wait("reports", |person| person.noted("rates") > 1).await;
        assert_eq!((person.noted("needs-restart"), person.noted("something is odd")), (1, 1));
        let faults = person.orders(Command::Reload).await.unwrap_err();
        assert!(faults.facts[0].contains("unknown key"), "{faults}");
        let before = person.noted("rates");
        person.wait("reports as before", |person| person.noted("rates") > before + 1).await;
    });
}

#[test]
fn without_a_configuration_there_is_none_to_read_again() {
    with_miner(None, async |person| {
        assert_eq!(person.orders(Command::Reload).await.unwrap_err().code, "no-reload");
    });
}

/// A service is told of new settings by SIGHUP.
#[test]
fn sighup_reads_the_configuration_again() {
    let pool = || {
        let difficulty = DifficultyConfig { start: bitcoin::hashes(0.0005), ..DifficultyConfig::default() };
        let profile = bitcoin::Profile::default();
        LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::with_profile(profile) }).unwrap()
    };
    let (first, second) = (pool(), pool());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let write = |pool: &LocalPool, more: &str| {
        let text = format!(
            "user = \"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\"\n{more}\n[[pool]]\nurl = \"stratum+tcp://{}\"\n",
            pool.addr()
        );
        std::fs::write(&path, text).unwrap();
    };
    write(&first, "");
    let mut miner = Miner::start_sha256d(&["--config", path.to_str().unwrap()]);
    miner.wait_accepted(1, 60);
    let hang_up = |miner: &Miner| {
        let told = Process::new("kill").args(["-HUP", &miner.pid().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()));
    };
    let orders = |miner: &Miner| miner.named("order").len();

    write(&second, "pass = \"hunter2-of-the-reload\"");
    hang_up(&miner);
    miner.wait("the first answer", 20, |miner| orders(miner) == 1);
    let answer = miner.named("order")[0].clone();
    assert!(
        answer["done"] == true && answer["text"].as_str().unwrap().contains("next start: pools"),
        "{answer}"
    );
    miner.wait("the warning", 20, |miner| {
        miner.named("warning").iter().any(|warning| warning["code"] == "needs-restart")
    });

    write(&second, "pass = \"hunter2-of-the-reload\"\nretires = 5");
    hang_up(&miner);
    miner.wait("the second answer", 20, |miner| orders(miner) == 2);
    let answer = miner.named("order")[1].clone();
    assert!(answer["done"] == false && answer.to_string().contains("retires"), "{answer}");
    assert!(!answer.to_string().contains("hunter2"), "{answer}");

    miner.wait_accepted(1, 60);
    assert_eq!(second.stats().connects, 0, "nothing of it was applied");
    let (code, ..) = miner.stop();
    assert_eq!(code, Some(0));
    assert!(Path::new(&path).exists());
}
