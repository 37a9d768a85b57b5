//! Who is taken for the pool and who is not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rminer_stratum::TlsPolicy;
use rminer_stratum::connect::{DialError, Dialer};
use rminer_stratum::tls::{FilePins, NoPins, Proof, TlsError, TlsReport, Trust};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::certificates::{Authority, Leaf};
use crate::servers::{self, dial, dialer, drain, echoes, route, serve, serve_bytes, serve_tls};

const NAME: &str = "pool.example";

async fn try_tls(dialer: &Dialer, server: SocketAddr, policy: TlsPolicy) -> Result<TlsReport, TlsError> {
    match dial(dialer, &route(NAME, server.port(), Some(policy))).await {
        Ok((mut stream, path)) => {
            echoes(&mut stream).await;
            Ok(path.tls.unwrap())
        }
        Err(DialError::Tls(error)) => Err(error),
        Err(other) => panic!("not a fault of TLS: {other}"),
    }
}

async fn verify(config: Arc<ServerConfig>, authority: &Authority) -> Result<TlsReport, TlsError> {
    let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
    try_tls(&dialer, serve_tls(config).await, TlsPolicy::Verify).await
}

fn hex(pin: [u8; 32]) -> String {
    rminer_algos::encode_hex(&pin)
}

#[tokio::test]
async fn a_certificate_of_a_known_authority() {
    let authority = Authority::new("an authority");
    let leaf = authority.certify(&[NAME, "other.example"]);
    let report = verify(leaf.server(), &authority).await.unwrap();
    assert_eq!((report.version, report.proof), ("1.3", Proof::Chain));
    assert_eq!(report.pin, hex(leaf.pin()));
    let certificate = report.certificate.unwrap();
    assert_eq!(
        (certificate.subject.as_str(), certificate.issuer.as_str()),
        ("pool in a test", "an authority")
    );
    assert_eq!(certificate.names, [NAME, "other.example"]);
    assert!(!certificate.self_signed && certificate.days_left(std::time::SystemTime::now()) > 365);
    assert_eq!(verify(leaf.tls12_server(), &authority).await.unwrap().version, "1.2");
}

#[tokio::test]
async fn unknown_certificates_print_their_pin_and_do_not_connect() {
    let authority = Authority::new("an authority");
    let other = Authority::new("another authority");
    for (leaf, expected) in [
        (authority.expired(&[NAME]), "it expired "),
        (authority.not_yet(&[NAME]), "it becomes valid in "),
        (authority.certify(&["other.example"]), "it is for other.example, not for pool.example"),
        (Leaf::self_signed(&[NAME]), "it is self-signed"),
        (other.certify(&[NAME]), "its issuer another authority is not known to this machine"),
    ] {
        for config in [leaf.server(), leaf.tls12_server()] {
            let error = verify(config, &authority).await.unwrap_err();
            let text = error.to_string();
            let TlsError::Untrusted { reason, pin } = error else { panic!("{error:?}") };
            assert!(reason.starts_with(expected), "{reason}");
            assert_eq!(pin, hex(leaf.pin()));
            assert!(
                text.contains(&format!("--tls-pin {pin}")) && text.contains(&format!("tls_pin = \"{pin}\""))
            );
        }
        // What it prints is what makes it connect.
        let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
        let report =
            try_tls(&dialer, serve_tls(leaf.server()).await, TlsPolicy::pin(&hex(leaf.pin())).unwrap()).await;
        assert_eq!(report.unwrap().proof, Proof::Pinned);
    }
}

#[tokio::test]
async fn a_pin_takes_its_certificate_only() {
    let authority = Authority::new("an authority");
    let (leaf, other) = (Leaf::self_signed(&[]), authority.certify(&[NAME]));
    let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
    let policy = TlsPolicy::Pin(leaf.pin());
    for config in [leaf.server(), leaf.tls12_server()] {
        assert_eq!(try_tls(&dialer, serve_tls(config).await, policy).await.unwrap().proof, Proof::Pinned);
    }
    // Not even one that a known authority vouches for.
    let error = try_tls(&dialer, serve_tls(other.server()).await, policy).await.unwrap_err();
    assert_eq!(error, TlsError::OtherPin { wanted: hex(leaf.pin()), got: hex(other.pin()) });
}

