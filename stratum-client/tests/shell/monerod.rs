//! A real Monero node, where it is installed: its digest login and its TLS.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::registry::RANDOMX;
use rminer_stratum::connect::{DialOptions, Dialer};
use rminer_stratum::dialect::HttpRequest;
use rminer_stratum::http::{HttpClient, HttpError};
use rminer_stratum::probe::Step;
use rminer_stratum::tls::{NoPins, TlsError, Trust};
use rminer_stratum::{Credentials, PoolConfig, TlsPolicy, Verdict};
use secrecy::SecretString;

use crate::client::{share, until_job, until_settled};
use crate::servers::dead;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &std::path::Path, port: u16) -> Option<Killed> {
    Command::new("monerod")
        .args(["--regtest", "--offline", "--fixed-difficulty", "1", "--non-interactive", "--no-zmq"])
        .args(["--p2p-bind-ip", "127.0.0.1", "--p2p-bind-port", "0", "--rpc-login", "me:secret"])
        .args(["--rpc-bind-ip", "127.0.0.1", "--rpc-bind-port", &port.to_string()])
        .arg("--data-dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
        .map(Killed)
}

fn client(url: &str, policy: TlsPolicy) -> HttpClient {
    let options = DialOptions {
        lookup: Arc::new(|_: &str| Ok(Vec::new())),
        trust: Trust::only([]),
        pins: Arc::new(NoPins),
    };
    let credentials = Credentials { user: "wallet".into(), pass: SecretString::from("x"), rig_id: None };
    let mut pool = PoolConfig::new(url.parse().unwrap(), credentials, &RANDOMX);
    pool.tls = policy;
    HttpClient::new(Arc::new(Dialer::new(options)), &pool)
}

fn height() -> HttpRequest {
    let body = r#"{"jsonrpc":"2.0","id":"0","method":"get_block_count"}"#;
    HttpRequest { tag: 1, path: "/json_rpc", body: Some(body.into()), timeout: Duration::from_secs(10) }
}

#[tokio::test]
async fn login_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    let port = dead().await.port();
    let Some(mut node) = start(folder.path(), port) else {
        eprintln!("monerod is not installed; skipped");
        return;
    };
    let good = client(&format!("daemon+http://me:secret@127.0.0.1:{port}"), TlsPolicy::Verify);
    let started = Instant::now();
    let (status, body) = loop {
        match good.exchange(&height()).await {
            Ok(answer) => break answer,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(90), "{error}"),
        }
        assert!(node.0.try_wait().unwrap().is_none(), "monerod ended");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(status, 200);
    assert!(String::from_utf8_lossy(&body).contains("\"count\": 1"));
    for _ in 0..5 {
        assert_eq!(good.exchange(&height()).await.unwrap().0, 200);
    }
    let requests: Vec<HttpRequest> = (0..6).map(|_| height()).collect();
    let (first, second, third) =
        tokio::join!(good.exchange(&requests[0]), good.exchange(&requests[1]), good.exchange(&requests[2]));
    assert!(
        [first, second, third].iter().all(|answer| answer.as_ref().is_ok_and(|(status, _)| *status == 200))
    );
    let wrong = client(&format!("daemon+http://me:wrong@127.0.0.1:{port}"), TlsPolicy::Verify);
    assert!(matches!(wrong.exchange(&height()).await, Err(HttpError::LoginRefused(_))));
    let none = client(&format!("daemon+http://127.0.0.1:{port}"), TlsPolicy::Verify);
    assert!(matches!(none.exchange(&height()).await, Err(HttpError::LoginMissing(_))));

    // The same port speaks TLS with a certificate of its own making.
    let url = format!("daemon+https://me:secret@127.0.0.1:{port}");
    let pin = match client(&url, TlsPolicy::Tofu).exchange(&height()).await {
        Err(HttpError::Dial(rminer_stratum::connect::DialError::Tls(
            TlsError::Store(_) | TlsError::Trust(_),
        ))) => {
            let shown =
                client(&url, TlsPolicy::Pin([0; 32])).exchange(&height()).await.unwrap_err().to_string();
            let pin = shown.split("--tls-pin ").nth(1).and_then(|pin| pin.get(..64));
            pin.unwrap_or_else(|| panic!("no pin in: {shown}")).to_owned()
        }
        other => panic!("{other:?}"),
    };
    let pinned = client(&url, TlsPolicy::pin(&pin).unwrap());
    assert_eq!(pinned.exchange(&height()).await.unwrap().0, 200);
    mines_a_block(&url, &pin).await;
    finds_its_way(&url, &pin).await;
}

/// An address of the main network, which regtest shares.
const WALLET: &str =
    "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";

fn solo(url: &str, pin: &str) -> PoolConfig {
    let mut pool = crate::client::config(url);
    pool.credentials.user = WALLET.into();
    pool.tls = TlsPolicy::pin(pin).unwrap();
    pool
}

/// With difficulty 1 every hash solves the block, so none needs to be computed.
async fn mines_a_block(url: &str, pin: &str) {
    let mut client = crate::client::client(vec![solo(url, pin)], None);
    let job = until_job(&mut client).await;
    assert_eq!(job.height, Some(1));
    client.submit(&share(&job, 7));
    let settled = until_settled(&mut client).await;
    assert_eq!(settled.verdict, Verdict::Accepted);
    assert_eq!(until_job(&mut client).await.height, Some(2), "the chain went on");
    assert!(client.path(0).unwrap().to_string().contains("certificate as pinned"));
}

async fn finds_its_way(url: &str, pin: &str) {
    let (steps, good) = crate::probe::steps(&solo(url, pin), None).await;
    assert!(good, "{steps:?}");
    let names: Vec<Step> = steps.iter().map(|step| step.step).collect();
    assert_eq!(names, [Step::Connect, Step::Tls, Step::Login, Step::Job, Step::Keepalive]);
    assert_eq!(steps[3].text, "height 2, difficulty 1, randomx");

    let wrong = solo(&url.replace("secret", "wrong"), pin);
    let (steps, good) = crate::probe::steps(&wrong, None).await;
    let last = steps.last().unwrap();
    assert!(!good && last.step == Step::Login && last.text.contains("refuses the login of user"), "{last:?}");
}
