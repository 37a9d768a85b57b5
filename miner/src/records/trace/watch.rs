//! Makes the trace from what is told: the state once a second, and all that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_stratum::dialect::CloseReason;
use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::{NotSent, Reject, Settled, Verdict};

use super::{Answer, DeviceObservation, MarkKind, Moment, Observation, Trace, WINDOW, words};
use crate::clock::unix_seconds;
use crate::devices::{DatasetReady, Notice, RandomxMemory};
use crate::engine::{CrewEvent, DeviceSnapshot, DeviceState, Duty, Happening, Snapshot, State};
use crate::records::causes::{Stale, StaleCause};
use crate::records::history::MAX_DEVICES;
use crate::records::statistics::{Statistics, reason};
use crate::safety::{Cap, Reason};

/// Differences between the two clocks from one second to the next that are no jump: clocks are trimmed.
const TRIMMED_S: f64 = 2.0;
/// Pools whose causes are told together.
const MAX_DOWN_TOLD: usize = 3;
/// Having no job for so long right after the start needs no explanation.
const FIRST_JOB: Duration = Duration::from_secs(15);

/// Where the time comes from, both clocks read at once.
#[derive(Debug, Clone)]
pub struct Clocks {
    started: Instant,
}

impl Default for Clocks {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clocks {
    /// Now, counted from when this was made.
    pub fn now(&self) -> Moment {
        Moment { at: self.started.elapsed(), time_s: unix_seconds() }
    }
}

/// How the trace is made.
#[derive(Debug, Clone, Copy)]
pub struct TraceOptions {
    /// Length of an observation.
    pub window: Duration,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self { window: WINDOW }
    }
}

/// Collects one observation after the other, and keeps marks.
#[derive(Debug)]
pub struct Watch {
    options: TraceOptions,
    began: Moment,
    last: Option<Moment>,
    seconds: u32,
    others: Mean,
    memory_available_bytes: Option<u64>,
    jobs: u32,
    devices: BTreeMap<String, DeviceWindow>,
    /// As of the last observation.
    counted: (u64, u64, f64),
    /// Workers that are gone, by device.
    lost: BTreeMap<String, BTreeSet<u16>>,
    /// Why pools are down, by their index.
    downs: BTreeMap<usize, String>,
    active: Option<usize>,
    has_mined: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            (self.sum, self.count) = (self.sum + value, self.count + 1);
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "a single holds what sensors tell")]
    fn get(self) -> Option<f32> {
        (self.count > 0).then(|| (self.sum / f64::from(self.count)) as f32)
    }
}

#[derive(Debug, Default)]
struct DeviceWindow {
    /// Hashes and losses as of the last observation.
    hashes: u64,
    losses: u64,
    is_known: bool,
    seconds: u32,
    disturbed: bool,
    clock_hz: Mean,
    power_w: Mean,
    temp_c: Option<f64>,
    fan_ratio: Option<f64>,
    /// How many seconds the hardware gave each reason.
    throttled: BTreeMap<&'static str, u32>,
}

impl Watch {
    /// Begins now.
    pub fn new(options: TraceOptions, now: Moment) -> Self {
        Self {
            options,
            began: now,
            last: None,
            seconds: 0,
            others: Mean::default(),
            memory_available_bytes: None,
            jobs: 0,
            devices: BTreeMap::new(),
            counted: (0, 0, 0.0),
            lost: BTreeMap::new(),
            downs: BTreeMap::new(),
            active: None,
            has_mined: false,
        }
    }

    /// Something happened; `stale` says why a share was stale, if it was.
    pub fn happening(&mut self, trace: &mut Trace, now: Moment, happening: &Happening, stale: Option<Stale>) {
        trace.now = now;
        match happening {
            Happening::Job(job) => {
                self.jobs = self.jobs.saturating_add(1);
                self.active = Some(job.pool);
                self.downs.clear();
                trace.end(now, |mark| mark.kind == MarkKind::NoPool);
            }
            Happening::Pool(pool, PoolEvent::Down { reason, .. }) => self.down(trace, now, *pool, reason),
            Happening::NoJob => self.no_pool(trace, now),
            Happening::Share(settled, device) => share(trace, now, settled, device, stale),
            Happening::Crew(event, device, worker) => self.crew(trace, now, event, device, *worker),
            Happening::Device(Notice::DatasetReady(ready)) => self.dataset(trace, now, ready),
            _ => {}
        }
    }

