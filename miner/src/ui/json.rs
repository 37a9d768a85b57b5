//! One JSON object a line, for programs.

use std::io::{self, Write};
use std::time::Instant;

use rminer_algos::registry::Family;
use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::{Counts, Settled, Verdict};
use serde_json::{Value, json};

use super::often::{LastJob, Often};
use super::other_time::OtherTime;
use super::{AT_ONCE, EXHAUSTED_EVERY, JOBS_EVERY, Screen};
use crate::clock::unix_seconds;
use crate::devices::{Notice, RandomxMemory};
use crate::engine::{CrewEvent, Happening, Obeyed, Rates, Snapshot};
use crate::problem::Problem;
use crate::safety::CapChange;

/// Writes JSON lines.
pub(super) struct Json {
    out: Box<dyn Write>,
    family: Family,
    pools: Vec<String>,
    last_job: LastJob,
    jobs: Often,
    exhausted: Often,
    other_time: OtherTime,
}

impl Json {
    pub(super) fn new(out: Box<dyn Write>, family: Family, pools: Vec<String>) -> Self {
        Self {
            out,
            family,
            pools,
            last_job: LastJob::default(),
            jobs: Often::new(JOBS_EVERY, AT_ONCE),
            exhausted: Often::new(EXHAUSTED_EVERY, AT_ONCE),
            other_time: OtherTime::default(),
        }
    }

    fn problem(&mut self, problem: &Problem) -> io::Result<()> {
        self.write("warning", problem_fields(problem))
    }

    /// Adds a difficulty twice: as the pools count it, and in expected hashes.
    fn add_difficulty(&self, fields: &mut Value, name: &str, hashes: Option<f64>) {
        fields[name] = hashes.map(|hashes| self.family.pool_difficulty(hashes)).into();
        fields[format!("{name}_hashes")] = hashes.into();
    }

    fn share(&self, settled: &Settled, device: &str) -> Value {
        let mut fields = share(settled, device);
        self.add_difficulty(&mut fields, "difficulty", Some(settled.row.difficulty));
        self.add_difficulty(&mut fields, "hash_difficulty", Some(settled.row.hash_difficulty));
        fields
    }

    fn snapshot(&self, snapshot: &Snapshot) -> Value {
        let mut fields = snapshot_fields(snapshot);
        self.add_difficulty(&mut fields, "difficulty", snapshot.difficulty);
        let best = snapshot.shares.best_difficulty;
        self.add_difficulty(&mut fields["shares"], "best_difficulty", Some(best));
        fields
    }

    fn write(&mut self, event: &str, mut fields: Value) -> io::Result<()> {
        if let Some(object) = fields.as_object_mut() {
            object.insert("event".into(), event.into());
            object.insert("time_s".into(), unix_seconds().into());
        }
        writeln!(self.out, "{fields}")?;
        self.out.flush()
    }
}

impl Screen for Json {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        match happening {
            Happening::Pool(pool, what) => {
                let mut fields = json!({ "pool": pool + 1, "url": self.pools.get(*pool) });
                let (state, text) = pool_state(what);
                fields["state"] = state.into();
                fields["text"] = text.into();
                self.write("pool", fields)
            }
            Happening::Path(pool, path) => {
                self.write("pool", json!({ "pool": pool + 1, "state": "path", "text": path }))
            }
            Happening::Job(job) => {
                if let Some(problem) = self.other_time.of(job) {
                    self.problem(&problem)?;
                }
                let is_news = self.last_job.is_news(job);
                let Some(count) = self.jobs.happened(Instant::now(), is_news) else { return Ok(()) };
                // `count` is of the jobs since the event before.
                let mut fields = json!({ "pool": job.pool + 1, "height": job.height, "count": count });
                self.add_difficulty(&mut fields, "difficulty", Some(job.target.difficulty()));
                self.write("job", fields)
            }
            Happening::NoJob => self.write("no-job", json!({})),
            Happening::Exhausted => match self.exhausted.happened(Instant::now(), false) {
                Some(count) => self.write("exhausted", json!({ "count": count })),
                None => Ok(()),
            },
            Happening::Share(settled, device) => self.write("share", self.share(settled, device)),
            Happening::Excess(pool, device, count) => self.write(
                "excess-hits",
                json!({ "device": device, "pool": pool + 1, "verdict": "not-sent", "kind": "throttled", "count": count }),
            ),
            Happening::Crew(event, device, worker) => {
                let (state, error) = match event {
                    CrewEvent::Ready(_) => ("ready", None),
                    CrewEvent::Lost(_, error, _) => ("lost", Some(error.to_string())),
                    CrewEvent::Benched(_, error) => ("benched", Some(error.to_string())),
                    CrewEvent::Unusable(_, error) => ("unusable", Some(error.to_string())),
                    CrewEvent::Hung(..) => ("hung", None),
                };
                self.write("device", json!({ "device": device, "worker": worker, "state": state, "error": error }))
            }
            Happening::Device(Notice::DatasetProgress { device, done_percent }) => {
                self.write("dataset", json!({ "device": device, "done_percent": done_percent }))
            }
            Happening::Device(Notice::DatasetReady(ready)) => self.write(
                "dataset-ready",
                json!({
                    "device": ready.device,
                    "init_ms": ready.init_ms,
                    "mode": match ready.mode { RandomxMemory::Fast => "fast", RandomxMemory::Light => "light" },
                    "hugepages_have": ready.huge_pages_have,
                    "hugepages_want": ready.huge_pages_want,
                    "threads": ready.threads,
                }),
            ),
            Happening::Device(Notice::Warning(problem)) => self.problem(problem),
            Happening::RareShares(rare) => {
                let problem = super::lines::rare_shares(self.family, rare);
                let mut fields = problem_fields(&problem);
                fields["expected_s"] = rare.expected.as_secs_f64().into();
                fields["hashrate_hs"] = rare.rate_hs.into();
                self.add_difficulty(&mut fields, "difficulty", Some(rare.difficulty));
                self.write("warning", fields)
            }
            Happening::Cap(change) => self.write("cap", cap_fields(change)),
            Happening::Order(obeyed) => self.write("order", order_fields(obeyed)),
            Happening::Warning(problem) => self.problem(problem),
            Happening::Mismatch(text) => self.write("warning", json!({ "code": "check", "text": text })),
        }
    }

    fn rates(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write("rates", self.snapshot(snapshot))
    }

    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write("summary", self.snapshot(snapshot))
    }
}

