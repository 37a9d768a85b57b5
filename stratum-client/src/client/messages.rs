//! A stream of messages with a node, as long as its dialect has something to say.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use super::link::{Report, ReportKind};
use crate::connect::{Dialer, Path, Route};
use crate::dialect::CloseReason;
use crate::grpc;
use crate::supervisor::ConnId;

/// Connects, then carries messages until either side ends the stream; returns why. Reports bear `stream`, the number of
/// this one among the streams of `conn`.
pub(super) async fn run(
    (conn, stream): (ConnId, u32),
    dialer: Arc<Dialer>,
    route: Route,
    to_send: mpsc::Receiver<Vec<u8>>,
    reports: mpsc::Sender<Report>,
) -> CloseReason {
    let mut path = Path::default();
    let socket = match dialer.dial(&route, &mut path).await {
        Ok(socket) => socket,
        Err(error) => return CloseReason::Connect(error.to_string()),
    };
    let opened =
        Report { conn, at: Instant::now(), kind: ReportKind::Opened { stream, path: Box::new(path) } };
    if reports.send(opened).await.is_err() {
        return CloseReason::Ours;
    }
    let wrap = |at, message| Report { conn, at, kind: ReportKind::Message { stream, message } };
    grpc::carry(socket, &route, to_send, reports, wrap).await
}
