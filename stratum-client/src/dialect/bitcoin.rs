//! Bitcoin stratum (V1): `mining.subscribe`, `mining.notify`, `mining.submit` in JSON lines with positional
//! parameters.
//!
//! Messages are taken in the order in which they come. A job may come before the answers to our requests; it is
//! kept and given out as soon as the extranonce is known and the login is taken, or unanswered for
//! [`AUTHORIZE_SILENCE`]. So no share can be found before one may be sent.

mod extranonce;
mod fuzz;
mod handshake;
mod height;
mod jobs;
mod notify;
mod rolling;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Target, Template, TemplateKey, encode_hex};
use secrecy::SecretString;

use super::reply::{self, Reaction};
use super::wire::{MAX_SHOWN, Pace, Requests, difficulty_1, json, redirect, shown, token};
use super::{CloseReason, Dialect, Event, Limits, Outbox, ProtocolError, Provocation};
use crate::bugs::{Bug, Bugs};
use crate::endpoint::{BitcoinOptions, Toggle};
use crate::envelope::{Envelope, parse_line};
use crate::job::Share;
use crate::ledger::{NotSent, Reject, ShareId, Verdict};
use crate::rng::Rng;
use crate::text::clean_bytes;

use extranonce::Extranonce;
#[doc(hidden)]
pub use fuzz::fuzz_bitcoin;
use notify::Notify;
use rolling::Rolling;

/// Jobs that shares are still sent for.
const JOB_RING: usize = 16;
/// Some servers never answer `mining.configure`.
const CONFIGURE_SILENCE: Duration = Duration::from_secs(5);
/// Others never answer `mining.authorize`.
const AUTHORIZE_SILENCE: Duration = Duration::from_secs(5);
/// After a raised difficulty without a job that has it, the current job gets it.
const TIGHTEN_AFTER: Duration = Duration::from_secs(2);
/// Questions that are answered in a minute.
const MAX_ANSWERED: usize = 60;

const LIMITS: Limits = Limits {
    // Coinbases that pay hundreds of people make long lines.
    line_cap_bytes: 1024 * 1024,
    idle: Duration::from_secs(180),
    // With each request only after the answer to the one before, two silent ones are borne.
    login: Duration::from_secs(20),
    first_job: Duration::from_secs(30),
    first_job_waiting: Duration::from_secs(30),
    share_reply: Duration::from_secs(20),
    job_ring: JOB_RING,
};

/// What to say to a pool.
#[derive(Debug, Clone)]
pub struct BitcoinConfig {
    /// Account or address, with the name of the rig where there is one.
    pub user: String,
    /// Password; mostly `x`.
    pub pass: SecretString,
    /// Name and version of this program.
    pub agent: String,
    /// The proof of work that is mined.
    pub algorithm: &'static Algorithm,
    /// Habits of the pool.
    pub options: BitcoinOptions,
    /// Whether to ask for extranonce changes by `mining.extranonce.subscribe`.
    pub extranonce_subscribe: bool,
    /// Whether the pool closed on the usual login: then one request comes after the other, and none is for an extension.
    pub plain: bool,
    /// Decides where extranonces start; two connections must not share one.
    pub seed: u64,
}

/// The client's side of one connection.
pub struct Bitcoin {
    config: BitcoinConfig,
    requests: Requests<Pending>,
    handshake: Handshake,
    rolling: Rolling,
    /// Which one the newest job has.
    extranonce: Option<Extranonce>,
    /// Which one the next job will have.
    next_extranonce: Option<Extranonce>,
    /// Where the miner's part starts.
    extranonce_first: u64,
    /// What the pool sent last, whether it was given out yet or not.
    newest: Option<Notify>,
    /// Target of the newest job.
    target: Target,
    /// Target of the next job.
    next_target: Target,
    /// When the newest job gets the next one's target.
    tighten_at: Option<Instant>,
    /// What every share has to meet since that happened, whichever job it is for.
    floor: Option<Target>,
    jobs: VecDeque<WireJob>,
    last_seq: u64,
    /// Whether the extranonce was moved for the newest job.
    moved: bool,
    stale_in_row: u32,
    shown: Pace<MAX_SHOWN>,
    answered: Pace<MAX_ANSWERED>,
    warned: Warned,
    extranonce_asked: Option<Instant>,
    /// When a login with extensions went out that nothing has come for.
    unheard: Option<Instant>,
    rng: Rng,
    bugs: Bugs,
}

#[derive(Debug)]
enum Pending {
    Configure,
    Subscribe {
        plain: bool,
    },
    Authorize,
    /// Whatever the answer is.
    Courtesy,
    ExtranonceSubscribe,
    Share {
        id: ShareId,
        seq: u64,
        ambiguous: bool,
    },
}

