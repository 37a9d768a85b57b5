//! Solo mining with a Kaspa node: messages of its gRPC service, on one stream.
//!
//! The node makes whole blocks that pay one address; we look for their nonce and hand the block back. It says when
//! a newer template is to be had, up to ten times a second, and is asked for one then, and every two seconds anyway:
//! the answer also proves that it lives. Every hit is a block. Blocks stand beside each other in Kaspa's graph, so
//! one for an older template counts as well, and is sent.
//!
//! What a template pays is the node's affair, which is trusted with that. It is not trusted to say what is hashed:
//! that is computed from the block.

mod fuzz;
mod message;
mod protobuf;
mod submission;
mod template;

pub use fuzz::fuzz_kaspad;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Template};

use self::message::{Info, Message};
use self::submission::Standing;
use self::template::BlockTemplate;
use super::candidates::{Candidate, Candidates};
use super::{CloseReason, Dialect, Event, Limits, NewJob, Outbox, ProtocolError};
use crate::address::KaspaNetwork;
use crate::job::{Share, Supersede};
use crate::ledger::{NotSent, ShareId, Verdict};
use crate::text::clean;

/// Between two requests for a template, at least; a node has ten new ones a second.
const SHORTEST: Duration = Duration::from_millis(100);
/// A template is no older than this, whether the node has said something or not.
const REFRESH: Duration = Duration::from_secs(2);
/// An answer takes no longer than this, or the stream is dead.
const PATIENCE: Duration = Duration::from_secs(10);
/// The node checks every transaction of a block before it answers.
const SUBMIT_PATIENCE: Duration = Duration::from_secs(30);
/// How long a block is sent again without an answer. One that is later pays nothing.
const RETRY_FOR: Duration = Duration::from_secs(120);
/// Longest pause before a new stream while a block waits for one.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Templates whose blocks are still sent, and their bytes.
const RING: usize = 300;
const RING_BYTES: usize = 64 << 20;

const LIMITS: Limits = Limits {
    // No lines here.
    line_cap_bytes: 64 << 10,
    // Answers that do not come notice a dead node within seconds. Beyond that a block may wait for it to come back.
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
pub struct KaspadConfig {
    /// Address that the blocks pay.
    pub address: String,
    /// What stands in every block for who made it, different for each miner of a node: the same would make all of them
    /// search the same blocks.
    pub extra_data: String,
    /// How blocks are hashed.
    pub algorithm: &'static Algorithm,
    /// How many times longer answers may take, behind a proxy.
    pub patience: u32,
}

/// Solo mining with one node.
#[derive(Debug)]
pub struct Kaspad {
    config: KaspadConfig,
    last_id: u64,
    /// What was asked and not answered yet, at most one of each kind, and when.
    under_way: Vec<(Kind, Instant)>,
    stream: Stream,
    /// When a template is asked for next; none while there is no stream.
    template_at: Option<Instant>,
    /// When one was asked for last.
    asked: Option<Instant>,
    /// Streams that ended in a row.
    ended: u32,
    /// The node said something that makes sense.
    heard: bool,
    logged_in: bool,
    /// The session knows that there is nothing to mine.
    told_waiting: bool,
    /// Newest last, each with its job's number.
    templates: VecDeque<(u64, Arc<BlockTemplate>)>,
    template_bytes: usize,
    last_seq: u64,
    candidates: Candidates<Found>,
    /// How often the node has put off the block that is under way.
    put_off: u32,
    /// Blocks that were taken, to be looked at again.
    standing: VecDeque<Standing>,
}

/// A block that we found.
#[derive(Debug, Clone)]
struct Found {
    template: Arc<BlockTemplate>,
    nonce: u64,
}

/// Where the stream of messages is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    /// To be opened at this time, if any.
    Closed(Option<Instant>),
    /// The node was asked who it is, and has not answered.
    Opening,
    /// It is the right one.
    Open,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Who are you?
    Info,
    /// Tell me of new templates.
    Notify,
    /// What is to be mined?
    Template,
    /// Here is a block.
    Submit,
    /// What became of a block?
    Color,
}

impl Kaspad {
    /// A dialect for one new connection.
    pub fn new(config: KaspadConfig) -> Self {
        Self {
            config,
            last_id: 0,
            under_way: Vec::new(),
            stream: Stream::Closed(None),
            template_at: None,
            asked: None,
            ended: 0,
            heard: false,
            logged_in: false,
            told_waiting: false,
            templates: VecDeque::new(),
            template_bytes: 0,
            last_seq: 0,
            candidates: Candidates::default(),
            put_off: 0,
            standing: VecDeque::new(),
        }
    }
}

