//! Rates of several things side by side: taken in turns, so that a clock or a neighbour that changes strikes all.

#![allow(unsafe_code)]

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::nvidia::Watch;

/// Hashes per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Rate {
    /// Of the wall clock.
    pub(crate) wall_hs: f64,
    /// Of processor time, where it is the processor that computes.
    pub(crate) cpu_hs: Option<f64>,
}

impl Rate {
    /// What ratios are made of: processor time where there is one, because it holds on a busy machine.
    pub(crate) fn best_hs(&self) -> f64 {
        self.cpu_hs.unwrap_or(self.wall_hs)
    }
}

/// Something that hashes.
pub(crate) trait Subject {
    /// What it is called in the results.
    fn name(&self) -> &str;
    /// Finds out how much to do at once; counts for nothing.
    fn prepare(&mut self) -> Result<()>;
    /// Hashes for about so long.
    fn run(&mut self, time: Duration) -> Result<Rate>;
}

/// A subject's median over the rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) rate: Rate,
    /// Least and most of the rounds, of the figure that ratios are made of.
    pub(crate) spread_hs: (f64, f64),
    /// Clock of the card's processors while it ran, where it could be read.
    pub(crate) sm_clock_mhz: Option<u32>,
}

/// All subjects in turns.
pub(crate) fn in_turns(subjects: &mut [&mut dyn Subject], rounds: usize, each: Duration) -> Result<Vec<Row>> {
    for subject in subjects.iter_mut() {
        subject.prepare()?;
    }
    let mut samples = vec![Vec::new(); subjects.len()];
    let mut clocks = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (i, subject) in subjects.iter_mut().enumerate() {
            let watch = Watch::begin();
            samples[i].push(subject.run(each)?);
            clocks[i].extend(watch.end().and_then(|state| state.sm_clock_mhz));
        }
    }
    let rows = subjects.iter().zip(samples).zip(clocks).map(|((subject, mut samples), mut clocks)| {
        samples.sort_by(|a, b| a.best_hs().total_cmp(&b.best_hs()));
        clocks.sort_unstable();
        let (first, last) = (samples.first().copied(), samples.last().copied());
        let none = Rate { wall_hs: 0.0, cpu_hs: None };
        Row {
            name: subject.name().to_owned(),
            rate: samples.get(samples.len() / 2).copied().unwrap_or(none),
            spread_hs: (first.unwrap_or(none).best_hs(), last.unwrap_or(none).best_hs()),
            sm_clock_mhz: clocks.get(clocks.len() / 2).copied(),
        }
    });
    Ok(rows.collect())
}

/// Processor time of this process so far, all threads together.
#[cfg(unix)]
pub(crate) fn process_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the struct that is passed.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Not known here; rates for each second of it come out as infinite.
#[cfg(not(unix))]
pub(crate) fn process_cpu() -> Duration {
    Duration::ZERO
}
