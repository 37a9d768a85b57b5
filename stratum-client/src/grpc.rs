//! One stream of messages with a Kaspa node: gRPC over HTTP/2 on a connection that is not encrypted.
//!
//! Of gRPC this is a request that never ends and an answer that never ends, each a row of messages with five bytes
//! before them. HTTP/2 itself is the crate `h2`. There are no pings: the dialect asks for something every two
//! seconds, and an answer that does not come is a better sign of a dead node than a pong that does.

mod first;
mod messages;

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use h2::client::{Builder, SendRequest};
use h2::{RecvStream, SendStream};
use hyper::body::Bytes;
use hyper::http::{HeaderMap, Request, StatusCode, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use crate::connect::{BoxedStream, Route, system_words};
use crate::dialect::CloseReason;
use crate::text::{clean, clean_bytes};

use first::{FirstBytes, Overheard};
use messages::{MAX_MESSAGE_BYTES, Messages, framed};

/// The one method of a node.
const METHOD: &str = "/protowire.RPC/MessageStream";
/// Bytes of messages that wait to be looked at.
const MAX_WAITING_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
/// What a node may send before it must wait for us, on the stream and on the connection.
const WINDOW_BYTES: u32 = 1 << 20;
/// Longest head of an answer.
const MAX_HEAD_BYTES: u32 = 16 * 1024;
/// A message must be written in this time.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// Time for the end of a stream that we close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// A message that came in. While it is held, the node can send only so much more.
pub(crate) struct Incoming {
    /// The message.
    pub(crate) bytes: Vec<u8>,
    _waiting: OwnedSemaphorePermit,
}

/// Why a stream ended.
enum Fault {
    /// We closed it.
    Ours,
    Http2(h2::Error),
    /// Another status than 200, or a body that is not gRPC.
    NotGrpc(StatusCode, String),
    /// The node's last words: a code of gRPC and a text.
    Status(String, String),
    /// A message that cannot be taken.
    Message(String),
    /// The node closed the stream without last words.
    Closed,
    /// The node takes no data.
    Stuck(Duration),
}

impl From<h2::Error> for Fault {
    fn from(error: h2::Error) -> Self {
        Self::Http2(error)
    }
}

/// Carries messages both ways until either side ends it, and tells why it ended. What comes in goes to `came` as
/// `wrap` makes it, with the time at which it was whole. Ends by itself when `to_send` closes, after what is left there
/// was sent.
pub(crate) async fn carry<T>(
    stream: BoxedStream,
    route: &Route,
    to_send: mpsc::Receiver<Vec<u8>>,
    came: mpsc::Sender<T>,
    wrap: impl Fn(Instant, Incoming) -> T,
) -> CloseReason {
    let first = Arc::new(FirstBytes::default());
    let stream = Overheard::new(stream, Arc::clone(&first));
    let fault = match run(stream, route, to_send, came, wrap).await {
        Ok(never) => match never {},
        Err(fault) => fault,
    };
    explain(fault, &first, route)
}

async fn run<T>(
    stream: Overheard,
    route: &Route,
    to_send: mpsc::Receiver<Vec<u8>>,
    came: mpsc::Sender<T>,
    wrap: impl Fn(Instant, Incoming) -> T,
) -> Result<Infallible, Fault> {
    let (sender, connection) = Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(MAX_HEAD_BYTES)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await?;
    let exchange = exchange(sender, route, to_send, came, wrap);
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        ended = &mut exchange => {
            if matches!(ended, Err(Fault::Ours)) {
                // What was handed over is still to be written.
                let _ = timeout(CLOSE_PATIENCE, &mut connection).await;
            }
            ended
        }
        ended = &mut connection => Err(ended.map_or_else(Fault::Http2, |()| Fault::Closed)),
    }
}

async fn exchange<T>(
    sender: SendRequest<Bytes>,
    route: &Route,
    to_send: mpsc::Receiver<Vec<u8>>,
    came: mpsc::Sender<T>,
    wrap: impl Fn(Instant, Incoming) -> T,
) -> Result<Infallible, Fault> {
    let mut sender = sender.ready().await?;
    let request = Request::post(format!("http://{route}{METHOD}"))
        .version(Version::HTTP_2)
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("user-agent", concat!("rminer/", env!("CARGO_PKG_VERSION")))
        .body(());
    let request = request.map_err(|error| Fault::Message(error.to_string()))?;
    let (response, body) = sender.send_request(request, false)?;
    let reading = async {
        let response = response.await?;
        let is_grpc = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if response.status() != StatusCode::OK || !is_grpc {
            let kind = response
                .headers()
                .get("content-type")
                .map_or(String::new(), |kind| clean_bytes(kind.as_bytes()));
            return Err(Fault::NotGrpc(response.status(), kind));
        }
        last_words(response.headers())?;
        read(response.into_body(), came, wrap).await
    };
    tokio::select! {
        ended = reading => ended,
        ended = write(body, to_send, WRITE_PATIENCE * route.patience()) => ended,
    }
}

