//! Solo mining with a Monero node: JSON-RPC over HTTP.
//!
//! The node makes whole blocks that pay one wallet; we look for their nonce and hand the block back. There is no
//! login, no share and no push: the chain's height is asked every second, a new template is fetched when the tip
//! moves and every 15 s, and every hit is a block. ZMQ, by which a node can announce blocks, is not used: the poll
//! costs the node next to nothing and a second's delay is 1/120 of the time between blocks.
//!
//! What a template pays cannot be seen without the wallet's secret view key, so the node is trusted with that.
//! It is not trusted to say what is hashed: that is derived from the block and must be the same.

mod block;
mod chain;
mod fuzz;
mod rpc;
mod submission;
mod template;

pub use fuzz::fuzz_monerod;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, encode_hex};
use serde_json::json;

use self::rpc::Reply;
use self::template::BlockTemplate;
use super::candidates::{Candidate, Candidates, RETRY_FOR};
use super::{CloseReason, Dialect, Event, HttpReply, HttpRequest, Limits, Outbox, ProtocolError};
use crate::job::Share;
use crate::ledger::{NotSent, ShareId, Verdict};

/// Between two looks at the chain's height.
const POLL: Duration = Duration::from_secs(1);
/// A template is no older than this: transactions come in all the time.
const REFRESH: Duration = Duration::from_secs(15);
/// Failed looks in a row after which the node counts as gone.
const MAX_FAILURES: u32 = 3;
/// Templates whose blocks are still sent.
const RING: usize = 4;

const LIMITS: Limits = Limits {
    // No lines here.
    line_cap_bytes: 64 << 10,
    // The polls notice a dead node within seconds. Beyond that a block may wait for the node to come back.
    idle: RETRY_FOR.saturating_add(Duration::from_secs(60)),
    login: Duration::from_secs(30),
    first_job: Duration::from_secs(15),
    first_job_waiting: Duration::from_secs(30),
    // A block is sent again and again for this long.
    share_reply: RETRY_FOR,
    job_ring: RING,
};

/// What is fixed for a connection with a node.
#[derive(Debug, Clone)]
pub struct MonerodConfig {
    /// Address that the blocks pay; the node takes no subaddress.
    pub wallet: String,
    /// Random bytes that go into every block, so that no two miners on one node search the same space.
    pub extra_nonce: [u8; 8],
    /// How blocks are hashed.
    pub algorithm: &'static Algorithm,
    /// How blocks of a later version are hashed, whatever `algorithm` says; see [`V2_MAJOR`].
    pub later: Option<Later>,
}

/// The rule by which a chain changes its proof of work.
#[derive(Debug, Clone, Copy)]
pub struct Later {
    /// From this major version of blocks on.
    pub major: u64,
    /// They are hashed so.
    pub algorithm: &'static Algorithm,
}

/// Major version of the blocks that are to bring RandomX version 2 to Monero. It is planned, not decided.
pub const V2_MAJOR: u64 = 17;

/// Solo mining with one node.
#[derive(Debug)]
pub struct Monerod {
    config: MonerodConfig,
    last_tag: u64,
    /// Exchanges that have not ended, at most one of each kind.
    under_way: Vec<(u64, Kind)>,
    /// When the height and a template are asked for next; none before the start.
    poll_at: Option<Instant>,
    template_at: Option<Instant>,
    /// Failed looks at the height in a row.
    failures: u32,
    /// Templates refused or failed in a row.
    without_template: u32,
    /// The node said something that makes sense.
    heard: bool,
    logged_in: bool,
    /// The session knows that there is nothing to mine.
    told_waiting: bool,
    /// Newest last, each with its job's number.
    templates: VecDeque<(u64, Arc<BlockTemplate>)>,
    last_seq: u64,
    /// A word about blocks of [`V2_MAJOR`] was said.
    told_version: bool,
    /// Height of the next block and id of the last, as the node said most recently.
    tip: Option<(u64, [u8; 32])>,
    candidates: Candidates<Found>,
    /// The node's words when it refused the block whose parent is being looked up.
    refusal: Option<String>,
}

/// A block that we found.
#[derive(Debug, Clone)]
struct Found {
    template: Arc<BlockTemplate>,
    nonce: u64,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// How high is the chain?
    Height,
    /// What is to be mined?
    Template,
    /// Here is a block.
    Submit,
    /// Which block stands at the height that decides about ours?
    Check,
}

