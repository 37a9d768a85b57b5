//! What is measured, by name.

use std::collections::BTreeMap;

use super::{Family, Kind, Sample, Value};
use crate::api::About;
use crate::engine::{DeviceSnapshot, DeviceState, Histogram, PoolSnapshot, Snapshot, State};
use crate::records::{StaleCause, Statistics};
use crate::safety::Reason;

/// All metrics, those without a sample included: their names are the same on every machine.
pub(super) fn families(about: &About, snapshot: &Snapshot, statistics: &Statistics) -> Vec<Family> {
    let mut families = process(about, snapshot);
    families.extend(devices(about, snapshot));
    families.extend(sensors(snapshot));
    families.extend(pools(about, snapshot, statistics));
    families.extend(shares(snapshot, statistics));
    families.extend(times(statistics));
    families.extend(host(snapshot));
    families
}

fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, help, kind: Kind::Gauge, labels, samples: Vec::new() }
}

fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, help, kind: Kind::Counter, labels, samples: Vec::new() }
}

fn histogram(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Family {
    Family { name, help, kind: Kind::Histogram, labels, samples: Vec::new() }
}

impl Family {
    /// Adds a sample; what is not known has none.
    fn add(&mut self, labels: &[&str], value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            self.push(labels, Value::Number(value));
        }
    }

    fn add_count(&mut self, labels: &[&str], value: u64) {
        self.push(labels, Value::Count(value));
    }

    fn add_times(&mut self, labels: &[&str], value: &Histogram) {
        self.push(labels, Value::Times(Box::new(*value)));
    }

    fn push(&mut self, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), self.labels.len(), "{}", self.name);
        self.samples.push(Sample { labels: labels.iter().map(|label| (*label).to_owned()).collect(), value });
    }

    fn with(mut self, fill: impl FnOnce(&mut Self)) -> Self {
        fill(&mut self);
        self
    }

    fn each<T>(self, items: &[T], mut fill: impl FnMut(&mut Self, &T)) -> Self {
        self.with(|family| items.iter().for_each(|item| fill(family, item)))
    }

    /// For each pool, by its number as people see it.
    fn each_pool(self, pools: &[PoolSnapshot], mut fill: impl FnMut(&mut Self, &str, &PoolSnapshot)) -> Self {
        self.with(|family| {
            for (number, pool) in (1..).zip(pools) {
                fill(family, &pool_label(number), pool);
            }
        })
    }
}

/// 0 or 1.
fn truth(is_true: bool) -> u64 {
    u64::from(is_true)
}

fn pool_label(number: usize) -> String {
    number.to_string()
}

