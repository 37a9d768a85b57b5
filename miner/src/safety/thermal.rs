//! One sensor of heat and what follows from it, as a pure function of readings and times.
//!
//! Below the set point a device hashes all the time. Around it a proportional-integral controller moves the duty in
//! small steps. How strongly a device answers is not known beforehand: a bare chip is hot within seconds, a water loop
//! within minutes. So the controller divides by the steepest rise that it has seen, and a device that it knows nothing
//! of gets small steps. At the limit there is no control any more: it pauses, and goes on below the resume limit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Limits;
use crate::engine::Duty;
use crate::telemetry::STALE_AFTER;

/// Temperatures outside of these are no measurement.
const BELIEVED_C: std::ops::RangeInclusive<f64> = -40.0..=150.0;
/// Time between two steps of the duty.
pub(super) const STEP_EVERY: Duration = Duration::from_secs(5);
/// Shortest pause, so that nothing is switched on and off faster than this.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_secs(30);
/// A sensor that was known may be silent for so long beyond [`STALE_AFTER`] before it counts as hot.
const GRACE: Duration = Duration::from_secs(5);
/// So far above the limit, and while paused, something is wrong that a pause does not help.
const ALERT_ABOVE_C: f64 = 5.0;
/// Time there before people are told.
const ALERT_AFTER: Duration = Duration::from_secs(10);
/// Time there before the miner ends.
const STOP_AFTER: Duration = Duration::from_secs(120);

/// Readings that the slope is made of, at most.
const MAX_SAMPLES: usize = 16;
/// The slope is that of so long a time, or of so much change if that is less.
const SLOPE_OVER: Duration = Duration::from_secs(10);
/// See [`SLOPE_OVER`].
const SLOPE_CHANGE_C: f64 = 4.0;
/// Speed of the answer that is aimed at, per second.
const SPEED: f64 = 0.06;
/// Share of the error that is taken away each second, beside the share of the slope.
const INTEGRAL: f64 = 0.03;
/// Above the set point it goes down faster than it goes up below.
const HASTE_DOWN: f64 = 2.0;
/// How steep a device is believed to be that was not seen to warm up, in C a second at full duty.
const UNSEEN_STEEPNESS: f64 = 1.0;
/// Bounds of what is believed of a device, in C a second at full duty.
const STEEPNESS: std::ops::RangeInclusive<f64> = 0.1..=25.0;
/// So much of a warm-up says enough, in C.
const SEEN_RISE_C: f64 = 15.0;
/// A swing from one side of the set point to the other counts from so far away on, in C, and what a device is believed
/// to be steeper for it: steps were too large.
const SWING_C: f64 = 1.0;
/// See [`SWING_C`].
const SWING_FACTOR: f64 = 1.5;
/// A step says how steep a device is by what it does to the slope, where the step is this large and nothing but it holds
/// the device back.
const TELLING_STEP: f64 = 0.05;
/// Change of a slope that is more than noise, in C a second.
const TELLING_SLOPE: f64 = 0.4;
/// Largest steps.
const MAX_UP: f64 = 0.1;
/// See [`MAX_UP`].
const MAX_DOWN: f64 = 0.25;
/// Steps smaller than this wait for more.
const MIN_STEP: f64 = 0.005;
/// Where the slope does not lead to the set point within this time nothing is taken away: a device that warms up fast is
/// not one that gets too hot.
const FAR_S: f64 = 10.0;
/// Where the slope leads to the limit within this time, the duty is halved at once.
const LOOK_AHEAD_S: f64 = 3.0;
/// What a halved duty leaves at least.
const LEAST: f64 = 0.02;

/// What a sensor asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// It has never been there.
    Unknown,
    /// So much hashing and no more.
    Duty(Duty),
    /// Too hot, now or a short time ago.
    Pause,
    /// It was there and is not any more; too long for a pause to be avoided.
    Lost,
}

/// Something that people should hear once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Alarm {
    /// The sensor does not answer; the pause comes soon.
    Silent,
    /// Much too hot although it is paused.
    Alert,
    /// That for too long: the miner must end.
    Stop,
}

