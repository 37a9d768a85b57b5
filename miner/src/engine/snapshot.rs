//! The state of a running miner as screens and interfaces see it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rminer_stratum::Counts;
use rminer_stratum::connect::Path;
use serde::Serialize;

use super::hashrate::Rates;
use super::histogram::Histogram;
use super::throttle::Duty;
use crate::devices::DatasetReady;
use crate::safety::{Cap, SafetySnapshot};
use crate::telemetry::{DeviceReadings, HostReadings};

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Since the start of the engine.
    pub uptime: Duration,
    /// All devices, in order of their names.
    pub devices: Vec<DeviceSnapshot>,
    /// Hash rates over all devices.
    pub rates: Rates,
    /// Hashes done by all devices.
    pub hashes: u64,
    /// Shares by verdict.
    pub shares: Counts,
    /// Shares that wait for an answer.
    pub pending: usize,
    /// Index of the pool that is mined for.
    pub pool: Option<usize>,
    /// Expected hashes for a share of the newest job.
    pub difficulty: Option<f64>,
    /// Height of the newest job.
    pub height: Option<u64>,
    /// What stops the engine as a whole, if anything does; all that pauses devices is [`Snapshot::paused_by`].
    pub pauses: Vec<&'static str>,
    /// In one word.
    pub state: State,
    /// All pools, in the order of the settings.
    pub pools: Vec<PoolSnapshot>,
    /// The machine.
    pub host: HostReadings,
    /// Algorithm of the newest job, by its name in the registry.
    pub algorithm: Option<&'static str>,
    /// Times from a hit to the end of its check on the CPU.
    pub check: Histogram,
    /// The limits in force.
    pub safety: SafetySnapshot,
}

/// One device with all its workers.
#[derive(Debug, Clone, Default)]
pub struct DeviceSnapshot {
    /// `cpu0`, …
    pub id: String,
    /// Model name.
    pub name: String,
    /// Worker threads.
    pub workers: u32,
    /// Each of them, by its number in the device.
    pub each_worker: Vec<WorkerSnapshot>,
    /// Hash rates.
    pub rates: Rates,
    /// Hashes done.
    pub hashes: u64,
    /// Shares that pools took.
    pub accepted: u64,
    /// Shares that pools refused.
    pub rejected: u64,
    /// Hits that were not sent.
    pub not_sent: u64,
    /// Hits that a second engine found wrong.
    pub mismatches: u64,
    /// In one word.
    pub state: DeviceState,
    /// What it may do.
    pub duty: Duty,
    /// What holds it back, the lowest first.
    pub caps: Vec<Cap>,
    /// What its sensors say.
    pub readings: DeviceReadings,
    /// Times that it was lost, hung ones and those that a panic took included.
    pub losses: u64,
    /// Of these, times that it hung.
    pub hung: u64,
    /// Times from a job's arrival to its first hash here. Not counted: the first job, and the first after a pause.
    pub new_work: Histogram,
    /// Its RandomX dataset or cache, once there is one.
    pub dataset: Option<DatasetReady>,
    /// Times that one of its workers was started again.
    pub restarts: u64,
    /// Times that one of its workers was lost too often and had to rest.
    pub benched: u64,
}

/// One worker of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WorkerSnapshot {
    /// Hash rates.
    pub rates: Rates,
    /// Processing unit (operating-system index) that it is pinned to, if it is.
    pub pinned_to: Option<u32>,
}

/// What the miner does, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No device has hashed yet.
    #[default]
    Starting,
    /// It hashes.
    Mining,
    /// There is a job, and something keeps every device from hashing.
    Paused,
    /// There is no job.
    Waiting,
    /// It ends.
    Stopping,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Mining, Self::Paused, Self::Waiting, Self::Stopping];

    /// Its name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Mining => "mining",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
        }
    }
}

/// What a device does, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// It is opened, or gets ready for work.
    #[default]
    Starting,
    /// It hashes.
    Mining,
    /// Something holds it back altogether.
    Paused,
    /// There is no work.
    Idle,
    /// It was lost and is opened anew soon.
    Lost,
    /// It was lost too often and rests.
    Benched,
    /// It can never do this work.
    Unusable,
}

impl DeviceState {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Starting, Self::Mining, Self::Paused, Self::Idle, Self::Lost, Self::Benched, Self::Unusable];

    /// Its name in metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Mining => "mining",
            Self::Paused => "paused",
            Self::Idle => "idle",
            Self::Lost => "lost",
            Self::Benched => "benched",
            Self::Unusable => "unusable",
        }
    }
}

/// One pool.
#[derive(Debug, Clone, Default)]
pub struct PoolSnapshot {
    /// Its shares by verdict.
    pub shares: Counts,
    /// Whether a connection with it is up and logged in.
    pub is_up: bool,
    /// How the latest connection came about, in words.
    pub path: Option<String>,
    /// The same for programs.
    pub link: Option<Link>,
    /// Connections that ended or were not had, by their cause.
    pub downs: BTreeMap<&'static str, u64>,
    /// Since when it is as it is.
    pub since: Option<Instant>,
}

/// The way to a pool, or to the proxy before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Address at the other end of the TCP connection.
    pub ip: Option<IpAddr>,
    /// Time that the TCP connection took: about one round trip.
    pub connect: Option<Duration>,
    /// Version of TLS, as in `1.3`, and the certificate's SHA-256 in hex.
    pub tls: Option<(&'static str, String)>,
}

impl From<&Path> for Link {
    fn from(path: &Path) -> Self {
        Self {
            ip: path.tcp.map(|tcp| tcp.address.ip()),
            connect: path.tcp.map(|tcp| tcp.took),
            tls: path.tls.as_ref().map(|tls| (tls.version, tls.pin.clone())),
        }
    }
}

impl Snapshot {
    /// What keeps every device, or some, from hashing at all, each reason once.
    pub fn paused_by(&self) -> Vec<&'static str> {
        let caps = self.devices.iter().flat_map(|device| &device.caps);
        let whole = caps.filter(|cap| cap.duty == Duty::PAUSE).map(|cap| cap.reason.name());
        let mut reasons = Vec::new();
        for reason in self.pauses.iter().copied().chain(whole) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// Power of all devices that tell it, in watts; `None` when none does.
    pub fn power_w(&self) -> Option<f64> {
        let known = self.devices.iter().filter_map(|device| device.readings.power_w);
        known.reduce(|sum_w, power_w| sum_w + power_w)
    }
}