/// How far the login has come.
#[derive(Debug, Default)]
struct Handshake {
    configure_sent: Option<Instant>,
    subscribed: bool,
    authorize_sent: Option<Instant>,
    authorized: bool,
    /// No answer to the login came in time, which is taken for a yes.
    assumed: bool,
    complete: bool,
    authorized_again: bool,
}

/// What was said once and need not be said again.
#[derive(Debug, Default)]
struct Warned {
    difficulty: bool,
    small_extranonce: bool,
}

/// The pool's own words for a job.
struct WireJob {
    seq: u64,
    /// Job id as JSON text: number or string, exactly as it came.
    id: Box<str>,
    /// What the pool rebuilds for this id.
    content: TemplateKey,
}

impl Bitcoin {
    /// A dialect for one new connection.
    pub fn new(mut config: BitcoinConfig) -> Self {
        if config.plain {
            (config.options.pipeline, config.options.version_mask) = (false, 0);
            (config.options.extranonce_subscribe, config.extranonce_subscribe) = (Toggle::Off, false);
        }
        let mut rng = Rng::new(config.seed);
        Self {
            requests: Requests::default(),
            handshake: Handshake::default(),
            rolling: Rolling::new(config.options.version_mask, config.options.version_bits),
            extranonce: None,
            next_extranonce: None,
            extranonce_first: rng.next_u64(),
            newest: None,
            // Some pools name a difficulty only after the first share.
            target: difficulty_1(),
            next_target: difficulty_1(),
            tighten_at: None,
            floor: None,
            jobs: VecDeque::new(),
            last_seq: 0,
            moved: false,
            stale_in_row: 0,
            shown: Pace::default(),
            answered: Pace::default(),
            warned: Warned::default(),
            extranonce_asked: None,
            unheard: None,
            rng,
            bugs: Bugs::default(),
            config,
        }
    }

    /// The same with a deliberate mistake.
    #[doc(hidden)]
    pub fn seeded(mut self, bugs: Bugs) -> Self {
        self.bugs = bugs;
        self
    }

    fn message(
        &mut self,
        now: Instant,
        message: &Envelope<'_>,
        out: &mut Outbox,
    ) -> Result<(), ProtocolError> {
        self.unheard = None;
        let params = message.params;
        match message.method.as_deref() {
            Some("mining.notify") => self.notify(params, out),
            Some("mining.set_difficulty") => {
                self.set_difficulty(now, params, out);
                Ok(())
            }
            Some("mining.set_target") => self.set_target(now, params),
            Some("mining.set_extranonce") => self.set_extranonce(params, out),
            Some("mining.set_version_mask") => self.set_version_mask(params, out),
            Some("client.reconnect") => {
                out.event(Event::Redirect(redirect(params)));
                Ok(())
            }
            Some("client.show_message") => {
                if self.shown.takes(now) {
                    out.event(Event::Notice(shown(params)));
                }
                Ok(())
            }
            Some(question) => {
                self.question(now, question, message, out);
                Ok(())
            }
            None => self.reply(now, message, out),
        }
    }

    /// A request of the pool that needs an answer, if it has a number.
    fn question(&mut self, now: Instant, method: &str, message: &Envelope<'_>, out: &mut Outbox) {
        let Some(id) = message.raw_id.and_then(token).filter(|_| self.answered.takes(now)) else { return };
        let answer = match method {
            "client.get_version" => format!("{},\"error\":null", json(&self.config.agent)),
            "mining.ping" | "client.ping" => "\"pong\",\"error\":null".to_owned(),
            _ => "null,\"error\":[20,\"Unknown method\",null]".to_owned(),
        };
        out.line(format!("{{\"id\":{id},\"result\":{answer}}}"));
    }

    fn reply(&mut self, now: Instant, reply: &Envelope<'_>, out: &mut Outbox) -> Result<(), ProtocolError> {
        // Replies to numbers that were never sent, or twice, change nothing.
        let Some(pending) = self.requests.answered(reply.id) else {
            assert!(!self.bugs.has(Bug::UnknownReplyPanics), "a reply to an unknown number");
            return Ok(());
        };
        match pending {
            Pending::Configure => {
                self.configured(now, reply, out);
                Ok(())
            }
            Pending::Subscribe { plain } => self.subscribed(now, plain, reply, out),
            Pending::Authorize => {
                self.authorized(now, reply, out);
                Ok(())
            }
            Pending::Courtesy => Ok(()),
            Pending::ExtranonceSubscribe => {
                self.extranonce_asked = None;
                Ok(())
            }
            Pending::Share { id, seq, ambiguous } => {
                self.share_answered(now, id, seq, ambiguous, reply, out);
                Ok(())
            }
        }
    }

