//! What the explanation of a change is made from: one observation for each ten seconds of a day, and marks for what
//! begins and ends. In memory only, and bounded: about 2 MB with one device, 8 MB with sixteen.

mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::causes::StaleCause;
use crate::safety::Reason;

pub use watch::{Clocks, TraceOptions, Watch};

/// Length of an observation.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Observations that are kept: 24 hours.
pub const MAX_OBSERVATIONS: usize = 8640;
/// Marks that are kept. What repeats within [`REOPEN`] is one mark.
pub const MAX_MARKS: usize = 500;
/// Answers of pools that are kept.
pub const MAX_ANSWERS: usize = 2000;
/// What ended so short ago and begins again has never ended.
pub const REOPEN: Duration = Duration::from_secs(60);
/// Letters that are kept of an error's or a pool's words.
pub const MAX_DETAIL: usize = 480;

/// A point in time by both clocks: the machine's own is for people and may jump, the other one orders.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moment {
    /// Since the miner's start, by a clock that only goes forward.
    pub at: Duration,
    /// Seconds since 1970, as the machine's clock showed then.
    pub time_s: f64,
}

/// How things were in one stretch of [`WINDOW`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// Its end.
    pub end: Moment,
    /// Its length.
    pub length: Duration,
    /// All devices that there is room for.
    pub devices: Vec<DeviceObservation>,
    /// Processing units' worth of time that other programs used, on average.
    pub cpu_others: Option<f32>,
    /// The programs that used most of it, with processing units' worth of time, as of the end. Empty where the system
    /// hides them.
    pub busiest: Vec<(Arc<str>, f32)>,
    /// The least memory that a new program could have had, in bytes.
    pub memory_available_bytes: Option<u64>,
    /// All memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Jobs that arrived.
    pub jobs: u32,
    /// Shares that pools took.
    pub accepted: u32,
    /// Difficulty of these, in expected hashes.
    pub credited_hashes: f64,
    /// Hashes done by all devices.
    pub hashes: u64,
    /// Expected hashes for a share, as of the end.
    pub difficulty: Option<f64>,
}

impl Observation {
    /// Its start, by the clock that only goes forward.
    pub fn began(&self) -> Duration {
        self.end.at.saturating_sub(self.length)
    }
}

/// How one device was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceObservation {
    /// Its name.
    pub device: Arc<str>,
    /// Hashes per second.
    pub rate_hs: f64,
    /// Whether it hashed all the time and nothing that the miner itself knows of held it back.
    pub is_undisturbed: bool,
    /// What the hardware said slowed it down in half of the time or more, in the driver's words.
    pub throttled: Option<Arc<str>>,
    /// Mean clock of the core, in hertz.
    pub clock_hz: Option<f32>,
    /// Hottest place, in degrees Celsius.
    pub temp_c: Option<f32>,
    /// Mean power, in watts.
    pub power_w: Option<f32>,
    /// Fastest fan, from 0 to 1.
    pub fan_ratio: Option<f32>,
    /// Huge pages that it has, and that it wants; `None` where none are wanted.
    pub huge_pages: Option<(u32, u32)>,
    /// Worker threads.
    pub workers: u32,
}

/// What a mark is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// A device may not hash at all.
    Paused(Reason),
    /// A device may hash for a part of its time.
    HeldBack(Reason),
    /// Workers of a device are gone.
    DeviceLost,
    /// There is nothing to mine for.
    NoPool,
    /// The history is in memory only.
    HistoryStopped,
    /// Stale shares of one cause.
    Stale(StaleCause),
    /// Shares that the pool of this index refused.
    Rejected(usize),
    /// The machine's clock was set.
    ClockJump,
    /// A dataset was filled anew.
    Dataset,
    /// Less huge pages than wanted.
    HugePages,
}

/// Something that begins, may end, and has a cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What.
    pub kind: MarkKind,
    /// Which device; `None` is the rig.
    pub device: Option<Arc<str>>,
    /// Its beginning.
    pub from: Moment,
    /// Its end; `None` while it lasts.
    pub to: Option<Moment>,
    /// The cause, for people; safe to show, at most [`MAX_DETAIL`] letters.
    pub detail: String,
    /// How often.
    pub count: u32,
    /// What is summed up over it: seconds that were not hashed, milliseconds, seconds of a jump; as its kind says.
    pub amount: f64,
}

impl Mark {
    /// How long it was, up to this time if it lasts.
    pub fn length(&self, now: Duration) -> Duration {
        self.to.map_or(now, |to| to.at).saturating_sub(self.from.at)
    }

    /// Whether it was at some time between these.
    pub fn overlaps(&self, from: Duration, to: Duration) -> bool {
        self.from.at <= to && self.to.is_none_or(|end| end.at >= from)
    }
}

/// A pool's answer to a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// When it came.
    pub moment: Moment,
    /// From which pool, from 0.
    pub pool: usize,
    /// From sending the share to it, in milliseconds.
    pub answer_ms: f32,
}

/// All that is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    observations: VecDeque<Arc<Observation>>,
    marks: VecDeque<Mark>,
    answers: VecDeque<Answer>,
    /// The latest moment that was seen.
    pub now: Moment,
}

impl Trace {
    /// Oldest first.
    pub fn observations(&self) -> impl DoubleEndedIterator<Item = &Observation> {
        self.observations.iter().map(Arc::as_ref)
    }