impl Dialect for Kaspad {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.stream = Stream::Closed(Some(now));
        self.tick(now, out);
    }

    fn line(&mut self, _: Instant, line: &[u8], _: &mut Outbox) -> Result<(), ProtocolError> {
        Err(ProtocolError::Unexpected(format!("a line of {} bytes", line.len())))
    }

    fn message(&mut self, now: Instant, message: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        let message = Message::read(message)?;
        self.heard = true;
        let kind = match &message {
            Message::Info(_) => Some(Kind::Info),
            Message::Notified(_) => Some(Kind::Notify),
            Message::Template(_) => Some(Kind::Template),
            Message::Submitted(_) => Some(Kind::Submit),
            Message::Color(_) => Some(Kind::Color),
            Message::NewTemplate | Message::Other => None,
        };
        if let Some(kind) = kind {
            let place = self.under_way.iter().position(|(asked, _)| *asked == kind);
            let Some(place) = place else {
                return Err(ProtocolError::Unexpected(format!("answer of the node about {kind:?}")));
            };
            self.under_way.swap_remove(place);
        }
        let result = match message {
            Message::Info(info) => self.info_came(now, info, out),
            Message::Notified(Ok(())) | Message::Other => Ok(()),
            // Every two seconds there is a template anyway.
            Message::Notified(Err(words)) => {
                let text = format!("the node will not tell when there is something new to mine: {words}");
                out.event(Event::Notice(text));
                Ok(())
            }
            Message::NewTemplate => {
                self.template_soon(now);
                Ok(())
            }
            Message::Template(Ok(template)) => self.template_came(&template, out),
            Message::Template(Err(words)) => {
                self.template_refused(words, out);
                Ok(())
            }
            Message::Submitted(submitted) => {
                self.submit_answered(now, submitted, out);
                Ok(())
            }
            Message::Color(color) => {
                self.color_came(now, &color, out);
                Ok(())
            }
        };
        // What the answer has made due goes out with it.
        self.tick(now, out);
        result
    }

    fn stream_ended(&mut self, now: Instant, reason: CloseReason, out: &mut Outbox) {
        self.under_way.clear();
        self.template_at = None;
        self.stream = Stream::Closed(None);
        if self.candidates.is_empty() || !self.heard {
            return out.close(reason);
        }
        // A block waits for the node to come back.
        let pause = Duration::from_secs(1 << self.ended.min(4)).min(LONGEST_PAUSE);
        self.ended = self.ended.saturating_add(1);
        self.stream = Stream::Closed(Some(now + pause));
        self.candidates.retry(now);
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        let template = self.templates.iter().find(|(seq, _)| *seq == share.job.key.seq);
        let Some((_, template)) = template else {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Stale)));
        };
        let block = Found { template: Arc::clone(template), nonce: share.nonce };
        let candidate = Candidate { id, block, until: now + RETRY_FOR };
        if self.candidates.push(now, candidate).is_err() {
            return out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Throttled)));
        }
        self.tick(now, out);
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.overdue_at()) {
            let limit = PATIENCE * self.config.patience;
            let hint = if self.heard { "" } else { "; is this the gRPC port of a Kaspa node?" };
            let reason = format!("no answer from the node within {} s{hint}", limit.as_secs());
            out.hang_up();
            self.stream_ended(now, CloseReason::Network(reason), out);
        }
        match self.stream {
            Stream::Closed(at) if due(at) => {
                self.stream = Stream::Opening;
                self.ask(now, Kind::Info, out, message::server_info);
            }
            Stream::Closed(_) | Stream::Opening => {}
            Stream::Open => self.ask_what_is_due(now, out),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let next = match self.stream {
            Stream::Closed(at) => at,
            Stream::Opening => None,
            Stream::Open => {
                let template = self.template_at.filter(|_| !self.asks(Kind::Template));
                let color = self.color_at().filter(|_| !self.asks(Kind::Color));
                [template, color, self.candidates.deadline()].into_iter().flatten().min()
            }
        };
        [next, self.overdue_at()].into_iter().flatten().min()
    }
}

impl Kaspad {
    fn asks(&self, kind: Kind) -> bool {
        self.under_way.iter().any(|(asked, _)| *asked == kind)
    }

    fn ask(&mut self, now: Instant, kind: Kind, out: &mut Outbox, write: impl FnOnce(u64) -> Vec<u8>) {
        self.last_id += 1;
        self.under_way.push((kind, now));
        out.message(write(self.last_id));
    }

