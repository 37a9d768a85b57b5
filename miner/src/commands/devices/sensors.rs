//! What sensors say of the devices that are listed.

use std::time::Duration;

use serde::Serialize;

use super::Row;
use crate::telemetry::{
    DeviceKind, DeviceReadings, Glance, Note, Roots, Temperature, Watched, device_sources, glance,
};

/// A sensor that takes longer is left out: drivers may hang for half a minute.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of a device, and what was found to know it by.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sensors {
    #[serde(flatten)]
    readings: DeviceReadings,
    notes: Vec<Note>,
}

/// Looks at the sensors of all rows at once.
pub(super) fn look(rows: &mut [Row]) {
    let roots = Roots::of_this_machine();
    let watched: Vec<_> = rows.iter().filter_map(|row| watched(row, &roots)).collect();
    let seen = glance(device_sources(&watched, &roots), PATIENCE);
    for row in rows.iter_mut().filter(|row| watched.iter().any(|device| device.id == row.id)) {
        row.sensors = Some(Sensors::of(&row.id, &seen));
    }
}

/// Only what has its own number: the others are not there, or may not be used.
fn watched(row: &Row, roots: &Roots) -> Option<Watched> {
    match &row.cpu {
        Some(facts) => Some(Watched::cpu(&row.id, facts.processors.iter().copied(), roots)),
        None => {
            let pci = Some(row.pci.clone()?);
            Some(Watched { id: row.id.clone(), kind: DeviceKind::Gpu, pci, package: None })
        }
    }
}

impl Sensors {
    fn of(id: &str, seen: &Glance) -> Self {
        let mut notes: Vec<_> = seen.notes.iter().filter(|note| note.device == id).cloned().collect();
        let silent = seen.silent.iter();
        notes.extend(silent.map(|name| Note {
            device: id.to_owned(),
            text: format!("{name} does not answer within {} s", PATIENCE.as_secs()),
            help: None,
        }));
        Self { readings: seen.readings.devices.get(id).cloned().unwrap_or_default(), notes }
    }

    /// The hottest place, for the table.
    pub(super) fn temperature(&self) -> Option<String> {
        let degrees = self.readings.temperatures.iter().map(|temperature| temperature.now_c);
        degrees.max_by(f64::total_cmp).map(|celsius| format!("{celsius:.0} C"))
    }

    /// For the table.
    pub(super) fn power(&self) -> Option<String> {
        self.readings.power_w.map(|watts| format!("{watts:.0} W"))
    }

    /// For `-v`.
    pub(super) fn text(&self) -> String {
        let readings = &self.readings;
        let mut known: Vec<String> = readings.temperatures.iter().map(degrees).collect();
        if let (Some(watts), Some(source)) = (readings.power_w, readings.power_source) {
            known.push(format!("{watts:.1} W by {source}"));
        }
        let fans = readings.fan_ratios.iter().map(|ratio| format!("fan {:.0} %", ratio * 100.0));
        known.extend(fans);
        let clocks = readings.clocks_hz.iter();
        known.extend(clocks.map(|(domain, hertz)| format!("{domain} at {:.0} MHz", hertz / 1e6)));
        known.extend(readings.throttled.iter().map(|cause| format!("slowed down by {cause}")));
        let known = if known.is_empty() { "nothing known".into() } else { known.join(", ") };
        let mut text = format!("  sensors: {known}\n");
        for note in &self.notes {
            let help = note.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
            text.push_str(&format!("    {}{help}\n", note.text));
        }
        text
    }
}

fn degrees(temperature: &Temperature) -> String {
    let Temperature { place, now_c, limit_c, .. } = temperature;
    let limit = limit_c.map_or_else(String::new, |limit| format!(" of {limit:.0}"));
    format!("{} {now_c:.0}{limit} C", place.name())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::telemetry::{Place, Readings};

    #[test]
    fn what_is_known_is_told_and_what_is_not_has_its_reason() {
        let at = Instant::now();
        let temperature = |place, now_c, limit_c| Temperature { place, now_c, limit_c, at };
        let readings = DeviceReadings {
            temperatures: vec![
                temperature(Place::Core, 52.4, Some(100.0)),
                temperature(Place::Memory, 78.0, None),
            ],
            power_w: Some(143.21),
            power_source: Some("nvml"),
            fan_ratios: vec![0.52],
            clocks_hz: [("core", 1.905e9)].into(),
            throttled: vec!["power-cap"],
            ..DeviceReadings::default()
        };
        let readings = Readings { devices: [("gpu0".to_owned(), readings)].into(), ..Readings::default() };
        let note = Note { device: "gpu0".into(), text: "NVML".into(), help: Some("try".into()) };
        let of_another = Note { device: "gpu1".into(), ..note.clone() };
        let seen = Glance { readings, notes: vec![note, of_another], silent: vec!["hwmon"] };
        let sensors = Sensors::of("gpu0", &seen);
        assert_eq!((sensors.temperature(), sensors.power()), (Some("78 C".into()), Some("143 W".into())));
        assert_eq!(
            sensors.text(),
            "  sensors: core 52 of 100 C, memory 78 C, 143.2 W by nvml, fan 52 %, core at 1905 MHz, slowed down by \
             power-cap\n    NVML; try\n    hwmon does not answer within 1 s\n"
        );
        let unknown = Sensors::of("cpu0", &seen);
        assert_eq!((unknown.temperature(), unknown.power()), (None, None));
        assert!(unknown.text().starts_with("  sensors: nothing known\n"));
        let json = serde_json::to_value(&sensors).unwrap();
        assert_eq!(json["temperatures"][0]["place"], "core");
        assert_eq!(
            (json["power_w"].as_f64(), json["notes"][0]["help"].as_str()),
            (Some(143.21), Some("try"))
        );
    }
}
