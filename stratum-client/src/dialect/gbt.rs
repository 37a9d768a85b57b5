//! Solo mining with a Bitcoin node: `getblocktemplate` over HTTP (BIP 22, BIP 23, BIP 145).
//!
//! The node says what a block may hold; we add the transaction that pays us, look for the proof of work and hand the
//! whole block back. Every hit is a block, so there is neither login nor share. A long poll tells of new blocks; the
//! hash of the newest one is asked for beside it, and a new template is fetched every 30 s in any case.
//!
//! The node is trusted with what it puts into a block and with what a block may pay. What can be checked is: that the
//! transactions are what their hashes say, and that the commitment to their witnesses is theirs. Before the first hash
//! the node is asked whether it would take such a block at all, since a mistake in it would show only when one is found.

mod chain;
mod coinbase;
mod fuzz;
mod merkle;
mod proposal;
mod rpc;
mod submission;
mod template;

pub use fuzz::fuzz_gbt;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::Algorithm;
use serde_json::{Value, json};

use self::rpc::Reply;
use self::template::BlockTemplate;
use super::candidates::{Candidate, Candidates, RETRY_FOR};
use super::{CloseReason, Dialect, Event, HttpReply, HttpRequest, Limits, Outbox, ProtocolError};
use crate::address::Payout;
use crate::job::Share;
use crate::ledger::{NotSent, ShareId, Verdict};

/// Between two looks at the newest block while a long poll is under way, and while none is.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_OFTEN: Duration = Duration::from_secs(1);
/// A template is no older than this: transactions come in all the time, and time goes on.
const REFRESH: Duration = Duration::from_secs(30);
/// Failed looks in a row after which the node counts as gone.
const MAX_FAILURES: u32 = 3;
/// Templates whose blocks are still sent.
const RING: usize = 4;

const LIMITS: Limits = Limits {
    // No lines here.
    line_cap_bytes: 64 << 10,
    // The looks notice a dead node within seconds. Beyond that a block may wait for the node to come back.
    idle: RETRY_FOR.saturating_add(Duration::from_secs(60)),
    login: Duration::from_secs(45),
    // A block is proposed before the first job.
    first_job: Duration::from_secs(60),
    first_job_waiting: Duration::from_secs(60),
    // A block is sent again and again for this long.
    share_reply: RETRY_FOR,
    job_ring: RING,
};

/// What is fixed for a connection with a node.
#[derive(Debug, Clone)]
pub struct GbtConfig {
    /// What the blocks pay.
    pub payout: Payout,
    /// Random bytes that go into every block, so that no two miners on one node search the same space.
    pub extranonce1: [u8; 4],
    /// Version bits that may be rolled; those that node or soft forks use are left alone.
    pub version_mask: u32,
    /// How blocks are hashed.
    pub algorithm: &'static Algorithm,
}

/// Solo mining with one node.
#[derive(Debug)]
pub struct Gbt {
    config: GbtConfig,
    last_tag: u64,
    /// Exchanges that have not ended, at most one of each kind.
    under_way: Vec<(u64, Kind)>,
    /// When each question is asked next; none for not yet.
    chain_at: Option<Instant>,
    look_at: Option<Instant>,
    template_at: Option<Instant>,
    long_poll: LongPoll,
    /// Failed looks at the newest block in a row.
    failures: u32,
    /// Templates refused or failed in a row.
    without_template: u32,
    /// The node said something that makes sense.
    heard: bool,
    logged_in: bool,
    /// The session knows that there is nothing to mine.
    told_waiting: bool,
    /// The newest job is one that no hash solves, since its template has its block.
    held: bool,
    proposal: Proposal,
    /// Newest last, each with its job's number.
    templates: VecDeque<(u64, Arc<BlockTemplate>)>,
    last_seq: u64,
    /// Hash of the newest block, as the node said most recently.
    tip: Option<[u8; 32]>,
    /// A parent that has its block by us, and the last request that may not have known.
    solved: Option<([u8; 32], u64)>,
    candidates: Candidates<Found>,
    /// What the node said about the block whose place is being looked up.
    words: Option<String>,
    /// Answers in a row that do not show a block that the node took.
    not_shown: u32,
}

/// Where the question stands that is asked once: would the node take our blocks?
#[derive(Debug)]
enum Proposal {
    /// To be asked with the first template.
    Open,
    /// Asked; the newest template waits for the answer.
    Asked(Arc<BlockTemplate>),
    /// Answered, or there is nobody to answer it.
    Settled,
}

/// The request that the node answers when there is something new.
#[derive(Debug, Default)]
struct LongPoll {
    /// When it is asked next.
    at: Option<Instant>,
    failures: u32,
    /// The node does not want it.
    is_off: bool,
}

/// A block that we found.
#[derive(Debug, Clone)]
struct Found {
    template: Arc<BlockTemplate>,
    roll: u64,
    header: Box<[u8]>,
}

/// What an exchange is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Which chain is this?
    Chain,
    /// Which block is the newest?
    Look,
    /// What is to be mined?
    Template,
    /// Tell when something else is to be mined.
    LongPoll,
    /// Would you take this?
    Proposal,
    /// Here is a block.
    Submit,
    /// Which block stands at the height of ours?
    Check,
}

