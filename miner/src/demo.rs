//! A pool of our own on loopback: to see the whole program work without anybody else, and to test miners.

use std::net::SocketAddr;
use std::time::Duration;

use rminer_algos::registry::{Algorithm, Family};
use rminer_pool::{
    DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, PoolStats, Profile, bitcoin, kaspa, monero,
};
use rminer_stratum::{Credentials, PoolConfig as ClientPool, PoolUrl};

use crate::config::Settings;
use crate::exit::Exit;
use crate::mine::{mine, stop_signal};
use crate::problem::Problem;
use crate::ui::say;

/// The pool steers to about one share in this time.
const SHARE_EVERY: Duration = Duration::from_secs(4);
/// How often a pool that is alone says what it has seen.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// The demo's login; the pool takes any.
const USER: &str = "demo";

/// Starts a pool in this process and mines for it with the given settings, whose own pools are not used.
///
/// # Errors
/// What keeps pool or miner from starting.
pub fn demo(settings: &Settings) -> Result<Exit, (Problem, Exit)> {
    let mut pool = start(LocalPoolConfig::from(pool_config(settings.algorithm)))?;
    let address = pool.addr();
    let url: PoolUrl = format!("stratum+tcp://{address}").parse().map_err(|error| {
        (Problem::error("demo", format!("the pool's own address {address}: {error}")), Exit::Failed)
    })?;
    let credentials = Credentials { user: USER.into(), pass: "x".into(), rig_id: None };
    let client_pool = ClientPool::new(url, credentials, settings.algorithm);
    let settings = Settings { pools: vec![client_pool], ..settings.clone() };
    say!("This is a demonstration: a pool in this process on {address}, which checks every share.");
    say!(
        "Nothing is connected to, and nothing is earned. To mine: rminer --algo {} --pool HOST:PORT --user WALLET\n",
        settings.algorithm.name
    );
    let exit = mine(&settings, None)?;
    let stats = pool.stats();
    pool.stop();
    if !settings.dry_run {
        say!("The pool's own count: {}", describe(&stats));
    }
    Ok(exit)
}

/// Runs the pool of an algorithm alone on `listen` until it is stopped.
///
/// # Errors
/// What keeps it from starting.
pub fn serve(algorithm: &'static Algorithm, listen: SocketAddr) -> Result<Exit, (Problem, Exit)> {
    let mut pool = start(LocalPoolConfig { listen, ..LocalPoolConfig::from(pool_config(algorithm)) })?;
    say!("A validating pool for tests listens on {}. It takes any login; a miner joins with", pool.addr());
    say!("  rminer --algo {} --pool stratum+tcp://{} --user {USER}", algorithm.name, pool.addr());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| (Problem::error("system", error.to_string()), Exit::Failed))?;
    runtime.block_on(async {
        let mut last = String::new();
        loop {
            tokio::select! {
                () = stop_signal() => return,
                () = tokio::time::sleep(REPORT_EVERY) => {}
            }
            let now = describe(&pool.stats());
            if now != last {
                say!("{now}");
                last = now;
            }
        }
    });
    say!("Stopped: {}", describe(&pool.stats()));
    pool.stop();
    Ok(Exit::Done)
}

fn start(config: LocalPoolConfig) -> Result<LocalPool, (Problem, Exit)> {
    LocalPool::spawn_thread(config).map_err(|error| {
        let problem =
            Problem::error("demo", error.to_string()).help("choose a free port with --serve ADDRESS:PORT");
        (problem, Exit::Failed)
    })
}

/// Hashes that a first share and a block take: shares start so easy that any machine finds some at once, and a block
/// comes every minute or so.
pub(crate) fn pool_config(algorithm: &Algorithm) -> PoolConfig {
    let (profile, first_share, block): (Profile, u64, u128) = match algorithm.family {
        Family::Monero => (monero_profile(algorithm).into(), 200, 100_000),
        Family::Bitcoin => (bitcoin::Profile::default().into(), 1 << 22, 1 << 32),
        Family::Kaspa => (kaspa::Profile::default().into(), 1 << 20, 1 << 28),
    };
    PoolConfig {
        difficulty: DifficultyConfig {
            start: first_share,
            // No share comes while RandomX's dataset is built; that must not make the first ones worthless.
            min: first_share / 2,
            share_interval: Some(SHARE_EVERY),
            ..DifficultyConfig::default()
        },
        block_difficulty: block,
        ..PoolConfig::with_profile(profile)
    }
}

/// The pool of this version of RandomX.
fn monero_profile(algorithm: &Algorithm) -> monero::Profile {
    monero::Profile { algorithm: algorithm.wire_name(), ..monero::Profile::default() }
}

fn describe(stats: &PoolStats) -> String {
    let shares = &stats.shares;
    let mut text = format!("{} shares accepted, {} blocks", shares.accepted, stats.blocks);
    for (number, word) in [
        (shares.invalid(), "invalid"),
        (shares.duplicates(), "duplicate"),
        (shares.stale(), "stale"),
        (shares.in_check, "being checked"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {word}"));
        }
    }
    text
}
