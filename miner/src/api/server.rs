//! The thread that listens: so many connections, so long for each step, and whatever is slow or hostile costs its own
//! connection and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::answer;
use super::error::ApiError;
use super::guard::{Access, Guard, MAX_BODY_BYTES, Outcome, Peer, too_long};
use super::patient::Patient;

/// Connections at a time; the next one is told to come back.
pub const MAX_CONNECTIONS: usize = 64;
/// Connections that are being told so; beyond these, they are closed without a word.
const MAX_TURNED_AWAY: usize = 16;
/// Longest head of a request, in bytes.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// What hyper keeps of a connection, in bytes: a head and a body, and a piece of the next request.
const MAX_BUFFER_BYTES: usize = 16 * 1024;
/// How long open connections may hold up the end.
const FAREWELL: Duration = Duration::from_millis(200);
/// How long a connection that is turned away may take to hear it.
const LINGER: Duration = Duration::from_millis(500);
/// Wait after the system could not give a connection, for want of files as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, from the end of the one before it.
    pub head: Duration,
    /// For its body.
    pub body: Duration,
    /// Without taking a byte of its answer.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self { head: ten, body: ten, answer: ten }
    }
}

/// A running interface; it ends when this is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Takes the address, so that what is wrong with it shows before anything starts.
///
/// # Errors
/// The system's reason.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Server {
    /// Answers on `listener` from a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        listener: TcpListener,
        router: Router,
        access: Access,
        patience: Patience,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Arc::new(Shared {
            router: TowerToHyperService::new(router),
            guard: Mutex::new(Guard::new(access)),
            patience,
        });
        let thread = std::thread::Builder::new().name("api".into()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _asked = stopped => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else { return };
        let end = Instant::now() + FAREWELL;
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What all connections share.
struct Shared {
    router: TowerToHyperService<Router>,
    guard: Mutex<Guard>,
    patience: Patience,
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    loop {
        let Ok((stream, remote)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        // Answers are written in one piece; an event should not wait for the next.
        let _slower = stream.set_nodelay(true);
        if let Ok(permit) = Arc::clone(&connections).try_acquire_owned() {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                serve(stream, Peer { remote, local }, shared).await;
                drop(permit);
            });
        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
            tokio::spawn(async move {
                let _gone = timeout(LINGER, turn_away(stream)).await;
                drop(permit);
            });
        }
    }
}

async fn serve(stream: TcpStream, peer: Peer, shared: Arc<Shared>) {
    let patience = shared.patience;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request, peer).await) }
    });
    let stream = TokioIo::new(Patient::new(stream, patience.answer));
    // An error is a client that went away, was too slow, or speaks something else. It knows.
    let _ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(stream, service)
        .await;
}

/// Says that there are too many connections, and reads what the client had to say, since its system would throw the
/// answer away otherwise.
async fn turn_away(mut stream: TcpStream) {
    let body = answer::too_many_connections();
    if stream.write_all(&body).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let verdict = {
            let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
            guard.judge(&parts, peer, Instant::now())
        };
        let response = match verdict.outcome {
            Outcome::Preflight => answer::preflight(&parts),
            Outcome::Refuse(error) => answer::refusal(error),
            Outcome::Pass => match self.read(&parts.method, body).await {
                Err(error) => answer::refusal(error),
                Ok(body) => {
                    let mut request = Request::from_parts(parts, body);
                    request.extensions_mut().insert(peer);
                    if let Some(scope) = verdict.scope {
                        request.extensions_mut().insert(scope);
                    }
                    match self.router.call(request).await {
                        Ok(response) => answer::with_error_body(response),
                        Err(never) => match never {},
                    }
                }
            },
        };
        answer::with_headers(response, verdict.origin)
    }

    /// The body of an order; others have none that matters.
    async fn read(&self, method: &axum::http::Method, body: Incoming) -> Result<Body, ApiError> {
        if *method != axum::http::Method::POST {
            return Ok(Body::empty());
        }
        match timeout(self.patience.body, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(body)) => Ok(Body::from(body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
            Ok(Err(_)) | Err(_) => Err(answer::body_is_late()),
        }
    }
}

#[cfg(test)]
mod tests;
