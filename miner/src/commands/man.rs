//! `rminer man`

use std::fs;
use std::io;
use std::path::Path;

use clap_mangen::Man;

use crate::cli::{self, Context};
use crate::exit::Exit;
use crate::problem::Problem;

/// Prints the manual, or writes it and a page for each command into a folder.
pub(super) fn run(folder: Option<&Path>, context: &Context<'_>) -> Exit {
    let Some(folder) = folder else {
        return match page(cli::own_command()) {
            Ok(page) => context.print(&String::from_utf8_lossy(&page)),
            Err(error) => fail(&error, context),
        };
    };
    match write(folder) {
        Ok(number) => context.print(&format!("{number} pages are in {}\n", folder.display())),
        Err(error) => fail(&error, context),
    }
}

fn fail(error: &io::Error, context: &Context<'_>) -> Exit {
    let problem = Problem::error("man", format!("the manual cannot be written: {error}"));
    context.report(&[problem.help("name a folder that you may write to with --dir")]);
    Exit::Failed
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).manual("rminer").render(&mut page)?;
    Ok(page)
}

/// A page for the program and one for each command, such as `rminer-config-init.1`. Says how many.
fn write(folder: &Path) -> io::Result<usize> {
    fs::create_dir_all(folder)?;
    let mut root = cli::own_command().disable_help_subcommand(true);
    root.build();
    let mut waiting = vec![root];
    let mut number = 0;
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        fs::write(folder.join(format!("{name}.1")), page(command)?)?;
        number += 1;
    }
    Ok(number)
}
