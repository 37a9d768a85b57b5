use std::time::Duration;

use rminer_stratum::{Supersede, Verdict};

use super::*;
use crate::devices::DeviceError;
use crate::records::samples;
use crate::records::trace::Mark;
use crate::telemetry::{DeviceReadings, HostReadings, ProgramUse};

fn at(second: u64) -> Moment {
    Moment { at: Duration::from_secs(second), time_s: 1.8e9 + second as f64 }
}

struct World {
    trace: Trace,
    watch: Watch,
    snapshot: Snapshot,
    second: u64,
}

impl World {
    fn new() -> Self {
        let device = DeviceSnapshot {
            id: "gpu0".into(),
            workers: 4,
            state: DeviceState::Mining,
            ..DeviceSnapshot::default()
        };
        let snapshot = Snapshot { state: State::Mining, devices: vec![device], ..Snapshot::default() };
        Self {
            trace: Trace::default(),
            watch: Watch::new(TraceOptions::default(), at(0)),
            snapshot,
            second: 0,
        }
    }

    /// Seconds in which 100 hashes are done each.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second += 1;
            self.snapshot.hashes += 100;
            self.snapshot.devices[0].hashes += 100;
            self.look(at(self.second), None);
        }
    }

    fn look(&mut self, now: Moment, history: Option<&str>) {
        self.watch.second(&mut self.trace, now, &self.snapshot, &Statistics::default(), history);
    }

    fn happens(&mut self, happening: &Happening) {
        self.watch.happening(&mut self.trace, at(self.second), happening, None);
    }

    fn cap(&mut self, caps: &[(Reason, u16)]) {
        let cap = |(reason, permille): &(Reason, u16)| Cap {
            reason: *reason,
            duty: Duty::from_permille(*permille),
            detail: format!("{permille}"),
        };
        let device = &mut self.snapshot.devices[0];
        device.caps = caps.iter().map(cap).collect();
        device.duty = device.caps.iter().map(|cap| cap.duty).min().unwrap_or_default();
    }

    fn marks(&self) -> Vec<(MarkKind, u64, Option<u64>, &str)> {
        let second = |moment: Moment| moment.at.as_secs();
        let of = |mark: &'_ Mark| (mark.kind, second(mark.from), mark.to.map(second));
        self.trace.marks().map(|mark| (of(mark).0, of(mark).1, of(mark).2, mark.detail.as_str())).collect()
    }
}

#[test]
fn an_observation_is_what_was_seen_in_its_time() {
    let mut world = World::new();
    world.snapshot.host = HostReadings {
        cpu_others: Some(1.5),
        busiest: vec![ProgramUse { name: "firefox".into(), units: 1.4 }],
        memory_available_bytes: Some(1 << 30),
        ..HostReadings::default()
    };
    world.snapshot.devices[0].readings = DeviceReadings {
        clocks_hz: [("core", 1.5e9)].into(),
        throttled: vec!["thermal"],
        power_w: Some(100.0),
        ..DeviceReadings::default()
    };
    world.pass(4);
    world.snapshot.host.memory_available_bytes = Some(1 << 20);
    world.snapshot.devices[0].readings.throttled.clear();
    world.pass(6);
    world.snapshot.host.memory_available_bytes = Some(1 << 30);
    world.pass(10);
    let seen: Vec<_> = world.trace.observations().collect();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].memory_available_bytes, seen[1].memory_available_bytes),
        (Some(1 << 20), Some(1 << 30))
    );
    assert_eq!((seen[0].end, seen[0].length, seen[1].hashes), (at(10), Duration::from_secs(10), 1000));
    assert_eq!((seen[0].cpu_others, &*seen[0].busiest[0].0), (Some(1.5), "firefox"));
    let of = |number: usize| &seen[number].devices[0];
    assert_eq!((of(1).rate_hs, of(1).clock_hz, of(1).power_w), (100.0, Some(1.5e9), Some(100.0)));
    // Four seconds of ten are not most of it; and nobody knows what was before the first.
    assert_eq!((of(0).throttled.as_deref(), of(0).is_undisturbed, of(1).is_undisturbed), (None, false, true));
}

