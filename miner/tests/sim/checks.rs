//! What must hold after every event, by figures that are kept here and not by the client.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rminer_stratum::dialect::CloseReason;
use rminer_stratum::supervisor::{ConnId, PoolEvent};
use rminer_stratum::{Job, NotSent, RedirectPolicy, Settled, ShareId, Verdict};

use crate::device::Claim;
use crate::marks::Mark;
use crate::network::Conn;
use crate::pool::Pool;
use crate::rates::{MS, S, Us};
use crate::world::World;

/// Tries to connect to a pool that ten minutes without an accepted share may see, and redirects that ten minutes may.
const MAX_CONNECTS: usize = 40;
const MAX_REDIRECTS: usize = 3;
const CONNECT_WINDOW: Us = 600 * S;
/// Silence after which a keepalive goes out, and after which the connection is given up.
const KEEPALIVE_AFTER: Us = 60 * S;
const IDLE: Us = 90 * S;
/// Silence behind a share after which the connection is given up.
const SHARE_REPLY: Us = 20 * S;
/// Deadlines are exact here; this is for rounding.
const SLACK: Us = MS;
/// Bounds of the client.
const MAX_LINE: usize = 64 * 1024;
const MAX_JOBS: usize = 8;
const MAX_PENDING: usize = 1024;
const MAX_WORKS: usize = 32;
const MAX_NONCES: usize = 65_536;

/// Whether a share may stay unsent, and why.
#[derive(Debug, Clone, Copy, Default)]
struct Excuses {
    above_target: bool,
    duplicate: bool,
    stale: bool,
    throttled: bool,
}

/// The books.
pub(crate) struct Checks {
    pub(crate) failure: Option<String>,
    /// Hits given to the client.
    pub(crate) handed: u64,
    /// Whether the client had any part in the event.
    pub(crate) touched: bool,
    /// Whether the event sent a share.
    pub(crate) sent: bool,
    /// Whether the event is the end of a connection.
    pub(crate) closing: bool,
    settled: BTreeSet<ShareId>,
    corrected: BTreeSet<ShareId>,
    no_reply: BTreeSet<ShareId>,
    last_not_sent: Option<NotSent>,
    excuses: Excuses,
    pending_claim: Option<(u32, u64, u32)>,
    /// Nonces of each work that were sent in a session.
    sent_nonces: BTreeMap<u32, BTreeSet<(u64, u32)>>,
    connects: Vec<VecDeque<Us>>,
    redirects: Vec<VecDeque<Us>>,
    /// When the faults ended, and when the first share was accepted after that.
    pub(crate) healthy_since: Option<Us>,
    pub(crate) first_accepted: Option<Us>,
}

impl Checks {
    pub(crate) fn new(pools: usize) -> Self {
        Self {
            failure: None,
            handed: 0,
            touched: true,
            sent: false,
            closing: false,
            settled: BTreeSet::new(),
            corrected: BTreeSet::new(),
            no_reply: BTreeSet::new(),
            last_not_sent: None,
            excuses: Excuses::default(),
            pending_claim: None,
            sent_nonces: BTreeMap::new(),
            connects: vec![VecDeque::new(); pools],
            redirects: vec![VecDeque::new(); pools],
            first_accepted: None,
            healthy_since: None,
        }
    }

    /// The first thing that went wrong counts.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failure.get_or_insert(what.into());
    }

    pub(crate) fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.fail(what());
        }
    }

    /// The client connects to a pool.
    pub(crate) fn connect(&mut self, now: Us, place: usize, pool: &Pool, address: Option<&(String, u16)>) {
        let recent = &mut self.connects[place];
        recent.retain(|at| now - at < CONNECT_WINDOW);
        recent.push_back(now);
        let count = recent.len();
        self.demand(count <= MAX_CONNECTS, || format!("{count} connects to pool {place} within ten minutes"));
        let Some((host, _)) = address else { return };
        let own = &pool.host;
        let allowed = host.eq_ignore_ascii_case(own)
            || pool.habits.verified
                && match pool.habits.redirect {
                    RedirectPolicy::SameHost => false,
                    RedirectPolicy::SameDomain => host.ends_with(&format!(".{own}")),
                    RedirectPolicy::Any => true,
                };
        self.demand(allowed, || format!("goes to {host} where {own} is configured"));
    }

    fn redirected(&mut self, now: Us, place: usize) {
        let recent = &mut self.redirects[place];
        recent.retain(|at| now - at < CONNECT_WINDOW);
        recent.push_back(now);
        let count = recent.len();
        self.demand(count <= MAX_REDIRECTS, || {
            format!("{count} redirects of pool {place} within ten minutes")
        });
    }

    /// A connection was ended by the pool or the network.
    pub(crate) fn ended(&mut self, now: Us, conn: &Conn, pools: &mut [Pool]) {
        // The client blames the keepalive for an end so soon, and may send none to this pool any more.
        if conn.server.keepalive_at.is_some_and(|at| now - at < 5 * S) {
            pools[conn.pool].broke_keepalive = true;
        }
    }
}

