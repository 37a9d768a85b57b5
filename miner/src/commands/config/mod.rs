//! `rminer config`

mod check;
mod init;
mod migrate;
mod show;
mod xmrig;

use crate::cli::{ConfigCommand, Context};
use crate::exit::Exit;

/// Runs one of the commands about the config file. None of them writes a file.
pub(super) fn run(command: ConfigCommand, context: &Context<'_>) -> Exit {
    match command {
        ConfigCommand::Check { file } => check::run(file, context),
        ConfigCommand::Show { origin } => show::run(origin, context),
        ConfigCommand::Init => init::run(context),
        ConfigCommand::Migrate { file } => migrate::run(&file, context),
    }
}
