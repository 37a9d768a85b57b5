//! The threads that look at sensors, one for each source.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Readings, Source, is_fresh};

/// Time between two looks at each sensor.
pub const PERIOD: Duration = Duration::from_secs(2);
/// What was read longer ago than this is not known any more.
pub const STALE_AFTER: Duration = Duration::from_secs(10);

/// Watches sources. Threads of sources that hang are left behind at the end.
pub struct Telemetry {
    slots: Vec<Arc<Slot>>,
    /// Dropped to end the threads.
    _alive: Vec<Sender<()>>,
}

struct Slot {
    name: &'static str,
    latest: Mutex<Option<(Instant, Readings)>>,
}

impl Telemetry {
    /// Starts a thread for each source.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(sources: Vec<Box<dyn Source>>, period: Duration) -> std::io::Result<Self> {
        let (mut slots, mut alive) = (Vec::new(), Vec::new());
        for mut source in sources {
            let slot = Arc::new(Slot { name: source.name(), latest: Mutex::new(None) });
            let (sender, end) = channel();
            let to = Arc::clone(&slot);
            std::thread::Builder::new().name(format!("{}-sensors", source.name())).spawn(move || {
                loop {
                    let readings = source.read();
                    *to.latest.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some((Instant::now(), readings));
                    if end.recv_timeout(period) == Err(RecvTimeoutError::Disconnected) {
                        return;
                    }
                }
            })?;
            slots.push(slot);
            alive.push(sender);
        }
        Ok(Self { slots, _alive: alive })
    }

    /// Without any sensor.
    pub fn none() -> Self {
        Self { slots: Vec::new(), _alive: Vec::new() }
    }

    /// What all sources said last, those that have not spoken for [`STALE_AFTER`] left out.
    pub fn latest(&self, now: Instant) -> Readings {
        let mut all = Readings::default();
        for slot in &self.slots {
            let latest = slot.latest.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, readings)) = &*latest
                && is_fresh(*at, now)
            {
                all.merge(readings.clone());
            }
        }
        all
    }

    /// Sources that have not spoken for [`STALE_AFTER`], or never.
    pub fn silent(&self, now: Instant) -> Vec<&'static str> {
        let speaks = |slot: &Slot| {
            let latest = slot.latest.lock().unwrap_or_else(PoisonError::into_inner);
            latest.as_ref().is_some_and(|(at, _)| is_fresh(*at, now))
        };
        self.slots.iter().filter(|slot| !speaks(slot)).map(|slot| slot.name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::HostReadings;

    struct Says(&'static str, f64, Duration);

    impl Source for Says {
        fn name(&self) -> &'static str {
            self.0
        }

        fn read(&mut self) -> Readings {
            std::thread::sleep(self.2);
            let host = HostReadings { battery_ratio: Some(self.1), ..HostReadings::default() };
            Readings { host, ..Readings::default() }
        }
    }

    #[test]
    fn a_source_that_hangs_costs_its_own_readings_only() {
        let hangs = Duration::from_secs(3600);
        let sources: Vec<Box<dyn Source>> =
            vec![Box::new(Says("hung", 0.1, hangs)), Box::new(Says("good", 0.7, Duration::ZERO))];
        let telemetry = Telemetry::start(sources, Duration::from_millis(10)).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while telemetry.latest(Instant::now()).host.battery_ratio.is_none() {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        }
        let now = Instant::now();
        assert_eq!(telemetry.latest(now).host.battery_ratio, Some(0.7));
        assert_eq!(telemetry.silent(now), ["hung"]);
        let later = now + Duration::from_secs(3600);
        assert_eq!(telemetry.latest(later), Readings::default());
    }
}