    /// The cause of a stale share became known.
    pub fn explained(trace: &mut Trace, now: Moment, stale: Stale) {
        let unknown = MarkKind::Stale(StaleCause::Unknown);
        // It is the newest of its kind, since only the last moments are ever explained.
        let mut marks = trace.marks.iter_mut().rev();
        if let Some(mark) = marks.find(|mark| mark.kind == unknown && mark.count > 0) {
            mark.count -= 1;
        }
        trace.forget(|mark| mark.kind == unknown && mark.count == 0);
        add_stale(trace, now, stale);
    }

    /// The state, once a second. `history` says why the history is not written, if it is not.
    pub fn second(
        &mut self,
        trace: &mut Trace,
        now: Moment,
        snapshot: &Snapshot,
        statistics: &Statistics,
        history: Option<&str>,
    ) {
        trace.now = now;
        self.clock(trace, now);
        match history {
            Some(why) => trace.begin(MarkKind::HistoryStopped, None, now).detail = words(why),
            None => trace.end(now, |mark| mark.kind == MarkKind::HistoryStopped),
        }
        match snapshot.state {
            State::Waiting => self.no_pool(trace, now),
            State::Stopping => {}
            State::Starting | State::Mining | State::Paused => {
                self.has_mined = true;
                trace.end(now, |mark| mark.kind == MarkKind::NoPool);
            }
        }
        self.seconds += 1;
        self.others.add(snapshot.host.cpu_others);
        let available = snapshot.host.memory_available_bytes;
        self.memory_available_bytes = self.memory_available_bytes.into_iter().chain(available).min();
        for device in &snapshot.devices {
            caps(trace, now, self.last, device);
            huge_pages(trace, now, device);
            let has_room = self.devices.len() < MAX_DEVICES;
            match self.devices.get_mut(&device.id) {
                Some(window) => window.second(device),
                None if has_room => {
                    let mut window = DeviceWindow::default();
                    window.second(device);
                    self.devices.insert(device.id.clone(), window);
                }
                None => {}
            }
        }
        self.last = Some(now);
        if now.at.saturating_sub(self.began.at) >= self.options.window {
            trace.observe(self.close(now, snapshot, statistics));
        }
    }

    fn close(&mut self, now: Moment, snapshot: &Snapshot, statistics: &Statistics) -> Observation {
        let length = now.at.saturating_sub(self.began.at);
        let accepted = statistics.count(|key| key.result == "accepted");
        let credited: f64 = statistics.accepted_hashes.values().sum();
        let (hashes, accepted_before, credited_before) = self.counted;
        self.counted = (snapshot.hashes, accepted, credited);
        let devices = snapshot.devices.iter().filter_map(|device| {
            let window = self.devices.get_mut(&device.id)?;
            Some(window.close(device, length.as_secs_f64()))
        });
        let devices = devices.collect();
        let (began, others) = (self.began, std::mem::take(&mut self.others));
        debug_assert!(began.at <= now.at);
        self.began = now;
        self.seconds = 0;
        Observation {
            end: now,
            length,
            devices,
            cpu_others: others.get(),
            busiest: snapshot
                .host
                .busiest
                .iter()
                .map(|program| (Arc::clone(&program.name), program.units))
                .collect(),
            memory_available_bytes: self.memory_available_bytes.take(),
            memory_total_bytes: snapshot.host.memory_total_bytes,
            jobs: std::mem::take(&mut self.jobs),
            accepted: u32::try_from(accepted.saturating_sub(accepted_before)).unwrap_or(u32::MAX),
            credited_hashes: (credited - credited_before).max(0.0),
            hashes: snapshot.hashes.saturating_sub(hashes),
            difficulty: snapshot.difficulty,
        }
    }

    /// Both clocks should have gone as far.
    fn clock(&mut self, trace: &mut Trace, now: Moment) {
        let Some(last) = self.last else { return };
        let jump_s = (now.time_s - last.time_s) - now.at.saturating_sub(last.at).as_secs_f64();
        if jump_s.abs() > TRIMMED_S {
            let mark = trace.begin(MarkKind::ClockJump, None, now);
            mark.to = Some(now);
            mark.amount += jump_s;
        }
    }

    /// A connection ended. Only that of the pool that is mined for leaves devices without work; of the others it is kept
    /// why they do not help.
    fn down(&mut self, trace: &mut Trace, now: Moment, pool: usize, reason: &CloseReason) {
        // What the miner or its user wants is no trouble.
        if matches!(reason, CloseReason::Ours | CloseReason::Redirected) {
            return;
        }
        self.downs.insert(pool, reason.to_string());
        if self.active == Some(pool) {
            self.active = None;
            self.no_pool(trace, now);
        } else if let Some(mark) = trace.lasting(MarkKind::NoPool, None) {
            mark.detail = self.causes();
        }
    }

