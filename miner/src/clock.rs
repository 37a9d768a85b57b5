//! Wall-clock time, for people only: nothing that the program decides depends on it.
#![allow(unsafe_code)]

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 in UTC, with fractions.
pub fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Time of day in the machine's time zone, as `14:02:11`.
pub fn local_time() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let Ok(seconds) = libc::time_t::try_from(seconds) else { return String::new() };
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; all-zero is a valid `tm`, should the call fail.
    let parts = unsafe {
        libc::localtime_r(&seconds, parts.as_mut_ptr());
        parts.assume_init()
    };
    format!("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_day_has_its_form() {
        let time = local_time();
        assert_eq!(time.len(), 8, "{time}");
        assert!(time.split(':').all(|part| part.parse::<u8>().is_ok_and(|number| number < 61)), "{time}");
    }
}
