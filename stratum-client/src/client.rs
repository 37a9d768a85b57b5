//! The client with its sockets: [`Supervisor`] decides, this carries out.
//!
//! Everything runs in the tasks of the caller's runtime, which needs its I/O and time drivers and may have one
//! thread only. Each connection has one task that is joined with the client through bounded channels; a peer that
//! is slow to read or fast to write holds up nobody else.
//!
//! Names are looked up by the operating system, which cannot be interrupted: end the runtime with
//! `shutdown_background`, or a lookup that hangs holds up the end of the program.

pub(crate) mod endpoint;
mod link;
#[cfg(feature = "kaspad")]
mod messages;
mod sleep;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::body::Bytes;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::address::AddressError;
use crate::connect::{DialOptions, Dialer, Path, Route};
use crate::dialect::{CloseReason, HttpFailure, HttpReply, HttpRequest};
use crate::endpoint::{Host, PoolConfig, PoolConfigError, PoolUrl, Protocol};
use crate::http::{self, HttpClient};
use crate::job::Share;
use crate::ledger::{Ledger, NotSent};
use crate::supervisor::{ConnId, Event, NoSwitch, Output, PoolEvent, Supervisor, Switch};

use link::{Report, ReportKind};
use sleep::SleepWatch;

/// Reports of all connections that wait to be looked at; each holds at most [`link::READ_BYTES`].
const MAX_REPORTS: usize = 32;
/// Messages to one connection that wait to be sent.
const MAX_COMMANDS: usize = 256;
/// Requests to one node at once; no dialect has more than a handful.
const MAX_REQUESTS: usize = 16;
/// A deadline waits this long for input that came before it, even when input never ends.
const DEADLINE_GRACE: Duration = Duration::from_millis(100);
/// How long connections may take to say goodbye when everything stops.
const FAREWELL: Duration = Duration::from_millis(200);

/// Settings that are not of a single pool.
#[derive(Default)]
pub struct ClientOptions {
    /// Failed rounds through all pools after which the client gives up; none for never.
    pub retries: Option<u32>,
    /// Decides all jitter.
    pub seed: u64,
    /// Names, trust and remembered certificates.
    pub dial: DialOptions,
    /// Is shown every message, as it is: what it keeps of secrets is its own affair.
    pub traffic: Option<Traffic>,
}

/// Called with the index of a pool, the direction, and the bytes.
pub type Traffic = Box<dyn Fn(usize, Direction, &[u8])>;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the pool.
    Out,
    /// From the pool.
    In,
}

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// Nowhere to mine.
    #[error("there is no pool to mine at")]
    NoPools,
    /// A pool's settings contradict each other.
    #[error("pool {number}: {fault}")]
    Contradiction {
        /// Which pool, from 1.
        number: usize,
        /// How.
        fault: PoolConfigError,
    },
    /// A part that was left out when this program was built.
    #[error("this rminer was built without {what}: build it with the feature `{feature}`")]
    NotBuilt {
        /// What is missing.
        what: &'static str,
        /// What brings it.
        feature: &'static str,
    },
    /// Solo mining needs an address that a block can pay.
    #[error("the payout address is none: {0}")]
    Payout(AddressError),
    /// The system gives no random numbers.
    #[error("this system gives no random numbers")]
    NoRandom,
}

/// All pools of one miner.
pub struct Client {
    supervisor: Supervisor,
    pools: Vec<PoolConfig>,
    paths: Vec<Option<Path>>,
    dialer: Arc<Dialer>,
    links: HashMap<ConnId, Link>,
    tasks: JoinSet<Ended>,
    running: HashMap<Id, Running>,
    reports: mpsc::Receiver<Report>,
    report_to: mpsc::Sender<Report>,
    events: VecDeque<Event>,
    traffic: Option<Traffic>,
    sleep_watch: SleepWatch,
    /// The latest time that the supervisor was told; it must not see time go back.
    latest: Instant,
    farewell: Option<Instant>,
}

