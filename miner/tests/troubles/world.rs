//! The engine with everything around it, and a device, sensors and a pool that do as they are told. A second of it is as
//! ten are elsewhere: observations are ten times as short.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rminer::api::{self, About, Access, ApiState, Server};
use rminer::devices::{
    Check, DatasetReady, Device, DeviceError, DeviceInfo, DeviceSource, Found, Interrupt, Notice,
    RandomxMemory,
};
use rminer::engine::{Board, Happening, Patience, RunOptions, Snapshot, Surroundings, run};
use rminer::explain::{Explanation, explain};
use rminer::records::trace::TraceOptions;
use rminer::records::{HistoryOptions, Recorder, Records};
use rminer::safety::{Governor, SafetySettings};
use rminer::telemetry::{DeviceKind, DeviceReadings, Readings, Source, Telemetry, Watched};
use rminer::ui::{Screen, Viewer};
use rminer_algos::registry::RANDOMX;
use rminer_algos::{Hash, Reference, Target, Unavailable, Work};
use rminer_pool::{
    DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, Profile, ToyReference, Verifier, monero,
    toy_hash,
};
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::{Credentials, PoolConfig as ClientPool};
use tokio::sync::{mpsc, oneshot};

/// Hashes a second when nothing is wrong.
pub const RATE_HS: u64 = 2000;
/// Length of an observation.
const WINDOW: Duration = Duration::from_millis(900);
/// Time between two looks at sensors.
const LOOK: Duration = Duration::from_millis(100);
const SLICE: Duration = Duration::from_millis(20);

/// What a test turns.
#[derive(Clone)]
pub struct Controls {
    rate_hs: Arc<AtomicU64>,
    fault: Arc<Mutex<Option<DeviceError>>>,
    readings: Arc<Mutex<DeviceReadings>>,
}

/// How the world is made.
pub struct Options {
    /// Name of the device.
    pub device: &'static str,
    /// Limits.
    pub safety: SafetySettings,
    /// Further sources of readings.
    pub sources: Vec<Box<dyn Source>>,
    /// The pool.
    pub pool: PoolConfig,
    /// Where the history is written.
    pub history: HistoryOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            device: "cpu0",
            safety: SafetySettings::default(),
            sources: Vec::new(),
            pool: quiet_pool(),
            history: HistoryOptions::default(),
        }
    }
}

/// A pool with a share now and then, and the same job all the time.
pub fn quiet_pool() -> PoolConfig {
    PoolConfig {
        difficulty: DifficultyConfig { start: 400, min: 1, ..DifficultyConfig::default() },
        job_interval: Duration::from_secs(3600),
        block_difficulty: u128::MAX,
        ..PoolConfig::with_profile(Profile::from(monero::Profile::default()))
    }
}

/// A miner that runs.
pub struct World {
    pub controls: Controls,
    pub pool: LocalPool,
    pub records: Arc<Records>,
    pub board: Arc<Board>,
    /// Where its interface is.
    pub address: SocketAddr,
    _server: Server,
    notices: mpsc::Sender<Notice>,
    device: &'static str,
    stop: Option<oneshot::Sender<()>>,
    engine: Option<JoinHandle<()>>,
}

