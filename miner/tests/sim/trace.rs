//! A fingerprint of everything that happened, and on request the last events in words.

use std::collections::VecDeque;

use rminer_stratum::rng::Rng;

use crate::rates::{S, Us};

/// Events that are kept in words.
const KEPT: usize = 50;

/// The fingerprint, and the words when somebody wants them.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    state: u64,
    pub(crate) events: u64,
    pub(crate) words: Option<VecDeque<String>>,
}

impl Trace {
    /// Something happened.
    pub(crate) fn note(&mut self, now: Us, parts: [u64; 3], words: impl FnOnce() -> String) {
        self.events += 1;
        for part in parts.into_iter().chain([now]) {
            self.state = Rng::new(self.state ^ part).next_u64();
        }
        if let Some(kept) = &mut self.words {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(format!("{:>11.6} s  {}", now as f64 / S as f64, words()));
        }
    }

    /// Bytes went to or from the client.
    pub(crate) fn bytes(&mut self, now: Us, conn: u64, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([rest]) {
            self.state = (self.state ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        self.note(now, [14, conn, bytes.len() as u64], || {
            let (conn, way) = if conn >> 32 > 0 { (conn >> 32, "->") } else { (conn, "<-") };
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
            format!("{conn} {way} {} bytes {shown:?}", bytes.len())
        });
    }

    /// The fingerprint so far.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.state
    }
}
