//! Times as RFC 3339 has them, in UTC.

/// Seconds since 1970 as `2026-11-22T14:02:11.250Z`; times before 1970 are 1970.
pub(crate) fn rfc3339(seconds: f64) -> String {
    // As casts go: what is no number is 0, what is too large is the largest.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let millis = (seconds * 1000.0) as u64;
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = date(days.min(MAX_DAYS));
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Seconds since 1970 of a time as [`rfc3339`] writes it, with or without thousandths. `None` for anything else.
pub(crate) fn parse_rfc3339(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let three = |text: &str, between: char| -> Option<[u32; 3]> {
        let parts: Option<Vec<u32>> = text.split(between).map(|part| part.parse().ok()).collect();
        parts?.try_into().ok()
    };
    let [year, month, day] = three(date, '-')?;
    let [hour, minute, second] = three(time, ':')?;
    let is_digits = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = hour < 24 && minute < 60 && second < 61 && is_digits;
    if !is_time || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let years: u64 = (1970..u64::from(year)).map(days_of_year).sum();
    let months = &lengths(days_of_year(u64::from(year)))[..usize::try_from(month - 1).ok()?];
    let days = years + months.iter().sum::<u64>() + u64::from(day - 1);
    let seconds = days * 86_400 + u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
    #[allow(clippy::cast_precision_loss, reason = "before the year 10000")]
    let seconds = seconds as f64;
    Some(seconds + format!("0.{fraction}").parse::<f64>().ok()?)
}

/// 9999-12-31: later years have no four digits.
const MAX_DAYS: u64 = 2_932_896;

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let (mut year, mut rest) = (1970, days);
    // At most some 8,000 turns, and 60 for a clock that is right.
    while rest >= days_of_year(year) {
        rest -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    for length in lengths(days_of_year(year)) {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

/// Lengths of the months in a year of so many days.
fn lengths(days_of_year: u64) -> [u64; 12] {
    [31, days_of_year - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

fn days_of_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // As `date -u -d @… +%FT%T` prints them.
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00.000Z"),
            (951_782_399.5, "2000-02-28T23:59:59.500Z"),
            (951_782_400.0, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000Z"),
            (1_795_356_131.25, "2026-11-22T14:02:11.250Z"),
            (1_798_761_599.0, "2026-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
            assert_eq!(parse_rfc3339(text), Some(seconds));
        }
        assert_eq!(parse_rfc3339("2026-11-22T14:02:11Z"), Some(1_795_356_131.0));
        for odd in [
            "",
            "2026-11-22",
            "2026-11-22T14:02:11",
            "2026-13-22T14:02:11Z",
            "2026-11-22T25:02:11Z",
            "2026-11-22T14:02:11.xZ",
            "1969-11-22T14:02:11Z",
            "2026-11-00T14:02:11Z",
        ] {
            assert_eq!(parse_rfc3339(odd), None, "{odd}");
        }
        for odd in [-5.0, f64::NAN] {
            assert_eq!(rfc3339(odd), "1970-01-01T00:00:00.000Z");
        }
        assert!(rfc3339(f64::INFINITY).starts_with("9999-12-31T"));
    }
}
