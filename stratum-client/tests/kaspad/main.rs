//! The whole client with a Kaspa node on loopback: what goes over the wire, and what may go wrong there.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

mod node;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use node::{Habit, Node};
use rminer_algos::registry;
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::connect::{DialOptions, Dialer};
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::probe::{Step, probe};
use rminer_stratum::supervisor::{Event, PoolEvent};
use rminer_stratum::{Credentials, Job, PoolConfig, Reject, Settled, Share, Verdict};
use secrecy::SecretString;
use wire::{message, number};

/// Nothing takes longer, whatever else this machine does.
const PATIENCE: Duration = Duration::from_secs(60);

struct Miner {
    client: Client,
    job: Option<Arc<Job>>,
    settled: Vec<Settled>,
    waiting: Vec<String>,
    downs: Vec<CloseReason>,
}

fn pool(port: u16) -> PoolConfig {
    let url = format!("kaspad://127.0.0.1:{port}").parse().unwrap();
    let credentials = Credentials { user: "kaspadev:qq".into(), pass: SecretString::from("x"), rig_id: None };
    PoolConfig::new(url, credentials, &registry::KHEAVYHASH)
}

impl Miner {
    fn at(node: &Node) -> Self {
        let client = Client::new(vec![pool(node.port)], ClientOptions::default()).unwrap();
        Self { client, job: None, settled: Vec::new(), waiting: Vec::new(), downs: Vec::new() }
    }

    async fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            let left = end.saturating_duration_since(Instant::now());
            let event = tokio::time::timeout(left, self.client.next()).await;
            match event.unwrap_or_else(|_| panic!("not in time; downs: {:?}", self.downs)) {
                Event::Job(job) => self.job = Some(job),
                Event::NoJob => self.job = None,
                Event::Settled(settled) => self.settled.push(settled),
                Event::Pool { what: PoolEvent::Waiting(text), .. } => self.waiting.push(text),
                Event::Pool { what: PoolEvent::Down { reason, .. }, .. } => self.downs.push(reason),
                _ => {}
            }
        }
    }

    /// Finds a block of the newest job and hands it in; gives its nonce.
    fn mine(&mut self) -> u64 {
        let job = Arc::clone(self.job.as_ref().unwrap());
        let work = job.template.work(0).unwrap();
        let mut reference = (registry::KHEAVYHASH.reference)().unwrap();
        let nonce = (0x1234_5678_9abc..)
            .find(|nonce| job.target.is_met_by(&reference.hash(&work, *nonce).unwrap()))
            .unwrap();
        let hash = reference.hash(&work, nonce).unwrap();
        self.client.submit(&Share { job, roll: 0, nonce, hash, device: 0, found: Instant::now() });
        nonce
    }

    async fn verdict(&mut self) -> Verdict {
        let before = self.settled.len();
        self.until(|miner| miner.settled.len() > before).await;
        self.settled[before].verdict.clone()
    }

    async fn first_down(node: &Node) -> String {
        let mut miner = Self::at(node);
        miner.until(|miner| !miner.downs.is_empty()).await;
        assert!(miner.job.is_none());
        miner.downs[0].to_string()
    }
}

#[tokio::test]
async fn blocks_reach_the_node_as_they_came_with_a_nonce() {
    let node = Node::start(Habit::Good).await;
    let mut miner = Miner::at(&node);
    for block in 0..5 {
        let timestamp = node.state().timestamp;
        miner
            .until(|miner| {
                let work = miner.job.as_ref().and_then(|job| job.template.work(0));
                work.is_some_and(|work| work.blob()[32..40] == timestamp.to_le_bytes())
            })
            .await;
        let nonce = miner.mine();
        let wanted = node.state().block(Some(nonce));
        assert_eq!(miner.verdict().await, Verdict::Accepted);
        assert_eq!(node.state().blocks[block], wanted, "block {block}");
    }
    let state = node.state();
    let [(1, address), (2, extra_data)] = &state.asked[..] else { panic!("{:?}", state.asked) };
    assert_eq!(address, b"kaspadev:qq");
    assert!(extra_data.starts_with(b"rminer/"), "{extra_data:?}");
    assert_eq!((state.streams, miner.downs.len()), (1, 0), "all on one stream");
}

