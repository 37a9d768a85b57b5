//! The engine of caps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::caps::{Battery, Ramp, Told};
use super::power::{Power, SENSORS_COME};
use super::thermal::{Alarm, Thermal, Wanted};
use super::{Cap, Decision, LimitShown, Reason, SafetySettings, SafetySnapshot, WeekTime, Wish};
use crate::engine::Duty;
use crate::problem::Problem;
use crate::suggest::closest;
use crate::telemetry::{DeviceReadings, Place, Readings, Watched};

/// Decides once a second what each device may do.
#[derive(Debug)]
pub struct Governor {
    settings: SafetySettings,
    devices: Vec<Device>,
    started: Instant,
    /// Until when someone asked for a pause, and how long it is in all; none for until someone says otherwise.
    paused: Option<Option<(Instant, Duration)>>,
    battery: Battery,
    power: Power,
    warnings: Vec<Problem>,
}

#[derive(Debug)]
struct Device {
    watched: Watched,
    /// One for each place that was ever measured; there are as many as there are places.
    sensors: BTreeMap<Place, Thermal>,
    duty: Duty,
    limit: Option<Duty>,
    /// Whether someone asked for a pause of this device.
    is_paused: bool,
    ramp: Ramp,
    told: Told,
    is_known_blind: bool,
}

impl Governor {
    /// For these devices.
    pub fn new(settings: SafetySettings, devices: Vec<Watched>, now: Instant) -> Self {
        let device = |watched| Device {
            watched,
            sensors: BTreeMap::new(),
            duty: Duty::FULL,
            limit: None,
            is_paused: false,
            ramp: Ramp::default(),
            told: Told::default(),
            is_known_blind: false,
        };
        Self {
            settings,
            devices: devices.into_iter().map(device).collect(),
            started: now,
            paused: None,
            battery: Battery::default(),
            power: Power::new(now),
            warnings: Vec::new(),
        }
    }

    /// Without any limit.
    pub fn none() -> Self {
        Self::new(SafetySettings::default(), Vec::new(), Instant::now())
    }

    /// Someone asks for a pause.
    pub fn pause(&mut self, now: Instant, length: Option<Duration>) {
        // A time beyond what a clock holds is as good as for ever.
        self.paused = Some(length.and_then(|length| Some((now.checked_add(length)?, length))));
    }

    /// Someone takes it back, and those of single devices.
    pub fn resume(&mut self) {
        self.paused = None;
        self.devices.iter_mut().for_each(|device| device.is_paused = false);
    }

    /// Someone pauses one device until it is resumed, or takes that back; what else holds it back stays.
    ///
    /// # Errors
    /// When there is no such device; then nothing has changed.
    pub fn pause_device(&mut self, id: &str, pause: bool) -> Result<String, Problem> {
        self.check_known(id)?;
        self.devices.iter_mut().filter(|one| one.watched.id == id).for_each(|one| one.is_paused = pause);
        Ok(match (pause, self.paused.is_some()) {
            (true, _) => format!("{id} paused until someone resumes it"),
            (false, true) => format!("{id} has no pause of its own; the pause of all devices stays"),
            (false, false) => format!("no pause of {id} is asked for any more"),
        })
    }

    fn known(&self) -> Vec<&str> {
        self.devices.iter().map(|device| device.watched.id.as_str()).collect()
    }

    fn check_known(&self, id: &str) -> Result<(), Problem> {
        let known = self.known();
        if known.contains(&id) {
            return Ok(());
        }
        let problem = Problem::error("no-such-device", format!("there is no device {id}"));
        let problem = match closest(id, &known) {
            Some(similar) => problem.help(format!("did you mean {similar}?")),
            None => problem,
        };
        Err(problem.help(format!("name one of: {}", known.join(", "))))
    }

    /// Someone holds a device back, or all of them without a name; without a duty no longer. Other caps stay what
    /// they are, so nothing hashes more than they allow.
    ///
    /// # Errors
    /// When there is no such device; then nothing has changed.
    pub fn limit(&mut self, device: Option<&str>, duty: Option<Duty>) -> Result<String, Problem> {
        device.map_or(Ok(()), |id| self.check_known(id))?;
        let named = device.map_or_else(|| self.known().join(", "), ToOwned::to_owned);
        let duty = duty.filter(|duty| *duty < Duty::FULL);
        let meant = self.devices.iter_mut().filter(|one| device.is_none_or(|id| one.watched.id == id));
        meant.for_each(|one| one.limit = duty);
        Ok(match duty {
            Some(duty) => format!("{named} limited to {duty}"),
            None => format!("{named} without a limit of this kind"),
        })
    }

    /// Other limits from now on.
    pub fn reload(&mut self, settings: SafetySettings) {
        self.settings = settings;
        self.power = Power::new(self.started);
    }