/// Features that this binary was built with.
const FEATURES: &str = if cfg!(feature = "kaspad") { "kaspad" } else { "" };
/// The commit that it was built from, where the build was told.
const COMMIT: &str = match option_env!("RMINER_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

fn process(about: &About, snapshot: &Snapshot) -> Vec<Family> {
    let paused_by = snapshot.paused_by();
    vec![
        gauge("rminer_build_info", "What is running; always 1.", &["version", "commit", "features"])
            .with(|family| family.add_count(&[env!("CARGO_PKG_VERSION"), COMMIT, FEATURES], 1)),
        gauge("rminer_start_time_seconds", "When it was started, in seconds since 1970.", &[])
            .with(|family| family.add(&[], about.started_s)),
        gauge("rminer_state", "1 for what the miner does, 0 for what it could.", &["state"]).each(
            &State::ALL,
            |family, state| {
                family.add_count(&[state.name()], truth(snapshot.state == *state));
            },
        ),
        gauge("rminer_paused_reason", "1 for each reason that keeps a device from hashing.", &["reason"])
            .each(&Reason::ALL, |family, reason| {
                family.add_count(&[reason.name()], truth(paused_by.contains(&reason.name())));
            }),
    ]
}

fn devices(about: &About, snapshot: &Snapshot) -> Vec<Family> {
    let devices = &snapshot.devices;
    let states = |family: &mut Family, device: &DeviceSnapshot| {
        for state in DeviceState::ALL {
            family.add_count(&[&device.id, state.name()], truth(device.state == state));
        }
    };
    let rates = |family: &mut Family, device: &DeviceSnapshot| {
        let rates = &device.rates;
        let windows =
            [("10s", rates.s10_hs), ("60s", rates.s60_hs), ("15m", rates.m15_hs), ("best", rates.best_hs)];
        for (window, rate_hs) in windows {
            family.add(&[&device.id, about.algorithm, window], rate_hs);
        }
    };
    let errors = |family: &mut Family, device: &DeviceSnapshot| {
        let lost = device.losses.saturating_sub(device.hung);
        for (kind, count) in [("lost", lost), ("hung", device.hung), ("mismatch", device.mismatches)] {
            family.add_count(&[&device.id, kind], count);
        }
    };
    vec![
        gauge("rminer_device_info", "Names of the devices; always 1.", &["device", "name"])
            .each(devices, |family, device| family.add_count(&[&device.id, &device.name], 1)),
        gauge(
            "rminer_device_state",
            "1 for what the device does, 0 for what it could.",
            &["device", "state"],
        )
        .each(devices, states),
        gauge("rminer_device_workers", "Threads that feed or are the device.", &["device"])
            .each(devices, |family, device| family.add_count(&[&device.id], device.workers.into())),
        gauge("rminer_device_duty_ratio", "Share of the time that the device may hash.", &["device"])
            .each(devices, |family, device| family.add(&[&device.id], device.duty.ratio())),
        counter("rminer_device_hashes_total", "Hashes done.", &["device", "algo"])
            .each(devices, |family, device| family.add_count(&[&device.id, about.algorithm], device.hashes)),
        gauge(
            "rminer_device_hashrate_hashes_per_second",
            "Hashes per second over the window, from counts of hashes; best is the best ten seconds.",
            &["device", "algo", "window"],
        )
        .each(devices, rates),
        counter(
            "rminer_device_errors_total",
            "Times that the device was lost or hung, and hits of it that a second engine found wrong.",
            &["device", "kind"],
        )
        .each(devices, errors),
        counter(
            "rminer_device_restarts_total",
            "Times that one of its workers was started again.",
            &["device"],
        )
        .each(devices, |family, device| family.add_count(&[&device.id], device.restarts)),
    ]
}

fn sensors(snapshot: &Snapshot) -> Vec<Family> {
    let devices = &snapshot.devices;
    vec![
        gauge("rminer_device_temperature_celsius", "Temperature.", &["device", "sensor"]).each(
            devices,
            |family, device| {
                for temperature in &device.readings.temperatures {
                    family.add(&[&device.id, temperature.place.name()], temperature.now_c);
                }
            },
        ),
        gauge("rminer_device_power_watts", "Power drawn.", &["device", "source"]).each(
            devices,
            |family, device| {
                family.add(&[&device.id, source(device)], device.readings.power_w);
            },
        ),
        counter("rminer_device_energy_joules_total", "Energy used since the start.", &["device", "source"])
            .each(devices, |family, device| {
                family.add(&[&device.id, source(device)], device.readings.energy_j);
            }),
        gauge("rminer_device_fan_ratio", "Speed of a fan, from 0 to 1.", &["device", "fan"]).each(
            devices,
            |family, device| {
                for (number, ratio) in (0..).zip(&device.readings.fan_ratios) {
                    let number: u32 = number;
                    family.add(&[&device.id, &number.to_string()], *ratio);
                }
            },
        ),
        gauge("rminer_device_clock_hertz", "Clock of a part of the device.", &["device", "domain"]).each(
            devices,
            |family, device| {
                for (domain, clock_hz) in &device.readings.clocks_hz {
                    family.add(&[&device.id, domain], *clock_hz);
                }
            },
        ),
        gauge(
            "rminer_device_throttled",
            "1 while the hardware slows itself down for this cause.",
            &["device", "cause"],
        )
        .each(devices, |family, device| {
            for cause in &device.readings.throttled {
                family.add_count(&[&device.id, cause], 1);
            }
        }),
    ]
}

/// Where power and energy of a device come from.
fn source(device: &DeviceSnapshot) -> &'static str {
    device.readings.power_source.unwrap_or("unknown")
}

