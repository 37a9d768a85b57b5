//! The answers, as types: the document of the interface is made from them. Units stand in the names; `null` is for what
//! is not known. Within version 1 fields are only added.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Everything that a phone needs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Status {
    /// Version of the interface.
    pub api: u32,
    /// Name of the rig.
    pub name: String,
    /// Version of rminer.
    pub version: &'static str,
    /// Algorithm that is mined.
    pub algo: &'static str,
    /// What the miner does.
    #[schema(value_type = String, example = "mining")]
    pub state: &'static str,
    /// Why it is paused: `user`, `heat`, `battery`, ...
    #[schema(value_type = Vec<String>)]
    pub paused_by: Vec<&'static str>,
    /// The same in words.
    pub headline: Headline,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// All devices together.
    pub totals: Totals,
    /// What became of the shares.
    pub shares: Shares,
    /// The pool that is mined for.
    pub pool: Option<Pool>,
    /// Every device.
    pub devices: Vec<Device>,
    /// Limits in force.
    pub safety: Safety,
    /// What it costs and earns.
    pub money: Money,
}

/// How it stands, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct Headline {
    /// `well`, `off` (on purpose), `care` or `bad`.
    #[schema(value_type = String, example = "well")]
    pub level: &'static str,
    /// In one line.
    pub text: String,
    /// The facts.
    pub detail: String,
    /// The order that suits it best: `pause`, `resume` or `full-speed`.
    #[schema(value_type = Option<String>)]
    pub order: Option<&'static str>,
}

/// The sensor that is nearest to its limit.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct Hottest {
    /// Which device.
    pub device: String,
    /// Where it is measured.
    pub place: String,
    /// What it shows.
    pub temp_c: f64,
    /// Where its device pauses.
    pub limit_c: Option<f64>,
    /// How far it is from there.
    pub margin_c: Option<f64>,
}

/// Hash rates over windows of time, in hashes per second.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Hashrate {
    /// Over the last 10 seconds.
    #[serde(rename = "10s")]
    pub s10: Option<f64>,
    /// Over the last 60 seconds.
    #[serde(rename = "60s")]
    pub s60: Option<f64>,
    /// Over the last 15 minutes.
    #[serde(rename = "15m")]
    pub m15: Option<f64>,
    /// Best rate over 10 seconds.
    pub best: Option<f64>,
}

/// All devices together.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Totals {
    /// What the devices compute.
    pub hashrate_hs: Hashrate,
    /// What the pools credit: difficulty of accepted shares over the time of mining.
    pub effective_hs: Option<f64>,
    /// How far chance alone may move it, 19 of 20 times, in percent of it.
    pub effective_ci95_pct: Option<f64>,
    /// What the last saved benchmark makes expect.
    pub expected_hs: Option<f64>,
    /// What the pools credit over what was computed.
    pub luck_pct: Option<f64>,
    /// Computed over a minute, in percent of what is expected.
    pub of_expected_pct: Option<f64>,
    /// The sensor that is nearest to its limit.
    pub hottest: Option<Hottest>,
    /// Power of all devices that tell theirs.
    pub power_w: Option<f64>,
    /// Energy for 1000 hashes.
    pub j_per_kh: Option<f64>,
    /// Energy since the start.
    pub energy_j: Option<f64>,
    /// Hashes since the start.
    pub hashes: u64,
}

/// What became of the shares: every hit is counted in exactly one place.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Shares {
    /// All hits.
    pub found: u64,
    /// Taken by pools.
    pub accepted: u64,
    /// Refused since their job was over.
    pub stale: u64,
    /// Refused for other reasons.
    pub rejected: Rejected,
    /// Not sent: wrong, too late, found twice, or more than a pool takes.
    pub not_sent: u64,
    /// Lost with a connection.
    pub lost: u64,
    /// Never answered.
    pub no_reply: u64,
    /// Waiting for an answer.
    pub pending: u64,
    /// Blocks among the accepted, as far as jobs tell.
    pub blocks: u64,
    /// What stale shares cost, in percent of all that would have been credited.
    pub cost_of_stale_pct: Option<f64>,
    /// Difficulty of the best accepted hash, as the pools count it.
    pub best_difficulty: Option<f64>,
}

/// Refused shares by reason.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Rejected {
    /// The hash was above the target.
    pub low_difficulty: u64,
    /// The pool had it already.
    pub duplicate: u64,
    /// The login was not good.
    pub unauthorized: u64,
    /// Anything else.
    pub other: u64,
}

/// A pool.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Pool {
    /// Its place in the configuration, from 1.
    pub index: usize,
    /// Its address, without login.
    pub url: String,
    /// As whom it is mined for, shortened.
    pub user: Option<String>,
    /// `up` or `down`.
    #[schema(value_type = String, example = "up")]
    pub state: &'static str,
    /// Whether it is the one that is mined for.
    pub active: bool,
    /// Version of TLS, whose certificate was verified, pinned or remembered; `null` for a plain connection.
    pub tls: Option<String>,
    /// Time of a round trip, from the making of the connection.
    pub ping_ms: Option<f64>,
    /// From sending a share to its answer.
    pub answer_ms: Option<AnswerTime>,
    /// Difficulty of its newest job, as it counts it.
    pub difficulty: Option<f64>,
    /// Height of its newest job.
    pub height: Option<u64>,
    /// Since when it is as it is, in RFC 3339.
    pub since: Option<String>,
    /// When it last took a share, in RFC 3339.
    pub last_accepted: Option<String>,
    /// Shares that it took.
    pub accepted: u64,
    /// Shares that it found stale.
    pub stale: u64,
    /// Shares that it refused for other reasons.
    pub rejected: u64,
    /// What it credits, in hashes per second.
    pub effective_hs: Option<f64>,
    /// Connections that ended or were not had, by cause.
    pub downs: BTreeMap<String, u64>,
}

