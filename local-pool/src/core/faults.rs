//! Faults at work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outbox::Gather;
use super::{Desk, Dialect, PoolCore, SessionId};
use crate::fault::MAX_STORM_JOBS;
use crate::{ErrorShape, Fault, Reject, ScheduledFault, Trigger};

/// Faults that wait for their time; more are ignored.
const MAX_SCHEDULED: usize = 256;
/// Colours, a bell, a carriage return, a title, a right-to-left mark: what must never reach a terminal.
pub(super) const ESCAPES: &str = " \u{1b}[31m\u{1b}]0;title\u{7}\rhidden\u{8}\u{202e}drow\u{0}\u{9b}2J";

/// The modes in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modes {
    pub(crate) delay: Duration,
    pub(crate) split: Option<(usize, Duration)>,
    pub(super) gather: Option<Gather>,
    pub(crate) drop_replies: u32,
    pub(crate) wrong_id: bool,
    pub(crate) string_ids: bool,
    pub(crate) float_ids: bool,
    pub(crate) null_ids: bool,
    pub(crate) numbers_as_strings: bool,
    pub(crate) error_shape: Option<ErrorShape>,
    pub(crate) reply_twice: bool,
    pub(crate) reply_reorder: bool,
    pub(crate) close_after: Option<u32>,
    pub(crate) silent: bool,
    pub(crate) ban_text: bool,
    pub(crate) reject_all: Option<Reject>,
    pub(crate) escape_text: bool,
}

impl PoolCore {
    /// Commits a fault, at once or later. [`Fault::None`] at once also drops what was scheduled.
    pub fn set_fault(&mut self, now: Instant, fault: impl Into<ScheduledFault>) {
        let scheduled = fault.into();
        if scheduled.trigger == Trigger::AfterRequests(0) {
            if scheduled.fault == Fault::None {
                self.desk.schedule.clear();
            }
            apply(self.side.dialect(), &mut self.desk, now, &scheduled.fault);
            self.release(now);
        } else if self.desk.schedule.len() < MAX_SCHEDULED {
            self.desk.schedule.push(scheduled);
        }
    }

    /// One request more: some faults may be due.
    pub(super) fn count_request(&mut self, now: Instant) {
        let mut due = Vec::new();
        self.desk.schedule.retain_mut(|scheduled| {
            let Trigger::AfterRequests(left) = &mut scheduled.trigger else { return true };
            *left = left.saturating_sub(1);
            let waits = *left > 0;
            if !waits {
                due.push(scheduled.fault.clone());
            }
            waits
        });
        for fault in due {
            apply(self.side.dialect(), &mut self.desk, now, &fault);
        }
    }
}

/// Deeds that wait for a login, done behind the login's reply.
pub(crate) fn after_login(dialect: &mut dyn Dialect, desk: &mut Desk, now: Instant, id: SessionId) {
    let (due, rest): (Vec<_>, Vec<_>) =
        desk.schedule.drain(..).partition(|scheduled| scheduled.trigger == Trigger::AtLogin);
    desk.schedule = rest;
    for scheduled in due {
        if !apply_to_all(dialect, desk, now, &scheduled.fault) {
            apply_to_session(dialect, desk, now, id, &scheduled.fault);
            desk.after_deed(&scheduled.fault);
        }
    }
}

/// Lets vardiff have its say.
pub(crate) fn review_difficulty(dialect: &mut dyn Dialect, desk: &mut Desk, now: Instant, id: SessionId) {
    let Some(session) = desk.sessions.get_mut(&id).filter(|session| session.is_mining()) else { return };
    if session.vardiff.review(now).is_some() {
        dialect.retarget(desk, now, id);
    }
}