fn pools(about: &About, snapshot: &Snapshot, statistics: &Statistics) -> Vec<Family> {
    let pools = &snapshot.pools;
    vec![
        gauge("rminer_pool_info", "Addresses of the pools; always 1.", &["pool", "url"]).with(|family| {
            for (number, url) in (1..).zip(&about.pools) {
                family.add_count(&[&pool_label(number), url], 1);
            }
        }),
        gauge("rminer_pool_connected", "1 while a connection is up and logged in.", &["pool"])
            .each_pool(pools, |family, label, pool| family.add_count(&[label], truth(pool.is_up))),
        gauge("rminer_pool_active", "1 for the pool that is mined for.", &["pool"]).with(|family| {
            for (number, _) in (1..).zip(pools) {
                family.add_count(&[&pool_label(number)], truth(snapshot.pool == Some(number - 1)));
            }
        }),
        gauge("rminer_pool_difficulty", "Expected hashes for a share of the newest job.", &["pool"]).with(
            |family| {
                if let Some(pool) = snapshot.pool {
                    family.add(&[&pool_label(pool + 1)], snapshot.difficulty);
                }
            },
        ),
        counter(
            "rminer_pool_reconnects_total",
            "Connections that ended or were not had, after each of which the pool is tried again.",
            &["pool", "cause"],
        )
        .each_pool(pools, |family, label, pool| {
            for (cause, count) in &pool.downs {
                family.add_count(&[label, cause], *count);
            }
        }),
        gauge(
            "rminer_effective_hashrate_hashes_per_second",
            "What the pool credits: difficulty of accepted shares over the time that it was mined for.",
            &["pool", "algo"],
        )
        .each_pool(pools, |family, label, _| {
            let number: Option<usize> = label.parse().ok();
            let effective = number.map(|number| statistics.effective_of(number - 1));
            family.add(&[label, about.algorithm], effective.and_then(|effective| effective.hs));
        }),
    ]
}

fn shares(snapshot: &Snapshot, statistics: &Statistics) -> Vec<Family> {
    // The cause of a stale share may become known later, and no counter may go back: it has a metric of its own.
    let mut sums: BTreeMap<(usize, &str, &str, &str), u64> = BTreeMap::new();
    for (key, count) in &statistics.shares {
        let reason = if key.result == "stale" { "" } else { key.reason };
        *sums.entry((key.pool, &key.device, key.result, reason)).or_default() += count;
    }
    let causes = [StaleCause::Replaced, StaleCause::InFlight, StaleCause::PoolSlow];
    vec![
        counter(
            "rminer_shares_total",
            "Hits by what became of them; each is in one place.",
            &["pool", "device", "result", "reason"],
        )
        .with(|family| {
            for ((pool, device, result, reason), count) in sums {
                family.add_count(&[&pool_label(pool + 1), device, result, reason], count);
            }
        }),
        counter(
            "rminer_stale_shares_total",
            "Stale shares, those that were not sent included, by their cause where it is known: the job was replaced \
             before they were sent, while they were on their way, or while the pool took longer than usual.",
            &["cause"],
        )
        .each(&causes, |family, cause| {
            let count = statistics.stale_causes.get(cause).copied().unwrap_or_default();
            family.add_count(&[cause.name()], count);
        }),
        counter(
            "rminer_share_difficulty_total",
            "Expected hashes of accepted shares: what is credited.",
            &["pool", "device"],
        )
        .with(|family| {
            for ((pool, device), hashes) in &statistics.accepted_hashes {
                family.add(&[&pool_label(pool + 1), device], *hashes);
            }
        }),
        gauge(
            "rminer_last_accepted_share_timestamp_seconds",
            "When the pool last took a share, in seconds since 1970.",
            &["pool"],
        )
        .with(|family| {
            for (pool, time_s) in &statistics.last_accepted_s {
                family.add(&[&pool_label(pool + 1)], *time_s);
            }
        }),
        gauge("rminer_shares_pending", "Shares that wait for an answer.", &[])
            .with(|family| family.add_count(&[], u64::try_from(snapshot.pending).unwrap_or(u64::MAX))),
        gauge("rminer_best_share_difficulty", "Expected hashes for the best accepted hash.", &[])
            .with(|family| family.add(&[], statistics.best_difficulty)),
        counter("rminer_blocks_total", "Accepted shares that solve a block, as far as jobs tell.", &[])
            .with(|family| family.add_count(&[], statistics.blocks)),
        gauge("rminer_luck_ratio", "What pools credit over what was hashed; 1 is what chance gives on average.", &[])
            .with(|family| family.add(&[], statistics.luck_ratio)),
        gauge(
            "rminer_luck_chance_ratio",
            "How far chance alone moves the luck, 19 of 20 times: 1.96 over the root of the shares.",
            &[],
        )
        .with(|family| family.add(&[], statistics.effective.chance_ratio)),
        gauge(
            "rminer_expected_hashrate_hashes_per_second",
            "What the last saved benchmark makes expect of these devices.",
            &[],
        )
        .with(|family| family.add(&[], statistics.expected.map(|expected| expected.hs))),
    ]
}