    /// In how long a pause begins or ends that is known beforehand: by the schedule, or the end of the user's pause.
    pub fn next_change(&self, now: Instant, clock: WeekTime) -> Option<Duration> {
        let user = self.paused.flatten().map(|(end, _)| end.saturating_duration_since(now));
        let is_open = self.settings.schedule.as_ref().is_some_and(|schedule| schedule.is_open(clock));
        let schedule = self.schedule_change(clock, is_open).map(Duration::from_secs);
        user.into_iter().chain(schedule).min()
    }

    /// Seconds until the hours end, where `open`, or begin; none while it is the other way round.
    fn schedule_change(&self, clock: WeekTime, open: bool) -> Option<u64> {
        let schedule = self.settings.schedule.as_ref().filter(|schedule| schedule.is_open(clock) == open)?;
        schedule.next_change(clock).map(|minutes| u64::from(minutes) * 60)
    }

    /// The limits in force, for interfaces.
    pub fn describe(&self, now: Instant, clock: WeekTime) -> SafetySnapshot {
        let shown = |device: &Device| {
            let id = device.watched.id.clone();
            let of = |(place, thermal): (&Place, &Thermal)| LimitShown {
                device: id.clone(),
                place: *place,
                limits: thermal.limits(),
            };
            device.sensors.iter().map(of).collect::<Vec<_>>()
        };
        SafetySnapshot {
            limits: self.devices.iter().flat_map(shown).collect(),
            power_cap_w: self.settings.power_cap_w,
            schedule: self.settings.schedule.as_ref().map(|schedule| schedule.text().to_owned()),
            pause_on_battery: self.settings.pause_on_battery,
            quiet_percent: Some(self.settings.quiet_percent),
            next_pause_s: self.schedule_change(clock, true),
            next_change_s: self.next_change(now, clock).map(|wait| wait.as_secs()),
        }
    }

    /// What holds from now on.
    pub fn tick(&mut self, now: Instant, clock: WeekTime, readings: &Readings) -> Decision {
        let over = self.paused.flatten().filter(|(end, _)| *end <= now);
        if over.is_some() {
            self.paused = None;
        }
        let mut decision = Decision { pause_over: over.map(|(_, length)| length), ..Decision::default() };
        let everywhere = self.everywhere(now, clock, readings);
        let power = self.power_cap(now, readings);
        for device in &mut self.devices {
            let read = readings.devices.get(&device.watched.id);
            let mut caps = everywhere.clone();
            let limit =
                device.limit.map(|duty| Cap { reason: Reason::Limit, duty, detail: "by order".into() });
            caps.extend(limit);
            if device.is_paused {
                let detail = "this device, until someone resumes it".into();
                caps.push(Cap { reason: Reason::User, duty: Duty::PAUSE, detail });
            }
            device.heat(now, &self.settings, read, &mut caps, &mut self.warnings, &mut decision.stop);
            if let Some((duty, detail)) = &power
                && self.power.knows(&device.watched.id)
            {
                caps.push(Cap { reason: Reason::PowerCap, duty: *duty, detail: detail.clone() });
            }
            if now.saturating_duration_since(self.started) >= SENSORS_COME {
                self.warnings.extend(device.blindness(&self.settings));
            }
            let ramp = device.ramp.tick(now, &caps);
            caps.extend(ramp);
            caps.sort_by_key(|cap| (cap.duty, cap.reason));
            device.duty = caps.first().map_or(Duty::FULL, |cap| cap.duty);
            let id = &device.watched.id;
            decision.changes.extend(device.told.change(now, id, device.duty, caps.first()));
            decision.caps.insert(id.clone(), caps);
        }
        decision.warnings = std::mem::take(&mut self.warnings);
        decision.shown = self.describe(now, clock);
        decision
    }

    /// What holds for every device alike.
    fn everywhere(&mut self, now: Instant, clock: WeekTime, readings: &Readings) -> Vec<Cap> {
        let pause = |reason, detail| Cap { reason, duty: Duty::PAUSE, detail };
        let mut caps = Vec::new();
        if let Some(end) = self.paused {
            let detail = end.map_or_else(
                || "until someone resumes".to_owned(),
                |(end, _)| format!("for {} s", end.saturating_duration_since(now).as_secs()),
            );
            caps.push(pause(Reason::User, detail));
        }
        if self.settings.pause_on_battery {
            caps.extend(self.battery.tick(now, &readings.host));
        }
        if let Some(schedule) = self.settings.schedule.as_ref().filter(|schedule| !schedule.is_open(clock)) {
            let opens = match schedule.next_change(clock) {
                Some(minutes) => format!("opens in {} h {:02} min", minutes / 60, minutes % 60),
                None => "never opens".into(),
            };
            caps.push(pause(Reason::Schedule, format!("outside of {}, {opens}", schedule.text())));
        }
        caps
    }

