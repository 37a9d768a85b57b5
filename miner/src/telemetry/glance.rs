//! One look at all sensors, for commands that end soon.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::{Note, Readings, Source};

/// Counters give power by two looks, so far from each other.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);

/// What sensors said, and what was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Glance {
    /// Readings of all sources.
    pub readings: Readings,
    /// What they found for each device.
    pub notes: Vec<Note>,
    /// Sources that did not answer in time.
    pub silent: Vec<&'static str>,
}

/// Looks at all sources at once and waits no longer than `patience`. Threads of sources that hang are left behind, so this
/// is for commands that end soon.
pub fn glance(sources: Vec<Box<dyn Source>>, patience: Duration) -> Glance {
    glance_holding(sources, patience, &Arc::new(()))
}

/// The same for programs that go on: each thread holds `held` until it ends, however long that takes. Who sees that it
/// is held still does not look again.
pub fn glance_holding(sources: Vec<Box<dyn Source>>, patience: Duration, held: &Arc<()>) -> Glance {
    let end = Instant::now() + patience;
    let looks = sources.into_iter().map(|mut source| {
        let name = source.name();
        let (tell, told) = channel();
        let held = Arc::clone(held);
        let body = move || {
            let _held = held;
            source.read();
            thread::sleep(BETWEEN_LOOKS);
            let readings = source.read();
            // Nobody listens any more when it took too long.
            let _ = tell.send((readings, source.notes()));
        };
        // Without a thread the channel ends at once, as with a source that says nothing.
        let _ = thread::Builder::new().name(format!("{name}-glance")).spawn(body);
        (name, told)
    });
    let mut glance = Glance::default();
    for (name, told) in looks.collect::<Vec<_>>() {
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok((readings, notes)) => {
                glance.readings.merge(readings);
                glance.notes.extend(notes);
            }
            Err(_) => glance.silent.push(name),
        }
    }
    glance
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::telemetry::HostReadings;

    struct Says(&'static str, u32, Duration);

    impl Source for Says {
        fn name(&self) -> &'static str {
            self.0
        }

        fn read(&mut self) -> Readings {
            thread::sleep(self.2);
            self.1 += 1;
            let host = HostReadings { battery_c: Some(f64::from(self.1)), ..HostReadings::default() };
            Readings { host, ..Readings::default() }
        }

        fn notes(&self) -> Vec<Note> {
            vec![Note::new("cpu0", self.0)]
        }
    }

    #[test]
    fn a_source_that_hangs_is_named_and_the_others_are_heard() {
        let hour = Duration::from_secs(3600);
        let sources: Vec<Box<dyn Source>> =
            vec![Box::new(Says("hung", 0, hour)), Box::new(Says("good", 0, Duration::ZERO))];
        // Whoever hangs comes first in turn here, and must leave the others their time.
        let glance = glance(sources, Duration::from_secs(3));
        assert_eq!(glance.silent, ["hung"]);
        assert_eq!(glance.readings.host.battery_c, Some(2.0));
        assert_eq!(glance.notes, [Note::new("cpu0", "good")]);
    }

    /// Waits to be let go.
    struct Waits(Receiver<()>);

    impl Source for Waits {
        fn name(&self) -> &'static str {
            "waits"
        }

        fn read(&mut self) -> Readings {
            let _ = self.0.recv();
            Readings::default()
        }
    }

    #[test]
    fn threads_that_hang_hold_what_they_were_given() {
        let (go, wait) = channel();
        let held = Arc::new(());
        let silent = glance_holding(vec![Box::new(Waits(wait))], Duration::from_millis(100), &held).silent;
        assert_eq!((silent, Arc::strong_count(&held)), (vec!["waits"], 2));
        drop(go);
        let end = Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&held) > 1 {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(5));
        }
    }
}
