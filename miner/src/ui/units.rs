//! Numbers as people read them.

use std::time::Duration;

const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];

/// Three or four significant digits and a prefix: `128.0k`, `6.90M`, `412`, `0.000512`.
pub fn count(value: f64) -> String {
    let (scaled, prefix) = scale(value);
    match (prefix, scaled) {
        ("", _) if value.fract() == 0.0 => format!("{value:.0}"),
        ("", scaled) if scaled < 1.0 => fraction(scaled),
        (_, scaled) if scaled < 10.0 => format!("{scaled:.2}{prefix}"),
        (_, scaled) => format!("{scaled:.1}{prefix}"),
    }
}

/// A rate: `6.90 kH/s`; a dash when it is not known.
pub fn hashrate(rate_hs: Option<f64>) -> String {
    let Some(rate_hs) = rate_hs else { return "-".into() };
    let (scaled, prefix) = scale(rate_hs);
    let digits = if scaled < 10.0 { 2 } else { 1 };
    format!("{scaled:.digits$} {prefix}H/s")
}

/// Energy of a hash: `50.3 mJ/H`, `146.0 nJ/H`.
pub fn joules_per_hash(joules: f64) -> String {
    const SMALL: [&str; 5] = ["", "m", "u", "n", "p"];
    let (mut scaled, mut prefix) = (joules, 0);
    while scaled < 1.0 && prefix + 1 < SMALL.len() {
        (scaled, prefix) = (scaled * 1000.0, prefix + 1);
    }
    let digits = if scaled < 10.0 { 2 } else { 1 };
    format!("{scaled:.digits$} {}J/H", SMALL[prefix])
}

/// `42 ms`, `7.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`, `1.2k years`.
pub fn duration(time: Duration) -> String {
    const YEAR_S: u64 = 31_557_600;
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..=9 => format!("{:.1} s", time.as_secs_f64()),
        10..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min {} s", seconds / 60, seconds % 60),
        7200..=172_799 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ if seconds >= 2 * YEAR_S => format!("{} years", count(time.as_secs_f64() / YEAR_S as f64)),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Energy for a number of hashes, by power in watts and hashes per second: `12.8 J/kH`. `None` while nothing is hashed.
pub fn efficiency(power_w: f64, rate_hs: f64) -> Option<String> {
    if rate_hs <= 0.0 {
        return None;
    }
    let (scaled, prefix) = scale(rate_hs);
    let joules = power_w / scaled;
    let digits = if joules < 1.0 {
        3
    } else if joules < 10.0 {
        2
    } else {
        1
    };
    Some(format!("{joules:.digits$} J/{prefix}H"))
}

/// A share of one as percent.
pub fn percent(share: f64) -> String {
    if share < 0.1 { format!("{:.1} %", share * 100.0) } else { format!("{:.0} %", share * 100.0) }
}

/// Below one, as the difficulties of processors are at Bitcoin pools.
fn fraction(value: f64) -> String {
    const MOST_DIGITS: usize = 12;
    let (mut digits, mut scaled) = (0, value);
    while scaled < 99.95 && digits < MOST_DIGITS {
        (digits, scaled) = (digits + 1, scaled * 10.0);
    }
    format!("{value:.digits$}")
}

fn scale(value: f64) -> (f64, &'static str) {
    let mut scaled = value;
    let mut prefix = 0;
    // 999.95 would be shown as 1000.0.
    while scaled >= 999.95 && prefix + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    (scaled, PREFIXES[prefix])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(412.0), "412");
        assert_eq!(count(128_001.0), "128.0k");
        assert_eq!(count(999_999.0), "1.00M");
        assert_eq!(count(412.6e9), "412.6G");
        assert_eq!(count(0.5), "0.500");
        assert_eq!(count(0.000_512_3), "0.000512");
        assert_eq!(count(0.999_96), "1.00");
        assert_eq!(count(1e-30), "0.000000000000");
        assert_eq!(count(1e30), "1000000000000000.0P");
        assert_eq!(hashrate(Some(6900.0)), "6.90 kH/s");
        assert_eq!(hashrate(Some(0.0)), "0.00 H/s");
        assert_eq!(hashrate(None), "-");
        assert_eq!(joules_per_hash(0.0503), "50.3 mJ/H");
        assert_eq!(joules_per_hash(1.46e-7), "146.0 nJ/H");
        assert_eq!(joules_per_hash(12.0), "12.0 J/H");
        assert_eq!(joules_per_hash(0.0), "0.00 pJ/H");
        assert_eq!(duration(Duration::from_millis(42)), "42 ms");
        assert_eq!(duration(Duration::from_millis(7400)), "7.4 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(duration(Duration::from_secs(7500)), "2 h 5 min");
        assert_eq!(duration(Duration::from_secs(3 * 86_400 + 4 * 3600)), "3 d 4 h");
        assert_eq!(duration(Duration::from_secs(700 * 86_400)), "700 d 0 h");
        assert_eq!(duration(Duration::from_secs(38_500 * 31_557_600)), "38.5k years");
        assert_eq!(percent(0.0975), "9.8 %");
        assert_eq!(percent(0.31), "31 %");
        assert_eq!(efficiency(88.0, 6900.0).as_deref(), Some("12.8 J/kH"));
        assert_eq!(efficiency(164.0, 1.31e9).as_deref(), Some("125.2 J/GH"));
        assert_eq!(efficiency(88.0, 0.0), None);
    }
}