/// A connection that the supervisor knows.
enum Link {
    Stream {
        pool: usize,
        commands: mpsc::Sender<Vec<u8>>,
    },
    Http {
        pool: usize,
        node: Arc<HttpClient>,
    },
    /// A node whose stream of messages comes and goes: the number of the latest, and what goes out on it.
    Messages {
        pool: usize,
        #[cfg_attr(not(feature = "kaspad"), allow(dead_code, reason = "then nothing opens a stream"))]
        stream: u32,
        commands: Option<mpsc::Sender<Vec<u8>>>,
    },
}

/// A task, and what to say when it crashes.
struct Running {
    conn: ConnId,
    request: Option<u64>,
    task: AbortHandle,
}

/// Status and body of a node's answer, or why there is none.
type Answer = Result<(u16, Bytes), Failure>;

enum Failure {
    Login(String),
    Other(String),
}

/// What a task leaves behind.
enum Ended {
    Stream(ConnId, CloseReason),
    #[cfg(feature = "kaspad")]
    Messages {
        conn: ConnId,
        stream: u32,
        reason: CloseReason,
    },
    Http {
        conn: ConnId,
        tag: u64,
        outcome: Answer,
    },
}

impl Client {
    /// A client for `pools`, the first of which is preferred. Nothing is connected before [`Client::next`].
    ///
    /// # Errors
    /// [`ClientError`] when the pools cannot be tried at all.
    pub fn new(pools: Vec<PoolConfig>, options: ClientOptions) -> Result<Self, ClientError> {
        if pools.is_empty() {
            return Err(ClientError::NoPools);
        }
        for (place, pool) in pools.iter().enumerate() {
            if let Some(fault) = pool.contradictions().into_iter().next() {
                return Err(ClientError::Contradiction { number: place + 1, fault });
            }
        }
        let endpoints = pools.iter().map(endpoint::endpoint).collect::<Result<Vec<_>, _>>()?;
        let now = Instant::now();
        let (report_to, reports) = mpsc::channel(MAX_REPORTS);
        Ok(Self {
            supervisor: Supervisor::new(endpoints, options.retries, options.seed, now),
            paths: vec![None; pools.len()],
            pools,
            dialer: Arc::new(Dialer::new(options.dial)),
            links: HashMap::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            reports,
            report_to,
            events: VecDeque::new(),
            traffic: options.traffic,
            sleep_watch: SleepWatch::new(SystemTime::now(), now),
            latest: now,
            farewell: None,
        })
    }

    /// The next thing that the miner should know; waits for it, forever after [`Event::Stopped`] and
    /// [`Event::GaveUp`]. Drives all connections meanwhile, so it must be awaited again and again. Dropping the
    /// future loses nothing.
    pub async fn next(&mut self) -> Event {
        loop {
            self.carry_out();
            if self.may_tell()
                && let Some(event) = self.events.pop_front()
            {
                return event;
            }
            self.catch_up();
            let wake = self.wake_at();
            tokio::select! {
                biased;
                Some(report) = self.reports.recv() => self.take_report(report),
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.take_end(ended),
                () = tokio::time::sleep_until(wake.into()) => {
                    // After a stall the deadlines wake before the sockets do: let these have their say first.
                    tokio::task::yield_now().await;
                    self.take_all_reports();
                    self.look_at_clocks();
                }
            }
        }
    }

    /// Sends a share that was found; its verdict comes as [`Event::Settled`]. Hands the bytes to the connection at
    /// once, without waiting. Must be called within the runtime.
    pub fn submit(&mut self, share: &Share) {
        let now = self.now(Instant::now());
        self.supervisor.handle_share(now, share);
        self.carry_out();
    }

    /// Records a hit that is not to be sent.
    pub fn record_not_sent(&mut self, share: &Share, why: NotSent) {
        self.supervisor.handle_not_sent(share, why);
    }

