//! Faults at work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outbox::Gather;
use super::{PoolCore, SessionId};
use crate::fault::MAX_STORM_JOBS;
use crate::wire::notification;
use crate::{ErrorShape, Fault, MalformedJob, Reject, ScheduledFault, Trigger};

/// Time between pieces when only their size was given.
pub(super) const SPLIT_GAP: Duration = Duration::from_millis(2);
/// Faults that wait for their time; more are ignored.
const MAX_SCHEDULED: usize = 256;
/// Colours, a bell, a carriage return, a title, a right-to-left mark: what must never reach a terminal.
pub(super) const ESCAPES: &str = " \u{1b}[31m\u{1b}]0;title\u{7}\rhidden\u{8}\u{202e}drow\u{0}\u{9b}2J";

/// The modes in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Modes {
    pub(super) delay: Duration,
    pub(super) split: Option<(usize, Duration)>,
    pub(super) gather: Option<Gather>,
    pub(super) drop_replies: u32,
    pub(super) wrong_id: bool,
    pub(super) string_ids: bool,
    pub(super) float_ids: bool,
    pub(super) null_ids: bool,
    pub(super) numbers_as_strings: bool,
    pub(super) error_shape: Option<ErrorShape>,
    pub(super) reply_twice: bool,
    pub(super) reply_reorder: bool,
    pub(super) close_after: Option<u32>,
    pub(super) silent: bool,
    pub(super) ban_text: bool,
    pub(super) reject_all: Option<Reject>,
    pub(super) escape_text: bool,
}

impl PoolCore {
    /// Commits a fault, at once or later. [`Fault::None`] at once also drops what was scheduled.
    pub fn set_fault(&mut self, now: Instant, fault: impl Into<ScheduledFault>) {
        let scheduled = fault.into();
        if scheduled.trigger == Trigger::AfterRequests(0) {
            if scheduled.fault == Fault::None {
                self.schedule.clear();
            }
            self.apply(now, &scheduled.fault);
            self.release(now);
        } else if self.schedule.len() < MAX_SCHEDULED {
            self.schedule.push(scheduled);
        }
    }

    /// One request more: some faults may be due.
    pub(super) fn count_request(&mut self, now: Instant) {
        let mut due = Vec::new();
        self.schedule.retain_mut(|scheduled| {
            let Trigger::AfterRequests(left) = &mut scheduled.trigger else { return true };
            *left = left.saturating_sub(1);
            let waits = *left > 0;
            if !waits {
                due.push(scheduled.fault.clone());
            }
            waits
        });
        for fault in due {
            self.apply(now, &fault);
        }
    }

    /// Modes that wait for a login begin; returns how the login's job is to be spoiled.
    pub(super) fn login_faults(&mut self, now: Instant) -> Option<MalformedJob> {
        let mut spoiler = None;
        for index in (0..self.schedule.len()).rev() {
            let scheduled = &self.schedule[index];
            if scheduled.trigger != Trigger::AtLogin {
                continue;
            }
            match scheduled.fault {
                Fault::ZeroTarget => spoiler = Some(MalformedJob::TargetZero4),
                Fault::MalformedJob(kind) => spoiler = Some(kind),
                ref fault if !fault.is_deed() => {
                    let fault = fault.clone();
                    self.apply(now, &fault);
                }
                _ => continue,
            }
            self.schedule.remove(index);
        }
        spoiler
    }

    /// Deeds that wait for a login.
    pub(super) fn after_login_faults(&mut self, now: Instant, id: SessionId) {
        let (due, rest): (Vec<_>, Vec<_>) =
            self.schedule.drain(..).partition(|scheduled| scheduled.trigger == Trigger::AtLogin);
        self.schedule = rest;
        for scheduled in due {
            if !self.apply_to_all(now, &scheduled.fault) {
                self.apply_to_session(now, id, &scheduled.fault);
                self.after_deed(&scheduled.fault);
            }
        }
    }

    fn apply(&mut self, now: Instant, fault: &Fault) {
        if self.apply_mode(fault) || self.apply_to_all(now, fault) {
            return;
        }
        for id in self.mining_sessions() {
            self.apply_to_session(now, id, fault);
        }
        self.after_deed(fault);
    }

    /// Two deeds leave a mode behind: escapes in errors, and the silence after the half line.
    fn after_deed(&mut self, fault: &Fault) {
        match fault {
            Fault::EscapeText => self.modes.escape_text = true,
            Fault::HalfLine => self.modes.silent = true,
            _ => {}
        }
    }

    /// False when the fault is no mere mode.
    fn apply_mode(&mut self, fault: &Fault) -> bool {
        let modes = &mut self.modes;
        match fault {
            Fault::None => *modes = Modes::default(),
            Fault::Delay(delay) => modes.delay = *delay,
            Fault::Split { bytes, gap } => modes.split = Some((*bytes, *gap)),
            Fault::Glue => modes.gather = Some(Gather::Glue),
            Fault::Join => modes.gather = Some(Gather::Join),
            Fault::DropReply(count) => modes.drop_replies = *count,
            Fault::WrongId => modes.wrong_id = true,
            Fault::StringIds => modes.string_ids = true,
            Fault::FloatIds => modes.float_ids = true,
            Fault::NullIds => modes.null_ids = true,
            Fault::NumbersAsStrings => modes.numbers_as_strings = true,
            Fault::ErrorShape(shape) => modes.error_shape = Some(*shape),
            Fault::ReplyTwice => modes.reply_twice = true,
            Fault::ReplyReorder => modes.reply_reorder = true,
            Fault::Silent => modes.silent = true,
            Fault::BanText => modes.ban_text = true,
            Fault::RejectAll(reject) => modes.reject_all = Some(*reject),
            Fault::CloseAfter(count) => {
                modes.close_after = Some(*count);
                self.sessions.values_mut().for_each(|session| session.requests = 0);
            }
            _ => return false,
        }
        true
    }

