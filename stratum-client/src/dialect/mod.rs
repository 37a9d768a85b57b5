//! Dialects: one state machine for each protocol, without socket and without clock.
//!
//! A dialect turns what a peer says into [`Event`]s and what the miner found into messages. It is told the time
//! with each call and says when it wants to be called again. The session above it owns lines, deadlines that all
//! dialects share, the ring of jobs, duplicate detection and the ledger.

pub mod bitcoin;
mod candidates;
mod fuzz;
pub mod gbt;
pub mod kaspa;
pub mod kaspad;
pub mod monero;
pub mod monerod;
#[cfg(test)]
mod peer;
mod reply;
mod wire;

use std::fmt;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Target, Template};
use thiserror::Error;

use crate::job::{Job, JobKey, Share, Supersede};
use crate::ledger::{ShareId, Verdict};
use crate::text::clean_bytes;

/// Numbers in which protocols differ.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest line in bytes.
    pub line_cap_bytes: usize,
    /// Silence of the peer after which the connection counts as dead.
    pub idle: Duration,
    /// From start to the answer to the login.
    pub login: Duration,
    /// From login to the first job.
    pub first_job: Duration,
    /// The same where the peer said that it has no template yet.
    pub first_job_waiting: Duration,
    /// From sending a share to its answer.
    pub share_reply: Duration,
    /// Jobs for which shares are still sent, the newest included.
    pub job_ring: usize,
}

/// One protocol with one peer, for one connection.
pub trait Dialect: Send {
    /// Its numbers.
    fn limits(&self) -> Limits;

    /// The connection is up (after TLS, or when requests may be sent).
    fn start(&mut self, now: Instant, out: &mut Outbox);

    /// A whole line came in.
    ///
    /// # Errors
    /// [`ProtocolError`] when the line breaks the protocol; three in a minute end the session.
    fn line(&mut self, now: Instant, line: &[u8], out: &mut Outbox) -> Result<(), ProtocolError>;

    /// An HTTP exchange that this dialect asked for has ended.
    ///
    /// # Errors
    /// As for [`Dialect::line`].
    fn http(&mut self, now: Instant, reply: HttpReply<'_>, out: &mut Outbox) -> Result<(), ProtocolError> {
        let _ = (now, out);
        Err(ProtocolError::Unexpected(format!("an HTTP answer (tag {})", reply.tag)))
    }

    /// A whole message came in on the stream that this dialect's messages go out on.
    ///
    /// # Errors
    /// As for [`Dialect::line`].
    fn message(&mut self, now: Instant, message: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        let _ = (now, out);
        Err(ProtocolError::Unexpected(format!("a message of {} bytes", message.len())))
    }

    /// That stream ended, or could not be opened. The next message opens a new one.
    fn stream_ended(&mut self, now: Instant, reason: CloseReason, out: &mut Outbox) {
        let _ = now;
        out.close(reason);
    }

    /// Sends a share whose job is one of the ring; the answer comes back as [`Event::Verdict`] with `id`.
    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox);

    /// A share's deadline has passed. The dialect may keep its request number for a late answer.
    fn timed_out(&mut self, id: ShareId, out: &mut Outbox) {
        let _ = (id, out);
    }

    /// [`Dialect::deadline`] has passed.
    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        let _ = (now, out);
    }

    /// When [`Dialect::tick`] wants to be called; none for never.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// What was sent that this peer may be closing for, and when; none once it has taken it.
    fn provocation(&self) -> Option<(Provocation, Instant)> {
        None
    }
}

/// A request that some peers close the connection for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provocation {
    /// A sign of life.
    Keepalive,
    /// The wish to be told of extranonce changes.
    ExtranonceSubscribe,
    /// A login with extensions, or with all its requests at once.
    Extensions,
}

/// What a dialect wants done, in order.
#[derive(Debug, Default)]
pub struct Outbox(pub(crate) Vec<Out>);

/// One thing of an [`Outbox`].
#[derive(Debug)]
pub enum Out {
    /// Send this line; the newline is added.
    Line(String),
    /// Make this HTTP exchange.
    Http(HttpRequest),
    /// Send this message on the stream of messages; open one where there is none.
    Message(Vec<u8>),
    /// Drop the stream of messages without a word; nothing of it comes any more.
    HangUp,
    /// Tell the session.
    Event(Event),
    /// End the connection.
    Close(CloseReason),
}

impl Outbox {
    /// Sends a line, given without its newline.
    pub fn line(&mut self, line: String) {
        self.0.push(Out::Line(line));
    }

    /// Starts an HTTP exchange.
    pub fn http(&mut self, request: HttpRequest) {
        self.0.push(Out::Http(request));
    }

    /// Sends a message on a stream of messages, which the first one opens.
    pub fn message(&mut self, message: Vec<u8>) {
        self.0.push(Out::Message(message));
    }

    /// Drops the stream of messages.
    pub fn hang_up(&mut self) {
        self.0.push(Out::HangUp);
    }

