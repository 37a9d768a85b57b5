//! The loop that joins pools, workers and screens, on one thread with one current-thread runtime. Hashing never
//! runs here, so a saturated machine does not delay a submit.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_stratum::client::Client;
use rminer_stratum::supervisor::{Event, PoolEvent};
use rminer_stratum::{NotSent, Share};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::board::Board;
use super::core::{Core, Submit};
use super::crew::Patience;
use super::obey::{Done, ending, obey};
use super::order::{Command, Obeyed, Order};
use super::snapshot::Snapshot;
use crate::clock::week_time;
use crate::devices::{DeviceSource, Notice};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::safety::{Governor, SafetySettings};
use crate::service::Manager;
use crate::telemetry::Telemetry;
use crate::ui::Viewer;

/// Reports of workers that may wait. Workers wait when it is full, so no hit is dropped.
const MAX_REPORTS: usize = 1024;
/// Checked hits that may wait.
const MAX_CHECKED: usize = 256;
/// Hits that are looked at before the client has its turn: hits without end must not hide a connection that ended.
const MAX_IN_A_ROW: u32 = 32;
/// How long workers have to end. A RandomX hash takes milliseconds, a step of a dataset not much longer.
const WORKERS_END: Duration = Duration::from_millis(700);
/// How long the records have to take in the last of it.
const RECORDS_END: Duration = Duration::from_millis(300);
/// Verdicts of hits of the last moment that still get into the records.
const MAX_LAST_EVENTS: usize = 2 * MAX_REPORTS;

/// How long and how loud.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Stop after this long.
    pub time_limit: Option<Duration>,
    /// Time between reports of the hash rate.
    pub stats_interval: Option<Duration>,
    /// When devices count as hung.
    pub patience: Patience,
}

/// Orders that may wait.
pub const MAX_ORDERS: usize = 16;

/// What the engine is joined with beside pools, devices and screens.
pub struct Surroundings<'a> {
    /// What devices say while they get ready.
    pub notices: mpsc::Receiver<Notice>,
    /// What people ask while it runs.
    pub orders: mpsc::Receiver<Order>,
    /// What holds devices back.
    pub governor: Governor,
    /// What sensors say.
    pub telemetry: Telemetry,
    /// Where the state is put for interfaces.
    pub board: Arc<Board>,
    /// Told everything that screens are told, for interfaces and records.
    pub recorder: Option<Viewer>,
    /// Reads the configuration again.
    pub reload: Option<Reload<'a>>,
    /// The service manager that started this process, and waits for its signs of life.
    pub manager: Option<Manager>,
}

/// A configuration that was read again.
#[derive(Debug)]
pub struct Reloaded {
    /// Limits, which hold at once.
    pub safety: SafetySettings,
    /// Time between reports, which holds at once.
    pub stats_interval: Option<Duration>,
    /// What of these is not what it was.
    pub changed: Vec<&'static str>,
    /// What else has changed, and is not applied.
    pub needs_start: Vec<&'static str>,
    /// What the user should read.
    pub warnings: Vec<Problem>,
}

/// Reads the configuration again, or says in one problem all that is wrong with it.
pub type Reload<'a> = Box<dyn FnMut() -> Result<Reloaded, Problem> + 'a>;

impl Surroundings<'_> {
    /// With nothing but these notices.
    pub fn bare(notices: mpsc::Receiver<Notice>) -> Self {
        Self {
            notices,
            orders: mpsc::channel(1).1,
            governor: Governor::none(),
            telemetry: Telemetry::none(),
            board: Arc::default(),
            recorder: None,
            reload: None,
            manager: None,
        }
    }
}

