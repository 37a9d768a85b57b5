//! Texts of single settings to what they mean. Each fault says what is wrong and what to write instead.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use rminer_algos::{Algorithm, MAX_VERSION_BITS, registry};
use rminer_stratum::endpoint::RESERVED_VERSION_BITS;
use secrecy::SecretString;

use super::resolved::{DevicePattern, DeviceSelection};
use crate::devices::affinity::parse_affinity;
use crate::suggest::closest;
use crate::wallet::looks_like_wallet;

/// Most threads that are believed.
const MAX_THREADS: u32 = 4096;
/// Longest time that is taken anywhere.
const MAX_SECONDS: u64 = 366 * 24 * 3600;

/// Why a text is not a value of its setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Ends the sentence that begins with the setting: "is not a …".
    pub why: String,
    /// What to write instead.
    pub help: String,
}

pub(super) fn fault<T>(why: impl Into<String>, help: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { why: why.into(), help: help.into() })
}

/// An algorithm, in any spelling.
pub(super) fn algorithm(text: &str) -> Result<&'static Algorithm, Fault> {
    if let Some(found) = registry::find(text) {
        return Ok(found);
    }
    if looks_like_wallet(text) {
        return fault("is a wallet address, not an algorithm", "give the wallet as --user");
    }
    let spellings: Vec<&str> = registry::ALGORITHMS
        .iter()
        .flat_map(|known| known.aliases.iter().chain([&known.name]).copied())
        .collect();
    let names: Vec<&str> = registry::ALGORITHMS.iter().map(|known| known.name).collect();
    let names = format!("this version has {}; `rminer algos` says more", names.join(", "));
    let why = "is not an algorithm of this version";
    match closest(text, &spellings) {
        Some(similar) => fault(why, format!("did you mean `{similar}`? {names}")),
        None => fault(why, names),
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let wanted = text.trim().to_ascii_lowercase();
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == wanted) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let all = format!("possible values: {}", names.join(", "));
    match closest(text, &names) {
        Some(similar) => fault("is not a value it takes", format!("did you mean `{similar}`? {all}")),
        None => fault("is not a value it takes", all),
    }
}

/// Version bits to roll, in hexadecimal.
pub(super) fn version_mask(text: &str) -> Result<u32, Fault> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let help = "write hexadecimal such as 1fffe000, or 0 for none";
    let mask = match u32::from_str_radix(digits, 16) {
        Ok(mask) if !digits.starts_with('+') => mask,
        _ => return fault("is not a mask of version bits", help),
    };
    if mask & RESERVED_VERSION_BITS != 0 {
        return fault("has bits 29 to 31, which make blocks invalid when they are rolled", help);
    }
    if mask.count_ones() > MAX_VERSION_BITS {
        return fault(format!("has more than {MAX_VERSION_BITS} bits"), help);
    }
    Ok(mask)
}

/// A share difficulty, kept as it was written: a decimal number above zero.
pub(super) fn difficulty(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let plain = !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match text.parse::<f64>() {
        // Sent as it stands, so it has to be a number in JSON too.
        Ok(value) if plain && value > 0.0 && serde_json::from_str::<f64>(text).is_ok() => Ok(text.to_owned()),
        _ => fault("is not a difficulty", "write a number above zero such as 1000 or 0.01"),
    }
}

/// Where the interface listens; `None` is nowhere.
pub(super) fn api_bind(text: &str) -> Result<Option<SocketAddr>, Fault> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let written = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    match written.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => fault("is not an address with a port", "write one such as 127.0.0.1:4077, or off"),
    }
}

/// The token of the interface.
pub(super) fn api_token(text: &str) -> Result<SecretString, Fault> {
    match crate::api::check_token(text.trim()) {
        Ok(()) => Ok(SecretString::from(text.trim())),
        Err(why) => fault(
            format!("is no token: {why}"),
            "`openssl rand -hex 32` prints one; without any, rminer makes its own and says where it is",
        ),
    }
}

/// Most entries of a list of origins or names.
const MAX_LIST: usize = 32;

