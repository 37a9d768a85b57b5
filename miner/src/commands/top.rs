//! `rminer top`

use std::sync::Arc;

use super::remote::Interface;
use crate::cli::{Context, TopArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::ui::{Look, is_interactive, show};

/// Shows a running miner on the full screen. A miner that cannot be reached is no reason to end: it may come.
pub(super) fn run(args: &TopArgs, context: &Context<'_>) -> Exit {
    if !is_interactive() {
        let problem = Problem::error("no-terminal", "the full screen needs a terminal for input and output");
        context
            .report(&[problem.help("rminer status --watch prints lines; --json prints them for programs")]);
        return Exit::Usage;
    }
    let shown = Interface::new(&args.remote, context).and_then(|interface| {
        let look = Look::new(context.globals().color, context.env());
        show(Arc::new(interface), look)
            .map_err(|error| Problem::error("terminal", format!("the terminal cannot be used: {error}")))
    });
    match shown {
        Ok(()) => Exit::Done,
        Err(problem) => {
            context.report(&[problem]);
            Exit::Failed
        }
    }
}
