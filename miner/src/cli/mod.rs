//! The command line: what was typed becomes a command and layers of settings.

mod args;
mod bench_args;
mod context;
mod flags;
mod foreign;
mod options;
mod remote_args;
mod service_args;
mod setup_args;

use std::ffi::OsString;

use clap::FromArgMatches;

pub use args::{AlertCommand, Cli, Command, ConfigCommand, PoolCommand, command, own_command};
pub use bench_args::BenchArgs;
pub use context::Context;
pub use remote_args::{
    CtlArgs, DoctorArgs, ExplainArgs, OrderArgs, Remote, ReportArgs, StatusArgs, TopArgs, Which,
};

pub use service_args::ServiceArgs;
pub use setup_args::{SetupArgs, SetupPart};

use crate::commands;
use crate::config::{Env, When};
use crate::exit::Exit;

/// Runs the program with these arguments, the name of the program first.
pub fn run(args: impl IntoIterator<Item = OsString>, env: Env<'_>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let color = color_asked_for(&args);
    let mut command = command().color(match color {
        When::Auto => clap::ColorChoice::Auto,
        When::Always => clap::ColorChoice::Always,
        When::Never => clap::ColorChoice::Never,
    });
    let parsed = command
        .try_get_matches_from_mut(&args)
        .and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (matches, cli)));
    let (matches, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Standard output may be closed; there is nobody left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let context = Context::new(&cli.global, &matches, color, env);
    if let Err(exit) = context.refuse_misplaced_options() {
        return exit;
    }
    commands::run(cli.command.unwrap_or(Command::Mine), &context)
}

/// `--color` counts for the messages about the command line itself too, so it is looked for before parsing.
fn color_asked_for(args: &[OsString]) -> When {
    let mut color = When::Auto;
    let mut words = args.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = match word {
            "--no-color" => Some("never"),
            "--color" => words.next(),
            _ => word.strip_prefix("--color="),
        };
        color = match value {
            Some("always") => When::Always,
            Some("never") => When::Never,
            _ => color,
        };
    }
    color
}