/// How long answers take.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AnswerTime {
    /// Half of them take no longer.
    pub p50: f64,
    /// 95 of 100 take no longer.
    pub p95: f64,
}

/// A device.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Device {
    /// `cpu0`, `gpu0`, ...
    pub id: String,
    /// `cpu`, `gpu` or `simulated`.
    #[schema(value_type = String, example = "cpu")]
    pub kind: &'static str,
    /// Model.
    pub name: String,
    /// Algorithm that it mines.
    pub algo: &'static str,
    /// What it does.
    #[schema(value_type = String, example = "mining")]
    pub state: &'static str,
    /// What it computes.
    pub hashrate_hs: Hashrate,
    /// Worker threads.
    pub threads: u32,
    /// Share of its time in which it may hash.
    pub duty_pct: f64,
    /// What holds it back, the lowest first.
    pub caps: Vec<Cap>,
    /// The lowest limit of its sensors.
    pub temp_limit_c: Option<f64>,
    /// Computed over a minute, in percent of its best ten seconds.
    pub of_best_pct: Option<f64>,
    /// Temperatures by place: `package`, `core`, `hotspot`, `memory`.
    pub temp_c: BTreeMap<String, f64>,
    /// Power now.
    pub power_w: Option<f64>,
    /// Energy since the start.
    pub energy_j: Option<f64>,
    /// Where power and energy come from.
    #[schema(value_type = Option<String>)]
    pub power_source: Option<&'static str>,
    /// Fans, in percent of their full speed.
    pub fan_pct: Vec<f64>,
    /// Clocks by domain: `core`, `memory`.
    pub clock_hz: BTreeMap<String, f64>,
    /// Why the hardware is slower than it could be.
    #[schema(value_type = Vec<String>)]
    pub throttled: Vec<&'static str>,
    /// Its shares.
    pub shares: DeviceShares,
    /// Huge pages that RandomX has and needs.
    pub huge_pages: Option<HugePages>,
    /// Preset of processor registers; rminer sets none by itself.
    pub msr: Option<String>,
    /// Times that one of its workers was lost: a fault, a panic, or silence.
    pub losses: u64,
    /// Of these, times that it hung: no hash for too long.
    pub hung: u64,
    /// Times that one of its workers was started again.
    pub restarts: u64,
    /// Times that one of its workers was lost too often and had to rest.
    pub benched: u64,
}

/// A worker thread.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Thread {
    /// Its device.
    pub device: String,
    /// Its number there, from 0.
    pub thread: usize,
    /// The processing unit that it is pinned to, as the system counts them.
    pub pinned_to: Option<u32>,
    /// What it computes.
    pub hashrate_hs: Hashrate,
}

/// What holds a device back.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Cap {
    /// Why: `user`, `limit`, `heat`, `battery`, ...
    #[schema(value_type = String, example = "heat")]
    pub reason: &'static str,
    /// Share of the time that it leaves.
    pub duty_pct: f64,
    /// The facts, for people.
    pub detail: String,
}

/// Shares of a device.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct DeviceShares {
    /// Taken by pools.
    pub accepted: u64,
    /// Refused since their job was over.
    pub stale: u64,
    /// Refused for other reasons.
    pub rejected: u64,
    /// Found wrong by a second computation.
    pub bad: u64,
}

/// Huge pages.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct HugePages {
    /// Pages of 2 MiB that are in use.
    pub have: u32,
    /// Pages of 2 MiB that would hold everything.
    pub need: u32,
}

/// Limits in force.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Safety {
    /// Lowest temperature at which a device pauses.
    pub temp_limit_c: Option<f64>,
    /// Hours in which may be hashed.
    pub schedule: Option<String>,
    /// Power that all devices together may draw.
    pub power_cap_w: Option<f64>,
    /// When the next pause that is known beforehand begins, in RFC 3339.
    pub next_pause: Option<String>,
    /// Whether nothing is hashed on the battery.
    pub pause_on_battery: bool,
    /// Share of the time that devices hash in the quiet profile; `null` before the first second.
    pub quiet_pct: Option<u8>,
    /// Of each sensor that there is.
    pub limits: Vec<Limit>,
}

/// Limits of one sensor.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Limit {
    /// Which device.
    pub device: String,
    /// Where it is measured.
    #[schema(value_type = String, example = "core")]
    pub place: &'static str,
    /// Held by hashing less.
    pub set_c: f64,
    /// From here on nothing is hashed.
    pub pause_c: f64,
    /// Below this it is hashed again.
    pub resume_c: f64,
}

/// What it costs and earns.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Money {
    /// Price of a kilowatt hour.
    pub energy_price: Option<f64>,
    /// Age of the prices.
    pub feed_age_s: Option<f64>,
    /// Income for a kilowatt hour.
    pub revenue_per_kwh: Option<f64>,
}
