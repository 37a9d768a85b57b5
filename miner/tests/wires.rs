//! The real binary through real programs on its way to the embedded pool: a TLS wrapper, proxies, a load balancer.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "../../fixtures/support.rs"]
mod fixtures;
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use fixtures::{Fixture, free_port, with_fixtures};
use rminer_pool::{DifficultyConfig, LocalPool, PoolConfig};
use support::{Miner, WALLET, assert_sums};

const PROGRAMS: [&str; 6] = ["stunnel", "microsocks", "haproxy", "socat", "openssl", "ss"];

/// The pool, and the programs before it.
struct Wires {
    pool: LocalPool,
    fixture: Fixture,
}

impl Wires {
    fn start() -> Self {
        let difficulty = DifficultyConfig { start: 4, ..DifficultyConfig::default() };
        let pool = LocalPool::spawn_thread(PoolConfig { difficulty, ..PoolConfig::default() }).unwrap();
        let ports = ["TLS_PORT", "SOCKS_PORT", "SOCKS_AUTH_PORT", "HA_PORT"];
        let environment: BTreeMap<_, _> =
            ports.into_iter().map(|name| (name, free_port().to_string())).collect();
        let fixture = Fixture::start("wires.sh", environment, &[pool.addr().port().to_string()]);
        Self { pool, fixture }
    }

    fn direct(&self) -> String {
        format!("stratum+tcp://{}", self.pool.addr())
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.fixture.folder().join(name)).unwrap()
    }

    /// Says something to the load balancer's own socket.
    fn balancer(&self, command: &str) {
        let socket = format!("UNIX-CONNECT:{}", self.fixture.folder().join("ha.sock").display());
        let said = Command::new("sh")
            .args(["-c", "echo \"$1\" | socat - \"$2\"", "sh", command, &socket])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success() && answer.trim().is_empty(), "{command}: {answer}");
    }

    /// Mines until a share is accepted, then ends the miner and checks the sums of both sides.
    fn mines(&self, arguments: &[&str]) {
        let mut miner = Miner::start_pair(arguments);
        miner.wait_accepted(1, 300);
        self.ends_well(miner);
    }

    fn ends_well(&self, miner: Miner) {
        let (code, summary, _) = miner.stop();
        assert_eq!(code, Some(0));
        assert_sums(&summary);
        let shares = self.pool.stats().shares;
        assert_eq!((shares.invalid(), shares.duplicates()), (0, 0), "{shares:?}");
    }

    /// Is refused on the way, says these words, and no login reaches the pool.
    fn refused(&self, arguments: &[&str], words: &str) {
        let before = self.pool.stats();
        let mut miner = Miner::start_pair(&[arguments, &["--retries", "1"]].concat());
        assert_eq!(miner.wait_exit(120), Some(4), "{}", miner.down_reasons());
        assert!(miner.down_reasons().contains(words), "{}", miner.down_reasons());
        let after = self.pool.stats();
        assert_eq!(after.logins, before.logins, "{arguments:?}");
    }
}

#[test]
fn tls_through_stunnel() {
    with_fixtures("tls_through_stunnel", &PROGRAMS, || {
        let wires = Wires::start();
        let url = format!("stratum+tls://{}", wires.fixture.get("TLS_ADDRESS"));
        // As openssl computes it from the certificate's file.
        let pin = wires.fixture.get("TLS_SHA256");
        let pool = ["--pool", &url, "--user", WALLET];

        wires.refused(&pool, &format!("--tls-pin {pin}"));
        let other = "ab".repeat(32);
        wires.refused(&[&pool[..], &["--tls-pin", &other]].concat(), "not the pinned one");
        wires.mines(&[&pool[..], &["--tls-pin", &pin]].concat());
    });
}

#[test]
fn socks_through_microsocks() {
    with_fixtures("socks_through_microsocks", &PROGRAMS, || {
        let wires = Wires::start();
        let (url, target) = (wires.direct(), wires.pool.addr());
        let pool = ["--pool", &url, "--user", WALLET];
        let connected = |log: &str| wires.log(log).contains(&format!("connected to {target}"));

        assert!(!connected("socks.log"));
        let open = format!("socks5://{}", wires.fixture.get("SOCKS_ADDRESS"));
        wires.mines(&[&pool[..], &["--proxy", &open]].concat());
        assert!(connected("socks.log"), "{}", wires.log("socks.log"));

        let guarded = wires.fixture.get("SOCKS_AUTH_ADDRESS");
        let wrong = format!("socks5://u:wrong@{guarded}");
        wires.refused(&[&pool[..], &["--proxy", &wrong]].concat(), "refuses the user or password");
        let without = format!("socks5://{guarded}");
        wires.refused(&[&pool[..], &["--proxy", &without]].concat(), "asks for a user and password");
        assert!(!connected("socks-auth.log"), "{}", wires.log("socks-auth.log"));
        let right = format!("socks5://u:p@{guarded}");
        wires.mines(&[&pool[..], &["--proxy", &right]].concat());
        assert!(connected("socks-auth.log"), "{}", wires.log("socks-auth.log"));
    });
}

#[test]
fn cut_off_and_taken_away_by_haproxy() {
    with_fixtures("cut_off_and_taken_away_by_haproxy", &PROGRAMS, || {
        let wires = Wires::start();
        let url = format!("stratum+tcp://{}", wires.fixture.get("HA_ADDRESS"));
        let mut miner = Miner::start_pair(&["--pool", &url, "--user", WALLET]);
        miner.wait_accepted(1, 300);
        let downs =
            |miner: &Miner| miner.named("pool").iter().filter(|event| event["state"] == "down").count();

        wires.balancer("shutdown sessions server s/a");
        miner.wait("word of the cut", 120, |miner| downs(miner) == 1);
        miner.wait_accepted(1, 300);
        assert_eq!(downs(&miner), 1, "{}", miner.down_reasons());

        wires.balancer("set server s/a state maint");
        wires.balancer("shutdown sessions server s/a");
        // The cut, and two tries at a balancer that takes connections and drops them.
        miner.wait("tries in vain", 120, |miner| downs(miner) >= 4);
        wires.balancer("set server s/a state ready");
        miner.wait_accepted(1, 300);
        wires.ends_well(miner);
    });
}
