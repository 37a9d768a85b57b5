//! Limits of heat, power and time: from texts to what they mean.

use super::keys::Setting;
use super::resolve::Resolver;
use super::values::{Fault, fault};
use crate::problem::Problem;
use crate::safety::{
    DeviceScope, MAX_LIMIT_C, MIN_LIMIT_C, SafetySettings, Schedule, Scope, TemperatureRules, Wish,
};
use crate::suggest::closest;
use crate::telemetry::{DeviceKind, Place};

/// Rules that one option takes; a rig has fewer sensors than that.
const MAX_RULES: usize = 256;
/// More than any rig draws, in watts.
const MAX_POWER_W: f64 = 100_000.0;

const LIMIT_HELP: &str = "write a temperature such as 85, a pair of resume and pause such as 75-85, or one for each \
                          device such as gpu0=80,cpu=85,gpu.memory=95";

pub(super) fn resolve(resolver: &mut Resolver<'_>) -> SafetySettings {
    let limits = resolver.take(Setting::TempLimit, temperature_limits).unwrap_or_default();
    let resumes = resolver.take(Setting::TempResume, temperature_resumes).unwrap_or_default();
    let temperatures = TemperatureRules { limits, resumes };
    for words in temperatures.contradictions() {
        let problem = Problem::error("temp-conflict", words);
        resolver.problems.push(problem.help("let the resume be some degrees below the limit"));
    }
    for (scope, _) in temperatures.limits.iter().filter(|(_, wish)| *wish == Wish::Off) {
        let warning =
            Problem::warning("temp-limit-off", format!("nothing keeps {scope} from getting too hot"));
        resolver.warn(warning.help("without temp-limit = off it is paused before it is damaged"));
    }
    let defaults = SafetySettings::default();
    SafetySettings {
        temperatures,
        power_cap_w: resolver.take(Setting::PowerCap, power_cap).flatten(),
        pause_on_battery: resolver.take(Setting::PauseOn, pause_on).unwrap_or(defaults.pause_on_battery),
        schedule: resolver.take(Setting::Schedule, schedule).flatten(),
        quiet_percent: resolver.take(Setting::Quiet, quiet).unwrap_or(defaults.quiet_percent),
    }
}

/// `85`, `75-85`, `off`, or a list of such with devices in front.
fn temperature_limits(text: &str) -> Result<Vec<(Scope, Wish)>, Fault> {
    rules(text, LIMIT_HELP, |value| {
        if ["off", "never"].contains(&value) {
            return Ok(Wish::Off);
        }
        let Some((resume, pause)) = value.split_once('-') else {
            return Ok(Wish::At { pause_c: temperature(value)?, resume_c: None });
        };
        let (resume_c, pause_c) = (temperature(resume)?, temperature(pause)?);
        if resume_c >= pause_c {
            return Err(format!("has `{value}`: it would resume at what it pauses at"));
        }
        Ok(Wish::At { pause_c, resume_c: Some(resume_c) })
    })
}

/// `75`, or a list with devices in front.
fn temperature_resumes(text: &str) -> Result<Vec<(Scope, f64)>, Fault> {
    rules(text, "write a temperature such as 75, or one for each device such as gpu0=70,cpu=75", temperature)
}

fn rules<T>(
    text: &str,
    help: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<(Scope, T)>, Fault> {
    let text = text.trim().to_ascii_lowercase();
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() || parts.len() > MAX_RULES {
        return fault("is no list of temperatures", help);
    }
    let rule = |part: &str| {
        let (scope, value) = match part.split_once('=') {
            Some((scope, value)) => (read_scope(scope.trim())?, value.trim()),
            None => (Scope::ANY, part),
        };
        Ok((scope, read(value)?))
    };
    parts.into_iter().map(rule).collect::<Result<_, String>>().map_err(|why| Fault { why, help: help.into() })
}

fn read_scope(text: &str) -> Result<Scope, String> {
    let (device, place) = match text.split_once('.') {
        Some((device, place)) => (Some(device), Some(place)),
        None if read_place(text).is_some() => (None, Some(text)),
        None => (Some(text), None),
    };
    let place = match place {
        None => None,
        Some(name) => match read_place(name) {
            Some(place) => Some(place),
            None => return Err(format!("has `{name}` where core, memory, hotspot or package should be")),
        },
    };
    let Some(name) = device else { return Ok(Scope { device: DeviceScope::Any, place }) };
    let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let kinds = [("cpu", DeviceKind::Cpu), ("gpu", DeviceKind::Gpu)];
    let device = match kinds.iter().find(|(known, _)| *known == kind) {
        Some((_, kind)) if name.len() == 3 => DeviceScope::Kind(*kind),
        Some(_) => DeviceScope::Id(name.to_owned()),
        None if name == "all" => DeviceScope::Any,
        None => return Err(format!("has `{name}` where a device such as gpu0 should be")),
    };
    Ok(Scope { device, place })
}

fn read_place(name: &str) -> Option<Place> {
    let places = [Place::Package, Place::Core, Place::Hotspot, Place::Memory];
    places.into_iter().find(|place| place.name() == name)
}

/// Degrees Celsius within what can be meant.
fn temperature(text: &str) -> Result<f64, String> {
    let digits = text.trim().trim_end_matches('c').trim_end_matches('\u{b0}').trim_end();
    let plain =
        !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match digits.parse::<f64>() {
        Ok(degrees) if plain && (MIN_LIMIT_C..=MAX_LIMIT_C).contains(&degrees) => Ok(degrees),
        Ok(_) if plain => {
            Err(format!("has {digits} C, which is not between {MIN_LIMIT_C} and {MAX_LIMIT_C} C"))
        }
        _ => Err(format!("has `{text}` where a temperature should be")),
    }
}

/// Watts; `None` for `off`.
fn power_cap(text: &str) -> Result<Option<f64>, Fault> {
    let text = text.trim().to_ascii_lowercase();
    if ["off", "never"].contains(&text.as_str()) {
        return Ok(None);
    }
    let digits = text.trim_end_matches('w').trim_end();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match digits.parse::<f64>() {
        Ok(watts) if plain && (1.0..=MAX_POWER_W).contains(&watts) => Ok(Some(watts)),
        _ => fault(
            format!("is not a power from 1 to {MAX_POWER_W} W"),
            "write the watts that all devices together may draw, such as 450, or off",
        ),
    }
}

/// Whether the battery is among what pauses.
fn pause_on(text: &str) -> Result<bool, Fault> {
    let help = "write battery (the default) or never";
    let (mut battery, mut never) = (false, false);
    for word in text.split(',').map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()) {
        match word.as_str() {
            "battery" => battery = true,
            "never" | "off" => never = true,
            "active" | "metered" => {
                return fault(format!("has `{word}`, which is not in this version"), help);
            }
            other => {
                let similar = closest(other, &["battery", "never"]);
                let help = similar.map_or_else(|| help.into(), |word| format!("did you mean `{word}`?"));
                return fault(format!("has `{other}`, which is nothing to pause on"), help);
            }
        }
    }
    match (battery, never) {
        (true, true) => fault("has both battery and never", help),
        (false, false) => fault("is empty", help),
        (battery, _) => Ok(battery),
    }
}

