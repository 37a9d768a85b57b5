//! The pool on a socket.
//!
//! One lock around the core and its connections; it is held for one message at a time and never while waiting.
//! Shares are recomputed on a thread of their own, so that the sockets never wait for a hash.

mod connection;
mod verifier;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rminer_algos::{Reference, Unavailable, WorkError};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;

use self::connection::Outgoing;
use crate::bitcoin::GivenJob;
use crate::kaspa::Template;
use crate::{
    Payload, PoolConfig, PoolCore, PoolStats, Profile, ScheduledFault, SessionId, Verification, VerifyRequest,
};

/// How long a listener that cannot accept waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether the pool speaks TLS.
#[derive(Debug, Clone, Default)]
pub enum Tls {
    /// Plain.
    #[default]
    Off,
    /// TLS; a plain miner gets an alert and is closed.
    Only(Arc<ServerConfig>),
    /// Both on one port, told apart by the first byte.
    Auto(Arc<ServerConfig>),
}

/// Who recomputes RandomX shares. Other pools do it themselves.
#[derive(Default)]
pub enum Verifier {
    /// RandomX in light mode (256 MiB for each version that shares come of), on a thread of its own: version 1 by the C
    /// library, version 2 by [`crate::monero::PortableReference`].
    #[cfg(feature = "randomx")]
    #[default]
    RandomX,
    /// [`crate::ToyReference`]; only for miners that use it too.
    #[cfg_attr(not(feature = "randomx"), default)]
    Toy,
    /// Any other, on a thread of its own.
    Thread(Box<dyn Reference>),
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "randomx")]
            Self::RandomX => "RandomX",
            Self::Toy => "Toy",
            Self::Thread(_) => "Thread",
        })
    }
}

/// A pool with its socket.
#[derive(Debug)]
pub struct LocalPoolConfig {
    /// The pool itself.
    pub pool: PoolConfig,
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Plain or TLS.
    pub tls: Tls,
    /// Who recomputes RandomX shares.
    pub verifier: Verifier,
}

impl Default for LocalPoolConfig {
    /// The default pool on a free port of 127.0.0.1, without TLS.
    fn default() -> Self {
        Self {
            pool: PoolConfig::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: Tls::Off,
            verifier: Verifier::default(),
        }
    }
}

impl From<PoolConfig> for LocalPoolConfig {
    fn from(pool: PoolConfig) -> Self {
        Self { pool, ..Self::default() }
    }
}

/// A pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread, or no runtime on it.
    #[error("cannot start the pool's thread: {0}")]
    Thread(io::Error),
}

/// A running pool. It stops when this is dropped.
#[derive(Debug)]
pub struct LocalPool {
    handle: PoolHandle,
    thread: Option<JoinHandle<()>>,
}

impl LocalPool {
    /// Starts a pool on the current tokio runtime.
    ///
    /// # Errors
    /// Those of [`StartError`].
    pub async fn start(config: impl Into<LocalPoolConfig>) -> Result<Self, StartError> {
        let (handle, server) = prepare(config.into()).await?;
        tokio::spawn(server);
        Ok(Self { handle, thread: None })
    }

    /// Starts a pool on a thread of its own, with a runtime of its own. It listens when this returns.
    ///
    /// # Errors
    /// Those of [`StartError`].
    pub fn spawn_thread(config: impl Into<LocalPoolConfig>) -> Result<Self, StartError> {
        let config = config.into();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let (handle, server) = runtime.block_on(prepare(config))?;
        let thread = std::thread::Builder::new()
            .name("rminer-pool".into())
            .spawn(move || runtime.block_on(server))
            .map_err(StartError::Thread)?;
        Ok(Self { handle, thread: Some(thread) })
    }

    /// A handle that can be cloned and outlives this; it does not keep the pool running.
    pub fn handle(&self) -> PoolHandle {
        self.handle.clone()
    }

    /// Ends all sessions and frees the port. With a thread of its own the pool has ended when this returns.
    pub fn stop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the pool's thread panicked");
        }
    }
}

impl std::ops::Deref for LocalPool {
    type Target = PoolHandle;

    fn deref(&self) -> &PoolHandle {
        &self.handle
    }
}

impl Drop for LocalPool {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Steers a running pool from any thread. No call waits for the network.
#[derive(Debug, Clone)]
pub struct PoolHandle {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl PoolHandle {
    /// Where the pool listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What the pool has seen.
    pub fn stats(&self) -> PoolStats {
        self.shared.lock().core.stats()
    }

    /// A new job for everybody, of the same block.
    pub fn push_job(&self) {
        self.shared.with(PoolCore::push_new_job);
    }

    /// A new job around a given blob; see [`PoolCore::push_blob`].
    ///
    /// # Errors
    /// When the blob is too short for the nonce or longer than any miner takes.
    pub fn push_blob(&self, blob: &[u8], seed: [u8; 32], height: u64) -> Result<(), WorkError> {
        self.shared.with(|core, now| core.push_blob(now, blob, seed, height))
    }

