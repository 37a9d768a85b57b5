//! Monitors of graphics cards: those of amdgpu, i915, xe, nouveau and their like.

use std::path::PathBuf;
use std::time::Instant;

use super::{Chip, MAX_CHANNELS, MICRO, Thermometer, words};
use crate::telemetry::energy::{Energy, Sample};
use crate::telemetry::plausible::{plausible_fan, plausible_hertz};
use crate::telemetry::roots::{scaled, value};
use crate::telemetry::{DeviceReadings, Place, Temperature};

/// A card's monitor.
#[derive(Debug)]
pub(super) struct GpuChip {
    /// The card: `gpu0`, …
    pub(super) id: String,
    words: String,
    thermometers: Vec<(Place, Thermometer)>,
    power: Option<PathBuf>,
    counter: Option<PathBuf>,
    fans: Vec<Fan>,
    clocks: Vec<(&'static str, PathBuf)>,
    used: Energy,
}

/// A fan, as a share of its full speed.
#[derive(Debug)]
struct Fan {
    input: PathBuf,
    full: f64,
}

impl GpuChip {
    pub(super) fn new(id: &str, chip: &Chip) -> Self {
        let temperatures = chip.channels("temp").into_iter();
        let mut thermometers: Vec<(Place, Thermometer)> = Vec::new();
        for (number, label) in temperatures {
            let Some(place) = place(&label) else { continue };
            if thermometers.iter().all(|(known, _)| *known != place) {
                thermometers.push((place, Thermometer::new(chip, number)));
            }
        }
        let clocks = chip.channels("freq").into_iter().filter_map(|(number, label)| {
            let domain = match label.as_str() {
                "sclk" => "core",
                "mclk" => "memory",
                _ => return None,
            };
            Some((domain, chip.file("freq", number, "input")))
        });
        Self {
            id: id.to_owned(),
            words: words(&chip.name, &chip.folder),
            thermometers,
            power: power(chip),
            counter: counter(chip),
            fans: fans(chip),
            clocks: clocks.collect(),
            used: Energy::default(),
        }
    }

    /// The monitor may have another number after its driver was loaded anew.
    pub(super) fn move_to(&mut self, chip: &Chip) {
        *self = Self { used: self.used, ..Self::new(&self.id, chip) };
    }

    /// What it says now, and whether all of it could be read.
    pub(super) fn read(&mut self, now: Instant) -> (DeviceReadings, bool) {
        let mut is_whole = true;
        let mut kept = |value: Option<f64>| {
            is_whole &= value.is_some();
            value
        };
        let mut readings = DeviceReadings::default();
        for (place, thermometer) in &self.thermometers {
            if let Some(now_c) = kept(thermometer.read()) {
                let limit_c = thermometer.limit_c;
                readings.temperatures.push(Temperature { place: *place, now_c, limit_c, at: now });
            }
        }
        let sample = Sample {
            counter_j: self.counter.as_ref().and_then(|path| kept(scaled(path, MICRO))),
            range_j: None,
            power_w: self.power.as_ref().and_then(|path| kept(scaled(path, MICRO))),
        };
        (readings.power_w, readings.energy_j) = self.used.update(now, sample);
        if readings.power_w.is_some() || readings.energy_j.is_some() {
            readings.power_source = Some("hwmon");
        }
        let fans =
            self.fans.iter().filter_map(|fan| kept(value::<f64>(&fan.input).map(|raw| raw / fan.full)));
        readings.fan_ratios = fans.filter_map(plausible_fan).collect();
        for (domain, path) in &self.clocks {
            if let Some(hertz) = scaled(path, 1.0).and_then(plausible_hertz) {
                readings.clocks_hz.insert(domain, hertz);
            }
        }
        (readings, is_whole)
    }

    /// What was found, for people.
    pub(super) fn words(&self) -> String {
        let mut lacks = Vec::new();
        if self.thermometers.is_empty() {
            lacks.push("temperature");
        }
        if self.power.is_none() && self.counter.is_none() {
            lacks.push("power");
        }
        let lacks =
            if lacks.is_empty() { String::new() } else { format!(", without {}", lacks.join(" and ")) };
        format!("{}{lacks}", self.words)
    }
}

/// Where a label says that a temperature is measured. A card with one thermometer gives it no label.
fn place(label: &str) -> Option<Place> {
    match label {
        "" | "edge" | "pkg" => Some(Place::Core),
        "junction" => Some(Place::Hotspot),
        "mem" | "vram" => Some(Place::Memory),
        _ => None,
    }
}

/// The average is over a second or so, and what sums of energy want.
fn power(chip: &Chip) -> Option<PathBuf> {
    let (number, _) = chip.channels("power").into_iter().next()?;
    ["average", "input"].map(|part| chip.file("power", number, part)).into_iter().find(|path| path.exists())
}

/// Of the whole card where there is one, else of its chip.
fn counter(chip: &Chip) -> Option<PathBuf> {
    let channels = chip.channels("energy");
    let rank = |label: &str| match label {
        "card" => 0,
        "" => 1,
        "pkg" => 2,
        _ => 3,
    };
    let best = channels.iter().filter(|(_, label)| rank(label) < 3).min_by_key(|(_, label)| rank(label))?;
    Some(chip.file("energy", best.0, "input"))
}

/// By revolutions where the full speed is known, else by the pulse width.
fn fans(chip: &Chip) -> Vec<Fan> {
    // The width is one of 255 steps, but for nouveau, which has percent.
    let widest = if chip.name == "nouveau" { 100.0 } else { 255.0 };
    let fan = |number: u32| {
        let input = chip.file("fan", number, "input");
        let full: Option<f64> = value(&chip.file("fan", number, "max")).filter(|full| *full > 0.0);
        if let Some(full) = full.filter(|_| input.exists()) {
            return Some(Fan { input, full });
        }
        let width = chip.folder.join(format!("pwm{number}"));
        width.exists().then_some(Fan { input: width, full: widest })
    };
    (1..MAX_CHANNELS).filter_map(fan).collect()
}
