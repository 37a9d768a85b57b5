//! Rows from what is told once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{MAX_DEVICES, Row, Sample};
use crate::engine::Snapshot;
use crate::records::Statistics;

/// Collects one row after the other, each of about the same length.
#[derive(Debug)]
pub struct Period {
    length: Duration,
    /// Time since the start at which this row began.
    began: Duration,
    /// What was counted until then.
    before: BTreeMap<Arc<str>, Totals>,
    gauges: BTreeMap<Arc<str>, Gauges>,
    rig: Gauges,
}

/// What only grows.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    hashes: u64,
    credited_hashes: f64,
    accepted: u64,
    rejected: u64,
    stale: u64,
}

/// What goes up and down.
#[derive(Debug, Clone, Copy, Default)]
struct Gauges {
    power_sum_w: f64,
    powers: u32,
    temp_c: Option<f64>,
    duty_sum: f64,
    duties: u32,
}

/// Stands for the rig among the devices' names.
const RIG: &str = "";

impl Period {
    /// Rows of this length.
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            began: Duration::ZERO,
            before: BTreeMap::new(),
            gauges: BTreeMap::new(),
            rig: Gauges::default(),
        }
    }

    /// The state, once a second; a row when one is complete.
    pub fn second(&mut self, time_s: f64, snapshot: &Snapshot, statistics: &Statistics) -> Option<Row> {
        for device in &snapshot.devices {
            let temps = device.readings.temperatures.iter().map(|temperature| temperature.now_c);
            let temp_c = temps.reduce(f64::max);
            let duty = device.duty.ratio();
            self.rig.add(None, temp_c, duty);
            let has_room = self.gauges.len() < MAX_DEVICES;
            match self.gauges.get_mut(device.id.as_str()) {
                Some(gauges) => gauges.add(device.readings.power_w, temp_c, duty),
                None if has_room => {
                    let mut gauges = Gauges::default();
                    gauges.add(device.readings.power_w, temp_c, duty);
                    self.gauges.insert(device.id.as_str().into(), gauges);
                }
                None => {}
            }
        }
        if let Some(power_w) = snapshot.power_w() {
            self.rig.power_sum_w += power_w;
            self.rig.powers += 1;
        }
        let is_over = snapshot.uptime.saturating_sub(self.began) >= self.length;
        is_over.then(|| self.close(time_s, snapshot, statistics))
    }

    /// The row as far as it is; `None` when it is shorter than `shortest`.
    pub fn end(
        &mut self,
        time_s: f64,
        snapshot: &Snapshot,
        statistics: &Statistics,
        shortest: Duration,
    ) -> Option<Row> {
        let is_enough = snapshot.uptime.saturating_sub(self.began) >= shortest;
        is_enough.then(|| self.close(time_s, snapshot, statistics))
    }

    fn close(&mut self, time_s: f64, snapshot: &Snapshot, statistics: &Statistics) -> Row {
        let length_s = snapshot.uptime.saturating_sub(self.began).as_secs_f64();
        self.began = snapshot.uptime;
        let mut totals = totals(snapshot, statistics);
        let mut row = |name: &Arc<str>, gauges: Gauges| {
            let now = totals.remove(name).unwrap_or_default();
            let before = self.before.insert(Arc::clone(name), now).unwrap_or_default();
            gauges.sample(now, before, length_s)
        };
        let rig = row(&RIG.into(), std::mem::take(&mut self.rig));
        let gauges = std::mem::take(&mut self.gauges);
        let devices = gauges.into_iter().map(|(name, gauges)| {
            let sample = row(&name, gauges);
            (name, sample)
        });
        let devices = devices.collect();
        #[allow(clippy::cast_possible_truncation)]
        Row { time_s, length_s: length_s as f32, rig, devices }
    }
}

fn totals(snapshot: &Snapshot, statistics: &Statistics) -> BTreeMap<Arc<str>, Totals> {
    let mut all: BTreeMap<Arc<str>, Totals> = BTreeMap::new();
    for device in &snapshot.devices {
        all.entry(device.id.as_str().into()).or_default().hashes = device.hashes;
    }
    let mut rig = Totals { hashes: snapshot.hashes, ..Totals::default() };
    for ((_, device), hashes) in &statistics.accepted_hashes {
        rig.credited_hashes += hashes;
        all.entry(device.as_str().into()).or_default().credited_hashes += hashes;
    }
    for (key, count) in &statistics.shares {
        for totals in [&mut rig, all.entry(key.device.as_str().into()).or_default()] {
            match key.result {
                "accepted" => totals.accepted += count,
                "rejected" => totals.rejected += count,
                "stale" => totals.stale += count,
                _ => {}
            }
        }
    }
    all.insert(RIG.into(), rig);
    all
}

impl Gauges {
    fn add(&mut self, power_w: Option<f64>, temp_c: Option<f64>, duty: f64) {
        if let Some(power_w) = power_w {
            self.power_sum_w += power_w;
            self.powers += 1;
        }
        self.temp_c = match (self.temp_c, temp_c) {
            (Some(before_c), Some(now_c)) => Some(before_c.max(now_c)),
            (before_c, now_c) => now_c.or(before_c),
        };
        self.duty_sum += duty;
        self.duties += 1;
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn sample(self, now: Totals, before: Totals, length_s: f64) -> Sample {
        let count = |now: u64, before: u64| u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX);
        let mean = |sum: f64, number: u32| (number > 0).then(|| (sum / f64::from(number)) as f32);
        let hashes = now.hashes.saturating_sub(before.hashes) as f64;
        Sample {
            raw_hs: if length_s > 0.0 { (hashes / length_s) as f32 } else { 0.0 },
            credited_hashes: (now.credited_hashes - before.credited_hashes).max(0.0) as f32,
            accepted: count(now.accepted, before.accepted),
            rejected: count(now.rejected, before.rejected),
            stale: count(now.stale, before.stale),
            power_w: mean(self.power_sum_w, self.powers),
            temp_c: self.temp_c.map(|temp_c| temp_c as f32),
            duty: mean(self.duty_sum, self.duties).unwrap_or(1.0),
        }
    }
}