/// Web origins, as browsers write them.
pub(super) fn origins(text: &str) -> Result<Vec<String>, Fault> {
    let help =
        "write scheme, name and port as browsers do, such as https://example.org or http://rig.lan:8080";
    list(text, |item| {
        if item == "*" {
            return fault("has `*`, and that would let every page that you visit read this miner", help);
        }
        let rest = item.strip_prefix("https://").or_else(|| item.strip_prefix("http://"));
        let is_name = |rest: &str| {
            let (name, port) = rest.rsplit_once(':').unwrap_or((rest, "1"));
            host_name(name) && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        match rest {
            Some(rest) if is_name(rest) => Ok(item.to_owned()),
            _ => fault(format!("has `{item}`, which is not the origin of a page"), help),
        }
    })
}

/// Names that this machine may be asked by.
pub(super) fn host_names(text: &str) -> Result<Vec<String>, Fault> {
    list(text, |item| match host_name(item) {
        true => Ok(item.to_owned()),
        false => fault(
            format!("has `{item}`, which is not the name of a machine"),
            "write names without scheme and port, such as rig01.lan",
        ),
    })
}

fn list(text: &str, item: impl Fn(&str) -> Result<String, Fault>) -> Result<Vec<String>, Fault> {
    let items = text.split(',').map(|part| part.trim().to_ascii_lowercase()).filter(|part| !part.is_empty());
    let items = items.map(|part| item(&part)).collect::<Result<Vec<_>, _>>()?;
    if items.len() > MAX_LIST {
        return fault(format!("has more than {MAX_LIST} entries"), "list those that are used");
    }
    Ok(items)
}

fn host_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// On or off.
pub(super) fn switch(text: &str) -> Result<bool, Fault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => fault("is neither on nor off", "write on or off"),
    }
}

/// What `--threads` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Threads {
    /// As many as fit.
    Auto,
    /// So many.
    Count(NonZeroU32),
    /// One on each of these processors.
    On(Vec<u32>),
}

/// Number of threads, or the processors that have one each.
pub(super) fn threads(text: &str) -> Result<Threads, Fault> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Threads::Auto);
    }
    if text.contains(',') {
        return processors(text).map(Threads::On);
    }
    match text.parse::<u32>().ok().filter(|&count| count <= MAX_THREADS).and_then(NonZeroU32::new) {
        Some(count) => Ok(Threads::Count(count)),
        None => fault(
            format!("is not a number of threads from 1 to {MAX_THREADS}"),
            "leave it out for as many threads as the caches feed; `rminer devices` says how many",
        ),
    }
}

/// Processors by list (`0,2,4-7`) or hexadecimal mask (`0x55`); `None` for `auto`.
pub(super) fn affinity(text: &str) -> Result<Option<Vec<u32>>, Fault> {
    if text.trim().eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    processors(text).map(Some)
}

fn processors(text: &str) -> Result<Vec<u32>, Fault> {
    // A list from the file has a comma at its end, so that a single number is still one.
    let text = text.trim();
    parse_affinity(text.strip_suffix(',').unwrap_or(text)).map_err(|error| Fault {
        why: format!("does not say which processors to use: {error}"),
        help: "write their numbers, such as 0,2,4-7, or a mask such as 0x55".into(),
    })
}

/// A kernel that some algorithm has; `None` for `auto`.
pub(super) fn cpu_kernel(text: &str) -> Result<Option<&'static str>, Fault> {
    let kernels = registry::ALGORITHMS.iter().flat_map(|known| known.kernels);
    let mut words = vec![("auto", None)];
    for kernel in kernels {
        if !words.contains(&(kernel.name, Some(kernel.name))) {
            words.push((kernel.name, Some(kernel.name)));
        }
    }
    word(text, &words)
}

/// A kernel of the algorithm; `None` for `auto`.
pub(super) fn gpu_kernel(algorithm: &Algorithm, text: &str) -> Result<Option<String>, Fault> {
    let name = text.trim().to_ascii_lowercase();
    if name == "auto" {
        return Ok(None);
    }
    let kernels = rminer_shaders::variants(algorithm.name);
    if kernels.is_empty() {
        return fault(
            format!("is for GPUs, which do not mine {}", algorithm.name),
            "leave it out, or choose another algorithm",
        );
    }
    let mut words: Vec<(&str, &str)> = vec![("auto", "auto")];
    words.extend(kernels.iter().map(|kernel| (kernel.name.as_str(), kernel.name.as_str())));
    word(&name, &words).map(|name| Some(name.to_owned()))
}

/// 1 to 10.
pub(super) fn intensity(text: &str) -> Result<u8, Fault> {
    match text.trim().parse::<u8>() {
        Ok(tenths @ 1..=10) => Ok(tenths),
        _ => fault("is not a number from 1 to 10", "10 uses all that fits, 5 half of it"),
    }
}

