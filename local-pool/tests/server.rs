//! The pool on real sockets.

#![cfg(feature = "shell")]
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_pool::monero::Profile;
use rminer_pool::rustls::{self, ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use rminer_pool::{
    LocalPool, LocalPoolConfig, PoolConfig, PoolHandle, ScheduledFault, StartError, Tls, Verifier,
};
use serde_json::{Value, json};
use support::{easy, is_ok, login, share};

/// Long enough for a busy machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn toy(pool: PoolConfig) -> LocalPoolConfig {
    LocalPoolConfig { pool, verifier: Verifier::Toy, ..LocalPoolConfig::default() }
}

fn start(pool: PoolConfig) -> LocalPool {
    LocalPool::spawn_thread(toy(pool)).unwrap()
}

fn fault(pool: &PoolHandle, text: &str) {
    pool.set_fault(text.parse::<ScheduledFault>().unwrap());
}

/// A miner that speaks lines over any stream.
struct Peer<S: Read + Write> {
    stream: BufReader<S>,
    token: String,
    job: Value,
}

impl Peer<TcpStream> {
    fn plain(address: SocketAddr) -> Self {
        Self::over(connect(address))
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl<S: Read + Write> Peer<S> {
    fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream), token: String::new(), job: Value::Null }
    }

    fn send(&mut self, value: &Value) {
        self.stream.get_mut().write_all(format!("{value}\n").as_bytes()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// The next line; `None` at the end of the connection.
    fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn login(mut self) -> Self {
        self.send(&login(1));
        let reply = self.line().unwrap();
        self.token = reply["result"]["id"].as_str().unwrap().to_owned();
        self.job = reply["result"]["job"].clone();
        self
    }

    fn submit(&mut self, id: u64, job: &Value, nonce: u32) {
        let share = share(job, nonce);
        self.send(&json!({"id": id, "method": "submit", "params": {
            "id": self.token, "job_id": job["job_id"], "nonce": share.nonce, "result": share.result}}));
    }

    fn mine(&mut self, nonce: u32) -> Value {
        let job = self.job.clone();
        self.submit(u64::from(nonce) + 10, &job, nonce);
        self.line().unwrap()
    }
}

/// Waits until the pool's books say so.
fn until(pool: &PoolHandle, what: impl Fn(&rminer_pool::PoolStats) -> bool) {
    let start = Instant::now();
    while !what(&pool.stats()) {
        assert!(start.elapsed() < PATIENCE, "{:?}", pool.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn several_miners_on_a_thread_of_its_own() {
    let mut pool = start(easy(Profile::default()));
    let address = pool.addr();
    let miners: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut peer = Peer::plain(address).login();
                (0..20).all(|round| is_ok(&peer.mine(round * 500)))
            })
        })
        .collect();
    assert!(miners.into_iter().all(|miner| miner.join().unwrap()));
    until(&pool, |stats| stats.open_sessions == 0);
    let stats = pool.stats();
    assert_eq!((stats.shares.accepted, stats.shares.rejected_total(), stats.connects), (80, 0, 4));
    assert_eq!(stats.shares.credited_hashes, 800);
    pool.stop();
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    TcpListener::bind(address).unwrap();
}

#[test]
fn on_a_runtime_of_the_callers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = LocalPool::start(toy(easy(Profile::default()))).await.unwrap();
        let address = pool.addr();
        let miner = tokio::task::spawn_blocking(move || is_ok(&Peer::plain(address).login().mine(0)));
        assert!(miner.await.unwrap());
        assert_eq!(pool.stats().shares.accepted, 1);
    });
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = LocalPoolConfig { listen: address, ..toy(PoolConfig::default()) };
    let error = LocalPool::spawn_thread(config).unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }) && error.to_string().contains(&address.to_string()));
}