/// A share of the time in percent.
fn quiet(text: &str) -> Result<u8, Fault> {
    match text.trim().trim_end_matches('%').trim_end().parse::<u8>() {
        Ok(percent @ 1..=100) => Ok(percent),
        _ => fault("is not a number of percent from 1 to 100", "40 hashes four tenths of the time"),
    }
}

fn schedule(text: &str) -> Result<Option<Schedule>, Fault> {
    if ["off", "always"].contains(&text.trim().to_ascii_lowercase().as_str()) {
        return Ok(None);
    }
    let help = "write days and hours such as mon-fri 22:00-06:00; sat,sun";
    Schedule::parse(text).map(Some).map_err(|why| Fault { why, help: help.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(pause_c: f64, resume_c: Option<f64>) -> Wish {
        Wish::At { pause_c, resume_c }
    }

    #[test]
    fn limits_for_all_some_and_one() {
        assert_eq!(temperature_limits("85"), Ok(vec![(Scope::ANY, at(85.0, None))]));
        assert_eq!(temperature_limits("75-85"), Ok(vec![(Scope::ANY, at(85.0, Some(75.0)))]));
        let id = |id: &str, place| Scope { device: DeviceScope::Id(id.into()), place };
        let kind = |kind, place| Scope { device: DeviceScope::Kind(kind), place };
        assert_eq!(
            temperature_limits("GPU0=85, cpu=70C-80.5C,gpu.memory=95,memory=off"),
            Ok(vec![
                (id("gpu0", None), at(85.0, None)),
                (kind(DeviceKind::Cpu, None), at(80.5, Some(70.0))),
                (kind(DeviceKind::Gpu, Some(Place::Memory)), at(95.0, None)),
                (Scope { device: DeviceScope::Any, place: Some(Place::Memory) }, Wish::Off),
            ])
        );
        assert_eq!(temperature_resumes("gpu1=60"), Ok(vec![(id("gpu1", None), 60.0)]));
        for wrong in [
            "",
            ",",
            "hot",
            "29",
            "111",
            "1e2",
            "85-75",
            "80-80",
            "fpga=80",
            "gpu0=",
            "gpu0.fan=80",
            "-5",
            "gpu0=80=90",
        ] {
            assert!(temperature_limits(wrong).is_err(), "{wrong}");
        }
        assert!(temperature_resumes("off").is_err());
        assert!(temperature_limits(&"85,".repeat(MAX_RULES + 1)).is_err());
    }

    #[test]
    fn power_battery_and_hours() {
        assert_eq!(
            (power_cap("450"), power_cap("450.5 W"), power_cap("off")),
            (Ok(Some(450.0)), Ok(Some(450.5)), Ok(None))
        );
        for wrong in ["", "0", "-5", "1e3", "much", "200000", "."] {
            assert!(power_cap(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            (pause_on("battery"), pause_on("Never"), pause_on("battery,battery")),
            (Ok(true), Ok(false), Ok(true))
        );
        assert!(pause_on("active").unwrap_err().why.contains("not in this version"));
        assert!(pause_on("batery").unwrap_err().help.contains("`battery`"));
        assert!(pause_on("battery,never").is_err() && pause_on("").is_err());
        assert_eq!(schedule("always"), Ok(None));
        assert_eq!((quiet("40"), quiet(" 1 % "), quiet("100")), (Ok(40), Ok(1), Ok(100)));
        for wrong in ["", "0", "101", "-4", "4.5", "quiet"] {
            assert!(quiet(wrong).is_err(), "{wrong}");
        }
        assert!(schedule("someday").unwrap_err().why.contains("someday"));
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,24}") {
            let _ = (temperature_limits(&text), temperature_resumes(&text), power_cap(&text), pause_on(&text), schedule(&text));
        }
    }
}
