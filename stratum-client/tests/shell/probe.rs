//! Step by step to a pool.

use std::sync::Arc;

use rminer_stratum::connect::{DialOptions, Dialer};
use rminer_stratum::probe::{Step, StepReport, probe};
use rminer_stratum::tls::{NoPins, Trust};
use rminer_stratum::{PoolConfig, TlsPolicy};

use crate::certificates::{Authority, Leaf};
use crate::client::{Script, config, friendly, pool, tls_pool};
use crate::servers::{PATIENCE, dead, hurried, serve_bytes, serve_silence, serve_tls};

/// All steps, and whether the pool is good.
pub(crate) async fn steps(pool: &PoolConfig, authority: Option<Vec<u8>>) -> (Vec<StepReport>, bool) {
    let lookup = |name: &str| match name {
        "pool.example" => Ok(vec![[127, 0, 0, 1].into()]),
        _ => Err(std::io::Error::other("Name or service not known")),
    };
    let options =
        DialOptions { lookup: Arc::new(lookup), trust: Trust::only(authority), pins: Arc::new(NoPins) };
    let mut steps = Vec::new();
    let probing = probe(Arc::new(Dialer::new(options)), pool, |step| steps.push(step));
    let good = tokio::time::timeout(PATIENCE, probing).await.expect("the probe hangs");
    for step in &steps[..steps.len().saturating_sub(1)] {
        assert!(step.ok, "only the last may fail: {steps:?}");
    }
    (steps, good)
}

async fn last_of(script: Script) -> StepReport {
    let (address, _heard) = pool(script).await;
    let (mut steps, good) = steps(&config(&format!("stratum+tcp://{address}")), None).await;
    let last = steps.pop().unwrap();
    assert_eq!(good, last.ok || last.step == Step::Keepalive);
    last
}

fn brief(steps: &[StepReport]) -> Vec<(Step, &str)> {
    steps.iter().map(|step| (step.step, step.text.as_str())).collect()
}

#[tokio::test]
async fn all_the_way() {
    let (address, _heard) = pool(friendly).await;
    let (steps, good) = steps(&config(&format!("stratum+tcp://pool.example:{}", address.port())), None).await;
    assert!(good);
    let connected = format!("127.0.0.1 port {}", address.port());
    let expected = [
        (Step::Name, "127.0.0.1"),
        (Step::Connect, &connected),
        (Step::Login, "as wallet"),
        (Step::Job, "height 11, difficulty 1, randomx"),
        (Step::Keepalive, ""),
    ];
    assert_eq!(brief(&steps), expected);
    assert!(steps.iter().all(|step| step.ok));
}

#[tokio::test]
async fn each_step_can_be_the_last() {
    let (all, good) = steps(&config("stratum+tcp://nowhere.example:1"), None).await;
    assert_eq!(brief(&all), [(Step::Name, "the name nowhere.example does not exist")]);
    assert!(!good);

    let dead = dead().await;
    let (all, _) = steps(&config(&format!("stratum+tcp://pool.example:{}", dead.port())), None).await;
    assert_eq!((all.len(), all[1].step, all[1].ok), (2, Step::Connect, false));

    let authority = Authority::new("an authority");
    let unknown = tls_pool(&Leaf::self_signed(&["pool.example"]), |_| None).await;
    let url = format!("stratum+tls://pool.example:{}", unknown.port());
    let (all, _) = steps(&config(&url), Some(authority.der.clone())).await;
    assert_eq!((all.len(), all[2].step, all[2].ok), (3, Step::Tls, false));
    let pin = all[2].text.split("--tls-pin ").nth(1).unwrap().get(..64).unwrap();
    let mut pinned = config(&url);
    pinned.tls = TlsPolicy::pin(pin).unwrap();
    let (all, _) = steps(&pinned, None).await;
    assert_eq!(all[2].step, Step::Tls);
    assert!(
        all[2].text.starts_with("TLS 1.3, CN pool in a test, ")
            && all[2].text.ends_with("it is the pinned one")
    );
    assert_eq!((all[3].step, all[3].ok), (Step::Login, false));

    let refused = last_of(|_| {
        Some("{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":{\"code\":-1,\"message\":\"Invalid payment address provided\"}}\n".into())
    })
    .await;
    assert_eq!(refused.step, Step::Login);
    assert!(refused.text.contains("Invalid payment address provided"), "{refused:?}");

    let hang_up = last_of(|_| None).await;
    assert_eq!((hang_up.step, hang_up.text.as_str()), (Step::Login, "the pool closed the connection"));

    let no_keepalive = last_of(|line| if line.contains("keepalived") { None } else { friendly(line) }).await;
    assert_eq!((no_keepalive.step, no_keepalive.ok), (Step::Keepalive, false));
    assert!(no_keepalive.text.contains("--keepalive off"), "{no_keepalive:?}");
}

#[tokio::test]
async fn the_wrong_kind_of_server() {
    let tls = serve_tls(Leaf::self_signed(&["pool.example"]).server()).await;
    let (all, _) = steps(&config(&format!("stratum+tcp://{tls}")), None).await;
    assert!(all.last().unwrap().text.contains("stratum+tls://"), "{all:?}");

    let web = serve_bytes(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>\n").await;
    let (all, _) = steps(&config(&format!("stratum+tcp://{web}")), None).await;
    assert!(all.last().unwrap().text.contains("HTTP/1.1 400"), "{all:?}");

    let stratum = serve_bytes(b"{\"id\":null,\"error\":\"what?\"}\n").await;
    let (all, good) = steps(&config(&format!("daemon+http://{stratum}")), None).await;
    assert!(!good && all.last().unwrap().text.starts_with("the server does not speak HTTP"), "{all:?}");

    let (silent, heard) = serve_silence().await;
    let probing =
        tokio::spawn(async move { steps(&config(&format!("stratum+tcp://{silent}")), None).await.0 });
    let all = hurried(probing, &heard).await;
    assert_eq!(all.last().unwrap().text, "no answer within 15 s");
}
