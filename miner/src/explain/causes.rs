//! What can take rate from a device without the miner doing it, and whether the trace shows it: something else must have
//! changed in the same stretch of time, far enough to matter, and must not have been so while the rate was as usual.

use std::collections::BTreeMap;

use super::usual::{mean, median, quantile};
use crate::records::trace::{DeviceObservation, Observation};
use crate::telemetry::DeviceKind;
use crate::ui::count;

/// Units' worth of time that others must have more than usual.
const LEAST_UNITS: f64 = 0.25;
/// How much of what is missing they must have taken.
const PART_OF_LOSS: f64 = 0.3;
/// What is there in so many of the usual observations is usual.
const USUAL_PART: f64 = 0.2;
/// A clock must have fallen by this share of what the rate fell, and by so much at least.
const PART_OF_DROP: f64 = 0.5;
const LEAST_CLOCK_DROP: f64 = 0.03;
/// Memory is short below this, in bytes, or below this share of all.
const SHORT_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
const SHORT_SHARE: f64 = 0.03;
/// Jobs matter when they come so many times a second, and so many times as often as usual.
const MANY_JOBS: f64 = 1.0;
const MORE_JOBS: f64 = 3.0;
/// A program that did so much of it is named alone.
const MOST_OF_IT: f64 = 0.5;

/// An observation, and what it says of the device in question.
pub(super) type Point<'a> = (&'a Observation, &'a DeviceObservation);

/// Kinds of causes, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CauseKind {
    /// The hardware says that it slows itself down.
    Flags,
    /// Other programs use the processor.
    Foreign,
    /// The clock fell.
    Clock,
    /// Hardly any memory is left.
    Memory,
    /// Jobs come far more often.
    Jobs,
}

impl CauseKind {
    const ALL: [Self; 5] = [Self::Flags, Self::Foreign, Self::Clock, Self::Memory, Self::Jobs];

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Flags | Self::Clock => "throttled",
            Self::Foreign => "foreign-load",
            Self::Memory => "memory-pressure",
            Self::Jobs => "job-change",
        }
    }

    pub(super) fn help(self) -> Option<&'static str> {
        match self {
            Self::Flags | Self::Clock => {
                Some("look after fans, dust and the air around it, and at the power limit of the device")
            }
            Self::Foreign => Some("end it, or leave it room: --threads N, or rminer ctl limit PERCENT"),
            Self::Memory => Some("end what uses the memory, or mine in light mode: --randomx-mode light"),
            Self::Jobs => None,
        }
    }
}

/// How things are when the rate is as usual.
pub(super) struct Compare<'a> {
    good: Vec<Point<'a>>,
    rate_hs: f64,
    others: Option<f64>,
    others_high: f64,
    clock_hz: Option<f64>,
    jobs_a_second: f64,
}

impl<'a> Compare<'a> {
    /// Against these observations, in which the device had its usual rate.
    pub(super) fn new(good: Vec<Point<'a>>, rate_hs: f64) -> Self {
        let mut others: Vec<f64> = good.iter().filter_map(|point| others(*point)).collect();
        let mut clocks: Vec<f64> = good.iter().filter_map(|point| clock(*point)).collect();
        Self {
            others: mean(others.iter().copied()),
            others_high: quantile(&mut others, 1.0 - USUAL_PART).unwrap_or_default(),
            clock_hz: median(&mut clocks),
            jobs_a_second: mean(good.iter().map(|point| jobs(*point))).unwrap_or_default(),
            good,
            rate_hs,
        }
    }

    /// What takes rate here, the surest first.
    pub(super) fn causes(&self, point: Point<'_>) -> Vec<CauseKind> {
        CauseKind::ALL.into_iter().filter(|kind| self.holds(*kind, point)).collect()
    }

    fn holds(&self, kind: CauseKind, point: Point<'_>) -> bool {
        let (observation, device) = point;
        let drop = 1.0 - device.rate_hs / self.rate_hs;
        let is_rare = |same: usize| same as f64 <= USUAL_PART * self.good.len() as f64;
        match kind {
            CauseKind::Flags => device.throttled.as_deref().is_some_and(|flags| {
                is_rare(self.good.iter().filter(|(_, of)| of.throttled.as_deref() == Some(flags)).count())
            }),
            CauseKind::Foreign => {
                // A graphics card has its own work to do, and what else runs on it is not known.
                let is_cpu = DeviceKind::of(&device.device) == DeviceKind::Cpu;
                let lost_units = drop * f64::from(device.workers.max(1));
                let enough = LEAST_UNITS.max(PART_OF_LOSS * lost_units);
                is_cpu
                    && others(point).zip(self.others).is_some_and(|(now, usual)| {
                        now - usual >= enough && now - self.others_high >= enough / 2.0
                    })
            }
            CauseKind::Clock => clock(point).zip(self.clock_hz).is_some_and(|(now_hz, usual_hz)| {
                1.0 - now_hz / usual_hz >= LEAST_CLOCK_DROP.max(PART_OF_DROP * drop)
            }),
            CauseKind::Memory => {
                is_short(observation) && is_rare(self.good.iter().filter(|(seen, _)| is_short(seen)).count())
            }
            CauseKind::Jobs => {
                let now = jobs(point);
                now >= MANY_JOBS && now >= MORE_JOBS * self.jobs_a_second
            }
        }
    }

