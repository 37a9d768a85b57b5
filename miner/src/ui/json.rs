//! One JSON object a line, for programs.

use std::io::{self, Write};

use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::{Counts, Settled, Verdict};
use serde_json::{Value, json};

use super::Screen;
use crate::clock::unix_seconds;
use crate::devices::{Notice, RandomxMemory};
use crate::engine::{CrewEvent, Happening, Rates, Snapshot};

/// Writes JSON lines.
pub(super) struct Json {
    out: Box<dyn Write>,
    pools: Vec<String>,
}

impl Json {
    pub(super) fn new(out: Box<dyn Write>, pools: Vec<String>) -> Self {
        Self { out, pools }
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
            Happening::Job(job) => self.write(
                "job",
                json!({ "pool": job.pool + 1, "height": job.height, "difficulty": job.target.difficulty() }),
            ),
            Happening::NoJob => self.write("no-job", json!({})),
            Happening::Exhausted => self.write("exhausted", json!({})),
            Happening::Share(settled, device) => self.write("share", share(settled, device)),
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
            Happening::Device(Notice::Warning(problem)) => self.write(
                "warning",
                json!({ "code": problem.code, "text": problem.summary, "facts": problem.facts, "help": problem.help }),
            ),
            Happening::RareShares(rare) => {
                let problem = super::lines::rare_shares(rare);
                self.write(
                    "warning",
                    json!({
                        "code": problem.code,
                        "text": problem.summary,
                        "facts": problem.facts,
                        "help": problem.help,
                        "expected_s": rare.expected.as_secs_f64(),
                        "difficulty": rare.difficulty,
                        "hashrate_hs": rare.rate_hs,
                    }),
                )
            }
            Happening::Mismatch(text) => self.write("warning", json!({ "code": "check", "text": text })),
        }
    }

    fn rates(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write("rates", snapshot_fields(snapshot))
    }

    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write("summary", snapshot_fields(snapshot))
    }
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
        "difficulty": settled.row.difficulty,
        "hash_difficulty": settled.row.hash_difficulty,
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
        "difficulty": snapshot.difficulty,
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
        "best_difficulty": counts.best_difficulty,
    })
}
