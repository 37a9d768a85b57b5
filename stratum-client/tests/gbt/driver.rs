//! The whole client with a node, and a search for blocks that is slow and obvious.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Reference, registry};
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::dialect::CloseReason;
use rminer_stratum::supervisor::{Event, PoolEvent};
use rminer_stratum::{Credentials, Job, Ledger, PoolConfig, Settled, Share, Verdict};
use secrecy::SecretString;

use super::support::BitcoinNode;

/// Nothing takes longer, whatever else this machine does.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Driver {
    runtime: tokio::runtime::Runtime,
    client: Client,
    reference: Box<dyn Reference>,
    job: Option<Arc<Job>>,
    settled: Vec<Settled>,
    notices: Vec<String>,
    downs: Vec<CloseReason>,
}

/// How to reach a node, and whom its blocks pay.
pub(crate) struct Way<'a> {
    pub(crate) login: &'a str,
    pub(crate) cookie: Option<PathBuf>,
    pub(crate) address: &'a str,
}

impl Driver {
    /// With the node's own login and address.
    pub(crate) fn start(node: &BitcoinNode) -> Self {
        let (login, address) = (node.get("BTC_LOGIN"), node.get("BTC_ADDRESS"));
        let mut driver = Self::on(node.port, &Way { login: &login, cookie: None, address: &address });
        driver.until(|driver| driver.job.is_some());
        driver
    }

    /// Before anything was said.
    pub(crate) fn on(port: u16, way: &Way<'_>) -> Self {
        let at = if way.login.is_empty() { String::new() } else { format!("{}@", way.login) };
        let url = format!("gbt+http://{at}127.0.0.1:{port}").parse().unwrap();
        let credentials =
            Credentials { user: way.address.into(), pass: SecretString::from("x"), rig_id: None };
        let mut pool = PoolConfig::new(url, credentials, &registry::SHA256D);
        pool.rpc_cookie.clone_from(&way.cookie);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = {
            let _inside = runtime.enter();
            Client::new(vec![pool], ClientOptions::default()).unwrap()
        };
        Self {
            runtime,
            client,
            reference: (registry::SHA256D.reference)().unwrap(),
            job: None,
            settled: Vec::new(),
            notices: Vec::new(),
            downs: Vec::new(),
        }
    }

    pub(crate) fn job(&self) -> &Arc<Job> {
        self.job.as_ref().unwrap()
    }

    pub(crate) fn has_job(&self) -> bool {
        self.job.is_some()
    }

    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }

    pub(crate) fn downs(&self) -> &[CloseReason] {
        &self.downs
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.client.ledger()
    }

    /// Finds a block of the newest job and hands it in.
    pub(crate) fn hand_in(&mut self) {
        let share = self.solve(&Arc::clone(self.job()), 0);
        let _inside = self.runtime.enter();
        self.client.submit(&share);
    }

    /// A block of `job` behind `first`.
    pub(crate) fn solve(&mut self, job: &Arc<Job>, first: u64) -> Share {
        let work = job.template.work(0).unwrap();
        for nonce in first..first + 1_000_000 {
            let hash = self.reference.hash(&work, nonce).unwrap();
            if job.target.is_met_by(&hash) {
                return Share {
                    job: Arc::clone(job),
                    roll: 0,
                    nonce,
                    hash,
                    device: 0,
                    found: Instant::now(),
                };
            }
        }
        panic!("a million hashes and no block at difficulty {}", job.target.difficulty());
    }

    pub(crate) fn submit(&mut self, share: &Share) {
        let _inside = self.runtime.enter();
        self.client.submit(share);
    }

    /// Finds a block, hands it in, and waits for verdict and next height.
    pub(crate) fn mine(&mut self) -> Verdict {
        let (height, before) = (self.job().height, self.settled.len());
        self.hand_in();
        self.until(|driver| driver.settled.len() > before);
        let verdict = self.settled[before].verdict.clone();
        if verdict == Verdict::Accepted {
            self.until(|driver| driver.job.as_ref().is_some_and(|job| job.height > height));
        }
        verdict
    }

    /// The verdict of the share number `place`, from 0.
    pub(crate) fn verdict(&mut self, place: usize) -> Verdict {
        self.until(|driver| driver.settled.len() > place);
        self.settled[place].verdict.clone()
    }

    /// Goes on until the condition holds.
    pub(crate) fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            let left = end.saturating_duration_since(Instant::now());
            let next = self.client.next();
            let event = self.runtime.block_on(async { tokio::time::timeout(left, next).await });
            match event.unwrap_or_else(|_| panic!("not in time; downs: {:?}", self.downs)) {
                Event::Job(job) => {
                    self.job = Some(job);
                }
                Event::Settled(settled) => self.settled.push(settled),
                Event::Pool { what: PoolEvent::Notice(text), .. } => self.notices.push(text),
                Event::Pool { what: PoolEvent::Down { reason, .. }, .. } => self.downs.push(reason),
                _ => {}
            }
        }
    }
}