fn times(statistics: &Statistics) -> Vec<Family> {
    vec![
        histogram("rminer_share_response_seconds", "From sending a share to the answer.", &["pool"]).with(
            |family| {
                for (pool, times) in &statistics.answer {
                    family.add_times(&[&pool_label(pool + 1)], times);
                }
            },
        ),
        histogram("rminer_job_switch_seconds", "From a job's arrival to its first hash.", &["device"]).with(
            |family| {
                for (device, times) in &statistics.new_work {
                    family.add_times(&[device], times);
                }
            },
        ),
        histogram("rminer_share_send_seconds", "From finding a share to sending it.", &[])
            .with(|family| family.add_times(&[], &statistics.found_to_sent)),
        histogram(
            "rminer_share_check_seconds",
            "From finding a share to the end of its check by a second engine.",
            &[],
        )
        .with(|family| family.add_times(&[], &statistics.check)),
    ]
}

fn host(snapshot: &Snapshot) -> Vec<Family> {
    let host = &snapshot.host;
    #[allow(clippy::cast_precision_loss)]
    let bytes = |value: Option<u64>| value.map(|value| value as f64);
    vec![
        gauge("rminer_host_on_battery", "1 while the machine runs on its battery.", &[]).with(|family| {
            family.add(&[], host.on_battery.map(|on_battery| f64::from(u8::from(on_battery))));
        }),
        gauge("rminer_host_battery_ratio", "Charge of the battery.", &[])
            .with(|family| family.add(&[], host.battery_ratio)),
        gauge("rminer_host_battery_temperature_celsius", "Temperature of the battery.", &[])
            .with(|family| family.add(&[], host.battery_c)),
        gauge(
            "rminer_host_other_programs_cpus",
            "Processing units' worth of time that other programs use.",
            &[],
        )
        .with(|family| family.add(&[], host.cpu_others)),
        gauge("rminer_host_memory_available_bytes", "Memory that a new program could have.", &[])
            .with(|family| family.add(&[], bytes(host.memory_available_bytes))),
        gauge("rminer_process_memory_bytes", "Memory of this process, huge pages included.", &[])
            .with(|family| family.add(&[], bytes(host.process_bytes))),
        gauge(
            "rminer_hugepages_used_ratio",
            "Huge pages that a region has, of those that it wants.",
            &["region"],
        )
        .each(&snapshot.devices, |family, device| {
            let wanted = device.dataset.as_ref().filter(|dataset| dataset.huge_pages_want > 0);
            let ratio =
                wanted.map(|dataset| f64::from(dataset.huge_pages_have) / f64::from(dataset.huge_pages_want));
            family.add(&[&device.id], ratio);
        }),
        gauge("rminer_host_hugepages", "Huge pages that the kernel has set aside.", &["page_bytes", "state"])
            .each(&host.huge_pages, |family, pool| {
                let size = pool.page_bytes.to_string();
                family.add_count(&[&size, "free"], pool.free);
                family.add_count(&[&size, "used"], pool.total.saturating_sub(pool.free));
            }),
    ]
}
