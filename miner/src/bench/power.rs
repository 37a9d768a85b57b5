//! What devices draw while they are measured.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::telemetry::{Readings, Roots, Source, Watched, device_sources};

/// Time between two looks. Counters of energy tick much more often; what lies between the last look and the end of a
/// measurement is left out of time and energy alike.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Energy over a shorter time says nothing: drivers smooth power over about as long.
const SHORTEST: Duration = Duration::from_millis(400);

/// Looks at the energy of some devices, each source on a thread of its own. One that hangs is left behind.
pub(super) struct PowerMeter {
    slots: Vec<Arc<Mutex<Slot>>>,
    /// Dropped to end the threads.
    _alive: Vec<Sender<()>>,
}

/// What one source saw.
#[derive(Debug, Default)]
struct Slot {
    is_open: bool,
    /// The first and the last look of the window that is open.
    window: Option<[(Instant, f64); 2]>,
    joules: f64,
    time: Duration,
}

impl PowerMeter {
    /// For these devices together, on this machine.
    pub(super) fn start(watched: &[Watched]) -> Self {
        Self::with(device_sources(watched, &Roots::of_this_machine()), watched)
    }

    fn with(sources: Vec<Box<dyn Source>>, watched: &[Watched]) -> Self {
        let (mut slots, mut alive) = (Vec::new(), Vec::new());
        for mut source in sources {
            let slot: Arc<Mutex<Slot>> = Arc::default();
            let (sender, end) = channel();
            let to = Arc::clone(&slot);
            let ids: Vec<_> = watched.iter().map(|device| device.id.clone()).collect();
            let body = move || {
                loop {
                    let energy_j = energy(&source.read(), &ids);
                    to.lock().unwrap_or_else(PoisonError::into_inner).look(Instant::now(), energy_j);
                    if end.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            };
            // Without a thread nothing is known, as without a sensor.
            let _ = thread::Builder::new().name("bench-power".into()).spawn(body);
            slots.push(slot);
            alive.push(sender);
        }
        Self { slots, _alive: alive }
    }

    /// Hashing begins.
    pub(super) fn open(&self) {
        self.each(Slot::open);
    }

    /// Hashing ends.
    pub(super) fn close(&self) {
        self.each(Slot::close);
    }

    /// Mean power over all that was measured, in watts, by the best source that knows it.
    pub(super) fn watts(&self) -> Option<f64> {
        self.slots.iter().find_map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).watts())
    }

    fn each(&self, what: fn(&mut Slot)) {
        for slot in &self.slots {
            what(&mut slot.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Slot {
    fn open(&mut self) {
        (self.is_open, self.window) = (true, None);
    }

    fn look(&mut self, now: Instant, energy_j: Option<f64>) {
        let (true, Some(energy_j)) = (self.is_open, energy_j) else { return };
        let look = (now, energy_j);
        self.window = Some([self.window.map_or(look, |[first, _]| first), look]);
    }

    fn close(&mut self) {
        self.is_open = false;
        if let Some([(from, before_j), (to, after_j)]) = self.window.take() {
            self.joules += after_j - before_j;
            self.time += to - from;
        }
    }

    fn watts(&self) -> Option<f64> {
        (self.time >= SHORTEST).then(|| self.joules / self.time.as_secs_f64())
    }
}

/// What all of them used together; not known where one of them is not.
fn energy(readings: &Readings, ids: &[String]) -> Option<f64> {
    ids.iter().map(|id| readings.devices.get(id)?.energy_j).sum()
}

/// Energy of one hash in joules.
pub(super) fn joules_per_hash(watts: Option<f64>, rate_hs: f64) -> Option<f64> {
    watts.filter(|_| rate_hs > 0.0).map(|watts| watts / rate_hs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{DeviceKind, DeviceReadings};

    #[test]
    fn only_what_was_measured_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut slot = Slot::default();
        slot.look(at(0), Some(0.0));
        slot.open();
        assert_eq!(slot.watts(), None);
        slot.look(at(100), Some(10.0));
        slot.look(at(200), None);
        slot.look(at(400), Some(40.0));
        slot.close();
        // 300 ms are too short.
        assert_eq!(slot.watts(), None);
        slot.look(at(900), Some(9000.0));
        slot.open();
        slot.look(at(1000), Some(9100.0));
        slot.look(at(1300), Some(9130.0));
        slot.close();
        slot.close();
        assert_eq!(slot.watts(), Some(100.0));
        assert_eq!(joules_per_hash(slot.watts(), 50.0), Some(2.0));
        assert_eq!((joules_per_hash(None, 50.0), joules_per_hash(Some(1.0), 0.0)), (None, None));
    }

    #[test]
    fn a_device_that_is_not_known_leaves_the_sum_unknown() {
        let known = |energy_j| DeviceReadings { energy_j, ..DeviceReadings::default() };
        let devices = [("cpu0".to_owned(), known(Some(3.0))), ("cpu1".to_owned(), known(Some(4.0)))];
        let readings = Readings { devices: devices.into(), ..Readings::default() };
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(energy(&readings, &ids(&["cpu0", "cpu1"])), Some(7.0));
        assert_eq!(energy(&readings, &ids(&["cpu0", "cpu2"])), None);
    }

    #[test]
    fn the_first_source_that_knows_is_believed() {
        struct Draws(Option<f64>, Instant);
        impl Source for Draws {
            fn name(&self) -> &'static str {
                "draws"
            }
            fn read(&mut self) -> Readings {
                let energy_j = self.0.map(|watts| watts * self.1.elapsed().as_secs_f64());
                let device = DeviceReadings { energy_j, ..DeviceReadings::default() };
                Readings { devices: [("cpu0".to_owned(), device)].into(), ..Readings::default() }
            }
        }
        let watched = [Watched { id: "cpu0".into(), kind: DeviceKind::Cpu, pci: None, package: None }];
        let now = Instant::now();
        let sources: Vec<Box<dyn Source>> = vec![
            Box::new(Draws(None, now)),
            Box::new(Draws(Some(90.0), now)),
            Box::new(Draws(Some(5.0), now)),
        ];
        let meter = PowerMeter::with(sources, &watched);
        let end = Instant::now() + Duration::from_secs(30);
        while meter.watts().is_none() {
            assert!(Instant::now() < end, "no power is known");
            meter.open();
            thread::sleep(SHORTEST + 3 * LOOK_EVERY);
            meter.close();
        }
        let watts = meter.watts().unwrap();
        assert!(watts > 5.0 + 1.0, "{watts} W");
    }
}
