use rminer_algos::registry::RANDOMX;

use super::*;
use crate::dialect::monero::{Monero, MoneroConfig};
use crate::dialect::{self, Dialect, Limits, Outbox, ProtocolError};
use crate::endpoint::RedirectPolicy;
use crate::ledger::{ShareId, Verdict};
use rminer_algos::Hash;

const LOGIN: &str = r#"{"id":1,"result":{"id":"s","job":{"blob":"1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb00000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201","job_id":"1","target":"ffffffff","algo":"rx/0","seed_hash":"418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3"}}}
"#;

const NOTHING: &str = "nothing to mine\n";

/// The Monero dialect with two traits of solo mining: there may be nothing to mine at any time, and an answer to a
/// share may take as long as `share_reply`.
struct Solo {
    monero: Monero,
    share_reply: Duration,
}

impl Dialect for Solo {
    fn limits(&self) -> Limits {
        Limits { share_reply: self.share_reply, ..self.monero.limits() }
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.monero.start(now, out);
    }

    fn line(&mut self, now: Instant, line: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        if line == NOTHING.trim_end().as_bytes() {
            out.event(dialect::Event::Waiting("syncing".into()));
            return Ok(());
        }
        self.monero.line(now, line, out)
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        self.monero.submit(now, id, share, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.monero.tick(now, out);
    }

    fn deadline(&self) -> Option<Instant> {
        self.monero.deadline()
    }
}

/// Pools that are up or down, and a clock; connects and closes happen at once.
struct World {
    client: Supervisor,
    now: Instant,
    up: Vec<bool>,
    login: Vec<&'static str>,
    live: Vec<(ConnId, usize)>,
    connects: Vec<usize>,
    addresses: Vec<Option<(String, u16)>>,
    job: Option<Arc<Job>>,
    events: Vec<String>,
    settled: Vec<Settled>,
    over: bool,
}

impl World {
    fn new(pools: usize, retries: Option<u32>) -> Self {
        Self::patient(pools, retries, Duration::from_secs(20))
    }

    /// With pools whose answers to shares may take as long as `share_reply`.
    fn patient(pools: usize, retries: Option<u32>, share_reply: Duration) -> Self {
        let endpoint = |_| {
            let config = MoneroConfig {
                login: "w".into(),
                pass: "x".into(),
                rig_id: None,
                agent: "a".into(),
                algorithm: &RANDOMX,
                also: Vec::new(),
                nicehash: None,
                keepalive: true,
            };
            Endpoint {
                host: "pool.example".into(),
                port: 3333,
                verified: false,
                redirect: RedirectPolicy::SameHost,
                dialect: Box::new(move |_| {
                    Box::new(Solo { monero: Monero::new(config.clone()), share_reply })
                }),
            }
        };
        let now = Instant::now();
        let client = Supervisor::new((0..pools).map(endpoint).collect(), retries, 7, now);
        Self {
            client,
            now,
            up: vec![true; pools],
            login: vec![LOGIN; pools],
            live: Vec::new(),
            connects: Vec::new(),
            addresses: Vec::new(),
            job: None,
            events: Vec::new(),
            settled: Vec::new(),
            over: false,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect { conn, pool, address } => {
                    self.connects.push(pool);
                    self.addresses.push(address);
                    if self.up[pool] {
                        self.live.push((conn, pool));
                        self.client.handle_connected(self.now, conn);
                        self.client.handle_bytes(self.now, conn, self.login[pool].as_bytes());
                    } else {
                        self.client.handle_closed(self.now, conn, CloseReason::Connect("refused".into()));
                    }
                }
                Output::Close { conn } => self.live.retain(|(live, _)| *live != conn),
                Output::Event(Event::Job(job)) => self.job = Some(job),
                Output::Event(Event::NoJob) => self.job = None,
                Output::Event(Event::Settled(settled)) => self.settled.push(settled),
                Output::Event(Event::GaveUp(why)) => {
                    self.events.push(format!("{why:?}"));
                    self.over = true;
                }
                Output::Event(Event::Stopped) => self.over = true,
                Output::Event(Event::Pool { pool, what }) => self.events.push(format!("{pool} {what:?}")),
                Output::Send { .. }
                | Output::Http { .. }
                | Output::Message { .. }
                | Output::HangUp { .. } => {}
            }
        }
        assert!(self.client.ledger().balances());
    }

