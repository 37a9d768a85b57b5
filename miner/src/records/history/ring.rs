//! The file of the history: a head, and records of one size that are written in turn, the newest over the oldest. Each
//! has its number and a checksum, so that whatever is cut, torn or flipped is left out, and the rest is good.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{MAX_COARSE, MAX_DEVICES, Row, Sample};

/// Letters of a device's name that are kept.
const DEVICE_NAME_BYTES: usize = 12;
const SAMPLE_BYTES: usize = 32;
const DEVICE_BYTES: usize = DEVICE_NAME_BYTES + SAMPLE_BYTES;
/// Number, time, length, devices, the rig, each device, checksum.
const USED_BYTES: usize = 8 + 8 + 4 + 4 + SAMPLE_BYTES + MAX_DEVICES * DEVICE_BYTES + 4;
/// Size of a record; a divisor of what disks write at once, or nearly so.
pub const RECORD_BYTES: usize = 768;
const HEAD_BYTES: usize = 64;
/// Changes with the layout.
const MAGIC: &[u8; 16] = b"rminer history 1";
/// Numbers above this were not written here.
const MAX_NUMBER: u64 = 1 << 48;

const _: () = assert!(USED_BYTES <= RECORD_BYTES);

type Record = [u8; RECORD_BYTES];

/// An open file that this process alone writes.
#[derive(Debug)]
pub struct Ring {
    file: File,
    places: u64,
    /// Number of the newest record, 0 before the first.
    newest: u64,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// Another process writes it.
    #[error("another process writes it")]
    Busy,
    /// The system's words.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Ring {
    /// Opens or makes the file for writing. One with another layout is renamed to `*.old` first.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn open(path: &Path, places: usize) -> Result<Self, RingError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = open_locked(path)?;
        let head = head(places);
        let length = file.metadata()?.len();
        if length > 0 && read_head(&file) != Some(head) {
            fs::rename(path, aside(path))?;
            file = open_locked(path)?;
        }
        let whole = file_bytes(places);
        if read_head(&file) != Some(head) {
            file.set_len(0)?;
            file.write_all_at(&head, 0)?;
        }
        // What was cut off reads as zeros, which are no record.
        file.set_len(whole)?;
        let newest = read_all(&file, places).last().map_or(0, |(number, _)| *number);
        Ok(Self { file, places: u64::try_from(places).unwrap_or(u64::MAX).max(1), newest })
    }

    /// Adds a row in one write.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&mut self, row: &Row) -> io::Result<()> {
        let number = self.newest + 1;
        let place = number % self.places;
        self.file.write_all_at(&encode(number, row), offset(place))?;
        self.newest = number;
        Ok(())
    }

    /// Number of the newest record.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// All good rows of a file, oldest first; none where there is no file of this layout.
    pub fn read(path: &Path, places: usize) -> Vec<Row> {
        let Ok(file) = File::open(path) else { return Vec::new() };
        if read_head(&file) != Some(head(places)) {
            return Vec::new();
        }
        read_all(&file, places).into_iter().map(|(_, row)| row).collect()
    }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".old");
    path.with_file_name(name)
}

fn open_locked(path: &Path) -> Result<File, RingError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RingError::Busy),
        Err(TryLockError::Error(error)) => Err(RingError::Io(error)),
    }
}

fn head(places: usize) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..16].copy_from_slice(MAGIC);
    let numbers = [RECORD_BYTES, places, MAX_DEVICES].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    for (place, number) in head[16..28].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    head
}

fn read_head(file: &File) -> Option<[u8; HEAD_BYTES]> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, 0).ok()?;
    Some(head)
}

fn offset(place: u64) -> u64 {
    HEAD_BYTES as u64 + place * RECORD_BYTES as u64
}

fn file_bytes(places: usize) -> u64 {
    offset(u64::try_from(places).unwrap_or(u64::MAX))
}

/// Good records in the order of their numbers.
fn read_all(file: &File, places: usize) -> Vec<(u64, Row)> {
    let mut found = Vec::new();
    let mut record: Record = [0; RECORD_BYTES];
    let places = u64::try_from(places).unwrap_or(u64::MAX).max(1);
    for place in 0..places {
        if file.read_exact_at(&mut record, offset(place)).is_err() {
            break;
        }
        // A record in another's place was not written here.
        found.extend(decode(&record).filter(|(number, _)| number % places == place));
    }
    found.sort_by_key(|(number, _)| *number);
    let newest = found.last().map_or(0, |(number, _)| *number);
    // What a whole turn is older than was meant to be overwritten.
    found.retain(|(number, _)| number + places > newest);
    found
}

