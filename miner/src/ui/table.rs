//! All devices as a table.

use serde::{Deserialize, Serialize};

use super::units::{efficiency, hashrate};
use crate::engine::{DeviceSnapshot, Rates, Snapshot};
use crate::records::{ShareKey, Statistics};

/// What the table shows of one device, or of all together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceRow {
    /// `cpu0`, …, or `rig`.
    pub device: String,
    /// Model name.
    pub what: String,
    /// Algorithm, or what it does instead of mining.
    pub algo: String,
    /// Over 10 seconds, in hashes per second.
    pub s10_hs: Option<f64>,
    /// Over 60 seconds.
    pub s60_hs: Option<f64>,
    /// Over 15 minutes.
    pub m15_hs: Option<f64>,
    /// Best over 10 seconds.
    pub best_hs: Option<f64>,
    /// Its hottest place, in degrees Celsius.
    pub temp_c: Option<f64>,
    /// Power drawn, in watts.
    pub power_w: Option<f64>,
    /// Accepted shares.
    pub shares: u64,
    /// Shares that were refused as stale.
    pub stale: u64,
    /// Shares that were refused for anything else, and hits that the own check found wrong.
    pub bad: u64,
}

const COLUMNS: usize = 13;
const HEADING: [&str; COLUMNS] = [
    "DEVICE", "WHAT", "ALGO", "10 s", "60 s", "15 min", "BEST", "TEMP", "POWER", "J/H", "SHARES", "STALE",
    "BAD",
];
/// Columns of words, which begin at the left.
const WORDS: usize = 3;

/// One row for each device, and one for all of them where they are several.
pub fn device_rows(snapshot: &Snapshot, statistics: &Statistics) -> Vec<DeviceRow> {
    let row = |device: &DeviceSnapshot| {
        let is_mining = device.rates.s10_hs.is_some_and(|rate_hs| rate_hs > 0.0);
        let algo = snapshot.algorithm.filter(|_| is_mining).unwrap_or(device.state.name());
        let temperatures = device.readings.temperatures.iter().map(|temperature| temperature.now_c);
        DeviceRow {
            device: device.id.clone(),
            what: device.name.clone(),
            algo: algo.to_owned(),
            temp_c: temperatures.reduce(f64::max),
            power_w: device.readings.power_w,
            ..counted(device.rates, statistics, |key| key.device == device.id)
        }
    };
    let mut rows: Vec<DeviceRow> = snapshot.devices.iter().map(row).collect();
    if rows.len() > 1 {
        let rig = counted(snapshot.rates, statistics, |_| true);
        rows.push(DeviceRow { device: "rig".into(), power_w: snapshot.power_w(), ..rig });
    }
    rows
}

/// The rows under their heading, in lines.
pub fn table_of(rows: &[DeviceRow]) -> String {
    let heading = HEADING.map(str::to_owned);
    let lines: Vec<[String; COLUMNS]> = std::iter::once(heading).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < WORDS { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// All devices as a table.
pub fn table(snapshot: &Snapshot, statistics: &Statistics) -> String {
    table_of(&device_rows(snapshot, statistics))
}

fn counted(rates: Rates, statistics: &Statistics, is_of: impl Fn(&ShareKey) -> bool) -> DeviceRow {
    let count = |wanted: fn(&ShareKey) -> bool| statistics.count(|key| is_of(key) && wanted(key));
    DeviceRow {
        s10_hs: rates.s10_hs,
        s60_hs: rates.s60_hs,
        m15_hs: rates.m15_hs,
        best_hs: rates.best_hs,
        shares: count(|key| key.result == "accepted"),
        stale: count(|key| key.result == "stale"),
        bad: count(|key| key.result == "rejected" || key.reason == "miscompute"),
        ..DeviceRow::default()
    }
}

fn cells(row: &DeviceRow) -> [String; COLUMNS] {
    let known = |value: Option<f64>, unit: &str| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} {unit}"))
    };
    let efficiency = row.power_w.zip(row.s60_hs).and_then(|(power_w, rate_hs)| efficiency(power_w, rate_hs));
    [
        row.device.clone(),
        row.what.clone(),
        row.algo.clone(),
        hashrate(row.s10_hs),
        hashrate(row.s60_hs),
        hashrate(row.m15_hs),
        hashrate(row.best_hs),
        known(row.temp_c, "C"),
        known(row.power_w, "W"),
        efficiency.unwrap_or_else(|| "-".to_owned()),
        row.shares.to_string(),
        row.stale.to_string(),
        row.bad.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::engine::DeviceState;
    use crate::telemetry::{DeviceReadings, Place, Temperature};

    fn device(id: &str, rate_hs: f64, power_w: f64, temp_c: f64) -> DeviceSnapshot {
        let rate_hs = (rate_hs > 0.0).then_some(rate_hs);
        let rates = Rates { s10_hs: rate_hs, s60_hs: rate_hs, m15_hs: rate_hs, best_hs: rate_hs };
        let place = |now_c| Temperature { place: Place::Package, now_c, limit_c: None, at: Instant::now() };
        let readings = DeviceReadings {
            temperatures: vec![place(20.0), place(temp_c)],
            power_w: Some(power_w),
            ..DeviceReadings::default()
        };
        DeviceSnapshot {
            id: id.into(),
            name: "Ryzen 5 3600".into(),
            rates,
            readings,
            state: DeviceState::Idle,
            ..DeviceSnapshot::default()
        }
    }

    #[test]
    fn every_device_has_a_row_and_the_rig_too() {
        let mut statistics = Statistics::default();
        for (device, result, reason, count) in [
            ("cpu0", "accepted", "", 412),
            ("cpu0", "stale", "replaced", 2),
            ("cpu0", "stale", "in-flight", 1),
            ("cpu0", "not-sent", "miscompute", 4),
            ("cpu0", "not-sent", "throttled", 9),
            ("gpu0", "rejected", "low-difficulty", 1),
        ] {
            let key = ShareKey { pool: 0, device: device.into(), result, reason };
            statistics.shares.insert(key, count);
        }
        let devices = vec![device("cpu0", 6910.0, 88.0, 64.0), device("gpu0", 0.0, 9.0, 31.0)];
        let rates = devices[0].rates;
        let snapshot = Snapshot { devices, rates, algorithm: Some("randomx"), ..Snapshot::default() };
        let text = table(&snapshot, &statistics);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0][..3], ["DEVICE", "WHAT", "ALGO"]);
        assert!(lines[1].join(" ").contains("64 C 88 W 12.7 J/kH"), "{text}");
        assert_eq!(lines[1][lines[1].len() - 3..], ["412", "3", "4"], "{text}");
        assert!(lines[2].contains(&"idle") && lines[2].ends_with(&["-", "0", "0", "1"]), "{text}");
        assert!(lines[3].starts_with(&["rig"]) && lines[3].ends_with(&["412", "3", "5"]), "{text}");
        assert!(lines[3].join(" ").contains("- 97 W 14.0 J/kH"), "{text}");
        let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }

    #[test]
    fn nothing_known_is_a_dash() {
        let snapshot = Snapshot { devices: vec![DeviceSnapshot::default()], ..Snapshot::default() };
        let text = table(&snapshot, &Statistics::default());
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(text.lines().nth(1).map(|line| line.matches('-').count()), Some(7), "{text}");
    }
}