    /// Counts hits of a worker for a pool that are far more than can be sent; no event tells of them.
    pub fn record_throttled(&mut self, pool: usize, device: u16, hits: u64) {
        self.supervisor.handle_throttled(pool, device, hits);
    }

    /// Waits at most a second for the last answers and closes everything; [`Event::Stopped`] comes at the end. Must
    /// be called within the runtime.
    pub fn stop(&mut self) {
        let now = self.now(Instant::now());
        self.supervisor.handle_stop(now);
        self.carry_out();
    }

    /// Mines for this one of the pools from now on, as [`Supervisor::prefer`] says. Must be called within the
    /// runtime.
    ///
    /// # Errors
    /// [`NoSwitch`]; then nothing has changed.
    pub fn prefer(&mut self, pool: usize) -> Result<Switch, NoSwitch> {
        let now = self.now(Instant::now());
        let outcome = self.supervisor.prefer(now, pool);
        self.carry_out();
        outcome
    }

    /// The first pool is the one to return to again. Must be called within the runtime.
    pub fn prefer_first(&mut self) {
        let now = self.now(Instant::now());
        self.supervisor.prefer_first(now);
        self.carry_out();
    }

    /// Index of the pool that is returned to.
    pub fn preferred_pool(&self) -> usize {
        self.supervisor.preferred_pool()
    }

    /// All shares so far.
    pub fn ledger(&self) -> &Ledger {
        self.supervisor.ledger()
    }

    /// The addresses of the pools, logins redacted, in their order.
    pub fn pool_names(&self) -> Vec<String> {
        self.pools.iter().map(|pool| pool.url.to_string()).collect()
    }

    /// How the latest connection with a pool came about: addresses, TLS, times.
    pub fn path(&self, pool: usize) -> Option<&Path> {
        self.paths.get(pool)?.as_ref()
    }

