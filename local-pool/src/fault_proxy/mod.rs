//! A TCP proxy that breaks connections on command.
//!
//! It knows nothing of what passes through it: put it before any pool, with or without TLS.
//!
//! ```no_run
//! use rminer_pool::fault_proxy::FaultProxy;
//!
//! let proxy = FaultProxy::spawn_thread("127.0.0.1:3333".parse()?)?;
//! println!("point the miner at {}", proxy.addr());
//! proxy.command("delay 200".parse()?);
//! proxy.command("reset".parse()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod link;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

pub use self::command::{Command, CommandError, Deed, Ending, Mode};

/// Connections at a time; more are closed at once.
const MAX_LINKS: usize = 256;
/// Deeds that a busy connection may miss the start of.
const DEEDS: usize = 64;
/// Between two tries to listen again.
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// What passed through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProxyStats {
    /// Connections open now.
    pub open: u64,
    /// Connections taken since the start, refused ones included.
    pub connects: u64,
    /// Bytes from the miner to the server.
    pub bytes_up: u64,
    /// Bytes from the server to the miner.
    pub bytes_down: u64,
}

/// A running proxy. It stops when this is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy for `target` on a free port of 127.0.0.1, on the current tokio runtime.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let (address, shared, server) = prepare(target).await?;
        tokio::spawn(server);
        Ok(Self { address, shared, thread: None })
    }

    /// As [`FaultProxy::start`], on a thread and runtime of its own.
    ///
    /// # Errors
    /// When the system gives no port, thread or runtime.
    pub fn spawn_thread(target: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (address, shared, server) = runtime.block_on(prepare(target))?;
        let thread =
            std::thread::Builder::new().name("fault-proxy".into()).spawn(move || runtime.block_on(server))?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// Where the proxy listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Sends new connections to another server.
    pub fn set_target(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Does as told. A new mode holds for open connections too, and its counting starts afresh.
    pub fn command(&self, command: Command) {
        match command {
            Command::Mode(mode) => self.shared.mode.send_modify(|(version, current)| {
                *version += 1;
                *current = mode;
            }),
            Command::Deed(deed) => {
                // Nobody listens when no connection is open.
                let _ = self.shared.deeds.send(deed);
            }
            Command::Down => {
                self.shared.listening.send_replace(false);
            }
            Command::Up => {
                self.shared.listening.send_replace(true);
            }
        }
    }

    /// What passed through so far.
    pub fn stats(&self) -> ProxyStats {
        let counts = &self.shared.counts;
        ProxyStats {
            open: counts.open.load(Ordering::Relaxed),
            connects: counts.connects.load(Ordering::Relaxed),
            bytes_up: counts.up.load(Ordering::Relaxed),
            bytes_down: counts.down.load(Ordering::Relaxed),
        }
    }

    /// Ends all connections and frees the port. With a thread of its own the proxy has ended when this returns.
    pub fn stop(&mut self) {
        self.shared.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the proxy's thread panicked");
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
struct Shared {
    target: Mutex<SocketAddr>,
    /// With a version, so that setting a mode again starts its counting afresh.
    mode: watch::Sender<(u64, Mode)>,
    deeds: broadcast::Sender<Deed>,
    listening: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    connects: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

async fn prepare(
    target: SocketAddr,
) -> io::Result<(SocketAddr, Arc<Shared>, impl Future<Output = ()> + Send + 'static)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let shared = Arc::new(Shared {
        target: Mutex::new(target),
        mode: watch::Sender::new((0, Mode::Pass)),
        deeds: broadcast::Sender::new(DEEDS),
        listening: watch::Sender::new(true),
        stop: watch::Sender::new(false),
        counts: Counts::default(),
    });
    Ok((address, Arc::clone(&shared), serve(shared, listener, address)))
}

async fn serve(shared: Arc<Shared>, listener: TcpListener, address: SocketAddr) {
    let mut stop = shared.stop.subscribe();
    let mut links = JoinSet::new();
    tokio::select! {
        () = until(&mut stop, true) => {}
        () = accept(&shared, Some(listener), address, &mut links) => {}
    }
    links.shutdown().await;
}

/// Takes connections while the port is open; never ends.
async fn accept(
    shared: &Arc<Shared>,
    mut listener: Option<TcpListener>,
    address: SocketAddr,
    links: &mut JoinSet<()>,
) {
    let mut listening = shared.listening.subscribe();
    loop {
        let Some(open) = &listener else {
            until(&mut listening, true).await;
            match TcpListener::bind(address).await {
                Ok(bound) => listener = Some(bound),
                Err(_) => tokio::time::sleep(BIND_PAUSE).await,
            }
            continue;
        };
        tokio::select! {
            () = until(&mut listening, false) => listener = None,
            accepted = open.accept() => match accepted {
                Ok((stream, _)) => admit(shared, stream, links),
                Err(_) => tokio::time::sleep(BIND_PAUSE).await,
            },
            Some(_) = links.join_next() => {}
        }
    }
}

async fn until(flag: &mut watch::Receiver<bool>, wanted: bool) {
    // The sender lives as long as this task, so waiting cannot fail.
    let _ = flag.wait_for(|value| *value == wanted).await;
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, links: &mut JoinSet<()>) {
    shared.counts.connects.fetch_add(1, Ordering::Relaxed);
    if links.len() < MAX_LINKS {
        links.spawn(link::run(Arc::clone(shared), stream));
    }
}