/// As a Monero node makes it for itself.
#[tokio::test]
async fn a_certificate_of_version_1_can_be_pinned() {
    let authority = Authority::new("an authority");
    let leaf = Leaf::self_signed(&[NAME]).version1();
    for config in [leaf.server(), leaf.tls12_server()] {
        let server = serve_tls(config).await;
        let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
        let error = try_tls(&dialer, server, TlsPolicy::Verify).await.unwrap_err();
        let TlsError::Untrusted { pin, .. } = error else { panic!("{error:?}") };
        assert_eq!(
            try_tls(&dialer, server, TlsPolicy::pin(&pin).unwrap()).await.unwrap().proof,
            Proof::Pinned
        );
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_proves_nothing() {
    let authority = Authority::new("an authority");
    let leaf = authority.certify(&[NAME]);
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(FilePins::new(folder.path().join("pins")));
    let dialer = dialer(authority.der.clone(), store);
    for leaf in [leaf, Leaf::self_signed(&[]).version1()] {
        for version in [&TLS13, &TLS12] {
            let server = serve_tls(leaf.stolen(version)).await;
            for policy in [TlsPolicy::Pin(leaf.pin()), TlsPolicy::Tofu] {
                let error = try_tls(&dialer, server, policy).await.unwrap_err();
                assert!(matches!(error, TlsError::Broken(_)), "{error:?}");
            }
            assert!(try_tls(&dialer, server, TlsPolicy::Verify).await.is_err());
        }
    }
    assert!(!folder.path().join("pins").exists(), "nothing was remembered");
}

#[tokio::test]
async fn trust_on_first_use() {
    let authority = Authority::new("an authority");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("pins");
    let new_dialer = || dialer(authority.der.clone(), Arc::new(FilePins::new(&path)));
    let (first, second) = (Leaf::self_signed(&[NAME]), Leaf::self_signed(&[NAME]));

    // One port whose certificate changes.
    let connections = Arc::new(AtomicUsize::new(0));
    let changed_after = 3;
    let (old, new) = (first.server(), second.server());
    let server = serve(move |stream| {
        let config = if connections.fetch_add(1, Ordering::Relaxed) < changed_after { &old } else { &new };
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(config));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            }
        }
    })
    .await;

    let dialer = new_dialer();
    assert_eq!(try_tls(&dialer, server, TlsPolicy::Tofu).await.unwrap().proof, Proof::FirstUse);
    assert_eq!(try_tls(&dialer, server, TlsPolicy::Tofu).await.unwrap().proof, Proof::Remembered);
    // In another run of the program too.
    assert_eq!(try_tls(&new_dialer(), server, TlsPolicy::Tofu).await.unwrap().proof, Proof::Remembered);
    for dialer in [dialer, new_dialer()] {
        let error = try_tls(&dialer, server, TlsPolicy::Tofu).await.unwrap_err();
        let text = error.to_string();
        let TlsError::Changed { known, got, store } = error else { panic!("{error:?}") };
        assert_eq!((known, got), (hex(first.pin()), hex(second.pin())));
        assert!(text.contains(&format!("--tls-pin {}", hex(second.pin()))) && text.contains(&store));
    }

    // A certificate that can be verified is not remembered: it may be renewed at any time.
    let verified = serve_tls(authority.certify(&[NAME]).server()).await;
    assert_eq!(try_tls(&new_dialer(), verified, TlsPolicy::Tofu).await.unwrap().proof, Proof::Chain);
    let remembered = std::fs::read_to_string(&path).unwrap();
    assert!(remembered.contains(&format!("{NAME}:{}", server.port())));
    assert!(!remembered.contains(&format!("{NAME}:{}", verified.port())));
}

