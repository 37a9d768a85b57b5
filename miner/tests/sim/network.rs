//! Connections between the client and the pools: ordered streams that may be slow, cut into pieces, held up,
//! swallowed or broken off.

use rminer_stratum::rng::Rng;

use crate::dice::Dice;
use crate::pool::Server;
use crate::rates::{ConnectFault, MS, Rates, S, Us};

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    last: Us,
    stalled_until: Us,
    /// What is sent vanishes for now.
    pub(crate) hole: bool,
    held: Vec<T>,
}

impl<T> Default for Pipe<T> {
    fn default() -> Self {
        Self { last: 0, stalled_until: 0, hole: false, held: Vec::new() }
    }
}

impl<T> Pipe<T> {
    /// When something that is sent now arrives: never before what was sent earlier, and this `gap` behind it.
    /// Gives it back with the time, or keeps it in the hole.
    pub(crate) fn send(
        &mut self,
        now: Us,
        gap: Us,
        what: T,
        rates: &Rates,
        rng: &mut Rng,
    ) -> Option<(Us, T)> {
        if self.hole {
            self.held.push(what);
            return None;
        }
        let arrival = now.max(self.stalled_until) + rates.latency + rng.below(rates.jitter);
        // A network that is a second behind does not fall back any further.
        let gap = if self.last > now + S { 0 } else { gap };
        self.last = arrival.max(self.last + gap);
        Some((self.last, what))
    }

    /// Nothing arrives for a while; then all at once.
    pub(crate) fn stall(&mut self, until: Us) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// The hole is closed: what fell into it arrives in one burst, as after retransmission.
    pub(crate) fn mend(&mut self, now: Us) -> (Us, Vec<T>) {
        self.hole = false;
        self.last = self.last.max(now + MS);
        (self.last, std::mem::take(&mut self.held))
    }
}

/// A connection.
pub(crate) struct Conn {
    pub(crate) pool: usize,
    /// What goes wrong with it from the start.
    pub(crate) fault: Option<ConnectFault>,
    /// Whether the handshake of TCP is done.
    pub(crate) open: bool,
    /// Whether the pool still reads and writes.
    pub(crate) served: bool,
    /// Whether the pool is in the middle of a line that it does not finish; it says nothing else meanwhile.
    pub(crate) babbling: bool,
    /// When it sent its first share since it last heard anything.
    pub(crate) unanswered: Option<Us>,
    pub(crate) up: Pipe<crate::pool::Request>,
    pub(crate) down: Pipe<Vec<u8>>,
    /// Bytes that the pool has sent, and that the client got.
    pub(crate) queued: u64,
    pub(crate) delivered: u64,
    /// When the client last got bytes, or when the connection came up.
    pub(crate) heard: Us,
    pub(crate) server: Server,
}

impl Conn {
    pub(crate) fn new(pool: usize, fault: Option<ConnectFault>, now: Us, server: Server) -> Self {
        Self {
            pool,
            fault,
            open: false,
            served: true,
            babbling: false,
            unanswered: None,
            up: Pipe::default(),
            down: Pipe::default(),
            queued: 0,
            delivered: 0,
            heard: now,
            server,
        }
    }
}

/// A message as pieces, each with the time that it comes behind the one before.
pub(crate) fn pieces(message: &[u8], cut_permille: u64, rng: &mut Rng) -> Vec<(Us, Vec<u8>)> {
    if message.len() < 2 || !rng.chance(cut_permille) {
        return vec![(0, message.to_vec())];
    }
    // Byte by byte now and then; else in two to five pieces at any place.
    if message.len() < 400 && rng.one_in(16) {
        return message.iter().map(|byte| (rng.below(MS), vec![*byte])).collect();
    }
    let mut cuts: Vec<usize> = (0..rng.between(1, 4))
        .map(|_| 1 + usize::try_from(rng.below(message.len() as u64 - 1)).unwrap())
        .collect();
    cuts.extend([0, message.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let gap = if rng.one_in(8) { S } else { 10 * MS };
    cuts.windows(2).map(|pair| (rng.below(gap), message[pair[0]..pair[1]].to_vec())).collect()
}
