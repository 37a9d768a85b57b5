//! Numbers as the page shows them. The page's script has the same rules under the same names, so that a number does not
//! change its looks when it comes alive.

use serde_json::Value;

/// What stands for what is not known.
pub(super) const UNKNOWN: &str = "–";

/// How a value is shown; `name` is what the script calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Text,
    /// Hashes per second, with a prefix of SI.
    Rate,
    /// Whole, in groups of three.
    Count,
    /// Degrees Celsius.
    Celsius,
    /// Watts.
    Watts,
    /// Percent.
    Percent,
    /// Percent of chance, both ways.
    Chance,
    /// Joule for a thousand hashes.
    Joules,
    /// Milliseconds.
    Millis,
    /// Difficulty, with a prefix of SI.
    Big,
    /// A length of time in seconds.
    Length,
    /// How long ago a moment in RFC 3339 was.
    Ago,
    /// The only or the fastest of several percentages.
    Fans,
    /// The hottest of several temperatures.
    Heat,
}

impl Form {
    /// In the document.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Rate => "rate",
            Self::Count => "count",
            Self::Celsius => "c",
            Self::Watts => "w",
            Self::Percent => "pct",
            Self::Chance => "chance",
            Self::Joules => "j",
            Self::Millis => "ms",
            Self::Big => "big",
            Self::Length => "length",
            Self::Ago => "ago",
            Self::Fans => "fans",
            Self::Heat => "heat",
        }
    }

    /// A value in this form; `now_s` is the time in seconds since 1970.
    pub(super) fn show(self, value: &Value, now_s: f64) -> String {
        let number = value.as_f64();
        let with = |form: fn(f64) -> String| number.map(form);
        let shown = match self {
            Self::Text => value.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
            Self::Rate => with(|hs| prefixed(hs, "H/s")),
            Self::Big => with(|value| prefixed(value, "").trim_end().to_owned()),
            Self::Count => with(grouped),
            Self::Celsius => with(|c| format!("{c:.0} °C")),
            Self::Watts => with(|w| format!("{} W", digits(w))),
            Self::Percent => with(|pct| format!("{} %", digits(pct))),
            Self::Chance => with(|pct| format!("± {} %", digits(pct))),
            Self::Joules => with(|j| format!("{} J/kH", digits(j))),
            Self::Millis => with(|ms| format!("{} ms", digits(ms))),
            Self::Length => with(length),
            Self::Ago => {
                let then_s = value.as_str().and_then(seconds_of);
                then_s.map(|then_s| format!("{} ago", length((now_s - then_s).max(0.0))))
            }
            Self::Fans => most(value).map(|pct| format!("{pct:.0} %")),
            Self::Heat => most(value).map(|c| format!("{c:.0} °C")),
        };
        shown.unwrap_or_else(|| UNKNOWN.to_owned())
    }
}

/// The largest number of a list or of an object's values.
fn most(value: &Value) -> Option<f64> {
    let list = value.as_array().into_iter().flatten();
    let fields = value.as_object().into_iter().flat_map(|object| object.values());
    list.chain(fields).filter_map(Value::as_f64).reduce(f64::max)
}

/// Three digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        size if !(0.0005..99.95).contains(&size) => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.0995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn prefixed(value: f64, unit: &str) -> String {
    let prefixes = ["", "k", "M", "G", "T", "P", "E"];
    let mut rest = value;
    let mut index = 0;
    while rest.abs() >= 999.5 && index + 1 < prefixes.len() {
        rest /= 1000.0;
        index += 1;
    }
    format!("{} {}{unit}", digits(rest), prefixes[index])
}

/// Whole, with a thin space between groups of three digits.
fn grouped(value: f64) -> String {
    let text = format!("{value:.0}");
    let mut shown = String::new();
    for (index, digit) in text.chars().enumerate() {
        let left = text.len() - index;
        if index > 0 && left.is_multiple_of(3) && !shown.ends_with('-') {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    shown
}

/// A length of time with its two largest units.
fn length(seconds: f64) -> String {
    // As casts go: what is no number is 0, what is too large is the largest.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Seconds since 1970 of a time such as `2026-11-22T14:02:11.250Z`, as this program writes it.
fn seconds_of(text: &str) -> Option<f64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days from the era's beginning, in years that begin in March.
    let (year, month) =
        if month <= 2 { (year.checked_sub(1)?, month + 9) } else { (year, month.checked_sub(3)?) };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day.checked_sub(1)?;
    let days = f64::from(days) - 719_468.0;
    Some(days * 86_400.0 + f64::from(hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::time::rfc3339;

    #[test]
    fn numbers_have_three_digits_and_their_unit() {
        let now_s = 1_795_356_131.0;
        for (form, value, shown) in [
            (Form::Rate, json!(6740.0), "6.74 kH/s"),
            (Form::Rate, json!(0), "0 H/s"),
            (Form::Rate, json!(999.6), "1.00 kH/s"),
            (Form::Rate, json!(123_456_789.0), "123 MH/s"),
            (Form::Rate, Value::Null, "–"),
            (Form::Count, json!(1_234_567), "1\u{202f}234\u{202f}567"),
            (Form::Count, json!(412), "412"),
            (Form::Celsius, json!(64.4), "64 °C"),
            (Form::Watts, json!(97.04), "97.0 W"),
            (Form::Percent, json!(9.7), "9.70 %"),
            (Form::Chance, json!(100.0), "± 100 %"),
            (Form::Big, json!(128_001), "128 k"),
            (Form::Big, json!(7), "7.00"),
            (Form::Length, json!(59.9), "59 s"),
            (Form::Length, json!(3_700), "1 h 1 min"),
            (Form::Length, json!(200_000), "2 d 7 h"),
            (Form::Ago, json!("2026-11-22T14:02:01.250Z"), "10 s ago"),
            (Form::Ago, json!("soon"), "–"),
            (Form::Fans, json!([30.0, 60.4]), "60 %"),
            (Form::Fans, json!([]), "–"),
            (Form::Heat, json!({ "core": 60.0, "memory": 82.0 }), "82 °C"),
            (Form::Text, json!(""), "–"),
        ] {
            assert_eq!(form.show(&value, now_s), shown, "{form:?} {value}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(seconds in 0u32..) {
            prop_assert_eq!(seconds_of(&rfc3339(seconds.into())), Some(f64::from(seconds)));
        }

        #[test]
        fn any_value_is_shown(number in any::<f64>(), text in "\\PC{0,30}") {
            for form in [Form::Rate, Form::Count, Form::Watts, Form::Length, Form::Ago, Form::Big, Form::Heat] {
                prop_assert!(!form.show(&json!(number), 0.0).is_empty());
                prop_assert!(!form.show(&json!(text), 0.0).is_empty());
            }
        }
    }
}