#[test]
fn jobs_come_by_handle_and_by_time() {
    let mut config = easy(Profile::default());
    config.job_interval = Duration::from_millis(300);
    let pool = start(config);
    let mut peer = Peer::plain(pool.addr()).login();
    assert_eq!(peer.line().unwrap()["method"], "job", "by time");
    let blob = [0x11; 80];
    pool.push_blob(&blob, [3; 32], 77).unwrap();
    let mut soon =
        |wanted: &dyn Fn(&Value) -> bool| (0..100).any(|_| wanted(&peer.line().unwrap()["params"]));
    assert!(soon(&|job| job["height"] == 77));
    pool.set_difficulty(1234);
    assert!(soon(&|job| job["target"] == "56d7118dcc1b3500"));
}

#[test]
fn faults_reach_the_wire() {
    let pool = start(easy(Profile::default()));
    let mut peer = Peer::plain(pool.addr()).login();
    fault(&pool, "job_storm(2000)");
    let jobs: Vec<Value> = (0..2000).map(|_| peer.line().unwrap()).collect();
    let newest = jobs[1999]["params"].clone();
    peer.submit(5, &newest, 0);
    assert!(is_ok(&peer.line().unwrap()));

    fault(&pool, "huge_line(3000000)");
    let mut letters = vec![0; 3_000_001];
    peer.stream.read_exact(&mut letters).unwrap();
    assert!(letters[..3_000_000].iter().all(|byte| *byte == b'x') && letters[3_000_000] == b'\n');

    fault(&pool, "split(1, 0)");
    peer.submit(6, &newest, 1000);
    assert!(is_ok(&peer.line().unwrap()));
    fault(&pool, "none");
    fault(&pool, "ban_text");
    assert_eq!(peer.mine(2000)["error"]["message"], "Your IP is banned");
    assert_eq!(peer.line(), None, "the last line arrives, then the end");
    until(&pool, |stats| stats.open_sessions == 0);
}

#[test]
fn a_reader_that_stops_is_ended() {
    let pool = start(easy(Profile::default()));
    let stuck = Peer::plain(pool.addr()).login();
    // Far more than sockets and queue hold together.
    for _ in 0..400 {
        fault(&pool, "json_bomb");
    }
    until(&pool, |stats| stats.open_sessions == 0);
    assert!(is_ok(&Peer::plain(pool.addr()).login().mine(0)));
    drop(stuck);
}

#[test]
fn half_closed_peers_still_get_their_replies() {
    let pool = start(easy(Profile::default()));
    let mut peer = Peer::plain(pool.addr());
    peer.send(&login(1));
    peer.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(peer.line().unwrap()["result"]["status"], "OK");
    assert_eq!(peer.line(), None);
}

#[test]
fn a_slow_verifier_holds_up_nobody_else() {
    struct Slow;
    impl rminer_algos::Reference for Slow {
        fn hash(
            &mut self,
            work: &rminer_algos::Work,
            nonce: u64,
        ) -> Result<rminer_algos::Hash, rminer_algos::Unavailable> {
            std::thread::sleep(Duration::from_millis(100));
            rminer_pool::ToyReference.hash(work, nonce)
        }
    }
    let config =
        LocalPoolConfig { verifier: Verifier::Thread(Box::new(Slow)), ..toy(easy(Profile::default())) };
    let mut pool = LocalPool::spawn_thread(config).unwrap();
    let (mut busy, mut quick) = (Peer::plain(pool.addr()).login(), Peer::plain(pool.addr()).login());
    let job = busy.job.clone();
    for id in 10..15 {
        busy.submit(id, &job, u32::try_from(id).unwrap() * 1000);
    }
    let token = busy.token.clone();
    busy.send(&json!({"id": 15, "method": "keepalived", "params": {"id": token}}));
    let token = quick.token.clone();
    quick.send(&json!({"id": 9, "method": "keepalived", "params": {"id": token}}));
    assert_eq!(quick.line().unwrap()["id"], 9);
    let order: Vec<Value> = (0..6).map(|_| busy.line().unwrap()["id"].clone()).collect();
    assert_eq!(json!(order), json!([10, 11, 12, 13, 14, 15]));
    assert_eq!(pool.stats().shares.accepted, 5);
    pool.stop();
}

