//! Entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    rminer::cli::run(std::env::args_os(), &rminer::config::variable).into()
}
