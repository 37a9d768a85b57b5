//! What the pool's core asks of a protocol.

use std::fmt;
use std::time::Instant;

use serde_json::Value;

use super::{Desk, SessionId};
use crate::Fault;
use crate::wire::Request;

/// One protocol with its chain, its jobs and its judgement of shares. Sockets, books, difficulties and the faults
/// that all protocols have in common are the [`Desk`]'s.
pub(crate) trait Dialect: fmt::Debug {
    /// A session began.
    fn opened(&mut self, _desk: &mut Desk, _now: Instant, _id: SessionId) {}

    /// A session is gone.
    fn forgotten(&mut self, id: SessionId);

    /// A request from the miner.
    fn request(&mut self, desk: &mut Desk, now: Instant, id: SessionId, request: &Request<'_>);

    /// A line that is no request; false when it is nothing that the protocol knows.
    fn answer(&mut self, _desk: &mut Desk, _id: SessionId, _line: &str) -> bool {
        false
    }

    /// A line that [`Dialect::answer`] does not know either; it has been counted.
    fn nonsense(&mut self, _desk: &mut Desk, _now: Instant, _id: SessionId, _line: &str) {}

    /// Time has passed for a session.
    fn tick(&mut self, _desk: &mut Desk, _now: Instant, _id: SessionId) {}

    /// When [`Dialect::tick`] has something to do for a session.
    fn deadline(&self, _id: SessionId) -> Option<Instant> {
        None
    }

    /// Makes the next template: of the same block, unless it is time for another.
    fn new_template(&mut self, desk: &mut Desk, now: Instant);

    /// The chain has grown by a block; the next template is on it.
    fn grow(&mut self);

    /// A change beyond that of a block, where the algorithm has one: another RandomX seed.
    fn rotate(&mut self) {
        self.grow();
    }

    /// Sends a job from the current template.
    fn push_job(&mut self, desk: &mut Desk, now: Instant, id: SessionId);

    /// The session's difficulty has changed: tells the miner as the profile has it.
    fn retarget(&mut self, desk: &mut Desk, now: Instant, id: SessionId);

    /// Sends a message that is no job.
    fn notify(&mut self, desk: &mut Desk, now: Instant, id: SessionId, method: &str, params: &Value);

    /// A job's line, for a fault that sends a part of it.
    fn job_line(&mut self, desk: &mut Desk, id: SessionId) -> Option<String>;

    /// Name of the message that brings a job.
    fn job_method(&self) -> &'static str;

    /// A fault that only the protocol knows how to commit, on one session.
    fn commit(&mut self, desk: &mut Desk, now: Instant, id: SessionId, fault: &Fault);

    /// Height of the current template.
    fn height(&self) -> u64;

    /// Sends everybody a job from the current template.
    fn broadcast(&mut self, desk: &mut Desk, now: Instant) {
        for id in desk.mining_sessions() {
            self.push_job(desk, now, id);
        }
    }

    /// Somebody found a block.
    fn new_block(&mut self, desk: &mut Desk, now: Instant) {
        self.grow();
        self.new_template(desk, now);
        self.broadcast(desk, now);
    }
}
