//! One line for each event: for terminals, logs and screen readers alike.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use rminer_algos::registry::Family;
use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::{Job, Reject, Settled, Verdict};

use super::often::{LastJob, Often};
use super::other_time::OtherTime;
use super::problems::Downs;
use super::units::{count, duration, hashrate};
use super::{AT_ONCE, EXHAUSTED_EVERY, JOBS_EVERY, Screen, Stamp, numbers, problems, table};
use crate::devices::{DatasetReady, Notice, RandomxMemory};
use crate::engine::{CrewEvent, Happening, Obeyed, Snapshot};
use crate::problem::Problem;
use crate::records::{Causes, Records};
use crate::safety::CapChange;

/// Jobs between two reports of rates that are worth a word.
const MANY_JOBS: u64 = 10;

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// Warnings and errors.
    Problems,
    /// What people want to know.
    News,
    /// Every job, every try, every worker.
    All,
}

/// Writes lines.
pub(super) struct Lines {
    out: Box<dyn Write>,
    family: Family,
    pools: Vec<String>,
    detail: Detail,
    records: Arc<Records>,
    causes: Causes,
    accepted: u64,
    refused: u64,
    /// Expected hashes of all shares that a pool took or refused.
    answered_hashes: f64,
    last_job: LastJob,
    jobs: Often,
    /// Jobs since the last report of rates.
    jobs_counted: u64,
    exhausted: Often,
    last_percent: u8,
    other_time: OtherTime,
    downs: Downs,
    stamp: Stamp,
}

impl Lines {
    pub(super) fn new(
        out: Box<dyn Write>,
        family: Family,
        pools: Vec<String>,
        records: Arc<Records>,
        detail: Detail,
    ) -> Self {
        let downs = Downs::new(pools.len());
        Self {
            out,
            family,
            pools,
            detail,
            records,
            causes: Causes::default(),
            accepted: 0,
            refused: 0,
            answered_hashes: 0.0,
            last_job: LastJob::default(),
            jobs: Often::new(JOBS_EVERY, AT_ONCE),
            jobs_counted: 0,
            exhausted: Often::new(EXHAUSTED_EVERY, 1),
            last_percent: 0,
            other_time: OtherTime::default(),
            downs,
            stamp: Stamp::default(),
        }
    }

    /// With this before each line.
    pub(super) fn stamped(self, stamp: Stamp) -> Self {
        Self { stamp, ..self }
    }

    /// What comes from now on goes to `out`.
    pub(super) fn write_to(&mut self, out: Box<dyn Write>) {
        self.out = out;
    }

    /// A difficulty as the pools count it, from expected hashes.
    fn difficulty(&self, hashes: f64) -> String {
        count(self.family.pool_difficulty(hashes))
    }

    fn line(&mut self, topic: &str, text: &str) -> io::Result<()> {
        if self.detail < Detail::News {
            return Ok(());
        }
        self.out.write_all(self.stamp.line(&format!("{topic:<8} {text}")).as_bytes())?;
        self.out.flush()
    }

    fn problem(&mut self, problem: &Problem) -> io::Result<()> {
        self.out.write_all(self.stamp.problem(problem).as_bytes())?;
        self.out.flush()
    }

    fn pool(&mut self, pool: usize, what: &PoolEvent) -> io::Result<()> {
        let topic = format!("pool {}", pool + 1);
        let name = self.pools.get(pool).cloned().unwrap_or_default();
        if let Some((problem, again)) = self.downs.of(pool, &name, what) {
            return if again && self.detail < Detail::All { Ok(()) } else { self.problem(&problem) };
        }
        match what {
            PoolEvent::Connecting | PoolEvent::Connected if self.detail < Detail::All => Ok(()),
            PoolEvent::Connecting => self.line(&topic, &format!("connecting to {name}")),
            PoolEvent::Connected => self.line(&topic, "connected"),
            PoolEvent::LoggedIn => self.line(&topic, &format!("login ok at {name}")),
            PoolEvent::Waiting(text) => self.line(&topic, &format!("has nothing to mine yet: {text}")),
            PoolEvent::Active => self.line(&topic, &format!("mining for {name}")),
            PoolEvent::Notice(text) => self.line(&topic, text),
            PoolEvent::Down { .. } => Ok(()),
        }
    }