/// Rounds; `None` for `never`.
pub(super) fn retries(text: &str) -> Result<Option<NonZeroU32>, Fault> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    match text.parse::<u32>().ok().and_then(NonZeroU32::new) {
        Some(rounds) => Ok(Some(rounds)),
        None => fault("is not a number of rounds from 1 up", "write never, or leave it out, to try for ever"),
    }
}

/// A time such as `90`, `90s`, `1h30m`; `None` for `off` and `never`.
pub(super) fn time(text: &str) -> Result<Option<Duration>, Fault> {
    let text = text.trim().to_ascii_lowercase();
    if ["off", "never"].contains(&text.as_str()) {
        return Ok(None);
    }
    match seconds(&text) {
        Some(0) => fault("is no time at all", "write a time such as 90s, 5m or 2h, or `off`"),
        Some(seconds) if seconds <= MAX_SECONDS => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => fault("is longer than a year", "write a time such as 90s, 5m or 2h, or `off`"),
        None => {
            fault("is not a time", "write a time such as 90s, 5m, 1h30m or 2d; a number alone is seconds")
        }
    }
}

fn seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds);
    }
    let mut total: u64 = 0;
    let mut rest = text;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest[digits..].chars().next()? {
            'd' => 24 * 3600,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        // `30m1h` or `1h1h` is more likely a slip than meant.
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (last_unit != u64::MAX).then_some(total)
}

