use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// So that a turn of the ring is short.
const FEW: usize = 12;

fn row(number: u64) -> Row {
    #[allow(clippy::cast_precision_loss)]
    let value = number as f32;
    let sample = |value: f32| Sample {
        raw_hs: value,
        credited_hashes: value * 2.0,
        accepted: 3,
        rejected: 2,
        stale: 1,
        power_w: number.is_multiple_of(2).then_some(88.5),
        temp_c: None,
        duty: 1.0,
    };
    let devices = ["cpu0", "gpu12"].map(|name| (name.into(), sample(value + 1.0))).to_vec();
    Row { time_s: f64::from(value), length_s: 300.0, rig: sample(value), devices }
}

fn numbers(path: &Path) -> Vec<u64> {
    let rows = Ring::read(path, FEW);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let numbers = rows.iter().map(|row| row.time_s as u64).collect::<Vec<_>>();
    // What is read is what was written, whole.
    for (read, number) in rows.iter().zip(&numbers) {
        assert_eq!(*read, row(*number));
    }
    numbers
}

#[test]
fn records_survive_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/history.ring");
    assert!(numbers(&path).is_empty());
    for first in [1, 6, 11, 16, 21] {
        let mut ring = Ring::open(&path, FEW).unwrap();
        assert_eq!(ring.newest(), first - 1);
        (first..first + 5).for_each(|number| ring.add(&row(number)).unwrap());
    }
    assert_eq!(numbers(&path), (14..=25).collect::<Vec<_>>());
    assert_eq!(fs::metadata(&path).unwrap().len(), file_bytes(FEW));
    assert!(file_bytes(PLACES) < 7 << 20);
}

#[test]
fn the_checksum_is_the_known_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

#[test]
fn as_many_devices_as_fit_are_kept() {
    let mut many = row(1);
    many.devices = vec![("a-name-that-is-far-too-long".into(), many.rig); MAX_DEVICES + 3];
    let (_, read) = decode(&encode(1, &many)).unwrap();
    assert_eq!(read.devices.len(), MAX_DEVICES);
    assert_eq!(&*read.devices[0].0, "a-name-that-");
    // No letter is cut in two.
    many.devices = vec![("12345678901ß".into(), many.rig)];
    let (_, read) = decode(&encode(1, &many)).unwrap();
    assert_eq!(&*read.devices[0].0, "12345678901");
}

#[test]
fn one_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.ring");
    let mut ring = Ring::open(&path, FEW).unwrap();
    ring.add(&row(1)).unwrap();
    assert!(matches!(Ring::open(&path, FEW), Err(RingError::Busy)));
    assert_eq!(numbers(&path), [1], "reading is for everybody");
    drop(ring);
    assert!(Ring::open(&path, FEW).is_ok());
}

#[test]
fn a_file_of_another_layout_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.ring");
    for other in [&b"rminer history 0 and so on"[..], &[0; 9000], b"x"] {
        fs::write(&path, other).unwrap();
        assert!(numbers(&path).is_empty());
        Ring::open(&path, FEW).unwrap().add(&row(1)).unwrap();
        assert_eq!(fs::read(folder.path().join("history.ring.old")).unwrap(), other);
        assert_eq!(numbers(&path), [1]);
    }
    // The same program with another number of places.
    Ring::open(&path, FEW + 1).unwrap();
    assert_eq!(fs::metadata(folder.path().join("history.ring.old")).unwrap().len(), file_bytes(FEW));
    assert!(Ring::open(folder.path(), FEW).is_err(), "a folder is no file");
}

#[derive(Debug, Clone)]
enum Fault {
    Write(u8),
    Cut(usize),
    Grow(usize),
    Flip(usize, u8),
    Tear(usize),
}

fn faults() -> impl Strategy<Value = Fault> {
    let bytes = 0usize..HEAD_BYTES + FEW * RECORD_BYTES + 100;
    prop_oneof![
        4 => (1u8..20).prop_map(Fault::Write),
        1 => bytes.clone().prop_map(Fault::Cut),
        1 => (0usize..3000).prop_map(Fault::Grow),
        2 => (bytes, 1u8..=255).prop_map(|(at, mask)| Fault::Flip(at, mask)),
        2 => (0usize..RECORD_BYTES).prop_map(Fault::Tear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens to the file: it opens, what is read was written, in its order, and what is written next is
    /// read back.
    #[test]
    fn nothing_is_read_that_was_not_written(faults in prop::collection::vec(faults(), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.ring");
        let mut last = 0;
        for fault in faults {
            let mut bytes = fs::read(&path).unwrap_or_default();
            match fault {
                Fault::Write(count) => {
                    let mut ring = Ring::open(&path, FEW).unwrap();
                    for _ in 0..count {
                        last += 1;
                        ring.add(&row(last)).unwrap();
                    }
                    drop(ring);
                    prop_assert_eq!(numbers(&path).last().copied(), Some(last));
                    continue;
                }
                Fault::Cut(at) => bytes.truncate(at),
                Fault::Grow(more) => bytes.resize(bytes.len() + more, 0xA5),
                Fault::Flip(at, mask) => bytes.get_mut(at).map_or((), |byte| *byte ^= mask),
                // The newest record was only written in part.
                Fault::Tear(done) if !bytes.is_empty() && last > 0 => {
                    let next = encode(last + 1, &row(last + 1));
                    let at = usize::try_from(offset((last + 1) % FEW as u64)).unwrap();
                    if let Some(place) = bytes.get_mut(at..at + done) {
                        place.copy_from_slice(&next[..done]);
                    }
                    // Its last byte is not there, so that this number was never written.
                    last += 1;
                }
                Fault::Tear(_) => {}
            }
            fs::write(&path, &bytes).unwrap();
            let read = numbers(&path);
            prop_assert!(read.is_sorted(), "{read:?}");
            prop_assert!(read.len() <= FEW && read.iter().all(|number| *number <= last), "{read:?}");
        }
        let mut ring = Ring::open(&path, FEW).unwrap();
        ring.add(&row(last + 1)).unwrap();
        prop_assert_eq!(numbers(&path).last().copied(), Some(last + 1));
    }
}

const KILLED: &str = "RMINER_TEST_RING_TO_KILL";

/// Not a test of its own: the process that [`a_killed_process_loses_one_record_at_most`] kills.
#[test]
fn writes_until_it_is_killed() {
    let Ok(path) = std::env::var(KILLED) else { return };
    let mut ring = Ring::open(Path::new(&path), FEW).unwrap();
    for number in ring.newest() + 1..100_000_000 {
        ring.add(&row(number)).unwrap();
    }
}

#[test]
fn a_killed_process_loses_one_record_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.ring");
    let mut before = 0;
    for _ in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writes_until_it_is_killed", "--test-threads", "1"])
            .env(KILLED, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while numbers(&path).last().is_none_or(|newest| *newest < before + 3 * FEW as u64) {
            assert!(Instant::now() < end, "it does not write");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let read = numbers(&path);
        assert!(read.len() >= FEW - 1, "{read:?}");
        before = *read.last().unwrap();
        assert!(read.iter().rev().zip((1..=before).rev()).all(|(read, number)| *read == number), "{read:?}");
    }
}
