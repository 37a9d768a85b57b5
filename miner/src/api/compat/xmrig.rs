//! The shapes of xmrig 6.26, from answers of a running one.

use std::time::Duration;

use rminer_algos::randomx::SCRATCHPAD_BYTES;
use serde_json::{Value, json};

use super::machine::Machine;
use super::{rate, whole, windows, wire_name};
use crate::api::About;
use crate::engine::{DeviceSnapshot, DeviceState, PoolSnapshot, Snapshot, State, WorkerSnapshot};
use crate::records::{MAX_BEST, Statistics};
use crate::telemetry::{DeviceKind, Place};

/// Versions of xmrig's summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With the rates of all threads, and huge pages as one word.
    First,
    /// With huge pages counted.
    Second,
}

/// What xmrig calls the priority that our threads of the processor have: nice 10.
const PRIORITY: i32 = 1;

/// `/1/summary`, `/api.json` and `/2/summary`.
pub(super) fn summary(
    about: &About,
    snapshot: &Snapshot,
    statistics: &Statistics,
    machine: &Machine,
    form: Form,
) -> Value {
    let (have, want) = huge_pages(&snapshot.devices);
    let mut answer = json!({
        "id": "",
        "worker_id": about.rig,
        "uptime": snapshot.uptime.as_secs(),
        "restricted": true,
        "resources": resources(snapshot),
        "features": ["api", "http", "tls"],
        "results": results(snapshot, statistics.best),
        "algo": snapshot.pool.map(|_| wire_name(about.algorithm)),
        "connection": connection(about, snapshot),
        "version": env!("CARGO_PKG_VERSION"),
        "kind": "miner",
        "ua": format!("rminer/{} ({} {})", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH),
        "cpu": processor(machine),
        "donate_level": 0,
        "paused": snapshot.state == State::Paused,
        "algorithms": rminer_algos::registry::ALGORITHMS.iter().map(|known| wire_name(known.name)).collect::<Vec<_>>(),
        "hashrate": { "total": windows(&snapshot.rates), "highest": rate(snapshot.rates.best_hs) },
        "hugepages": [have, want],
    });
    if form == Form::First {
        answer["hugepages"] = (want > 0 && have >= want).into();
        answer["hashrate"]["threads"] =
            threads(&snapshot.devices).map(|(_, worker)| windows(&worker.rates)).collect();
        // xmrig keeps them empty as well; why shares were refused is in the native answers.
        answer["results"]["error_log"] = json!([]);
        answer["connection"]["error_log"] = json!([]);
    }
    answer
}

fn threads(devices: &[DeviceSnapshot]) -> impl Iterator<Item = (&DeviceSnapshot, &WorkerSnapshot)> {
    devices.iter().flat_map(|device| device.each_worker.iter().map(move |worker| (device, worker)))
}

/// Pages of 2 MiB that RandomX has and wants.
fn huge_pages(devices: &[DeviceSnapshot]) -> (u32, u32) {
    let datasets = devices.iter().filter_map(|device| device.dataset.as_ref());
    datasets.fold((0, 0), |(have, want), dataset| {
        (have + dataset.huge_pages_have, want + dataset.huge_pages_want)
    })
}

fn resources(snapshot: &Snapshot) -> Value {
    let host = &snapshot.host;
    json!({
        "memory": {
            "free": host.memory_available_bytes.unwrap_or(0),
            "total": host.memory_total_bytes.unwrap_or(0),
            "resident_set_memory": host.process_bytes.unwrap_or(0),
        },
        "load_average": host.load.unwrap_or_default(),
        "hardware_concurrency": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    })
}

/// Mean time between accepted shares: in seconds and in milliseconds.
fn mean_time(time: Duration, accepted: u64) -> (u64, u64) {
    let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mean_ms = time_ms.checked_div(accepted).unwrap_or(0);
    (mean_ms / 1000, mean_ms)
}

fn results(snapshot: &Snapshot, best: [f64; MAX_BEST]) -> Value {
    let shares = &snapshot.shares;
    let (mean_s, mean_ms) = mean_time(snapshot.uptime, shares.accepted);
    json!({
        "diff_current": whole(snapshot.difficulty.unwrap_or(0.0)),
        "shares_good": shares.accepted,
        "shares_total": shares.accepted + shares.rejected_total(),
        "avg_time": mean_s,
        "avg_time_ms": mean_ms,
        "hashes_total": whole(shares.accepted_hashes),
        "best": best.map(whole),
    })
}

