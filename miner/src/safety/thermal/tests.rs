use proptest::prelude::*;

use super::*;
use crate::devices::heat::Plant;
use crate::safety::LimitSource;

const LIMITS: Limits = Limits { set_c: 80.0, pause_c: 87.0, resume_c: 72.0, source: LimitSource::Default };
/// Sensors are read every two seconds.
const PERIOD_S: u64 = 2;

/// A controller before a plant, in virtual time.
struct World {
    thermal: Thermal,
    plant: Plant,
    start: Instant,
    second: u64,
    applied: Duty,
    /// Whole degrees, as most drivers tell.
    whole: bool,
    /// Seconds in a row that were hashed above the limit, and the most of them.
    above: (u64, u64),
    /// When it was paused and resumed.
    switched: Vec<u64>,
    stepped: Vec<u64>,
    measured: Option<(f64, Instant)>,
}

impl World {
    fn new(plant: Plant, whole: bool) -> Self {
        Self {
            thermal: Thermal::new(LIMITS),
            plant,
            start: Instant::now(),
            second: 0,
            applied: Duty::FULL,
            whole,
            above: (0, 0),
            switched: Vec::new(),
            stepped: Vec::new(),
            measured: None,
        }
    }

    fn second(&mut self, noise_c: f64) {
        let now = self.start + Duration::from_secs(self.second);
        if self.second.is_multiple_of(PERIOD_S) {
            let now_c = self.plant.now_c + noise_c;
            self.measured = Some((if self.whole { now_c.round() } else { now_c }, now));
        }
        let (wanted, _) = self.thermal.tick(now, self.measured, self.applied);
        let duty = match wanted {
            Wanted::Duty(duty) => duty,
            Wanted::Unknown => Duty::FULL,
            Wanted::Pause | Wanted::Lost => Duty::PAUSE,
        };
        if (duty == Duty::PAUSE) != (self.applied == Duty::PAUSE) {
            self.switched.push(self.second);
        } else if duty != self.applied {
            self.stepped.push(self.second);
        }
        self.applied = duty;
        let above = duty != Duty::PAUSE && self.plant.now_c >= LIMITS.pause_c;
        self.above.0 = if above { self.above.0 + 1 } else { 0 };
        self.above.1 = self.above.1.max(self.above.0);
        self.plant.advance(Duration::from_secs(1), duty.ratio());
        self.second += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Chips and water loops, hot and cold rooms: the set point is held within 2 C, and the limit is not broken.
    #[test]
    fn the_set_point_is_held(
        time_constant in 5u64..=300,
        over_c in 5.0f64..=40.0,
        ambient_c in 15.0f64..=45.0,
        warm in 0.0f64..=1.0,
        whole in any::<bool>(),
    ) {
        let gain_c = LIMITS.set_c + over_c - ambient_c;
        let mut plant = Plant::cold(ambient_c, gain_c, Duration::from_secs(time_constant));
        plant.now_c += warm * (75.0 - ambient_c);
        let mut world = World::new(plant, whole);
        let settled = 600.max(10 * time_constant);
        for second in 0..settled + 600 {
            world.second(0.0);
            let off = world.plant.now_c - LIMITS.set_c;
            // Whole degrees hide half of one.
            let allowed_c = if whole { 2.5 } else { 2.0 };
            prop_assert!(second < settled || off.abs() <= allowed_c, "{off:.2} C off after {second} s");
        }
        prop_assert!(world.above.1 <= PERIOD_S + 1, "{:?}", world.above);
        // Of the switches every second one ends a pause.
        prop_assert!(world.switched.chunks_exact(2).all(|pause| pause[1] - pause[0] >= 30), "{:?}", world.switched);
        let since = |pair: &[u64]| pair[1] - pair[0];
        // Only the halving before a limit is faster than a step.
        let fast = world.stepped.windows(2).filter(|pair| since(pair) < STEP_EVERY.as_secs()).count();
        prop_assert!(fast <= 6, "{fast} of {:?}", world.stepped);
    }

    /// Any walk of temperatures, sensors that vanish and lie included: never hashed above the limit for longer than a
    /// period, and no pause shorter than 30 s.
    #[test]
    fn limits_hold_on_any_walk(
        steps in proptest::collection::vec((-15.0f64..15.0, 0u8..12), 1..400),
        start_c in 20.0f64..100.0,
    ) {
        let start = Instant::now();
        let mut thermal = Thermal::new(LIMITS);
        let (mut now_c, mut applied, mut above, mut paused, mut last) = (start_c, Duty::FULL, 0, None, None);
        for (second, (step, luck)) in (0u64..).zip(steps) {
            let now = start + Duration::from_secs(second);
            now_c = (now_c + step).clamp(0.0, 130.0);
            let measured = match luck {
                0 => None,
                1 => Some((f64::NAN, now)),
                2 => Some((9999.0, now)),
                _ => Some((now_c, now)),
            };
            if luck > 2 {
                last = Some(second);
            }
            let (wanted, _) = thermal.tick(now, measured, applied);
            prop_assert_eq!(wanted == Wanted::Unknown, last.is_none());
            let duty = match wanted { Wanted::Duty(duty) => duty, Wanted::Unknown => Duty::FULL, _ => Duty::PAUSE };
            prop_assert!(wanted == Wanted::Unknown || duty != Duty::PAUSE || wanted == Wanted::Pause || wanted == Wanted::Lost);
            if duty == Duty::PAUSE {
                paused.get_or_insert(second);
            } else if let Some(since) = paused.take() {
                prop_assert!(second - since >= 30, "a pause of {} s", second - since);
            }
            let is_known = luck > 2;
            above = if duty != Duty::PAUSE && is_known && now_c >= LIMITS.pause_c { above + 1 } else { 0 };
            prop_assert_eq!(above, 0, "hashed above the limit although it was measured");
            applied = duty;
        }
    }
}

/// A device that gets warm fast and stays below the set point is never held back.
#[test]
fn a_fast_warm_up_is_no_heat() {
    for (time_constant, gain_c) in [(10, 40.0), (20, 45.0), (40, 50.0), (300, 53.0)] {
        let mut world = World::new(Plant::cold(25.0, gain_c, Duration::from_secs(time_constant)), false);
        for second in 0..600 {
            world.second(0.0);
            assert_eq!(
                world.applied,
                Duty::FULL,
                "{time_constant}: {:.1} C after {second} s",
                world.plant.now_c
            );
        }
    }
}

#[test]
fn noise_does_not_shake_it() {
    for time_constant in [10, 60, 300] {
        let plant = Plant::cold(25.0, 80.0, Duration::from_secs(time_constant));
        let mut world = World::new(plant, true);
        let mut state = 1u64;
        for second in 0..4000 {
            // A small generator of our own: the same noise in each run.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise_c = f64::from(u16::try_from(state >> 48).unwrap()) / 65_535.0 * 2.0 - 1.0;
            world.second(noise_c);
            let off = world.plant.now_c - LIMITS.set_c;
            assert!(second < 3000 || off.abs() <= 2.0, "{time_constant}: {off:.2} C off after {second} s");
        }
        assert!(world.switched.is_empty(), "{time_constant}: {:?}", world.switched);
    }
}

fn ticks(
    thermal: &mut Thermal,
    start: Instant,
    seconds: std::ops::Range<u64>,
    now_c: Option<f64>,
) -> Vec<(Wanted, Option<Alarm>)> {
    let tick = |second| {
        let now = start + Duration::from_secs(second);
        thermal.tick(now, now_c.map(|now_c| (now_c, now)), Duty::FULL)
    };
    seconds.map(tick).collect()
}

#[test]
fn a_sensor_that_never_was_asks_for_nothing() {
    let mut thermal = Thermal::new(LIMITS);
    let said = ticks(&mut thermal, Instant::now(), 0..100, None);
    assert!(said.iter().all(|said| *said == (Wanted::Unknown, None)));
}

#[test]
fn a_sensor_that_vanishes_is_hot_after_a_warning() {
    let (mut thermal, start) = (Thermal::new(LIMITS), Instant::now());
    ticks(&mut thermal, start, 0..10, Some(60.0));
    let said = ticks(&mut thermal, start, 10..40, None);
    let warned = said.iter().position(|(_, alarm)| *alarm == Some(Alarm::Silent)).unwrap();
    let lost = said.iter().position(|(wanted, _)| *wanted == Wanted::Lost).unwrap();
    assert_eq!((warned, lost), (10, 15));
    assert_eq!(said.iter().filter(|(_, alarm)| alarm.is_some()).count(), 1, "once");
    // Back again and cool: it goes on when it has rested.
    let said = ticks(&mut thermal, start, 40..80, Some(50.0));
    let resumed = said.iter().position(|(wanted, _)| matches!(wanted, Wanted::Duty(_))).unwrap();
    assert_eq!(40 + resumed, 25 + 30);
}

#[test]
fn what_stays_too_hot_in_a_pause_alerts_and_ends() {
    let (mut thermal, start) = (Thermal::new(LIMITS), Instant::now());
    let said = ticks(&mut thermal, start, 0..200, Some(92.0));
    assert!(said.iter().all(|(wanted, _)| *wanted == Wanted::Pause));
    let at = |wanted| said.iter().position(|(_, alarm)| *alarm == Some(wanted));
    assert_eq!((at(Alarm::Alert), at(Alarm::Stop)), (Some(10), Some(120)));
    assert_eq!(said.iter().filter(|(_, alarm)| alarm.is_some()).count(), 2);
    // Five degrees less are a pause and nothing more.
    let (mut thermal, start) = (Thermal::new(LIMITS), Instant::now());
    assert!(ticks(&mut thermal, start, 0..200, Some(91.9)).iter().all(|(_, alarm)| alarm.is_none()));
}

#[test]
fn readings_are_bounded() {
    let (mut thermal, start) = (Thermal::new(LIMITS), Instant::now());
    ticks(&mut thermal, start, 0..1000, Some(60.0));
    assert_eq!(thermal.samples.len(), MAX_SAMPLES);
}
/// A bare chip that was warm when it was first seen, so that no warm-up told how steep it is.
#[test]
fn a_warm_chip_does_not_swing_below_its_set_point() {
    for warm_c in [60.0, 70.0, 73.9, 78.0] {
        let mut plant = Plant::cold(15.0, 70.0, Duration::from_secs(5));
        plant.now_c = warm_c;
        let mut world = World::new(plant, false);
        for second in 0..1200 {
            world.second(0.0);
            let off = world.plant.now_c - LIMITS.set_c;
            assert!(second < 600 || off.abs() <= 2.0, "{warm_c}: {off:.2} C off after {second} s");
        }
    }
}