impl World {
    /// Mines for a pool of its own.
    pub fn start(options: Options) -> Self {
        let Options { device, safety, sources, pool, history } = options;
        let pool = LocalPool::spawn_thread(LocalPoolConfig {
            verifier: Verifier::Toy,
            ..LocalPoolConfig::from(pool)
        })
        .unwrap();
        let controls = Controls {
            rate_hs: Arc::new(AtomicU64::new(RATE_HS)),
            fault: Arc::default(),
            readings: Arc::default(),
        };
        let (records, board) = (Arc::new(Records::default()), Arc::new(Board::default()));
        let (notices, waiting) = mpsc::channel(16);
        let (stop, stopped) = oneshot::channel();
        let listener = api::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let access = Access {
            bind: address,
            token: None,
            pairing: Arc::default(),
            origins: Vec::new(),
            hosts: Vec::new(),
        };
        let state = ApiState {
            about: Arc::new(About {
                pools: vec!["pool".into()],
                users: vec!["user".into()],
                ..About::default()
            }),
            board: Arc::clone(&board),
            records: Arc::clone(&records),
            orders: mpsc::channel(1).0,
            pairing: Arc::default(),
        };
        let server = Server::start(listener, api::router(state), access, api::Patience::default()).unwrap();
        let url = format!("stratum+tcp://{}", pool.addr());
        let engine = {
            let (controls, records, board) = (controls.clone(), Arc::clone(&records), Arc::clone(&board));
            std::thread::spawn(move || {
                engine(device, controls, &url, safety, sources, history, records, board, waiting, stopped);
            })
        };
        Self {
            controls,
            pool,
            records,
            board,
            address,
            _server: server,
            notices,
            device,
            stop: Some(stop),
            engine: Some(engine),
        }
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }

    /// As long as it takes to know what is usual.
    pub fn get_used(&self) {
        self.until("enough observations", 60, || {
            let trace = self.records.trace();
            trace.observations().filter(|seen| seen.devices.iter().any(|of| of.is_undisturbed)).count() >= 10
        });
    }

    /// As long as a trouble of some length takes.
    pub fn suffer(&self) {
        self.wait(6.5);
    }

    /// Waits until it is so.
    pub fn until(&self, what: &str, seconds: u64, done: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !done() {
            assert!(Instant::now() < end, "no {what} within {seconds} s: {:#?}", self.explain());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// All that is to say.
    pub fn explain(&self) -> Explanation {
        explain(&self.records.trace(), Duration::from_secs(3600))
    }

    /// The device says that its dataset is ready.
    pub fn dataset(&self, have: u32, want: u32) {
        let ready = DatasetReady {
            device: self.device.into(),
            init_ms: 10,
            mode: RandomxMemory::Fast,
            huge_pages_have: have,
            huge_pages_want: want,
            threads: 1,
        };
        self.notices.try_send(Notice::DatasetReady(ready)).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ended = stop.send(());
        }
        if let Some(engine) = self.engine.take() {
            let ended = engine.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the engine panicked");
        }
    }
}

impl Controls {
    /// Hashes a second from now on, as a share of what is usual.
    pub fn slow_down(&self, share: f64) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rate_hs = (RATE_HS as f64 * share) as u64;
        self.rate_hs.store(rate_hs, Ordering::Relaxed);
    }

    /// The device fails with each slice, until it is given up.
    pub fn fail(&self, fault: DeviceError) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// What its sensors say from now on.
    pub fn sense(&self, change: impl FnOnce(&mut DeviceReadings)) {
        change(&mut self.readings.lock().unwrap());
    }
}

struct Nobody;

impl Screen for Nobody {
    fn happening(&mut self, _: &Happening) -> io::Result<()> {
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }
}

