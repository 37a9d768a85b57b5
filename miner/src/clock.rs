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

fn local_parts() -> Option<libc::tm> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
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
    fn time_of_day_has_its_form() {
        let time = local_time();
        assert_eq!(time.len(), 8, "{time}");
        assert!(time.split(':').all(|part| part.parse::<u8>().is_ok_and(|number| number < 61)), "{time}");
    }
}