    fn job(&mut self, job: &Job) -> io::Result<()> {
        self.causes.job(job);
        if let Some(problem) = self.other_time.of(job) {
            self.problem(&problem)?;
        }
        self.jobs_counted += 1;
        let is_news = self.last_job.is_news(job);
        if !is_news && self.detail < Detail::All {
            return Ok(());
        }
        let Some(jobs) = self.jobs.happened(Instant::now(), is_news) else { return Ok(()) };
        let number = if jobs > 1 { format!("{jobs} jobs, ") } else { String::new() };
        let height = job.height.map(|height| format!(" height {height},")).unwrap_or_default();
        let difficulty = self.difficulty(job.target.difficulty());
        let text = format!("{number}pool {}{height} difficulty {difficulty}", job.pool + 1);
        self.line("job", &text)
    }

    fn share(&mut self, settled: &Settled, device: &str) -> io::Result<()> {
        let row = &settled.row;
        let stale = self.causes.settled(settled);
        if matches!(settled.verdict, Verdict::Accepted | Verdict::Rejected { .. }) {
            self.answered_hashes += row.difficulty;
        }
        self.refused += u64::from(matches!(settled.verdict, Verdict::Rejected { .. }));
        if let Some(problem) = problems::share(self.family, settled, device) {
            return self.problem(&problem);
        }
        let (hash, wanted) = (self.difficulty(row.hash_difficulty), self.difficulty(row.difficulty));
        let found = format!("found {hash} of {wanted}");
        let answer = settled.answer.map(|answer| format!("  {}", duration(answer))).unwrap_or_default();
        let text = match &settled.verdict {
            Verdict::Accepted => {
                self.accepted += 1;
                let word = if row.block { "BLOCK " } else { "ok    " };
                format!("{word} {device}  {}  {found}{answer}", self.accepted)
            }
            Verdict::Rejected { kind: Reject::Stale, .. } => {
                let why = stale.map(|stale| stale.text()).unwrap_or_default();
                let cost_percent = 100.0 * row.difficulty / self.answered_hashes;
                let (accepted, refused) = (self.accepted, self.refused);
                format!(
                    "STALE  {device}  {accepted}+{refused}  {found}{answer}  {why}; cost {cost_percent:.2} %"
                )
            }
            Verdict::NoReply => format!("no reply {device}  {found}; a late answer still counts"),
            Verdict::Lost => format!("lost   {device}  {found}; the connection ended before the answer"),
            Verdict::NotSent(why) => format!("not sent ({why})  {device}  {found}"),
            // A problem, which was told above.
            Verdict::Rejected { .. } => return Ok(()),
        };
        let corrected = if settled.corrects.is_some() { "  (late answer)" } else { "" };
        self.line("share", &format!("{text}{corrected}"))
    }

    fn crew(&mut self, event: &CrewEvent, device: &str, worker: u16) -> io::Result<()> {
        match problems::crew(event, device, worker) {
            Some(problem) => self.problem(&problem),
            None if self.detail < Detail::All => Ok(()),
            None => self.line(device, &format!("worker {worker} is ready")),
        }
    }

    fn notice(&mut self, notice: &Notice) -> io::Result<()> {
        match notice {
            Notice::DatasetProgress { device, done_percent } => {
                // A new job interrupts the filling, which then goes on from where it was: no news.
                let quarter = done_percent / 25;
                if quarter <= self.last_percent / 25 || quarter == 4 {
                    return Ok(());
                }
                self.last_percent = *done_percent;
                self.line(device, &format!("dataset {done_percent} %"))
            }
            Notice::DatasetReady(ready) => {
                self.last_percent = 0;
                self.line(&ready.device, &ready_text(ready))
            }
            Notice::LanesChosen { device, lanes, rates } => self.line(device, &lanes_text(*lanes, rates)),
            Notice::Warning(problem) => self.problem(problem),
        }
    }
}