    /// A new job with a given header of Kaspa; see [`PoolCore::push_template`].
    pub fn push_template(&self, template: Template) {
        self.shared.with(|core, now| core.push_template(now, template));
    }

    /// A new job with a given header; see [`PoolCore::push_header`].
    pub fn push_header(&self, job: GivenJob) {
        self.shared.with(|core, now| core.push_header(now, job));
    }

    /// Commits a fault, at once or later.
    pub fn set_fault(&self, fault: impl Into<ScheduledFault>) {
        let fault = fault.into();
        self.shared.with(|core, now| core.set_fault(now, fault));
    }

    /// Gives every session another difficulty, in expected hashes.
    pub fn set_difficulty(&self, difficulty: u64) {
        self.shared.with(|core, now| core.set_difficulty(now, difficulty));
    }

    /// Ends all sessions and frees the port, soon.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
        // The verifier's thread ends with its queue.
        self.shared.lock().verify = None;
    }
}

/// What the tasks of one pool share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// The next deadline may have changed.
    wake: Notify,
    stop: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    core: PoolCore,
    peers: BTreeMap<SessionId, Outgoing>,
    verify: Option<blocking::SyncSender<VerifyRequest>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the core do something and hands on what comes of it.
    fn with<T>(&self, action: impl FnOnce(&mut PoolCore, Instant) -> T) -> T {
        let mut state = self.lock();
        let result = action(&mut state.core, Instant::now());
        state.dispatch();
        drop(state);
        self.wake.notify_one();
        result
    }
}

impl State {
    fn dispatch(&mut self) {
        loop {
            if let Some(output) = self.core.poll_output() {
                let peer = self.peers.get(&output.session);
                let sent = match output.payload {
                    // The writer ends when its queue is empty and nobody can fill it any more.
                    Payload::Close => false,
                    payload => peer.is_some_and(|peer| peer.push(payload)),
                };
                if !sent {
                    self.peers.remove(&output.session);
                    self.core.closed(Instant::now(), output.session);
                }
            } else if let Some(request) = self.core.poll_verify() {
                let ticket = request.ticket;
                let taken = self.verify.as_ref().is_some_and(|queue| queue.try_send(request).is_ok());
                if !taken {
                    let busy = Unavailable("the verifier takes no more shares".into());
                    self.core.verified(Instant::now(), ticket, Err(busy));
                }
            } else {
                return;
            }
        }
    }
}

/// Binds the port and makes everything; the future serves until the pool is stopped.
async fn prepare(
    config: LocalPoolConfig,
) -> Result<(PoolHandle, impl Future<Output = ()> + Send + 'static), StartError> {
    let LocalPoolConfig { mut pool, listen, tls, verifier } = config;
    pool.first_time_s = pool.first_time_s.or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.ok().map(|time| time.as_secs())
    });
    let failed = |source| StartError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let max_connections = pool.limits.sessions.saturating_mul(2);
    let queue = pool.limits.shares_in_check;
    let variants = match &pool.profile {
        Profile::Monero(profile) => profile.variants(),
        _ => Vec::new(),
    };
    let (verification, reference): (_, Option<Box<dyn Reference>>) = match verifier {
        _ if !matches!(pool.profile, Profile::Monero(_)) => (Verification::Deferred, None),
        Verifier::Toy => (Verification::Inline(Box::new(crate::ToyReference)), None),
        Verifier::Thread(reference) => (Verification::Deferred, Some(reference)),
        #[cfg(feature = "randomx")]
        Verifier::RandomX => (Verification::Deferred, Some(Box::<crate::monero::BothReferences>::default())),
    };
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            core: PoolCore::new(pool, verification, Instant::now()),
            peers: BTreeMap::new(),
            verify: None,
        }),
        wake: Notify::new(),
        stop: watch::Sender::new(false),
    });
    if let Some(reference) = reference {
        let seed = shared.lock().core.seed_hash();
        let sender = verifier::start(reference, queue, &shared, (seed.unwrap_or_default(), variants))
            .map_err(StartError::Thread)?;
        shared.lock().verify = Some(sender);
    }
    let handle = PoolHandle { address, shared: Arc::clone(&shared) };
    Ok((handle, serve(shared, listener, tls, max_connections)))
}

async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Tls, max_connections: usize) {
    let mut stop = shared.stop.subscribe();
    let mut connections = JoinSet::new();
    loop {
        let deadline = shared.lock().core.next_deadline();
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < max_connections => {
                    connections.spawn(connection::serve(Arc::clone(&shared), stream, peer, tls.clone()));
                }
                Ok(_) => tracing::warn!("pool has {max_connections} connections; another one is closed"),
                Err(error) => {
                    tracing::warn!("pool cannot accept: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    tracing::error!("a connection of the pool panicked");
                }
            }
            () = shared.wake.notified() => {}
            () = tokio::time::sleep_until(deadline.into()) => shared.with(PoolCore::tick),
        }
    }
    connections.shutdown().await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender lives as long as this task, so waiting cannot fail.
    let _ = stop.wait_for(|stop| *stop).await;
}