    /// Does all that the supervisor wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.supervisor.poll_output() {
            match output {
                Output::Connect { conn, pool, address } => self.connect(conn, pool, address),
                Output::Send { conn, bytes } => self.send(conn, bytes),
                Output::Http { conn, request } => self.request(conn, request),
                Output::Message { conn, message } => self.message(conn, message),
                Output::HangUp { conn } => self.hang_up(conn),
                Output::Close { conn } => self.close(conn),
                Output::Event(event) => self.tell(event),
            }
        }
    }

    /// Queues an event. A job that nobody has seen yet gives way to a newer one: a pool may send them faster than
    /// they can be mined.
    fn tell(&mut self, event: Event) {
        if let (Some(Event::Job(waiting)), Event::Job(newer)) = (self.events.back_mut(), &event) {
            *waiting = Arc::clone(newer);
        } else {
            self.events.push_back(event);
        }
    }

    fn connect(&mut self, conn: ConnId, pool: usize, address: Option<(String, u16)>) {
        let Some(config) = self.pools.get(pool) else { return };
        if http::is_http(&config.url) {
            let node = Arc::new(HttpClient::new(Arc::clone(&self.dialer), config));
            self.links.insert(conn, Link::Http { pool, node });
            let now = self.now(Instant::now());
            self.supervisor.handle_connected(now, conn);
            return;
        }
        if config.url.protocol() == Protocol::Kaspad {
            self.links.insert(conn, Link::Messages { pool, stream: 0, commands: None });
            let now = self.now(Instant::now());
            self.supervisor.handle_connected(now, conn);
            return;
        }
        let mut route = Route::to_pool(config);
        if let Some((host, port)) = address {
            let Some(host) = redirected_host(&host) else {
                let reason = CloseReason::Connect("the pool sent us to something that is no host".into());
                let now = self.now(Instant::now());
                return self.supervisor.handle_closed(now, conn, reason);
            };
            (route.host, route.port) = (host, port);
        }
        let (commands, to_send) = mpsc::channel(MAX_COMMANDS);
        self.links.insert(conn, Link::Stream { pool, commands });
        let work = link::run(conn, Arc::clone(&self.dialer), route, to_send, self.report_to.clone());
        let task = self.tasks.spawn(async move { Ended::Stream(conn, work.await) });
        self.running.insert(task.id(), Running { conn, request: None, task });
    }

    fn send(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let Some(Link::Stream { pool, commands }) = self.links.get(&conn) else { return };
        self.show(*pool, Direction::Out, &bytes);
        // A closed channel means that the end of the connection is about to be told.
        if let Err(mpsc::error::TrySendError::Full(_)) = commands.try_send(bytes) {
            self.abort(conn);
            let reason = CloseReason::Network(format!("the pool left {MAX_COMMANDS} messages unread"));
            let now = self.now(Instant::now());
            self.supervisor.handle_closed(now, conn, reason);
        }
    }

    /// Sends a message on the stream of messages, which it opens where there is none.
    fn message(&mut self, conn: ConnId, message: Vec<u8>) {
        let Some(Link::Messages { pool, commands, .. }) = self.links.get(&conn) else { return };
        let (pool, open) = (*pool, commands.clone());
        self.show(pool, Direction::Out, &message);
        // A closed channel means that the end of the stream is about to be told. A dialect asks one thing of a kind at
        // a time, so a full one cannot be.
        let Some(commands) = open.or_else(|| self.open_stream(conn, pool)) else { return };
        let _ = commands.try_send(message);
    }

    #[cfg(feature = "kaspad")]
    fn open_stream(&mut self, conn: ConnId, pool: usize) -> Option<mpsc::Sender<Vec<u8>>> {
        let route = Route::to_pool(self.pools.get(pool)?);
        let Some(Link::Messages { stream, commands, .. }) = self.links.get_mut(&conn) else { return None };
        let (sender, to_send) = mpsc::channel(MAX_COMMANDS);
        *stream += 1;
        *commands = Some(sender.clone());
        let stream = *stream;
        let dialer = Arc::clone(&self.dialer);
        let work = messages::run((conn, stream), dialer, route, to_send, self.report_to.clone());
        let task = self.tasks.spawn(async move { Ended::Messages { conn, stream, reason: work.await } });
        self.running.insert(task.id(), Running { conn, request: None, task });
        Some(sender)
    }

    /// Without the feature there is no dialect that would ask for it.
    #[cfg(not(feature = "kaspad"))]
    fn open_stream(&mut self, _: ConnId, _: usize) -> Option<mpsc::Sender<Vec<u8>>> {
        None
    }

    /// Drops the stream of messages; the next message opens another.
    fn hang_up(&mut self, conn: ConnId) {
        if let Some(Link::Messages { commands, .. }) = self.links.get_mut(&conn) {
            *commands = None;
            for running in self.running.values().filter(|running| running.conn == conn) {
                running.task.abort();
            }
        }
    }

    fn request(&mut self, conn: ConnId, request: HttpRequest) {
        let Some(Link::Http { pool, node }) = self.links.get(&conn) else { return };
        let tag = request.tag;
        self.show(*pool, Direction::Out, request.body.as_deref().unwrap_or(request.path).as_bytes());
        if self.running.values().filter(|running| running.conn == conn).count() >= MAX_REQUESTS {
            let now = self.now(Instant::now());
            let reply =
                HttpReply { tag, outcome: Err(HttpFailure::Other("too many requests to the node at once")) };
            return self.supervisor.handle_http(now, conn, reply);
        }
        let node = Arc::clone(node);
        let task = self.tasks.spawn(async move {
            let outcome = node.exchange(&request).await.map_err(|error| {
                if error.is_login() {
                    Failure::Login(error.to_string())
                } else {
                    Failure::Other(error.to_string())
                }
            });
            Ended::Http { conn, tag, outcome }
        });
        self.running.insert(task.id(), Running { conn, request: Some(tag), task });
    }

    fn show(&self, pool: usize, direction: Direction, bytes: &[u8]) {
        if let Some(traffic) = &self.traffic {
            traffic(pool, direction, bytes);
        }
    }

    /// The task of a stream sends what is left and ends when its channel closes; requests are cut off.
    fn close(&mut self, conn: ConnId) {
        if let Some(Link::Http { .. }) = self.links.remove(&conn) {
            self.abort(conn);
        }
    }

    fn abort(&mut self, conn: ConnId) {
        self.links.remove(&conn);
        for running in self.running.values().filter(|running| running.conn == conn) {
            running.task.abort();
        }
    }

    fn take_report(&mut self, report: Report) {
        let Report { conn, at, kind } = report;
        let Some(Link::Stream { pool, .. } | Link::Messages { pool, .. }) = self.links.get(&conn) else {
            return;
        };
        let pool = *pool;
        let now = self.now(at);
        match kind {
            #[cfg(feature = "kaspad")]
            ReportKind::Opened { stream, path } if self.stream_of(conn) == Some(stream) => {
                self.note_path(pool, *path);
            }
            #[cfg(feature = "kaspad")]
            ReportKind::Message { stream, message } if self.stream_of(conn) == Some(stream) => {
                self.show(pool, Direction::In, &message.bytes);
                self.supervisor.handle_message(now, conn, &message.bytes);
            }
            // Of a stream that was dropped.
            #[cfg(feature = "kaspad")]
            ReportKind::Opened { .. } | ReportKind::Message { .. } => return,
            ReportKind::Connected(path) => {
                self.note_path(pool, *path);
                self.supervisor.handle_connected(now, conn);
            }
            ReportKind::Bytes(bytes) => {
                self.show(pool, Direction::In, &bytes);
                self.supervisor.handle_bytes(now, conn, &bytes);
            }
        }
        self.carry_out();
    }

    fn take_all_reports(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            self.take_report(report);
        }
    }

    fn take_end(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(running) = self.running.remove(&id) else { return };
        let ended = match (ended, running.request) {
            (Ok((_, ended)), _) => ended,
            (Err(error), _) if error.is_cancelled() => return,
            #[cfg(feature = "kaspad")]
            (Err(_), None) if self.stream_of(running.conn).is_some() => {
                let fault = "a fault in rminer ended the stream; please report it";
                let (conn, reason) = (running.conn, CloseReason::Network(fault.into()));
                Ended::Messages { conn, stream: self.stream_of(conn).unwrap_or_default(), reason }
            }
            (Err(_), None) => {
                let fault = "a fault in rminer ended the connection; please report it";
                Ended::Stream(running.conn, CloseReason::Network(fault.into()))
            }
            (Err(_), Some(tag)) => {
                let fault = "a fault in rminer ended the request; please report it";
                Ended::Http { conn: running.conn, tag, outcome: Err(Failure::Other(fault.into())) }
            }
        };
        match ended {
            Ended::Stream(conn, reason) => self.stream_ended(conn, reason),
            #[cfg(feature = "kaspad")]
            Ended::Messages { conn, stream, reason } => self.messages_ended(conn, stream, reason),
            Ended::Http { conn, tag, outcome } => self.http_ended(conn, tag, outcome),
        }
        self.carry_out();
    }

    fn stream_ended(&mut self, conn: ConnId, reason: CloseReason) {
        // With several threads its last bytes may have come after the last look at the reports.
        self.take_all_reports();
        if self.links.remove(&conn).is_some() {
            let now = self.now(Instant::now());
            self.supervisor.handle_closed(now, conn, reason);
        }
    }

    /// The number of the stream of messages that is open, or being opened.
    #[cfg(feature = "kaspad")]
    fn stream_of(&self, conn: ConnId) -> Option<u32> {
        match self.links.get(&conn)? {
            Link::Messages { stream, commands: Some(_), .. } => Some(*stream),
            _ => None,
        }
    }

    #[cfg(feature = "kaspad")]
    fn messages_ended(&mut self, conn: ConnId, ended: u32, reason: CloseReason) {
        // Its last messages may have come after the last look at the reports.
        self.take_all_reports();
        if self.stream_of(conn) != Some(ended) {
            return;
        }
        if let Some(Link::Messages { commands, .. }) = self.links.get_mut(&conn) {
            *commands = None;
        }
        let now = self.now(Instant::now());
        self.supervisor.handle_stream_ended(now, conn, reason);
    }

    fn http_ended(&mut self, conn: ConnId, tag: u64, outcome: Answer) {
        let Some(Link::Http { pool, node }) = self.links.get(&conn) else { return };
        if let Ok((_, body)) = &outcome {
            self.show(*pool, Direction::In, body);
        }
        if let (pool, Some(path)) = (*pool, node.take_new_path()) {
            self.note_path(pool, path);
        }
        let outcome = match &outcome {
            Ok((status, body)) => Ok((*status, body.as_ref())),
            Err(Failure::Login(fault)) => Err(HttpFailure::Login(fault)),
            Err(Failure::Other(fault)) => Err(HttpFailure::Other(fault)),
        };
        let now = self.now(Instant::now());
        self.supervisor.handle_http(now, conn, HttpReply { tag, outcome });
    }

    /// Keeps how a connection came about, and tells what people should know of it.
    fn note_path(&mut self, pool: usize, path: Path) {
        for notice in path.notices() {
            self.events.push_back(Event::Pool { pool, what: PoolEvent::Notice(notice) });
        }
        if let Some(kept) = self.paths.get_mut(pool) {
            *kept = Some(path);
        }
    }

    /// Deadlines that are long over are kept even when input never ends.
    fn catch_up(&mut self) {
        let overdue = |deadline: Instant| deadline + DEADLINE_GRACE < Instant::now();
        if self.supervisor.poll_timeout().is_some_and(overdue) {
            self.look_at_clocks();
        }
    }

    fn look_at_clocks(&mut self) {
        let mono = Instant::now();
        let now = self.now(mono);
        if self.sleep_watch.slept(SystemTime::now(), mono) {
            self.supervisor.handle_suspended(now);
        }
        if self.supervisor.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.supervisor.handle_timeout(now);
        }
        self.carry_out();
    }

    fn wake_at(&self) -> Instant {
        let look = self.sleep_watch.next_look();
        [self.supervisor.poll_timeout(), self.farewell].into_iter().flatten().fold(look, Instant::min)
    }

    /// Whether the next event may go out: the last one waits until the connections have said goodbye.
    fn may_tell(&mut self) -> bool {
        if !matches!(self.events.front(), Some(Event::Stopped)) || self.tasks.is_empty() {
            return true;
        }
        let now = Instant::now();
        *self.farewell.get_or_insert(now + FAREWELL) <= now
    }

    fn now(&mut self, at: Instant) -> Instant {
        self.latest = self.latest.max(at);
        self.latest
    }
}

/// A host as a pool wrote it, by the same rules as the hosts that users write.
fn redirected_host(text: &str) -> Option<Host> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Some(Host::Ip(address));
    }
    let url: PoolUrl = format!("tcp://{text}:1").parse().ok()?;
    (url.login().is_none() && url.port() == 1).then(|| url.host().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_redirects_are_hosts() {
        for good in ["pool.example", "POOL.example.", "192.0.2.1", "2001:db8::1", "[2001:db8::1]"] {
            assert!(redirected_host(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "x@pool.example",
            "pool.example:99",
            "pool.example/x",
            "\0",
            "-\x1b",
            &"a".repeat(300),
        ] {
            assert_eq!(redirected_host(bad), None, "{bad}");
        }
    }
}
