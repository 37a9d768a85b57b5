//! `rminer completions`

use clap_complete::Shell;

use crate::cli::{self, Context};
use crate::exit::Exit;

/// Prints the completions for a shell.
pub(super) fn run(shell: Shell, context: &Context<'_>) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::own_command(), "rminer", &mut script);
    context.print(&String::from_utf8_lossy(&script))
}