    fn power_cap(&mut self, now: Instant, readings: &Readings) -> Option<(Duty, String)> {
        let cap_w = self.settings.power_cap_w?;
        let watched: Vec<Watched> = self.devices.iter().map(|device| device.watched.clone()).collect();
        let known = self.devices.iter().filter(|device| self.power.knows(&device.watched.id));
        let applied = known.map(|device| device.duty).max().unwrap_or_default();
        let held = self.power.tick(now, cap_w, &watched, readings, applied);
        self.warnings.extend(held.warning);
        held.cap
    }
}

impl Device {
    /// The caps of all its sensors, and what people should hear of them.
    fn heat(
        &mut self,
        now: Instant,
        settings: &SafetySettings,
        readings: Option<&DeviceReadings>,
        caps: &mut Vec<Cap>,
        warnings: &mut Vec<Problem>,
        stop: &mut Option<String>,
    ) {
        let temperatures = readings.map_or(&[][..], |readings| &readings.temperatures);
        for temperature in temperatures {
            let rules = &settings.temperatures;
            let Some(limits) = rules.limits(&self.watched.id, temperature.place, temperature.limit_c) else {
                self.sensors.remove(&temperature.place);
                continue;
            };
            let sensor = self.sensors.entry(temperature.place).or_insert_with(|| Thermal::new(limits));
            sensor.set_limits(limits);
        }
        // A limit that was taken away holds for a sensor that is silent as well.
        self.sensors
            .retain(|place, _| settings.temperatures.limits(&self.watched.id, *place, None).is_some());
        for (place, sensor) in &mut self.sensors {
            let of_place = temperatures.iter().find(|temperature| temperature.place == *place);
            let measured = of_place.map(|temperature| (temperature.now_c, temperature.at));
            let (wanted, alarm) = sensor.tick(now, measured, self.duty);
            let limits = sensor.limits();
            let now_c = sensor.latest_c().unwrap_or_default();
            let facts = format!("{} {now_c:.1} C", place.name());
            match alarm {
                Some(Alarm::Stop) => *stop = Some(too_hot(&self.watched.id, &facts, limits.pause_c, "120 s")),
                Some(Alarm::Alert) => {
                    let problem = Problem::warning(
                        "too-hot",
                        too_hot(&self.watched.id, &facts, limits.pause_c, "10 s"),
                    );
                    warnings.push(problem.help(
                        "look after fans, dust and the air around it; rminer ends when it stays like this for two minutes",
                    ));
                }
                Some(Alarm::Silent) => {
                    let summary = format!("{}: its sensor has said nothing for 10 s", self.watched.id);
                    let problem =
                        Problem::warning("sensor-silent", summary).fact(format!("The last was {facts}."));
                    warnings.push(problem.help("a device that cannot be watched is paused in 5 s"));
                }
                None => {}
            }
            let (duty, reason, detail) = match wanted {
                Wanted::Unknown => continue,
                Wanted::Duty(Duty::FULL) => continue,
                Wanted::Duty(duty) => (duty, Reason::Heat, format!("{facts}, set point {} C", limits.set_c)),
                Wanted::Pause => {
                    let detail =
                        format!("{facts}, limit {} C, goes on below {} C", limits.pause_c, limits.resume_c);
                    (Duty::PAUSE, Reason::Heat, detail)
                }
                Wanted::Lost => {
                    let detail = format!("{facts} was the last that its sensor said; it counts as hot");
                    (Duty::PAUSE, Reason::SensorLost, detail)
                }
            };
            caps.push(Cap { reason, duty, detail });
        }
    }

    /// Once: that nothing is known of its temperature, although there is a limit.
    fn blindness(&mut self, settings: &SafetySettings) -> Option<Problem> {
        if !self.sensors.is_empty() || std::mem::replace(&mut self.is_known_blind, true) {
            return None;
        }
        let id = &self.watched.id;
        let place =
            if self.watched.kind == crate::telemetry::DeviceKind::Cpu { Place::Package } else { Place::Core };
        let wish = settings.temperatures.wish(&super::Scope::sensor(id, place)).0;
        if wish == Some(Wish::Off) {
            return None;
        }
        let summary = format!("no temperature of {id} is known, so no limit can be kept");
        let problem = Problem::warning("no-sensor", summary);
        Some(
            problem.help(
                "virtual machines have none; elsewhere load the sensor driver (coretemp, k10temp, nvidia)",
            ),
        )
    }
}

fn too_hot(device: &str, facts: &str, limit_c: f64, length: &str) -> String {
    format!(
        "{device}: {facts}, more than 5 C above its limit of {limit_c} C for {length} although it is paused"
    )
}

#[cfg(test)]
mod tests;
