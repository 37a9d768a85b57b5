//! The whole client against scripted pools and a real node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::Hash;
use rminer_algos::registry::RANDOMX;
use rminer_stratum::client::{Client, ClientError, ClientOptions};
use rminer_stratum::connect::DialOptions;
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::supervisor::{Event, GaveUp, PoolEvent};
use rminer_stratum::tls::{NoPins, Trust};
use rminer_stratum::{Credentials, Job, NotSent, PoolConfig, Settled, Share, TlsPolicy, Verdict};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::certificates::{Authority, Leaf};
use crate::servers::{PATIENCE, dead, serve, serve_bytes};

const BLOB: &str = "1010d8f58ad8064b635262e4208f958bcb7930708f7b1798dc6c1aeb06cdf970ced4c5d9908cbb00000000b78b217970cda1d954f3b487123a92345d3da9748cc4ff9fadbdfb887f75b75201";
const SEED: &str = "418015bb9ae982a1975da7d79277c2705727a56894ba0fb246adaabb1f4632e3";

fn job(id: u32) -> String {
    // Another timestamp byte for each job, so that each is other work.
    let blob = BLOB.replacen("d8f5", &format!("d8{:02x}", 0x80 | (id & 0x7f)), 1);
    format!(
        "{{\"blob\":\"{blob}\",\"job_id\":\"{id}\",\"target\":\"ffffffff\",\"algo\":\"rx/0\",\"height\":11,\"seed_hash\":\"{SEED}\"}}"
    )
}

/// What a scripted pool does with a message: its lines; none hangs up.
pub(crate) type Script = fn(&str) -> Option<String>;

pub(crate) fn friendly(line: &str) -> Option<String> {
    let id = line.split("\"id\":").nth(1)?.split([',', '}']).next()?;
    Some(if line.contains("\"login\"") {
        format!(
            "{{\"id\":{id},\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{{\"id\":\"s\",\"job\":{},\"status\":\"OK\"}}}}\n",
            job(1)
        )
    } else {
        format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"error\":null,\"result\":{{\"status\":\"OK\"}}}}\n")
    })
}

/// Takes logins and never says anything about shares.
fn mute(line: &str) -> Option<String> {
    if line.contains("\"login\"") { friendly(line) } else { Some(String::new()) }
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    heard: mpsc::UnboundedSender<String>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|size| size > 0) {
        let answer = script(&line);
        let _ = heard.send(std::mem::take(&mut line));
        let Some(answer) = answer else { return };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
    let _ = heard.send("closed".into());
}

pub(crate) async fn pool(script: Script) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (told, heard) = mpsc::unbounded_channel();
    (serve(move |stream| talk(stream, script, told.clone())).await, heard)
}

pub(crate) async fn tls_pool(leaf: &Leaf, script: Script) -> SocketAddr {
    let acceptor = tokio_rustls::TlsAcceptor::from(leaf.server());
    let (told, _) = mpsc::unbounded_channel();
    serve(move |stream| {
        let (acceptor, told) = (acceptor.clone(), told.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                talk(stream, script, told).await;
            }
        }
    })
    .await
}

pub(crate) fn config(url: &str) -> PoolConfig {
    let credentials = Credentials { user: "wallet".into(), pass: SecretString::from("x"), rig_id: None };
    PoolConfig::new(url.parse().unwrap(), credentials, &RANDOMX)
}

pub(crate) fn client(pools: Vec<PoolConfig>, authority: Option<Vec<u8>>) -> Client {
    let dial = DialOptions {
        lookup: Arc::new(|_: &str| Ok(vec![[127, 0, 0, 1].into()])),
        trust: Trust::only(authority),
        pins: Arc::new(NoPins),
    };
    Client::new(pools, ClientOptions { retries: Some(3), seed: 1, dial, traffic: None }).unwrap()
}

/// Waits for the first event that `wanted` makes something of.
async fn until<T>(client: &mut Client, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(found) = wanted(&client.next().await) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the event does not come")
}

pub(crate) async fn until_job(client: &mut Client) -> Arc<Job> {
    until(client, |event| match event {
        Event::Job(job) => Some(Arc::clone(job)),
        _ => None,
    })
    .await
}