/// Mines until `stop` is ready, the time is over, or there is no point in going on. When `stop` becomes ready a
/// second time everything is dropped at once.
///
/// # Errors
/// When the system gives no thread.
pub async fn run<S: Future<Output = ()>>(
    mut client: Client,
    sources: Vec<Arc<dyn DeviceSource>>,
    mut around: Surroundings<'_>,
    mut options: RunOptions,
    stop: impl Fn() -> S,
    viewer: &mut Viewer,
) -> io::Result<(Exit, Snapshot)> {
    let (report_sender, mut reports) = mpsc::channel(MAX_REPORTS);
    let (checked_sender, mut checked) = mpsc::channel(MAX_CHECKED);
    let started = Instant::now();
    let mut core = Core::new(sources, report_sender, checked_sender, options.patience, started)?;
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_report = options.stats_interval.map(|every| started + every);
    let time_over = options.time_limit.map(|limit| tokio::time::Instant::from_std(started + limit));
    let mut stopping = false;
    let mut in_a_row = 0;
    let mut stop_asked = pin!(stop());
    let exit = loop {
        tokio::select! {
            // What ends the run and what comes once a second: neither can keep the others waiting.
            biased;
            () = &mut stop_asked => {
                if stopping {
                    break Exit::Done;
                }
                stopping = true;
                stop_asked.set(stop());
                around.manager.iter_mut().for_each(Manager::stopping);
                core.pause("stop");
                client.stop();
            }
            () = async { sleep_until(time_over.unwrap_or_else(tokio::time::Instant::now)).await }, if time_over.is_some() && !stopping => {
                stopping = true;
                around.manager.iter_mut().for_each(Manager::stopping);
                core.pause("stop");
                client.stop();
            }
            _ = seconds.tick() => {
                let now = Instant::now();
                let readings = around.telemetry.latest(now);
                let decision = around.governor.tick(now, week_time(), &readings);
                core.decided(decision, readings);
                core.tick(now);
                let snapshot = Arc::new(core.snapshot(now, client.ledger()));
                around.board.publish(Arc::clone(&snapshot));
                if let Some(manager) = &mut around.manager {
                    manager.second(now, &snapshot);
                }
                if next_report.is_some_and(|at| at <= now) {
                    next_report = options.stats_interval.map(|every| now + every);
                    viewer.rates(Snapshot::clone(&snapshot));
                }
                if let Some(recorder) = &mut around.recorder {
                    recorder.second(snapshot);
                }
            }
            // Then hits: they are what a late millisecond costs money for.
            Some(report) = reports.recv(), if in_a_row < MAX_IN_A_ROW => {
                in_a_row += 1;
                core.on_report(Instant::now(), report, &mut client);
            }
            Some(hit) = checked.recv(), if in_a_row < MAX_IN_A_ROW => {
                in_a_row += 1;
                core.on_checked(Instant::now(), hit, &mut client);
            }
            event = client.next() => {
                in_a_row = 0;
                if let Event::Pool { pool, what: PoolEvent::LoggedIn } = &event {
                    core.on_path(*pool, client.path(*pool));
                }
                core.on_pool(event);
            }
            Some(notice) = around.notices.recv() => core.on_notice(notice),
            Some(Order { command, answer }) = around.orders.recv() => {
                let (what, now) = (command.name(), Instant::now());
                let reloads = command == Command::Reload && !stopping;
                around.manager.iter_mut().filter(|_| reloads).for_each(Manager::reloading);
                let Done { outcome, warnings, stats_interval } = match stopping {
                    true => Err(ending()).into(),
                    false => obey(now, command, &mut around, &mut client),
                };
                if let Some(every) = stats_interval.filter(|every| *every != options.stats_interval) {
                    options.stats_interval = every;
                    next_report = every.map(|every| now + every);
                }
                around.manager.iter_mut().filter(|_| reloads).for_each(Manager::reloaded);
                core.on_order(Obeyed { what, outcome: outcome.clone() });
                warnings.into_iter().for_each(|warning| core.on_warning(warning));
                // Whoever asked may be gone; it holds all the same.
                let _gone = answer.send(outcome);
            }
            // The client had its turn and nothing to say.
            () = std::future::ready(()), if in_a_row >= MAX_IN_A_ROW => in_a_row = 0,
        }
        for happening in core.take_happenings() {
            if let Some(recorder) = &mut around.recorder {
                recorder.happening(happening.clone());
            }
            if let Some(manager) = &mut around.manager {
                manager.happening(&happening);
            }
            viewer.happening(happening);
        }
        if let Some(exit) = core.exit() {
            break exit;
        }
    };
    around.manager.iter_mut().for_each(Manager::stopping);
    // What workers found in the last moment has no connection any more, but it gets its row.
    core.pause("stop");
    reports.close();
    while let Ok(report) = reports.try_recv() {
        core.on_report(Instant::now(), report, &mut client);
    }
    for _ in 0..MAX_LAST_EVENTS {
        tokio::select! {
            biased;
            event = client.next() => core.on_pool(event),
            () = std::future::ready(()) => break,
        }
    }
    core.tell_excess();
    let snapshot = core.snapshot(Instant::now(), client.ledger());
    debug_assert!(client.ledger().balances());
    if let Some(mut recorder) = around.recorder.take() {
        core.take_happenings().into_iter().for_each(|happening| recorder.happening(happening));
        recorder.finish(snapshot.clone(), RECORDS_END);
    }
    core.stop(WORKERS_END);
    Ok((exit, snapshot))
}

impl Submit for Client {
    fn share(&mut self, share: &Share) {
        self.submit(share);
    }

    fn not_sent(&mut self, share: &Share, why: NotSent) {
        self.record_not_sent(share, why);
    }

    fn throttled(&mut self, pool: usize, worker: u16, hits: u64) {
        self.record_throttled(pool, worker, hits);
    }
}
