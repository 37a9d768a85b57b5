//! `rminer algos`

use std::fmt::Write;

use rminer_algos::registry::ALGORITHMS;
use serde::Serialize;

use crate::cli::Context;
use crate::exit::Exit;

/// Kinds of devices that this version has.
const DEVICES: &[&str] = &["cpu"];

#[derive(Serialize)]
struct Row {
    name: &'static str,
    aliases: &'static [&'static str],
    wire_names: &'static [&'static str],
    coins: &'static [&'static str],
    devices: &'static [&'static str],
}

/// Prints the algorithms.
pub(super) fn run(context: &Context<'_>) -> Exit {
    if context.globals().json {
        let rows = ALGORITHMS.iter().map(|known| Row {
            name: known.name,
            aliases: known.aliases,
            wire_names: known.wire_names,
            coins: known.coins,
            devices: DEVICES,
        });
        return context.print_json(&rows.collect::<Vec<_>>());
    }
    let aliases: Vec<String> = ALGORITHMS.iter().map(|known| known.aliases.join(", ")).collect();
    let width = aliases.iter().map(String::len).max().unwrap_or_default() + 2;
    let mut text = format!("{:<12}{:<9}{:<width$}{}\n", "ALGORITHM", "DEVICES", "ALSO WRITTEN", "COINS");
    for (known, aliases) in ALGORITHMS.iter().zip(aliases) {
        let coins = known.coins.join(", ");
        let _ = writeln!(text, "{:<12}{:<9}{aliases:<width$}{coins}", known.name, DEVICES.join(","));
    }
    context.print(&text)
}
