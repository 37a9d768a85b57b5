//! How things were: 24 hours in memory at 10 seconds, and 30 days at 5 minutes that a file outlives.
//!
//! Rows are in the order in which they were made, whatever the machine's clock says: a rig without a clock of its own
//! begins in 1970 and jumps.

mod keeper;
mod period;
mod ring;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use keeper::{HistoryOptions, Keeper};
pub use period::Period;
pub use ring::{RECORD_BYTES, Ring, RingError};

/// Length of a row in memory.
pub const FINE: Duration = Duration::from_secs(10);
/// Length of a row on disk.
pub const COARSE: Duration = Duration::from_secs(300);
/// Rows in memory: 24 hours.
pub const MAX_FINE: usize = 8640;
/// Rows on disk: 30 days.
pub const MAX_COARSE: usize = 8640;
/// Devices that have a history of their own; the rig's holds all of them.
pub const MAX_DEVICES: usize = 16;
/// Points of an answer.
pub const MAX_POINTS: usize = 2000;
/// No row is longer, whatever a file says.
const LONGEST_S: f64 = 3600.0;

/// What is kept of a device, or of the rig, over one row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Hashes per second.
    pub raw_hs: f32,
    /// Difficulty of accepted shares, in expected hashes.
    pub credited_hashes: f32,
    /// Shares that pools took.
    pub accepted: u32,
    /// Shares that they refused, stale ones left out.
    pub rejected: u32,
    /// Stale shares.
    pub stale: u32,
    /// Mean power in watts.
    pub power_w: Option<f32>,
    /// Hottest place, in degrees Celsius.
    pub temp_c: Option<f32>,
    /// Mean share of the time that it was allowed to hash, from 0 to 1.
    pub duty: f32,
}

/// One stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its end by the machine's clock, in seconds since 1970.
    pub time_s: f64,
    /// Its length, in seconds.
    pub length_s: f32,
    /// All devices together.
    pub rig: Sample,
    /// Each device, [`MAX_DEVICES`] at most.
    pub devices: Vec<(Arc<str>, Sample)>,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Hashes per second.
    RawHs,
    /// What pools credit, in hashes per second.
    EffectiveHs,
    /// Accepted shares.
    Accepted,
    /// Refused shares, stale ones left out.
    Rejected,
    /// Stale shares.
    Stale,
    /// Power in watts.
    PowerW,
    /// Hottest place, in degrees Celsius.
    TempC,
    /// Share of the time that devices were allowed to hash, from 0 to 1.
    Duty,
}

impl Metric {
    /// Counts are added up; the others are what they are over the whole row.
    fn is_count(self) -> bool {
        matches!(self, Self::Accepted | Self::Rejected | Self::Stale)
    }

    fn of(self, sample: &Sample, length_s: f64) -> Option<f64> {
        match self {
            Self::RawHs => Some(sample.raw_hs.into()),
            Self::EffectiveHs => (length_s > 0.0).then(|| f64::from(sample.credited_hashes) / length_s),
            Self::Accepted => Some(sample.accepted.into()),
            Self::Rejected => Some(sample.rejected.into()),
            Self::Stale => Some(sample.stale.into()),
            Self::PowerW => sample.power_w.map(f64::from),
            Self::TempC => sample.temp_c.map(f64::from),
            Self::Duty => Some(sample.duty.into()),
        }
    }
}

/// A row and its place among the others.
#[derive(Debug)]
struct Placed {
    row: Row,
    /// For a coarse row its number in this process, from 1; 0 when an earlier one made it. For a fine row how many
    /// coarse ones there were before it.
    coarse: u64,
}

/// All rows.
#[derive(Debug, Default)]
pub struct History {
    fine: VecDeque<Placed>,
    coarse: VecDeque<Placed>,
    /// Coarse rows of this process.
    made: u64,
}

impl History {
    /// Adds a row of [`FINE`].
    pub fn add_fine(&mut self, row: Row) {
        if self.fine.len() == MAX_FINE {
            self.fine.pop_front();
        }
        self.fine.push_back(Placed { row, coarse: self.made });
    }