fn encode(number: u64, row: &Row) -> Record {
    let mut record: Record = [0; RECORD_BYTES];
    let mut to = Writer { record: &mut record, at: 0 };
    to.put(&number.to_le_bytes());
    to.put(&row.time_s.to_le_bytes());
    to.put(&row.length_s.to_le_bytes());
    let devices = &row.devices[..row.devices.len().min(MAX_DEVICES)];
    to.put(&u32::try_from(devices.len()).unwrap_or(0).to_le_bytes());
    to.sample(&row.rig);
    for (name, sample) in devices {
        let mut letters = [0; DEVICE_NAME_BYTES];
        let length = name.floor_char_boundary(DEVICE_NAME_BYTES);
        letters[..length].copy_from_slice(&name.as_bytes()[..length]);
        to.put(&letters);
        to.sample(sample);
    }
    let sum = crc32(&record[..RECORD_BYTES - 4]);
    record[RECORD_BYTES - 4..].copy_from_slice(&sum.to_le_bytes());
    record
}

fn decode(record: &Record) -> Option<(u64, Row)> {
    let (body, sum) = record.split_at(RECORD_BYTES - 4);
    if crc32(body).to_le_bytes() != sum {
        return None;
    }
    let mut from = Reader { body };
    let number = u64::from_le_bytes(from.take()?);
    let time_s = f64::from_le_bytes(from.take()?);
    let length_s = f32::from_le_bytes(from.take()?);
    let count = u32::from_le_bytes(from.take()?);
    if number == 0 || number > MAX_NUMBER || !time_s.is_finite() || !length_s.is_finite() {
        return None;
    }
    let rig = from.sample()?;
    let mut devices = Vec::new();
    for _ in 0..usize::try_from(count).unwrap_or(0).min(MAX_DEVICES) {
        let letters: [u8; DEVICE_NAME_BYTES] = from.take()?;
        let length = letters.iter().position(|letter| *letter == 0).unwrap_or(DEVICE_NAME_BYTES);
        let name: Arc<str> = std::str::from_utf8(&letters[..length]).ok()?.into();
        devices.push((name, from.sample()?));
    }
    Some((number, Row { time_s, length_s, rig, devices }))
}

struct Writer<'a> {
    record: &'a mut Record,
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.record[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn sample(&mut self, sample: &Sample) {
        // What is not known is no number.
        let known = |value: Option<f32>| value.unwrap_or(f32::NAN).to_le_bytes();
        self.put(&sample.raw_hs.to_le_bytes());
        self.put(&sample.credited_hashes.to_le_bytes());
        self.put(&sample.accepted.to_le_bytes());
        self.put(&sample.rejected.to_le_bytes());
        self.put(&sample.stale.to_le_bytes());
        self.put(&known(sample.power_w));
        self.put(&known(sample.temp_c));
        self.put(&sample.duty.to_le_bytes());
    }
}

struct Reader<'a> {
    body: &'a [u8],
}

impl Reader<'_> {
    fn take<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let (head, rest) = self.body.split_first_chunk()?;
        self.body = rest;
        Some(*head)
    }

    fn sample(&mut self) -> Option<Sample> {
        let mut number = || self.take().map(f32::from_le_bytes);
        let (raw_hs, credited_hashes) = (number()?, number()?);
        let mut count = || self.take().map(u32::from_le_bytes);
        let (accepted, rejected, stale) = (count()?, count()?, count()?);
        let mut number = || self.take().map(f32::from_le_bytes);
        let (power_w, temp_c, duty) = (number()?, number()?, number()?);
        let known = |value: f32| value.is_finite().then_some(value);
        Some(Sample {
            raw_hs,
            credited_hashes,
            accepted,
            rejected,
            stale,
            power_w: known(power_w),
            temp_c: known(temp_c),
            duty,
        })
    }
}

/// The checksum of Ethernet and zip.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            #[allow(clippy::cast_possible_truncation)]
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    let step = |sum: u32, byte: &u8| TABLE[usize::from(sum.to_le_bytes()[0] ^ byte)] ^ (sum >> 8);
    !bytes.iter().fold(u32::MAX, step)
}

/// The file of this process in the state folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("history.ring")
}

/// Rows that the file holds.
pub(super) const PLACES: usize = MAX_COARSE;

#[cfg(test)]
mod tests;