#[tokio::test]
async fn a_block_outlives_the_node_s_connection() {
    let node = Node::start(Habit::DiesOfTheFirstBlock).await;
    let mut miner = Miner::at(&node);
    miner.until(|miner| miner.job.is_some()).await;
    miner.mine();
    assert_eq!(miner.verdict().await, Verdict::Accepted);
    let state = node.state();
    assert_eq!((state.streams, state.blocks.len()), (2, 1));
    assert_eq!(miner.downs, []);
}

#[tokio::test]
async fn refusals_have_the_node_s_words() {
    let node = Node::start(Habit::Good).await;
    let words = b"Block was not submitted: block is invalid";
    node.state().refusals.push([number(1, 1), message(1000, &message(1, words))].concat());
    let mut miner = Miner::at(&node);
    miner.until(|miner| miner.job.is_some()).await;
    miner.mine();
    let text = "Block was not submitted: block is invalid".into();
    assert_eq!(miner.verdict().await, Verdict::Rejected { kind: Reject::Other, text });
}

#[tokio::test]
async fn a_node_that_is_behind_is_waited_for() {
    let node = Node::start(Habit::Good).await;
    node.state().is_behind = true;
    let mut miner = Miner::at(&node);
    miner.until(|miner| !miner.waiting.is_empty()).await;
    assert_eq!(miner.waiting, ["the node catches up with its network"]);
    node.state().is_behind = false;
    miner.until(|miner| miner.job.is_some()).await;
    assert_eq!(miner.downs, []);
}

#[tokio::test]
async fn another_network_is_named() {
    let node = Node::start(Habit::Good).await;
    node.state().network = "mainnet".into();
    let text = Miner::first_down(&node).await;
    let words =
        "the node is on mainnet, and kaspadev:… is an address of devnet, whose nodes listen on port 16610";
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn what_is_no_kaspa_node_is_named() {
    for (habit, words) in [
        (
            Habit::Says(b"{\"id\":null,\"error\":\"not JSON\"}\n"),
            "a stratum pool answers on port PORT of 127.0.0.1, no Kaspa node; use stratum+tcp://127.0.0.1:PORT",
        ),
        (Habit::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "an HTTP server answers on port PORT"),
        (Habit::Says(&[0x15, 3, 3, 0, 2, 2, 70]), "a server of TLS answers"),
        (Habit::Says(b"SSH-2.0-OpenSSH_9.2\r\n"), "something else than HTTP/2 answers"),
        (Habit::Says(b""), "closed the connection without a word: is PORT the gRPC port of a Kaspa node?"),
        (
            Habit::OtherService,
            "a server of gRPC answers on port PORT, but no Kaspa node: \"unknown service\"",
        ),
        (Habit::Web, "answers with HTTP status 404 and text/html; is this the gRPC port of a Kaspa node?"),
        (Habit::Endless, "a message of 4294967295 bytes; at most 4194304 are taken"),
        (Habit::Compresses, "a compressed message"),
    ] {
        let node = Node::start(habit).await;
        let text = Miner::first_down(&node).await;
        let words = words.replace("PORT", &node.port.to_string());
        assert!(text.contains(&words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_probe_goes_as_far_as_the_next_template() {
    let steps = async |pool: PoolConfig| {
        let mut steps = Vec::new();
        let dialer = Arc::new(Dialer::new(DialOptions::default()));
        let ok = probe(dialer, &pool, |report| steps.push((report.step, report.ok, report.text))).await;
        (ok, steps)
    };
    let node = Node::start(Habit::Good).await;
    let (ok, told) = steps(pool(node.port)).await;
    assert!(ok, "{told:?}");
    let names: Vec<Step> = told.iter().map(|(step, ..)| *step).collect();
    assert_eq!(names, [Step::Connect, Step::Login, Step::Job, Step::Keepalive]);
    assert!(told.iter().all(|(_, ok, _)| *ok), "{told:?}");
    assert_eq!(told[1].2, "blocks pay kaspadev:qq");
    assert!(told[2].2.contains("kheavyhash"), "{told:?}");

    node.state().is_behind = true;
    let (ok, told) = steps(pool(node.port)).await;
    assert!(!ok && told.last().unwrap().2.contains("catches up"), "{told:?}");
    let stratum = Node::start(Habit::Says(b"{}\n")).await;
    let (ok, told) = steps(pool(stratum.port)).await;
    assert!(!ok && told.last().unwrap().2.contains("use stratum+tcp://"), "{told:?}");
    let text = Miner::first_down(&stratum).await;
    assert!(text.contains("stratum"), "{text}");
}
