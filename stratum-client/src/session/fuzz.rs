//! What can happen to a session.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Hash, registry};
use serde::de::IgnoredAny;

use super::{MAX_NONCES, MAX_WORKS, Output, Session};
use crate::dialect::Dialect;
use crate::dialect::bitcoin::{Bitcoin, BitcoinConfig};
use crate::dialect::kaspa::{Kaspa, KaspaConfig};
use crate::dialect::monero::{Monero, MoneroConfig};
use crate::endpoint::BitcoinOptions;
use crate::job::{Job, Share};
use crate::ledger::{Ledger, ShareId, Verdict};

/// Stands before what happens between the bytes of the pool; it is in no JSON.
const MARK: u8 = 0xFF;

/// Fuzz entry: `data` is what the pool sends, in pieces that end at each byte FF. The byte behind that says what
/// happens there: `s` a share for the newest job, `o` one for the oldest that was ever given, `a` one that does
/// not meet its target, `d` the last share again, `e` the end of the connection, `j` a whole day, and any other
/// lets as many quarter seconds pass as its number. Data that begins with a line `bitcoin` or `kaspa` is for
/// that dialect, other data for Monero's.
///
/// The ledger balances after each, bounds hold, what is sent are JSON lines, each hit gets one verdict that at most
/// an answer corrects, deadlines pass, and nothing but verdicts comes behind a close.
#[doc(hidden)]
pub fn fuzz_session(data: &[u8]) {
    let families: [(&[u8], Make); 2] = [(b"bitcoin\n", bitcoin), (b"kaspa\n", kaspa)];
    let named = families.into_iter().find_map(|(name, make)| Some((make, data.strip_prefix(name)?)));
    let (make, data) = named.unwrap_or((monero, data));
    let mut run = Run::new(make);
    let mut pieces = data.split(|byte| *byte == MARK);
    run.bytes(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some((event, bytes)) = piece.split_first() else { continue };
        match event {
            b's' => run.share(run.jobs.last().cloned(), true),
            b'o' => run.share(run.jobs.first().cloned(), true),
            b'a' => run.share(run.jobs.last().cloned(), false),
            b'd' => run.again(),
            b'e' => run.end(),
            b'j' => run.wait(Duration::from_secs(24 * 3600)),
            quarters => run.wait(Duration::from_millis(250) * u32::from(*quarters)),
        }
        run.bytes(bytes);
    }
    run.end();
    assert_eq!(run.ledger.pending(), 0, "every row has its verdict");
    assert_eq!(run.settled.len() as u64, run.hits);
}

type Make = fn() -> Box<dyn Dialect>;

struct Run {
    make: Make,
    session: Session,
    ledger: Ledger,
    now: Instant,
    jobs: Vec<Arc<Job>>,
    hits: u64,
    last: Option<Share>,
    settled: BTreeMap<ShareId, Verdict>,
    closed: bool,
}

impl Run {
    fn new(make: Make) -> Self {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let session = Session::start(1, 0, make(), now, &mut ledger);
        let (jobs, settled) = (Vec::new(), BTreeMap::new());
        let mut run = Self { make, session, ledger, now, jobs, hits: 0, last: None, settled, closed: false };
        run.drain();
        run
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.session.bytes(self.now, bytes, &mut self.ledger);
            self.drain();
        }
    }

    fn share(&mut self, job: Option<Arc<Job>>, good: bool) {
        let Some(job) = job else { return };
        let hash = Hash([if good { 0 } else { 0xFF }; 32]);
        self.hand_in(Share { job, roll: 0, nonce: self.hits, hash, device: 0, found: self.now });
    }

    fn again(&mut self) {
        if let Some(share) = self.last.take() {
            self.hand_in(share);
        }
    }

    fn hand_in(&mut self, share: Share) {
        self.hits += 1;
        self.session.share(self.now, &share, &mut self.ledger);
        self.last = Some(share);
        self.drain();
    }

    /// Wakes the session at each of its deadlines.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.session.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.tick(self.now, &mut self.ledger);
            self.drain();
            assert!(self.session.deadline().is_none_or(|next| next > self.now), "a deadline that stays due");
        }
        self.now = end;
    }

    /// The connection ends, and the next one begins.
    fn end(&mut self) {
        self.session.end(self.now, &mut self.ledger);
        self.drain();
        assert_eq!(self.session.pending(), 0);
        self.session = Session::start(self.session.id() + 1, 0, (self.make)(), self.now, &mut self.ledger);
        self.closed = false;
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Settled(settled) => {
                    let answered = matches!(settled.verdict, Verdict::Accepted | Verdict::Rejected { .. });
                    let before = self.settled.insert(settled.id, settled.verdict);
                    assert_eq!(before, settled.corrects, "one verdict, but for a late answer");
                    assert!(before.is_none_or(|before| answered && before == Verdict::NoReply));
                }
                Output::Send(bytes) => {
                    assert!(!self.closed && bytes.last() == Some(&b'\n'));
                    assert!(serde_json::from_slice::<IgnoredAny>(&bytes).is_ok());
                }
                Output::Job(job) => {
                    assert!(!self.closed);
                    self.jobs.push(job);
                }
                Output::Close(_) => assert!(!std::mem::replace(&mut self.closed, true), "closed twice"),
                _ => assert!(!self.closed, "nothing but verdicts behind a close"),
            }
        }
        let held = self.session.held();
        let limits = self.session.dialect.limits();
        assert!(held.line_bytes <= limits.line_cap_bytes && held.jobs <= limits.job_ring);
        assert!(held.works <= MAX_WORKS && held.nonces <= MAX_NONCES);
        assert!(self.ledger.balances() && self.ledger.pending() == held.pending);
        assert_eq!(self.ledger.total().found, self.hits);
    }
}

fn monero() -> Box<dyn Dialect> {
    Box::new(Monero::new(MoneroConfig {
        login: "w".into(),
        pass: "x".into(),
        rig_id: None,
        agent: "a".into(),
        algorithm: &registry::RANDOMX,
        also: Vec::new(),
        nicehash: None,
        keepalive: true,
    }))
}

fn bitcoin() -> Box<dyn Dialect> {
    Box::new(Bitcoin::new(BitcoinConfig {
        user: "w".into(),
        pass: "x".into(),
        agent: "a".into(),
        algorithm: &registry::SHA256D,
        options: BitcoinOptions::default(),
        extranonce_subscribe: true,
        plain: false,
        seed: 1,
    }))
}

fn kaspa() -> Box<dyn Dialect> {
    Box::new(Kaspa::new(KaspaConfig {
        user: "w".into(),
        pass: "x".into(),
        agent: "a".into(),
        algorithm: &registry::KHEAVYHASH,
        patience: 1,
    }))
}
