//! One file for each command. A command gets its options and the [`Context`] of the call, and says how the
//! program ends.

mod algos;
mod bench;
mod completions;
mod config;
mod devices;
mod table;

use crate::cli::{Command, Context};
use crate::exit::Exit;

/// Runs a command.
pub(crate) fn run(command: Command, context: &Context<'_>) -> Exit {
    match command {
        Command::Algos => algos::run(context),
        Command::Bench(args) => bench::run(&args, context),
        Command::Devices => devices::run(context),
        Command::Config(command) => config::run(command, context),
        Command::Completions { shell } => completions::run(shell, context),
    }
}