/// `2 hashes at once in each thread, as measured: 1: 512 H/s, 2: 601 H/s, 3: 588 H/s`
fn lanes_text(lanes: usize, rates: &[(usize, f64)]) -> String {
    let rates: Vec<_> = rates.iter().map(|(lanes, hs)| format!("{lanes}: {}", hashrate(Some(*hs)))).collect();
    let hashes = if lanes == 1 { "hash" } else { "hashes" };
    format!("{lanes} {hashes} at once in each thread, as measured: {}", rates.join(", "))
}

fn cap_change(change: &CapChange) -> String {
    let CapChange { device, from, to, cause } = change;
    match cause {
        Some(cap) => format!("{device} {from} -> {to}: {}, {}", cap.reason.name(), cap.detail),
        None => format!("{device} {from} -> {to}: nothing holds it back any more"),
    }
}

fn ready_text(ready: &DatasetReady) -> String {
    let what = match ready.mode {
        RandomxMemory::Fast => "dataset ready",
        RandomxMemory::Light => "cache ready, light mode",
    };
    let pages = match ready.huge_pages_want {
        0 => "normal pages".to_owned(),
        want => format!("huge pages {} of {want}", ready.huge_pages_have),
    };
    let took = duration(std::time::Duration::from_millis(ready.init_ms));
    format!("{what} in {took}, {} threads, {pages}", ready.threads)
}

