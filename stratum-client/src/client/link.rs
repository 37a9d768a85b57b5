//! One connection: its task reads, writes and reports.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::connect::{BoxedStream, Dialer, Path, Route, system_words};
use crate::dialect::CloseReason;
use crate::supervisor::ConnId;

/// Bytes that are read at once.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// A message must be written in this time.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// Time for the end of a connection that we close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// What a connection tells the client.
pub(super) struct Report {
    pub(super) conn: ConnId,
    /// Taken directly after the read.
    pub(super) at: Instant,
    pub(super) kind: ReportKind,
}

pub(super) enum ReportKind {
    /// It is up.
    Connected(Box<Path>),
    /// Bytes came in.
    Bytes(Vec<u8>),
    /// A stream of messages is being opened on a connection that is up.
    #[cfg(feature = "kaspad")]
    Opened { stream: u32, path: Box<Path> },
    /// A message came in.
    #[cfg(feature = "kaspad")]
    Message { stream: u32, message: crate::grpc::Incoming },
}

/// Connects, then carries bytes until either side ends it; returns why. Ends by itself when `to_send` closes, after
/// what is left there was sent.
pub(super) async fn run(
    conn: ConnId,
    dialer: Arc<Dialer>,
    route: Route,
    mut to_send: mpsc::Receiver<Vec<u8>>,
    reports: mpsc::Sender<Report>,
) -> CloseReason {
    let mut path = Path::default();
    let stream = tokio::select! {
        dialed = dialer.dial(&route, &mut path) => match dialed {
            Ok(stream) => stream,
            Err(error) => return CloseReason::Connect(error.to_string()),
        },
        // Nothing is sent before the connection is up, so this is the end of the channel.
        _ = to_send.recv() => return CloseReason::Ours,
    };
    let connected = Report { conn, at: Instant::now(), kind: ReportKind::Connected(Box::new(path)) };
    if reports.send(connected).await.is_err() {
        return CloseReason::Ours;
    }
    let (read, write) = tokio::io::split(stream);
    let patience = WRITE_PATIENCE * route.patience();
    tokio::select! {
        reason = reading(conn, read, reports) => reason,
        reason = writing(write, to_send, patience) => reason,
    }
}

async fn reading(
    conn: ConnId,
    mut stream: ReadHalf<BoxedStream>,
    reports: mpsc::Sender<Report>,
) -> CloseReason {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = stream.read(&mut buffer).await;
        let at = Instant::now();
        let bytes = match read {
            Ok(0) => return CloseReason::Network("the pool closed the connection".into()),
            Ok(size) => buffer.get(..size).unwrap_or_default().to_vec(),
            Err(fault) => return CloseReason::Network(broken(&fault)),
        };
        if reports.send(Report { conn, at, kind: ReportKind::Bytes(bytes) }).await.is_err() {
            return CloseReason::Ours;
        }
    }
}

async fn writing(
    mut stream: WriteHalf<BoxedStream>,
    mut to_send: mpsc::Receiver<Vec<u8>>,
    patience: Duration,
) -> CloseReason {
    while let Some(bytes) = to_send.recv().await {
        let written = async {
            stream.write_all(&bytes).await?;
            // TLS keeps bytes back until it is told to send them.
            stream.flush().await
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return CloseReason::Network(broken(&fault)),
            Err(_) => {
                return CloseReason::Network(format!("the pool takes no data for {} s", patience.as_secs()));
            }
        }
    }
    let _ = timeout(CLOSE_PATIENCE, stream.shutdown()).await;
    CloseReason::Ours
}

fn broken(fault: &io::Error) -> String {
    match fault.kind() {
        // TLS without a goodbye.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "the pool closed the connection".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "the pool or the network reset the connection".into()
        }
        io::ErrorKind::TimedOut => "the connection is dead: nothing comes back from the pool".into(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            "the network is gone: there is no route to the pool".into()
        }
        _ => format!("the connection broke: {}", system_words(fault)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of a connection of which only one byte in flight fits.
    fn narrow() -> (WriteHalf<BoxedStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1);
        (tokio::io::split(Box::new(ours) as BoxedStream).1, theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (write, _theirs) = narrow();
        let (commands, to_send) = mpsc::channel(4);
        commands.send(b"a line\n".to_vec()).await.unwrap();
        let reason = writing(write, to_send, WRITE_PATIENCE).await;
        assert_eq!(reason, CloseReason::Network("the pool takes no data for 5 s".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_handed_over_is_sent_before_the_end() {
        let (write, mut theirs) = narrow();
        let (commands, to_send) = mpsc::channel(4);
        for line in ["one\n", "two\n"] {
            commands.send(line.as_bytes().to_vec()).await.unwrap();
        }
        drop(commands);
        let writer = tokio::spawn(writing(write, to_send, WRITE_PATIENCE));
        let mut got = String::new();
        theirs.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "one\ntwo\n");
        assert_eq!(writer.await.unwrap(), CloseReason::Ours);
    }
}
