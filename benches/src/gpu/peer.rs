//! cpuminer-opt for each second of processor time, to compare software devices with.

#![allow(unsafe_code)]

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

pub(crate) const ARGUMENTS: &str = "--benchmark -a sha256d -t 1 --no-color --time-limit";

/// Hashes for each second of processor time of one thread, in a run of so many seconds.
pub(crate) fn rate(program: &str, seconds: u32) -> Result<f64> {
    let before = children_cpu();
    let output = Command::new(program)
        .args(ARGUMENTS.split(' '))
        .arg(seconds.to_string())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program}"))?;
    let cpu = (children_cpu() - before).as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout);
    let wall_hs = mean_rate(&text).with_context(|| format!("{program} tells no rate"))?;
    Ok(wall_hs * f64::from(seconds) / cpu)
}

/// The mean of the rates that it tells on the way; its last line is of a part of its time only.
fn mean_rate(text: &str) -> Option<f64> {
    let rates: Vec<f64> = text.lines().filter_map(|line| total(line.split_once("Total: ")?.1)).collect();
    (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
}

fn total(text: &str) -> Option<f64> {
    let (number, rest) = text.split_once(' ')?;
    let scale = match rest.as_bytes().first()?.to_ascii_lowercase() {
        b'k' => 1e3,
        b'm' => 1e6,
        b'g' => 1e9,
        _ => 1.0,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(unix)]
fn children_cpu() -> Duration {
    // SAFETY: plain integers, zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes the struct that is passed.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let duration = |time: libc::timeval| {
        Duration::new(time.tv_sec.try_into().unwrap_or(0), u32::try_from(time.tv_usec).unwrap_or(0) * 1000)
    };
    duration(usage.ru_utime) + duration(usage.ru_stime)
}

#[cfg(not(unix))]
fn children_cpu() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_on_the_way_count() {
        let text = "[2026-11-25 00:37:49] Total: 15.5 MH/s, Temp: 0C, Freq: 0.000/0.000 GHz\n\
                    [2026-11-25 00:37:52] Total: 500.0 kH/s, Temp: 0C\nBenchmark: 9116.36 kH/s\n";
        assert_eq!(mean_rate(text), Some(8e6));
        assert_eq!(mean_rate("nothing"), None);
    }
}