    /// A cause in words, given the observations in which it held.
    pub(super) fn words(&self, kind: CauseKind, points: &[Point<'_>]) -> String {
        match kind {
            CauseKind::Flags => {
                let flags = points.iter().find_map(|(_, of)| of.throttled.as_deref());
                let text = format!("the hardware slows itself down ({})", flags.unwrap_or("no reason given"));
                let more = [self.clock_words(points), temperature(points), fan(points)];
                std::iter::once(text).chain(more.into_iter().flatten()).collect::<Vec<_>>().join("; ")
            }
            CauseKind::Foreign => self.foreign_words(points),
            CauseKind::Clock => {
                let facts = [self.clock_words(points), temperature(points), fan(points)];
                facts.into_iter().flatten().collect::<Vec<_>>().join("; ")
            }
            CauseKind::Memory => {
                let least = points.iter().filter_map(|(seen, _)| seen.memory_available_bytes).min();
                let total = points.iter().find_map(|(seen, _)| seen.memory_total_bytes);
                let mib = |bytes: Option<u64>| bytes.unwrap_or_default() / (1024 * 1024);
                format!("only {} of {} MiB of memory were left", mib(least), mib(total))
            }
            CauseKind::Jobs => format!(
                "jobs came {} times a second, {} before",
                count(round(mean(points.iter().map(|point| jobs(*point))).unwrap_or_default())),
                count(round(self.jobs_a_second))
            ),
        }
    }

    fn clock_words(&self, points: &[Point<'_>]) -> Option<String> {
        let mut clocks: Vec<f64> = points.iter().filter_map(|point| clock(*point)).collect();
        let (now_hz, usual_hz) = median(&mut clocks).zip(self.clock_hz)?;
        Some(format!("core clock {:.2} GHz, {:.2} before", now_hz / 1e9, usual_hz / 1e9))
    }

    /// Names those that did more than usual.
    fn foreign_words(&self, points: &[Point<'_>]) -> String {
        let all = mean(points.iter().filter_map(|point| others(*point))).unwrap_or_default();
        let before = self.others.unwrap_or_default();
        let (now, usual) = (by_name(points), by_name(&self.good));
        let mut grown: Vec<(&str, f64, f64)> = now
            .iter()
            .map(|(name, units)| (*name, *units, units - usual.get(name).copied().unwrap_or_default()))
            .filter(|(.., growth)| *growth >= LEAST_UNITS / 2.0)
            .collect();
        grown.sort_by(|a, b| b.2.total_cmp(&a.2));
        match grown.as_slice() {
            [] => format!("other programs used {all:.1} cores, {before:.1} before"),
            [(name, units, growth), ..] if *growth >= MOST_OF_IT * (all - before) => {
                // Where it begins and ends it is there for a part of the time only.
                let seen = points.iter().flat_map(|(seen, _)| &seen.busiest);
                let mut times: Vec<f64> =
                    seen.filter(|(of, _)| **of == **name).map(|(_, units)| f64::from(*units)).collect();
                format!("{name} used {:.1} cores", median(&mut times).unwrap_or(*units))
            }
            some => {
                let some: Vec<_> = some.iter().map(|(name, units, _)| format!("{name} {units:.1}")).collect();
                format!("other programs used {all:.1} cores ({})", some.join(", "))
            }
        }
    }

    /// What was looked at, where nothing explains a drop.
    pub(super) fn looked_at(&self, points: &[Point<'_>]) -> String {
        let others = mean(points.iter().filter_map(|point| others(*point)));
        let others = others.map(|units| format!("other programs used {units:.1} cores"));
        let looks = [
            ("other programs", others),
            ("clocks", self.clock_words(points)),
            ("temperature", temperature(points)),
        ];
        let unknown: Vec<_> =
            looks.iter().filter(|(_, known)| known.is_none()).map(|(name, _)| *name).collect();
        let unknown = match unknown.as_slice() {
            [] => String::new(),
            some => format!("; not known here: {}", some.join(", ")),
        };
        let (changed, as_before) = self.compared(points);
        let as_before = match as_before.as_slice() {
            [] => None,
            [one] => Some(format!("{one} were as before")),
            [some @ .., last] => Some(format!("{} and {last} were as before", some.join(", "))),
        };
        let known: Vec<_> =
            looks.into_iter().filter_map(|(_, known)| known).chain(changed).chain(as_before).collect();
        format!("no cause was found: {}{unknown}", known.join(", "))
    }

    /// What else is known both here and of the usual observations: what was otherwise, in words, if only for a part of
    /// the time, and what was as before.
    fn compared(&self, points: &[Point<'_>]) -> (Vec<String>, Vec<&'static str>) {
        let (mut changed, mut as_before) = (Vec::new(), Vec::new());
        let in_which = |kind: CauseKind| {
            points.iter().filter(|point| self.holds(kind, **point)).copied().collect::<Vec<_>>()
        };
        let flags = in_which(CauseKind::Flags);
        if let Some(flags) = flags.iter().find_map(|(_, of)| of.throttled.as_deref()) {
            changed.push(format!("the hardware slowed itself down ({flags}) in a part of it"));
        }
        let short: Vec<Point<'_>> = points.iter().filter(|(seen, _)| is_short(seen)).copied().collect();
        if !short.is_empty() {
            let part = if short.len() < points.len() { " in a part of it" } else { "" };
            changed.push(format!("{}{part}", self.words(CauseKind::Memory, &short)));
        } else if knows_memory(points) && knows_memory(&self.good) {
            as_before.push("memory");
        }
        if let Some(((have, want), (before, _))) = least_pages(points).zip(least_pages(&self.good)) {
            if have >= want.min(before) {
                as_before.push("huge pages");
            } else {
                changed.push(format!("{have} of {want} huge pages, {before} before"));
            }
        }
        let many = in_which(CauseKind::Jobs);
        if many.is_empty() {
            as_before.push("jobs");
        } else {
            changed.push(format!("{} in a part of it", self.words(CauseKind::Jobs, &many)));
        }
        // The miner's own.
        if points.iter().chain(&self.good).all(|(_, of)| of.is_undisturbed) {
            as_before.push("limits");
        }
        (changed, as_before)
    }
}

fn others((observation, _): Point<'_>) -> Option<f64> {
    observation.cpu_others.map(f64::from)
}

fn clock((_, device): Point<'_>) -> Option<f64> {
    device.clock_hz.map(f64::from).filter(|hz| *hz > 0.0)
}

fn jobs((observation, _): Point<'_>) -> f64 {
    f64::from(observation.jobs) / observation.length.as_secs_f64().max(0.001)
}

fn is_short(observation: &Observation) -> bool {
    let total = observation.memory_total_bytes.unwrap_or_default() as f64;
    let available = observation.memory_available_bytes.map(|bytes| bytes as f64);
    available.is_some_and(|available| available < SHORT_BYTES.min(total / 2.0).max(SHORT_SHARE * total))
}

fn knows_memory(points: &[Point<'_>]) -> bool {
    points.iter().any(|(seen, _)| seen.memory_available_bytes.is_some())
}

/// The fewest huge pages that it had, and how many it wanted then.
fn least_pages(points: &[Point<'_>]) -> Option<(u32, u32)> {
    points.iter().filter_map(|(_, device)| device.huge_pages).min_by_key(|(have, _)| *have)
}

fn temperature(points: &[Point<'_>]) -> Option<String> {
    let hottest = points.iter().filter_map(|(_, device)| device.temp_c).reduce(f32::max)?;
    Some(format!("{hottest:.0} C"))
}

fn fan(points: &[Point<'_>]) -> Option<String> {
    let fastest = points.iter().filter_map(|(_, device)| device.fan_ratio).reduce(f32::max)?;
    Some(format!("fan at {:.0} %", fastest * 100.0))
}

/// Mean use of each program over the observations that name any, one that is not named counting as idle.
fn by_name<'a>(points: &[Point<'a>]) -> BTreeMap<&'a str, f64> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, units) in points.iter().flat_map(|(observation, _)| &observation.busiest) {
        *sums.entry(name).or_default() += f64::from(*units);
    }
    let named = points.iter().filter(|(observation, _)| !observation.busiest.is_empty()).count().max(1);
    sums.values_mut().for_each(|sum| *sum /= named as f64);
    sums
}

/// To a tenth.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
