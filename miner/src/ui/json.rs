//! One JSON object a line, for programs.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use rminer_algos::registry::Family;
use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::{Counts, Settled, Verdict};
use serde_json::{Value, json};

use super::often::{LastJob, Often};
use super::other_time::OtherTime;
use super::problems::Downs;
use super::{AT_ONCE, EXHAUSTED_EVERY, JOBS_EVERY, Screen, problems};
use crate::clock::unix_seconds;
use crate::devices::{Notice, RandomxMemory};
use crate::engine::{CrewEvent, Duty, Happening, Obeyed, Rates, Snapshot};
use crate::problem::Problem;
use crate::records::{Causes, Records};
use crate::safety::CapChange;

/// Writes JSON lines.
pub(super) struct Json {
    out: Box<dyn Write>,
    family: Family,
    pools: Vec<String>,
    records: Arc<Records>,
    causes: Causes,
    last_job: LastJob,
    jobs: Often,
    exhausted: Often,
    other_time: OtherTime,
}

impl Json {
    pub(super) fn new(
        out: Box<dyn Write>,
        family: Family,
        pools: Vec<String>,
        records: Arc<Records>,
    ) -> Self {
        Self {
            out,
            family,
            pools,
            records,
            causes: Causes::default(),
            last_job: LastJob::default(),
            jobs: Often::new(JOBS_EVERY, AT_ONCE),
            exhausted: Often::new(EXHAUSTED_EVERY, AT_ONCE),
            other_time: OtherTime::default(),
        }
    }

    /// The lines for a happening: names and fields.
    fn told(&mut self, happening: &Happening) -> Vec<(&'static str, Value)> {
        match happening {
            Happening::Pool(pool, what) => {
                let mut fields = json!({ "pool": pool + 1, "url": self.pools.get(*pool) });
                let (state, text) = pool_state(what);
                fields["state"] = state.into();
                fields["text"] = text.into();
                vec![("pool", fields)]
            }
            Happening::Path(pool, path) => {
                vec![("pool", json!({ "pool": pool + 1, "state": "path", "text": path }))]
            }
            Happening::Job(job) => {
                self.causes.job(job);
                let problem = self.other_time.of(job);
                let mut told: Vec<_> =
                    problem.iter().map(|problem| ("warning", problem_fields(problem))).collect();
                let is_news = self.last_job.is_news(job);
                let Some(count) = self.jobs.happened(Instant::now(), is_news) else { return told };
                // `count` is of the jobs since the event before.
                let mut fields = json!({ "pool": job.pool + 1, "height": job.height, "count": count });
                self.add_difficulty(&mut fields, "difficulty", Some(job.target.difficulty()));
                told.push(("job", fields));
                told
            }
            Happening::NoJob => vec![("no-job", json!({}))],
            Happening::Exhausted => {
                let count = self.exhausted.happened(Instant::now(), false);
                count.map(|count| ("exhausted", json!({ "count": count }))).into_iter().collect()
            }
            Happening::Share(settled, device) => vec![("share", self.share(settled, device))],
            Happening::Excess(pool, device, count) => vec![(
                "excess-hits",
                json!({ "device": device, "pool": pool + 1, "verdict": "not-sent", "kind": "throttled", "count": count }),
            )],
            Happening::Crew(event, device, worker) => {
                let (state, error) = match event {
                    CrewEvent::Ready(_) => ("ready", None),
                    CrewEvent::Lost(_, error, _) => ("lost", Some(error.to_string())),
                    CrewEvent::Benched(_, error) => ("benched", Some(error.to_string())),
                    CrewEvent::Unusable(_, error) => ("unusable", Some(error.to_string())),
                    CrewEvent::Hung(_, _, on_purpose) => {
                        ("hung", on_purpose.then(|| "on purpose: --watchdog-test".to_owned()))
                    }
                    CrewEvent::Sabotaged(..) => ("sabotaged", Some("on purpose: --watchdog-test".to_owned())),
                };
                let fields = json!({ "device": device, "worker": worker, "state": state, "error": error });
                vec![("device", fields)]
            }
            Happening::Device(Notice::DatasetProgress { device, done_percent }) => {
                vec![("dataset", json!({ "device": device, "done_percent": done_percent }))]
            }
            Happening::Device(Notice::DatasetReady(ready)) => vec![(
                "dataset-ready",
                json!({
                    "device": ready.device,
                    "init_ms": ready.init_ms,
                    "mode": match ready.mode { RandomxMemory::Fast => "fast", RandomxMemory::Light => "light" },
                    "hugepages_have": ready.huge_pages_have,
                    "hugepages_want": ready.huge_pages_want,
                    "threads": ready.threads,
                }),
            )],
            Happening::Device(Notice::LanesChosen { device, lanes, rates }) => {
                let rates: Vec<_> = rates
                    .iter()
                    .map(|(lanes, rate_hs)| json!({ "lanes": lanes, "rate_hs": rate_hs }))
                    .collect();
                vec![("lanes", json!({ "device": device, "lanes": lanes, "measured": rates }))]
            }
            Happening::RareShares(rare) => {
                let problem = problems::rare_shares(self.family, rare);
                let mut fields = problem_fields(&problem);
                fields["expected_s"] = rare.expected.as_secs_f64().into();
                fields["hashrate_hs"] = rare.rate_hs.into();
                self.add_difficulty(&mut fields, "difficulty", Some(rare.difficulty));
                vec![("warning", fields)]
            }
            Happening::Cap(change) => vec![("cap", cap_fields(change))],
            Happening::Order(obeyed) => vec![("order", order_fields(obeyed))],
            Happening::Warning(problem) | Happening::Device(Notice::Warning(problem)) => {
                vec![("warning", problem_fields(problem))]
            }
            Happening::Mismatch(text) => vec![("warning", json!({ "code": "check", "text": text }))],
        }
    }