/// Runs the client until a pool has heard a line with `text`.
async fn until_heard(client: &mut Client, heard: &mut mpsc::UnboundedReceiver<String>, text: &str) {
    let waiting = async {
        loop {
            tokio::select! {
                _ = client.next() => {}
                Some(line) = heard.recv() => if line.contains(text) { return },
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the pool does not hear it");
}

pub(crate) async fn until_settled(client: &mut Client) -> Settled {
    until(client, |event| match event {
        Event::Settled(settled) => Some(settled.clone()),
        _ => None,
    })
    .await
}

async fn until_down(client: &mut Client, pool: usize) -> CloseReason {
    until(client, |event| match event {
        Event::Pool { pool: down, what: PoolEvent::Down { reason, .. } } if *down == pool => {
            Some(reason.clone())
        }
        _ => None,
    })
    .await
}

pub(crate) fn share(job: &Arc<Job>, nonce: u64) -> Share {
    Share { job: Arc::clone(job), roll: 0, nonce, hash: Hash([0; 32]), device: 0, found: Instant::now() }
}

#[tokio::test]
async fn shares_are_sent_and_judged() {
    let (address, mut heard) = pool(friendly).await;
    let mut client = client(vec![config(&format!("stratum+tcp://{address}"))], None);
    let job = until_job(&mut client).await;
    assert!(heard.recv().await.unwrap().contains("\"agent\":\"rminer/"));
    for nonce in 0..3 {
        client.submit(&share(&job, nonce));
    }
    client.record_not_sent(&share(&job, 9), NotSent::Miscompute);
    for nonce in 0..3_u32 {
        let line = heard.recv().await.unwrap();
        assert!(
            line.contains("\"submit\"") && line.contains(&format!("\"nonce\":\"{nonce:02x}000000\"")),
            "{line}"
        );
    }
    let verdicts: Vec<Verdict> = [
        until_settled(&mut client).await.verdict,
        until_settled(&mut client).await.verdict,
        until_settled(&mut client).await.verdict,
        until_settled(&mut client).await.verdict,
    ]
    .into();
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Accepted).count(), 3);
    assert_eq!(client.ledger().total().not_sent_total(), 1);
    assert!(client.ledger().balances());
    assert_eq!(client.path(0).unwrap().tcp.unwrap().address, address);
    assert!(client.path(0).unwrap().to_string().starts_with(&format!("127.0.0.1 port {}, ", address.port())));

    client.stop();
    until(&mut client, |event| matches!(event, Event::Stopped).then_some(())).await;
    assert_eq!(heard.recv().await.unwrap(), "closed");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), client.next()).await.is_err(),
        "nothing comes after"
    );
}

#[tokio::test]
async fn a_stop_waits_for_answers_but_not_for_ever() {
    let (address, mut heard) = pool(mute).await;
    let mut client = client(vec![config(&format!("stratum+tcp://{address}"))], None);
    let job = until_job(&mut client).await;
    client.submit(&share(&job, 1));
    client.stop();
    assert_eq!(until_settled(&mut client).await.verdict, Verdict::Lost);
    until(&mut client, |event| matches!(event, Event::Stopped).then_some(())).await;
    let _login = heard.recv().await;
    assert!(heard.recv().await.unwrap().contains("\"submit\""), "it was sent all the same");
    assert!(client.ledger().balances());
}

#[tokio::test]
async fn a_pool_that_goes_comes_back() {
    // Hangs up after each submit.
    let (address, _heard) = pool(|line| if line.contains("submit") { None } else { friendly(line) }).await;
    let mut client = client(vec![config(&format!("stratum+tcp://{address}"))], None);
    let first = until_job(&mut client).await;
    client.submit(&share(&first, 1));
    assert_eq!(until_settled(&mut client).await.verdict, Verdict::Lost);
    assert_eq!(
        until_down(&mut client, 0).await,
        CloseReason::Network("the pool closed the connection".into())
    );
    let second = until_job(&mut client).await;
    assert_ne!(first.key.session, second.key.session);
    // A share for the lost session is not sent to the new one.
    client.submit(&share(&first, 2));
    assert_eq!(until_settled(&mut client).await.verdict, Verdict::NotSent(NotSent::Stale));
}

#[tokio::test]
async fn the_next_pool_is_tried() {
    let dead = dead().await;
    let (address, _heard) = pool(friendly).await;
    let pools = vec![config(&format!("stratum+tcp://{dead}")), config(&format!("stratum+tcp://{address}"))];
    let mut client = client(pools, None);
    assert_eq!(until_job(&mut client).await.pool, 1);
}

