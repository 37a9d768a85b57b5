//! Options of the commands that talk to a running miner.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::parse_time;

/// Which miner, and by what right.
#[derive(Debug, Clone, clap::Args)]
pub struct Remote {
    /// Where the miner's interface listens [default: as the settings say, else 127.0.0.1:4077]
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    pub host: Option<String>,
    /// File with the token of the interface [default: RMINER_API_TOKEN, RMINER_API_TOKEN_FILE, else the one that rminer
    /// made on this machine]
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
}

/// Options of `rminer status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Which miner.
    #[command(flatten)]
    pub remote: Remote,
    /// Show it again every 2 seconds
    #[arg(long)]
    pub watch: bool,
}

/// Options of `rminer doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Which miner; with --host, that machine is looked at by its own miner.
    #[command(flatten)]
    pub remote: Remote,
    /// Go to the configured pools too, as `rminer pool test` does
    #[arg(long)]
    pub pools: bool,
}

/// Options of `rminer explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// Code of a message, a refusal or a finding to be explained, such as wallet-checksum; needs no running miner
    #[arg(value_name = "CODE", conflicts_with_all = ["since", "host", "token_file"])]
    pub code: Option<String>,
    /// Which miner.
    #[command(flatten)]
    pub remote: Remote,
    /// How far to look back, such as 30m or 2h [default: 2h]
    #[arg(long, value_name = "TIME", value_parser = parse_span, allow_negative_numbers = true)]
    pub since: Option<Duration>,
    /// List all codes
    #[arg(long, conflicts_with_all = ["code", "since", "host", "token_file"])]
    pub list: bool,
}

/// Longest time that can be looked back: 30 days, though no more is known than 24 hours.
const MAX_SPAN: Duration = Duration::from_secs(30 * 86_400);

/// A time to look back.
fn parse_span(text: &str) -> Result<Duration, String> {
    let span = parse_time(text)?;
    if span > MAX_SPAN {
        return Err("at most 30d; what is known goes back for 24 hours".into());
    }
    Ok(span.max(Duration::from_secs(1)))
}

/// Options of `rminer top`.
#[derive(Debug, clap::Args)]
pub struct TopArgs {
    /// Which miner.
    #[command(flatten)]
    pub remote: Remote,
}

/// Options of `rminer report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Which miner is asked.
    #[command(flatten)]
    pub remote: Remote,
    /// File to write [default: rminer-report-TIME.json, here]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write it without asking
    #[arg(long)]
    pub yes: bool,
}

/// Options of `rminer ctl`.
#[derive(Debug, clap::Args)]
pub struct CtlArgs {
    /// Which miner.
    #[command(flatten)]
    pub remote: Remote,
    /// What to tell it.
    #[command(subcommand)]
    pub order: OrderArgs,
}

/// What a miner can be told.
#[derive(Debug, clap::Subcommand)]
pub enum OrderArgs {
    /// Stop hashing; the connection with the pool is kept
    Pause {
        /// For this long, such as 10m; without it until `rminer ctl resume`
        #[arg(long = "for", value_name = "TIME", value_parser = parse_time, allow_negative_numbers = true)]
        length: Option<Duration>,
        /// One device only, such as gpu0, until it is resumed
        #[arg(long, value_name = "ID", conflicts_with = "length")]
        device: Option<String>,
    },
    /// Take a pause back; what else holds devices back stays
    Resume {
        /// The pause of one device only, such as gpu0
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Read the configuration again: limits hold at once, and it says what needs a new start
    Reload,
    /// Mine for another of the configured pools, and return to it after failures
    Pool {
        /// Its number, as `rminer status` and the start show it
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        number: u16,
    },
    /// Hash only so many percent of the time; 100 takes the limit back
    Limit {
        /// From 1 to 100
        #[arg(value_name = "PERCENT", value_parser = parse_percent, allow_negative_numbers = true)]
        percent: u8,
        /// One device only, such as gpu0
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Let a phone or a browser in: shows a code that is good once, for five minutes
    Pair {
        /// It may look, and give no orders
        #[arg(long)]
        read: bool,
        /// Draw with letters only
        #[arg(long)]
        ascii: bool,
    },
    /// List the devices that were let in
    Paired,
    /// Let a device in no longer
    Unpair {
        /// Its number, as `rminer ctl paired` shows it, or `all`
        #[arg(value_name = "N|all", value_parser = parse_which)]
        which: Which,
    },
}

/// Of the paired devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// This one.
    Number(u32),
}

fn parse_which(text: &str) -> Result<Which, String> {
    match text.trim() {
        "all" => Ok(Which::All),
        number => match number.parse() {
            Ok(number) if number > 0 => Ok(Which::Number(number)),
            _ => Err("write the number of a device, or all; `rminer ctl paired` lists them".into()),
        },
    }
}

/// A share of the time in percent.
fn parse_percent(text: &str) -> Result<u8, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse::<u8>().ok();
    number.filter(|percent| (1..=100).contains(percent)).ok_or_else(|| {
        "write a whole number of percent from 1 to 100; `rminer ctl pause` stops it altogether".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_numbers() {
        assert_eq!((parse_which("all"), parse_which(" 7 ")), (Ok(Which::All), Ok(Which::Number(7))));
        for text in ["", "0", "-1", "ALL of them", "1.5"] {
            assert!(parse_which(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percent_have_a_range() {
        for (text, percent) in [("50", 50), ("12%", 12), (" 100 % ", 100), ("1", 1)] {
            assert_eq!(parse_percent(text), Ok(percent));
        }
        for text in ["", "0", "0.5", "-3", "101", "256", "nan", "half"] {
            assert!(parse_percent(text).is_err(), "{text}");
        }
    }
}
