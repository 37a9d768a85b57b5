//! One connection through the proxy.

use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Mutex, broadcast, watch};
use tokio::time::{sleep, timeout};

use super::{Deed, Ending, Mode, Shared};
use crate::rng::mix;

const READ_BYTES: usize = 16 * 1024;
/// Between two pieces of a chopped stream.
const CHOP_GAP: Duration = Duration::from_millis(2);
/// Most bytes that are glued together.
const MAX_GLUED_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Serves one connection to its end.
pub(super) async fn run(shared: Arc<Shared>, miner: TcpStream) {
    let mut mode = shared.mode.subscribe();
    let at_start = mode.borrow_and_update().1;
    match at_start {
        Mode::Refuse => return,
        Mode::Mute => return mute(&shared, miner).await,
        _ => {}
    }
    let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(server) = TcpStream::connect(target).await else {
        return end(&[&miner], Ending::Reset);
    };
    for stream in [&miner, &server] {
        // Without it pieces would be put together again; it fails on dead sockets only.
        let _ = stream.set_nodelay(true);
    }
    shared.counts.open.fetch_add(1, Ordering::Relaxed);
    pass(&shared, miner, server, mode).await;
    shared.counts.open.fetch_sub(1, Ordering::Relaxed);
}

/// Reads and forgets until the miner gives up or a deed ends it.
async fn mute(shared: &Shared, mut miner: TcpStream) {
    let mut deeds = shared.deeds.subscribe();
    let mut sink = [0; 4096];
    shared.counts.open.fetch_add(1, Ordering::Relaxed);
    loop {
        tokio::select! {
            count = miner.read(&mut sink) => if !count.is_ok_and(|count| count > 0) { break },
            deed = deeds.recv() => if let Ok(Deed::End(ending)) = deed {
                end(&[&miner], ending);
                break;
            },
        }
    }
    shared.counts.open.fetch_sub(1, Ordering::Relaxed);
}

async fn pass(
    shared: &Shared,
    mut miner: TcpStream,
    mut server: TcpStream,
    mode: watch::Receiver<(u64, Mode)>,
) {
    let mut deeds = shared.deeds.subscribe();
    let ending = {
        let (from_miner, to_miner) = miner.split();
        let (from_server, to_server) = server.split();
        let (to_miner, to_server) = (Mutex::new(to_miner), Mutex::new(to_server));
        let half_closed = AtomicBool::new(false);
        let never = AtomicBool::new(false);
        let mut up = Pump::new(Way::Up, &shared.counts.up, &to_server, &never, mode.clone());
        let mut down = Pump::new(Way::Down, &shared.counts.down, &to_miner, &half_closed, mode);
        let (up, down) = (up.run(from_miner), down.run(from_server));
        tokio::pin!(up, down);
        loop {
            tokio::select! {
                ended = &mut up => break ended,
                ended = &mut down => break ended,
                deed = next_deed(&mut deeds) => match deed {
                    Deed::End(ending) => break ending,
                    Deed::Half => {
                        half_closed.store(true, Ordering::Relaxed);
                        // A dead socket is noticed by its pump.
                        let _ = to_miner.lock().await.shutdown().await;
                    }
                    Deed::Junk(mut text) => {
                        text.push(b'\n');
                        let _ = to_miner.lock().await.write_all(&text).await;
                    }
                },
            }
        }
    };
    end(&[&miner, &server], ending);
}

