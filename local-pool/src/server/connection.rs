//! One connection: bytes in, payloads out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Shared, Tls};
use crate::{Payload, SessionId};

/// A TLS handshake must be done in this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A write that takes longer has no reader.
const WRITE: Duration = Duration::from_secs(10);
/// After the pool's end of the connection, the peer's is awaited for this long: a socket that is closed with
/// unread bytes is reset, and the peer may lose the last line.
const LINGER: Duration = Duration::from_secs(1);
/// First byte of a TLS handshake record.
const TLS_HANDSHAKE_BYTE: u8 = 0x16;
const READ_BYTES: usize = 16 * 1024;
/// Endless lines are sent in pieces of this size.
const FLOOD_BYTES: usize = 64 * 1024;

/// Messages that wait for one socket; more end the connection.
const MAX_QUEUED_MESSAGES: usize = 32 * 1024;
/// Bytes that wait for one socket.
const MAX_QUEUED_BYTES: usize = 16 << 20;

/// The queue to one socket. The writer ends when the queue is empty and this is gone.
#[derive(Debug)]
pub(super) struct Outgoing {
    payloads: mpsc::Sender<Payload>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Outgoing {
    /// False when the peer does not read what it is sent.
    pub(super) fn push(&self, payload: Payload) -> bool {
        let size = size(&payload);
        let waiting = self.waiting_bytes.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        waiting <= MAX_QUEUED_BYTES && self.payloads.try_send(payload).is_ok()
    }
}

/// Bytes in memory: a flood has none.
fn size(payload: &Payload) -> usize {
    if let Payload::Bytes(bytes) = payload { bytes.len() } else { 0 }
}

pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, tls: Tls) {
    // Without it small messages would wait for each other; a socket that refuses is merely slower.
    let _ = stream.set_nodelay(true);
    let acceptor = match tls {
        Tls::Off => None,
        Tls::Only(config) => Some(TlsAcceptor::from(config)),
        Tls::Auto(config) => {
            let mut first = [0];
            match timeout(HANDSHAKE, stream.peek(&mut first)).await {
                Ok(Ok(1)) => (first[0] == TLS_HANDSHAKE_BYTE).then(|| TlsAcceptor::from(config)),
                _ => return,
            }
        }
    };
    match acceptor {
        None => talk(&shared, stream, peer).await,
        Some(acceptor) => match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => talk(&shared, stream, peer).await,
            Ok(Err(error)) => tracing::debug!("TLS handshake with {peer} failed: {error}"),
            Err(_) => tracing::debug!("TLS handshake with {peer} took too long"),
        },
    }
}

async fn talk<S: AsyncRead + AsyncWrite>(shared: &Shared, stream: S, peer: SocketAddr) {
    let (payloads, queue) = mpsc::channel(MAX_QUEUED_MESSAGES);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let id = {
        let mut state = shared.lock();
        let id = state.core.connect_from(std::time::Instant::now(), peer.ip());
        state.peers.insert(id, Outgoing { payloads, waiting_bytes: Arc::clone(&waiting_bytes) });
        state.dispatch();
        id
    };
    shared.wake.notify_one();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut writing = Box::pin(write(&mut writer, queue, &waiting_bytes));
    let ended_by_pool = tokio::select! {
        _ = read(shared, id, &mut reader) => None,
        result = &mut writing => Some(result),
    };
    shared.lock().peers.remove(&id);
    shared.with(|core, now| core.closed(now, id));
    let written = match ended_by_pool {
        Some(result) => result,
        // The peer may still read after its last word.
        None => timeout(LINGER, &mut writing).await.unwrap_or(Ok(())),
    };
    drop(writing);
    if written.is_ok() && writer.shutdown().await.is_ok() {
        let mut rest = [0; 1024];
        let drain = async { while reader.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
        let _ = timeout(LINGER, drain).await;
    }
}

/// Ends when the peer has.
async fn read(shared: &Shared, id: SessionId, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = reader.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        shared.with(|core, now| core.bytes(now, id, bytes));
    }
}

/// Ends well when the pool has nothing more to say, badly when the peer does not listen.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    mut queue: mpsc::Receiver<Payload>,
    waiting_bytes: &AtomicUsize,
) -> io::Result<()> {
    while let Some(payload) = queue.recv().await {
        waiting_bytes.fetch_sub(size(&payload), Ordering::Relaxed);
        match payload {
            Payload::Bytes(bytes) => write_all(writer, &bytes).await?,
            Payload::Flood { byte, count } => {
                let piece = vec![byte; FLOOD_BYTES];
                let mut left = count;
                while left > 0 {
                    let size = usize::try_from(left).unwrap_or(usize::MAX).min(FLOOD_BYTES);
                    write_all(writer, piece.get(..size).unwrap_or_default()).await?;
                    left -= u64::try_from(size).unwrap_or(left);
                }
            }
            Payload::Close => break,
        }
    }
    Ok(())
}

async fn write_all(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let write = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    timeout(WRITE, write).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
