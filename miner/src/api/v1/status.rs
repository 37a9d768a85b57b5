//! From the state of the engine and the records to answers.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Instant;

use rminer_algos::registry;
use rminer_stratum::{Counts, Reject};

use super::{headline, model};
use crate::api::time::rfc3339;
use crate::api::{About, ApiState};
use crate::clock::unix_seconds;
use crate::engine::{DeviceSnapshot, Duty, Histogram, PoolSnapshot, Rates, Snapshot, WorkerSnapshot};
use crate::records::Statistics;
use crate::telemetry::{DeviceKind, Place};

/// All that answers are made from, at one moment.
pub(in crate::api) struct View {
    about: Arc<About>,
    snapshot: Arc<Snapshot>,
    statistics: Statistics,
}

impl View {
    /// As things are.
    pub(in crate::api) fn new(state: &ApiState) -> Self {
        Self {
            about: Arc::clone(&state.about),
            snapshot: state.board.snapshot(),
            statistics: state.records.statistics(),
        }
    }

    /// Everything.
    pub(in crate::api) fn status(&self) -> model::Status {
        let Self { about, snapshot, .. } = self;
        let mut status = model::Status {
            api: 1,
            name: about.rig.clone(),
            version: env!("CARGO_PKG_VERSION"),
            algo: about.algorithm,
            state: snapshot.state.name(),
            paused_by: snapshot.paused_by(),
            headline: model::Headline {
                level: "well",
                text: String::new(),
                detail: String::new(),
                order: None,
            },
            uptime_s: snapshot.uptime.as_secs(),
            totals: self.totals(),
            shares: self.shares(),
            pool: snapshot.pool.and_then(|index| self.pool(index)),
            devices: self.devices(),
            safety: self.safety(),
            money: model::Money { energy_price: None, feed_age_s: None, revenue_per_kwh: None },
        };
        let since = |pool: &PoolSnapshot| pool.since.filter(|_| !pool.is_up).map(|since| since.elapsed());
        let without_pool = snapshot.pools.iter().filter_map(since).min();
        status.headline = headline::of(&status, without_pool);
        status
    }

    fn safety(&self) -> model::Safety {
        let safety = &self.snapshot.safety;
        let limit = |shown: &crate::safety::LimitShown| model::Limit {
            device: shown.device.clone(),
            place: shown.place.name(),
            set_c: shown.limits.set_c,
            pause_c: shown.limits.pause_c,
            resume_c: shown.limits.resume_c,
        };
        let pauses_c = safety.limits.iter().map(|shown| shown.limits.pause_c);
        model::Safety {
            temp_limit_c: pauses_c.reduce(f64::min),
            schedule: safety.schedule.clone(),
            power_cap_w: safety.power_cap_w,
            next_pause: safety.next_pause_s.map(|wait_s| {
                #[allow(clippy::cast_precision_loss, reason = "a week at most")]
                rfc3339(unix_seconds() + wait_s as f64)
            }),
            pause_on_battery: safety.pause_on_battery,
            quiet_pct: safety.quiet_percent,
            limits: safety.limits.iter().map(limit).collect(),
        }
    }

    fn totals(&self) -> model::Totals {
        let Self { snapshot, statistics, .. } = self;
        let power_w = snapshot.power_w();
        let rate_khs = snapshot.rates.s60_hs.filter(|rate_hs| *rate_hs > 0.0).map(|rate_hs| rate_hs / 1000.0);
        let expected_hs = statistics.expected.map(|expected| expected.hs);
        model::Totals {
            hashrate_hs: hashrate(&snapshot.rates),
            effective_hs: statistics.effective.hs,
            effective_ci95_pct: statistics.effective.chance_ratio.map(percent),
            expected_hs,
            of_expected_pct: share_of(snapshot.rates.s60_hs, expected_hs),
            hottest: self.hottest(),
            luck_pct: statistics.luck_ratio.map(percent),
            power_w,
            j_per_kh: power_w.zip(rate_khs).map(|(power_w, rate_khs)| power_w / rate_khs),
            energy_j: sum(snapshot.devices.iter().map(|device| device.readings.energy_j)),
            hashes: snapshot.hashes,
        }
    }