    /// Tells the session.
    pub fn event(&mut self, event: Event) {
        self.0.push(Out::Event(event));
    }

    /// Ends the connection.
    pub fn close(&mut self, reason: CloseReason) {
        self.0.push(Out::Close(reason));
    }

    /// Everything so far, in order; the outbox is empty after.
    pub fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.0)
    }
}

/// An HTTP exchange with a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Comes back with the answer; unique among the exchanges under way.
    pub tag: u64,
    /// Path on the node, from its slash on.
    pub path: &'static str,
    /// POST with this JSON body; GET when there is none.
    pub body: Option<String>,
    /// Give up after this long.
    pub timeout: Duration,
}

/// How an HTTP exchange ended.
#[derive(Debug, Clone, Copy)]
pub struct HttpReply<'a> {
    /// The request's tag.
    pub tag: u64,
    /// Status and body (bounded by the shell), or why there is none.
    pub outcome: Result<(u16, &'a [u8]), HttpFailure<'a>>,
}

/// Why an HTTP exchange gave no answer, in the shell's words, safe to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFailure<'a> {
    /// The node wants a login, and has none or a wrong one of ours. Trying again does not help.
    Login(&'a str),
    /// Anything else: the network, TLS, an answer that is none.
    Other(&'a str),
}

/// What a dialect tells its session.
#[derive(Debug)]
pub enum Event {
    /// The peer took our login.
    LoggedIn,
    /// The peer is there but has nothing to mine yet, in its words.
    Waiting(String),
    /// A new job; the session names it `seq` as given here, so that the dialect finds its own part of it again.
    Job(NewJob),
    /// The answer to a share.
    Verdict(ShareId, Verdict),
    /// Something that people should read, safe to show.
    Notice(String),
    /// The peer asks us to connect elsewhere.
    Redirect(Redirect),
}

/// A job as a dialect read it.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Number of the job in this connection, from 1, rising.
    pub seq: u64,
    /// What is hashed.
    pub template: Template,
    /// A hash that meets this is a share.
    pub target: Target,
    /// A hash that meets this is a block.
    pub block_target: Option<Target>,
    /// What it does to older jobs.
    pub supersede: Supersede,
    /// Height of the block.
    pub height: Option<u64>,
    /// The seed that comes next.
    pub next_seed: Option<[u8; 32]>,
    /// How it is hashed.
    pub algorithm: &'static Algorithm,
}

impl NewJob {
    /// The job as the miner knows it: of session number `session` with pool number `pool`.
    pub fn into_job(self, session: u32, pool: usize, received: Instant) -> Job {
        Job {
            key: JobKey { session, seq: self.seq },
            pool,
            algorithm: self.algorithm,
            template: self.template,
            target: self.target,
            block_target: self.block_target,
            supersede: self.supersede,
            height: self.height,
            next_seed: self.next_seed,
            received,
        }
    }
}

/// `client.reconnect`: where a peer wants us to go. Hostile until policy has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Another host; none for the same.
    pub host: Option<String>,
    /// Another port; none for the same.
    pub port: Option<u16>,
    /// Seconds to wait before.
    pub wait_s: u64,
}

/// A peer broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// No JSON object; the start of the line, safe to show.
    #[error("not JSON: \"{0}\"")]
    NotJson(String),
    /// A field is absent or has the wrong shape.
    #[error("{message}: field `{field}` {fault}")]
    Field {
        /// Which message.
        message: &'static str,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// The peer wants another proof of work than the one configured.
    #[error("the pool's job is for `{wanted}`, but {configured} is configured")]
    Algorithm {
        /// What the peer named, safe to show.
        wanted: String,
        /// Our algorithm.
        configured: &'static str,
    },
    /// Something that has no place here.
    #[error("unexpected {0}")]
    Unexpected(String),
}

/// Why a connection ended or must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed, or the network failed; the shell's words.
    Network(String),
    /// No connection could be made; the shell's words.
    Connect(String),
    /// No valid message for too long.
    Idle(Duration),
    /// No answer to the login in time.
    LoginTimeout(Duration),
    /// No answer to the login in time, where that says something about the login.
    LoginIgnored(Duration),
    /// No job in time after the login.
    NoJob(Duration),
    /// The peer said that it has nothing to mine, and that for so long: a node that catches up with its chain, say.
    /// No failure of the peer.
    NothingToMine(Duration),
    /// A line that was begun and not finished in time.
    SlowLine(Duration),
    /// A line over the cap.
    LongLine(usize),
    /// More input than any pool has reason to send.
    Flood,
    /// Shares stay unanswered and nothing else comes either.
    ShareTimeout(Duration),
    /// Too many of the last shares stay unanswered, while other things come.
    SharesUnanswered {
        /// How many.
        shares: u32,
        /// Of how many.
        of: u32,
    },
    /// Broken messages, the last one's fault.
    Protocol(String),
    /// The peer speaks TLS on a connection that is configured plain.
    PeerSpeaksTls,
    /// The peer speaks HTTP, and this is its first line.
    PeerSpeaksHttp(String),
    /// The peer speaks HTTP/2, as gRPC does.
    PeerSpeaksHttp2,
    /// The peer refused the login, in its words.
    LoginRefused(String),
    /// The peer has banned us, in its words.
    Banned(String),
    /// The peer has no work for our algorithm, in its words.
    Algorithm(String),
    /// The peer forgot who we are; a new login helps.
    SessionExpired,
    /// The peer refuses share after share as stale.
    StaleShares,
    /// The peer asked for it.
    Redirected,
    /// We chose another pool or stop.
    Ours,
    /// The machine slept; nothing on the connection can be trusted.
    Suspended,
}

