//! A simulated device's temperature: it follows the time that the device hashes, as a first-order plant does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::telemetry::{DeviceReadings, Place, Readings, Source, Temperature};

/// Heat that comes in with the load and goes out to the surroundings. Temperatures in degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plant {
    /// Of the surroundings.
    pub ambient_c: f64,
    /// Above the surroundings, where it settles at full load.
    pub gain_c: f64,
    /// In this time it comes by 63 % nearer to where it settles.
    pub time_constant: Duration,
    /// Of the device.
    pub now_c: f64,
}

impl Plant {
    /// A cold device.
    pub fn cold(ambient_c: f64, gain_c: f64, time_constant: Duration) -> Self {
        Self { ambient_c, gain_c, time_constant, now_c: ambient_c }
    }

    /// Time passes under a load from 0 to 1.
    pub fn advance(&mut self, time: Duration, load: f64) {
        let settles_c = self.ambient_c + self.gain_c * load;
        let share = (-time.as_secs_f64() / self.time_constant.as_secs_f64().max(1e-3)).exp();
        self.now_c = settles_c + (self.now_c - settles_c) * share;
    }
}

/// The plant of a device, shared by what heats it and what looks at it.
#[derive(Debug, Clone)]
pub struct SimHeat {
    state: Arc<Mutex<State>>,
    full_w: f64,
}

#[derive(Debug)]
struct State {
    plant: Plant,
    /// Up to when the plant is worked out.
    until: Instant,
    /// Time hashed since then, by all workers.
    hashed: Duration,
    workers: u32,
}

/// The plant is worked out in steps of at least this.
const STEP: Duration = Duration::from_millis(100);

impl SimHeat {
    /// Of a device with so many workers that draws `full_w` watts under full load.
    pub fn new(plant: Plant, workers: u32, full_w: f64) -> Self {
        let state = State { plant, until: Instant::now(), hashed: Duration::ZERO, workers: workers.max(1) };
        Self { state: Arc::new(Mutex::new(state)), full_w }
    }

    /// A worker has hashed for so long.
    pub fn hashed(&self, time: Duration) {
        self.at(Instant::now(), time);
    }

    /// The temperature now, and the load since it was last worked out.
    pub fn look(&self) -> (f64, f64) {
        self.at(Instant::now(), Duration::ZERO)
    }

    fn at(&self, now: Instant, hashed: Duration) -> (f64, f64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.hashed += hashed;
        let passed = now.saturating_duration_since(state.until);
        let load = if passed.is_zero() {
            0.0
        } else {
            (state.hashed.as_secs_f64() / passed.as_secs_f64() / f64::from(state.workers)).min(1.0)
        };
        if passed >= STEP {
            state.plant.advance(passed, load);
            (state.until, state.hashed) = (now, Duration::ZERO);
        }
        (state.plant.now_c, load)
    }

    /// Its sensors, for the telemetry of a test: temperature and power of the device of this name.
    pub fn sensor(&self, device: &str, place: Place) -> Box<dyn Source> {
        Box::new(SimSensor { heat: self.clone(), device: device.to_owned(), place })
    }
}

struct SimSensor {
    heat: SimHeat,
    device: String,
    place: Place,
}

impl Source for SimSensor {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn read(&mut self) -> Readings {
        let (now_c, load) = self.heat.look();
        let temperature = Temperature { place: self.place, now_c, limit_c: None, at: Instant::now() };
        let readings = DeviceReadings {
            temperatures: vec![temperature],
            power_w: Some(self.heat.full_w * load),
            power_source: Some("simulated"),
            ..DeviceReadings::default()
        };
        Readings { devices: [(self.device.clone(), readings)].into(), ..Readings::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plant_settles_where_its_load_says() {
        let mut plant = Plant::cold(20.0, 80.0, Duration::from_secs(10));
        plant.advance(Duration::from_secs(10), 1.0);
        assert!((plant.now_c - (20.0 + 80.0 * (1.0 - (-1.0f64).exp()))).abs() < 1e-9);
        plant.advance(Duration::from_secs(1000), 0.5);
        assert!((plant.now_c - 60.0).abs() < 1e-6);
    }

    #[test]
    fn hashed_time_of_all_workers_is_the_load() {
        let heat = SimHeat::new(Plant::cold(20.0, 80.0, Duration::from_secs(1)), 2, 100.0);
        let start = heat.state.lock().unwrap().until;
        let at = |seconds, hashed| heat.at(start + Duration::from_secs(seconds), Duration::from_secs(hashed));
        assert_eq!(at(0, 100), (20.0, 0.0));
        let (now_c, load) = at(100, 0);
        assert!((now_c - 60.0).abs() < 1e-6 && (load - 0.5).abs() < 1e-9, "{now_c} {load}");
        assert!((at(200, 0).0 - 20.0).abs() < 1e-6);
    }
}