    fn shares(&self) -> model::Shares {
        let counts = &self.snapshot.shares;
        let of = |kind| counts.rejected.get(&kind).copied().unwrap_or_default();
        let rejected = model::Rejected {
            low_difficulty: of(Reject::LowDifficulty),
            duplicate: of(Reject::Duplicate),
            unauthorized: of(Reject::Unauthorized),
            other: of(Reject::BadHash) + of(Reject::Throttled) + of(Reject::Other),
        };
        model::Shares {
            found: counts.found,
            accepted: counts.accepted,
            stale: of(Reject::Stale),
            rejected,
            not_sent: counts.not_sent_total(),
            lost: counts.lost,
            no_reply: counts.no_reply,
            pending: u64::try_from(self.snapshot.pending).unwrap_or(u64::MAX),
            blocks: counts.blocks,
            cost_of_stale_pct: self.statistics.stale_cost_ratio().map(percent),
            best_difficulty: (counts.best_difficulty > 0.0)
                .then(|| self.pool_difficulty(counts.best_difficulty)),
        }
    }

    /// Every pool of the configuration.
    pub(in crate::api) fn pools(&self) -> Vec<model::Pool> {
        (0..self.about.pools.len()).filter_map(|index| self.pool(index)).collect()
    }

    fn pool(&self, index: usize) -> Option<model::Pool> {
        let url = self.about.pools.get(index)?.clone();
        let is_active = self.snapshot.pool == Some(index);
        // Pools that were not tried yet have no state.
        let unknown = PoolSnapshot::default();
        let pool = self.snapshot.pools.get(index).unwrap_or(&unknown);
        let stale = of_kind(&pool.shares, Reject::Stale);
        let link = pool.link.as_ref().filter(|_| pool.is_up);
        Some(model::Pool {
            index: index + 1,
            url,
            user: self.about.users.get(index).cloned(),
            state: if pool.is_up { "up" } else { "down" },
            active: is_active,
            tls: link.and_then(|link| Some(link.tls.as_ref()?.0.to_owned())),
            ping_ms: link.and_then(|link| link.connect).map(|took| took.as_secs_f64() * 1000.0),
            answer_ms: self.statistics.answer.get(&index).and_then(answer_time),
            difficulty: self.snapshot.difficulty.filter(|_| is_active).map(|d| self.pool_difficulty(d)),
            height: self.snapshot.height.filter(|_| is_active),
            since: pool.since.map(at),
            last_accepted: self.statistics.last_accepted_s.get(&index).copied().map(rfc3339),
            accepted: pool.shares.accepted,
            stale,
            rejected: pool.shares.rejected_total() - stale,
            effective_hs: self.statistics.effective_of(index).hs,
            downs: pool.downs.iter().map(|(cause, count)| ((*cause).to_owned(), *count)).collect(),
        })
    }

    /// Every device.
    pub(in crate::api) fn devices(&self) -> Vec<model::Device> {
        self.snapshot.devices.iter().map(|device| self.device(device)).collect()
    }

    /// Every worker thread.
    pub(in crate::api) fn threads(&self) -> Vec<model::Thread> {
        let of = |device: &DeviceSnapshot| {
            let thread = |(number, worker): (usize, &WorkerSnapshot)| model::Thread {
                device: device.id.clone(),
                thread: number,
                pinned_to: worker.pinned_to,
                hashrate_hs: hashrate(&worker.rates),
            };
            device.each_worker.iter().enumerate().map(thread).collect::<Vec<_>>()
        };
        self.snapshot.devices.iter().flat_map(of).collect()
    }

