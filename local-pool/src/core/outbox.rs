//! What one session still has to be sent: late, cut up or glued together as the faults want it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::time::later;

/// How long lines are held to be glued together.
const GATHER: Duration = Duration::from_millis(20);
/// A line is cut into this many pieces at most; the rest goes in one.
const MAX_PIECES: usize = 4096;
/// Pieces are at most this far apart.
const MAX_GAP: Duration = Duration::from_secs(3600);
/// Waiting output above this ends the session.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// What a session is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// These bytes, in one write.
    Bytes(Vec<u8>),
    /// `count` times `byte`: too much to hold in memory.
    Flood {
        /// The byte to repeat.
        byte: u8,
        /// How many of them.
        count: u64,
    },
    /// Nothing more: end the connection. The session is forgotten with this.
    Close,
}

/// Lines that are put into one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gather {
    /// With their newlines.
    Glue,
    /// With one newline behind the last.
    Join,
}

/// How output is spoiled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shaping {
    pub(crate) delay: Duration,
    pub(crate) split: Option<(usize, Duration)>,
    pub(crate) gather: Option<Gather>,
}

/// The waiting output of one session, with the time from which each piece may go.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<(Instant, Payload)>,
    last_due: Option<Instant>,
    gathered: Vec<u8>,
    gathered_due: Option<Instant>,
    late: VecDeque<(Instant, Vec<u8>)>,
    waiting: usize,
    closing: bool,
}

impl Outbox {
    pub(crate) fn push(&mut self, now: Instant, mut line: Vec<u8>, shaping: &Shaping) {
        if self.closing {
            return;
        }
        let Some(gather) = shaping.gather else { return self.enqueue(now, line, shaping) };
        if gather == Gather::Join {
            line.pop();
        }
        self.waiting += line.len();
        self.gathered.append(&mut line);
        self.gathered_due.get_or_insert(now + GATHER);
    }

    /// Sends `line` after `delay`, whatever else goes before.
    pub(crate) fn push_late(&mut self, due: Instant, line: Vec<u8>) {
        if !self.closing {
            self.waiting += line.len();
            self.late.push_back((due, line));
        }
    }

    pub(crate) fn push_flood(&mut self, now: Instant, byte: u8, count: u64, shaping: &Shaping) {
        if !self.closing {
            let due = self.due(now, shaping);
            self.queue.push_back((due, Payload::Flood { byte, count }));
        }
    }