/// Devices by kind and number.
pub(super) fn devices(text: &str) -> Result<DeviceSelection, Fault> {
    if text.trim().eq_ignore_ascii_case("auto") {
        return Ok(DeviceSelection::Auto);
    }
    let help = "write cpu, gpu, all, software, or ids such as cpu0,gpu1; `rminer devices` lists them";
    let mut patterns = Vec::new();
    for part in text.split(',') {
        let part = part.trim().to_ascii_lowercase();
        let number =
            |digits: &str| digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let pattern = match part.as_str() {
            "all" => Some(DevicePattern::All),
            "cpu" => Some(DevicePattern::Cpus),
            "gpu" => Some(DevicePattern::Gpus),
            "software" => Some(DevicePattern::Software),
            id => match (id.strip_prefix("cpu"), id.strip_prefix("gpu")) {
                (Some(digits), _) => number(digits).map(DevicePattern::Cpu),
                (_, Some(digits)) => number(digits).map(DevicePattern::Gpu),
                _ => None,
            },
        };
        match pattern {
            Some(pattern) if !patterns.contains(&pattern) => patterns.push(pattern),
            Some(_) => {}
            None if number(&part).is_some() => {
                return fault(format!("has `{part}`, which could be a CPU or a GPU"), help);
            }
            None => return fault(format!("has `{part}` where a device should be"), help),
        }
    }
    Ok(DeviceSelection::Only(patterns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn algorithms_are_found_or_suggested() {
        assert_eq!(algorithm("RX/0").unwrap().name, "randomx");
        assert!(algorithm("randmox").unwrap_err().help.contains("`randomx`"));
        assert!(algorithm(&"4".repeat(95)).unwrap_err().help.contains("--user"));
        assert!(algorithm("kawpow").unwrap_err().help.contains("rminer algos"));
    }

    #[test]
    fn threads_and_processors() {
        let count = |count| Ok(Threads::Count(NonZeroU32::new(count).unwrap()));
        assert_eq!(threads("8"), count(8));
        assert_eq!(threads(" Auto "), Ok(Threads::Auto));
        assert_eq!(threads("0,2,"), Ok(Threads::On(vec![0, 2])));
        assert_eq!(threads("6,"), Ok(Threads::On(vec![6])));
        for wrong in ["0", "-1", "70000", "4097", "1.5", "many", ""] {
            assert!(threads(wrong).unwrap_err().why.contains("1 to 4096"), "{wrong}");
        }
        assert_eq!(affinity("0-2,8"), Ok(Some(vec![0, 1, 2, 8])));
        assert_eq!(affinity("0x105"), Ok(Some(vec![0, 2, 8])));
        assert_eq!(affinity("auto"), Ok(None));
        for wrong in ["", "0,,1", "0,0", "3-1", "0x", "0x0", "0xg", "4096", "-1", "0-5000", "a"] {
            assert!(affinity(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn version_masks_and_difficulties() {
        assert_eq!(version_mask("1fffe000"), Ok(0x1FFF_E000));
        assert_eq!(version_mask(" 0x00ffe000 "), Ok(0x00FF_E000));
        assert_eq!(version_mask("0"), Ok(0));
        for wrong in ["", "x", "0x", "+1", "-1", "20000000", "1ffffffff", "1fffffff"] {
            assert!(version_mask(wrong).is_err(), "{wrong}");
        }
        for right in ["1", "0.001", "1000000", "65536.5"] {
            assert_eq!(difficulty(right), Ok(right.to_owned()));
        }
        for wrong in ["", "0", "0.0", "-1", "1e400", "nan", "inf", ".5", "5.", "0x10", "007", "1e3", "1,5"] {
            assert!(difficulty(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_and_rounds() {
        let time = |text| time(text).map(|time| time.map(|time| time.as_secs()));
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172_800)] {
            assert_eq!(time(text), Ok(Some(seconds)), "{text}");
        }
        assert_eq!(time("off"), Ok(None));
        for wrong in ["0", "0s", "", "h", "5x", "1m1h", "1h1h", "-5", "1.5h", "99999999999999999999d", "400d"]
        {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(retries("3"), Ok(NonZeroU32::new(3)));
        assert_eq!(retries("never"), Ok(None));
        assert!(retries("0").is_err() && retries("-1").is_err());
        assert_eq!(intensity("1"), Ok(1));
        assert!(intensity("0").is_err() && intensity("11").is_err());
    }

    #[test]
    fn devices_are_ids_and_kinds() {
        use DevicePattern::{Cpu, Cpus, Gpus, Software};
        assert_eq!(devices("cpu0, GPU,cpu0"), Ok(DeviceSelection::Only(vec![Cpu(0), Gpus])));
        assert_eq!(devices("auto"), Ok(DeviceSelection::Auto));
        assert_eq!(devices("cpu,software"), Ok(DeviceSelection::Only(vec![Cpus, Software])));
        for wrong in ["", "0,1", "cpu0,", "cpu+1", "fpga", "cpu99999"] {
            assert!(devices(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_interface_is_reached_by_names_and_origins() {
        assert_eq!(api_bind("localhost:80").unwrap(), Some("127.0.0.1:80".parse().unwrap()));
        assert_eq!(api_bind("[::]:0").unwrap(), Some("[::]:0".parse().unwrap()));
        assert_eq!(api_bind("OFF"), Ok(None));
        assert!(api_bind("rig:80").is_err() && api_bind("127.0.0.1").is_err());
        assert_eq!(
            origins("https://A.example, http://b:8080,"),
            Ok(vec!["https://a.example".into(), "http://b:8080".into()])
        );
        for wrong in [
            "*",
            "null",
            "a.example",
            "https://a/",
            "https://",
            "https://a:0",
            "https://a:b",
            "ftp://a",
            "https://u@a",
        ] {
            assert!(origins(wrong).is_err(), "{wrong}");
        }
        assert_eq!(host_names("Rig.lan"), Ok(vec!["rig.lan".into()]));
        assert!(host_names("http://rig").is_err() && host_names("rig:80").is_err());
        assert!(
            host_names(&"a,".repeat(MAX_LIST)).is_ok() && host_names(&"a,".repeat(MAX_LIST + 1)).is_err()
        );
    }

    #[test]
    fn short_tokens_are_refused() {
        assert!(api_token(&"a".repeat(16)).is_ok());
        assert!(api_token(&"a".repeat(15)).unwrap_err().why.contains("16"));
        assert!(api_token("sixteen and more characters").is_err());
    }

    #[test]
    fn gpu_kernels_belong_to_an_algorithm() {
        assert_eq!(gpu_kernel(&registry::SHA256D, "Auto"), Ok(None));
        let names: Vec<String> =
            rminer_shaders::variants("sha256d").into_iter().map(|kernel| kernel.name).collect();
        assert_eq!(gpu_kernel(&registry::SHA256D, &names[0]), Ok(Some(names[0].clone())));
        assert!(gpu_kernel(&registry::SHA256D, "referense").unwrap_err().help.contains("`reference`"));
        assert!(gpu_kernel(&registry::RANDOMX, "reference").unwrap_err().why.contains("randomx"));
    }

    #[test]
    fn words_and_switches() {
        assert_eq!(word("ON", &[("auto", 1), ("on", 2)]), Ok(2));
        assert!(word("atuo", &[("auto", 1), ("on", 2)]).unwrap_err().help.contains("`auto`"));
        assert_eq!((switch("yes"), switch("0")), (Ok(true), Ok(false)));
        assert!(switch("maybe").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "\\PC{0,24}") {
            let _ = (algorithm(&text), threads(&text), affinity(&text), time(&text), devices(&text), retries(&text));
        }
    }
}