#[tokio::test]
async fn it_gives_up_when_told_so() {
    let dead = dead().await;
    let mut client = client(vec![config(&format!("stratum+tcp://me:secret@{dead}"))], None);
    assert!(client.pool_names()[0].contains("***@") && !client.pool_names()[0].contains("secret"));
    let CloseReason::Connect(text) = until_down(&mut client, 0).await else { panic!("another reason") };
    assert!(text.starts_with("127.0.0.1 refused the connection after "), "{text}");
    let why = until(&mut client, |event| match event {
        Event::GaveUp(why) => Some(*why),
        _ => None,
    })
    .await;
    assert_eq!(why, GaveUp::NoPool);
}

#[tokio::test]
async fn a_wrong_tls_setting_in_both_directions() {
    let authority = Authority::new("an authority");
    let leaf = authority.certify(&["pool.example"]);
    let encrypted = crate::servers::serve_tls(leaf.server()).await;
    let mut plain = client(vec![config(&format!("stratum+tcp://pool.example:{}", encrypted.port()))], None);
    assert_eq!(until_down(&mut plain, 0).await, CloseReason::PeerSpeaksTls);

    let stratum = serve_bytes(b"{\"id\":null,\"error\":\"Malformed\"}\n").await;
    let url = format!("stratum+tls://pool.example:{}", stratum.port());
    let mut encrypted = client(vec![config(&url)], Some(authority.der.clone()));
    let expected = "the server does not speak TLS on this port: use stratum+tcp://";
    assert_eq!(until_down(&mut encrypted, 0).await, CloseReason::Connect(expected.into()));
}

#[tokio::test]
async fn mining_over_tls_with_a_pin() {
    let leaf = Leaf::self_signed(&[]);
    let address = tls_pool(&leaf, friendly).await;
    let mut config = config(&format!("stratum+tls://pool.example:{}", address.port()));
    let mut unknown = client(vec![config.clone()], Some(Authority::new("an authority").der));
    let CloseReason::Connect(text) = until_down(&mut unknown, 0).await else { panic!("another reason") };
    let pin = text.split("--tls-pin ").nth(1).and_then(|pin| pin.get(..64)).expect("a pin to paste");
    config.tls = TlsPolicy::pin(pin).unwrap();
    let mut client = client(vec![config], None);
    let job = until_job(&mut client).await;
    client.submit(&share(&job, 1));
    assert_eq!(until_settled(&mut client).await.verdict, Verdict::Accepted);
    assert!(client.path(0).unwrap().to_string().contains("TLS 1.3, certificate as pinned, "));
}

#[tokio::test]
async fn a_redirect_to_another_port() {
    let (other, mut heard) = pool(friendly).await;
    let (told, _first) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = other.port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let line =
            format!("{{\"id\":null,\"method\":\"client.reconnect\",\"params\":[\"127.0.0.1\",{port},0]}}\n");
        stream.write_all(line.as_bytes()).await.unwrap();
        talk(stream, mute, told).await;
    });
    let mut client = client(vec![config(&format!("stratum+tcp://{address}"))], None);
    until_heard(&mut client, &mut heard, "\"login\"").await;
    assert_eq!(client.path(0).unwrap().tcp.unwrap().address, other);
}

/// Many lines in one packet, one line in many, and a flood that must not hold up what we send.
#[tokio::test]
async fn a_flood_does_not_hold_up_shares() {
    let (told, mut heard) = mpsc::unbounded_channel();
    let address = serve(move |stream| {
        let told = told.clone();
        async move {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            let login = lines.next_line().await.unwrap().unwrap();
            write.write_all(friendly(&login).unwrap().as_bytes()).await.unwrap();
            tokio::spawn(async move {
                let mut id = 1;
                loop {
                    let line = format!("{{\"method\":\"job\",\"params\":{}}}\n", job(id));
                    id += 1;
                    if write.write_all(line.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = told.send(line);
            }
        }
    })
    .await;
    let mut client = client(vec![config(&format!("stratum+tcp://{address}"))], None);
    // Jobs that pile up give way to the newest, so that what is mined is never too old to be sent.
    for nonce in 0..10 {
        let job = until_job(&mut client).await;
        client.submit(&share(&job, nonce));
    }
    assert_eq!(client.ledger().total().not_sent_total(), 0);
    until_heard(&mut client, &mut heard, "\"submit\"").await;
}

#[test]
fn pools_that_cannot_be_tried() {
    let options = ClientOptions::default;
    assert_eq!(Client::new(Vec::new(), options()).err(), Some(ClientError::NoPools));
    let onion = config("stratum+tcp://pool.onion:1");
    let error = Client::new(vec![config("stratum+tcp://pool.example:1"), onion], options()).err().unwrap();
    assert!(error.to_string().starts_with("pool 2: pool.onion is a Tor name"), "{error}");
}
