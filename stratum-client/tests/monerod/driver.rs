//! A session with a node, whose HTTP exchanges are made by `curl`, one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Hash, Reference, registry};
use rminer_stratum::dialect::monerod::{Monerod, MonerodConfig};
use rminer_stratum::dialect::{CloseReason, HttpFailure, HttpReply, HttpRequest};
use rminer_stratum::session::{Output, Session};
use rminer_stratum::{Job, Ledger, Share, ShareId, Verdict};

use super::support::{Node, curl};

/// No verdict and no job takes longer, whatever else this machine does.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Driver {
    url: String,
    login: Option<String>,
    session: Session,
    ledger: Ledger,
    wire: VecDeque<HttpRequest>,
    job: Option<Arc<Job>>,
    verdicts: BTreeMap<ShareId, Verdict>,
    closed: Option<CloseReason>,
    reference: Box<dyn Reference>,
    shares: u64,
    last_nonce: u64,
}

impl Driver {
    /// With its first job.
    pub(crate) fn start(node: &Node) -> Self {
        let mut driver = Self::unstarted(node, &node.address(), None);
        driver.until(PATIENCE, Self::has_job);
        driver
    }

    /// Before the first exchange.
    pub(crate) fn unstarted(node: &Node, wallet: &str, login: Option<&str>) -> Self {
        let config = MonerodConfig {
            wallet: wallet.to_owned(),
            extra_nonce: *b"12345678",
            algorithm: &registry::RANDOMX,
            later: None,
        };
        let mut ledger = Ledger::default();
        let dialect = Box::new(Monerod::new(config));
        let session = Session::start(1, 0, dialect, Instant::now(), &mut ledger);
        Self {
            url: node.url(),
            login: login.map(str::to_owned),
            session,
            ledger,
            wire: VecDeque::new(),
            job: None,
            verdicts: BTreeMap::new(),
            closed: None,
            reference: (registry::RANDOMX.reference)().unwrap(),
            shares: 0,
            last_nonce: 0,
        }
    }

    pub(crate) fn has_job(&self) -> bool {
        self.job.is_some()
    }

    pub(crate) fn job(&self) -> &Job {
        self.job.as_ref().unwrap()
    }

    pub(crate) fn closed(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn last_nonce(&self) -> u64 {
        self.last_nonce
    }

    /// Finds a block of the newest job by hashing, and hands it in.
    pub(crate) fn mine(&mut self) -> ShareId {
        let job = Arc::clone(self.job.as_ref().unwrap());
        let work = job.template.work(0).unwrap();
        for nonce in 0..100_000 {
            let hash = self.reference.hash(&work, nonce).unwrap();
            if job.target.is_met_by(&hash) {
                return self.hand_in(job, nonce, hash);
            }
        }
        panic!("100,000 hashes and no block at difficulty {}", job.target.difficulty());
    }

    /// Hands in a nonce that nobody has hashed.
    pub(crate) fn claim(&mut self, nonce: u64) -> ShareId {
        let id = self.claim_without_waiting(nonce);
        self.until(PATIENCE, |driver| driver.verdicts.contains_key(&id));
        id
    }

    /// As [`Driver::claim`]; the node hears of it at the next step.
    pub(crate) fn claim_without_waiting(&mut self, nonce: u64) -> ShareId {
        let job = Arc::clone(self.job.as_ref().unwrap());
        self.hand_in(job, nonce, Hash([0; 32]))
    }

    fn hand_in(&mut self, job: Arc<Job>, nonce: u64, hash: Hash) -> ShareId {
        let now = Instant::now();
        let share = Share { job, roll: 0, nonce, hash, device: 0, found: now };
        self.last_nonce = nonce;
        self.session.share(now, &share, &mut self.ledger);
        self.drain();
        // The ledger counts its rows from 1.
        self.shares += 1;
        ShareId(self.shares)
    }

    /// The verdict, once it is there and the next job too.
    pub(crate) fn verdict(&mut self, id: ShareId) -> Verdict {
        self.until(PATIENCE, |driver| driver.verdicts.contains_key(&id) && driver.wire.is_empty());
        self.verdicts[&id].clone()
    }

    /// Goes on until the condition holds.
    pub(crate) fn until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + limit;
        self.drain();
        while !done(self) {
            assert!(Instant::now() < end, "not within {limit:?}; closed: {:?}", self.closed);
            self.step();
        }
    }

    /// One exchange, or a wait for the next deadline.
    fn step(&mut self) {
        if let Some(request) = self.wire.pop_front() {
            let url = format!("{}{}", self.url, request.path);
            let outcome =
                curl(&url, self.login.as_deref(), request.body.as_deref(), request.timeout.as_secs());
            let reply = HttpReply {
                tag: request.tag,
                outcome: outcome
                    .as_ref()
                    .map(|(status, body)| (*status, &body[..]))
                    .map_err(|why| HttpFailure::Other(why)),
            };
            self.session.http(Instant::now(), reply, &mut self.ledger);
        } else {
            let wait = self.session.deadline().map(|at| at.saturating_duration_since(Instant::now()));
            std::thread::sleep(wait.unwrap_or_default().min(Duration::from_millis(100)));
            self.session.tick(Instant::now(), &mut self.ledger);
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Http(request) => self.wire.push_back(request),
                Output::Job(job) => self.job = Some(job),
                Output::Settled(settled) => {
                    self.verdicts.insert(settled.id, settled.verdict);
                }
                Output::Close(reason) => self.closed = Some(reason),
                Output::LoggedIn | Output::Waiting(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
