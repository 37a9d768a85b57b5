//! The whole miner but for the pool: jobs come from here, and what it would send ends here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rminer_algos::{Target, Template};
use rminer_stratum::supervisor::Event;
use rminer_stratum::{Job, JobKey, NotSent, Share, Supersede};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::watched::{Log, Watch, WatchedSource};
use super::{BenchError, Measuring, Phase, Stopwatch};
use crate::devices::{DeviceError, DeviceSource};
use crate::engine::{Core, CrewEvent, Happening, Patience, Submit};

/// Reports and checked hits that may wait, as in the miner.
pub(super) const MAX_WAITING: usize = 256;
/// How often the phase looks at the clock.
pub(super) const POLL: Duration = Duration::from_millis(10);
/// Workers have this long to end.
pub(super) const WORKERS_END: Duration = Duration::from_secs(5);
/// Devices have this long to start.
pub(super) const START: Duration = Duration::from_secs(120);

/// Shares that come out and go nowhere.
struct Nowhere;

impl Submit for Nowhere {
    fn share(&mut self, _: &Share) {}

    fn not_sent(&mut self, _: &Share, _: NotSent) {}

    fn throttled(&mut self, _: usize, _: u16, _: u64) {}
}

impl Measuring<'_> {
    /// Mines for `time` with a share about every second.
    pub(super) fn whole(&self, time: Duration, rate_hs: f64, watch: &mut Watch) -> Result<Phase, BenchError> {
        let log = Arc::new(Log::with(std::mem::take(watch)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|fault| BenchError::Thread(fault.to_string()))?;
        let phase = runtime.block_on(self.mine(time, rate_hs, &log));
        *watch = log.take();
        phase
    }

    async fn mine(&self, time: Duration, rate_hs: f64, log: &Arc<Log>) -> Result<Phase, BenchError> {
        let (reports, mut reported) = mpsc::channel(MAX_WAITING);
        let (checked, mut done) = mpsc::channel(MAX_WAITING);
        let watched = |source: &Arc<dyn DeviceSource>| {
            let (inner, log) = (Arc::clone(source), Arc::clone(log));
            Arc::new(WatchedSource { inner, log }) as Arc<dyn DeviceSource>
        };
        let sources = self.sources.iter().map(watched).collect();
        let mut core = Core::new(sources, reports, checked, Patience::default(), Instant::now())
            .map_err(|fault| BenchError::Thread(fault.to_string()))?;
        let ticks = |every| {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut polls, mut seconds) = (ticks(POLL), ticks(Duration::from_secs(1)));
        let mut jobs = ticks(self.new_job_every);
        let begun = Instant::now();
        let mut number = 0;
        let mut clock: Option<(Stopwatch, u64)> = None;
        let outcome = loop {
            tokio::select! {
                biased;
                Some(report) = reported.recv() => core.on_report(Instant::now(), report, &mut Nowhere),
                Some(checked) = done.recv() => core.on_checked(Instant::now(), checked, &mut Nowhere),
                _ = jobs.tick() => {
                    number += 1;
                    match self.job(number, rate_hs) {
                        Ok(job) => {
                            log.hand(job.received);
                            core.on_pool(Event::Job(Arc::new(job)));
                        }
                        Err(fault) => break Err(fault.into()),
                    }
                }
                _ = seconds.tick() => core.tick(Instant::now()),
                _ = polls.tick() => {
                    match &clock {
                        None if log.started() >= self.sources.len() => {
                            clock = Some((Stopwatch::start(), log.hashes()));
                        }
                        None if begun.elapsed() > START => {
                            break Err(DeviceError::Lost("does not start to hash".into()).into());
                        }
                        Some((watch, before)) if watch.0.elapsed() >= time => {
                            break Ok(watch.stop(log.hashes() - before));
                        }
                        _ => {}
                    }
                    if self.stop.load(Ordering::Relaxed) {
                        break Err(BenchError::Stopped);
                    }
                }
            }
            if let Some(fault) = core.take_happenings().into_iter().find_map(fault) {
                break Err(fault.into());
            }
        };
        // Workers that wait to report would never end.
        drop((reported, done));
        core.stop(WORKERS_END);
        outcome
    }

    fn job(&self, number: u64, rate_hs: f64) -> Result<Job, DeviceError> {
        let work =
            (self.algorithm.sample)(number).map_err(|fault| DeviceError::Unsupported(fault.to_string()))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let difficulty = (rate_hs as u128).max(1);
        Ok(Job {
            key: JobKey { session: 1, seq: number },
            pool: 0,
            algorithm: self.algorithm,
            template: Template::Fixed(Arc::new(work)),
            target: Target::from_difficulty(difficulty).unwrap_or(Target::MAX),
            block_target: None,
            supersede: Supersede::Discard,
            height: None,
            next_seed: None,
            received: Instant::now(),
        })
    }
}

/// A device that does not get through a benchmark has no result.
pub(super) fn fault(happening: Happening) -> Option<DeviceError> {
    match happening {
        Happening::Crew(
            CrewEvent::Lost(_, error, _) | CrewEvent::Benched(_, error) | CrewEvent::Unusable(_, error),
            ..,
        ) => Some(error),
        Happening::Crew(CrewEvent::Hung(..), ..) => Some(DeviceError::Lost("hung".into())),
        Happening::Mismatch(text) => Some(DeviceError::Wrong(text)),
        _ => None,
    }
}