impl World {
    /// Everything that must hold at any time.
    pub(crate) fn check(&mut self) {
        if !std::mem::take(&mut self.checks.touched) {
            return;
        }
        let held = self.client.held();
        let ledger = self.client.ledger();
        let (total, balances, pending) = (ledger.total(), ledger.balances(), ledger.pending());
        let checks = &mut self.checks;
        checks.demand(balances, || format!("the ledger does not balance: {total:?}"));
        let handed = checks.handed;
        checks.demand(total.found == handed, || format!("{handed} hits were handed in: {total:?}"));
        let settled = checks.settled.len();
        checks.demand(settled + pending == usize::try_from(total.found).unwrap(), || {
            format!("{settled} verdicts were told and {pending} are open: {total:?}")
        });
        checks.demand(pending == held.pending, || format!("{pending} rows are open, but {held:?}"));
        let bounded = held.line_bytes <= MAX_LINE
            && held.jobs <= MAX_JOBS
            && held.pending <= MAX_PENDING
            && held.works <= MAX_WORKS
            && held.nonces <= MAX_NONCES
            && held.connections <= 2 * self.pools.len();
        checks.demand(bounded, || format!("over a bound: {held:?}"));
        checks.demand(held.connections == self.conns.len(), || {
            format!("{} connections are left, but {held:?}", self.conns.len())
        });
        for (place, pool) in self.pools.iter().enumerate() {
            let accepted = ledger.pool(place).map_or(0, |counts| counts.accepted);
            checks.demand(accepted <= pool.accepted, || {
                format!("pool {place} accepted {} shares, the ledger says {accepted}", pool.accepted)
            });
        }
        if !self.stopping && !self.over {
            let (job, active) = (self.miner.job().map(|job| job.pool), self.client.active_pool());
            checks.demand(job == active, || format!("mines for pool {job:?} while {active:?} is active"));
            let connects = self.conns.values().any(|conn| !conn.open);
            let waits = connects || self.client.poll_timeout().is_some();
            checks.demand(waits, || "waits for nothing".into());
        }
        self.check_silence();
    }

    /// Silence is noticed in time, and met with a keepalive before.
    fn check_silence(&mut self) {
        for (id, conn) in self.conns.iter().filter(|(_, conn)| conn.open) {
            let silent = self.now.saturating_sub(conn.heard + SLACK);
            let waits = conn.unanswered.is_some_and(|since| self.now > since + SHARE_REPLY + SLACK);
            self.checks.demand(!waits, || format!("{id:?} is silent behind a share, and still up"));
            if self.pools[conn.pool].broke_keepalive {
                continue;
            }
            self.checks.demand(silent <= IDLE, || format!("{id:?} is silent for {} s", silent / S));
            let asked = conn.server.keepalive_at.is_some_and(|at| at >= conn.heard);
            let must = silent > KEEPALIVE_AFTER && conn.server.client_is_in(conn.delivered);
            self.checks.demand(!must || asked, || format!("{id:?} is silent, and no keepalive was sent"));
        }
    }