impl Gbt {
    /// A dialect for one new connection.
    pub fn new(config: GbtConfig) -> Self {
        Self {
            config,
            last_tag: 0,
            under_way: Vec::new(),
            chain_at: None,
            look_at: None,
            template_at: None,
            long_poll: LongPoll::default(),
            failures: 0,
            without_template: 0,
            heard: false,
            logged_in: false,
            told_waiting: false,
            held: false,
            proposal: Proposal::Open,
            templates: VecDeque::new(),
            last_seq: 0,
            tip: None,
            solved: None,
            candidates: Candidates::default(),
            words: None,
            not_shown: 0,
        }
    }
}

impl Dialect for Gbt {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.chain_at = Some(now);
        self.tick(now, out);
    }

    fn line(&mut self, _: Instant, line: &[u8], _: &mut Outbox) -> Result<(), ProtocolError> {
        Err(ProtocolError::Unexpected(format!("a line of {} bytes", line.len())))
    }

    fn http(&mut self, now: Instant, reply: HttpReply<'_>, out: &mut Outbox) -> Result<(), ProtocolError> {
        let place = self.under_way.iter().position(|(tag, _)| *tag == reply.tag);
        let Some((tag, kind)) = place.map(|place| self.under_way.swap_remove(place)) else {
            return Err(ProtocolError::Unexpected(format!("an HTTP answer (tag {})", reply.tag)));
        };
        let read = rpc::read(reply.outcome);
        match (&read, kind) {
            (Reply::Login(why), _) => {
                out.close(CloseReason::LoginRefused((*why).to_owned()));
                return Ok(());
            }
            // BIP 22: no long polls then.
            (Reply::Forbidden, Kind::LongPoll) => {}
            (Reply::Forbidden, _) => {
                out.close(CloseReason::LoginRefused(rpc::describe(&read)));
                return Ok(());
            }
            (Reply::Body(_), _) => self.heard = true,
            (Reply::Silent(_) | Reply::Status(_) | Reply::Garbage(_), _) => {}
        }
        let result = match kind {
            Kind::Chain => self.chain_came(now, read, out),
            Kind::Look => self.look_came(now, read, out),
            Kind::Template => self.template_came(now, tag, read, out),
            Kind::LongPoll => self.long_poll_came(now, tag, read, out),
            Kind::Proposal => self.proposal_answered(now, read, out),
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
        // One block on a parent is all that the chain can take. It goes first; the others could only compete with it.
        if self.candidates.any(|found| found.template.parent() == template.parent()) {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Stale)));
        }
        let template = Arc::clone(template);
        let header = template.header_with(share.roll, share.nonce);
        let Some(header) = header.filter(|header| template.is_solved_by(header)) else {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Miscompute)));
        };
        let block = Found { template, roll: share.roll, header };
        if self.candidates.push(now, Candidate { id, block, until: now + RETRY_FOR }).is_err() {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Throttled)));
        }
        self.hold(out);
        self.tick(now, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.candidates.deadline()) {
            self.send_candidate(now, out);
        }
        if due(self.chain_at) && !self.asks(Kind::Chain) {
            self.chain_at = None;
            self.call(Kind::Chain, "getblockchaininfo", &json!([]), out);
        }
        if due(self.template_at) && !self.asks(Kind::Template) {
            self.template_at = Some(now + REFRESH);
            self.call(Kind::Template, "getblocktemplate", &json!([template_request()]), out);
        }
        if due(self.look_at) && !self.asks(Kind::Look) {
            let often = !self.asks(Kind::LongPoll);
            self.look_at = Some(now + if often { LOOK_OFTEN } else { LOOK });
            self.call(Kind::Look, "getbestblockhash", &json!([]), out);
        }
        if due(self.long_poll.at) && !self.asks(Kind::LongPoll) {
            self.send_long_poll(now, out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let idle = |kind, at: Option<Instant>| at.filter(|_| !self.asks(kind));
        [
            idle(Kind::Chain, self.chain_at),
            idle(Kind::Look, self.look_at),
            idle(Kind::Template, self.template_at),
            idle(Kind::LongPoll, self.long_poll.at),
            self.candidates.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// What `getblocktemplate` is asked with. Without the rule the node gives no template since segregated witness is there.
fn template_request() -> Value {
    json!({ "rules": ["segwit"], "capabilities": ["coinbasevalue", "longpoll", "proposal", "workid"] })
}

impl Gbt {
    fn asks(&self, kind: Kind) -> bool {
        self.under_way.iter().any(|(_, asked)| *asked == kind)
    }

    fn call(&mut self, kind: Kind, method: &str, params: &Value, out: &mut Outbox) {
        self.last_tag += 1;
        self.under_way.push((self.last_tag, kind));
        let call = json!({ "jsonrpc": "1.0", "id": self.last_tag, "method": method, "params": params });
        let timeout = Duration::from_secs(match kind {
            Kind::Chain | Kind::Look | Kind::Check => 5,
            // Several megabytes.
            Kind::Template => 20,
            // The node checks every transaction of the block before it answers.
            Kind::Proposal | Kind::Submit => 30,
            Kind::LongPoll => 660,
        });
        out.http(HttpRequest { tag: self.last_tag, path: rpc::PATH, body: Some(call.to_string()), timeout });
    }
}

#[cfg(test)]
mod tests;