#[test]
fn what_holds_a_device_back_is_marked_and_the_way_back_is_not() {
    let mut world = World::new();
    world.pass(10);
    world.cap(&[(Reason::Battery, 0), (Reason::Heat, 800)]);
    world.pass(5);
    world.cap(&[(Reason::RampUp, 100)]);
    world.pass(5);
    world.cap(&[(Reason::Heat, 500), (Reason::RampUp, 900)]);
    world.pass(5);
    world.cap(&[]);
    world.pass(20);
    let battery = (MarkKind::Paused(Reason::Battery), 11, Some(16), "0");
    let heat = (MarkKind::HeldBack(Reason::Heat), 21, Some(26), "500");
    assert_eq!(world.marks(), [battery, heat]);
    let amount: Vec<f64> = world.trace.marks().map(|mark| mark.amount).collect();
    assert_eq!(amount, [4.0, 2.0]);
    let undisturbed: Vec<bool> =
        world.trace.observations().map(|seen| seen.devices[0].is_undisturbed).collect();
    assert_eq!(undisturbed, [false, false, false, true]);
}

#[test]
fn clocks_that_part_are_a_jump_and_those_that_are_trimmed_are_not() {
    let mut world = World::new();
    world.pass(5);
    let later = |second: u64, ahead_s: f64| Moment { time_s: at(second).time_s + ahead_s, ..at(second) };
    world.look(later(6, 1.5), None);
    world.look(later(7, 3601.5), None);
    world.look(later(8, 3601.0), None);
    // Far enough from the first to be another one.
    world.look(later(99, 3601.0), None);
    world.look(later(100, 1.0), None);
    let jumps: Vec<f64> = world.trace.marks().map(|mark| mark.amount).collect();
    assert_eq!(jumps, [3600.0, -3600.0]);
}

#[test]
fn pools_that_are_missing_are_marked_with_their_causes() {
    let down = |pool, reason| Happening::Pool(pool, PoolEvent::Down { reason, retry_in: None });
    let job = || Happening::Job(Arc::new(samples::job(1, Instant::now(), Supersede::Discard)));
    let mut world = World::new();
    world.snapshot.state = State::Waiting;
    // The first job takes its time.
    world.pass(3);
    world.happens(&job());
    world.snapshot.state = State::Mining;
    world.pass(10);
    assert_eq!(world.marks(), []);
    // Of a pool that is not mined for nothing is said, until it would be needed.
    world.happens(&down(1, CloseReason::Connect("refused".into())));
    assert_eq!(world.marks(), []);
    world.happens(&down(0, CloseReason::Network("the pool\u{1b} closed".into())));
    world.snapshot.state = State::Waiting;
    world.pass(4);
    world.happens(&down(0, CloseReason::Flood));
    world.happens(&job());
    world.happens(&down(0, CloseReason::Ours));
    world.snapshot.state = State::Mining;
    world.pass(2);
    let causes = "pool 1: the pool floods this connection with data; pool 2: refused";
    assert_eq!(world.marks(), [(MarkKind::NoPool, 13, Some(17), causes)]);
}

#[test]
fn devices_shares_and_the_history_have_marks() {
    let mut world = World::new();
    world.pass(10);
    let lost = |worker| {
        let error = DeviceError::Lost("gone".into());
        Happening::Crew(CrewEvent::Lost(worker, error, Duration::ZERO), "gpu0".into(), worker)
    };
    world.happens(&lost(0));
    world.happens(&lost(1));
    world.pass(5);
    for worker in [0, 1] {
        world.happens(&Happening::Crew(CrewEvent::Ready(worker), "gpu0".into(), worker));
    }
    let mark = world.trace.marks().next().unwrap();
    assert_eq!(
        (mark.count, mark.amount, mark.to, mark.detail.as_str()),
        (2, 2.0, Some(at(15)), "device lost: gone")
    );
    // A stale share whose cause is found later is counted once.
    let share = samples::stale(1, Instant::now(), Duration::from_millis(40));
    world.happens(&Happening::Share(share, "gpu0".into()));
    let found = Stale { cause: StaleCause::InFlight, replaced_ms: Some(-20.0) };
    Watch::explained(&mut world.trace, at(15), found);
    let kinds: Vec<_> = world.trace.marks().map(|mark| (mark.kind, mark.count)).collect();
    assert_eq!(kinds[1..], [(MarkKind::Stale(StaleCause::InFlight), 1)]);
    let settled = samples::settled(7, 1, Verdict::Accepted, Instant::now(), Duration::from_millis(30));
    world.happens(&Happening::Share(settled, "gpu0".into()));
    assert_eq!(
        world.trace.answers().map(|answer| answer.answer_ms.round()).collect::<Vec<_>>(),
        [40.0, 30.0]
    );
    world.look(at(16), Some("no room"));
    world.look(at(17), Some("no room"));
    world.look(at(18), None);
    assert_eq!(world.marks().pop(), Some((MarkKind::HistoryStopped, 16, Some(18), "no room")));
}