    /// Lets time pass, waking the client exactly when it asks for it; pools repeat a line each 20 s.
    fn run(&mut self, seconds: u64) {
        self.drain();
        let end = self.now + Duration::from_secs(seconds);
        let mut steps = 0;
        while !self.over {
            let hum = self.now + Duration::from_secs(20);
            let next = self.client.poll_timeout().map_or(hum, |at| at.min(hum)).max(self.now);
            if next > end {
                break;
            }
            steps += 1;
            assert!(steps < 10_000, "busy loop");
            let hum = next == hum;
            self.now = next;
            self.client.handle_timeout(self.now);
            self.drain();
            if hum {
                for (conn, _) in self.live.clone() {
                    self.client.handle_bytes(self.now, conn, b"{\"method\":\"hum\"}\n");
                }
                self.drain();
            }
        }
        self.now = self.now.max(end);
    }

    fn kill(&mut self, pool: usize) {
        let (gone, live) = self.live.iter().partition(|(_, at)| *at == pool);
        self.live = live;
        let gone: Vec<(ConnId, usize)> = gone;
        for (conn, _) in gone {
            self.client.handle_closed(self.now, conn, CloseReason::Network("reset".into()));
        }
        self.drain();
    }

    fn mining_for(&self) -> Option<usize> {
        self.job.as_ref().map(|job| job.pool)
    }

    fn finds(&mut self, nonce: u64) {
        let job = Arc::clone(self.job.as_ref().unwrap());
        let share = Share { job, roll: 0, nonce, hash: Hash([0; 32]), device: 0, found: self.now };
        self.client.handle_share(self.now, &share);
        self.drain();
    }
}

#[test]
fn reconnects_at_once_and_drops_the_old_jobs() {
    let mut world = World::new(1, None);
    world.run(5);
    let first = world.job.clone().unwrap();
    world.kill(0);
    assert_eq!(world.mining_for(), None, "nobody credits the jobs of a dead session");
    world.run(2);
    let second = world.job.clone().unwrap();
    assert_ne!(first.key.session, second.key.session);
    world.job = Some(first);
    world.finds(1);
    assert_eq!(world.settled.last().unwrap().verdict, Verdict::NotSent(NotSent::Stale));
}

#[test]
fn fails_over_and_returns() {
    let mut world = World::new(3, None);
    world.run(5);
    assert_eq!(world.mining_for(), Some(0));
    world.up[0] = false;
    world.up[1] = false;
    world.kill(0);
    world.run(20);
    assert_eq!(world.mining_for(), Some(2), "{:?}", world.events);
    world.run(300);
    assert_eq!(world.mining_for(), Some(2));
    world.up[0] = true;
    let back = world.now;
    while world.mining_for() != Some(0) {
        world.run(1);
        assert!(world.now - back < Duration::from_secs(90), "{:?}", world.events);
        assert!(world.job.is_some(), "make before break");
    }
    world.run(60);
    assert_eq!(world.live.len(), 1, "one connection is left");
}

#[test]
fn an_unstable_primary_is_not_returned_to() {
    let mut world = World::new(2, None);
    world.up[0] = false;
    world.run(30);
    assert_eq!(world.mining_for(), Some(1));
    world.up[0] = true;
    for _ in 0..20 {
        world.run(25);
        world.kill(0);
        assert_eq!(world.mining_for(), Some(1));
    }
}

#[test]
fn silent_primary_does_not_hold_up_the_fallback() {
    let mut world = World::new(2, None);
    world.login[0] = "";
    world.run(11);
    assert_eq!(world.mining_for(), Some(1));
}