    /// Ends the session behind everything that waits, except late lines.
    pub(crate) fn close(&mut self, now: Instant, shaping: &Shaping) {
        if !self.closing {
            self.flush(now, shaping);
            let due = self.due(now, shaping);
            self.queue.push_back((due, Payload::Close));
            self.closing = true;
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn is_overfull(&self) -> bool {
        self.waiting > MAX_WAITING_BYTES
    }

    /// The next piece that may go.
    pub(crate) fn release(&mut self, now: Instant, shaping: &Shaping) -> Option<Payload> {
        if self.gathered_due.is_some_and(|due| due <= now) {
            self.flush(now, shaping);
        }
        let payload = if let Some(index) = self.late.iter().position(|(due, _)| *due <= now) {
            self.late.remove(index).map(|(_, line)| Payload::Bytes(line))
        } else if self.queue.front().is_some_and(|(due, _)| *due <= now) {
            self.queue.pop_front().map(|(_, payload)| payload)
        } else {
            None
        };
        if let Some(Payload::Bytes(bytes)) = &payload {
            self.waiting = self.waiting.saturating_sub(bytes.len());
        }
        payload
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        let late = self.late.iter().map(|(due, _)| *due);
        late.chain(self.gathered_due).chain(self.queue.front().map(|(due, _)| *due)).min()
    }

    fn flush(&mut self, now: Instant, shaping: &Shaping) {
        if self.gathered_due.take().is_some() {
            let mut piece = std::mem::take(&mut self.gathered);
            self.waiting = self.waiting.saturating_sub(piece.len());
            if piece.last() != Some(&b'\n') {
                piece.push(b'\n');
            }
            self.enqueue(now, piece, shaping);
        }
    }

    fn enqueue(&mut self, now: Instant, bytes: Vec<u8>, shaping: &Shaping) {
        self.waiting += bytes.len();
        let mut due = self.due(now, shaping);
        let Some((size, gap)) = shaping.split.map(|(size, gap)| (size, gap.min(MAX_GAP))) else {
            self.queue.push_back((due, Payload::Bytes(bytes)));
            return;
        };
        let mut rest = bytes.as_slice();
        for _ in 1..MAX_PIECES {
            let (piece, tail) = rest.split_at(size.max(1).min(rest.len()));
            if tail.is_empty() {
                break;
            }
            self.queue.push_back((due, Payload::Bytes(piece.to_vec())));
            due += gap;
            rest = tail;
        }
        self.queue.push_back((due, Payload::Bytes(rest.to_vec())));
        // The next line keeps its distance too.
        self.last_due = Some(due + gap);
    }

    /// Never before what was queued earlier, so that lines stay in order when a delay is taken back.
    fn due(&mut self, now: Instant, shaping: &Shaping) -> Instant {
        let due = later(now, shaping.delay).max(self.last_due.unwrap_or(now));
        self.last_due = Some(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn drain(outbox: &mut Outbox, now: Instant, shaping: &Shaping) -> Vec<Payload> {
        std::iter::from_fn(|| outbox.release(now, shaping)).collect()
    }

    fn bytes(text: &str) -> Payload {
        Payload::Bytes(text.into())
    }

    #[test]
    fn delay_keeps_the_order() {
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        let slow = Shaping { delay: 50 * MS, ..Shaping::default() };
        outbox.push(now, b"a\n".into(), &slow);
        outbox.push(now, b"b\n".into(), &Shaping::default());
        outbox.close(now, &Shaping::default());
        outbox.push(now, b"c\n".into(), &slow);
        assert_eq!(outbox.next_due(), Some(now + 50 * MS));
        assert_eq!(drain(&mut outbox, now + 49 * MS, &slow), []);
        assert_eq!(drain(&mut outbox, now + 50 * MS, &slow), [bytes("a\n"), bytes("b\n"), Payload::Close]);
    }

    #[test]
    fn pieces_keep_their_distance() {
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        let split = Shaping { split: Some((2, MS)), ..Shaping::default() };
        outbox.push(now, b"abc\n".into(), &split);
        outbox.push(now, b"d\n".into(), &split);
        assert_eq!(drain(&mut outbox, now, &split), [bytes("ab")]);
        assert_eq!(drain(&mut outbox, now + MS, &split), [bytes("c\n")]);
        assert_eq!(drain(&mut outbox, now + 2 * MS, &split), [bytes("d\n")]);
        let whole = vec![b'x'; 10_000];
        outbox.push(now, whole, &Shaping { split: Some((1, MS)), ..split });
        assert_eq!(drain(&mut outbox, now + Duration::from_secs(60), &split).len(), MAX_PIECES);
        assert_eq!(outbox.waiting, 0);
    }

    #[test]
    fn gathering() {
        let now = Instant::now();
        for (gather, want) in [(Gather::Glue, "{}\n[]\n"), (Gather::Join, "{}[]\n")] {
            let mut outbox = Outbox::default();
            let shaping = Shaping { gather: Some(gather), ..Shaping::default() };
            outbox.push(now, b"{}\n".into(), &shaping);
            outbox.push(now + 5 * MS, b"[]\n".into(), &shaping);
            assert_eq!(drain(&mut outbox, now + 19 * MS, &shaping), []);
            assert_eq!(drain(&mut outbox, now + 20 * MS, &shaping), [bytes(want)]);
            outbox.push(now, b"{}\n".into(), &shaping);
            outbox.close(now, &shaping);
            let ended = drain(&mut outbox, now + 20 * MS, &shaping);
            assert_eq!(ended, [bytes("{}\n"), Payload::Close], "closing does not lose what was held");
        }
    }

    #[test]
    fn late_lines_overtake_nothing_and_are_overtaken() {
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        outbox.push_late(now + 30 * MS, b"late\n".into());
        outbox.push(now, b"a\n".into(), &Shaping::default());
        assert_eq!(drain(&mut outbox, now, &Shaping::default()), [bytes("a\n")]);
        assert_eq!(outbox.next_due(), Some(now + 30 * MS));
        assert_eq!(drain(&mut outbox, now + 30 * MS, &Shaping::default()), [bytes("late\n")]);
    }

    #[test]
    fn overfull_is_noticed() {
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        outbox.push(now, vec![b'x'; MAX_WAITING_BYTES], &Shaping::default());
        assert!(!outbox.is_overfull());
        outbox.push(now, b"x".into(), &Shaping::default());
        assert!(outbox.is_overfull());
        drain(&mut outbox, now, &Shaping::default());
        assert!(!outbox.is_overfull());
    }
}