    /// Adds a difficulty twice: as the pools count it, and in expected hashes.
    fn add_difficulty(&self, fields: &mut Value, name: &str, hashes: Option<f64>) {
        fields[name] = hashes.map(|hashes| self.family.pool_difficulty(hashes)).into();
        fields[format!("{name}_hashes")] = hashes.into();
    }

    fn share(&mut self, settled: &Settled, device: &str) -> Value {
        let mut fields = share(settled, device);
        let stale = self.causes.settled(settled);
        fields["stale_cause"] = stale.map(|stale| stale.cause.name()).into();
        fields["replaced_ms"] = stale.and_then(|stale| stale.replaced_ms).into();
        self.add_difficulty(&mut fields, "difficulty", Some(settled.row.difficulty));
        self.add_difficulty(&mut fields, "hash_difficulty", Some(settled.row.hash_difficulty));
        fields
    }

    fn snapshot(&self, snapshot: &Snapshot) -> Value {
        let statistics = self.records.statistics();
        let mut fields = snapshot_fields(snapshot);
        fields["raw_hs"] = statistics.raw_hs.into();
        fields["effective_hs"] = statistics.effective.hs.into();
        fields["effective_ci95"] = statistics.effective.chance_ratio.into();
        fields["luck_ratio"] = statistics.luck_ratio.into();
        fields["expected_hs"] = statistics.expected.map(|expected| expected.hs).into();
        fields["power_w"] = snapshot.power_w().into();
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
        for (event, fields) in self.told(happening) {
            self.write(event, fields)?;
        }
        Ok(())
    }

    fn rates(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write("rates", self.snapshot(snapshot))
    }

    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.write("summary", self.snapshot(snapshot))
    }
}

/// Events for interfaces: what the lines tell, by six kinds, and an alert for everything that people are warned of.
pub(super) fn events(family: Family, pools: Vec<String>) -> crate::records::Translate {
    let mut downs = Downs::new(pools.len());
    let mut json = Json::new(Box::new(io::sink()), family, pools, Arc::default());
    Box::new(move |happening| {
        let told = json.told(happening).into_iter();
        let mut events: Vec<_> = told
            .map(|(event, mut fields)| {
                fields["event"] = event.into();
                (kind(event), fields)
            })
            .collect();
        let alert = match happening {
            Happening::Pool(pool, what) => {
                let name = json.pools.get(*pool).map_or("", String::as_str);
                downs.of(*pool, name, what).filter(|(_, again)| !again).map(|(problem, _)| problem)
            }
            Happening::Share(settled, device) => problems::share(family, settled, device),
            Happening::Crew(event, device, worker) => problems::crew(event, device, *worker),
            _ => None,
        };
        events.extend(alert.map(|problem| ("alert", problem_fields(&problem))));
        events
    })
}

/// Kind of event that interfaces know a line by.
fn kind(event: &str) -> &'static str {
    match event {
        "share" | "excess-hits" => "share",
        "job" => "job",
        "pool" => "pool",
        "device" | "dataset" | "dataset-ready" => "device",
        "warning" => "alert",
        _ => "state",
    }
}

