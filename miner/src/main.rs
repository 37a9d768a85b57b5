//! Entry point.

// For the one call below.
#![allow(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    without_display_layer();
    rminer::cli::run(std::env::args_os(), &rminer::config::variable).into()
}

/// Mesa puts a layer before every Vulkan driver that asks the display server which card shows its windows. There are
/// no windows here, and on a machine without a display server it writes errors to the terminal.
fn without_display_layer() {
    const SWITCH: &str = "NODEVICE_SELECT";
    if std::env::var_os(SWITCH).is_none() {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var(SWITCH, "1") };
    }
}