async fn next_deed(deeds: &mut broadcast::Receiver<Deed>) -> Deed {
    loop {
        match deeds.recv().await {
            Ok(deed) => return deed,
            Err(RecvError::Lagged(_)) => {}
            // The proxy is about to end, and this task with it.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Dropping a socket closes it; a reset needs a word before.
fn end(streams: &[&TcpStream], ending: Ending) {
    if ending == Ending::Reset {
        for stream in streams {
            let _ = stream.set_zero_linger();
        }
    }
}

/// One direction.
struct Pump<'a> {
    way: Way,
    moved: &'a AtomicU64,
    to: &'a Mutex<WriteHalf<'a>>,
    /// What comes is thrown away.
    closed: &'a AtomicBool,
    mode: watch::Receiver<(u64, Mode)>,
    /// Version of the mode that is being counted for.
    version: u64,
    bytes: u64,
    lines: u64,
}

impl<'a> Pump<'a> {
    fn new(
        way: Way,
        moved: &'a AtomicU64,
        to: &'a Mutex<WriteHalf<'a>>,
        closed: &'a AtomicBool,
        mode: watch::Receiver<(u64, Mode)>,
    ) -> Self {
        let version = mode.borrow().0;
        Self { way, moved, to, closed, mode, version, bytes: 0, lines: 0 }
    }

    /// How the connection is to end when this direction has.
    async fn run(&mut self, mut from: ReadHalf<'_>) -> Ending {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match from.read(&mut buffer).await {
                Ok(count) if count > 0 => count,
                Ok(_) => return Ending::Close,
                Err(_) => return Ending::Reset,
            };
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            match self.forward(piece, &mut from).await {
                Ok(None) => {}
                Ok(Some(ending)) => return ending,
                Err(_) => return Ending::Reset,
            }
        }
    }

    /// Treats one piece as the mode wants it; says when the connection is to end.
    async fn forward(&mut self, mut piece: Vec<u8>, from: &mut ReadHalf<'_>) -> io::Result<Option<Ending>> {
        let (version, mode) = match self.mode.wait_for(|(_, mode)| *mode != Mode::Stall).await {
            Ok(current) => *current,
            // The proxy is about to end, and this task with it.
            Err(_) => return Ok(Some(Ending::Close)),
        };
        if version != self.version {
            (self.version, self.bytes, self.lines) = (version, 0, 0);
        }
        match (mode, self.way) {
            (Mode::DropUp, Way::Up) | (Mode::DropDown, Way::Down) => return Ok(None),
            (Mode::Delay { base, jitter }, _) => sleep(base.saturating_add(self.share_of(jitter))).await,
            (Mode::Rate(rate), _) => {
                sleep(Duration::from_secs(1) * u32::try_from(piece.len()).unwrap_or(1) / rate.max(1)).await;
            }
            (Mode::Glue(time), _) => glue(&mut piece, from, time).await,
            (Mode::Corrupt(place), Way::Down) => {
                let index = place.checked_sub(self.bytes).and_then(|index| usize::try_from(index).ok());
                if let Some(byte) = index.and_then(|index| piece.get_mut(index)) {
                    *byte = !*byte;
                }
            }
            (Mode::EndAfterBytes(limit, ending), Way::Down) => {
                let left = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
                if piece.len() >= left {
                    piece.truncate(left);
                    self.write(&piece).await?;
                    return Ok(Some(ending));
                }
            }
            (Mode::EndAfterLines(limit, ending), Way::Down) => {
                let mut left = limit.saturating_sub(self.lines);
                let last = piece.iter().position(|byte| {
                    left = left.saturating_sub(u64::from(*byte == b'\n'));
                    left == 0
                });
                if let Some(last) = last {
                    piece.truncate(last + usize::from(limit > 0));
                    self.write(&piece).await?;
                    return Ok(Some(ending));
                }
            }
            _ => {}
        }
        if let Mode::Chop(size) = mode {
            for part in piece.chunks(size.max(1)) {
                self.write(part).await?;
                sleep(CHOP_GAP).await;
            }
        } else {
            self.write(&piece).await?;
        }
        Ok(None)
    }

    async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let count = u64::try_from(piece.len()).unwrap_or(0);
        let newlines = piece.iter().filter(|byte| **byte == b'\n').count();
        self.bytes += count;
        self.lines += u64::try_from(newlines).unwrap_or(0);
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Counted first, so that whoever has the bytes finds them counted.
        self.moved.fetch_add(count, Ordering::Relaxed);
        self.to.lock().await.write_all(piece).await
    }

    /// A share of `whole` that differs from piece to piece.
    fn share_of(&self, whole: Duration) -> Duration {
        let tenths = mix(self.bytes ^ self.version) % 11;
        whole / 10 * u32::try_from(tenths).unwrap_or(0)
    }
}

/// Adds to `piece` what comes within `time`.
async fn glue(piece: &mut Vec<u8>, from: &mut ReadHalf<'_>, time: Duration) {
    let collect = async {
        while piece.len() < MAX_GLUED_BYTES {
            // An end of the stream is seen again by the next read.
            if !from.read_buf(piece).await.is_ok_and(|count| count > 0) {
                break;
            }
        }
    };
    let _ = timeout(time, collect).await;
}