impl Screen for Lines {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        match happening {
            Happening::Pool(pool, what) => self.pool(*pool, what),
            Happening::Path(pool, path) => {
                self.line(&format!("pool {}", pool + 1), &format!("connected {path}"))
            }
            Happening::Job(job) => self.job(job),
            Happening::NoJob => self.line("pause", "no pool has work; not hashing"),
            Happening::Share(settled, device) => self.share(settled, device),
            Happening::Excess(_, device, number) => self.line(
                "share",
                &format!("not sent (throttled)  {device}  {number} hits more than a pool is sent"),
            ),
            Happening::Crew(event, device, worker) => self.crew(event, device, *worker),
            Happening::Device(notice) => self.notice(notice),
            Happening::Cap(change) => self.line("limit", &cap_change(change)),
            Happening::Order(Obeyed { what, outcome: Ok(text) }) => {
                self.line("order", &format!("{what}: {text}"))
            }
            Happening::Order(Obeyed { what, outcome: Err(problem) }) => {
                self.line("order", &format!("{what}: not done"))?;
                self.problem(problem)
            }
            Happening::Warning(problem) => self.problem(problem),
            Happening::Mismatch(text) => self.problem(&Problem::warning("check", text.clone())),
            Happening::RareShares(rare) => self.problem(&problems::rare_shares(self.family, rare)),
            Happening::Exhausted => match self.exhausted.happened(Instant::now(), false) {
                None => Ok(()),
                Some(1) => self.line("pause", "all nonces of this job are used; waiting for the next"),
                Some(jobs) => {
                    self.line("pause", &format!("all nonces of {jobs} jobs were used before the next came"))
                }
            },
        }
    }

    fn rates(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let rates = &snapshot.rates;
        let shares = &snapshot.shares;
        let mut text = format!(
            "{} 10 s   {} 60 s   {} 15 min   best {}   shares {}",
            hashrate(rates.s10_hs),
            hashrate(rates.s60_hs),
            hashrate(rates.m15_hs),
            hashrate(rates.best_hs),
            shares.accepted
        );
        for (word, number) in [
            ("rejected", shares.rejected_total()),
            ("lost", shares.lost + shares.no_reply),
            ("not sent", shares.not_sent_total()),
        ] {
            if number > 0 {
                text.push_str(&format!(" {word} {number}"));
            }
        }
        text.push_str(&numbers::honest(snapshot, &self.records.statistics()));
        // Where jobs are many, they have no lines of their own.
        let jobs = std::mem::take(&mut self.jobs_counted);
        if jobs >= MANY_JOBS {
            text.push_str(&format!("   jobs {jobs}"));
        }
        self.line("rate", &text)?;
        // What one device does is the whole story already.
        for device in snapshot.devices.iter().filter(|_| snapshot.devices.len() > 1) {
            let mut text = format!(
                "{} 10 s   {} 60 s   shares {}",
                hashrate(device.rates.s10_hs),
                hashrate(device.rates.s60_hs),
                device.accepted
            );
            let counts =
                [("rejected", device.rejected), ("not sent", device.not_sent), ("wrong", device.mismatches)];
            for (word, number) in counts.into_iter().filter(|(_, number)| *number > 0) {
                text.push_str(&format!(" {word} {number}"));
            }
            self.line(&device.id, &text)?;
        }
        Ok(())
    }

    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let shares = &snapshot.shares;
        let seconds = snapshot.uptime.as_secs_f64();
        #[allow(clippy::cast_precision_loss)]
        let mean_hs = (seconds > 0.0).then(|| snapshot.hashes as f64 / seconds);
        writeln!(
            self.out,
            "\nStopped after {}: {} hashes, {} on average, best {}",
            duration(snapshot.uptime),
            snapshot.hashes,
            hashrate(mean_hs),
            hashrate(snapshot.rates.best_hs)
        )?;
        let statistics = self.records.statistics();
        if let Some(credited) = numbers::credited(&statistics) {
            writeln!(self.out, "  pools credit   {credited}")?;
        }
        writeln!(self.out, "  shares found   {}", shares.found)?;
        writeln!(self.out, "  accepted       {} ({} blocks)", shares.accepted, shares.blocks)?;
        for (kind, number) in &shares.rejected {
            writeln!(self.out, "  rejected       {number} {kind}")?;
        }
        for (word, number) in [("no reply", shares.no_reply), ("lost", shares.lost)] {
            if number > 0 {
                writeln!(self.out, "  {word:<14} {number}")?;
            }
        }
        for (why, number) in &shares.not_sent {
            writeln!(self.out, "  not sent       {number} {why}")?;
        }
        for (cause, number) in statistics.stale_causes.iter().filter(|(_, number)| **number > 0) {
            writeln!(self.out, "  stale          {number} {}", cause.name())?;
        }
        write!(self.out, "\n{}", table(snapshot, &statistics))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rminer_algos::registry::KHEAVYHASH;
    use rminer_algos::{Target, Template};
    use rminer_stratum::{JobKey, Supersede};

    use super::*;
    use crate::engine::{DeviceSnapshot, RareShares, Rates};
    use crate::records::samples;
    use crate::ui::memory::Memory;

    fn shown(show: impl Fn(&mut Lines)) -> String {
        let memory = Memory::default();
        let records = Arc::default();
        show(&mut Lines::new(Box::new(memory.clone()), Family::Bitcoin, Vec::new(), records, Detail::News));
        memory.text()
    }

    #[test]
    fn several_devices_have_a_line_each() {
        let device = |id: &str, rate_hs: f64, mismatches| DeviceSnapshot {
            id: id.into(),
            rates: Rates { s10_hs: Some(rate_hs), ..Rates::default() },
            mismatches,
            ..DeviceSnapshot::default()
        };
        let two = vec![device("cpu0", 9e7, 0), device("gpu0", 7e9, 2)];
        let snapshot = Snapshot { devices: two, ..Snapshot::default() };
        let text = shown(|lines| lines.rates(&snapshot).unwrap());
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.contains("cpu0     90.0 MH/s 10 s") && text.contains("gpu0     7.00 GH/s 10 s"),
            "{text}"
        );
        assert!(text.contains("shares 0 wrong 2"), "{text}");
        let snapshot = Snapshot { devices: vec![device("cpu0", 9e7, 0)], ..snapshot };
        assert_eq!(shown(|lines| lines.rates(&snapshot).unwrap()).lines().count(), 1);
    }

    fn job(difficulty: &str) -> Happening {
        let work = (KHEAVYHASH.sample)(1).unwrap();
        Happening::Job(Arc::new(Job {
            key: JobKey { session: 1, seq: 1 },
            pool: 0,
            algorithm: &KHEAVYHASH,
            template: Template::Fixed(Arc::new(work)),
            target: Target::from_bitcoin_difficulty(difficulty).unwrap(),
            block_target: None,
            supersede: Supersede::Prefer,
            height: None,
            next_seed: None,
            received: Instant::now(),
        }))
    }

    #[test]
    fn ten_jobs_a_second_are_no_ten_lines() {
        let text = shown(|lines| {
            for _ in 0..500 {
                lines.happening(&job("4096")).unwrap();
            }
            lines.rates(&Snapshot::default()).unwrap();
            lines.happening(&job("8192")).unwrap();
            for _ in 0..500 {
                lines.happening(&Happening::Exhausted).unwrap();
            }
            lines.rates(&Snapshot::default()).unwrap();
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[0].contains("job ") && lines[1].ends_with("jobs 500"), "{text}");
        assert!(lines[2].contains("job ") && lines[3].contains("all nonces"), "{text}");
        assert!(!lines[4].contains("jobs"), "{text}");
    }

    #[test]
    fn rare_shares_are_told_with_numbers() {
        let rare =
            RareShares { expected: Duration::from_secs(7500), difficulty: 7.5e12, rate_hs: 1e9, solo: false };
        let text = shown(|lines| lines.happening(&Happening::RareShares(rare)).unwrap());
        assert!(text.contains("warning[rare-shares]: a share is expected every 2 h 5 min"), "{text}");
        // 2^32 hashes are a difficulty of 1 there.
        assert!(text.contains("difficulty 1.75k at 1.00 GH/s"), "{text}");
        let solo = RareShares { expected: Duration::MAX, solo: true, ..rare };
        let text = shown(|lines| lines.happening(&Happening::RareShares(solo)).unwrap());
        assert!(text.contains("a block is expected every") && text.contains("years"), "{text}");
    }

    #[test]
    fn stale_shares_are_told_with_cause_and_cost() {
        let sent = Instant::now();
        let text = shown(|lines| {
            let received = sent.checked_sub(Duration::from_millis(61)).unwrap();
            for seq in 1..3 {
                let job = samples::job(seq, received, Supersede::Discard);
                lines.happening(&Happening::Job(Arc::new(job))).unwrap();
            }
            let answer = Duration::from_millis(38);
            for id in 0..9 {
                let ok = samples::settled(id, 1, Verdict::Accepted, sent, answer);
                lines.happening(&Happening::Share(ok, "cpu0".into())).unwrap();
            }
            let late = samples::stale(1, sent, answer);
            lines.happening(&Happening::Share(late, "cpu0".into())).unwrap();
        });
        let last = text.lines().last().unwrap_or_default();
        assert!(last.contains("share    STALE  cpu0  9+1  found "), "{text}");
        assert!(last.ends_with("  38 ms  job was replaced 61 ms before the submit; cost 10.00 %"), "{text}");
    }

    #[test]
    fn the_summary_ends_with_the_table() {
        let device = DeviceSnapshot { id: "gpu0".into(), ..DeviceSnapshot::default() };
        let snapshot = Snapshot { devices: vec![device], ..Snapshot::default() };
        let text = shown(|lines| lines.summary(&snapshot).unwrap());
        assert!(text.contains("\nDEVICE  WHAT") && text.contains("\ngpu0"), "{text}");
    }
}
