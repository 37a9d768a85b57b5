//! Readings of several sources become one.

use super::{DeviceReadings, HostReadings, Readings};

impl Readings {
    /// Adds what another source says; what is there already stays.
    pub fn merge(&mut self, other: Self) {
        for (id, device) in other.devices {
            self.devices.entry(id).or_default().merge(device);
        }
        self.host.merge(other.host);
    }
}

impl DeviceReadings {
    fn merge(&mut self, other: Self) {
        for temperature in other.temperatures {
            if self.temperatures.iter().all(|known| known.place != temperature.place) {
                self.temperatures.push(temperature);
            }
        }
        if self.power_w.is_none() && self.energy_j.is_none() {
            (self.power_w, self.energy_j, self.power_source) =
                (other.power_w, other.energy_j, other.power_source);
        }
        if self.fan_ratios.is_empty() {
            self.fan_ratios = other.fan_ratios;
        }
        for (domain, clock_hz) in other.clocks_hz {
            self.clocks_hz.entry(domain).or_insert(clock_hz);
        }
        for cause in other.throttled {
            if !self.throttled.contains(&cause) {
                self.throttled.push(cause);
            }
        }
    }
}

impl HostReadings {
    fn merge(&mut self, other: Self) {
        self.on_battery = self.on_battery.or(other.on_battery);
        self.battery_ratio = self.battery_ratio.or(other.battery_ratio);
        self.battery_c = self.battery_c.or(other.battery_c);
        self.cpu_others = self.cpu_others.or(other.cpu_others);
        if self.busiest.is_empty() {
            self.busiest = other.busiest;
        }
        self.memory_available_bytes = self.memory_available_bytes.or(other.memory_available_bytes);
        self.memory_total_bytes = self.memory_total_bytes.or(other.memory_total_bytes);
        self.load = self.load.or(other.load);
        self.process_bytes = self.process_bytes.or(other.process_bytes);
        if self.huge_pages.is_empty() {
            self.huge_pages = other.huge_pages;
        }
    }
}
