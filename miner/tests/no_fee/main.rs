//! No fee: over days of virtual time, among pools that fail, ban, lie and send the miner elsewhere, every connection goes
//! to a pool of the configuration, and every login and share carries the user of that pool, byte for byte; and the
//! real program opens no other connection than those.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod books;
#[path = "../../../fixtures/support.rs"]
mod fixtures;
mod real;
#[path = "../support/recorder.rs"]
mod recorder;
#[path = "../support/running.rs"]
mod running;
mod world;

use rminer_stratum::bugs::{Bug, Bugs};
use rminer_stratum::rng::Rng;

use books::Books;
use world::{Coin, World};

/// Runs of each coin, and the virtual time of each.
const SEEDS: u64 = 4;
const HOURS: u64 = 72;

#[test]
fn days_among_hostile_pools_pay_only_the_configured_users() {
    let mut all = Books::default();
    for coin in Coin::ALL {
        let mut books = Books::default();
        for seed in 0..SEEDS {
            let mut world = World::new(coin, seed, Bugs::default());
            world.live(HOURS);
            books.add(&world.finish());
        }
        println!("{coin:?}: {}", books.summary(SEEDS * HOURS));
        assert_eq!(books.failure, None, "{coin:?}");
        // What was never reached proves nothing.
        let seen = [
            books.connects,
            books.logins,
            books.submits,
            books.accepted,
            books.redirects_followed,
            books.redirects_wanted - books.redirects_followed,
            books.failed_connects,
            books.switches,
        ];
        assert!(seen.iter().all(|count| *count > 20), "{coin:?}: {books:?}");
        all.add(&books);
    }
    println!("all: {}", all.summary(3 * SEEDS * HOURS));
}

/// The same run with a client that follows every redirect must not pass, or the run above proves nothing.
#[test]
fn a_client_that_goes_elsewhere_is_caught() {
    for coin in Coin::ALL {
        let mut world = World::new(coin, 1, Bugs::one(Bug::RedirectAnywhere));
        world.live(HOURS);
        let failure = world.finish().failure.unwrap_or_default();
        assert!(failure.contains("elsewhere"), "{coin:?}: {failure:?}");
    }
}

/// So must one that logs in as anybody else.
#[test]
fn another_user_is_caught() {
    let mut rng = Rng::new(1);
    for (coin, line) in [
        (Coin::Monero, r#"{"id":1,"method":"login","params":{"login":"fee","pass":"x"}}"#),
        (Coin::Bitcoin, r#"{"id":1,"method":"mining.authorize","params":["fee","x"]}"#),
        (Coin::Bitcoin, r#"{"id":1,"method":"mining.submit","params":["fee","1","2","3","4"]}"#),
        (Coin::Kaspa, r#"{"id":1,"method":"mining.authorize","params":["fee","x"]}"#),
        (Coin::Kaspa, r#"{"id":1,"method":"mining.tip","params":[]}"#),
    ] {
        let accounts = coin.accounts(&mut rng);
        let mut books = Books::default();
        books.sent(&accounts, 0, format!("{line}\n").as_bytes());
        assert!(books.failure.is_some(), "{line}");
    }
    let accounts = Coin::Monero.accounts(&mut rng);
    let mut books = Books::default();
    let foreign = serde_json::json!({ "id": 1, "method": "submit", "params": { "id": accounts[1].user } });
    books.sent(&accounts, 0, format!("{foreign}\n").as_bytes());
    assert!(books.failure.is_some(), "another pool's user");
}
