//! Servers on loopback with ephemeral ports, each in a task of the test's runtime.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rminer_stratum::connect::{BoxedStream, DialError, DialOptions, Dialer, Lookup, Path, Route};
use rminer_stratum::tls::{NoPins, PinStore, Trust};
use rminer_stratum::{Host, Protocol, TlsPolicy};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `serve` for each connection.
pub(crate) async fn serve<F, S>(serve: S) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Says `greeting` after reading the first bytes of each connection, then waits for its end.
pub(crate) async fn serve_bytes(greeting: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| async move {
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer).await;
        let _ = stream.write_all(greeting).await;
        drain(stream).await;
    })
    .await
}

/// A TLS server that sends back each line.
pub(crate) async fn serve_tls(config: Arc<ServerConfig>) -> SocketAddr {
    let acceptor = TlsAcceptor::from(config);
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            }
        }
    })
    .await
}

/// Reads and never answers; tells when the first bytes have come.
pub(crate) async fn serve_silence() -> (SocketAddr, Arc<Notify>) {
    let heard = Arc::new(Notify::new());
    let told = Arc::clone(&heard);
    let address = serve(move |mut stream| {
        let told = Arc::clone(&told);
        async move {
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            told.notify_one();
            drain(stream).await;
        }
    })
    .await;
    (address, heard)
}

/// The outcome of `trying`, with the clock run forward once `stalled` tells that nothing will come any more.
pub(crate) async fn hurried<T: Send + 'static>(trying: JoinHandle<T>, stalled: &Notify) -> T {
    tokio::time::timeout(PATIENCE, stalled.notified()).await.expect("nothing stalls");
    // Real time first: what is on its way now must arrive before the clock jumps.
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::pause();
    let outcome = trying.await.unwrap();
    tokio::time::resume();
    outcome
}

/// A port where nobody listens.
pub(crate) async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

pub(crate) async fn drain(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {}
}

/// A dialer that trusts `authority` alone and knows the addresses of every name under `.example`.
pub(crate) fn dialer(authority: Vec<u8>, pins: Arc<dyn PinStore>) -> Dialer {
    let lookup = |name: &str| match name {
        "two.example" => Ok(vec![IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1])]),
        name if name.ends_with(".example") => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
        _ => Err(std::io::Error::other("failed to lookup address information: Name or service not known")),
    };
    Dialer::new(DialOptions { lookup: Arc::new(lookup), trust: Trust::only([authority]), pins })
}

/// A dialer for connections without TLS.
pub(crate) fn plain_dialer(lookup: Arc<Lookup>) -> Dialer {
    Dialer::new(DialOptions { lookup, trust: Trust::only([]), pins: Arc::new(NoPins) })
}

pub(crate) fn route(host: &str, port: u16, tls: Option<TlsPolicy>) -> Route {
    let host = match host.parse() {
        Ok(address) => Host::Ip(address),
        Err(_) => Host::Name(host.into()),
    };
    Route { host, port, tls, proxy: None, protocol: Protocol::Stratum }
}

/// Dials with a bound.
pub(crate) async fn dial(dialer: &Dialer, route: &Route) -> Result<(BoxedStream, Path), DialError> {
    let mut path = Path::default();
    let stream =
        tokio::time::timeout(PATIENCE, dialer.dial(route, &mut path)).await.expect("dialing hangs")?;
    Ok((stream, path))
}

/// Sends a line and expects it back.
pub(crate) async fn echoes(stream: &mut BoxedStream) {
    stream.write_all(b"ping\n").await.unwrap();
    stream.flush().await.unwrap();
    let mut back = [0; 5];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut back)).await.expect("no echo").unwrap();
    assert_eq!(&back, b"ping\n");
}
