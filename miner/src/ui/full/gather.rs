//! The thread that asks the miner: the state each second, the rest less often. A miner that cannot be reached is asked
//! again; nothing here ends the screen, and no answer holds up a key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::data::{Data, Lost};
use crate::clock::{unix_seconds, utc_offset_s};
use crate::problem::Problem;
use crate::ui::keys::{Topic, outcome};
use crate::ui::source::{Source, one_line};
use crate::ui::topics;

/// Time between two looks at the state.
const EVERY: Duration = Duration::from_secs(1);
/// Looks at the state between two at the pools, and at the history.
const POOLS_EVERY: u64 = 3;
const HISTORY_EVERY: u64 = 10;
/// The longest wait before a miner that cannot be reached is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Questions and orders that may wait.
const MAX_ASKS: usize = 8;

/// What somebody at the keys wants.
#[derive(Debug)]
pub(super) enum Ask {
    /// Something to read.
    Topic(Topic),
    /// An order: its path and body.
    Order(&'static str, Value),
}

/// Asks the miner on a thread of its own; it ends when this is dropped.
pub(super) struct Gatherer {
    data: Arc<Mutex<Data>>,
    asks: mpsc::Sender<Ask>,
}

impl Gatherer {
    /// Begins. `ended` is set when the system asks the program to end, where the screen is all of it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(source: Arc<dyn Source>, ended: Option<Arc<AtomicBool>>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (asks, waiting) = mpsc::channel(MAX_ASKS);
        let data = Arc::new(Mutex::new(Data::default()));
        let shared = Arc::clone(&data);
        std::thread::Builder::new().name("screen-data".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = gather(&*source, &shared, waiting) => {}
                    () = asked_to_end(ended) => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { data, asks })
    }

    /// What is known.
    pub(super) fn data(&self) -> MutexGuard<'_, Data> {
        lock(&self.data)
    }

    /// Asks for something; says so when too much waits already.
    pub(super) fn ask(&self, ask: Ask) {
        if self.asks.try_send(ask).is_err() {
            self.data().feedback =
                Some(("the miner has not answered the last ones yet".into(), unix_seconds()));
        }
    }
}

fn lock(data: &Mutex<Data>) -> MutexGuard<'_, Data> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ready when the system asks the program to end.
async fn asked_to_end(ended: Option<Arc<AtomicBool>>) {
    match ended {
        None => std::future::pending().await,
        Some(ended) => {
            crate::mine::stop_signal().await;
            ended.store(true, Ordering::Release);
        }
    }
}

async fn gather(source: &dyn Source, data: &Mutex<Data>, mut asks: mpsc::Receiver<Ask>) {
    let (mut turn, mut failures) = (0_u64, 0_u32);
    loop {
        match look(source, data, turn).await {
            Ok(()) => failures = 0,
            Err(problem) => {
                failures = failures.saturating_add(1);
                let mut data = lock(data);
                let since_s = data.lost.take().map_or_else(unix_seconds, |lost| lost.since_s);
                data.lost = Some(Lost { since_s, why: crate::problem::printable(&problem.summary) });
            }
        }
        turn += 1;
        let next = Instant::now() + EVERY.saturating_mul(failures.max(1)).min(LONGEST_WAIT);
        loop {
            tokio::select! {
                biased;
                ask = asks.recv() => match ask {
                    None => return,
                    Some(ask) => {
                        let changes = matches!(ask, Ask::Order(..));
                        answer(source, data, ask).await;
                        if changes {
                            // What it changed should show at once.
                            break;
                        }
                    }
                },
                () = sleep_until(next) => break,
            }
        }
    }
}

async fn look(source: &dyn Source, data: &Mutex<Data>, turn: u64) -> Result<(), Problem> {
    let status = source.get("/api/v1/status").await?;
    let (last_share, last_event) = {
        let mut data = lock(data);
        data.set_status(status);
        (data.last_share, data.last_event)
    };
    let shares = source.get(&format!("/api/v1/shares?since={last_share}")).await?;
    let events = source.get(&format!("/api/v1/events?since={last_event}")).await?;
    {
        let mut data = lock(data);
        data.add_shares(&shares);
        data.add_events(&events);
    }
    if turn.is_multiple_of(POOLS_EVERY) {
        let pools = source.get("/api/v1/pools").await?;
        lock(data).pools = pools;
    }
    if turn.is_multiple_of(HISTORY_EVERY) {
        let history = source.get("/api/v1/history?metric=raw_hs").await?;
        lock(data).history = history;
    }
    Ok(())
}

async fn answer(source: &dyn Source, data: &Mutex<Data>, ask: Ask) {
    match ask {
        Ask::Topic(topic) => {
            let lines = topics::read(topic, source, utc_offset_s()).await;
            lock(data).told = Some((topic, lines));
        }
        Ask::Order(path, body) => {
            let said = match source.post(path, &body).await {
                Ok(answer) => outcome(&answer),
                Err(problem) => format!("not done: {}", one_line(&problem)),
            };
            lock(data).feedback = Some((said, unix_seconds()));
        }
    }
}
