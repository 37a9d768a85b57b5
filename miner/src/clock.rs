//! Wall-clock time, for people only: nothing that the program decides depends on it.
#![allow(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::safety::WeekTime;

/// Seconds since 1970 in UTC, with fractions.
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Microseconds of the system's clock that only counts up, which service managers compare with their own.
pub fn monotonic_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and this clock is on every system.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000) + u64::try_from(time.tv_nsec / 1000).unwrap_or(0)
}

/// Day and minute in the machine's time zone; Monday at midnight where the system tells nothing.
pub fn week_time() -> WeekTime {
    let Some(parts) = local_parts() else { return WeekTime { weekday: 0, minute: 0 } };
    WeekTime {
        weekday: u8::try_from((parts.tm_wday + 6) % 7).unwrap_or(0),
        minute: u16::try_from(parts.tm_hour * 60 + parts.tm_min).unwrap_or(0),
    }
}

/// Time of day in the machine's time zone, as `14:02:11`.
pub fn local_time() -> String {
    let Some(parts) = local_parts() else { return String::new() };
    format!("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec)
}

/// A minute of a day in the machine's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, month from 1, and day from 1.
    pub date: (i32, i32, i32),
    /// Hour and minute.
    pub time: (i32, i32),
}

impl LocalTime {
    /// `14:02`, and with the day, as in `11-22 14:02`, where that is not the day of `beside`.
    pub fn shown(&self, beside: Option<Self>) -> String {
        let ((_, month, day), (hour, minute)) = (self.date, self.time);
        let time = format!("{hour:02}:{minute:02}");
        if beside.is_some_and(|beside| beside.date == self.date) {
            time
        } else {
            format!("{month:02}-{day:02} {time}")
        }
    }
}

/// A time in seconds since 1970, in the machine's time zone.
pub fn local(unix_s: f64) -> Option<LocalTime> {
    let is_time = (0.0..=253_402_300_799.0).contains(&unix_s);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1970 and 9999")]
    let parts = is_time.then(|| parts_of(unix_s as u64))??;
    Some(LocalTime {
        date: (parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday),
        time: (parts.tm_hour, parts.tm_min),
    })
}

/// What the machine's time zone adds to UTC now, in seconds; 0 where the system does not say.
pub fn utc_offset_s() -> i64 {
    local_parts().map_or(0, |parts| parts.tm_gmtoff)
}

/// Time of day of `seconds` since 1970, `offset_s` from UTC, as `14:02:11`.
pub fn time_of_day(seconds: f64, offset_s: i64) -> String {
    // As casts go: what is no number is 0.
    #[allow(clippy::cast_possible_truncation)]
    let second = (seconds.floor() as i64).saturating_add(offset_s).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn local_parts() -> Option<libc::tm> {
    parts_of(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

fn parts_of(seconds: u64) -> Option<libc::tm> {
    let seconds = libc::time_t::try_from(seconds).ok()?;
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; all-zero is a valid `tm`, should the call fail.
    let parts = unsafe {
        libc::localtime_r(&seconds, parts.as_mut_ptr());
        parts.assume_init()
    };
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn week_time_is_within_a_week() {
        let WeekTime { weekday, minute } = week_time();
        assert!(weekday < 7 && minute < 1440, "{weekday} {minute}");
    }

    #[test]
    fn the_monotonic_clock_counts_up() {
        let before = monotonic_us();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(before > 0 && monotonic_us() >= before + 2000);
    }

    #[test]
    fn days_are_told_where_they_differ() {
        let time = |day, minute| LocalTime { date: (2026, 11, day), time: (9, minute) };
        assert_eq!(time(22, 5).shown(Some(time(22, 59))), "09:05");
        assert_eq!(time(21, 5).shown(Some(time(22, 59))), "11-21 09:05");
        assert_eq!(time(21, 5).shown(None), "11-21 09:05");
        assert!(local(1_795_356_131.0).is_some_and(|time| time.date.0 == 2026 && time.date.1 == 11));
        assert_eq!((local(f64::NAN), local(-1.0), local(1e15)), (None, None, None));
    }

    #[test]
    fn times_are_shown_in_any_zone() {
        assert_eq!(time_of_day(1_795_356_131.25, 0), "14:02:11");
        assert_eq!(time_of_day(1_795_356_131.25, -15 * 3600), "23:02:11");
        assert_eq!(time_of_day(f64::NAN, 3600), "01:00:00");
    }

    #[test]
    fn time_of_day_has_its_form() {
        let time = local_time();
        assert_eq!(time.len(), 8, "{time}");
        assert!(time.split(':').all(|part| part.parse::<u8>().is_ok_and(|number| number < 61)), "{time}");
    }
}