    fn device(&self, device: &DeviceSnapshot) -> model::Device {
        let readings = &device.readings;
        let stale = self.statistics.count(|key| key.device == device.id && key.result == "stale");
        let cap = |cap: &crate::safety::Cap| model::Cap {
            reason: cap.reason.name(),
            duty_pct: duty_pct(cap.duty),
            detail: cap.detail.clone(),
        };
        model::Device {
            id: device.id.clone(),
            kind: kind(&device.id),
            name: device.name.clone(),
            algo: self.about.algorithm,
            state: device.state.name(),
            hashrate_hs: hashrate(&device.rates),
            threads: device.workers,
            duty_pct: duty_pct(device.duty),
            caps: device.caps.iter().map(cap).collect(),
            temp_limit_c: self.limits_c(&device.id).map(|(_, limit_c)| limit_c).reduce(f64::min),
            of_best_pct: share_of(device.rates.s60_hs, device.rates.best_hs),
            temp_c: readings.temperatures.iter().map(|t| (t.place.name().to_owned(), t.now_c)).collect(),
            power_w: readings.power_w,
            energy_j: readings.energy_j,
            power_source: readings.power_source,
            fan_pct: readings.fan_ratios.iter().copied().map(percent).collect(),
            clock_hz: readings.clocks_hz.iter().map(|(name, hz)| ((*name).to_owned(), *hz)).collect(),
            throttled: readings.throttled.clone(),
            shares: model::DeviceShares {
                accepted: device.accepted,
                stale,
                // The record may be a moment ahead of the snapshot.
                rejected: device.rejected.saturating_sub(stale),
                bad: device.mismatches,
            },
            // None are needed where none were asked for.
            huge_pages: device.dataset.as_ref().map(|dataset| model::HugePages {
                have: dataset.huge_pages_have,
                need: dataset.huge_pages_want,
            }),
            msr: self.about.msr.filter(|_| kind(&device.id) == "cpu").map(str::to_owned),
            losses: device.losses,
            hung: device.hung,
            restarts: device.restarts,
            benched: device.benched,
        }
    }

    /// Where each sensor of a device pauses it.
    fn limits_c(&self, device: &str) -> impl Iterator<Item = (Place, f64)> {
        let of_device = self.snapshot.safety.limits.iter().filter(move |shown| shown.device == device);
        of_device.map(|shown| (shown.place, shown.limits.pause_c))
    }

    /// The sensor that is nearest to its limit; of those without one, the hottest.
    fn hottest(&self) -> Option<model::Hottest> {
        let sensors = self.snapshot.devices.iter().flat_map(|device| {
            device.readings.temperatures.iter().map(|sensor| {
                let mut limits = self.limits_c(&device.id);
                let limit_c = limits.find(|(place, _)| *place == sensor.place).map(|(_, limit_c)| limit_c);
                model::Hottest {
                    device: device.id.clone(),
                    place: sensor.place.name().to_owned(),
                    temp_c: sensor.now_c,
                    limit_c,
                    margin_c: limit_c.map(|limit_c| limit_c - sensor.now_c),
                }
            })
        });
        sensors.min_by(|a, b| {
            let key = |sensor: &model::Hottest| (sensor.margin_c.unwrap_or(f64::MAX), -sensor.temp_c);
            key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal)
        })
    }

    fn pool_difficulty(&self, hashes: f64) -> f64 {
        registry::find(self.about.algorithm).map_or(hashes, |known| known.family.pool_difficulty(hashes))
    }
}

/// When an instant of this process was, in RFC 3339.
fn at(instant: Instant) -> String {
    rfc3339(unix_seconds() - instant.elapsed().as_secs_f64())
}

fn of_kind(counts: &Counts, kind: Reject) -> u64 {
    counts.rejected.get(&kind).copied().unwrap_or_default()
}

/// Of those that are known, if any is.
fn sum(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    values.flatten().reduce(|sum, value| sum + value)
}

fn share_of(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    part.zip(whole.filter(|whole| *whole > 0.0)).map(|(part, whole)| percent(part / whole))
}

fn percent(ratio: f64) -> f64 {
    ratio * 100.0
}

fn duty_pct(duty: Duty) -> f64 {
    f64::from(duty.permille()) / 10.0
}

fn hashrate(rates: &Rates) -> model::Hashrate {
    model::Hashrate { s10: rates.s10_hs, s60: rates.s60_hs, m15: rates.m15_hs, best: rates.best_hs }
}

fn answer_time(histogram: &Histogram) -> Option<model::AnswerTime> {
    let millis = |share| histogram.quantile_s(share).map(|seconds| seconds * 1000.0);
    Some(model::AnswerTime { p50: millis(0.5)?, p95: millis(0.95)? })
}

fn kind(id: &str) -> &'static str {
    match DeviceKind::of(id) {
        DeviceKind::Cpu => "cpu",
        DeviceKind::Gpu => "gpu",
        DeviceKind::Simulated => "simulated",
    }
}