impl Monerod {
    /// A dialect for one new connection.
    pub fn new(config: MonerodConfig) -> Self {
        Self {
            config,
            last_tag: 0,
            under_way: Vec::new(),
            poll_at: None,
            template_at: None,
            failures: 0,
            without_template: 0,
            heard: false,
            logged_in: false,
            told_waiting: false,
            templates: VecDeque::new(),
            last_seq: 0,
            told_version: false,
            tip: None,
            candidates: Candidates::default(),
            refusal: None,
        }
    }
}

impl Dialect for Monerod {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.template_at = Some(now);
        self.poll_at = Some(now + POLL);
        self.tick(now, out);
    }

    fn line(&mut self, _: Instant, line: &[u8], _: &mut Outbox) -> Result<(), ProtocolError> {
        Err(ProtocolError::Unexpected(format!("a line of {} bytes", line.len())))
    }

    fn http(&mut self, now: Instant, reply: HttpReply<'_>, out: &mut Outbox) -> Result<(), ProtocolError> {
        let place = self.under_way.iter().position(|(tag, _)| *tag == reply.tag);
        let Some((_, kind)) = place.map(|place| self.under_way.swap_remove(place)) else {
            return Err(ProtocolError::Unexpected(format!("an HTTP answer (tag {})", reply.tag)));
        };
        let read = rpc::read(reply.outcome);
        match &read {
            Reply::Login(why) => {
                out.close(CloseReason::LoginRefused((*why).to_owned()));
                return Ok(());
            }
            Reply::Body(_) => self.heard = true,
            Reply::Silent(_) | Reply::Status(_) | Reply::Garbage(_) => {}
        }
        let result = match kind {
            Kind::Height => self.height_came(now, read, out),
            Kind::Template => self.template_came(now, read, out),
            Kind::Submit => self.submit_answered(now, read, out),
            Kind::Check => self.checked(now, read, out),
        };
        // What the answer has made due goes out with it.
        self.tick(now, out);
        result
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        let template = self.templates.iter().find(|(seq, _)| *seq == share.job.key.seq);
        let Some((_, template)) = template else {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Stale)));
        };
        let template = Arc::clone(template);
        let block = Found { template, nonce: share.nonce };
        let candidate = Candidate { id, block, until: now + RETRY_FOR };
        if self.candidates.push(now, candidate).is_err() {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Throttled)));
        }
        self.tick(now, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        if self.candidates.deadline().is_some_and(|at| at <= now) {
            self.send_candidate(now, out);
        }
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.template_at) && !self.asks(Kind::Template) {
            self.template_at = Some(now + REFRESH);
            let params = json!({
                "wallet_address": self.config.wallet,
                "extra_nonce": encode_hex(&self.config.extra_nonce),
            });
            self.call(Kind::Template, "get_block_template", &params, out);
        }
        if due(self.poll_at) && !self.asks(Kind::Height) {
            self.poll_at = Some(now + POLL);
            self.ask(Kind::Height, rpc::HEIGHT_PATH, None, out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let poll = self.poll_at.filter(|_| !self.asks(Kind::Height));
        let template = self.template_at.filter(|_| !self.asks(Kind::Template));
        [poll, template, self.candidates.deadline()].into_iter().flatten().min()
    }
}

impl Monerod {
    fn asks(&self, kind: Kind) -> bool {
        self.under_way.iter().any(|(_, asked)| *asked == kind)
    }

    fn call(&mut self, kind: Kind, method: &str, params: &serde_json::Value, out: &mut Outbox) {
        let id = self.last_tag + 1;
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.ask(kind, rpc::CALL_PATH, Some(body.to_string()), out);
    }

    fn ask(&mut self, kind: Kind, path: &'static str, body: Option<String>, out: &mut Outbox) {
        self.last_tag += 1;
        self.under_way.push((self.last_tag, kind));
        let timeout = match kind {
            Kind::Height | Kind::Check => Duration::from_secs(5),
            Kind::Template => Duration::from_secs(10),
            // The node checks every transaction of the block before it answers.
            Kind::Submit => Duration::from_secs(30),
        };
        out.http(HttpRequest { tag: self.last_tag, path, body, timeout });
    }
}

#[cfg(test)]
mod tests;