#[test]
fn shares_of_a_drained_session_still_count() {
    let mut world = World::new(2, None);
    world.up[0] = false;
    world.run(30);
    world.finds(1);
    let (conn, _) = world.live[0];
    world.up[0] = true;
    world.run(10);
    world.client.handle_bytes(world.now, conn, b"{\"id\":2,\"result\":true}\n");
    world.drain();
    assert_eq!(world.settled.last().unwrap().verdict, Verdict::Accepted);
    world.run(90);
    assert_eq!(world.mining_for(), Some(0));
}

#[test]
fn a_share_may_wait_for_its_answer_as_long_as_its_dialect_says() {
    let mut world = World::patient(2, None, Duration::from_secs(600));
    world.up[0] = false;
    world.run(30);
    world.finds(1);
    let (conn, _) = world.live[0];
    world.up[0] = true;
    world.run(400);
    assert_eq!(world.mining_for(), Some(0));
    assert_eq!(world.live.len(), 2, "the old connection is kept for the share");
    world.client.handle_bytes(world.now, conn, b"{\"id\":2,\"result\":true}\n");
    world.run(1);
    assert_eq!(world.settled.last().unwrap().verdict, Verdict::Accepted);
    assert_eq!(world.live.len(), 1, "and no longer");
}

#[test]
fn a_pool_with_nothing_to_mine_has_not_failed() {
    let mut world = World::new(1, Some(2));
    world.login[0] = NOTHING;
    world.run(600);
    assert!(!world.over, "{:?}", world.events);
    assert_eq!(world.client.pools[0].failures(), 0);
    assert!((15..=25).contains(&world.connects.len()), "{}", world.connects.len());
    world.login[0] = LOGIN;
    world.run(31);
    assert_eq!(world.mining_for(), Some(0));

    // What fails is still counted.
    world.up[0] = false;
    world.kill(0);
    world.run(60);
    assert!(world.over);
}

#[test]
fn another_pool_is_mined_for_while_one_has_nothing_to_mine() {
    let mut world = World::new(2, None);
    world.login[0] = NOTHING;
    world.run(11);
    assert_eq!(world.mining_for(), Some(1));
    world.run(120);
    assert_eq!(world.mining_for(), Some(1));
    world.login[0] = LOGIN;
    world.run(100);
    assert_eq!(world.mining_for(), Some(0));

    // Work may run out in the middle, too.
    world.login[0] = NOTHING;
    let (conn, _) = world.live[0];
    world.client.handle_bytes(world.now, conn, NOTHING.as_bytes());
    world.drain();
    assert_eq!(world.mining_for(), None, "what is worth nothing is not hashed");
    world.run(11);
    assert_eq!(world.mining_for(), Some(1));
}