    fn no_pool(&mut self, trace: &mut Trace, now: Moment) {
        // The first job takes its time, unless something is known to be in its way.
        if !self.has_mined && self.downs.is_empty() && now.at < FIRST_JOB {
            return;
        }
        let causes = self.causes();
        let mark = trace.begin(MarkKind::NoPool, None, now);
        if !causes.is_empty() {
            mark.detail = causes;
        }
    }

    fn causes(&self) -> String {
        let told = self.downs.iter().take(MAX_DOWN_TOLD);
        let told: Vec<_> = told.map(|(pool, why)| format!("pool {}: {why}", pool + 1)).collect();
        words(&told.join("; "))
    }

    fn crew(&mut self, trace: &mut Trace, now: Moment, event: &CrewEvent, device: &str, worker: u16) {
        let why = match event {
            CrewEvent::Ready(_) => {
                let Some(lost) = self.lost.get_mut(device) else { return };
                lost.remove(&worker);
                if lost.is_empty() {
                    trace.end(now, |mark| {
                        mark.kind == MarkKind::DeviceLost && mark.device.as_deref() == Some(device)
                    });
                }
                return;
            }
            CrewEvent::Lost(_, error, _) => error.to_string(),
            CrewEvent::Benched(_, error) => format!("{error}; it failed too often and rests"),
            CrewEvent::Unusable(_, error) => format!("it cannot mine: {error}"),
            CrewEvent::Hung(_, silent, _) => {
                format!("it did not hash for {}; its thread was left behind", crate::ui::duration(*silent))
            }
            CrewEvent::Sabotaged(..) => return,
        };
        let lost = self.lost.entry(device.to_owned()).or_default();
        let lasts = !lost.is_empty();
        lost.insert(worker);
        let most = lost.len();
        let mark = trace.begin(MarkKind::DeviceLost, Some(device), now);
        if lasts {
            mark.count = mark.count.saturating_add(1);
        }
        mark.detail = words(&why);
        mark.amount = mark.amount.max(most as f64);
    }

    /// A dataset that is built while a device mines already: a new seed.
    fn dataset(&mut self, trace: &mut Trace, now: Moment, ready: &DatasetReady) {
        let hashed = self.devices.get(&ready.device).is_some_and(|window| window.hashes > 0);
        if !hashed {
            return;
        }
        let took = Duration::from_millis(ready.init_ms);
        let what = match ready.mode {
            RandomxMemory::Fast => "dataset was filled",
            RandomxMemory::Light => "cache was filled",
        };
        let mark = trace.begin(MarkKind::Dataset, Some(&ready.device), now);
        if mark.count <= 1 {
            let at = now.at.saturating_sub(took);
            mark.from = Moment { at, time_s: now.time_s - (now.at - at).as_secs_f64() };
        }
        mark.to = Some(now);
        mark.amount += took.as_secs_f64();
        mark.detail =
            format!("RandomX has a new seed, and its {what} again in {}", crate::ui::duration(took));
    }
}

impl DeviceWindow {
    fn second(&mut self, device: &DeviceSnapshot) {
        self.seconds += 1;
        self.disturbed |= device.duty != Duty::FULL || device.state != DeviceState::Mining;
        let readings = &device.readings;
        self.clock_hz.add(readings.clocks_hz.get("core").copied());
        self.power_w.add(readings.power_w);
        let temperatures = readings.temperatures.iter().map(|temperature| temperature.now_c);
        self.temp_c = self.temp_c.into_iter().chain(temperatures).reduce(f64::max);
        let fans = readings.fan_ratios.iter().copied();
        self.fan_ratio = self.fan_ratio.into_iter().chain(fans).reduce(f64::max);
        for cause in &readings.throttled {
            *self.throttled.entry(cause).or_default() += 1;
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "a single holds what sensors tell")]
    fn close(&mut self, device: &DeviceSnapshot, length_s: f64) -> DeviceObservation {
        let hashes = device.hashes.saturating_sub(self.hashes);
        let is_whole = self.is_known && device.losses == self.losses && length_s > 0.0;
        let often = |seconds: u32| seconds * 2 >= self.seconds;
        let throttled: Vec<_> =
            self.throttled.iter().filter(|(_, seconds)| often(**seconds)).map(|(name, _)| *name).collect();
        let dataset = device.dataset.as_ref().filter(|dataset| dataset.huge_pages_want > 0);
        let observed = DeviceObservation {
            device: device.id.as_str().into(),
            rate_hs: if length_s > 0.0 { hashes as f64 / length_s } else { 0.0 },
            is_undisturbed: is_whole && !self.disturbed && hashes > 0,
            throttled: (!throttled.is_empty()).then(|| throttled.join(", ").into()),
            clock_hz: self.clock_hz.get(),
            temp_c: self.temp_c.map(|c| c as f32),
            power_w: self.power_w.get(),
            fan_ratio: self.fan_ratio.map(|ratio| ratio as f32),
            huge_pages: dataset.map(|dataset| (dataset.huge_pages_have, dataset.huge_pages_want)),
            workers: device.workers,
        };
        // The next one begins where this one ends.
        *self = Self { hashes: device.hashes, losses: device.losses, is_known: true, ..Self::default() };
        observed
    }
}

