//! `rminer config init`

use crate::cli::Context;
use crate::config::toml_text;
use crate::exit::Exit;

/// Prints a config file with every key explained and those of the command line filled in. Writing it somewhere
/// is the user's own step.
pub(super) fn run(context: &Context<'_>) -> Exit {
    let (layer, notes) = match context.flags() {
        Ok(flags) => flags,
        Err(exit) => return exit,
    };
    context.report(&notes);
    let heading = [
        "Configuration of rminer. Keys with a # in front are at their default.".to_owned(),
        "`rminer config check FILE` finds mistakes; rminer itself never changes this file.".to_owned(),
        "Strings may name environment variables, such as \"${HOSTNAME}\".".to_owned(),
    ];
    context.print(&toml_text::document(&layer, &heading))
}
