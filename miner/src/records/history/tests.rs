use std::path::Path;
use std::time::Instant;

use super::*;
use crate::engine::{DeviceSnapshot, Duty, Snapshot, State};
use crate::records::Records;
use crate::telemetry::{DeviceReadings, Place, Temperature};

fn row(time_s: f64, length_s: f32, raw_hs: f32) -> Row {
    let rig = Sample { raw_hs, accepted: 1, ..Sample::default() };
    let device = Sample { raw_hs: raw_hs / 2.0, temp_c: Some(60.0), ..Sample::default() };
    Row { time_s, length_s, rig, devices: vec![("gpu0".into(), device)] }
}

fn values(points: &[(f64, Option<f64>)]) -> Vec<Option<f64>> {
    points.iter().map(|(_, value)| *value).collect()
}

#[test]
fn memory_is_bounded() {
    let mut history = History::default();
    for number in 0..MAX_FINE + 10 {
        #[allow(clippy::cast_precision_loss)]
        history.add_fine(row(number as f64, 10.0, 1.0));
    }
    for _ in 0..MAX_COARSE + 10 {
        history.add_coarse(row(0.0, 300.0, 1.0));
    }
    history.put_before(vec![row(0.0, 300.0, 1.0); 5]);
    assert_eq!((history.fine.len(), history.coarse.len()), (MAX_FINE, MAX_COARSE));
    let points = history.points(Metric::RawHs, None, 0.0, 1e9, 1.0);
    assert_eq!(points.len(), MAX_POINTS);
    assert_eq!(points[1].0, 1e9 / 2000.0);
}

#[test]
fn questions_without_sense_have_no_answer() {
    let history = History::default();
    for (from_s, to_s, step_s) in [
        (0.0, 0.0, 1.0),
        (5.0, 4.0, 1.0),
        (f64::NAN, 1.0, 1.0),
        (0.0, f64::INFINITY, 1.0),
        (f64::MIN, f64::MAX, 1.0),
        (0.0, 1.0, f64::NAN),
    ] {
        assert_eq!(history.points(Metric::RawHs, None, from_s, to_s, step_s), []);
    }
    let points = history.points(Metric::RawHs, None, 0.0, 30.0, -5.0);
    assert_eq!((points.len(), points[29]), (30, (29.0, None)));
}

#[test]
fn steps_hold_what_rows_say() {
    let mut history = History::default();
    for (time_s, raw_hs) in [(1010.0, 100.0), (1020.0, 200.0), (1030.0, 300.0), (1050.0, 500.0)] {
        history.add_fine(row(time_s, 10.0, raw_hs));
    }
    let of = |metric, device, step_s| values(&history.points(metric, device, 1000.0, 1060.0, step_s));
    let rates = [Some(100.0), Some(200.0), Some(300.0), None, Some(500.0), None];
    assert_eq!(of(Metric::RawHs, None, 10.0), rates);
    assert_eq!(of(Metric::RawHs, None, 20.0), [Some(150.0), Some(300.0), Some(500.0)]);
    assert_eq!(of(Metric::Accepted, None, 30.0), [Some(3.0), Some(1.0)]);
    assert_eq!(of(Metric::RawHs, Some("gpu0"), 60.0), [Some(137.5)]);
    assert_eq!(of(Metric::TempC, Some("gpu0"), 60.0), [Some(60.0)]);
    assert_eq!(of(Metric::PowerW, Some("gpu0"), 60.0), [None], "no sensor");
    assert_eq!(of(Metric::RawHs, Some("gpu1"), 60.0), [None]);
    assert_eq!(of(Metric::EffectiveHs, None, 60.0), [Some(0.0)]);
}

#[test]
fn disk_and_memory_are_joined_without_overlap() {
    let mut history = History::default();
    history.put_before(vec![row(700.0, 300.0, 7.0)]);
    // Six minutes of this process: its first coarse row covers the first five.
    for number in 1..=36u8 {
        history.add_fine(row(1000.0 + 10.0 * f64::from(number), 10.0, 9.0));
        if number == 30 {
            history.add_coarse(row(1300.0, 300.0, 9.0));
        }
    }
    let accepted = |step_s| {
        let points = history.points(Metric::Accepted, None, 400.0, 1400.0, step_s);
        values(&points).into_iter().flatten().sum::<f64>()
    };
    // One share in every row: fine steps see the old coarse row and all fine ones, coarse steps both coarse ones and
    // what came after.
    assert_eq!((accepted(10.0), accepted(500.0)), (37.0, 8.0));
    let points = values(&history.points(Metric::RawHs, None, 400.0, 1400.0, 100.0));
    let rates =
        [Some(7.0), Some(7.0), Some(7.0), None, None, None, Some(9.0), Some(9.0), Some(9.0), Some(9.0)];
    assert_eq!(points, rates);
}