#[allow(clippy::too_many_arguments)]
fn engine(
    device: &'static str,
    controls: Controls,
    url: &str,
    safety: SafetySettings,
    mut sources: Vec<Box<dyn Source>>,
    history: HistoryOptions,
    records: Arc<Records>,
    board: Arc<Board>,
    notices: mpsc::Receiver<Notice>,
    stopped: oneshot::Receiver<()>,
) {
    let credentials = Credentials { user: "user".into(), pass: "x".into(), rig_id: None };
    let client = Client::new(
        vec![ClientPool::new(url.parse().unwrap(), credentials, &RANDOMX)],
        ClientOptions::default(),
    )
    .unwrap();
    let kind = DeviceKind::of(device);
    let watched = Watched { id: device.into(), kind, pci: None, package: None };
    sources.push(Box::new(Sensors { device, controls: controls.clone() }));
    let history = HistoryOptions { trace: TraceOptions { window: WINDOW }, ..history };
    let pools = client.pool_names();
    let recorder = Viewer::start(move || {
        // The translation for interfaces is not looked at here.
        let _ = pools;
        vec![Box::new(Recorder::with_history(records, Box::new(|_| Vec::new()), history))]
    });
    let around = Surroundings {
        governor: Governor::new(safety, vec![watched], Instant::now()),
        telemetry: Telemetry::start(sources, LOOK).unwrap(),
        board,
        recorder: Some(recorder.unwrap()),
        ..Surroundings::bare(notices)
    };
    let mut viewer = Viewer::start(|| vec![Box::new(Nobody)]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = RunOptions { time_limit: None, stats_interval: None, patience: Patience::default() };
    let stopped = Mutex::new(Some(stopped));
    let stop = || {
        let stopped = stopped.lock().unwrap().take();
        async move {
            match stopped {
                Some(stopped) => drop(stopped.await),
                None => std::future::pending().await,
            }
        }
    };
    let workers: Vec<Arc<dyn DeviceSource>> = vec![Arc::new(Puppets::new(device, controls))];
    let (_, snapshot) = runtime.block_on(run(client, workers, around, options, stop, &mut viewer)).unwrap();
    viewer.finish(snapshot, Duration::from_secs(5));
}

/// Sensors of the device.
struct Sensors {
    device: &'static str,
    controls: Controls,
}

impl Source for Sensors {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn read(&mut self) -> Readings {
        let mut readings = self.controls.readings.lock().unwrap().clone();
        readings.temperatures.iter_mut().for_each(|temperature| temperature.at = Instant::now());
        Readings { devices: [(self.device.to_owned(), readings)].into(), ..Readings::default() }
    }
}

struct Puppets {
    info: DeviceInfo,
    controls: Controls,
}

impl Puppets {
    fn new(device: &str, controls: Controls) -> Self {
        let info = DeviceInfo { id: device.into(), worker: 0, name: "puppet".into(), pinned_to: None };
        Self { info, controls }
    }
}

impl DeviceSource for Puppets {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        let owed = 0.0;
        Ok(Box::new(Puppet { controls: self.controls.clone(), work: None, owed, at: Instant::now() }))
    }

    fn check(&self) -> Check {
        Check::Behind
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        Ok(Box::new(ToyReference))
    }
}

/// Hashes exactly as fast as it is told to, however long a slice takes on a busy machine.
struct Puppet {
    controls: Controls,
    work: Option<(Arc<Work>, Target)>,
    /// Hashes that should have been done by `at`.
    owed: f64,
    at: Instant,
}

impl Device for Puppet {
    fn load(&mut self, work: &Arc<Work>, target: Target, _: &Interrupt) -> Result<(), DeviceError> {
        (self.work, self.owed, self.at) = (Some((Arc::clone(work), target)), 0.0, Instant::now());
        Ok(())
    }

    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError> {
        if let Some(fault) = self.controls.fault.lock().unwrap().clone() {
            return Err(fault);
        }
        let Some((work, target)) = &self.work else { return Err(DeviceError::Lost("no work".into())) };
        let began = Instant::now();
        while began.elapsed() < SLICE && !interrupt.is_set() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.at);
        self.at = now;
        // A rest of the device is none of its work: only this slice counts.
        let passed = passed.min(now.saturating_duration_since(began) + Duration::from_millis(5));
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = {
            self.owed += self.controls.rate_hs.load(Ordering::Relaxed) as f64 * passed.as_secs_f64();
            let count = (self.owed as u64).min(range.end - range.start);
            self.owed -= count as f64;
            count
        };
        let seed = work.seed().map_or(&[][..], |seed| &seed[..]);
        let mut blob = work.blob().to_vec();
        for counter in range.start..range.start + count {
            let nonce = work.nonce(counter);
            work.write_nonce(&mut blob, nonce);
            let hash: Hash = toy_hash(seed, &blob);
            if target.is_met_by(&hash) {
                found.push(Found { nonce, hash: Some(hash) });
            }
        }
        Ok(count)
    }

    fn batch(&self) -> u64 {
        100_000
    }
}
