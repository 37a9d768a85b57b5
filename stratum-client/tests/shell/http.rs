//! Requests to a node.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use md5::{Digest as _, Md5};
use rminer_algos::encode_hex;
use rminer_algos::registry::RANDOMX;
use rminer_stratum::dialect::HttpRequest;
use rminer_stratum::http::{HttpClient, HttpError, MAX_BODY_BYTES};
use rminer_stratum::tls::NoPins;
use rminer_stratum::{Credentials, PoolConfig, TlsPolicy};
use secrecy::SecretString;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader,
};

use crate::certificates::{Authority, Leaf};
use crate::servers::{PATIENCE, dead, dialer, hurried, plain_dialer, serve, serve_bytes, serve_silence};

/// A request as the server in a test saw it.
#[derive(Debug, Clone, Default)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Answers each request with what `answer` makes of it; notes them, and counts connections.
#[derive(Clone, Default)]
struct Node {
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Node {
    async fn serve(&self, answer: impl Fn(&Seen, usize) -> String + Clone + Send + 'static) -> SocketAddr {
        let node = self.clone();
        serve(move |stream| {
            let (node, answer) = (node.clone(), answer.clone());
            node.connections.fetch_add(1, Ordering::Relaxed);
            async move { node.talk(stream, answer).await }
        })
        .await
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        answer: impl Fn(&Seen, usize) -> String,
    ) {
        let mut stream = BufReader::new(stream);
        let mut requests = 0;
        while let Some(seen) = read_request(&mut stream).await {
            requests += 1;
            self.seen.lock().unwrap().push(seen.clone());
            let answer = answer(&seen, requests);
            let sent = stream.write_all(answer.as_bytes()).await.is_ok() && stream.flush().await.is_ok();
            if !sent || answer.is_empty() {
                return;
            }
        }
    }

    fn count(&self) -> (usize, usize) {
        (self.seen.lock().unwrap().len(), self.connections.load(Ordering::Relaxed))
    }
}

async fn read_request(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Seen> {
    let mut seen = Seen::default();
    stream.read_line(&mut seen.line).await.ok().filter(|size| *size > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        seen.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = seen.header("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn unauthorized(challenge: &str) -> String {
    format!("HTTP/1.1 401 Unauthorized\r\n{challenge}Content-Length: 4\r\n\r\nnope")
}

fn pool(url: &str) -> PoolConfig {
    let credentials = Credentials { user: "wallet".into(), pass: SecretString::from("x"), rig_id: None };
    PoolConfig::new(url.parse().unwrap(), credentials, &RANDOMX)
}

fn client(url: &str) -> HttpClient {
    let dialer = plain_dialer(Arc::new(|_: &str| Ok(vec![[127, 0, 0, 1].into()])));
    HttpClient::new(Arc::new(dialer), &pool(url))
}

fn post(body: &str) -> HttpRequest {
    HttpRequest { tag: 1, path: "/json_rpc", body: Some(body.into()), timeout: Duration::from_secs(10) }
}

fn get(path: &'static str) -> HttpRequest {
    HttpRequest { tag: 2, path, body: None, timeout: Duration::from_secs(10) }
}

async fn ask(client: &HttpClient, request: &HttpRequest) -> Result<(u16, String), HttpError> {
    let answered = tokio::time::timeout(PATIENCE, client.exchange(request)).await.expect("the request hangs");
    answered.map(|(status, body)| (status, String::from_utf8(body.to_vec()).unwrap()))
}

#[tokio::test]
async fn requests_share_a_connection() {
    let node = Node::default();
    let address = node.serve(|seen, _| ok(&seen.body)).await;
    let client = client(&format!("daemon+http://{address}/behind/a/proxy"));
    assert_eq!(ask(&client, &post("{\"a\":1}")).await.unwrap(), (200, "{\"a\":1}".into()));
    assert_eq!(ask(&client, &get("/get_height")).await.unwrap(), (200, String::new()));
    assert_eq!(node.count(), (2, 1));
    let seen = node.seen.lock().unwrap();
    assert_eq!(seen[0].line, "POST /behind/a/proxy/json_rpc HTTP/1.1\r\n");
    assert_eq!(seen[1].line, "GET /behind/a/proxy/get_height HTTP/1.1\r\n");
    assert_eq!(seen[0].header("host").unwrap(), address.to_string());
    assert_eq!(seen[0].header("content-type").unwrap(), "application/json");
    assert!(seen[0].header("authorization").is_none());
}

#[tokio::test]
async fn requests_run_side_by_side() {
    let node = Node::default();
    // The first request is answered only after the second has come.
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let served = node.clone();
    let address = serve(move |stream| {
        let (node, barrier) = (served.clone(), Arc::clone(&barrier));
        node.connections.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut stream = BufReader::new(stream);
            while let Some(seen) = read_request(&mut stream).await {
                barrier.wait().await;
                let _ = stream.write_all(ok(&seen.body).as_bytes()).await;
            }
        }
    })
    .await;
    let client = client(&format!("daemon+http://{address}"));
    let (first, second) = (post("1"), post("2"));
    let (first, second) = tokio::join!(ask(&client, &first), ask(&client, &second));
    assert_eq!((first.unwrap().1, second.unwrap().1), ("1".into(), "2".into()));
    assert_eq!(node.count().1, 2);
}

#[tokio::test]
async fn a_kept_connection_that_ended_is_replaced() {
    let node = Node::default();
    // Answers twice, then hangs up on the third request without a word: the worst moment.
    let address =
        node.serve(|seen, requests| if requests == 3 { String::new() } else { ok(&seen.body) }).await;
    let client = client(&format!("daemon+http://{address}"));
    for number in 0..3 {
        assert_eq!(ask(&client, &post(&number.to_string())).await.unwrap().1, number.to_string());
    }
    assert_eq!(node.count(), (4, 2));
    // On a new connection it is an error.
    let address = node.serve(|_, _| String::new()).await;
    let error = ask(&self::client(&format!("daemon+http://{address}")), &post("1")).await.unwrap_err();
    assert!(matches!(error, HttpError::ClosedAtOnce(_) | HttpError::Network(_)), "{error:?}");
}

/// RFC 7616 3.4.1 with qop=auth, by another implementation of MD5.
fn digest_is_right(seen: &Seen, user: &str, pass: &str) -> bool {
    let Some(header) = seen.header("authorization").and_then(|header| header.strip_prefix("Digest ")) else {
        return false;
    };
    let field = |name: &str| {
        let fields = header.split(", ").filter_map(|field| field.split_once('='));
        fields
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.trim_matches('"'))
            .next()
            .unwrap_or_default()
    };
    let hash = |text: String| encode_hex(&Md5::digest(text.as_bytes()));
    let (method, uri) = seen.line.split_once(' ').unwrap();
    let uri = uri.split(' ').next().unwrap();
    let secret = hash(format!("{user}:{}:{pass}", field("realm")));
    let request = hash(format!("{method}:{uri}"));
    let proof =
        hash(format!("{secret}:{}:{}:{}:auth:{request}", field("nonce"), field("nc"), field("cnonce")));
    field("response") == proof && field("uri") == uri && field("username") == user
}

/// As a Monero node does it: the nonce belongs to the connection, each use is counted, and after three uses it is
/// stale.
fn digest_node(seen: &Seen, requests: usize, pass: &str) -> String {
    let challenge = |stale: bool| {
        unauthorized(&format!(
            "WWW-Authenticate: Digest qop=\"auth\",algorithm=MD5,realm=\"monero-rpc\",nonce=\"n{requests}\",stale={stale}\r\n\
             WWW-Authenticate: Digest qop=\"auth\",algorithm=MD5-sess,realm=\"monero-rpc\",nonce=\"n{requests}\",stale={stale}\r\n"
        ))
    };
    let Some(header) = seen.header("authorization") else { return challenge(false) };
    if !digest_is_right(seen, "me", pass) {
        return challenge(false);
    }
    let count: usize = header.split("nc=").nth(1).unwrap()[..8].parse().unwrap();
    let nonce: usize = header.split("nonce=\"n").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    if nonce + count != requests {
        return challenge(false);
    }
    if count > 3 { challenge(true) } else { ok("welcome") }
}

#[tokio::test]
async fn digest_logins() {
    let node = Node::default();
    let address = node.serve(|seen, requests| digest_node(seen, requests, "p:w")).await;
    let client = client(&format!("daemon+http://me:p%3Aw@{address}"));
    for _ in 0..3 {
        assert_eq!(ask(&client, &post("{}")).await.unwrap(), (200, "welcome".into()));
    }
    assert_eq!(node.count(), (4, 1), "one challenge, then the nonce is used again");
    assert_eq!(ask(&client, &get("/get_height")).await.unwrap(), (200, "welcome".into()));
    assert_eq!(node.count(), (6, 1), "a stale nonce costs one more request");
}

/// An ordinary web server before a node: its nonce is good on every connection, and each answer ends one.
#[tokio::test]
async fn digest_where_each_answer_ends_the_connection() {
    let node = Node::default();
    let served = node.clone();
    let address = serve(move |stream| {
        let node = served.clone();
        node.connections.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut stream = BufReader::new(stream);
            let Some(seen) = read_request(&mut stream).await else { return };
            node.seen.lock().unwrap().push(seen.clone());
            let answer = if digest_is_right(&seen, "me", "secret") {
                ok("welcome")
            } else {
                unauthorized("WWW-Authenticate: Digest qop=\"auth\",realm=\"r\",nonce=\"n\",opaque=\"o\"\r\n")
            };
            let _ = stream
                .write_all(answer.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes())
                .await;
        }
    })
    .await;
    let client = client(&format!("daemon+http://me:secret@{address}"));
    for _ in 0..2 {
        assert_eq!(ask(&client, &post("{}")).await.unwrap().1, "welcome");
    }
    assert_eq!(node.count(), (4, 4));
}

#[tokio::test]
async fn through_a_proxy() {
    let node = Node::default();
    let address = node
        .serve(|seen, _| match seen.header("authorization") {
            Some(_) => ok("welcome"),
            None => unauthorized("WWW-Authenticate: Basic realm=\"node\"\r\n"),
        })
        .await;
    let (proxy, asked) = crate::socks::proxy(crate::socks::OPEN, address).await;
    // What goes to a Tor name is encrypted on its way.
    let onion = format!("{}.onion", "a".repeat(56));
    let mut pool = pool(&format!("daemon+http://me:secret@{onion}:18081"));
    pool.proxy = Some(format!("socks5://{proxy}").parse().unwrap());
    let client = HttpClient::new(Arc::new(crate::socks::deaf()), &pool);
    assert_eq!(ask(&client, &post("{}")).await.unwrap().1, "welcome");
    assert_eq!(asked.lock().unwrap()[..], [(3, onion, 18081)]);
}

#[tokio::test]
async fn logins_that_fail() {
    let node = Node::default();
    let address = node.serve(|seen, requests| digest_node(seen, requests, "right")).await;
    let error = ask(&client(&format!("daemon+http://me:hunter2@{address}")), &post("{}")).await.unwrap_err();
    assert!(matches!(&error, HttpError::LoginRefused(user) if user == "me"), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(node.count(), (2, 1), "a wrong password is tried once");
    let error = ask(&client(&format!("daemon+http://{address}")), &post("{}")).await.unwrap_err();
    assert!(matches!(error, HttpError::LoginMissing(_)), "{error:?}");

    let stale_forever = node
        .serve(|_, _| {
            unauthorized("WWW-Authenticate: Digest qop=\"auth\",realm=\"r\",nonce=\"n\",stale=true\r\n")
        })
        .await;
    let error = ask(&client(&format!("daemon+http://me:x@{stale_forever}")), &post("{}")).await.unwrap_err();
    assert!(matches!(error, HttpError::LoginRefused(_)), "{error:?}");
    for challenge in ["", "WWW-Authenticate: Negotiate\r\n", "WWW-Authenticate: Digest nonsense\r\n"] {
        let address = node.serve(move |_, _| unauthorized(challenge)).await;
        let error = ask(&client(&format!("daemon+http://me:x@{address}")), &post("{}")).await.unwrap_err();
        assert!(matches!(error, HttpError::LoginUnknown(_)), "{error:?}");
    }
}

#[tokio::test]
async fn basic_logins_where_nobody_reads_along() {
    let basic = |seen: &Seen, _| match seen.header("authorization") {
        // "me:secret", by coreutils' base64.
        Some("Basic bWU6c2VjcmV0") => ok("welcome"),
        _ => unauthorized("WWW-Authenticate: Basic realm=\"node\"\r\n"),
    };
    let node = Node::default();
    let address = node.serve(basic).await;
    let trusted = client(&format!("daemon+http://me:secret@{address}"));
    assert_eq!(ask(&trusted, &post("{}")).await.unwrap().1, "welcome");
    assert_eq!(ask(&trusted, &post("{}")).await.unwrap().1, "welcome");
    assert_eq!(node.count(), (3, 1));
    let wrong = ask(&client(&format!("daemon+http://me:wrong@{address}")), &post("{}")).await.unwrap_err();
    assert!(matches!(wrong, HttpError::LoginRefused(_)), "{wrong:?}");
    // A name could be anywhere, so its password must not be shown to the network.
    let elsewhere = client(&format!("daemon+http://me:secret@node.example:{}", address.port()));
    let error = ask(&elsewhere, &post("{}")).await.unwrap_err();
    assert!(matches!(error, HttpError::LoginInTheClear(_)), "{error:?}");
    assert!(node.seen.lock().unwrap().last().unwrap().header("authorization").is_none());
}

#[tokio::test]
async fn answers_that_are_too_long() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_BODY_BYTES + 1);
    // The length alone is enough: nothing of it is awaited.
    let declared = serve_bytes(head.leak().as_bytes()).await;
    let endless = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
    })
    .await;
    for address in [declared, endless] {
        let error = ask(&client(&format!("daemon+http://{address}")), &post("{}")).await.unwrap_err();
        assert!(matches!(error, HttpError::TooLarge(MAX_BODY_BYTES)), "{error:?}");
    }
    // The longest that is taken.
    let address = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(ok(&"x".repeat(MAX_BODY_BYTES)).as_bytes()).await;
    })
    .await;
    let (_, body) = ask(&client(&format!("daemon+http://{address}")), &post("{}")).await.unwrap();
    assert_eq!(body.len(), MAX_BODY_BYTES);
    // A head without end.
    let address = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-More: and more and more and more\r\n").await.is_ok() {}
    })
    .await;
    let error = ask(&client(&format!("daemon+http://{address}")), &post("{}")).await.unwrap_err();
    assert!(matches!(error, HttpError::NotHttp { .. }), "{error:?}");
}