fn cap_fields(change: &CapChange) -> Value {
    json!({
        "device": change.device,
        "from": change.from.ratio(),
        "to": change.to.ratio(),
        "reason": change.cause.as_ref().map(|cap| cap.reason.name()),
        "detail": change.cause.as_ref().map(|cap| &cap.detail),
    })
}

fn order_fields(Obeyed { what, outcome }: &Obeyed) -> Value {
    match outcome {
        Ok(text) => json!({ "order": what, "done": true, "text": text }),
        Err(problem) => {
            let mut fields = problem_fields(problem);
            (fields["order"], fields["done"]) = ((*what).into(), false.into());
            fields
        }
    }
}

/// Events for interfaces.
pub(super) fn events(family: Family, pools: Vec<String>) -> crate::records::Translate {
    let json = Json::new(Box::new(io::sink()), family, pools);
    Box::new(move |happening| match happening {
        Happening::Share(settled, device) => Some(("share", json.share(settled, device))),
        Happening::Cap(change) => Some(("state", cap_fields(change))),
        Happening::Order(obeyed) => Some(("state", order_fields(obeyed))),
        _ => None,
    })
}

fn problem_fields(problem: &Problem) -> Value {
    json!({ "code": problem.code, "text": problem.summary, "facts": problem.facts, "help": problem.help })
}

fn pool_state(what: &PoolEvent) -> (&'static str, Option<String>) {
    match what {
        PoolEvent::Connecting => ("connecting", None),
        PoolEvent::Connected => ("connected", None),
        PoolEvent::LoggedIn => ("logged-in", None),
        PoolEvent::Waiting(text) => ("waiting", Some(text.clone())),
        PoolEvent::Active => ("active", None),
        PoolEvent::Notice(text) => ("notice", Some(text.clone())),
        PoolEvent::Down { reason, .. } => ("down", Some(reason.to_string())),
    }
}

fn share(settled: &Settled, device: &str) -> Value {
    let (verdict, kind, text) = match &settled.verdict {
        Verdict::Accepted => ("accepted", None, None),
        Verdict::Rejected { kind, text } => ("rejected", Some(kind.to_string()), Some(text)),
        Verdict::NoReply => ("no-reply", None, None),
        Verdict::Lost => ("lost", None, None),
        Verdict::NotSent(why) => ("not-sent", Some(why.to_string()), None),
    };
    json!({
        "share": settled.id.0,
        "device": device,
        "pool": settled.row.pool + 1,
        "verdict": verdict,
        "kind": kind,
        "text": text,
        "block": settled.row.block,
        "answer_ms": settled.answer.map(|answer| answer.as_secs_f64() * 1000.0),
        "late": settled.corrects.is_some(),
    })
}

fn snapshot_fields(snapshot: &Snapshot) -> Value {
    let devices: Vec<Value> = snapshot
        .devices
        .iter()
        .map(|device| {
            json!({
                "device": device.id,
                "name": device.name,
                "workers": device.workers,
                "hashrate_hs": rates(&device.rates),
                "hashes": device.hashes,
                "accepted": device.accepted,
                "rejected": device.rejected,
                "not_sent": device.not_sent,
                "mismatches": device.mismatches,
            })
        })
        .collect();
    json!({
        "uptime_s": snapshot.uptime.as_secs_f64(),
        "hashes": snapshot.hashes,
        "hashrate_hs": rates(&snapshot.rates),
        "effective_hs": snapshot.effective_hs(),
        "effective_ci95": snapshot.effective_chance(),
        "shares": counts(&snapshot.shares),
        "pending": snapshot.pending,
        "pool": snapshot.pool.map(|pool| pool + 1),
        "height": snapshot.height,
        "devices": devices,
    })
}

fn rates(rates: &Rates) -> Value {
    json!({ "10s": rates.s10_hs, "60s": rates.s60_hs, "15m": rates.m15_hs, "best": rates.best_hs })
}

fn counts(counts: &Counts) -> Value {
    let by_name = |pairs: Vec<(String, u64)>| pairs.into_iter().collect::<std::collections::BTreeMap<_, _>>();
    json!({
        "found": counts.found,
        "accepted": counts.accepted,
        "blocks": counts.blocks,
        "rejected": by_name(counts.rejected.iter().map(|(kind, number)| (kind.to_string(), *number)).collect()),
        "no_reply": counts.no_reply,
        "lost": counts.lost,
        "not_sent": by_name(counts.not_sent.iter().map(|(why, number)| (why.to_string(), *number)).collect()),
    })
}