fn connection(about: &About, snapshot: &Snapshot) -> Value {
    let active = snapshot.pool.and_then(|index| Some((index, snapshot.pools.get(index)?)));
    let failures: u64 = snapshot.pools.iter().flat_map(|pool| pool.downs.values()).sum();
    let idle = PoolSnapshot::default();
    let (index, pool) = active.map_or((None, &idle), |(index, pool)| (Some(index), pool));
    let url = index.and_then(|index| about.pools.get(index)).map(String::as_str).unwrap_or_default();
    let link = pool.link.clone().unwrap_or_default();
    let up = pool.since.filter(|_| pool.is_up).map(|since| since.elapsed()).unwrap_or_default();
    let (mean_s, mean_ms) = mean_time(up, pool.shares.accepted);
    let connect_ms = link.connect.map_or(0, |took| whole(took.as_secs_f64() * 1000.0));
    json!({
        "pool": url.split_once("://").map_or(url, |(_, address)| address),
        "ip": link.ip.map(|ip| ip.to_string()),
        "uptime": up.as_secs(),
        "uptime_ms": u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
        "ping": connect_ms,
        "failures": failures,
        "tls": link.tls.as_ref().map(|(version, _)| format!("TLSv{version}")),
        "tls-fingerprint": link.tls.as_ref().map(|(_, fingerprint)| fingerprint),
        "algo": index.map(|_| wire_name(about.algorithm)),
        "diff": index.map_or(0, |_| whole(snapshot.difficulty.unwrap_or(0.0))),
        "accepted": pool.shares.accepted,
        "rejected": pool.shares.rejected_total(),
        "avg_time": mean_s,
        "avg_time_ms": mean_ms,
        "hashes_total": whole(pool.shares.accepted_hashes),
    })
}

fn processor(machine: &Machine) -> Value {
    json!({
        "brand": machine.brand,
        "family": machine.family,
        "model": machine.model,
        "stepping": machine.stepping,
        "proc_info": machine.signature(),
        "aes": machine.has("aes"),
        "avx2": machine.has("avx2"),
        "x64": cfg!(target_arch = "x86_64"),
        "64_bit": cfg!(target_pointer_width = "64"),
        "l2": machine.l2_bytes,
        "l3": machine.l3_bytes,
        "cores": machine.cores,
        "threads": machine.threads,
        "packages": machine.packages,
        "nodes": machine.nodes,
        "backend": "hwloc",
        // Neither registers of the processor nor assembly of xmrig's are used here.
        "msr": "none",
        "assembly": "none",
        "arch": std::env::consts::ARCH,
        "flags": machine.flags,
    })
}

/// `/2/backends`: one for the processor, one for graphics cards.
pub(super) fn backends(about: &About, snapshot: &Snapshot, machine: &Machine) -> Value {
    let is_gpu = |device: &&DeviceSnapshot| DeviceKind::of(&device.id) == DeviceKind::Gpu;
    let (gpus, processors): (Vec<&DeviceSnapshot>, Vec<&DeviceSnapshot>) =
        snapshot.devices.iter().partition(is_gpu);
    let kinds = [("cpu", processors), ("wgpu", gpus)];
    let some = kinds.into_iter().filter(|(_, devices)| !devices.is_empty());
    some.map(|(kind, devices)| backend(about, snapshot, machine, kind, &devices)).collect()
}

fn backend(
    about: &About,
    snapshot: &Snapshot,
    machine: &Machine,
    kind: &str,
    devices: &[&DeviceSnapshot],
) -> Value {
    let owned: Vec<DeviceSnapshot> = devices.iter().map(|device| (*device).clone()).collect();
    let (have, want) = huge_pages(&owned);
    let workers = threads(&owned).count() as u64;
    let scratchpads =
        if owned.iter().any(|device| device.dataset.is_some()) { workers * SCRATCHPAD_BYTES } else { 0 };
    json!({
        "type": kind,
        "enabled": owned.iter().any(|device| device.state != DeviceState::Unusable),
        "algo": snapshot.pool.map(|_| wire_name(about.algorithm)),
        "profile": null,
        "hw-aes": machine.has("aes"),
        "priority": PRIORITY,
        "msr": false,
        "asm": "none",
        "argon2-impl": null,
        "hugepages": [have, want],
        "memory": scratchpads,
        "hashrate": sum(&owned),
        "threads": threads(&owned).map(|(device, worker)| thread(about, kind, device, worker)).collect::<Value>(),
    })
}

/// Rates of some devices together; `null` where none of them is known.
fn sum(devices: &[DeviceSnapshot]) -> Value {
    let add = |window: fn(&DeviceSnapshot) -> Option<f64>| {
        let known: Vec<f64> = devices.iter().filter_map(window).collect();
        rate((!known.is_empty()).then(|| known.iter().sum()))
    };
    json!([
        add(|device| device.rates.s10_hs),
        add(|device| device.rates.s60_hs),
        add(|device| device.rates.m15_hs)
    ])
}

fn thread(about: &About, kind: &str, device: &DeviceSnapshot, worker: &WorkerSnapshot) -> Value {
    let mut fields = json!({
        "intensity": 1,
        "affinity": worker.pinned_to.map_or(-1, i64::from),
        "av": 1,
        "hashrate": windows(&worker.rates),
    });
    if kind != "cpu" {
        let readings = &device.readings;
        let core = readings.temperatures.iter().find(|temperature| temperature.place == Place::Core);
        let megahertz =
            |domain: &str| readings.clocks_hz.get(domain).map_or(0, |clock_hz| whole(clock_hz / 1e6));
        fields["name"] = device.name.as_str().into();
        fields["bus_id"] =
            about.buses.get(&device.id).map_or("", |bus| bus.trim_start_matches("0000:")).into();
        // What xmrig does not know is 0.
        fields["health"] = json!({
            "temperature": core.map_or(0, |core| whole(core.now_c)),
            "power": readings.power_w.map_or(0, whole),
            "clock": megahertz("core"),
            "mem_clock": megahertz("memory"),
            "fan_speed": readings.fan_ratios.iter().map(|ratio| whole(ratio * 100.0)).collect::<Vec<_>>(),
        });
    }
    fields
}
