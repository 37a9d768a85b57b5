//! The whole miner but for the pool: jobs come from here, and what it would send ends here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Target, Template};
use rminer_stratum::supervisor::Event;
use rminer_stratum::{Job, JobKey, NotSent, Share, Supersede};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::watched::{Log, Watch, WatchedSource};
use super::{BenchError, Measuring, Phase, Stopwatch};
use crate::devices::{DeviceError, DeviceSource};
use crate::engine::{Core, CrewEvent, Happening, Patience, Submit};

/// Reports and checked hits that may wait, as in the miner.
const MAX_WAITING: usize = 256;
/// How often the phase looks at the clock.
const POLL: Duration = Duration::from_millis(10);
/// Workers have this long to end.
const WORKERS_END: Duration = Duration::from_secs(5);
/// Devices have this long to start.
const START: Duration = Duration::from_secs(120);

/// Where jobs come from, and where shares go.
pub(super) trait Feed: Submit {
    /// What happens next; nothing is lost when it is not waited for to the end.
    async fn next(&mut self) -> Result<Event, BenchError>;
}

/// New jobs from this process, at their times.
struct Made {
    algorithm: &'static Algorithm,
    times: Interval,
    number: u64,
    target: Target,
}

impl Feed for Made {
    async fn next(&mut self) -> Result<Event, BenchError> {
        self.times.tick().await;
        self.number += 1;
        let work = (self.algorithm.sample)(self.number)
            .map_err(|fault| DeviceError::Unsupported(fault.to_string()))?;
        Ok(Event::Job(Arc::new(Job {
            key: JobKey { session: 1, seq: self.number },
            pool: 0,
            algorithm: self.algorithm,
            template: Template::Fixed(Arc::new(work)),
            target: self.target,
            block_target: None,
            supersede: Supersede::Discard,
            height: None,
            next_seed: None,
            received: Instant::now(),
        })))
    }
}

/// Shares end here.
impl Submit for Made {
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
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let difficulty = (rate_hs as u128).max(1);
        let phase = runtime.block_on(async {
            let target = Target::from_difficulty(difficulty).unwrap_or(Target::MAX);
            let times = ticks(self.new_job_every);
            let made = Made { algorithm: self.algorithm, times, number: 0, target };
            self.mine(made, time, &log, |_, _| {}).await
        });
        *watch = log.take();
        phase
    }

    /// Mines what is fed for `time`, from when every worker hashes. Once a second `tell` hears of the hashes since
    /// then.
    pub(super) async fn mine(
        &self,
        mut feed: impl Feed,
        time: Duration,
        log: &Arc<Log>,
        tell: impl Fn(u64, Instant),
    ) -> Result<Phase, BenchError> {
        let (reports, mut reported) = mpsc::channel(MAX_WAITING);
        let (checked, mut done) = mpsc::channel(MAX_WAITING);
        let watched = |source: &Arc<dyn DeviceSource>| {
            let (inner, log) = (Arc::clone(source), Arc::clone(log));
            Arc::new(WatchedSource { inner, log }) as Arc<dyn DeviceSource>
        };
        let sources = self.sources.iter().map(watched).collect();
        let mut core = Core::new(sources, reports, checked, Patience::default(), Instant::now())
            .map_err(|fault| BenchError::Thread(fault.to_string()))?;
        let (mut polls, mut seconds) = (ticks(POLL), ticks(Duration::from_secs(1)));
        let begun = Instant::now();
        let mut clock: Option<(Stopwatch, u64)> = None;
        let outcome = loop {
            tokio::select! {
                biased;
                Some(report) = reported.recv() => core.on_report(Instant::now(), report, &mut feed),
                Some(checked) = done.recv() => core.on_checked(Instant::now(), checked, &mut feed),
                _ = seconds.tick() => {
                    core.tick(Instant::now());
                    if let Some((watch, before)) = &clock {
                        tell(log.hashes() - before, watch.0);
                    }
                }
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
                event = feed.next() => match event {
                    Ok(event) => {
                        if let Event::Job(job) = &event {
                            log.hand(job.received);
                        }
                        core.on_pool(event);
                    }
                    Err(fault) => break Err(fault),
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
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A device that does not get through a benchmark has no result.
fn fault(happening: Happening) -> Option<DeviceError> {
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