async fn read<T>(
    mut body: RecvStream,
    came: mpsc::Sender<T>,
    wrap: impl Fn(Instant, Incoming) -> T,
) -> Result<Infallible, Fault> {
    let waiting = Arc::new(Semaphore::new(MAX_WAITING_BYTES));
    let mut messages = Messages::default();
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        let at = Instant::now();
        let mut input = bytes.as_ref();
        while let Some(message) =
            messages.next(&mut input).map_err(|fault| Fault::Message(fault.to_string()))?
        {
            // A message has at most half of them, and no message counts for nothing.
            let size = u32::try_from(message.len().max(1)).unwrap_or(u32::MAX);
            let Ok(permit) = Arc::clone(&waiting).acquire_many_owned(size).await else {
                return Err(Fault::Ours);
            };
            let incoming = Incoming { bytes: message, _waiting: permit };
            if came.send(wrap(at, incoming)).await.is_err() {
                return Err(Fault::Ours);
            }
        }
        // Only now may the node send as much again.
        body.flow_control().release_capacity(bytes.len())?;
    }
    if let Some(trailers) = body.trailers().await? {
        last_words(&trailers)?;
    }
    Err(Fault::Closed)
}

/// The status with which a server of gRPC ends a stream.
fn last_words(headers: &HeaderMap) -> Result<(), Fault> {
    let text = |name| headers.get(name).map_or(String::new(), |value| clean_bytes(value.as_bytes()));
    let (status, message) = (text("grpc-status"), text("grpc-message"));
    if status.is_empty() || status == "0" { Ok(()) } else { Err(Fault::Status(status, message)) }
}

async fn write(
    mut body: SendStream<Bytes>,
    mut to_send: mpsc::Receiver<Vec<u8>>,
    patience: Duration,
) -> Result<Infallible, Fault> {
    while let Some(message) = to_send.recv().await {
        let mut bytes = Bytes::from(framed(&message));
        let written = async {
            while !bytes.is_empty() {
                body.reserve_capacity(bytes.len());
                let Some(room) = poll_fn(|context| body.poll_capacity(context)).await else {
                    return Err(Fault::Closed);
                };
                let piece = bytes.split_to(room?.min(bytes.len()));
                body.send_data(piece, false)?;
            }
            Ok(())
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => {}
            // The reading side knows better why.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return Err(Fault::Stuck(patience)),
        }
    }
    let _ = body.send_data(Bytes::new(), true);
    Err(Fault::Ours)
}

/// The end of a stream in words for people.
fn explain(fault: Fault, first: &FirstBytes, route: &Route) -> CloseReason {
    let host = &route.host;
    if let Some(what) = first.stranger() {
        return CloseReason::Connect(format!(
            "{what} answers on port {} of {host}, no Kaspa node{}",
            route.port,
            what.advice(route)
        ));
    }
    match fault {
        Fault::Ours => CloseReason::Ours,
        Fault::Closed | Fault::Http2(_) if first.is_silent() => CloseReason::Connect(format!(
            "the server closed the connection without a word: is {} the gRPC port of a Kaspa node? It is 16110 on \
             mainnet, and the port of a stratum pool is written stratum+tcp://{route}",
            route.port
        )),
        Fault::Closed => CloseReason::Network("the node closed the connection".into()),
        Fault::Http2(error) => CloseReason::Network(match error.get_io() {
            Some(fault) => format!("the connection to the node broke: {}", system_words(fault)),
            None if error.is_go_away() && error.is_remote() => "the node ends all connections".into(),
            None => format!("the connection to the node broke: {}", clean(&error.to_string())),
        }),
        Fault::NotGrpc(status, kind) => CloseReason::Connect(format!(
            "the server on port {} answers with HTTP status {}{}; is this the gRPC port of a Kaspa node?",
            route.port,
            status.as_u16(),
            if kind.is_empty() { kind } else { format!(" and {kind}") }
        )),
        // No such service or method.
        Fault::Status(code, words) if code == "12" => CloseReason::Connect(format!(
            "a server of gRPC answers on port {}, but no Kaspa node: \"{words}\"",
            route.port
        )),
        Fault::Status(code, words) => {
            CloseReason::Network(format!("the node ended the stream with status {code}: \"{words}\""))
        }
        Fault::Message(text) => CloseReason::Protocol(text),
        Fault::Stuck(patience) => {
            CloseReason::Network(format!("the node takes no data for {} s", patience.as_secs()))
        }
    }
}