/// The controller of one sensor.
#[derive(Debug)]
pub(super) struct Thermal {
    limits: Limits,
    /// Times and temperatures, the newest last.
    samples: VecDeque<(Instant, f64)>,
    coldest_c: f64,
    /// Steepest rise that was seen, in C a second at full duty.
    steepest: f64,
    /// The side of the set point on which it was last, and clearly.
    was_above: Option<bool>,
    /// What the controller has come to, from 0 to 1, and what of it holds.
    level: f64,
    held: f64,
    stepped: Option<Instant>,
    /// The slope before the last step, and what the step changed.
    step: Option<(f64, f64)>,
    paused: Option<Instant>,
    is_silent: bool,
    /// Since when it is much too hot in a pause, and what was said of it.
    alarming: Option<Instant>,
    alarmed: Option<Alarm>,
}

impl Thermal {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            samples: VecDeque::new(),
            coldest_c: f64::INFINITY,
            steepest: *STEEPNESS.start(),
            was_above: None,
            level: 1.0,
            held: 1.0,
            stepped: None,
            step: None,
            paused: None,
            is_silent: false,
            alarming: None,
            alarmed: None,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Other limits for the same sensor; what is known of the device stays.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The newest temperature, in degrees Celsius.
    pub(super) fn latest_c(&self) -> Option<f64> {
        self.samples.back().map(|(_, now_c)| *now_c)
    }

