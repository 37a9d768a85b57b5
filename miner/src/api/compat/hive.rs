//! What the agent of Hive OS wants to know, ready made: its script needs two lines and reads no log.

use serde_json::{Value, json};

use super::{rate, whole, wire_name};
use crate::api::About;
use crate::engine::{DeviceSnapshot, Snapshot};

/// `{"khs": …, "stats": {…}}`.
pub(super) fn stats(about: &About, snapshot: &Snapshot) -> Value {
    // One row for each worker. Rows of one device share its sensors.
    let rows: Vec<Row> = snapshot.devices.iter().flat_map(|device| rows(about, device)).collect();
    let column = |of: fn(&Row) -> Value| rows.iter().map(of).collect::<Value>();
    let shares = &snapshot.shares;
    let wrong: u64 = snapshot.devices.iter().map(|device| device.mismatches).sum();
    json!({
        "khs": snapshot.rates.s10_hs.unwrap_or(0.0) / 1000.0,
        "stats": {
            "hs": column(|row| row.rate_hs.into()),
            "hs_units": "hs",
            "temp": column(|row| row.temperature_c.into()),
            "fan": column(|row| row.fan_percent.into()),
            "uptime": snapshot.uptime.as_secs(),
            "ver": env!("CARGO_PKG_VERSION"),
            "ar": [shares.accepted, shares.rejected_total(), wrong],
            "algo": wire_name(about.algorithm),
            "bus_numbers": column(|row| row.bus.into()),
        },
    })
}

struct Row {
    rate_hs: f64,
    temperature_c: u64,
    fan_percent: u64,
    /// Of the processor there is none.
    bus: Option<u32>,
}

fn rows<'a>(about: &'a About, device: &'a DeviceSnapshot) -> impl Iterator<Item = Row> + 'a {
    let hottest_c =
        device.readings.temperatures.iter().map(|temperature| temperature.now_c).fold(0.0, f64::max);
    let fastest = device.readings.fan_ratios.iter().copied().fold(0.0, f64::max);
    let bus = about.buses.get(&device.id).and_then(|address| bus_number(address));
    device.each_worker.iter().map(move |worker| Row {
        rate_hs: rate(worker.rates.s10_hs).unwrap_or(0.0),
        temperature_c: whole(hottest_c),
        fan_percent: whole(fastest * 100.0),
        bus,
    })
}

/// Of a PCI address such as `0000:0b:00.0`, where it is hexadecimal.
fn bus_number(address: &str) -> Option<u32> {
    u32::from_str_radix(address.rsplit(':').nth(1)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bus_numbers_become_decimal() {
        assert_eq!(bus_number("0000:0b:00.0"), Some(11));
        assert_eq!(bus_number("c1:00.0"), Some(193));
        assert_eq!((bus_number(""), bus_number("x:y:z")), (None, None));
    }
}
