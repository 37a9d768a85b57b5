//! Everything as it happens, as Server-Sent Events: a `sample` with the whole state each second, and the events of the
//! ring with their numbers. A reader that was away sends the last number that it saw and misses nothing that is still
//! kept. A slow reader is not waited for: a few messages are kept for it, then it is left.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::lists::{MAX_ID, Since, since_of};
use super::status::View;
use crate::api::{ApiError, ApiState, Scope};
use crate::records::Event;

/// Readers at a time.
pub(in crate::api) const MAX_STREAMS: usize = 16;
/// Messages that wait for a reader.
const MAX_WAITING: usize = 4;
/// Events that go into one message.
const MAX_EVENTS_IN_A_MESSAGE: usize = 100;
/// How long a reader may take for a message.
const PATIENCE: Duration = Duration::from_secs(10);
/// A sign of life after so much silence.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Places for readers.
#[derive(Clone)]
pub(super) struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

/// The state each second and every event, as Server-Sent Events.
///
/// `sample` has the same fields as `/api/v1/status`; the others are events of `/api/v1/events` with their number as id.
/// `gap` tells that events are gone that had not been sent.
#[utoipa::path(get, path = "/api/v1/stream", tag = "history",
    params(Since, ("Last-Event-ID" = Option<u64>, Header, description = "As `since`; it counts if both are there")),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "It ends when a device is unpaired, but for the owner's; read it anew then")))]
pub(super) async fn stream(
    State(state): State<ApiState>,
    Extension(places): Extension<Places>,
    scope: Option<Extension<Scope>>,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response<Body>, ApiError> {
    // From here on, so that no unpairing is missed. The owner stays, whoever leaves.
    let is_owner = scope.is_some_and(|Extension(scope)| scope == Scope::Owner);
    let departures = (!is_owner).then(|| state.pairing.departures());
    let events = &state.records.events;
    let after = match headers.get("last-event-id") {
        Some(id) => Some(last_event_id(id)?),
        None => since_of(since)?,
    };
    let permit = places.0.try_acquire_owned().map_err(|_| {
        let message = format!("{MAX_STREAMS} streams are read already");
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", message, "close some")
            .retry_after(5)
    })?;
    // Numbers start anew with the miner: one that was not reached yet is from before.
    let after = match after {
        Some(id) if id > events.last() => 0,
        Some(id) => id,
        None => events.last(),
    };
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    tokio::spawn(feed(state, after, departures, sender, permit));
    let mut response = Response::new(Body::new(Messages(receiver)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn last_event_id(id: &HeaderValue) -> Result<u64, ApiError> {
    id.to_str().ok().and_then(|id| id.trim().parse().ok()).filter(|id| *id <= MAX_ID).ok_or_else(|| {
        let help = "send the id of an event that this stream has had, or leave the header out";
        ApiError::new(StatusCode::BAD_REQUEST, "bad-event-id", "Last-Event-ID is no number", help)
    })
}

/// Writes messages until the reader is gone or too slow, or a device was unpaired: which one reads is not known here, so
/// all come back, and those that may not are refused.
async fn feed(
    state: ApiState,
    mut after: u64,
    mut departures: Option<watch::Receiver<u64>>,
    sender: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let mut seconds = state.board.watch();
    let mut news = state.records.events.watch();
    let mut text = String::from("retry: 2000\n\n");
    let mut sample = true;
    while !departures.as_ref().is_some_and(has_changed) {
        let events = state.records.events.after(after);
        if let Some(first) = events.first().filter(|first| first.id > after + 1) {
            write_message(&mut text, None, "gap", &format!("{{\"missed\":{}}}", first.id - after - 1));
        }
        for event in events.iter().take(MAX_EVENTS_IN_A_MESSAGE) {
            write_event(&mut text, event);
            after = event.id;
        }
        if sample {
            // What cannot be written as JSON is not in it.
            let status = serde_json::to_string(&View::new(&state).status()).unwrap_or_default();
            write_message(&mut text, None, "sample", &status);
        }
        let message = Bytes::from(std::mem::take(&mut text));
        match sender.send_timeout(message, PATIENCE).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_) | SendTimeoutError::Closed(_)) => return,
        }
        if events.len() > MAX_EVENTS_IN_A_MESSAGE {
            sample = false;
            continue;
        }
        sample = match wait(&mut seconds, &mut news, departures.as_mut(), &sender).await {
            Woken::Second => true,
            Woken::News => false,
            Woken::Silence => {
                text.push_str(": alive\n\n");
                false
            }
            Woken::Gone => return,
        };
    }
}

/// Why there is something to write.
enum Woken {
    Second,
    News,
    Silence,
    Gone,
}

async fn wait(
    seconds: &mut watch::Receiver<u64>,
    news: &mut watch::Receiver<u64>,
    departures: Option<&mut watch::Receiver<u64>>,
    sender: &mpsc::Sender<Bytes>,
) -> Woken {
    tokio::select! {
        () = sender.closed() => Woken::Gone,
        () = departed(departures) => Woken::Gone,
        changed = seconds.changed() => if changed.is_ok() { Woken::Second } else { Woken::Gone },
        changed = news.changed() => if changed.is_ok() { Woken::News } else { Woken::Gone },
        () = sleep_until(Instant::now() + HEARTBEAT) => Woken::Silence,
    }
}

fn has_changed(departures: &watch::Receiver<u64>) -> bool {
    departures.has_changed().unwrap_or(true)
}

/// Waits until a device is unpaired; for ever where that does not matter.
async fn departed(departures: Option<&mut watch::Receiver<u64>>) {
    match departures {
        // An error says that there is no list any more.
        Some(departures) => {
            let _changed = departures.changed().await;
        }
        None => std::future::pending().await,
    }
}

fn write_event(text: &mut String, event: &Event) {
    write_message(text, Some(event.id), event.kind, &event.json);
}

/// One message. JSON text has no line breaks of its own.
fn write_message(text: &mut String, id: Option<u64>, kind: &str, json: &str) {
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    text.push_str(&format!("event: {kind}\ndata: {json}\n\n"));
}

/// Messages as the body of an answer.
struct Messages(mpsc::Receiver<Bytes>);

impl HttpBody for Messages {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}