#[test]
fn a_clock_that_jumps_confuses_nobody() {
    let mut history = History::default();
    // 1970, then the right time, then an hour back.
    for time_s in [10.0, 20.0, 1.8e9, 1.8e9 + 10.0, 1.8e9 - 3600.0] {
        history.add_fine(row(time_s, 10.0, 5.0));
    }
    let near = history.points(Metric::RawHs, None, 1.8e9 - 10.0, 1.8e9 + 20.0, 10.0);
    assert_eq!(values(&near), [Some(5.0), Some(5.0), None]);
    assert_eq!(values(&history.points(Metric::Accepted, None, 0.0, 30.0, 30.0)), [Some(2.0)]);
}

#[test]
fn metrics_have_names() {
    for (metric, name) in [
        (Metric::RawHs, "raw_hs"),
        (Metric::EffectiveHs, "effective_hs"),
        (Metric::Accepted, "accepted"),
        (Metric::Rejected, "rejected"),
        (Metric::Stale, "stale"),
        (Metric::PowerW, "power_w"),
        (Metric::TempC, "temp_c"),
        (Metric::Duty, "duty"),
    ] {
        assert_eq!(serde_json::to_value(metric).unwrap(), name);
        assert_eq!(serde_json::from_value::<Metric>(name.into()).unwrap(), metric);
    }
    assert!(serde_json::from_value::<Metric>("wallet".into()).is_err());
}

fn snapshot(second: u64, hashes: u64) -> Snapshot {
    let place = |now_c| Temperature { place: Place::Core, now_c, limit_c: None, at: Instant::now() };
    let readings = DeviceReadings {
        #[allow(clippy::cast_precision_loss)]
        temperatures: vec![place(50.0 + second as f64)],
        power_w: Some(100.0),
        ..DeviceReadings::default()
    };
    let device = |id: &str, readings, duty| DeviceSnapshot {
        id: id.into(),
        hashes: hashes / 2,
        readings,
        duty: Duty::from_permille(duty),
        ..DeviceSnapshot::default()
    };
    Snapshot {
        uptime: Duration::from_secs(second),
        state: State::Mining,
        hashes,
        devices: vec![device("gpu0", readings, 500), device("gpu1", DeviceReadings::default(), 1000)],
        ..Snapshot::default()
    }
}

#[test]
fn rows_are_what_changed_in_their_time() {
    let mut period = Period::new(Duration::from_secs(10));
    let records = Records::default();
    let rows: Vec<Row> = (1..=20)
        .filter_map(|second| period.second(0.0, &snapshot(second, second * 100), &records.statistics()))
        .collect();
    assert_eq!(rows.len(), 2);
    let rig =
        Sample { raw_hs: 100.0, power_w: Some(100.0), temp_c: Some(70.0), duty: 0.75, ..Sample::default() };
    assert_eq!((rows[1].rig, rows[1].length_s), (rig, 10.0));
    let names: Vec<&str> = rows[1].devices.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["gpu0", "gpu1"]);
    let (first, second) = (rows[1].devices[0].1, rows[1].devices[1].1);
    assert_eq!((first.raw_hs, first.duty, first.power_w), (50.0, 0.5, Some(100.0)));
    assert_eq!((second.power_w, second.temp_c), (None, None));
    assert_eq!(rows[0].devices[0].1.temp_c, Some(60.0));
}

/// What a process leaves behind is what the next one begins with.
fn run(folder: &Path, seconds: u64) -> Arc<Records> {
    let records = Arc::new(Records::default());
    let options = HistoryOptions {
        folder: Some(folder.to_owned()),
        coarse: Duration::from_secs(20),
        ..HistoryOptions::default()
    };
    let mut keeper = Keeper::start(Arc::clone(&records), options);
    for second in 1..=seconds {
        #[allow(clippy::cast_precision_loss)]
        keeper.second(1000.0 + second as f64, &snapshot(second, second * 100));
    }
    keeper.end(2000.0, &snapshot(seconds, 0), Duration::from_secs(20));
    records
}

#[test]
fn the_next_process_knows_of_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state");
    run(&folder, 5);
    assert!(!folder.exists(), "nothing worth a file happened");
    run(&folder, 60);
    assert!(folder.join("history.ring").exists());
    let records = run(&folder, 5);
    let points = records.history(Metric::RawHs, None, 1000.0, 1060.0, 20.0);
    assert_eq!(values(&points), [Some(100.0); 3]);
}