    /// In the order of their beginnings.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter()
    }

    /// Oldest first.
    pub fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter()
    }

    /// Adds an observation; the oldest goes when there are too many.
    pub fn observe(&mut self, observation: Observation) {
        if self.observations.len() == MAX_OBSERVATIONS {
            self.observations.pop_front();
        }
        self.observations.push_back(Arc::new(observation));
    }

    /// Adds an answer; the oldest goes when there are too many.
    pub fn answer(&mut self, answer: Answer) {
        if self.answers.len() == MAX_ANSWERS {
            self.answers.pop_front();
        }
        self.answers.push_back(answer);
    }

    /// The mark of this kind and device that lasts, or one that is begun, or one that ended so short ago that it goes on.
    /// It counts once more unless it lasted already.
    pub fn begin(&mut self, kind: MarkKind, device: Option<&str>, now: Moment) -> &mut Mark {
        let same = |mark: &Mark| mark.kind == kind && mark.device.as_deref() == device;
        let known = self
            .marks
            .iter()
            .rposition(|mark| same(mark) && mark.to.is_none_or(|to| now.at.saturating_sub(to.at) <= REOPEN));
        let place = known.unwrap_or_else(|| {
            self.make_room();
            self.marks.push_back(Mark {
                kind,
                device: device.map(Into::into),
                from: now,
                to: Some(now),
                detail: String::new(),
                count: 0,
                amount: 0.0,
            });
            self.marks.len() - 1
        });
        let mark = &mut self.marks[place];
        if mark.to.take().is_some() {
            mark.count = mark.count.saturating_add(1);
        }
        mark
    }

    /// The mark that lasts, if there is one.
    pub fn lasting(&mut self, kind: MarkKind, device: Option<&str>) -> Option<&mut Mark> {
        let same =
            |mark: &&mut Mark| mark.to.is_none() && mark.kind == kind && mark.device.as_deref() == device;
        self.marks.iter_mut().rev().find(same)
    }

    /// Ends all that last and for which this holds.
    pub fn end(&mut self, now: Moment, ends: impl Fn(&Mark) -> bool) {
        for mark in self.marks.iter_mut().filter(|mark| mark.to.is_none() && ends(mark)) {
            mark.to = Some(now);
        }
    }

    /// Forgets the marks for which this holds.
    pub fn forget(&mut self, forgets: impl Fn(&Mark) -> bool) {
        self.marks.retain(|mark| !forgets(mark));
    }

    /// The oldest that has ended goes; where all last, the oldest.
    fn make_room(&mut self) {
        if self.marks.len() == MAX_MARKS {
            let ended = self.marks.iter().position(|mark| mark.to.is_some()).unwrap_or_default();
            self.marks.remove(ended);
        }
    }
}

/// Words that are kept of a text, safe to show.
pub(super) fn words(text: &str) -> String {
    crate::problem::printable(text).chars().take(MAX_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Moment {
        Moment { at: Duration::from_secs(second), time_s: 1e9 + second as f64 }
    }

    #[test]
    fn memory_is_bounded() {
        let mut trace = Trace::default();
        for number in 0..MAX_OBSERVATIONS as u64 + 7 {
            trace.observe(Observation { end: at(number), ..Observation::default() });
        }
        assert_eq!(trace.observations().count(), MAX_OBSERVATIONS);
        assert_eq!(trace.observations().next().map(|first| first.end), Some(at(7)));
        for number in 0..MAX_ANSWERS as u64 + 7 {
            trace.answer(Answer { moment: at(number), pool: 0, answer_ms: 1.0 });
        }
        assert_eq!(trace.answers().count(), MAX_ANSWERS);
        trace.begin(MarkKind::NoPool, None, at(0));
        for number in 0..MAX_MARKS as u64 + 7 {
            let now = at(1000 * number);
            trace.begin(MarkKind::DeviceLost, Some("gpu0"), now);
            trace.end(now, |mark| mark.kind == MarkKind::DeviceLost);
        }
        assert_eq!(trace.marks().count(), MAX_MARKS);
        assert!(trace.lasting(MarkKind::NoPool, None).is_some(), "what lasts is kept");
        assert_eq!(words(&"x".repeat(1000)).len(), MAX_DETAIL);
    }

    #[test]
    fn what_begins_again_soon_goes_on() {
        let mut trace = Trace::default();
        let paused = MarkKind::Paused(Reason::Heat);
        trace.begin(paused, Some("gpu0"), at(10));
        trace.begin(paused, Some("gpu0"), at(11));
        trace.end(at(20), |_| true);
        trace.begin(paused, Some("gpu1"), at(21));
        trace.begin(paused, Some("gpu0"), at(80));
        trace.end(at(90), |_| true);
        trace.begin(paused, Some("gpu0"), at(151));
        let of_gpu0: Vec<_> = trace
            .marks()
            .filter(|mark| mark.device.as_deref() == Some("gpu0"))
            .map(|mark| (mark.from.at.as_secs(), mark.to.map(|to| to.at.as_secs()), mark.count))
            .collect();
        assert_eq!(of_gpu0, [(10, Some(90), 2), (151, None, 1)]);
        trace.forget(|mark| mark.to.is_none());
        assert_eq!(trace.marks().count(), 2);
    }
}
