//! Commands and global options.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::bench_args::BenchArgs;
use super::remote_args::{CtlArgs, DoctorArgs, ExplainArgs, ReportArgs, StatusArgs, TopArgs};
use super::service_args::ServiceArgs;
use super::setup_args::SetupArgs;
use super::{foreign, options};
use crate::config::keys::Group;

/// All options of a command that mines.
pub(super) const MINING: &[Group] = &[
    Group::Algorithm,
    Group::Pool,
    Group::Connection,
    Group::Device,
    Group::Safety,
    Group::Watching,
    Group::Running,
];

/// What a command that only talks to pools can be told.
const POOLS: &[Group] = &[Group::Algorithm, Group::Pool, Group::Connection];

/// What a command that mines without a pool of the user's can be told.
const WATCHED: &[Group] = &[Group::Algorithm, Group::Device, Group::Safety, Group::Watching, Group::Running];

/// What a command that computes without a pool can be told.
const COMPUTING: &[Group] = &[Group::Algorithm, Group::Device];

const USAGE: &str = "rminer [OPTIONS]\n       rminer <COMMAND>";
const AFTER_HELP: &str = "\
With no command, rminer mines: `rminer --algo randomx --pool HOST:PORT --user WALLET`.
Ctrl-C ends it; SIGHUP does in a terminal, and elsewhere reads the configuration again, as `rminer ctl reload` does.
Run `rminer help COMMAND` for a command, `rminer --help` for more on every option.";

/// What was typed, apart from the options of mining, which [`super::flags`] reads.
#[derive(Debug, Parser)]
#[command(
    name = "rminer",
    version,
    about = "Mine with CPUs and GPUs, measure what they can do, without fee",
    override_usage = USAGE,
    after_help = AFTER_HELP
)]
pub struct Cli {
    /// Options that every command has.
    #[command(flatten)]
    pub global: Global,
    /// What to do; to mine if nothing else is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Config file [default: $XDG_CONFIG_HOME/rminer/config.toml] [env: RMINER_CONFIG]
    #[arg(short, long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Say more; -vv shows pool traffic with secrets hidden
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Colour (NO_COLOR is honoured)
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto, global = true)]
    pub color: ColorWhen,
    /// Print machine-readable JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// Values of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Mine (the default command)
    Mine,
    /// Test pools: name, connection, TLS, login, job, latency
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Mine in a pool of its own on this machine, to see the program work
    Demo {
        /// Run that pool alone at this address, for other miners to test with
        #[arg(long, value_name = "ADDRESS:PORT")]
        serve: Option<SocketAddr>,
    },
    /// Measure every device with every algorithm, without a pool
    Bench(BenchArgs),
    /// List devices, what each mines and how, and why others are left out; -v says more
    Devices,
    /// List algorithms, their spellings and their coins
    Algos,
    /// Show a running miner: rates, shares, heat, pool, and what holds it back
    Status(StatusArgs),
    /// Say why the rate fell, a share was stale or a pause came; or what a code such as wallet-checksum means
    Explain(ExplainArgs),
    /// Show a running miner, here or elsewhere, on the full screen; the keys of mining work there
    Top(TopArgs),
    /// Tell a running miner to pause, resume, reload, switch pools or hold back
    Ctl(CtlArgs),
    /// Find what costs hashrate or safety here, ranked, each with what to do about it
    Doctor(DoctorArgs),
    /// Write a support bundle without secrets, after showing what is inside
    Report(ReportArgs),
    /// Do what needs root, once: huge pages, registers, rights on graphics cards; --undo sets it back
    Setup(SetupArgs),
    /// Check, show, create or convert a config file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Try out whether alerts arrive
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Run as a service of this machine, under systemd
    #[command(subcommand)]
    Service(ServiceArgs),
    /// Print the manual page
    Man {
        /// Write it and a page for each command into this folder instead
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Print shell completions
    Completions {
        /// Shell to print them for
        shell: clap_complete::Shell,
    },
}

/// The commands about pools.
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Go to each pool step by step, without mining
    Test,
}

/// The commands about alerts.
#[derive(Debug, Subcommand)]
pub enum AlertCommand {
    /// Send one by all ways that the settings name
    Test,
}

/// The commands about the config file.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a config file and show everything that is wrong with it
    Check {
        /// File to check; without it the one that would be used
        file: Option<PathBuf>,
    },
    /// Show the settings that flags, environment and file come to, secrets hidden
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Print a commented config file; options that are given are filled in
    Init,
    /// Print the config file that an xmrig config.json means
    Migrate {
        /// The JSON file
        file: PathBuf,
    },
}

/// The whole command line, with flags of other miners, which no help shows.
pub fn command() -> clap::Command {
    build(|command| command.args(foreign::args()))
}

/// The command line without flags of other miners: what a shell should offer.
pub fn own_command() -> clap::Command {
    build(|command| command)
}

fn build(foreign: fn(clap::Command) -> clap::Command) -> clap::Command {
    let mining = |command| foreign(with_options(command, MINING));
    // Our own options first, so that help lists the global ones last.
    Cli::augment_args(mining(clap::Command::new("rminer")))
        .mut_subcommand("mine", mining)
        .mut_subcommand("pool", |pool| pool.mut_subcommand("test", |test| foreign(with_options(test, POOLS))))
        .mut_subcommand("demo", |demo| with_options(demo, WATCHED))
        .mut_subcommand("bench", |bench| with_options(bench, COMPUTING))
        .mut_subcommand("doctor", mining)
        .mut_subcommand("alert", |alert| {
            alert.mut_subcommand("test", |test| with_options(test, &[Group::Watching]))
        })
        .mut_subcommand("config", |config| {
            config.mut_subcommand("show", mining).mut_subcommand("init", mining)
        })
}

fn with_options(command: clap::Command, groups: &[Group]) -> clap::Command {
    command.args_override_self(true).args(options::args(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
        own_command().debug_assert();
    }
}