/// The real engine on its thread, with the vector of a real block.
#[cfg(feature = "randomx")]
#[test]
fn randomx_on_its_thread() {
    let blob = rminer_algos::decode_hex("1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb00000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201").unwrap();
    let seed =
        rminer_algos::decode_hex_array("418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3")
            .unwrap();
    let pool = LocalPool::spawn_thread(PoolConfig {
        difficulty: rminer_pool::DifficultyConfig::fixed(200),
        seed_hash: Some(seed),
        ..PoolConfig::default()
    })
    .unwrap();
    pool.push_blob(&blob, seed, 11).unwrap();
    let mut peer = Peer::plain(pool.addr()).login();
    let share = json!({"id": 2, "method": "submit", "params": {
        "id": peer.token, "job_id": peer.job["job_id"], "nonce": "12000000",
        "result": "c2f157e1872a86cb9bc0c97a72b0cabfe9c5a336e7c59a29226025b6a9d5ce00", "algo": "rx/0"}});
    peer.send(&share);
    assert!(is_ok(&peer.line().unwrap()));
    peer.send(&share);
    assert_eq!(peer.line().unwrap()["error"]["message"], "Duplicate share");
    let mut lie = share;
    lie["params"]["nonce"] = json!("13000000");
    peer.send(&lie);
    assert_eq!(peer.line().unwrap()["error"]["message"], "Bad hash");
}

fn certificate() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

fn tls_peer(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Peer<StreamOwned<ClientConnection, TcpStream>> {
    let connection = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
    Peer::over(StreamOwned::new(connection, connect(address)))
}

#[test]
fn tls_only_and_both_on_one_port() {
    let (server, client) = certificate();
    for (tls, plain_too) in [(Tls::Only(Arc::clone(&server)), false), (Tls::Auto(server), true)] {
        let pool = LocalPool::spawn_thread(LocalPoolConfig { tls, ..toy(easy(Profile::default())) }).unwrap();
        assert!(is_ok(&tls_peer(pool.addr(), &client).login().mine(0)));
        let mut plain = connect(pool.addr());
        plain.write_all(format!("{}\n", login(1)).as_bytes()).unwrap();
        let mut first = [0];
        plain.read_exact(&mut first).unwrap();
        // A plain miner at a TLS port reads an alert record, which it can tell its user.
        assert_eq!(first[0], if plain_too { b'{' } else { 0x15 });
    }
}

#[test]
fn a_bitcoin_pool_judges_by_itself_and_tells_the_time() {
    let pool =
        LocalPool::spawn_thread(support::bitcoin::easy(rminer_pool::bitcoin::Profile::default())).unwrap();
    let mut peer = Peer::plain(pool.addr());
    peer.send(&json!({"id": 1, "method": "mining.subscribe", "params": []}));
    let reply = peer.line().unwrap();
    peer.send(&json!({"id": 2, "method": "mining.authorize", "params": ["a", "x"]}));
    let lines: Vec<Value> = (0..3).map(|_| peer.line().unwrap()).collect();
    assert_eq!(lines[0], json!({"id": 2, "error": null, "result": true}));
    let job = &lines[2]["params"];
    let told = u64::from_str_radix(job[7].as_str().unwrap(), 16).unwrap();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((clock - 600..=clock + 600).contains(&told), "jobs carry the clock's time");
    let extranonce2 = "00".repeat(usize::try_from(reply["result"][2].as_u64().unwrap()).unwrap());
    // One hash of sixteen is good enough; every verdict is right or low difficulty, and no verifier is asked.
    for nonce in 0..100 {
        let params = json!(["a", job[0], extranonce2, job[7], format!("{nonce:08x}")]);
        peer.send(&json!({"id": 10 + nonce, "method": "mining.submit", "params": params}));
        let reply = peer.line().unwrap();
        assert!(reply["result"] == true || reply["error"][0] == 23, "{reply}");
    }
    let shares = pool.stats().shares;
    assert_eq!((shares.submitted, shares.in_check), (100, 0));
    assert!(shares.accepted > 0 && shares.add_up(), "{shares:?}");
}