#[tokio::test]
async fn a_first_use_that_cannot_be_remembered_is_not_trusted() {
    let authority = Authority::new("an authority");
    let server = serve_tls(Leaf::self_signed(&[NAME]).server()).await;
    let dialer = dialer(authority.der, Arc::new(NoPins));
    // The second time with a session that could be resumed.
    for _ in 0..2 {
        let error = try_tls(&dialer, server, TlsPolicy::Tofu).await.unwrap_err();
        assert!(matches!(error, TlsError::Store(_)), "{error:?}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_and_still_judged() {
    let authority = Authority::new("an authority");
    let server = serve_tls(authority.certify(&[NAME]).server()).await;
    let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
    for connection in 0..3 {
        let report = try_tls(&dialer, server, TlsPolicy::Verify).await.unwrap();
        assert_eq!((report.proof, report.resumed), (Proof::Chain, connection > 0));
    }
    let error = try_tls(&dialer, server, TlsPolicy::Pin([7; 32])).await.unwrap_err();
    assert!(matches!(error, TlsError::OtherPin { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_without_tls() {
    let authority = Authority::new("an authority");
    let dialer = dialer(authority.der, Arc::new(NoPins));
    for answer in [
        &b"{\"id\":null,\"error\":{\"code\":-1,\"message\":\"Malformed request\"}}\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\n",
    ] {
        let error = try_tls(&dialer, serve_bytes(answer).await, TlsPolicy::Verify).await.unwrap_err();
        assert_eq!(error, TlsError::NotTls { scheme: "stratum+tcp://" });
        assert_eq!(error.to_string(), "the server does not speak TLS on this port: use stratum+tcp://");
    }
    // Most pools hang up on bytes that are no JSON.
    let silent = serve(|mut stream| async move {
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
    })
    .await;
    let error = try_tls(&dialer, silent, TlsPolicy::Verify).await.unwrap_err();
    assert_eq!(error, TlsError::Silent { scheme: "stratum+tcp://" });
}

#[tokio::test]
async fn a_server_of_the_last_century() {
    let authority = Authority::new("an authority");
    let dialer = dialer(authority.der, Arc::new(NoPins));
    // The alert protocol_version, as servers send that know TLS 1.0 only; one in reply to nothing better.
    let alert = &[0x15, 3, 1, 0, 2, 2, 70];
    // A ServerHello for TLS 1.0: version, 32 random bytes, no session, cipher 0x002f, no compression.
    let hello = &[
        0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
        19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 47, 0,
    ];
    for answer in [&alert[..], hello] {
        let error = try_tls(&dialer, serve_bytes(answer).await, TlsPolicy::Verify).await.unwrap_err();
        assert_eq!(error, TlsError::TooOld);
    }
    let no_cipher = serve_bytes(&[0x15, 3, 3, 0, 2, 2, 40]).await;
    assert_eq!(try_tls(&dialer, no_cipher, TlsPolicy::Verify).await.unwrap_err(), TlsError::NoCipher);
}

#[tokio::test]
async fn records_without_content_do_not_hold_the_handshake_up() {
    let authority = Authority::new("an authority");
    let dialer = dialer(authority.der, Arc::new(NoPins));
    let server =
        serve(|mut stream| async move { while stream.write_all(&[0x16, 3, 3, 0, 0]).await.is_ok() {} }).await;
    let error = try_tls(&dialer, server, TlsPolicy::Verify).await.unwrap_err();
    assert!(matches!(error, TlsError::Broken(_)), "{error:?}");
}

/// Passes everything on until `records` records of the server have passed, then hangs up, or tells and hangs.
async fn cut_after(server: SocketAddr, records: usize, hang: bool) -> (SocketAddr, Arc<Notify>) {
    let stalled = Arc::new(Notify::new());
    let told = Arc::clone(&stalled);
    let address = serve(move |client| {
        let told = Arc::clone(&told);
        cut_one(client, server, records, hang.then_some(told))
    })
    .await;
    (address, stalled)
}

async fn cut_one(client: TcpStream, server: SocketAddr, records: usize, hang: Option<Arc<Notify>>) {
    let server = tokio::net::TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let forward = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    for _ in 0..records {
        let mut head = [0; 5];
        if from_server.read_exact(&mut head).await.is_err() {
            break;
        }
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        if from_server.read_exact(&mut body).await.is_err() {
            break;
        }
        let _ = to_client.write_all(&[&head[..], &body].concat()).await;
    }
    if let Some(stalled) = hang {
        stalled.notify_one();
        drain(from_server).await;
    }
    drop(to_client);
    forward.abort();
}

#[tokio::test]
async fn a_handshake_cut_at_each_record() {
    let authority = Authority::new("an authority");
    let leaf = authority.certify(&[NAME]);
    for (config, least) in [(leaf.server(), 2), (leaf.tls12_server(), 3)] {
        let server = serve_tls(config).await;
        let mut failures = 0;
        for records in 0..20 {
            // A new dialer each time: a resumed session has other records.
            let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
            let (cut, _) = cut_after(server, records, false).await;
            match dial(&dialer, &route(NAME, cut.port(), Some(TlsPolicy::Verify))).await {
                Ok((mut stream, _)) => {
                    // The handshake was over; the end comes with the data.
                    let _ = stream.write_all(b"ping\n").await;
                    let _ = stream.flush().await;
                    let mut back = Vec::new();
                    let _ = tokio::time::timeout(servers::PATIENCE, stream.take(5).read_to_end(&mut back))
                        .await
                        .unwrap();
                }
                Err(DialError::Tls(error)) => {
                    failures += 1;
                    let expected =
                        matches!(error, TlsError::Silent { .. } | TlsError::Closed | TlsError::Broken(_));
                    assert!(expected, "{records} records: {error:?}");
                }
                Err(other) => panic!("{records} records: {other}"),
            }
        }
        assert!((least..20).contains(&failures), "{failures} cuts hit the handshake");
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_is_given_up() {
    let authority = Authority::new("an authority");
    let server = serve_tls(authority.certify(&[NAME]).server()).await;
    for records in 0..2 {
        let (cut, stalled) = cut_after(server, records, true).await;
        let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
        let trying = tokio::spawn(async move { try_tls(&dialer, cut, TlsPolicy::Verify).await });
        let error = servers::hurried(trying, &stalled).await.unwrap_err();
        assert!(matches!(error, TlsError::TimedOut(_)), "{records} records: {error:?}");
    }
}

#[tokio::test]
async fn addresses_are_verified_too() {
    let authority = Authority::new("an authority");
    let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
    let by_address = serve_tls(authority.certify(&["127.0.0.1"]).server()).await;
    let route = route("127.0.0.1", by_address.port(), Some(TlsPolicy::Verify));
    assert!(dial(&dialer, &route).await.is_ok());
    let by_name = serve_tls(authority.certify(&[NAME]).server()).await;
    let route = servers::route("127.0.0.1", by_name.port(), Some(TlsPolicy::Verify));
    let error = dial(&dialer, &route).await.err().unwrap().to_string();
    assert!(error.contains("it is for pool.example, not for 127.0.0.1"), "{error}");
}

#[tokio::test]
async fn nobody_to_trust_is_told() {
    let leaf = Leaf::self_signed(&[NAME]);
    let options = rminer_stratum::connect::DialOptions {
        lookup: Arc::new(|_: &str| Ok(vec![[127, 0, 0, 1].into()])),
        trust: Trust::only([]),
        pins: Arc::new(NoPins),
    };
    let dialer = Dialer::new(options);
    let server = serve_tls(leaf.server()).await;
    assert!(matches!(try_tls(&dialer, server, TlsPolicy::Verify).await, Err(TlsError::Trust(_))));
    // A pin needs no authority.
    assert!(try_tls(&dialer, server, TlsPolicy::Pin(leaf.pin())).await.is_ok());
}
