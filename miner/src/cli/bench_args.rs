//! Options of `rminer bench` beside those of the devices.

use std::time::Duration;

use crate::config::parse_time;

/// How much to measure.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Hash for this long on each device with each algorithm [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_negative_numbers = true)]
    pub seconds: Option<Duration>,
    /// Time between the new jobs that the whole miner is measured with, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub new_job_every: u64,
    /// Measure the way of a job instead: from the last byte of a pool's line to the first hash, stage by stage, with a
    /// pool in this process
    #[arg(long, conflicts_with = "hashes")]
    pub latency: bool,
    /// Save the hash rates, as what to expect of these devices when they mine
    #[arg(long, conflicts_with = "latency")]
    pub save: bool,
    /// RandomX: compute so many hashes, such as 250K or 1M, and the sum that xmrig prints for them
    #[arg(long, value_name = "N", value_parser = parse_hashes, conflicts_with = "seconds", allow_negative_numbers = true)]
    pub hashes: Option<u64>,
}

/// A number with K or M behind it, as xmrig's `--bench` takes.
fn parse_hashes(text: &str) -> Result<u64, String> {
    let upper = text.trim().to_ascii_uppercase();
    let (digits, unit) = match (upper.strip_suffix('K'), upper.strip_suffix('M')) {
        (Some(digits), _) => (digits, 1000),
        (_, Some(digits)) => (digits, 1_000_000),
        _ => (upper.as_str(), 1),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|number| (1..=1 << 32).contains(number))
        .ok_or_else(|| "write a number of hashes from 1 to 4294967296, such as 250K or 1M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_units() {
        assert_eq!(parse_hashes("250k"), Ok(250_000));
        assert_eq!(parse_hashes("10M"), Ok(10_000_000));
        assert_eq!(parse_hashes("4294967296"), Ok(1 << 32));
        for wrong in ["0", "", "K", "-1", "1.5M", "5000M", "99999999999999999999M", "x"] {
            assert!(parse_hashes(wrong).is_err(), "{wrong}");
        }
    }
}