    /// What holds from now on, given the newest measurement with its time, and the duty that the device has had.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        measured: Option<(f64, Instant)>,
        applied: Duty,
    ) -> (Wanted, Option<Alarm>) {
        let is_new = measured.is_some_and(|(now_c, at)| self.note(now_c, at));
        let Some(&(at, now_c)) = self.samples.back() else { return (Wanted::Unknown, None) };
        let age = now.saturating_duration_since(at);
        if age > STALE_AFTER {
            return self.silent(now, age);
        }
        self.is_silent = false;
        if now_c >= self.limits.pause_c && self.paused.is_none() {
            self.paused = Some(now);
            // It comes back with less than what was too much.
            self.level = (self.level.min(applied.ratio()) * 0.6).max(0.1);
            self.held = self.level;
            self.step = None;
        }
        if let Some(since) = self.paused {
            let rested = now.saturating_duration_since(since) >= SHORTEST_PAUSE;
            if !rested || now_c >= self.limits.resume_c {
                return (Wanted::Pause, self.alarm(now, now_c));
            }
            self.paused = None;
            self.stepped = Some(now);
            // What it did in the pause says nothing of how it warms up.
            self.samples.drain(..self.samples.len() - 1);
        }
        (self.alarming, self.alarmed) = (None, None);
        self.control(now, now_c, applied.ratio(), is_new);
        (Wanted::Duty(duty(self.held)), None)
    }

    /// Takes a measurement; false when it is none or was taken before.
    fn note(&mut self, now_c: f64, at: Instant) -> bool {
        let is_newer = self.samples.back().is_none_or(|(last, _)| *last < at);
        if !is_newer || !BELIEVED_C.contains(&now_c) {
            return false;
        }
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((at, now_c));
        self.coldest_c = self.coldest_c.min(now_c);
        true
    }

    fn silent(&mut self, now: Instant, age: Duration) -> (Wanted, Option<Alarm>) {
        let first = !std::mem::replace(&mut self.is_silent, true);
        let alarm = first.then_some(Alarm::Silent);
        if age <= STALE_AFTER + GRACE && self.paused.is_none() {
            return (Wanted::Duty(duty(self.held)), alarm);
        }
        self.paused.get_or_insert(now);
        (Wanted::Lost, alarm)
    }

    /// Says once each that it is much too hot in a pause, and that it stays so.
    fn alarm(&mut self, now: Instant, now_c: f64) -> Option<Alarm> {
        if now_c < self.limits.pause_c + ALERT_ABOVE_C {
            (self.alarming, self.alarmed) = (None, None);
            return None;
        }
        let length = now.saturating_duration_since(*self.alarming.get_or_insert(now));
        let due = match self.alarmed {
            _ if length >= STOP_AFTER => Alarm::Stop,
            None if length >= ALERT_AFTER => Alarm::Alert,
            _ => return None,
        };
        (self.alarmed.replace(due) != Some(due)).then_some(due)
    }

    fn control(&mut self, now: Instant, now_c: f64, applied: f64, is_new: bool) {
        let Some((slope, counted)) = self.slope() else { return };
        // Two readings say something only where they lie far apart.
        if is_new && applied > 0.05 && slope > if counted > 2 { 0.0 } else { 2.0 } {
            let seen = slope / applied.max(0.1);
            self.steepest = self.steepest.max(seen).min(*STEEPNESS.end());
        }
        let has_warmed_up = now_c - self.coldest_c >= SEEN_RISE_C;
        let mut steepness = if has_warmed_up { self.steepest } else { self.steepest.max(UNSEEN_STEEPNESS) };
        let error = now_c - self.limits.set_c;
        if error.abs() >= SWING_C
            && self.was_above.replace(error > 0.0).is_some_and(|was_above| was_above != (error > 0.0))
        {
            steepness = (steepness * SWING_FACTOR).min(*STEEPNESS.end());
            self.steepest = steepness;
        }
        let since = self.stepped.map(|at| now.saturating_duration_since(at));
        let ahead_c = now_c + slope * LOOK_AHEAD_S;
        if is_new && slope > 0.5 && ahead_c >= self.limits.pause_c {
            self.level = (self.level.min(applied) * 0.5).max(LEAST);
            self.step = Some((slope, self.level - applied));
            (self.held, self.stepped) = (self.level, Some(now));
            return;
        }
        if since.is_some_and(|since| since < STEP_EVERY) {
            return;
        }
        steepness = steepness.max(self.learn(slope, applied));
        let seconds = since.unwrap_or(STEP_EVERY).min(2 * STEP_EVERY).as_secs_f64();
        let haste = if error > 0.0 { HASTE_DOWN } else { 1.0 };
        let step = -(SPEED / steepness) * seconds * (slope + INTEGRAL * haste * error);
        let is_far = now_c + slope * FAR_S < self.limits.set_c;
        let step = step.clamp(if is_far { 0.0 } else { -MAX_DOWN }, MAX_UP);
        // Where something else holds the device back, a higher level would be no answer to what is measured.
        if step < 0.0 || applied >= self.held - MIN_STEP {
            self.level = (self.level + step).clamp(0.0, 1.0);
        }
        self.step = None;
        if (self.level - self.held).abs() >= MIN_STEP || self.level >= 1.0 {
            self.step = Some((slope, self.level - self.held));
            self.held = self.level;
        }
        self.stepped = Some(now);
    }

    /// How steep the device is by its answer to the last step, if that says it. One that was warm already when it was first
    /// seen shows it by nothing else, and steps that are too large for it make it swing below its set point for ever.
    fn learn(&mut self, slope: f64, applied: f64) -> f64 {
        if let Some((before, change)) = self.step.take()
            && change.abs() >= TELLING_STEP
            && (applied - self.held).abs() < MIN_STEP
            && (slope - before).abs() >= TELLING_SLOPE
        {
            self.steepest = self.steepest.max((slope - before) / change).min(*STEEPNESS.end());
        }
        self.steepest
    }

    /// Rise in C a second, and of how many readings: a line through those of a short time.
    fn slope(&self) -> Option<(f64, usize)> {
        let &(end, end_c) = self.samples.back()?;
        let before = |at: Instant| end.saturating_duration_since(at);
        let mut counted = 0;
        for (at, c) in self.samples.iter().rev() {
            counted += 1;
            if counted >= 3 && (before(*at) >= SLOPE_OVER || (end_c - c).abs() >= SLOPE_CHANGE_C) {
                break;
            }
        }
        let points =
            || self.samples.iter().rev().take(counted).map(|(at, c)| (-before(*at).as_secs_f64(), *c));
        #[allow(clippy::cast_precision_loss, reason = "a few readings")]
        let count = counted as f64;
        let (mean_s, mean_c) =
            points().fold((0.0, 0.0), |(s, c), (at, now_c)| (s + at / count, c + now_c / count));
        let (above, below) = points().fold((0.0, 0.0), |(above, below), (at, now_c)| {
            (above + (at - mean_s) * (now_c - mean_c), below + (at - mean_s).powi(2))
        });
        (counted > 1 && below > 0.0).then(|| (above / below, counted))
    }
}

/// From 0 to 1, never a pause by rounding.
fn duty(level: f64) -> Duty {
    Duty::from_ratio(level).max(Duty::from_permille(1))
}

#[cfg(test)]
mod tests;
