//! Through SOCKS5 proxies.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rminer_stratum::connect::{Dialer, Route};
use rminer_stratum::tls::NoPins;
use rminer_stratum::{Proxy, TlsPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::certificates::Authority;
use crate::servers::{
    dead, dial, dialer, echoes, hurried, plain_dialer, route, serve, serve_bytes, serve_silence, serve_tls,
};

/// What a proxy in a test was asked for.
pub(crate) type Asked = Arc<Mutex<Vec<(u8, String, u16)>>>;

#[derive(Clone, Copy)]
pub(crate) struct Rules {
    login: Option<(&'static str, &'static str)>,
    /// Reply code of RFC 1928; 0 connects.
    reply: u8,
    /// Sends replies byte by byte and the first bytes of the server with the last one.
    pieces: bool,
    /// Answers with this kind of bound address.
    bound: &'static [u8],
}

pub(crate) const OPEN: Rules =
    Rules { login: None, reply: 0, pieces: false, bound: &[1, 127, 0, 0, 1, 0, 80] };

/// A SOCKS5 server that connects every name to `upstream`, and notes what it was asked for.
pub(crate) async fn proxy(rules: Rules, upstream: SocketAddr) -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let address = serve(move |stream| {
        let noted = Arc::clone(&noted);
        async move {
            let _ = proxy_one(stream, rules, upstream, noted).await;
        }
    })
    .await;
    (address, asked)
}

async fn proxy_one(
    mut client: TcpStream,
    rules: Rules,
    upstream: SocketAddr,
    asked: Asked,
) -> std::io::Result<()> {
    assert_eq!(client.read_u8().await?, 5);
    let mut methods = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut methods).await?;
    let method = if rules.login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        return client.write_all(&[5, 0xff]).await;
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, pass)) = rules.login {
        assert_eq!(client.read_u8().await?, 1);
        let given = (read_text(&mut client).await?, read_text(&mut client).await?);
        let good = given == (user.to_owned(), pass.to_owned());
        client.write_all(&[1, u8::from(!good)]).await?;
        if !good {
            return Ok(());
        }
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    assert_eq!(head[..3], [5, 1, 0]);
    let host = match head[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            std::net::IpAddr::from(address).to_string()
        }
        3 => read_text(&mut client).await?,
        kind => panic!("address type {kind}"),
    };
    let port = client.read_u16().await?;
    asked.lock().unwrap().push((head[3], host, port));
    let mut reply = vec![5, rules.reply, 0];
    reply.extend_from_slice(rules.bound);
    if rules.reply != 0 {
        return client.write_all(&reply).await;
    }
    let mut server = TcpStream::connect(upstream).await?;
    if rules.pieces {
        let mut first = [0; 6];
        server.read_exact(&mut first).await?;
        let (last, before) = reply.split_last().unwrap();
        for byte in before {
            client.write_all(&[*byte]).await?;
            tokio::task::yield_now().await;
        }
        client.write_all(&[&[*last][..], &first].concat()).await?;
    } else {
        client.write_all(&reply).await?;
    }
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn read_text(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8(text).unwrap())
}