impl Desk {
    /// Modes that wait for a login begin; returns the fault that is to spoil the login's own job.
    pub(crate) fn login_faults(&mut self) -> Option<Fault> {
        let mut spoiler = None;
        for index in (0..self.schedule.len()).rev() {
            let scheduled = &self.schedule[index];
            if scheduled.trigger != Trigger::AtLogin {
                continue;
            }
            let fault = scheduled.fault.clone();
            if fault.spoils_a_job() {
                spoiler = Some(fault);
            } else if fault.is_deed() {
                continue;
            } else {
                self.apply_mode(&fault);
            }
            self.schedule.remove(index);
        }
        spoiler
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
}

fn apply(dialect: &mut dyn Dialect, desk: &mut Desk, now: Instant, fault: &Fault) {
    if desk.apply_mode(fault) || apply_to_all(dialect, desk, now, fault) {
        return;
    }
    for id in desk.mining_sessions() {
        apply_to_session(dialect, desk, now, id, fault);
    }
    desk.after_deed(fault);
}

/// Deeds that concern the whole pool; false for the others.
fn apply_to_all(dialect: &mut dyn Dialect, desk: &mut Desk, now: Instant, fault: &Fault) -> bool {
    match fault {
        Fault::JobStorm(count) => {
            for _ in 0..(*count).min(MAX_STORM_JOBS) {
                dialect.new_template(desk, now);
                dialect.broadcast(desk, now);
            }
        }
        Fault::NewJob => {
            dialect.new_template(desk, now);
            dialect.broadcast(desk, now);
        }
        Fault::NewBlock => dialect.new_block(desk, now),
        Fault::SeedChange => {
            dialect.rotate();
            dialect.new_template(desk, now);
            dialect.broadcast(desk, now);
        }
        Fault::Close => {
            let ids: Vec<SessionId> = desk.sessions.keys().copied().collect();
            ids.into_iter().for_each(|id| desk.close(now, id));
        }
        _ => return false,
    }
    true
}

fn apply_to_session(dialect: &mut dyn Dialect, desk: &mut Desk, now: Instant, id: SessionId, fault: &Fault) {
    match fault {
        Fault::EscapeText => {
            let text = format!("pool says{ESCAPES}{}", "\u{1b}[2J".repeat(4000));
            dialect.notify(desk, now, id, "client.show_message", &json!([text]));
        }
        Fault::HalfLine => {
            if let Some(line) = dialect.job_line(desk, id) {
                let half = line.get(..line.len() / 2).unwrap_or_default().to_owned();
                desk.send(now, id, half);
            }
        }
        Fault::GarbageLine => {
            for line in ["HTTP/1.1 400 Bad Request\r\n", "<html>\n", "\u{fffd}\u{0}\n", "{\"id\":\n", "]\n"] {
                desk.send(now, id, line.to_owned());
            }
        }
        Fault::HugeLine(count) => {
            let shaping = desk.shaping();
            if let Some(session) = desk.sessions.get_mut(&id).filter(|_| !desk.modes.silent) {
                session.out.push_flood(now, b'x', *count, &shaping);
            }
            desk.send(now, id, "\n".to_owned());
        }
        Fault::JsonBomb => bombs(dialect.job_method()).for_each(|line| desk.send(now, id, line)),
        Fault::UnknownReplies => {
            for reply_id in
                ["4000000000", "-1", "18446744073709551616", "1.5", "null", "\"x\"", "[1]", "{}", "true"]
            {
                desk.send(now, id, format!("{{\"id\":{reply_id},\"jsonrpc\":\"2.0\",\"result\":{{\"status\":\"OK\"}},\"error\":null}}\n"));
            }
        }
        Fault::Redirect(to) => {
            let params = to.as_ref().map_or_else(|| json!([]), |(host, port)| json!([host, port]));
            dialect.notify(desk, now, id, "client.reconnect", &params);
        }
        other => dialect.commit(desk, now, id, other),
    }
}

/// Deep, wide and repetitive JSON, each within the length of a line.
fn bombs(method: &str) -> impl Iterator<Item = String> + use<> {
    let deep = format!("{}\n", "[".repeat(30_000));
    let objects =
        format!("{{\"method\":\"{method}\",\"params\":{}1{}}}\n", "{\"a\":".repeat(8_000), "}".repeat(8_000));
    let wide = format!("{{\"method\":\"{method}\",\"params\":[{}0]}}\n", "0,".repeat(30_000));
    let fields: String = (0..3_000).map(|number| format!("\"k{number}\":{{}},")).collect();
    let many = format!("{{{fields}\"method\":\"{method}\",\"params\":{{}}}}\n");
    let twice = format!(
        "{{\"method\":\"x\",\"params\":{},\"params\":null,\"method\":\"{method}\"}}\n",
        Value::from(vec![1; 10])
    );
    [deep, objects, wide, many, twice].into_iter()
}