    /// Adds a row of [`COARSE`].
    pub fn add_coarse(&mut self, row: Row) {
        if self.coarse.len() == MAX_COARSE {
            self.coarse.pop_front();
        }
        self.made += 1;
        self.coarse.push_back(Placed { row, coarse: self.made });
    }

    /// Puts rows of earlier processes before all others, oldest first.
    pub fn put_before(&mut self, rows: Vec<Row>) {
        for row in rows.into_iter().rev() {
            if self.coarse.len() == MAX_COARSE {
                return;
            }
            self.coarse.push_front(Placed { row, coarse: 0 });
        }
    }

    /// A metric of a device, or of the rig, between two times in seconds since 1970, in steps of `step_s` or longer
    /// ones so that there are [`MAX_POINTS`] at most. Each point is the start of a step with what is known of it.
    pub fn points(
        &self,
        metric: Metric,
        device: Option<&str>,
        from_s: f64,
        to_s: f64,
        step_s: f64,
    ) -> Vec<(f64, Option<f64>)> {
        let span_s = to_s - from_s;
        if !(span_s.is_finite() && span_s > 0.0 && step_s.is_finite()) {
            return Vec::new();
        }
        #[allow(clippy::cast_precision_loss)]
        let most = MAX_POINTS as f64;
        let step_s = step_s.max(1.0).max(span_s / most);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let number = ((span_s / step_s).ceil() as usize).clamp(1, MAX_POINTS);
        let mut steps = vec![Step::default(); number];
        for row in self.rows(step_s < COARSE.as_secs_f64()) {
            let sample = match device {
                None => Some(&row.rig),
                Some(device) => row.devices.iter().find(|(id, _)| **id == *device).map(|(_, sample)| sample),
            };
            let length_s = f64::from(row.length_s).clamp(0.0, LONGEST_S);
            let Some(value) = sample.and_then(|sample| metric.of(sample, length_s)) else { continue };
            // A count belongs to the step of the row's end; the rest holds for all steps that the row touches.
            // One that ends with a step does not touch the next.
            let last_s = row.time_s - 0.001;
            let first_s = if metric.is_count() { last_s } else { (row.time_s - length_s).min(last_s) };
            let index = |time_s: f64| (time_s - from_s) / step_s;
            let (first, last) = (index(first_s), index(last_s));
            #[allow(clippy::cast_precision_loss)]
            if last < 0.0 || first >= number as f64 {
                continue;
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let (first, last) = (first.max(0.0) as usize, (last.max(0.0) as usize).min(number - 1));
            for step in &mut steps[first.min(number - 1)..=last] {
                step.add(metric, value, length_s);
            }
        }
        #[allow(clippy::cast_precision_loss)]
        let start = |index: usize| from_s + step_s * index as f64;
        steps.iter().enumerate().map(|(index, step)| (start(index), step.value(metric))).collect()
    }

    /// All rows in their order, no time twice: where there are fine ones these if `fine`, else the coarse ones and
    /// what came after the last of them.
    fn rows(&self, fine: bool) -> impl Iterator<Item = &Row> {
        let coarse_until = match self.fine.front() {
            Some(first) if fine => first.coarse,
            _ => u64::MAX,
        };
        let fine_from = if fine { 0 } else { self.made };
        let coarse = self.coarse.iter().filter(move |placed| placed.coarse <= coarse_until);
        let fine = self.fine.iter().filter(move |placed| placed.coarse >= fine_from);
        coarse.chain(fine).map(|placed| &placed.row)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Step {
    sum: f64,
    weight: f64,
    most: Option<f64>,
}

impl Step {
    fn add(&mut self, metric: Metric, value: f64, length_s: f64) {
        let weight = if metric.is_count() { 1.0 } else { length_s.max(0.001) };
        self.sum += value * weight;
        self.weight += weight;
        self.most = Some(self.most.map_or(value, |most| most.max(value)));
    }

    fn value(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::TempC => self.most,
            _ if self.weight == 0.0 => None,
            metric if metric.is_count() => Some(self.sum),
            _ => Some(self.sum / self.weight),
        }
    }
}

#[cfg(test)]
mod tests;