#[tokio::test]
async fn silence_and_other_servers() {
    let (silent, heard) = serve_silence().await;
    let trying = tokio::spawn(async move {
        ask(&client(&format!("daemon+http://{silent}")), &get("/get_height")).await.unwrap_err()
    });
    let error = hurried(trying, &heard).await;
    assert!(matches!(error, HttpError::TimedOut(limit) if limit == Duration::from_secs(10)), "{error:?}");

    let stratum = serve_bytes(b"{\"id\":null,\"error\":\"bad request\"}\n").await;
    let error = ask(&client(&format!("daemon+http://{stratum}")), &post("{}")).await.unwrap_err();
    assert!(error.to_string().starts_with("the server does not speak HTTP on this port"), "{error}");
    let tls = serve_bytes(&[0x15, 3, 1, 0, 2, 2, 10]).await;
    let error = ask(&client(&format!("daemon+http://{tls}")), &post("{}")).await.unwrap_err();
    assert!(error.to_string().ends_with("use daemon+https://"), "{error}");
    let dead = dead().await;
    let error = ask(&client(&format!("daemon+http://{dead}")), &post("{}")).await.unwrap_err();
    assert!(error.to_string().contains("refused the connection"), "{error}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Node::default();
    let target = elsewhere.serve(|_, _| ok("stolen")).await;
    let node = Node::default();
    let address = node
        .serve(move |_, _| {
            format!("HTTP/1.1 307 Moved\r\nLocation: http://{target}/json_rpc\r\nContent-Length: 0\r\n\r\n")
        })
        .await;
    let answer = ask(&client(&format!("daemon+http://{address}")), &post("{}")).await.unwrap();
    assert_eq!(answer, (307, String::new()));
    assert_eq!(elsewhere.count(), (0, 0));
}

#[tokio::test]
async fn the_same_policies_for_https() {
    let authority = Authority::new("an authority");
    let dialer = Arc::new(dialer(authority.der.clone(), Arc::new(NoPins)));
    let own = Leaf::self_signed(&[]);
    let pin = TlsPolicy::Pin(own.pin());
    for (leaf, policy, good) in [
        (&authority.certify(&["node.example"]), TlsPolicy::Verify, true),
        (&own, TlsPolicy::Verify, false),
        (&own, pin, true),
        (&authority.certify(&["node.example"]), pin, false),
    ] {
        let node = Node::default();
        let (served, acceptor) = (node.clone(), tokio_rustls::TlsAcceptor::from(leaf.server()));
        let address = serve(move |stream| {
            let (node, acceptor) = (served.clone(), acceptor.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    node.talk(stream, |seen, _| ok(&seen.body)).await;
                }
            }
        })
        .await;
        let mut pool = pool(&format!("daemon+https://node.example:{}", address.port()));
        pool.tls = policy;
        let client = HttpClient::new(Arc::clone(&dialer), &pool);
        let answer = ask(&client, &post("{}")).await;
        if good {
            assert_eq!(answer.unwrap().1, "{}");
        } else {
            assert!(matches!(answer, Err(HttpError::Dial(_))));
            assert_eq!(node.count().0, 0, "nothing was sent");
        }
    }
}