#[test]
fn work_that_comes_again_is_mined_on_the_same_connection() {
    let mut world = World::new(1, None);
    world.run(5);
    let (conn, _) = world.live[0];
    world.client.handle_bytes(world.now, conn, NOTHING.as_bytes());
    world.run(20);
    assert_eq!(world.mining_for(), None);
    let job = LOGIN.replace(r#"{"id":1,"result":{"id":"s","job":"#, r#"{"method":"job","params":"#);
    let job = job.replace(r#""job_id":"1""#, r#""job_id":"2""#).replacen("}}}", "}}", 1);
    world.client.handle_bytes(world.now, conn, job.as_bytes());
    world.drain();
    assert_eq!(world.mining_for(), Some(0), "{job}");
    assert_eq!(world.connects, [0]);
}

#[test]
fn a_dead_pool_is_tried_politely() {
    let mut world = World::new(1, None);
    world.up[0] = false;
    world.run(600);
    assert!((20..=40).contains(&world.connects.len()), "{}", world.connects.len());
}

#[test]
fn accept_then_close_makes_no_hot_loop() {
    let mut world = World::new(1, None);
    for _ in 0..600 {
        world.run(1);
        world.kill(0);
    }
    assert!(world.connects.len() <= 45, "{}", world.connects.len());
}

#[test]
fn a_pool_that_takes_shares_is_come_back_to_at_once() {
    let mut world = World::new(1, None);
    for _ in 0..50 {
        world.run(2);
        world.finds(1);
        let (conn, _) = world.live[0];
        world.client.handle_bytes(world.now, conn, b"{\"id\":2,\"result\":true}\n");
        world.drain();
        world.kill(0);
    }
    assert_eq!(world.connects.len(), 50);
    assert_eq!(world.client.ledger().total().accepted, 50);
}

#[test]
fn gives_up_after_the_rounds_allowed() {
    let mut world = World::new(2, Some(3));
    world.up = vec![false; 2];
    world.run(600);
    assert!(world.over);
    assert!(world.events.contains(&"NoPool".to_owned()));
    for pool in 0..2 {
        assert!(world.connects.iter().filter(|at| **at == pool).count() >= 3);
    }
}

#[test]
fn gives_up_when_all_refuse_the_login() {
    let mut world = World::new(2, None);
    world.login = vec!["{\"id\":1,\"error\":{\"code\":-1,\"message\":\"Invalid payment address\"}}\n"; 2];
    world.run(600);
    assert!(world.over);
    assert!(world.events.contains(&"AllRefused".to_owned()), "{:?}", world.events);
    assert_eq!(world.connects.len(), 6);
}

#[test]
fn banned_pool_rests() {
    let mut world = World::new(1, None);
    world.login[0] = "{\"id\":1,\"error\":{\"message\":\"Your IP is banned\"}}\n";
    world.run(599);
    assert_eq!(world.connects.len(), 1);
    world.run(2);
    assert_eq!(world.connects.len(), 2);
}

#[test]
fn redirect_is_followed_once() {
    let mut world = World::new(1, None);
    world.run(1);
    let (conn, _) = world.live[0];
    world.client.handle_bytes(
        world.now,
        conn,
        b"{\"method\":\"client.reconnect\",\"params\":[\"pool.example\",\"4444\",1]}\n",
    );
    world.run(5);
    assert_eq!(world.addresses, [None, Some(("pool.example".into(), 4444))]);
    world.kill(0);
    world.run(5);
    assert_eq!(world.addresses[2], None);
    let (conn, _) = world.live[0];
    world.client.handle_bytes(
        world.now,
        conn,
        b"{\"method\":\"client.reconnect\",\"params\":[\"evil.example\",\"4444\"]}\n",
    );
    world.run(5);
    assert_eq!(world.addresses[3], None);
    assert!(world.events.iter().any(|event| event.contains("another host")), "{:?}", world.events);
}

#[test]
fn stop_waits_a_moment_for_the_last_answer() {
    let mut world = World::new(1, None);
    world.run(5);
    world.finds(1);
    world.client.handle_stop(world.now);
    world.drain();
    assert!(!world.over && world.job.is_none());
    let (conn, _) = world.live[0];
    world.client.handle_bytes(world.now, conn, b"{\"id\":2,\"result\":true}\n");
    world.drain();
    assert!(world.over && world.live.is_empty());
    assert_eq!(world.client.ledger().total().accepted, 1);

    let mut world = World::new(1, None);
    world.run(5);
    world.finds(1);
    world.client.handle_stop(world.now);
    world.run(1);
    assert!(world.over);
    assert_eq!(world.client.ledger().total().lost, 1);
}

#[test]
fn sleep_of_the_machine_is_no_fault_of_the_pool() {
    let mut world = World::new(1, None);
    world.run(5);
    world.client.handle_suspended(world.now);
    world.run(0);
    assert!(world.job.is_some());
    assert_eq!(world.connects.len(), 2);
}

#[test]
fn a_switch_by_hand_waits_for_a_job_and_is_returned_to() {
    let mut world = World::new(3, None);
    world.run(5);
    assert_eq!(world.client.prefer(world.now, 3), Err(NoSwitch::Unknown));
    assert_eq!(world.client.prefer(world.now, 0), Err(NoSwitch::Already));
    world.login[1] = "";
    assert_eq!(world.client.prefer(world.now, 1), Ok(Switch::Tries(Duration::ZERO)));
    world.run(2);
    assert_eq!((world.mining_for(), world.live.len()), (Some(0), 2), "no job, no switch");
    let (conn, _) = world.live[1];
    world.client.handle_bytes(world.now, conn, LOGIN.as_bytes());
    world.drain();
    assert_eq!(world.mining_for(), Some(1), "one job is enough");
    world.run(60);
    assert_eq!((world.mining_for(), world.live.len()), (Some(1), 1));

    // It dies: the others follow in their order, and it is come back to.
    world.login[1] = LOGIN;
    (world.up[0], world.up[1]) = (false, false);
    world.kill(1);
    world.run(60);
    assert_eq!(world.mining_for(), Some(2), "{:?}", world.events);
    world.up = vec![true; 3];
    world.run(100);
    assert_eq!(world.mining_for(), Some(1));

    // Until the first is preferred again.
    world.client.prefer_first(world.now);
    world.run(25);
    assert_eq!(world.mining_for(), Some(1), "no person waits");
    world.run(60);
    assert_eq!((world.mining_for(), world.client.preferred_pool()), (Some(0), 0));
}

#[test]
fn answers_of_the_pool_that_was_left_still_count() {
    let mut world = World::new(2, None);
    world.run(5);
    world.finds(1);
    let (old, _) = world.live[0];
    assert!(world.client.prefer(world.now, 1).is_ok());
    world.run(3);
    assert_eq!((world.mining_for(), world.live.len()), (Some(1), 2));
    world.client.handle_bytes(world.now, old, b"{\"id\":2,\"result\":true}\n");
    world.drain();
    assert_eq!(world.settled.last().unwrap().verdict, Verdict::Accepted);
    world.run(1);
    assert_eq!(world.live.len(), 1);
}

#[test]
fn a_switch_to_a_dead_pool_changes_nothing_until_it_lives() {
    let mut world = World::new(2, None);
    world.up[1] = false;
    world.run(5);
    assert!(world.client.prefer(world.now, 1).is_ok());
    world.run(120);
    assert_eq!(world.mining_for(), Some(0));
    assert!(world.job.is_some() && !world.events.contains(&"NoJob".to_owned()));
    let tries = world.connects.iter().filter(|pool| **pool == 1).count();
    assert!((3..=8).contains(&tries), "{tries}");
    world.up[1] = true;
    world.run(31);
    assert_eq!(world.mining_for(), Some(0), "a pool that failed must prove itself again");
    world.run(60);
    assert_eq!(world.mining_for(), Some(1));
}

#[test]
fn a_fallback_may_be_told_to_stay_and_a_switch_be_taken_back() {
    let mut world = World::new(2, None);
    world.up[0] = false;
    world.run(30);
    assert_eq!(world.mining_for(), Some(1));
    assert_eq!(world.client.prefer(world.now, 1), Ok(Switch::Stays));
    assert_eq!(world.client.prefer(world.now, 1), Err(NoSwitch::Already));
    world.up[0] = true;
    world.run(300);
    assert_eq!(world.mining_for(), Some(1));

    // Asked for and taken back before it came to be.
    world.login[0] = "";
    assert!(world.client.prefer(world.now, 0).is_ok());
    world.run(1);
    assert!(world.client.prefer(world.now, 1).is_ok_and(|switch| switch == Switch::Stays));
    world.run(60);
    assert_eq!((world.mining_for(), world.live.len()), (Some(1), 1));
}

#[test]
fn a_pool_that_refuses_for_good_or_a_client_that_ends_takes_no_switch() {
    let mut world = World::new(2, None);
    world.login[1] = "{\"id\":1,\"error\":{\"code\":-1,\"message\":\"Invalid payment address\"}}\n";
    world.run(5);
    assert!(world.client.prefer(world.now, 1).is_ok());
    world.run(200);
    assert_eq!(world.mining_for(), Some(0));
    world.client.prefer_first(world.now);
    assert_eq!(world.client.prefer(world.now, 1), Err(NoSwitch::GivenUp));
    world.finds(1);
    world.client.handle_stop(world.now);
    world.drain();
    assert_eq!(world.client.prefer(world.now, 0), Err(NoSwitch::Ending));
}