fn cap_fields(change: &CapChange) -> Value {
    let state = match (change.from, change.to) {
        (_, Duty::PAUSE) => "paused",
        (Duty::PAUSE, _) => "resumed",
        (_, Duty::FULL) => "unlimited",
        _ => "limited",
    };
    json!({
        "device": change.device,
        "state": state,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rminer_stratum::Supersede;
    use rminer_stratum::dialect::CloseReason;

    use super::*;
    use crate::devices::DeviceError;
    use crate::records::samples;
    use crate::safety::{Cap, Reason};

    fn translated(happenings: &[Happening]) -> Vec<(&'static str, Value)> {
        let translate = events(Family::Bitcoin, vec!["stratum+tcp://pool.example:3333".into()]);
        happenings.iter().flat_map(translate).collect()
    }

    fn kinds(happenings: &[Happening]) -> Vec<&'static str> {
        translated(happenings).into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn every_happening_has_a_kind() {
        let now = Instant::now();
        let job = Happening::Job(Arc::new(samples::job(1, now, Supersede::Discard)));
        assert_eq!(kinds(&[job, Happening::NoJob, Happening::Exhausted]), ["job", "state", "state"]);
        let warning = Problem::warning("cannot-pay", "no pay");
        let warnings = [
            Happening::Warning(warning.clone()),
            Happening::Device(Notice::Warning(warning)),
            Happening::Mismatch("wrong".into()),
        ];
        assert_eq!(kinds(&warnings), ["alert"; 3]);
        let lost = CrewEvent::Lost(0, DeviceError::Lost("gone".into()), Duration::from_secs(1));
        assert_eq!(kinds(&[Happening::Crew(lost, "gpu0".into(), 0)]), ["device", "alert"]);
        assert_eq!(kinds(&[Happening::Crew(CrewEvent::Ready(0), "gpu0".into(), 0)]), ["device"]);
        assert_eq!(kinds(&[Happening::Excess(0, "cpu0".into(), 7)]), ["share"]);
        let progress = Notice::DatasetProgress { device: "cpu0".into(), done_percent: 40 };
        assert_eq!(kinds(&[Happening::Device(progress)]), ["device"]);
    }

    #[test]
    fn jobs_are_rare_and_a_dead_pool_alerts_once() {
        let now = Instant::now();
        let job = |seq| Happening::Job(Arc::new(samples::job(seq, now, Supersede::Prefer)));
        let jobs: Vec<_> = (0..500).map(job).collect();
        assert!(kinds(&jobs).len() <= 6);
        let down = || {
            Happening::Pool(
                0,
                PoolEvent::Down { reason: CloseReason::Network("reset".into()), retry_in: None },
            )
        };
        let told = kinds(&[down(), down(), Happening::Pool(0, PoolEvent::Active), down()]);
        assert_eq!(told, ["pool", "alert", "pool", "pool", "pool", "alert"]);
    }

    #[test]
    fn shares_and_caps_say_why() {
        let now = Instant::now();
        let job = |seq| Happening::Job(Arc::new(samples::job(seq, now, Supersede::Discard)));
        let late = samples::stale(1, now + Duration::from_millis(61), Duration::from_millis(38));
        let told = translated(&[job(1), job(2), Happening::Share(late, "cpu0".into())]);
        let (kind, share) = &told[told.len() - 1];
        assert_eq!(
            (*kind, &share["stale_cause"], &share["event"]),
            ("share", &json!("replaced"), &json!("share"))
        );
        assert!((share["replaced_ms"].as_f64().unwrap() - 61.0).abs() < 0.01, "{share}");
        let cap = |from, to, cause| CapChange { device: "gpu0".into(), from, to, cause };
        let heat = Cap { reason: Reason::Heat, duty: Duty::PAUSE, detail: "memory 103 C".into() };
        let told = translated(&[
            Happening::Cap(cap(Duty::FULL, Duty::PAUSE, Some(heat))),
            Happening::Cap(cap(Duty::PAUSE, Duty::from_permille(500), None)),
            Happening::Cap(cap(Duty::from_permille(500), Duty::FULL, None)),
        ]);
        let states: Vec<_> = told.iter().map(|(kind, fields)| (*kind, fields["state"].clone())).collect();
        let state = |name: &str| ("state", json!(name));
        assert_eq!(states, [state("paused"), state("resumed"), state("unlimited")]);
        assert_eq!((&told[0].1["reason"], &told[0].1["detail"]), (&json!("heat"), &json!("memory 103 C")));
    }
}