async fn echo() -> SocketAddr {
    serve(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

/// A dialer that must not look up anything.
pub(crate) fn deaf() -> Dialer {
    plain_dialer(Arc::new(|name: &str| panic!("{name} was looked up here")))
}

fn through(proxy: &str, host: &str, port: u16) -> Route {
    Route { proxy: Some(proxy.parse::<Proxy>().unwrap()), ..route(host, port, None) }
}

async fn fault(rules: Rules, login: &str) -> String {
    let (address, _) = proxy(rules, dead().await).await;
    let route = through(&format!("socks5://{login}{address}"), "pool.example", 3333);
    dial(&deaf(), &route).await.err().unwrap().to_string()
}

#[tokio::test]
async fn names_go_to_the_proxy() {
    let (address, asked) = proxy(OPEN, echo().await).await;
    let onion = format!("{}.onion", "a".repeat(56));
    for (host, kind) in [("pool.example", 3), (onion.as_str(), 3), ("192.0.2.7", 1)] {
        let (mut stream, path) = dial(&deaf(), &through(&address.to_string(), host, 3333)).await.unwrap();
        echoes(&mut stream).await;
        assert!(path.proxy.is_some() && path.name.is_none());
        assert_eq!(path.tcp.unwrap().address, address);
        assert_eq!(asked.lock().unwrap().pop().unwrap(), (kind, host.to_owned(), 3333));
    }
}

#[tokio::test]
async fn logins() {
    let rules = Rules { login: Some(("me", "p@ss")), ..OPEN };
    let (address, _) = proxy(rules, echo().await).await;
    let route = through(&format!("socks5://me:p%40ss@{address}"), "pool.example", 1);
    let (mut stream, _) = dial(&deaf(), &route).await.unwrap();
    echoes(&mut stream).await;
    // A login is offered, not insisted on.
    let (open, _) = proxy(OPEN, echo().await).await;
    let route = through(&format!("socks5://me:x@{open}"), "pool.example", 1);
    assert!(dial(&deaf(), &route).await.is_ok());

    assert!(fault(rules, "").await.contains("asks for a user and password"));
    let refused = fault(rules, "me:hunter2@").await;
    assert!(refused.contains("refuses the user or password") && !refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn replies_of_every_shape() {
    let name = &[&[3, 4][..], b"here", &[0, 80]].concat();
    let v6 = [&[4][..], &[0; 16], &[0, 80]].concat();
    let hello = serve(|mut stream| async move {
        stream.write_all(b"hello\n").await.unwrap();
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await;
    for bound in [OPEN.bound, name.clone().leak(), v6.leak()] {
        let (address, _) = proxy(Rules { pieces: true, bound, ..OPEN }, hello).await;
        let (mut stream, _) = dial(&deaf(), &through(&address.to_string(), "pool.example", 1)).await.unwrap();
        let mut first = [0; 6];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"hello\n", "the pool's first bytes came with the reply");
        echoes(&mut stream).await;
    }
}

#[tokio::test]
async fn refusals_are_named() {
    for (reply, expected) in [
        (1, "cannot reach pool.example:3333: the proxy gives no reason"),
        (2, "does not allow connections to pool.example:3333"),
        (3, "cannot reach pool.example:3333: there is no route"),
        (4, "cannot reach pool.example:3333: the host cannot be found"),
        (5, "cannot reach pool.example:3333: it refuses the connection"),
        (6, "it takes too long"),
        (7, "makes no outgoing connections"),
        (8, "cannot handle this kind of address"),
        (0xf0, "cannot reach pool.example:3333: the proxy gives an unknown reason"),
    ] {
        let shown = fault(Rules { reply, ..OPEN }, "").await;
        assert!(
            shown.starts_with("the proxy socks5://127.0.0.1:") && shown.contains(expected),
            "{reply}: {shown}"
        );
    }
    let dead = dead().await;
    let shown =
        dial(&deaf(), &through(&dead.to_string(), "pool.example", 1)).await.err().unwrap().to_string();
    assert!(shown.contains("cannot be reached: 127.0.0.1 refused the connection"), "{shown}");
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x04\x00"] {
        let other = serve_bytes(answer).await;
        let shown =
            dial(&deaf(), &through(&other.to_string(), "pool.example", 1)).await.err().unwrap().to_string();
        assert!(shown.ends_with("does not speak SOCKS5"), "{shown}");
    }
    let hang_up = serve(|_| async {}).await;
    let shown =
        dial(&deaf(), &through(&hang_up.to_string(), "pool.example", 1)).await.err().unwrap().to_string();
    assert!(shown.contains("closed the connection before it reached pool.example:1"), "{shown}");
    let (silent, heard) = serve_silence().await;
    let trying = tokio::spawn(async move {
        dial(&deaf(), &through(&silent.to_string(), "pool.example", 1)).await.err().unwrap().to_string()
    });
    let shown = hurried(trying, &heard).await;
    assert!(shown.ends_with("did not reach pool.example:1 within 15 s"), "{shown}");
}

#[tokio::test]
async fn tls_inside_the_proxy_is_verified_by_name() {
    let authority = Authority::new("an authority");
    let server = serve_tls(authority.certify(&["pool.example"]).server()).await;
    let (address, _) = proxy(OPEN, server).await;
    let dialer = dialer(authority.der.clone(), Arc::new(NoPins));
    let mut route = through(&address.to_string(), "pool.example", 443);
    route.tls = Some(TlsPolicy::Verify);
    let (mut stream, path) = dial(&dialer, &route).await.unwrap();
    echoes(&mut stream).await;
    assert!(path.tls.is_some() && path.proxy.is_some());
    let mut route = through(&address.to_string(), "other.example", 443);
    route.tls = Some(TlsPolicy::Verify);
    assert!(dial(&dialer, &route).await.is_err());
}

/// A proxy that is not ours, where it is installed.
#[tokio::test]
async fn microsocks() {
    let server = echo().await;
    for login in [None, Some(("me", "secret"))] {
        let port = dead().await.port();
        let Some(_child) = start_microsocks(port, login) else {
            eprintln!("microsocks is not installed; skipped");
            return;
        };
        let prefix = login.map_or(String::new(), |(user, pass)| format!("{user}:{pass}@"));
        let route = through(&format!("socks5://{prefix}127.0.0.1:{port}"), "localhost", server.port());
        let mut connected = Err(String::new());
        for _ in 0..100 {
            connected = dial(&deaf(), &route).await.map_err(|error| error.to_string());
            match &connected {
                Err(error) if error.contains("refused the connection") => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                _ => break,
            }
        }
        let (mut stream, _) = connected.unwrap();
        echoes(&mut stream).await;
        if login.is_some() {
            let wrong = through(&format!("socks5://me:wrong@127.0.0.1:{port}"), "localhost", server.port());
            let shown = dial(&deaf(), &wrong).await.err().unwrap().to_string();
            assert!(shown.contains("refuses the user or password"), "{shown}");
            let none = through(&format!("socks5://127.0.0.1:{port}"), "localhost", server.port());
            let shown = dial(&deaf(), &none).await.err().unwrap().to_string();
            assert!(shown.contains("asks for a user and password"), "{shown}");
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_microsocks(port: u16, login: Option<(&str, &str)>) -> Option<Killed> {
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string()]);
    if let Some((user, pass)) = login {
        command.args(["-u", user, "-P", pass]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok().map(Killed)
}