/// What holds a device back is marked while it does: all that pauses it, or else what leaves it least.
fn caps(trace: &mut Trace, now: Moment, last: Option<Moment>, device: &DeviceSnapshot) {
    // The way back after a pause belongs to the pause.
    let caps = || device.caps.iter().filter(|cap| cap.reason != Reason::RampUp && cap.duty < Duty::FULL);
    let mut in_force: Vec<(MarkKind, &Cap)> =
        caps().filter(|cap| cap.duty == Duty::PAUSE).map(|cap| (MarkKind::Paused(cap.reason), cap)).collect();
    if in_force.is_empty() {
        in_force.extend(caps().min_by_key(|cap| cap.duty).map(|cap| (MarkKind::HeldBack(cap.reason), cap)));
    }
    let id = Some(device.id.as_str());
    trace.end(now, |mark| {
        let is_cap = matches!(mark.kind, MarkKind::Paused(_) | MarkKind::HeldBack(_));
        is_cap && mark.device.as_deref() == id && !in_force.iter().any(|(kind, _)| *kind == mark.kind)
    });
    let passed_s = last.map_or(0.0, |last| now.at.saturating_sub(last.at).as_secs_f64());
    for (kind, cap) in in_force {
        let lasts = trace.lasting(kind, id).is_some();
        let mark = trace.begin(kind, id, now);
        // The first word on it says why it began.
        if mark.detail.is_empty() {
            let fans = device.readings.fan_ratios.iter().copied().reduce(f64::max);
            let fans = fans.filter(|_| cap.reason == Reason::Heat);
            let fans = fans.map(|ratio| format!("; fan at {:.0} %", ratio * 100.0)).unwrap_or_default();
            mark.detail = words(&format!("{}{fans}", cap.detail));
        }
        if lasts {
            mark.amount += passed_s * (1.0 - cap.duty.ratio());
        }
    }
}

fn huge_pages(trace: &mut Trace, now: Moment, device: &DeviceSnapshot) {
    let id = Some(device.id.as_str());
    let missing = device.dataset.as_ref().filter(|dataset| dataset.huge_pages_have < dataset.huge_pages_want);
    match missing {
        Some(dataset) => {
            let mark = trace.begin(MarkKind::HugePages, id, now);
            mark.detail = format!(
                "{} of {} huge pages: the rest is in small pages",
                dataset.huge_pages_have, dataset.huge_pages_want
            );
        }
        None => {
            trace.end(now, |mark| mark.kind == MarkKind::HugePages && mark.device.as_deref() == id);
        }
    }
}

fn share(trace: &mut Trace, now: Moment, settled: &Settled, device: &str, stale: Option<Stale>) {
    if let (Some(answer), Verdict::Accepted | Verdict::Rejected { .. }) = (settled.answer, &settled.verdict) {
        #[allow(clippy::cast_possible_truncation, reason = "ten minutes at most")]
        let answer_ms = (answer.as_secs_f64() * 1000.0) as f32;
        trace.answer(Answer { moment: now, pool: settled.row.pool, answer_ms });
    }
    match &settled.verdict {
        Verdict::Rejected { kind: Reject::Stale, .. } | Verdict::NotSent(NotSent::Stale) => {
            let unknown = Stale { cause: StaleCause::Unknown, replaced_ms: None };
            add_stale(trace, now, stale.unwrap_or(unknown));
        }
        Verdict::Rejected { text, .. } => {
            let mark = trace.begin(MarkKind::Rejected(settled.row.pool), Some(device), now);
            mark.to = Some(now);
            mark.detail = words(&format!("{}: \"{text}\"", reason(&settled.verdict)));
        }
        Verdict::Accepted | Verdict::NoReply | Verdict::Lost | Verdict::NotSent(_) => {}
    }
}

fn add_stale(trace: &mut Trace, now: Moment, stale: Stale) {
    let mark = trace.begin(MarkKind::Stale(stale.cause), None, now);
    mark.to = Some(now);
    mark.amount += stale.replaced_ms.unwrap_or_default();
    mark.detail = stale.text();
}

#[cfg(test)]
mod tests;
