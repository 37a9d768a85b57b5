use super::*;
use crate::devices::heat::Plant;
use crate::safety::{CapChange, DeviceScope, Schedule, Scope};
use crate::telemetry::{DeviceKind, HostReadings, Temperature};

fn watched(id: &str) -> Watched {
    Watched { id: id.into(), kind: DeviceKind::of(id), pci: None, package: None }
}

const MONDAY: WeekTime = WeekTime { weekday: 0, minute: 0 };

/// A governor in virtual time.
struct World {
    governor: Governor,
    start: Instant,
    second: u64,
    clock: WeekTime,
    changes: Vec<(u64, CapChange)>,
    warnings: Vec<(u64, Problem)>,
    stop: Option<(u64, String)>,
}

impl World {
    fn new(settings: SafetySettings, devices: &[&str]) -> Self {
        let start = Instant::now();
        let governor = Governor::new(settings, devices.iter().map(|id| watched(id)).collect(), start);
        let (changes, warnings) = (Vec::new(), Vec::new());
        Self { governor, start, second: 0, clock: MONDAY, changes, warnings, stop: None }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    /// One second; what each device may do.
    fn second(&mut self, readings: &Readings) -> Decision {
        let decision = self.governor.tick(self.now(), self.clock, readings);
        self.changes.extend(decision.changes.iter().cloned().map(|change| (self.second, change)));
        self.warnings.extend(decision.warnings.iter().cloned().map(|warning| (self.second, warning)));
        if let Some(stop) = &decision.stop {
            self.stop.get_or_insert((self.second, stop.clone()));
        }
        self.second += 1;
        decision
    }

    fn hot(&self, device: &str, temperatures: &[(Place, f64)]) -> Readings {
        let at = self.now();
        let temperature =
            |(place, now_c): &(Place, f64)| Temperature { place: *place, now_c: *now_c, limit_c: None, at };
        let readings = DeviceReadings {
            temperatures: temperatures.iter().map(temperature).collect(),
            ..DeviceReadings::default()
        };
        Readings { devices: [(device.to_owned(), readings)].into(), ..Readings::default() }
    }
}

/// Ten minutes of governor and plant: the set point is held, the limit not passed, and each change has cause and facts.
#[test]
fn ten_minutes_with_a_plant() {
    for (time_constant, gain_c, place) in [
        (20, 70.0, Place::Core),
        (45, 80.0, Place::Core),
        (90, 100.0, Place::Memory),
        (60, 90.0, Place::Package),
    ] {
        let mut plant = Plant::cold(25.0, gain_c, Duration::from_secs(time_constant));
        let mut world = World::new(SafetySettings::default(), &["gpu0"]);
        let (mut readings, mut duty, mut settled) = (Readings::default(), Duty::FULL, Vec::new());
        for second in 0..600 {
            if second % 2 == 0 {
                readings = world.hot("gpu0", &[(place, plant.now_c)]);
            }
            let decision = world.second(&readings);
            duty = decision.duty("gpu0");
            plant.advance(Duration::from_secs(1), duty.ratio());
            let limits = decision.shown.limits[0].limits;
            assert!(plant.now_c < limits.pause_c, "{:.1} C", plant.now_c);
            if second >= 300 {
                settled.push(plant.now_c - limits.set_c);
            }
        }
        let full_c = 25.0 + gain_c;
        let set_c = world.governor.describe(world.now(), MONDAY).limits[0].limits.set_c;
        if full_c > set_c {
            assert!(settled.iter().all(|off| off.abs() <= 2.0), "{time_constant}: {settled:?}");
        } else {
            assert_eq!(duty, Duty::FULL);
        }
        for (_, change) in &world.changes {
            let Some(cause) = &change.cause else {
                assert_eq!(change.to, Duty::FULL);
                continue;
            };
            assert_eq!((cause.reason, cause.duty), (Reason::Heat, change.to));
            assert!(
                cause.detail.contains(place.name()) && cause.detail.contains("set point"),
                "{}",
                cause.detail
            );
        }
        // Each change starts where the one before ended, and no two are nearer than five seconds.
        for pair in world.changes.windows(2) {
            assert_eq!(pair[0].1.to, pair[1].1.from);
            assert!(pair[1].0 - pair[0].0 >= 5);
        }
    }
}

#[test]
fn the_lowest_cap_wins_and_says_why() {
    let mut world = World::new(SafetySettings::default(), &["cpu0", "gpu0"]);
    world.second(&Readings::default());
    assert_eq!(
        world.governor.limit(Some("gpu0"), Some(Duty::from_permille(400))).unwrap(),
        "gpu0 limited to 40.0 %"
    );
    let decision = world.second(&world.hot("gpu0", &[(Place::Core, 60.0), (Place::Memory, 103.0)]));
    assert_eq!((decision.duty("gpu0"), decision.duty("cpu0")), (Duty::PAUSE, Duty::FULL));
    let caps = &decision.caps["gpu0"];
    assert_eq!((caps[0].reason, caps[1].reason), (Reason::Heat, Reason::Limit));
    assert_eq!(caps[0].detail, "memory 103.0 C, limit 102 C, goes on below 88 C");
    let error = world.governor.limit(Some("gpu7"), None).unwrap_err();
    assert!(error.to_string().contains("gpu7") && error.to_string().contains("cpu0, gpu0"), "{error}");
    assert_eq!(world.governor.limit(None, Some(Duty::PAUSE)).unwrap(), "cpu0, gpu0 limited to paused");
    assert_eq!(world.second(&Readings::default()).duty("cpu0"), Duty::PAUSE);
    world.governor.limit(None, None).unwrap();
    assert_eq!(world.second(&Readings::default()).duty("cpu0"), Duty::FULL, "no way back after an order");
}

#[test]
fn hours_pause_and_come_back_slowly() {
    let schedule = Schedule::parse("mon 01:00-02:00").unwrap();
    let settings = SafetySettings { schedule: Some(schedule), ..SafetySettings::default() };
    let mut world = World::new(settings, &["cpu0"]);
    let decision = world.second(&Readings::default());
    assert_eq!(decision.duty("cpu0"), Duty::PAUSE);
    assert_eq!(decision.caps["cpu0"][0].detail, "outside of mon 01:00-02:00, opens in 1 h 00 min");
    assert_eq!((decision.shown.next_change_s, decision.shown.next_pause_s), (Some(3600), None));
    world.clock.minute = 60;
    assert_eq!(world.governor.describe(world.now(), world.clock).next_pause_s, Some(3600));
    let duties: Vec<u16> =
        (0..70).map(|_| world.second(&Readings::default()).duty("cpu0").permille()).collect();
    assert_eq!((duties[0], duties[30], duties[60]), (100, 600, 1000));
    assert!(
        world
            .changes
            .iter()
            .any(|(_, change)| change.cause.as_ref().is_some_and(|cause| cause.reason == Reason::RampUp))
    );
    assert_eq!(world.changes.last().unwrap().1.cause, None, "free again");
}

#[test]
fn a_pause_of_the_user_ends_by_itself_and_at_once() {
    let mut world = World::new(SafetySettings::default(), &["cpu0"]);
    world.governor.pause(world.now(), Some(Duration::from_secs(10)));
    assert_eq!(world.governor.next_change(world.now(), MONDAY), Some(Duration::from_secs(10)));
    let duties: Vec<Duty> = (0..12).map(|_| world.second(&Readings::default()).duty("cpu0")).collect();
    assert!(duties[..10].iter().all(|duty| *duty == Duty::PAUSE));
    assert_eq!(duties[10], Duty::FULL);
    world.governor.pause(world.now(), Some(Duration::MAX));
    assert_eq!(world.second(&Readings::default()).duty("cpu0"), Duty::PAUSE);
    world.governor.resume();
    assert_eq!(world.second(&Readings::default()).duty("cpu0"), Duty::FULL);
}

#[test]
fn the_battery_counts_unless_it_is_told_not_to() {
    let host = HostReadings { on_battery: Some(true), battery_ratio: Some(0.5), ..HostReadings::default() };
    let readings = Readings { host, ..Readings::default() };
    let mut world = World::new(SafetySettings::default(), &["cpu0"]);
    let decision = world.second(&readings);
    assert_eq!(decision.caps["cpu0"][0].detail, "the machine runs on its battery (50 %)");
    assert_eq!(decision.duty("cpu0"), Duty::PAUSE);
    world.governor.reload(SafetySettings { pause_on_battery: false, ..SafetySettings::default() });
    assert_ne!(world.second(&readings).duty("cpu0"), Duty::PAUSE);
}

#[test]
fn without_sensors_it_says_so_once() {
    let mut world = World::new(SafetySettings::default(), &["cpu0", "gpu0"]);
    for _ in 0..100 {
        let readings = world.hot("gpu0", &[(Place::Core, 50.0)]);
        assert_eq!(world.second(&readings).duty("cpu0"), Duty::FULL);
    }
    assert_eq!(world.warnings.len(), 1, "{:?}", world.warnings);
    assert!(world.warnings[0].1.summary.contains("cpu0"), "{:?}", world.warnings);
}

#[test]
fn a_limit_taken_away_is_none() {
    let mut settings = SafetySettings::default();
    settings
        .temperatures
        .limits
        .push((Scope { device: DeviceScope::Id("gpu0".into()), place: None }, Wish::Off));
    let mut world = World::new(settings, &["gpu0"]);
    for _ in 0..100 {
        let readings = world.hot("gpu0", &[(Place::Core, 140.0)]);
        assert_eq!(world.second(&readings).duty("gpu0"), Duty::FULL);
    }
    assert!(world.warnings.is_empty() && world.changes.is_empty());
}

#[test]
fn what_a_pause_does_not_cool_ends_the_miner() {
    let mut world = World::new(SafetySettings::default(), &["gpu0"]);
    for _ in 0..200 {
        let readings = world.hot("gpu0", &[(Place::Core, 95.0)]);
        assert_eq!(world.second(&readings).duty("gpu0"), Duty::PAUSE);
    }
    assert_eq!(world.warnings.len(), 1);
    assert_eq!((world.warnings[0].0, world.warnings[0].1.code), (10, "too-hot"));
    let (second, text) = world.stop.unwrap();
    assert_eq!(second, 120);
    assert!(text.contains("core 95.0 C") && text.contains("87 C"), "{text}");
}

#[test]
fn a_lost_sensor_is_told_before_it_pauses() {
    let mut world = World::new(SafetySettings::default(), &["gpu0"]);
    let readings = world.hot("gpu0", &[(Place::Core, 60.0)]);
    world.second(&readings);
    for _ in 0..20 {
        world.second(&Readings::default());
    }
    assert_eq!((world.warnings[0].0, world.warnings[0].1.code), (11, "sensor-silent"));
    let (second, change) = &world.changes[0];
    assert_eq!((*second, change.cause.as_ref().unwrap().reason), (16, Reason::SensorLost));
}

#[test]
fn the_rig_stays_below_its_power_cap() {
    let settings = SafetySettings { power_cap_w: Some(300.0), ..SafetySettings::default() };
    let mut world = World::new(settings, &["gpu0", "gpu1", "cpu0"]);
    let mut duty = Duty::FULL;
    for second in 0..300 {
        let power =
            |w| DeviceReadings { power_w: Some(30.0 + w * duty.ratio()), ..DeviceReadings::default() };
        let devices = [("gpu0".to_owned(), power(200.0)), ("gpu1".to_owned(), power(150.0))].into();
        let decision = world.second(&Readings { devices, ..Readings::default() });
        duty = decision.duty("gpu0");
        assert_eq!(decision.duty("cpu0"), Duty::FULL, "its power is not known");
        let sum_w = 60.0 + 350.0 * duty.ratio();
        assert!(second < 30 || (280.0..=300.0).contains(&sum_w), "{sum_w} W after {second} s");
    }
    let change = &world.changes[0].1;
    assert_eq!(change.cause.as_ref().unwrap().reason, Reason::PowerCap);
    assert!(change.cause.as_ref().unwrap().detail.contains("cap 300 W"), "{change:?}");
}