    /// When the node has kept us waiting for too long.
    fn overdue_at(&self) -> Option<Instant> {
        let patience =
            |kind| if kind == Kind::Submit { SUBMIT_PATIENCE } else { PATIENCE } * self.config.patience;
        self.under_way.iter().map(|(kind, asked)| *asked + patience(*kind)).min()
    }

    fn ask_what_is_due(&mut self, now: Instant, out: &mut Outbox) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.candidates.deadline()) {
            self.send_candidate(now, out);
        }
        if due(self.template_at) && !self.asks(Kind::Template) {
            self.template_at = Some(now + REFRESH);
            self.asked = Some(now);
            let (address, extra_data) = (self.config.address.clone(), self.config.extra_data.clone());
            self.ask(now, Kind::Template, out, |id| message::block_template(id, &address, &extra_data));
        }
        if due(self.color_at()) && !self.asks(Kind::Color) {
            self.ask_color(now, out);
        }
    }

    /// The node has something new: it is asked for it, but not more often than it makes sense.
    fn template_soon(&mut self, now: Instant) {
        if self.stream == Stream::Open {
            let at = self.asked.map_or(now, |asked| now.max(asked + SHORTEST));
            self.template_at = Some(self.template_at.map_or(at, |planned| planned.min(at)));
        }
    }

    fn info_came(
        &mut self,
        now: Instant,
        info: Result<Info, String>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        let info = match info {
            Ok(info) => info,
            Err(words) => {
                return Err(ProtocolError::Unexpected(format!("refusal to say who it is: {words}")));
            }
        };
        if let Some(fault) = wrong_network(&info.network, &self.config.address) {
            out.close(CloseReason::LoginRefused(fault));
            return Ok(());
        }
        self.stream = Stream::Open;
        self.ended = 0;
        if !std::mem::replace(&mut self.logged_in, true) {
            out.event(Event::LoggedIn);
        }
        self.template_at = Some(now);
        self.ask(now, Kind::Notify, out, message::notify_new_template);
        Ok(())
    }

    fn template_came(
        &mut self,
        template: &message::Template<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        // A node that catches up makes templates, but refuses blocks.
        if !template.is_synced {
            self.nothing_to_mine("the node catches up with its network".into(), out);
            return Ok(());
        }
        self.publish(BlockTemplate::read(template.block)?, out);
        Ok(())
    }

    fn template_refused(&mut self, words: String, out: &mut Outbox) {
        let lower = words.to_ascii_lowercase();
        if lower.contains("address") || lower.contains("prefix") {
            let address = clean(&self.config.address);
            let why = format!("{words} ({address}); solo mining takes an address of the node's own network");
            return out.close(CloseReason::LoginRefused(why));
        }
        self.nothing_to_mine(words, out);
    }

    /// Makes a job of a new template.
    fn publish(&mut self, template: BlockTemplate, out: &mut Outbox) {
        let waited = std::mem::take(&mut self.told_waiting);
        // The node may have a new template that differs only in what comes behind the header's hash.
        let newest = self.templates.back().map(|(_, template)| template);
        if !waited && newest.is_some_and(|newest| newest.work == template.work) {
            return;
        }
        self.template_bytes += template.size();
        while self.templates.len() >= RING || self.template_bytes > RING_BYTES {
            let Some((_, oldest)) = self.templates.pop_front() else { break };
            self.template_bytes -= oldest.size();
        }
        self.last_seq += 1;
        out.event(Event::Job(NewJob {
            seq: self.last_seq,
            template: Template::Fixed(Arc::clone(&template.work)),
            target: template.target,
            block_target: Some(template.target),
            // Blocks stand beside each other.
            supersede: Supersede::Prefer,
            height: Some(template.daa_score),
            next_seed: None,
            algorithm: self.config.algorithm,
        }));
        self.templates.push_back((self.last_seq, Arc::new(template)));
    }

    /// Says so, unless a block is on its way.
    fn nothing_to_mine(&mut self, why: String, out: &mut Outbox) {
        if self.candidates.is_empty() && !std::mem::replace(&mut self.told_waiting, true) {
            out.event(Event::Waiting(why));
        }
    }
}

/// Why an address is not of the node's network, in words for people.
fn wrong_network(network: &str, address: &str) -> Option<String> {
    let prefix = address.split(':').next().unwrap_or_default();
    let wanted = KaspaNetwork::of_prefix(prefix)?;
    // Testnets are numbered: testnet-10.
    let kind = network.split('-').next().unwrap_or_default();
    let (name, port) = (wanted.name(), wanted.grpc_port());
    (kind != name).then(|| {
        format!(
            "the node is on {}, and {prefix}:… is an address of {name}, whose nodes listen on port {port}",
            clean(network)
        )
    })
}

#[cfg(test)]
mod tests;