    fn share_answered(
        &mut self,
        now: Instant,
        id: ShareId,
        seq: u64,
        ambiguous: bool,
        reply: &Envelope<'_>,
        out: &mut Outbox,
    ) {
        let verdict = reply::verdict(reply);
        let kind = match &verdict {
            Verdict::Rejected { kind, .. } => Some(*kind),
            _ => None,
        };
        let newest = self.jobs.back().map(|job| job.seq) == Some(seq);
        let stale = newest && kind == Some(Reject::Stale);
        self.stale_in_row = if stale { self.stale_in_row + 1 } else { 0 };
        if self.rolling.answered(ambiguous, kind) {
            let way = self.rolling.way_name();
            out.event(Event::Notice(format!("shares now tell their version bits the {way} way")));
        }
        let text = match &verdict {
            Verdict::Rejected { text, .. } => text.clone(),
            _ => String::new(),
        };
        out.event(Event::Verdict(id, verdict));
        match reply::reaction(reply, kind) {
            Reaction::Banned => out.close(CloseReason::Banned(text)),
            Reaction::Reconnect => out.close(CloseReason::SessionExpired),
            Reaction::Authorize if self.handshake.authorized_again => {
                out.close(CloseReason::LoginRefused(text));
            }
            Reaction::Authorize => {
                self.handshake.authorized_again = true;
                self.authorize(now, out);
            }
            // The pool has seen this extranonce before; elsewhere it has not.
            Reaction::MoveOn => self.move_extranonce(out),
            Reaction::None if self.stale_in_row >= 3 => out.close(CloseReason::StaleShares),
            Reaction::None => {}
        }
    }
}

impl Dialect for Bitcoin {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn start(&mut self, now: Instant, out: &mut Outbox) {
        self.begin(now, out);
    }

    fn line(&mut self, now: Instant, line: &[u8], out: &mut Outbox) -> Result<(), ProtocolError> {
        let line = String::from_utf8_lossy(line);
        for message in parse_line(&line) {
            let message = message
                .map_err(|_| ProtocolError::NotJson(clean_bytes(&line.as_bytes()[..line.len().min(40)])))?;
            self.message(now, &message, out)?;
        }
        Ok(())
    }

    fn submit(&mut self, now: Instant, id: ShareId, share: &Share, out: &mut Outbox) {
        let good = self.floor.is_none_or(|floor| floor.is_met_by(&share.hash));
        let wire = self.jobs.iter().find(|wire| good && wire.seq == share.job.key.seq);
        let (Some(wire), Some(rolled)) = (wire, Rolled::of(share)) else {
            // The session asks only for jobs of its ring, which is this one, but does not know of a raised
            // difficulty; a verdict is owed all the same.
            out.event(Event::Verdict(id, Verdict::NotSent(NotSent::Stale)));
            return;
        };
        let Rolled { version, hashed_version, extranonce2, time } = rolled;
        let bits = self.rolling.bits(version, hashed_version);
        let bits_text = bits.map_or(String::new(), |bits| format!(",\"{bits:08x}\""));
        let ambiguous = self.rolling.is_ambiguous(version, hashed_version);
        let (job_id, seq) = (wire.id.clone(), wire.seq);
        let request = self.requests.ask(now, Pending::Share { id, seq, ambiguous });
        out.line(format!(
            "{{\"id\":{request},\"method\":\"mining.submit\",\"params\":[{},{job_id},\"{}\",\"{time:08x}\",\"{:08x}\"{bits_text}]}}",
            json(&self.config.user),
            encode_hex(&extranonce2),
            share.nonce & u64::from(u32::MAX),
        ));
    }

    fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.requests.forget_old(now);
        self.handshake_tick(now, out);
        if self.tighten_at.is_some_and(|at| at <= now) {
            self.tighten(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.handshake_deadline(), self.tighten_at].into_iter().flatten().min()
    }

    fn provocation(&self) -> Option<(Provocation, Instant)> {
        let extensions = self.unheard.map(|at| (Provocation::Extensions, at));
        extensions.or(self.extranonce_asked.map(|at| (Provocation::ExtranonceSubscribe, at)))
    }
}

/// What was hashed for a share beside its nonce.
struct Rolled {
    version: u32,
    hashed_version: u32,
    extranonce2: Vec<u8>,
    time: u32,
}

impl Rolled {
    fn of(share: &Share) -> Option<Self> {
        let Template::Header(header) = &share.job.template else { return None };
        let work = header.work(share.roll)?;
        Some(Self {
            version: header.version,
            hashed_version: header.version | work.version_bits(work.version_number(share.nonce)),
            extranonce2: header.extranonce2(share.roll)?,
            time: header.time(share.roll)?,
        })
    }
}

#[cfg(test)]
mod tests;