    /// The job that the client says to mine is one that the pool gave, in every part.
    pub(crate) fn check_job(&mut self, job: &Arc<Job>) {
        let id = self.sessions.get(job.key.session as usize - 1).copied();
        // A job in the last line of a connection that has just ended is of no use, and harmless.
        let Some(conn) = id.and_then(|id| self.conns.get(&id)) else {
            let closing = self.checks.closing;
            return self.checks.demand(closing, || format!("{:?} is of no connection", job.key));
        };
        let work = job.template.work(0).unwrap();
        let key = crate::toy::key(work.blob(), work.seed().unwrap());
        let target = job.target.to_le_bytes();
        let below = u64::from_le_bytes(target[24..].try_into().unwrap()).saturating_add(1);
        let known = conn
            .server
            .records
            .iter()
            .any(|record| record.usable && record.key == key && record.limit == below);
        if !self.miner.remembers(key) {
            self.pools[conn.pool].forgive(key);
        }
        let nicehash = work.nonce_field().free_bits == 24;
        self.checks.demand(known, || format!("{job:?} is no job that the pool gave"));
        self.checks.demand(job.pool == conn.pool, || format!("{:?} is of pool {}", job.key, conn.pool));
        if nicehash {
            self.marks.hit(Mark::NiceHash);
        }
    }

    /// After bytes for the active connection: its newest job is what is mined.
    pub(crate) fn check_newest(&mut self, id: ConnId) {
        let Some(job) = self.miner.job() else { return };
        if self.sessions.get(job.key.session as usize - 1) != Some(&id) {
            return;
        }
        let Some(conn) = self.conns.get(&id) else { return };
        let work = job.template.work(0).unwrap();
        let key = crate::toy::key(work.blob(), work.seed().unwrap());
        if let Some(newest) = conn.server.newest_delivered(conn.delivered) {
            let same = newest.key == key;
            self.checks.demand(same, || format!("mines {:?} while {} is newer", job.key, newest.id));
        }
    }

    /// Before a hit is handed in: which verdicts would be right if it is not sent.
    pub(crate) fn expect_verdict(&mut self, claim: &Claim) {
        let session = claim.job.key.session;
        let current = self.miner.job().is_some_and(|job| job.key == claim.job.key);
        let conn = self.sessions.get(session as usize - 1).and_then(|id| self.conns.get(id));
        let sent = self.checks.sent_nonces.get(&session);
        self.checks.excuses = Excuses {
            above_target: !claim.job.target.is_met_by(&claim.hash),
            duplicate: sent.is_some_and(|sent| sent.contains(&(claim.key, claim.nonce))),
            stale: !current,
            throttled: conn.is_none_or(|conn| conn.server.is_throttled(self.now))
                || self.client.ledger().pending() >= MAX_PENDING,
        };
        self.checks.last_not_sent = None;
        self.checks.sent = false;
        self.checks.sent_nonces.entry(session).or_default();
        self.checks.pending_claim = Some((session, claim.key, claim.nonce));
    }

    /// After it.
    pub(crate) fn check_verdict(&mut self) {
        let checks = &mut self.checks;
        let excuses = checks.excuses;
        let Excuses { above_target, duplicate, stale, throttled } = excuses;
        let claim = checks.pending_claim.take();
        if checks.sent {
            checks.demand(!above_target && !duplicate, || format!("sends {claim:?}: {excuses:?}"));
            if let Some((session, key, nonce)) = claim {
                checks.sent_nonces.entry(session).or_default().insert((key, nonce));
            }
            return;
        }
        let (mark, excused) = match checks.last_not_sent {
            Some(NotSent::Miscompute) => (Mark::AboveTargetStopped, above_target),
            Some(NotSent::Duplicate) => (Mark::DuplicateStopped, duplicate),
            Some(NotSent::Stale) => (Mark::StaleNotSent, stale),
            Some(NotSent::Throttled) => (Mark::Throttled, throttled),
            None => return checks.fail(format!("{claim:?} is neither sent nor settled")),
        };
        checks.demand(excused, || format!("{claim:?} is not sent as {mark:?}: {excuses:?}"));
        self.marks.hit(mark);
    }

