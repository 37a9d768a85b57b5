//! One file for each command. A command gets its options and the [`Context`] of the call, and says how the
//! program ends.

mod alert;
mod algos;
mod bench;
mod completions;
mod config;
mod ctl;
mod devices;
mod doctor;
mod explain;
mod man;
mod pool;
mod remote;
mod report;
mod service;
mod setup;
mod status;
mod table;
mod top;

use crate::cli::{AlertCommand, Command, Context, PoolCommand};
use crate::config::{Pools, Settings};
use crate::demo::{demo, serve};
use crate::engine::Reload;
use crate::exit::Exit;
use crate::mine::mine;
use crate::problem::Problem;
use crate::reload;

/// Runs a command.
pub(crate) fn run(command: Command, context: &Context<'_>) -> Exit {
    match command {
        Command::Mine => {
            mining(context, Pools::Needed, |settings| mine(settings, Some(reload(context, settings))))
        }
        Command::Pool(PoolCommand::Test) => pool::run(context),
        Command::Demo { serve: None } => mining(context, Pools::Ignored, demo),
        Command::Demo { serve: Some(address) } => {
            mining(context, Pools::Ignored, |settings| serve(settings.algorithm, address))
        }
        Command::Algos => algos::run(context),
        Command::Bench(args) => bench::run(&args, context),
        Command::Devices => devices::run(context),
        Command::Status(args) => status::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Top(args) => top::run(&args, context),
        Command::Ctl(args) => ctl::run(&args, context),
        Command::Report(args) => report::run(&args, context),
        Command::Setup(args) => setup::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Config(command) => config::run(command, context),
        Command::Alert(AlertCommand::Test) => alert::test(context),
        Command::Service(args) => service::run(&args, context),
        Command::Man { dir } => man::run(dir.as_deref(), context),
        Command::Completions { shell } => completions::run(shell, context),
    }
}

/// Runs a command that needs nothing but its settings.
fn mining(
    context: &Context<'_>,
    need: Pools,
    start: impl FnOnce(&Settings) -> Result<Exit, (Problem, Exit)>,
) -> Exit {
    let settings = match context.resolve(need) {
        Ok(resolution) => resolution.settings,
        Err(exit) => return exit,
    };
    ended(context, start(&settings))
}

/// Reads the configuration of a running miner again; the options of the command line stay.
fn reload<'a>(context: &'a Context<'_>, settings: &Settings) -> Reload<'a> {
    let mut running = settings.clone();
    Box::new(move || match context.read(Pools::Needed) {
        Ok(resolution) => Ok(reload::apply(&mut running, resolution.settings)),
        Err(problems) => Err(reload::refused(&problems)),
    })
}

/// How the program ends; says why if it could not start.
fn ended(context: &Context<'_>, outcome: Result<Exit, (Problem, Exit)>) -> Exit {
    outcome.unwrap_or_else(|(problem, exit)| {
        context.report(&[problem]);
        exit
    })
}
