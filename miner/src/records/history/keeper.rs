//! The thread that writes the history, so that a disk that hangs holds up nobody.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ring::{self, PLACES, Ring, RingError};
use super::{COARSE, FINE, Period, Row};
use crate::devices::{Notice, NoticeSink};
use crate::engine::Snapshot;
use crate::problem::Problem;
use crate::records::Records;
use crate::records::trace::TraceOptions;

/// Rows that may wait for the disk; more are in memory only.
const MAX_UNWRITTEN: usize = 16;
/// A last row that is shorter is not worth a place.
const SHORTEST: Duration = Duration::from_secs(60);

/// How the history is kept.
#[derive(Clone)]
pub struct HistoryOptions {
    /// Where the file is; `None` keeps it in memory.
    pub folder: Option<PathBuf>,
    /// Length of a row in memory.
    pub fine: Duration,
    /// Length of a row on disk.
    pub coarse: Duration,
    /// Told once when the file cannot be had.
    pub sink: Option<NoticeSink>,
    /// How the trace is made that is kept beside it.
    pub trace: TraceOptions,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { folder: None, fine: FINE, coarse: COARSE, sink: None, trace: TraceOptions::default() }
    }
}

/// Makes rows and keeps them.
#[derive(Debug)]
pub struct Keeper {
    records: Arc<Records>,
    fine: Period,
    coarse: Period,
    shortest: Duration,
    /// Where rows go to the disk; `None` without a file.
    rows: Option<SyncSender<Row>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread, which first reads what earlier processes wrote.
    pub fn start(records: Arc<Records>, options: HistoryOptions) -> Self {
        let (fine, coarse) = (Period::new(options.fine), Period::new(options.coarse));
        let shortest = SHORTEST.min(options.coarse);
        let mut keeper = Self { records, fine, coarse, shortest, rows: None, thread: None };
        if let Some(folder) = options.folder {
            let (rows, waiting) = sync_channel(MAX_UNWRITTEN);
            let records = Arc::clone(&keeper.records);
            let path = ring::path(&folder);
            let write = move || write(&records, &path, &waiting, options.sink);
            // Without a thread the history is in memory only.
            keeper.thread = std::thread::Builder::new().name("history".into()).spawn(write).ok();
            keeper.rows = keeper.thread.is_some().then_some(rows);
        }
        keeper
    }

    /// The state, once a second.
    pub fn second(&mut self, time_s: f64, snapshot: &Snapshot) {
        let (fine, coarse) = {
            let statistics = self.records.statistics.lock().unwrap_or_else(PoisonError::into_inner);
            let fine = self.fine.second(time_s, snapshot, &statistics);
            (fine, self.coarse.second(time_s, snapshot, &statistics))
        };
        if let Some(row) = fine {
            self.records.history.lock().unwrap_or_else(PoisonError::into_inner).add_fine(row);
        }
        if let Some(row) = coarse {
            self.keep(row);
        }
    }

    /// Writes what there is of the last row and waits until it is written, for `patience` at most.
    pub fn end(&mut self, time_s: f64, snapshot: &Snapshot, patience: Duration) {
        let statistics = self.records.statistics();
        if let Some(row) = self.coarse.end(time_s, snapshot, &statistics, self.shortest) {
            self.keep(row);
        }
        self.rows = None;
        let end = Instant::now() + patience;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn keep(&self, row: Row) {
        if let Some(rows) = &self.rows {
            // A disk that is that slow misses a row.
            let _full = rows.try_send(row.clone());
        }
        self.records.history.lock().unwrap_or_else(PoisonError::into_inner).add_coarse(row);
    }
}

fn write(records: &Records, path: &Path, waiting: &Receiver<Row>, sink: Option<NoticeSink>) {
    let before = Ring::read(path, PLACES);
    records.history.lock().unwrap_or_else(PoisonError::into_inner).put_before(before);
    let mut sink = sink;
    let stopped = |why: Option<String>| {
        *records.history_trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    };
    let mut tell = |error: RingError| {
        stopped(Some(format!("{}: {error}", path.display())));
        if let Some(sink) = sink.take() {
            let summary = format!("the history {} is not written: {error}", path.display());
            let problem = Problem::warning("history-file", summary);
            sink(Notice::Warning(problem.fact("It is in memory only, and ends with this process.")));
        }
    };
    let mut ring = None;
    // The file is made with the first row: who only tries the program out finds no trace of it.
    while let Ok(row) = waiting.recv() {
        if ring.is_none() {
            ring = Ring::open(path, PLACES).map_err(&mut tell).ok();
        }
        match ring.as_mut().map(|ring| ring.add(&row)) {
            Some(Err(error)) => {
                tell(error.into());
                ring = None;
            }
            Some(Ok(())) => stopped(None),
            None => {}
        }
    }
}