    /// A row got its verdict.
    pub(crate) fn settled(&mut self, settled: &Settled) {
        let checks = &mut self.checks;
        let id = settled.id;
        let answered = matches!(settled.verdict, Verdict::Accepted | Verdict::Rejected { .. });
        match &settled.corrects {
            None => {
                let new = checks.settled.insert(id);
                checks.demand(new, || format!("{id:?} gets another verdict: {:?}", settled.verdict));
            }
            Some(old) => {
                let once = checks.no_reply.contains(&id) && checks.corrected.insert(id);
                let right = once && *old == Verdict::NoReply && answered;
                checks.demand(right, || format!("{id:?}: {:?} corrects {old:?}", settled.verdict));
                self.marks.hit(Mark::LateVerdictCorrected);
            }
        }
        let checks = &mut self.checks;
        match &settled.verdict {
            Verdict::Accepted => {
                self.marks.hit(Mark::Accepted);
                // A pool that takes shares may be come back to at any time.
                checks.connects[settled.row.pool].clear();
                if checks.closing {
                    self.marks.hit(Mark::AnsweredAtClose);
                }
                if checks.healthy_since.is_some() {
                    checks.first_accepted.get_or_insert(self.now);
                }
                if self.client.active_pool().is_some_and(|active| active != settled.row.pool) {
                    self.marks.hit(Mark::DrainedAnswer);
                }
            }
            Verdict::Rejected { .. } => self.marks.hit(Mark::Rejected),
            Verdict::NoReply => {
                checks.no_reply.insert(id);
                self.marks.hit(Mark::NoReply);
            }
            Verdict::Lost => self.marks.hit(Mark::Lost),
            Verdict::NotSent(why) => checks.last_not_sent = Some(*why),
        }
    }

    /// Something that people are told about a pool.
    pub(crate) fn pool_event(&mut self, pool: usize, what: &PoolEvent) {
        let mark = match what {
            PoolEvent::Active if pool == self.client.preferred_pool() && pool > 0 => Mark::Switched,
            PoolEvent::Active if self.last_active.is_some_and(|last| pool > last) => Mark::FailedOver,
            PoolEvent::Active if pool == 0 && self.last_active.is_some_and(|last| last > 0) => Mark::Returned,
            PoolEvent::Waiting(_) => Mark::Waiting,
            PoolEvent::Notice(text) if text.contains("another host") => Mark::ReconnectRefused,
            PoolEvent::Notice(text) if text.contains("reconnect too often") => Mark::ReconnectIgnored,
            PoolEvent::Down { reason, retry_in } => {
                if *reason == CloseReason::Redirected {
                    self.checks.redirected(self.client_time(), pool);
                }
                if retry_in.is_some_and(|rest| rest.as_secs() >= 600) {
                    self.marks.hit(Mark::BanRest);
                }
                match reason {
                    CloseReason::Network(_) => Mark::Network,
                    CloseReason::Connect(_) => Mark::Connect,
                    CloseReason::Idle(_) => Mark::Idle,
                    CloseReason::LoginTimeout(_) => Mark::LoginTimeout,
                    CloseReason::NoJob(_) => Mark::NoJob,
                    CloseReason::NothingToMine(_) => Mark::NothingToMine,
                    CloseReason::SlowLine(_) => Mark::SlowLine,
                    CloseReason::LongLine(_) => Mark::LongLine,
                    CloseReason::Flood => Mark::Flood,
                    CloseReason::ShareTimeout(_) => Mark::ShareTimeout,
                    CloseReason::Protocol(_)
                    | CloseReason::PeerSpeaksHttp(_)
                    | CloseReason::PeerSpeaksHttp2 => Mark::Protocol,
                    CloseReason::PeerSpeaksTls => Mark::PeerSpeaksTls,
                    CloseReason::LoginRefused(_) => Mark::LoginRefused,
                    CloseReason::Banned(_) => Mark::Banned,
                    CloseReason::Algorithm(_) => Mark::AlgorithmRefused,
                    CloseReason::SessionExpired => Mark::SessionExpired,
                    CloseReason::StaleShares => Mark::StaleShares,
                    CloseReason::Redirected => Mark::Redirected,
                    CloseReason::Suspended => Mark::Suspended,
                    other => return self.checks.fail(format!("pool {pool} is down: {other:?}")),
                }
            }
            _ => return,
        };
        self.marks.hit(mark);
    }

    /// At the very end: everything is settled.
    pub(crate) fn check_end(&mut self) {
        let pending = self.client.ledger().pending();
        let over = self.over;
        self.checks.demand(over, || "does not stop".into());
        self.checks.demand(pending == 0, || format!("{pending} rows are open at the end"));
        self.checks.demand(self.conns.is_empty(), || "connections are left at the end".into());
    }
}