    /// Deeds that concern the whole pool; false for the others.
    fn apply_to_all(&mut self, now: Instant, fault: &Fault) -> bool {
        match fault {
            Fault::JobStorm(count) => {
                for _ in 0..(*count).min(MAX_STORM_JOBS) {
                    self.new_template(now);
                    self.broadcast(now);
                }
            }
            Fault::NewJob => {
                self.new_template(now);
                self.broadcast(now);
            }
            Fault::NewBlock => self.new_block(now),
            Fault::SeedChange => self.change_seed(now),
            Fault::Close => {
                let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
                ids.into_iter().for_each(|id| self.close(now, id));
            }
            _ => return false,
        }
        true
    }

    fn apply_to_session(&mut self, now: Instant, id: SessionId, fault: &Fault) {
        match fault {
            Fault::EscapeText => {
                let text = format!("pool says{ESCAPES}{}", "\u{1b}[2J".repeat(4000));
                self.notify(now, id, "client.show_message", &json!([text]));
            }
            Fault::HalfLine => {
                if let Some(job) = self.issue(id) {
                    let line = notification("job", &job);
                    let half = line.get(..line.len() / 2).unwrap_or_default().to_owned();
                    self.send(now, id, half);
                }
            }
            Fault::GarbageLine => {
                for line in
                    ["HTTP/1.1 400 Bad Request\r\n", "<html>\n", "\u{fffd}\u{0}\n", "{\"id\":\n", "]\n"]
                {
                    self.send(now, id, line.to_owned());
                }
            }
            Fault::HugeLine(count) => {
                let shaping = self.shaping();
                if let Some(session) = self.sessions.get_mut(&id).filter(|_| !self.modes.silent) {
                    session.out.push_flood(now, b'x', *count, &shaping);
                }
                self.send(now, id, "\n".to_owned());
            }
            Fault::JsonBomb => bombs().for_each(|line| self.send(now, id, line)),
            Fault::UnknownReplies => {
                for reply_id in
                    ["4000000000", "-1", "18446744073709551616", "1.5", "null", "\"x\"", "[1]", "{}", "true"]
                {
                    self.send(now, id, format!("{{\"id\":{reply_id},\"jsonrpc\":\"2.0\",\"result\":{{\"status\":\"OK\"}},\"error\":null}}\n"));
                }
            }
            Fault::DupJob => {
                let last = self.sessions.get(&id).and_then(|session| session.jobs.back());
                if let Some(params) = last.map(|job| job.params.clone()) {
                    self.notify_job(now, id, params);
                }
            }
            Fault::SameIdNewContent => {
                let last = self.sessions.get(&id).and_then(|session| session.jobs.back());
                let Some(job_id) = last.map(|job| job.id.clone()) else { return };
                self.new_shared_content();
                if let Some(work) = self.fresh_work()
                    && let Some(job) = self.issue_work(id, work, Some(job_id))
                {
                    self.notify_job(now, id, job);
                }
            }
            Fault::RetargetSameJob => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    let doubled = session.vardiff.difficulty().saturating_mul(2);
                    session.vardiff.set(doubled, now);
                }
                self.resend(now, id);
            }
            Fault::ZeroTarget => self.send_spoiled(now, id, MalformedJob::TargetZero4),
            Fault::MalformedJob(kind) => self.send_spoiled(now, id, *kind),
            Fault::Redirect(to) => {
                let params = to.as_ref().map_or_else(|| json!([]), |(host, port)| json!([host, port]));
                self.notify(now, id, "client.reconnect", &params);
            }
            _ => {}
        }
    }

    /// A fixed blob of everybody would make the "new" content the old one.
    fn new_shared_content(&mut self) {
        if self.shared_work.is_some() {
            self.template = self.chain.next(self.template_due);
            self.share_template();
        }
    }

    fn send_spoiled(&mut self, now: Instant, id: SessionId, kind: MalformedJob) {
        if let Some(job) = self.issue(id) {
            let spoiled = self.spoil(id, kind, job);
            self.notify_job(now, id, spoiled);
        }
    }
}

/// Deep, wide and repetitive JSON, each within the length of a line.
fn bombs() -> impl Iterator<Item = String> {
    let deep = format!("{}\n", "[".repeat(30_000));
    let objects =
        format!("{{\"method\":\"job\",\"params\":{}1{}}}\n", "{\"a\":".repeat(8_000), "}".repeat(8_000));
    let wide = format!("{{\"method\":\"job\",\"params\":[{}0]}}\n", "0,".repeat(30_000));
    let fields: String = (0..3_000).map(|number| format!("\"k{number}\":{{}},")).collect();
    let many = format!("{{{fields}\"method\":\"job\",\"params\":{{}}}}\n");
    let twice = format!(
        "{{\"method\":\"x\",\"params\":{},\"params\":null,\"method\":\"job\"}}\n",
        Value::from(vec![1; 10])
    );
    [deep, objects, wide, many, twice].into_iter()
}