impl CloseReason {
    /// Its kind in one word, for counters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::Connect(_) => "connect",
            Self::Idle(_) => "idle",
            Self::LoginTimeout(_) | Self::LoginIgnored(_) => "login-timeout",
            Self::NoJob(_) | Self::NothingToMine(_) => "no-job",
            Self::SlowLine(_) | Self::LongLine(_) | Self::Flood => "flood",
            Self::ShareTimeout(_) | Self::SharesUnanswered { .. } => "share-timeout",
            Self::Protocol(_) => "protocol",
            Self::PeerSpeaksTls | Self::PeerSpeaksHttp(_) | Self::PeerSpeaksHttp2 => "wrong-protocol",
            Self::LoginRefused(_) => "login-refused",
            Self::Banned(_) => "banned",
            Self::Algorithm(_) => "algorithm",
            Self::SessionExpired => "session-expired",
            Self::StaleShares => "stale-shares",
            Self::Redirected => "redirected",
            Self::Ours => "ours",
            Self::Suspended => "suspended",
        }
    }

    /// What a peer speaks instead of lines of JSON, where the first bytes that it sends show that.
    pub(crate) fn of_first_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // A TLS record: alert or handshake.
            [0x15 | 0x16, ..] => Some(Self::PeerSpeaksTls),
            [b'H', b'T', b'T', b'P', b'/', ..] => {
                let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
                Some(Self::PeerSpeaksHttp(clean_bytes(&line[..line.len().min(40)])))
            }
            // A frame of settings, which stands first on every connection: length, type, flags and no stream.
            [0, 0, _, 4, _, 0, 0, 0, 0, ..] => Some(Self::PeerSpeaksHttp2),
            _ => None,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(text) | Self::Connect(text) => f.write_str(text),
            Self::Idle(limit) => write!(f, "no message for {} s", limit.as_secs()),
            Self::LoginTimeout(limit) => write!(
                f,
                "no answer to the login within {} s; this port may be for something else, such as Stratum V2",
                limit.as_secs()
            ),
            Self::LoginIgnored(limit) => write!(
                f,
                "the login had no answer within {} s; check the wallet address: some servers say nothing to one that \
                 they cannot read",
                limit.as_secs()
            ),
            Self::NoJob(limit) => write!(f, "no job within {} s after the login", limit.as_secs()),
            Self::NothingToMine(limit) => write!(f, "nothing to mine for {} s", limit.as_secs()),
            Self::SlowLine(limit) => {
                write!(f, "a line was begun and not finished within {} s", limit.as_secs())
            }
            Self::LongLine(cap) => write!(f, "a line of more than {cap} bytes"),
            Self::Flood => f.write_str("the pool floods this connection with data"),
            Self::ShareTimeout(limit) => write!(f, "no answer to a share within {} s", limit.as_secs()),
            Self::SharesUnanswered { shares, of } => {
                write!(f, "{shares} of the last {of} shares at most have no answer")
            }
            Self::Protocol(text) => write!(f, "the pool broke the protocol: {text}"),
            Self::PeerSpeaksTls => {
                f.write_str("the pool answers in TLS; use stratum+tls:// for this port, or --tls")
            }
            Self::PeerSpeaksHttp(line) => {
                write!(
                    f,
                    "the pool answers in HTTP (\"{line}\"); this port is a web page or a node's, not stratum"
                )
            }
            Self::PeerSpeaksHttp2 => f.write_str(
                "the pool answers in HTTP/2, as gRPC does; this port is a node's (kaspad, say), not stratum",
            ),
            Self::LoginRefused(text) => write!(f, "the pool refused the login: \"{text}\""),
            Self::Banned(text) => write!(f, "the pool has banned this address: \"{text}\""),
            Self::Algorithm(text) => f.write_str(text),
            Self::SessionExpired => f.write_str("the pool no longer knows this session"),
            Self::StaleShares => f.write_str("the pool refuses shares for its current job as stale"),
            Self::Redirected => f.write_str("the pool asked to reconnect"),
            Self::Ours => f.write_str("closed"),
            Self::Suspended => f.write_str("the clock jumped: this machine slept"),
        }
    }
}
